"""
Tests for L{ocpp_tw.router}: validation, registration, commands.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred, NotACoroutineError
from twisted.logger import capturedLogs, formatEvent
from zope.interface import implementer
from zope.interface.verify import verifyObject

from ocpp_tw import router
from ocpp_tw.errors import (
    BackendUnavailable,
    BadRequest,
    CallFailed,
    CallTimedOut,
    StationNotConnected,
    UnknownStation,
)
from ocpp_tw.interfaces import ICentralSystem, IObserver, IStation
from ocpp_tw.ocpp.messages import Call, Payload, parse
from ocpp_tw.ocpp.schemas import Violation
from ocpp_tw.router import LARGEST_WITNESSED, Handshake, Refused

from .examples import FROM_STATION, TO_STATION
from .transports.world import FakeBackend, World


START: dict[str, Any] = FROM_STATION["StartTransaction"]
ANSWER = {"transactionId": 1, "idTagInfo": {"status": "Accepted"}}


@implementer(IObserver)
class Observer(FakeBackend):
    """
    A backend that sees more than Calls.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.reply: Any = ANSWER
        self.commands: list[tuple[str, Payload, Payload]] = []
        self.violations: list[str] = []
        self.refusals: list[tuple[str, Payload, CallFailed]] = []
        self.noted: Deferred[None] | None = None

    def answer(self, station: IStation, call: Call) -> Any:
        self.calls.append(call)
        if isinstance(self.reply, Exception):
            raise self.reply
        return self.reply

    def command_answered(
        self, station: IStation, action: str, payload: Payload, answer: Payload
    ) -> Deferred[None] | None:
        self.commands.append((action, payload, answer))
        return self.noted

    def command_refused(
        self,
        station: IStation,
        action: str,
        payload: Payload,
        error: CallFailed,
    ) -> None:
        self.refusals.append((action, payload, error))

    def violations_seen(
        self, station: IStation, call: Call, violations: Sequence[Violation]
    ) -> None:
        self.violations += [violation.path for violation in violations]


NOW = {"currentTime": "2026-11-23T08:00:00Z"}


