"""
The tree of resources on our one port.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.web.iweb import IRequest
from twisted.web.resource import IResource, Resource
from twisted.web.server import Site
from twisted.web.static import File

from ..ocpp.versions import Version
from ..router import Router
from .websocket import StationFactory, StationResource


#: Seconds that a client has for its request, and between two of them.
PATIENCE = 60


class Root(Resource):
    """
    Stations by their upgrade to a WebSocket, operators by their path.
    """

    def __init__(self, stations: StationResource, pages: IResource) -> None:
        super().__init__()
        self._stations = stations
        self.pages = pages

    def getChildWithDefault(self, path: bytes, request: IRequest) -> Any:
        upgrade = request.getHeader(b"upgrade") or b""
        if b"websocket" in upgrade.lower():
            return self._stations
        if path in self.children:
            return self.children[path]
        return self.pages.getChildWithDefault(path, request)


class Front:
    """
    What is seen of us on our one port.

    @ivar site: what listening ports are given.
    """

    def __init__(
        self,
        router: Router,
        config: Any,
        reactor: Any,
        is_ready: Callable[[], bool],
    ) -> None:
        self._router = router
        self._stations = StationFactory(
            router, reactor, config.stations.message_size
        )
        self._root = Root(
            StationResource(self._stations), File(config.server.root)
        )
        self.site = Site(self._root, timeout=PATIENCE, reactor=reactor)
        self.prepare(config)()

    def prepare(self, config: Any) -> Callable[[], None]:
        """
        @return: what puts a new configuration in place.
        """
        stations = config.stations

        def replace() -> None:
            self._router.validation = stations.validation
            self._router.accept = stations.accept
            self._router.default_version = Version(stations.default_version)
            self._stations.ping_interval = stations.ping_interval
            self._stations.call_timeout = stations.call_timeout
            self._root.pages = File(config.server.root)

        return replace
