"""
Tests for L{ocpp_tw.backends.embedded}: its promises, and what it answers.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock
from twisted.logger import LogEvent, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from ocpp_tw.backends.embedded import (
    EmbeddedBackend,
    backend as embedded_backend,
    make_backend,
    transactions,
)
from ocpp_tw.backends.embedded.schema import MIGRATIONS
from ocpp_tw.database import Database
from ocpp_tw.errors import BackendUnavailable, BadConfig
from ocpp_tw.interfaces import IObserver, IRecords
from ocpp_tw.ocpp.messages import Call, Payload
from ocpp_tw.testing import BackendContract, FakeCentralSystem, FakeStation

from ..test_database import Gate
from .embedded import World, at


class MemoryTests(BackendContract, SynchronousTestCase):
    """
    The backend in memory.
    """

    def make_backend(self) -> EmbeddedBackend:
        return make_backend({"path": ":memory:"}, FakeCentralSystem(), Clock())


class FileTests(BackendContract, SynchronousTestCase):
    """
    The backend in a file.
    """

    def make_backend(self) -> EmbeddedBackend:
        return make_backend(
            {"path": self.mktemp()}, FakeCentralSystem(), Clock()
        )


class AnswerTests(World, SynchronousTestCase):
    """
    What stations are answered.
    """

    def test_interfaces(self) -> None:
        """
        It provides L{IObserver} and L{IRecords}, too.
        """
        verifyObject(IObserver, self.backend)
        verifyObject(IRecords, self.backend)

    def test_boot(self) -> None:
        """
        A station is accepted, told the time, and how often to beat.
        """
        self.assertEqual(
            self.ask("BootNotification", {}),
            {
                "status": "Accepted",
                "currentTime": "2026-09-21T15:13:20.000Z",
                "interval": 300,
            },
        )

    def test_time_moves(self) -> None:
        """
        The time told is the time it is.
        """
        self.ask("Heartbeat", {})
        self.clock.advance(1.5)
        self.assertEqual(
            self.ask("Heartbeat", {}), {"currentTime": at(3601.5)}
        )

    def test_notifications_are_kept(self) -> None:
        """
        What stations report is acknowledged and can be read, newest first.
        """
        for kind, payload, answer in (
            ("DiagnosticsStatusNotification", {"status": "Idle"}, {}),
            ("FirmwareStatusNotification", {"status": "Installed"}, {}),
            ("LogStatusNotification", {"status": "Uploading"}, {}),
            ("SignedFirmwareStatusNotification", {"status": "Idle"}, {}),
            (
                "SecurityEventNotification",
                {"type": "X", "timestamp": at(0)},
                {},
            ),
            ("SignCertificate", {"csr": "..."}, {"status": "Rejected"}),
            ("DataTransfer", {"vendorId": "V"}, {"status": "Accepted"}),
        ):
            self.assertEqual(self.ask(kind, payload), answer)
        self.clock.advance(1)
        page = self.wait(self.backend.station_events(2, identity="CP1"))
        self.assertEqual(
            [(e["kind"], e["payload"]) for e in page.items],
            [
                ("DataTransfer", '{"vendorId":"V"}'),
                ("SignCertificate", '{"csr":"..."}'),
            ],
        )
        rest = self.wait(self.backend.station_events(100, page.next))
        self.assertEqual(len(rest.items), 5)

    def test_events_are_forgotten(self) -> None:
        """
        Events older than the configured days are forgotten.
        """
        self.ask("FirmwareStatusNotification", {"status": "Idle"})
        self.clock.pump([1, 31 * 86400])
        page = self.wait(self.backend.station_events(10))
        self.assertEqual(page.items, [])

    def test_meter_values_are_forgotten(self) -> None:
        """
        Meter values older than the configured days are forgotten, however
        many; those that are not, and transactions, are kept.
        """
        self.patch(embedded_backend, "PRUNED_IN_MEMORY", 2)
        self.settings = {"path": ":memory:", "meter_values_days": 2}
        self.backend = self.start_backend()
        number = self.start()
        for second in range(5):
            self.measure(1000 + second, second, number)
        self.clock.advance(86400)
        self.measure(2000, 86400, number)
        self.clock.advance(86401)
        self.assertEqual(self.values(number), ["2000"])
        self.assertTrue(self.transaction(number)["active"])

    def test_memory_is_bounded(self) -> None:
        """
        In memory only so many samples and transactions are kept, the newest.
        """
        self.patch(embedded_backend, "PRUNED_IN_MEMORY", 2)
        bounds = {"events": 1, "readings": 3, "transactions": 2}
        self.patch(embedded_backend, "MOST_IN_MEMORY", bounds)
        self.backend = self.start_backend()
        for _ in range(3):
            self.ask("BootNotification", {})
        numbers = [self.start(second) for second in range(5)]
        for second in range(9):
            self.measure(1000 + second, 10 + second, numbers[-1])
        self.clock.advance(5)
        self.assertEqual(self.transactions(), numbers[:-3:-1])
        events = self.wait(self.backend.station_events(10)).items
        self.assertEqual(len(events), 1)
        self.assertEqual(self.values(numbers[-1]), ["1006", "1007", "1008"])
        self.assertEqual(self.start(60), numbers[-1] + 1)

    def test_file_is_not(self) -> None:
        """
        In a file all of them are kept for ever, if nothing is configured.
        """
        bounds = {"events": 0, "readings": 0, "transactions": 0}
        self.patch(embedded_backend, "MOST_IN_MEMORY", bounds)
        self.settings = {"path": self.mktemp()}
        self.backend = self.start_backend()
        number = self.start()
        self.measure(1001, 1, number)
        self.clock.pump([3600] * 3)
        self.clock.advance(3650 * 86400)
        self.assertEqual(self.values(number), ["1001"])

    def test_settings(self) -> None:
        """
        The interval is what the operator sets; nonsense is refused.
        """
        backend = make_backend(
            {"path": ":memory:", "heartbeat_interval": 60.0},
            FakeCentralSystem(),
            self.clock,
        )
        backend.startService()
        self.addCleanup(backend.stopService)
        self.assertEqual(
            self.ask_as(backend, "BootNotification", {})["interval"], 60
        )
        with self.assertRaises(BadConfig):
            make_backend(
                {"unknown_id_tags": "maybe"}, FakeCentralSystem(), self.clock
            )

    def test_after_stop(self) -> None:
        """
        Once stopped, it asks stations to try again.
        """
        self.backend.stopService()
        self.assertRaises(BackendUnavailable, self.start)


class RestartTests(World, SynchronousTestCase):
    """
    What a restart leaves.
    """

    def setUp(self) -> None:
        self.settings = {"path": self.mktemp()}
        super().setUp()

    def test_ids_go_on(self) -> None:
        """
        Ids are unique across restarts, and what ran still runs.
        """
        first = self.start()
        self.backend.stopService()
        self.backend = self.start_backend()
        self.assertEqual(self.start(), first)
        self.assertEqual(self.start(connectorId=2), first + 1)
        self.measure(1100, 60, first)
        self.stop(first)
        self.assertEqual(self.transaction(first)["energy"], 1000)
        self.assertEqual(self.values(first), ["1100"])


class LogTests(World, SynchronousTestCase):
    """
    What operators are told.
    """

    def told(self, events: list[LogEvent]) -> str:
        return "\n".join(formatEvent(event) for event in events)

    def test_empty(self) -> None:
        """
        An installation without id tags says at start that it accepts all.
        """
        with capturedLogs() as events:
            self.start_backend()
        self.assertIn("every id tag is accepted", self.told(events))

    def test_not_empty(self) -> None:
        """
        One with id tags, or that refuses unknown ones, does not.
        """
        path = self.mktemp()
        self.settings = {"path": path}
        backend = self.start_backend()
        self.wait(backend.put_id_tag("A1", {"status": "Accepted"}))
        self.wait(backend.stopService())
        with capturedLogs() as events:
            self.start_backend()
            self.settings = {"path": ":memory:", "unknown_id_tags": "refuse"}
            self.start_backend()
        self.assertNotIn("accepted", self.told(events))

    def test_kept_aside(self) -> None:
        """
        A stop that is kept aside is a warning.
        """
        with capturedLogs() as events:
            self.stop(4711)
        self.assertIn("no transaction 4711", self.told(events))


class BugTests(World, SynchronousTestCase):
    """
    What happens to messages while a rule of ours is broken.
    """

    def setUp(self) -> None:
        super().setUp()
        self.number = self.start()

    def test_kept_aside(self) -> None:
        """
        Samples and stops that a bug kept from being understood are kept
        aside and acknowledged: the station would send them for ever.
        """

        def broken(db: Any, **message: Any) -> None:
            db.execute("UPDATE transactions SET energy = 1")
            raise ZeroDivisionError("secret")

        self.patch(transactions, "measured", broken)
        self.patch(transactions, "stop", broken)
        self.measure(1, 60, 4711)
        self.assertEqual(self.stop(self.number), {})
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)
        found = self.transaction(self.number)
        self.assertTrue(found["active"])
        [kept] = found["keptAside"]
        self.assertEqual(kept["action"], "StopTransaction")
        self.assertEqual(kept["reason"], "a bug in the rules")
        self.assertIn('"meterStop":2000', kept["payload"])
        rows = self.wait(
            self.backend.database.read(
                lambda db: db.execute(
                    "SELECT action, transaction_id FROM kept_aside ORDER BY id"
                ).fetchall()
            )
        )
        self.assertEqual(rows[0], ("MeterValues", 4711))

    def test_start(self) -> None:
        """
        A start is asked for again: there is no id to answer it with.
        """

        def broken(db: Any, **message: Any) -> None:
            raise ZeroDivisionError("secret")

        self.patch(transactions, "start", broken)
        self.assertRaises(ZeroDivisionError, self.start, 60)


class DurableTests(World, SynchronousTestCase):
    """
    Durable before answered, and many in one commit.
    """

    def start_backend(self) -> EmbeddedBackend:
        self.gates: list[Gate] = []

        def runner(clock: IReactorTime, name: str) -> Gate:
            self.gates.append(Gate(clock))
            return self.gates[-1]

        database = Database(
            self.mktemp(), MIGRATIONS, self.clock, runner=runner
        )
        backend = EmbeddedBackend(database, self.clock)
        backend.startService()
        return backend

    def commit(self) -> int:
        self.clock.advance(0)
        return self.gates[0].open()

    def later(self, action: str, payload: Payload, identity: str = "CP1"):
        answer = self.backend.answer(
            FakeStation(identity), Call("1", action, payload)
        )
        assert isinstance(answer, Deferred)
        return answer

    def test_after_the_commit(self) -> None:
        """
        Starts, samples and stops are answered after the commit.
        """
        start = {
            "connectorId": 1,
            "idTag": "A",
            "meterStart": 0,
            "timestamp": at(0),
        }
        meter = {
            "connectorId": 1,
            "transactionId": 1,
            "meterValue": [
                {"timestamp": at(60), "sampledValue": [{"value": "1"}]}
            ],
        }
        stop = {"transactionId": 1, "meterStop": 2, "timestamp": at(90)}
        for action, payload in (
            ("StartTransaction", start),
            ("MeterValues", meter),
            ("MeterValues", {**meter, "transactionId": 4711}),
            ("StopTransaction", stop),
        ):
            answer = self.later(action, payload)
            self.clock.advance(0)
            self.assertNoResult(answer)
            self.assertEqual(self.commit(), 1)
            self.successResultOf(answer)

    def test_burst(self) -> None:
        """
        Five hundred unknown stations that start in one turn share a commit,
        and each gets an id of its own.
        """
        answers = [
            self.later(
                "StartTransaction",
                {
                    "connectorId": 1,
                    "idTag": "A",
                    "meterStart": 0,
                    "timestamp": at(0),
                },
                f"CP{n}",
            )
            for n in range(500)
        ]
        self.assertEqual(self.commit(), 1)
        ids = {self.successResultOf(a)["transactionId"] for a in answers}
        self.assertEqual(ids, set(range(1, 501)))


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


class MonsterTests(World, SynchronousTestCase):
    """
    Payloads that JSON readers take, and JSON writers do not.
    """

    def test_deep(self) -> None:
        """
        Members that are nested deeply are answered as if they were not.
        """
        deep = _nested(1000)
        self.ask("BootNotification", {"more": deep})
        self.ask("DataTransfer", {"vendorId": "V", "more": deep})
        self.stop(4711, more=deep)
        number = self.start(more=deep)
        self.ask(
            "MeterValues",
            {
                "connectorId": 1,
                "transactionId": number,
                "meterValue": [
                    {
                        "timestamp": at(60),
                        "sampledValue": [{"value": "1100", "more": deep}],
                    }
                ],
            },
        )
        self.assertEqual(self.values(number), ["1100"])
        self.stop(number, more=deep)

    def test_large(self) -> None:
        """
        Numbers of any size are answered.
        """
        huge = int(1e308)
        for number in (huge, -huge):
            self.start(meterStart=number, connectorId=number)
            self.stop(number, meterStop=number)
            self.measure(1, 60, number, connector=number)
            self.ask(
                "StatusNotification",
                {"connectorId": number, "errorCode": "", "status": "Faulted"},
            )
