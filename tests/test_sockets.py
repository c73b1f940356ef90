"""
Tests for L{ocpp_tw.sockets}.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.protocol import ClientFactory, Factory, Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.sockets import is_known, poll_fast, write_now


class FakeSocket:
    """
    Takes so many octets, or fails.
    """

    def __init__(self, takes: int | OSError) -> None:
        self.takes = takes
        self.sent = b""

    def send(self, data: bytes) -> int:
        if isinstance(self.takes, OSError):
            raise self.takes
        self.sent += data[: self.takes]
        return min(len(data), self.takes)


class FakeConnection:
    """
    What L{write_now} looks at.
    """

    def __init__(self, takes: int | OSError = 99) -> None:
        self.dataBuffer = b""
        self._tempDataBuffer: list[bytes] = []
        self.disconnecting = False
        self.connected = 1
        self.socket = FakeSocket(takes)
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data


class WriteTests(SynchronousTestCase):
    """
    Tests for L{write_now}.
    """

    def write(self, connection: FakeConnection) -> tuple[bytes, bytes]:
        write_now(connection, b"frame")
        return connection.socket.sent, connection.written

    def test_at_once(self) -> None:
        """
        Where nothing waits, it goes to the socket.
        """
        self.assertEqual(self.write(FakeConnection()), (b"frame", b""))

    def test_partly(self) -> None:
        """
        What the socket does not take goes to Twisted.
        """
        self.assertEqual(self.write(FakeConnection(2)), (b"fr", b"ame"))

    def test_failed(self) -> None:
        """
        What fails is tried again by Twisted, which says what it is.
        """
        for why in (BlockingIOError(), BrokenPipeError()):
            self.assertEqual(self.write(FakeConnection(why)), (b"", b"frame"))

    def test_in_order(self) -> None:
        """
        It overtakes nothing that waits, and nothing is sent after the end.
        """
        for name, value in {
            "dataBuffer": b"x",
            "_tempDataBuffer": [b"x"],
            "disconnecting": True,
            "connected": 0,
        }.items():
            connection = FakeConnection()
            setattr(connection, name, value)
            self.assertEqual(self.write(connection), (b"", b"frame"))


class Ear(Protocol):
    """
    Keeps what it hears; what it cannot bear is C{fail}.
    """

    def __init__(self) -> None:
        self.heard = b""
        self.lost: type[Exception] | None = None

    def dataReceived(self, data: bytes) -> None:
        if data == b"fail":
            raise ZeroDivisionError("a bug")
        self.heard += data

    def connectionLost(self, reason: Any = None) -> None:
        self.lost = reason.type


class PollTests(SynchronousTestCase):
    """
    Tests for L{poll_fast}, with a reactor of their own.
    """

    def setUp(self) -> None:
        self.reactor: Any = EPollReactor()
        self.addCleanup(self.reactor.removeAll)
        self.assertTrue(poll_fast(self.reactor))
        self.server, self.client = Ear(), Ear()
        port = self.reactor.listenTCP(
            0, Factory.forProtocol(lambda: self.server), interface="127.0.0.1"
        )
        self.addCleanup(port.stopListening)
        self.reactor.connectTCP(
            "127.0.0.1",
            port.getHost().port,
            ClientFactory.forProtocol(lambda: self.client),
        )
        self.until(lambda: self.server.connected and self.client.connected)

    def until(self, happened: Callable[[], object]) -> None:
        for _ in range(1000):
            if happened():
                return
            self.reactor.iterate(0.01)
        self.fail("it did not happen")

    def test_both_ways(self) -> None:
        """
        Connections hear as they do without it, and are lost as ever.
        """
        client, server = self.client, self.server
        self.assertTrue(is_known(client.transport))
        write_now(client.transport, b"ask")
        self.until(lambda: server.heard)
        write_now(server.transport, b"answer")
        self.until(lambda: client.heard)
        self.assertEqual((server.heard, client.heard), (b"ask", b"answer"))
        server.transport.loseConnection()
        self.until(lambda: client.lost and server.lost)
        self.assertIs(client.lost, ConnectionDone)

    def test_bug(self) -> None:
        """
        A bug in what reads costs that connection, and is logged.
        """
        self.server.transport.write(b"fail")
        self.until(lambda: self.client.lost and self.server.lost)
        self.assertIs(self.client.lost, ConnectionLost)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class UnknownTests(SynchronousTestCase):
    """
    What is not as we know it.
    """

    def test_left_alone(self) -> None:
        """
        Other reactors and transports are left as they are.
        """
        reactor = MemoryReactorClock()
        self.assertFalse(poll_fast(reactor))
        self.assertNotIn("doIteration", vars(reactor))
        address = IPv4Address("TCP", "127.0.0.1", 1)
        self.assertFalse(is_known(StringTransport(peerAddress=address)))
        self.assertFalse(is_known(socket.socket))
