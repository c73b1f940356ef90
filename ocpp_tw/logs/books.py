"""
All that is written down, as one thing to reload, to reopen and to close.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReactorTime

from ..config import Config
from ..messagelog import Entry
from .access import AccessLog
from .frames import FrameLog
from .log import Logs, Owner
from .mask import Mask
from .part import PartLog


#: What concerns the database is said there.
POSTGRES = "ocpp_tw.backends.postgres"


class Books:
    """
    The log, the file of frames, the access log and that of the database, as
    configured.

    @ivar logs: the log of the process; None where somebody else observes.
    """

    def __init__(
        self,
        config: Config,
        reactor: IReactorTime,
        logs: Logs | None = None,
        owner: Owner = (-1, -1),
    ) -> None:
        """
        @raise BadConfig: a file cannot be opened.
        """
        self.logs = logs
        self._reactor = reactor
        self._owner = owner
        self._frames: FrameLog | None = None
        self._access: AccessLog | None = None
        self._database: PartLog | None = None
        self.prepare(config)()

    def prepare(self, config: Config) -> Callable[[], None]:
        """
        @return: what puts a new configuration in place.
        @raise BadConfig: a file cannot be opened; nothing has changed.
        """
        log, owner = config.log, self._owner
        frames = access = database = None
        try:
            if log.messages:
                frames = FrameLog(log, self._reactor, owner)
            access = _access(config, owner)
            database = _database(config, owner)
            if self.logs is not None:
                self.logs.use(log)
        except BaseException:
            _close(frames, access, database)
            raise

        def replace() -> None:
            old = self._frames, self._access, self._database
            self._frames, self._access = frames, access
            self._database = database
            if database is not None:
                database.start()
            _close(*old)

        return replace

    @property
    def note(self) -> Callable[[Entry], None] | None:
        """
        What to tell of messages that passed, if they are to be written.
        """
        return None if self._frames is None else self._frames.note

    def answered(self, request: Any, seconds: float) -> None:
        """
        A request was answered, that many seconds after it came.
        """
        if self._access is not None:
            self._access.note(request, seconds)

    def reopen(self) -> None:
        """
        Open all files anew: the old ones were moved away.
        """
        for each in (self.logs, self._frames, self._access, self._database):
            if each is not None:
                each.reopen()

    def close(self) -> None:
        """
        Write what waits; the log itself stays open to the end.
        """
        _close(self._frames, self._access, self._database)
        self._frames = self._access = self._database = None


def _access(config: Config, owner: Owner) -> AccessLog | None:
    path = config.server.log
    log = config.log
    return AccessLog(path, Mask(log.mask), owner, log.format) if path else None


def _database(config: Config, owner: Owner) -> PartLog | None:
    place = config.postgres.log
    if config.backend.name != "postgres" or not place:
        return None
    return PartLog(place, POSTGRES, config.log, owner)


def _close(*files: FrameLog | AccessLog | PartLog | None) -> None:
    for file in files:
        if file is not None:
            file.close()
