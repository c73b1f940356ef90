"""
OCPP-J: stations that connect with a WebSocket.

::

    GET /ocpp/CP1 HTTP/1.1
    Upgrade: websocket
    Sec-WebSocket-Protocol: ocpp1.6
"""

from __future__ import annotations

import unicodedata
from base64 import b64decode
from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit

from autobahn.twisted.resource import WebSocketResource
from autobahn.twisted.websocket import (
    WebSocketServerFactory,
    WebSocketServerProtocol,
)
from autobahn.websocket.types import ConnectionDeny, ConnectionRequest
from twisted.internet.interfaces import IDelayedCall, IPushProducer
from twisted.logger import Logger
from twisted.web.iweb import IRequest
from zope.interface import implementer

from ..journal import Attempt
from ..messagelog import Entry
from ..ocpp.messages import Call, Payload
from ..ocpp.versions import SPOKEN, Version, negotiate
from ..peer import Peer
from ..router import Handshake, ILiveStation, Refused, Router
from ..sockets import poll_fast
from .fastframes import FastFrames, Outbox
from .proxies import Proxies


#: The longest identity we take; the standard's is 48 (2.0.1 Part 4, 3.1.1).
LONGEST_IDENTITY = 255

#: How long a station has to answer a ping, in seconds.
PONG_DEADLINE = 20.0

#: How many pings in a row may stay without any sign of life.
MISSES = 2

#: How long an account is in the seed system's order of the URL.
ACCOUNT_FIRST = 40


def identify(path: str) -> tuple[str, str]:
    """
    The identity and the account in the path of a station's URL.

    >>> identify("/ocpp/CP%201/")
    ('CP 1', '')
    >>> identify("/ocpp/CP1/AC0001")
    ('CP1', 'AC0001')
    >>> identify("/ocpp/786cb831a5a1c5636ba10cf960717fd34c280f63/CP1")
    ('CP1', '786cb831a5a1c5636ba10cf960717fd34c280f63')
    >>> identify("/steve/websocket/CentralSystemService/CP1")
    ('CP1', '')

    @raise Refused: there is no usable identity in it.
    """
    segments = [segment for segment in path.split("/") if segment]
    if segments[:3] == ["steve", "websocket", "CentralSystemService"]:
        del segments[:3]
    elif segments and segments[0].lower() == "ocpp":
        del segments[0]
    elif len(segments) > 1:
        segments = []
    try:
        names = [unquote(name, errors="strict") for name in segments]
    except UnicodeDecodeError:
        raise Refused(
            400,
            "the path is not UTF-8",
            "percent-encode the identity as UTF-8",
        ) from None
    match names:
        case [identity]:
            account = ""
        case [account, identity] if len(account) == ACCOUNT_FIRST:
            pass
        case [identity, account]:
            pass
        case _:
            raise Refused(
                404,
                "there is no identity in the path",
                "connect to /ocpp/<identity> or /ocpp/<identity>/<account>",
            )
    check_names(identity, account)
    return identity, account


def check_names(*names: str) -> None:
    """
    @raise Refused: a name cannot stand in a log or a list.
    """
    for name in names:
        if len(name) > LONGEST_IDENTITY:
            raise Refused(
                400,
                f"the identity has more than {LONGEST_IDENTITY} characters",
                "give the station a shorter identity",
            )
        if any(unicodedata.category(c) in ("Cc", "Zl", "Zp") for c in name):
            raise Refused(
                400,
                "the identity has a control character in it",
                "give the station an identity of printable characters",
            )


def agree(offered: list[str], default: Version) -> Version:
    """
    The version to speak with a station that offers these sub-protocols.

    @raise Refused: there is none in common.
    """
    if not offered:
        return default
    version = negotiate(offered)
    if version is None:
        raise Refused(
            400,
            f"it offered {', '.join(offered)!r:.200}",
            f"we speak {', '.join(SPOKEN)}: the registered names",
        )
    return version


def credentials(header: str) -> tuple[str | None, bytes | None]:
    """
    User and password of an HTTP Basic header.

    >>> credentials("Basic Q1AxOnNlY3JldA==")
    ('CP1', b'secret')
    >>> credentials("Bearer x")
    (None, None)
    """
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None, None
    try:
        user, _, password = b64decode(encoded, validate=True).partition(b":")
        return user.decode(), password
    except ValueError:
        return None, None


