"""
Stations that speak SOAP, and C{twistd cs} as a process.

They are not ours: zeep makes of our definitions what they ask, and xmlschema,
behind the standard library's HTTP, what they are asked.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen
from xml.etree import ElementTree

import zeep
from lxml import etree
from twisted.trial.unittest import SynchronousTestCase
from xmlschema import XMLSchema
from zeep import Plugin
from zeep.plugins import HistoryPlugin

from bench.webhook_server import answer as webhook_answer
from ocpp_tw.ocpp.actions import FROM_STATION, TO_STATION
from ocpp_tw.ocpp.versions import Version

from .ocpp.soap_samples import (
    SAMPLES,
    V12,
    V15,
    V16,
    VERSIONS,
    sample,
    wire_sample,
)
from .postgres import Database
from .process import PATIENCE, Server, server


NAMESPACES = {
    V12: "urn://Ocpp/{}/2010/08/",
    V15: "urn://Ocpp/{}/2012/06/",
    V16: "urn://Ocpp/{}/2015/10/",
}
ADDRESSING = "http://www.w3.org/2005/08/addressing"
ENVELOPE = "http://www.w3.org/2003/05/soap-envelope"
NOW = "2025-11-23T12:00:00Z"


def served(case: Any, answer: Callable[[bytes], bytes], kind: str) -> str:
    """
    A web server in a thread of its own, until the test ends.

    @param answer: takes what was posted, and gives the body of the reply.
    @param kind: the C{Content-Type} of that.
    @return: its URL.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            body = answer(self.rfile.read(size))
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """
            It is quiet.
            """

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=http.serve_forever, daemon=True).start()
    case.addCleanup(http.server_close)
    case.addCleanup(http.shutdown)
    return f"http://127.0.0.1:{http.server_port}/"


