"""
What a central system may ask of a charge point, and what it answers.

OCPP 1.6, section 5; the security extension is in L{security}.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from ..errors import CallFailed, ErrorCode, OCPPError
from ..ocpp.actions import FROM_STATION, TO_STATION
from ..ocpp.messages import Call, Payload
from ..ocpp.schemas import REQUESTS, refusal
from ..ocpp.times import parse_time
from ..ocpp.versions import Version
from ..peer import Answer
from . import profiles, security, transfers
from .chargepoint import ChargePoint
from .clock import iso
from .connector import (
    AVAILABLE,
    FAULTED,
    OF_THE_WHOLE,
    PREPARING,
    RESERVED,
    TRANSITIONS,
    UNAVAILABLE,
    Connector,
)
from .meter import Supply
from .profiles import Profile
from .reservations import Reservation


Operation = Callable[[ChargePoint, Payload], Answer]

ACCEPTED: Payload = {"status": "Accepted"}
REJECTED: Payload = {"status": "Rejected"}


def answer(station: ChargePoint, call: Call) -> Answer:
    """
    Answer a Call of the central system.

    @raise CallFailed: to answer with this CallError instead.
    """
    operation = OPERATIONS.get(call.action)
    if operation is None:
        raise _unheard_of(call.action)
    schema = REQUESTS[Version.V16, call.action]
    if not schema.is_valid(call.payload):
        station.findings.weigh_call(call.action, call.payload)
        station.note_security("InvalidMessages", call.action)
        raise refusal(schema.violations(call.payload))
    return operation(station, call.payload)


def _unheard_of(action: str) -> CallFailed:
    if action in FROM_STATION[Version.V16]:
        return CallFailed(
            ErrorCode.NOT_SUPPORTED, f"{action} is for a station to send"
        )
    return CallFailed(
        ErrorCode.NOT_IMPLEMENTED, f"OCPP 1.6 has no action {action:.50}"
    )


def afterwards(
    station: ChargePoint, act: Callable[..., object], *args: Any
) -> None:
    """
    Do something once the answer is on its way.
    """
    station.clock.callLater(0, act, *args)


def _status(status: str) -> Payload:
    return {"status": status}


def _is_there(station: ChargePoint, number: int) -> bool:
    return number in station.connectors


# Core


def answer_ChangeAvailability(
    station: ChargePoint, payload: Payload
) -> Payload:
    number = payload["connectorId"]
    if not _is_there(station, number):
        return REJECTED
    operative = payload["type"] == "Operative"
    changed = (
        list(station.connectors.values())
        if not number
        else [station.connectors[number]]
    )
    busy = [c for c in changed if c.transaction is not None]
    for connector in changed:
        connector.operative = operative
    idle = [c for c in changed if c.transaction is None]
    afterwards(station, _apply_availability, station, idle)
    station.save()
    return _status("Scheduled" if busy and not operative else "Accepted")


def _apply_availability(
    station: ChargePoint, connectors: list[Connector]
) -> None:
    for connector in connectors:
        if connector.status == FAULTED:
            continue
        if connector.number and connector.transaction is None:
            station.rest(connector)
        elif not connector.number:
            station.become(connector, connector.idle_status)


def answer_ChangeConfiguration(
    station: ChargePoint, payload: Payload
) -> Payload:
    name, value = payload["key"], payload["value"]
    status = security.change_key(station, name, value) or station.keys.change(
        name, value
    )
    if status in ("Accepted", "RebootRequired"):
        _obey(station, name)
        station.save()
    return _status(status)


def _obey(station: ChargePoint, name: str) -> None:
    """
    Let a changed key take effect.
    """
    if name == "HeartbeatInterval":
        station.plan_heartbeat()
    elif name == "WebSocketPingInterval":
        station.plan_ping()
    elif name == "ClockAlignedDataInterval":
        station.plan_aligned()
    elif name == "MeterValueSampleInterval":
        for number, connector in station.connectors.items():
            if connector.transaction is not None:
                station.plan_sample(number)


def answer_ClearCache(station: ChargePoint, payload: Payload) -> Payload:
    if not station.keys.flag("AuthorizationCacheEnabled"):
        return REJECTED
    station.cache.clear()
    return ACCEPTED


def answer_DataTransfer(station: ChargePoint, payload: Payload) -> Payload:
    """
    Echo the data; or set a status by hand, as the seed system lets you::

        {"messageId": "SetStatusNotification",
         "data": "{\\"connectorId\\": 1, \\"status\\": \\"Faulted\\"}"}
    """
    message = payload.get("messageId")
    if message == "SetStatusNotification":
        return _set_status(station, payload.get("data", ""))
    if message:
        return _status("UnknownMessageId")
    if "data" in payload:
        return {"status": "Accepted", "data": payload["data"]}
    return ACCEPTED


def _set_status(station: ChargePoint, data: str) -> Payload:
    try:
        wanted = orjson.loads(data)
        number, status = wanted["connectorId"], wanted["status"]
        allowed = TRANSITIONS if number else OF_THE_WHOLE
        makes_sense = status in allowed and type(number) is int
    except (ValueError, KeyError, TypeError):
        return REJECTED
    numbers = (
        [n for n in station.connectors if n] if number == -1 else [number]
    )
    if not makes_sense or not all(_is_there(station, n) for n in numbers):
        return REJECTED
    for n in numbers:
        afterwards(
            station, station.force_status, station.connectors[n], status
        )
    return ACCEPTED


def answer_GetConfiguration(station: ChargePoint, payload: Payload) -> Payload:
    wanted = payload.get("key")
    known, unknown = station.keys.tell(wanted)
    for entry in known:
        if entry["key"] == "NumberOfConnectors":
            entry["value"] = str(len(station.connectors) - 1)
    told: dict[str, Any] = {"configurationKey": known}
    if unknown:
        told["unknownKey"] = unknown
    return told


def answer_RemoteStartTransaction(
    station: ChargePoint, payload: Payload
) -> Payload:
    connector = _choose(station, payload)
    profile = payload.get("chargingProfile")
    if connector is None or station.registration != "Accepted":
        return REJECTED
    if profile is not None and not _fits_transaction(station, profile):
        return REJECTED
    connector.starting = True
    connector.profile = profile
    afterwards(station, _start_remotely, station, connector, payload["idTag"])
    return ACCEPTED


def _choose(station: ChargePoint, payload: Payload) -> Connector | None:
    """
    The connector for a remote start; None if it cannot be.
    """
    number, id_tag = payload.get("connectorId"), payload["idTag"]
    meant = [
        c
        for c in station.connectors.values()
        if c.number
        and number in (None, c.number)
        and _is_free(station, c, id_tag)
    ]
    return max(meant, key=lambda c: _is_kept(station, c, id_tag), default=None)


def _is_kept(station: ChargePoint, connector: Connector, id_tag: str) -> bool:
    """
    Whether a connector is reserved for that very tag.
    """
    mine = station.reservations.of(connector.number)
    return mine is not None and mine.is_for(id_tag)


def _is_free(station: ChargePoint, connector: Connector, id_tag: str) -> bool:
    if connector.transaction is not None or connector.starting:
        return False
    if connector.status == RESERVED:
        # A parent is known only when the tag is authorized.
        mine = station.reservations.of(connector.number)
        return mine is None or bool(mine.parent) or mine.is_for(id_tag)
    return connector.status in (AVAILABLE, PREPARING)


def _fits_transaction(station: ChargePoint, payload: Payload) -> bool:
    return payload["chargingProfilePurpose"] == profiles.TX and (
        _is_acceptable(station, Profile.read(payload))
    )


def _start_remotely(
    station: ChargePoint, connector: Connector, id_tag: str
) -> None:
    station.spawn(_authorize_and_start(station, connector, id_tag))


async def _authorize_and_start(
    station: ChargePoint, connector: Connector, id_tag: str
) -> None:
    info: Payload = ACCEPTED
    if station.keys.flag("AuthorizeRemoteTxRequests"):
        info = await station.authorize(id_tag)
    try:
        if info.get("status") == "Accepted":
            station.allow(connector, id_tag, info.get("parentIdTag"))
    except OCPPError as e:
        station.log.info("{station}: {error}", station=station, error=e)
    if connector.transaction is None and connector.id_tag is None:
        connector.starting, connector.profile = False, None
    elif station.habits.plugs and not connector.plugged:
        station.plug(connector.number)


def answer_RemoteStopTransaction(
    station: ChargePoint, payload: Payload
) -> Payload:
    connector = station.transaction(payload["transactionId"])
    if connector is None:
        return REJECTED
    afterwards(
        station, _stop_remotely, station, connector, connector.transaction
    )
    return ACCEPTED


def _stop_remotely(
    station: ChargePoint, connector: Connector, transaction: object
) -> None:
    if connector.transaction is transaction:
        station.stop(connector, "Remote")


def answer_Reset(station: ChargePoint, payload: Payload) -> Payload:
    afterwards(station, station.reset, f"{payload['type']}Reset")
    return ACCEPTED


def answer_UnlockConnector(station: ChargePoint, payload: Payload) -> Payload:
    connector = station.connectors.get(payload["connectorId"])
    if connector is None or not connector.number:
        return _status("NotSupported")
    if connector.status == FAULTED and (
        connector.error == "ConnectorLockFailure"
    ):
        return _status("UnlockFailed")
    afterwards(station, _unlock, station, connector)
    return _status("Unlocked")


def _unlock(station: ChargePoint, connector: Connector) -> None:
    if connector.transaction is not None:
        station.stop(connector, "UnlockCommand")


# Local authorization list


def answer_GetLocalListVersion(
    station: ChargePoint, payload: Payload
) -> Payload:
    enabled = station.keys.flag("LocalAuthListEnabled")
    return {"listVersion": station.local_list.version if enabled else -1}


def answer_SendLocalList(station: ChargePoint, payload: Payload) -> Payload:
    if not station.keys.flag("LocalAuthListEnabled"):
        return _status("NotSupported")
    entries = payload.get("localAuthorizationList", [])
    if len(entries) > station.keys.number("SendLocalListMaxLength"):
        return _status("Failed")
    status = station.local_list.update(
        payload["listVersion"],
        payload["updateType"],
        entries,
        station.keys.number("LocalAuthListMaxLength"),
    )
    station.save()
    return _status(status)


# Reservation


def answer_ReserveNow(station: ChargePoint, payload: Payload) -> Payload:
    number = payload["connectorId"]
    expiry = parse_time(payload["expiryDate"])
    zero = station.keys.flag("ReserveConnectorZeroSupported")
    if (
        not _is_there(station, number)
        or (not number and not zero)
        or expiry is None
        or expiry <= station.now
    ):
        return REJECTED
    hindrance = _hindrance(station, number, payload["reservationId"])
    if hindrance:
        return _status(hindrance)
    _reserve(
        station,
        Reservation(
            payload["reservationId"],
            number,
            payload["idTag"],
            expiry,
            payload.get("parentIdTag"),
        ),
    )
    return ACCEPTED


def _hindrance(station: ChargePoint, number: int, id: int) -> str:
    """
    Why a connector cannot be reserved, as the status of ReserveNow.
    """
    held = station.reservations.get(id)
    statuses = {
        AVAILABLE
        if held is not None and held.connector == c.number
        else c.status
        for c in station.connectors.values()
        if c.number and number in (0, c.number)
    }
    if AVAILABLE in statuses:
        return "Occupied" if not held and station.is_spoken_for else ""
    # Of all connectors, one that is merely occupied is the best hope.
    if statuses - {FAULTED, UNAVAILABLE}:
        return "Occupied"
    return UNAVAILABLE if UNAVAILABLE in statuses else FAULTED


def _reserve(station: ChargePoint, reservation: Reservation) -> None:
    old = station.reservations.get(reservation.id)
    if old is not None and old.connector != reservation.connector:
        station.release(old.id)
    station.reservations.add(reservation)
    station.plan_expiry()
    station.save()
    if reservation.connector:
        connector = station.connectors[reservation.connector]
        afterwards(station, _show_reserved, station, connector)


def _show_reserved(station: ChargePoint, connector: Connector) -> None:
    if connector.status == AVAILABLE:
        station.become(connector, RESERVED)


def answer_CancelReservation(
    station: ChargePoint, payload: Payload
) -> Payload:
    id = payload["reservationId"]
    if station.reservations.get(id) is None:
        return REJECTED
    afterwards(station, _cancel, station, id)
    return ACCEPTED


def _cancel(station: ChargePoint, id: int) -> None:
    station.release(id)
    station.plan_expiry()


# Smart charging


def answer_SetChargingProfile(
    station: ChargePoint, payload: Payload
) -> Payload:
    number = payload["connectorId"]
    profile = Profile.read(payload["csChargingProfiles"])
    if not (
        _is_there(station, number)
        and _has_its_place(station, number, profile)
        and _is_acceptable(station, profile)
    ):
        return REJECTED
    known = {one.profile.id for one in station.profiles}
    most = station.keys.number("MaxChargingProfilesInstalled")
    if profile.id not in known and len(known) >= most:
        return REJECTED
    station.install_profile(number, payload["csChargingProfiles"])
    afterwards(station, station.profiles_changed)
    return ACCEPTED


def _has_its_place(
    station: ChargePoint, number: int, profile: Profile
) -> bool:
    """
    Whether such a profile may be set for that connector (section 3.13.1).
    """
    if profile.purpose == profiles.MAX:
        return number == 0
    if profile.purpose == profiles.TX:
        transaction = station.connectors[number].transaction
        return transaction is not None and (
            profile.transaction_id in (None, transaction.id)
        )
    return True


def _is_acceptable(station: ChargePoint, profile: Profile) -> bool:
    keys = station.keys
    return (
        0 <= profile.stack_level <= keys.number("ChargeProfileMaxStackLevel")
        and 0
        < len(profile.periods)
        <= keys.number("ChargingScheduleMaxPeriods")
        and profile.periods[0].start == 0
        and all(p.limit >= 0 for p in profile.periods)
        and (profile.kind != "Recurring" or bool(profile.recurs))
        and (profile.kind != "Recurring" or profile.start is not None)
        and (profile.purpose != profiles.MAX or profile.kind != "Relative")
    )


def answer_ClearChargingProfile(
    station: ChargePoint, payload: Payload
) -> Payload:
    left = profiles.clear(
        station.profiles,
        payload.get("id"),
        payload.get("connectorId"),
        payload.get("chargingProfilePurpose"),
        payload.get("stackLevel"),
    )
    if len(left) == len(station.profiles):
        return _status("Unknown")
    station.profiles = left
    afterwards(station, station.profiles_changed)
    return ACCEPTED


def answer_GetCompositeSchedule(
    station: ChargePoint, payload: Payload
) -> Payload:
    connector = station.connectors.get(payload["connectorId"])
    duration = payload["duration"]
    if connector is None or not 0 < duration <= 86400 * 31:
        return REJECTED
    supply = _supply(station, connector)
    now = station.now
    if connector.number:
        periods = profiles.composite(
            station.profiles,
            connector.number,
            now,
            duration,
            supply,
            *connector.course,
        )
    else:
        outlets = [
            profiles.Outlet(number, c.meter.supply, *c.course)
            for number, c in station.connectors.items()
            if number
        ]
        periods = profiles.composite_of_all(
            station.profiles, outlets, now, duration, supply
        )
    unit = payload.get("chargingRateUnit", "W")
    schedule = profiles.schedule(periods, unit, duration, supply)
    when = iso(now + station.skew)
    return {
        "status": "Accepted",
        "connectorId": connector.number,
        "scheduleStart": when,
        "chargingSchedule": {**schedule, "startSchedule": when},
    }


def _supply(station: ChargePoint, connector: Connector) -> Supply:
    """
    What a connector can deliver; the charge point, all of them together.
    """
    if connector.number:
        return connector.meter.supply
    supplies = [
        c.meter.supply for c in station.connectors.values() if c.number
    ]
    phases = max(supply.phases for supply in supplies)
    power = sum(supply.power for supply in supplies)
    return Supply(phases, power / 230.0 / max(phases, 1), power)


# Firmware and remote trigger


def answer_GetDiagnostics(station: ChargePoint, payload: Payload) -> Payload:
    name = transfers.log_name(station, "diagnostics")
    afterwards(station, transfers.send_diagnostics, station, payload, name)
    return {"fileName": name}


def answer_UpdateFirmware(station: ChargePoint, payload: Payload) -> Payload:
    afterwards(station, transfers.fetch_firmware, station, payload)
    return {}


def answer_TriggerMessage(station: ChargePoint, payload: Payload) -> Payload:
    return _trigger(station, payload, _TRIGGERS)


def answer_ExtendedTriggerMessage(
    station: ChargePoint, payload: Payload
) -> Payload:
    return _trigger(station, payload, _EXTENDED_TRIGGERS)


_Trigger = Callable[[ChargePoint, list[Connector]], None]


def _trigger(
    station: ChargePoint, payload: Payload, triggers: dict[str, _Trigger]
) -> Payload:
    number = payload.get("connectorId")
    trigger = triggers.get(payload["requestedMessage"])
    if trigger is None:
        return _status("NotImplemented")
    if number is not None and not _is_there(station, number):
        return REJECTED
    if number == 0 and trigger is _trigger_meter:
        # The charge point itself has no meter.
        return REJECTED
    connectors = [
        c for c in station.connectors.values() if number in (None, c.number)
    ]
    afterwards(station, trigger, station, connectors)
    return ACCEPTED


def _trigger_boot(station: ChargePoint, connectors: list[Connector]) -> None:
    station.spawn(station.boot())


def _trigger_heartbeat(
    station: ChargePoint, connectors: list[Connector]
) -> None:
    station.spawn(station.beat())


def _trigger_status(station: ChargePoint, connectors: list[Connector]) -> None:
    for connector in connectors:
        station.tell(
            "StatusNotification", station.status_of(connector), triggered=True
        )


def _trigger_meter(station: ChargePoint, connectors: list[Connector]) -> None:
    for connector in connectors:
        if connector.number:
            station.tell_meter_values(connector)


_TRIGGERS: dict[str, _Trigger] = {
    "BootNotification": _trigger_boot,
    "Heartbeat": _trigger_heartbeat,
    "StatusNotification": _trigger_status,
    "MeterValues": _trigger_meter,
    "DiagnosticsStatusNotification": transfers.tell_diagnostics_status,
    "FirmwareStatusNotification": transfers.tell_firmware_status,
}

_EXTENDED_TRIGGERS: dict[str, _Trigger] = {
    **{
        name: trigger
        for name, trigger in _TRIGGERS.items()
        if name != "DiagnosticsStatusNotification"
    },
    "FirmwareStatusNotification": transfers.tell_signed_firmware_status,
    "LogStatusNotification": transfers.tell_log_status,
    "SignChargePointCertificate": security.sign_certificate,
}


#: Every operation, by its action.
OPERATIONS: dict[str, Operation] = {
    "ChangeAvailability": answer_ChangeAvailability,
    "ChangeConfiguration": answer_ChangeConfiguration,
    "ClearCache": answer_ClearCache,
    "DataTransfer": answer_DataTransfer,
    "GetConfiguration": answer_GetConfiguration,
    "RemoteStartTransaction": answer_RemoteStartTransaction,
    "RemoteStopTransaction": answer_RemoteStopTransaction,
    "Reset": answer_Reset,
    "UnlockConnector": answer_UnlockConnector,
    "GetLocalListVersion": answer_GetLocalListVersion,
    "SendLocalList": answer_SendLocalList,
    "ReserveNow": answer_ReserveNow,
    "CancelReservation": answer_CancelReservation,
    "SetChargingProfile": answer_SetChargingProfile,
    "ClearChargingProfile": answer_ClearChargingProfile,
    "GetCompositeSchedule": answer_GetCompositeSchedule,
    "GetDiagnostics": answer_GetDiagnostics,
    "UpdateFirmware": answer_UpdateFirmware,
    "TriggerMessage": answer_TriggerMessage,
    "ExtendedTriggerMessage": answer_ExtendedTriggerMessage,
    **security.OPERATIONS,
}

assert set(OPERATIONS) == TO_STATION[Version.V16], "an operation is missing"
