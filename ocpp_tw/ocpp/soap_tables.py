"""
OCPP-S as tables: the types of its services, and what the versions call them.

One row is one type in the versions that have it so; to check a row, look for
its type in the C{<types>} of these versions' definitions.  Versions are
written by their last digit: C{25} is 1.2 and 1.5.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .versions import Version


CENTRAL_SYSTEM = "CentralSystemService"
CHARGE_POINT = "ChargePointService"

#: The namespace of each service.
NAMESPACES = {
    (Version.V12, CENTRAL_SYSTEM): "urn://Ocpp/Cs/2010/08/",
    (Version.V15, CENTRAL_SYSTEM): "urn://Ocpp/Cs/2012/06/",
    (Version.V16, CENTRAL_SYSTEM): "urn://Ocpp/Cs/2015/10/",
    (Version.V12, CHARGE_POINT): "urn://Ocpp/Cp/2010/08/",
    (Version.V15, CHARGE_POINT): "urn://Ocpp/Cp/2012/06/",
    (Version.V16, CHARGE_POINT): "urn://Ocpp/Cp/2015/10/",
}

#: The types.  C{< base n} restricts a string to n characters, or a decimal
#: to n fraction digits; C{=} lists the values of a string; C{:} lists the
#: members of a sequence: C{?} may be missing, C{*} any number, C{+} at least
#: one; C{@} is an attribute, and C{.} the text that the attributes are of.
TYPES = """
2   IdToken < string
56  IdToken < string 20
2   CiString20Type < string
56  CiString20Type < string 20
2   CiString25Type < string
56  CiString25Type < string 25
2   FirmwareVersion < string
56  FirmwareVersion < string 50
5   CiString50Type < string
6   CiString50Type < string 50
25  CiString255Type < string
6   CiString255Type < string 255
25  ConfigurationKey < string
6   ConfigurationKey < string 50
25  CiString500Type < string
6   CiString500Type < string 500
6   DecimalOne < decimal 1

256 AuthorizationStatus = Accepted Blocked Expired Invalid ConcurrentTx
256 IdTagInfo : status:AuthorizationStatus expiryDate?:dateTime
    parentIdTag?:IdToken

256 AuthorizeRequest : idTag:IdToken
256 AuthorizeResponse : idTagInfo:IdTagInfo

256 BootNotificationRequest : chargePointVendor:CiString20Type
    chargePointModel:CiString20Type chargePointSerialNumber?:CiString25Type
    chargeBoxSerialNumber?:CiString25Type firmwareVersion?:FirmwareVersion
    iccid?:CiString20Type imsi?:CiString20Type meterType?:CiString25Type
    meterSerialNumber?:CiString25Type
25  RegistrationStatus = Accepted Rejected
6   RegistrationStatus = Accepted Pending Rejected
2   BootNotificationResponse : status:RegistrationStatus
    currentTime?:dateTime heartbeatInterval?:int
5   BootNotificationResponse : status:RegistrationStatus
    currentTime:dateTime heartbeatInterval:int
6   BootNotificationResponse : status:RegistrationStatus
    currentTime:dateTime interval:int

56  DataTransferRequest : vendorId:CiString255Type messageId?:CiString50Type
    data?:string
56  DataTransferStatus = Accepted Rejected UnknownMessageId UnknownVendorId
56  DataTransferResponse : status:DataTransferStatus data?:string

25  DiagnosticsStatus = Uploaded UploadFailed
6   DiagnosticsStatus = Idle Uploaded UploadFailed Uploading
256 DiagnosticsStatusNotificationRequest : status:DiagnosticsStatus
256 DiagnosticsStatusNotificationResponse :

25  FirmwareStatus = Downloaded DownloadFailed InstallationFailed Installed
6   FirmwareStatus = Downloaded DownloadFailed Downloading Idle
    InstallationFailed Installed Installing
256 FirmwareStatusNotificationRequest : status:FirmwareStatus
256 FirmwareStatusNotificationResponse :

256 HeartbeatRequest :
256 HeartbeatResponse : currentTime:dateTime

5   ReadingContext = Interruption.Begin Interruption.End Sample.Clock
    Sample.Periodic Transaction.Begin Transaction.End
