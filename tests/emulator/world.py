"""
A charge point and a central system that a test plays, wired together.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from ocpp_tw.emulator.chargepoint import ChargePoint
from ocpp_tw.emulator.clock import iso
from ocpp_tw.emulator.config import ConnectorConfig, StationConfig
from ocpp_tw.emulator.findings import Ear
from ocpp_tw.emulator.keys import Given
from ocpp_tw.errors import CallFailed
from ocpp_tw.ocpp.messages import Call
from ocpp_tw.ocpp.schemas import REQUESTS, RESPONSES
from ocpp_tw.peer import Peer


#: 2026-01-01T00:00:00Z
NEW_YEAR = 1767225600.0


ONE = (ConnectorConfig(1),)


class Wire:
    """
    Frames in order, in both directions, none within another.
    """

    def __init__(self) -> None:
        self.ends: list[Any] = [None, None]
        self._frames: deque[tuple[int, bytes]] = deque()
        self._busy = False
        self.cut = False

    def sender(self, end: int) -> Callable[[bytes], None]:
        def send(frame: bytes) -> None:
            self._frames.append((1 - end, frame))
            self._deliver()

        return send

    def _deliver(self) -> None:
        if self._busy:
            return
        self._busy = True
        while self._frames:
            end, frame = self._frames.popleft()
            if not self.cut:
                self.ends[end].frame_received(frame)
        self._busy = False


class World:
    """
    @ivar asked: every Call of the charge point: (action, payload).
    @ivar answers: what the central system answers, by action: a payload, an
        exception, or a function of the payload.
    """

    def __init__(
        self,
        connectors: Any = ONE,
        **options: Any,
    ) -> None:
        keys = options.pop("keys", {})
        self.clock = Clock()
        self.clock.advance(NEW_YEAR)
        self.asked: list[tuple[str, Any]] = []
        self.line: list[str] = []
        self.transactions = 0
        self.answers: dict[str, Any] = {
            "BootNotification": lambda _: {
                "status": "Accepted",
                "currentTime": self.stamp(),
                "interval": 300,
            },
            "Heartbeat": lambda _: {"currentTime": self.stamp()},
            "Authorize": {"idTagInfo": {"status": "Accepted"}},
            "StartTransaction": self._start,
            "StopTransaction": {},
            "DataTransfer": {"status": "Accepted"},
            "SignCertificate": {"status": "Accepted"},
        }
        config = StationConfig(
            "CP1",
            "CP1",
            "ws://localhost:9220/ocpp",
            tuple(connectors),
            {name: Given(value) for name, value in keys.items()},
        )
        self.station = ChargePoint(config, self.clock, **options)
        self.station.line = self
        self.wire: Wire | None = None

    def stamp(self) -> str:
        return iso(self.clock.seconds())

    def _start(self, payload: Any) -> Any:
        self.transactions += 1
        return {
            "transactionId": self.transactions,
            "idTagInfo": {"status": "Accepted"},
        }

    # The line, as the charge point has it

    def again(self, delay: float = 1.0) -> None:
        self.line.append("again")
        self.disconnect()
        self.clock.callLater(delay, self.connect)

    def cut(self) -> None:
        self.line.append("cut")
        self.disconnect()

    def accepted(self) -> None:
        pass

    def ping(self) -> None:
        self.line.append("ping")

    def connect(self) -> None:
        wire = self.wire = Wire()
        mine = Peer(wire.sender(0), self._answer, self.clock)
        theirs = Peer(
            wire.sender(1),
            self._checked_answer,
            self.clock,
            witness=Ear(self.station),
        )
        wire.ends = [mine, theirs]
        self.station.connected(theirs)

    def disconnect(self) -> None:
        wire, self.wire = self.wire, None
        if wire is not None:
            wire.cut = True
            self.station.disconnected()
            wire.ends[1].connection_lost("cut")

    # The central system

    def _answer(self, call: Call) -> Any:
        schema = REQUESTS["1.6", call.action]
        assert schema.is_valid(call.payload), (
            call,
            schema.violations(call.payload),
        )
        self.asked.append((call.action, call.payload))
        answer = self.answers.get(call.action, {})
        if isinstance(answer, Exception):
            raise answer
        return answer(call.payload) if callable(answer) else answer

    def _checked_answer(self, call: Call) -> Any:
        answer = self.station.answer(call)
        assert isinstance(answer, dict)
        schema = RESPONSES["1.6", call.action]
        assert schema.is_valid(answer), (
            call,
            answer,
            schema.violations(answer),
        )
        return answer

    def call(self, action: str, **payload: Any) -> Any:
        """
        Ask the charge point; what it answers, or C{CallFailed}; then let it
        do what it answered to do.
        """
        assert self.wire is not None
        results: list[Any] = []
        Deferred.fromCoroutine(
            self.wire.ends[0].call(action, payload)
        ).addBoth(results.append)
        self.pass_time(0)
        [result] = results
        error = getattr(result, "value", None)
        if isinstance(error, CallFailed):
            return error.code
        return result

    def pass_time(self, seconds: float, step: float = 1.0) -> None:
        self.clock.advance(0)
        while seconds > 0:
            self.clock.advance(min(step, seconds))
            seconds -= step
        self.clock.advance(0)

    def actions(self) -> list[str]:
        return [action for action, _ in self.asked]

    def payloads(self, action: str) -> list[Any]:
        return [payload for name, payload in self.asked if name == action]

    def statuses(self, connector: int = 1) -> list[str]:
        return [
            p["status"]
            for p in self.payloads("StatusNotification")
            if p["connectorId"] == connector
        ]

    def forget(self) -> None:
        self.asked.clear()


def booted(**options: Any) -> World:
    """
    A world in which the charge point has booted, and said all it had to.
    """
    world = World(**options)
    world.connect()
    world.forget()
    return world


def charging(**options: Any) -> World:
    """
    A world in which the charge point charges, in transaction 1.
    """
    world = booted(**options)
    world.call("RemoteStartTransaction", connectorId=1, idTag="ALICE")
    assert world.station.connectors[1].status == "Charging"
    world.forget()
    return world
