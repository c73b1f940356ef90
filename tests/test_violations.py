"""
Tests for what stations do against the standard, counted.
"""

from __future__ import annotations

import os
from tempfile import TemporaryDirectory

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.journal import Journal
from ocpp_tw.messagelog import Entry
from ocpp_tw.ocpp.schemas import REQUESTS


BOOT = {
    "chargePointVendor": "ACME",
    "chargePointModel": "Wall",
    "firmwareVersion": "1.0",
}


class ViolationsTests(SynchronousTestCase):
    """
    L{Journal.violations}, in memory.
    """

    path = ":memory:"

    def setUp(self):
        self.clock = Clock()
        self.clock.advance(1_760_000_000)
        self.journal = Journal(self.path, self.clock)
        self.journal.startService()
        self.addCleanup(self.journal.stopService)
        for identity in ("CP1", "CP2"):
            known = self.journal.fleet.seen(identity)
            known.boot, known.version = BOOT, "1.6"
        known = self.journal.fleet.seen("CP3")
        known.version = "1.6"
        known.boot = {"chargingStation": {"vendorName": "B", "model": 7}}

    def breach(self, identity, action="Authorize", payload=None):
        self.clock.advance(1)
        payload = {"idTag": "x" * 21} if payload is None else payload
        broken = REQUESTS["1.6", action].violations(payload)
        self.assertTrue(broken)
        frame = f'[2,"1","{action}",{{"of":"{identity}"}}]'.encode()
        self.journal.note(
            Entry(
                self.clock.seconds(),
                identity,
                "in",
                "1",
                action,
                frame,
                b'[3,"1",{}]',
                0.1,
                broken,
            )
        )

    def violations(self, limit=100, cursor=None):
        found = self.journal.violations(limit, cursor)
        return self.successResultOf(Deferred.fromCoroutine(found))

    def test_counted(self):
        """
        The same fault of stations of one make is one, with how often, how
        many stations, since when, and the last frame.
        """
        for identity in ("CP1", "CP1", "CP2", "CP3"):
            self.breach(identity)
        acme, other = self.violations().items
        self.assertEqual(
            (acme["vendor"], acme["model"], acme["firmware"]),
            ("ACME", "Wall", "1.0"),
        )
        self.assertEqual((acme["count"], acme["stations"]), (3, 2))
        self.assertEqual(acme["first"], "2025-10-09T08:53:21.000Z")
        self.assertEqual(acme["last"], "2025-10-09T08:53:23.000Z")
        self.assertEqual(
            acme["message"], "idTag must have at most 20 characters."
        )
        self.assertIn("section 4.1", acme["reference"])
        self.assertEqual(acme["example"]["identity"], "CP2")
        self.assertIn("CP2", acme["example"]["call"])
        self.assertEqual((other["vendor"], other["model"]), ("B", None))

    def test_items_of_lists(self):
        """
        A fault in each item of a list is one fault; two members that are
        missing are two.
        """
        self.breach(
            "CP1", "MeterValues", {"connectorId": 1, "meterValue": [{}, {}]}
        )
        found = self.violations().items
        self.assertEqual([one["count"] for one in found], [2, 2])
        self.assertEqual({one["path"] for one in found}, {"$.meterValue[*]"})

    def test_no_message(self):
        """
        A frame that is no message counts, too.
        """
        self.journal.note(
            Entry(0.0, "CP1", "in", "", "", b"{", None, 0.0, "no JSON")
        )
        [one] = self.violations().items
        self.assertEqual((one["message"], one["action"]), ("no JSON", None))

    def test_pages(self):
        """
        The cursor leads to the rest.
        """
        self.breach("CP1")
        self.breach("CP3")
        page = self.violations(limit=1)
        rest = self.violations(limit=1, cursor=page.next)
        self.assertEqual(len(rest.items), 1)
        self.assertIs(rest.next, None)

    def test_messages(self):
        """
        In the message log each violation says what to do, and where the
        standard says so.
        """
        self.breach("CP1")
        found = self.journal.messages(1, None)
        page = self.successResultOf(Deferred.fromCoroutine(found))
        [violation] = page.items[0]["violations"]
        self.assertIn("at most 20", violation["advice"])
        self.assertIn("Authorize.json", violation["reference"])
        self.assertEqual(violation["path"], "$.idTag")


class FileTests(ViolationsTests):
    """
    L{Journal.violations}, in a file.
    """

    def setUp(self):
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "journal.sqlite3")
        super().setUp()
