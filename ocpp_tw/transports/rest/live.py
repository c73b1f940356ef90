"""
C{GET /events}: what happens, for as long as somebody watches.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer, IReactorTime
from twisted.web.iweb import IRequest
from twisted.web.server import Request
from zope.interface import implementer

from ...errors import BadRequest, TooManyRequests
from ...events import TYPES, Events, Wanted
from .asked import read_texts
from .routes import Parameter, Route
from .shapes import TEXT


#: How many may watch at the same time.
MOST = 500

#: How often something is sent at least, in seconds: proxies close what is
#: silent.
HEARTBEAT = 15

#: How long a watcher may take to read what it was sent, in seconds.
STALLED = 60

#: After so many seconds a watcher has to come again, and to show again that
#: it may.
LONGEST = 3600


class Live:
    """
    Server-Sent Events.
    """

    def __init__(self, events: Events, clock: IReactorTime) -> None:
        self._events = events
        self._clock = clock
        self.routes = [
            Route(
                "GET",
                "/events",
                self.events,
                query=(
                    Parameter(
                        "identity", "Of these stations only.", several=True
                    ),
                    Parameter(
                        "type",
                        "Of these types only.",
                        {"type": "string", "enum": list(TYPES)},
                        several=True,
                    ),
                    Parameter(
                        "Last-Event-ID",
                        "Of the last event that was heard of.",
                        place="header",
                    ),
                ),
                gives={"examples": ["event: connected\ndata: {}\n\n"], **TEXT},
                media="text/event-stream",
            )
        ]

    async def events(self, request: Request) -> bytes:
        """
        What happens from now on, as Server-Sent Events.

        With C{Last-Event-ID} all that has happened since, as far as it is
        still known; an event C{gap} says what is missing.
        """
        wanted = _wanted(request)
        if len(self._events) >= MOST:
            raise TooManyRequests(f"{MOST} watch already", 60)
        request.setHeader("Content-Type", "text/event-stream")
        request.setHeader("Cache-Control", "no-store")
        request.setHeader("X-Accel-Buffering", "no")
        if request.method == b"HEAD":
            return b""
        position = self._events.position(request.getHeader("last-event-id"))
        watcher = Watcher(request, self._events, self._clock, wanted, position)
        await watcher.run()
        return b""


def _wanted(request: IRequest) -> Wanted:
    texts = read_texts(request)
    for name in texts:
        if name not in ("identity", "type"):
            raise BadRequest(
                f"there is no parameter {name!r:.60}; "
                "there are: identity, type"
            )
    types = frozenset(filter(None, texts.get("type", ())))
    for unknown in types - set(TYPES):
        raise BadRequest(
            f"type: {unknown!r:.60} is not one of {', '.join(TYPES)}"
        )
    identities = filter(None, texts.get("identity", ()))
    return Wanted(frozenset(identities), types)


@implementer(IPushProducer)
class Watcher:
    """
    One who watches.

    While it does not read, nothing is sent, nor kept for it: when it reads
    again it goes on where it was, or learns how much it has missed.
    """

    def __init__(
        self,
        request: Request,
        events: Events,
        clock: IReactorTime,
        wanted: Wanted,
        position: int,
    ) -> None:
        self._request = request
        self._events = events
        self._seconds = clock.seconds
        self._wanted = wanted
        self._position = position
        self._began = self._wrote_at = clock.seconds()
        self._paused = False
        self._gone: Deferred[None] = Deferred()

    async def run(self) -> None:
        """
        Tell until the client goes, or stops reading.
        """
        request = self._request
        request.notifyFinish().addErrback(lambda _: self.stopProducing())
        request.registerProducer(self, True)
        request.write(b"retry: 2000\n\n")
        leave = self._events.watch(self._more)
        try:
            await self._gone
        finally:
            leave()
            if request.channel is not None:
                request.unregisterProducer()

    def _more(self) -> None:
        if self._gone.called:
            return
        now = self._seconds()
        if self._paused:
            if now - self._wrote_at > STALLED:
                self._drop()
            return
        octets, self._position = self._events.after(
            self._position, self._wanted
        )
        if not octets and now - self._wrote_at >= HEARTBEAT:
            octets = b": still here\n\n"
        if octets:
            self._wrote_at = now
            self._request.write(octets)
        if now - self._began > LONGEST:
            self.stopProducing()

    def _drop(self) -> None:
        """
        It does not read: what it was sent will not arrive.
        """
        channel: Any = self._request.channel
        if channel is not None:
            channel.forceAbortClient()

    # As a producer

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False

    def stopProducing(self) -> None:
        if not self._gone.called:
            self._gone.callback(None)
