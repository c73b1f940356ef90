"""
The configuration keys of a charge point: their types, ranges and defaults.

OCPP 1.6, section 9, and the security extension, section 3.

>>> keys = Keys()
>>> keys.number("HeartbeatInterval")
600
>>> keys.change("HeartbeatInterval", "soon")
'Rejected'
>>> keys.change("HeartbeatInterval", "60"), keys["HeartbeatInterval"]
('Accepted', '60')
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from attrs import frozen


#: The longest value that a key may have (OCPP 1.6, section 6.21).
LONGEST = 500

_MOST = 2**31 - 1

#: A whole number; what int() takes besides is none.
_DIGITS = re.compile("[0-9]{1,10}")

Check = Callable[[str], bool]


def _boolean(value: str) -> bool:
    return value.lower() in ("true", "false")


def _integer(lowest: int = 0, highest: int = _MOST) -> Check:
    # A fleet asks for few values very often.
    @lru_cache(maxsize=256)
    def check(value: str) -> bool:
        return bool(_DIGITS.fullmatch(value)) and (
            lowest <= int(value) <= highest
        )

    return check


def _list_of(*allowed: str, most: int = 100) -> Check:
    known = {word.lower() for word in allowed}

    def check(value: str) -> bool:
        words = members(value)
        return len(words) <= most and all(
            word.lower() in known for word in words
        )

    return check


def _one_of(*allowed: str) -> Check:
    return lambda value: value in allowed


def _text(longest: int = LONGEST, shortest: int = 0) -> Check:
    return lambda value: shortest <= len(value) <= longest


def members(value: str) -> list[str]:
    """
    The members of a comma separated list.

    >>> members("SoC, Voltage ,")
    ['SoC', 'Voltage']
    """
    return [word.strip() for word in value.split(",") if word.strip()]


@frozen
class Key:
    """
    One key of the standard.

    @ivar default: None for a key that is not there unless configured.
    @ivar check: whether it may have that value.
    @ivar reboot: whether a change takes effect with the next boot only.
    @ivar secret: whether it is never told.
    """

    default: str | None
    check: Check
    readonly: bool = False
    reboot: bool = False
    secret: bool = False


MEASURANDS = (
    "Energy.Active.Import.Register",
    "Energy.Active.Import.Interval",
    "Power.Active.Import",
    "Power.Offered",
    "Power.Factor",
    "Current.Import",
    "Current.Offered",
    "Voltage",
    "Frequency",
    "Temperature",
    "SoC",
)

_MEASURANDS = _list_of(*MEASURANDS, most=20)
_SAMPLED = "Energy.Active.Import.Register"
_PROFILES = (
    "Core,FirmwareManagement,LocalAuthListManagement,Reservation,"
    "SmartCharging,RemoteTrigger"
)
_ROTATION = _text()


def _fixed(value: str) -> Key:
    return Key(value, _text(), readonly=True)


#: The keys of the standard, in its order.
STANDARD: Mapping[str, Key] = {
    "AllowOfflineTxForUnknownId": Key("false", _boolean),
    "AuthorizationCacheEnabled": Key("true", _boolean),
    "AuthorizeRemoteTxRequests": Key("true", _boolean),
    "BlinkRepeat": Key("3", _integer()),
    "ClockAlignedDataInterval": Key("0", _integer(highest=86400)),
    "ConnectionTimeOut": Key("60", _integer()),
    "ConnectorPhaseRotation": Key("NotApplicable", _ROTATION),
    "ConnectorPhaseRotationMaxLength": _fixed("64"),
    "GetConfigurationMaxKeys": _fixed("100"),
    "HeartbeatInterval": Key("600", _integer()),
    "LightIntensity": Key("100", _integer(highest=100)),
    "LocalAuthorizeOffline": Key("true", _boolean),
    "LocalPreAuthorize": Key("false", _boolean),
    "MaxEnergyOnInvalidId": Key("0", _integer()),
    "MeterValuesAlignedData": Key(_SAMPLED, _MEASURANDS),
    "MeterValuesAlignedDataMaxLength": _fixed("20"),
    "MeterValuesSampledData": Key(_SAMPLED, _MEASURANDS),
    "MeterValuesSampledDataMaxLength": _fixed("20"),
    "MeterValueSampleInterval": Key("60", _integer()),
    "MinimumStatusDuration": Key("0", _integer()),
    "NumberOfConnectors": _fixed("1"),
    "ResetRetries": Key("3", _integer(highest=100)),
    "StopTransactionOnEVSideDisconnect": Key("true", _boolean),
    "StopTransactionOnInvalidId": Key("true", _boolean),
    "StopTxnAlignedData": Key("", _MEASURANDS),
    "StopTxnAlignedDataMaxLength": _fixed("20"),
    "StopTxnSampledData": Key("", _MEASURANDS),
    "StopTxnSampledDataMaxLength": _fixed("20"),
    "SupportedFeatureProfiles": _fixed(_PROFILES),
    "SupportedFeatureProfilesMaxLength": _fixed("6"),
    "TransactionMessageAttempts": Key("3", _integer(highest=1000)),
    "TransactionMessageRetryInterval": Key("60", _integer()),
    "UnlockConnectorOnEVSideDisconnect": Key("true", _boolean),
    "WebSocketPingInterval": Key("60", _integer()),
    "LocalAuthListEnabled": Key("true", _boolean),
    "LocalAuthListMaxLength": _fixed("1000"),
    "SendLocalListMaxLength": _fixed("200"),
    "ReserveConnectorZeroSupported": Key("false", _boolean, readonly=True),
    "ChargeProfileMaxStackLevel": _fixed("10"),
    "ChargingScheduleAllowedChargingRateUnit": _fixed("Current,Power"),
    "ChargingScheduleMaxPeriods": _fixed("100"),
    "ConnectorSwitch3to1PhaseSupported": _fixed("false"),
    "MaxChargingProfilesInstalled": _fixed("50"),
    "SupportedFileTransferProtocols": _fixed("HTTP,HTTPS"),
    # The security extension.
    "AdditionalRootCertificateCheck": _fixed("false"),
    "AuthorizationKey": Key(None, _text(40, 16), secret=True),
    "CertificateSignedMaxChainSize": _fixed("10000"),
    "CertificateStoreMaxLength": _fixed("20"),
    "CpoName": Key("ocpp_tw", _text(255)),
    "SecurityProfile": Key("0", _integer(highest=3)),
    # The seed system's, and ours.
    "CentralSystemURL": Key(None, _text(shortest=1), reboot=True),
    "StationIdentity": Key(None, _text(48, 1), reboot=True),
    "ChargePointVendor": Key("Emulator", _text(20)),
    "ChargePointModel": Key("Virtual", _text(20)),
    "ChargePointSerialNumber": Key(None, _text(25)),
    "ChargePointSoftwareVersion": Key("1.0.0", _text(50)),
    "PowermeterSerialNumber": Key(None, _text(25)),
    "PowerConsumptionTimeout": Key(None, _integer()),
    "FinishingTimeout": Key("60", _integer()),
    "StartTransactionStatus": Key(
        "Charging", _one_of("Charging", "SuspendedEV", "SuspendedEVSE")
    ),
}


@frozen
class Given:
    """
    What an operator's file says of one key.
    """

    value: str
    readonly: bool = False


_NO_KEY = Key(None, _text())


class Keys:
    """
    The keys of one charge point.

    It holds only what differs from the standard's defaults.

    @ivar changed: what was changed by the central system, by key.
    """

    __slots__ = ("_given", "changed")

    def __init__(
        self,
        given: Mapping[str, Given] | None = None,
        changed: Mapping[str, str] | None = None,
        over: Mapping[str, str] | None = None,
    ) -> None:
        """
        @param over: what the operator's file said of the changed keys when
            they were changed: a file that says something else now is newer.
        """
        self._given = given or {}
        newer = {
            name
            for name, before in (over or {}).items()
            if name in self._given and self._given[name].value != before
        }
        self.changed = {
            name: value
            for name, value in (changed or {}).items()
            if name not in newer
        }

    def get(self, name: str) -> str | None:
        """
        The value of a key; None where there is no such key.
        """
        if name in self.changed:
            return self.changed[name]
        if name in self._given:
            return self._given[name].value
        return STANDARD.get(name, _NO_KEY).default

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def flag(self, name: str) -> bool:
        return (self.get(name) or "").lower() == "true"

    def number(self, name: str) -> int:
        """
        The value as a whole number; the standard's default where an
        operator's file has something else.
        """
        value, key = self.get(name), STANDARD[name]
        if value is None or not key.check(value):
            value = key.default or "0"
        return int(value)

    def members(self, name: str) -> list[str]:
        return members(self.get(name) or "")

    def is_readonly(self, name: str) -> bool:
        if name in self._given:
            return self._given[name].readonly
        return STANDARD.get(name, _NO_KEY).readonly

    def change(self, name: str, value: str) -> str:
        """
        @return: the status of ChangeConfiguration (OCPP 1.6, section 5.3).
        """
        key = STANDARD.get(name, _NO_KEY)
        if name not in STANDARD and name not in self._given:
            return "NotSupported"
        if self.is_readonly(name) or not key.check(value):
            return "Rejected"
        self.changed[name] = value
        return "RebootRequired" if key.reboot else "Accepted"

    @property
    def over(self) -> dict[str, str]:
        """
        What the operator's file says of the changed keys.
        """
        return {
            name: self._given[name].value
            for name in self.changed
            if name in self._given
        }

    def doubts(self) -> list[str]:
        """
        Values that an operator's file has and the standard does not allow,
        each in a sentence.
        """
        return [
            f"configurationKey: {name}: {given.value!r:.60} is no value for "
            f"it; {STANDARD[name].default} is used"
            for name, given in self._given.items()
            if name in STANDARD
            and STANDARD[name].default is not None
            and not STANDARD[name].check(given.value)
        ]

    def put(self, name: str, value: str) -> None:
        """
        Set a key from within the charge point.
        """
        self.changed[name] = value

    def names(self) -> list[str]:
        """
        Every key there is, the standard's first.
        """
        standard = [n for n in STANDARD if self.get(n) is not None]
        return standard + [n for n in self._given if n not in STANDARD]

    def tell(
        self, wanted: Iterable[str] | None = None
    ) -> tuple[list[dict[str, Any]], list[str]]:
        """
        What GetConfiguration answers: C{configurationKey, unknownKey}.
        """
        known, unknown = [], []
        for name in wanted or self.names():
            if name in STANDARD or name in self._given:
                known.append(self._entry(name))
            else:
                unknown.append(name)
        return known, unknown

    def _entry(self, name: str) -> dict[str, Any]:
        entry = {"key": name, "readonly": self.is_readonly(name)}
        value = self.get(name)
        if value is not None and not STANDARD.get(name, _NO_KEY).secret:
            entry["value"] = value[:LONGEST]
        return entry
