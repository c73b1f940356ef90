"""
The log of the process: a file for each level that is configured.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.logger import ILogObserver, LogEvent
from zope.interface import implementer

from ..config import Log
from .files import JOURNALD, STDOUT, Journal, Sink, open_sink
from .lines import FORMATS, LEVELS, level, message, station, traceback
from .mask import Mask


Owner = tuple[int, int]


class _Lines:
    """
    Writes what is grave enough as lines.
    """

    def __init__(self, least: int, format: str, sink: Sink) -> None:
        self.least = least
        self._as_line = FORMATS[format]
        self._sink = sink
        self.reopen = sink.reopen
        self.close = sink.close

    def write(self, event: LogEvent, mask: Mask) -> None:
        self._sink.write(self._as_line(event, mask))


class _Entries:
    """
    Sends what is grave enough to the journal.
    """

    def __init__(self, least: int) -> None:
        self.least = least
        self._journal = Journal()
        self.close = self._journal.close

    def reopen(self) -> None:
        """
        There is nothing to open.
        """

    def write(self, event: LogEvent, mask: Mask) -> None:
        fields = {
            "MESSAGE": message(event, mask),
            "PRIORITY": str(LEVELS[level(event)]),
            "SYSLOG_IDENTIFIER": "cs",
            "STATION": station(event),
            "TRACEBACK": traceback(event, mask),
        }
        self._journal.send({k: v for k, v in fields.items() if v})


@implementer(ILogObserver)
class Logs:
    """
    Observes what happens, and writes it where C{[log]} says.
    """

    def __init__(
        self, config: Log, default: str = STDOUT, owner: Owner = (-1, -1)
    ) -> None:
        """
        @param default: where everything from C{info} on goes if no level has
            a file.
        @param owner: whom new files are given to.
        @raise BadConfig: a file cannot be opened.
        """
        self._default = default
        self._owner = owner
        self._targets: list[_Lines | _Entries] = []
        self._mask = Mask(())
        self.use(config)

    def use(self, config: Log) -> None:
        """
        Write where this says from now on.

        @raise BadConfig: a file cannot be opened; nothing has changed.
        """
        new: list[_Lines | _Entries] = []
        try:
            for name, place in self._places(config):
                new.append(self._target(LEVELS[name], place, config.format))
        except BaseException:
            _close(new)
            raise
        old, self._targets = self._targets, new
        self._mask = Mask(config.mask)
        _close(old)

    def _places(self, config: Log) -> Iterable[tuple[str, str]]:
        places = [(name, getattr(config, name)) for name in LEVELS]
        given = [(name, place) for name, place in places if place]
        return given or [("info", self._default)]

    def _target(
        self, least: int, place: str, format: str
    ) -> _Lines | _Entries:
        if place == JOURNALD:
            return _Entries(least)
        return _Lines(least, format, open_sink(place, self._owner))

    def reopen(self) -> None:
        """
        Open the files anew: the old ones were moved away.
        """
        for target in self._targets:
            target.reopen()

    def __call__(self, event: LogEvent) -> None:
        gravity = LEVELS[level(event)]
        for target in self._targets:
            if gravity <= target.least:
                target.write(event, self._mask)


def _close(targets: Iterable[Any]) -> None:
    for target in targets:
        target.close()
