"""
A backend that accepts everybody, and writes each transaction on a line of a
ledger before it is acknowledged::

    {"id": 1, "identity": "CP1", "start": {...}}
    {"id": 1, "identity": "CP1", "stop": {...}}
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from ocpp_tw.errors import BadConfig, CallFailed, ErrorCode
from ocpp_tw.interfaces import IBackend, ICentralSystem, IStation


@implementer(IBackend)
class LedgerBackend(Service):
    """
    One file, one line at a time.
    """

    def __init__(self, path: Path, clock: IReactorTime) -> None:
        self._path = path
        self._clock = clock
        self._file: TextIO | None = None
        self._starts: dict[str, int] = {}

    def startService(self) -> None:
        self._file = self._path.open("a+")
        self._file.seek(0)
        for line in self._file:
            self._remember(json.loads(line))
        super().startService()

    def stopService(self) -> None:
        super().stopService()
        if self._file is not None:
            self._file.close()

    # Stations

    def station_connected(self, station: IStation) -> None:
        pass

    def station_disconnected(self, station: IStation) -> None:
        pass

    def answer(self, station: IStation, call: Any) -> dict[str, Any]:
        try:
            answer = getattr(self, f"answer_{call.action}")
        except AttributeError:
            raise CallFailed(ErrorCode.NOT_IMPLEMENTED, call.action) from None
        answered: dict[str, Any] = answer(station, call.payload)
        return answered

    def answer_BootNotification(
        self, station: IStation, payload: Any
    ) -> dict[str, Any]:
        return {
            "status": "Accepted",
            "currentTime": self._now(),
            "interval": 300,
        }

    def answer_Heartbeat(
        self, station: IStation, payload: Any
    ) -> dict[str, Any]:
        return {"currentTime": self._now()}

    def answer_StatusNotification(
        self, station: IStation, payload: Any
    ) -> dict[str, Any]:
        return {}

    def answer_MeterValues(
        self, station: IStation, payload: Any
    ) -> dict[str, Any]:
        return {}

    def answer_Authorize(
        self, station: IStation, payload: Any
    ) -> dict[str, Any]:
        return {"idTagInfo": {"status": "Accepted"}}

    def answer_StartTransaction(
        self, station: IStation, payload: Any
    ) -> dict[str, Any]:
        # A station that missed our answer asks again: same id.
        key = _key(station.identity, payload)
        number = self._starts.get(key, len(self._starts) + 1)
        if key not in self._starts:
            self._write(number, station.identity, start=payload)
        return {
            "transactionId": number,
            "idTagInfo": {"status": "Accepted"},
        }

    def answer_StopTransaction(
        self, station: IStation, payload: Any
    ) -> dict[str, Any]:
        self._write(payload["transactionId"], station.identity, stop=payload)
        return {}

    # The ledger

    def _write(self, number: int, identity: str, **what: Any) -> None:
        assert self._file is not None
        line = {"id": number, "identity": identity, **what}
        try:
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError:
            # The station tries again.
            raise CallFailed(ErrorCode.INTERNAL_ERROR) from None
        self._remember(line)

    def _remember(self, line: Mapping[str, Any]) -> None:
        if "start" in line:
            self._starts[_key(line["identity"], line["start"])] = line["id"]

    def _now(self) -> str:
        now = datetime.fromtimestamp(self._clock.seconds(), UTC)
        return f"{now:%Y-%m-%dT%H:%M:%SZ}"


def _key(identity: str, start: Mapping[str, Any]) -> str:
    return json.dumps([identity, start], sort_keys=True)


def make_backend(
    settings: Mapping[str, Any],
    central_system: ICentralSystem,
    reactor: IReactorTime,
) -> LedgerBackend:
    """
    C{path}: the file of the ledger.
    """
    try:
        path = Path(settings["path"])
    except KeyError:
        raise BadConfig("[ledger] path: say where the ledger is") from None
    if not path.parent.is_dir():
        raise BadConfig(f"[ledger] path = {path}: there is no such folder")
    return LedgerBackend(path, reactor)
