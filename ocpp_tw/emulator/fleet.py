"""
Many emulated stations in one process.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from ..errors import BadConfig
from ..garbage import collect_less
from .chargepoint import ChargePoint
from .config import ConnectorConfig, StationConfig
from .connector import CHARGING
from .findings import Findings
from .history import History
from .keys import Given
from .sessions import RandomSessions, Rates
from .station import Line
from .tally import Tally
from .websocket import Lines


#: How often stations are started, per second.
_TICKS = 20

#: How many stations a fleet has at most.
MOST = 100_000


@frozen
class FleetPlan:
    """
    @ivar url: of the central system, without the identity.
    @ivar identities: a pattern as L{str.format} takes it, for a number from
        1 to C{count}.
    @ivar rate: how many stations are started per second.
    @ivar rates: what people do; None where nobody comes.
    @ivar ca: for this and what follows see L{StationConfig}.
    """

    url: str
    count: int = 100
    identities: str = "CP{:05}"
    rate: float = 100.0
    connectors: tuple[ConnectorConfig, ...] = (ConnectorConfig(1),)
    keys: Mapping[str, Given] = field(factory=dict)
    seed: int = 0
    rates: Rates | None = None
    ca: Path | None = None
    certificate: Path | None = None
    private_key: Path | None = None

    def identity(self, number: int) -> str:
        """
        @raise BadConfig: the pattern makes no sense.
        """
        try:
            return self.identities.format(number)
        except (ValueError, IndexError, KeyError) as e:
            raise BadConfig(
                f"{self.identities!r} is no pattern for a number, such as "
                f"CP{{:05}}: {e}"
            ) from e

    def check(self) -> None:
        """
        @raise BadConfig: the plan makes no sense.
        """
        if self.identity(1) == self.identity(2) and self.count > 1:
            raise BadConfig(
                f"{self.identities!r} gives every station the same identity; "
                "CP{:05} does not"
            )
        if not 0 < self.count <= MOST:
            raise BadConfig(f"{self.count} stations are not from 1 to {MOST}")
        if not self.rate > 0:
            raise BadConfig(f"{self.rate:g} starts per second are too few")
        station = self.station(1).check()
        if self.rates is not None:
            self.rates.check()
            if self.rates.wire and station.is_soap:
                raise BadConfig("there are no faults on the wire over SOAP")

    def station(self, number: int) -> StationConfig:
        identity = self.identity(number)
        return StationConfig(
            identity,
            identity,
            self.url,
            self.connectors,
            self.keys,
            ca=self.ca,
            certificate=self.certificate,
            private_key=self.private_key,
        )


#: So many stations have no room for what happened to each.
_NOTHING = History(0)


class Fleet(Service):
    """
    A fleet, started at a rate.

    @ivar stations: those that were started.
    @ivar tally: what all of them have said and heard.
    @ivar findings: what the central system did wrong.
    """

    def __init__(
        self,
        plan: FleetPlan,
        reactor: Any,
        clock: IReactorTime | None = None,
        lines: Lines | None = None,
    ) -> None:
        """
        @param clock: that of the stations, if it is not the reactor's.
        """
        plan.check()
        self.plan = plan
        self._reactor = reactor
        self._clock = clock or reactor
        self.findings = Findings()
        self.stations: list[ChargePoint] = []
        self.lives: list[RandomSessions] = []
        self._connections: list[Line] = []
        self._lines = lines or Lines(reactor)
        self.tally = Tally(reactor.seconds, self._lines.timeout)
        self._lines.witness = self.tally.witness
        self._starting = LoopingCall(self._start_some)
        self._starting.clock = reactor
        self._began = 0.0

    def startService(self) -> None:
        super().startService()
        self._began = self._reactor.seconds()
        starting: Deferred[Any] = self._starting.start(1 / _TICKS)
        starting.addErrback(lambda f: f.printTraceback())

    def _start_some(self) -> None:
        elapsed = self._reactor.seconds() - self._began + 1 / _TICKS
        wanted = min(self.plan.count, int(elapsed * self.plan.rate) or 1)
        while len(self.stations) < wanted:
            self._start_one(len(self.stations) + 1)
            if len(self.stations) % 250 == 0:
                # What handshakes leave behind would be found much later.
                gc.collect(1)
        if wanted == self.plan.count:
            self._starting.stop()
            collect_less()

    def _start_one(self, number: int) -> None:
        station = ChargePoint(
            self.plan.station(number),
            self._clock,
            seed=self.plan.seed,
            findings=self.findings,
            history=_NOTHING,
        )
        self.stations.append(station)
        self._connections.append(self._lines.connect(station))
        if self.plan.rates is not None:
            life = RandomSessions(station, self.plan.rates, self.plan.seed)
            self.lives.append(life)
            life.start()

    def stopService(self) -> Deferred[Any]:
        """
        Stop at once; transactions that run are not ended.
        """
        super().stopService()
        if self._starting.running:
            self._starting.stop()
        for station in self.stations:
            station.agenda.clear()
        return DeferredList([c.stop() for c in self._connections])

    async def leave(self) -> None:
        """
        End every transaction, and say what is still to be said.
        """
        if self._starting.running:
            self._starting.stop()
        for life in self.lives:
            life.stop()
        leaving = [
            Deferred.fromCoroutine(station.leave(patiently=True))
            for station in self.stations
        ]
        await DeferredList(leaving, consumeErrors=True)

    # What is to be seen of it

    def counts(self) -> dict[str, int]:
        """
        C{{"started", "connected", "booted", "charging"}}
        """
        counts: Counter[str] = Counter(started=len(self.stations))
        for station in self.stations:
            counts["connected"] += station.is_connected
            counts["booted"] += station.is_online
            counts["charging"] += any(
                c.status == CHARGING for c in station.connectors.values()
            )
        return dict(counts)

    def energy(self) -> int:
        """
        Wh that all meters show together.
        """
        return sum(
            connector.meter.register
            for station in self.stations
            for number, connector in station.connectors.items()
            if number
        )

    def waiting(self) -> int:
        """
        Messages about transactions that are not sent yet.
        """
        return sum(len(station.outbox) for station in self.stations)
