"""
One vocabulary of commands across the versions of OCPP.

What 1.x and 2.x call by different names is a table, L{COUNTERPARTS}, read in
either direction; what they call by the same names needs none.

>>> translate(Version.V201, "Reset", {"type": "Hard"})
('Reset', {'type': 'Immediate'})
>>> translate(Version.V16, "RequestStopTransaction", {"transactionId": "7"})
('RemoteStopTransaction', {'transactionId': 7})
>>> translate(Version.V16, "Reset", {"type": "Immediate", "evseId": 1})
Traceback (most recent call last):
ocpp_tw.ocpp.translate.NoCounterpart: OCPP 1.6 has no counterpart of evseId
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from itertools import count
from time import time
from typing import Any

from attrs import field, frozen

from .actions import TO_STATION
from .messages import Payload
from .versions import Version


class NoCounterpart(ValueError):
    """
    The version has nothing that means the same; the text says of what.
    """


Steps = tuple[str | int, ...]

_NOTHING: Any = object()


def _steps(path: str) -> Steps:
    """
    >>> _steps("getVariableData.0.component")
    ('getVariableData', 0, 'component')
    """
    return tuple(
        int(step) if step.isdigit() else step
        for step in path.split(".")
        if step
    )


@frozen
class Member:
    """
    A member of a payload, and where it is in the other vocabulary.

    @ivar old: the path in 1.x, and C{new} in 2.x: names and indices, with
        dots between them.
    @ivar values: the values that have other names, 1.x to 2.x.
    @ivar kind: how other values are written: C{number} in 1.x, C{text} in
        2.x; a C{variable}; a C{list} of what C{members} says.
    """

    old: str
    new: str
    values: Mapping[str, str] = field(factory=dict)
    kind: str = ""
    members: Sequence[Member | Made] = ()


@frozen
class Made:
    """
    A member that only one of them has, and that it cannot be without.

    @ivar value: what it is then; None for a new number.
    @ivar is_new: whether it is one of 2.x.
    """

    path: str
    value: Any = None
    is_new: bool = True


@frozen
class Counterpart:
    """
    The same command by its two names.

    @ivar old: the action in 1.x, and C{new} in 2.x.
    """

    old: str
    new: str
    members: Sequence[Member | Made] = ()


def _same(*paths: str) -> list[Member]:
    return [Member(path, path) for path in paths]


def _token(old: str, new: str, kind: str) -> list[Member | Made]:
    """
    @param kind: of the token, which 1.x does not tell: C{ISO14443} where
        somebody will hold a card before the station, C{Central} where not.
    """
    return [Member(old, f"{new}.idToken"), Made(f"{new}.type", kind)]


_PURPOSES = {"ChargePointMaxProfile": "ChargingStationMaxProfile"}

_PROFILE: list[Member | Made] = [
    Member("chargingProfileId", "id"),
    Member("transactionId", "transactionId", kind="number"),
    *_same("stackLevel", "chargingProfileKind", "recurrencyKind"),
    *_same("validFrom", "validTo"),
    Member("chargingProfilePurpose", "chargingProfilePurpose", _PURPOSES),
    Made("chargingSchedule.0.id", 1),
    *(
        Member(f"chargingSchedule.{name}", f"chargingSchedule.0.{name}")
        for name in (
            *("duration", "startSchedule", "chargingRateUnit"),
            *("chargingSchedulePeriod", "minChargingRate"),
        )
    ),
]


def _under(
    old: str, new: str, members: Sequence[Member | Made]
) -> Iterator[Member | Made]:
    """
    These members, inside of another.
    """
    for member in members:
        if isinstance(member, Made):
            inside = new if member.is_new else old
            path = f"{inside}.{member.path}"
            yield Made(path, member.value, member.is_new)
        else:
            yield Member(
                f"{old}.{member.old}",
                f"{new}.{member.new}",
                member.values,
                member.kind,
            )


#: The configuration keys of 1.6, and the variables of 2.x that mean the same.
VARIABLES: Mapping[str, tuple[str, str]] = {
    "AuthorizeRemoteTxRequests": ("AuthCtrlr", "AuthorizeRemoteStart"),
    "LocalAuthorizeOffline": ("AuthCtrlr", "LocalAuthorizeOffline"),
    "LocalPreAuthorize": ("AuthCtrlr", "LocalPreAuthorize"),
    "AllowOfflineTxForUnknownId": (
        "AuthCtrlr",
        "OfflineTxForUnknownIdEnabled",
    ),
    "AuthorizationCacheEnabled": ("AuthCacheCtrlr", "Enabled"),
    "LocalAuthListEnabled": ("LocalAuthListCtrlr", "Enabled"),
    "HeartbeatInterval": ("OCPPCommCtrlr", "HeartbeatInterval"),
    "ResetRetries": ("OCPPCommCtrlr", "ResetRetries"),
    "UnlockConnectorOnEVSideDisconnect": (
        "OCPPCommCtrlr",
        "UnlockOnEVSideDisconnect",
    ),
    "WebSocketPingInterval": ("OCPPCommCtrlr", "WebSocketPingInterval"),
    "TransactionMessageAttempts": ("OCPPCommCtrlr", "MessageAttempts"),
    "TransactionMessageRetryInterval": (
        "OCPPCommCtrlr",
        "MessageAttemptInterval",
    ),
    "ClockAlignedDataInterval": ("AlignedDataCtrlr", "Interval"),
    "MeterValuesAlignedData": ("AlignedDataCtrlr", "Measurands"),
    "StopTxnAlignedData": ("AlignedDataCtrlr", "TxEndedMeasurands"),
    "MeterValueSampleInterval": ("SampledDataCtrlr", "TxUpdatedInterval"),
    "MeterValuesSampledData": ("SampledDataCtrlr", "TxUpdatedMeasurands"),
    "StopTxnSampledData": ("SampledDataCtrlr", "TxEndedMeasurands"),
    "ConnectionTimeOut": ("TxCtrlr", "EVConnectionTimeOut"),
    "MaxEnergyOnInvalidId": ("TxCtrlr", "MaxEnergyOnInvalidId"),
    "StopTransactionOnInvalidId": ("TxCtrlr", "StopTxOnInvalidId"),
    "StopTransactionOnEVSideDisconnect": (
        "TxCtrlr",
        "StopTxOnEVSideDisconnect",
    ),
    "CpoName": ("SecurityCtrlr", "OrganizationName"),
    "SecurityProfile": ("SecurityCtrlr", "SecurityProfile"),
    "AuthorizationKey": ("SecurityCtrlr", "BasicAuthPassword"),
}

_TRIGGERS = {
    "DiagnosticsStatusNotification": "LogStatusNotification",
    "SignChargePointCertificate": "SignChargingStationCertificate",
}
_CERTIFICATES = {"CentralSystemRootCertificate": "CSMSRootCertificate"}
_RETRIES = _same("retries", "retryInterval")
_STATES = {"Operative": "Operative", "Inoperative": "Inoperative"}

COUNTERPARTS: Sequence[Counterpart] = (
    Counterpart(
        "Reset",
        "Reset",
        [Member("type", "type", {"Hard": "Immediate", "Soft": "OnIdle"})],
    ),
    Counterpart(
        "RemoteStartTransaction",
        "RequestStartTransaction",
        [
            *_token("idTag", "idToken", "Central"),
            Member("connectorId", "evseId"),
            Made("remoteStartId"),
            *_under("chargingProfile", "chargingProfile", _PROFILE),
        ],
    ),
    Counterpart(
        "RemoteStopTransaction",
        "RequestStopTransaction",
        [Member("transactionId", "transactionId", kind="number")],
    ),
    Counterpart(
        "UnlockConnector",
        "UnlockConnector",
        [Member("connectorId", "evseId"), Made("connectorId", 1)],
    ),
    Counterpart(
        "ChangeAvailability",
        "ChangeAvailability",
        [
            Member("connectorId", "evse.id", kind="station is 0"),
            Member("type", "operationalStatus", _STATES),
        ],
    ),
    Counterpart(
        "ChangeConfiguration",
        "SetVariables",
        [
            # The value first: what is left then is the variable.
            Member("value", "setVariableData.0.attributeValue"),
            Member("key", "setVariableData.0", kind="variable"),
        ],
    ),
    Counterpart(
        "GetConfiguration",
        "GetVariables",
        [
            Member(
                "key",
                "getVariableData",
                kind="list",
                members=[Member("", "", kind="variable")],
            )
        ],
    ),
    Counterpart(
        "ClearChargingProfile",
        "ClearChargingProfile",
        [
            Member("id", "chargingProfileId"),
            Member("connectorId", "chargingProfileCriteria.evseId"),
            Member(
                "chargingProfilePurpose",
                "chargingProfileCriteria.chargingProfilePurpose",
                _PURPOSES,
            ),
            Member("stackLevel", "chargingProfileCriteria.stackLevel"),
        ],
    ),
    Counterpart(
        "GetCompositeSchedule",
        "GetCompositeSchedule",
        [
            Member("connectorId", "evseId"),
            *_same("duration", "chargingRateUnit"),
        ],
    ),
    Counterpart(
        "SetChargingProfile",
        "SetChargingProfile",
        [
            Member("connectorId", "evseId"),
            *_under("csChargingProfiles", "chargingProfile", _PROFILE),
        ],
    ),
    Counterpart(
        "GetDiagnostics",
        "GetLog",
        [
            Made("requestId"),
            Made("logType", "DiagnosticsLog"),
            Member("location", "log.remoteLocation"),
            Member("startTime", "log.oldestTimestamp"),
            Member("stopTime", "log.latestTimestamp"),
            *_RETRIES,
        ],
    ),
    Counterpart(
        "UpdateFirmware",
        "UpdateFirmware",
        [
            Made("requestId"),
            Member("location", "firmware.location"),
            Member("retrieveDate", "firmware.retrieveDateTime"),
            *_RETRIES,
        ],
    ),
    Counterpart(
        "SignedUpdateFirmware",
        "UpdateFirmware",
        [
            *_same("requestId"),
            *(
                Member(path, path)
                for name in (
                    *("location", "retrieveDateTime", "installDateTime"),
                    *("signingCertificate", "signature"),
                )
                for path in [f"firmware.{name}"]
            ),
            *_RETRIES,
        ],
    ),
    Counterpart(
        "SendLocalList",
        "SendLocalList",
        [
            Member("listVersion", "versionNumber"),
            *_same("updateType"),
            Member(
                "localAuthorizationList",
                "localAuthorizationList",
                kind="list",
                members=[
                    *_token("idTag", "idToken", "ISO14443"),
                    Member("idTagInfo.status", "idTokenInfo.status"),
                    Member(
                        "idTagInfo.expiryDate",
                        "idTokenInfo.cacheExpiryDateTime",
                    ),
                    *_token(
                        "idTagInfo.parentIdTag",
                        "idTokenInfo.groupIdToken",
                        "Central",
                    ),
                ],
            ),
        ],
    ),
    Counterpart(
        "ReserveNow",
        "ReserveNow",
        [
            Member("reservationId", "id"),
            Member("connectorId", "evseId", kind="station is 0"),
            Member("expiryDate", "expiryDateTime"),
            *_token("idTag", "idToken", "ISO14443"),
            *_token("parentIdTag", "groupIdToken", "Central"),
        ],
    ),
    Counterpart(
        "TriggerMessage",
        "TriggerMessage",
        [
            Member("requestedMessage", "requestedMessage", _TRIGGERS),
            Member("connectorId", "evse.id"),
        ],
    ),
    Counterpart(
        "ExtendedTriggerMessage",
        "TriggerMessage",
        [
            Member("requestedMessage", "requestedMessage", _TRIGGERS),
            Member("connectorId", "evse.id"),
        ],
    ),
    Counterpart(
        "InstallCertificate",
        "InstallCertificate",
        [
            Member("certificateType", "certificateType", _CERTIFICATES),
            *_same("certificate"),
        ],
    ),
    Counterpart(
        "GetInstalledCertificateIds",
        "GetInstalledCertificateIds",
        [Member("certificateType", "certificateType.0", _CERTIFICATES)],
    ),
)


def translate(
    version: Version, action: str, payload: Payload
) -> tuple[str, dict[str, Any]]:
    """
    A command in the words of that version, from those of the other.

    @raise NoCounterpart: it cannot be said there.
    """
    to_new = not version.is_1x
    refusal = NoCounterpart(f"OCPP {version} has no counterpart of {action}")
    for counterpart in COUNTERPARTS:
        there, here = counterpart.old, counterpart.new
        if not to_new:
            there, here = here, there
        if there != action:
            continue
        try:
            return here, _moved(counterpart.members, payload, to_new)
        except NoCounterpart as e:
            refusal = NoCounterpart(
                f"OCPP {version} has no counterpart of {e}"
            )
    raise refusal


#: The commands that some version calls otherwise than another.
_NAMED = {name for one in COUNTERPARTS for name in (one.old, one.new)}

#: What a station of any version could be asked.
OPERATIONS = frozenset(_NAMED.union(*TO_STATION.values()))


def is_named(action: str) -> bool:
    """
    Whether a command has that name in any version that calls it otherwise.
    """
    return action in _NAMED


def is_operation(action: str) -> bool:
    """
    Whether a station of any version could be asked that.
    """
    return action in OPERATIONS


#: Other numbers after a restart: a station may remember those before.
_NUMBERS = count(int(time()) % 10**8)


def _moved(
    members: Sequence[Member | Made], payload: Payload, to_new: bool
) -> Any:
    left: Any = deepcopy(dict(payload))
    moved: dict[str, Any] = {}
    for member in members:
        if isinstance(member, Member):
            source, target = _direction(member, to_new)
            value = _take(left, _steps(source))
            if value is not _NOTHING:
                _put(moved, target, _converted(member, value, to_new))
    for member in members:
        if isinstance(member, Made):
            _make(member, left, moved, to_new)
    _check_nothing_left(left)
    return moved


def _direction(member: Member, to_new: bool) -> tuple[str, str]:
    return (member.old, member.new) if to_new else (member.new, member.old)


def _make(made: Made, left: Any, moved: Any, to_new: bool) -> None:
    steps = _steps(made.path)
    if made.is_new != to_new:
        _take(left, steps)
    elif len(steps) == 1 or _has(moved, steps[:-1]):
        value = next(_NUMBERS) if made.value is None else made.value
        _put(moved, made.path, value)


def _converted(member: Member, value: Any, to_new: bool) -> Any:
    match member.kind:
        case "number":
            return _number(value, to_new)
        case "variable":
            return _variable(value) if to_new else _key(value)
        case "station is 0" if to_new and value == 0:
            return _NOTHING
        case "list" if isinstance(value, list):
            return [_item(member, item, to_new) for item in value]
    if isinstance(value, str) and member.values:
        back = {new: old for old, new in member.values.items()}
        return (member.values if to_new else back).get(value, value)
    return value


def _item(member: Member, item: Any, to_new: bool) -> Any:
    if len(member.members) == 1:
        [only] = member.members
        assert isinstance(only, Member)
        return _converted(only, item, to_new)
    if not isinstance(item, dict):
        return item
    return _moved(member.members, item, to_new)


def _number(value: Any, to_new: bool) -> Any:
    if to_new:
        return str(value)
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value[:18])
    raise NoCounterpart(f"transactionId {value!r:.50}, which is no number")


def _variable(key: Any) -> Any:
    """
    >>> _variable("HeartbeatInterval")["component"]
    {'name': 'OCPPCommCtrlr'}
    >>> _variable("Display.Brightness")["variable"]
    {'name': 'Brightness'}
    """
    component, _, variable = str(key).partition(".")
    component, variable = VARIABLES.get(str(key), (component, variable))
    if not component or not variable:
        raise NoCounterpart(f"the key {key!r:.60}")
    return {"component": {"name": component}, "variable": {"name": variable}}


def _key(value: Any) -> Any:
    """
    >>> _key({"component": {"name": "TxCtrlr"},
    ...       "variable": {"name": "MaxEnergyOnInvalidId"}})
    'MaxEnergyOnInvalidId'
    """
    match value:
        case {
            "component": {"name": str(component), **inside},
            "variable": {"name": str(variable), **instance},
            **more,
        } if not (inside or instance or more):
            back = {place: key for key, place in VARIABLES.items()}
            found = back.get((component, variable))
            return found or f"{component}.{variable}"
    raise NoCounterpart("an instance or an attribute of a variable")


def _take(payload: Any, steps: Steps) -> Any:
    """
    A value, which is gone from there then.
    """
    if not _has(payload, steps):
        return _NOTHING
    *before, last = steps
    for step in before:
        payload = payload[step]
    return payload.pop(last)


def _has(payload: Any, steps: Steps) -> bool:
    for step in steps:
        if isinstance(step, int):
            if not isinstance(payload, list) or len(payload) <= step:
                return False
        elif not isinstance(payload, dict) or step not in payload:
            return False
        payload = payload[step]
    return True


def _put(payload: Any, path: str, value: Any) -> None:
    if value is _NOTHING:
        return
    *before, last = _steps(path)
    place = payload
    following = [*before[1:], last]
    for step, after in zip(before, following, strict=False):
        if not _has(place, (step,)):
            _set(place, step, [] if isinstance(after, int) else {})
        place = place[step]
    if _has(place, (last,)) and isinstance(value, dict):
        place[last].update(value)
    else:
        _set(place, last, value)


def _set(place: Any, step: str | int, value: Any) -> None:
    if isinstance(place, list):
        place.append(value)
    else:
        place[step] = value


def _check_nothing_left(left: Any, path: str = "") -> None:
    """
    @raise NoCounterpart: there is something that was not moved.
    """
    if isinstance(left, dict):
        for name, value in left.items():
            _check_nothing_left(value, f"{path}.{name}".lstrip("."))
    elif isinstance(left, list):
        for item in left:
            _check_nothing_left(item, f"{path}[]")
    elif left is not None:
        raise NoCounterpart(path[:200])


def as_markdown() -> str:
    """
    The table as a page of the documentation.
    """
    lines = [_HEAD]
    for counterpart in COUNTERPARTS:
        lines.append(f"### {counterpart.old} and {counterpart.new}\n")
        lines.append("| 1.x | 2.x | values |\n|---|---|---|")
        lines += _rows(counterpart.members)
        lines.append("")
    lines.append(_KEYS)
    for key, (component, variable) in VARIABLES.items():
        lines.append(f"| `{key}` | `{component}` | `{variable}` |")
    return "\n".join(lines) + "\n"


def _rows(
    members: Sequence[Member | Made], old: str = "", new: str = ""
) -> Iterator[str]:
    for member in members:
        if isinstance(member, Made):
            value = "a new number" if member.value is None else member.value
            yield f"| | `{new}{member.path}` | {value} |"
            continue
        name, other = old + member.old, new + member.new
        values = ", ".join(f"{a} is {b}" for a, b in member.values.items())
        said = values or _KINDS.get(member.kind, "")
        if len(member.members) == 1:
            said = "a list; " + _KINDS["variable"]
        yield f"| `{name}` | `{other}` | {said} |"
        if len(member.members) > 1:
            yield from _rows(member.members, f"{name}[].", f"{other}[].")


_KINDS = {
    "number": "a number in 1.x, a text in 2.x",
    "variable": "a key in 1.x; component and variable in 2.x, see below",
    "station is 0": "0 in 1.x is the whole station: nothing in 2.x",
    "list": "a list",
}

_HEAD = """\
# Commands across the versions

A command may be given in the words of 1.x or of 2.x, whichever the station
speaks: what it would not understand is said in its own words, where the
standard has a counterpart. What the versions call by the same names is sent as
it is: all of 1.5 and 1.6, all of 2.0.1 and 2.1, and `CancelReservation`,
`ClearCache`, `DataTransfer`, `GetLocalListVersion`, `CertificateSigned`,
`DeleteCertificate` and `GetLog` of both. The answer is the station's, in its
words.

What has no counterpart is a 400 that names it, and the version; so is what the
version itself does not have, such as `SetChargingProfile` in 1.5. This page is
made from the table in `ocpp_tw/ocpp/translate.py`.

## Actions
"""

_KEYS = """\
## Configuration keys and variables

Another key of 1.x is `Component.Variable`, and the other way round.

| key of 1.6 | component of 2.x | variable |
|---|---|---|"""
