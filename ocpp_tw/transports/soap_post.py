"""
Posts an envelope to a station, and waits for what comes back.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.error import TimeoutError
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.ssl import Certificate, trustRootFromCertificates
from twisted.python.failure import Failure
from twisted.web.client import (
    Agent,
    BrowserLikePolicyForHTTPS,
    ResponseDone,
)
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from ..errors import CallFailed, CallTimedOut, StationNotConnected


#: The longest answer we read, in octets.
LONGEST_ANSWER = 1 << 20

#: How long a station has to accept a connection, in seconds.
CONNECT_TIMEOUT = 10.0


class Courier:
    """
    Posts to stations; follows no redirection, and keeps no connection.
    """

    def __init__(self, reactor: Any, authority: str = "") -> None:
        """
        @param authority: the file with who signs the certificates of
            stations; if empty, whom the system trusts.
        """
        self._clock = reactor
        trusted = _trusted(authority) if authority else None
        self._agent: IAgent = Agent(
            reactor, BrowserLikePolicyForHTTPS(trusted), CONNECT_TIMEOUT
        )

    async def post(
        self, url: str, envelope: bytes, action: str, timeout: float
    ) -> tuple[int, bytes]:
        """
        @return: the status of the answer, and its body.
        @raise CallTimedOut: it did not answer within so many seconds.
        @raise StationNotConnected: it cannot be reached.
        @raise CallFailed: it sent us elsewhere, or answered without end.
        """
        posting = Deferred.fromCoroutine(self._post(url, envelope, action))
        posting.addTimeout(timeout, self._clock)
        try:
            return await posting
        except (TimeoutError, CancelledError):
            raise CallTimedOut(
                f"no answer to {action} in {timeout:g} seconds"
            ) from None
        except CallFailed:
            raise
        except Exception as e:
            raise StationNotConnected(
                f"the station cannot be reached at {url}: {_in_words(e)}"
            ) from None

    async def _post(
        self, url: str, envelope: bytes, action: str
    ) -> tuple[int, bytes]:
        content_type = (
            f'application/soap+xml; charset=utf-8; action="/{action}"'
        )
        headers = Headers({"Content-Type": [content_type]})
        response = await self._agent.request(
            b"POST", url.encode("ascii"), headers, _Bytes(envelope)
        )
        if 300 <= response.code < 400:
            _abort(response)
            raise CallFailed(
                "GenericError", f"HTTP status {response.code}: not followed"
            )
        return response.code, await _content(response)


def _trusted(authority: str) -> Any:
    pem = Path(authority).read_bytes()
    return trustRootFromCertificates([Certificate.loadPEM(pem)])


def _in_words(error: Exception) -> str:
    """
    >>> _in_words(OSError("refused\\nby it"))
    'refused by it'
    """
    reasons = getattr(error, "reasons", None)
    if reasons:
        error = reasons[0].value
    return " ".join(str(error).split())[:200] or type(error).__name__


@implementer(IBodyProducer)
class _Bytes:
    """
    A body that is there already.
    """

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length = len(body)

    def startProducing(self, consumer: Any) -> Deferred[None]:
        consumer.write(self._body)
        return succeed(None)

    def pauseProducing(self) -> None:
        pass

    def resumeProducing(self) -> None:
        pass

    def stopProducing(self) -> None:
        pass


class _Content(Protocol):
    """
    Collects a body, up to L{LONGEST_ANSWER}.
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._length = 0
        self.content: Deferred[bytes] = Deferred(lambda _: self._abort())

    def dataReceived(self, data: bytes) -> None:
        self._parts.append(data)
        self._length += len(data)
        if self._length > LONGEST_ANSWER:
            self._abort()
            self._end(Failure(CallFailed("GenericError", "it has no end")))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if reason.check(ResponseDone, PotentialDataLoss):
            self._end(b"".join(self._parts))
        else:
            self._end(reason)

    def _end(self, result: bytes | Failure) -> None:
        self._parts.clear()
        if not self.content.called:
            self.content.callback(result)

    def _abort(self) -> None:
        if self.transport is not None:
            self.transport.loseConnection()


def _content(response: IResponse) -> Deferred[bytes]:
    content = _Content()
    response.deliverBody(content)
    return content.content


def _abort(response: IResponse) -> None:
    content = _Content()
    # Nobody waits for it.
    content.content.addErrback(lambda _: None)
    response.deliverBody(content)
    content._abort()
