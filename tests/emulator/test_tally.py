"""
What a fleet counts.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.emulator.tally import Tally, Watch
from ocpp_tw.ocpp.messages import Call

from .world import World


CALL = Call("1", "Heartbeat", {})


class TallyTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.station = World().station
        self.tally = Tally(self.clock.seconds, timeout=30)

    def ask(self, seconds: float, reply: bytes | None) -> None:
        watch = Watch(self.tally, self.station)
        watch.asked(CALL, b"")
        self.clock.advance(seconds)
        watch.was_answered(CALL, b"", reply)

    def test_answers(self) -> None:
        """
        An answer is a result, a refusal, too late, or lost with the line;
        a line that breaks is no error of the central system.
        """
        self.ask(0.1, b'[3,"1",{}]')
        self.ask(0.1, b'[4,"1","InternalError","",{}]')
        self.ask(30, None)
        self.ask(3, None)
        tally = self.tally
        self.assertEqual(
            (tally.answered, tally.refused, tally.unanswered, tally.cut_off),
            (1, 1, 1, 1),
        )
        self.assertEqual((tally.sent, tally.errors), (4, 2))

    def test_percentiles(self) -> None:
        """
        A percentile is what so many answers did not exceed, within a tenth.
        """
        for n in range(1, 101):
            self.ask(n / 1000, b'[3,"1",{}]')
        for part, seconds in ((0.5, 0.05), (0.99, 0.099)):
            found = self.tally.percentile(part)
            self.assertTrue(seconds <= found <= seconds * 1.11, found)

    def test_nothing(self) -> None:
        """
        Of no answers there is no percentile.
        """
        self.assertEqual(self.tally.percentile(0.99), 0.0)
