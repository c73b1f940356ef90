"""
Commands that wait for stations that are away.

Each is kept on disk before anybody is told that it is, sent once the station
may be commanded again, in order, and its outcome is kept.  It is sent at most
once: one whose answer did not come has failed.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import orjson
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from .errors import (
    BadRequest,
    CallFailed,
    CallTimedOut,
    Conflict,
    NotFound,
    OCPPError,
    StationNotConnected,
    TooManyCalls,
)
from .figures import Figure
from .fleet import iso
from .interfaces import IStation, Page
from .messagelog import page, whole
from .ocpp.messages import Payload
from .router import Router


#: How many commands may wait for one station.
MOST = 100

#: The longest that a command may wait, in seconds.
LONGEST = 30 * 86400

#: How long outcomes are kept, and how often it is looked, in seconds.
KEPT, LOOK = 30 * 86400, 60

STATES = ("waiting", "sending", "answered", "failed", "expired", "cancelled")

_COLUMNS = (
    "id, identity, action, payload, who, created, expires, status, sent,"
    " ended, answer, error"
)


class Queue:
    """
    Keeps commands, and sends them when their station is there.
    """

    log = Logger()

    def __init__(self, router: Router, clock: IReactorTime) -> None:
        self._router = router
        self._database = router.journal.database
        self._seconds = clock.seconds
        #: The stations that commands wait for, and those that are sent some.
        self._awaited: set[str] = set()
        self._busy: set[str] = set()
        #: Tells other workers that a command waits for a station.
        self.share: Callable[[str], None] = lambda identity: None
        self._looking = LoopingCall(self._look)
        self._looking.clock = clock
        router.greeters.append(self.greet)

    def start(self) -> None:
        """
        Remember what waits; what was under way when we ended has failed.
        """
        if self._looking.running:
            return
        now = self._now()
        started = self._database.write(
            lambda db: _begin(db, now), durable=True
        )
        started.addCallback(self._awaited.update)
        started.addErrback(self._oops)
        self._looking.start(LOOK, now=False)

    def stop(self) -> None:
        """
        Send nothing more.
        """
        if self._looking.running:
            self._looking.stop()

    def _now(self) -> int:
        return int(self._seconds() * 1000)

    def figures(self) -> Iterator[Figure]:
        """
        What there is to measure of it.
        """
        yield Figure(
            "cs_stations_awaited",
            "gauge",
            "Stations that queued commands wait for.",
            len(self._awaited),
        )

    # What operators do

    async def add(
        self,
        identity: str,
        action: str,
        payload: Payload,
        seconds: float,
        who: str = "",
    ) -> Mapping[str, Any]:
        """
        Keep a command; it is sent within so many seconds, or not at all.

        @raise TooManyCalls: too many wait for this station already.
        """
        now = self._now()
        values = (
            identity,
            action,
            orjson.dumps(payload).decode(),
            who,
            now,
            now + int(seconds * 1000),
        )
        number = await self._database.write(
            lambda db: _add(db, values), durable=True
        )
        self.expect(identity)
        self.share(identity)
        return await self.get(identity, number)

    def expect(self, identity: str) -> None:
        """
        A command waits for a station: now, if it is connected to us.
        """
        self._awaited.add(identity)
        station = self._router.ours.get(identity)
        if station is not None and station.known.greeted:
            self.greet(station)

    async def find(
        self, identity: str, limit: int, cursor: str | None = None
    ) -> Page:
        """
        The commands for a station, newest first: C{{"id", "identity",
        "action", "payload", "who", "created", "expires", "status", "sent",
        "ended", "answer", "error"}}; C{status} is one of L{STATES}.
        """
        before = sys.maxsize if cursor is None else whole(cursor, "cursor")
        rows = await self._database.read(
            lambda db: db.execute(
                f"SELECT {_COLUMNS} FROM queued WHERE identity = ? AND id < ?"
                " ORDER BY id DESC LIMIT ?",
                (identity, before, limit + 1),
            ).fetchall()
        )
        return page([_as_json(row) for row in rows], limit)

    async def get(self, identity: str, number: int) -> Mapping[str, Any]:
        """
        @raise NotFound: there is none of that id for that station.
        """
        row = await self._database.read(
            lambda db: db.execute(
                f"SELECT {_COLUMNS} FROM queued WHERE identity = ? AND id = ?",
                (identity, number),
            ).fetchone()
        )
        if row is None:
            raise NotFound(f"there is no command {number} for this station")
        return _as_json(row)

    async def cancel(self, identity: str, number: int) -> None:
        """
        @raise NotFound: there is none of that id for that station.
        @raise Conflict: it does not wait any more.
        """
        now = self._now()
        cancelled = await self._database.write(
            lambda db: _end(db, number, identity, "cancelled", now),
            durable=True,
        )
        if not cancelled:
            found = await self.get(identity, number)
            raise Conflict(
                f"command {number} does not wait any more: it is "
                f"{found['status']}"
            )

    async def cancel_all(self, identity: str) -> None:
        """
        Whoever comes by that name next is another station.
        """
        now = self._now()
        await self._database.write(
            lambda db: (
                db.execute(
                    "UPDATE queued SET status = 'cancelled', ended = ?"
                    " WHERE identity = ? AND status = 'waiting'",
                    (now, identity),
                )
                and None
            ),
            durable=True,
        )

    # What stations do

    def greet(self, station: IStation) -> None:
        """
        A station may be commanded.
        """
        identity = station.identity
        if identity in self._awaited and identity not in self._busy:
            self._busy.add(identity)
            sent = Deferred.fromCoroutine(self._send_all(identity))
            sent.addErrback(self._oops)
            sent.addBoth(lambda _: self._busy.discard(identity))

    async def _send_all(self, identity: str) -> None:
        while self._is_there(identity):
            now = self._now()
            row = await self._database.write(
                partial(_take, identity=identity, now=now), durable=True
            )
            if row is None:
                self._awaited.discard(identity)
                return
            number, action, payload = row
            if not await self._send(
                identity, number, action, orjson.loads(payload)
            ):
                return

    def _is_there(self, identity: str) -> bool:
        known = self._router.fleet.get(identity)
        return known is not None and known.station is not None

    async def _send(
        self, identity: str, number: int, action: str, payload: Payload
    ) -> bool:
        """
        @return: whether the next may follow.
        """
        if not self._is_there(identity):
            await self._database.write(
                lambda db: (
                    db.execute(
                        "UPDATE queued SET status = 'waiting', sent = NULL"
                        " WHERE id = ?",
                        (number,),
                    )
                    and None
                ),
                durable=True,
            )
            return False
        status, answer, error = "answered", None, None
        try:
            answer = await self._router.call(identity, action, payload)
        except OCPPError as e:
            status, error = "failed", _error(e)
        await self._ended(number, status, answer, error)
        return True

    async def _ended(
        self, number: int, status: str, answer: Any, error: Any
    ) -> None:
        values = (
            status,
            self._now(),
            None if answer is None else orjson.dumps(answer).decode(),
            None if error is None else orjson.dumps(error).decode(),
            number,
        )
        await self._database.write(
            lambda db: (
                db.execute(
                    "UPDATE queued SET status = ?, ended = ?, answer = ?,"
                    " error = ? WHERE id = ?",
                    values,
                )
                and None
            ),
            durable=True,
        )

    # Now and then

    def _look(self) -> Deferred[Any]:
        now = self._now()
        looked = self._database.write(lambda db: _tidy(db, now))
        return looked.addErrback(self._oops)

    def _oops(self, failure: Any) -> None:
        self.log.error("queued commands: {why}", why=failure.value)


def _begin(db: sqlite3.Connection, now: int) -> set[str]:
    db.execute(
        "UPDATE queued SET status = 'failed', ended = ?, error = ?"
        " WHERE status = 'sending'",
        (
            now,
            '{"code": 504, "message": "the server ended before the answer '
            'came"}',
        ),
    )
    rows = db.execute(
        "SELECT DISTINCT identity FROM queued WHERE status = 'waiting'"
    )
    return {identity for (identity,) in rows}


def _add(db: sqlite3.Connection, values: tuple[Any, ...]) -> int:
    [waiting] = db.execute(
        "SELECT count(*) FROM queued WHERE identity = ? AND status = 'waiting'"
        " AND expires > ?",
        (values[0], values[4]),
    ).fetchone()
    if waiting >= MOST:
        raise TooManyCalls(f"{MOST} commands wait for this station already")
    number = db.execute(
        "INSERT INTO queued (identity, action, payload, who, created,"
        " expires, status) VALUES (?, ?, ?, ?, ?, ?, 'waiting')",
        values,
    ).lastrowid
    assert number is not None
    return number


def _take(
    db: sqlite3.Connection, identity: str, now: int
) -> tuple[int, str, str] | None:
    """
    The next command of a station, which is under way then.
    """
    _expire(db, now)
    row: tuple[int, str, str] | None = db.execute(
        "SELECT id, action, payload FROM queued WHERE identity = ?"
        " AND status = 'waiting' ORDER BY id LIMIT 1",
        (identity,),
    ).fetchone()
    if row is not None:
        db.execute(
            "UPDATE queued SET status = 'sending', sent = ? WHERE id = ?",
            (now, row[0]),
        )
    return row


def _end(
    db: sqlite3.Connection, number: int, identity: str, status: str, now: int
) -> bool:
    return bool(
        db.execute(
            "UPDATE queued SET status = ?, ended = ? WHERE id = ?"
            " AND identity = ? AND status = 'waiting'",
            (status, now, number, identity),
        ).rowcount
    )


def _expire(db: sqlite3.Connection, now: int) -> None:
    db.execute(
        "UPDATE queued SET status = 'expired', ended = expires"
        " WHERE status = 'waiting' AND expires <= ?",
        (now,),
    )


def _tidy(db: sqlite3.Connection, now: int) -> None:
    _expire(db, now)
    db.execute(
        "DELETE FROM queued WHERE status NOT IN ('waiting', 'sending')"
        " AND ended < ?",
        (now - KEPT * 1000,),
    )


_CODES = {
    BadRequest: 400,
    TooManyCalls: 429,
    CallFailed: 502,
    StationNotConnected: 503,
    CallTimedOut: 504,
}


def _error(error: OCPPError) -> dict[str, Any]:
    """
    C{{"code": 504, "message": "..."}}, as REST would answer.
    """
    kinds = type(error).__mro__
    code = next((_CODES[k] for k in kinds if k in _CODES), 500)
    return {"code": code, "message": str(error)[:500]}


def _as_json(row: tuple[Any, ...]) -> dict[str, Any]:
    names = [name.strip() for name in _COLUMNS.split(",")]
    shown = dict(zip(names, row, strict=True))
    for name in ("created", "expires", "sent", "ended"):
        shown[name] = None if shown[name] is None else iso(shown[name] / 1000)
    for name in ("payload", "answer", "error"):
        if shown[name] is not None:
            shown[name] = orjson.loads(shown[name])
    return {**shown, "who": shown["who"] or None}
