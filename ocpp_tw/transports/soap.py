"""
OCPP-S: stations that post SOAP messages, and are posted to.

::

    POST /Ocpp/CentralSystemService HTTP/1.1
    Content-Type: application/soap+xml; charset=utf-8

There is no connection: a station is here as long as it is heard of, and is
commanded at the address it gives in C{From}, or that an operator gave.
"""

from __future__ import annotations

import re
import zlib
from base64 import b64decode, b64encode
from collections.abc import Sequence
from email.message import Message
from functools import lru_cache
from typing import Any

from attrs import evolve, field, frozen
from lxml import etree
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer

from ..errors import CallFailed, ErrorCode, StationNotConnected, TooManyCalls
from ..fleet import Known
from ..interfaces import ISeedSOAP, IStation
from ..journal import Attempt
from ..messagelog import Entry
from ..ocpp.messages import Call, Payload
from ..ocpp.schemas import Violation
from ..ocpp.soap import (
    CONTENT_TYPE,
    Envelope,
    SoapFault,
    check_operation,
    fault_of,
    internal_error,
    new_message_id,
    parse,
    read_answer,
    read_call,
    service_of,
    write_answer,
    write_call,
    write_fault,
)
from ..ocpp.soap_tables import CENTRAL_SYSTEM, CHARGE_POINT
from ..ocpp.soap_types import Service, service
from ..ocpp.soap_wsdl import wsdl
from ..ocpp.versions import Version
from ..router import Asking, Handshake, ILiveStation, Refused, Router
from .soap_addresses import Allowed, Endpoint, host_of
from .soap_post import Courier
from .websocket import check_names, credentials


#: How many of a station's messages may wait for their turn.
MOST_WAITING = 32

#: How many of our commands to a station may wait for their turn.
MOST_PENDING = 100

#: How many stations may be here at once: each costs a message only.
MOST_STATIONS = 20_000

#: How long another worker has to answer a message, in seconds.
RELAY_TIMEOUT = 60.0

#: A station is not taken for gone before, in seconds.
LEAST_SILENCE = 60.0

#: What to do about a message that cannot be read.
_REMEDY = "send SOAP 1.2 with a chargeBoxIdentity, as ?wsdl describes it"

#: What a body may be; a browser sends these to nobody without asking first.
_CONTENT_TYPES = {"application/soap+xml", "text/xml", "application/xml", ""}


@frozen
class SoapRules:
    """
    What the operator decided about stations that speak SOAP.

    @ivar allow: which addresses of stations are used.
    @ivar heartbeats: after how many intervals without a message a station
        is taken for gone.
    @ivar interval: the interval of a station that has not booted since we
        started, in seconds.
    @ivar message_size: the longest message, in octets.
    @ivar call_timeout: seconds that a station has for its answer.
    """

    allow: Allowed = field(factory=Allowed)
    heartbeats: int = 3
    interval: float = 300.0
    message_size: int = 256 * 1024
    call_timeout: float = 30.0


@frozen
class Posted:
    """
    A message that was posted to us.

    @ivar data: as it came.
    @ivar address: where it came from.
    @ivar our_address: where we were reached.
    """

    envelope: Envelope
    data: bytes
    charset: str | None
    address: str
    our_address: str

    def as_body(self) -> list[Any]:
        """
        What another worker makes the same message of.
        """
        data = b64encode(self.data).decode()
        return [data, self.charset, self.address, self.our_address]

    @classmethod
    def from_body(cls, body: Sequence[Any]) -> Posted:
        encoded, charset, *addresses = body
        data = b64decode(encoded)
        return cls(parse(data, charset), data, charset, *addresses)


