"""
OCPP-J: an emulated station's connection to a central system.

::

    GET /ocpp/CP1 HTTP/1.1
    Upgrade: WebSocket
    Authorization: Basic Q1AxOnNlY3JldA==
    Sec-WebSocket-Protocol: ocpp1.6
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from copy import copy
from random import getrandbits
from typing import Any
from urllib.parse import quote, urlsplit

from attrs import frozen
from autobahn.twisted.websocket import (
    WebSocketClientFactory,
    WebSocketClientProtocol,
)
from autobahn.websocket.protocol import TrafficStats
from autobahn.websocket.types import ConnectingRequest
from twisted.internet.abstract import isIPAddress
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import (
    HostnameEndpoint,
    TCP4ClientEndpoint,
    wrapClientTLS,
)
from twisted.internet.interfaces import IDelayedCall, IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.ssl import (
    Certificate,
    PrivateCertificate,
    optionsForClientTLS,
    trustRootFromCertificates,
)
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..errors import BadConfig
from ..ocpp.versions import Version
from ..peer import Peer, Witness
from ..sockets import is_known, poll_fast, write_now
from .chargepoint import ChargePoint
from .credentials import headers_of
from .findings import Ear
from .security import safe_of
from .station import Line


GOING_AWAY = 1001
NORMAL = 1000

#: How long the central system has to answer a ping, in seconds of ours; it
#: is looked at when the next ping is due.
PONG_DEADLINE = 20.0

#: The longest message we take, in octets.
LONGEST = 1 << 20


@frozen
class Backoff:
    """
    How long to wait before another attempt, in seconds.

    >>> Backoff(first=1, longest=60).delay(3, jitter=0.0)
    4.0

    @ivar first: before the second attempt; doubled for each further one.
    """

    first: float = 1.0
    longest: float = 60.0

    def delay(self, attempt: int, jitter: float) -> float:
        """
        @param attempt: how many have failed.
        @param jitter: from 0 to 1; it takes up to a half away or adds it.
        """
        doubled = self.first * 2.0 ** min(attempt, 20)
        return min(self.longest, doubled) * (0.5 + jitter)


def masked_frame(payload: bytes, opcode: int = 0x81) -> bytes:
    """
    One final frame, as a client sends it (RFC 6455, section 5.2).
    """
    size = len(payload)
    key = getrandbits(32).to_bytes(4, "big")
    mask = (key * ((size + 3) >> 2))[:size]
    masked = (
        int.from_bytes(payload, "little") ^ int.from_bytes(mask, "little")
    ).to_bytes(size, "little")
    if size < 126:
        head = bytes((opcode, 0x80 | size))
    elif size < 65536:
        head = bytes((opcode, 0xFE)) + size.to_bytes(2, "big")
    else:
        head = bytes((opcode, 0xFF)) + size.to_bytes(8, "big")
    return head + key + masked


def whole_texts(segment: bytes) -> list[bytes] | None:
    """
    The payloads of a segment that is nothing but small text frames of a
    server, each of them whole.

    >>> whole_texts(b"\\x81\\x02{}\\x81\\x02[]")
    [b'{}', b'[]']
    >>> whole_texts(b"\\x81\\x03{}") is None
    True
    """
    texts, at, size = [], 0, len(segment)
    while at < size:
        if segment[at] != 0x81 or at + 4 > size:
            return None
        length = segment[at + 1]
        at += 2
        if length == 126:
            length = segment[at] << 8 | segment[at + 1]
            at += 2
        elif length > 126:
            return None
        texts.append(segment[at : at + length])
        at += length
    return texts if at == size else None


class _Unheard:
    """
    A promise that nobody has asked for.
    """

    def callback(self, result: object) -> None:
        pass


#: What a connection does not need any more once it is open.
_OF_HANDSHAKE = frozenset(
    (
        "_transport_details",
        "http_headers",
        "http_request_data",
        "http_response_data",
        "http_status_line",
        "websocket_key",
    )
)

#: What may be shared: it is replaced, and never changed.
_PLAIN = frozenset((bool, int, bytes, str))


class ChargePointProtocol(WebSocketClientProtocol):
    """
    One connection.

    @ivar connection: whose it is.
    @ivar conversation: what its messages are; Autobahn calls the address of
        the other end C{peer}.
    """

    connection: Connection
    conversation: Peer | None = None
    _pinged_at: float | None = None
    _is_plain = False

    def onConnecting(self, details: Any) -> ConnectingRequest:
        return self.connection.request()

    def onConnect(self, response: Any) -> None:
        wanted = self.connection.subprotocols
        if response.protocol not in wanted:
            self.connection.station.findings.note(
                "handshake",
                f"we offered {', '.join(wanted)}; it chose "
                f"{response.protocol or 'none'}",
            )

    def onOpen(self) -> None:
        self._is_plain = is_known(self.transport)
        if self._is_plain:
            # Nothing is to be wrapped any more, now that it is connected.
            self.transport.protocol = self
        self._shed()
        self.conversation = self.connection.opened(self)

    def _shed(self) -> None:
        """
        Keep no more than what makes this connection different from others.

        Autobahn gives every connection more than a hundred attributes, and
        nearly all of them stay what they are with all others.
        """
        kind, own = type(self), {}
        for name, value in vars(self).items():
            if name in _OF_HANDSHAKE:
                value = None
            if value is None or value.__class__ in _PLAIN:
                if name not in kind.__dict__:
                    setattr(kind, name, value)
                if kind.__dict__[name] == value:
                    continue
            if name not in _COMMON:
                own[name] = value
        self.__dict__ = own

    def dataReceived(self, data: bytes) -> None:
        """
        Take the quick way with what is one whole frame, as most are.
        """
        if (
            self.conversation is not None
            and self.state == self.STATE_OPEN
            and not self.data
            and self.current_frame is None
            and not self.inside_message
        ):
            texts = whole_texts(data)
            if texts is not None:
                self._receive(texts)
                return
        self._dataReceived(data)

    def _receive(self, texts: list[bytes]) -> None:
        for text in texts:
            # One of them may have ended the conversation.
            if self.conversation is not None and (
                self.state == self.STATE_OPEN
            ):
                self.conversation.frame_received(text)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        if self.conversation is not None:
            self.conversation.frame_received(payload)

    def onPong(self, payload: bytes) -> None:
        self._pinged_at = None

    def ping(self) -> None:
        """
        Ask for a sign of life; the line is dead if there was none before.
        """
        now = self.connection.reactor.seconds()
        if self._pinged_at is None:
            if self.state == self.STATE_OPEN:
                self._pinged_at = now
                self.sendPing()
        elif now - self._pinged_at >= PONG_DEADLINE:
            self.transport.abortConnection()

    def send_text(self, payload: bytes) -> None:
        if self.state != self.STATE_OPEN:
            return
        frame = masked_frame(payload)
        if self._is_plain:
            write_now(self.transport, frame)
        else:
            self.transport.write(frame)

    @property
    def is_closing(self) -> bool:
        """
        Whether a goodbye was said, and waits for its answer.
        """
        return bool(
            self.state != self.STATE_OPEN or self.transport.disconnecting
        )

    def say_goodbye(self, code: int, reason: str) -> None:
        # Autobahn's sendClose refuses every code of the standard but 1000.
        if self.state == self.STATE_OPEN:
            self.sendCloseFrame(code, reason.encode()[:123])
        else:
            self.transport.abortConnection()

    def onClose(self, wasClean: bool, code: int, reason: str) -> None:
        self.connection.closed(self, f"{code} {reason or ''}".strip())


class _Late:
    """
    An attribute that is made when it is first asked for.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        value = instance.__dict__[self._name] = self._make()
        return value


