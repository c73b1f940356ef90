"""
What is seen of a fleet while it runs.
"""

from __future__ import annotations

from io import StringIO

from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.emulator.fleet import Fleet, FleetPlan
from ocpp_tw.emulator.reporting import Live

from .server import Server


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


class LiveTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.server = Server()
        self.fleet = Fleet(
            FleetPlan("ws://localhost/ocpp", 4, rate=100),
            self.server.clock,
            lines=self.server.lines(),
        )
        self.fleet.startService()
        self.addCleanup(self.server.pass_time, 5)
        self.addCleanup(self.fleet.stopService)
        self.live = Live(self.fleet, Terminal(), self.server.clock.seconds())

    def shown(self) -> list[str]:
        self.live.show()
        out = self.live.out
        assert isinstance(out, StringIO)
        text = out.getvalue()
        out.seek(0)
        out.truncate()
        return text.replace("\x1b[K", "").splitlines()

    def test_table(self) -> None:
        """
        On a terminal there is a table that is drawn in its place, with the
        rate since it was drawn last.
        """
        self.server.pass_time(1)
        table = dict(line.split(None, 1) for line in self.shown())
        self.assertEqual(
            [table[name] for name in ("started", "connected", "booted")],
            ["[####################] 4", "4", "4"],
        )
        # A boot, two statuses, and what they were answered.
        self.assertEqual(table["messages/s"], str(4 * 3 * 2))
        self.server.pass_time(1)
        [first, *_] = rows = self.shown()
        self.assertTrue(first.startswith("\x1b[7F"), first)
        self.assertEqual(rows[4].split(), ["messages/s", "0"])

    def test_line(self) -> None:
        """
        Elsewhere there is a line every ten seconds.
        """
        self.live.out = StringIO()
        lines = 0
        for _ in range(20):
            self.server.pass_time(1)
            lines += len(self.shown())
        self.assertEqual(lines, 2)
