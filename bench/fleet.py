"""
The stations of the bench: many in one process, on plain sockets and epoll.

A framework would cost more per message than the fastest servers do; so each
station is a chain of "what to do when the socket is ready", and the fleet is
the loop that calls them.
"""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from select import EPOLLIN, EPOLLOUT, epoll
from time import perf_counter
from urllib.parse import urlsplit
from uuid import uuid4

import orjson

from . import messages
from .messages import Request


Script = Callable[["Station"], Iterator[Request]]

_KEY = base64.b64encode(os.urandom(16))
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
_ACCEPT = base64.b64encode(hashlib.sha1(_KEY + _GUID).digest())
_UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Protocol: ocpp1.6\r\nSec-WebSocket-Key: {key}\r\n\r\n"
)
_TEXT, _PING = 0x81, 0x89
_RECEIVED_AT_ONCE = 8192
_EXAMPLES = 5


class Lost(Exception):
    """
    The connection of a station is of no more use.
    """


class Station:
    """
    One charge point, as a chain of "what to do when the socket is ready".
    """

    # Of the class, since it is one time for all of them.
    now = b""

    def __init__(self, fleet: Fleet, number: int, script: Script) -> None:
        self.fleet, self.number = fleet, number
        self.identity = b"%b-%05d" % (fleet.name, number)
        self.id_tag = b"TAG%05d" % number
        self.meter = self.transaction_id = 0
        # Ids of the shape and length that real stations use: a UUID.
        self._prefix = str(uuid4())[:24].encode()
        self._count = 0
        self._script = script(self)
        self._rest = b""
        self._request: Request | None = None
        self._socket = socket.socket()
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.fileno = self._socket.fileno()

    def connect(self) -> None:
        """
        Open the connection; the script begins by itself when it is open.
        """
        self._socket.connect_ex((self.fleet.host, self.fleet.port))
        self.fleet.watch(self, self._connected)

    def follow(self, script: Script) -> None:
        """
        Go on with this script, at once.
        """
        self._script = script(self)
        self._ask()

    def leave(self) -> None:
        """
        Say goodbye, and wait for the server to close the connection.
        """
        if self.fleet.ready[self.fileno] != self._readable:
            return self.close()
        self.fleet.ready[self.fileno] = self._left
        return self._send(messages.CLOSE)

    def close(self) -> None:
        """
        Be gone, whatever the server thinks of it.
        """
        self.fleet.forget(self)
        self._socket.close()

    def stay_home(self) -> None:
        """
        Do not connect after all.
        """
        self._socket.close()

    def begin(self, transaction_id: int) -> bool:
        """
        Take the transaction for what follows; False if it is another's.
        """
        self.transaction_id = transaction_id
        known = self.fleet.transactions
        known.add(transaction_id)
        self.fleet.begun += 1
        return len(known) == self.fleet.begun

    def _connected(self) -> None:
        refused = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if refused:
            raise Lost(f"cannot connect: {os.strerror(refused)}")
        self.fleet.ready[self.fileno] = self._upgraded
        self.fleet.epoll.modify(self.fileno, EPOLLIN)
        self._send(self.fleet.upgrade(self.identity))

    def _upgraded(self) -> None:
        self._rest += self._receive()
        head, end, rest = self._rest.partition(b"\r\n\r\n")
        if not end:
            return
        if not (head.startswith(b"HTTP/1.1 101 ") and _ACCEPT in head):
            raise Lost(f"handshake refused: {head[:80]!r}")
        self._rest = rest
        self.fleet.ready[self.fileno] = self._readable
        self.fleet.station_opened()
        self._ask()

    def _readable(self) -> None:
        data = self._receive()
        # Nearly always: one whole, short frame of text, and nothing else.
        size = len(data) - 2
        is_short = 0 < size < 126 and data[1] == size
        if is_short and data[0] == _TEXT and not self._rest:
            return self._answered(data[2:])
        self._rest += data
        return self._frames_received()

    def _frames_received(self) -> None:
        while (split := _first_frame(self._rest)) is not None:
            opcode, payload, self._rest = split
            if opcode == _TEXT:
                self._answered(payload)
            elif opcode == _PING:
                self._send(messages.pong(payload))
            else:
                raise Lost(f"unexpected frame 0x{opcode:x}: {payload[:80]!r}")

    def _answered(self, text: bytes) -> None:
        fleet, request = self.fleet, self._request
        if request is None:
            return fleet.wrong(self, "something unasked", text)
        fleet.took(perf_counter() - self._sent)
        if not self._is_right(request, text):
            fleet.wrong(self, request.action, text)
        return self._ask()

    def _is_right(self, request: Request, text: bytes) -> bool:
        try:
            kind, unique_id, payload = orjson.loads(text)
        except (ValueError, TypeError):
            return False
        return (
            kind == 3
            and unique_id == self.unique_id.decode()
            and type(payload) is dict
            and request.check(self, payload)
        )

    def _ask(self) -> None:
        if self.fleet.stopping:
            self._request = None
            return
        self._request = request = next(self._script, None)
        if request is None:
            self.fleet.finished += 1
            return
        self._count += 1
        self.unique_id = self._prefix + b"%012d" % self._count
        data = request.frame(self)
        self._sent = perf_counter()
        self._send(data)

    @property
    def is_there(self) -> bool:
        """
        Whether it is connected still.
        """
        return self.fileno in self.fleet.ready

    @property
    def waits(self) -> bool:
        """
        Whether an answer is owed to this station.
        """
        return self._request is not None

    def _send(self, data: bytes) -> None:
        # With one Call in flight there is room, or the server reads nothing.
        if self._socket.send(data) != len(data):
            raise Lost("the server does not read")

    def _receive(self) -> bytes:
        data = self._socket.recv(_RECEIVED_AT_ONCE)
        if not data:
            raise Lost("the server closed the connection")
        return data

    def _left(self) -> None:
        try:
            there = self._socket.recv(_RECEIVED_AT_ONCE)
        except ConnectionError:
            there = b""
        if not there:
            self.close()


