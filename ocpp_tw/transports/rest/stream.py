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
from twisted.web.server import Request
from zope.interface import implementer

from ...ocpp.messages import Payload
from ...router import Router
from .answers import dump
from .errors import as_json, note


#: How many stations are asked at a time.
AT_ONCE = 50

#: How often to look whether a client that does not read reads again, in
#: seconds.
GLANCE = 0.1


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
        self._gone = self._paused = False

    async def run(self, request: Request, identities: Iterable[str]) -> bytes:
        """
        Ask them all, and write the lines.

        @return: what remains to be written: nothing.
        """
        request.setHeader("Content-Type", "application/x-ndjson")
        request.setHeader("Cache-Control", "no-store")
        request.setHeader("X-Accel-Buffering", "no")
        request.registerProducer(self, True)
        lost = request.notifyFinish()
        self._lost = lost.addErrback(lambda _: self.stopProducing())
        remaining = iter(identities)
        await gatherResults(
            Deferred.fromCoroutine(self._ask_on(request, remaining))
            for _ in range(AT_ONCE)
        )
        if not self._gone:
            request.unregisterProducer()
        return b""

    async def _ask_on(
        self, request: Request, remaining: Iterator[str]
    ) -> None:
        """
        Ask one station after another, until none remains.
        """
        for identity in remaining:
            line = await self._ask(identity)
            if self._gone:
                break
            request.write(line + b"\n")
            await self._room()

    async def _ask(self, identity: str) -> bytes:
        line: dict[str, Any] = {"identity": identity}
        try:
            answer = await self._router.call(identity, *self._question)
            return dump({**line, "status": "ok", "answer": answer})
        except Exception as e:
            note(Failure(), f"{self._question[0]} to many")
            return dump({**line, "status": "error", **as_json(e)})

    async def _room(self) -> None:
        """
        Let others have their turn, and the client read.
        """
        await deferLater(self._reactor, 0)
        while self._paused and not self._gone:
            await deferLater(self._reactor, GLANCE)

    # As a producer

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False

    def stopProducing(self) -> None:
        self._gone = True
