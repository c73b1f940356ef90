"""
A believable meter: a vehicle that charges along its curve, and what a
connector measures of it.

Everything here is a function of the seed and of the times it is asked at.

>>> meter = Meter(Supply.of("DC"), seed=1)
>>> meter.plug(Vehicle(capacity=60_000, soc=10.0, power=100_000), now=0.0)
>>> meter.switch(True, now=0.0)
>>> meter.advance(360.0)
>>> meter.register
5000
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from math import pi, sin
from random import Random
from typing import Any

from attrs import define, frozen


#: How fine the charging curve is followed, in seconds; a long time without
#: a look at the meter is followed in no more than so many steps.
STEP = 10.0
MOST_STEPS = 500

#: Degrees Celsius.
AMBIENT = 18.0
WARMTH = 27.0

#: How fast a connector warms and cools, in seconds.
INERTIA = 900.0

NOMINAL = 230.0
FREQUENCY = 50.0


@frozen
class Supply:
    """
    What a connector can deliver.

    @ivar phases: 0 for direct current.
    @ivar current: A, of each phase.
    @ivar power: W, of all.
    """

    phases: int
    current: float
    power: float

    @classmethod
    def of(cls, kind: str, power: float | None = None) -> Supply:
        """
        @param kind: AC or DC.
        @param power: W; 22 kW with AC and 50 kW with DC if None.
        """
        if kind == "DC":
            power = power or 50_000.0
            return cls(0, power / 400.0, power)
        power = power or 22_080.0
        phases = 3 if power > 7400 else 1
        return cls(phases, power / (NOMINAL * phases), power)

    @property
    def is_direct(self) -> bool:
        return not self.phases

    def watts(self, amperes: float, phases: int | None = None) -> float:
        """
        The power that a limit of the current means.
        """
        if self.is_direct:
            return amperes * 400.0
        return amperes * NOMINAL * min(phases or 3, self.phases)

    def amperes(self, watts: float, phases: int | None = None) -> float:
        return watts / self.watts(1.0, phases)


@frozen
class Vehicle:
    """
    What is plugged in.

    @ivar capacity: Wh, of its battery.
    @ivar soc: percent, when it comes.
    @ivar power: W, the most that it takes.
    @ivar target: percent, at which it stops taking any.
    """

    capacity: float = 60_000.0
    soc: float = 25.0
    power: float = 150_000.0
    target: float = 100.0


def random_vehicle(random: Random) -> Vehicle:
    """
    A vehicle as they come.
    """
    return Vehicle(
        capacity=float(random.choice((40, 52, 60, 77, 82, 100)) * 1000),
        soc=round(random.triangular(5, 80, 30), 1),
        power=float(random.choice((7.4, 11, 22, 50, 100, 150)) * 1000),
        target=float(random.choice((80, 90, 100))),
    )


#: How much of its power a battery takes at a state of charge, in percent.
_CURVES = {
    True: ((0, 0.6), (5, 1.0), (55, 1.0), (80, 0.4), (100, 0.03)),
    False: ((0, 1.0), (90, 1.0), (100, 0.1)),
}


def charging_curve(soc: float, is_direct: bool) -> float:
    """
    The part of its power that a battery takes.

    >>> charging_curve(30.0, is_direct=True)
    1.0
    >>> charging_curve(95.0, is_direct=False)
    0.55
    """
    curve = _CURVES[is_direct]
    for (low, at_low), (high, at_high) in pairwise(curve):
        if soc <= high:
            part = (soc - low) / (high - low)
            return at_low + part * (at_high - at_low)
    return 0.0


def unlimited(now: float) -> float:
    """
    The limit where there is none, in W.
    """
    return float("inf")


_NOBODY = Vehicle(soc=0.0, power=0.0)


@define(eq=False)
class Meter:
    """
    The meter of one connector.

    @ivar energy: Wh, ever.
    @ivar power: W, now.
    @ivar soc: percent.
    @ivar limit: W that may be taken at a time, by the charging profiles.
    """

    supply: Supply
    seed: int = 0
    energy: float = 0.0
    power: float = 0.0
    soc: float = 0.0
    temperature: float = AMBIENT
    limit: Callable[[float], float] = unlimited
    vehicle: Vehicle = _NOBODY
    _on: bool = False
    _at: float = 0.0
    _since: dict[str, tuple[float, float, float]] | None = None

    @property
    def register(self) -> int:
        """
        Wh, as a whole number, for meterStart and meterStop.
        """
        # A sum of many small parts falls a little short of the whole.
        return int(self.energy + 1e-6)

    @property
    def is_full(self) -> bool:
        """
        Whether the vehicle wants no more.
        """
        return self.soc >= self.vehicle.target - 1e-9

    def plug(self, vehicle: Vehicle, now: float) -> None:
        self.advance(now)
        self.vehicle, self.soc = vehicle, vehicle.soc

    def unplug(self, now: float) -> None:
        self.switch(False, now)
        self.vehicle, self.soc = _NOBODY, 0.0

    def switch(self, on: bool, now: float) -> None:
        """
        Offer energy, or no more.
        """
        self.advance(now)
        self._on = on
        self.power = self._taken(now)

    def advance(self, now: float) -> None:
        """
        Let time pass.
        """
        elapsed = now - self._at
        if elapsed > 0 and (self._on or self.temperature > AMBIENT + 0.1):
            self._follow(now, elapsed)
        if elapsed > 0 or self._at - now > 1:
            # Back in time goes a clock that was wrong, and no energy.
            self._at = now

    def _follow(self, now: float, elapsed: float) -> None:
        if not self._on:
            self._warm(elapsed)
            return
        step = max(STEP, elapsed / MOST_STEPS)
        at = self._at
        while at < now:
            seconds = min(step, now - at)
            self._take(at, seconds)
            at += seconds
        self.power = self._taken(now)

    def _take(self, at: float, seconds: float) -> None:
        """
        Charge for so many seconds, with the power of their beginning.
        """
        self.power = self._taken(at)
        left = self.vehicle.target - self.soc
        wanted = max(0.0, left / 100 * self.vehicle.capacity)
        taken = min(self.power * seconds / 3600, wanted)
        self.energy += taken
        self.soc += taken / self.vehicle.capacity * 100
        self._warm(seconds)

    def _taken(self, at: float) -> float:
        if not self._on or self.is_full:
            return 0.0
        part = charging_curve(self.soc, self.supply.is_direct)
        limit = min(self.supply.power, self.limit(at))
        return max(0.0, min(self.vehicle.power * part, limit))

    def _warm(self, seconds: float) -> None:
        goal = AMBIENT + WARMTH * self.power / self.supply.power
        part = min(1.0, seconds / INERTIA)
        self.temperature += (goal - self.temperature) * part

    # What is measured

    def sample(
        self, measurands: Iterable[str], now: float, context: str
    ) -> list[dict[str, Any]]:
        """
        The C{sampledValue} of those measurands, now.
        """
        self.advance(now)
        values: list[dict[str, Any]] = []
        for measurand in measurands:
            measure = _MEASURES.get(measurand)
            if measurand == _INTERVAL:
                measured = self._measure_interval(now, context)
            else:
                measured = [] if measure is None else measure(self, now)
            values += (
                {**value, "measurand": measurand, "context": context}
                for value in measured
            )
        return values

    def _voltage(self, now: float, phase: int) -> float:
        """
        V: the grid breathes a little, and sinks under load.
        """
        if self.supply.is_direct:
            return 340.0 + 0.8 * self.soc
        breath = sin(2 * pi * (now / 600 + self.seed % 97 / 97 + phase / 3))
        load = self.power / self.supply.power
        return NOMINAL + 1.8 * breath - 2.0 * load

    def _current(self, now: float, phase: int) -> float:
        phases = max(1, self.supply.phases)
        return self.power / phases / self._voltage(now, phase)

    def _measure_register(self, now: float) -> list[dict[str, Any]]:
        return [_value(f"{self.register}", "Wh")]

    def _measure_interval(
        self, now: float, context: str
    ) -> list[dict[str, Any]]:
        """
        What was taken since the last sample; those by the clock, and those
        that are asked for, have their own.  Who asks again at the same time
        is told the same.
        """
        of = context if context in ("Sample.Clock", "Trigger") else ""
        since = self._since = self._since or {}
        at, before, last = since.get(of, (now, self.energy, self.energy))
        if at != now:
            before, last = last, self.energy
        since[of] = now, before, last
        return [_value(f"{self.energy - before:.1f}", "Wh")]

    def _measure_power(self, now: float) -> list[dict[str, Any]]:
        return [_value(f"{self.power:.1f}", "W")]

    def _measure_offered(self, now: float) -> list[dict[str, Any]]:
        return [_value(f"{self._offered(now):.1f}", "W")]

    def _offered(self, now: float) -> float:
        return min(self.supply.power, self.limit(now)) if self._on else 0.0

    def _measure_factor(self, now: float) -> list[dict[str, Any]]:
        return [{"value": "1.00" if self.supply.is_direct else "0.98"}]

    def _measure_current(self, now: float) -> list[dict[str, Any]]:
        return [
            {**_value(f"{self._current(now, phase):.2f}", "A"), **name}
            for phase, name in self._phases("L{}")
        ]

    def _measure_current_offered(self, now: float) -> list[dict[str, Any]]:
        amperes = self.supply.amperes(self._offered(now))
        return [_value(f"{amperes:.2f}", "A")]

    def _measure_voltage(self, now: float) -> list[dict[str, Any]]:
        return [
            {**_value(f"{self._voltage(now, phase):.1f}", "V"), **name}
            for phase, name in self._phases("L{}-N")
        ]

    def _phases(self, name: str) -> list[tuple[int, dict[str, str]]]:
        if self.supply.is_direct:
            return [(0, {})]
        return [
            (n, {"phase": name.format(n + 1)})
            for n in range(self.supply.phases)
        ]

    def _measure_frequency(self, now: float) -> list[dict[str, Any]]:
        if self.supply.is_direct:
            return []
        hertz = FREQUENCY + 0.02 * sin(2 * pi * (now / 240))
        # The 1.6 schema of StopTransaction knows no unit of frequency.
        return [{"value": f"{hertz:.2f}"}]

    def _measure_temperature(self, now: float) -> list[dict[str, Any]]:
        return [
            {
                **_value(f"{self.temperature:.1f}", "Celsius"),
                "location": "Body",
            }
        ]

    def _measure_soc(self, now: float) -> list[dict[str, Any]]:
        if self.vehicle is _NOBODY:
            return []
        return [{**_value(f"{self.soc:.1f}", "Percent"), "location": "EV"}]


def _value(value: str, unit: str) -> dict[str, Any]:
    return {"value": value, "unit": unit}


_INTERVAL = "Energy.Active.Import.Interval"

_MEASURES: dict[str, Callable[[Meter, float], list[dict[str, Any]]]] = {
    "Energy.Active.Import.Register": Meter._measure_register,
    "Power.Active.Import": Meter._measure_power,
    "Power.Offered": Meter._measure_offered,
    "Power.Factor": Meter._measure_factor,
    "Current.Import": Meter._measure_current,
    "Current.Offered": Meter._measure_current_offered,
    "Voltage": Meter._measure_voltage,
    "Frequency": Meter._measure_frequency,
    "Temperature": Meter._measure_temperature,
    "SoC": Meter._measure_soc,
}
