"""
Tests for broken rules in words.
"""

from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.ocpp.explain import explain
from ocpp_tw.ocpp.schemas import REQUESTS


class ExplainTests(SynchronousTestCase):
    """
    L{explain}.
    """

    def advice(self, action, payload):
        schema = REQUESTS["1.6", action]
        return [
            explain("1.6", action, v.path, v.rule, v.message).advice
            for v in schema.violations(payload)
        ]

    def test_rules(self):
        """
        Each rule has a sentence that says what to write instead.
        """
        start = {
            "connectorId": 1,
            "idTag": "A",
            "meterStart": 0,
            "timestamp": "2026-01-01T00:00:00Z",
        }
        for changes, sentence in (
            ({"connectorId": "1"}, "connectorId must be a whole number."),
            ({"idTag": "x" * 21}, "idTag must have at most 20 characters."),
            (
                {"timestamp": "now"},
                "timestamp must be a time of RFC 3339, as "
                "2026-11-22T10:00:00Z.",
            ),
            (
                {"colour": "red"},
                "the payload must not have the member colour; it may have: "
                "connectorId, idTag, meterStart, reservationId, timestamp.",
            ),
        ):
            found = self.advice("StartTransaction", {**start, **changes})
            self.assertEqual(found, [sentence])
        del start["idTag"]
        self.assertEqual(
            self.advice("StartTransaction", start),
            ["the payload must have the member idTag."],
        )
        self.assertIn(
            "must be one of Available, Preparing",
            self.advice(
                "StatusNotification",
                {"connectorId": 1, "errorCode": "NoError", "status": "Odd"},
            )[0],
        )

    def test_deep(self):
        """
        A rule deep in a payload is named by its place, with a pointer into
        the schema.
        """
        said = explain(
            "1.6", "MeterValues", "$.meterValue[3].timestamp", "format"
        )
        self.assertTrue(said.advice.startswith("meterValue[].timestamp must"))
        self.assertEqual(
            said.reference,
            "OCPP 1.6, section 4.7; MeterValues.json#/properties/meterValue"
            "/items/properties/timestamp/format",
        )

    def test_unknown(self):
        """
        Where nothing is known, what the validator said stands.
        """
        for version, action in (("", ""), ("9.9", "X"), ("1.6", "X")):
            said = explain(version, action, "$.a", "odd", "so it is")
            self.assertEqual(said.advice, "so it is")
            self.assertTrue(said.reference.startswith("OCPP"))

    def test_every_rule_at_the_top(self):
        """
        Every member of every request has its pointer.
        """
        for (version, action), schema in REQUESTS.items():
            for name in schema.source.get("properties", {}):
                said = explain(version, action, f"$.{name}", "type", "?")
                self.assertIn(f"{action}.json#", said.reference)
                self.assertTrue(said.advice)