@implementer(ILiveStation)
class WebSocketStation:
    """
    A station at the other end of a WebSocket.

    @ivar last_seen: seconds since 1970 of the last frame.
    @ivar asked_at: when the Call that is being answered came to its turn.
    @ivar violations: what is wrong with that Call.
    """

    __slots__ = (
        "_commanded_at",
        "_farewell",
        "_journal",
        "_protocol",
        "_seconds",
        "account",
        "address",
        "asked_at",
        "identity",
        "known",
        "last_seen",
        "peer",
        "version",
        "violations",
    )

    known: Any

    def __init__(
        self,
        handshake: Handshake,
        version: Version,
        protocol: StationProtocol,
    ) -> None:
        self.identity = handshake.identity
        self.account = handshake.account
        self.address = handshake.address
        self.version = version
        self.asked_at = self._commanded_at = 0.0
        self.violations: Any = None
        self._protocol = protocol
        router: Router = protocol.factory.router
        self._journal = router.journal
        self._farewell: tuple[int, str] | None = None
        reactor = protocol.factory.reactor
        self._seconds = reactor.seconds
        self.last_seen: float = reactor.seconds()
        self.peer = Peer(
            send=protocol.send_text,
            answer=partial(router.answer, self),
            clock=reactor,
            timeout=protocol.factory.call_timeout,
            version=version,
            witness=self,
            busy=protocol.too_busy,
        )

    def __repr__(self) -> str:
        return f"<{self.identity} OCPP {self.version} at {self.address}>"

    @property
    def socket(self) -> int:
        """
        The file descriptor of the connection; -1 where it has none.
        """
        fileno = getattr(self._protocol.transport, "fileno", None)
        return fileno() if fileno is not None else -1

    async def call(
        self, action: str, payload: Payload, timeout: float | None = None
    ) -> Payload:
        return await self.peer.call(action, payload, timeout)

    def close(self, code: int, reason: str) -> None:
        if self.peer.owes:
            self._farewell = code, reason
        else:
            self._protocol.say_goodbye(code, reason)

    # What the peer lets us see

    def answered(self, call: Call, frame: bytes, reply: bytes) -> None:
        asked_at = self.asked_at
        self._journal.note(
            Entry(
                asked_at,
                self.identity,
                "in",
                call.unique_id,
                call.action,
                frame,
                reply,
                self._seconds() - asked_at,
                self.violations,
            )
        )
        self.violations = None
        if self._farewell is not None:
            self._protocol.say_goodbye(*self._farewell)

    def asked(self, call: Call, frame: bytes) -> None:
        self._commanded_at = self._seconds()

    def was_answered(
        self, call: Call, frame: bytes, reply: bytes | None
    ) -> None:
        self._journal.note(
            Entry(
                self._commanded_at,
                self.identity,
                "out",
                call.unique_id,
                call.action,
                frame,
                reply,
                self._seconds() - self._commanded_at,
                None,
            )
        )

    def stray(self, frame: bytes, why: str) -> None:
        self._journal.note(
            Entry(
                self._seconds(),
                self.identity,
                "in",
                "",
                "",
                frame,
                None,
                0.0,
                why,
            )
        )


