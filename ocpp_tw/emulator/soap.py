"""
OCPP-S: an emulated station that posts to a central system, and is posted to.

::

    POST /Ocpp HTTP/1.1
    Content-Type: application/soap+xml; charset=utf-8; action="/Heartbeat"

There is no connection: a station is connected as long as what it posts is
answered.  It says in C{From} where it is reached.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import treq
from twisted.internet.defer import (
    CancelledError,
    Deferred,
    DeferredLock,
    TimeoutError,
    maybeDeferred,
    succeed,
)
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.web.client import Agent
from twisted.web.http import Request
from twisted.web.iweb import IPolicyForHTTPS
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site
from zope.interface import implementer

from ..errors import (
    CallFailed,
    CallTimedOut,
    ErrorCode,
    StationNotConnected,
)
from ..ocpp.messages import Call, CallError, CallResult, Payload, serialize
from ..ocpp.soap import (
    CONTENT_TYPE,
    Envelope,
    SoapFault,
    fault_of,
    internal_error,
    new_message_id,
    parse,
    protocol_error,
    read_answer,
    read_call,
    service_of,
    write_answer,
    write_call,
    write_fault,
)
from ..ocpp.soap_tables import CENTRAL_SYSTEM, CHARGE_POINT
from ..ocpp.soap_types import service
from .chargepoint import ChargePoint
from .credentials import headers_of
from .spoken import as_answered, as_asked, as_spoken
from .websocket import LONGEST, Lines, client_tls


LOOPBACK = "127.0.0.1"

#: How long the central system has to accept a connection, in seconds.
CONNECT_TIMEOUT = 10.0


class SoapConversation:
    """
    What a station and its central system say, from a boot until the central
    system cannot be reached: a L{ocpp_tw.peer.Peer} over SOAP.
    """

    def __init__(self, connection: SoapConnection) -> None:
        self._connection = connection
        self._station = connection.station
        self._of = service(self._station.config.version, CENTRAL_SYSTEM)
        self._turn = DeferredLock()
        self._posting: Deferred[bytes] | None = None
        self._told: dict[Any, tuple[Any, Any]] = {}
        self.witness = connection.lines.witness(self._station)
        self.lost = ""

    async def call(
        self, action: str, payload: Payload, timeout: float | None = None
    ) -> Payload:
        """
        Ask the central system, and wait for its answer.

        What the version cannot say is not said, and counts as answered.

        @raise CallFailed: it answered with a fault.
        @raise CallTimedOut: it did not answer.
        @raise StationNotConnected: it cannot be reached.
        """
        await self._turn.acquire()
        try:
            said = None
            if action in self._of.requests:
                said = as_spoken(self._of.version, action, payload)
            if said is None or self._is_told(action, said):
                return {}
            call = Call(new_message_id(), action, said)
            return await self._ask(
                call, timeout or self._connection.lines.timeout
            )
        finally:
            self._turn.release()

    async def settled(self) -> None:
        """
        Wait until every Call that we began by now was answered, or failed.
        """
        await self._turn.acquire()
        self._turn.release()

    def close(self, why: str) -> None:
        """
        The conversation is over.
        """
        self.lost = self.lost or why
        if self._posting is not None:
            self._posting.cancel()

    def _is_told(self, action: str, payload: Payload) -> bool:
        """
        Whether this is the status that an older version was told already.
        """
        if action != "StatusNotification":
            return False
        status = payload["status"], payload["errorCode"]
        number = payload["connectorId"]
        before = self._told.get(number)
        self._told[number] = status
        return status == before and self._of.version != "1.6"

    async def _ask(self, call: Call, timeout: float) -> Payload:
        connection = self._connection
        if self.lost:
            raise StationNotConnected(self.lost)
        frame = write_call(
            call,
            self._of,
            self._station.identity,
            self._station.url,
            connection.address,
        )
        posting = self._posting = Deferred.fromCoroutine(
            connection.post(frame, call.action)
        )
        posting.addTimeout(timeout, connection.lines.reactor)
        self.witness.asked(call, frame)
        try:
            reply = await posting
        except TimeoutError:
            self.witness.was_answered(call, frame, None)
            raise CallTimedOut(
                f"no answer to {call.action} in {timeout:g} seconds"
            ) from None
        except (Exception, CancelledError) as e:
            self.witness.was_answered(call, frame, None)
            self.lost = self.lost or str(e) or "it cannot be reached"
            connection.broken(self)
            raise StationNotConnected(self.lost) from None
        finally:
            self._posting = None
        return self._read(call, frame, reply)

    def _read(self, call: Call, frame: bytes, reply: bytes) -> Payload:
        # Whoever watches knows the messages of OCPP-J.
        answer: CallResult | CallError
        try:
            payload = read_answer(parse(reply), self._of, call)
            answer = CallResult(call.unique_id, payload)
            return payload
        except SoapFault as fault:
            answer = CallError(call.unique_id, ErrorCode.GENERIC_ERROR)
            raise CallFailed(
                ErrorCode.GENERIC_ERROR, f"no answer of OCPP-S: {fault.reason}"
            ) from None
        except CallFailed as e:
            answer = CallError(call.unique_id, e.code, e.description)
            raise
        finally:
            self.witness.was_answered(call, frame, serialize(answer))

    # What the central system asks

    async def answer(self, data: bytes) -> tuple[int, bytes]:
        """
        @return: the status of the HTTP answer, and the envelope.
        """
        envelope = None
        try:
            envelope = parse(data)
            return 200, await self._answer(envelope, data)
        except SoapFault as fault:
            return fault.status, write_fault(fault, envelope)
        except CallFailed as e:
            ours = fault_of(e)
            return ours.status, write_fault(ours, envelope)
        except Exception:
            self._connection.log.failure(
                "{station}: while answering", station=self._station
            )
            return 500, write_fault(internal_error(), envelope)

    async def _answer(self, envelope: Envelope, data: bytes) -> bytes:
        of = service_of(envelope, CHARGE_POINT)
        if of.version is not self._of.version:
            raise protocol_error(f"this station speaks {self._of.version}")
        if envelope.identity != self._station.identity:
            raise SoapFault(
                "Sender", "IdentityMismatch", "this is another charge box"
            )
        call = read_call(envelope, of)
        asked = as_asked(of.version, call.action, call.payload)
        call = Call(call.unique_id, call.action, asked)
        answer = self._station.answer(call)
        if isinstance(answer, Awaitable):
            answer = await answer
        reply = serialize(CallResult(call.unique_id, answer))
        self.witness.answered(call, data, reply)
        spoken = as_answered(of.version, call.action, answer)
        return write_answer(call, spoken, of, envelope)


class SoapConnection:
    """
    What leads a station to its central system; see L{station.Line}.

    @ivar address: where the station is reached; empty before it listens.
    @ivar attempts: how many attempts have failed since the last accepted
        boot.
    """

    log = Logger()

    def __init__(self, station: ChargePoint, lines: Lines) -> None:
        self.station = station
        self.lines = lines
        self.address = ""
        self.attempts = 0
        self.wanted = False
        self.peer: SoapConversation | None = None
        self._port: Any = None
        self._retry: IDelayedCall | None = None
        self._client = treq.client.HTTPClient(
            Agent(lines.reactor, _Policy(station), CONNECT_TIMEOUT)
        )
        station.line = self

    # What the station may do

    def start(self) -> None:
        self.wanted = True
        try:
            self._listen()
        except CannotListenError as e:
            # It cannot be commanded then, and can say all it has to say.
            self.log.error("{station}: {error}", station=self.station, error=e)
        self._open()

    def _listen(self) -> None:
        host = self.station.keys.get("ListenAddress") or LOOPBACK
        site = Site(_Commands(self))
        site.noisy = False
        self._port = self.lines.reactor.listenTCP(0, site, interface=host)
        self.address = f"http://{host}:{self._port.getHost().port}/"

    def again(self, delay: float = 1.0) -> None:
        if not self.station.powered or self.station.line is not self:
            return
        self.wanted = True
        self.attempts = 0
        self._close("it starts again")
        self._open_after(delay)

    def cut(self) -> None:
        self.wanted = False
        self._cancel()
        self._close("the line is cut")

    def accepted(self) -> None:
        self.attempts = 0

    def ping(self) -> None:
        pass

    def stop(self, reason: str = "it goes out of service") -> Deferred[None]:
        """
        @return: fires when nobody listens any more.
        """
        self.cut()
        self.station.line = None
        port, self._port = self._port, None
        if port is None:
            return succeed(None)
        return maybeDeferred(port.stopListening)

    # The conversation

    def _open(self) -> None:
        self._retry = None
        self.peer = SoapConversation(self)
        self.station.connected(self.peer)

    def _close(self, why: str) -> None:
        peer, self.peer = self.peer, None
        if peer is not None:
            self.station.disconnected()
            peer.close(why)

    def broken(self, peer: SoapConversation) -> None:
        """
        The central system cannot be reached.
        """
        if self.peer is not peer:
            return
        if not self.attempts:
            self.log.warn(
                "{station} is offline: {why}",
                station=self.station,
                why=peer.lost,
            )
        self._close(peer.lost)
        if self.wanted:
            jitter = self.station.random.random()
            delay = self.lines.backoff.delay(self.attempts, jitter)
            self.attempts += 1
            self.station.failed_to_connect(self.attempts)
            self._open_after(delay)

    def _open_after(self, delay: float) -> None:
        self._cancel()
        self._retry = self.lines.reactor.callLater(delay, self._open)

    def _cancel(self) -> None:
        if self._retry is not None and self._retry.active():
            self._retry.cancel()
        self._retry = None

    async def post(self, frame: bytes, action: str) -> bytes:
        """
        @return: the body of the answer, whatever its status.
        """
        headers: dict[bytes | str, bytes | str] = {
            "Content-Type": f'{CONTENT_TYPE}; action="/{action}"'
        }
        headers.update(headers_of(self.station))
        response = await self._client.post(
            self.station.url,
            data=frame,
            headers=headers,
            allow_redirects=False,
        )
        parts: list[bytes] = []
        await treq.collect(response, _collector(parts))
        return b"".join(parts)


def _collector(parts: list[bytes]) -> Any:
    def collect(part: bytes) -> None:
        parts.append(part)
        if sum(map(len, parts)) > LONGEST:
            raise ValueError("the answer has no end")

    return collect


@implementer(IPolicyForHTTPS)
class _Policy:
    """
    Whom the station trusts, and what it shows.
    """

    def __init__(self, station: ChargePoint) -> None:
        self._station = station

    def creatorForNetloc(self, hostname: bytes, port: int) -> Any:
        return client_tls(self._station, hostname.decode("ascii"))


class _Commands(Resource):
    """
    Where the central system posts its commands.
    """

    isLeaf = True

    def __init__(self, connection: SoapConnection) -> None:
        super().__init__()
        self._connection = connection

    def render_POST(self, request: Request) -> Any:
        peer = self._connection.peer
        assert request.content is not None
        data = request.content.read(LONGEST + 1)
        if peer is None or len(data) > LONGEST:
            request.setResponseCode(503 if peer is None else 413)
            return b""
        answering = Deferred.fromCoroutine(peer.answer(data))
        gone: list[object] = []
        request.notifyFinish().addErrback(gone.append)
        answering.addCallback(_send, request, gone)
        return NOT_DONE_YET


def _send(
    answer: tuple[int, bytes], request: Request, gone: list[object]
) -> None:
    if not gone:
        request.setResponseCode(answer[0])
        request.setHeader(b"Content-Type", CONTENT_TYPE.encode())
        request.write(answer[1])
        request.finish()