6   ReadingContext = Interruption.Begin Interruption.End Other Sample.Clock
    Sample.Periodic Transaction.Begin Transaction.End Trigger
5   Measurand = Energy.Active.Export.Register Energy.Active.Import.Register
    Energy.Reactive.Export.Register Energy.Reactive.Import.Register
    Energy.Active.Export.Interval Energy.Active.Import.Interval
    Energy.Reactive.Export.Interval Energy.Reactive.Import.Interval
    Power.Active.Export Power.Active.Import Power.Reactive.Export
    Power.Reactive.Import Current.Export Current.Import Voltage Temperature
6   Measurand = Current.Export Current.Import Current.Offered
    Energy.Active.Export.Register Energy.Active.Import.Register
    Energy.Reactive.Export.Register Energy.Reactive.Import.Register
    Energy.Active.Export.Interval Energy.Active.Import.Interval
    Energy.Reactive.Export.Interval Energy.Reactive.Import.Interval
    Frequency Power.Active.Export Power.Active.Import Power.Factor
    Power.Offered Power.Reactive.Export Power.Reactive.Import RPM SoC
    Temperature Voltage
56  ValueFormat = Raw SignedData
5   UnitOfMeasure = Wh kWh varh kvarh W kW var kvar Amp Volt Celsius
6   UnitOfMeasure = Celsius Fahrenheit Wh kWh varh kvarh W kW VA kVA var kvar
    A V K Percent
6   Phase = L1 L2 L3 N L1-N L2-N L3-N L1-L2 L2-L3 L3-L1
5   Location = Inlet Outlet Body
6   Location = Body Cable EV Inlet Outlet
5   MeterValueValue : .:string @context?:ReadingContext @format?:ValueFormat
    @measurand?:Measurand @location?:Location @unit?:UnitOfMeasure
6   SampledValue : value:string context?:ReadingContext format?:ValueFormat
    measurand?:Measurand phase?:Phase location?:Location unit?:UnitOfMeasure
2   MeterValue : timestamp:dateTime value:int
5   MeterValue : timestamp:dateTime value+:MeterValueValue
6   MeterValue : timestamp:dateTime sampledValue+:SampledValue
2   MeterValuesRequest : connectorId:int values*:MeterValue
5   MeterValuesRequest : connectorId:int transactionId?:int values*:MeterValue
6   MeterValuesRequest : connectorId:int transactionId?:int
    meterValue*:MeterValue
256 MeterValuesResponse :

2   StartTransactionRequest : connectorId:int idTag:IdToken
    timestamp:dateTime meterStart:int
56  StartTransactionRequest : connectorId:int idTag:IdToken
    timestamp:dateTime meterStart:int reservationId?:int
256 StartTransactionResponse : transactionId:int idTagInfo:IdTagInfo

2   ChargePointErrorCode = ConnectorLockFailure HighTemperature Mode3Error
    NoError PowerMeterFailure PowerSwitchFailure ReaderFailure ResetFailure
5   ChargePointErrorCode = ConnectorLockFailure HighTemperature Mode3Error
    NoError PowerMeterFailure PowerSwitchFailure ReaderFailure ResetFailure
    GroundFailure OverCurrentFailure UnderVoltage WeakSignal OtherError
6   ChargePointErrorCode = ConnectorLockFailure EVCommunicationError
    GroundFailure HighTemperature InternalError LocalListConflict NoError
    OtherError OverCurrentFailure OverVoltage PowerMeterFailure
    PowerSwitchFailure ReaderFailure ResetFailure UnderVoltage WeakSignal
2   ChargePointStatus = Available Occupied Faulted Unavailable
5   ChargePointStatus = Available Occupied Faulted Unavailable Reserved
6   ChargePointStatus = Available Preparing Charging SuspendedEV
    SuspendedEVSE Finishing Reserved Faulted Unavailable
2   StatusNotificationRequest : connectorId:int status:ChargePointStatus
    errorCode:ChargePointErrorCode
56  StatusNotificationRequest : connectorId:int status:ChargePointStatus
    errorCode:ChargePointErrorCode info?:CiString50Type timestamp?:dateTime
    vendorId?:CiString255Type vendorErrorCode?:CiString50Type
