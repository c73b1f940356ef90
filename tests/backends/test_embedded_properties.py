"""
Whatever the order in which a station says it, nothing is lost.
"""

from __future__ import annotations

from sqlite3 import Connection
from typing import Any

from hypothesis import HealthCheck, given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.backends.embedded import transactions

from .embedded import World, at


_starts = st.tuples(
    st.just("start"),
    st.sampled_from(["CP1", "CP2"]),
    st.integers(1, 2),
    st.integers(0, 5),
)
_stops = st.tuples(
    st.just("stop"),
    st.sampled_from(["CP1", "CP2"]),
    st.integers(-1, 6),
    st.integers(0, 5),
)
_meters = st.tuples(
    st.just("meter"),
    st.sampled_from(["CP1", "CP2"]),
    st.one_of(st.none(), st.integers(-1, 6)),
    st.integers(0, 5),
)
_restarts = st.tuples(st.just("forget"), st.just(""), st.just(0), st.just(0))


class SequenceTests(World, SynchronousTestCase):
    """
    Any sequence of starts, samples, stops and retries of two stations.
    """

    @settings(
        max_examples=150,
        deadline=None,
        suppress_health_check=[HealthCheck.differing_executors],
    )
    @given(
        st.lists(st.one_of(_starts, _stops, _meters, _restarts), max_size=25)
    )
    def test_nothing_is_lost(
        self, steps: list[tuple[str, str, Any, int]]
    ) -> None:
        """
        Every start and stop is acknowledged, ids are unique and stay the
        same for the same start, every sample is kept once with a transaction
        of its station, and every stop is in a record or kept aside.
        """
        self.backend.stopService()
        self.backend = self.start_backend()
        ids: dict[tuple[Any, ...], int] = {}
        samples: dict[str, str] = {}
        stops: set[tuple[str, int]] = set()
        for count, (kind, identity, subject, time) in enumerate(steps):
            if kind == "start":
                key = (identity, subject, time)
                number = self.start(time * 60, identity, connectorId=subject)
                self.assertEqual(ids.setdefault(key, number), number)
            elif kind == "stop":
                meter = 2000 + time
                self.stop(subject, time * 60 + 30, identity, meterStop=meter)
                stops.add((identity, meter))
            elif kind == "meter":
                value = str(1000 + count)
                self.measure(value, time * 60 + 10, subject, identity=identity)
                samples[value] = identity
            else:
                self.backend._meters.clear()
        self.assertEqual(len(set(ids.values())), len(ids))
        self.check_owners(ids)
        self.check_samples(samples)
        self.check_stops(stops)
        self.check_figures()

    def rows(self, query: str) -> list[Any]:
        return self.wait(
            self.backend.database.read(lambda db: db.execute(query).fetchall())
        )

    def check_owners(self, ids: dict[tuple[Any, ...], int]) -> None:
        for (identity, connector, time), number in ids.items():
            record = self.transaction(number)
            self.assertEqual(
                (record["identity"], record["connectorId"]),
                (identity, connector),
            )
            self.assertEqual(record["startTime"], at(time * 60))

    def check_samples(self, samples: dict[str, str]) -> None:
        kept = self.rows(
            "SELECT value, samples.identity, t.identity FROM samples"
            " LEFT JOIN transactions AS t ON t.id = transaction_id"
        )
        self.assertEqual({v: owner for v, owner, _ in kept}, samples)
        self.assertEqual(len(kept), len(samples))
        for _, identity, of in kept:
            self.assertIn(of, (None, identity))

    def check_figures(self) -> None:
        """
        Energy and suspicions are those that follow from all of the samples,
        whatever was known when the transaction stopped.
        """
        query = (
            "SELECT id, energy, suspect FROM transactions"
            " WHERE closed IS NOT NULL ORDER BY id"
        )
        found = self.rows(query)

        def again(db: Connection) -> None:
            for number, _, _ in found:
                transactions.assess(db, number)

        self.wait(self.backend.database.write(again))
        self.assertEqual(self.rows(query), found)

    def check_stops(self, stops: set[tuple[str, int]]) -> None:
        stopped = self.rows("SELECT identity, meter_stop FROM transactions")
        aside = self.rows(
            "SELECT identity, json_extract(payload, '$.meterStop')"
            " FROM kept_aside"
        )
        self.assertLessEqual(stops, {*stopped, *aside})
