"""
Fakes that keep their promises, and the promises a backend makes.

A backend is tested like this, its author adding what is its own::

    class MyBackendTests(BackendContract, SynchronousTestCase):
        def make_backend(self):
            return MyBackend(...)
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, ensureDeferred, maybeDeferred
from twisted.python.failure import Failure
from zope.interface import implementer
from zope.interface.verify import verifyObject

from .errors import (
    BackendUnavailable,
    CallFailed,
    ErrorCode,
    StationNotConnected,
)
from .interfaces import IBackend, ICentralSystem, IStation
from .ocpp.messages import Call, Payload
from .ocpp.schemas import RESPONSES
from .ocpp.times import parse_time
from .ocpp.versions import Version


@implementer(IStation)
@define(eq=False)
class FakeStation:
    """
    A station that remembers what it was asked.

    @ivar answers: what to answer, by action; anything else is refused.
    @ivar asked: the actions and payloads it was asked.
    @ivar closed: the code and reason of its goodbye.
    """

    identity: str = "CP1"
    version: Version = Version.V16
    account: str = ""
    address: str = "127.0.0.1:50412"
    answers: dict[str, Payload] = field(factory=dict)
    asked: list[tuple[str, Payload]] = field(factory=list, init=False)
    closed: tuple[int, str] | None = field(default=None, init=False)

    async def call(
        self, action: str, payload: Payload, timeout: float | None = None
    ) -> Payload:
        if self.closed is not None:
            raise StationNotConnected(f'"{self.identity}" has gone')
        self.asked.append((action, payload))
        try:
            return self.answers[action]
        except KeyError:
            raise CallFailed(ErrorCode.NOT_IMPLEMENTED, action) from None

    def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)


@implementer(ICentralSystem)
@define
class FakeCentralSystem:
    """
    A central system with these stations, and no backend.
    """

    connected: list[IStation] = field(factory=list)

    def stations(self) -> Iterable[IStation]:
        return list(self.connected)

    def is_connected(self, identity: str) -> bool:
        return any(each.identity == identity for each in self.connected)

    async def call(
        self,
        identity: str,
        action: str,
        payload: Payload,
        timeout: float | None = None,
    ) -> Payload:
        for station in self.connected:
            if station.identity == identity:
                return await station.call(action, payload, timeout)
        raise StationNotConnected(f'station "{identity}" is not connected')


_BOOT = {"chargePointVendor": "Example", "chargePointModel": "Two-22"}
_STATUS = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
_START = {
    "connectorId": 1,
    "idTag": "A1",
    "meterStart": 1000,
    "timestamp": "2026-09-21T14:13:20Z",
}
_STOP = {
    "transactionId": 1,
    "idTag": "A1",
    "meterStop": 2000,
    "timestamp": "2026-09-21T14:43:20Z",
}
_METER = {
    "connectorId": 1,
    "meterValue": [
        {
            "timestamp": "2026-09-21T14:14:20Z",
            "sampledValue": [{"value": "1010", "unit": "Wh"}],
        }
    ],
}

#: What stations in the field send: well typed, but against the standard.
_ODD: list[tuple[str, dict[str, Any]]] = [
    ("BootNotification", {**_BOOT, "chargePointSerialNumber": "9" * 300}),
    ("BootNotification", {**_BOOT, "chargePointVendor": "", "more": [1]}),
    ("Authorize", {"idTag": ""}),
    ("Authorize", {"idTag": "'; --\u0000\n" * 50}),
    ("StatusNotification", {**_STATUS, "errorCode": "Error"}),
    ("StatusNotification", {**_STATUS, "status": "Faulted", "timestamp": ""}),
    ("StatusNotification", {**_STATUS, "connectorId": 2**64}),
    ("StartTransaction", {**_START, "timestamp": ""}),
    ("StartTransaction", {**_START, "timestamp": "1970-01-01T00:00:09"}),
    ("StartTransaction", {**_START, "timestamp": "9999-12-31T23:59:59Z"}),
    ("StartTransaction", {**_START, "connectorId": -1, "meterStart": -5}),
    ("StartTransaction", {**_START, "meterStart": 2**64, "idTag": "x" * 99}),
    ("StartTransaction", {**_START, "reservationId": 2**63}),
    ("StopTransaction", {**_STOP, "transactionId": -1}),
    ("StopTransaction", {**_STOP, "transactionId": 0, "reason": "Tired"}),
    ("StopTransaction", {**_STOP, "transactionId": 2**63, "meterStop": -1}),
    ("StopTransaction", {**_STOP, "timestamp": "yesterday"}),
    ("StopTransaction", {**_STOP, "transactionData": []}),
    ("MeterValues", {**_METER, "meterValue": []}),
    ("MeterValues", {**_METER, "transactionId": 4711}),
    ("MeterValues", {**_METER, "transactionId": 2**64, "connectorId": 0}),
    (
        "MeterValues",
        {
            **_METER,
            "meterValue": [
                {"timestamp": "2026-09-21 14:14:20,5", "sampledValue": []},
                {
                    "timestamp": "not a time",
                    "sampledValue": [
                        {"value": " 0.0"},
                        {"value": "nan"},
                        {"value": "", "unit": "Hz", "measurand": "Mood"},
                        {"value": "1e999", "unit": "kWh"},
                        {"value": "AAA=", "format": "SignedData"},
                    ],
                },
            ],
        },
    ),
]


class BackendContract:
    """
    What every L{IBackend} promises; mix into a
    L{twisted.trial.unittest.SynchronousTestCase}, and make the backend in
    C{make_backend}.
    """

    #: The version that its stations speak.
    version = Version.V16

    def make_backend(self) -> IBackend:
        """
        Make a backend that knows nothing yet.
        """
        raise NotImplementedError

    def settle(self) -> None:
        """
        Override this where answers need a push: a clock to move, a fake
        network to flush.
        """

    def wait(self: Any, answer: Payload | Awaitable[Any]) -> Any:
        """
        What the backend answered; what it raised is raised.
        """
        if isinstance(answer, Mapping):
            return answer
        if not isinstance(answer, Deferred):
            answer = ensureDeferred(answer)  # type: ignore[arg-type]
        self.settle()
        results: list[Any] = []
        answer.addBoth(results.append)
        self.assertEqual(len(results), 1, "there is no answer yet")
        if isinstance(results[0], Failure):
            results[0].raiseException()
        return results[0]

    def started(self: Any) -> IBackend:
        """
        A backend that runs until the end of the test.
        """
        backend: IBackend = self.make_backend()
        backend.startService()
        self.addCleanup(lambda: self.wait(maybeDeferred(backend.stopService)))
        return backend

    def ask(
        self: Any,
        backend: IBackend,
        action: str,
        payload: Payload,
        identity: str = "CP1",
    ) -> Payload:
        """
        The answer to a Call, or the L{CallFailed} that it raised.
        """
        station = FakeStation(identity, self.version)
        answer: Payload = self.wait(
            backend.answer(station, Call("1", action, payload))
        )
        return answer

    def assert_keeps_schema(self: Any, action: str, answer: Payload) -> None:
        """
        Fail unless an answer is one that may be sent.
        """
        schema = RESPONSES[self.version, action]
        broken = [f"{v.path}: {v.message}" for v in schema.violations(answer)]
        self.assertEqual(broken, [], f"{action}: {answer}")

    # The promises

    def test_interface(self: Any) -> None:
        """
        It provides L{IBackend}.
        """
        verifyObject(IBackend, self.make_backend())

    def test_hears_of_stations(self: Any) -> None:
        """
        Stations come and go, the newer of two of one name first.
        """
        backend = self.started()
        old, new = FakeStation(), FakeStation()
        backend.station_connected(old)
        backend.station_connected(new)
        backend.station_disconnected(old)
        backend.station_disconnected(new)

    def test_answers_boot_notification(self: Any) -> None:
        """
        A BootNotification is answered with a status, a time and an interval.
        """
        answer = self.ask(self.started(), "BootNotification", _BOOT)
        self.assert_keeps_schema("BootNotification", answer)
        self.assertIsNotNone(parse_time(answer["currentTime"]))

    def test_answers_heartbeat_with_the_time(self: Any) -> None:
        """
        A Heartbeat is answered with the time, in UTC.
        """
        answer = self.ask(self.started(), "Heartbeat", {})
        self.assert_keeps_schema("Heartbeat", answer)
        self.assertIsNotNone(parse_time(answer["currentTime"]))
        self.assertTrue(answer["currentTime"].endswith("Z"))

    def test_acknowledges_status(self: Any) -> None:
        """
        A StatusNotification is acknowledged.
        """
        answer = self.ask(self.started(), "StatusNotification", _STATUS)
        self.assertEqual(answer, {})

    def test_answers_authorize(self: Any) -> None:
        """
        An Authorize is answered with a status.
        """
        answer = self.ask(self.started(), "Authorize", {"idTag": "A1"})
        self.assert_keeps_schema("Authorize", answer)

    def test_start_gets_an_id(self: Any) -> None:
        """
        A StartTransaction is answered with an id that stations can hold.
        """
        answer = self.ask(self.started(), "StartTransaction", _START)
        self.assert_keeps_schema("StartTransaction", answer)
        self.assertIn(answer["transactionId"], range(1, 2**31))

    def test_repeated_start_gets_the_same_id(self: Any) -> None:
        """
        A StartTransaction that comes again gets the id it got before.
        """
        backend = self.started()
        first = self.ask(backend, "StartTransaction", _START)
        second = self.ask(backend, "StartTransaction", dict(_START))
        self.assertEqual(first["transactionId"], second["transactionId"])

    def test_ids_are_unique_across_stations(self: Any) -> None:
        """
        Two stations never have a transaction of the same id.
        """
        backend = self.started()
        ids = {
            self.ask(backend, "StartTransaction", _START, identity)[
                "transactionId"
            ]
            for identity in ("CP1", "CP2", "CP3")
        }
        self.assertEqual(len(ids), 3)

    def test_meter_values_are_acknowledged(self: Any) -> None:
        """
        MeterValues are acknowledged, with a transaction and without.
        """
        backend = self.started()
        started = self.ask(backend, "StartTransaction", _START)
        within = {**_METER, "transactionId": started["transactionId"]}
        self.assertEqual(self.ask(backend, "MeterValues", within), {})
        self.assertEqual(self.ask(backend, "MeterValues", _METER), {})

    def test_stop_is_acknowledged(self: Any) -> None:
        """
        A StopTransaction is acknowledged, and so is its repetition.
        """
        backend = self.started()
        started = self.ask(backend, "StartTransaction", _START)
        stop = {**_STOP, "transactionId": started["transactionId"]}
        for _ in range(2):
            answer = self.ask(backend, "StopTransaction", stop)
            self.assert_keeps_schema("StopTransaction", answer)

    def test_unknown_stop_is_acknowledged(self: Any) -> None:
        """
        A StopTransaction of an unknown transaction is acknowledged: the
        station would send it for ever.
        """
        backend = self.started()
        for number in (-1, 0, 4711):
            stop = {**_STOP, "transactionId": number}
            answer = self.ask(backend, "StopTransaction", stop)
            self.assert_keeps_schema("StopTransaction", answer)

    def test_refuses_unknown_action(self: Any) -> None:
        """
        An action it does not know is refused with a CallError.
        """
        backend = self.started()
        answer = maybeDeferred(
            backend.answer, FakeStation(), Call("1", "Nonsense", {})
        )
        self.settle()
        self.failureResultOf(answer, CallFailed)

    def test_odd_payloads(self: Any) -> None:
        """
        What stations send against the standard is answered by the standard,
        or refused with a CallError; nothing else is raised.
        """
        backend = self.started()
        for action, payload in _ODD:
            answer = maybeDeferred(
                backend.answer,
                FakeStation(version=self.version),
                Call("1", action, payload),
            )
            self.settle()
            answer.addErrback(lambda f: f.trap(CallFailed, BackendUnavailable))
            result = self.successResultOf(answer)
            if isinstance(result, Mapping):
                self.assert_keeps_schema(action, result)