@implementer(IPushProducer)
class StationProtocol(FastFrames, WebSocketServerProtocol):
    """
    C{/ocpp/<identity>[/<account>]}

    @ivar station: who this is, once the handshake told us.
    """

    _log = Logger()

    station: WebSocketStation | None = None
    _refusal: Refused | None = None
    _life_sign: IDelayedCall | None = None
    _misses = 0
    _pinged_at = 0.0
    _write_blocked = False
    _overfed = False

    # The handshake

    def onConnect(self, request: ConnectionRequest) -> str | None:
        factory = self.factory
        try:
            handshake = self._read(request)
            version = agree(request.protocols, factory.router.default_version)
            factory.router.admit(handshake)
        except Refused as e:
            self._refusal = e
            raise ConnectionDeny(e.status, e.reason) from e
        self.station = WebSocketStation(handshake, version, self)
        return version.subprotocol if request.protocols else None

    def _read(self, request: ConnectionRequest) -> Handshake:
        # Autobahn's path ends at a semicolon, which may be in a name.
        identity, account = identify(urlsplit(self.http_request_uri).path)
        headers = request.headers
        username, password = credentials(headers.get("authorization", ""))
        certificate = getattr(
            self.transport, "getPeerCertificate", lambda: None
        )
        return Handshake(
            identity,
            account,
            self._address(),
            request.protocols,
            username,
            password,
            certificate(),
        )

    def _address(self) -> str:
        headers: dict[str, str] = self.http_headers or {}
        peer = self.factory.proxies.client(
            self.transport.getPeer(), headers.get("x-forwarded-for", "")
        )
        host = getattr(peer, "host", None)
        return f"{host}:{peer.port}" if host else "local"

    def failHandshake(
        self,
        reason: str,
        code: int = 400,
        responseHeaders: list[tuple[str, str]] | None = None,
    ) -> None:
        """
        Refuse, with a reason that says nothing of our inside.
        """
        # It knows us by its traceback.
        refusal, self._refusal = self._refusal, None
        if code == 500:
            reason = "Internal Server Error"
        headers = [
            *(responseHeaders or ()),
            ("Content-Length", "0"),
            ("Connection", "close"),
        ]
        if code == 401:
            headers.append(("WWW-Authenticate", 'Basic realm="ocpp"'))
        self._note_attempt(
            refusal
            or Refused(code, reason, "send a handshake as RFC 6455 asks")
        )
        printable = "".join(c if " " <= c <= "~" else "?" for c in reason)
        super().failHandshake(printable[:200], code, headers)

    def _note_attempt(self, refusal: Refused) -> None:
        headers: dict[str, str] = self.http_headers or {}
        self.factory.router.refused(
            Attempt(
                time=self.factory.seconds(),
                address=self._address(),
                path=str(getattr(self, "http_request_path", ""))[:500],
                offered=headers.get("sec-websocket-protocol", "")[:200],
                status=refusal.status,
                reason=refusal.reason,
                remedy=refusal.remedy,
            )
        )

    # The conversation

    def onOpen(self) -> None:
        self._forget_handshake()
        # Until now the HTTP channel was the producer.
        self.transport.unregisterProducer()
        self.transport.registerProducer(self, True)
        self.factory.router.connected(self.station)
        self._watch(self._ping_interval())
        self.read_fast()

    def _forget_handshake(self) -> None:
        """
        Autobahn keeps these for its test suite; they are half the memory.
        """
        self.http_request_data = self.http_response_data = None
        self.http_headers = self.http_status_line = None

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        if isBinary:
            self.say_goodbye(1003, "OCPP-J is text")
        else:
            self.frame_received(payload)

    def frame_received(self, frame: bytes) -> None:
        """
        A text frame came, by Autobahn or by the fast way.
        """
        station = self.station
        assert station is not None
        station.last_seen = self.factory.seconds()
        # After our close frame nothing may be sent, so nothing is answered:
        # the station sends it again on its next connection.
        if self.state == self.STATE_OPEN:
            station.peer.frame_received(frame)

    def onPing(self, payload: bytes) -> None:
        self._alive()
        super().onPing(payload)

    def onPong(self, payload: bytes) -> None:
        self._alive()

    def _alive(self) -> None:
        if self.station is not None:
            self.station.last_seen = self.factory.seconds()

    def say_goodbye(self, code: int, reason: str) -> None:
        """
        Close with any code of the standard.
        """
        # Autobahn's sendClose refuses every code of the standard but 1000.
        if self.state == self.STATE_OPEN:
            if self.station is not None:
                self.station.peer.hear_no_more()
            self.factory.outbox.flush()
            words = reason.encode()[:123].decode(errors="ignore")
            self.sendCloseFrame(code, words.encode())

    def onClose(self, wasClean: bool, code: int, reason: str) -> None:
        if self._life_sign is not None and self._life_sign.active():
            self._life_sign.cancel()
        station, self.station = self.station, None
        if station is None or not hasattr(station, "known"):
            return
        why = self._why_closed(code, reason)
        station.peer.connection_lost(
            f'station "{station.identity}" disconnected: {why}'
        )
        self.factory.router.disconnected(station, why)

    def _why_closed(self, code: int, reason: str) -> str:
        if self.closedByMe and self.localCloseReason:
            return bytes(self.localCloseReason).decode(errors="replace")
        if self._misses > MISSES:
            return "it did not answer pings"
        words = "".join(c if c.isprintable() else "?" for c in reason or "")
        return f"close code {code} {words}".strip()[:200]

    # Signs of life

    def _ping_interval(self) -> float:
        own = self.station.known.settings.ping_interval  # type: ignore[union-attr]
        return float(self.factory.ping_interval if own is None else own)

    def _watch(self, seconds: float) -> None:
        if seconds > 0:
            self._life_sign = self.factory.reactor.callLater(
                seconds, self._look_for_life
            )

    def _look_for_life(self) -> None:
        """
        Ask for a sign of life where there was none for an interval.
        """
        if self.station is None:
            return
        interval = self._ping_interval()
        now = self.factory.seconds()
        silence = now - self.station.last_seen
        # Not by how long ago: we may be late ourselves.
        if self.station.last_seen >= self._pinged_at:
            self._misses = 0
        if not self._misses and silence < interval:
            self._watch(interval - silence)
            return
        self._misses += 1
        if self._misses > MISSES:
            self.transport.abortConnection()
        else:
            self._pinged_at = now
            self.sendPing()
            self._watch(min(PONG_DEADLINE, interval))

    # Back-pressure: we read no more from a station that does not read us,
    # or that asks faster than it can be answered.

    def too_busy(self, busy: bool) -> None:
        """
        Too many Calls wait, or there is room again.
        """
        self._overfed = busy
        self._read_or_not()

    def pauseProducing(self) -> None:
        self._write_blocked = True
        self._read_or_not()

    def resumeProducing(self) -> None:
        self._write_blocked = False
        self._read_or_not()

    def stopProducing(self) -> None:
        pass

    def _read_or_not(self) -> None:
        if self.state != self.STATE_OPEN:
            return
        if self._overfed or self._write_blocked:
            self.transport.pauseProducing()
        else:
            self.transport.resumeProducing()


