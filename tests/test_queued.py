"""
Tests for commands that wait for stations that are away.
"""

from __future__ import annotations

import os
from tempfile import TemporaryDirectory

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.errors import (
    CallFailed,
    CallTimedOut,
    Conflict,
    NotFound,
    TooManyCalls,
)
from ocpp_tw.journal import Journal
from ocpp_tw.ocpp.messages import Call
from ocpp_tw.queued import KEPT, LOOK, MOST, Queue
from ocpp_tw.router import GRACE, Router

from .transports.world import FakeBackend, FakeStation


RESET = {"type": "Soft"}
BOOT = {"chargePointVendor": "ACME", "chargePointModel": "Wall"}


class Booting(FakeBackend):
    """
    Answers a BootNotification.
    """

    status = "Accepted"

    def answer(self, station, call):
        now = "2026-01-01T00:00:00Z"
        return {"status": self.status, "currentTime": now, "interval": 60}


class QueueCase(SynchronousTestCase):
    """
    A queue, and a station that comes and goes.
    """

    path = ":memory:"

    def setUp(self):
        self.clock = Clock()
        self.clock.advance(1_760_000_000)
        self.backend = Booting()
        self.begin()

    def begin(self):
        self.journal = Journal(self.path, self.clock)
        self.journal.startService()
        self.router = Router(self.journal, self.clock)
        self.router.use(self.backend)
        self.queue = Queue(self.router, self.clock)
        self.queue.start()
        self.journal.fleet.seen("CP1")
        self.addCleanup(self.end)

    def end(self):
        self.queue.stop()
        if self.journal.running:
            self.successResultOf(self.journal.stopService())

    def wait_for(self, coroutine):
        return self.successResultOf(Deferred.fromCoroutine(coroutine))

    def add(self, action="Reset", payload=RESET, seconds=600.0):
        added = self.queue.add("CP1", action, payload, seconds, "ada")
        return self.wait_for(added)

    def connect(self, answer=None):
        station = FakeStation("CP1", answer)
        station.last_seen = self.clock.seconds()
        self.router.connected(station)
        return station

    def boot(self, station):
        self.router.answer(station, Call("1", "BootNotification", BOOT))
        self.clock.advance(0)

    def statuses(self):
        page = self.wait_for(self.queue.find("CP1", 100))
        return [item["status"] for item in reversed(page.items)]

    def get(self, number):
        return self.wait_for(self.queue.get("CP1", number))


