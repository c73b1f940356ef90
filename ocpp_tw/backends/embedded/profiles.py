"""
What is installed on stations: charging profiles, local lists.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

import orjson

from ...errors import BadRequest
from ...ocpp.schemas import REQUESTS
from ...ocpp.versions import Version
from .readings import clamped


def profile_set(
    db: sqlite3.Connection, identity: str, order: Mapping[str, Any], now: int
) -> None:
    """
    The station accepted a SetChargingProfile: it replaces the one with its
    id, and the one of its purpose and stackLevel on the connector (OCPP 1.6,
    section 5.16).
    """
    put(db, None, identity, order, now)


def profile_sent_along(
    db: sqlite3.Connection, identity: str, order: Mapping[str, Any], now: int
) -> None:
    """
    The station accepted a RemoteStartTransaction: it installs the profile
    that came with it (OCPP 1.6, section 5.11), where we know where.
    """
    if "chargingProfile" in order and "connectorId" in order:
        profile = order["chargingProfile"]
        put(db, None, identity, {**order, "csChargingProfiles": profile}, now)


def put(
    db: sqlite3.Connection,
    record_id: int | None,
    identity: str,
    order: Mapping[str, Any],
    now: int,
) -> None:
    """
    A profile is installed; it has this place in the list, or a new one.
    """
    profile = order["csChargingProfiles"]
    connector = clamped(order["connectorId"])
    number = clamped(profile["chargingProfileId"])
    level = clamped(profile["stackLevel"])
    purpose = profile["chargingProfilePurpose"]
    db.execute(
        "DELETE FROM charging_profiles WHERE id = ? OR identity = ? AND"
        " (profile_id = ? OR (connector = ? AND purpose = ? AND stack_level"
        " = ?))",
        (record_id, identity, number, connector, purpose, level),
    )
    db.execute(
        "INSERT INTO charging_profiles (id, identity, connector, profile_id,"
        " purpose, stack_level, installed, profile)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            record_id,
            identity,
            connector,
            number,
            purpose,
            level,
            now,
            orjson.dumps(profile).decode(),
        ),
    )


def from_json(body: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """
    Read the body of a PUT.

    @return: the station, and what it would be asked to install that.
    @raise BadRequest: a member is missing, unknown or makes no sense.
    """
    order = dict(body)
    identity = order.pop("identity", None)
    if not isinstance(identity, str) or not identity:
        raise BadRequest("identity: this is not the name of a station")
    schema = REQUESTS[Version.V16, "SetChargingProfile"]
    for violation in schema.violations(order)[:1]:
        raise BadRequest(f"{violation.path}: {violation.message}")
    return identity, order


#: The members of ClearChargingProfile.req, and the columns they speak of.
_CRITERIA = {
    "id": "profile_id",
    "connectorId": "connector",
    "chargingProfilePurpose": "purpose",
    "stackLevel": "stack_level",
}


def profiles_cleared(
    db: sqlite3.Connection, identity: str, order: Mapping[str, Any], now: int
) -> None:
    """
    The station accepted a ClearChargingProfile: what meets every criterion
    is gone; an id stands alone (OCPP 1.6, section 5.5).
    """
    criteria = {"id": order["id"]} if "id" in order else order
    where = ["identity = ?"]
    values: list[Any] = [identity]
    for member, column in _CRITERIA.items():
        if member in criteria:
            where.append(f"{column} = ?")
            value = criteria[member]
            values.append(clamped(value) if isinstance(value, int) else value)
    db.execute(
        f"DELETE FROM charging_profiles WHERE {' AND '.join(where)}", values
    )


def transaction_ended(
    db: sqlite3.Connection, identity: str, connector: int
) -> None:
    """
    A TxProfile ends with its transaction (OCPP 1.6, section 3.13.1).
    """
    db.execute(
        "DELETE FROM charging_profiles WHERE identity = ? AND connector = ?"
        " AND purpose = 'TxProfile'",
        (identity, connector),
    )


def local_list_sent(
    db: sqlite3.Connection, identity: str, order: Mapping[str, Any], now: int
) -> None:
    """
    The station accepted a SendLocalList, or told its listVersion.
    """
    db.execute(
        "INSERT OR REPLACE INTO local_lists (identity, version, updated)"
        " VALUES (?, ?, ?)",
        (identity, clamped(order["listVersion"]), now),
    )
