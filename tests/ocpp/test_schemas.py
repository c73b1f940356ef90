"""
Tests for L{ocpp_tw.ocpp.schemas}.
"""

from __future__ import annotations

from typing import Any

import orjson
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.errors import ErrorCode
from ocpp_tw.ocpp.actions import FROM_STATION_16, TO_STATION_16
from ocpp_tw.ocpp.schemas import REQUESTS, RESPONSES, Violation, refusal
from ocpp_tw.ocpp.versions import Version

from ..examples import FROM_STATION, TO_STATION, deep


START: dict[str, Any] = {
    "connectorId": 1,
    "idTag": "A1",
    "meterStart": 0,
    "timestamp": "2026-01-01T00:00:00Z",
}


class SchemaTests(SynchronousTestCase):
    """
    Tests for L{REQUESTS} and L{RESPONSES} of 1.6.
    """

    def test_all_actions(self) -> None:
        """
        Each of the 39 actions of 1.6 has a schema in both directions, and
        its example keeps it.
        """
        self.assertEqual(len(FROM_STATION_16 | TO_STATION_16), 39)
        self.assertEqual(set(FROM_STATION), FROM_STATION_16)
        self.assertEqual(set(TO_STATION), TO_STATION_16)
        for action, payload in FROM_STATION.items():
            schema = REQUESTS[Version.V16, action]
            self.assertEqual(schema.violations(payload), [], action)
            self.assertTrue(schema.is_valid(payload), action)
        for action, (payload, answer) in TO_STATION.items():
            for schema, value in (
                (REQUESTS[Version.V16, action], payload),
                (RESPONSES[Version.V16, action], answer),
            ):
                self.assertEqual(schema.violations(value), [], action)
                self.assertTrue(schema.is_valid(value), action)

    def test_unknown_members(self) -> None:
        """
        No schema lets a member through that it does not know.
        """
        for schema in (*REQUESTS.values(), *RESPONSES.values()):
            self.assertFalse(schema.is_valid({"noSuchMember": 1}))

    def violations(self, **members: Any) -> list[Violation]:
        schema = REQUESTS[Version.V16, "StartTransaction"]
        payload = {k: v for k, v in {**START, **members}.items() if v != "-"}
        self.assertFalse(schema.is_valid(payload))
        return schema.violations(payload)

    def test_codes(self) -> None:
        """
        Each broken rule has the errorCode that the standard gives it.
        """
        for members, path, rule, code in (
            (
                {"connectorId": "1"},
                "$.connectorId",
                "type",
                "TypeConstraintViolation",
            ),
            ({"idTag": "-"}, "$", "required", "OccurenceConstraintViolation"),
            (
                {"idTag": "x" * 21},
                "$.idTag",
                "maxLength",
                "PropertyConstraintViolation",
            ),
            (
                {"timestamp": "noon"},
                "$.timestamp",
                "format",
                "PropertyConstraintViolation",
            ),
            (
                {"extra": 1},
                "$",
                "additionalProperties",
                "FormationViolation",
            ),
            ({"extra": deep(300)}, "$", "depth", "FormationViolation"),
        ):
            [violation] = self.violations(**members)
            refused = refusal([violation])
            self.assertEqual(
                (violation.path, violation.rule, refused.code),
                (path, rule, code),
            )
            self.assertIn(path, refused.description)
            self.assertEqual(
                refused.details, {"violations": [violation.as_json()]}
            )

    def test_items(self) -> None:
        """
        A list that is too short is a matter of occurrence; the path leads
        through lists.
        """
        schema = REQUESTS[Version.V16, "MeterValues"]
        payload = {
            "connectorId": 1,
            "meterValue": [{"timestamp": "x", "sampledValue": [{"value": 1}]}],
        }
        self.assertEqual(
            {(v.path, v.steps, v.rule) for v in schema.violations(payload)},
            {
                (
                    "$.meterValue[0].timestamp",
                    ("meterValue", 0, "timestamp"),
                    "format",
                ),
                (
                    "$.meterValue[0].sampledValue[0].value",
                    ("meterValue", 0, "sampledValue", 0, "value"),
                    "type",
                ),
            },
        )

    def test_bounded(self) -> None:
        """
        Of thousands of violations a hundred are told, of which each is
        short; and twenty go to the station.
        """
        schema = REQUESTS[Version.V16, "MeterValues"]
        sample = {"value": "1", "unit": "z" * 5000}
        payload = {
            "connectorId": 1,
            "meterValue": [
                {
                    "timestamp": START["timestamp"],
                    "sampledValue": [sample] * 3000,
                }
            ],
        }
        found = schema.violations(payload)
        self.assertEqual(len(found), 100)
        self.assertLess(max(len(v.message) for v in found), 201)
        refused = refusal(found)
        self.assertEqual(refused.code, ErrorCode.PROPERTY_CONSTRAINT_VIOLATION)
        self.assertLess(len(orjson.dumps(refused.details)), 10_000)
        self.assertLess(len(refused.description), 256)

    def test_misunderstandings(self) -> None:
        """
        A wrong type is found behind thousands of broken limits.
        """
        schema = REQUESTS[Version.V16, "MeterValues"]
        samples = [{"value": "1", "unit": "Hz"}] * 3000 + [{"value": 5}]
        payload = {
            "connectorId": 1,
            "meterValue": [
                {"timestamp": START["timestamp"], "sampledValue": samples}
            ],
        }
        [violation] = schema.misunderstandings(payload)
        self.assertEqual(violation.steps[-2:], (3000, "value"))

    def test_depth(self) -> None:
        """
        However deep the nesting that the parser lets through, there is an
        answer.
        """
        schema = REQUESTS[Version.V16, "DataTransfer"]
        for depth in (10, 200, 253, 254, 255, 256, 300, 1000):
            payload = {"vendorId": "v", "data": deep(depth)}
            self.assertFalse(schema.is_valid(payload), depth)
            [violation] = schema.violations(payload)
            self.assertIn(violation.rule, ("type", "depth"))

    def test_essence(self) -> None:
        """
        A member whose name is a keyword of JSON Schema is looked at, too.
        """
        schema = REQUESTS[Version.V16, "MeterValues"]
        sample = {"value": "1", "format": 5}
        value = {"timestamp": "", "sampledValue": [sample]}
        [found] = schema.misunderstandings(
            {"connectorId": 1, "meterValue": [value]}
        )
        self.assertEqual((found.steps[-1], found.rule), ("format", "type"))
