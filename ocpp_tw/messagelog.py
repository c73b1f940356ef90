"""
The messages that passed, newest first for those who ask.

L{RecentMessages} keeps the last ones in memory; L{KeptMessages} keeps them in
a database, until they are too old or too many.
"""

from __future__ import annotations

import re
import sqlite3
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, NamedTuple, Protocol

import orjson
from attrs import define
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from .database import Bulk, Database
from .errors import BadRequest
from .fleet import iso
from .interfaces import Page
from .ocpp.schemas import Violation
from .ocpp.times import parse_time


#: How many messages, and how many octets of them, are kept in memory.
MOST_RECENT, MOST_OCTETS = 20_000, 1 << 26

#: How many messages are counted, and put to the others, together.
BATCH = 50

#: How long messages wait to be written together, in seconds: each of them is
#: cheaper the more there are.  Who asks for them does not wait.
TOGETHER = 0.5

#: How much is pruned at once; a longer transaction would hold up others.
PRUNED_AT_ONCE = 20_000

#: The longest frame that is kept whole, in octets.
LONGEST_FRAME = 65536

#: How far times may be out of the order of ids, in milliseconds: by the
#: longest that an answer takes, and then some.
SPREAD = 900_000

#: How many messages that broke a rule are looked at together.
BROKEN = 20_000

SCHEMA = """
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
"""

_MESSAGE = Bulk(
    "INSERT INTO messages (time, identity, direction, message_id, action,"
    " frame, reply, milliseconds, error, violations)",
    10,
)


