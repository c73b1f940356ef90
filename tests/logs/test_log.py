"""
Tests for L{ocpp_tw.logs.log}, L{ocpp_tw.logs.lines} and L{ocpp_tw.logs.files}.
"""

import json
import os
import socket
from io import BytesIO, TextIOWrapper
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import frozen
from twisted.logger import ILogObserver, Logger
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from ocpp_tw.config import Log
from ocpp_tw.errors import BadConfig
from ocpp_tw.logs import Logs, files


@frozen
class Station:
    """
    What a log is told of.
    """

    identity: str

    def __repr__(self) -> str:
        return f"<{self.identity}>"


class LogsTests(SynchronousTestCase):
    """
    What L{Logs} writes where.
    """

    def setUp(self):
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def path(self, name):
        return str(self.folder / name)

    def read(self, name):
        return (self.folder / name).read_text()

    def logs(self, **log):
        logs = Logs(Log(**log), self.path("default"))
        self.log = Logger("test", observer=logs)
        return logs

    def test_observer(self):
        """
        It is an observer.
        """
        verifyObject(ILogObserver, self.logs())

    def test_default(self):
        """
        Where no level has a file, all but debugging goes to the default.
        """
        self.logs()
        self.log.info("this")
        self.log.debug("that")
        self.assertRegex(
            self.read("default"),
            r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \d+ info: this\n\Z",
        )

    def test_levels(self):
        """
        A file gets what is as grave as its name, and graver.
        """
        names = ("crit", "error", "warn", "notice", "info", "debug")
        self.logs(**{name: self.path(name) for name in names})
        self.log.critical("1")
        self.log.error("2")
        self.log.warn("3")
        self.log.info("4", gravity="notice")
        self.log.info("5")
        self.log.debug("6")
        for number, name in enumerate(names, 1):
            lines = self.read(name).splitlines()
            told = [line.rpartition(" ")[2] for line in lines]
            self.assertEqual(told, [*"123456"[:number]], name)
        self.assertFalse((self.folder / "default").exists())

    def test_station(self):
        """
        A line about a station names it, in words and in its field.
        """
        self.logs(info=self.path("log"), format="json")
        self.log.info("{station} came", station=Station("CP1"))
        self.log.info("something happened", station=Station("CP1"))
        self.log.info("something happened", identity="CP1")
        lines = [json.loads(line) for line in self.read("log").splitlines()]
        self.assertEqual({line["station"] for line in lines}, {"CP1"})
        self.assertEqual(
            [line["message"] for line in lines],
            ["<CP1> came", *["CP1: something happened"] * 2],
        )

    def test_forged(self):
        """
        What came off the wire makes no line, and moves no cursor.
        """
        evil = "x\n2026 1 crit: forged\r\x1b[2K\u2028y\u202ez\x85\udc80"
        for form in ("text", "json"):
            self.logs(info=self.path(form), format=form)
            self.log.info("{station} said {what}", station=evil, what=evil)
            lines = (self.folder / form).read_bytes().decode()
            self.assertEqual(len(lines.splitlines()), 1)
            self.assertTrue(lines[:-1].isprintable(), lines)

    def test_long(self):
        """
        A message is cut where it becomes a book.
        """
        self.logs(info=self.path("log"))
        self.log.info("{what}", what="x" * 100_000)
        self.assertLess(len(self.read("log")), 10_000)

    def test_unformattable(self):
        """
        An event that cannot be put into words is a line still.
        """
        self.logs(info=self.path("log"))
        self.log.info("{missing}")
        self.assertEqual(self.read("log").count("\n"), 1)

    def test_failure(self):
        """
        A failure is followed by where it happened, indented.
        """
        self.logs(error=self.path("log"))
        try:
            raise ValueError("a\nb")
        except ValueError:
            self.log.failure("oh")
        head, *lines = self.read("log").splitlines()
        self.assertTrue(head.endswith(" crit: oh"))
        self.assertTrue(all(line.startswith("\t") for line in lines))
        self.assertIn("ValueError: a", self.read("log"))

    def test_failure_in_json(self):
        """
        In JSON it is a member.
        """
        self.logs(error=self.path("log"), format="json")
        try:
            raise ValueError("oops")
        except ValueError:
            self.log.failure("oh")
        [line] = self.read("log").splitlines()
        self.assertIn("ValueError: oops", json.loads(line)["traceback"])

    def test_mask(self):
        """
        What is to be hidden is hidden.
        """
        self.logs(info=self.path("log"), mask=("id_tags",))
        self.log.info("{payload!r}", payload={"idTag": "A1"})
        self.assertNotIn("A1", self.read("log"))

    def test_reopen(self):
        """
        A file that was moved away is left, and a new one begun.
        """
        logs = self.logs(info=self.path("log"))
        self.log.info("old")
        os.rename(self.path("log"), self.path("log.1"))
        self.log.info("late")
        logs.reopen()
        self.log.info("new")
        self.assertEqual(self.read("log.1").count("\n"), 2)
        self.assertEqual(self.read("log").count("\n"), 1)

    def test_use(self):
        """
        A new configuration takes over.
        """
        logs = self.logs(info=self.path("old"))
        logs.use(Log(info=self.path("new")))
        self.log.info("this")
        self.assertEqual(
            (self.read("old"), self.read("new")[-5:]), ("", "this\n")
        )

    def test_cannot_open(self):
        """
        A file that cannot be opened is refused, and what was stays.
        """
        logs = self.logs(info=self.path("log"))
        nowhere = self.path("nowhere/log")
        with self.assertRaisesRegex(BadConfig, "nowhere/log: No such file"):
            logs.use(Log(error=self.path("x"), info=nowhere))
        self.log.info("this")
        self.assertIn("this", self.read("log"))

    def test_full(self):
        """
        A full disk does no harm.
        """
        logs = self.logs(info="/dev/full")
        self.log.info("this")
        self.log.info("that")
        logs.reopen()

    def test_stdout(self):
        """
        C{stdout} is no file.
        """
        octets = BytesIO()
        out = TextIOWrapper(octets, "ascii")
        self.patch(files.sys, "__stdout__", out)
        self.logs(info="stdout")
        self.log.info("gr\xfc\xdfe")
        self.assertIn(b"info: gr\\xfc\\xdfe", octets.getvalue())

    def test_journald(self):
        """
        The journal gets message, priority and station.
        """
        journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(journal.close)
        journal.bind(self.path("socket"))
        journal.settimeout(5)
        self.patch(
            files.Journal.__init__, "__defaults__", (self.path("socket"),)
        )
        logs = self.logs(warn="journald")
        self.addCleanup(logs.use, Log())
        self.log.warn("hm", station=Station("CP1"))
        self.log.info("not this")
        self.assertEqual(
            journal.recv(4096),
            b"MESSAGE=CP1: hm\nPRIORITY=4\n"
            b"SYSLOG_IDENTIFIER=cs\nSTATION=CP1\n",
        )

    def test_no_journald(self):
        """
        Without a journal the entry is lost, and nothing else.
        """
        self.patch(files.Journal.__init__, "__defaults__", (self.path("no"),))
        logs = self.logs(warn="journald")
        self.log.warn("hm")
        logs.reopen()
        logs.use(Log())
