"""
Posts to one URL, over connections that are kept open.

Twisted's C{Agent} finds out for each request anew what is the same for all of
them, and its parser is written in Python; see docs/decisions/httptools.md.
"""

from __future__ import annotations

from collections.abc import Mapping

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectingCancelledError, ConnectionDone
from twisted.internet.interfaces import (
    IDelayedCall,
    IReactorTime,
    IStreamClientEndpoint,
    ITCPTransport,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import URI


#: The longest reply that is read, with its headers, in octets.
LONGEST_REPLY = 1 << 20

#: After how long a connection that nobody uses is closed, in seconds: before
#: the shortest patience of well-known servers (Node.js: 5 s), since what is
#: posted while the other end closes is lost.
IDLE = 4.0

#: Status and body.
Reply = tuple[int, bytes]


class NotSent(Exception):
    """
    The server knows nothing of what was to be posted.
    """


class NoReply(Exception):
    """
    It may have arrived, but there is no reply, or not all of it.
    """


class _Connection(Protocol):
    """
    One request at a time, and its reply.

    @ivar since: since when it is free, in seconds of the reactor.
    """

    transport: ITCPTransport
    since = 0.0

    def __init__(self, client: Client) -> None:
        self._client = client
        self._parser = HttpResponseParser(self)
        self._waiting: Deferred[Reply] | None = None

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)

    def post(self, octets: bytes) -> Deferred[Reply]:
        """
        Send a request, as it is.
        """
        self._left = LONGEST_REPLY
        self._begin_reply()
        self._reply: Reply | None = None
        self._waiting = Deferred(self._cancelled)
        self.transport.write(octets)
        return self._waiting

    def _begin_reply(self) -> None:
        self._body: list[bytes] = []
        self._has_length = False
        self._ends_with_connection = False

    def dataReceived(self, data: bytes) -> None:
        if self._waiting is None:
            self.transport.loseConnection()
            return
        self._left -= len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as e:
            self._fail(f"no reply of HTTP/1.1: {_in_words(e)}")
            return
        if self._left < 0:
            self._fail("the reply is too long")
        elif self._reply is not None:
            self._succeed(self._reply)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._client.lost(self)
        if self._waiting is None:
            return
        if self._ends_with_connection and reason.check(ConnectionDone):
            self._succeed(self._read())
        else:
            self._fail(f"the reply was cut off: {_in_words(reason.value)}")

    # What the parser says

    def on_message_begin(self) -> None:
        if self._reply is not None:
            # What comes now would be taken for the next reply.
            self._is_kept = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() in (b"content-length", b"transfer-encoding"):
            self._has_length = True

    def on_headers_complete(self) -> None:
        self._ends_with_connection = not self._has_length

    def on_body(self, data: bytes) -> None:
        self._body.append(data)

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() < 200:
            # It goes on (RFC 9110, section 15.2).
            self._begin_reply()
        elif self._reply is None:
            self._reply = self._read()
            self._is_kept = self._parser.should_keep_alive()

    def _read(self) -> Reply:
        return self._parser.get_status_code(), b"".join(self._body)

    # What becomes of it

    def _succeed(self, reply: Reply) -> None:
        waiting, self._waiting = self._waiting, None
        assert waiting is not None
        if self._reply is not None and self._is_kept:
            self._client.freed(self)
        else:
            self.transport.loseConnection()
        waiting.callback(reply)

    def _fail(self, reason: str) -> None:
        waiting, self._waiting = self._waiting, None
        assert waiting is not None
        self.transport.abortConnection()
        waiting.errback(NoReply(reason))

    def _cancelled(self, _: object) -> None:
        self._waiting = None
        self.transport.abortConnection()


class Client:
    """
    Opens a connection for what is posted while all others are in use.
    """

    def __init__(
        self,
        way: IStreamClientEndpoint,
        url: URI,
        headers: Mapping[str, bytes],
        clock: IReactorTime,
    ) -> None:
        """
        @param way: to the server.
        @param headers: sent with each request.
        """
        self._way = way
        self._clock = clock
        first = b"POST %b HTTP/1.1\r\n" % url.originForm
        self._head = first + _lines({"Host": _host(url), **headers})
        #: Those that are free, the one that was used last at the end.
        self._free: list[_Connection] = []
        self._tidying: IDelayedCall | None = None
        self._factory = Factory.forProtocol(lambda: _Connection(self))
        # It would log two lines for each connection.
        self._factory.noisy = False

    async def post(self, body: bytes, headers: Mapping[str, bytes]) -> Reply:
        """
        Post a body, and wait for the reply.

        @param headers: more of them; their values are without line ends.
        @raise NotSent: it was not.
        @raise NoReply: nobody knows what came of it.
        """
        length = b"Content-Length: %d\r\n\r\n" % len(body)
        octets = b"".join((self._head, _lines(headers), length, body))
        connection = await self._connected()
        return await connection.post(octets)

    async def _connected(self) -> _Connection:
        if self._free:
            connection = self._free.pop()
            if self._clock.seconds() - connection.since < IDLE:
                return connection
            connection.transport.loseConnection()
        try:
            return await self._way.connect(self._factory)  # type: ignore[return-value]
        except (CancelledError, ConnectingCancelledError):
            raise
        except Exception as e:
            # Names that are not found, nobody who listens, and so on.
            raise NotSent(_in_words(e)) from e

    def freed(self, connection: _Connection) -> None:
        """
        All of a reply was read.
        """
        connection.since = self._clock.seconds()
        self._free.append(connection)
        if self._tidying is None:
            self._tidying = self._clock.callLater(IDLE, self._tidy)

    def lost(self, connection: _Connection) -> None:
        """
        It was closed, by whomever.
        """
        if connection in self._free:
            self._free.remove(connection)

    def _tidy(self) -> None:
        """
        Close what was free for too long: one timer sees to all.
        """
        self._tidying = None
        now = self._clock.seconds()
        for connection in [x for x in self._free if now - x.since >= IDLE]:
            self._free.remove(connection)
            connection.transport.loseConnection()
        if self._free:
            first = self._free[0].since + IDLE - now
            self._tidying = self._clock.callLater(first, self._tidy)


def _lines(headers: Mapping[str, bytes]) -> bytes:
    return b"".join(
        b"%b: %b\r\n" % (name.encode(), value)
        for name, value in headers.items()
    )


def _host(url: URI) -> bytes:
    """
    The header C{Host} (RFC 9110, section 7.2).

    >>> _host(URI.fromBytes(b"http://[::1]:8080/x")), _host(
    ...     URI.fromBytes(b"https://example.com/x"))
    (b'[::1]:8080', b'example.com')
    """
    host = b"[%b]" % url.host if b":" in url.host else url.host
    if (url.scheme, url.port) in ((b"http", 80), (b"https", 443)):
        return host
    return b"%b:%d" % (host, url.port)


def _in_words(error: object) -> str:
    """
    What went wrong on the way, in one line.
    """
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words}"[:300]
