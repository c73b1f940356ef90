"""
The events that the backend has not told yet, and those it never could.
"""

from __future__ import annotations

from typing import Any

from twisted.web.iweb import IRequest

from ...errors import NotFound, NotKept
from ...interfaces import IOutbox, Page
from ...router import Router
from .asked import read_list_query, read_object, whole_number
from .records import KEPT
from .routes import IDENTITY, Parameter, Route
from .shapes import BODIES, NAMED, listed


class Outbox:
    """
    Operators read it, and send dead letters again.
    """

    def __init__(self, router: Router) -> None:
        self._router = router
        self.routes = [
            Route(
                "GET",
                "/outbox",
                self.outbox,
                query=(
                    IDENTITY,
                    Parameter(
                        "state",
                        "In this state only.",
                        {"type": "string", "enum": ["waiting", "dead"]},
                    ),
                ),
                gives=listed("Event"),
                errors=KEPT,
            ),
            Route(
                "POST",
                "/outbox/<number>/redeliver",
                self.redeliver,
                takes=BODIES["Nothing"],
                gives=NAMED["Event"],
                errors=KEPT,
            ),
        ]

    async def outbox(self, request: IRequest) -> Page:
        """
        The events that the backend has not told yet, or never could.
        """
        query = read_list_query(request, "identity", "state")
        return await self._outbox().outbox(**query)

    async def redeliver(self, request: IRequest, number: str) -> Any:
        """
        Try a dead letter again.
        """
        read_object(request, {})
        wanted = whole_number(number)
        if wanted is None:
            raise NotFound(f"there is no dead letter {number!r:.60}")
        return await self._outbox().redeliver(wanted)

    def _outbox(self) -> IOutbox:
        outbox: IOutbox | None = IOutbox(self._router.backend, None)
        if outbox is None:
            raise NotKept(
                "the backend in use tells no events; the webhook backend does"
            )
        return outbox
