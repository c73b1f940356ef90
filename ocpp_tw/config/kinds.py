"""
The kinds of value that a configuration file holds.

>>> Duration("s").parse("5 min")
300.0
>>> Whole(1, 65535).allowed
'a whole number from 1 to 65535'

A kind's C{parse} takes what was written and gives the value, or raises
L{ValueError}; C{show} is its inverse; C{allowed} says what it takes.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from attrs import frozen
from twisted.internet.endpoints import serverFromString


T = TypeVar("T")


class Kind(Protocol[T]):
    """
    How one sort of value is written.
    """

    @property
    def allowed(self) -> str:
        """
        What may be written, as the end of "must be ...".
        """

    def parse(self, text: str) -> T:
        """
        @raise ValueError: that is not allowed; its text, if any, says why.
        """

    def show(self, value: T) -> str:
        """
        Write a value so that L{parse} gives it again.
        """


@frozen
class Text:
    """
    Anything.
    """

    allowed: str = "text"

    def parse(self, text: str) -> str:
        return text

    def show(self, value: str) -> str:
        return value


@frozen
class Pattern:
    """
    A regular expression with one group; or nothing.
    """

    allowed: str = "a regular expression (of Python) with one group"

    def parse(self, text: str) -> str:
        try:
            groups = re.compile(text).groups
        except re.error as e:
            raise ValueError(str(e)) from None
        if text and groups != 1:
            raise ValueError
        return text

    def show(self, value: str) -> str:
        return value


@frozen
class Zone:
    """
    A time zone.
    """

    allowed: str = "UTC or a name of the time zone database, as Europe/Berlin"

    def parse(self, text: str) -> str:
        try:
            return text if text == "UTC" else ZoneInfo(text).key
        except (KeyError, OSError):
            raise ValueError from None

    def show(self, value: str) -> str:
        return value


@frozen
class FilePath:
    """
    A path; what is relative is made absolute when the file is read.

    @ivar special: names that are no paths.
    @ivar optional: whether nothing is a value, too.
    """

    special: tuple[str, ...] = ()
    optional: bool = False
    allowed: str = "a path"

    def parse(self, text: str) -> str:
        if "\0" in text or "\n" in text or not (text or self.optional):
            raise ValueError
        return text

    def show(self, value: str) -> str:
        return value


@frozen
class Flag:
    """
    Yes or no.
    """

    allowed: str = "yes or no (true, false, on, off, 1, 0)"

    def parse(self, text: str) -> bool:
        word = text.lower()
        if word in ("yes", "true", "on", "1"):
            return True
        if word in ("no", "false", "off", "0"):
            return False
        raise ValueError

    def show(self, value: bool) -> str:
        return "yes" if value else "no"


@frozen
class Choice:
    """
    One of some words, in any case.
    """

    words: Sequence[str]

    @property
    def allowed(self) -> str:
        return _or(self.words)

    def parse(self, text: str) -> str:
        found = {word.lower(): word for word in self.words}.get(text.lower())
        if found is None:
            raise ValueError
        return found

    def show(self, value: str) -> str:
        return value


@frozen
class Several:
    """
    Some of some words, in their order.

    @ivar none: how to write that it is none of them.
    """

    words: Sequence[str]
    none: str = ""

    @property
    def allowed(self) -> str:
        some = f"one or more of {', '.join(self.words)}"
        return f"{self.none}, or {some}" if self.none else some

    def parse(self, text: str) -> tuple[str, ...]:
        if self.none and text.lower() == self.none:
            return ()
        known = {word.lower(): word for word in self.words}
        given = text.lower().replace(",", " ").split()
        if not given or any(word not in known for word in given):
            raise ValueError
        return tuple(known[word] for word in known if word in given)

    def show(self, value: tuple[str, ...]) -> str:
        return " ".join(value) or self.none


@frozen
class Whole:
    """
    A whole number within bounds.
    """

    least: int
    most: int

    @property
    def allowed(self) -> str:
        return f"a whole number from {self.least} to {self.most}"

    def parse(self, text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,18}", text):
            raise ValueError
        return int(_within(int(text), self.least, self.most))

    def show(self, value: int) -> str:
        return str(value)


_SECONDS = {"ms": 0.001, "s": 1, "min": 60, "h": 3600, "d": 86400}
_BYTES = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}


@frozen
class Duration:
    """
    A time span; its value is seconds.

    @ivar unit: that of a number without one.
    """

    unit: str = "s"
    least: float = 0
    most: float = 86400

    @property
    def allowed(self) -> str:
        return (
            f"a duration from {self.show(self.least)} to "
            f"{self.show(self.most)}, in {_or([*_SECONDS])} "
            f"(without a unit: {self.unit})"
        )

    def parse(self, text: str) -> float:
        seconds = _measured(text, _SECONDS, self.unit)
        return _within(seconds, self.least, self.most)

    def show(self, value: float) -> str:
        number = round(value / _SECONDS[self.unit], 3)
        return f"{number:.15g} {self.unit}"


@frozen
class Size:
    """
    An amount of memory; its value is bytes.
    """

    least: int = 0
    most: int = 1024**3

    @property
    def allowed(self) -> str:
        return (
            f"a size from {self.show(self.least)} to {self.show(self.most)}, "
            f"in {_or([*_BYTES])} (without a unit: B)"
        )

    def parse(self, text: str) -> int:
        amount = int(_measured(text, _BYTES, "B"))
        return int(_within(amount, self.least, self.most))

    def show(self, value: int) -> str:
        unit = max(
            (u for u, size in _BYTES.items() if value % size == 0),
            key=lambda u: _BYTES[u] if value else -_BYTES[u],
        )
        return f"{value // _BYTES[unit]} {unit}"


@frozen
class Address:
    """
    An address of this machine.
    """

    allowed: str = (
        "an IP address (127.0.0.1, 0.0.0.0 for all of IPv4, :: for all of "
        "IPv6) or localhost"
    )

    def parse(self, text: str) -> str:
        if text == "localhost":
            return "127.0.0.1"
        try:
            return str(ipaddress.ip_address(text.strip("[]")))
        except ValueError:
            raise ValueError from None

    def show(self, value: str) -> str:
        return value


@frozen
class WebAddress:
    """
    An URL of a web server.

    @ivar optional: whether nothing is a value, too.
    """

    optional: bool = False
    allowed: str = "an URL, as http://host:port/path or https://..."

    def parse(self, text: str) -> str:
        if self.optional and not text:
            return text
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError
        if parts.port == 0 or re.search(r"\s", text):
            raise ValueError
        return text

    def show(self, value: str) -> str:
        return value


@frozen
class Places:
    """
    Where somebody else may be reached.

    @ivar word: what stands for where his message came from.
    """

    word: str

    @property
    def allowed(self) -> str:
        return (
            f"one or more of {self.word}, networks (10.0.0.0/8) and names of "
            "hosts (*.example.com)"
        )

    def parse(self, text: str) -> tuple[str, ...]:
        places = tuple(text.lower().replace(",", " ").split())
        if not places or not all(self._is_place(place) for place in places):
            raise ValueError
        return places

    def show(self, value: tuple[str, ...]) -> str:
        return " ".join(value)

    def _is_place(self, text: str) -> bool:
        try:
            return bool(text == self.word or ipaddress.ip_network(text))
        except ValueError:
            # A name does not end with a number: that would be an address.
            return bool(re.fullmatch(r"[a-z0-9*._-]*[a-z*.-]", text))


@frozen
class Networks:
    """
    Who is trusted.

    @ivar word: what stands for everybody who comes by a socket of Unix.
    """

    word: str

    @property
    def allowed(self) -> str:
        return (
            f"addresses and networks (127.0.0.1 10.0.0.0/8), or {self.word}, "
            "with spaces between them"
        )

    def parse(self, text: str) -> tuple[str, ...]:
        places = tuple(text.lower().replace(",", " ").split())
        for place in places:
            if place != self.word:
                ipaddress.ip_network(place)
        return places

    def show(self, value: tuple[str, ...]) -> str:
        return " ".join(value)


@frozen
class Origins:
    """
    Origins of web pages, with spaces or commas between them.
    """

    allowed: str = (
        "origins, as https://ui.example.com or http://localhost:3000, with "
        "spaces between them"
    )

    def parse(self, text: str) -> tuple[str, ...]:
        origins = tuple(text.lower().replace(",", " ").split())
        for origin in origins:
            parts = urlsplit(origin)
            if origin != f"{parts.scheme}://{parts.netloc}" or (
                parts.scheme not in ("http", "https") or not parts.hostname
            ):
                raise ValueError(f"{origin} is no origin")
        return origins

    def show(self, value: tuple[str, ...]) -> str:
        return " ".join(value)


@frozen
class Endpoints:
    """
    Twisted server endpoints, one a line or with spaces between them.
    """

    allowed: str = (
        "Twisted server endpoints, as tcp:9220:interface=127.0.0.1, with "
        "spaces between them"
    )

    def parse(self, text: str) -> tuple[str, ...]:
        endpoints = tuple(text.split())
        for endpoint in endpoints:
            _try_endpoint(endpoint)
        return endpoints

    def show(self, value: tuple[str, ...]) -> str:
        return " ".join(value)


def _try_endpoint(endpoint: str) -> None:
    """
    @raise ValueError: Twisted does not understand it.
    """
    try:
        # Nothing listens yet: the reactor is only put aside.
        serverFromString(None, endpoint)
    except Exception as e:
        # It raises what its parsers stumble over: TypeError for an unknown
        # argument, IndexError for a socket that systemd did not pass, ...
        raise ValueError(f"{endpoint}: {e}") from e


def _measured(text: str, units: Mapping[str, float], unit: str) -> float:
    match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*([A-Za-z]*)", text)
    if match is None or (match[2] or unit) not in units:
        raise ValueError
    return float(match[1]) * units[match[2] or unit]


def _within(number: float, least: float, most: float) -> float:
    if not least <= number <= most:
        raise ValueError
    return number


def _or(words: Sequence[str]) -> str:
    """
    >>> _or(["a", "b", "c"])
    'a, b or c'
    """
    return " or ".join([", ".join(words[:-1]), words[-1]])
