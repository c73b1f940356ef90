"""
People who come and go at random: the same ones, with the same seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from math import pi, sin
from random import Random

from attrs import field, frozen

from ..errors import BadConfig, OCPPError
from .chargepoint import ChargePoint
from .connector import AVAILABLE, FAULTED, RESERVED
from .faults import ON_FRAMES, ON_LINES, Faults
from .meter import random_vehicle


DAY = 86400.0

#: How often a fault may happen in a day.
MOST_OFTEN = 86400


@frozen
class Rates:
    """
    How much happens.

    @ivar sessions: vehicles that come, for each connector and day.
    @ivar stay: how many minutes one stays, in the mean.
    @ivar faults: for each connector and day.
    @ivar drops: of the line to the central system, for each station and day.
    @ivar cuts: of the power, for each station and day.
    @ivar even: whether the hour of the day makes no difference.
    @ivar wire: faults on the wire, by name: for those of L{ON_FRAMES} the
        part of the frames, for those of L{ON_LINES} times, for each station
        and day.
    """

    sessions: float = 6.0
    stay: float = 45.0
    faults: float = 0.0
    drops: float = 0.0
    cuts: float = 0.0
    even: bool = False
    wire: Mapping[str, float] = field(factory=dict)

    def check(self) -> None:
        """
        @raise BadConfig: a fault is none, or would befall more than all.
        """
        for name, rate in self.wire.items():
            if name not in (*ON_FRAMES, *ON_LINES):
                there = ", ".join([*ON_FRAMES, *ON_LINES])
                raise BadConfig(f"no fault {name!r:.40}; there are: {there}")
            if not 0 <= rate <= MOST_OFTEN:
                raise BadConfig(f"{name}: {rate:g} is not 0 to {MOST_OFTEN}")
            if name in ON_FRAMES and rate > 1:
                raise BadConfig(f"{name}: {rate:g} is no part of the frames")


def traffic(seconds: float) -> float:
    """
    How much more happens at a time of the day (UTC) than in the mean.

    >>> traffic(4 * 3600) < 0.2, traffic(16 * 3600) > 1.8
    (True, True)
    """
    return 1.0 - 0.9 * sin(2 * pi * (seconds % DAY / DAY + 1 / 12))


class RandomSessions:
    """
    Life at one charge point.

    @ivar begun: how many sessions were begun.
    """

    def __init__(
        self,
        station: ChargePoint,
        rates: Rates = Rates(),
        seed: int = 0,
        tags: Sequence[str] = (),
    ) -> None:
        """
        @param tags: those that people hold to the reader; a hundred of our
            own, if there are none.
        """
        self._station = station
        self._rates = rates
        self._random = Random(f"{seed} {station.identity} sessions")
        self._tags = tags
        self._held: dict[int, str] = {}
        self.begun = 0
        self._faults: Faults | None = None
        if rates.wire and station.line is not None:
            frames = {n: r for n, r in rates.wire.items() if n in ON_FRAMES}
            self._faults = Faults(station.line, frames, seed)

    def start(self) -> None:
        station = self._station
        station.errands = {
            "arrival": self._arrive,
            "departure": self._depart,
            "fault": self._break,
            "repair": self._repair,
            "drop": self._drop,
            "cut": self._cut,
            "mishap": self._mishap,
        }
        for number in station.connectors:
            if number:
                self._plan("arrival", number, self._rates.sessions)
                self._plan("fault", number, self._rates.faults)
        self._plan("drop", 0, self._rates.drops)
        self._plan("cut", 0, self._rates.cuts)
        for place, name in enumerate(ON_LINES):
            self._plan("mishap", place, self._rates.wire.get(name, 0.0))

    def stop(self) -> None:
        """
        Nobody comes any more.
        """
        errands = self._station.errands or {}
        for what, number in self._station.agenda:
            if what in errands:
                self._station.agenda.forget(what, number)
        if self._faults is not None:
            self._faults.end()

    def _plan(self, what: str, number: int, per_day: float) -> None:
        if per_day <= 0:
            return
        now = when = self._station.now
        # Thinning: as many candidates as at the busiest hour, some refused.
        while True:
            when += self._random.expovariate(2 * per_day / DAY)
            busy = 1.0 if self._rates.even else traffic(when)
            if self._random.random() < busy / 2 or when > now + 30 * DAY:
                break
        self._station.agenda.at(when, what, number)

    def _tag(self) -> str:
        if self._tags:
            return self._random.choice(self._tags)
        return f"TAG{self._random.randrange(100):03}"

    # Vehicles

    def _arrive(self, number: int) -> None:
        station = self._station
        connector = station.connectors[number]
        if connector.status not in (AVAILABLE, RESERVED) or connector.plugged:
            self._plan("arrival", number, self._rates.sessions)
            return
        self.begun += 1
        station.plug(number, random_vehicle(self._random))
        tag = self._held[number] = self._tag()
        self._present(tag, number)
        stay = self._random.expovariate(1 / (self._rates.stay * 60))
        station.agenda.after(max(30.0, stay), "departure", number)

    def _present(self, tag: str, number: int) -> None:
        self._station.spawn(self._presented(tag, number))

    async def _presented(self, tag: str, number: int) -> None:
        # It is reserved, or broke meanwhile: people shrug.
        with suppress(OCPPError):
            await self._station.present_tag(tag, number)

    def _depart(self, number: int) -> None:
        station = self._station
        connector, tag = station.connectors[number], self._held.pop(number, "")
        # Every other one just pulls the plug.
        if connector.transaction is not None and self._random.random() < 0.5:
            self._present(tag, number)
        if connector.plugged:
            station.unplug(number)
        self._plan("arrival", number, self._rates.sessions)

    # Misfortune

    def _break(self, number: int) -> None:
        errors = ("GroundFailure", "OverCurrentFailure", "HighTemperature")
        if self._station.connectors[number].status != FAULTED:
            self._station.fault(number, self._random.choice(errors))
        self._station.agenda.after(
            self._random.uniform(60, 1800), "repair", number
        )

    def _repair(self, number: int) -> None:
        if self._station.connectors[number].status == FAULTED:
            self._station.recover(number)
        self._plan("fault", number, self._rates.faults)

    def _drop(self, number: int) -> None:
        line = self._station.line
        if line is not None:
            line.cut()
            pause = self._random.uniform(5, 600)
            self._station.clock.callLater(pause, line.again, 0.0)
        self._plan("drop", 0, self._rates.drops)

    def _mishap(self, place: int) -> None:
        name = list(ON_LINES)[place]
        if self._faults is not None:
            self._faults.happen(name)
        self._plan("mishap", place, self._rates.wire[name])

    def _cut(self, number: int) -> None:
        station = self._station
        if station.powered:
            station.cut_power()
            pause = self._random.uniform(10, 600)
            station.clock.callLater(pause, self._power)

    def _power(self) -> None:
        """
        The power is back, and so are the people.
        """
        station = self._station
        station.restore_power()
        if station.leaving:
            return
        for number, connector in station.connectors.items():
            if connector.plugged:
                station.unplug(number)
        self.start()
