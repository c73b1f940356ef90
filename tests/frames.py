"""
RFC 6455 by hand, as a client: also what no library would send.
"""

from __future__ import annotations

import os
import select
import socket
import struct
from base64 import b64encode
from collections.abc import Iterable
from typing import Any

import orjson
from attrs import frozen
from websockets.frames import apply_mask


CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def frame(
    payload: bytes,
    opcode: int = TEXT,
    *,
    final: bool = True,
    masked: bool = True,
    reserved: int = 0,
    length: int | None = None,
) -> bytes:
    """
    One frame.

    @param reserved: the three RSV bits.
    @param length: what it claims to be long.
    """
    size = len(payload) if length is None else length
    first, bit = final << 7 | reserved << 4 | opcode, masked << 7
    if size < 126:
        head = bytes([first, bit | size])
    elif size < 65536:
        head = struct.pack("!BBH", first, bit | 126, size)
    else:
        head = struct.pack("!BBQ", first, bit | 127, size)
    if not masked:
        return head + payload
    mask = os.urandom(4)
    return head + mask + apply_mask(payload, mask)


def handshake(
    path: str, protocols: str | None = "ocpp1.6", **headers: str
) -> bytes:
    """
    What asks for an upgrade.
    """
    asked = {
        "Host": "127.0.0.1",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Protocol": protocols,
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    lines = [f"{name}: {value}" for name, value in asked.items() if value]
    return "\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode()


@frozen
class Frame:
    """
    What came.
    """

    opcode: int
    payload: bytes

    @property
    def code(self) -> int | None:
        """
        Of a close frame.
        """
        if self.opcode != CLOSE or len(self.payload) < 2:
            return None
        code: int = struct.unpack("!H", self.payload[:2])[0]
        return code

    def json(self) -> Any:
        assert self.opcode == TEXT, self
        return orjson.loads(self.payload)


def take(received: bytearray) -> Frame | None:
    """
    Take the first frame of a server out of what was received, if it is whole.
    """
    if len(received) < 2:
        return None
    opcode, length, start = received[0] & 15, received[1], 2
    assert received[0] & 0x70 == 0, "no extension was negotiated"
    assert length < 128, "a server does not mask"
    if length == 126:
        length, start = int.from_bytes(received[2:4], "big"), 4
    elif length == 127:
        length, start = int.from_bytes(received[2:10], "big"), 10
    if len(received) < start + length:
        return None
    taken = Frame(opcode, bytes(received[start : start + length]))
    del received[: start + length]
    return taken


def heartbeat(number: object) -> bytes:
    return b'[2,"%b","Heartbeat",{}]' % str(number).encode()


class Client:
    """
    A station with a socket of its own; everything blocks, for so long.

    @ivar head: what the server answered the handshake with.
    """

    def __init__(
        self, port: int, patience: float = 20, connected: Any = None
    ) -> None:
        self.socket = connected or socket.create_connection(
            ("127.0.0.1", port), patience
        )
        self.socket.settimeout(patience)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = bytearray()
        self.head = b""

    def open(self, path: str = "/ocpp/CP1", early: bytes = b"") -> Client:
        """
        Shake hands.

        @param early: what is sent in the same segment.
        """
        self.socket.sendall(handshake(path) + early)
        self.read_head()
        assert b" 101 " in self.head, self.head
        return self

    def read_head(self) -> bytes:
        while b"\r\n\r\n" not in self.received:
            self._receive()
        head, _, rest = bytes(self.received).partition(b"\r\n\r\n")
        self.head, self.received = head, bytearray(rest)
        return head

    def _receive(self) -> None:
        received = self.socket.recv(65536)
        if not received:
            raise EOFError
        self.received += received

    def send(self, *frames: bytes) -> None:
        self.socket.sendall(b"".join(frames))

    def read(self) -> Frame:
        """
        The next frame.

        @raise EOFError: there is none.
        """
        while True:
            taken = take(self.received)
            if taken is not None:
                return taken
            self._receive()

    def ask(self, call: bytes) -> Any:
        """
        The answer to a CALL.
        """
        self.send(frame(call))
        return self.read().json()

    def rest(self) -> Iterable[Frame]:
        """
        Every frame until the end of the connection; a close frame is echoed.
        """
        try:
            while True:
                got = self.read()
                if got.opcode == CLOSE:
                    self.send(frame(got.payload, CLOSE))
                yield got
        except (EOFError, ConnectionError):
            return

    def close(self) -> None:
        self.socket.close()


def long_id(number: int) -> str:
    """
    A message id that makes an answer long.
    """
    return f"{number:0200}"


def small_socket(port: int) -> socket.socket:
    """
    A connection with a small window: it is soon full.
    """
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.connect(("127.0.0.1", port))
    return made


@frozen
class Fed:
    """
    What a server took before it stopped reading.

    @ivar calls: how many whole frames.
    @ivar rest: what is left of one more.
    """

    calls: int
    rest: bytes


def feed(sending: socket.socket) -> Fed:
    """
    Send until nothing is taken any more.
    """
    for number in range(200_000):
        left = frame(heartbeat(long_id(number)))
        while left:
            _, writable, _ = select.select([], [sending], [], 1.0)
            if not writable:
                return Fed(number, left)
            left = left[sending.send(left) :]
    raise AssertionError("the server takes everything")
