"""
What has passed: the messages, the refused handshakes, the stations seen.

It is kept beside the backend, whatever that is, in a file of its own: it may
grow, be pruned, or be thrown away without a word about money in it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from attrs import define, evolve, frozen
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from .database import MEMORY, Bulk, Database
from .errors import BadRequest
from .fleet import Fleet, Known, Settings, iso
from .interfaces import Page
from .ocpp.schemas import Violation
from .ocpp.times import parse_time


#: How many messages are kept where nothing is kept: in memory.
ROWS_IN_MEMORY = 50_000

#: How many refused handshakes are kept.
ATTEMPTS = 1000

#: How often the stations that changed are saved, and old rows pruned, in
#: seconds.
SAVE, PRUNE = 10.0, 60.0

#: How much is pruned at once; a longer transaction would hold up others.
PRUNED_AT_ONCE = 20_000

#: The longest frame that is kept whole, in octets.
LONGEST_FRAME = 65536

MIGRATIONS = [
    """
    CREATE TABLE messages (
        id INTEGER PRIMARY KEY,
        time INTEGER NOT NULL,
        identity TEXT NOT NULL,
        direction TEXT NOT NULL,
        message_id TEXT NOT NULL,
        action TEXT NOT NULL,
        frame TEXT NOT NULL,
        reply TEXT,
        milliseconds REAL NOT NULL,
        error TEXT,
        violations TEXT
    );
    CREATE INDEX messages_of_station ON messages (identity, id);
    CREATE INDEX messages_with_errors ON messages (id)
        WHERE error IS NOT NULL OR violations IS NOT NULL;
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
]

_MESSAGE = Bulk(
    "INSERT INTO messages (time, identity, direction, message_id, action,"
    " frame, reply, milliseconds, error, violations)",
    10,
)
_ATTEMPT = Bulk(
    "INSERT INTO attempts (time, address, path, offered, status, reason,"
    " remedy)",
    7,
)
_STATION = Bulk(
    "INSERT INTO stations (identity, known)",
    2,
    "ON CONFLICT (identity) DO UPDATE SET known = excluded.known",
)


@define(slots=True)
class Entry:
    """
    One message that passed, with its answer.

    @ivar time: of the Call, in seconds since 1970.
    @ivar direction: C{in} for what a station asked, C{out} for a command.
    @ivar reply: None where there was no answer.
    @ivar violations: what was wrong with the Call; a text for a frame that
        is no message.
    """

    time: float
    identity: str
    direction: str
    unique_id: str
    action: str
    frame: bytes
    reply: bytes | None
    seconds: float
    violations: Sequence[Violation] | str | None


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


