"""
All the emulated stations of a folder, as one service.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger

from ..errors import BadConfig, Conflict
from .chargepoint import ChargePoint
from .config import StationConfig, read_folders
from .keys import Keys
from .state import State
from .station import Line
from .websocket import Lines


#: How many seconds a station has for its last words.
PATIENCE = 5

_T = TypeVar("_T")

MakeStation = Callable[[StationConfig], ChargePoint]


class EmulatedStation(Service):
    """
    One station: it comes when it is started, and leaves when it is stopped.

    @ivar faults: what goes wrong on its wire, if anything ever did.
    """

    log = Logger()

    def __init__(self, station: ChargePoint, lines: Lines) -> None:
        self.station = station
        self._lines = lines
        self._connection: Line | None = None
        self.faults: Any = None
        self._away = False

    @property
    def connection(self) -> Line:
        """
        @raise Conflict: it has not come yet, or has left.
        """
        if self._connection is None:
            raise Conflict(f"{self.station.identity} is not in service")
        return self._connection

    def startService(self) -> None:
        super().startService()
        self.station.leaving = False
        self._connection = self._lines.connect(self.station)

    def stopService(self) -> Deferred[None]:
        super().stopService()
        return Deferred.fromCoroutine(self._leave())

    async def meanwhile(self, work: Callable[[Lines], Awaitable[_T]]) -> _T:
        """
        Do something under its identity while it is away; it comes back.

        @raise Conflict: it is away already.
        """
        if self._away or not self.running:
            raise Conflict(f"{self.station.identity} is away")
        self._away = True
        try:
            await self.stopService()
            return await work(self._lines)
        finally:
            self._away = False
            # It may have been removed, or everything stopped.
            if self.parent is not None and self.parent.running:
                self.startService()

    async def _leave(self) -> None:
        self.faults = None
        for line in self.station.findings.lines():
            self.log.info(
                "{station}: its central system deviates: {line}",
                station=self.station,
                line=line,
            )
        connection, self._connection = self._connection, None
        reactor = self._lines.reactor
        leaving: Deferred[None] = Deferred.fromCoroutine(self.station.leave())
        await leaving.addTimeout(PATIENCE, reactor, _no_matter)
        if connection is not None:
            gone = connection.stop()
            await gone.addTimeout(PATIENCE, reactor, _no_matter)


def _no_matter(result: object, timeout: float) -> None:
    """
    Stop waiting, and carry on.
    """


class Emulator(MultiService):
    """
    The stations of a folder.

    A folder that cannot be used is logged, and the others run.

    @ivar stations: by the name of their folders.
    @ivar broken: why a folder cannot be used, by its name.
    @ivar made: those of the stations that have no folder: they are there
        until they are removed, or the process ends.
    """

    log = Logger()

    def __init__(
        self,
        path: Path | None,
        reactor: Any,
        lines: Lines | None = None,
        make: MakeStation | None = None,
    ) -> None:
        """
        @param path: the folder; None for no stations at all.
        """
        super().__init__()
        self._path = path
        self._reactor = reactor
        self._lines = lines or Lines(reactor)
        self._make = make or self._make_station
        self.stations: dict[str, EmulatedStation] = {}
        self.broken: dict[str, BadConfig] = {}
        self.made: set[str] = set()

    def _make_station(self, config: StationConfig) -> ChargePoint:
        return ChargePoint(config, self._reactor, state=State(config.folder))

    def startService(self) -> None:
        super().startService()
        for config in self._read().values():
            self.add(config)

    def stopService(self) -> Deferred[None]:
        # A station that was removed may still be leaving.
        stopping: Deferred[None] = super().stopService()
        self.stations.clear()
        return stopping

    def reload(self, path: Path | None) -> Deferred[None]:
        """
        Look into the folder again: new stations come, removed ones leave,
        changed ones start again, and the others notice nothing.

        @param path: the folder, which may be another one now.
        """
        self._path = path
        return Deferred.fromCoroutine(self._reload())

    async def _reload(self) -> None:
        wanted = self._read()
        leaving = [
            Deferred.fromCoroutine(self.remove(name))
            for name, service in list(self.stations.items())
            if wanted.get(name) != service.station.config
            and name not in self.made
            and not self._is_unreadable(name)
        ]
        await gatherResults(leaving, consumeErrors=True)
        for name, config in wanted.items():
            if name not in self.stations and self.running:
                self.add(config)
            elif name in self.made:
                self.log.error(
                    "{name}: there is a station of that name without a "
                    "folder already",
                    name=name,
                )

    def _is_unreadable(self, name: str) -> bool:
        """
        Whether a station runs on as it was, since nobody can tell what it
        should be now.
        """
        return name in self.broken or "" in self.broken

    async def leave(self) -> None:
        """
        Let every station leave.
        """
        leaving = [
            Deferred.fromCoroutine(self.remove(name))
            for name in list(self.stations)
        ]
        await gatherResults(leaving, consumeErrors=True)

    def _read(self) -> dict[str, StationConfig]:
        self.broken = {}
        if self._path is None:
            return {}
        try:
            good, self.broken = read_folders(self._path)
        except BadConfig as e:
            good, self.broken = {}, {"": e}
        for error in self.broken.values():
            self.log.error("{error}", error=error)
        for config in good.values():
            for doubt in Keys(config.keys).doubts():
                self.log.warn("{name}: {doubt}", name=config.name, doubt=doubt)
        return good

    def add(self, config: StationConfig) -> EmulatedStation:
        """
        Let a station come.
        """
        service = EmulatedStation(self._make(config), self._lines)
        self.stations[config.name] = service
        service.setServiceParent(self)
        self.log.info("{name} comes", name=config.name)
        return service

    async def remove(self, name: str) -> None:
        """
        Let a station leave.
        """
        service = self.stations.pop(name)
        self.made.discard(name)
        left: Deferred[None] | None = service.disownServiceParent()
        if left is not None:
            await left
        self.log.info("{name} has left", name=name)