@implementer(ILiveStation)
class SoapStation:
    """
    One station that speaks SOAP, from its first message until it is silent.

    @ivar endpoint: where it says that it is reached; None if it did not.
    @ivar our_address: where it reaches us.
    """

    log = Logger()

    protocol = "SOAP"
    known: Known
    violations: Sequence[Violation] | None = None
    endpoint: Endpoint | None = None
    our_address = ""
    _watch: IDelayedCall | None = None

    def __init__(
        self, handshake: Handshake, of: Service, stations: SoapStations
    ) -> None:
        self.identity = handshake.identity
        self.version: Version = of.version
        self.account = handshake.account
        self.address = handshake.address
        self.last_seen = self.asked_at = stations.seconds()
        self._service = of
        self._stations = stations
        self._router = stations.router
        self._answering = DeferredLock()
        self._asking = DeferredLock()

    def __repr__(self) -> str:
        return f"<{self.identity} {self.version} SOAP at {self.address}>"

    def close(self, code: int, reason: str) -> None:
        self._stations.let_go(self, reason)

    # Signs of life

    async def hear(self, message: Posted) -> bytes:
        """
        The envelope that answers a message.

        @raise SoapFault: to answer with this fault instead.
        """
        self._note_life(message)
        return await self._answer_in_turn(message.envelope, message.data)

    def _note_life(self, message: Posted) -> None:
        self.last_seen = self._stations.seconds()
        self.address = self.known.address = message.address
        self.our_address = message.our_address
        sender = message.envelope.sender
        given = Endpoint(sender, message.address) if sender else None
        if given is not None and given != self.endpoint:
            self._note_endpoint(given)
            self.endpoint = given
            self.known.reached_at = given.url
            self._router.fleet.unsaved.add(self.identity)
        if self._watch is None:
            self._watch_for(self._patience())

    def _note_endpoint(self, new: Endpoint) -> None:
        old = self.known.reached_at
        if old and old != new.url:
            self.log.warn(
                "{station}: it is reached at {new} now, not at {old}",
                station=self,
                new=new.url,
                old=old,
            )
        why_not = new.why_not(self._stations.rules.allow)
        if why_not and (self.endpoint is None or old != new.url):
            self.log.warn(
                "{station}: it cannot be commanded: {why_not}",
                station=self,
                why_not=why_not,
            )

    def _patience(self) -> float:
        rules = self._stations.rules
        interval = self.known.heartbeat or rules.interval
        return max(LEAST_SILENCE, rules.heartbeats * interval)

    def _watch_for(self, seconds: float) -> None:
        later = self._stations.reactor.callLater
        self._watch = later(seconds, self._look_for_life)

    def _expect_every(self, interval: float) -> None:
        """
        We know its interval now.
        """
        self.known.heartbeat = interval or None
        self._router.fleet.unsaved.add(self.identity)
        if self._watch is not None:
            self._watch.reset(self._patience())

    def _look_for_life(self) -> None:
        rest = self.last_seen + self._patience() - self._stations.seconds()
        if rest > 0:
            self._watch_for(rest)
            return
        self._watch = None
        self._stations.let_go(self, "it is silent")

    def watch_no_more(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    # Its messages

    async def _answer_in_turn(self, envelope: Envelope, frame: bytes) -> bytes:
        try:
            call = read_call(envelope, self._service)
            call.size = len(frame)
            self._check_address(envelope.sender)
        except SoapFault as fault:
            now = self._stations.seconds()
            nothing = Call("", "", {})
            self._note(now, "in", nothing, frame, None, fault.reason)
            raise
        if len(self._answering.waiting) >= MOST_WAITING:
            raise SoapFault("Receiver", "InternalError", "too busy", 503)
        await self._answering.acquire()
        try:
            return await self._answer(call, envelope, frame)
        finally:
            self._answering.release()

    async def _answer(
        self, call: Call, envelope: Envelope, frame: bytes
    ) -> bytes:
        reply, error = b"", None
        self.asked_at = self._stations.seconds()
        try:
            reply = await self._reply(call, envelope, frame)
            return reply
        except Exception as e:
            fault = self._fault(call, e)
            reply, error = write_fault(fault, envelope), fault.subcode
            raise fault from None
        finally:
            self._note_answered(call, frame, reply, error)

    async def _reply(
        self, call: Call, envelope: Envelope, frame: bytes
    ) -> bytes:
        theirs = self._envelopes()
        if theirs is None:
            payload = await self._payload(call)
            return write_answer(call, payload, self._service, envelope)
        elsewhere = _Elsewhere(theirs, frame, self._service)
        payload = await self._payload(call, elsewhere.answer)
        # We may have answered without asking.
        return elsewhere.reply or write_answer(
            call, payload, self._service, envelope
        )

    async def _payload(self, call: Call, ask: Asking | None = None) -> Payload:
        payload = self._router.answer(self, call, ask)
        if isinstance(payload, Deferred):
            payload = await payload
        self._learn(call, payload)
        return payload

    def _check_address(self, url: str) -> None:
        """
        @raise SoapFault: it is no URL, and validation is strict.
        """
        if url and host_of(url) is None:
            mode = self.known.settings.validation or self._router.validation
            if mode == "strict":
                raise SoapFault(
                    "Sender",
                    "UrlFormationError",
                    f"From: {url!r:.200} is no address of http or https",
                )

    def _envelopes(self) -> ISeedSOAP | None:
        """
        The backend, where it wants to read and write envelopes itself.
        """
        theirs = ISeedSOAP(self._router.backend, None)
        return theirs if theirs and theirs.wants_envelopes else None

    def _fault(self, call: Call, error: Exception) -> SoapFault:
        """
        The fault that says no more than a station may know.
        """
        if isinstance(error, CallFailed):
            return fault_of(error)
        self.log.failure(
            "{station}: while answering {call!r:.500}",
            station=self,
            call=call,
        )
        return internal_error()

    def _learn(self, call: Call, answer: Payload) -> None:
        if call.action == "BootNotification":
            self._expect_every(float(answer.get("interval") or 0))

    def _note_answered(
        self, call: Call, frame: bytes, reply: bytes, error: str | None
    ) -> None:
        violations, self.violations = self.violations, None
        self._note(self.asked_at, "in", call, frame, reply, violations, error)

    def _note(
        self,
        since: float,
        direction: str,
        call: Call,
        frame: bytes,
        reply: bytes | None,
        violations: Sequence[Violation] | str | None = None,
        error: str | None = None,
    ) -> None:
        self._router.journal.note(
            Entry(
                since,
                self.identity,
                direction,
                call.unique_id,
                call.action,
                frame,
                reply,
                self._stations.seconds() - since,
                violations,
                error,
            )
        )

    # Our commands

    async def call(
        self, action: str, payload: Payload, timeout: float | None = None
    ) -> Payload:
        """
        @raise BadRequest: its version has no such action over SOAP.
        """
        if len(self._asking.waiting) >= MOST_PENDING:
            raise TooManyCalls(
                f"{MOST_PENDING} calls wait for this station already"
            )
        await self._asking.acquire()
        try:
            call = Call(new_message_id(), action, payload)
            answer = await self._ask(
                call, timeout or self._stations.rules.call_timeout
            )
        finally:
            self._asking.release()
        self._learn_from_command(call, answer)
        return answer

    async def _ask(self, call: Call, timeout: float) -> Payload:
        url = self._url()
        of = service(self.version, CHARGE_POINT)
        theirs = self._envelopes()
        frame = await self._write(theirs, call, of, url)
        since, reply, error = self._stations.seconds(), None, None
        try:
            status, reply = await self._stations.courier.post(
                url, frame, call.action, timeout
            )
            if theirs is not None and status == 200:
                return await theirs.soap_to_json(_as_text(reply))
            return self._read(status, reply, of, call)
        except CallFailed as e:
            error = e.code
            raise
        finally:
            self._note(since, "out", call, frame, reply, error=error)

    async def _write(
        self, theirs: ISeedSOAP | None, call: Call, of: Service, url: str
    ) -> bytes:
        if theirs is None:
            return write_call(call, of, self.identity, url, self.our_address)
        check_operation(call.action, of)
        header = {
            "chargeBoxIdentity": self.identity,
            "Action": call.action,
            "To": url,
        }
        message = {"header": header, "payload": call.payload}
        return (await theirs.json_to_soap(message)).encode()

    def _url(self) -> str:
        """
        @raise StationNotConnected: it is not known where it is reached, or
            it may not be there.
        """
        operators: str | None = self.known.settings.endpoint
        if operators:
            return operators
        if self.endpoint is None:
            raise StationNotConnected(
                f'station "{self.identity}" never said where it is reached '
                "(From); an operator can set its endpoint"
            )
        why_not = self.endpoint.why_not(self._stations.rules.allow)
        if why_not:
            raise StationNotConnected(
                f'station "{self.identity}" cannot be commanded: {why_not}'
            )
        return self.endpoint.url

    def _read(
        self, status: int, reply: bytes, of: Service, call: Call
    ) -> Payload:
        try:
            return read_answer(parse(reply), of, call)
        except SoapFault as e:
            raise CallFailed(
                "GenericError", f"HTTP status {status}: {e.reason}"
            ) from None

    def _learn_from_command(self, call: Call, answer: Payload) -> None:
        match call.payload, answer:
            case (
                {"key": str(key), "value": str(value)},
                {"status": "Accepted"},
            ) if key.lower() == "heartbeatinterval" and value.isdecimal():
                self._expect_every(float(value[:9]))


class _Elsewhere:
    """
    Leaves an envelope to a backend that answers it with another.

    @ivar reply: its envelope, once it has answered.
    """

    log = Logger()

    def __init__(self, theirs: ISeedSOAP, frame: bytes, of: Service) -> None:
        self._theirs = theirs
        self._frame = frame
        self._of = of
        self.reply = b""

    async def answer(self, station: IStation, call: Call) -> Payload:
        """
        The payload in its envelope, as a backend's answer.

        @raise CallFailed: it answered with a fault, or with nonsense.
        """
        text = await self._theirs.parse_xml(_as_text(self._frame))
        reply = text.encode()
        try:
            # Whatever it says of other messages: it is the answer to this.
            envelope = evolve(parse(reply), headers={})
            payload = read_answer(envelope, self._of, call)
        except SoapFault as fault:
            self.log.error(
                "{station}: the backend's envelope: {reason}",
                station=station,
                reason=fault.reason,
            )
            raise CallFailed(ErrorCode.INTERNAL_ERROR) from None
        self.reply = reply
        return payload


def _relayed(answer: Any) -> tuple[int, bytes] | None:
    return answer and (answer[0], answer[1].encode())


def _not_relayed(failure: Failure) -> None:
    """
    @raise SoapFault: it is not known whether it was answered.
    """
    if not failure.check(StationNotConnected):
        raise SoapFault("Receiver", "InternalError", "try again", 503)


class SoapStations:
    """
    The stations that speak SOAP and are here now.
    """

    log = Logger()

    def __init__(
        self,
        router: Router,
        reactor: Any,
        rules: SoapRules | None = None,
        courier: Courier | None = None,
    ) -> None:
        self.router = router
        self.reactor = reactor
        self.seconds = reactor.seconds
        self.rules = rules or SoapRules()
        self.courier = courier or Courier(reactor)
        self._here: dict[str, SoapStation] = {}

    def admit(self, handshake: Handshake) -> None:
        """
        @raise Refused: the station may not connect.
        """
        self.router.admit(handshake)
        is_new = handshake.identity not in self._here
        if is_new and len(self._here) >= MOST_STATIONS:
            raise Refused(
                503,
                f"there are {MOST_STATIONS} stations already",
                "find out who sends messages under so many names",
            )

    def relay(
        self, identity: str, of: Service, message: Posted
    ) -> Deferred[tuple[int, bytes] | None] | None:
        """
        Let the worker answer a message that has its station: each message
        may come by a connection of its own, to any worker.

        @return: None where we have it, or nobody.
        """
        if self.router.neighbours is None or identity in self._here:
            return None
        known = self.router.fleet.get(identity)
        if known is None or known.protocol != SoapStation.protocol:
            return None
        relay = getattr(known.station, "relay", None)
        if relay is None:
            return None
        body = [identity, of.version, *message.as_body()]
        asking: Deferred[Any] = relay("soap", body, RELAY_TIMEOUT)
        return asking.addCallbacks(_relayed, _not_relayed)

    async def relayed(self, body: Any) -> tuple[int, str] | None:
        """
        Answer a message that another worker has got.

        @return: the status of HTTP, and the envelope; None where we do not
            have the station any more.
        """
        identity, version, *rest = body
        station = self._here.get(identity)
        if station is None or station.version != version:
            return None
        message = Posted.from_body(rest)
        try:
            reply = await station.hear(message)
            return 200, reply.decode()
        except SoapFault as fault:
            return fault.status, write_fault(fault, message.envelope).decode()

    def station(self, handshake: Handshake, of: Service) -> SoapStation:
        """
        The station that a message came from.
        """
        station = self._here.get(handshake.identity)
        if station is not None and station.version is of.version:
            return station
        station = SoapStation(handshake, of, self)
        self._here[station.identity] = station
        self.router.connected(station)
        return station

    def let_go(self, station: SoapStation, why: str) -> None:
        """
        Take a station for gone.
        """
        if self._here.get(station.identity) is station:
            del self._here[station.identity]
        station.watch_no_more()
        # The one that takes its place is announced first.
        self.reactor.callLater(0, self.router.disconnected, station, why)


class _NoMessage(Exception):
    """
    A request that is not looked into.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class SoapResource(Resource):
    """
    C{/Ocpp} and below.
    """

    log = Logger()

    isLeaf = True

    def __init__(self, stations: SoapStations) -> None:
        super().__init__()
        self._stations = stations

    # The definitions of our services

    def render_GET(self, request: Request) -> bytes:
        """
        C{?wsdl}, C{?wsdl=1.5}; the service of a Charge Point's where the
        path names it.
        """
        asked = request.args.get(b"wsdl") or request.args.get(b"WSDL")
        bare = request.uri.partition(b"?")[2].lower() == b"wsdl"
        if not asked and not bare:
            return _plain(request, 405, "POST a SOAP message, or GET ?wsdl")
        return self._wsdl(request, (asked or [b""])[0].decode("latin-1"))

    def _wsdl(self, request: Request, version: str) -> bytes:
        versions = {Version.V12, Version.V15, Version.V16}
        if (version or "1.6") not in versions:
            return _plain(request, 404, "there are 1.2, 1.5 and 1.6")
        name = CENTRAL_SYSTEM
        if CHARGE_POINT.encode() in request.path:
            name = CHARGE_POINT
        url = _url_of(request)
        definition = wsdl(Version(version or "1.6"), url, name)
        request.setHeader(b"Content-Type", b"text/xml; charset=utf-8")
        return definition

    # Messages

    def render_POST(self, request: Request) -> Any:
        try:
            data, charset = self._message(request)
        except _NoMessage as e:
            self._note_attempt(request, e)
            return _plain(request, e.status, str(e))
        gone: list[object] = []
        request.notifyFinish().addErrback(gone.append)

        def send(answer: tuple[int, bytes]) -> None:
            if not gone:
                _send(request, *answer)

        answering = Deferred.fromCoroutine(
            self._answer(request, data, charset)
        )
        answering.addCallback(send)
        answering.addErrback(
            lambda f: self.log.failure("while answering a message", f)
        )
        return NOT_DONE_YET

    def _message(self, request: Request) -> tuple[bytes, str | None]:
        """
        The XML in a request, and its charset.

        @raise _NoMessage: it is too large, or something else.
        """
        media_type, charset = _media_type(_header(request, b"content-type"))
        if media_type not in _CONTENT_TYPES:
            raise _NoMessage(415, f"send {CONTENT_TYPE}")
        most = self._stations.rules.message_size
        assert request.content is not None
        data = request.content.read(most + 1)
        encoding = _header(request, b"content-encoding").lower()
        if encoding in ("gzip", "x-gzip", "deflate"):
            data = _inflated(data, most + 1)
        elif encoding not in ("", "identity"):
            raise _NoMessage(415, "send it as it is, or gzip it")
        if len(data) > most:
            raise _NoMessage(413, f"a message has at most {most} octets")
        return data, charset

    async def _answer(
        self, request: Request, data: bytes, charset: str | None
    ) -> tuple[int, bytes]:
        envelope = station = None
        try:
            envelope = parse(data, charset)
            of = service_of(envelope)
            handshake = self._admitted(request, envelope)
            message = Posted(
                envelope, data, charset, handshake.address, _url_of(request)
            )
            relaying = self._stations.relay(handshake.identity, of, message)
            relayed = relaying and await relaying
            if relayed:
                return relayed
            station = self._stations.station(handshake, of)
            return 200, await station.hear(message)
        except SoapFault as fault:
            if station is None:
                self._note_attempt(request, fault, envelope)
            return fault.status, write_fault(fault, envelope)
        except Exception:
            self.log.failure("while answering a message")
            return 500, write_fault(internal_error(), envelope)

    def _admitted(self, request: Request, envelope: Envelope) -> Handshake:
        """
        @raise SoapFault: the station may not connect.
        """
        handshake = _handshake(request, envelope)
        try:
            check_names(handshake.identity)
            self._stations.admit(handshake)
        except Refused as e:
            raise _fault_of_refusal(e) from e
        return handshake

    def _note_attempt(
        self,
        request: Request,
        why: SoapFault | _NoMessage,
        envelope: Envelope | None = None,
    ) -> None:
        """
        A message came that nobody's name can be put to.
        """
        namespace = envelope.namespace if envelope is not None else ""
        self._stations.router.refused(
            Attempt(
                time=self._stations.seconds(),
                address=_address_of(request),
                path=request.path.decode("latin-1")[:500],
                offered=f"SOAP {namespace}".strip()[:200],
                status=why.status,
                reason=str(why),
                remedy=getattr(why.__cause__, "remedy", _REMEDY),
            )
        )


def _as_text(frame: bytes) -> str:
    """
    XML without the declaration, which tells the encoding of octets.

    >>> _as_text(b'<?xml version="1.0" encoding="latin1"?><a>\\xe4</a>')
    '<a>ä</a>'

    @raise CallFailed: it is no XML.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    try:
        root = etree.fromstring(frame, parser)
    except etree.XMLSyntaxError as e:
        raise CallFailed("GenericError", f"no XML: {e}"[:200]) from None
    return str(etree.tostring(root, encoding="unicode"))


def _fault_of_refusal(refused: Refused) -> SoapFault:
    if refused.status in (401, 403, 404):
        return SoapFault(
            "Sender", "SecurityError", refused.reason, refused.status
        )
    code = "Sender" if refused.status < 500 else "Receiver"
    subcode = "IdentityMismatch" if code == "Sender" else "InternalError"
    return SoapFault(code, subcode, refused.reason, refused.status)


def _handshake(request: Request, envelope: Envelope) -> Handshake:
    if not envelope.identity:
        raise SoapFault(
            "Sender", "IdentityMismatch", "there is no chargeBoxIdentity"
        )
    username, password = credentials(_header(request, b"authorization"))
    transport = getattr(request.channel, "transport", None)
    certificate = getattr(transport, "getPeerCertificate", lambda: None)
    return Handshake(
        envelope.identity,
        "",
        _address_of(request),
        (),
        username,
        password,
        certificate(),
    )


def _address_of(request: Request) -> str:
    peer: Any = request.getClientAddress()
    host = getattr(peer, "host", None)
    return f"{host}:{peer.port}" if host else "local"


def _url_of(request: Request) -> str:
    """
    Where we were reached, without the query.
    """
    scheme = "https" if request.isSecure() else "http"
    host = _header(request, b"host")
    if not _HOST.fullmatch(host):
        host = "localhost"
    path = request.path.decode("latin-1")[:500]
    return f"{scheme}://{host}{path}"


#: A host, and perhaps a port.
_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}")


