"""
Which actions there are, by version, and which end may ask for them.
"""

from __future__ import annotations

from .versions import Version


#: What a Charge Point of 1.6 may send (sections 4.1 to 4.10 of the standard,
#: and the security extension's part 5).
FROM_STATION_16 = frozenset(
    {
        "Authorize",
        "BootNotification",
        "DataTransfer",
        "DiagnosticsStatusNotification",
        "FirmwareStatusNotification",
        "Heartbeat",
        "MeterValues",
        "StartTransaction",
        "StatusNotification",
        "StopTransaction",
        "LogStatusNotification",
        "SecurityEventNotification",
        "SignCertificate",
        "SignedFirmwareStatusNotification",
    }
)

#: What a Central System may send to a Charge Point of 1.6 (sections 5.1 to
#: 5.19, and the security extension).
TO_STATION_16 = frozenset(
    {
        "CancelReservation",
        "ChangeAvailability",
        "ChangeConfiguration",
        "ClearCache",
        "ClearChargingProfile",
        "DataTransfer",
        "GetCompositeSchedule",
        "GetConfiguration",
        "GetDiagnostics",
        "GetLocalListVersion",
        "RemoteStartTransaction",
        "RemoteStopTransaction",
        "ReserveNow",
        "Reset",
        "SendLocalList",
        "SetChargingProfile",
        "TriggerMessage",
        "UnlockConnector",
        "UpdateFirmware",
        "CertificateSigned",
        "DeleteCertificate",
        "ExtendedTriggerMessage",
        "GetInstalledCertificateIds",
        "GetLog",
        "InstallCertificate",
        "SignedUpdateFirmware",
    }
)

#: The same of 1.5 (sections 4.1 to 4.10 and 5.1 to 5.15 of the standard).
FROM_STATION_15 = FROM_STATION_16 - {
    "LogStatusNotification",
    "SecurityEventNotification",
    "SignCertificate",
    "SignedFirmwareStatusNotification",
}
TO_STATION_15 = frozenset(
    {
        "CancelReservation",
        "ChangeAvailability",
        "ChangeConfiguration",
        "ClearCache",
        "DataTransfer",
        "GetConfiguration",
        "GetDiagnostics",
        "GetLocalListVersion",
        "RemoteStartTransaction",
        "RemoteStopTransaction",
        "ReserveNow",
        "Reset",
        "SendLocalList",
        "UnlockConnector",
        "UpdateFirmware",
    }
)

#: What came with 1.5, in either direction.
_NEW_IN_15 = {
    "CancelReservation",
    "DataTransfer",
    "GetConfiguration",
    "GetLocalListVersion",
    "ReserveNow",
    "SendLocalList",
}

FROM_STATION = {
    Version.V12: FROM_STATION_15 - _NEW_IN_15,
    Version.V15: FROM_STATION_15,
    Version.V16: FROM_STATION_16,
}
TO_STATION = {
    Version.V12: TO_STATION_15 - _NEW_IN_15,
    Version.V15: TO_STATION_15,
    Version.V16: TO_STATION_16,
}

#: The messages that must not be lost: they are answered when durable.
TRANSACTIONAL = frozenset(
    {"StartTransaction", "StopTransaction", "MeterValues", "TransactionEvent"}
)
