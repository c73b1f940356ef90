"""
Payloads as SOAP, and SOAP as payloads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hypothesis import given, settings, strategies as st
from lxml import etree
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.errors import BadRequest, CallFailed
from ocpp_tw.ocpp.actions import FROM_STATION, TO_STATION
from ocpp_tw.ocpp.messages import Call
from ocpp_tw.ocpp.schemas import REQUESTS, RESPONSES
from ocpp_tw.ocpp.soap import (
    SoapFault,
    parse,
    read_answer,
    read_call,
    service_of,
    write_answer,
    write_call,
    write_fault,
)
from ocpp_tw.ocpp.soap_tables import CENTRAL_SYSTEM, CHARGE_POINT, NAMESPACES
from ocpp_tw.ocpp.soap_types import Service, service
from ocpp_tw.ocpp.soap_wsdl import wsdl
from ocpp_tw.ocpp.versions import Version

from .soap_samples import NOW, V12, V15, V16, VERSIONS, sample


SERVICES = [
    service(version, name)
    for version in VERSIONS
    for name in (CENTRAL_SYSTEM, CHARGE_POINT)
]

#: What the schemas of 1.6-J have and the definitions of 1.6-S have not.
ONLY_JSON = {"Celcius", "Hertz"}


def strategy(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """
    What a schema allows, as far as SOAP can say it: no empty lists, no
    blanks around a name.
    """
    match schema:
        case {"enum": words}:
            return st.sampled_from([w for w in words if w not in ONLY_JSON])
        case {"format": "date-time"}:
            return st.datetimes().map(
                lambda t: f"{t.isoformat(timespec='seconds')}Z"
            )
        case {"format": "uri"}:
            return st.sampled_from(["ftp://a/b?c=d&e", "http://[::1]/%20"])
        case {"type": "integer"}:
            return st.integers(-(2**31), 2**31 - 1)
        case {"type": "number"}:
            return st.integers(0, 10**6).map(lambda n: n / 10)
        case {"type": "boolean"}:
            return st.booleans()
        case {"type": "array", "items": items}:
            return st.lists(strategy(items), min_size=1, max_size=3)
        case {"type": "string"}:
            return st.text(
                st.characters(exclude_categories=["Cs", "Cc", "Cn"]),
                max_size=schema.get("maxLength", 30),
            ).map(str.strip)
    return strategy_of_object(schema)


def strategy_of_object(
    schema: Mapping[str, Any],
) -> st.SearchStrategy[Any]:
    members = {k: strategy(v) for k, v in schema["properties"].items()}
    required = set(schema.get("required", ()))
    return st.fixed_dictionaries(
        {k: v for k, v in members.items() if k in required},
        optional={k: v for k, v in members.items() if k not in required},
    )


class PropertyTests(SynchronousTestCase):
    @settings(max_examples=300, deadline=None)
    @given(st.data())
    def test_there_and_back(self, data: st.DataObject) -> None:
        """
        What is written as SOAP is read as it was, and keeps the definition.
        """
        name = data.draw(st.sampled_from([CENTRAL_SYSTEM, CHARGE_POINT]))
        of = service(V16, name)
        action = data.draw(st.sampled_from(sorted(of.requests)))
        request = data.draw(strategy(REQUESTS[V16, action].source))
        answer = data.draw(strategy(RESPONSES[V16, action].source))
        call = Call("urn:1", action, request)
        sent = parse(write_call(call, of, "CP1", "http://x/"))
        self.assertEqual(read_call(sent, of), call)
        _definition(of).assertValid(sent.body)
        replied = parse(write_answer(call, answer, of, sent))
        self.assertEqual(read_answer(replied, of, call), answer)
        _definition(of).assertValid(replied.body)

    @settings(max_examples=200, deadline=None)
    @given(st.data())
    def test_older_versions(self, data: st.DataObject) -> None:
        """
        The same of 1.2 and 1.5; what our schemas of them allow is what their
        definitions allow.
        """
        of = data.draw(
            st.sampled_from([s for s in SERVICES if s.version != V16])
        )
        action = data.draw(st.sampled_from(sorted(of.requests)))
        if (of.version, action) == (V12, "MeterValues"):
            # Its value is a number, and a text in our vocabulary.
            return
        key = of.version, action
        call = Call("urn:1", action, data.draw(strategy(REQUESTS[key].source)))
        answer = data.draw(strategy(RESPONSES[key].source))
        if answer.get("status") == "Pending":
            answer["status"] = "Rejected"
        sent = parse(write_call(call, of, "CP1", "http://x/"))
        _definition(of).assertValid(sent.body)
        if action == "MeterValues":
            call.payload.setdefault("meterValue", [])  # type: ignore[attr-defined]
        self.assertEqual(read_call(sent, of), call)
        replied = parse(write_answer(call, answer, of, sent))
        _definition(of).assertValid(replied.body)
        self.assertEqual(read_answer(replied, of, call), answer)


def _definition(of: Service, made: dict[str, Any] = {}) -> Any:  # noqa: B006
    if of.namespace not in made:
        root = etree.fromstring(wsdl(of.version, "http://x/", of.name))
        schema = root.find(".//{http://www.w3.org/2001/XMLSchema}schema")
        made[of.namespace] = etree.XMLSchema(
            etree.fromstring(etree.tostring(schema))
        )
    return made[of.namespace]


class DefinitionTests(SynchronousTestCase):
    def test_names(self) -> None:
        """
        Bindings, ports, elements and types have the names that generated
        clients know them by.
        """
        for of in SERVICES:
            root = etree.fromstring(wsdl(of.version, "http://x/", of.name))
            [binding] = root.iter("{http://schemas.xmlsoap.org/wsdl/}binding")
            [port] = root.iter("{http://schemas.xmlsoap.org/wsdl/}port")
            self.assertEqual(
                (binding.get("name"), port.get("name"), port.get("binding")),
                (f"{of.name}Soap", f"{of.name}Soap12", f"tns:{of.name}Soap"),
            )
            elements = {
                element.get("name"): element.get("type")
                for element in root.iterfind(".//{*}schema/{*}element")
            }
            self.assertEqual(elements.pop("chargeBoxIdentity"), "xs:string")
            self.assertEqual(
                elements,
                {
                    f"{action[0].lower()}{action[1:]}{kind}": (
                        f"tns:{action}{kind}"
                    )
                    for action in of.requests
                    for kind in ("Request", "Response")
                },
            )


class VersionTests(SynchronousTestCase):
    def test_every_message(self) -> None:
        """
        Every message of every version is read as it was written, keeps its
        definition, and keeps our schema of that version.
        """
        count = 0
        for of in SERVICES:
            for action in of.requests:
                request, answer = sample(of.version, action)
                call = Call("urn:1", action, request)
                sent = parse(write_call(call, of, "CP1", "http://x/"))
                _definition(of).assertValid(sent.body)
                self.assertEqual(read_call(sent, of), call)
                replied = parse(write_answer(call, answer, of, sent))
                _definition(of).assertValid(replied.body)
                self.assertEqual(read_answer(replied, of, call), answer)
                key = of.version, action
                self.assertEqual(REQUESTS[key].violations(request), [])
                self.assertEqual(RESPONSES[key].violations(answer), [])
                count += 1
        self.assertEqual(count, 9 + 9 + 10 + 15 + 10 + 19)

    def test_actions(self) -> None:
        """
        Each version has the operations that its actions say; 1.6 lacks the
        security extension.
        """
        for of in SERVICES:
            table = FROM_STATION if of.name == CENTRAL_SYSTEM else TO_STATION
            missing = table[of.version] - set(of.requests)
            if of.version is not V16:
                self.assertEqual(missing, set())
            else:
                self.assertIn(len(missing), (4, 7))

    def test_namespaces(self) -> None:
        """
        The version is told by the namespace.
        """
        for (version, name), namespace in NAMESPACES.items():
            if name == CENTRAL_SYSTEM:
                body = f'<heartbeatRequest xmlns="{namespace}"/>'
                of = service_of(parse(_enveloped(body)))
                self.assertEqual((of.version, of.name), (version, name))

    def test_occupied(self) -> None:
        """
        1.2 and 1.5 may say Occupied, and 1.6 may not.
        """
        status = {"connectorId": 1, "status": "Occupied"}
        payload = {**status, "errorCode": "NoError"}
        valid = [
            REQUESTS[version, "StatusNotification"].is_valid(payload)
            for version in VERSIONS
        ]
        self.assertEqual(valid, [True, True, False])

    def test_pending(self) -> None:
        """
        What a version cannot say is said in another way.
        """
        answer = {"status": "Pending", "currentTime": NOW, "interval": 60}
        call = Call("1", "BootNotification", {})
        said = []
        for version in VERSIONS:
            of = service(version, CENTRAL_SYSTEM)
            asked = parse(_enveloped("<x/>"))
            replied = parse(write_answer(call, answer, of, asked))
            said.append(read_answer(replied, of, call)["status"])
        self.assertEqual(said, ["Rejected", "Rejected", "Pending"])


def _enveloped(body: str) -> bytes:
    soap = "http://www.w3.org/2003/05/soap-envelope"
    return (
        f'<e:Envelope xmlns:e="{soap}"><e:Body>{body}</e:Body></e:Envelope>'
    ).encode()


class LeniencyTests(SynchronousTestCase):
    def read(self, body: str, version: Version = V16) -> Any:
        namespace = NAMESPACES[version, CENTRAL_SYSTEM]
        body = re.sub(r"<(\w+)", rf'<\1 xmlns="{namespace}"', body, count=1)
        message = parse(_enveloped(body))
        return read_call(message, service_of(message)).payload

    def test_order_and_case(self) -> None:
        """
        The order of the members, and the case of the request, are free.
        """
        self.assertEqual(
            self.read(
                "<MeterValuesRequest><values><value>7</value>"
                "<timestamp>2026-01-01T00:00:00Z</timestamp></values>"
                "<connectorId> 1\n</connectorId></MeterValuesRequest>",
                V12,
            ),
            {
                "meterValue": [
                    {
                        "timestamp": "2026-01-01T00:00:00Z",
                        "sampledValue": [{"value": "7"}],
                    }
                ],
                "connectorId": 1,
            },
        )

    def test_unqualified(self) -> None:
        """
        Members without a namespace are understood.
        """
        self.assertEqual(
            self.read(
                '<authorizeRequest><idTag xmlns=""> A </idTag>'
                "</authorizeRequest>"
            ),
            {"idTag": "A"},
        )

    def test_nil(self) -> None:
        """
        What is nil is not there.
        """
        self.assertEqual(
            self.read(
                "<authorizeRequest><idTag xmlns:i="
                '"http://www.w3.org/2001/XMLSchema-instance" i:nil="true"/>'
                "</authorizeRequest>"
            ),
            {},
        )

    def test_wrong_types(self) -> None:
        """
        What does not have its type stays as it was written, for the schema
        to object to.
        """
        self.assertEqual(
            self.read(
                "<startTransactionRequest><connectorId>one</connectorId>"
                f"<meterStart>{'9' * 30}</meterStart>"
                "<timestamp>yesterday</timestamp>"
                "<surprise>!</surprise></startTransactionRequest>"
            ),
            {
                "connectorId": "one",
                "meterStart": "9" * 30,
                "timestamp": "yesterday",
                "surprise": "!",
            },
        )

    def test_transaction_data(self) -> None:
        """
        The lists in 1.5's list of transaction data become one.
        """
        values = (
            "<values><timestamp>2026-01-01T00:00:00Z</timestamp>"
            '<value unit="Volt">{}</value></values>'
        )
        payload = self.read(
            "<stopTransactionRequest><transactionData>"
            f"{values.format(1)}{values.format(2)}</transactionData>"
            f"<transactionData>{values.format(3)}</transactionData>"
            "<transactionData/></stopTransactionRequest>",
            V15,
        )
        self.assertEqual(
            [v["sampledValue"] for v in payload["transactionData"]],
            [[{"value": str(n), "unit": "V"}] for n in (1, 2, 3)],
        )


class WritingTests(SynchronousTestCase):
    def test_not_in_xml(self) -> None:
        """
        What cannot stand in XML is refused before it is sent.
        """
        of = service(V16, CHARGE_POINT)
        for value in ("\x00", "\x1b", "\ud800", "\ufffe"):
            call = Call(
                "1", "ChangeConfiguration", {"key": "k", "value": value}
            )
            with self.assertRaises(BadRequest):
                write_call(call, of, "CP1", "http://x/")

    def test_markup(self) -> None:
        """
        Markup in a text is text.
        """
        of = service(V16, CENTRAL_SYSTEM)
        call = Call("1", "DataTransfer", {"vendorId": "</vendorId>&<!--"})
        sent = parse(write_call(call, of, "<CP>", "http://x/?a=b&c"))
        self.assertEqual(read_call(sent, of).payload, call.payload)
        self.assertEqual(sent.identity, "<CP>")

    def test_fault(self) -> None:
        """
        A fault that we write is a fault that we understand.
        """
        of = service(V16, CENTRAL_SYSTEM)
        call = Call("1", "Heartbeat", {})
        for subcode, code in (
            ("NotSupported", "NotSupported"),
            ("IdentityMismatch", "IdentityMismatch"),
            ("", "GenericError"),
        ):
            fault = SoapFault("Sender", subcode, "why\x00 <not>")
            with self.assertRaises(CallFailed) as raised:
                read_answer(parse(write_fault(fault)), of, call)
            self.assertEqual(raised.exception.code, code)
            self.assertEqual(raised.exception.description, "why? <not>")
