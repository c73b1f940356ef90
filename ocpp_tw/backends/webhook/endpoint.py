"""
An URL that JSON is posted to: who we are, how long we wait, what is tried
again.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from attrs import frozen
from twisted.internet.defer import Deferred, DeferredSemaphore, succeed
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError, SSLError
from twisted.internet.interfaces import (
    IConsumer,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.ssl import (
    Certificate,
    PrivateCertificate,
    optionsForClientTLS,
    platformTrust,
    trustRootFromCertificates,
)
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.web._newclient import RequestNotSent
from twisted.web.client import (
    URI,
    Agent,
    HTTPConnectionPool,
    ResponseDone,
    ResponseFailed,
)
from twisted.web.http_headers import Headers
from twisted.web.iweb import (
    IAgent,
    IAgentEndpointFactory,
    IBodyProducer,
    IPolicyForHTTPS,
    IResponse,
)
from zope.interface import implementer

from ... import __version__
from ...errors import BadConfig


#: The longest reply that is read, in octets.
LONGEST_REPLY = 1 << 20

#: After how long a connection that nobody uses is closed, in seconds: before
#: the shortest patience of well-known servers (Node.js: 5 s), since what is
#: posted while the other end closes is lost.
IDLE = 4.0

#: How long to wait before the first repetition, in seconds; then twice that.
PAUSE = 0.1

#: Statuses that say the request was not dealt with.
_NOT_NOW = (502, 503)


class Unanswered(Exception):
    """
    There is no reply; the message says why, to an operator.

    @ivar final: whether it will never be accepted, however often it is sent.
    """

    def __init__(self, reason: str, final: bool = False) -> None:
        super().__init__(reason)
        self.final = final


class _NotNow(Unanswered):
    """
    The request was not dealt with, so sending it again does no harm.
    """


@frozen
class Signature:
    """
    Proves by a shared secret that we wrote a body, and when::

        X-OCPP-Timestamp: 1790000000
        X-OCPP-Signature: sha256=<hex of HMAC-SHA256 of "1790000000.<body>">
    """

    secret: bytes
    seconds: Callable[[], float]

    def headers(self, body: bytes) -> Mapping[bytes, list[bytes]]:
        """
        The headers for a body.
        """
        time = b"%d" % self.seconds()
        digest = hmac.digest(self.secret, time + b"." + body, "sha256")
        return {
            b"X-OCPP-Timestamp": [time],
            b"X-OCPP-Signature": [b"sha256=" + digest.hex().encode()],
        }


@implementer(IBodyProducer)
class _Body:
    """
    A body, sent at once.
    """

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length = len(body)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        consumer.write(self._body)
        return succeed(None)

    def pauseProducing(self) -> None:
        pass

    def resumeProducing(self) -> None:
        pass

    def stopProducing(self) -> None:
        pass


class _Reply(Protocol):
    """
    Gathers the body of a response, as far as we read.
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._left = LONGEST_REPLY
        self.done: Deferred[bytes] = Deferred(lambda _: self._let_go())

    def dataReceived(self, data: bytes) -> None:
        self._parts.append(data)
        self._left -= len(data)
        if self._left < 0 and not self.done.called:
            self.done.errback(Unanswered("the reply is too long"))
            self._let_go()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.done.called:
            return
        if reason.check(ResponseDone):
            self.done.callback(b"".join(self._parts))
        else:
            self.done.errback(Unanswered("the reply was cut off"))

    def _let_go(self) -> None:
        if self.transport is not None:
            self.transport.loseConnection()


