"""
Where lines go: a file that is opened anew when asked, standard output, or
the journal of systemd.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Protocol

from ..errors import BadConfig


#: The names of what is no file.
STDOUT, STDERR, JOURNALD = "stdout", "stderr", "journald"
SPECIAL = (STDOUT, STDERR, JOURNALD)

#: Where systemd's journal listens.
JOURNAL = "/run/systemd/journal/socket"


class Sink(Protocol):
    """
    Takes lines; it never raises, and what it cannot take is lost.
    """

    def write(self, line: str) -> None: ...

    def reopen(self) -> None: ...

    def close(self) -> None: ...


class LogFile:
    """
    A file that lines are appended to.

    @ivar lost: how many lines it could not take: the disk is full.
    """

    def __init__(self, path: str, owner: tuple[int, int] = (-1, -1)) -> None:
        """
        @param owner: user and group to give it to, as numbers: those that
            the process will be when it opens the file again.
        @raise BadConfig: it cannot be opened.
        """
        self.path = path
        self.lost = 0
        self._owner = owner
        try:
            self._file = self._open()
        except OSError as e:
            raise BadConfig(f"{path}: {e.strerror}") from e

    def _open(self) -> int:
        flags = os.O_APPEND | os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC
        file = os.open(self.path, flags, 0o640)
        if self._owner != (-1, -1):
            with suppress(OSError):
                os.fchown(file, *self._owner)
        return file

    @property
    def size(self) -> int:
        """
        How long it is, in octets.
        """
        return os.fstat(self._file).st_size

    @property
    def is_at_its_path(self) -> bool:
        """
        Whether nobody has moved it away.
        """
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(self._file))
        except OSError:
            return False

    def write(self, line: str) -> None:
        # Unbuffered: one write is one line, among other processes, too, and
        # is there when the process ends.
        data = line.encode(errors="backslashreplace")
        try:
            if os.write(self._file, data) != len(data):
                self.lost += 1
        except OSError:
            self.lost += 1

    def reopen(self) -> None:
        """
        Go on in a new file where the old one was moved away.
        """
        with suppress(OSError):
            file = self._open()
            os.close(self._file)
            self._file = file

    def close(self) -> None:
        os.close(self._file)


class Standard:
    """
    Standard output, or standard error.
    """

    def __init__(self, name: str) -> None:
        # What they are now: others replace them to catch what is printed.
        self._stream = getattr(sys, f"__{name}__")

    def write(self, line: str) -> None:
        # Without a stream, with a closed one: then there is no log.
        with suppress(OSError, ValueError, AttributeError):
            self._stream.write(_encodable(line, self._stream.encoding))
            self._stream.flush()

    def reopen(self) -> None:
        """
        There is nothing to open.
        """

    def close(self) -> None:
        """
        It is not ours.
        """


def _encodable(line: str, encoding: str) -> str:
    return line.encode(encoding, "backslashreplace").decode(encoding)


class Journal:
    """
    The journal of systemd, by its native protocol: a datagram with a field a
    line, or with its length where the value has lines of its own.
    """

    def __init__(self, path: str = JOURNAL) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def send(self, fields: Mapping[str, str]) -> None:
        """
        One entry.
        """
        entry = b"".join(_field(name, fields[name]) for name in fields)
        with suppress(OSError):
            self._socket.sendto(entry, self._path)

    def close(self) -> None:
        self._socket.close()


class JournalLines:
    """
    Lines for the journal that have no gravity of their own.
    """

    def __init__(self) -> None:
        self._journal = Journal()
        self.close = self._journal.close

    def write(self, line: str) -> None:
        entry = {"MESSAGE": line.rstrip("\n"), "PRIORITY": "6"}
        self._journal.send({**entry, "SYSLOG_IDENTIFIER": "cs"})

    def reopen(self) -> None:
        """
        There is nothing to open.
        """


def open_sink(place: str, owner: tuple[int, int] = (-1, -1)) -> Sink:
    """
    @param place: a path, or one of L{SPECIAL}.
    @raise BadConfig: the file cannot be opened.
    """
    if place == JOURNALD:
        return JournalLines()
    if place in (STDOUT, STDERR):
        return Standard(place)
    return LogFile(place, owner)


def _field(name: str, value: str) -> bytes:
    r"""
    >>> _field("MESSAGE", "a")
    b'MESSAGE=a\n'
    >>> _field("MESSAGE", "a\nb")
    b'MESSAGE\n\x03\x00\x00\x00\x00\x00\x00\x00a\nb\n'
    """
    data = value.encode(errors="backslashreplace")
    if b"\n" not in data:
        return b"%b=%b\n" % (name.encode(), data)
    length = len(data).to_bytes(8, "little")
    return b"%b\n%b%b\n" % (name.encode(), length, data)
