"""
Tests for L{ocpp_tw.sockets}.
"""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    TCP4ServerEndpoint,
    connectProtocol,
)
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.trial.unittest import SynchronousTestCase, TestCase

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


class Once(Protocol):
    """
    Keeps what it hears, until it hears that it is to fail.
    """

    def __init__(self) -> None:
        self.heard: Deferred[bytes] = Deferred()
        self.lost: Deferred[type[Exception]] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        if data == b"fail":
            raise ZeroDivisionError("a bug")
        self.heard.callback(data)

    def connectionLost(self, reason: Any = None) -> None:
        self.lost.callback(reason.type)


class PollTests(TestCase):
    """
    Tests for L{poll_fast}, with the reactor that runs the tests.
    """

    async def connected(self) -> tuple[Once, Once]:
        from twisted.internet import reactor

        if not isinstance(reactor, EPollReactor):
            self.skipTest("there is no epoll here")
        self.assertTrue(poll_fast(reactor))
        self.addCleanup(vars(reactor).pop, "doIteration", None)
        server, accepted = Once(), Deferred[None]()

        class Accepting(Factory):
            def buildProtocol(self, addr: object) -> Once:
                accepted.callback(None)
                return server

        here = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        port: Any = await here.listen(Accepting())
        self.addCleanup(port.stopListening)
        there = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
        client = await connectProtocol(there, Once())
        await accepted
        return client, server

    async def test_both_ways(self) -> None:
        """
        Connections hear as they do without it, and are lost as ever.
        """
        client, server = await self.connected()
        self.assertTrue(is_known(client.transport))
        write_now(client.transport, b"ask")
        self.assertEqual(await server.heard, b"ask")
        write_now(server.transport, b"answer")
        self.assertEqual(await client.heard, b"answer")
        server.transport.loseConnection()
        await client.lost
        await server.lost

    async def test_bug(self) -> None:
        """
        A bug in what reads costs that connection, and is logged.
        """
        client, server = await self.connected()
        server.transport.write(b"fail")
        self.assertIs(await client.lost, ConnectionLost)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        await server.lost


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