class Endpoint:
    """
    Where JSON is posted to.
    """

    def __init__(
        self,
        agent: IAgent,
        url: str,
        clock: IReactorTime,
        *,
        authorization: bytes = b"",
        signature: Signature | None = None,
        timeout: float = 10.0,
        connections: int = 64,
    ) -> None:
        """
        @param authorization: the value of that header; none if empty.
        @param timeout: how long all of it may take, in seconds.
        @param connections: how many requests are under way at most.
        """
        self.url = url
        self._url = URI.fromBytes(url.encode()).toBytes()
        self._agent = agent
        self._clock = clock
        self._signature = signature
        self._timeout = timeout
        self._turns = DeferredSemaphore(connections)
        self._headers = {
            b"Content-Type": [b"application/json"],
            b"Accept": [b"application/json"],
            b"User-Agent": [f"ocpp_tw/{__version__}".encode()],
        }
        if authorization:
            self._headers[b"Authorization"] = [authorization]

    @property
    def busy(self) -> int:
        """
        How many requests are under way.
        """
        return int(self._turns.limit - self._turns.tokens)

    @property
    def waiting(self) -> int:
        """
        How many wait for their turn.
        """
        return len(self._turns.waiting)

    def post(self, body: bytes, key: str) -> Deferred[bytes]:
        """
        Post a body, and wait for the body of the reply.

        @param key: what names this request, however often it is sent.
        @raise Unanswered: there is none.
        """
        trouble: list[str] = []
        work = Deferred.fromCoroutine(self._in_turn(body, key, trouble))

        def too_late(result: Any, timeout: float) -> Any:
            last = f" ({trouble[-1]})" if trouble else ""
            raise Unanswered(f"no reply within {timeout:g} s{last}")

        return work.addTimeout(self._timeout, self._clock, too_late)

    async def _in_turn(
        self, body: bytes, key: str, trouble: list[str]
    ) -> bytes:
        await self._turns.acquire()
        try:
            return await self._until_answered(body, key, trouble)
        finally:
            self._turns.release()

    async def _until_answered(
        self, body: bytes, key: str, trouble: list[str]
    ) -> bytes:
        begun, pause = self._clock.seconds(), PAUSE
        while True:
            try:
                return await self._once(body, key)
            except _NotNow as e:
                trouble.append(str(e))
                elapsed = self._clock.seconds() - begun
                if elapsed + pause >= self._timeout:
                    raise
            await deferLater(self._clock, pause)
            pause *= 2

    async def _once(self, body: bytes, key: str) -> bytes:
        headers = {
            **self._headers,
            b"Idempotency-Key": [quote(key, safe=":/").encode()],
        }
        if self._signature is not None:
            headers.update(self._signature.headers(body))
        try:
            response = await self._agent.request(
                b"POST", self._url, Headers(headers), _Body(body)
            )
        except (ConnectError, RequestNotSent) as e:
            raise _NotNow(_in_words(e)) from e
        except (ResponseFailed, SSLError) as e:
            raise Unanswered(_in_words(e)) from e
        return await _read(response)


async def _read(response: IResponse) -> bytes:
    reply = _Reply()
    response.deliverBody(reply)
    body = await reply.done
    status = response.code
    if 200 <= status < 300:
        return body
    words = f"status {status}"
    if status in _NOT_NOW:
        raise _NotNow(words)
    # 408 and 429 are refusals of the moment (RFC 9110; RFC 6585).
    raise Unanswered(words, 400 <= status < 500 and status not in (408, 429))


def _in_words(error: Exception) -> str:
    """
    What went wrong on the way, in one line.
    """
    reasons = getattr(error, "reasons", None)
    if reasons:
        return "; ".join(_in_words(f.value) for f in reasons)
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words}"[:300]


def authorization(settings: Mapping[str, Any]) -> bytes:
    """
    The C{Authorization} that the settings ask for; empty for none.

    >>> authorization({"authorization": "bearer", "token": "t0k3n"})
    b'Bearer t0k3n'
    """
    scheme = str(settings.get("authorization", "Off")).lower()
    if scheme == "basic":
        user = f"{settings['username']}:{settings['password']}"
        return b"Basic " + b64encode(user.encode())
    if scheme == "bearer":
        return f"Bearer {settings['token']}".encode()
    return b""


