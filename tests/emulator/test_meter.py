"""
The meter, and the vehicle at it.
"""

from __future__ import annotations

from random import Random

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.emulator.keys import MEASURANDS
from ocpp_tw.emulator.meter import (
    Meter,
    Supply,
    Vehicle,
    charging_curve,
    random_vehicle,
)


def charged(kind: str = "AC", **options: float) -> Meter:
    """
    A meter with a vehicle at it, from time 0.
    """
    meter = Meter(Supply.of(kind), seed=7)
    meter.plug(Vehicle(**{"power": 11_000.0, **options}), now=0.0)
    meter.switch(True, now=0.0)
    return meter


INTERVAL = "Energy.Active.Import.Interval"


class MeterTests(SynchronousTestCase):
    def test_energy_is_power_by_time(self) -> None:
        """
        Half an hour at 11 kW is 5.5 kWh.
        """
        meter = charged()
        meter.advance(1800.0)
        self.assertEqual(meter.register, 5500)

    def test_battery_fills(self) -> None:
        """
        A battery takes what it has room for, and no more.
        """
        meter = charged(capacity=10_000.0, soc=50.0)
        meter.advance(86400.0)
        self.assertTrue(meter.is_full)
        self.assertEqual(meter.register, 5000)
        self.assertEqual(meter.power, 0.0)

    def test_off_is_off(self) -> None:
        """
        What is switched off measures no energy.
        """
        meter = charged()
        meter.switch(False, 600.0)
        before = meter.energy
        meter.advance(7200.0)
        self.assertEqual(meter.energy, before)

    def test_limit(self) -> None:
        """
        A limit that changes meanwhile is heeded from when it changes.
        """
        meter = charged()
        meter.limit = lambda now: 3600.0 if now < 1000 else 0.0
        meter.advance(5000.0)
        self.assertLess(abs(meter.energy - 1000.0), 11)

    def test_warms_and_cools(self) -> None:
        """
        Current warms, and its absence cools.
        """
        meter = charged()
        cold = meter.temperature
        meter.advance(3600.0)
        warm = meter.temperature
        meter.switch(False, 3600.0)
        meter.advance(3600.0 * 3)
        self.assertGreater(warm, cold + 5)
        self.assertLess(meter.temperature, warm - 5)

    def test_power_is_voltage_by_current(self) -> None:
        """
        The phases' currents and voltages make the power.
        """
        meter = charged()
        wanted = ["Current.Import", "Voltage", "Power.Active.Import"]
        values = meter.sample(wanted, 600.0, "Trigger")
        amperes = [float(v["value"]) for v in values[:3]]
        volts = [float(v["value"]) for v in values[3:6]]
        total = sum(a * v for a, v in zip(amperes, volts, strict=True))
        self.assertLess(abs(total - float(values[6]["value"])), 20)
        self.assertEqual(
            [v["phase"] for v in values[3:6]], ["L1-N", "L2-N", "L3-N"]
        )

    def test_every_measurand(self) -> None:
        """
        Every measurand that may be configured is measured.
        """
        meter = charged()
        for name in MEASURANDS:
            self.assertTrue(meter.sample([name], 60.0, "Trigger"), name)

    def test_interval(self) -> None:
        """
        The interval measures what came since the last look.
        """
        meter = charged()
        told = [
            float(meter.sample([INTERVAL], at, "Trigger")[0]["value"])
            for at in (0.0, 360.0, 720.0)
        ]
        self.assertEqual(told, [0.0, 1100.0, 1100.0])

    def test_intervals_of_their_own(self) -> None:
        """
        Samples of one time say the same, and those by the clock take nothing
        away from the others.
        """
        meter = charged()
        told = [
            float(meter.sample([INTERVAL], at, context)[0]["value"])
            for at, context in (
                (0.0, "Transaction.Begin"),
                (0.0, "Sample.Clock"),
                (360.0, "Sample.Periodic"),
                (360.0, "Sample.Periodic"),
                (720.0, "Sample.Clock"),
                (720.0, "Transaction.End"),
            )
        ]
        self.assertEqual(told, [0.0, 0.0, 1100.0, 1100.0, 2200.0, 1100.0])

    def test_clock_that_goes_back(self) -> None:
        """
        A clock that is set back takes no energy away, and gives none.
        """
        meter = charged()
        meter.advance(3600.0)
        before = meter.energy
        meter.advance(60.0)
        self.assertEqual(meter.energy, before)

    @settings(deadline=None)
    @given(
        st.lists(st.floats(0, 5000), max_size=8),
        st.sampled_from(["AC", "DC"]),
        st.integers(),
    )
    def test_never_runs_backwards(
        self, pauses: list[float], kind: str, seed: int
    ) -> None:
        """
        However often it is looked at, a register never falls, and a battery
        never holds more than it can.
        """
        meter = Meter(Supply.of(kind), seed=1)
        meter.plug(random_vehicle(Random(seed)), 0.0)
        meter.switch(True, 0.0)
        now, before = 0.0, 0
        for pause in pauses:
            now += pause
            meter.advance(now)
            self.assertGreaterEqual(meter.register, before)
            self.assertLessEqual(meter.soc, 100.0 + 1e-6)
            before = meter.register

    @given(st.floats(0, 100), st.booleans())
    def test_curve(self, soc: float, is_direct: bool) -> None:
        """
        A battery takes a part of its power, at any state of charge.
        """
        self.assertTrue(0 < charging_curve(soc, is_direct) <= 1)

    def test_repeatable(self) -> None:
        """
        The same seed and the same times measure the same.
        """
        one, other = (
            charged("DC").sample(MEASURANDS, 600.0, "Trigger")
            for _ in range(2)
        )
        self.assertEqual(one, other)