class QueueTests(QueueCase):
    """
    L{Queue}.
    """

    def test_boot(self):
        """
        Commands are sent in order once the boot is accepted, each after the
        answer to the one before, and what came of them is kept.
        """
        self.add()
        self.add("ClearCache", {})
        self.assertEqual(self.statuses(), ["waiting", "waiting"])
        answer = Deferred()
        station = self.connect(answer)
        self.clock.advance(GRACE + 1)
        self.assertEqual(station.asked, [])
        self.boot(station)
        self.assertEqual(station.asked, [("Reset", RESET, None)])
        self.assertEqual(self.statuses(), ["sending", "waiting"])
        answer.callback({"status": "Accepted"})
        self.assertEqual(
            [a for a, *_ in station.asked], ["Reset", "ClearCache"]
        )
        self.assertEqual(self.statuses()[0], "answered")
        kept = self.get(1)
        self.assertEqual(kept["answer"], {"status": "Accepted"})
        self.assertEqual((kept["who"], kept["payload"]), ("ada", RESET))

    def test_boot_is_not_accepted(self):
        """
        A station that is told to wait is sent nothing.
        """
        self.add()
        self.backend.status = "Pending"
        station = self.connect()
        self.boot(station)
        self.clock.advance(GRACE + 1)
        self.assertEqual(station.asked, [])
        self.backend.status = "Accepted"
        self.boot(station)
        self.assertEqual(len(station.asked), 1)

    def test_comes_back(self):
        """
        A station that was accepted before, and only was out of reach, has
        some seconds to boot, and is sent commands then.
        """
        first = self.connect()
        self.boot(first)
        self.router.disconnected(first, "gone")
        self.add()
        second = self.connect()
        self.clock.advance(GRACE - 1)
        self.assertEqual(second.asked, [])
        self.clock.advance(1)
        self.assertEqual(len(second.asked), 1)

    def test_is_there(self):
        """
        A station that is there is sent its command at once.
        """
        station = self.connect()
        self.boot(station)
        added = self.add()
        self.assertEqual(len(station.asked), 1)
        self.assertEqual(added["status"], "answered")

    def test_failures(self):
        """
        A command that fails does not hold up the next.
        """
        for error, code in (
            (CallFailed("NotSupported"), 502),
            (CallTimedOut("no answer"), 504),
            (TooManyCalls("busy"), 429),
        ):
            self.add()
            station = self.connect(error)
            self.boot(station)
            [last] = self.wait_for(self.queue.find("CP1", 1)).items
            self.assertEqual(last["status"], "failed")
            self.assertEqual(last["error"]["code"], code)
            self.router.disconnected(station, "gone")

    def test_other_version(self):
        """
        What the station does not understand fails, with the reason.
        """
        number = self.add("Reset", {"type": "Gently"})["id"]
        self.boot(self.connect())
        kept = self.get(number)
        self.assertEqual(kept["error"]["code"], 400)
        self.assertIn("type", kept["error"]["message"])

    def test_cancel(self):
        """
        What waits can be cancelled, once.
        """
        number = self.add()["id"]
        self.wait_for(self.queue.cancel("CP1", number))
        again = Deferred.fromCoroutine(self.queue.cancel("CP1", number))
        self.failureResultOf(again, Conflict)
        station = self.connect()
        self.boot(station)
        self.assertEqual(station.asked, [])
        self.assertEqual(self.statuses(), ["cancelled"])

    def test_of_others(self):
        """
        A command is one of its station, and of no other.
        """
        number = self.add()["id"]
        for unknown in (
            self.queue.get("CP2", number),
            self.queue.cancel("CP2", number),
            self.queue.get("CP1", number + 1),
        ):
            failed = Deferred.fromCoroutine(unknown)
            self.failureResultOf(failed, NotFound)

    def test_expiry(self):
        """
        What has waited long enough is not sent, and later forgotten.
        """
        self.add(seconds=5)
        self.clock.advance(6)
        station = self.connect()
        self.boot(station)
        self.assertEqual(station.asked, [])
        self.assertEqual(self.statuses(), ["expired"])
        self.clock.advance(KEPT)
        self.clock.advance(LOOK)
        self.assertEqual(self.statuses(), [])

    def test_most(self):
        """
        Only so many wait for one station.
        """
        for _ in range(MOST):
            self.add()
        more = Deferred.fromCoroutine(
            self.queue.add("CP1", "Reset", RESET, 600)
        )
        self.failureResultOf(more, TooManyCalls)


class RestartTests(QueueCase):
    """
    A queue in a file.
    """

    def setUp(self):
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "journal.sqlite3")
        super().setUp()

    def test_restart(self):
        """
        What waits is sent after a restart; what was under way is not sent
        again.
        """
        station = self.connect(Deferred())
        self.boot(station)
        self.add("ClearCache", {})
        self.add()
        self.assertEqual(self.statuses(), ["sending", "waiting"])
        self.end()
        self.begin()
        self.assertEqual(self.statuses(), ["failed", "waiting"])
        self.assertIn("ended", self.get(1)["error"]["message"])
        station = self.connect()
        self.boot(station)
        self.assertEqual([action for action, *_ in station.asked], ["Reset"])

    def test_durable(self):
        """
        Nobody is told that a command is kept before it is on the disk, though
        the journal does not wait for the disk otherwise.
        """

        def level(db):
            return db.execute("PRAGMA synchronous").fetchone()[0]

        database = self.journal.database
        levels = [
            self.successResultOf(database.write(level, durable=durable))
            for durable in (False, True, False)
        ]
        self.assertEqual(levels, [1, 2, 1])