class Entry(NamedTuple):
    """
    One message that passed, with its answer.

    @ivar time: of the Call, in seconds since 1970.
    @ivar direction: C{in} for what a station asked, C{out} for a command.
    @ivar reply: None where there was no answer.
    @ivar violations: what was wrong with the Call; a text for a frame that
        is no message.
    @ivar error: what went wrong, where the reply is no frame of OCPP-J.
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
    error: str | None = None


class Rule(NamedTuple):
    """
    A rule that a station broke.

    @ivar path: where, C{[*]} for any item of a list.
    @ivar missing: what is required and not there, in the validator's words.
    """

    identity: str
    action: str
    path: str
    rule: str
    missing: str


@define
class Breaches:
    """
    How often a rule was broken, and how for example.

    @ivar first: in milliseconds since 1970.
    @ivar frame: the last that broke it.
    """

    count: int
    first: int
    last: int
    message: str
    frame: str


Broken = dict[Rule, Breaches]


class MessageLog(Protocol):
    """
    Where messages go, and are found again.
    """

    @property
    def backlog(self) -> Backlog: ...

    def note(self, entry: Entry) -> None:
        """
        A message passed; nobody waits for this.
        """

    def start(self) -> None: ...

    def stop(self) -> None: ...

    async def find(
        self, limit: int, cursor: str | None, filters: Mapping[str, str | None]
    ) -> Page: ...

    async def broken(self) -> Broken:
        """
        The rules that stations broke, in the last L{BROKEN} messages that
        broke any.
        """


class Backlog:
    """
    The newest entries, as many as may be in memory.

    @ivar dropped: how many older ones had to go.
    @ivar watch: who else wants to see each as it comes.
    @ivar save: lets other processes find them, too.
    """

    def __init__(
        self, count: Callable[[Sequence[Entry]], None] = lambda entries: None
    ) -> None:
        """
        @param count: told of all that came, some at a time.
        """
        self.dropped = 0
        self.watch: Callable[[Entry], None] | None = None
        self.save: Callable[[], object] = lambda: None
        self._count = count
        self._fresh: list[Entry] = []
        self._batches: deque[tuple[list[Entry], int]] = deque()
        self._size = self._octets = 0

    def add(self, entry: Entry) -> None:
        if len(entry[5]) + len(entry[6] or b"") > LONGEST_FRAME:
            entry = _shortened(entry)
        fresh = self._fresh
        fresh.append(entry)
        if self.watch is not None:
            self.watch(entry)
        if len(fresh) >= BATCH:
            self.settle()

    def settle(self) -> None:
        """
        Count what came, and put it to the others: what is done for many at a
        time costs each of them less.
        """
        fresh = self._fresh
        if not fresh:
            return
        self._fresh = []
        self._count(fresh)
        octets = sum([len(entry[5]) + len(entry[6] or b"") for entry in fresh])
        self._batches.append((fresh, octets))
        self._size += len(fresh)
        self._octets += octets
        while self._size > MOST_RECENT or self._octets > MOST_OCTETS:
            oldest, octets = self._batches.popleft()
            self._size -= len(oldest)
            self._octets -= octets
            self.dropped += len(oldest)

    def newest_first(self) -> Iterator[Entry]:
        """
        All of them.
        """
        self.settle()
        for batch, _ in reversed(self._batches):
            yield from reversed(batch)

    def __len__(self) -> int:
        return self._size + len(self._fresh)

    def take(self) -> list[Entry]:
        """
        All of them, oldest first, which are gone from here then.
        """
        self.settle()
        batches, self._batches = self._batches, deque()
        self._size = self._octets = 0
        return [entry for batch, _ in batches for entry in batch]


def _shortened(entry: Entry) -> Entry:
    reply = entry.reply
    return entry._replace(
        frame=entry.frame[:LONGEST_FRAME],
        reply=None if reply is None else reply[:LONGEST_FRAME],
    )


class RecentMessages:
    """
    The last messages, in memory.
    """

    def __init__(self, count: Callable[[Sequence[Entry]], None]) -> None:
        self.backlog = Backlog(count)
        self.note = self.backlog.add

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass

    async def find(
        self, limit: int, cursor: str | None, filters: Mapping[str, str | None]
    ) -> Page:
        backlog = self.backlog
        last = backlog.dropped + len(backlog)
        before = last + 1 if cursor is None else whole(cursor, "cursor")
        wanted = _Filter(filters)
        numbers = range(last, 0, -1)
        numbered = zip(numbers, backlog.newest_first(), strict=False)
        rows = [
            _as_json((number, *_row(entry)))
            for number, entry in islice(
                (n for n in numbered if n[0] < before and wanted(n[1])),
                limit + 1,
            )
        ]
        return page(rows, limit)

    async def broken(self) -> Broken:
        entries = (e for e in self.backlog.newest_first() if e.violations)
        return count_broken(
            (int(e.time * 1000), e.identity, e.action, frame, violations)
            for e in islice(entries, BROKEN)
            for frame in [e.frame.decode(errors="replace")]
            for violations in [_violations(e.violations)]
        )


class _Filter:
    """
    Whether an entry is one of those asked for.
    """

    def __init__(self, filters: Mapping[str, str | None]) -> None:
        self._tests: list[Callable[[Entry], bool]] = []
        for name, value in filters.items():
            if value is not None:
                self._tests.append(_test(name, value))

    def __call__(self, entry: Entry) -> bool:
        return all(test(entry) for test in self._tests)


def _test(name: str, value: str) -> Callable[[Entry], bool]:
    match name:
        case "identity":
            return lambda e: e.identity == value
        case "action":
            return lambda e: e.action == value
        case "from":
            first = _time(value, name)
            return lambda e: e.time >= first
        case "to":
            end = _time(value, name)
            return lambda e: e.time < end
        case "errors":
            if value != "true":
                return lambda e: True
            return lambda e: bool(e.violations or _error(e))
    raise BadRequest(f"there is no filter {name!r}")


class KeptMessages:
    """
    The messages in a database; what cannot be written yet waits in memory.
    """

    log = Logger()

    def __init__(
        self,
        database: Database,
        reactor: IReactorTime,
        count: Callable[[Sequence[Entry]], None],
    ) -> None:
        self._database = database
        self.backlog = Backlog(count)
        self.backlog.save = self._write
        self.note = self.backlog.add
        self._writing = LoopingCall(self._write)
        self._writing.clock = reactor

    def start(self) -> None:
        self._writing.start(TOGETHER, now=False)

    def stop(self) -> None:
        if self._writing.running:
            self._writing.stop()
        self._write()

    def _write(self) -> Deferred[None] | None:
        """
        Write what has come; the next follows when this is done.
        """
        entries = self.backlog.take()
        if not entries:
            return None
        written = self._database.write(partial(_write, entries=entries))
        return written.addErrback(self._lost)

    def _lost(self, failure: Any) -> None:
        self.log.error(
            "messages are missing in the log: {why}", why=failure.value
        )

    async def find(
        self, limit: int, cursor: str | None, filters: Mapping[str, str | None]
    ) -> Page:
        where, values = _conditions(filters)
        times = {
            name: int(_time(text, name) * 1000)
            for name in ("from", "to")
            if (text := filters.get(name)) is not None
        }
        before = sys.maxsize if cursor is None else whole(cursor, "cursor")
        condition = " AND ".join([*where, "id >= ?", "id < ?"])
        query = (
            f"SELECT * FROM messages WHERE {condition}"
            " ORDER BY id DESC LIMIT ?"
        )
        self._write()

        def find(db: sqlite3.Connection) -> list[Any]:
            first, end = _between(db, times)
            bounds = first, min(before, end), limit + 1
            return db.execute(query, (*values, *bounds)).fetchall()

        rows = await self._database.read(find)
        return page([_as_json(row) for row in rows], limit)

    async def broken(self) -> Broken:
        self._write()
        return await self._database.read(
            lambda db: count_broken(
                db.execute(
                    # Said twice: the first is what the index is of.
                    "SELECT time, identity, action, frame, violations"
                    " FROM messages WHERE (error IS NOT NULL OR violations"
                    " IS NOT NULL) AND violations IS NOT NULL"
                    " ORDER BY id DESC LIMIT ?",
                    (BROKEN,),
                )
            )
        )


def _between(
    db: sqlite3.Connection, times: Mapping[str, int]
) -> tuple[int, int]:
    """
    The ids between which all messages of that time are.
    """
    first, end = 0, sys.maxsize
    if "from" in times:
        first = _id_at(db, times["from"] - SPREAD)
    if "to" in times:
        end = _id_at(db, times["to"] + SPREAD)
    return first, end


def _id_at(db: sqlite3.Connection, time: int) -> int:
    """
    The id of the first message that is not before that time, but for
    L{SPREAD}: ids are in the order of answers, nearly that of time, and an
    index would cost every message something.
    """
    # Asked for together, SQLite would read them all.
    low, high = db.execute(
        "SELECT (SELECT min(id) FROM messages), (SELECT max(id) FROM messages)"
    ).fetchone()
    if low is None:
        return 0
    high += 1
    while low < high:
        middle = (low + high) // 2
        number, when = db.execute(
            "SELECT id, time FROM messages WHERE id >= ? ORDER BY id LIMIT 1",
            (middle,),
        ).fetchone()
        if when < time:
            low = number + 1
        else:
            high = middle
    return int(low)


def count_broken(rows: Iterable[tuple[Any, ...]]) -> Broken:
    """
    Count what was broken.

    @param rows: newest first: time, identity, action, frame, violations.
    """
    broken: Broken = {}
    for time, identity, action, frame, violations in rows:
        for one in orjson.loads(violations):
            path = re.sub(r"\[\d+\]", "[*]", one.get("path", ""))
            name = one.get("rule", "")
            missing = one["message"] if name == "required" else ""
            rule = Rule(identity, action, path, name, missing)
            known = broken.get(rule)
            if known is None:
                broken[rule] = Breaches(
                    1, time, time, one["message"], frame[:4000]
                )
            else:
                known.count += 1
                known.first = time
    return broken


def prune(db: sqlite3.Connection, oldest: int, rows: int) -> int:
    """
    Forget some of the messages that are too old, or too many.

    @return: how many; L{PRUNED_AT_ONCE} if there are more.
    """
    [last] = db.execute("SELECT max(id) FROM messages").fetchone()
    if last is None:
        return 0
    # By id, which is the order of arrival: no index on the time is needed.
    first_young = db.execute(
        "SELECT id FROM messages WHERE time >= ? ORDER BY id LIMIT 1",
        (oldest,),
    ).fetchone()
    end = last + 1 if first_young is None else first_young[0]
    return db.execute(
        "DELETE FROM messages WHERE id IN (SELECT id FROM messages"
        " WHERE id < ? ORDER BY id LIMIT ?)",
        (max(end, last - rows + 1), PRUNED_AT_ONCE),
    ).rowcount


def _write(db: sqlite3.Connection, entries: Iterable[Entry]) -> None:
    _MESSAGE.write(db, [_row(entry) for entry in entries])


def _row(entry: Entry) -> tuple[Any, ...]:
    reply, violations = entry.reply, entry.violations
    # Nearly all are like this.
    is_well = entry.error is None and reply and reply[:2] != b"[4"
    return (
        int(entry.time * 1000),
        entry.identity,
        entry.direction,
        entry.unique_id,
        entry.action,
        entry.frame.decode(errors="replace"),
        None if reply is None else reply.decode(errors="replace"),
        entry.seconds * 1000,
        None if is_well else _error(entry),
        _violations(violations) if violations else None,
    )


def _error(entry: Entry) -> str | None:
    """
    The errorCode of the reply, C{NoAnswer}, or C{Stray}.
    """
    if entry.error is not None:
        return entry.error
    if entry.reply is None:
        return "NoAnswer" if entry.action else "Stray"
    if not entry.reply.startswith(b"[4"):
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


def _conditions(
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


def whole(text: str, name: str) -> int:
    """
    A cursor that we gave, or another number.

    @raise BadRequest: it is none.
    """
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise BadRequest(f"{name}: {text!r:.60} is not one that we gave")
    return int(text)


def page(items: list[dict[str, Any]], limit: int) -> Page:
    """
    A page of at most C{limit} items, of which one more was looked for.
    """
    if len(items) <= limit:
        return Page(items)
    items = items[:limit]
    return Page(items, str(items[-1]["id"]))


def as_json(entry: Entry) -> dict[str, Any]:
    """
    An entry as it passes, before it has an C{id}.
    """
    shown = _as_json((0, *_row(entry)))
    del shown["id"]
    return shown


def _as_json(row: tuple[Any, ...]) -> dict[str, Any]:
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
