"""
Tells the database which stations are connected: the last word of each, in
order, when it can be told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg2
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ...errors import BackendUnavailable, NotKept
from .functions import Functions


#: How long to wait where the database cannot be told, in seconds.
PAUSE = 1.0


class Presence(Service):
    """
    @ivar _news: what the database has not been told of each station.
    @ivar _telling: the stations whose news is under way.
    """

    log = Logger()

    def __init__(self, functions: Functions, clock: IReactorTime) -> None:
        self._functions = functions
        self._clock = clock
        self._news: dict[str, tuple[bool, Mapping[str, Any]]] = {}
        self._telling: dict[str, Deferred[None]] = {}
        self._again: IDelayedCall | None = None

    def stopService(self) -> None:
        super().stopService()
        if self._again is not None:
            self._again.cancel()
            self._again = None

    def changed(
        self, identity: str, connected: bool, about: Mapping[str, Any]
    ) -> None:
        """
        A station came or went.
        """
        self._news[identity] = (connected, about)
        self._tell(identity)

    def _tell(self, identity: str) -> None:
        if identity in self._telling or not self.running:
            return
        telling = Deferred.fromCoroutine(self._told(identity))
        self._telling[identity] = telling
        telling.addErrback(self._oops)
        telling.addBoth(self._done, identity)

    async def _told(self, identity: str) -> None:
        connected, about = self._news.pop(identity)
        try:
            await self._functions.call(
                "SetChargePointConnected", identity, connected, dict(about)
            )
        except NotKept:
            pass
        except BackendUnavailable:
            self._news.setdefault(identity, (connected, about))
            self._try_again()
        except psycopg2.Error as e:
            self.log.error(
                "ocpp.SetChargePointConnected failed for {identity}: {code}",
                identity=identity,
                code=e.pgcode,
            )

    def _done(self, _: object, identity: str) -> None:
        del self._telling[identity]
        if identity in self._news and self._again is None:
            self._tell(identity)

    def _try_again(self) -> None:
        if self._again is None and self.running:
            self._again = self._clock.callLater(PAUSE, self._tell_all)

    def _tell_all(self) -> None:
        self._again = None
        for identity in list(self._news):
            self._tell(identity)

    def _oops(self, failure: Failure) -> None:
        self.log.failure("a bug in telling who is connected", failure)
