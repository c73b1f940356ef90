"""
OCPP-S envelopes as Calls and payloads, and back.

::

    <e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope">
        <e:Header>
            <chargeBoxIdentity xmlns="urn://Ocpp/Cs/2012/06/">CP1<...>
            <a:MessageID xmlns:a="...addressing">urn:uuid:...</a:MessageID>
            <a:From><a:Address>http://192.0.2.7:8080/</a:Address></a:From>
        </e:Header>
        <e:Body>
            <heartbeatRequest xmlns="urn://Ocpp/Cs/2012/06/"/>
        </e:Body>
    </e:Envelope>

The version is told by the namespace of what is in the Body.  The source is
OCPP-S 1.5 and 1.6, section 4 ("Use of SOAP"), SOAP 1.2 and WS-Addressing 1.0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from attrs import field, frozen
from lxml import etree

from ..errors import BadRequest, CallFailed, ErrorCode, OCPPError
from .messages import Call, Payload
from .soap_body import Element, Unreadable, body_of
from .soap_tables import CENTRAL_SYSTEM, NAMESPACES
from .soap_types import Service, element_name, service


ENVELOPE = "http://www.w3.org/2003/05/soap-envelope"
ENVELOPE_11 = "http://schemas.xmlsoap.org/soap/envelope/"
ADDRESSING = "http://www.w3.org/2005/08/addressing"
ANONYMOUS = f"{ADDRESSING}/anonymous"

#: The addresses of nobody: the answer is to go where the request came from,
#: or nowhere.
_NOBODY = {
    "",
    ANONYMOUS,
    f"{ADDRESSING}/none",
    "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous",
}

CONTENT_TYPE = "application/soap+xml; charset=utf-8"

_XML = "http://www.w3.org/XML/1998/namespace"

#: The longest text of a header that is looked at.
LONGEST_HEADER = 2000


class SoapFault(OCPPError):
    """
    A message that is answered with a SOAP fault.

    @ivar code: of SOAP 1.2, section 5.4.6: C{Sender}, C{Receiver}, ...
    @ivar subcode: of OCPP-S, section "Fault Response"; or ''.
    @ivar status: of the HTTP answer (SOAP 1.2 part 2, table 20).
    """

    def __init__(
        self, code: str, subcode: str, reason: str, status: int | None = None
    ) -> None:
        super().__init__(reason)
        self.code = code
        self.subcode = subcode
        self.reason = reason
        self.status = status or (400 if code == "Sender" else 500)


def protocol_error(reason: str) -> SoapFault:
    """
    The fault of a message that breaks the protocol.
    """
    return SoapFault("Sender", "ProtocolError", reason)


def internal_error() -> SoapFault:
    """
    The fault that says nothing of our inside.
    """
    return SoapFault("Receiver", "InternalError", "internal error")


#: The fault for a CallError; L{_OTHERWISE} for any other.
_FAULTS: Mapping[str, tuple[str, str]] = {
    ErrorCode.NOT_IMPLEMENTED: ("Receiver", "NotSupported"),
    ErrorCode.NOT_SUPPORTED: ("Receiver", "NotSupported"),
    ErrorCode.SECURITY_ERROR: ("Sender", "SecurityError"),
    ErrorCode.PROTOCOL_ERROR: ("Sender", "ProtocolError"),
    ErrorCode.FORMATION_VIOLATION: ("Sender", "ProtocolError"),
    ErrorCode.PROPERTY_CONSTRAINT_VIOLATION: ("Sender", "ProtocolError"),
    ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION: ("Sender", "ProtocolError"),
    ErrorCode.TYPE_CONSTRAINT_VIOLATION: ("Sender", "ProtocolError"),
    # What a backend that writes envelopes itself may have answered with.
    "IdentityMismatch": ("Sender", "IdentityMismatch"),
    "UrlFormationError": ("Sender", "UrlFormationError"),
}
_OTHERWISE = ("Receiver", "InternalError")

#: The CallError for the subcode of a fault; others keep their name.
_CODES: Mapping[str, ErrorCode] = {
    "NotSupported": ErrorCode.NOT_SUPPORTED,
    "SecurityError": ErrorCode.SECURITY_ERROR,
    "ProtocolError": ErrorCode.PROTOCOL_ERROR,
    "InternalError": ErrorCode.INTERNAL_ERROR,
}


def fault_of(failed: CallFailed) -> SoapFault:
    """
    >>> fault_of(CallFailed(ErrorCode.NOT_IMPLEMENTED, "no")).subcode
    'NotSupported'
    """
    code, subcode = _FAULTS.get(failed.code, _OTHERWISE)
    return SoapFault(code, subcode, failed.description or subcode)


# Reading


@frozen(eq=False)
class Envelope:
    """
    A message that came.

    @ivar body: the one element in the Body.
    @ivar headers: the texts of the headers, by their local names.
    @ivar sender: the address in C{From}.
    @ivar reply_to: the address in C{ReplyTo}.
    @ivar not_understood: a header that must be understood, and is not.
    """

    body: Element
    headers: Mapping[str, str] = field(factory=dict)
    sender: str = ""
    reply_to: str = ""
    not_understood: str = ""

    @property
    def identity(self) -> str:
        return self.headers.get("chargeBoxIdentity", "")

    @property
    def message_id(self) -> str:
        return self.headers.get("MessageID", "")

    @property
    def namespace(self) -> str:
        """
        Of what is in the Body.
        """
        return etree.QName(self.body).namespace or ""


def parse(data: bytes, charset: str | None = None) -> Envelope:
    """
    Read one message.

    @param charset: of the Content-Type; what the document says wins.
    @raise SoapFault: it is no message of SOAP 1.2.
    """
    root = _document(data, charset)
    if root.tag == f"{{{ENVELOPE_11}}}Envelope":
        raise SoapFault("VersionMismatch", "", "this is SOAP 1.1; speak 1.2")
    if root.tag != f"{{{ENVELOPE}}}Envelope":
        raise protocol_error("this is no envelope of SOAP 1.2")
    body = root.find(f"{{{ENVELOPE}}}Body")
    if body is None or len(body) != 1:
        raise protocol_error("there is not one element in the Body")
    return _envelope(body[0], root.find(f"{{{ENVELOPE}}}Header"))


def _document(data: bytes, charset: str | None) -> Element:
    # Before a declaration there must be none, and some stations send one.
    data = data.lstrip(b" \t\r\n")
    try:
        root = etree.fromstring(data, _parser(data, charset))
    except (etree.XMLSyntaxError, ValueError, LookupError) as e:
        raise protocol_error(f"this is no XML: {e}"[:200]) from None
    info = root.getroottree().docinfo
    if info.doctype or info.internalDTD is not None:
        raise protocol_error("SOAP has no document type declaration")
    return root


def _parser(data: bytes, charset: str | None) -> etree.XMLParser:
    """
    One that fetches nothing, expands nothing, and stops at a depth of 256.
    """
    says_itself = data[:5] in (b"<?xml", b"\xef\xbb\xbf<?") or data[:2] in (
        b"\xff\xfe",
        b"\xfe\xff",
    )
    try:
        return etree.XMLParser(
            encoding=None if says_itself else charset, **_CAREFUL
        )
    except LookupError:
        # A charset that nobody knows says nothing.
        return etree.XMLParser(**_CAREFUL)


_CAREFUL: Mapping[str, Any] = {
    "resolve_entities": False,
    "load_dtd": False,
    "no_network": True,
    "huge_tree": False,
    "remove_comments": True,
    "remove_pis": True,
}


def _envelope(body: Element, header: Element | None) -> Envelope:
    headers: dict[str, str] = {}
    addresses: dict[str, str] = {}
    not_understood = ""
    for element in header if header is not None else ():
        name = etree.QName(element)
        if name.localname in _ENDPOINTS:
            addresses[name.localname] = _address(element)
        elif name.localname in _HEADERS:
            _keep(headers, name.localname, _trimmed(element.text))
        elif _must_be_understood(element):
            not_understood = name.text[:LONGEST_HEADER]
    return Envelope(
        body,
        headers,
        addresses.get("From", ""),
        addresses.get("ReplyTo", ""),
        not_understood,
    )


#: The headers that we understand, whatever their namespace: WS-Addressing
#: had several, and stations put the identity into any.
_HEADERS = {"chargeBoxIdentity", "MessageID", "RelatesTo", "To", "Action"}
_ENDPOINTS = {"From", "ReplyTo", "FaultTo"}

#: For whom a header may be that we must understand (SOAP 1.2, section 2.2).
_OUR_ROLES = {
    "",
    f"{ENVELOPE}/role/next",
    f"{ENVELOPE}/role/ultimateReceiver",
}


def _keep(headers: dict[str, str], name: str, text: str) -> None:
    if headers.setdefault(name, text) != text:
        raise protocol_error(f"there are two {name} headers")


def _trimmed(text: str | None) -> str:
    return (text or "").strip()[:LONGEST_HEADER]


def _address(endpoint: Element) -> str:
    for child in endpoint:
        if etree.QName(child).localname == "Address":
            address = _trimmed(child.text)
            return "" if address in _NOBODY else address
    return ""


def _must_be_understood(header: Element) -> bool:
    must = header.get(f"{{{ENVELOPE}}}mustUnderstand", "").strip()
    role = header.get(f"{{{ENVELOPE}}}role", "").strip()
    return must in ("1", "true") and role in _OUR_ROLES


def service_of(envelope: Envelope, name: str = CENTRAL_SYSTEM) -> Service:
    """
    The service that a request is for; its version is the station's.

    @raise SoapFault: it is for none of ours.
    """
    version = _VERSIONS.get((envelope.namespace, name))
    if version is None:
        spoken = ", ".join(n for n, of in _VERSIONS if of == name)
        raise protocol_error(
            f"{envelope.namespace!r:.100} is no namespace of the {name}; "
            f"these are: {spoken}"
        )
    return service(version, name)


_VERSIONS = {
    (namespace, name): version
    for (version, name), namespace in NAMESPACES.items()
}


def read_call(envelope: Envelope, of: Service) -> Call:
    """
    @raise SoapFault: it is no request of that service.
    """
    if envelope.not_understood:
        raise SoapFault(
            "MustUnderstand", "", f"not understood: {envelope.not_understood}"
        )
    element = etree.QName(envelope.body).localname
    action = of.action(element)
    if action is None:
        raise SoapFault(
            "Receiver",
            "NotSupported",
            f"the {of.name} of OCPP {of.version} has no {element[:50]!r}",
        )
    unique_id = envelope.message_id or new_message_id()
    try:
        payload = body_of(of).requests[action].read(envelope.body)
    except Unreadable as e:
        raise protocol_error(f"{element}: {e}") from None
    return Call(unique_id, action, payload)


def read_answer(envelope: Envelope, of: Service, call: Call) -> Payload:
    """
    The payload that our request was answered with.

    @raise CallFailed: it was answered with a fault.
    @raise SoapFault: this is no answer to it.
    """
    relates_to = envelope.headers.get("RelatesTo", call.unique_id)
    if relates_to != call.unique_id:
        raise protocol_error("this is the answer to another message")
    if envelope.body.tag == f"{{{ENVELOPE}}}Fault":
        raise _failure(envelope.body)
    name = etree.QName(envelope.body).localname
    if name.lower() != f"{call.action}Response".lower():
        raise protocol_error(f"{name[:50]!r} is no answer to {call.action}")
    try:
        return body_of(of).responses[call.action].read(envelope.body)
    except Unreadable as e:
        raise protocol_error(f"{name}: {e}") from None


def _failure(fault: Element) -> CallFailed:
    def text(path: str) -> str:
        found = fault.findtext(path, namespaces={"e": ENVELOPE})
        return _trimmed(found)[:255]

    code = text("e:Code/e:Value").rpartition(":")[2]
    subcode = text("e:Code/e:Subcode/e:Value").rpartition(":")[2]
    return CallFailed(
        _CODES.get(subcode, subcode or ErrorCode.GENERIC_ERROR),
        text("e:Reason/e:Text") or code,
        {"code": code, "subcode": subcode},
    )


# Writing


def new_message_id() -> str:
    return f"urn:uuid:{uuid4()}"


def check_operation(action: str, of: Service) -> None:
    """
    @raise BadRequest: the service has no such operation.
    """
    if action not in of.requests:
        known = ", ".join(sorted(of.requests))
        raise BadRequest(
            f"OCPP {of.version} has no {action} over SOAP; it has: {known}"
        )


def write_call(
    call: Call, of: Service, identity: str, to: str, sender: str = ""
) -> bytes:
    """
    Our request to a station, or an emulated station's to its central system.

    @param to: the address that it is sent to.
    @param sender: the address that we are reached at.
    @raise BadRequest: the version has no such action, or the payload has a
        character that cannot stand in XML.
    """
    check_operation(call.action, of)
    sequence = body_of(of).requests[call.action]
    root, header, body = _new_envelope(of.namespace)
    try:
        identity_header = _add(header, f"{{{of.namespace}}}{_IDENTITY}")
        identity_header.text = identity
        _address_message(header, f"/{call.action}", call.unique_id, to)
        if sender:
            _add_endpoint(header, "From", sender)
        _add_endpoint(header, "ReplyTo", ANONYMOUS)
        name = element_name(call.action, "Request")
        sequence.write(call.payload, _add(body, f"{{{of.namespace}}}{name}"))
    except ValueError as e:
        raise BadRequest(f"{call.action}: {e}") from None
    return _bytes(root)


def write_answer(
    call: Call, payload: Payload, of: Service, envelope: Envelope
) -> bytes:
    """
    @raise CallFailed: the payload cannot stand in XML.
    """
    root, header, body = _new_envelope(of.namespace)
    _answer(header, f"/{call.action}Response", envelope)
    name = element_name(call.action, "Response")
    element = _add(body, f"{{{of.namespace}}}{name}")
    try:
        body_of(of).responses[call.action].write(payload, element)
    except ValueError:
        raise CallFailed(ErrorCode.INTERNAL_ERROR) from None
    return _bytes(root)


def write_fault(fault: SoapFault, envelope: Envelope | None = None) -> bytes:
    """
    @param envelope: what was received, if it could be read at all.
    """
    namespace = envelope.namespace if envelope is not None else ""
    if (namespace, CENTRAL_SYSTEM) not in _VERSIONS:
        namespace = _LATEST
    root, header, body = _new_envelope(namespace)
    if envelope is not None:
        _answer(header, f"{ADDRESSING}/fault", envelope)
    element = _add(body, f"{{{ENVELOPE}}}Fault")
    code = _add(element, f"{{{ENVELOPE}}}Code")
    _add(code, f"{{{ENVELOPE}}}Value").text = f"soap:{fault.code}"
    if fault.subcode:
        subcode = _add(code, f"{{{ENVELOPE}}}Subcode")
        _add(subcode, f"{{{ENVELOPE}}}Value").text = f"ocpp:{fault.subcode}"
    reason = _add(_add(element, f"{{{ENVELOPE}}}Reason"), _TEXT)
    reason.set(f"{{{_XML}}}lang", "en")
    reason.text = _printable(fault.reason)
    return _bytes(root)


_IDENTITY = "chargeBoxIdentity"
_TEXT = f"{{{ENVELOPE}}}Text"
_LATEST = list(NAMESPACES.values())[2]


def _printable(text: str) -> str:
    """
    >>> _printable("a\\x00b")
    'a?b'
    """
    return re.sub(
        "[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", text
    )


def _new_envelope(namespace: str) -> tuple[Element, Element, Element]:
    names = {"soap": ENVELOPE, "wsa": ADDRESSING, "ocpp": namespace}
    root = etree.Element(f"{{{ENVELOPE}}}Envelope", nsmap=names)
    return (
        root,
        _add(root, f"{{{ENVELOPE}}}Header"),
        _add(root, f"{{{ENVELOPE}}}Body"),
    )


def _add(parent: Element, tag: str) -> Any:
    return etree.SubElement(parent, tag)


def _add_endpoint(header: Element, name: str, address: str) -> None:
    endpoint = _add(header, f"{{{ADDRESSING}}}{name}")
    _add(endpoint, f"{{{ADDRESSING}}}Address").text = address


def _address_message(
    header: Element, action: str, message_id: str, to: str
) -> None:
    _add(header, f"{{{ADDRESSING}}}Action").text = action
    _add(header, f"{{{ADDRESSING}}}MessageID").text = message_id
    _add(header, f"{{{ADDRESSING}}}To").text = to


def _answer(header: Element, action: str, envelope: Envelope) -> None:
    to = envelope.reply_to or ANONYMOUS
    _address_message(header, action, new_message_id(), to)
    if envelope.message_id:
        relates_to = _add(header, f"{{{ADDRESSING}}}RelatesTo")
        relates_to.text = envelope.message_id


def _bytes(root: Element) -> bytes:
    return bytes(etree.tostring(root, encoding="UTF-8", xml_declaration=True))
