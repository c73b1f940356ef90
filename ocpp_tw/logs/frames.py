"""
The file of OCPP frames: a line for each, in the order in which they passed.

::

    2026-11-23T08:44:52.123Z CP1 > [2,"7","Heartbeat",{}]
    2026-11-23T08:44:52.124Z CP1 < [3,"7",{"currentTime":"..."}]

C{>} is from the station, C{<} is from us.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from ..config import Log
from ..fleet import iso
from ..messagelog import Entry
from .files import LogFile, open_sink
from .lines import dump, printable
from .mask import Mask


#: How long frames wait to be written together, in seconds, and how many.
TOGETHER, MOST_WAITING = 0.1, 5000

_PLAIN = re.compile(r"[\w.:*=+|@-]+\Z")


class FrameLog:
    """
    Writes frames, and keeps the files of as many days as configured.

    A file that has become too long is moved aside, with the time in its name.
    """

    log = Logger()

    def __init__(
        self,
        config: Log,
        reactor: IReactorTime,
        owner: tuple[int, int] = (-1, -1),
    ) -> None:
        """
        @raise BadConfig: the file cannot be opened.
        """
        self._reactor = reactor
        self._path = Path(config.messages)
        self._size = config.messages_size
        self._days = config.messages_days
        self._mask = Mask(config.mask)
        self._as_lines = _as_json if config.format == "json" else _as_text
        self._waiting: deque[Entry] = deque()
        self._timer: IDelayedCall | None = None
        self._file = open_sink(config.messages, owner)

    def note(self, entry: Entry) -> None:
        """
        A message passed, with its answer.
        """
        self._waiting.append(entry)
        if len(self._waiting) >= MOST_WAITING:
            self.flush()
        elif self._timer is None:
            self._timer = self._reactor.callLater(TOGETHER, self._timed)

    def _timed(self) -> None:
        self._timer = None
        self.flush()

    def flush(self) -> None:
        """
        Write what waits.
        """
        waiting, self._waiting = self._waiting, deque()
        lines = [
            line
            for entry in waiting
            for line in self._as_lines(entry, self._mask)
        ]
        if isinstance(self._file, LogFile):
            self._append(self._file, "".join(lines))
        else:
            for line in lines:
                self._file.write(line)

    def _append(self, file: LogFile, lines: str) -> None:
        lost = file.lost
        file.write(lines)
        if file.lost != lost and not lost:
            self.log.error(
                "{path}: frames cannot be written", path=str(self._path)
            )
        if file.size >= self._size:
            self._rotate(file)

    def _rotate(self, file: LogFile) -> None:
        now = datetime.fromtimestamp(self._reactor.seconds(), UTC)
        aside = f"{self._path}.{now:%Y%m%dT%H%M%S.%f}"
        with suppress(OSError):
            # Another worker may have done so already.
            if file.is_at_its_path:
                os.rename(self._path, aside)
        self.reopen()
        self._forget()

    def _forget(self) -> None:
        """
        Delete the files of longer ago than is kept.
        """
        oldest = self._reactor.seconds() - self._days * 86400
        for file in self._path.parent.glob(f"{self._path.name}.*T*"):
            with suppress(OSError):
                if file.stat().st_mtime < oldest:
                    file.unlink()

    def reopen(self) -> None:
        """
        Open the file anew: the old one was moved away.
        """
        self._file.reopen()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.flush()
        self._file.close()


def _as_text(entry: Entry, mask: Mask) -> Iterator[str]:
    asks, answers = (">", "<") if entry.direction == "in" else ("<", ">")
    name = _name(entry.identity)
    yield f"{iso(entry.time)} {name} {asks} {_text(entry.frame, mask)}\n"
    if entry.reply is not None:
        time = iso(entry.time + entry.seconds)
        yield f"{time} {name} {answers} {_text(entry.reply, mask)}\n"


def _name(identity: str) -> str:
    """
    An identity as one word.

    >>> _name("CP1"), _name("CP 1")
    ('CP1', '"CP 1"')
    """
    if _PLAIN.match(identity):
        return identity
    return dump({"": identity})[4:-2]


def _text(frame: bytes, mask: Mask) -> str:
    return printable(mask.frame(frame).decode(errors="replace"))


def _as_json(entry: Entry, mask: Mask) -> Iterator[str]:
    reply = entry.reply
    yield dump(
        {
            "time": iso(entry.time),
            "station": entry.identity,
            "direction": entry.direction,
            "action": entry.action or None,
            "call": mask.frame(entry.frame).decode(errors="replace"),
            "reply": None
            if reply is None
            else mask.frame(reply).decode(errors="replace"),
            "milliseconds": round(entry.seconds * 1000, 3),
        }
    )
