"""
What operators read and change, as JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from sqlite3 import Connection
from typing import Any

import orjson
from attrs import define, field
from twisted.internet.interfaces import IReactorTime

from ...database import Database
from ...errors import BadRequest, NotFound
from ...interfaces import Page
from ...ocpp.times import parse_time, write_time
from . import id_tags, profiles, transactions
from .readings import REGISTER, doubt_about


#: How many items a list has at most.
MOST = 1000

#: How many messages that were kept aside are shown with a transaction.
_MOST_KEPT_ASIDE = 100

Filters = Mapping[str, str | None]


class Records:
    """
    See L{ocpp_tw.interfaces.IRecords}.
    """

    def __init__(self, database: Database, reactor: IReactorTime) -> None:
        self.database = database
        self._seconds = reactor.seconds

    async def transactions(
        self, limit: int, cursor: str | None = None, **filters: str | None
    ) -> Page:
        query = _query(_TRANSACTION, limit).before(cursor)
        query.filter(
            filters,
            {
                "identity": query.equals("identity"),
                "idTag": query.equals("id_tag"),
                "active": query.flag("closed IS NULL", "closed IS NOT NULL"),
                "suspect": query.flag("suspect <> '[]'", "suspect = '[]'"),
                "from": query.since("start_time"),
                "to": query.until("start_time"),
            },
        )
        return await self.database.read(
            partial(query.page, as_json=_transaction)
        )

    async def transaction(self, transaction_id: int) -> Mapping[str, Any]:
        return await self.database.read(
            partial(_one_transaction, number=transaction_id)
        )

    async def meter_values(
        self, transaction_id: int, limit: int, cursor: str | None = None
    ) -> Page:
        after = _place(cursor)
        return await self.database.read(
            partial(
                _samples,
                number=transaction_id,
                limit=_limit(limit),
                after=after,
            )
        )

    async def close_transaction(
        self, transaction_id: int, reason: str
    ) -> Mapping[str, Any]:
        number = _id(transaction_id)
        now = int(self._seconds() * 1000)

        def close(db: Connection) -> Mapping[str, Any]:
            transactions.close(db, number, reason[:200], now)
            return _one_transaction(db, number)

        return await self.database.write(close)

    async def reservations(
        self, limit: int, cursor: str | None = None, **filters: str | None
    ) -> Page:
        now = int(self._seconds() * 1000)
        query = _query(_RESERVATION, limit, values={"now": now}).before(cursor)
        query.filter(
            filters,
            {
                "identity": query.equals("identity"),
                "status": query.one_of("status", _RESERVATION_STATUSES),
                "idTag": query.equals("id_tag"),
                "from": query.since("created"),
                "to": query.until("created"),
            },
        )
        return await self.database.read(
            partial(query.page, as_json=_reservation)
        )

    async def reservation(self, record_id: int) -> Mapping[str, Any]:
        now = int(self._seconds() * 1000)
        query = _query(_RESERVATION, 1, values={"now": now})
        query.where.append("id = :id")
        query.values["id"] = _id(record_id)
        page = await self.database.read(
            partial(query.page, as_json=_reservation)
        )
        if not page.items:
            raise NotFound(f"there is no reservation {record_id}")
        return page.items[0]

    async def id_tags(
        self, limit: int, cursor: str | None = None, **filters: str | None
    ) -> Page:
        query = _query(_ID_TAG, limit, order="id_tag")
        if cursor is not None:
            query.where.append("id_tag > :cursor")
            query.values["cursor"] = cursor
        query.filter(
            filters,
            {
                "q": query.contains("id_tag"),
                "status": query.one_of("status", ("Accepted", "Blocked")),
            },
        )
        return await self.database.read(
            partial(query.page, as_json=_id_tag, key="idTag")
        )

    async def id_tag(self, id_tag: str) -> Mapping[str, Any]:
        found = await self.database.read(lambda db: id_tags.find(db, id_tag))
        if found is None:
            raise NotFound(f"there is no id tag {id_tag!r:.60}")
        return found.as_json()

    async def put_id_tag(
        self, id_tag: str, body: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        tag = id_tags.from_json(id_tag, body)
        put = await self.database.write(lambda db: id_tags.put(db, tag))
        return put.as_json()

    async def delete_id_tag(self, id_tag: str) -> None:
        deleted = await self.database.write(
            lambda db: (
                db.execute(
                    "DELETE FROM id_tags WHERE id_tag = ?", (id_tag.strip(),)
                ).rowcount
            )
        )
        if not deleted:
            raise NotFound(f"there is no id tag {id_tag!r:.60}")

    async def charging_profiles(
        self, limit: int, cursor: str | None = None, **filters: str | None
    ) -> Page:
        query = _query(_PROFILE, limit).before(cursor)
        query.filter(filters, {"identity": query.equals("identity")})
        return await self.database.read(partial(query.page, as_json=_profile))

    async def charging_profile(self, record_id: int) -> Mapping[str, Any]:
        row = await self.database.read(
            lambda db: db.execute(
                f"{_PROFILE} WHERE id = ?", (record_id,)
            ).fetchone()
        )
        if row is None:
            raise NotFound(f"there is no charging profile {record_id}")
        return _profile(*row)

    async def put_charging_profile(
        self, record_id: int, body: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        identity, order = profiles.from_json(body)
        now = int(self._seconds() * 1000)
        await self.database.write(
            lambda db: profiles.put(db, record_id, identity, order, now)
        )
        return await self.charging_profile(record_id)

    async def delete_charging_profile(self, record_id: int) -> None:
        deleted = await self.database.write(
            lambda db: (
                db.execute(
                    "DELETE FROM charging_profiles WHERE id = ?", (record_id,)
                ).rowcount
            )
        )
        if not deleted:
            raise NotFound(f"there is no charging profile {record_id}")

    async def station_events(
        self, limit: int, cursor: str | None = None, **filters: str | None
    ) -> Page:
        """
        What stations reported, newest first: C{identity}, C{kind}, C{from},
        C{to}; each is C{{"id", "time", "identity", "kind", "payload"}}.
        """
        query = _query(_EVENT, limit).before(cursor)
        query.filter(
            filters,
            {
                "identity": query.equals("identity"),
                "kind": query.equals("kind"),
                "from": query.since("time"),
                "to": query.until("time"),
            },
        )
        return await self.database.read(partial(query.page, as_json=_event))


# Queries

_TRANSACTION = (
    "SELECT id, identity, connector, id_tag, id_tag_status, meter_start,"
    " start_time, start_sent, reservation_id, meter_stop, stop_time,"
    " stop_sent, stop_reason, stop_id_tag, closed, closed_at, close_reason,"
    " energy, suspect FROM transactions"
)

# A reservation expires by itself.
_RESERVATION = (
    "SELECT id, reservation_id, identity, connector, id_tag, parent_id_tag,"
    " expiry, created, ended, status, transaction_id FROM (SELECT id,"
    " reservation_id, identity, connector, id_tag, parent_id_tag, expiry,"
    " created, transaction_id,"
    " iif(status = 'Active' AND expiry <= :now, expiry, ended) AS ended,"
    " iif(status = 'Active' AND expiry <= :now, 'Expired', status) AS status"
    " FROM reservations)"
)
_RESERVATION_STATUSES = ("Active", "Used", "Cancelled", "Expired", "Faulted")

_ID_TAG = (
    "SELECT id_tag, status, expiry, parent_id_tag, max_active, note"
    " FROM id_tags"
)

_PROFILE = (
    "SELECT id, identity, connector, installed, profile FROM charging_profiles"
)

_EVENT = "SELECT id, time, identity, kind, payload FROM events"


Condition = Callable[[str, str], None]


def _query(select: str, limit: int, **rest: Any) -> _Query:
    return _Query(select, _limit(limit), **rest)


@define
class _Query:
    """
    A list, and what narrows it down.
    """

    select: str
    limit: int
    values: dict[str, Any] = field(factory=dict)
    order: str = "id DESC"
    where: list[str] = field(factory=list)

    def before(self, cursor: str | None) -> _Query:
        if cursor is not None:
            self.where.append("id < :cursor")
            self.values["cursor"] = _whole(cursor)
        return self

    def filter(
        self, filters: Filters, conditions: Mapping[str, Condition]
    ) -> None:
        for name, value in filters.items():
            if name not in conditions:
                known = ", ".join(conditions)
                raise BadRequest(f"unknown filter {name!r}; known: {known}")
            if value is not None:
                conditions[name](name, value)

    def equals(self, column: str) -> Condition:
        return self._compares(f"{column} = :{{name}}", lambda n, v: v)

    def contains(self, column: str) -> Condition:
        return self._compares(
            f"instr(lower({column}), lower(:{{name}})) > 0", lambda n, v: v
        )

    def since(self, column: str) -> Condition:
        return self._compares(f"{column} >= :{{name}}", _time)

    def until(self, column: str) -> Condition:
        return self._compares(f"{column} < :{{name}}", _time)

    def one_of(self, column: str, allowed: tuple[str, ...]) -> Condition:
        def check(name: str, value: str) -> str:
            if value not in allowed:
                raise BadRequest(
                    f"{name}: {value!r:.60} is none of {', '.join(allowed)}"
                )
            return value

        return self._compares(f"{column} = :{{name}}", check)

    def flag(self, yes: str, no: str) -> Condition:
        def condition(name: str, value: str) -> None:
            if value not in ("true", "false"):
                raise BadRequest(
                    f"{name}: {value!r:.60} is neither true nor false"
                )
            self.where.append(yes if value == "true" else no)

        return condition

    def _compares(
        self, comparison: str, understood: Callable[[str, str], Any]
    ) -> Condition:
        def condition(name: str, value: str) -> None:
            self.where.append(comparison.format(name=f"_{name}"))
            self.values[f"_{name}"] = understood(name, value)

        return condition

    def page(
        self,
        db: Connection,
        as_json: Callable[..., dict[str, Any]],
        key: str = "",
    ) -> Page:
        where = f" WHERE {' AND '.join(self.where)}" if self.where else ""
        rows = db.execute(
            f"{self.select}{where} ORDER BY {self.order} LIMIT :_limit",
            {**self.values, "_limit": self.limit + 1},
        ).fetchall()
        shown = rows[: self.limit]
        items = [as_json(*row) for row in shown]
        # Each list is ordered by what its rows begin with.
        more = len(rows) > self.limit
        return Page(items, str(shown[-1][0]) if more else None)


def _limit(limit: int) -> int:
    if not 1 <= limit <= MOST:
        raise BadRequest(f"limit: {limit} is not from 1 to {MOST}")
    return limit


def _whole(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
        raise BadRequest(f"cursor: {cursor!r:.60} is not one that we gave")
    return int(cursor)


def _id(number: int) -> int:
    if not 0 <= number < 2**63:
        raise NotFound(f"there is no {number}")
    return number


def _time(name: str, value: str) -> int:
    seconds = parse_time(value)
    if seconds is None:
        raise BadRequest(f"{name}: {value!r:.60} is not a time of ISO 8601")
    return int(seconds * 1000)


# As JSON


def _without_none(**members: Any) -> dict[str, Any]:
    return {
        name: value for name, value in members.items() if value is not None
    }


def _iso(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else write_time(milliseconds)


def _transaction(
    number: int,
    identity: str,
    connector: int,
    id_tag: str,
    id_tag_status: str,
    meter_start: int,
    start_time: int,
    start_sent: str,
    reservation_id: int | None,
    meter_stop: int | None,
    stop_time: int | None,
    stop_sent: str | None,
    stop_reason: str | None,
    stop_id_tag: str | None,
    closed: str | None,
    closed_at: int | None,
    close_reason: str | None,
    energy: int | None,
    suspect: str,
) -> dict[str, Any]:
    return {
        "transactionId": number,
        "identity": identity,
        "connectorId": connector,
        "idTag": id_tag,
        "idTagStatus": id_tag_status,
        "meterStart": meter_start,
        "startTime": write_time(start_time),
        "startTimeSent": start_sent,
        "reservationId": reservation_id,
        **_without_none(
            meterStop=meter_stop,
            stopTime=_iso(stop_time),
            stopTimeSent=stop_sent,
            stopReason=stop_reason,
            stopIdTag=stop_id_tag,
            energy=None if closed is None else energy,
            closed=closed,
            closedTime=_iso(closed_at),
            closeReason=close_reason,
        ),
        "suspect": orjson.loads(suspect),
        "active": closed is None,
    }


def _one_transaction(db: Connection, number: int) -> dict[str, Any]:
    row = db.execute(f"{_TRANSACTION} WHERE id = ?", (_id(number),)).fetchone()
    if row is None:
        raise NotFound(f"there is no transaction {number}")
    kept = db.execute(
        "SELECT received, identity, action, reason, payload FROM kept_aside"
        " WHERE transaction_id = ? ORDER BY id DESC LIMIT ?",
        (number, _MOST_KEPT_ASIDE),
    )
    return {**_transaction(*row), "keptAside": [_kept(*k) for k in kept]}


def _kept(
    received: int, identity: str, action: str, reason: str, payload: str
) -> dict[str, Any]:
    return {
        "time": write_time(received),
        "identity": identity,
        "action": action,
        "reason": reason,
        "payload": payload,
    }


def _place(cursor: str | None) -> tuple[int, int, int]:
    """
    After which sample to go on: time, reading, position.
    """
    if cursor is None:
        return (-(2**62), 0, -1)
    try:
        time, reading, position = cursor.split("_")
        return _signed(time), _whole(reading), _whole(position)
    except ValueError:
        raise BadRequest(
            f"cursor: {cursor!r:.60} is not one that we gave"
        ) from None


def _signed(text: str) -> int:
    sign = -1 if text.startswith("-") else 1
    return sign * _whole(text.removeprefix("-"))


def _samples(
    db: Connection, number: int, limit: int, after: tuple[int, int, int]
) -> Page:
    found = db.execute(
        "SELECT 1 FROM transactions WHERE id = ?", (_id(number),)
    ).fetchone()
    if found is None:
        raise NotFound(f"there is no transaction {number}")
    time, reading, _ = after
    rows = db.execute(
        "SELECT id, time, connector, samples, suspect FROM readings"
        " WHERE transaction_id = ? AND time >= ? AND (time, id) >= (?, ?)"
        " ORDER BY time, id",
        (number, time, time, reading),
    )
    items: list[dict[str, Any]] = []
    last = after
    for number_, time_, connector, samples, suspect in rows:
        words = orjson.loads(suspect) if suspect else {}
        for at, sample in enumerate(orjson.loads(samples)):
            here = (time_, number_, at)
            if here <= after:
                continue
            if len(items) == limit:
                return Page(items, "_".join(map(str, last)))
            items.append(_sample(time_, connector, sample, words.get(str(at))))
            last = here
    return Page(items)


def _sample(
    time: int, connector: int, sample: Mapping[str, Any], word: str | None
) -> dict[str, Any]:
    """
    A sampledValue with the defaults of the standard (section 7.43).
    """
    measurand = sample.get("measurand", REGISTER)
    default = "Wh" if measurand.startswith("Energy.") else None
    return {
        "time": write_time(time),
        "connectorId": connector,
        "measurand": measurand,
        "value": sample["value"],
        "unit": sample.get("unit", default),
        "phase": sample.get("phase"),
        "context": sample.get("context", "Sample.Periodic"),
        "location": sample.get("location", "Outlet"),
        "format": sample.get("format", "Raw"),
        "suspect": doubt_about(sample) or word,
    }


def _reservation(
    number: int,
    reservation_id: int,
    identity: str,
    connector: int,
    id_tag: str,
    parent_id_tag: str | None,
    expiry: int,
    created: int,
    ended: int | None,
    status: str,
    transaction_id: int | None,
) -> dict[str, Any]:
    return {
        "id": number,
        "reservationId": reservation_id,
        "identity": identity,
        "connectorId": connector,
        "idTag": id_tag,
        "expiryDate": write_time(expiry),
        "created": write_time(created),
        "status": status,
        **_without_none(
            parentIdTag=parent_id_tag,
            ended=_iso(ended),
            transactionId=transaction_id,
        ),
    }


def _id_tag(*columns: Any) -> dict[str, Any]:
    return id_tags.IdTag(*columns).as_json()


def _profile(
    number: int, identity: str, connector: int, installed: int, profile: str
) -> dict[str, Any]:
    return {
        "id": number,
        "identity": identity,
        "connectorId": connector,
        "installed": write_time(installed),
        "csChargingProfiles": orjson.loads(profile),
    }


def _event(
    number: int, time: int, identity: str, kind: str, payload: str
) -> dict[str, Any]:
    return {
        "id": number,
        "time": write_time(time),
        "identity": identity,
        "kind": kind,
        "payload": payload,
    }