def _first_frame(data: bytes) -> tuple[int, bytes, bytes] | None:
    """
    First byte and payload of the first frame, and what follows it; None if
    it is not whole yet.
    """
    if len(data) < 2:
        return None
    start, length = 2, data[1]
    if length > 125:
        start = 4 if length == 126 else 10
        length = int.from_bytes(data[2:start], "big")
    end = start + length
    if len(data) < start or len(data) < end:
        return None
    return data[0], data[start:end], data[end:]


class Fleet:
    """
    Stations that share one epoll, one clock and one account of the errors.

    @ivar name: what their identities begin with.
    """

    def __init__(
        self, url: str, tell: Callable[[str], None], name: bytes = b"BENCH"
    ) -> None:
        self.name = name
        parts = urlsplit(url)
        self.host = parts.hostname or "127.0.0.1"
        self.port = parts.port or 80
        self._path, self._tell = parts.path.rstrip("/"), tell
        self.epoll = epoll()
        self.ready: dict[int, Callable[[], None]] = {}
        self.transactions: set[int] = set()
        self.begun = self.errors = 0
        self.latencies: list[float] = []
        self.took = self.latencies.append
        self._stations: dict[int, Station] = {}
        self._waiting: list[Station] = []
        self._count = self.finished = self.lost = 0
        self.stopping = False

    def upgrade(self, identity: bytes) -> bytes:
        """
        The request for the handshake of that station.
        """
        path = f"{self._path}/{identity.decode()}"
        return _UPGRADE.format(
            path=path, host=self.host, port=self.port, key=_KEY.decode()
        ).encode()

    def follow(self, script: Script) -> None:
        """
        Let all stations go on with another script.
        """
        self.finished = 0
        for station in list(self._stations.values()):
            try:
                station.follow(script)
            except OSError as why:
                self._station_lost(station, why)

    def send_out(self, count: int, script: Script, at_once: int) -> None:
        """
        Let so many stations connect, C{at_once} of them at a time.
        """
        self._count = count
        self._waiting = [
            Station(self, number, script) for number in range(count, 0, -1)
        ]
        for _ in range(min(count, at_once)):
            self.station_opened()

    def station_opened(self) -> None:
        """
        There is room for the next station to connect.
        """
        if self._waiting:
            self._waiting.pop().connect()

    @property
    def stations(self) -> list[Station]:
        """
        Those that are connected.
        """
        return list(self._stations.values())

    def watch(self, station: Station, ready: Callable[[], None]) -> None:
        """
        From now on call C{ready} when the socket of the station is.
        """
        self._stations[station.fileno] = station
        self.ready[station.fileno] = ready
        self.epoll.register(station.fileno, EPOLLOUT)

    def forget(self, station: Station) -> None:
        """
        The socket of the station is about to be closed.
        """
        del self._stations[station.fileno], self.ready[station.fileno]
        self.epoll.unregister(station.fileno)

    def run(
        self, seconds: float, done: Callable[[], bool] = lambda: False
    ) -> float:
        """
        Let the stations talk for so many seconds, or until it is done.

        @return: the seconds it took.
        """
        began = perf_counter()
        end = began + seconds
        while (now := perf_counter()) < end and not done():
            Station.now = _timestamp()
            for fileno, _ in self.epoll.poll(min(end - now, 0.1)):
                try:
                    self.ready[fileno]()
                except BlockingIOError:
                    continue
                except (Lost, OSError) as why:
                    self._station_lost(self._stations[fileno], why)
        return perf_counter() - began

    def finish(self, seconds: float) -> float:
        """
        Let each station come to the end of its script; those that do not
        in so many seconds are errors.

        @return: the seconds it took.
        """
        took = self.run(seconds, self._all_finished)
        self.errors += self._count - self.finished - self.lost
        return took

    def stop(self, seconds: float) -> None:
        """
        Ask nothing more; an answer that is still owed after so many seconds
        is an error.
        """
        self.stopping = True
        self.run(seconds, lambda: not any(self._waiting_for_answers()))
        for station in self._waiting_for_answers():
            self.wrong(station, "no answer", b"")

    def disband(self) -> None:
        """
        Close all connections, in good manners where the server has them.
        """
        for station in self._waiting:
            station.stay_home()
        self._waiting.clear()
        for station in list(self._stations.values()):
            try:
                station.leave()
            except (Lost, OSError):
                station.close()
        self.run(2, lambda: not self._stations)
        for station in list(self._stations.values()):
            station.close()
        self.epoll.close()

    def wrong(self, station: Station, what: str, text: bytes) -> None:
        """
        Count an error; the first few of them are told.
        """
        self.errors += 1
        if self.errors <= _EXAMPLES:
            name = station.identity.decode()
            shown = text[:200].decode(errors="replace")
            self._tell(f"error: {name}: {what} {shown}")

    def _all_finished(self) -> bool:
        return self.finished + self.lost >= self._count

    def _waiting_for_answers(self) -> list[Station]:
        return [s for s in self._stations.values() if s.waits]

    def _station_lost(self, station: Station, why: Exception) -> None:
        station.close()
        self.lost += 1
        self.wrong(station, str(why), b"")
        self.station_opened()


def _timestamp() -> bytes:
    now = time.time()
    return b"%s.%03dZ" % (_second(int(now)), now % 1 * 1000)


@lru_cache(maxsize=1)
def _second(now: int) -> bytes:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)).encode()
