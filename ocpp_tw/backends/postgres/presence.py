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
from ...interfaces import ICentralSystem
from .functions import Functions


#: How long to wait where the database cannot be told, in seconds.
PAUSE = 1.0


class Presence(Service):
    """
    @ivar _news: what the database has not been told of each station, the
        oldest first.
    """

    log = Logger()

    def __init__(
        self,
        functions: Functions,
        central_system: ICentralSystem,
        clock: IReactorTime,
    ) -> None:
        self._functions = functions
        self._central_system = central_system
        self._clock = clock
        self._news: dict[str, tuple[bool, Mapping[str, Any]]] = {}
        self._telling = False
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
        if not connected and self._is_back(identity):
            return
        self._news.pop(identity, None)
        self._news[identity] = (connected, about)
        if self._again is None:
            self._go_on()

    def _go_on(self) -> None:
        self._again = None
        if self._telling or not self.running:
            return
        self._telling = True
        telling = Deferred.fromCoroutine(self._tell_all())
        telling.addErrback(self._oops).addBoth(self._told_all)

    def _told_all(self, _: object) -> None:
        self._telling = False
        if self._news and self.running and self._again is None:
            self._again = self._clock.callLater(PAUSE, self._go_on)

    async def _tell_all(self) -> None:
        """
        One after another, so that Calls find connections free.
        """
        while self._news and self.running:
            identity = next(iter(self._news))
            connected, about = self._news.pop(identity)
            try:
                await self._tell(identity, connected, about)
            except BackendUnavailable:
                # Unless there are newer ones.
                self._news.setdefault(identity, (connected, about))
                return

    def _is_back(self, identity: str) -> bool:
        """
        Whether a newer connection took the place of one that is gone: here,
        or at another worker, which tells of it.
        """
        return self._central_system.is_connected(identity)

    async def _tell(
        self, identity: str, connected: bool, about: Mapping[str, Any]
    ) -> None:
        if not connected and self._is_back(identity):
            return
        try:
            await self._functions.call(
                "SetChargePointConnected", identity, connected, dict(about)
            )
        except NotKept:
            pass
        except psycopg2.Error as e:
            self.log.error(
                "ocpp.SetChargePointConnected failed for {identity}: {code}",
                identity=identity,
                code=e.pgcode,
            )

    def _oops(self, failure: Failure) -> None:
        self.log.failure("a bug in telling who is connected", failure)
