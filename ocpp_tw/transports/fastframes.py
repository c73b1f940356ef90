"""
A quick way for the frames that nearly all of the traffic is made of.

A segment that is exactly one final, masked text frame is unmasked and given
on here, and an answer goes to the socket at once when nothing waits before
it.  Everything else goes to Autobahn untouched, so that RFC 6455 stays its
business: what is odd, broken, fragmented, large or encrypted.

It touches what is private to Autobahn: C{data}, C{current_frame} and
C{inside_message} of a protocol; and see L{ocpp_tw.sockets}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import main
from twisted.internet.interfaces import IReactorTime
from websockets.frames import apply_mask  # type: ignore[attr-defined]

from ..sockets import is_known, write_now


#: How much is read at once.
SEGMENT = 16384

#: The first octets of a final text frame whose length fits into one octet.
_HEADS = [bytes([0x81, length]) for length in range(126)]


def text_frame(payload: bytes) -> bytes:
    """
    One final text frame, as a server sends it.
    """
    size = len(payload)
    if size < 126:
        return _HEADS[size] + payload
    if size < 65536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


def whole_text(segment: bytes) -> bytes | None:
    """
    The payload of a segment that is exactly one small masked text frame.

    >>> whole_text(b"\\x81\\x82\\0\\0\\0\\0{}")
    b'{}'
    >>> whole_text(b"\\x81\\x02{}") is None
    True
    """
    size = len(segment)
    if size < 7 or segment[0] != 0x81:
        return None
    length = segment[1]
    if length == 0xFE:
        if size < 134 or int.from_bytes(segment[2:4], "big") != size - 8:
            return None
        payload = apply_mask(segment[8:], segment[4:8])
    elif size < 132 and length == 0x80 + size - 6:
        payload = apply_mask(segment[6:], segment[2:6])
    else:
        return None
    return payload if payload.isascii() or _is_text(payload) else None


def _is_text(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


class Outbox:
    """
    What was answered in this turn of the reactor, to be sent in one go.

    Whoever reads at the other end of many connections is woken once for all
    of it, and not once for each.
    """

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor
        self._waiting: list[tuple[FastFrames, bytes]] = []

    def put(self, sender: FastFrames, payload: bytes) -> None:
        waiting = self._waiting
        if not waiting:
            self._reactor.callLater(0, self.flush)
        waiting.append((sender, payload))

    def flush(self) -> None:
        """
        Send what waits; before a frame that must not overtake it, too.
        """
        waiting, self._waiting = self._waiting, []
        for sender, payload in waiting:
            frame = text_frame(payload)
            if sender._recv is not None:
                write_now(sender.transport, frame)
            elif sender.state != sender.STATE_CLOSED:
                sender.transport.write(frame)


class FastFrames:
    """
    Mixed into an Autobahn protocol: L{send_text}, and frames by L{read_fast}.

    Its factory has an C{outbox}.
    """

    _recv: Any = None
    state: Any
    transport: Any
    STATE_CLOSED: Any

    def read_fast(self: Any) -> None:
        """
        Take the reading over from a plain TCP connection.
        """
        transport = self.transport
        if is_known(transport):
            self._recv = transport.socket.recv
            setattr(transport, "doRead", self._read_segment)  # noqa: B010

    def connectionLost(self: Any, reason: Any) -> None:
        self._recv = None
        self.transport.__dict__.pop("doRead", None)
        super().connectionLost(reason)  # type: ignore[misc]
        # Autobahn's promises hold what they were kept with: us.
        self.is_open = self.is_closed = None

    def dataReceived(self: Any, data: bytes) -> None:
        """
        What came by the slow way: TLS, or in the segment of the handshake.
        """
        self._segment_received(data)

    def _read_segment(self: Any) -> Any:
        """
        What C{doRead} of a connection does, without its logging context.
        """
        try:
            segment = self._recv(SEGMENT)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:
            return main.CONNECTION_LOST
        if not segment:
            return main.CONNECTION_DONE
        self._segment_received(segment)
        return None

    def _segment_received(self: Any, segment: bytes) -> None:
        if (
            self.state == self.STATE_OPEN
            and self.current_frame is None
            and not self.data
            and not self.inside_message
            and len(segment) <= self.maxFramePayloadSize
        ):
            text = whole_text(segment)
            if text is not None:
                self.frame_received(text)
                return
        self._alive()
        self._dataReceived(segment)

    def send_text(self: Any, payload: bytes) -> None:
        """
        Send a text frame at the end of this turn.
        """
        if self.state == self.STATE_OPEN:
            self.factory.outbox.put(self, payload)
