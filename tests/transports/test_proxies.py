"""
Tests for L{ocpp_tw.transports.proxies} and L{ocpp_tw.transports.entrance}.
"""

import socket
import struct

from hypothesis import given, strategies
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.interfaces import ISSLTransport
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from zope.interface import directlyProvides

from ocpp_tw.config import Server
from ocpp_tw.transports import proxies
from ocpp_tw.transports.entrance import Entrance
from ocpp_tw.transports.proxies import PATIENCE, Proxies, read_header

from .world import World


V2 = b"\r\n\r\n\0\r\nQUIT\n"
PROXY = IPv4Address("TCP", "10.0.0.1", 5000)
STRANGER = IPv4Address("TCP", "203.0.113.9", 5000)


def v2(command=0x21, family=0x11, addresses=None):
    """
    A header of version 2.
    """
    if addresses is None:
        ours = socket.inet_aton("192.0.2.7"), socket.inet_aton("10.0.0.1")
        addresses = struct.pack("!4s4sHH", *ours, 5123, 9220)
    size = len(addresses)
    return V2 + struct.pack("!BBH", command, family, size) + addresses


def believing(*places, introduce=False):
    made = Proxies()
    made.use(places, introduce)
    return made


class ClientTests(SynchronousTestCase):
    """
    C{X-Forwarded-For}.
    """

    def client(self, header, *places, peer=PROXY):
        found = believing(*places).client(peer, header)
        return found.host, found.port

    def test_nobody(self):
        """
        By default nobody is believed.
        """
        self.assertEqual(self.client("192.0.2.7"), ("10.0.0.1", 5000))

    def test_listed(self):
        """
        A listed proxy is believed; another is not.
        """
        for places in (["10.0.0.1"], ["127.0.0.1", "10.0.0.0/8"]):
            self.assertEqual(
                self.client("192.0.2.7", *places), ("192.0.2.7", 0)
            )
        self.assertEqual(
            self.client("192.0.2.7", "10.0.0.0/8", peer=STRANGER),
            ("203.0.113.9", 5000),
        )

    def test_made_up(self):
        """
        What a client says before the proxies add to it does not count.
        """
        for header in (
            "127.0.0.1, 192.0.2.7",
            "127.0.0.1, 192.0.2.7, 10.0.0.2",
            "x,, 192.0.2.7,10.0.0.2 , 10.0.0.3",
        ):
            self.assertEqual(
                self.client(header, "10.0.0.0/8"), ("192.0.2.7", 0)
            )

    def test_senseless(self):
        """
        Where a proxy says what is no address, its own stands.
        """
        for header in ("unknown", "", ",", "1.2.3", "[::1", "a\nb", "1" * 99):
            self.assertEqual(
                self.client(header, "10.0.0.1"), ("10.0.0.1", 5000)
            )

    def test_forms(self):
        """
        With a port, of IPv6, or both.
        """
        for header, found in {
            "192.0.2.7:80": ("192.0.2.7", 80),
            "2001:db8::1": ("2001:db8::1", 0),
            "[2001:db8::1]:80": ("2001:db8::1", 80),
            "[2001:db8::1]": ("2001:db8::1", 0),
        }.items():
            self.assertEqual(self.client(header, "10.0.0.1"), found)

    def test_unix(self):
        """
        Who comes by a socket of Unix is believed where that is said.
        """
        peer = UNIXAddress(None)
        self.assertEqual(believing().client(peer, "192.0.2.7"), peer)
        self.assertEqual(
            self.client("192.0.2.7", "unix", peer=peer), ("192.0.2.7", 0)
        )
        self.assertFalse(believing("unix").trust(PROXY))

    def test_mapped(self):
        """
        An address of IPv4 is the same where IPv6 is listened to.
        """
        mapped = proxies.endpoint("::ffff:10.0.0.1", 1)
        self.assertTrue(believing("10.0.0.0/8").trust(mapped))


class HeaderTests(SynchronousTestCase):
    """
    The PROXY protocol.
    """

    def test_whole(self):
        """
        The address of the client, and what follows.
        """
        for header, source in {
            b"PROXY TCP4 192.0.2.7 10.0.0.1 5123 9220\r\n": (
                "192.0.2.7",
                5123,
            ),
            b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n": ("2001:db8::1", 1),
            b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n": None,
            v2(): ("192.0.2.7", 5123),
            v2(addresses=v2()[16:] + b"\3\0\4abcd"): ("192.0.2.7", 5123),
            v2(0x20): None,
            v2(0x20, 0, b""): None,
            v2(0x21, 0, b""): None,
            v2(
                0x21,
                0x21,
                socket.inet_pton(socket.AF_INET6, "2001:db8::1") * 2
                + b"\0\1\0\2",
            ): ("2001:db8::1", 1),
        }.items():
            self.assertEqual(read_header(header + b"GET"), (source, b"GET"))
            for end in range(len(header)):
                self.assertIsNone(read_header(header[:end]), header[:end])

    def test_senseless(self):
        """
        Everything else is refused as soon as that can be seen.
        """
        for header in (
            b"G",
            b"PROXY TCP4 192.0.2.7\r\n",
            b"PROXY TCP4 x 10.0.0.1 5123 9220\r\n",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 99999 9220\r\n",
            b"PROXY " + b"x" * 102,
            v2(0x31),
            v2(0x22),
            v2(addresses=b"\0"),
            v2(addresses=b"\0" * 3000),
        ):
            self.assertRaises(ValueError, read_header, header)

    @given(strategies.binary(max_size=200))
    def test_anything(self, data):
        """
        Whatever comes is understood, refused or waited for.
        """
        for start in (b"", b"PROXY ", b"PROXY TCP4 ", V2, V2 + b"\x21\x11"):
            try:
                read_header(start + data)
            except ValueError:
                continue


