"""
A file for what concerns the database.
"""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

from twisted.application.service import Service
from twisted.logger import (
    FileLogObserver,
    ILogObserver,
    LogEvent,
    globalLogPublisher,
    textFileLogObserver,
)
from zope.interface import implementer


@implementer(ILogObserver)
class LogFile(Service):
    """
    Writes what our loggers say, beside where it goes anyway.
    """

    _file: TextIO
    _observer: FileLogObserver

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def startService(self) -> None:
        super().startService()
        self._file = self._path.open("a", encoding="utf-8", buffering=1)
        self._observer = textFileLogObserver(self._file)
        globalLogPublisher.addObserver(self)

    def stopService(self) -> None:
        super().stopService()
        globalLogPublisher.removeObserver(self)
        self._file.close()

    def __call__(self, event: LogEvent) -> None:
        """
        Called by the publisher of all log events.
        """
        if str(event.get("log_namespace")).startswith(__package__ or ""):
            self._observer(event)
