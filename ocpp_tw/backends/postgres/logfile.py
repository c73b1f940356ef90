"""
A file for what concerns the database.
"""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

from twisted.application.service import Service
from twisted.logger import (
    FileLogObserver,
    LogEvent,
    globalLogPublisher,
    textFileLogObserver,
)


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
        globalLogPublisher.addObserver(self._note)

    def stopService(self) -> None:
        super().stopService()
        globalLogPublisher.removeObserver(self._note)
        self._file.close()

    def _note(self, event: LogEvent) -> None:
        if str(event.get("log_namespace")).startswith(__package__ or ""):
            self._observer(event)