class Peeking(Protocol):
    """
    Notes who it is connected to, and what comes.
    """

    def connectionMade(self):
        self.heard = b""
        self.factory.made.append(self)

    def dataReceived(self, data):
        self.heard += data


class Transport(StringTransport):
    """
    A transport that gives to its protocol, as those of sockets do.
    """

    aborted = False

    def abortConnection(self):
        self.aborted = True

    def receive(self, data):
        self.protocol.dataReceived(data)


class EntranceTests(SynchronousTestCase):
    """
    Who has to be introduced.
    """

    def setUp(self):
        self.clock = Clock()
        self.site = Factory.forProtocol(Peeking)
        self.site.made = []
        self.proxies = believing("10.0.0.0/8", introduce=True)
        self.entrance = Entrance(self.site, None, self.proxies, self.clock)

    def connect(self, peer=PROXY):
        transport = Transport(peerAddress=peer)
        transport.protocol = self.entrance.buildProtocol(peer)
        transport.protocol.makeConnection(transport)
        return transport

    def test_introduced(self):
        """
        A proxy says whom it speaks for, in pieces or not; all that asks for
        the peer is told of the client then.
        """
        transport = self.connect()
        for octet in v2():
            self.assertEqual(self.site.made, [])
            transport.receive(bytes([octet]))
        transport.receive(b"GET")
        [made] = self.site.made
        self.assertEqual(made.heard, b"GET")
        self.assertEqual(made.transport.getPeer().host, "192.0.2.7")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_itself(self):
        """
        A proxy that asks whether we are well speaks for itself.
        """
        transport = self.connect()
        transport.receive(v2(0x20) + b"GET")
        [made] = self.site.made
        self.assertEqual(made.heard, b"GET")
        self.assertEqual(made.transport.getPeer(), PROXY)

    def test_strangers(self):
        """
        Who is not listed is not believed, and needs no header.
        """
        transport = self.connect(STRANGER)
        transport.receive(v2())
        [made] = self.site.made
        self.assertEqual(made.heard, v2())
        self.assertEqual(made.transport.getPeer(), STRANGER)

    def test_refused(self):
        """
        A proxy that says something else, or nothing, is cut off.
        """
        speaks, silent = self.connect(), self.connect()
        speaks.receive(b"GET / HTTP/1.1\r\n")
        self.assertTrue(speaks.aborted)
        self.clock.advance(PATIENCE)
        self.assertTrue(silent.aborted)
        self.assertEqual(self.site.made, [])

    def test_gone(self):
        """
        A connection that ends before that leaves nothing behind.
        """
        transport = self.connect()
        transport.receive(b"PRO")
        transport.protocol.connectionLost()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_not_wanted(self):
        """
        Without the PROXY protocol everybody is heard at once.
        """
        self.proxies.use(["10.0.0.0/8"], False)
        self.connect().receive(b"GET")
        self.assertEqual(self.site.made[0].heard, b"GET")


class Mirror(Resource):
    """
    Says who asks, how and whom.
    """

    isLeaf = True

    def render_GET(self, request):
        client = request.getClientAddress().host
        host = request.getHeader("host")
        return f"{client} {request.isSecure()} {host}".encode()


class RequestTests(World):
    """
    Requests that a proxy of HTTP passes on.
    """

    def setUp(self):
        super().setUp()
        self.front._root.putChild(b"mirror", Mirror())

    def ask(self, peer, path="/mirror", tls=False, proto="http, https"):
        protocol = self.front.site.buildProtocol(peer)
        transport = StringTransport(peerAddress=peer)
        if tls:
            transport.setTcpNoDelay = bool
            directlyProvides(transport, ISSLTransport)
        protocol.makeConnection(transport)
        protocol.dataReceived(
            b"GET %b HTTP/1.1\r\nHost: inside\r\n"
            b"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-For: 192.0.2.7\r\n"
            b"X-Forwarded-Proto: %b\r\n"
            b"X-Forwarded-Host: cs.example.com\r\n\r\n"
            % (path.encode(), proto.encode())
        )
        return transport.value().rpartition(b"\r\n\r\n")[2].decode()

    def believe(self):
        self.front.proxies.use(Server(proxies=("10.0.0.1",)).proxies, False)

    def test_strangers(self):
        """
        Nobody is believed, unless it is said.
        """
        self.assertEqual(self.ask(PROXY), "10.0.0.1 False inside")

    def test_believed(self):
        """
        A proxy that is listed says who asks, how, and whom.
        """
        self.believe()
        self.assertEqual(self.ask(PROXY), "192.0.2.7 True cs.example.com")
        self.assertEqual(self.ask(STRANGER), "203.0.113.9 False inside")

    def test_before_tls(self):
        """
        What a proxy says of the client holds, whether it comes to us by TLS
        or not.
        """
        self.believe()
        told = self.ask(PROXY, tls=True, proto="http")
        self.assertEqual(told, "192.0.2.7 False cs.example.com")
        told = self.ask(STRANGER, tls=True, proto="http")
        self.assertEqual(told, "203.0.113.9 True inside")

    def test_definition(self):
        """
        C{?wsdl} has the URL by which a client reached the proxy.
        """
        self.believe()
        path = "/Ocpp/CentralSystemService"
        for peer, url in (
            (PROXY, f"https://cs.example.com{path}"),
            (STRANGER, f"http://inside{path}"),
        ):
            told = self.ask(peer, f"{path}?wsdl")
            self.assertIn(f'address location="{url}"', told)