class StationFactory(WebSocketServerFactory):
    """
    @ivar router: where every station's Calls go.
    @ivar proxies: those that are believed whom they speak for.
    @ivar ping_interval: seconds of silence before a ping; 0 for none.
    @ivar call_timeout: seconds that a station has for its answer.
    """

    ping_interval = 45.0
    call_timeout = 30.0

    def __init__(
        self,
        router: Router,
        reactor: Any,
        message_size: int = 1 << 20,
        proxies: Proxies | None = None,
    ) -> None:
        super().__init__(reactor=reactor, server="")
        self.router = router
        self.proxies = proxies or Proxies()
        self.seconds = reactor.seconds
        self.outbox = Outbox(reactor)
        poll_fast(reactor)
        self.setProtocolOptions(
            maxMessagePayloadSize=message_size,
            maxFramePayloadSize=message_size,
            failByDrop=False,
            webStatus=False,
            openHandshakeTimeout=10,
            closeHandshakeTimeout=3,
            # Ours know a station's last sign of life, and its own interval.
            autoPingInterval=0,
            perMessageCompressionAccept=lambda offers: None,
        )
        self.protocol = _with_options(StationProtocol, self)


def _with_options(
    protocol: type[StationProtocol], factory: StationFactory
) -> type[StationProtocol]:
    """
    A class that has Autobahn's options as its attributes.

    Autobahn would copy all 36 to each instance, and format them for a debug
    line: that was most of the time and of the memory of a connection.
    """
    options: dict[str, Any] = {
        name: staticmethod(value) if callable(value) else value
        for name in protocol.CONFIG_ATTRS
        for value in [getattr(factory, name)]
    }
    return type(
        protocol.__name__, (protocol,), {**options, "CONFIG_ATTRS": ()}
    )


class StationResource(WebSocketResource):
    """
    Upgrades a request to a WebSocket.
    """

    isLeaf = True

    def render(self, request: IRequest) -> Any:
        """
        As Autobahn does, but what follows the request in the same segment is
        the first of the WebSocket, and not lost.
        """
        channel: Any = request.channel  # type: ignore[attr-defined]
        transport = channel.transport
        early, channel._dataBuffer = list(channel._dataBuffer), []
        # The channel lives on in the reactor's timers until then.
        channel.setTimeout(None)
        result = super().render(request)
        protocol = getattr(transport, "wrappedProtocol", None) or getattr(
            transport, "protocol", None
        )
        if isinstance(protocol, StationProtocol):
            # The rest of this segment is delivered when we have returned.
            channel.rawDataReceived = protocol.dataReceived
            # They hold each other, and old garbage is seldom looked for.
            channel.requests.clear()
            if early:
                protocol.dataReceived(b"".join(early))
        return result
