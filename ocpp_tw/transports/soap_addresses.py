"""
Which addresses of stations are used: an attacker can write one, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from attrs import field, frozen


#: Nothing in it may be read in two ways.
_URL = re.compile(
    r"(https?)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?"
    r"([/?][\x21-\x7e]*)?"
)


def host_of(url: str) -> str | None:
    """
    The host of a URL that we would post to; None for any other text.

    >>> host_of("http://192.0.2.7:8080/ocpp"), host_of("https://[2001:db8::1]")
    ('192.0.2.7', '2001:db8::1')
    >>> host_of("http://a@b/"), host_of("file:///etc/passwd")
    (None, None)
    """
    match = _URL.fullmatch(url)
    return match[2].strip("[]").lower() if match else None


def _ip(text: str) -> IPv4Address | IPv6Address | None:
    """
    >>> _ip("::ffff:192.0.2.7"), _ip("0x7f.1")
    (IPv4Address('192.0.2.7'), None)
    """
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


@frozen
class Allowed:
    """
    Where a station may be reached.

    @ivar sender: at the IP address that its message came from.
    @ivar networks: at an IP address in one of these.
    @ivar names: at a host of such a name; C{*} stands for anything.
    """

    sender: bool = True
    networks: tuple[Any, ...] = field(factory=tuple)
    names: tuple[str, ...] = field(factory=tuple)

    @classmethod
    def read(cls, words: Iterable[str]) -> Allowed:
        """
        >>> Allowed.read(["sender", "10.0.0.0/8", "*.example.com"]).sender
        True
        """
        sender, networks, names = False, [], []
        for word in words:
            if word == "sender":
                sender = True
                continue
            try:
                networks.append(ip_network(word))
            except ValueError:
                names.append(word)
        return cls(sender, tuple(networks), tuple(names))

    def __contains__(self, place: tuple[str, str]) -> bool:
        """
        @param place: the host of the address, and who gave it.
        """
        host, sender = place
        address = _ip(host)
        if address is None:
            return any(fnmatchcase(host, name) for name in self.names)
        return (self.sender and address == _ip(sender)) or any(
            address in network for network in self.networks
        )


@frozen
class Endpoint:
    """
    Where a station says that it is reached.

    @ivar given_by: the address that the message came from, C{IP:port}.
    """

    url: str
    given_by: str = field(eq=lambda address: address.rpartition(":")[0])

    def why_not(self, allowed: Allowed) -> str:
        """
        Why this is not used, with the remedy; '' if it may be.
        """
        host = host_of(self.url)
        if host is None:
            return f"{self.url!r:.200} is no address of http or https"
        sender = self.given_by.rpartition(":")[0]
        if (host, sender) not in allowed:
            return (
                f"it gives the address {self.url!r:.200}, and its message "
                f"came from {sender}: [soap] allow does not list {host}"
            )
        return ""
