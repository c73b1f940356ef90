r"""
Reverse proxies in front of us: whom they say they speak for.

A proxy of HTTP says it with each request::

    X-Forwarded-For: 203.0.113.7
    X-Forwarded-Proto: https
    X-Forwarded-Host: cs.example.com

A proxy of TCP says it once, before anything else, by the PROXY protocol::

    PROXY TCP4 203.0.113.7 192.0.2.1 56324 9220\r\n

Neither is believed but of the addresses that are listed.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import struct
from collections.abc import Iterable
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IDelayedCall, IProtocolFactory
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure


#: The word for who comes by a socket of Unix.
UNIX = "unix"

#: How long a proxy has to say whom it speaks for, in seconds.
PATIENCE = 10.0

#: How a header begins, by version, and how long it is at most.
_V1, _V2 = b"PROXY ", b"\r\n\r\n\0\r\nQUIT\n"
_LONGEST_V1, _LONGEST_V2 = 107, 2048

#: Where the addresses of a header of version 2 are, by family.
_ADDRESSES = {
    0x11: (socket.AF_INET, "!4s4sHH"),
    0x21: (socket.AF_INET6, "!16s16sHH"),
}

_Source = tuple[str, int] | None


class Proxies:
    """
    Those that are believed.

    @ivar introduce: whether they speak the PROXY protocol.
    """

    def __init__(self) -> None:
        self.introduce = False
        self._unix = False
        self._networks: list[Any] = []

    def use(self, places: Iterable[str], introduce: bool) -> None:
        """
        Believe these from now on.

        @param places: addresses, networks, and perhaps L{UNIX}.
        """
        given = set(places)
        self._unix = UNIX in given
        self._networks = [ipaddress.ip_network(p) for p in given - {UNIX}]
        self.introduce = introduce

    def trust(self, peer: Any) -> bool:
        """
        Whether somebody at that address is one of them.
        """
        host = getattr(peer, "host", None)
        return self._unix if host is None else self._has(host)

    def _has(self, host: str) -> bool:
        if not self._networks:
            return False
        address = _address(host)
        return any(address in network for network in self._networks)

    def client(self, peer: Any, forwarded_for: str) -> Any:
        """
        The address that a request is from.

        @param peer: who sent it to us.
        @param forwarded_for: the header C{X-Forwarded-For}.
        """
        if not forwarded_for or not self.trust(peer):
            return peer
        # Each proxy adds whom it heard at the end; what stands before the
        # first that is none of ours, anybody may have made up.
        for text in reversed(forwarded_for.split(",")):
            try:
                host, port = _place(text.strip())
            except ValueError:
                break
            peer = endpoint(host, port)
            if not self._has(host):
                break
        return peer


def endpoint(host: str, port: int) -> IPv4Address | IPv6Address:
    """
    An address, as Twisted has them.
    """
    cls = IPv6Address if ":" in host else IPv4Address
    return cls("TCP", host, port)


def _address(host: str) -> Any:
    """
    >>> _address("::ffff:10.0.0.1")
    IPv4Address('10.0.0.1')
    """
    address = ipaddress.ip_address(host.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


_PLACE = re.compile(r"\[([^\]]*)\](?::(\d{1,5}))?|([\d.]+):(\d{1,5})|(.*)")


def _place(text: str) -> tuple[str, int]:
    """
    >>> _place("10.0.0.1"), _place("10.0.0.1:80"), _place("[::1]:80")
    (('10.0.0.1', 0), ('10.0.0.1', 80), ('::1', 80))

    @raise ValueError: there is no address in it.
    """
    match = _PLACE.fullmatch(text)
    if match is None:
        raise ValueError("a line break")
    host = match[1] or match[3] or match[5] or ""
    return str(ipaddress.ip_address(host)), int(match[2] or match[4] or 0)


class Introduction(Protocol):
    """
    A connection of a proxy, until it has said whom it speaks for.

    What speaks then is the protocol of the connection itself, and whoever
    asks for its peer is told of the client.  (Twisted's wrapper believes
    everybody, and stays in between for ever.)
    """

    log = Logger()

    _deadline: IDelayedCall | None = None

    def __init__(self, factory: IProtocolFactory, clock: Any) -> None:
        self._factory = factory
        self._clock = clock
        self._data = b""

    def connectionMade(self) -> None:
        self._deadline = self._clock.callLater(
            PATIENCE, self._refuse, "it did not in time"
        )

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._stop_waiting()

    def _stop_waiting(self) -> None:
        deadline, self._deadline = self._deadline, None
        if deadline is not None and deadline.active():
            deadline.cancel()

    def dataReceived(self, data: bytes) -> None:
        self._data += data
        try:
            read = read_header(self._data)
        except ValueError as e:
            self._refuse(str(e))
            return
        if read is not None:
            self._stop_waiting()
            self._give_over(*read)

    def _refuse(self, why: str) -> None:
        transport: Any = self.transport
        self.log.warn(
            "{peer} does not say by the PROXY protocol whom it speaks for, "
            "as [server] proxy_protocol wants it: {why}",
            peer=transport.getPeer(),
            why=why,
        )
        transport.abortConnection()

    def _give_over(self, source: _Source, rest: bytes) -> None:
        transport: Any = self.transport
        peer = endpoint(*source) if source else transport.getPeer()
        protocol = self._factory.buildProtocol(peer)
        if protocol is None:
            transport.loseConnection()
            return
        transport.getPeer = lambda: peer
        transport.protocol = protocol
        protocol.makeConnection(transport)
        if rest:
            protocol.dataReceived(rest)


def read_header(data: bytes) -> tuple[_Source, bytes] | None:
    r"""
    The client's address, and what follows the header.

    >>> read_header(b"PROXY TCP4 10.0.0.5 10.0.0.1 5123 9220\r\nGET /")
    (('10.0.0.5', 5123), b'GET /')
    >>> read_header(b"PROXY UNKNOWN\r\n")
    (None, b'')

    @return: None where there has to come more; the address is None where the
        proxy speaks for itself.
    @raise ValueError: this is no header.
    """
    if data.startswith(_V2):
        return _read_v2(data)
    if data.startswith(_V1):
        return _read_v1(data)
    if _V1.startswith(data) or _V2.startswith(data):
        return None
    raise ValueError("it begins with something else")


def _read_v1(data: bytes) -> tuple[_Source, bytes] | None:
    line, end, rest = data.partition(b"\r\n")
    if len(line) + 2 > _LONGEST_V1:
        raise ValueError("the line is too long")
    if not end:
        return None
    match line.decode("latin-1").split(" "):
        case ["PROXY", "UNKNOWN", *_]:
            return None, rest
        case ["PROXY", "TCP4" | "TCP6", source, _, port, _] if (
            port.isdecimal() and int(port) < 65536
        ):
            return (str(ipaddress.ip_address(source)), int(port)), rest
    raise ValueError("the line makes no sense")


def _read_v2(data: bytes) -> tuple[_Source, bytes] | None:
    if len(data) < 16:
        return None
    command, family, length = struct.unpack_from("!BBH", data, 12)
    if command not in (0x20, 0x21) or length > _LONGEST_V2:
        raise ValueError("the header makes no sense")
    if len(data) < 16 + length:
        return None
    header, rest = data[16 : 16 + length], data[16 + length :]
    # 0x20: it asks whether we are well.
    if command == 0x20 or family not in _ADDRESSES:
        return None, rest
    of, layout = _ADDRESSES[family]
    if length < struct.calcsize(layout):
        raise ValueError("the addresses are missing")
    source, _, port, _ = struct.unpack_from(layout, header)
    return (socket.inet_ntop(of, source), port), rest