class Journal(Service):
    """
    Keeps what passes; nobody waits for it.

    @ivar fleet: every station that was ever seen.
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
        self.rows = min(rows, ROWS_IN_MEMORY) if path == MEMORY else rows
        self.fleet = Fleet()
        self._seconds = reactor.seconds
        # What is lost by a power failure here is a line of the log; a crash
        # of the process loses nothing.
        self.database = Database(path, MIGRATIONS, reactor, durable=False)
        self._saving = LoopingCall(self.save)
        self._pruning = LoopingCall(self.prune)
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
        self._saving.start(SAVE, now=False)
        self._pruning.start(PRUNE, now=False)

    def stopService(self) -> Deferred[None]:
        super().stopService()
        for loop in (self._saving, self._pruning):
            if loop.running:
                loop.stop()
        self.save()
        return self.database.stopService()

    # Writing

    def note(self, entry: Entry) -> None:
        """
        A message passed.
        """
        reply = entry.reply
        self.database.append_later(
            _MESSAGE,
            (
                int(entry.time * 1000),
                entry.identity,
                entry.direction,
                entry.unique_id,
                entry.action,
                _text(entry.frame),
                None if reply is None else _text(reply),
                entry.seconds * 1000,
                _error(entry),
                _violations(entry.violations),
            ),
        )

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

    def save(self) -> None:
        """
        Keep the stations that have changed.
        """
        unsaved, self.fleet.unsaved = self.fleet.unsaved, set()
        for identity in unsaved:
            known = self.fleet.get(identity)
            if known is not None:
                self.database.append_later(_STATION, _row(known))

    async def change(self, identity: str, body: Mapping[str, Any]) -> Known:
        """
        Register a station, or change its settings, durably.

        @raise BadRequest: the body makes no sense.
        """
        known = self.fleet.change(identity, body)
        await self.database.append(_STATION, [_row(known)])
        return known

    async def forget(self, identity: str) -> None:
        """
        @raise UnknownStation: there was nothing to forget.
        """
        self.fleet.forget(identity)
        await self.database.write(
            lambda db: db.execute(
                "DELETE FROM stations WHERE identity = ?", (identity,)
            )
            and None
        )

    async def prune(self) -> None:
        """
        Forget the messages that are too old or too many.
        """
        oldest = int((self._seconds() - self.days * 86400) * 1000)
        pruned = PRUNED_AT_ONCE
        while pruned == PRUNED_AT_ONCE:
            pruned = await self.database.write(
                lambda db: _prune(db, oldest, self.rows)
            )

    # Reading

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
        where, values = _message_filters(filters)
        if cursor is not None:
            where.append("id < ?")
            values.append(_whole(cursor, "cursor"))
        return await self.database.read(
            lambda db: _page(
                db, "messages", where, values, limit, _message_as_json
            )
        )

    async def connection_attempts(
        self, limit: int, cursor: str | None = None
    ) -> Page:
        """
        The refused handshakes, newest first: C{{"id", "time", "address",
        "path", "offered", "status", "reason", "remedy"}}.
        """
        where, values = ([], []) if cursor is None else (
            ["id < ?"],
            [_whole(cursor, "cursor")],
        )
        return await self.database.read(
            lambda db: _page(
                db, "attempts", where, values, limit, _attempt_as_json
            )
        )


def _text(frame: bytes) -> str:
    if len(frame) > LONGEST_FRAME:
        frame = frame[:LONGEST_FRAME]
    return frame.decode(errors="replace")


def _error(entry: Entry) -> str | None:
    """
    The errorCode of the reply, C{NoAnswer}, or C{Stray}.
    """
    if entry.reply is None:
        return "NoAnswer" if entry.action else "Stray"
    if entry.reply[:2] != b"[4":
        return None
    try:
        return str(orjson.loads(entry.reply)[2])
    except (ValueError, IndexError):
        return "GenericError"


def _violations(violations: Sequence[Violation] | str | None) -> str | None:
    if not violations:
        return None
    if isinstance(violations, str):
        return orjson.dumps([{"message": violations[:500]}]).decode()
    return orjson.dumps([v.as_json() for v in violations[:20]]).decode()


def _row(known: Known) -> tuple[str, str]:
    return known.identity, orjson.dumps(
        known.as_json(), option=orjson.OPT_NON_STR_KEYS
    ).decode()


def _stations(db: sqlite3.Connection) -> list[Known]:
    rows = db.execute("SELECT known FROM stations")
    return [_known(orjson.loads(known)) for (known,) in rows]


def _known(kept: Mapping[str, Any]) -> Known:
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
        settings=evolve(settings, registered=kept["registered"]),
        connected_at=_seconds(kept["connectedAt"]),
        disconnected_at=_seconds(kept["disconnectedAt"]),
        disconnected_why=kept["disconnectReason"] or "",
        last_seen=_seconds(kept["lastSeen"]),
        boot=kept["bootNotification"],
        booted_at=_seconds(kept["bootedAt"]),
        connectors=_by_connector(kept["connectors"]),
        meters={
            number: value["meterValue"]
            for number, value in _by_connector(kept["meters"]).items()
        },
        reports=kept["reports"],
        violations=kept["violations"],
        unanswered=kept["unansweredCalls"],
    )


def _seconds(text: str | None) -> float | None:
    return None if text is None else parse_time(text)


def _by_connector(items: list[dict[str, Any]]) -> dict[int, Any]:
    return {item.pop("connectorId"): item for item in items}


def _prune(db: sqlite3.Connection, oldest: int, rows: int) -> int:
    [last] = db.execute("SELECT max(id) FROM messages").fetchone()
    if last is None:
        return 0
    db.execute(
        "DELETE FROM attempts WHERE id <="
        " (SELECT max(id) FROM attempts) - ?",
        (ATTEMPTS,),
    )
    # By id, which is the order of arrival: no index on the time is needed.
    return db.execute(
        "DELETE FROM messages WHERE id IN (SELECT id FROM messages"
        " WHERE id <= ? OR time < ? ORDER BY id LIMIT ?)",
        (last - rows, oldest, PRUNED_AT_ONCE),
    ).rowcount


def _message_filters(
    filters: Mapping[str, str | None],
) -> tuple[list[str], list[Any]]:
    where: list[str] = []
    values: list[Any] = []
    for name, value in filters.items():
        if value is None:
            continue
        match name:
            case "identity" | "action":
                where.append(f"{name} = ?")
                values.append(value)
            case "from" | "to":
                where.append(f"time {'>=' if name == 'from' else '<'} ?")
                values.append(int(_time(value, name) * 1000))
            case "errors":
                if value == "true":
                    where.append(
                        "(error IS NOT NULL OR violations IS NOT NULL)"
                    )
            case _:
                raise BadRequest(f"there is no filter {name!r}")
    return where, values


def _time(text: str, name: str) -> float:
    seconds = parse_time(text)
    if seconds is None:
        raise BadRequest(f"{name}: {text!r:.60} is not a time of ISO 8601")
    return seconds


def _whole(text: str, name: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise BadRequest(f"{name}: {text!r:.60} is not one that we gave")
    return int(text)


def _page(
    db: sqlite3.Connection,
    table: str,
    where: list[str],
    values: list[Any],
    limit: int,
    as_json: Any,
) -> Page:
    condition = f"WHERE {' AND '.join(where)}" if where else ""
    cursor = db.execute(
        f"SELECT * FROM {table} {condition} ORDER BY id DESC LIMIT ?",
        (*values, limit + 1),
    )
    rows = cursor.fetchall()
    items = [as_json(row) for row in rows[:limit]]
    return Page(items, str(items[-1]["id"]) if len(rows) > limit else None)


def _message_as_json(row: tuple[Any, ...]) -> dict[str, Any]:
    (
        number,
        time,
        identity,
        direction,
        message_id,
        action,
        frame,
        reply,
        milliseconds,
        error,
        violations,
    ) = row
    return {
        "id": number,
        "time": iso(time / 1000),
        "identity": identity,
        "direction": direction,
        "messageId": message_id or None,
        "action": action or None,
        "call": frame,
        "reply": reply,
        "milliseconds": round(milliseconds, 3),
        "error": error,
        "violations": orjson.loads(violations) if violations else [],
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
