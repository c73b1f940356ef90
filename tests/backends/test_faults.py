"""
Tests for what is lost when those we ask fail in the middle of it: nothing
that a station was acknowledged.

C{python -m bench.faults} is the same, with 10,000 transactions.
"""

from __future__ import annotations

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from bench.faults import SCENES, Outcome, happen


FAILURES, TRANSACTIONS, STATIONS = 2, 200, 20

GOOD = Outcome(
    failures=FAILURES,
    acknowledged=TRANSACTIONS,
    missing=0,
    too_many=0,
    refused=0,
    dropped=0,
    seconds=0,
)


class FaultTests(SynchronousTestCase):
    """
    Stations charge at C{twistd cs} while something fails again and again.
    """

    def outcome(self, what: str) -> Outcome:
        with SCENES[what]() as scene:
            outcome = happen(scene, FAILURES, TRANSACTIONS, STATIONS)
        return evolve(outcome, refused=0, seconds=0)

    def test_postgres_restarts(self) -> None:
        """
        PostgreSQL restarts, gently and not: every transaction that was
        acknowledged is there, stopped, and there are no others; no station
        loses its connection.
        """
        self.assertEqual(self.outcome("postgres"), GOOD)

    def test_webhook_is_killed(self) -> None:
        """
        The web server is killed, and started again: the same holds.
        """
        self.assertEqual(self.outcome("webhook"), GOOD)

    def test_what_is_good(self) -> None:
        """
        One that is missing, or too many, or dropped is not good.
        """
        self.assertTrue(GOOD.is_good)
        for name in ("missing", "too_many", "dropped"):
            self.assertFalse(evolve(GOOD, **{name: 1}).is_good)