#: What all connections have in common: nobody looks at it, but for the last,
#: which hardly any needs.
_COMMON: dict[str, Any] = {
    "trafficStats": TrafficStats(),
    "is_closed": _Unheard(),
    "is_open": _Unheard(),
    "_valid_events": [],
    "_results": {},
    "send_queue": _Late(deque),
}


class _Factory(WebSocketClientFactory):
    """
    What all connections have in common.
    """

    def __init__(self, reactor: Any) -> None:
        super().__init__(
            "ws://localhost",
            protocols=[Version.V16.subprotocol],
            reactor=reactor,
        )
        self.setProtocolOptions(
            maxMessagePayloadSize=LONGEST,
            maxFramePayloadSize=LONGEST,
            failByDrop=False,
            openHandshakeTimeout=20,
            closeHandshakeTimeout=3,
            perMessageCompressionOffers=[],
        )
        # Autobahn would copy each of its options to every connection.
        options = {
            name: staticmethod(value) if callable(value) else value
            for name in ChargePointProtocol.CONFIG_ATTRS
            for value in [getattr(self, name)]
        }
        self.kind = type(
            "ChargePointProtocol",
            (ChargePointProtocol,),
            {
                **options,
                "CONFIG_ATTRS": (),
                "factory": self,
                **_COMMON,
            },
        )


