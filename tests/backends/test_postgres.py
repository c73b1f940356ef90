"""
Tests for L{ocpp_tw.backends.postgres}, on a real server.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import orjson
from attrs import asdict, evolve
from twisted.internet.defer import (
    Deferred,
    DeferredList,
    gatherResults,
    maybeDeferred,
)
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.logger import capturedLogs, formatEvent
from twisted.protocols.portforward import ProxyFactory
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.backends.postgres import (
    PostgresBackend,
    make_backend,
    schema,
)
from ocpp_tw.backends.postgres.schema import install
from ocpp_tw.config import Log, Postgres
from ocpp_tw.errors import (
    BackendUnavailable,
    BadConfig,
    CallFailed,
    NotKept,
    OCPPError,
)
from ocpp_tw.logs.books import POSTGRES
from ocpp_tw.logs.part import PartLog
from ocpp_tw.ocpp.messages import Call
from ocpp_tw.ocpp.soap import (
    parse,
    read_answer,
    read_call,
    write_answer,
    write_call,
)
from ocpp_tw.ocpp.soap_tables import CENTRAL_SYSTEM, CHARGE_POINT
from ocpp_tw.ocpp.soap_types import service
from ocpp_tw.ocpp.versions import Version
from ocpp_tw.testing import BackendContract, FakeCentralSystem, FakeStation
from ocpp_tw.transports.rest.errors import status_of

from ..examples import FROM_STATION, TO_STATION
from ..postgres import Database, execute, server
from ..waiting import reactor, wait, wait_until


HEARTBEAT = Call("19", "Heartbeat", {})
STATION = FakeStation("CP1", account="AC0001")
START = {
    "connectorId": 1,
    "idTag": "A1",
    "meterStart": 1000,
    "timestamp": "2026-09-21T14:13:20Z",
}

#: A database of an integrator's own, as small as can be.
THEIRS = """
CREATE SCHEMA ocpp;
CREATE FUNCTION ocpp.Parse(a text, b text, c text, d jsonb, e text)
RETURNS json LANGUAGE sql AS $$
    SELECT json_build_object('payload',
        json_build_object('currentTime', concat_ws(',', a, b, c, d, e)))
