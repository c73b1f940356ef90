"""
Connections to PostgreSQL that heal: only live ones are handed out, who finds
none waits a while, and what was lost is opened again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import uniform
from typing import Any

import orjson
import psycopg2
from attrs import define, field, frozen
from psycopg2.errors import (
    DeadlockDetected,
    ReadOnlySqlTransaction,
    SerializationFailure,
)
from psycopg2.extras import register_default_json, register_default_jsonb
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure
from txpostgres.txpostgres import Connection

from ...errors import BackendUnavailable
from ...figures import Figure


#: How long to wait for a connection, in seconds, and how many may wait.
PATIENCE, MOST_WAITING = 5.0, 20_000

#: How long to wait before connecting again, at first and at most, in seconds.
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0

#: How much later than the server we give up on a statement, in seconds.
GRACE = 2.0

#: How long to wait before a transaction that lost against another, in
#: seconds.
AGAIN = (0.01, 0.05, 0.25)

#: A dead peer is noticed within half a minute, not within hours.
_DEFAULTS = {
    "application_name": "ocpp_tw",
    "client_encoding": "UTF8",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "25000",
}

Rows = Sequence[tuple[Any, ...]]


class Link(Connection):
    """
    A connection that tells when it is gone.

    @ivar gone: called with it, perhaps more than once.
    """

    def __init__(
        self, reactor: IReactorTime, gone: Callable[[Link], None]
    ) -> None:
        super().__init__(reactor)
        self.gone = gone

    @property
    def is_open(self) -> bool:
        """
        Whether it can be used, as far as we know.
        """
        connection = self._connection
        # libpq lets go of a broken socket before psycopg2 calls it closed.
        return (
            connection is not None
            and not connection.closed
            and connection.fileno() >= 0
        )

    def doRead(self) -> None:
        try:
            super().doRead()
        except (psycopg2.Error, ValueError):
            # The server has closed it while nobody asked anything; there may
            # be no socket left to wait for.
            self.close()

    def connectionLost(self, reason: Failure) -> None:
        super().connectionLost(reason)
        self.gone(self)

    def close(self) -> None:
        if self._connection is not None:
            super().close()


@frozen
class Connector:
    """
    How to connect.

    @ivar conninfo: libpq's keywords.
    @ivar timeout: how long connecting may take, in seconds.
    @ivar statement_timeout: how long a statement may take, in seconds.
    """

    reactor: Any
    conninfo: Mapping[str, str]
    timeout: float = 5.0
    statement_timeout: float = 10.0

    async def open(self, link: Link) -> Link:
        """
        Connect; whoever closes it meanwhile ends that.

        @raise psycopg2.Error: there is no connection.
        """
        too_late = self.reactor.callLater(self.timeout, link.close)
        try:
            await link.connect(**self._keywords())
        except psycopg2.Error:
            link.close()
            raise
        except Exception as e:
            # Closed by us, or by the reactor: neither is an error of theirs.
            link.close()
            raise psycopg2.OperationalError(
                f"no connection within {self.timeout:g} s"
            ) from e
        finally:
            if too_late.active():
                too_late.cancel()
        for register in (register_default_json, register_default_jsonb):
            register(link.pollable(), loads=orjson.loads)
        return link

    def _keywords(self) -> dict[str, str]:
        given = {k: v for k, v in self.conninfo.items() if v}
        limit = f"-c statement_timeout={int(self.statement_timeout * 1000)}"
        options = f"{given.pop('options', '')} {limit}".strip()
        return {**_DEFAULTS, **given, "options": options}


@define(eq=False)
class _Waiter:
    """
    Who waits for a connection.
    """

    turn: Deferred[Link] = field(factory=Deferred)
    deadline: IDelayedCall | None = None

    def give(self, link: Link) -> None:
        self._decided()
        self.turn.callback(link)

    def refuse(self) -> None:
        self._decided()
        self.turn.errback(BackendUnavailable("the database is not reached"))

    def _decided(self) -> None:
        if self.deadline is not None and self.deadline.active():
            self.deadline.cancel()


class Pool(Service):
    """
    At least C{least} and at most C{most} connections.

    @ivar is_well: whether there is a live connection.
    @ivar notice: called with each notice of the server, if wanted.
    @ivar reached: called when there is a connection, and was none.
    """

    log = Logger()

    def __init__(
        self, connector: Connector, least: int = 5, most: int = 10
    ) -> None:
        self._connector = connector
        self._clock: IReactorTime = connector.reactor
        self._least = least
        self._most = most
        self._links: set[Link] = set()
        self._idle: list[Link] = []
        self._opening: set[Link] = set()
        self._waiting: deque[_Waiter] = deque()
        self._pause = FIRST_PAUSE
        self._refill: IDelayedCall | None = None
        self._trouble = ""
        self.notice: Callable[[str], None] | None = None
        self.reached: Callable[[], None] | None = None

    @property
    def is_well(self) -> bool:
        return bool(self._links)

    def figures(self) -> Iterator[Figure]:
        """
        How many connections there are, and how many wait for one.
        """
        yield Figure(
            "cs_pool_connections",
            "gauge",
            "Connections to the database.",
            len(self._links),
        )
        yield Figure(
            "cs_pool_waiting",
            "gauge",
            "Questions that wait for a connection to the database.",
            len(self._waiting),
        )

    # A service

    def startService(self) -> None:
        super().startService()
        self._fill()

    def stopService(self) -> None:
        super().stopService()
        if self._refill is not None:
            self._refill.cancel()
            self._refill = None
        while self._waiting:
            self._waiting.popleft().refuse()
        for link in [*self._links, *self._opening]:
            link.close()

    # Asking

    async def ask(self, sql: str, values: Sequence[Any] = ()) -> Rows:
        """
        Run one statement, in a transaction of its own.

        What lost against another transaction is tried again; it has changed
        nothing.

        @raise BackendUnavailable: the database is not reached, or does not
            answer in time; nobody knows whether it did as asked.
        @raise psycopg2.Error: it refuses.
        """
        for pause in AGAIN:
            try:
                return await self._ask(sql, values)
            except (SerializationFailure, DeadlockDetected):
                await deferLater(self._clock, uniform(0, 2) * pause)
        return await self._ask(sql, values)

    async def _ask(self, sql: str, values: Sequence[Any]) -> Rows:
        link = await self._take()
        limit = self._connector.statement_timeout + GRACE
        too_late = self._clock.callLater(limit, link.close)
        try:
            rows: Rows = await link.runQuery(sql, values)
            return rows
        except ReadOnlySqlTransaction as e:
            # It was demoted: the others know who leads now.
            link.close()
            raise BackendUnavailable("the database is read-only") from e
        except CancelledError as e:
            raise BackendUnavailable("the database is too slow") from e
        except psycopg2.Error as e:
            if link.is_open:
                raise
            raise BackendUnavailable("the connection was lost") from e
        except Exception as e:
            if link.is_open:
                raise
            # txpostgres says what the reactor says of what we have closed.
            raise BackendUnavailable("the database is silent") from e
        finally:
            if too_late.active():
                too_late.cancel()
            self._give_back(link)

    async def _take(self) -> Link:
        while self._idle:
            link = self._idle.pop()
            if link.is_open:
                return link
            self._gone(link)
        if not self.running or len(self._waiting) >= MOST_WAITING:
            raise BackendUnavailable("the database is not reached")
        waiter = _Waiter()
        waiter.deadline = self._clock.callLater(PATIENCE, self._tire, waiter)
        self._waiting.append(waiter)
        self._fill()
        return await waiter.turn

    def _tire(self, waiter: _Waiter) -> None:
        self._waiting.remove(waiter)
        waiter.refuse()

    def _give_back(self, link: Link) -> None:
        if not link.is_open or not self.running:
            link.close()
            self._gone(link)
            return
        if self.notice is not None and link.notices:
            for notice in link.notices:
                self.notice(notice)
            del link.notices[:]
        self._offer(link)

    def _offer(self, link: Link) -> None:
        if self._waiting:
            self._waiting.popleft().give(link)
        else:
            self._idle.append(link)

    # Connections

    def _fill(self) -> None:
        """
        Open what is missing, unless that is to wait.
        """
        if not self.running or self._refill is not None:
            return
        there = len(self._links) + len(self._opening)
        wanted = len(self._waiting) - len(self._idle) - len(self._opening)
        missing = max(self._least - there, min(wanted, self._most - there))
        for _ in range(missing):
            link = Link(self._clock, self._gone)
            self._opening.add(link)
            opened = Deferred.fromCoroutine(self._connector.open(link))
            opened.addCallbacks(
                self._opened, self._not_opened, errbackArgs=(link,)
            )
            opened.addErrback(self._oops)

    def _opened(self, link: Link) -> None:
        self._opening.discard(link)
        if not self.running or not link.is_open:
            link.close()
            self._later()
            return
        if not self._links:
            self.log.info("connected to the database")
            if self.reached is not None:
                self.reached()
        self._pause, self._trouble = FIRST_PAUSE, ""
        self._links.add(link)
        self._offer(link)

    def _not_opened(self, failure: Failure, link: Link) -> None:
        self._opening.discard(link)
        failure.trap(psycopg2.Error)
        if not self.running:
            return
        words = " ".join(str(failure.value).split())[:300]
        if words != self._trouble:
            self._trouble = words
            self.log.error("no connection to the database: {why}", why=words)
        self._later()

    def _later(self) -> None:
        if self.running and self._refill is None:
            pause = uniform(0.5, 1) * self._pause
            self._refill = self._clock.callLater(pause, self._now)
            self._pause = min(self._pause * 2, LONGEST_PAUSE)

    def _now(self) -> None:
        self._refill = None
        self._fill()

    def _gone(self, link: Link) -> None:
        if link not in self._links:
            return
        self._links.discard(link)
        if link in self._idle:
            self._idle.remove(link)
        if not self._links and self.running:
            self.log.error("the database is not reached")
        self._later()

    def _oops(self, failure: Failure) -> None:
        self.log.failure("a bug in the pool", failure)