class Lines:
    """
    Makes connections that have much in common.

    @ivar backoff: how long to wait before another attempt.
    @ivar timeout: seconds that the central system has for an answer.
    @ivar witness: makes what sees a station's messages pass.
    """

    def __init__(
        self,
        reactor: Any,
        backoff: Backoff = Backoff(),
        timeout: float = 30.0,
        witness: Callable[[ChargePoint], Witness] = Ear,
    ) -> None:
        self.reactor = reactor
        self.backoff = backoff
        self.timeout = timeout
        self.witness = witness
        self.factory = _Factory(reactor)
        poll_fast(reactor)

    def watched_by(self, witness: Witness) -> Lines:
        """
        Lines like these, whose messages are seen by somebody else.
        """
        lines = copy(self)
        lines.witness = lambda station: witness
        return lines

    def endpoint(self, station: ChargePoint) -> IStreamClientEndpoint:
        """
        @raise BadConfig: a certificate cannot be used.
        """
        reactor, url = self.reactor, urlsplit(station.url)
        host, is_tls = url.hostname or "", url.scheme == "wss"
        port = url.port or (443 if is_tls else 80)
        endpoint: IStreamClientEndpoint
        # What is an address needs no thread that looks it up.
        if isIPAddress(host):
            endpoint = TCP4ClientEndpoint(reactor, host, port)
        else:
            endpoint = HostnameEndpoint(reactor, host, port)
        if not is_tls:
            return endpoint
        return wrapClientTLS(client_tls(station, host), endpoint)

    def connect(self, station: ChargePoint) -> Line:
        """
        Lead a station to its central system, from now on.
        """
        connection: Any
        if station.config.is_soap:
            # Most need neither it nor the types of SOAP.
            from .soap import SoapConnection

            connection = SoapConnection(station, self)
        else:
            connection = Connection(station, self)
        connection.start()
        return connection  # type: ignore[no-any-return]


class _ForOne(Factory):
    """
    Makes the protocol of one connection.
    """

    noisy = False

    def __init__(
        self, kind: type[ChargePointProtocol], connection: Connection
    ) -> None:
        self._kind = kind
        self._connection = connection

    def buildProtocol(self, addr: object) -> Any:
        protocol = self._kind()
        protocol.connection = self._connection
        return protocol


