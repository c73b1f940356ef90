"""
What a charge point of 1.6 says, as older versions say it: fewer statuses,
fewer errors, fewer measurands.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..ocpp.messages import Payload
from ..ocpp.soap_tables import TYPES, rows
from ..ocpp.versions import Version
from .connector import (
    CHARGING,
    FINISHING,
    PREPARING,
    RESERVED,
    SUSPENDED_EV,
    SUSPENDED_EVSE,
)


OCCUPIED = "Occupied"

_OCCUPIED = {CHARGING, FINISHING, PREPARING, SUSPENDED_EV, SUSPENDED_EVSE}

_REGISTER = "Energy.Active.Import.Register"

#: The error of a version that has none for what is wrong.
_OTHER_ERROR = {Version.V12: "PowerSwitchFailure", Version.V15: "OtherError"}

_WORDS: dict[tuple[Version, str], frozenset[str]] = {
    (version, name): frozenset(words)
    for version in (Version.V12, Version.V15)
    for name, kind, *words in rows(TYPES, version)
    if kind == "="
}


def as_spoken(
    version: Version, action: str, payload: Payload
) -> Payload | None:
    """
    @return: None for what the version has no words for.

    >>> as_spoken(Version.V15, "StatusNotification",
    ...     {"connectorId": 1, "status": "Charging", "errorCode": "NoError"})
    {'connectorId': 1, 'status': 'Occupied', 'errorCode': 'NoError'}
    >>> as_spoken(Version.V15, "FirmwareStatusNotification",
    ...     {"status": "Installing"}) is None
    True
    """
    if version is Version.V16:
        return payload
    speak = _SPEAK.get(action)
    return payload if speak is None else speak(version, payload)


def _status(version: Version, payload: Payload) -> Payload:
    status, error = payload["status"], payload["errorCode"]
    if status in _OCCUPIED or (status == RESERVED and version is Version.V12):
        status = OCCUPIED
    if error not in _WORDS[version, "ChargePointErrorCode"]:
        error = _OTHER_ERROR[version]
    return {**payload, "status": status, "errorCode": error}


def _diagnostics(version: Version, payload: Payload) -> Payload | None:
    known = _WORDS[version, "DiagnosticsStatus"]
    return payload if payload["status"] in known else None


def _firmware(version: Version, payload: Payload) -> Payload | None:
    known = _WORDS[version, "FirmwareStatus"]
    return payload if payload["status"] in known else None


def _meter_values(version: Version, payload: Payload) -> Payload | None:
    values = _measured(version, payload["meterValue"])
    return {**payload, "meterValue": values} if values else None


def _stop(version: Version, payload: Payload) -> Payload:
    rest = {k: v for k, v in payload.items() if k != "transactionData"}
    data = _measured(version, payload.get("transactionData", ()))
    return {**rest, "transactionData": data} if data else rest


def _measured(version: Version, values: Any) -> list[dict[str, Any]]:
    """
    The meter values, without those that the version cannot express.
    """
    measured = []
    for value in values:
        sampled = [
            _sample(version, sample)
            for sample in value["sampledValue"]
            if _is_sayable(version, sample)
        ]
        if sampled:
            measured.append({**value, "sampledValue": sampled})
    return measured


def _is_sayable(version: Version, sample: Mapping[str, str]) -> bool:
    measurand = sample.get("measurand", _REGISTER)
    # Values of one phase would look like values of all.
    if "phase" in sample:
        return False
    if version is Version.V12:
        return measurand == _REGISTER and sample.get("unit", "Wh") == "Wh"
    return measurand in _WORDS[version, "Measurand"]


def _sample(version: Version, sample: Mapping[str, str]) -> dict[str, str]:
    if version is Version.V12:
        return {"value": sample["value"]}
    known = {
        "context": _WORDS[version, "ReadingContext"],
        "location": _WORDS[version, "Location"],
        "unit": _WORDS[version, "UnitOfMeasure"] | {"A", "V"},
    }
    return {
        name: text
        for name, text in sample.items()
        if name not in known or text in known[name]
    }


_SPEAK: Mapping[str, Any] = {
    "StatusNotification": _status,
    "DiagnosticsStatusNotification": _diagnostics,
    "FirmwareStatusNotification": _firmware,
    "MeterValues": _meter_values,
    "StopTransaction": _stop,
}


def as_answered(version: Version, action: str, answer: Payload) -> Payload:
    """
    An answer of ours, as the version gives it.

    >>> as_answered(Version.V15, "UnlockConnector", {"status": "Unlocked"})
    {'status': 'Accepted'}
    """
    if version is Version.V16:
        return answer
    instead = _INSTEAD.get((action, answer.get("status")))
    return answer if instead is None else {**answer, "status": instead}


_INSTEAD: Mapping[tuple[str, Any], str] = {
    ("UnlockConnector", "Unlocked"): "Accepted",
    ("UnlockConnector", "UnlockFailed"): "Rejected",
    ("UnlockConnector", "NotSupported"): "Rejected",
    ("ChangeConfiguration", "RebootRequired"): "Accepted",
}


def as_asked(version: Version, action: str, payload: Payload) -> Payload:
    """
    What a central system asks, without what 1.6 does not have.
    """
    if version is Version.V15 and action == "SendLocalList":
        return {k: v for k, v in payload.items() if k != "hash"}
    return payload