@implementer(IAgentEndpointFactory)
class _Ways:
    """
    How each server is reached, found out once: an Agent would for each
    request, which costs as much as the rest of it.
    """

    def __init__(
        self, reactor: Any, trust: IPolicyForHTTPS, timeout: float
    ) -> None:
        self._reactor = reactor
        self._trust = trust
        self._timeout = timeout
        self._found: dict[Any, IStreamClientEndpoint] = {}

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        place = uri.scheme, uri.host, uri.port
        if place not in self._found:
            self._found[place] = self._find(*place)
        return self._found[place]

    def _find(
        self, scheme: bytes, host: bytes, port: int
    ) -> IStreamClientEndpoint:
        way = HostnameEndpoint(self._reactor, host, port, self._timeout)
        if scheme != b"https":
            return way
        return wrapClientTLS(self._trust.creatorForNetloc(host, port), way)


@implementer(IPolicyForHTTPS)
class _Trust:
    """
    Whom we believe, and who we say we are.
    """

    def __init__(self, ca: str, certificate: str, key: str) -> None:
        self._root = _root(ca) if ca else platformTrust()
        self._ours = _ours(certificate, key) if certificate else None

    def creatorForNetloc(self, hostname: bytes, port: int) -> Any:
        return optionsForClientTLS(
            hostname.decode("ascii"), self._root, self._ours
        )


def _root(path: str) -> Any:
    begin = "-----BEGIN CERTIFICATE-----"
    _, *certificates = _file(path).split(begin)
    if not certificates:
        raise BadConfig(f"[webhook] ca = {path!r}: no PEM certificate in it")
    return trustRootFromCertificates(
        [Certificate.loadPEM(begin + rest) for rest in certificates]  # type: ignore[arg-type]
    )


def _ours(certificate: str, key: str) -> PrivateCertificate:
    try:
        return cast(
            PrivateCertificate,
            PrivateCertificate.loadPEM(f"{_file(key)}\n{_file(certificate)}"),
        )
    except BadConfig:
        raise
    except Exception as e:
        # OpenSSL has an error of its own for each way to be no key.
        raise BadConfig(
            f"[webhook] certificate = {certificate!r}, key = {key!r}: they "
            "are no pair of PEM files"
        ) from e


def _file(path: str) -> str:
    try:
        return Path(path).read_text("ascii")
    except (OSError, UnicodeDecodeError) as e:
        raise BadConfig(f"[webhook] {path!r} cannot be read: {e}") from e


def make_agent(settings: Mapping[str, Any], reactor: Any) -> IAgent:
    """
    What keeps connections open, and verifies certificates.

    @raise BadConfig: a file of certificates cannot be used.
    """
    certificate, key = settings["certificate"], settings["key"]
    if bool(certificate) != bool(key):
        raise BadConfig("[webhook] certificate and key: give both, or neither")
    pool = HTTPConnectionPool(reactor)
    pool.maxPersistentPerHost = settings["connections"]
    pool.cachedConnectionTimeout = IDLE  # type: ignore[assignment]
    # What may have arrived is not for a library to repeat.
    pool.retryAutomatically = False
    # It would log two lines for each connection.
    pool._factory.noisy = False
    trust = _Trust(settings["ca"], certificate, key)
    ways = _Ways(reactor, trust, settings["timeout"])
    return cast(IAgent, Agent.usingEndpointFactory(reactor, ways, pool))


def make_endpoint(
    settings: Mapping[str, Any], url: str, agent: IAgent, clock: IReactorTime
) -> Endpoint:
    """
    An URL, posted to as the settings say.
    """
    secret = settings["secret"].encode()
    return Endpoint(
        agent,
        url,
        clock,
        authorization=authorization(settings),
        signature=Signature(secret, clock.seconds) if secret else None,
        timeout=settings["timeout"],
        connections=settings["connections"],
    )