def _header(request: Request, name: bytes) -> str:
    """
    A header of any octets; '' where there is none.
    """
    return (request.getHeader(name) or b"").decode("latin-1")


@lru_cache(64)
def _media_type(header: str) -> tuple[str, str | None]:
    """
    >>> _media_type('Text/XML;charset="UTF-8"; action="/Heartbeat"')
    ('text/xml', 'utf-8')
    >>> _media_type("")
    ('', None)
    """
    if not header:
        return "", None
    message = Message()
    message["content-type"] = header[:1000]
    charset = message.get_content_charset()
    return header.partition(";")[0].strip().lower(), charset


def _inflated(data: bytes, most: int) -> bytes:
    """
    At most so many octets of what was compressed.

    @raise _NoMessage: it is broken.
    """
    # 32: with a header of gzip or of zlib.
    inflate = zlib.decompressobj(32 + zlib.MAX_WBITS)
    try:
        return inflate.decompress(data, most)
    except zlib.error:
        raise _NoMessage(400, "what was compressed is broken") from None


def _plain(request: Request, status: int, text: str) -> bytes:
    request.setResponseCode(status)
    request.setHeader(b"Content-Type", b"text/plain; charset=utf-8")
    if status == 405:
        request.setHeader(b"Allow", b"GET, POST")
    return text.encode()


def _send(request: Request, status: int, body: bytes) -> None:
    request.setResponseCode(status)
    if status == 401:
        request.setHeader(b"WWW-Authenticate", b'Basic realm="ocpp"')
    request.setHeader(b"Content-Type", CONTENT_TYPE.encode())
    request.setHeader(b"Content-Length", str(len(body)).encode())
    request.write(body)
    request.finish()
