"""
The reference schema keeps the rules of the embedded backend: the tests of
those, asked of a real server.

Not among them is what the schema does not keep (charging profiles, versions
of local lists), and how records are listed over REST.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from functools import cache
from typing import Any

import hypothesis
import psycopg2
from attrs import evolve
from hypothesis import given, strategies as st
from twisted.internet.defer import maybeDeferred
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.backends.postgres import PostgresBackend, make_backend
from ocpp_tw.backends.postgres.schema import install
from ocpp_tw.config import Postgres
from ocpp_tw.errors import Conflict, NotFound
from ocpp_tw.interfaces import Page
from ocpp_tw.testing import FakeCentralSystem

from ..postgres import Database
from ..waiting import reactor, wait
from . import (
    test_embedded as answers,
    test_embedded_properties as properties,
    test_embedded_records as records,
    test_embedded_suspicion as suspicion,
    test_embedded_transactions as transactions,
)
from .embedded import NOW, World, at
from .test_embedded_properties import _meters, _starts, _stops
from .test_postgres import settings


#: Where C{now()} is found first: the time in the schema is that of the test.
_CLOCK = f"""
CREATE SCHEMA test;
CREATE TABLE test.clock AS SELECT to_timestamp({NOW}) AS time;
CREATE FUNCTION test.now() RETURNS timestamptz LANGUAGE sql STABLE
    AS 'SELECT time FROM test.clock';
"""

_FRESH = f"""
UPDATE test.clock SET time = to_timestamp({NOW});
DELETE FROM ocpp.setting WHERE name = 'unknown_id_tags';
INSERT INTO ocpp.setting VALUES ('unknown_id_tags', 'accept', '');
TRUNCATE ocpp.charge_point, ocpp.connector, ocpp.id_tag, ocpp.transaction,
    ocpp.meter_value, ocpp.kept_aside, ocpp.reservation, ocpp.event,
    ocpp.command RESTART IDENTITY;
"""

_TRANSACTION = """
SELECT id, jsonb_build_object('reservationId', reservation_id) ||
jsonb_strip_nulls(jsonb_build_object(
    'transactionId', id, 'identity', identity, 'connectorId', connector,
    'idTag', id_tag, 'idTagStatus', id_tag_status, 'meterStart', meter_start,
    'startTime', ocpp.time_text(start_time), 'startTimeSent', start_sent,
    'meterStop', meter_stop, 'stopTime', ocpp.time_text(stop_time),
    'stopTimeSent', stop_sent, 'stopReason', stop_reason,
    'stopIdTag', stop_id_tag, 'closed', closed,
    'energy', CASE WHEN closed IS NOT NULL THEN energy END,
    'closedTime', ocpp.time_text(closed_at), 'closeReason', close_reason,
    'suspect', to_jsonb(suspect), 'active', closed IS NULL))
FROM ocpp.transaction
"""

_SAMPLE = """
SELECT jsonb_build_object('time', ocpp.time_text(time),
    'connectorId', connector, 'measurand', measurand, 'value', value,
    'unit', unit, 'phase', phase, 'context', context, 'location', location,
    'format', format, 'suspect', suspect)
FROM ocpp.sample WHERE transaction_id = %s
ORDER BY time, meter_value_id, position
"""

_RESERVATION = """
SELECT jsonb_strip_nulls(jsonb_build_object('id', id,
    'reservationId', reservation_id, 'identity', identity,
    'connectorId', connector, 'idTag', id_tag, 'parentIdTag', parent_id_tag,
    'expiryDate', ocpp.time_text(expiry), 'created', ocpp.time_text(created),
    'status', status, 'ended', ocpp.time_text(ended),
    'transactionId', transaction_id))
