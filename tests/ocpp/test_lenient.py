"""
Tests for L{ocpp_tw.ocpp.lenient}.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.errors import CallFailed
from ocpp_tw.ocpp.lenient import understand
from ocpp_tw.ocpp.schemas import REQUESTS
from ocpp_tw.ocpp.versions import Version

from ..examples import FROM_STATION, deep


NOW = "2026-01-01T00:00:00.000Z"
START: dict[str, Any] = FROM_STATION["StartTransaction"]

#: What JSON may have anywhere.
json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


class UnderstandTests(SynchronousTestCase):
    """
    Tests for L{understand}.
    """

    def understood(self, action: str, payload: Any) -> dict[str, Any]:
        schema = REQUESTS[Version.V16, action]
        understood = understand(action, payload, schema, NOW)
        left = {v.rule for v in schema.violations(understood)}
        self.assertEqual(left & {"type", "required", "depth"}, set())
        return understood

    def refused(self, action: str, payload: Any) -> CallFailed:
        schema = REQUESTS[Version.V16, action]
        return self.assertRaises(
            CallFailed, understand, action, payload, schema, NOW
        )

    def test_valid(self) -> None:
        """
        A valid payload stays what it is.
        """
        for action, payload in FROM_STATION.items():
            self.assertEqual(self.understood(action, payload), payload)

    def test_limits(self) -> None:
        """
        What breaks a limit, a format or an enumeration is taken as it is.
        """
        for action, members in (
            ("BootNotification", {"chargePointSerialNumber": "9" * 300}),
            ("BootNotification", {"chargePointVendor": ""}),
            ("StartTransaction", {"timestamp": "2026-01-01T00:00:00"}),
            ("StartTransaction", {"timestamp": ""}),
            ("StartTransaction", {"idTag": "x" * 99}),
            ("StatusNotification", {"errorCode": "Error"}),
            ("StatusNotification", {"status": "Sleeping"}),
            ("Heartbeat", {"unknown": [1]}),
        ):
            payload = {**FROM_STATION[action], **members}
            self.assertEqual(self.understood(action, payload), payload)

    def test_types(self) -> None:
        """
        A value of the wrong type is read as the right one, if it can be.
        """
        for member, value, read in (
            ("connectorId", "1", 1),
            ("connectorId", " 1 ", 1),
            ("connectorId", 1.0, 1),
            ("idTag", 4711, "4711"),
            ("idTag", True, "true"),
            ("meterStart", "1000.0", 1000),
        ):
            understood = self.understood(
                "StartTransaction", {**START, member: value}
            )
            self.assertEqual(understood, {**START, member: read})
            self.assertIs(type(understood[member]), type(read))

    def test_objects_for_lists(self) -> None:
        """
        A single object where a list belongs is a list of it.
        """
        payload = FROM_STATION["MeterValues"]
        [value] = payload["meterValue"]
        [sample] = value["sampledValue"]
        single = {**value, "sampledValue": sample}
        self.assertEqual(
            self.understood("MeterValues", {**payload, "meterValue": single}),
            payload,
        )

    def test_unreadable(self) -> None:
        """
        A value that cannot be read is as if it were missing: neutral where
        money or a boot is at stake, and gone where it is optional.
        """
        self.assertEqual(
            self.understood(
                "StartTransaction",
                {**START, "meterStart": {}, "reservationId": []},
            ),
            {**START, "meterStart": 0},
        )

    def test_missing(self) -> None:
        """
        A message about money or the station itself is understood without
        its members.
        """
        self.assertEqual(
            self.understood("StartTransaction", {}),
            {
                "connectorId": 0,
                "idTag": "",
                "meterStart": 0,
                "timestamp": NOW,
            },
        )
        self.assertEqual(
            self.understood("BootNotification", {}),
            {"chargePointModel": "", "chargePointVendor": ""},
        )
        self.assertEqual(
            self.understood("StatusNotification", {"status": "Available"}),
            {"status": "Available", "connectorId": 0, "errorCode": "NoError"},
        )

    def test_not_forgiven(self) -> None:
        """
        What cannot be answered without a member is refused without it.
        """
        self.assertEqual(
            self.refused("Authorize", {}).code, "OccurenceConstraintViolation"
        )
        self.assertEqual(
            self.refused("StatusNotification", {"connectorId": 1}).code,
            "OccurenceConstraintViolation",
        )

    def test_wrong_beyond_the_hundredth(self) -> None:
        """
        A wrong type is found behind a hundred broken limits.
        """
        samples: list[Any] = [{"value": "1", "unit": "Hz"}] * 200
        payload = {
            **FROM_STATION["MeterValues"],
            "meterValue": [
                {"timestamp": NOW, "sampledValue": [*samples, {"value": 5}]}
            ],
        }
        understood = self.understood("MeterValues", payload)
        [value] = understood["meterValue"]
        self.assertEqual(value["sampledValue"][-1], {"value": "5"})

    def test_wrong_everywhere(self) -> None:
        """
        Some hundred wrong types are read; thousands are refused.
        """
        for many in (500, 5000):
            samples = [{"value": 5} for _ in range(many)]
            value = {"timestamp": NOW, "sampledValue": samples}
            payload = {"connectorId": 1, "meterValue": [value]}
            if many == 500:
                [read] = self.understood("MeterValues", payload)["meterValue"]
                self.assertEqual(read["sampledValue"], [{"value": "5"}] * many)
            else:
                refused = self.refused("MeterValues", payload)
                self.assertEqual(refused.code, "TypeConstraintViolation")

    def test_too_deep(self) -> None:
        """
        What is nested too deeply is refused.
        """
        for action in ("DataTransfer", "Heartbeat", "MeterValues"):
            payload = {**FROM_STATION[action], "data": deep(300)}
            self.assertEqual(
                self.refused(action, payload).code, "FormationViolation"
            )

    def test_untouched(self) -> None:
        """
        The payload that was given stays as it was.
        """
        payload = {**START, "connectorId": "1"}
        self.understood("StartTransaction", payload)
        self.assertEqual(payload["connectorId"], "1")

    @settings(max_examples=150, deadline=None)
    @given(
        st.sampled_from(sorted(FROM_STATION)),
        st.dictionaries(st.text(), json, max_size=2),
        st.data(),
    )
    def test_anything(
        self, action: str, extra: dict[str, Any], data: st.DataObject
    ) -> None:
        """
        Whatever a payload has, it is understood with every member in its
        type, or refused with a CallError.
        """
        payload = {**FROM_STATION[action], **extra}
        for member in list(payload):
            if data.draw(st.booleans()):
                payload[member] = data.draw(json)
        schema = REQUESTS[Version.V16, action]
        try:
            understood = understand(action, payload, schema, NOW)
        except CallFailed:
            return
        left = schema.misunderstandings(understood)
        self.assertEqual(left, [])
