"""
Asking many stations at once: a line of JSON for each, as it answers.

::

    {"identity": "CP1", "status": "ok", "answer": {"status": "Accepted"}}
    {"identity": "CP2", "status": "error", "error": {"code": 503, ...}}
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IPushProducer, IReactorTime
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from zope.interface import implementer

from ...ocpp.messages import Payload
from ...router import Router
from .answers import dump
from .errors import as_json, note


#: How many stations are asked at a time.
AT_ONCE = 50


@implementer(IPushProducer)
class Survey:
    """
    One question to many stations.

    It asks no further station when the client has gone, or while the client
    does not read.
    """

    def __init__(
        self,
        router: Router,
        reactor: IReactorTime,
        action: str,
        payload: Payload,
        timeout: float | None,
    ) -> None:
        self._router = router
        self._reactor = reactor
        self._question = action, payload, timeout
        self._gone = False
        self._paused: Deferred[None] | None = None

    async def run(self, request: IRequest, identities: Iterable[str]) -> bytes:
        """
        Ask them all, and write the lines.

        @return: what remains to be written: nothing.
        """
        request.setHeader("Content-Type", "application/x-ndjson")
        request.setHeader("Cache-Control", "no-store")
        request.setHeader("X-Accel-Buffering", "no")
        request.notifyFinish().addErrback(lambda _: self.stopProducing())
        request.registerProducer(self, True)
        remaining = iter(identities)
        await gatherResults(
            Deferred.fromCoroutine(self._ask_on(request, remaining))
            for _ in range(AT_ONCE)
        )
        if not self._gone:
            request.unregisterProducer()
        return b""

    async def _ask_on(
        self, request: IRequest, remaining: Iterator[str]
    ) -> None:
        """
        Ask one station after another, until none remains.
        """
        for identity in remaining:
            line = await self._ask(identity)
            if self._gone:
                return
            request.write(line + b"\n")
            # A thousand that are not connected take no time, but a while.
            await deferLater(self._reactor, 0)
            if self._paused is not None:
                await _also(self._paused)
            if self._gone:
                return

    async def _ask(self, identity: str) -> bytes:
        line: dict[str, Any] = {"identity": identity}
        try:
            answer = await self._router.call(identity, *self._question)
            return dump({**line, "status": "ok", "answer": answer})
        except Exception as e:
            note(Failure(), f"{self._question[0]} to many")
            return dump({**line, "status": "error", **as_json(e)})

    # As a producer

    def pauseProducing(self) -> None:
        self._paused = self._paused or Deferred()

    def resumeProducing(self) -> None:
        paused, self._paused = self._paused, None
        if paused is not None:
            paused.callback(None)

    def stopProducing(self) -> None:
        self._gone = True
        self.resumeProducing()


def _also(event: Deferred[None]) -> Deferred[None]:
    """
    Wait for what others wait for, too.
    """
    waiting: Deferred[None] = Deferred()

    def fired(result: None) -> None:
        waiting.callback(None)

    event.addCallback(fired)
    return waiting
