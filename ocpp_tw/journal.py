"""
What has passed: the messages, the refused handshakes, the stations seen.

It is kept beside the backend, whatever that is, in a file of its own: it may
grow, be pruned, or be thrown away without a word about money in it.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson
from attrs import astuple, evolve, frozen
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from .database import MEMORY, Bulk, Database
from .events import Events
from .figures import Tally
from .fleet import Fleet, Known, Settings, iso
from .interfaces import Page
from .messagelog import (
    PRUNED_AT_ONCE,
    SCHEMA,
    Entry,
    KeptMessages,
    MessageLog,
    RecentMessages,
    page,
    prune,
    whole,
)
from .ocpp.actions import FROM_STATION, TO_STATION
from .ocpp.times import parse_time
from .violations import explained, summary


#: How many refused handshakes are kept, how many deeds of operators, and how
#: many that were not let: whoever tries and tries wipes out no deed of others.
ATTEMPTS, DEEDS, TRIES = 1000, 100_000, 10_000

#: The statuses of those who were not let.
REFUSED = (401, 403)

#: How often the stations that changed are saved, and old rows pruned, in
#: seconds.
SAVE, PRUNE = 10.0, 60.0

MIGRATIONS = [
    SCHEMA
    + """
    CREATE TABLE attempts (
        id INTEGER PRIMARY KEY,
        time INTEGER NOT NULL,
        address TEXT NOT NULL,
        path TEXT NOT NULL,
        offered TEXT NOT NULL,
        status INTEGER NOT NULL,
        reason TEXT NOT NULL,
        remedy TEXT NOT NULL
    );
    CREATE TABLE stations (
        identity TEXT PRIMARY KEY,
        known TEXT NOT NULL
    ) WITHOUT ROWID;
    """,
    """
    CREATE TABLE audit (
        id INTEGER PRIMARY KEY,
        time INTEGER NOT NULL,
        who TEXT NOT NULL,
        via TEXT NOT NULL,
        address TEXT NOT NULL,
        method TEXT NOT NULL,
        path TEXT NOT NULL,
        action TEXT NOT NULL,
        status INTEGER NOT NULL
    );
    """,
    """
    CREATE TABLE queued (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        identity TEXT NOT NULL,
        action TEXT NOT NULL,
        payload TEXT NOT NULL,
        who TEXT NOT NULL,
        created INTEGER NOT NULL,
        expires INTEGER NOT NULL,
        status TEXT NOT NULL,
        sent INTEGER,
        ended INTEGER,
        answer TEXT,
        error TEXT
    );
    CREATE INDEX queued_for_station ON queued (identity, id);
    CREATE INDEX queued_and_waiting ON queued (identity)
        WHERE status IN ('waiting', 'sending');
    """,
]

_ATTEMPT = Bulk(
    "INSERT INTO attempts (time, address, path, offered, status, reason,"
    " remedy)",
    7,
)
_DEED = Bulk(
    "INSERT INTO audit (time, who, via, address, method, path, action,"
    " status)",
    8,
)
_STATION = Bulk(
    "INSERT INTO stations (identity, known)",
    2,
    "ON CONFLICT (identity) DO UPDATE SET known = excluded.known",
)


@frozen
class Attempt:
    """
    One handshake that was refused.
    """

    time: float
    address: str
    path: str
    offered: str
    status: int
    reason: str
    remedy: str


@frozen
class Deed:
    """
    What somebody did by REST, or tried to.

    @ivar who: the name; empty where nobody had to say.
    @ivar via: what they proved it with.
    @ivar action: the command, where it was one.
    """

    time: float
    who: str
    via: str
    address: str
    method: str
    path: str
    action: str
    status: int


class Journal(Service):
    """
    Keeps what passes; nobody waits for it.

    @ivar fleet: every station that was ever seen.
    @ivar events: tells those who watch.
    """

    log = Logger()

    def __init__(
        self,
        path: str,
        reactor: IReactorTime,
        days: float = 30,
        rows: int = 5_000_000,
    ) -> None:
        """
        @param path: of the file, or C{:memory:}.
        @param days: how long a message is kept.
        @param rows: how many messages are kept at most.
        """
        self.path = path
        self.days = days
        self.rows = rows
        self.fleet = Fleet()
        self._seconds = reactor.seconds
        # What is lost by a power failure here is a line of the log; a crash
        # of the process loses what was to be written next.
        self.database = Database(path, MIGRATIONS, reactor, durable=False)
        self._tally = Tally(_actions())
        count = self._tally.note
        self._messages: MessageLog = (
            RecentMessages(count)
            if path == MEMORY
            else KeptMessages(self.database, reactor, count)
        )
        #: A message passed: see L{MessageLog.note}.
        self.note: Callable[[Entry], None]
        self.also_tell(None)
        self.events = Events(reactor, self.fleet, self._messages.backlog)
        self.save_every = SAVE
        #: Tells other workers what is known, and what is no more.
        self.share: Callable[[list[Known]], None] = lambda changed: None
        self.forgot: Callable[[str], None] = lambda identity: None
        self._saving = LoopingCall(self.save)
        self._pruning = LoopingCall(self._prune)
        self._saving.clock = self._pruning.clock = reactor

    def open(self) -> None:
        """
        Open the file, and remember the stations in it.

        @raise BadConfig: it cannot be used.
        """
        self.database.open()

    def startService(self) -> None:
        super().startService()
        self.database.startService()
        for station in self.database.read_now(_stations):
            self.fleet.add(station)
        self._messages.start()
        self._saving.start(self.save_every, now=False)
        self._pruning.start(PRUNE, now=False)

    def stopService(self) -> Deferred[None]:
        super().stopService()
        for loop in (self._saving, self._pruning):
            if loop.running:
                loop.stop()
        self.events.stop()
        self._messages.stop()
        self.save()
        return self.database.stopService()

    # Writing

    def also_tell(self, note: Callable[[Entry], None] | None) -> None:
        """
        Tell somebody else, too, of every message that passes.
        """
        keep = self._messages.note

        def told(entry: Entry) -> None:
            keep(entry)
            note(entry)  # type: ignore[misc]

        self.note = keep if note is None else told

    def refused(self, attempt: Attempt) -> None:
        """
        A handshake was refused.
        """
        self.database.append_later(
            _ATTEMPT,
            (
                int(attempt.time * 1000),
                attempt.address,
                attempt.path,
                attempt.offered,
                attempt.status,
                attempt.reason,
                attempt.remedy,
            ),
        )

    def done(self, deed: Deed) -> None:
        """
        Somebody did something, or tried to.
        """
        values = astuple(deed)
        self.database.append_later(_DEED, (int(deed.time * 1000), *values[1:]))

    def keep(self, known: Known) -> None:
        """
        Keep one station, soon.
        """
        self.database.append_later(_STATION, _row(known))

    def save(self) -> None:
        """
        Keep the stations that have changed.
        """
        unsaved, self.fleet.unsaved = self.fleet.unsaved, set()
        found = (self.fleet.get(identity) for identity in unsaved)
        changed = [known for known in found if known is not None]
        for known in changed:
            self.keep(known)
        self.share(changed)

    async def change(self, identity: str, body: Mapping[str, Any]) -> Known:
        """
        Register a station, or change its settings, durably.

        @raise BadRequest: the body makes no sense.
        """
        known = self.fleet.change(identity, body)
        self.share([known])
        await self.database.append(_STATION, [_row(known)])
        return known

    async def forget(self, identity: str) -> None:
        """
        @raise UnknownStation: there was nothing to forget.
        """
        self.fleet.forget(identity)
        self.forgot(identity)
        await self.database.write(
            lambda db: (
                db.execute(
                    "DELETE FROM stations WHERE identity = ?", (identity,)
                )
                and None
            )
        )

    async def prune(self) -> None:
        """
        Forget the messages that are too old or too many.
        """
        await self.database.write(_prune_few)
        oldest = int((self._seconds() - self.days * 86400) * 1000)
        pruned = PRUNED_AT_ONCE
        while pruned == PRUNED_AT_ONCE:
            pruned = await self.database.write(
                lambda db: prune(db, oldest, self.rows)
            )

    def _prune(self) -> Deferred[None]:
        """
        Prune; what could not be pruned now is the next time.
        """
        pruned = Deferred.fromCoroutine(self.prune())
        return pruned.addErrback(
            lambda f: self.log.error("nothing is pruned: {why}", why=f.value)
        )

    # Reading

    @property
    def tally(self) -> Tally:
        """
        What became of the messages since the start.
        """
        self._messages.backlog.settle()
        return self._tally

    async def messages(
        self,
        limit: int,
        cursor: str | None = None,
        **filters: str | None,
    ) -> Page:
        """
        The messages, newest first: C{identity}, C{action}, C{from}, C{to},
        C{errors} (C{true} for those with an error or a violation).

        Each is C{{"id", "time", "identity", "direction", "messageId",
        "action", "call", "reply", "milliseconds", "error", "violations"}}.

        @raise BadRequest: a filter makes no sense.
        """
        found = await self._messages.find(limit, cursor, filters)
        return evolve(found, items=explained(self.fleet, found.items))

    async def violations(self, limit: int, cursor: str | None = None) -> Page:
        """
        What stations do against the standard, by vendor, model and firmware;
        see L{ocpp_tw.violations.summary}.
        """
        start = 0 if cursor is None else whole(cursor, "cursor")
        found = summary(self.fleet, await self._messages.broken())
        end = start + limit
        more = str(end) if len(found) > end else None
        return Page(found[start:end], more)

    async def connection_attempts(
        self, limit: int, cursor: str | None = None
    ) -> Page:
        """
        The refused handshakes, newest first: C{{"id", "time", "address",
        "path", "offered", "status", "reason", "remedy"}}.
        """
        before = sys.maxsize if cursor is None else whole(cursor, "cursor")
        rows = await self.database.read(
            lambda db: db.execute(
                "SELECT * FROM attempts WHERE id < ? ORDER BY id DESC LIMIT ?",
                (before, limit + 1),
            ).fetchall()
        )
        return page([_attempt_as_json(row) for row in rows], limit)

    async def deeds(
        self, limit: int, cursor: str | None = None, who: str | None = None
    ) -> Page:
        """
        What operators did, newest first: C{{"id", "time", "who", "via",
        "address", "method", "path", "action", "status"}}.
        """
        before = sys.maxsize if cursor is None else whole(cursor, "cursor")
        rows = await self.database.read(
            lambda db: db.execute(
                "SELECT * FROM audit WHERE id < ?1 AND (?2 IS NULL OR"
                " who = ?2) ORDER BY id DESC LIMIT ?3",
                (before, who, limit + 1),
            ).fetchall()
        )
        return page([_deed_as_json(row) for row in rows], limit)


def _actions() -> Iterator[str]:
    for actions in (*FROM_STATION.values(), *TO_STATION.values()):
        yield from actions


def _row(known: Known) -> tuple[str, str]:
    return known.identity, orjson.dumps(
        known.as_json(), option=orjson.OPT_NON_STR_KEYS
    ).decode()


def _stations(db: sqlite3.Connection) -> list[Known]:
    rows = db.execute("SELECT known FROM stations")
    return [known_from(orjson.loads(known)) for (known,) in rows]


def known_from(kept: Mapping[str, Any]) -> Known:
    """
    A station as it was kept; see L{Known.as_json}.
    """
    members = Settings().as_json()
    settings = Settings().changed({k: kept[k] for k in members if k in kept})
    return Known(
        kept["identity"],
        version=kept["version"] or "",
        account=kept["account"] or "",
        address=kept["address"] or "",
        # Older files do not have these.
        protocol=kept.get("protocol") or "",
        reached_at=kept.get("reachedAt") or "",
        heartbeat=kept.get("heartbeatInterval"),
        settings=evolve(settings, registered=kept["registered"]),
        connected_at=_seconds(kept["connectedAt"]),
        disconnected_at=_seconds(kept["disconnectedAt"]),
        disconnected_why=kept["disconnectReason"] or "",
        last_seen=_seconds(kept["lastSeen"]),
        boot=kept["bootNotification"],
        booted_at=_seconds(kept["bootedAt"]),
        connectors=_by_connector(kept["connectors"]),
        meters={
            number: orjson.dumps(value["meterValue"])
            for number, value in _by_connector(kept["meters"]).items()
        },
        reports=kept["reports"],
        violations=kept["violations"],
        unanswered=kept["unansweredCalls"],
        boot_status=kept.get("bootStatus") or "",
    )


def _seconds(text: str | None) -> float | None:
    return None if text is None else parse_time(text)


def _by_connector(items: list[dict[str, Any]]) -> dict[int, Any]:
    return {item.pop("connectorId"): item for item in items}


def _prune_few(db: sqlite3.Connection) -> None:
    db.execute(
        "DELETE FROM attempts WHERE id <= (SELECT max(id) FROM attempts) - ?",
        (ATTEMPTS,),
    )
    for which, most in (("NOT IN", DEEDS), ("IN", TRIES)):
        those = f"status {which} {REFUSED}"
        db.execute(
            f"DELETE FROM audit WHERE {those} AND id <= (SELECT id FROM audit"
            f" WHERE {those} ORDER BY id DESC LIMIT 1 OFFSET ?)",
            (most,),
        )


def _deed_as_json(row: tuple[Any, ...]) -> dict[str, Any]:
    number, time, who, via, address, method, path, action, status = row
    return {
        "id": number,
        "time": iso(time / 1000),
        "who": who or None,
        "via": via,
        "address": address,
        "method": method,
        "path": path,
        "action": action or None,
        "status": status,
    }


def _attempt_as_json(row: tuple[Any, ...]) -> dict[str, Any]:
    number, time, address, path, offered, status, reason, remedy = row
    return {
        "id": number,
        "time": iso(time / 1000),
        "address": address,
        "path": path,
        "offered": offered,
        "status": status,
        "reason": reason,
        "remedy": remedy,
    }
