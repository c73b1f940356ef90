"""
A valid example of each message of 1.6.
"""

from __future__ import annotations

from typing import Any


TIME = "2026-09-21T14:13:20Z"
_PEM = "-----BEGIN CERTIFICATE-----"
_HASHES = {
    "hashAlgorithm": "SHA256",
    "issuerNameHash": "aa",
    "issuerKeyHash": "bb",
    "serialNumber": "cc",
}
_SCHEDULE = {
    "chargingRateUnit": "A",
    "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.1}],
}

#: What a station sends, by action.
FROM_STATION: dict[str, dict[str, Any]] = {
    "Authorize": {"idTag": "A1"},
    "BootNotification": {
        "chargePointVendor": "Example",
        "chargePointModel": "Two-22",
    },
    "DataTransfer": {"vendorId": "com.example", "data": "x"},
    "DiagnosticsStatusNotification": {"status": "Uploaded"},
    "FirmwareStatusNotification": {"status": "Installed"},
    "Heartbeat": {},
    "LogStatusNotification": {"status": "Uploaded", "requestId": 1},
    "MeterValues": {
        "connectorId": 1,
        "meterValue": [
            {"timestamp": TIME, "sampledValue": [{"value": "1010"}]}
        ],
    },
    "SecurityEventNotification": {
        "type": "FirmwareUpdated",
        "timestamp": TIME,
    },
    "SignCertificate": {"csr": "-----BEGIN CERTIFICATE REQUEST-----"},
    "SignedFirmwareStatusNotification": {
        "status": "Installed",
        "requestId": 1,
    },
    "StartTransaction": {
        "connectorId": 1,
        "idTag": "A1",
        "meterStart": 1000,
        "timestamp": TIME,
    },
    "StatusNotification": {
        "connectorId": 1,
        "errorCode": "NoError",
        "status": "Available",
    },
    "StopTransaction": {
        "transactionId": 1,
        "idTag": "A1",
        "meterStop": 2000,
        "timestamp": TIME,
    },
}

_ACCEPTED = {"status": "Accepted"}

#: What an operator sends, and what a station may answer, by action.
TO_STATION: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "CancelReservation": ({"reservationId": 1}, _ACCEPTED),
    "CertificateSigned": ({"certificateChain": _PEM}, _ACCEPTED),
    "ChangeAvailability": (
        {"connectorId": 1, "type": "Operative"},
        {"status": "Scheduled"},
    ),
    "ChangeConfiguration": (
        {"key": "HeartbeatInterval", "value": "300"},
        {"status": "RebootRequired"},
    ),
    "ClearCache": ({}, _ACCEPTED),
    "ClearChargingProfile": ({"id": 1}, {"status": "Unknown"}),
    "DataTransfer": (
        {"vendorId": "com.example", "messageId": "m", "data": "x"},
        {"status": "Accepted", "data": "y"},
    ),
    "DeleteCertificate": ({"certificateHashData": _HASHES}, _ACCEPTED),
    "ExtendedTriggerMessage": (
        {"requestedMessage": "Heartbeat"},
        {"status": "NotImplemented"},
    ),
    "GetCompositeSchedule": (
        {"connectorId": 1, "duration": 60, "chargingRateUnit": "A"},
        {"status": "Accepted", "chargingSchedule": _SCHEDULE},
    ),
    "GetConfiguration": (
        {"key": ["HeartbeatInterval"]},
        {
            "configurationKey": [
                {"key": "HeartbeatInterval", "readonly": False, "value": "5"}
            ],
            "unknownKey": [],
        },
    ),
    "GetDiagnostics": (
        {"location": "https://example.com/up"},
        {"fileName": "log.zip"},
    ),
    "GetInstalledCertificateIds": (
        {"certificateType": "CentralSystemRootCertificate"},
        {"status": "Accepted", "certificateHashData": [_HASHES]},
    ),
    "GetLocalListVersion": ({}, {"listVersion": 3}),
    "GetLog": (
        {
            "logType": "SecurityLog",
            "requestId": 1,
            "log": {"remoteLocation": "https://example.com/up"},
        },
        {"status": "Accepted", "filename": "log.zip"},
    ),
    "InstallCertificate": (
        {
            "certificateType": "CentralSystemRootCertificate",
            "certificate": _PEM,
        },
        _ACCEPTED,
    ),
    "RemoteStartTransaction": (
        {"idTag": "A1", "connectorId": 1},
        {"status": "Rejected"},
    ),
    "RemoteStopTransaction": ({"transactionId": 1}, _ACCEPTED),
    "ReserveNow": (
        {
            "connectorId": 1,
            "expiryDate": TIME,
            "idTag": "A1",
            "reservationId": 1,
        },
        _ACCEPTED,
    ),
    "Reset": ({"type": "Hard"}, _ACCEPTED),
    "SendLocalList": (
        {
            "listVersion": 1,
            "localAuthorizationList": [
                {"idTag": "A1", "idTagInfo": {"status": "Accepted"}}
            ],
            "updateType": "Full",
        },
        _ACCEPTED,
    ),
    "SetChargingProfile": (
        {
            "connectorId": 1,
            "csChargingProfiles": {
                "chargingProfileId": 1,
                "stackLevel": 0,
                "chargingProfilePurpose": "TxDefaultProfile",
                "chargingProfileKind": "Absolute",
                "chargingSchedule": _SCHEDULE,
            },
        },
        _ACCEPTED,
    ),
    "SignedUpdateFirmware": (
        {
            "requestId": 1,
            "firmware": {
                "location": "https://example.com/fw",
                "retrieveDateTime": TIME,
                "signingCertificate": _PEM,
                "signature": "aa",
            },
        },
        {"status": "AcceptedCanceled"},
    ),
    "TriggerMessage": ({"requestedMessage": "Heartbeat"}, _ACCEPTED),
    "UnlockConnector": ({"connectorId": 1}, {"status": "Unlocked"}),
    "UpdateFirmware": (
        {"location": "https://example.com/fw", "retrieveDate": TIME},
        {},
    ),
}


def deep(levels: int) -> Any:
    """
    A list in a list in a list...
    """
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value
