"""
What stations have promised to keep free, and for whom.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from ...ocpp.times import parse_time
from . import id_tags
from .readings import clamped


def reserved(
    db: sqlite3.Connection, identity: str, order: Mapping[str, Any], now: int
) -> None:
    """
    The station accepted a ReserveNow; one of the same number is replaced
    (OCPP 1.6, section 5.13).
    """
    number = clamped(order["reservationId"])
    _end(db, identity, number, "Cancelled", now)
    expiry = parse_time(order["expiryDate"])
    db.execute(
        "INSERT INTO reservations (identity, connector, reservation_id,"
        " id_tag, parent_id_tag, expiry, created, status)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, 'Active')",
        (
            identity,
            clamped(order["connectorId"]),
            number,
            order["idTag"].strip(),
            order.get("parentIdTag"),
            now if expiry is None else int(expiry * 1000),
            now,
        ),
    )


def cancelled(
    db: sqlite3.Connection, identity: str, order: Mapping[str, Any], now: int
) -> None:
    """
    The station accepted a CancelReservation.
    """
    _end(db, identity, clamped(order["reservationId"]), "Cancelled", now)


def faulted(
    db: sqlite3.Connection, identity: str, connector: int, now: int
) -> None:
    """
    A connector is Faulted, and with it what was reserved there.
    """
    db.execute(
        "UPDATE reservations SET status = 'Faulted', ended = ?"
        " WHERE identity = ? AND status = 'Active' AND connector = ?"
        " AND expiry > ?",
        (now, identity, connector, now),
    )


def used(
    db: sqlite3.Connection,
    place: tuple[str, int],
    number: int | None,
    id_tag: str,
    transaction_id: int,
    now: int,
) -> int | None:
    """
    A transaction started: end the reservation that it used.

    @param number: the station's reservationId, if it told.
    @return: the reservationId.
    """
    found = _for_start(db, place, number, id_tag, now)
    if found is None:
        return number
    record_id, reservation_id = found
    db.execute(
        "UPDATE reservations SET status = 'Used', ended = ?,"
        " transaction_id = ? WHERE id = ?",
        (now, transaction_id, record_id),
    )
    return int(reservation_id)


def _for_start(
    db: sqlite3.Connection,
    place: tuple[str, int],
    number: int | None,
    id_tag: str,
    now: int,
) -> tuple[int, int] | None:
    identity, connector = place
    active: list[tuple[int, int, int, str, str | None, int]] = db.execute(
        "SELECT id, reservation_id, connector, id_tag, parent_id_tag, expiry"
        " FROM reservations WHERE identity = ? AND status = 'Active'"
        " ORDER BY connector = 0, id",
        (identity,),
    ).fetchall()
    if not active:
        return None
    tag = id_tag.strip().casefold()
    parent = id_tags.parent_of(db, id_tag)
    for record_id, reservation_id, at, of, of_parent, expiry in active:
        # The station knows best whether it was in time.
        if number is not None and reservation_id == number:
            return record_id, reservation_id
        if (
            number is None
            and expiry > now
            and at in (connector, 0)
            and (
                of.casefold() == tag
                or (of_parent is not None and of_parent.casefold() == parent)
            )
        ):
            return record_id, reservation_id
    return None


def _end(
    db: sqlite3.Connection, identity: str, number: int, how: str, now: int
) -> None:
    db.execute(
        "UPDATE reservations SET status = ?, ended = ?"
        " WHERE identity = ? AND reservation_id = ? AND status = 'Active'"
        " AND expiry > ?",
        (how, now, identity, number, now),
    )
    # It had expired before, then: that is written now.
    db.execute(
        "UPDATE reservations SET status = 'Expired', ended = expiry"
        " WHERE identity = ? AND reservation_id = ? AND status = 'Active'",
        (identity, number),
    )
