"""
Events that wait to be told: durable, bounded, in order for each station.

Several processes may have one outbox: each leaves events there, and one of
them tells.

What is refused for good, and what nobody took for a day, becomes a dead
letter: an operator sees it and may send it again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fcntl import LOCK_EX, LOCK_NB, flock
from functools import partial
from sqlite3 import Connection
from typing import IO, Any
from uuid import uuid4

import orjson
from attrs import frozen
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from ...database import Database
from ...errors import BackendUnavailable, BadRequest, NotFound
from ...figures import Figure
from ...interfaces import Page
from ..elsewhere import as_time, write_json
from .endpoint import Endpoint, Unanswered


#: How many events wait at most, and how many dead letters are kept.
MOST, MOST_DEAD = 100_000, 10_000

#: How many stations' events are told at once.
AT_ONCE = 16

#: How long to wait before telling again, at first and at most; after how
#: long it is given up.  In seconds.
FIRST_PAUSE, LONGEST_PAUSE, PATIENCE = 1.0, 300.0, 86_400.0

#: How often we look what is due, in seconds.
_LOOK = 1.0

MIGRATIONS = [
    """
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    identity TEXT NOT NULL,
    event TEXT NOT NULL,
    key TEXT NOT NULL,
    body BLOB NOT NULL,
    created REAL NOT NULL,
    due REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    reason TEXT,
    dead INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX outbox_waiting ON outbox (identity, id) WHERE NOT dead;
