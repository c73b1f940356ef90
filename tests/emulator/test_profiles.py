"""
How charging profiles stack.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.emulator.clock import iso
from ocpp_tw.emulator.meter import Supply
from ocpp_tw.emulator.profiles import (
    DEFAULT,
    MAX,
    TX,
    Installed,
    Period,
    Profile,
    clear,
    composite,
    install,
    limit,
    next_change,
    schedule,
)
from ocpp_tw.ocpp.schemas import RESPONSES


SUPPLY = Supply.of("AC", 22_080.0)
DAY = 86400.0


def payload(
    *periods: tuple[int, float],
    purpose: str = DEFAULT,
    level: int = 0,
    kind: str = "Absolute",
    id: int = 1,
    unit: str = "W",
    schedule: dict[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    return {
        "chargingProfileId": id,
        "stackLevel": level,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": kind,
        "chargingSchedule": {
            "chargingRateUnit": unit,
            "chargingSchedulePeriod": [
                {"startPeriod": start, "limit": watts}
                for start, watts in periods
            ],
            **(schedule or {}),
        },
        **more,
    }


def installed(number: int = 1, *args: Any, **options: Any) -> Installed:
    source = payload(*args, **options)
    return Installed(number, Profile.read(source), source)


def limits(
    *profiles: Installed, at: tuple[float, ...] = (0.0,)
) -> list[float]:
    return [limit(profiles, 1, now, SUPPLY, 0.0, 1) for now in at]


class LimitTests(SynchronousTestCase):
    def test_none(self) -> None:
        """
        Without a profile there is the supply.
        """
        self.assertEqual(limits(), [22_080.0])

    def test_periods(self) -> None:
        """
        Each period holds from its start to the next one's.
        """
        profile = installed(1, (0, 1000.0), (60, 500.0))
        self.assertEqual(
            limits(profile, at=(0, 59, 60, 1e6)), [1000, 1000, 500, 500]
        )

    def test_duration(self) -> None:
        """
        After its duration a schedule says nothing.
        """
        profile = installed(1, (0, 1000.0), schedule={"duration": 60})
        self.assertEqual(limits(profile, at=(59, 60)), [1000, 22_080])

    def test_validity(self) -> None:
        """
        A profile says nothing before it is valid, nor after.
        """
        profile = installed(1, (0, 1000.0), validFrom=iso(10), validTo=iso(20))
        self.assertEqual(
            limits(profile, at=(9, 10, 19, 20)), [22_080, 1000, 1000, 22_080]
        )

    def test_stack(self) -> None:
        """
        The highest of the stack decides, as long as it says anything.
        """
        low = installed(1, (0, 1000.0), level=0)
        high = installed(
            1, (0, 9000.0), level=5, id=2, schedule={"duration": 60}
        )
        self.assertEqual(limits(low, high, at=(0, 60)), [9000, 1000])

    def test_transaction_before_default(self) -> None:
        """
        A transaction's own profile replaces the default, if it is higher
        even.
        """
        default = installed(0, (0, 1000.0))
        own = installed(1, (0, 9000.0), purpose=TX, id=2)
        self.assertEqual(limits(default, own), [9000])

    def test_maximum_caps(self) -> None:
        """
        What the charge point may take caps everything else.
        """
        most = installed(0, (0, 4000.0), purpose=MAX)
        own = installed(1, (0, 9000.0), purpose=TX, id=2)
        self.assertEqual(limits(most, own), [4000])

    def test_other_transaction(self) -> None:
        """
        The profile of another transaction, or connector, says nothing.
        """
        other = installed(1, (0, 1.0), purpose=TX, transactionId=99)
        elsewhere = installed(2, (0, 1.0), id=2)
        self.assertEqual(limits(other, elsewhere), [22_080])

    def test_own_connector_first(self) -> None:
        """
        Of the same level, a connector's own default goes before that of all.
        """
        every = installed(0, (0, 1000.0))
        own = installed(1, (0, 2000.0), id=2)
        self.assertEqual(limits(every, own), [2000])
        self.assertEqual(limits(own, every), [2000])

    def test_relative(self) -> None:
        """
        A relative profile counts from the start of the transaction.
        """
        profile = installed(1, (0, 1000.0), (60, 500.0), kind="Relative")
        told = [
            limit((profile,), 1, now, SUPPLY, 100.0, 1)
            for now in (99, 100, 160)
        ]
        self.assertEqual(told, [22_080, 1000, 500])

    def test_daily(self) -> None:
        """
        A daily profile begins again each day.
        """
        profile = installed(
            1,
            (0, 1000.0),
            (3600, 500.0),
            kind="Recurring",
            recurrencyKind="Daily",
            schedule={"startSchedule": iso(0)},
        )
        at = (0, 3600, DAY - 1, DAY, DAY + 3600)
        self.assertEqual(limits(profile, at=at), [1000, 500, 500, 1000, 500])

    def test_amperes(self) -> None:
        """
        A limit in A is of each phase.
        """
        self.assertEqual(limits(installed(1, (0, 10.0), unit="A")), [6900])


class InstallTests(SynchronousTestCase):
    def test_replaces(self) -> None:
        """
        A profile replaces that of its id, and that of its place.
        """
        first = installed(1, (0, 1.0), id=1)
        same_place = installed(1, (0, 2.0), id=2)
        same_id = installed(2, (0, 3.0), id=2)
        self.assertEqual(install([first], same_place), (same_place,))
        self.assertEqual(install([same_place], same_id), (same_id,))

    def test_keeps_the_others(self) -> None:
        """
        Another level is another place.
        """
        first = installed(1, (0, 1.0), id=1)
        second = installed(1, (0, 1.0), id=2, level=1)
        self.assertEqual(install([first], second), (first, second))

    def test_clear(self) -> None:
        """
        Every criterion that is given must match; the id alone suffices.
        """
        one = installed(1, (0, 1.0), id=1)
        two = installed(2, (0, 1.0), id=2, level=3)
        both = (one, two)
        self.assertEqual(clear(both), ())
        self.assertEqual(clear(both, id=2), (one,))
        self.assertEqual(clear(both, connector=1), (two,))
        self.assertEqual(clear(both, stack_level=3), (one,))
        self.assertEqual(clear(both, connector=1, stack_level=3), both)
        self.assertEqual(clear(both, purpose=MAX), both)


_profiles = st.builds(
    lambda number, periods, purpose, level, kind, id, duration: installed(
        number,
        (0, periods[0][1]),
        *[(s + 1, w) for s, w in periods[1:]],
        purpose=purpose,
        level=level,
        kind=kind,
        id=id,
        recurrencyKind="Daily",
        schedule={
            "startSchedule": iso(0),
            **({"duration": duration} if duration else {}),
        },
    ),
    st.integers(0, 1),
    st.lists(
        st.tuples(
            st.integers(0, 5000), st.integers(0, 300).map(lambda n: n * 100.0)
        ),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from([MAX, DEFAULT, TX]),
    st.integers(0, 3),
    st.sampled_from(["Absolute", "Relative", "Recurring"]),
    st.integers(1, 9),
    st.one_of(st.none(), st.integers(1, 9000)),
)


class CompositeTests(SynchronousTestCase):
    @settings(deadline=None, max_examples=60)
    @given(st.lists(_profiles, max_size=4), st.integers(0, 4000))
    def test_is_what_the_limit_is(
        self, profiles: list[Installed], elapsed: int
    ) -> None:
        """
        At every moment a composite schedule tells the limit of then.
        """
        begin = 1000.0
        periods = composite(profiles, 1, begin, 4001, SUPPLY, begin, 1)
        told = [p for p in periods if p.start <= elapsed][-1]
        self.assertEqual(
            told.limit,
            limit(profiles, 1, begin + elapsed, SUPPLY, begin, 1),
        )

    def test_merges(self) -> None:
        """
        Periods of the same limit are one.
        """
        profile = installed(1, (0, 500.0), (60, 500.0), (120, 100.0))
        self.assertEqual(
            composite([profile], 1, 0.0, 600, SUPPLY),
            [Period(0.0, 500.0), Period(120.0, 100.0)],
        )

    def test_never_changes(self) -> None:
        """
        Without a profile nothing ever changes.
        """
        self.assertEqual(next_change([], 0.0, None), float("inf"))

    @given(
        st.lists(
            st.builds(Period, st.floats(0, 1e5), st.floats(0, 1e6)),
            min_size=1,
            max_size=5,
        ),
        st.sampled_from(["A", "W"]),
    )
    def test_schema(self, periods: list[Period], unit: str) -> None:
        """
        Whatever the limits are, the answer keeps the schema.
        """
        answer = {
            "status": "Accepted",
            "chargingSchedule": schedule(periods, unit, 600, SUPPLY),
        }
        found = RESPONSES["1.6", "GetCompositeSchedule"].violations(answer)
        self.assertEqual(found, [])
