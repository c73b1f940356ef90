"""
Transactions: how they start, what is measured in them, how they stop.

These are jobs: they run in the database's thread, inside a transaction of
the database, and know nothing but what is in it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson
from attrs import define

from ...database import Row
from ...errors import Conflict, NotFound
from . import id_tags, profiles, reservations, suspicion
from .readings import Reading, clamped, corrected, dumps, read
from .schema import READINGS


#: How many readings of a transaction the rules look at.
_MOST_READINGS = 20_000

#: What is kept of a message that no transaction was found for.
_LONGEST_KEPT = 65_536

STOPPED, SUPERSEDED, CLOSED = "Stopped", "Superseded", "Closed"


@define(slots=True)
class Meter:
    """
    Where the register of a running transaction stood last: a hint for the
    rules, and whose the transaction is, which never changes.

    @ivar is_whole: whether it has seen all that was measured, in the order of
        time, and nothing was suspect: then where it stands is all that the
        rules need to know.
    """

    identity: str
    time: int
    register: float
    is_whole: bool = False

    def see(self, reading: Reading) -> str | None:
        """
        Go on to a reading, and say what is wrong with it.
        """
        register = reading.register
        if register is None:
            return None
        # What comes late is weighed in its place when the transaction ends.
        if reading.time < self.time:
            self.is_whole = False
            return None
        word = suspicion.of_step(
            register - self.register, reading.time - self.time
        )
        self.time, self.register = reading.time, register
        if word is not None:
            self.is_whole = False
            reading.flag(reading.register_at, word)
        return word


@define
class Started:
    """
    @ivar meter: None where the transaction does not run any more.
    @ivar ended: the transactions that this start has closed.
    """

    answer: dict[str, Any]
    transaction_id: int
    meter: Meter | None
    ended: Sequence[int] = ()


@define
class Stopped:
    """
    @ivar transaction_id: None where it was kept aside.
    @ivar doubt: what to warn of.
    """

    answer: dict[str, Any]
    transaction_id: int | None
    doubt: str | None = None


@define
class Measured:
    """
    @ivar transactions: those that the readings are of.
    @ivar running: the running transaction that they name, and its meter.
    """

    transactions: Iterable[int]
    running: tuple[int, Meter] | None


# Start


def start(
    db: sqlite3.Connection,
    identity: str,
    request: Mapping[str, Any],
    received: int,
    accept_unknown: bool,
) -> Started:
    """
    Answer a StartTransaction; the same one again gets the same id.
    """
    connector = clamped(request["connectorId"])
    meter_start = clamped(request["meterStart"])
    id_tag = request["idTag"].strip()
    place = (identity, connector)
    time, doubt = corrected(request["timestamp"], received)
    meter = Meter(identity, time, meter_start)
    # In one go: for itself, each would cost more than to find nothing.
    number, status, closed, is_reserved, is_busy = db.execute(
        "SELECT before.id, before.id_tag_status, before.closed,"
        " EXISTS (SELECT 1 FROM reservations WHERE identity = ?1"
        " AND status = 'Active'), EXISTS (SELECT 1 FROM transactions"
        " WHERE identity = ?1 AND connector = ?2 AND closed IS NULL)"
        " FROM (SELECT 1) LEFT JOIN transactions AS before"
        " ON before.identity = ?1 AND before.connector = ?2"
        " AND before.start_sent = ?3 AND before.id_tag = ?4"
        " AND before.meter_start = ?5",
        (*place, request["timestamp"], id_tag, meter_start),
    ).fetchone()
    if number is not None:
        if closed == STOPPED:
            flag(db, number, suspicion.STARTED_AGAIN)
        info = id_tags.authorize(db, id_tag, received, accept_unknown)
        return Started(
            _started(number, {**info, "status": status}),
            number,
            meter if closed is None else None,
        )
    info = id_tags.authorize_start(db, id_tag, place, received, accept_unknown)
    words = {doubt} if doubt else set()
    if meter_start < 0:
        words.add(suspicion.NEGATIVE_REGISTER)
    if meter_start != request["meterStart"]:
        words.add(suspicion.OUT_OF_RANGE)
    number = _insert(
        db, place, id_tag, info["status"], meter, request, received, words
    )
    meter.is_whole = True
    if is_reserved or "reservationId" in request:
        _use_reservation(db, place, id_tag, number, request, received)
    ended = _supersede(db, place, number, time, received) if is_busy else ()
    return Started(_started(number, info), number, meter, ended)


def _use_reservation(
    db: sqlite3.Connection,
    place: tuple[str, int],
    id_tag: str,
    number: int,
    request: Mapping[str, Any],
    received: int,
) -> None:
    told = request.get("reservationId")
    told = None if told is None else clamped(told)
    used = reservations.used(db, place, told, id_tag, number, received)
    if used is not None:
        db.execute(
            "UPDATE transactions SET reservation_id = ? WHERE id = ?",
            (used, number),
        )


def _started(number: int, info: dict[str, Any]) -> dict[str, Any]:
    return {"transactionId": number, "idTagInfo": info}


def _insert(
    db: sqlite3.Connection,
    place: tuple[str, int],
    id_tag: str,
    status: str,
    meter: Meter,
    request: Mapping[str, Any],
    received: int,
    words: set[str],
) -> int:
    cursor = db.execute(
        "INSERT INTO transactions (identity, connector, id_tag,"
        " id_tag_status, meter_start, start_time, start_sent, start_received,"
        " suspect) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *place,
            id_tag,
            status,
            meter.register,
            meter.time,
            request["timestamp"],
            received,
            _words(words),
        ),
    )
    number = cursor.lastrowid
    assert number is not None
    return number


def _supersede(
    db: sqlite3.Connection,
    place: tuple[str, int],
    by: int,
    time: int,
    received: int,
) -> list[int]:
    """
    Close what was left open on the connector, but not what began later: this
    start may come late itself.
    """
    left = db.execute(
        # "+": by the index of the open ones, and not by that of all times.
        "SELECT id FROM transactions WHERE identity = ? AND connector = ?"
        " AND closed IS NULL AND +start_time <= ? AND id <> ?",
        (*place, time, by),
    ).fetchall()
    for (number,) in left:
        _close(
            db,
            number,
            SUPERSEDED,
            f"transaction {by} started on the connector",
            time,
            suspicion.SUPERSEDED,
        )
    return [number for (number,) in left]


def _close(
    db: sqlite3.Connection,
    number: int,
    how: str,
    reason: str,
    time: int,
    word: str,
) -> None:
    db.execute(
        "UPDATE transactions SET closed = ?, closed_at = ?, close_reason = ?"
        " WHERE id = ?",
        (how, time, reason, number),
    )
    flag(db, number, word)
    assess(db, number)


# Stop


def stop(
    db: sqlite3.Connection,
    identity: str,
    request: Mapping[str, Any],
    received: int,
    accept_unknown: bool,
    meter: Meter | None = None,
) -> Stopped:
    """
    Answer a StopTransaction; it is always acknowledged.

    @param meter: that of the transaction which it names, where it is known.
    """
    answer: dict[str, Any] = {}
    if "idTag" in request:
        answer["idTagInfo"] = id_tags.authorize(
            db, request["idTag"], received, accept_unknown
        )
    claimed = clamped(request["transactionId"])
    time, doubt = corrected(request["timestamp"], received)
    found, guessed = _to_stop(db, claimed, identity, time), None
    if found is None:
        number = _find_otherwise(db, identity, claimed, request, time)
        if number is not None:
            found = _to_stop(db, number, identity, time)
        guessed = suspicion.GUESSED
    if found is None:
        lost = f"no transaction {claimed} of this station"
        if keep_aside(db, identity, request, received, lost):
            _keep_data(db, identity, None, request, received)
        return Stopped(answer, None, lost)
    words = {word for word in (doubt, guessed) if word}
    why = _stop(db, identity, found, request, time, received, words, meter)
    return Stopped(answer, found.number, why)


class _ToStop(NamedTuple):
    """
    A transaction, as a StopTransaction finds it.

    @ivar has_adrift: whether something was measured on its connector in its
        time that has no transaction.
    @ivar has_profile: whether its connector has a TxProfile.
    """

    number: int
    connector: int
    closed: str | None
    meter_stop: int | None
    stop_sent: str | None
    meter_start: int
    start_time: int
    suspect: str
    has_adrift: int
    has_profile: int


def _to_stop(
    db: sqlite3.Connection, number: int, identity: str, time: int
) -> _ToStop | None:
    row = db.execute(
        "SELECT id, connector, closed, meter_stop, stop_sent, meter_start,"
        " start_time, suspect, connector > 0 AND EXISTS (SELECT 1 FROM"
        " readings AS r WHERE r.transaction_id IS NULL"
        " AND r.identity = t.identity AND r.connector = t.connector"
        " AND r.time BETWEEN t.start_time AND ?), EXISTS (SELECT 1 FROM"
        " charging_profiles AS p WHERE p.identity = t.identity"
        " AND p.connector = t.connector AND p.purpose = 'TxProfile')"
        " FROM transactions AS t WHERE id = ? AND identity = ?",
        (time, number, identity),
    ).fetchone()
    return None if row is None else _ToStop(*row)


def _stop(
    db: sqlite3.Connection,
    identity: str,
    found: _ToStop,
    request: Mapping[str, Any],
    time: int,
    received: int,
    words: set[str],
    meter: Meter | None,
) -> str | None:
    number, connector, start_time = (
        found.number,
        found.connector,
        found.start_time,
    )
    meter_stop = clamped(request["meterStop"])
    if found.closed == STOPPED:
        before = found.meter_stop, found.stop_sent
        if before == (meter_stop, request["timestamp"]):
            return None
        why = f"transaction {number} was stopped before, otherwise"
        flag(db, number, suspicion.STOPPED_TWICE)
        keep_aside(db, identity, request, received, why, number)
        return why
    if found.closed is not None:
        words.add(suspicion.LATE_STOP)
    if meter_stop != request["meterStop"]:
        words.add(suspicion.OUT_OF_RANGE)
    has_data = bool(request.get("transactionData"))
    if has_data:
        _keep_data(db, identity, number, request, received, connector)
    if found.has_adrift:
        _adopt(db, number, (identity, connector), start_time, time)
    if (
        meter is not None
        and meter.is_whole
        and meter.identity == identity
        and found.meter_start > 0
        and not has_data
        and not found.has_adrift
    ):
        course = [(meter.time, meter.register)]
    else:
        course = _course(db, number)
    energy, from_figures = suspicion.assess(
        found.meter_start, start_time, meter_stop, time, course
    )
    words |= from_figures
    words |= set(orjson.loads(found.suspect)) - suspicion.FROM_FIGURES
    db.execute(
        "UPDATE transactions SET meter_stop = ?, stop_time = ?,"
        " stop_sent = ?, stop_received = ?, stop_reason = ?,"
        " stop_id_tag = ?, closed = ?, closed_at = ?, energy = ?,"
        " suspect = ? WHERE id = ?",
        (
            meter_stop,
            time,
            request["timestamp"],
            received,
            # "MAY only be omitted when the Reason is Local" (section 6.47).
            request.get("reason", "Local"),
            request.get("idTag"),
            STOPPED,
            time,
            energy,
            _words(words),
            number,
        ),
    )
    if found.has_profile:
        profiles.transaction_ended(db, identity, connector)
    return None


def _find_otherwise(
    db: sqlite3.Connection,
    identity: str,
    claimed: int,
    request: Mapping[str, Any],
    time: int,
) -> int | None:
    """
    Which transaction of the station a StopTransaction means that does not
    say so, or is wrong about it.
    """
    # A guess that comes again must not hit another transaction.
    repeated = db.execute(
        "SELECT id FROM transactions WHERE identity = ? AND stop_sent = ?"
        " AND meter_stop = ? AND stop_id_tag IS ? AND stop_reason = ?",
        (
            identity,
            request["timestamp"],
            clamped(request["meterStop"]),
            request.get("idTag"),
            request.get("reason", "Local"),
        ),
    ).fetchone()
    if repeated is not None:
        return int(repeated[0])
    return _guess(db, identity, claimed, request, time)


def _guess(
    db: sqlite3.Connection,
    identity: str,
    claimed: int,
    request: Mapping[str, Any],
    time: int,
) -> int | None:
    """
    The one open transaction of the station that fits.
    """
    fits = db.execute(
        "SELECT id, id_tag, meter_start FROM transactions WHERE identity = ?"
        " AND closed IS NULL AND +start_time <= ?",
        (identity, time + suspicion.FUTURE_MARGIN),
    ).fetchall()
    id_tag = request.get("idTag")
    if id_tag is not None:
        same = [
            f for f in fits if f[1].casefold() == id_tag.strip().casefold()
        ]
        # An offline start has -1 or 0; any other number was another's.
        if same or claimed > 0:
            fits = same
    if len(fits) > 1:
        fits = [fit for fit in fits if fit[2] <= request["meterStop"]]
    return fits[0][0] if len(fits) == 1 else None


def _keep_data(
    db: sqlite3.Connection,
    identity: str,
    number: int | None,
    request: Mapping[str, Any],
    received: int,
    connector: int = 0,
) -> None:
    rows: list[Row] = [
        reading.row(number, identity, connector, received)
        for reading in read(request.get("transactionData", ()), received)
    ]
    READINGS.write(db, rows)


def _adopt(
    db: sqlite3.Connection,
    number: int,
    place: tuple[str, int],
    begin: int,
    end: int,
) -> None:
    """
    Give a transaction what was measured on its connector in its time.
    """
    db.execute(
        "UPDATE readings SET transaction_id = ? WHERE transaction_id IS NULL"
        " AND identity = ? AND connector = ? AND time BETWEEN ? AND ?",
        (number, *place, begin, end),
    )


# Meter values


def measured(
    db: sqlite3.Connection,
    place: tuple[str, int],
    claimed: int | None,
    readings: Sequence[Reading],
    received: int,
) -> Measured:
    """
    Keep readings with the transaction they belong to: the one they name, if
    it is the station's; else the one of their connector at their time.
    """
    identity, connector = place
    named = _named(db, identity, claimed)
    touched: set[int] = set()
    rows: list[Row] = []
    for reading in readings:
        number = named or _at(db, place, reading.time)
        if number is not None:
            touched.add(number)
        if named is None and claimed is not None and claimed > 0:
            reading.flag(reading.register_at, suspicion.UNKNOWN_TRANSACTION)
        rows.append(reading.row(number, identity, connector, received))
    READINGS.write(db, rows)
    for each in touched:
        assess(db, each)
    return Measured(touched, None if named is None else _meter(db, named))


def _named(
    db: sqlite3.Connection, identity: str, claimed: int | None
) -> int | None:
    if claimed is None or claimed <= 0:
        return None
    found = db.execute(
        "SELECT id FROM transactions WHERE id = ? AND identity = ?",
        (claimed, identity),
    ).fetchone()
    return None if found is None else int(found[0])


def _at(
    db: sqlite3.Connection, place: tuple[str, int], time: int
) -> int | None:
    if place[1] <= 0:
        return None
    found = db.execute(
        "SELECT id, coalesce(stop_time, closed_at) FROM transactions"
        " WHERE identity = ? AND connector = ? AND start_time <= ?"
        " ORDER BY start_time DESC, id DESC LIMIT 1",
        (*place, time),
    ).fetchone()
    if found is None or (found[1] is not None and found[1] < time):
        return None
    return int(found[0])


def _meter(db: sqlite3.Connection, number: int) -> tuple[int, Meter] | None:
    """
    The meter of a transaction that is running, where it stands now.
    """
    found = db.execute(
        "SELECT t.identity, coalesce(r.time, t.start_time),"
        " coalesce(r.register, t.meter_start) FROM transactions AS t"
        " LEFT JOIN readings AS r ON r.transaction_id = t.id"
        " AND r.register IS NOT NULL"
        " WHERE t.id = ? AND t.closed IS NULL"
        " ORDER BY r.time DESC, r.id DESC LIMIT 1",
        (number,),
    ).fetchone()
    return None if found is None else (number, Meter(*found))


# What is suspect


def flag(db: sqlite3.Connection, number: int, word: str) -> None:
    """
    Add a word to what is suspect about a transaction.
    """
    found = db.execute(
        "SELECT suspect FROM transactions WHERE id = ?", (number,)
    ).fetchone()
    if found is not None and word not in (words := orjson.loads(found[0])):
        db.execute(
            "UPDATE transactions SET suspect = ? WHERE id = ?",
            (_words({*words, word}), number),
        )


def assess(db: sqlite3.Connection, number: int) -> None:
    """
    Find the energy of a transaction, and what its figures make suspect.
    """
    start, began, stop, ended, suspect, energy_before = db.execute(
        "SELECT meter_start, start_time, meter_stop, stop_time, suspect,"
        " energy FROM transactions WHERE id = ?",
        (number,),
    ).fetchone()
    energy, words = suspicion.assess(
        start, began, stop, ended, _course(db, number)
    )
    old = set(orjson.loads(suspect))
    words |= old - suspicion.FROM_FIGURES
    if words != old or energy != energy_before:
        db.execute(
            "UPDATE transactions SET energy = ?, suspect = ? WHERE id = ?",
            (energy, _words(words), number),
        )


def _course(db: sqlite3.Connection, number: int) -> list[tuple[int, float]]:
    """
    Where the register stood, and when, in the order of time.
    """
    return db.execute(
        "SELECT time, register FROM readings WHERE transaction_id = ?"
        " AND register IS NOT NULL ORDER BY time, id LIMIT ?",
        (number, _MOST_READINGS),
    ).fetchall()


def _words(words: set[str]) -> str:
    return "[]" if not words else orjson.dumps(sorted(words)).decode()


def keep_aside(
    db: sqlite3.Connection,
    identity: str,
    request: Mapping[str, Any],
    received: int,
    reason: str,
    number: int | None = None,
    action: str = "StopTransaction",
) -> bool:
    """
    Keep a message that fits no transaction; once, however often it comes.

    @return: whether this was the first time.
    """
    payload = dumps(request)
    claimed = request.get("transactionId", 0)
    kept = db.execute(
        "INSERT OR IGNORE INTO kept_aside (received, identity, action,"
        " transaction_id, reason, payload, digest)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            received,
            identity,
            action,
            clamped(claimed) if number is None else number,
            reason,
            payload[:_LONGEST_KEPT].decode(errors="replace"),
            blake2b(payload, digest_size=16).digest(),
        ),
    )
    return kept.rowcount == 1


# An operator


def close(db: sqlite3.Connection, number: int, reason: str, now: int) -> None:
    """
    Close a record whose station never will.

    @raise NotFound: there is no such transaction.
    @raise Conflict: it is closed.
    """
    found = db.execute(
        "SELECT closed FROM transactions WHERE id = ?", (number,)
    ).fetchone()
    if found is None:
        raise NotFound(f"there is no transaction {number}")
    if found[0] is not None:
        raise Conflict(f"transaction {number} is closed: {found[0]}")
    _close(db, number, CLOSED, reason, now, suspicion.CLOSED_BY_OPERATOR)
