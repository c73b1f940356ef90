"""
A file for what one part of us says: C{[postgres] log}.
"""

from __future__ import annotations

from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from zope.interface import implementer

from ..config import Log
from .files import open_sink
from .lines import FORMATS
from .mask import Mask


@implementer(ILogObserver)
class PartLog:
    """
    Writes what the loggers of some modules say, beside where it goes anyway.
    """

    def __init__(
        self, place: str, part: str, log: Log, owner: tuple[int, int]
    ) -> None:
        """
        @param part: the package of those modules.
        @raise BadConfig: the file cannot be opened.
        """
        self._part = part
        self._as_line = FORMATS[log.format]
        self._mask = Mask(log.mask)
        self._sink = open_sink(place, owner)
        self.reopen = self._sink.reopen

    def start(self) -> None:
        """
        Listen from now on.
        """
        globalLogPublisher.addObserver(self)

    def close(self) -> None:
        globalLogPublisher.removeObserver(self)
        self._sink.close()

    def __call__(self, event: LogEvent) -> None:
        namespace = str(event.get("log_namespace"))
        if f"{namespace}.".startswith(f"{self._part}."):
            self._sink.write(self._as_line(event, self._mask))
