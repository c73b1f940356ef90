"""
What goes wrong on the wire: on demand, or at random with a seed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

import orjson

from ..errors import BadRequest
from ..ocpp.versions import Version
from .station import Line
from .websocket import ChargePointProtocol, Connection, masked_frame


#: How long an answer or a question is held back, in seconds.
LATE = 40.0

#: How long nothing is read, in seconds.
SLOW = 30.0

#: The octets of an oversize message.
OVERSIZE = 4 << 20

#: How often a line breaks in a storm of reconnects.
STORM = 20

#: How long a name is offered that is not registered, in seconds.
MISNAMED = 30.0

BINARY = 0x82

#: How much there may be of anything.
MOST = 10**9


class Faults:
    """
    The faults of one connection.

    @ivar counts: how many of each there were.
    """

    def __init__(
        self,
        connection: Line,
        rates: Mapping[str, float] | None = None,
        seed: int = 0,
    ) -> None:
        """
        @param rates: the part of the frames that a fault of L{ON_FRAMES}
            befalls, by its name; from 0 to 1.
        @raise BadRequest: it is none of a WebSocket.
        """
        if not isinstance(connection, Connection):
            raise BadRequest("there are no faults on the wire over SOAP")
        for name in rates or {}:
            _check(name, ON_FRAMES)
        self.connection = connection
        self.counts: dict[str, int] = {}
        self._rates = dict(rates or {})
        identity = connection.station.identity
        self._random = Random(f"{seed} {identity} faults")
        self._next: deque[str] = deque()
        self._dead: ChargePointProtocol | None = None
        connection.shape = self._send
        connection.station.findings.provoked = True

    def happen(self, name: str, amount: float | None = None) -> None:
        """
        Let something go wrong: now, or with the next frame.

        @param amount: seconds, octets or times; what is usual, if None.
        @raise BadRequest: there is no such fault, or not so much of it.
        """
        if name in ON_FRAMES:
            self._next.append(name)
            return
        _check(name, ON_LINES)
        # Only a clock jumps back.
        least = -MOST if name == "clock" else 0
        if amount is not None and not least <= amount <= MOST:
            raise BadRequest(f"amount: {amount:g} is not {least} to {MOST}")
        self._count(name)
        ON_LINES[name](self, amount)

    def end(self) -> None:
        """
        From now on everything goes right.
        """
        self.connection.shape = None

    def _count(self, name: str) -> None:
        self.counts[name] = self.counts.get(name, 0) + 1

    def _send(self, protocol: ChargePointProtocol, frame: bytes) -> None:
        if protocol is self._dead:
            return
        name = self._next_for(frame) or self._by_chance(frame)
        if not name:
            protocol.send_text(frame)
            return
        self._count(name)
        ON_FRAMES[name](self, protocol, frame)

    def _next_for(self, frame: bytes) -> str:
        for name in self._next:
            if _befalls(name, frame):
                self._next.remove(name)
                return name
        return ""

    def _by_chance(self, frame: bytes) -> str:
        for name, part in self._rates.items():
            if _befalls(name, frame) and self._random.random() < part:
                return name
        return ""

    # Frames

    def _malformed(self, protocol: ChargePointProtocol, frame: bytes) -> None:
        """
        The end of the JSON is missing.
        """
        protocol.send_text(frame[: max(1, len(frame) - 2)])

    def _wrong_id(self, protocol: ChargePointProtocol, frame: bytes) -> None:
        """
        Another message id: nobody waits for such an answer.
        """
        message = orjson.loads(frame)
        message[1] = f"{self._random.getrandbits(64):x}"
        protocol.send_text(orjson.dumps(message))

    def _repeated(self, protocol: ChargePointProtocol, frame: bytes) -> None:
        protocol.send_text(frame)
        protocol.send_text(frame)

    def _late(self, protocol: ChargePointProtocol, frame: bytes) -> None:
        reactor = self.connection.reactor
        reactor.callLater(LATE, protocol.send_text, frame)

    def _lost(self, protocol: ChargePointProtocol, frame: bytes) -> None:
        """
        It is never sent.
        """

    def _oversize(self, protocol: ChargePointProtocol, frame: bytes) -> None:
        """
        A message that no central system should take comes before it.
        """
        payload = {"vendorId": "ocpp_tw", "data": "x" * OVERSIZE}
        protocol.send_text(
            orjson.dumps([2, "oversize", "DataTransfer", payload])
        )
        protocol.send_text(frame)

    def _binary(self, protocol: ChargePointProtocol, frame: bytes) -> None:
        protocol.transport.write(masked_frame(frame, BINARY))

    # Lines

    def _half_open(self, amount: float | None) -> None:
        """
        The socket stays, and nobody is at it any more.
        """
        protocol = self._dead = self.connection.protocol
        if protocol is not None:
            protocol.transport.pauseProducing()
            protocol.sendPing = lambda *args: None

    def _slow(self, amount: float | None) -> None:
        """
        Nothing is read for a while.
        """
        protocol = self.connection.protocol
        if protocol is not None:
            protocol.transport.pauseProducing()
            self.connection.reactor.callLater(
                SLOW if amount is None else amount,
                self._read_again,
                protocol,
            )

    def _read_again(self, protocol: ChargePointProtocol) -> None:
        if self.connection.protocol is protocol:
            protocol.transport.resumeProducing()

    def _subprotocol(self, amount: float | None) -> None:
        """
        Connect with a name that is not registered, as the seed system did.
        """
        self.connection.subprotocols = ["ocpp16"]
        self.connection.again(0)
        self.connection.reactor.callLater(
            MISNAMED if amount is None else amount, self._well_named
        )

    def _well_named(self) -> None:
        self.connection.subprotocols = [Version.V16.subprotocol]
        self.connection.again(0)

    def _clock(self, amount: float | None) -> None:
        self.connection.station.skew += 3600 if amount is None else amount

    def _storm(self, amount: float | None) -> None:
        left = STORM if amount is None else int(amount)
        if left > 0 and self.connection.station.line is not None:
            self.connection.cut()
            self.connection.again(0)
            self.connection.reactor.callLater(0.1, self._storm, left - 1)


_OnFrame = Callable[[Faults, ChargePointProtocol, bytes], None]
_OnLine = Callable[[Faults, "float | None"], None]

#: What can happen to a frame.
ON_FRAMES: dict[str, _OnFrame] = {
    "malformed": Faults._malformed,
    "wrong-id": Faults._wrong_id,
    "repeated": Faults._repeated,
    "late": Faults._late,
    "lost": Faults._lost,
    "oversize": Faults._oversize,
    "binary": Faults._binary,
    "late-answer": Faults._late,
    "no-answer": Faults._lost,
}

#: Those that befall our answers only.
_ON_ANSWERS = frozenset(("late-answer", "no-answer"))


def _befalls(name: str, frame: bytes) -> bool:
    return name not in _ON_ANSWERS or frame[:2] in (b"[3", b"[4")


#: What can happen to a line.
ON_LINES: dict[str, _OnLine] = {
    "half-open": Faults._half_open,
    "slow": Faults._slow,
    "subprotocol": Faults._subprotocol,
    "clock": Faults._clock,
    "storm": Faults._storm,
}


def _check(name: str, known: Mapping[str, Any]) -> None:
    if name not in known:
        every = ", ".join([*ON_FRAMES, *ON_LINES])
        raise BadRequest(f"no fault {name!r:.40}; there are: {every}")
