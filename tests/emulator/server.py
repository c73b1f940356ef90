"""
The central system of ours, without sockets: its router, and its WebSockets
over wires in memory.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.task import Clock
from twisted.test import iosim
from twisted.web.server import Site
from zope.interface import implementer

from ocpp_tw.database import MEMORY
from ocpp_tw.emulator.clock import iso
from ocpp_tw.emulator.websocket import Lines
from ocpp_tw.journal import Journal
from ocpp_tw.ocpp.messages import Call
from ocpp_tw.router import Router
from ocpp_tw.transports.site import Root
from ocpp_tw.transports.websocket import StationFactory, StationResource

from .world import NEW_YEAR


class Backend:
    """
    Accepts everything, and keeps it.

    @ivar calls: (identity, action, payload) of every Call.
    @ivar energy: Wh of each transaction that ended.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.calls: list[tuple[str, str, Any]] = []
        self.started: dict[int, int] = {}
        self.energy: dict[int, int] = {}
        self._told: dict[str, int] = {}

    def answer(self, station: Any, call: Call) -> Any:
        self.calls.append((station.identity, call.action, call.payload))
        answer = getattr(self, f"answer_{call.action}", lambda payload: {})
        return answer(call.payload)

    def answer_BootNotification(self, payload: Any) -> Any:
        return {
            "status": "Accepted",
            "currentTime": iso(self._clock.seconds()),
            "interval": 300,
        }

    def answer_Heartbeat(self, payload: Any) -> Any:
        return {"currentTime": iso(self._clock.seconds())}

    def answer_Authorize(self, payload: Any) -> Any:
        return {"idTagInfo": {"status": "Accepted"}}

    def answer_StartTransaction(self, payload: Any) -> Any:
        # A start that is told again, since our answer was lost, is the same.
        told = str(sorted(payload.items()))
        id = self._told.setdefault(told, len(self._told) + 1)
        self.started[id] = payload["meterStart"]
        return {"transactionId": id, "idTagInfo": {"status": "Accepted"}}

    def answer_StopTransaction(self, payload: Any) -> Any:
        id = payload["transactionId"]
        self.energy[id] = payload["meterStop"] - self.started[id]
        return {}

    def station_connected(self, station: Any) -> None:
        pass

    def station_disconnected(self, station: Any) -> None:
        pass

    def actions(self, identity: str | None = None) -> list[str]:
        return [
            action
            for name, action, _ in self.calls
            if identity in (None, name)
        ]


@implementer(IStreamClientEndpoint)
class _Endpoint:
    def __init__(self, server: Server) -> None:
        self._server = server

    def connect(self, factory: Any) -> Deferred[Any]:
        client = factory.buildProtocol(None)
        self._server.accept(client)
        return succeed(client)


class MemoryLines(Lines):
    """
    Lines that lead to a server in memory.
    """

    def __init__(self, server: Server, **options: Any) -> None:
        super().__init__(server.clock, **options)
        self.server = server
        self.refuse = False

    def endpoint(self, station: Any) -> Any:
        return _Endpoint(self.server)


class Server:
    def __init__(self) -> None:
        self.clock = Clock()
        self.clock.advance(NEW_YEAR)
        self.journal = Journal(MEMORY, self.clock)
        self.router = Router(self.journal, self.clock)
        self.backend = Backend(self.clock)
        self.router.use(self.backend)  # type: ignore[arg-type]
        stations = StationFactory(self.router, self.clock)
        stations.ping_interval = 0.0
        self._site = Site(Root(StationResource(stations)), reactor=self.clock)
        self.pumps: list[Any] = []

    def lines(self, **options: Any) -> MemoryLines:
        return MemoryLines(self, **options)

    def accept(self, client: Any) -> None:
        server = self._site.buildProtocol(None)
        self.pumps.append(
            iosim.connect(
                server,
                iosim.FakeTransport(server, isServer=True),
                client,
                iosim.FakeTransport(client, isServer=False),
                greet=False,
            )
        )

    def pass_time(self, seconds: float = 0.0, step: float = 1.0) -> None:
        """
        Let time pass, and what is on the wires arrive.
        """
        self.flush()
        while seconds > 0:
            self.clock.advance(min(step, seconds))
            seconds -= step
            self.flush()

    def flush(self) -> None:
        idle = 0
        while idle < 3:
            # What is sent in one turn may be put on the wire in the next.
            self.clock.advance(0)
            moved = [pump.pump() for pump in list(self.pumps)]
            idle = 0 if any(moved) else idle + 1

    def call(self, identity: str, action: str, **payload: Any) -> Any:
        results: list[Any] = []
        Deferred.fromCoroutine(
            self.router.call(identity, action, payload)
        ).addBoth(results.append)
        self.pass_time()
        [result] = results
        return result
