"""
A station that speaks SOAP, and C{twistd cs} as a process.
"""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import zeep
from lxml import etree
from twisted.trial.unittest import SynchronousTestCase

from .process import PATIENCE, server


CS15 = "urn://Ocpp/Cs/2012/06/"
CP15 = "urn://Ocpp/Cp/2012/06/"
ADDRESSING = "http://www.w3.org/2005/08/addressing"
ENVELOPE = "http://www.w3.org/2003/05/soap-envelope"
NOW = "2026-11-23T12:00:00Z"


class Commanded(BaseHTTPRequestHandler):
    """
    Accepts every command, with the standard library alone.
    """

    def do_POST(self) -> None:
        size = int(self.headers["Content-Length"])
        body = etree.fromstring(self.rfile.read(size))[1][0]
        name = etree.QName(body).localname.replace("Request", "Response")
        answer = (
            f'<s:Envelope xmlns:s="{ENVELOPE}"><s:Body>'
            f'<{name} xmlns="{CP15}"><status>Accepted</status></{name}>'
            "</s:Body></s:Envelope>"
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/soap+xml")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        """
        It is quiet.
        """


class SessionTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.server = server(self)
        self.server.start()
        self.station = HTTPServer(("127.0.0.1", 0), Commanded)
        Thread(target=self.station.serve_forever, daemon=True).start()
        self.addCleanup(self.station.server_close)
        self.addCleanup(self.station.shutdown)

    def client(self) -> Any:
        """
        A station of 1.5 that zeep makes of the definition it is served.
        """
        transport = zeep.Transport(
            timeout=PATIENCE, operation_timeout=PATIENCE
        )
        client = zeep.Client(
            f"http://127.0.0.1:{self.server.port}/Ocpp?wsdl=1.5",
            transport=transport,
        )
        self.addCleanup(transport.session.close)
        identity = etree.Element(f"{{{CS15}}}chargeBoxIdentity")
        identity.text = "SOAP 1"
        sender = etree.Element(f"{{{ADDRESSING}}}From")
        address = etree.SubElement(sender, f"{{{ADDRESSING}}}Address")
        address.text = f"http://127.0.0.1:{self.station.server_port}/"
        client.set_default_soapheaders([identity, sender])
        return client.service

    def test_session(self) -> None:
        """
        It boots, charges and is commanded as any other, and all of that is
        in the records.
        """
        station = self.client()
        boot = station.BootNotification(
            chargePointVendor="V", chargePointModel="M"
        )
        self.assertEqual(boot.status, "Accepted")
        started = station.StartTransaction(
            connectorId=1, idTag="TAG", timestamp=NOW, meterStart=100
        )
        station.StopTransaction(
            transactionId=started.transactionId, timestamp=NOW, meterStop=300
        )
        self.assertEqual(
            self.server.command("SOAP 1", "Reset", {"type": "Soft"}),
            (200, {"status": "Accepted"}),
        )
        [transaction] = self.server.items("transactions")
        self.assertEqual(
            (transaction["identity"], transaction["meterStop"]),
            ("SOAP 1", 300),
        )
        messages = self.server.items("messages")
        self.assertEqual(
            [(m["direction"], m["action"], m["error"]) for m in messages],
            [
                ("out", "Reset", None),
                ("in", "StopTransaction", None),
                ("in", "StartTransaction", None),
                ("in", "BootNotification", None),
            ],
        )
        listed = self.server.http("GET", "/api/v1/ChargePointList")[1]
        [point] = listed["ChargePointList"]
        self.assertEqual(
            (point["Protocol"], point["Version"], point["Connected"]),
            ("SOAP", "1.5", True),
        )
