"""
Web servers for tests that post to one, on loopback.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from attrs import frozen
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from .waiting import reactor, wait


@frozen
class Seen:
    """
    A request as it came; names of headers in lower case.
    """

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


@frozen
class Reply:
    """
    What to answer with.
    """

    status: int = 200
    body: bytes = b"{}"


#: The end of the connection instead of an answer.
CUT = object()


def silence(seen: Seen) -> Deferred[Reply]:
    """
    No answer at all.
    """
    return Deferred()


class Endpoint(Resource):
    """
    A web server that answers as it is told to.

    @ivar answer: makes a L{Reply}, or a JSON object, of what was seen.
    @ivar seen: every request.
    @ivar port: where it listens, or did.
    """

    isLeaf = True

    def __init__(self, answer: Callable[[Seen], Any]) -> None:
        super().__init__()
        self.answer = answer
        self.seen: list[Seen] = []
        self.connections = 0
        self._port: Any = None

    def listen(self, context: Any = None, port: int = 0) -> None:
        site = Site(self)
        build = site.buildProtocol

        def counted(address: Any) -> Any:
            self.connections += 1
            return build(address)

        site.buildProtocol = counted  # type: ignore[method-assign]
        interface = "127.0.0.1"
        self._port = (
            reactor().listenSSL(port, site, context, interface=interface)
            if context
            else reactor().listenTCP(port, site, interface=interface)
        )
        self.site = site
        self.port = int(self._port.getHost().port)

    def close(self) -> None:
        wait(maybeDeferred(self._port.stopListening))

    def render_POST(self, request: IRequest) -> int:
        headers = {
            name.decode().lower(): values[0].decode()
            for name, values in request.requestHeaders.getAllRawHeaders()
        }
        path = request.path.decode()
        seen = Seen(path, headers, request.content.read())
        self.seen.append(seen)
        request.notifyFinish().addErrback(lambda _: None)
        maybeDeferred(self.answer, seen).addCallback(self._reply, request)
        return NOT_DONE_YET

    def _reply(self, reply: Any, request: IRequest) -> None:
        if request._disconnected:
            return
        if reply is CUT:
            request.channel.transport.abortConnection()
            return
        if not isinstance(reply, Reply):
            reply = Reply(body=orjson.dumps(reply))
        request.setResponseCode(reply.status)
        request.write(reply.body)
        request.finish()