$$;
"""


def settings(conninfo: Mapping[str, str], **members: Any) -> dict[str, Any]:
    """
    Of a backend for this database.
    """
    given = asdict(evolve(Postgres(), **members))
    return {**given, "conninfo": conninfo}


class PostgresTestCase(SynchronousTestCase):
    """
    A test with a database of its own.
    """

    with_schema = True
    with_xml = False

    def setUp(self) -> None:
        self.database = Database(self.with_schema, self.with_xml)
        self.addCleanup(self.database.drop)
        self.central_system = FakeCentralSystem()
        self.asked: list[Any] = []

    def make_backend(self, **members: Any) -> PostgresBackend:
        backend = make_backend(
            settings(self.database.conninfo, **members),
            self.central_system,
            reactor(),
        )
        answer = backend.answer

        def noted(station: Any, call: Call) -> Any:
            self.asked.append(answer(station, call))
            return self.asked[-1]

        self.patch(backend, "answer", noted)
        return backend

    def wait(self, answer: Awaitable[Any]) -> Any:
        return wait(answer) if not isinstance(answer, dict) else answer

    def settle(self) -> None:
        wait(DeferredList(self.asked))
        # Their callbacks are done when the reactor turns.
        wait(deferLater(reactor(), 0))

    def started(self, **members: Any) -> PostgresBackend:
        backend = self.make_backend(**members)
        backend.startService()
        self.addCleanup(lambda: wait(maybeDeferred(backend.stopService)))
        return backend

    def logged(self, backend: Any) -> list[dict[str, Any]]:
        """
        What it will log.
        """
        events: list[dict[str, Any]] = []
        backend.log = type(backend.log)(observer=events.append)
        return events

    def define(self, name: str, body: str, returns: str = "jsonb") -> None:
        """
        Replace a function of the schema by one in SQL.
        """
        self.database.ask(
            f"CREATE OR REPLACE FUNCTION ocpp.{name} RETURNS {returns}"
            f" LANGUAGE plpgsql AS $$ BEGIN {body} END $$"
        )


class ContractTests(PostgresTestCase, BackendContract):
    """
    The reference schema keeps what every backend promises.
    """


PARSE = (
    "Parse(p_identity text, p_unique_id text, p_action text, p_payload jsonb,"
    " p_account text DEFAULT NULL, p_version text DEFAULT '1.6')"
)


class ParseTests(PostgresTestCase):
    """
    What C{ocpp.Parse} is asked, and what is made of its reply.
    """

    def reply(self, json: str) -> Any:
        self.define(PARSE, f"RETURN '{json}';")
        return wait(self.started().answer(STATION, HEARTBEAT))

    def test_six_arguments(self) -> None:
        """
        The version is told where it is wanted.
        """
        self.define(
            PARSE,
            "RETURN jsonb_build_object('payload', jsonb_build_object('all',"
            " concat_ws(',', p_identity, p_unique_id, p_action, p_payload,"
            " p_account, p_version)));",
        )
        answer = wait(self.started().answer(STATION, HEARTBEAT))
        self.assertEqual(answer, {"all": "CP1,19,Heartbeat,{},AC0001,1.6"})

    def test_call_error(self) -> None:
        """
        An error is an error, with its code, description and details.
        """
        refused = self.assertRaises(
            CallFailed,
            self.reply,
            '{"messageTypeId": "CallError", "errorCode": "SecurityError",'
            ' "errorDescription": "go away", "errorDetails": {"a": 1}}',
        )
        self.assertEqual(
            (refused.code, refused.description, refused.details),
            ("SecurityError", "go away", {"a": 1}),
        )

    def test_messageless(self) -> None:
        """
        A reply without messageTypeId is a result.
        """
        self.assertEqual(self.reply('{"payload": {"a": 1}}'), {"a": 1})

    def test_exception(self) -> None:
        """
        What a function raises is InternalError to the station, without SQL;
        the log has its code and message, without the statement.
        """
        self.define(PARSE, "RAISE EXCEPTION 'secret' USING ERRCODE = '22023';")
        backend = self.started()
        logged = self.logged(backend)
        refused = self.assertRaises(
            CallFailed, wait, backend.answer(STATION, HEARTBEAT)
        )
        self.assertEqual(refused.code, "InternalError")
        self.assertEqual(refused.description, "not answered; try again")
        self.assertEqual(refused.details, {})
        self.assertEqual(logged[0]["reason"], "22023: secret")
        self.assertIs(logged[0]["station"], STATION)

    def test_nothing(self) -> None:
        """
        Null, or a payload that is none, is InternalError.
        """
        for body in ("RETURN NULL;", "RETURN '[]';", "RETURN '{}';"):
            self.define(PARSE, body)
            refused = self.assertRaises(
                CallFailed, wait, self.started().answer(STATION, HEARTBEAT)
            )
            self.assertEqual(refused.code, "InternalError")

    def test_retries(self) -> None:
        """
        What lost against another transaction is asked again.
        """
        self.database.ask("CREATE SEQUENCE ocpp.times")
        self.define(
            PARSE,
            "IF nextval('ocpp.times') < 3 THEN"
            " RAISE EXCEPTION 'lost' USING ERRCODE = '40P01'; END IF;"
            " RETURN '{\"payload\": {}}';",
        )
        answer = wait(self.started().answer(STATION, HEARTBEAT))
        self.assertEqual(answer, {})
        [(times,)] = self.database.ask("SELECT last_value FROM ocpp.times")
        self.assertEqual(times, 3)

    def test_too_slow(self) -> None:
        """
        A statement that takes too long is ended, and the next is answered.
        """
        self.define(
            PARSE,
            "IF p_action = 'Authorize' THEN PERFORM pg_sleep(30); END IF;"
            " RETURN '{\"payload\": {}}';",
        )
        backend = self.started(statement_timeout=0.3)
        logged = self.logged(backend)
        slow = backend.answer(STATION, Call("1", "Authorize", {}))
        self.assertRaises(CallFailed, wait, slow)
        self.assertIn("too slow", logged[0]["reason"])
        self.assertEqual(wait(backend.answer(STATION, HEARTBEAT)), {})

    def test_burst(self) -> None:
        """
        Many new stations at once are all answered: no deadlock, no number
        twice.
        """
        backend = self.started()
        stations = [FakeStation(f"NEW{n}") for n in range(60)]
        calls = [
            backend.answer(station, Call("1", action, payload))
            for station in stations
            for action, payload in (
                ("StatusNotification", _status(0)),
                ("StatusNotification", _status(1)),
                ("StartTransaction", START),
            )
        ]
        answers = wait(gatherResults(calls))
        numbers = {a["transactionId"] for a in answers if a}
        self.assertEqual(len(numbers), 60)


class ManyTests(PostgresTestCase):
    """
    Calls that are asked in one transaction.
    """

    def ask_all(self, backend: PostgresBackend, count: int) -> list[Any]:
        """
        What that many stations were answered, or the code of the error.
        """
        wait(backend._functions.known())
        answers = [
            backend.answer(
                FakeStation(f"CP{number}"),
                Call(str(number), "Authorize", {"idTag": f"T{number}"}),
            )
            for number in range(count)
        ]
        for answer in answers:
            answer.addErrback(lambda f: f.value.code)
        return list(wait(gatherResults(answers)))

    def test_together(self) -> None:
        """
        Those who wait are asked together, and each gets its own reply.
        """
        self.database.ask("CREATE TABLE ocpp.asked (xid xid8)")
        self.define(
            PARSE,
            "INSERT INTO ocpp.asked VALUES (pg_current_xact_id());"
            " RETURN jsonb_build_object('payload', p_payload);",
        )
        answers = self.ask_all(self.started(), 100)
        self.assertEqual(answers, [{"idTag": f"T{n}"} for n in range(100)])
        [(calls, transactions)] = self.database.ask(
            "SELECT count(*), count(DISTINCT xid) FROM ocpp.asked"
        )
        self.assertEqual(calls, 100)
        self.assertLess(transactions, 12)

    def test_one_fails(self) -> None:
        """
        A Call that fails takes nobody else with it.
        """
        self.define(
            PARSE,
            "IF p_payload->>'idTag' = 'T50' THEN RAISE EXCEPTION 'no';"
            " END IF; RETURN jsonb_build_object('payload', p_payload);",
        )
        answers = self.ask_all(self.started(), 100)
        expected: list[Any] = [{"idTag": f"T{n}"} for n in range(100)]
        expected[50] = "InternalError"
        self.assertEqual(answers, expected)

    def test_same_as_alone(self) -> None:
        """
        Together, Calls leave the same records as each alone, whether their
        transactions run, have ended, are unknown, another's or not named.
        """
        self.charge("A", lambda calls: [self.parse(c) for c in calls])
        self.charge("B", self.parse_many)
        alone, together = self.kept("A"), self.kept("B")
        self.assertEqual(alone, together)
        self.assertEqual(len(alone), 24)

    def charge(self, prefix: str, parse: Callable[[Any], Any]) -> None:
        """
        What six stations tell, in lists of a Call of each.
        """

        def call(number: int, action: str, **payload: Any) -> dict[str, Any]:
            return {
                "identity": f"{prefix}{number}",
                "uniqueId": "7",
                "action": action,
                "payload": {"connectorId": 1, **payload},
            }

        start = {"idTag": "T", "meterStart": 1000, "timestamp": _at(0)}
        begun = parse([call(n, "StartTransaction", **start) for n in range(4)])
        ids = [payload["transactionId"] for payload in begun]
        claims = [ids[0], None, ids[0], ids[3], 2_000_000_000, 0]
        stop = {"meterStop": 3000, "timestamp": _at(60)}
        parse([call(3, "StopTransaction", transactionId=ids[3], **stop)])
        for values in (
            [_read(20, "2000"), _read(10, "1500")],
            [_read(30, "1.0e6")],
            [{**_read(0, "1900"), "timestamp": "yesterday"}],
        ):
            told = {"meterValue": values}
            parse(
                [
                    call(
                        number,
                        "MeterValues",
                        **told,
                        **({} if claim is None else {"transactionId": claim}),
                    )
                    for number, claim in enumerate(claims)
                ]
                + [call(6, "Heartbeat")]
            )
        parse(
            [
                call(n, "StopTransaction", transactionId=ids[n], **stop)
                for n in range(2)
            ]
        )

    def parse(self, call: dict[str, Any]) -> Any:
        [(reply,)] = self.database.ask(
            "SELECT ocpp.Parse(%s, '7', %s, %s::jsonb)",
            call["identity"],
            call["action"],
            orjson.dumps(call["payload"]).decode(),
        )
        return reply["payload"]

    def parse_many(self, calls: list[Any]) -> list[Any]:
        replies = self.database.ask(
            "SELECT * FROM ocpp.ParseMany(%s::jsonb)",
            orjson.dumps(calls).decode(),
        )
        return [reply["payload"] for (reply,) in replies]

    def kept(self, prefix: str) -> list[Any]:
        """
        The meter values, each with its transaction, of those stations.
        """
        return self.database.ask(
            "SELECT substr(m.identity, 2), sent, register, m.suspect,"
            " substr(t.identity, 2), energy, t.suspect, closed"
            " FROM ocpp.meter_value AS m"
            " LEFT JOIN ocpp.transaction AS t ON t.id = transaction_id"
            " WHERE m.identity LIKE %s ORDER BY m.identity, m.id",
            f"{prefix}%",
        )

    def test_not_offered(self) -> None:
        """
        Without that function each Call is asked alone.
        """
        self.database.ask("DROP FUNCTION ocpp.ParseMany")
        answers = self.ask_all(self.started(), 40)
        self.assertEqual(answers, [{"idTagInfo": {"status": "Accepted"}}] * 40)


def _at(minute: int) -> str:
    return f"2026-11-20T{10 + minute // 60}:{minute % 60:02}:00Z"


def _read(minute: int, value: str) -> dict[str, Any]:
    return {"timestamp": _at(minute), "sampledValue": [{"value": value}]}


def _status(connector: int) -> dict[str, Any]:
    return {
        "connectorId": connector,
        "errorCode": "NoError",
        "status": "Available",
    }


class TheirsTests(PostgresTestCase):
    """
    A schema that an integrator brings.
    """

    with_schema = False

    def setUp(self) -> None:
        super().setUp()
        self.database.ask(THEIRS)

    def test_five_arguments(self) -> None:
        """
        The older form of Parse is called as it always was; no account is
        null.
        """
        backend = self.started()
        answer = wait(backend.answer(STATION, HEARTBEAT))
        self.assertEqual(answer, {"currentTime": "CP1,19,Heartbeat,{},AC0001"})
        answer = wait(backend.answer(FakeStation("CP2"), HEARTBEAT))
        self.assertEqual(answer, {"currentTime": "CP2,19,Heartbeat,{}"})

    def test_missing_functions(self) -> None:
        """
        What is missing is said once, and harms nothing else.
        """
        backend = self.started()
        logged = self.logged(backend._functions)
        backend.station_connected(STATION)
        for _ in range(2):
            wait(backend.answer(STATION, HEARTBEAT))
        backend.station_disconnected(STATION)
        self.assertRaises(NotKept, wait, backend.charge_point_list("", []))
        self.assertRaises(NotKept, wait, backend.transaction_list("", {}))
        names = [event["name"] for event in logged]
        self.assertEqual(len(names), len(set(names)))
        self.assertIn("SetChargePointConnected", names)
        self.assertNotIn("Parse", names)

    def test_thousands(self) -> None:
        """
        Thousands of stations that come at once, as after a reload, are told
        of and answered; that something is missing does not matter.
        """
        backend = self.started()
        stations = [FakeStation(f"CP{n}") for n in range(1000)]
        for station in stations:
            backend.station_connected(station)
        answers = [backend.answer(station, HEARTBEAT) for station in stations]
        self.assertEqual(len(wait(gatherResults(answers))), 1000)
        wait_until(lambda: not backend._presence._news)

    def test_charge_points(self) -> None:
        """
        A list of their own is asked with ours, in the shape it always had.
        """
        self.database.ask(
            "CREATE FUNCTION ocpp.ChargePointList(token text, known jsonb)"
            " RETURNS SETOF json LANGUAGE sql AS $$ SELECT json_build_object("
            "'token', token, 'known', known) $$"
        )
        known = [{"Identity": "CP1"}]
        items = wait(self.started().charge_point_list("t", known))
        self.assertEqual(
            items, [{"token": "t", "known": {"ChargePointList": known}}]
        )

    def test_refused_list(self) -> None:
        """
        A list that is an error is a refusal, of the status that it says.
        """
        self.database.ask(
            "CREATE FUNCTION ocpp.TransactionList(token text, asked jsonb)"
            " RETURNS SETOF json LANGUAGE sql AS $$ SELECT json_build_object("
            "'error', json_build_object('code', (asked->>'identity')::int,"
            " 'message', 'so it is')) $$"
        )
        backend = self.started()
        for code, status in (
            *(("401", 401), ("40101", 401), ("403", 403), ("404", 404)),
            *(("500", 500), ("400", 400), ("418", 400), ("40001", 400)),
        ):
            asked = backend.transaction_list("", {"identity": code})
            error = self.assertRaises(OCPPError, wait, asked)
            self.assertEqual(
                (status_of(error), str(error)), (status, "so it is")
            )

    def test_presence_of_two_arguments(self) -> None:
        """
        The older form of SetChargePointConnected is called as it always was.
        """
        self.database.ask(
            "CREATE TABLE ocpp.told (identity text, connected boolean);"
            "CREATE FUNCTION ocpp.SetChargePointConnected(text, boolean)"
            " RETURNS void LANGUAGE sql AS $$ INSERT INTO ocpp.told"
            " VALUES ($1, $2) $$"
        )
        backend = self.started()
        backend.station_connected(STATION)
        sql = "SELECT * FROM ocpp.told"
        wait_until(lambda: self.database.ask(sql) == [("CP1", True)])
        backend.station_disconnected(STATION)
        wait_until(lambda: ("CP1", False) in self.database.ask(sql))

    def test_parse_comes_later(self) -> None:
        """
        A function that is made while we run is found.
        """
        self.database.ask("DROP FUNCTION ocpp.Parse")
        backend = self.started()
        refused = backend.answer(STATION, HEARTBEAT)
        self.assertRaises(CallFailed, wait, refused)
        self.database.ask(THEIRS.split(";", 1)[1])
        answer = wait(backend.answer(STATION, HEARTBEAT))
        self.assertIn("currentTime", answer)

    def test_hands_off(self) -> None:
        """
        Our schema is not installed over theirs.
        """
        error = self.assertRaises(BadConfig, install, self.database.conninfo)
        self.assertIn("not ours", str(error))

    def test_command_in_a_notification(self) -> None:
        """
        Without a table of commands, the order is in the notification.
        """
        self.database.ask(
            "CREATE TABLE ocpp.results (id bigint, result jsonb);"
            "CREATE FUNCTION ocpp.CommandResult(bigint, jsonb) RETURNS void"
            " LANGUAGE sql AS $$ INSERT INTO ocpp.results VALUES ($1, $2) $$"
        )
        station = FakeStation(answers={"Reset": {"status": "Accepted"}})
        self.central_system.connected.append(station)
        backend = self.started()
        wait_until(lambda: backend._commands._link)
        self.database.ask(
            "SELECT pg_notify('ocpp_command', %s)",
            '{"id": 7, "identity": "CP1", "action": "Reset",'
            ' "payload": {"type": "Soft"}}',
        )
        [(number, result)] = wait_until(
            lambda: self.database.ask("SELECT * FROM ocpp.results")
        )
        self.assertEqual(number, 7)
        self.assertEqual(result["payload"], {"status": "Accepted"})
        self.assertEqual(station.asked, [("Reset", {"type": "Soft"})])

    def test_command_for_another_worker(self) -> None:
        """
        Where another worker has the station, that one sends it.
        """
        backend = self.started()
        logged = self.logged(backend._commands)
        wait_until(lambda: backend._commands._link)
        asked: list[Any] = []

        async def call(_: Any, identity: str, *__: Any) -> Any:
            asked.append(identity)
            return {}

        self.patch(FakeCentralSystem, "call", call)
        self.patch(
            FakeCentralSystem, "is_connected", lambda _, name: name == "THERE"
        )
        for identity in ("THERE", "NOBODY"):
            self.database.ask(
                "SELECT pg_notify('ocpp_command', json_build_object("
                "'identity', %s, 'action', 'Reset')::text)",
                identity,
            )
        wait_until(lambda: asked)
        self.assertEqual(asked, ["NOBODY"])
        self.assertEqual(logged, [])


class ListTests(PostgresTestCase):
    """
    The lists of the reference schema, and who is connected.
    """

    def test_presence(self) -> None:
        """
        The database knows who is connected: the last word of each counts.
        """
        backend = self.started()
        for _ in range(3):
            backend.station_connected(STATION)
            backend.station_disconnected(STATION)
        backend.station_connected(FakeStation("CP2"))
        sql = "SELECT identity, connected FROM ocpp.charge_point ORDER BY 1"
        wait_until(
            lambda: self.database.ask(sql) == [("CP1", False), ("CP2", True)]
        )

    def test_replaced(self) -> None:
        """
        A station that came anew before its old connection was gone, here or
        to another worker, is connected.
        """
        backend = self.started()
        old, new = FakeStation(), FakeStation(address="10.0.0.9:1")
        backend.station_connected(old)
        self.central_system.connected.append(new)
        backend.station_connected(new)
        backend.station_disconnected(old)
        # It went before it came back elsewhere, and that was told first.
        backend._presence._news["CP1"] = (False, {})
        backend.station_connected(FakeStation("LAST"))
        sql = "SELECT identity, connected FROM ocpp.charge_point ORDER BY 1"
        wait_until(lambda: ("LAST", True) in self.database.ask(sql))
        self.assertIn(("CP1", True), self.database.ask(sql))

    def test_charge_points(self) -> None:
        """
        The list has whom the database knows, with what we know of them.
        """
        backend = self.started()
        backend.station_connected(STATION)
        wait_until(
            lambda: self.database.ask("SELECT 1 FROM ocpp.charge_point")
        )
        known = [{"Identity": "CP1", "Address": "10.0.0.5:1", "LastSeen": "x"}]
        [item] = wait(backend.charge_point_list("token", known))
        self.assertEqual(item["Identity"], "CP1")
        self.assertEqual(item["Address"], "10.0.0.5:1")
        self.assertTrue(item["Connected"])

    def test_transactions(self) -> None:
        """
        Transactions are listed by station and time, as they always were.
        """
        backend = self.started()
        started = wait(
            backend.answer(STATION, Call("1", "StartTransaction", START))
        )
        stop = {
            "transactionId": started["transactionId"],
            "idTag": "A1",
            "meterStop": 1234,
            "timestamp": "2026-09-21T15:13:20Z",
        }
        wait(backend.answer(STATION, Call("2", "StopTransaction", stop)))
        [item] = wait(backend.transaction_list("", {"identity": "CP1"}))
        self.assertEqual(
            item,
            {
                "id": started["transactionId"],
                "idTag": "A1",
                "identity": "CP1",
                "serialNumber": None,
                "connectorId": 1,
                "meterStart": 1000,
                "meterStop": 1234,
                "value": 234,
                "reservationId": None,
                "reason": "Local",
                "data": None,
                "dateStart": "2026-09-21T14:13:20.000Z",
                "dateStop": "2026-09-21T15:13:20.000Z",
            },
        )
        for asked, count in (
            ({"identity": "CP2"}, 0),
            ({"identity": "CP1", "dateFrom": "2026-09-22"}, 0),
            ({"identity": "CP1", "dateTo": "2026-09-21T14:13:20Z"}, 0),
            ({"identity": "CP1", "dateFrom": "2026-09-21"}, 1),
        ):
            items = wait(backend.transaction_list("", asked))
            self.assertEqual(len(items), count, asked)

    def test_reservations(self) -> None:
        """
        What a station reserved is listed, used, and ends.
        """
        backend = self.started()
        reserve = {
            "connectorId": 1,
            "reservationId": 5,
            "idTag": "A1",
            "expiryDate": "2099-01-01T00:00:00Z",
        }
        accepted = {"status": "Accepted"}
        noted = backend.command_answered(
            STATION, "ReserveNow", reserve, accepted
        )
        assert noted is not None
        wait(noted)
        [item] = wait(backend.reservation_list("", {"identity": "CP1"}))
        self.assertEqual((item["id"], item["idTag"]), (5, "A1"))
        self.assertIsNone(item["dateStop"])
        start = {**START, "reservationId": 5}
        wait(backend.answer(STATION, Call("1", "StartTransaction", start)))
        [(status,)] = self.database.ask("SELECT status FROM ocpp.reservation")
        self.assertEqual(status, "Used")
        [item] = wait(backend.transaction_list("", {"identity": "CP1"}))
        self.assertEqual(item["reservationId"], 5)


class CommandTests(PostgresTestCase):
    """
    Commands that PL/pgSQL gives.
    """

    def setUp(self) -> None:
        super().setUp()
        self.station = FakeStation(answers={"Reset": {"status": "Accepted"}})
        self.central_system.connected.append(self.station)

    def order(self, action: str = "Reset", identity: str = "CP1") -> int:
        [(number,)] = self.database.ask(
            "SELECT ocpp.Command(%s, %s, %s)",
            identity,
            action,
            '{"type": "Soft"}',
        )
        return int(number)

    def result(self, number: int) -> Any:
        """
        State and result of a command, once there is one.
        """
        return wait_until(
            lambda: self.database.ask(
                "SELECT state, result FROM ocpp.command WHERE id = %s"
                " AND result IS NOT NULL",
                number,
            )
        )[0]

    def test_answered(self) -> None:
        """
        The station is asked, and its answer comes back.
        """
        backend = self.started()
        wait_until(lambda: backend._commands._link)
        state, result = self.result(self.order())
        self.assertEqual(state, "Answered")
        self.assertEqual(result["payload"], {"status": "Accepted"})
        self.assertEqual(self.station.asked, [("Reset", {"type": "Soft"})])

    def test_result_refused(self) -> None:
        """
        A result that the database refuses is logged, with its station.
        """
        self.define(
            "CommandResult(p_id bigint, p_result jsonb)",
            "RAISE 'no' USING ERRCODE = 'P0042';",
            "boolean",
        )
        backend = self.started()
        wait_until(lambda: backend._commands._link)
        with capturedLogs() as logged:
            number = self.order()
            [told] = wait_until(
                lambda: [
                    text
                    for event in logged
                    if "CommandResult" in (text := formatEvent(event))
                ]
            )
        self.assertEqual(
            told,
            f"ocpp.CommandResult failed for command {number} to CP1: P0042",
        )

    def test_in_a_notification(self) -> None:
        """
        An order that is in a notification is done, once.
        """
        self.define(
            "CommandResult(p_id bigint, p_result jsonb)",
            "PERFORM ocpp.note('CP1', p_id::text, p_result); RETURN true;",
            "boolean",
        )
        backend = self.started()
        wait_until(lambda: backend._commands._link)
        self.database.ask(
            "SELECT pg_notify('ocpp_command', %s)",
            '{"id": 7, "identity": "CP1", "action": "Reset",'
            ' "payload": {"type": "Hard"}}',
        )
        [(number, result)] = wait_until(
            lambda: self.database.ask("SELECT kind, payload FROM ocpp.event")
        )
        self.assertEqual(number, "7")
        self.assertEqual(result["payload"], {"status": "Accepted"})
        self.assertEqual(self.station.asked, [("Reset", {"type": "Hard"})])

    def test_refused(self) -> None:
        """
        A CallError of the station comes back as one.
        """
        self.started()
        state, result = self.result(self.order("ClearCache"))
        self.assertEqual(state, "Failed")
        self.assertEqual(result["errorCode"], "NotImplemented")

    def test_while_nobody_listened(self) -> None:
        """
        What was ordered before we came, and while the connection was cut, is
        done once.
        """
        before = self.order()
        backend = self.started()
        self.result(before)
        link = wait_until(lambda: backend._commands._link)
        self.database.cut()
        meanwhile = [self.order() for _ in range(5)]
        for number in meanwhile:
            self.result(number)
        self.assertIsNot(backend._commands._link, link)
        self.assertEqual(len(self.station.asked), 6)

    def test_not_here(self) -> None:
        """
        A command waits for a station that is not connected, and is done when
        it comes.
        """
        backend = self.started()
        number = self.order(identity="LATE")
        wait(deferLater(reactor(), 0.2))
        [(state,)] = self.database.ask("SELECT state FROM ocpp.command")
        self.assertEqual(state, "Waiting")
        late = FakeStation("LATE", answers={"Reset": {"status": "Accepted"}})
        self.central_system.connected.append(late)
        backend.station_connected(late)
        self.assertEqual(self.result(number)[0], "Answered")

    def test_expired(self) -> None:
        """
        A command whose station does not come in time is done no more.
        """
        number = self.order(identity="NEVER")
        self.database.ask("UPDATE ocpp.command SET expires = now()")
        self.started()
        state, result = self.result(number)
        self.assertEqual(state, "Expired")
        self.assertEqual(result["errorCode"], "NotConnected")

    def test_stopped_meanwhile(self) -> None:
        """
        What came of a command that is under way is told before we stop.
        """
        answer: Deferred[Any] = Deferred()

        async def call(*_: Any, **__: Any) -> Any:
            return await answer

        self.patch(FakeCentralSystem, "call", call)
        backend = self.make_backend()
        backend.startService()
        wait_until(lambda: backend._commands._link)
        number = self.order()
        wait_until(lambda: backend._commands._under_way)
        stopped = maybeDeferred(backend.stopService)
        wait(deferLater(reactor(), 0.1))
        self.assertNoResult(stopped)
        answer.callback({"status": "Accepted"})
        wait(stopped)
        self.assertEqual(self.result(number)[0], "Answered")

    def test_two_servers(self) -> None:
        """
        Of two servers that hear of a command, one does it.
        """
        self.started()
        self.started()
        for number in [self.order() for _ in range(20)]:
            self.result(number)
        self.assertEqual(len(self.station.asked), 20)

    def test_nonsense(self) -> None:
        """
        A notification that makes no sense is logged, and that is all.
        """
        backend = self.started()
        wait_until(lambda: backend._commands._link)
        for text in ("", "x", "[]", "{}", '{"identity": {}}'):
            self.database.ask("SELECT pg_notify('ocpp_command', %s)", text)
        state, _ = self.result(self.order())
        self.assertEqual(state, "Answered")


class HealingTests(PostgresTestCase):
    """
    A database that comes and goes.
    """

    def test_cut(self) -> None:
        """
        Connections that the server closed are noticed at once: the next Call
        is answered.
        """
        backend = self.started()
        for _ in range(5):
            self.assertIn(
                "currentTime", wait(backend.answer(STATION, HEARTBEAT))
            )
            self.database.cut()
            wait(deferLater(reactor(), 0.05))
        self.assertIn("currentTime", wait(backend.answer(STATION, HEARTBEAT)))

    def test_readiness(self) -> None:
        """
        It is ready when the database is reached.
        """
        backend = self.make_backend()
        self.assertFalse(backend.is_ready)
        backend.startService()
        wait_until(lambda: backend.is_ready)
        wait(maybeDeferred(backend.stopService))
        wait_until(lambda: not backend.is_ready)

    def test_unreachable(self) -> None:
        """
        Where no database is, stations get InternalError, in bounded time, and
        the log says once why.
        """
        from ocpp_tw.backends.postgres import pool

        self.patch(pool, "PATIENCE", 0.3)
        backend = make_backend(
            settings({"host": "127.0.0.1", "port": "1", "user": "x"}),
            self.central_system,
            reactor(),
        )
        logged = self.logged(backend._pool)
        backend.startService()
        self.addCleanup(lambda: wait(maybeDeferred(backend.stopService)))
        refused = self.assertRaises(
            CallFailed, wait, backend.answer(STATION, HEARTBEAT)
        )
        self.assertEqual(refused.code, "InternalError")
        self.assertEqual(len(logged), 1)
        self.assertRaises(
            BackendUnavailable, wait, backend.transaction_list("", {})
        )

    def test_many_stations(self) -> None:
        """
        However many wait, none waits much longer than it may.
        """
        from ocpp_tw.backends.postgres import parsing, pool

        self.patch(parsing, "PATIENCE", 0.5)
        self.patch(pool, "PATIENCE", 0.5)
        backend = self.started()
        wait(backend.answer(STATION, HEARTBEAT))
        name = self.database.conninfo["dbname"]
        allow = f"ALTER DATABASE {name} ALLOW_CONNECTIONS"
        execute(server(), f"{allow} false")
        self.addCleanup(execute, server(), f"{allow} true")
        execute(
            server(),
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = %s",
            name,
        )
        wait_until(lambda: not backend.is_ready)
        answers = [
            backend.answer(FakeStation(f"CP{n}"), HEARTBEAT)
            for n in range(1000)
        ]
        refused = wait(DeferredList(answers, consumeErrors=True), 5)
        self.assertFalse(any(success for success, _ in refused))

    def test_log(self) -> None:
        """
        What concerns the database, its notices too, is written to a file.
        """
        self.define(PARSE, "RAISE NOTICE 'a word'; RAISE EXCEPTION 'secret';")
        path = Path.cwd() / "postgres.log"
        backend = self.started(notice=True)
        log = PartLog(str(path), POSTGRES, Log(), (-1, -1))
        log.start()
        self.addCleanup(log.close)
        refused = backend.answer(STATION, HEARTBEAT)
        self.assertRaises(CallFailed, wait, refused)
        written = path.read_text()
        self.assertIn("connected to the database", written)
        self.assertIn("NOTICE:  a word", written)
        self.assertIn("no answer to Heartbeat", written)

    def test_more_stations_than_connections(self) -> None:
        """
        Stations that find no connection free wait for one; there are never
        more than allowed.
        """
        poll = evolve(Postgres().poll, min=1, max=3)
        backend = self.started(poll=poll)
        stations = [FakeStation(f"CP{n}") for n in range(100)]
        answers: list[Deferred[Any]] = [
            backend.answer(station, HEARTBEAT) for station in stations
        ]
        self.assertEqual(len(wait(gatherResults(answers))), 100)
        [(count,)] = self.database.ask(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND pid"
            " <> pg_backend_pid() AND query NOT LIKE 'LISTEN%%'",
            self.database.conninfo["dbname"],
        )
        self.assertLessEqual(count, 3)


class Wire(ProxyFactory):
    """
    The network between us and the server.

    @ivar is_cut: whether what is sent gets lost.
    """

    noisy = False
    is_cut = False

    def __init__(self, conninfo: Mapping[str, str]) -> None:
        super().__init__(conninfo["host"], int(conninfo["port"]))
        self._port = reactor().listenTCP(0, self, interface="127.0.0.1")
        self.conninfo = {
            **conninfo,
            "host": "127.0.0.1",
            "port": str(self._port.getHost().port),
        }
        self._ends: list[Any] = []

    def buildProtocol(self, address: Any) -> Any:
        ours = super().buildProtocol(address)
        assert ours is not None
        received = ours.dataReceived
        self._ends.append(ours)

        def unless_cut(data: bytes) -> None:
            if not self.is_cut:
                received(data)

        ours.dataReceived = unless_cut  # type: ignore[method-assign]
        return ours

    def close(self) -> None:
        """
        As when the server's machine dies.
        """
        wait(maybeDeferred(self._port.stopListening))
        for end in self._ends:
            end.transport.abortConnection()


class NetworkTests(PostgresTestCase):
    """
    What lies between us and the database.
    """

    def backend(self, conninfo: Mapping[str, str]) -> PostgresBackend:
        backend = make_backend(
            settings(conninfo, statement_timeout=0.3, timeout=1.0),
            self.central_system,
            reactor(),
        )
        backend.startService()
        self.addCleanup(lambda: wait(maybeDeferred(backend.stopService)))
        return backend

    def heartbeat(self, backend: PostgresBackend) -> bool:
        """
        Whether it was answered.
        """
        try:
            return "currentTime" in wait(backend.answer(STATION, HEARTBEAT))
        except CallFailed as e:
            self.assertEqual(e.code, "InternalError")
            return False

    def test_cut(self) -> None:
        """
        A server that nothing is heard of any more is not waited for; it is
        not ready then, and is when it is heard of again.
        """
        from ocpp_tw.backends.postgres import pool

        self.patch(pool, "GRACE", 0.1)
        self.patch(pool, "PATIENCE", 0.3)
        wire = Wire(self.database.conninfo)
        self.addCleanup(wire.close)
        backend = self.backend(wire.conninfo)
        self.assertTrue(self.heartbeat(backend))
        wire.is_cut = True
        self.assertFalse(self.heartbeat(backend))
        wait_until(
            lambda: not self.heartbeat(backend) and not backend.is_ready
        )
        wire.is_cut = False
        wait_until(lambda: backend.is_ready)
        wait_until(lambda: self.heartbeat(backend))

    def test_failover(self) -> None:
        """
        Of several servers, the next is asked when the first has gone.
        """
        first, second = (Wire(self.database.conninfo) for _ in range(2))
        self.addCleanup(second.close)
        both = {
            **first.conninfo,
            "host": "127.0.0.1,127.0.0.1",
            "port": f"{first.conninfo['port']},{second.conninfo['port']}",
            "target_session_attrs": "read-write",
        }
        backend = self.backend(both)
        self.assertTrue(self.heartbeat(backend))
        self.assertEqual(len(second._ends), 0)
        first.close()
        wait_until(lambda: self.heartbeat(backend))
        self.assertGreater(len(second._ends), 0)
        wait_until(lambda: backend._commands._link)

    def test_demoted(self) -> None:
        """
        A server that takes no writes any more is left.
        """
        self.define(
            PARSE,
            "IF p_action = 'Authorize' THEN"
            " RAISE EXCEPTION 'read-only' USING ERRCODE = '25006'; END IF;"
            ' RETURN \'{"payload": {"currentTime": "now"}}\';',
        )
        backend = self.backend(self.database.conninfo)
        self.assertTrue(self.heartbeat(backend))
        before = set(backend._pool._links)
        refused = backend.answer(STATION, Call("1", "Authorize", {}))
        self.assertRaises(CallFailed, wait, refused)
        self.assertEqual(len(before & backend._pool._links), len(before) - 1)
        self.assertTrue(self.heartbeat(backend))


class SchemaTests(PostgresTestCase):
    """
    Installing the reference schema, and what it does beside answering.
    """

    def test_twice(self) -> None:
        """
        Installing it again changes nothing.
        """
        self.assertEqual(list(install(self.database.conninfo)), [])

    def test_unprivileged(self) -> None:
        """
        A role that may do nothing but own its schema can install and use it.
        """
        bare = Database(with_schema=False)
        self.addCleanup(bare.drop)
        name = bare.conninfo["dbname"]
        bare.ask(f"CREATE ROLE r{name} LOGIN")
        self.addCleanup(
            lambda: bare.ask(f"DROP OWNED BY r{name}; DROP ROLE r{name}")
        )
        bare.ask(f"GRANT CREATE ON DATABASE {name} TO r{name}")
        conninfo = {**bare.conninfo, "user": f"r{name}"}
        self.assertIn("0001", install(conninfo)[0])
        backend = make_backend(
            settings(conninfo), self.central_system, reactor()
        )
        backend.startService()
        self.addCleanup(lambda: wait(maybeDeferred(backend.stopService)))
        started = backend.answer(STATION, Call("1", "StartTransaction", START))
        self.assertEqual(wait(started)["transactionId"], 1)
        wait(backend._functions.call("Housekeep"))

    def test_upgrade(self) -> None:
        """
        A script that fails leaves nothing behind, and is run again when it
        is repaired; others are not.
        """
        broken = "CREATE TABLE ocpp.more (); SELECT 1 / 0"
        script = schema.Script(9999, "9999-more.sql", broken)
        all_scripts = [*schema.scripts(), script]
        self.patch(schema, "scripts", lambda: all_scripts)
        conninfo = self.database.conninfo
        error = self.assertRaises(BadConfig, install, conninfo)
        self.assertEqual(str(error), "9999-more.sql: division by zero")
        all_scripts[-1] = evolve(script, sql="CREATE TABLE ocpp.more ()")
        self.assertEqual(list(install(conninfo)), ["9999-more.sql"])
        self.assertEqual(list(install(conninfo)), [])

    def test_at_once(self) -> None:
        """
        Of several who install it at once, one does.
        """
        bare = Database(with_schema=False)
        self.addCleanup(bare.drop)
        installing = [deferToThread(install, bare.conninfo) for _ in range(4)]
        names = [n for each in wait(gatherResults(installing)) for n in each]
        self.assertEqual(sorted(names), [s.name for s in schema.scripts()])

    def test_retention(self) -> None:
        """
        Meter values of old months are forgotten, others are kept.
        """
        self.database.ask(
            "CREATE TABLE ocpp.meter_value_2020_01 PARTITION OF"
            " ocpp.meter_value FOR VALUES FROM ('2020-01-01Z') TO"
            " ('2020-02-01Z')"
        )
        for time in ("2020-01-05Z", "2026-11-22Z"):
            self.database.ask(
                "INSERT INTO ocpp.meter_value (received, identity, connector,"
                " time, sent, samples) VALUES (%s, 'CP1', 1, now(), '', '[]')",
                time,
            )
        [(dropped,)] = self.database.ask("SELECT ocpp.forget_meter_values(12)")
        self.assertEqual(dropped, 1)
        [(left,)] = self.database.ask("SELECT count(*) FROM ocpp.meter_value")
        self.assertEqual(left, 1)

    def test_times(self) -> None:
        """
        Times are read as stations write them; what is none is null.
        """
        for text, expected in (
            ("2026-09-21T14:13:20Z", "2026-09-21T14:13:20.000Z"),
            ("2026-09-21 14:13:20,5", "2026-09-21T14:13:20.500Z"),
            ("2026-09-21T16:13:20+02:00", "2026-09-21T14:13:20.000Z"),
            ("yesterday", None),
            ("infinity", None),
            ("2026-13-45T99:99:99Z", None),
            ("", None),
        ):
            [(read,)] = self.database.ask(
                "SELECT ocpp.time_text(ocpp.to_time(%s))", text
            )
            self.assertEqual(read, expected, text)


class SoapTests(PostgresTestCase):
    """
    The functions for SOAP, held against our own reading and writing of it.
    """

    with_xml = True

    def test_answers(self) -> None:
        """
        A station's envelopes are answered as the standard wants it.
        """
        backend = self.started(soap="database")
        self.assertTrue(backend.wants_envelopes)
        for version in (Version.V15, Version.V16):
            of = service(version, CENTRAL_SYSTEM)
            for action in (
                *("BootNotification", "Authorize", "StatusNotification"),
                *("StartTransaction", "MeterValues", "Heartbeat"),
                "StopTransaction",
            ):
                call = Call("m1", action, FROM_STATION[action])
                sent = write_call(
                    call, of, "CP<1>", "http://cs/", "http://us/"
                )
                reply = parse(wait(backend.parse_xml(sent.decode())).encode())
                self.assertEqual(reply.identity, "CP<1>")
                answer = read_answer(reply, of, call)
                self.assertEqual(
                    set(answer), _EXPECTED.get(action, set()), action
                )
        [(starts, stops)] = self.database.ask(
            "SELECT count(*), count(meter_stop) FROM ocpp.transaction"
            " WHERE identity = 'CP<1>'"
        )
        self.assertEqual((starts, stops), (1, 1))
        values = self.database.ask("SELECT samples FROM ocpp.meter_value")
        self.assertEqual([v[0][0]["value"] for v in values], ["1010"] * 2)

    def test_commands(self) -> None:
        """
        Commands and their answers go through unchanged.
        """
        backend = self.started()
        of = service(Version.V16, CHARGE_POINT)
        for action, (payload, answer) in TO_STATION.items():
            if f"{action}Request" not in _SOAP_TYPES:
                continue
            header = {
                "chargeBoxIdentity": "CP1",
                "Action": action,
                "To": "http://cp/?a&b",
            }
            message = {"header": header, "payload": payload}
            text = wait(backend.json_to_soap(message))
            envelope = parse(text.encode())
            call = read_call(envelope, of)
            self.assertEqual(call.action, action)
            self.assertEqual(_plain(call.payload), _plain(payload))
            reply = write_answer(call, answer, of, envelope).decode()
            reply = reply[reply.index("<", 2) :] if reply[1] == "?" else reply
            read = wait(backend.soap_to_json(reply))
            self.assertEqual(_plain(read), _plain(answer))

    def test_nonsense(self) -> None:
        """
        What is no envelope is refused, without a word of SQL.
        """
        backend = self.started()
        for text in ("<a/>", "no xml", "<a><Body><b/></Body></a>", ""):
            refused = self.assertRaises(
                CallFailed, wait, backend.parse_xml(text)
            )
            self.assertEqual(str(refused), "InternalError")


_EXPECTED = {
    "BootNotification": {"status", "currentTime", "interval"},
    "Authorize": {"idTagInfo"},
    "Heartbeat": {"currentTime"},
    "StartTransaction": {"transactionId", "idTagInfo"},
    "StopTransaction": {"idTagInfo"},
}

_SOAP_TYPES = {
    f"{action}Request"
    for action in (
        *("CancelReservation", "ChangeAvailability", "ChangeConfiguration"),
        *("ClearCache", "ClearChargingProfile", "GetCompositeSchedule"),
        *("GetConfiguration", "GetDiagnostics", "GetLocalListVersion"),
        *("RemoteStartTransaction", "RemoteStopTransaction", "ReserveNow"),
        *("Reset", "SendLocalList", "SetChargingProfile", "TriggerMessage"),
        *("UnlockConnector", "UpdateFirmware", "DataTransfer"),
    )
}


def _plain(value: Any) -> Any:
    """
    Without what SOAP cannot tell: an empty list from none, nor fractions of
    a second that are zero.
    """
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if v != []}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return value.replace(".000Z", "Z")
    return value