class StationService:
    """
    A station's service: takes every command, and answers with the samples.

    @ivar asked: the action and the payload of each command.
    @ivar headers: the headers of each, by their local names.
    """

    def __init__(self, case: Any, central: Server, version: Version) -> None:
        self.version = version
        self.namespace = NAMESPACES[version].format("Cp")
        self.schema = _schema(central, version, "ChargePointService")
        self.asked: list[tuple[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.url = served(case, self.answer, "application/soap+xml") + "cp"

    def answer(self, posted: bytes) -> bytes:
        header, body = ElementTree.fromstring(posted)
        [request] = body
        name = _local(request.tag).removesuffix("Request")
        action = name[0].upper() + name[1:]
        # It raises where the request breaks the schema.
        asked = self.schema.elements[f"{name}Request"].decode(request)
        self.asked.append((action, _plain(asked)))
        self.headers.append(
            {_local(h.tag): h.text or h[0].text or "" for h in header}
        )
        answer = wire_sample(self.version, action)[1]
        envelope = ElementTree.Element(f"{{{ENVELOPE}}}Envelope")
        ElementTree.SubElement(envelope, f"{{{ENVELOPE}}}Body").append(
            self.schema.elements[f"{name}Response"].encode(
                _qualified(answer, self.namespace)
            )
        )
        return ElementTree.tostring(envelope)


def _schema(central: Server, version: Version, service: str) -> XMLSchema:
    url = f"http://127.0.0.1:{central.port}/Ocpp/{service}?wsdl={version}"
    with urlopen(url, timeout=PATIENCE) as definition:
        root = etree.parse(definition)
    schema = root.find(".//{http://www.w3.org/2001/XMLSchema}schema")
    return XMLSchema(etree.tostring(schema).decode())


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _plain(value: Any) -> Any:
    """
    What xmlschema made of an element, as JSON.
    """
    match value:
        case dict():
            return {
                _local(name): _plain(member)
                for name, member in value.items()
                if not name.startswith("@")
            }
        case list():
            return [_plain(item) for item in value]
        case Decimal():
            return float(value)
    return value or {} if value is None else value


def _qualified(value: Any, namespace: str) -> Any:
    match value:
        case dict():
            return {
                f"{{{namespace}}}{name}": _qualified(member, namespace)
                for name, member in value.items()
            }
        case list():
            return [_qualified(item, namespace) for item in value]
        case float():
            return Decimal(str(value))
    return value


def client(
    case: Any,
    central: Server,
    version: Version,
    identity: str,
    reached_at: str = "",
    history: Plugin | None = None,
) -> Any:
    """
    What a station asks, by zeep and the definition that it is served.
    """
    transport = zeep.Transport(timeout=PATIENCE, operation_timeout=PATIENCE)
    case.addCleanup(transport.session.close)
    made = zeep.Client(
        f"http://127.0.0.1:{central.port}/Ocpp?wsdl={version}",
        transport=transport,
        plugins=[history] if history else [],
    )
    namespace = NAMESPACES[version].format("Cs")
    name = etree.Element(f"{{{namespace}}}chargeBoxIdentity")
    name.text = identity
    headers = [name]
    if reached_at:
        sender = etree.Element(f"{{{ADDRESSING}}}From")
        address = etree.SubElement(sender, f"{{{ADDRESSING}}}Address")
        address.text = reached_at
        headers.append(sender)
    made.set_default_soapheaders(headers)
    return made.service


class OperationTests(SynchronousTestCase):
    """
    All operations of all versions, in both directions.
    """

    def setUp(self) -> None:
        self.server = server(self)
        self.server.start()

    def test_every_request(self) -> None:
        """
        A client made of our definition may ask all that the version has.
        """
        for version in VERSIONS:
            identity = f"SOAP {version}"
            history = HistoryPlugin()
            station = client(
                self, self.server, version, identity, history=history
            )
            schema = _schema(self.server, version, "CentralSystemService")
            actions = sorted(FROM_STATION[version] & set(SAMPLES))
            for action in actions:
                request, _ = wire_sample(version, action)
                # It raises where the answer is a fault.
                getattr(station, action)(**request)
                self.is_answer(
                    history.last_sent["envelope"],
                    history.last_received["envelope"],
                    action,
                    schema,
                )
            path = f"stations/{quote(identity)}/messages"
            messages = self.server.items(path)
            self.assertEqual(
                [message["action"] for message in reversed(messages)], actions
            )
            for message in messages:
                self.assertEqual(message["violations"], [], message)
                self.assertEqual(message["error"], None, message)

    def is_answer(
        self, sent: Any, received: Any, action: str, schema: XMLSchema
    ) -> None:
        """
        An envelope answers another, and keeps the schema of its version.
        """
        asked = {_local(h.tag): h.text for h in sent[0]}
        self.assertEqual(asked["Action"], f"/{action}")
        header, body = ElementTree.fromstring(etree.tostring(received))
        self.assertEqual(
            [part.tag for part in (header, body)],
            [f"{{{ENVELOPE}}}Header", f"{{{ENVELOPE}}}Body"],
        )
        said = {h.tag: h.text for h in header}
        self.assertTrue(said.pop(f"{{{ADDRESSING}}}MessageID"))
        self.assertEqual(
            said,
            {
                f"{{{ADDRESSING}}}Action": f"/{action}Response",
                f"{{{ADDRESSING}}}To": f"{ADDRESSING}/anonymous",
                f"{{{ADDRESSING}}}RelatesTo": asked["MessageID"],
            },
        )
        [answer] = body
        name = f"{action[0].lower()}{action[1:]}Response"
        self.assertEqual(_local(answer.tag), name)
        schema.elements[name].validate(answer)

    def test_every_command(self) -> None:
        """
        A station service made with another library gets all commands that
        the version has, by the same REST call as any station, and its
        answers come back.
        """
        for version in VERSIONS:
            identity = f"SOAP {version}"
            service = StationService(self, self.server, version)
            station = client(self, self.server, version, identity, service.url)
            station.Heartbeat()
            actions = sorted(TO_STATION[version] & set(SAMPLES))
            self.assertEqual(len(actions), {V12: 9, V15: 15, V16: 19}[version])
            for action in actions:
                request, answer = sample(version, action)
                self.assertEqual(
                    self.server.command(identity, action, request),
                    (200, answer),
                    (version, action),
                )
                self.assertEqual(
                    service.asked[-1],
                    (action, wire_sample(version, action)[0]),
                )
                headers = service.headers[-1]
                self.assertTrue(headers.pop("MessageID"))
                self.assertEqual(
                    headers,
                    {
                        "chargeBoxIdentity": identity,
                        "Action": f"/{action}",
                        "To": service.url,
                        "From": f"http://127.0.0.1:{self.server.port}/Ocpp",
                        "ReplyTo": f"{ADDRESSING}/anonymous",
                    },
                )


class Webhook:
    """
    A web server that answers stations, in a thread of its own.

    @ivar asked: the action and the payload of each request.
    """

    def __init__(self, case: Any) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.url = served(case, self.reply, "application/json")

    def reply(self, posted: bytes) -> bytes:
        return json.dumps(self.answer(json.loads(posted))).encode()

    def answer(self, asked: Any) -> Any:
        self.asked.append((asked["action"], asked["payload"]))
        return {
            "uniqueId": asked["uniqueId"],
            "payload": webhook_answer(asked["action"]),
        }


class BackendTests(SynchronousTestCase):
    """
    A transaction over SOAP, with each of the backends.
    """

    def charge(self, central: Server) -> dict[Version, int]:
        """
        A station of each version boots, charges and is commanded.

        @return: the transactions.
        """
        numbers = {}
        for version in VERSIONS:
            identity = f"SOAP {version}"
            service = StationService(self, central, version)
            station = client(self, central, version, identity, service.url)
            boot = station.BootNotification(
                chargePointVendor="V", chargePointModel="M"
            )
            self.assertEqual(boot.status, "Accepted")
            station.StatusNotification(
                **wire_sample(version, "StatusNotification")[0]
            )
            started = station.StartTransaction(
                connectorId=1, idTag="TAG", timestamp=NOW, meterStart=100
            )
            number = numbers[version] = started.transactionId
            values = dict(wire_sample(version, "MeterValues")[0])
            if version is not V12:
                values["transactionId"] = number
            station.MeterValues(**values)
            station.StopTransaction(
                transactionId=number, timestamp=NOW, meterStop=300
            )
            self.assertEqual(
                central.command(identity, "Reset", {"type": "Soft"}),
                (200, {"status": "Accepted"}),
            )
            self.assertEqual(service.asked, [("Reset", {"type": "Soft"})])
        self.is_known(central)
        return numbers

    def is_known(self, central: Server) -> None:
        listed = central.http("GET", "/api/v1/ChargePointList")[1]
        self.assertEqual(
            [
                (point["Identity"], point["Protocol"], point["Version"])
                for point in listed["ChargePointList"]
            ],
            [(f"SOAP {version}", "SOAP", version) for version in VERSIONS],
        )
        for station in central.items("stations"):
            self.assertTrue(station["connected"])
            self.assertEqual(
                station["bootNotification"]["chargePointModel"], "M"
            )
            [connector] = station["connectors"]
            status = {"1.6": "Charging"}.get(station["version"], "Occupied")
            self.assertEqual(connector["status"], status)
        messages = central.items("messages")
        self.assertEqual({m["error"] for m in messages}, {None})
        self.assertEqual(
            [m["action"] for m in messages if m["identity"] == "SOAP 1.5"],
            [
                "Reset",
                "StopTransaction",
                "MeterValues",
                "StartTransaction",
                "StatusNotification",
                "BootNotification",
            ],
        )

    def test_embedded(self) -> None:
        """
        The embedded backend has it in its records.
        """
        central = server(self)
        central.start()
        numbers = self.charge(central)
        transactions = central.items("transactions")
        self.assertEqual(
            {
                (t["identity"], t["transactionId"], t["energy"])
                for t in transactions
            },
            {(f"SOAP {v}", number, 200) for v, number in numbers.items()},
        )
        values = central.items(f"transactions/{numbers[V15]}/meterValues")
        self.assertEqual(
            [(v["value"], v["unit"]) for v in values],
            [("1200", "Wh"), ("16.5", "A")],
        )

    def test_webhook(self) -> None:
        """
        A webhook is asked in the one vocabulary, whatever the version.
        """
        webhook = Webhook(self)
        central = server(
            self, CS_BACKEND_NAME="webhook", CS_WEBHOOK_URL=webhook.url
        )
        central.start()
        self.charge(central)
        values = [
            payload["meterValue"][0]["sampledValue"][0]
            for action, payload in webhook.asked
            if action == "MeterValues"
        ]
        self.assertEqual(values, [{"value": "1200"}] * 3)

    def test_postgres(self) -> None:
        """
        The database answers, whether we read and write the envelopes or its
        functions do.
        """
        for soap in ("server", "database"):
            database = Database(with_xml=soap == "database")
            self.addCleanup(database.drop)
            central = server(
                self,
                CS_BACKEND_NAME="postgres",
                CS_POSTGRES_SOAP=soap,
                **{
                    f"CS_POSTGRES_CONNINFO_{name.upper()}": value
                    for name, value in database.conninfo.items()
                },
            )
            central.start()
            numbers = self.charge(central)
            central.kill()
            found = database.ask(
                "SELECT identity, id, meter_start, meter_stop"
                " FROM ocpp.transaction ORDER BY 1"
            )
            self.assertEqual(
                found,
                [(f"SOAP {v}", n, 100, 300) for v, n in numbers.items()],
            )
