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


class Books:
    """
    The log, the file of frames and the access log, as configured.

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
        self.prepare(config)()

    def prepare(self, config: Config) -> Callable[[], None]:
        """
        @return: what puts a new configuration in place.
        @raise BadConfig: a file cannot be opened; nothing has changed.
        """
        log, owner = config.log, self._owner
        frames = FrameLog(log, self._reactor, owner) if log.messages else None
        try:
            access = _access(config, owner)
            if self.logs is not None:
                self.logs.use(log)
        except BaseException:
            _close(frames)
            raise

        def replace() -> None:
            old = self._frames, self._access
            self._frames, self._access = frames, access
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
        for each in (self.logs, self._frames, self._access):
            if each is not None:
                each.reopen()

    def close(self) -> None:
        """
        Write what waits; the log itself stays open to the end.
        """
        _close(self._frames, self._access)
        self._frames = self._access = None


def _access(config: Config, owner: Owner) -> AccessLog | None:
    path = config.server.log
    return AccessLog(path, Mask(config.log.mask), owner) if path else None


def _close(*files: FrameLog | AccessLog | None) -> None:
    for file in files:
        if file is not None:
            file.close()
