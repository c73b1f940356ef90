"""
A transaction of a station that speaks SOAP 1.5, like any other.
"""

from __future__ import annotations

from typing import Any

from lxml import etree

from ocpp_tw.backends.embedded import make_backend

from .soap_world import SoapWorld, envelope


CS15 = "urn://Ocpp/Cs/2012/06/"


class RecordTests(SoapWorld):
    def setUp(self) -> None:
        super().setUp()
        backend = make_backend({"path": ":memory:"}, self.router, self.clock)
        backend.startService()
        self.addCleanup(backend.stopService)
        self.router.use(backend)

    def say(self, body: str) -> Any:
        """
        Post a message of 1.5, and have the element of the answer.
        """
        answer = self.post(envelope(body, namespace=CS15))
        self.assertEqual(answer.status, 200, answer.body)
        return etree.fromstring(answer.body)[1][0]

    def test_transaction(self) -> None:
        """
        What was told in SOAP 1.5 is read over REST.
        """
        boot = self.say(
            "<bootNotificationRequest><chargePointVendor>V"
            "</chargePointVendor><chargePointModel>M</chargePointModel>"
            "</bootNotificationRequest>"
        )
        self.assertEqual(boot.findtext(f"{{{CS15}}}heartbeatInterval"), "300")
        self.say(
            "<statusNotificationRequest><connectorId>1</connectorId>"
            "<status>Occupied</status><errorCode>NoError</errorCode>"
            "</statusNotificationRequest>"
        )
        started = self.say(
            "<startTransactionRequest><connectorId>1</connectorId>"
            "<idTag>TAG</idTag><timestamp>2025-10-09T08:00:00Z</timestamp>"
            "<meterStart>1000</meterStart></startTransactionRequest>"
        )
        number = started.findtext(f"{{{CS15}}}transactionId")
        self.say(
            "<meterValuesRequest><connectorId>1</connectorId>"
            f"<transactionId>{number}</transactionId><values>"
            "<timestamp>2025-10-09T08:10:00Z</timestamp>"
            "<value>1500</value>"
            '<value unit="Amp" measurand="Current.Import">16</value>'
            "</values></meterValuesRequest>"
        )
        self.say(
            f"<stopTransactionRequest><transactionId>{number}"
            "</transactionId><timestamp>2025-10-09T08:20:00Z</timestamp>"
            "<meterStop>2000</meterStop></stopTransactionRequest>"
        )
        record = self.ask("GET", f"/transactions/{number}").json()
        self.assertEqual(
            (record["identity"], record["idTag"], record["energy"]),
            ("CP1", "TAG", 1000),
        )
        values = self.ask("GET", f"/transactions/{number}/meterValues").json()
        self.assertEqual(
            [(v["value"], v["unit"]) for v in values["items"]],
            [("1500", "Wh"), ("16", "A")],
        )
        station = self.ask("GET", "/stations/CP1").json()
        self.assertEqual(
            (station["version"], station["connected"]), ("1.5", True)
        )
        [connector] = station["connectors"]
        self.assertEqual(connector["status"], "Occupied")
        messages = self.ask("GET", "/stations/CP1/messages").json()["items"]
        self.assertEqual(
            [message["action"] for message in reversed(messages)],
            [
                "BootNotification",
                "StatusNotification",
                "StartTransaction",
                "MeterValues",
                "StopTransaction",
            ],
        )
        self.assertEqual([m["violations"] for m in messages], [[]] * 5)