256 StatusNotificationResponse :

6   Reason = EmergencyStop EVDisconnected HardReset Local Other PowerLoss
    Reboot Remote SoftReset UnlockCommand DeAuthorized
5   TransactionData : values*:MeterValue
2   StopTransactionRequest : transactionId:int idTag?:IdToken
    timestamp:dateTime meterStop:int
5   StopTransactionRequest : transactionId:int idTag?:IdToken
    timestamp:dateTime meterStop:int transactionData*:TransactionData
6   StopTransactionRequest : transactionId:int idTag?:IdToken
    timestamp:dateTime meterStop:int reason?:Reason
    transactionData*:MeterValue
256 StopTransactionResponse : idTagInfo?:IdTagInfo

56  CancelReservationRequest : reservationId:int
56  CancelReservationStatus = Accepted Rejected
56  CancelReservationResponse : status:CancelReservationStatus

256 AvailabilityType = Inoperative Operative
256 ChangeAvailabilityRequest : connectorId:int type:AvailabilityType
256 AvailabilityStatus = Accepted Rejected Scheduled
256 ChangeAvailabilityResponse : status:AvailabilityStatus

256 ChangeConfigurationRequest : key:ConfigurationKey value:CiString500Type
25  ConfigurationStatus = Accepted Rejected NotSupported
6   ConfigurationStatus = Accepted NotSupported RebootRequired Rejected
256 ChangeConfigurationResponse : status:ConfigurationStatus

256 ClearCacheRequest :
256 ClearCacheStatus = Accepted Rejected
256 ClearCacheResponse : status:ClearCacheStatus

6   ChargingProfilePurposeType = ChargePointMaxProfile TxDefaultProfile
    TxProfile
6   ClearChargingProfileRequest : id?:int connectorId?:int
    chargingProfilePurpose?:ChargingProfilePurposeType stackLevel?:int
6   ClearChargingProfileStatus = Accepted Unknown
6   ClearChargingProfileResponse : status:ClearChargingProfileStatus

6   ChargingRateUnitType = W A
6   ChargingSchedulePeriod : startPeriod:int limit:DecimalOne
    numberPhases?:int
6   ChargingSchedule : duration?:int startSchedule?:dateTime
    chargingRateUnit:ChargingRateUnitType
    chargingSchedulePeriod+:ChargingSchedulePeriod
    minChargingRate?:DecimalOne
6   GetCompositeScheduleRequest : connectorId:int duration:int
    chargingRateUnit?:ChargingRateUnitType
6   GetCompositeScheduleStatus = Accepted Rejected
6   GetCompositeScheduleResponse : status:GetCompositeScheduleStatus
    connectorId?:int scheduleStart?:dateTime
    chargingSchedule?:ChargingSchedule

56  GetConfigurationRequest : key*:ConfigurationKey
56  KeyValue : key:ConfigurationKey readonly:boolean value?:CiString500Type
56  GetConfigurationResponse : configurationKey*:KeyValue
    unknownKey*:ConfigurationKey

256 GetDiagnosticsRequest : location:anyURI startTime?:dateTime
    stopTime?:dateTime retries?:int retryInterval?:int
256 GetDiagnosticsResponse : fileName?:CiString255Type

56  GetLocalListVersionRequest :
56  GetLocalListVersionResponse : listVersion:int

6   ChargingProfileKindType = Absolute Recurring Relative
6   RecurrencyKindType = Daily Weekly
6   ChargingProfile : chargingProfileId:int transactionId?:int
    stackLevel:int chargingProfilePurpose:ChargingProfilePurposeType
    chargingProfileKind:ChargingProfileKindType
    recurrencyKind?:RecurrencyKindType validFrom?:dateTime validTo?:dateTime
    chargingSchedule:ChargingSchedule
25  RemoteStartTransactionRequest : idTag:IdToken connectorId?:int
6   RemoteStartTransactionRequest : connectorId?:int idTag:IdToken
    chargingProfile?:ChargingProfile
256 RemoteStartStopStatus = Accepted Rejected
256 RemoteStartTransactionResponse : status:RemoteStartStopStatus

256 RemoteStopTransactionRequest : transactionId:int
256 RemoteStopTransactionResponse : status:RemoteStartStopStatus

