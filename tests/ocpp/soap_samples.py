"""
A message of every action, in our vocabulary and as each version writes it.
"""

from __future__ import annotations

from typing import Any

from ocpp_tw.ocpp.versions import Version


NOW = "2026-11-23T12:00:00Z"

V12, V15, V16 = Version.V12, Version.V15, Version.V16
VERSIONS = (V12, V15, V16)

_ID_TAG_INFO = {
    "status": "Accepted",
    "expiryDate": "2027-01-01T00:00:00Z",
    "parentIdTag": "PARENT",
}
_SAMPLED = {
    "value": "16.5",
    "context": "Sample.Periodic",
    "format": "Raw",
    "measurand": "Current.Import",
    "location": "Outlet",
    "unit": "A",
}
_METER_VALUE = {
    "timestamp": NOW,
    "sampledValue": [
        {"value": "1200"},
        {**_SAMPLED, "phase": "L1"},
    ],
}
_METER_VALUE_15 = {
    "timestamp": NOW,
    "sampledValue": [{"value": "1200"}, _SAMPLED],
}
_WIRE_VALUE_15 = {
    "timestamp": NOW,
    "value": [
        {"_value_1": "1200"},
        {
            "_value_1": "16.5",
            "context": "Sample.Periodic",
            "format": "Raw",
            "measurand": "Current.Import",
            "location": "Outlet",
            "unit": "Amp",
        },
    ],
}
_SCHEDULE = {
    "duration": 3600,
    "startSchedule": NOW,
    "chargingRateUnit": "A",
    "chargingSchedulePeriod": [
        {"startPeriod": 0, "limit": 16, "numberPhases": 3},
        {"startPeriod": 1800, "limit": 6.5},
    ],
    "minChargingRate": 6,
}
_PROFILE = {
    "chargingProfileId": 1,
    "transactionId": 7,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxProfile",
    "chargingProfileKind": "Absolute",
    "recurrencyKind": "Daily",
    "validFrom": NOW,
    "validTo": "2027-01-01T00:00:00Z",
    "chargingSchedule": _SCHEDULE,
}
_ACCEPTED = {"status": "Accepted"}

#: The request and the answer of each action, as 1.6 has them.
SAMPLES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "Authorize": ({"idTag": "TAG 1"}, {"idTagInfo": _ID_TAG_INFO}),
    "BootNotification": (
        {
            "chargePointVendor": "Vendör & <Söhne>",
            "chargePointModel": "M",
            "chargePointSerialNumber": "1",
            "chargeBoxSerialNumber": "2",
            "firmwareVersion": "3",
            "iccid": "4",
            "imsi": "5",
            "meterType": "6",
            "meterSerialNumber": "7",
        },
        {"status": "Accepted", "currentTime": NOW, "interval": 300},
    ),
    "DataTransfer": (
        {"vendorId": "v", "messageId": "m", "data": ' {"a": "<b>"}\n '},
        {"status": "Accepted", "data": "]]>"},
    ),
    "DiagnosticsStatusNotification": ({"status": "Uploaded"}, {}),
    "FirmwareStatusNotification": ({"status": "Installed"}, {}),
    "Heartbeat": ({}, {"currentTime": NOW}),
    "MeterValues": (
        {
            "connectorId": 1,
            "transactionId": 7,
            "meterValue": [_METER_VALUE, _METER_VALUE],
        },
        {},
    ),
    "StartTransaction": (
        {
            "connectorId": 1,
            "idTag": "TAG1",
            "timestamp": NOW,
            "meterStart": 12,
            "reservationId": 3,
        },
        {"transactionId": 7, "idTagInfo": _ID_TAG_INFO},
    ),
    "StatusNotification": (
        {
            "connectorId": 1,
            "status": "Charging",
            "errorCode": "NoError",
            "info": "i",
            "timestamp": NOW,
            "vendorId": "v",
            "vendorErrorCode": "e",
        },
        {},
    ),
    "StopTransaction": (
        {
            "transactionId": 7,
            "idTag": "TAG1",
            "timestamp": NOW,
            "meterStop": 20,
            "reason": "Local",
            "transactionData": [_METER_VALUE],
        },
        {"idTagInfo": _ID_TAG_INFO},
    ),
    "CancelReservation": ({"reservationId": 3}, _ACCEPTED),
    "ChangeAvailability": (
        {"connectorId": 0, "type": "Inoperative"},
        {"status": "Scheduled"},
    ),
    "ChangeConfiguration": ({"key": "K", "value": "V"}, _ACCEPTED),
    "ClearCache": ({}, _ACCEPTED),
    "ClearChargingProfile": (
        {
            "id": 1,
            "connectorId": 1,
            "chargingProfilePurpose": "TxProfile",
            "stackLevel": 0,
        },
        {"status": "Unknown"},
    ),
    "GetCompositeSchedule": (
        {"connectorId": 1, "duration": 60, "chargingRateUnit": "W"},
        {
            "status": "Accepted",
            "connectorId": 1,
            "scheduleStart": NOW,
            "chargingSchedule": _SCHEDULE,
        },
    ),
    "GetConfiguration": (
        {"key": ["A", "B"]},
        {
            "configurationKey": [
                {"key": "A", "readonly": True, "value": "1"},
                {"key": "C", "readonly": False},
            ],
            "unknownKey": ["B"],
        },
    ),
    "GetDiagnostics": (
        {
            "location": "ftp://example.com/a?b=c&d",
            "startTime": NOW,
            "stopTime": NOW,
            "retries": 1,
            "retryInterval": 2,
        },
        {"fileName": "log.zip"},
    ),
    "GetLocalListVersion": ({}, {"listVersion": -1}),
    "RemoteStartTransaction": (
        {"connectorId": 1, "idTag": "TAG1", "chargingProfile": _PROFILE},
        _ACCEPTED,
    ),
    "RemoteStopTransaction": ({"transactionId": 7}, {"status": "Rejected"}),
    "ReserveNow": (
        {
            "connectorId": 1,
            "expiryDate": NOW,
            "idTag": "TAG1",
            "parentIdTag": "P",
            "reservationId": 3,
        },
        {"status": "Occupied"},
    ),
    "Reset": ({"type": "Soft"}, _ACCEPTED),
    "SendLocalList": (
        {
            "listVersion": 2,
            "localAuthorizationList": [
                {"idTag": "TAG1", "idTagInfo": _ID_TAG_INFO},
                {"idTag": "TAG2"},
            ],
            "updateType": "Full",
        },
        {"status": "VersionMismatch"},
    ),
    "SetChargingProfile": (
        {"connectorId": 1, "csChargingProfiles": _PROFILE},
        _ACCEPTED,
    ),
    "TriggerMessage": (
        {"requestedMessage": "Heartbeat", "connectorId": 1},
        {"status": "NotImplemented"},
    ),
    "UnlockConnector": ({"connectorId": 1}, {"status": "Unlocked"}),
    "UpdateFirmware": (
        {
            "retrieveDate": NOW,
            "location": "http://example.com/f",
            "retries": 1,
            "retryInterval": 2,
        },
        {},
    ),
}

