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
from email.message import Message
from functools import lru_cache
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from ..journal import Attempt
from ..ocpp.soap import (
    CONTENT_TYPE,
    Envelope,
    SoapFault,
    internal_error,
    parse,
    service_of,
    write_fault,
)
from ..ocpp.soap_tables import CENTRAL_SYSTEM, CHARGE_POINT
from ..ocpp.soap_wsdl import wsdl
from ..ocpp.versions import Version
from ..router import Handshake, Refused
from .soap_stations import Posted, SoapStations
from .websocket import check_names, credentials


#: What to do about a message that cannot be read.
_REMEDY = "send SOAP 1.2 with a chargeBoxIdentity, as ?wsdl describes it"

#: What a body may be; a browser sends these to nobody without asking first.
_CONTENT_TYPES = {"application/soap+xml", "text/xml", "application/xml", ""}


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
        answering.addErrback(lambda f: self._failed(_address_of(request), f))
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
            identity = envelope.identity if envelope is not None else ""
            self._failed(station or identity or _address_of(request))
            return 500, write_fault(internal_error(), envelope)

    def _failed(self, who: object, failure: Failure | None = None) -> None:
        """
        A bug of ours: somebody is not answered as the standard wants it.
        """
        self.log.failure(
            "while answering a message of {who!r:.200}", failure, who=who
        )

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