class Connection:
    """
    What leads a station to its central system; it connects again when it
    breaks.

    @ivar wanted: whether there should be a connection.
    @ivar attempts: how many attempts have failed since the last accepted
        boot: one that only opened a connection was none that went well.
    """

    log = Logger()

    __slots__ = (
        "_attempt",
        "_gone",
        "_lines",
        "_protocol",
        "_retry",
        "attempts",
        "peer",
        "shape",
        "station",
        "subprotocols",
        "wanted",
    )

    def __init__(self, station: ChargePoint, lines: Lines) -> None:
        self.station = station
        self._lines = lines
        self.wanted = False
        self.attempts = 0
        self.subprotocols = [Version.V16.subprotocol]
        self.peer: Peer | None = None
        #: How frames are put on the wire: faults change it.
        self.shape: Callable[[ChargePointProtocol, bytes], None] | None = None
        self._protocol: ChargePointProtocol | None = None
        self._attempt: Deferred[Any] | None = None
        self._retry: IDelayedCall | None = None
        self._gone: Deferred[None] | None = None
        station.line = self

    @property
    def protocol(self) -> ChargePointProtocol | None:
        """
        What it is connected with now.
        """
        return self._protocol

    @property
    def reactor(self) -> Any:
        return self._lines.reactor

    # What the station may do

    def start(self) -> None:
        self.wanted = True
        if self._protocol is None and self._attempt is None:
            self._connect()

    def again(self, delay: float = 1.0) -> None:
        if not self.station.powered or self.station.line is not self:
            return
        self.wanted = True
        self.attempts = 0
        self._try_after(delay)
        self._hang_up(NORMAL, "it starts again")

    def cut(self) -> None:
        self.wanted = False
        self._cancel()
        if self._protocol is not None:
            self._protocol.transport.abortConnection()

    def accepted(self) -> None:
        self.attempts = 0

    def ping(self) -> None:
        if self._protocol is not None:
            self._protocol.ping()

    def stop(self, reason: str = "it goes out of service") -> Deferred[None]:
        """
        Say goodbye for good.

        @return: fires when the connection is gone.
        """
        self.wanted = False
        self.station.line = None
        self._cancel()
        if self._protocol is None:
            return succeed(None)
        self._gone = Deferred()
        self._hang_up(NORMAL, reason)
        return self._gone

    def _hang_up(self, code: int, reason: str) -> None:
        if self._protocol is not None:
            self._protocol.say_goodbye(code, reason)

    def _cancel(self) -> None:
        if self._retry is not None and self._retry.active():
            self._retry.cancel()
        self._retry = None
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.cancel()

    # An attempt

    def _connect(self) -> None:
        self._retry = None
        try:
            endpoint = self._lines.endpoint(self.station)
        except BadConfig as e:
            self._failed(Failure(e))
            return
        attempt: Deferred[Any] = endpoint.connect(
            _ForOne(self._lines.factory.kind, self)
        )
        self._attempt = attempt
        attempt.addCallbacks(self._reached, self._failed)

    def _reached(self, protocol: ChargePointProtocol) -> None:
        self._attempt = None
        if not self.wanted:
            protocol.transport.abortConnection()

    def _failed(self, failure: Failure) -> None:
        self._attempt = None
        if not self.wanted:
            return
        if not self.attempts:
            self.log.warn(
                "{station} cannot connect: {error}",
                station=self.station,
                error=failure.getErrorMessage(),
            )
        self._try_later()

    def _try_later(self) -> None:
        jitter = self.station.random.random()
        delay = self._lines.backoff.delay(self.attempts, jitter)
        self.attempts += 1
        self.station.failed_to_connect(self.attempts)
        self._try_after(delay)

    def _try_after(self, delay: float) -> None:
        self._cancel()
        self._retry = self._lines.reactor.callLater(delay, self._try)

    def _try(self) -> None:
        self._retry = None
        if self.wanted and self._attempt is None:
            if self._protocol is None:
                self._connect()
            elif self._protocol.is_closing:
                self._try_after(1.0)

    # Where, and with what

    def request(self) -> ConnectingRequest:
        """
        What the handshake asks for.
        """
        url = urlsplit(self.station.url)
        identity = quote(self.station.identity, safe="")
        return ConnectingRequest(
            host=url.hostname,
            port=url.port or (443 if url.scheme == "wss" else 80),
            resource=f"{url.path}/{identity}",
            headers=headers_of(self.station),
            useragent="ocpp-cp",
            protocols=self.subprotocols,
        )

    # The conversation

    def opened(self, protocol: ChargePointProtocol) -> Peer:
        self._protocol = protocol
        peer = self.peer = Peer(
            send=self._sender(protocol),
            answer=self.station.answer,
            clock=self._lines.reactor,
            timeout=self._lines.timeout,
            witness=self._lines.witness(self.station),
        )
        if self.wanted:
            self.station.connected(peer)
        else:
            protocol.say_goodbye(NORMAL, "")
        return peer

    def _sender(
        self, protocol: ChargePointProtocol
    ) -> Callable[[bytes], object]:
        def send(frame: bytes) -> None:
            if self.shape is None:
                protocol.send_text(frame)
            else:
                self.shape(protocol, frame)

        return send

    def closed(self, protocol: ChargePointProtocol, why: str) -> None:
        is_current = self._protocol is protocol
        if is_current:
            self._protocol = self.peer = None
            # Who learns now that a Call has failed sees that we are offline.
            self.station.disconnected()
        if protocol.conversation is not None:
            protocol.conversation.connection_lost(
                f"the connection is lost: {why}"
            )
        if is_current:
            self.log.info(
                "{station} disconnected: {why}", station=self.station, why=why
            )
        elif self.wanted and not self.attempts:
            self.log.warn(
                "{station} was refused: {why}", station=self.station, why=why
            )
        if self.wanted and self._retry is None and self._protocol is None:
            self._try_later()
        gone, self._gone = self._gone, None
        if gone is not None:
            gone.callback(None)