FROM ocpp.reservation ORDER BY id DESC
"""


@cache
def database() -> Database:
    """
    The one of all these tests: emptied for each.
    """
    made = Database(with_schema=False)
    made.ask(_CLOCK)
    made.conninfo["options"] = "-c search_path=test,pg_catalog"
    install(made.conninfo)
    return made


def tearDownModule() -> None:
    if database.cache_info().currsize:
        database().drop()
        database.cache_clear()


class Clock:
    """
    The time in the database.
    """

    def advance(self, seconds: float) -> None:
        database().ask(
            "UPDATE test.clock SET time = time + %s * interval '1 second'",
            seconds,
        )


class Schema:
    """
    The backend, and in its tables what the embedded one shows operators.
    """

    def __init__(self, backend: PostgresBackend) -> None:
        self.answer = backend.answer
        self.command_answered = backend.command_answered
        #: Nothing is remembered but in the database.
        self._meters: dict[int, Any] = {}

    def stopService(self) -> None:
        """
        The test ends it.
        """

    async def transaction(self, number: int) -> Mapping[str, Any]:
        [(_, record)] = database().ask(f"{_TRANSACTION} WHERE id = %s", number)
        kept = database().ask(
            "SELECT identity, action, reason, payload FROM ocpp.kept_aside"
            " WHERE transaction_id = %s ORDER BY id DESC",
            number,
        )
        names = "identity", "action", "reason", "payload"
        aside = [dict(zip(names, row, strict=True)) for row in kept]
        return {**record, "keptAside": aside}

    async def transactions(
        self, limit: int, active: str | None = None
    ) -> Page:
        rows = database().ask(f"{_TRANSACTION} ORDER BY id DESC")
        wanted = (None, active) if active is None else (active,)
        items = [
            record
            for _, record in rows
            if active is None or str(record["active"]).lower() in wanted
        ]
        return Page(items)

    async def meter_values(self, number: int, limit: int) -> Page:
        return Page([item for (item,) in database().ask(_SAMPLE, number)])

    async def close_transaction(
        self, number: int, reason: str
    ) -> Mapping[str, Any]:
        try:
            database().ask(
                "SELECT ocpp.CloseTransaction(%s, %s)",
                min(number, 2**31 - 1),
                reason,
            )
        except psycopg2.Error as e:
            error = {"P0002": NotFound, "55000": Conflict}[e.pgcode or ""]
            raise error(str(e)) from e
        return await self.transaction(number)

    async def reservations(
        self, limit: int, status: str | None = None
    ) -> Page:
        database().ask("SELECT ocpp.Housekeep()")
        items = [item for (item,) in database().ask(_RESERVATION)]
        return Page([i for i in items if status in (None, i["status"])])

    async def reservation(self, number: int) -> Mapping[str, Any]:
        for item in (await self.reservations(100)).items:
            if item["id"] == number:
                return item
        raise NotFound(f"there is no reservation {number}")

    async def put_id_tag(self, id_tag: str, body: Mapping[str, Any]) -> None:
        database().ask(
            "INSERT INTO ocpp.id_tag VALUES (%s, %s, %s, %s, %s)",
            id_tag,
            body["status"],
            body.get("expiryDate"),
            body.get("parentIdTag"),
            body.get("maxActiveTransactions"),
        )


class PostgresWorld(World):
    """
    Stations that ask PostgreSQL.
    """

    def setUp(self) -> None:
        self.clock = Clock()  # type: ignore[assignment]
        poll = evolve(Postgres().poll, min=1)
        self.real = make_backend(
            settings(database().conninfo, poll=poll),
            FakeCentralSystem(),
            reactor(),
        )
        self.backend = self.start_backend()
        self.real.startService()
        self.addCleanup(lambda: wait(maybeDeferred(self.real.stopService)))

    def start_backend(self) -> Any:
        """
        As if nothing had happened yet.
        """
        database().ask(_FRESH)
        return Schema(self.real)

    def wait(self, answer: Awaitable[Any]) -> Any:
        return wait(answer) if not isinstance(answer, dict) else answer


class StartTests(PostgresWorld, transactions.StartTests):
    pass


class StopTests(PostgresWorld, transactions.StopTests):
    def test_stopped_twice(self) -> None:
        """
        Another stop of a stopped transaction is kept beside it.
        """
        number = self.start()
        self.stop(number)
        self.stop(number, meterStop=9000)
        record = self.transaction(number)
        self.assertEqual(record["meterStop"], 2000)
        self.assertEqual(record["suspect"], ["stoppedTwice"])
        [kept] = record["keptAside"]
        self.assertEqual(kept["payload"]["meterStop"], 9000)

    def test_ambiguous(self) -> None:
        """
        A stop that fits more than one transaction is kept aside, once, with
        its data.
        """
        numbers = [self.start(connectorId=1), self.start(connectorId=2)]
        data = [{"timestamp": at(300), "sampledValue": [{"value": "1500"}]}]
        for _ in range(2):
            self.stop(-1, transactionData=data)
        self.assertEqual(self.transactions(active="true"), numbers[::-1])
        kept = database().ask("SELECT identity, action FROM ocpp.kept_aside")
        self.assertEqual(kept, [("CP1", "StopTransaction")])
        rows = database().ask("SELECT value FROM ocpp.sample")
        self.assertEqual(rows, [("1500",)])


class MeterTests(PostgresWorld, transactions.MeterTests):
    test_pages = None  # type: ignore[assignment]
    test_base_units = None  # type: ignore[assignment]

    def test_numbers(self) -> None:
        """
        Numbers are shown in base units beside what was sent.
        """
        number = self.start(meterStart=0)
        power = {
            "value": "7.4",
            "unit": "kW",
            "measurand": "Power.Active.Import",
        }
        energy = {"value": " 0.5", "unit": "kWh"}
        meter = {"timestamp": at(60), "sampledValue": [energy, power]}
        self.ask(
            "MeterValues",
            {
                "connectorId": 1,
                "transactionId": number,
                "meterValue": [meter],
            },
        )
        rows = database().ask(
            "SELECT value, number::float8 FROM ocpp.sample ORDER BY position"
        )
        self.assertEqual(rows, [(" 0.5", 500.0), ("7.4", 7400.0)])


class CloseTests(PostgresWorld, transactions.CloseTests):
    pass


class SuspectTransactionTests(PostgresWorld, suspicion.TransactionTests):
    pass


class SampleTests(PostgresWorld, suspicion.SampleTests):
    pass


class IdTagTests(PostgresWorld, records.IdTagTests):
    # [embedded] id_tag_pattern is no setting of a database's.
    test_pattern = None  # type: ignore[assignment]
    test_put_get_delete = None  # type: ignore[assignment]
    test_bad_members = None  # type: ignore[assignment]
    test_list = None  # type: ignore[assignment]

    def test_unknown(self) -> None:
        """
        Unknown id tags are accepted, or not, as it is configured.
        """
        self.assertEqual(self.authorize("A1"), {"status": "Accepted"})
        database().ask(
            "UPDATE ocpp.setting SET value = 'refuse'"
            " WHERE name = 'unknown_id_tags'"
        )
        self.assertEqual(self.authorize("A1"), {"status": "Invalid"})


class ReservationTests(PostgresWorld, records.ReservationTests):
    test_filters = None  # type: ignore[assignment]


class MonsterTests(PostgresWorld, answers.MonsterTests):
    pass


class DeepTests(PostgresWorld, SynchronousTestCase):
    """
    What PostgreSQL's JSON does not know.
    """

    def test_nul(self) -> None:
        """
        Characters 0 are left out, also beside what is nested deeply.
        """
        deep: Any = 1
        for _ in range(1000):
            deep = [deep]
        self.ask("DataTransfer", {"vendorId": "V\0W", "data": deep})
        [(kept,)] = database().ask(
            "SELECT payload->>'vendorId' FROM ocpp.event"
        )
        self.assertEqual(kept, "VW")


class AnswerTests(PostgresWorld, SynchronousTestCase):
    """
    What stations are answered.
    """

    test_boot = answers.AnswerTests.test_boot
    test_time_moves = answers.AnswerTests.test_time_moves

    def test_notifications_are_kept(self) -> None:
        """
        What stations report is acknowledged and can be read.
        """
        for kind, payload, answer in (
            ("DiagnosticsStatusNotification", {"status": "Idle"}, {}),
            ("FirmwareStatusNotification", {"status": "Installed"}, {}),
            ("LogStatusNotification", {"status": "Uploading"}, {}),
            ("SignedFirmwareStatusNotification", {"status": "Idle"}, {}),
            ("SecurityEventNotification", {"type": "X"}, {}),
            ("SignCertificate", {"csr": "..."}, {"status": "Rejected"}),
            ("DataTransfer", {"vendorId": "V"}, {"status": "Accepted"}),
        ):
            self.assertEqual(self.ask(kind, payload), answer)
            [kept] = database().ask(
                "SELECT identity, payload FROM ocpp.event WHERE kind = %s",
                kind,
            )
            self.assertEqual(kept, ("CP1", payload))

    def test_forgotten(self) -> None:
        """
        Events, and commands that ended, are forgotten after the days set.
        """
        self.ask("FirmwareStatusNotification", {"status": "Idle"})
        database().ask(
            "SELECT ocpp.CommandResult(ocpp.Command('CP1', 'Reset'), '{}')"
        )
        for days, left in ((89, (1, 1)), (2, (0, 0))):
            self.clock.advance(days * 86400)
            database().ask("SELECT ocpp.Housekeep()")
            [counts] = database().ask(
                "SELECT (SELECT count(*) FROM ocpp.event),"
                " (SELECT count(*) FROM ocpp.command)"
            )
            self.assertEqual(counts, left)


class SequenceTests(PostgresWorld, properties.SequenceTests):
    # Of fewer examples.
    test_nothing_is_lost = hypothesis.settings(max_examples=20, deadline=None)(
        given(
            steps=st.lists(st.one_of(_starts, _stops, _meters), max_size=25)
        )(properties.SequenceTests.test_nothing_is_lost.hypothesis.inner_test)
    )

    def check_figures(self) -> None:
        """
        Here all samples are looked at whenever a transaction stops.
        """

    def rows(self, query: str) -> list[Any]:
        for name in ("samples", "transactions", "kept_aside"):
            table = "ocpp." + name.removesuffix("s")
            query = query.replace(f"FROM {name}", f"FROM {table} AS {name}")
            query = query.replace(f"JOIN {name}", f"JOIN {table}")
        query = query.replace(
            "json_extract(payload, '$.meterStop')",
            "(payload->>'meterStop')::bigint",
        )
        return database().ask(query)
