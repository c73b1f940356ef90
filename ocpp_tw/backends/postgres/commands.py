"""
Commands from the database to the stations.

C{NOTIFY ocpp_command} has an order, or names a station that there are orders
for: those are taken from a table by C{ocpp.TakeCommands}, so that none is lost
while nobody listens and none is taken twice.  What came of an order goes to
C{ocpp.CommandResult}.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import uuid4

import orjson
import psycopg2
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionClosed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from ...errors import (
    BackendUnavailable,
    CallFailed,
    CallTimedOut,
    ErrorCode,
    NotKept,
    OCPPError,
    StationNotConnected,
)
from ...interfaces import ICentralSystem
from .functions import Functions, texts
from .pool import FIRST_PAUSE, LONGEST_PAUSE, Connector, Link


CHANNEL = "ocpp_command"

#: How many commands are under way at most.
MOST = 500

#: How often we look for what nobody told us of, in seconds.
LOOK = 60.0

#: How long we try to say what came of a command, in seconds.
PATIENCE = 300.0


class Commands(Service):
    """
    Listens, and does as told.
    """

    log = Logger()

    def __init__(
        self,
        functions: Functions,
        connector: Connector,
        central_system: ICentralSystem,
        clock: IReactorTime,
    ) -> None:
        self._functions = functions
        self._connector = connector
        self._central_system = central_system
        self._clock = clock
        self._link: Link | None = None
        self._opening: Link | None = None
        self._pause = FIRST_PAUSE
        self._again: IDelayedCall | None = None
        self._under_way = 0
        self._awaiting_end: list[Deferred[None]] = []
        self._wanted: set[str] = set()
        self._taking = False
        self._looking = LoopingCall(self._look)
        self._looking.clock = clock

    # A service

    def startService(self) -> None:
        super().startService()
        self._listen()
        self._looking.start(LOOK, now=False)

    def stopService(self) -> Deferred[None]:
        """
        @return: fires when it is told what came of those under way.
        """
        super().stopService()
        if self._looking.running:
            self._looking.stop()
        if self._again is not None:
            self._again.cancel()
            self._again = None
        for link in (self._link, self._opening):
            if link is not None:
                link.close()
        settled: Deferred[None] = Deferred()
        self._awaiting_end.append(settled)
        self._check_settled()
        return settled

    def _check_settled(self) -> None:
        if not (self.running or self._under_way or self._taking):
            awaiting, self._awaiting_end = self._awaiting_end, []
            for settled in awaiting:
                settled.callback(None)

    # Listening

    def _listen(self) -> None:
        self._again = None
        listening = Deferred.fromCoroutine(self._connect())
        listening.addErrback(self._deaf)

    async def _connect(self) -> None:
        link = self._opening = Link(self._clock, self._lost)
        await self._connector.open(link)
        link.addNotifyObserver(self._notified)
        try:
            await link.runOperation(f"LISTEN {CHANNEL}")
        except BaseException:
            link.close()
            raise
        if not self.running:
            link.close()
            return
        self._link, self._pause = link, FIRST_PAUSE
        # What was ordered while nobody listened.
        self._look()

    def _deaf(self, failure: Failure) -> None:
        # txpostgres says what the reactor says of what is closed.
        if not failure.check(psycopg2.Error, ConnectionClosed):
            self.log.failure("while listening for commands", failure)
        self._later()

    def _lost(self, link: Link) -> None:
        if link is self._link:
            self._link = None
            self._later()

    def _later(self) -> None:
        if self.running and self._again is None:
            self._again = self._clock.callLater(self._pause, self._listen)
            self._pause = min(self._pause * 2, LONGEST_PAUSE)

    def _notified(self, notification: Any) -> None:
        try:
            order = orjson.loads(notification.payload)
            identity = order["identity"]
        except (ValueError, TypeError, KeyError):
            self.log.warn(
                "a notification of {channel} is no JSON object with an "
                "identity",
                channel=CHANNEL,
            )
            return
        if "action" not in order:
            self._want([str(identity)])
        elif self._is_with_another(identity):
            pass
        elif self._under_way < MOST:
            self._start(order)
        else:
            self.log.error(
                "a command for {identity} is not sent: {most} are under way",
                identity=identity,
                most=MOST,
            )

    def _is_with_another(self, identity: str) -> bool:
        """
        Whether another worker, which hears of it as we do, has the station.
        """
        here = {s.identity for s in self._central_system.stations()}
        return identity not in here and self._central_system.is_connected(
            identity
        )

    def station_connected(self, identity: str) -> None:
        """
        What was ordered while a station was away can be done now.
        """
        self._want([identity])

    def _look(self) -> None:
        keeping = Deferred.fromCoroutine(self._keep_house())
        keeping.addErrback(self._oops)
        stations = self._central_system.stations()
        self._want([station.identity for station in stations])

    async def _keep_house(self) -> None:
        """
        Let the database do what is to be done now and then.
        """
        try:
            if (await self._functions.known()).has("Housekeep", 0):
                await self._functions.call("Housekeep")
        except (BackendUnavailable, NotKept):
            pass
        except psycopg2.Error as e:
            self.log.error("ocpp.Housekeep failed: {code}", code=e.pgcode)

    # Taking

    def _want(self, identities: Iterable[str]) -> None:
        """
        Take the commands for these stations, soon.
        """
        self._wanted.update(identities)
        if self._wanted and not self._taking and self.running:
            self._taking = True
            taking = Deferred.fromCoroutine(self._take_all())
            taking.addErrback(self._oops).addBoth(self._taken)

    def _taken(self, _: object) -> None:
        self._taking = False
        self._check_settled()

    async def _take_all(self) -> None:
        try:
            known = await self._functions.known()
            if not known.has("TakeCommands", 3):
                self._wanted.clear()
            while self._wanted and self._under_way < MOST:
                await self._take()
        except (BackendUnavailable, NotKept):
            # We look again when the database is back, and each minute.
            return
        except psycopg2.Error as e:
            self.log.error("ocpp.TakeCommands failed: {code}", code=e.pgcode)

    async def _take(self) -> None:
        here = {s.identity for s in self._central_system.stations()}
        wanted, self._wanted = self._wanted & here, set()
        if not wanted:
            return
        room = MOST - self._under_way
        orders = await self._taken_by(uuid4().hex, sorted(wanted), room)
        for order in orders:
            self._start(order)
        if len(orders) >= room:
            self._wanted |= wanted

    async def _taken_by(
        self, token: str, identities: Sequence[str], room: int
    ) -> Sequence[Any]:
        """
        Ask until we know what we have taken.
        """
        while True:
            try:
                return await self._functions.call(
                    "TakeCommands", texts(identities), room, token
                )
            except BackendUnavailable:
                if not self.running:
                    raise
            await deferLater(self._clock, 1.0)

    # Doing

    def _start(self, order: Mapping[str, Any]) -> None:
        self._under_way += 1
        done = Deferred.fromCoroutine(self._do(order))
        done.addErrback(self._oops).addBoth(self._done)

    def _done(self, _: object) -> None:
        self._under_way -= 1
        self._want(())
        self._check_settled()

    async def _do(self, order: Mapping[str, Any]) -> None:
        result = await self._result(order)
        number = order.get("id")
        if number is None:
            return
        begun = self._clock.seconds()
        while True:
            try:
                await self._functions.call("CommandResult", number, result)
                return
            except BackendUnavailable as e:
                elapsed = self._clock.seconds() - begun
                if not self.running or elapsed > PATIENCE:
                    self.log.error(
                        "what came of command {number} to {identity} is not "
                        "told: {why}",
                        number=number,
                        identity=order.get("identity"),
                        why=str(e),
                    )
                    return
                await deferLater(self._clock, 1.0)
            except (NotKept, psycopg2.Error) as e:
                self.log.error(
                    "ocpp.CommandResult failed for command {number} to "
                    "{identity}: {why}",
                    number=number,
                    identity=order.get("identity"),
                    why=getattr(e, "pgcode", None) or str(e),
                )
                return

    async def _result(self, order: Mapping[str, Any]) -> Mapping[str, Any]:
        identity, action = order.get("identity"), order.get("action")
        payload = order.get("payload") or {}
        told = {"identity": identity, "action": action}
        if not isinstance(identity, str) or not isinstance(action, str):
            return {**told, **_error("FormationViolation", "no such order")}
        if not isinstance(payload, dict):
            return {**told, **_error("FormationViolation", "no payload")}
        try:
            answer = await self._central_system.call(identity, action, payload)
        except CallFailed as e:
            return {**told, **_error(e.code, e.description, e.details)}
        except CallTimedOut as e:
            return {**told, **_error("Timeout", str(e))}
        except StationNotConnected as e:
            return {**told, **_error("NotConnected", str(e))}
        except OCPPError as e:
            return {**told, **_error("BadRequest", str(e))}
        return {**told, "messageTypeId": "CallResult", "payload": answer}

    def _oops(self, failure: Failure) -> None:
        self.log.failure("a bug in commands from the database", failure)


def _error(
    code: str, description: str, details: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "messageTypeId": "CallError",
        "errorCode": code or ErrorCode.INTERNAL_ERROR,
        "errorDescription": description,
        "errorDetails": details or {},
    }