56  ReserveNowRequest : connectorId:int expiryDate:dateTime idTag:IdToken
    parentIdTag?:IdToken reservationId:int
56  ReservationStatus = Accepted Faulted Occupied Rejected Unavailable
56  ReserveNowResponse : status:ReservationStatus

256 ResetType = Hard Soft
256 ResetRequest : type:ResetType
256 ResetStatus = Accepted Rejected
256 ResetResponse : status:ResetStatus

5   AuthorisationData : idTag:IdToken idTagInfo?:IdTagInfo
6   AuthorizationData : idTag:IdToken idTagInfo?:IdTagInfo
56  UpdateType = Differential Full
5   SendLocalListRequest : updateType:UpdateType listVersion:int
    localAuthorisationList*:AuthorisationData hash?:string
6   SendLocalListRequest : listVersion:int
    localAuthorizationList*:AuthorizationData updateType:UpdateType
5   UpdateStatus = Accepted Failed HashError NotSupported VersionMismatch
6   UpdateStatus = Accepted Failed NotSupported VersionMismatch
5   SendLocalListResponse : status:UpdateStatus hash?:string
6   SendLocalListResponse : status:UpdateStatus

6   SetChargingProfileRequest : connectorId:int
    csChargingProfiles:ChargingProfile
6   ChargingProfileStatus = Accepted Rejected NotSupported
6   SetChargingProfileResponse : status:ChargingProfileStatus

6   MessageTrigger = BootNotification DiagnosticsStatusNotification
    FirmwareStatusNotification Heartbeat MeterValues StatusNotification
6   TriggerMessageRequest : requestedMessage:MessageTrigger connectorId?:int
6   TriggerMessageStatus = Accepted Rejected NotImplemented
6   TriggerMessageResponse : status:TriggerMessageStatus

256 UnlockConnectorRequest : connectorId:int
25  UnlockStatus = Accepted Rejected
6   UnlockStatus = Unlocked UnlockFailed NotSupported
256 UnlockConnectorResponse : status:UnlockStatus

256 UpdateFirmwareRequest : retrieveDate:dateTime location:anyURI
    retries?:int retryInterval?:int
256 UpdateFirmwareResponse :
"""

#: What a version writes and we call as 1.6-J does: versions, the type, its
#: member, our name.
RENAMED = """
25  BootNotificationResponse heartbeatInterval interval
25  MeterValuesRequest values meterValue
5   MeterValue value sampledValue
5   MeterValueValue . value
5   SendLocalListRequest localAuthorisationList localAuthorizationList
"""

#: The types that we have in another shape than a version, written as above.
RESHAPED = """
2   MeterValue : timestamp:dateTime sampledValue+:SampledValue
2   SampledValue : value:string
5   StopTransactionRequest : transactionId:int idTag?:IdToken
    timestamp:dateTime meterStop:int transactionData*:MeterValue
"""

#: The same as RENAMED for values: versions, the type, the value, our value.
RESPELLED = """
5   UnitOfMeasure Amp A
5   UnitOfMeasure Volt V
"""

#: What we may say and a version cannot: versions, the type, our value, and
#: what is written instead.
SAID_INSTEAD = """
25  RegistrationStatus Pending Rejected
"""

_MEMBER = re.compile(r"(@?)(\.|\w+)([?*+]?):(\w+)")


def rows(table: str, version: Version) -> Iterator[list[str]]:
    """
    The rows of a table that are for this version, without the versions.

    >>> list(rows("25 A x\\n6  A y\\n   z", Version.V16))
    [['A', 'y', 'z']]
    """
    digit = version.value[-1]
    for row in re.split(r"\n+(?=\d)", table.strip()):
        versions, *words = row.split()
        if digit in versions:
            yield words


def member(word: str) -> tuple[str, str, str, str]:
    """
    A member of a sequence, as it is listed.

    >>> member("values*:MeterValue"), member("@unit?:Unit")
    (('', 'values', '*', 'MeterValue'), ('@', 'unit', '?', 'Unit'))
    """
    match = _MEMBER.fullmatch(word)
    assert match, word
    at, name, sign, kind = match.groups()
    return at, name, sign, kind
