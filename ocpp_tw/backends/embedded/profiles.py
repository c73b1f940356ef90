"""
What is installed on stations: charging profiles, local lists.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

import orjson

from .readings import clamped


def profile_set(
    db: sqlite3.Connection, identity: str, order: Mapping[str, Any], now: int
) -> None:
    """
    The station accepted a SetChargingProfile: it replaces the one with its
    id, and the one of its purpose and stackLevel on the connector (OCPP 1.6,
    section 5.16).
    """
    profile = order["csChargingProfiles"]
    connector = clamped(order["connectorId"])
    number = clamped(profile["chargingProfileId"])
    level = clamped(profile["stackLevel"])
    purpose = profile["chargingProfilePurpose"]
    db.execute(
        "DELETE FROM charging_profiles WHERE identity = ? AND (profile_id = ?"
        " OR (connector = ? AND purpose = ? AND stack_level = ?))",
        (identity, number, connector, purpose, level),
    )
    db.execute(
        "INSERT INTO charging_profiles (identity, connector, profile_id,"
        " purpose, stack_level, installed, profile)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            identity,
            connector,
            number,
            purpose,
            level,
            now,
            orjson.dumps(profile).decode(),
        ),
    )


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
