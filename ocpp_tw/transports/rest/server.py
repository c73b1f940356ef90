"""
What is known of ourselves.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.web.iweb import IRequest

from ... import __version__
from ...errors import BadRequest
from ...router import Router
from .asked import read_query
from .routes import Route
from .shapes import NAMED


class Server:
    """
    @ivar workers: tells how many processes we are.
    @ivar backend: how the configuration names the backend in use.
    @ivar configuration: all keys by section, each as C{{"value": "9220",
        "given": false}}, without secrets.
    @ivar reload: reads the configuration again; returns what is wrong with
        it, or an empty text.
    """

    backend = ""
    configuration: Mapping[str, Any] = {}
    reload: Callable[[], Awaitable[str]]

    def __init__(self, router: Router, clock: IReactorTime) -> None:
        self._router = router
        self._seconds = clock.seconds
        self.workers: Callable[[], int] = lambda: 1
        self._since = clock.seconds()
        self.routes = [
            Route("GET", "/server", self.server, gives=NAMED["Server"]),
            Route(
                "POST",
                "/server/reload",
                self.read_again,
                role="admin",
                status=204,
            ),
        ]

    async def server(self, request: IRequest) -> dict[str, Any]:
        """
        What is known of this server.
        """
        read_query(request)
        return {
            "version": __version__,
            "uptime": round(self._seconds() - self._since, 3),
            "backend": self.backend or None,
            "workers": self.workers(),
            "counts": self._counts(),
            "configuration": self.configuration,
        }

    async def read_again(self, request: IRequest) -> None:
        """
        Read the configuration again, as SIGHUP does; one that cannot be used
        changes nothing.
        """
        read_query(request)
        problem = await self.reload()
        if problem:
            raise BadRequest(problem)

    def _counts(self) -> dict[str, int]:
        database = self._router.journal.database
        return {
            "stationsKnown": len(self._router.fleet),
            "stationsConnected": sum(
                known.station is not None for known in self._router.fleet
            ),
            "journalBacklog": database.backlog,
            "journalDropped": database.dropped,
        }