class BadBackend(Observer):
    """
    A backend that answers Calls, and breaks in everything else.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reply = NOW

    def station_connected(self, station: IStation) -> None:
        raise ZeroDivisionError

    station_disconnected = station_connected

    def command_answered(
        self, station: IStation, action: str, payload: Payload, answer: Payload
    ) -> Deferred[None] | None:
        raise ZeroDivisionError

    def violations_seen(
        self, station: IStation, call: Call, violations: Sequence[Violation]
    ) -> None:
        raise ZeroDivisionError


class RouterTestCase(World):
    """
    A router with one station.
    """

    def setUp(self) -> None:
        super().setUp()
        self.observer = Observer()
        self.router.use(self.observer)
        self.cp1 = self.station("CP1")

    def hear(self, payload: Any, action: str = "StartTransaction") -> Any:
        """
        The answer to a Call of the station.
        """
        answer: Any = self.router.answer(self.cp1, Call("1", action, payload))
        if isinstance(answer, Deferred):
            return self.successResultOf(answer)
        return answer

    def refused(self, payload: Any, action: str = "StartTransaction") -> str:
        """
        The errorCode of the refusal of a Call.
        """
        error = self.assertRaises(CallFailed, self.hear, payload, action)
        return str(error.code)

    def tell(self, *args: Any) -> Deferred[Payload]:
        return Deferred.fromCoroutine(self.router.call(*args))


class ValidationTests(RouterTestCase):
    """
    What is done with payloads that break their schema.
    """

    def test_valid(self) -> None:
        """
        A valid payload reaches the backend as it is, in every mode.
        """
        for mode in ("lenient", "strict", "off"):
            self.router.validation = mode
            self.assertEqual(self.hear(START), ANSWER)
            self.assertEqual(self.observer.calls.pop().payload, START)
        self.assertEqual(self.observer.violations, [])

    def test_strict(self) -> None:
        """
        In strict mode each kind of fault is refused with its errorCode, and
        the backend is not asked.
        """
        self.router.validation = "strict"
        for payload, code in (
            ({**START, "connectorId": "1"}, "TypeConstraintViolation"),
            ({"connectorId": 1}, "OccurenceConstraintViolation"),
            ({**START, "idTag": "x" * 21}, "PropertyConstraintViolation"),
            ({**START, "timestamp": "noon"}, "PropertyConstraintViolation"),
            ({**START, "extra": 1}, "FormationViolation"),
        ):
            self.assertEqual(self.refused(payload), code)
        self.assertEqual(self.observer.calls, [])
        self.assertIn("$.idTag", self.observer.violations)

    def test_lenient(self) -> None:
        """
        In lenient mode what can be understood is, and what is wrong with it
        is counted, and recorded with its path.
        """
        odd = {**START, "connectorId": "1", "idTag": "x" * 21}
        self.assertEqual(self.hear(odd), ANSWER)
        [call] = self.observer.calls
        self.assertEqual(call.payload, {**odd, "connectorId": 1})
        self.assertEqual(
            sorted(self.observer.violations), ["$.connectorId", "$.idTag"]
        )
        self.assertEqual(self.router.fleet.known("CP1").violations, 2)
        violations = self.cp1.violations
        assert violations is not None
        self.assertEqual(
            sorted(violation.rule for violation in violations),
            ["maxLength", "type"],
        )

    def test_zones(self) -> None:
        """
        A time that names no zone is of the zone of the station, else of all
        stations; one that names its zone stays as it is.
        """
        naive = {**START, "timestamp": "2026-07-01T10:00:00"}
        aware = {**START, "timestamp": "2026-07-01T10:00:00Z", "x": 1}
        for common, own, heard in (
            ("UTC", None, ""),
            ("Europe/Berlin", None, "+02:00"),
            ("Europe/Berlin", "Asia/Tokyo", "+09:00"),
            ("Europe/Berlin", "UTC", ""),
        ):
            for mode in ("lenient", "off"):
                self.router.validation = mode
                self.router.time_zone = common
                settings = {"timeZone": own}
                self.ask("PATCH", "/stations/CP1", json=settings)
                self.hear(naive)
                self.hear(aware)
                *_, first, second = (
                    call.payload["timestamp"] for call in self.observer.calls
                )
                self.assertEqual(first, naive["timestamp"] + heard)
                self.assertEqual(second, aware["timestamp"])

    def test_lenient_has_an_end(self) -> None:
        """
        What cannot be understood is refused in lenient mode, too.
        """
        self.assertEqual(
            self.refused({}, "Authorize"), "OccurenceConstraintViolation"
        )

    def test_off(self) -> None:
        """
        With validation off nothing is recorded, and the backend can rely on
        members and types all the same.
        """
        self.router.validation = "off"
        self.assertEqual(self.hear({**START, "connectorId": "1"}), ANSWER)
        self.assertEqual(self.observer.calls[0].payload, START)
        self.assertEqual(self.observer.violations, [])
        self.assertEqual(self.router.fleet.known("CP1").violations, 0)

    def test_own_mode(self) -> None:
        """
        A station may have its own mode.
        """
        self.ask("PATCH", "/stations/CP1", json={"validation": "strict"})
        self.assertEqual(
            self.refused({**START, "extra": 1}), "FormationViolation"
        )
        self.router.validation = "strict"
        self.ask("PATCH", "/stations/CP1", json={"validation": "lenient"})
        self.assertEqual(self.hear({**START, "extra": 1}), ANSWER)

    def test_unknown_actions(self) -> None:
        """
        An action that there is not is NotImplemented; one that only a central
        system may send is NotSupported.
        """
        for mode in ("lenient", "strict", "off"):
            self.router.validation = mode
            for action in ("Nonsense", "", "x" * 5000, "heartbeat"):
                self.assertEqual(self.refused({}, action), "NotImplemented")
            for action in set(TO_STATION) - set(FROM_STATION):
                self.assertEqual(self.refused({}, action), "NotSupported")
        self.assertEqual(self.observer.calls, [])

    def test_our_answer(self) -> None:
        """
        An answer of ours that breaks the schema is not sent, however it came.
        """
        for reply in ({"transactionId": "1"}, {}, {**ANSWER, "x": 1}):
            self.observer.reply = reply
            self.assertEqual(self.refused(START), "InternalError")
            later: Deferred[Any] = Deferred()
            self.observer.reply = later
            answer: Any = self.router.answer(
                self.cp1, Call("1", "StartTransaction", START)
            )
            later.callback(reply)
            error = self.failureResultOf(answer, CallFailed).value
            self.assertEqual(error.code, "InternalError")
        self.successResultOf(self.router.settled())

    def test_not_stored(self) -> None:
        """
        What a backend cannot store now, the station is asked to send again.
        """
        self.observer.reply = BackendUnavailable("the disk is full")
        self.assertEqual(self.refused(START), "InternalError")
        later: Deferred[Any] = Deferred()
        self.observer.reply = later
        answer: Any = self.router.answer(
            self.cp1, Call("1", "StartTransaction", START)
        )
        later.errback(BackendUnavailable("the disk is full"))
        error = self.failureResultOf(answer, CallFailed).value
        self.assertEqual(error.code, "InternalError")
        self.assertEqual(error.description, "not stored; try again")
        self.successResultOf(self.router.settled())

    def test_no_answer(self) -> None:
        """
        A backend that returns neither an answer nor one that comes later owes
        nothing: it can be replaced.
        """
        for reply in (None, [], "yes"):
            self.observer.reply = reply
            self.assertRaises(NotACoroutineError, self.hear, START)
        self.successResultOf(self.router.use(Observer()))

    def test_our_answer_is_logged(self) -> None:
        """
        The log of that names the station, the member and the rule.
        """
        self.observer.reply = {**ANSWER, "transactionId": "1"}
        with capturedLogs() as events:
            self.refused(START)
        [event] = events
        self.assertIs(event["station"], self.cp1)
        text = formatEvent(event)
        self.assertIn("StartTransaction", text)
        self.assertIn('transactionId: "1" is not of type "integer"', text)


class RegistrationTests(RouterTestCase):
    """
    Stations that the operator does not accept (yet).
    """

    def test_held_off(self) -> None:
        """
        A station that is Pending or Rejected is told so when it boots, and
        when to come again; nothing else of it is heard.
        """
        boot = FROM_STATION["BootNotification"]
        for status in ("Pending", "Rejected"):
            self.ask(
                "PATCH",
                "/stations/CP1",
                json={"registration": status, "retryInterval": 77},
            )
            self.assertEqual(
                self.hear(boot, "BootNotification"),
                {
                    "status": status,
                    "currentTime": "2025-10-09T08:53:20.000Z",
                    "interval": 77,
                },
            )
            for action, payload in FROM_STATION.items():
                if action != "BootNotification":
                    self.assertEqual(
                        self.refused(payload, action), "SecurityError"
                    )
        self.assertEqual(self.observer.calls, [])
        self.assertEqual(self.router.fleet.known("CP1").boot, boot)

    def test_accepted_afterwards(self) -> None:
        """
        A station that is accepted is heard.
        """
        for status in ("Pending", "Accepted"):
            self.ask("PATCH", "/stations/CP1", json={"registration": status})
        self.assertEqual(self.hear(START), ANSWER)

    def test_commanded_while_pending(self) -> None:
        """
        A station that is Pending can be commanded.
        """
        self.ask("PATCH", "/stations/CP1", json={"registration": "Pending"})
        asked = self.tell(
            "CP1", "TriggerMessage", {"requestedMessage": "BootNotification"}
        )
        self.assertEqual(self.successResultOf(asked), {"status": "Accepted"})


class CommandTests(RouterTestCase):
    """
    Tests for L{Router.call}.
    """

    def test_interface(self) -> None:
        """
        It provides L{ICentralSystem}.
        """
        verifyObject(ICentralSystem, self.router)

    def test_refused(self) -> None:
        """
        The backend learns of a CallError, too; so does whoever asked.
        """
        self.cp1.answer = CallFailed("NotSupported", "no")
        asked = self.tell("CP1", "ClearCache", {})
        error = self.failureResultOf(asked, CallFailed).value
        self.assertEqual(self.observer.refusals, [("ClearCache", {}, error)])
        self.assertEqual(self.observer.commands, [])

    def test_is_connected(self) -> None:
        """
        A station is connected until its last connection is gone.
        """
        self.assertFalse(self.router.is_connected("CP2"))
        self.assertTrue(self.router.is_connected("CP1"))
        again = self.station("CP1")
        self.router.disconnected(self.cp1, "replaced")
        self.assertTrue(self.router.is_connected("CP1"))
        self.router.disconnected(again, "gone")
        self.assertFalse(self.router.is_connected("CP1"))

    def test_each(self) -> None:
        """
        Each command goes to the station, its answer comes back, and the
        backend learns of it.
        """
        for action, (payload, answer) in TO_STATION.items():
            self.cp1.answer = answer
            asked = self.tell("CP1", action, payload, 7)
            self.assertEqual(self.successResultOf(asked), answer)
            self.assertEqual(self.cp1.asked.pop(), (action, payload, 7))
            self.assertEqual(
                self.observer.commands.pop(), (action, payload, answer)
            )

    def test_noted_first(self) -> None:
        """
        Whoever commands learns of the answer when the backend has noted it.
        """
        self.observer.noted = noted = Deferred()
        asked = self.tell("CP1", "ClearCache", {})
        self.assertNoResult(asked)
        noted.callback(None)
        self.successResultOf(asked)

    def test_strict(self) -> None:
        """
        What breaks the schema is never sent, in whatever mode: the message
        names the member.
        """
        for mode in ("lenient", "strict", "off"):
            self.router.validation = mode
            for action, payload, word in (
                ("Reset", {}, "type"),
                ("Reset", {"type": "Gently"}, "$.type"),
                ("Reset", {"type": "Soft", "x": 1}, "x"),
                ("UnlockConnector", {"connectorId": "1"}, "$.connectorId"),
                ("StartTransaction", START, "StartTransaction"),
                ("Nonsense", {}, "Reset"),
            ):
                asked = self.tell("CP1", action, payload)
                error = self.failureResultOf(asked, BadRequest).value
                self.assertIn(word, str(error))
        self.assertEqual(self.cp1.asked, [])

    def test_not_here(self) -> None:
        """
        A station that is not connected, or was never seen, is an error that
        says which of them.
        """
        error = self.failureResultOf(
            self.tell("CP9", "ClearCache", {}), UnknownStation
        )
        self.assertIn("CP9", str(error.value))
        self.gone(self.cp1)
        error = self.failureResultOf(
            self.tell("CP1", "ClearCache", {}), StationNotConnected
        )
        self.assertIn("2025-10-09", str(error.value))

    def test_silence(self) -> None:
        """
        A Call that is not answered is counted.
        """
        self.cp1.answer = CallTimedOut("no answer")
        self.failureResultOf(self.tell("CP1", "ClearCache", {}), CallTimedOut)
        self.assertEqual(self.router.fleet.known("CP1").unanswered, 1)
        self.assertEqual(self.observer.commands, [])

    def test_patience(self) -> None:
        """
        A station that leaves so many commands in a row without an answer is
        hung up on, if the operator wants that; any answer counts.
        """
        self.router.patience = 3
        for error, closed in (
            (CallTimedOut, None),
            (CallTimedOut, None),
            (CallFailed, None),
            (CallTimedOut, None),
            (CallTimedOut, None),
            (CallTimedOut, 1012),
        ):
            self.assertIsNone(self.cp1.closed)
            self.cp1.answer = error("no answer")
            self.failureResultOf(self.tell("CP1", "ClearCache", {}), error)
            self.assertEqual(self.cp1.closed, closed)
        self.assertEqual(self.router.fleet.known("CP1").unanswered, 5)
        again = self.station("CP1", CallTimedOut("no answer"))
        self.failureResultOf(self.tell("CP1", "ClearCache", {}), CallTimedOut)
        self.assertIsNone(again.closed)

    def test_endless_patience(self) -> None:
        """
        If nobody wants that, no station is hung up on.
        """
        self.cp1.answer = CallTimedOut("no answer")
        for _ in range(100):
            asked = self.tell("CP1", "ClearCache", {})
            self.failureResultOf(asked, CallTimedOut)
        self.assertIsNone(self.cp1.closed)

    def test_odd_answer(self) -> None:
        """
        An answer that breaks the schema is given as it is, and counted.
        """
        for answer in ({}, {"status": "Maybe"}, {"status": 1, "x": [[[]]]}):
            self.cp1.answer = answer
            asked = self.tell("CP1", "ClearCache", {})
            self.assertEqual(self.successResultOf(asked), answer)
        self.assertGreaterEqual(self.router.fleet.known("CP1").violations, 3)


class ComingAndGoingTests(RouterTestCase):
    """
    Who is there.
    """

    def test_replaced(self) -> None:
        """
        The newest connection counts; the late end of the old one changes
        nothing.
        """
        new = self.station("CP1", address="10.0.0.9:1")
        self.assertEqual(list(self.router.stations()), [new])
        self.gone(self.cp1)
        self.assertEqual(list(self.router.stations()), [new])
        known = self.router.fleet.known("CP1")
        self.assertIs(known.station, new)
        self.assertEqual(known.address, "10.0.0.9:1")
        self.gone(new)
        self.assertEqual(list(self.router.stations()), [])
        self.assertIsNone(known.station)

    def test_deserted(self) -> None:
        """
        It is deserted when the last has gone, and only then.
        """
        other = self.station("CP2")
        deserted = self.router.deserted()
        self.gone(self.cp1)
        self.assertNoResult(deserted)
        self.gone(other)
        self.successResultOf(deserted)
        self.successResultOf(self.router.deserted())

    def test_backend_replaced(self) -> None:
        """
        The old backend is free when it has answered what it owes; a second
        replacement meanwhile changes nothing of that.
        """
        owed: Deferred[Any] = Deferred()
        self.observer.reply = owed
        answer: Any = self.router.answer(
            self.cp1, Call("1", "StartTransaction", START)
        )
        second, third = Observer(), Observer()
        settled = self.router.use(second)
        self.assertNoResult(settled)
        self.assertIs(self.successResultOf(self.router.use(third)), second)
        self.assertEqual(self.hear(START), ANSWER)
        self.assertEqual(len(third.calls), 1)
        owed.callback(ANSWER)
        self.assertEqual(self.successResultOf(answer), ANSWER)
        self.assertIs(self.successResultOf(settled), self.observer)


class BadBackendTests(RouterTestCase):
    """
    Backends that break where nobody waits for an answer.
    """

    def setUp(self) -> None:
        super().setUp()
        self.successResultOf(self.router.use(BadBackend()))
        # It was told of the station that is there.
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_coming_and_going(self) -> None:
        """
        Stations come, are heard, and go, whatever the backend makes of that.
        """
        station = self.station("CP2")
        self.assertEqual(self.hear({}, "Heartbeat"), NOW)
        self.gone(station)
        self.assertEqual(list(self.router.stations()), [self.cp1])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_violations(self) -> None:
        """
        A Call that is understood is answered.
        """
        self.assertEqual(self.hear({"x": 1}, "Heartbeat"), NOW)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_commands(self) -> None:
        """
        Whoever commands has the station's answer.
        """
        asked = self.tell("CP1", "ClearCache", {})
        self.assertEqual(self.successResultOf(asked), {"status": "Accepted"})
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class KeptTests(RouterTestCase):
    """
    What is kept of stations, by name and in memory.
    """

    def kept(self) -> list[str]:
        query = "SELECT identity FROM stations ORDER BY identity"
        rows = self.router.journal.database.read(
            lambda db: db.execute(query).fetchall()
        )
        return [identity for (identity,) in self.successResultOf(rows)]

    def test_at_once(self) -> None:
        """
        A station that was never seen is kept as soon as it connects.
        """
        self.assertEqual(self.kept(), ["CP1"])

    def test_boot_at_once(self) -> None:
        """
        What a station says of itself is kept as soon as it says so.
        """
        self.observer.reply = {
            "status": "Accepted",
            "currentTime": "2026-11-23T08:00:00Z",
            "interval": 300,
        }
        self.hear(FROM_STATION["BootNotification"], "BootNotification")
        rows = self.router.journal.database.read(
            lambda db: db.execute("SELECT known FROM stations").fetchall()
        )
        [(known,)] = self.successResultOf(rows)
        vendor = FROM_STATION["BootNotification"]["chargePointVendor"]
        self.assertIn(vendor, known)

    def test_large(self) -> None:
        """
        Of a large message nothing is kept in memory, but it is answered.
        """
        self.observer.reply = {}
        status = FROM_STATION["StatusNotification"]
        call = Call("1", "StatusNotification", status, LARGEST_WITNESSED + 1)
        self.assertEqual(self.router.answer(self.cp1, call), {})
        self.assertEqual(self.cp1.known.connectors, {})
        self.hear(status, "StatusNotification")
        self.assertNotEqual(self.cp1.known.connectors, {})

    def test_understood(self) -> None:
        """
        What is kept of a message that broke its schema is how it was
        understood.
        """
        self.observer.reply = {}
        call = parse(
            b'[2,"1","MeterValues",{"connectorId":"1","meterValue":[{'
            b'"timestamp":"2026-11-25T10:00:00Z","sampledValue":'
            b'[{"value":7}]}]}]'
        )
        self.assertEqual(self.router.answer(self.cp1, call), {})
        [meter] = self.cp1.known.as_json()["meters"]
        self.assertEqual(meter["connectorId"], 1)
        [sample] = meter["meterValue"]["sampledValue"]
        self.assertEqual(sample, {"value": "7"})

    def test_any_number(self) -> None:
        """
        What is kept of a station can be written, whatever numbers it sends.
        """
        self.observer.reply = {}
        status = (
            b'[2,"1","StatusNotification",{"connectorId":%b,'
            b'"errorCode":"NoError","status":"Available"}]'
        )
        numbers = (
            *(b"9223372036854775808", b"18446744073709551616"),
            *(b"-9223372036854775809", b"1e300", b"-1e300"),
        )
        for mode in ("lenient", "off"):
            self.router.validation = mode
            for number in numbers:
                call: Any = parse(status % number)
                self.assertEqual(self.router.answer(self.cp1, call), {})
        self.journal.save()
        [shown] = self.ask("GET", "/stations").json()["items"]
        self.assertEqual(len(shown["connectors"]), 3)

    def test_too_many(self) -> None:
        """
        One name more than can be known is refused; those known are not.
        """
        self.patch(router, "MOST_STATIONS", 1)
        self.router.admit(Handshake("CP1", "", "127.0.0.1:1"))
        refused = self.assertRaises(
            Refused, self.router.admit, Handshake("CP2", "", "127.0.0.1:1")
        )
        self.assertEqual(refused.status, 503)