_OLD_UNLOCK = ({"connectorId": 1}, {"status": "Accepted"})
_OLD_START = ({"connectorId": 1, "idTag": "TAG1"}, _ACCEPTED)


def _but(action: str, *names: str, **others: Any) -> Any:
    """
    The sample of an action, without some members of the request.
    """
    request, answer = SAMPLES[action]
    kept = {k: v for k, v in request.items() if k not in names}
    return {**kept, **others}, answer


#: The same, of the versions that say less.
OLDER: dict[tuple[Version, str], tuple[dict[str, Any], dict[str, Any]]] = {
    (V12, "UnlockConnector"): _OLD_UNLOCK,
    (V15, "UnlockConnector"): _OLD_UNLOCK,
    (V12, "RemoteStartTransaction"): _OLD_START,
    (V15, "RemoteStartTransaction"): _OLD_START,
    (V12, "StartTransaction"): _but("StartTransaction", "reservationId"),
    (V12, "StopTransaction"): _but(
        "StopTransaction", "reason", "transactionData"
    ),
    (V15, "StopTransaction"): _but(
        "StopTransaction",
        "reason",
        transactionData=[_METER_VALUE_15, _METER_VALUE_15],
    ),
    (V12, "StatusNotification"): (
        {"connectorId": 1, "status": "Occupied", "errorCode": "Mode3Error"},
        {},
    ),
    (V15, "StatusNotification"): _but(
        "StatusNotification", status="Occupied", errorCode="OtherError"
    ),
    (V12, "MeterValues"): (
        {
            "connectorId": 1,
            "meterValue": [
                {"timestamp": NOW, "sampledValue": [{"value": "1200"}]}
            ],
        },
        {},
    ),
    (V15, "MeterValues"): _but("MeterValues", meterValue=[_METER_VALUE_15]),
    (V15, "SendLocalList"): (
        {**SAMPLES["SendLocalList"][0], "hash": "h"},
        {"status": "HashError", "hash": "i"},
    ),
}

_OLD_BOOT = {
    "status": "Accepted",
    "currentTime": NOW,
    "heartbeatInterval": 300,
}

#: How a version writes a request, where not as we do.
WIRE_REQUESTS: dict[tuple[Version, str], dict[str, Any]] = {
    (V12, "MeterValues"): {
        "connectorId": 1,
        "values": [{"timestamp": NOW, "value": 1200}],
    },
    (V15, "MeterValues"): {
        "connectorId": 1,
        "transactionId": 7,
        "values": [_WIRE_VALUE_15],
    },
    (V15, "StopTransaction"): {
        "transactionId": 7,
        "idTag": "TAG1",
        "timestamp": NOW,
        "meterStop": 20,
        "transactionData": [
            {"values": [_WIRE_VALUE_15]},
            {"values": [_WIRE_VALUE_15]},
        ],
    },
    (V15, "SendLocalList"): {
        "updateType": "Full",
        "listVersion": 2,
        "localAuthorisationList": [
            {"idTag": "TAG1", "idTagInfo": _ID_TAG_INFO},
            {"idTag": "TAG2"},
        ],
        "hash": "h",
    },
}

#: The same of answers.
WIRE_ANSWERS: dict[tuple[Version, str], dict[str, Any]] = {
    (V12, "BootNotification"): _OLD_BOOT,
    (V15, "BootNotification"): _OLD_BOOT,
}


def sample(version: Version, action: str) -> Any:
    """
    A request and its answer, in our vocabulary.
    """
    return OLDER.get((version, action), SAMPLES[action])


def wire_sample(version: Version, action: str) -> Any:
    """
    The same request and answer, as the version writes them.
    """
    request, answer = sample(version, action)
    return (
        WIRE_REQUESTS.get((version, action), request),
        WIRE_ANSWERS.get((version, action), answer),
    )