def client_tls(station: ChargePoint, host: str) -> Any:
    """
    How a station talks TLS to that host.

    @raise BadConfig: a certificate cannot be used.
    """
    try:
        own, others = _own_certificate(station)
        return optionsForClientTLS(
            host,
            trustRoot=_trusted(station),
            clientCertificate=own,
            extraCertificateOptions=(
                None if own is None else {"extraCertChain": others}
            ),
        )
    except Exception as e:
        raise BadConfig(f"TLS to {host}: {e}") from e


def _trusted(station: ChargePoint) -> Any:
    roots = []
    if station.security is not None:
        use = "CentralSystemRootCertificate"
        for root in safe_of(station).of(use):
            roots.append(Certificate.load(_der(root)))
    if station.config.ca is not None:
        roots += _certificates(station.config.ca.read_bytes())
    return trustRootFromCertificates(roots) if roots else None


def _own_certificate(
    station: ChargePoint,
) -> tuple[PrivateCertificate | None, list[Any]]:
    """
    The station's certificate, and those that vouch for it.
    """
    config = station.config
    safe = station.security
    if safe is not None and safe.chain and safe.key:
        return _private(safe.key_pem(), safe.chain.encode())
    if config.certificate is None:
        return None, []
    key = config.private_key
    return _private(
        b"" if key is None else key.read_bytes(),
        config.certificate.read_bytes(),
    )


def _private(key: bytes, chain: bytes) -> tuple[PrivateCertificate, list[Any]]:
    """
    @param chain: a certificate, and those that vouch for it, as PEM.
    """
    certificate: PrivateCertificate = PrivateCertificate.loadPEM(
        key + b"\n" + chain
    )
    return certificate, [other.original for other in _certificates(chain)[1:]]


def _der(certificate: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return bytes(certificate.public_bytes(Encoding.DER))


def _certificates(pem: bytes) -> list[Certificate]:
    """
    Every certificate of a PEM file.
    """
    from cryptography import x509

    return [
        Certificate.load(_der(certificate))
        for certificate in x509.load_pem_x509_certificates(pem)
    ]