CREATE INDEX outbox_dead ON outbox (id) WHERE dead;
"""
]


@frozen
class Letter:
    """
    An event on its way.
    """

    number: int
    identity: str
    key: str
    body: bytes
    created: float
    attempts: int


class Lead:
    """
    The right to tell, which one process has until it gives it up, or ends.
    """

    def __init__(self, path: str) -> None:
        """
        @param path: of a file, locked by who leads.
        """
        self._path = path
        self._file: IO[bytes] | None = None

    def take(self) -> bool:
        """
        Whether we lead, now at the latest.
        """
        if self._file is None:
            file = open(self._path, "ab")  # noqa: SIM115
            try:
                flock(file, LOCK_EX | LOCK_NB)
            except OSError:
                file.close()
                return False
            self._file = file
        return True

    def give_up(self) -> None:
        """
        Let another lead.
        """
        if self._file is not None:
            self._file.close()
            self._file = None


class Outbox(Service):
    """
    Tells an endpoint what was put here, until it takes it.

    @ivar waiting: how many events wait, as far as we know.
    @ivar dropped: how many could not be kept, since too many wait already or
        the disk is full.
    """

    log = Logger()

    def __init__(
        self,
        database: Database,
        lead: Lead,
        endpoint: Endpoint,
        clock: IReactorTime,
    ) -> None:
        self.waiting = 0
        self.dropped = 0
        self._database = database
        self._lead = lead
        self._endpoint = endpoint
        self._clock = clock
        self._looking = LoopingCall(self._look)
        self._looking.clock = clock
        self._round: Deferred[Any] | None = None

    def try_out(self) -> None:
        """
        @raise BadConfig: the file cannot be used.
        """
        self._database.try_out()

    def startService(self) -> None:
        super().startService()
        self._database.startService()
        self.waiting = self._database.read_now(_count)
        self._looking.start(_LOOK, now=False)

    def stopService(self) -> Deferred[None]:
        """
        What is not told yet is told after the next start.
        """
        super().stopService()
        if self._looking.running:
            self._looking.stop()
        if self._round is not None:
            self._round.cancel()
        self._lead.give_up()
        return self._database.stopService()

    def put(
        self, identity: str, event: str, members: Mapping[str, Any]
    ) -> None:
        """
        Leave an event here; it never makes anybody wait.
        """
        if self.waiting >= MOST:
            self._drop("too many events wait")
            return
        key = uuid4().hex
        body = write_json(
            {"event": event, "eventId": key, "identity": identity, **members}
        )
        self.waiting += 1
        now = self._clock.seconds()
        put = self._database.write(
            partial(_put, row=(identity, event, key, body, now, now))
        )
        put.addCallbacks(lambda _: self._look(), self._not_put)

    def _not_put(self, failure: Failure) -> None:
        self.waiting -= 1
        self._drop(str(failure.value))

    def _drop(self, reason: str) -> None:
        if not self.dropped:
            self.log.error("events are lost: {reason}", reason=reason)
        self.dropped += 1

    # Telling

    def _look(self) -> None:
        if self.running and self._round is None:
            self._round = Deferred.fromCoroutine(self._tell_what_is_due())
            self._round.addErrback(self._not_told).addBoth(self._rest)

    def _not_told(self, failure: Failure) -> None:
        if self.running and not failure.check(BackendUnavailable):
            self.log.failure("a bug in the outbox", failure)

    def _rest(self, _: object) -> None:
        self._round = None

    async def _tell_what_is_due(self) -> None:
        letters: Sequence[Letter] = await self._due()
        while letters:
            told = [Deferred.fromCoroutine(self._tell(x)) for x in letters]
            await DeferredList(told, fireOnOneErrback=True, consumeErrors=True)
            letters = await self._due()

    async def _due(self) -> Sequence[Letter]:
        """
        What is to be told now, by us.
        """
        leads = self._lead.take()
        self.waiting = await self._database.read(_count)
        if not leads or not self.waiting:
            return ()
        now = self._clock.seconds()
        return await self._database.read(partial(_due, now=now))

    async def _tell(self, letter: Letter) -> None:
        try:
            await self._endpoint.post(letter.body, letter.key)
        except Unanswered as e:
            await self._failed(letter, e)
        else:
            await self._database.write(partial(_told, number=letter.number))

    async def _failed(self, letter: Letter, why: Unanswered) -> None:
        now = self._clock.seconds()
        is_dead = why.final or now - letter.created > PATIENCE
        pause = min(FIRST_PAUSE * 2.0**letter.attempts, LONGEST_PAUSE)
        failed = partial(
            _failed,
            number=letter.number,
            reason=str(why),
            due=now + pause,
            dead=is_dead,
        )
        await self._database.write(failed)
        if is_dead:
            self.log.error(
                "{identity}: event {number} is a dead letter: {reason}",
                identity=letter.identity,
                number=letter.number,
                reason=str(why),
            )

    # Operators

    def figures(self) -> Iterator[Figure]:
        """
        How many wait, and how many are lost.
        """
        yield Figure(
            "cs_outbox_waiting",
            "gauge",
            "Events that are not told yet.",
            self.waiting,
        )
        yield Figure(
            "cs_outbox_lost",
            "counter",
            "Events that could not be kept.",
            self.dropped,
        )

    async def page(
        self,
        limit: int,
        cursor: str | None = None,
        identity: str | None = None,
        state: str | None = None,
    ) -> Page:
        """
        See L{ocpp_tw.interfaces.IOutbox.outbox}.
        """
        if state not in (None, "waiting", "dead"):
            raise BadRequest(f"state: {state!r:.60} is not waiting or dead")
        if cursor is not None and not cursor.isdecimal():
            raise BadRequest(f"cursor: {cursor!r:.60} is none of ours")
        query = partial(
            _page,
            before=int(cursor) if cursor else 2**62,
            identity=identity,
            dead=None if state is None else int(state == "dead"),
            limit=limit + 1,
        )
        rows = await self._database.read(query)
        items = [_item(row) for row in rows[:limit]]
        more = len(rows) > limit
        return Page(items, str(items[-1]["id"]) if more else None)

    async def redeliver(self, number: int) -> Mapping[str, Any]:
        """
        See L{ocpp_tw.interfaces.IOutbox.redeliver}.
        """
        revived = await self._database.write(
            partial(_revive, number=number, now=self._clock.seconds())
        )
        if revived is None:
            raise NotFound(f"there is no dead letter {number}")
        self.waiting += 1
        return _item(revived)


_COLUMNS = "id, identity, event, body, created, due, attempts, reason, dead"


def _item(row: Sequence[Any]) -> dict[str, Any]:
    number, identity, event, body, created, due, attempts, reason, dead = row
    return {
        "id": number,
        "identity": identity,
        "event": event,
        "state": "dead" if dead else "waiting",
        "created": as_time(created),
        "due": None if dead else as_time(due),
        "attempts": attempts,
        "reason": reason,
        "body": orjson.loads(body),
    }


def _count(db: Connection) -> int:
    [count] = db.execute(
        "SELECT count(*) FROM outbox WHERE NOT dead"
    ).fetchone()
    return int(count)


def _put(db: Connection, row: Sequence[Any]) -> None:
    db.execute(
        "INSERT INTO outbox (identity, event, key, body, created, due)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        row,
    )


def _due(db: Connection, now: float) -> Sequence[Letter]:
    """
    The first event of each station, where it is time for it.
    """
    rows = db.execute(
        "SELECT id, identity, key, body, created, attempts FROM outbox"
        " WHERE id IN (SELECT min(id) FROM outbox WHERE NOT dead"
        " GROUP BY identity) AND due <= ? ORDER BY id LIMIT ?",
        (now, AT_ONCE),
    )
    return [Letter(*row) for row in rows]


def _told(db: Connection, number: int) -> None:
    db.execute("DELETE FROM outbox WHERE id = ?", (number,))


def _failed(
    db: Connection, number: int, reason: str, due: float, dead: bool
) -> None:
    db.execute(
        "UPDATE outbox SET attempts = attempts + 1, reason = ?, due = ?,"
        " dead = ? WHERE id = ?",
        (reason, due, dead, number),
    )
    if dead:
        db.execute(
            "DELETE FROM outbox WHERE dead AND id <= (SELECT id FROM outbox"
            " WHERE dead ORDER BY id DESC LIMIT 1 OFFSET ?)",
            (MOST_DEAD,),
        )


def _page(
    db: Connection,
    before: int,
    identity: str | None,
    dead: int | None,
    limit: int,
) -> Sequence[Any]:
    return db.execute(
        f"SELECT {_COLUMNS} FROM outbox WHERE id < ?1"
        " AND (?2 IS NULL OR identity = ?2) AND (?3 IS NULL OR dead = ?3)"
        " ORDER BY id DESC LIMIT ?4",
        (before, identity, dead, limit),
    ).fetchall()


def _revive(db: Connection, number: int, now: float) -> Sequence[Any] | None:
    revived: Sequence[Any] | None = db.execute(
        "UPDATE outbox SET dead = 0, attempts = 0, created = ?1, due = ?1"
        f" WHERE id = ?2 AND dead RETURNING {_COLUMNS}",
        (now, number),
    ).fetchone()
    return revived
