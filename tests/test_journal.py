"""
Tests for L{ocpp_tw.journal}: what has passed, in memory and in a file.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from random import Random
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw import journal, messagelog
from ocpp_tw.database import MEMORY
from ocpp_tw.errors import BadRequest, UnknownStation
from ocpp_tw.events import TICK
from ocpp_tw.fleet import WITNESSES, iso
from ocpp_tw.journal import ATTEMPTS, PRUNE, Attempt, Deed, Journal
from ocpp_tw.messagelog import Entry
from ocpp_tw.ocpp.messages import Call
from ocpp_tw.ocpp.schemas import Violation

from .examples import FROM_STATION


NOW = 1_790_000_000


def entry(
    number: int = 1,
    identity: str = "CP1",
    action: str = "Heartbeat",
    reply: bytes | None = b'[3,"1",{}]',
    violations: Any = None,
) -> Entry:
    return Entry(
        NOW + number,
        identity,
        "in",
        str(number),
        action,
        b'[2,"%d"]' % number,
        reply,
        0.25,
        violations,
    )


class Promises:
    """
    What holds wherever the journal lies.
    """

    path: str

    def setUp(self: Any) -> None:
        self.clock = Clock()
        self.clock.advance(NOW)
        self.journal = self.start()

    def start(self: Any, **options: Any) -> Journal:
        journal = Journal(self.path, self.clock, **options)
        journal.startService()
        self.addCleanup(self.stop, journal)
        return journal

    def stop(self: Any, journal: Journal) -> None:
        if journal.running:
            stopped = journal.stopService()
            self.clock.advance(1)
            self.successResultOf(stopped)

    def read(self: Any, coroutine: Any) -> Any:
        read = Deferred.fromCoroutine(coroutine)
        self.clock.advance(1)
        return self.successResultOf(read)

    def numbers(self: Any, **filters: Any) -> list[int]:
        page = self.read(self.journal.messages(1000, **filters))
        return [int(item["messageId"] or 0) for item in page.items]

    # Messages

    def test_message(self: Any) -> None:
        """
        A message is shown with its answer, how long that took, and what was
        wrong.
        """
        violation = Violation("$.idTag", "maxLength", "too long")
        self.journal.note(entry(violations=[violation]))
        page = self.read(self.journal.messages(10))
        [item] = page.items
        self.assertIsNone(page.next)
        del item["id"]
        self.assertEqual(
            item,
            {
                "time": "2026-09-21T14:13:21.000Z",
                "identity": "CP1",
                "direction": "in",
                "messageId": "1",
                "action": "Heartbeat",
                "call": '[2,"1"]',
                "reply": '[3,"1",{}]',
                "milliseconds": 250.0,
                "error": None,
                "violations": [
                    {
                        **violation.as_json(),
                        "advice": "too long",
                        "reference": "OCPP; Heartbeat.json",
                    }
                ],
            },
        )

    def test_errors(self: Any) -> None:
        """
        A refusal has its errorCode; a CALL without an answer, and a frame
        that is no message, have words of ours.
        """
        for number, reply, action, error in (
            (1, b'[4,"1","NotSupported","",{}]', "A", "NotSupported"),
            (2, b"[4,", "A", "GenericError"),
            (3, None, "A", "NoAnswer"),
            (4, None, "", "Stray"),
            (5, b'[3,"1",{}]', "A", None),
        ):
            self.journal.note(entry(number, action=action, reply=reply))
            [item] = self.read(self.journal.messages(1)).items
            self.assertEqual(item["error"], error)
        self.assertEqual(self.numbers(errors="true"), [4, 3, 2, 1])
        self.assertEqual(self.numbers(errors="false"), [5, 4, 3, 2, 1])

    def test_filters(self: Any) -> None:
        """
        Messages are found by station, action and time.
        """
        self.journal.note(entry(1))
        self.journal.note(entry(2, identity="CP2"))
        self.journal.note(entry(3, action="Authorize"))
        for filters, numbers in (
            ({}, [3, 2, 1]),
            ({"identity": "CP1"}, [3, 1]),
            ({"identity": "CP1", "action": "Heartbeat"}, [1]),
            ({"action": "Nothing"}, []),
            ({"from": "2026-09-21T14:13:22Z"}, [3, 2]),
            ({"to": "2026-09-21T14:13:22Z"}, [1]),
            ({"identity": None}, [3, 2, 1]),
        ):
            self.assertEqual(self.numbers(**filters), numbers, filters)

    def test_bad_questions(self: Any) -> None:
        """
        Filters and cursors that make no sense are refused.
        """
        for cursor, filters in (
            (None, {"from": "yesterday"}),
            (None, {"colour": "red"}),
            ("x", {}),
            ("-1", {}),
            ("٣", {}),
            ("9" * 40, {}),
        ):
            read = Deferred.fromCoroutine(
                self.journal.messages(10, cursor, **filters)
            )
            self.clock.advance(1)
            self.failureResultOf(read, BadRequest)

    def test_pages(self: Any) -> None:
        """
        Page after page shows each message once, also while others come.
        """
        for number in range(1, 8):
            self.journal.note(entry(number))
        seen: list[str] = []
        cursor: str | None = None
        for size in (3, 3, 1):
            page = self.read(self.journal.messages(3, cursor))
            self.assertEqual(len(page.items), size)
            seen += [item["messageId"] for item in page.items]
            cursor = page.next
            self.journal.note(entry(99))
        self.assertIsNone(cursor)
        self.assertEqual(seen, ["7", "6", "5", "4", "3", "2", "1"])

    def test_odd_octets(self: Any) -> None:
        """
        Frames that are no text, or very long, are shown as far as possible.
        """
        self.journal.note(entry()._replace(frame=b"\xff\x00" + b"x" * 500_000))
        [item] = self.read(self.journal.messages(1)).items
        self.assertTrue(item["call"].startswith("�\x00xxx"))

    # Attempts

    def test_attempts(self: Any) -> None:
        """
        Refused handshakes are shown, newest first, page by page.
        """
        for number in range(5):
            self.refuse(number)
        page = self.read(self.journal.connection_attempts(2))
        self.assertEqual(
            [item["path"] for item in page.items], ["/ocpp/4", "/ocpp/3"]
        )
        page = self.read(self.journal.connection_attempts(10, page.next))
        self.assertEqual(len(page.items), 3)
        item = dict(page.items[0])
        del item["id"]
        self.assertEqual(
            item,
            {
                "time": "2026-09-21T14:13:20.000Z",
                "address": "10.0.0.1:2",
                "path": "/ocpp/2",
                "offered": "ocpp9",
                "status": 400,
                "reason": "why",
                "remedy": "how",
            },
        )

    def refuse(self: Any, number: int) -> None:
        path = f"/ocpp/{number}"
        self.journal.refused(
            Attempt(NOW, "10.0.0.1:2", path, "ocpp9", 400, "why", "how")
        )

    def test_attempts_are_bounded(self: Any) -> None:
        """
        Only the last refused handshakes are kept.
        """
        for number in range(ATTEMPTS + 50):
            self.refuse(number)
        self.clock.pump([PRUNE / 2] * 3)
        page = self.read(self.journal.connection_attempts(ATTEMPTS + 50))
        self.assertEqual(len(page.items), ATTEMPTS)
        self.assertEqual(page.items[0]["path"], f"/ocpp/{ATTEMPTS + 49}")

    def test_tries_wipe_out_no_deeds(self: Any) -> None:
        """
        However often somebody tries what is refused, what others did is kept.
        """
        self.patch(journal, "DEEDS", 3)
        self.patch(journal, "TRIES", 2)
        for number in range(20):
            who, status = ("ada", 200) if number < 5 else ("", 401)
            self.journal.done(
                Deed(NOW, who, "basic", "::1", "PUT", str(number), "", status)
            )
        self.clock.pump([PRUNE / 2] * 3)
        page = self.read(self.journal.deeds(100))
        paths = [item["path"] for item in page.items]
        self.assertEqual(paths, ["19", "18", "4", "3", "2"])

    # Trouble

    def test_pruning_goes_on(self: Any) -> None:
        """
        A disk in trouble once is pruned again later.
        """
        for number in range(ATTEMPTS + 50):
            self.refuse(number)
        self.clock.advance(1)
        write = self.journal.database.write
        self.journal.database.write = lambda job: fail(OSError("disk full"))
        self.clock.advance(PRUNE)
        self.journal.database.write = write
        self.clock.pump([PRUNE / 2] * 3)
        page = self.read(self.journal.connection_attempts(ATTEMPTS + 50))
        self.assertEqual(len(page.items), ATTEMPTS)


class MemoryTests(Promises, SynchronousTestCase):
    """
    A journal that keeps nothing.
    """

    path = MEMORY

    def test_bounded(self) -> None:
        """
        So many messages, and so much of them, are kept, and no more; the ids
        go on.
        """
        self.patch(messagelog, "MOST_RECENT", 10)
        self.patch(messagelog, "BATCH", 1)
        for number in range(1, 31):
            self.journal.note(entry(number))
        self.assertEqual(self.numbers(), list(range(30, 20, -1)))
        page = self.read(self.journal.messages(2))
        self.assertEqual([item["id"] for item in page.items], [30, 29])
        self.patch(messagelog, "MOST_OCTETS", 100)
        self.journal.note(entry(31))
        self.assertLess(len(self.numbers()), 10)


class FileTests(Promises, SynchronousTestCase):
    """
    A journal in a file.
    """

    def setUp(self) -> None:
        self.path = os.path.abspath(self.mktemp())
        Promises.setUp(self)

    def restart(self, **options: Any) -> None:
        self.stop(self.journal)
        self.journal = self.start(**options)

    def test_kept(self) -> None:
        """
        Messages and attempts are there after a restart.
        """
        self.journal.note(entry())
        self.refuse(1)
        self.restart()
        self.assertEqual(self.numbers(), [1])
        page = self.read(self.journal.connection_attempts(10))
        self.assertEqual(len(page.items), 1)

    def test_watched(self) -> None:
        """
        A message that somebody is told of is found by another process, too.
        """
        told = []
        leave = self.journal.events.watch(lambda: told.append(found()))
        self.addCleanup(leave)

        def found() -> int:
            with closing(sqlite3.connect(self.path)) as other:
                [count] = other.execute(
                    "SELECT count(*) FROM messages"
                ).fetchone()
            return int(count)

        self.journal.note(entry())
        self.clock.advance(TICK)
        self.assertEqual(told, [1])

    def test_times(self) -> None:
        """
        A time is found though messages are not quite in its order, and
        though some are gone.
        """
        self.patch(messagelog, "SPREAD", 300_000)
        random = Random(7)
        times = {
            n: NOW + n * 60 + random.randint(-120, 120) for n in range(90)
        }
        for number, time in times.items():
            self.journal.note(entry(number)._replace(time=time))
        self.restart(rows=60)
        self.read(self.journal.prune())
        kept = self.numbers()
        self.assertEqual(len(kept), 60)
        for first in range(0, 120, 7):
            for last in range(first, 120, 11):
                start, end = NOW + first * 60, NOW + last * 60
                found = self.numbers(**{"from": iso(start), "to": iso(end)})
                right = [n for n in kept if start <= times[n] < end]
                self.assertEqual(found, right, (first, last))

    def test_pruned(self) -> None:
        """
        What is too old or too much is forgotten.
        """
        for number in range(1, 31):
            self.journal.note(entry(number))
        self.restart(rows=10)
        self.clock.pump([PRUNE / 2] * 3)
        self.assertEqual(self.numbers(), list(range(30, 20, -1)))
        self.restart(days=1)
        self.clock.advance(2 * 86400)
        self.clock.advance(1)
        self.assertEqual(self.numbers(), [])

    def test_stations(self) -> None:
        """
        What is known of a station is the same after a restart, but that it
        is not connected.
        """
        fleet = self.journal.fleet
        self.read(self.journal.change("CP1", {"registration": "Pending"}))
        known = fleet.seen("CP1")
        known.version, known.address = "1.6", "10.0.0.1:2"
        known.connected_at = known.last_seen = known.booted_at = NOW + 0.5
        known.disconnected_at, known.disconnected_why = NOW + 1.0, "reboot"
        known.violations, known.unanswered = 3, 4
        for action, witness in WITNESSES.items():
            call = Call("1", action, FROM_STATION[action])
            witness(known, call, NOW + 0.5)
        shown = known.as_json()
        self.restart()
        again = self.journal.fleet.known("CP1")
        self.assertIsNot(again, known)
        self.assertEqual(again.as_json(), shown)

    def test_saved_meanwhile(self) -> None:
        """
        What is known of stations is saved while it runs, not only at its end.
        """
        self.journal.fleet.seen("CP1").version = "1.6"
        self.clock.pump([5.0] * 4)
        other = self.start()
        self.assertEqual(other.fleet.known("CP1").version, "1.6")

    def test_settings_are_durable(self) -> None:
        """
        What an operator decided is kept before he is told so, and what he
        forgot is forgotten.
        """
        self.read(self.journal.change("CP1", {"note": "north"}))
        other = self.start()
        self.assertEqual(other.fleet.known("CP1").settings.note, "north")
        self.read(self.journal.forget("CP1"))
        self.restart()
        self.assertRaises(UnknownStation, self.journal.fleet.known, "CP1")
