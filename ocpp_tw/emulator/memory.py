"""
What a charge point must still know when its power was lost, as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import asdict

from .authorization import AuthorizationCache, LocalList
from .connector import AVAILABLE, RESERVED, UNAVAILABLE
from .profiles import TX
from .transactions import Message, Transaction


if TYPE_CHECKING:
    from .charging import Charging
    from .station import Station


def of(station: Station) -> dict[str, Any]:
    """
    What is to be kept.
    """
    messages = list(station.outbox)
    about = [m.transaction for m in messages if m.transaction]
    running = [c.transaction for c in station.connectors.values()]
    transactions = list(dict.fromkeys([*about, *filter(None, running)]))
    places = {id(t): place for place, t in enumerate(transactions)}
    return {
        "keys": station.keys.changed,
        "over": station.keys.over,
        "firmware": station.firmware,
        "meters": {
            str(number): connector.meter.energy
            for number, connector in station.connectors.items()
            if number
        },
        "inoperative": [
            n for n, c in station.connectors.items() if not c.operative
        ],
        "localList": station.local_list.as_json(),
        "cache": station.cache.as_json(),
        "certificates": station.security and station.security.as_json(),
        # The profile of a transaction ends with it.
        "profiles": [
            [one.connector, one.payload]
            for one in station.profiles
            if one.profile.purpose != TX
        ],
        "reservations": station.reservations.as_json(),
        "transactions": [asdict(t) for t in transactions],
        "messages": [
            {
                "action": m.action,
                "payload": m.payload,
                "attempts": m.attempts,
                "transaction": places.get(id(m.transaction)),
            }
            for m in messages
        ],
    }


def recall(station: Charging, kept: Mapping[str, Any]) -> None:
    """
    Make a charge point what it was.

    @raise KeyError, TypeError, ValueError, AttributeError: that is not what
        was kept.
    """
    connectors = station.connectors
    for number, energy in kept.get("meters", {}).items():
        if int(number) in connectors:
            connectors[int(number)].meter.energy = float(energy)
    for number in kept.get("inoperative", ()):
        if number in connectors:
            connectors[number].operative = False
            connectors[number].status = UNAVAILABLE
    station.cache = AuthorizationCache(kept.get("cache"))
    if kept.get("certificates"):
        # Few have any, and they take room.
        from .security import Safe

        station.security = Safe.read(kept["certificates"])
    if "localList" in kept:
        station.local_list = LocalList(**kept["localList"])
    for number, payload in kept.get("profiles", ()):
        station.install_profile(number, payload)
    station.reservations.restore(kept.get("reservations", []))
    for reservation in station.reservations:
        connector = connectors.get(reservation.connector)
        if connector and connector.number and connector.status == AVAILABLE:
            connector.status = RESERVED
    _recall_messages(station, kept)


def _recall_messages(station: Charging, kept: Mapping[str, Any]) -> None:
    transactions = [Transaction(**t) for t in kept.get("transactions", ())]
    for message in kept.get("messages", ()):
        place = message.pop("transaction")
        about = None if place is None else transactions[place]
        station.outbox.add(Message(transaction=about, **message))
    for transaction in transactions:
        connector = station.connectors.get(transaction.connector)
        if not transaction.ended and connector is not None:
            # It ended when the power failed.
            station.conclude(connector, transaction, "PowerLoss")
