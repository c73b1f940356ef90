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
from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint
from twisted.internet.ssl import (
    Certificate,
    PrivateCertificate,
    optionsForClientTLS,
    platformTrust,
    trustRootFromCertificates,
)
from twisted.internet.task import deferLater
from twisted.web.client import URI

from ... import __version__
from ...errors import BadConfig
from .client import Client, NoReply, NotSent


#: How long to wait before the first repetition, in seconds; then twice that.
PAUSE = 0.1

#: What an URL is written with.
_WRITTEN = "!#$%&'()*+,-./:;=?@[]_~"

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

    def headers(self, body: bytes) -> Mapping[str, bytes]:
        """
        The headers for a body.
        """
        time = b"%d" % self.seconds()
        digest = hmac.digest(self.secret, time + b"." + body, "sha256")
        return {
            "X-OCPP-Timestamp": time,
            "X-OCPP-Signature": b"sha256=" + digest.hex().encode(),
        }


class Endpoint:
    """
    Where JSON is posted to.
    """

    def __init__(
        self,
        client: Client,
        url: str,
        clock: IReactorTime,
        *,
        signature: Signature | None = None,
        timeout: float = 10.0,
        connections: int = 64,
    ) -> None:
        """
        @param timeout: how long all of it may take, in seconds.
        @param connections: how many requests are under way at most.
        """
        self.url = url
        self._client = client
        self._clock = clock
        self._signature = signature
        self._timeout = timeout
        self._turns = DeferredSemaphore(connections)

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
        headers = {"Idempotency-Key": quote(key, safe=":/").encode()}
        if self._signature is not None:
            headers.update(self._signature.headers(body))
        try:
            status, reply = await self._client.post(body, headers)
        except NotSent as e:
            raise _NotNow(str(e)) from e
        except NoReply as e:
            raise Unanswered(str(e)) from e
        if 200 <= status < 300:
            return reply
        raise _refused(status)


def _refused(status: int) -> Unanswered:
    words = f"status {status}"
    if status in _NOT_NOW:
        return _NotNow(words)
    # 408 and 429 are refusals of the moment (RFC 9110; RFC 6585).
    return Unanswered(words, 400 <= status < 500 and status not in (408, 429))


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


@frozen
class Trust:
    """
    Whom we believe, and who we say we are.
    """

    root: Any
    ours: PrivateCertificate | None

    def way(
        self, reactor: Any, url: URI, timeout: float
    ) -> IStreamClientEndpoint:
        """
        The way to a server.
        """
        way = HostnameEndpoint(reactor, url.host, url.port, timeout)
        if url.scheme != b"https":
            return way
        host = url.host.decode("ascii")
        return wrapClientTLS(
            optionsForClientTLS(host, self.root, self.ours), way
        )


def make_trust(settings: Mapping[str, Any]) -> Trust:
    """
    @raise BadConfig: a file of certificates cannot be used.
    """
    ca, certificate, key = (
        settings[name] for name in ("ca", "certificate", "key")
    )
    if bool(certificate) != bool(key):
        raise BadConfig("[webhook] certificate and key: give both, or neither")
    return Trust(
        _root(ca) if ca else platformTrust(),
        _ours(certificate, key) if certificate else None,
    )


def make_endpoint(
    settings: Mapping[str, Any], url: str, trust: Trust, reactor: Any
) -> Endpoint:
    """
    An URL, posted to as the settings say.
    """
    secret = settings["secret"].encode()
    # What is no ASCII is written as RFC 3986 has it.
    uri = URI.fromBytes(quote(url, safe=_WRITTEN).encode())
    timeout = settings["timeout"]
    return Endpoint(
        Client(
            trust.way(reactor, uri, timeout), uri, _headers(settings), reactor
        ),
        url,
        reactor,
        signature=Signature(secret, reactor.seconds) if secret else None,
        timeout=timeout,
        connections=settings["connections"],
    )


def _headers(settings: Mapping[str, Any]) -> Mapping[str, bytes]:
    headers = {
        "Content-Type": b"application/json",
        "Accept": b"application/json",
        "User-Agent": f"ocpp_tw/{__version__}".encode(),
    }
    if ours := authorization(settings):
        # A token from a file may end with its line.
        headers["Authorization"] = b" ".join(ours.split())
    return headers
