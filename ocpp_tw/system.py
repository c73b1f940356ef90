"""
What the operating system is asked for: a user, open files, and systemd's ear.
"""

from __future__ import annotations

import grp
import os
import pwd
import resource
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from attrs import frozen
from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from .config import Main
from .errors import BadConfig


log = Logger()


@frozen
class Owner:
    """
    Whom the process becomes, as numbers; -1 stays what it is.
    """

    user: int = -1
    group: int = -1

    def __bool__(self) -> bool:
        return self != Owner()


def owner_of(main: Main) -> Owner:
    """
    Whom C{[main]} says to become; only root can, so that for others it is
    nobody.

    @raise BadConfig: there is no such user or group.
    """
    user, group = _user(main.user), _group(main.group)
    if os.geteuid() != 0:
        return Owner()
    if group is None and user is not None:
        group = user.pw_gid
    return Owner(
        -1 if user is None else user.pw_uid, -1 if group is None else group
    )


def _user(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name) if name else None
    except KeyError:
        raise BadConfig(f"[main] user = {name!r}: no such user") from None


def _group(name: str) -> int | None:
    try:
        return grp.getgrnam(name).gr_gid if name else None
    except KeyError:
        raise BadConfig(f"[main] group = {name!r}: no such group") from None


@contextmanager
def acting_as(owner: Owner) -> Iterator[None]:
    """
    Make files as somebody else meanwhile.
    """
    if not owner:
        yield
        return
    us = os.geteuid(), os.getegid()
    try:
        os.setegid(owner.group if owner.group >= 0 else us[1])
        os.seteuid(owner.user if owner.user >= 0 else us[0])
        yield
    finally:
        os.seteuid(us[0])
        os.setegid(us[1])


def let_files_be_open(count: int) -> None:
    """
    Ask for so many open files; 0 leaves it as it is.
    """
    if not count:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, max(count, hard)))
    except (OSError, ValueError):
        # Only root may go beyond the hard limit.
        most = min(count, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        log.warn(
            "[main] limitnofile = {count}: only {most} files may be open",
            count=count,
            most=most,
        )


class Notifier(Service):
    """
    Tells systemd how we are, where it started us (C{sd_notify(3)}).
    """

    def __init__(self, environ: Mapping[str, str], clock: IReactorTime):
        self._address = environ.get("NOTIFY_SOCKET", "")
        self._alive = LoopingCall(self.tell, "WATCHDOG=1")
        self._alive.clock = clock
        self._interval = _watchdog(environ)

    def startService(self) -> None:
        super().startService()
        self.tell("READY=1")
        if self._interval:
            self._alive.start(self._interval)

    def stopService(self) -> None:
        super().stopService()
        self.tell("STOPPING=1")
        if self._alive.running:
            self._alive.stop()

    def tell(self, state: str) -> None:
        """
        C{READY=1}, C{STATUS=...} and the like.
        """
        if not self._address:
            return
        # An abstract socket is written with an @.
        address = self._address.replace("@", "\0", 1)
        with (
            suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd,
        ):
            systemd.setblocking(False)
            systemd.sendto(state.encode(), address)


def _watchdog(environ: Mapping[str, str]) -> float:
    """
    How often to say that we live, in seconds: twice as often as it must be.

    >>> _watchdog({"WATCHDOG_USEC": "30000000"})
    15.0
    >>> _watchdog({})
    0.0
    """
    microseconds = environ.get("WATCHDOG_USEC", "")
    if not microseconds.isdigit():
        return 0.0
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    return int(microseconds) / 2_000_000
