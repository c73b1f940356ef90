"""
The emulated stations of a folder: C{conf/cp/<name>/configuration.json}.

::

    {"connectorId": [{"id": 1, "voltage": "AC", "interface": "Type2",
                      "meterValue": 0}],
     "configurationKey": [{"key": "CentralSystemURL", "readonly": false,
                           "value": "ws://localhost:9220/ocpp"}]}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
from attrs import evolve, frozen

from ..errors import BadConfig
from ..ocpp.versions import Version
from .keys import Given


FILE = "configuration.json"

VOLTAGES = ("AC", "DC")
INTERFACES = (
    "Schuko",
    "Type1",
    "Type2",
    "CCS1",
    "CCS2",
    "CHAdeMO",
    "Commando",
    "Tesla",
    "SuperCharger",
)

#: How many connectors one station may have.
MOST_CONNECTORS = 100

_LARGEST = 1 << 20


@frozen
class ConnectorConfig:
    """
    One connector.

    @ivar voltage: AC or DC.
    @ivar meter_value: Wh that its meter shows at first.
    @ivar power: W; what is usual for its kind, if None.
    """

    id: int
    voltage: str = "AC"
    interface: str = "Type2"
    meter_value: int = 0
    power: float | None = None


@frozen
class StationConfig:
    """
    One emulated station.

    @ivar url: where it connects to, without its identity.
    @ivar folder: where its state is kept; None for nowhere.
    @ivar ca: a PEM file with who vouches for the central system; the
        platform's, if None.
    @ivar certificate: a PEM file with its own certificate.
    @ivar private_key: a PEM file with the key of that.
    """

    name: str
    identity: str
    url: str
    connectors: tuple[ConnectorConfig, ...]
    keys: Mapping[str, Given]
    folder: Path | None = None
    ca: Path | None = None
    certificate: Path | None = None
    private_key: Path | None = None

    @property
    def is_soap(self) -> bool:
        """
        Whether it speaks OCPP-S, and not OCPP-J.
        """
        return self.url.startswith(("http://", "https://"))

    @property
    def version(self) -> Version:
        return Version(self.keys.get("OcppVersion", _NEWEST).value)

    def check(self) -> StationConfig:
        """
        @raise BadConfig: it cannot speak that version there.
        """
        version = self.keys.get("OcppVersion", _NEWEST).value
        spoken = ("1.2", "1.5", "1.6") if self.is_soap else ("1.6",)
        if version not in spoken:
            raise _Broken(
                f"OcppVersion: {version!r:.40} is none of "
                f"{', '.join(spoken)}, which are spoken at {self.url}"
            )
        return self


_NEWEST = Given("1.6")


class _Broken(BadConfig):
    """
    A member makes no sense: which, and why.
    """


def read_folders(
    path: Path,
) -> tuple[dict[str, StationConfig], dict[str, BadConfig]]:
    """
    Every station of a folder, by the name of its folder; and what is wrong
    with those that cannot be used.

    @raise BadConfig: there is no such folder.
    """
    good: dict[str, StationConfig] = {}
    bad: dict[str, BadConfig] = {}
    for folder in _folders(path):
        try:
            good[folder.name] = read_folder(folder)
        except BadConfig as e:
            bad[folder.name] = e
    bad.update(_ambiguous(good))
    return {n: c for n, c in good.items() if n not in bad}, bad


def _folders(path: Path) -> list[Path]:
    try:
        return sorted(
            entry
            for entry in path.iterdir()
            if entry.is_dir() and not entry.name.startswith(".")
        )
    except OSError as e:
        raise BadConfig(f"{path}: {e.strerror}") from e


def _ambiguous(
    configs: Mapping[str, StationConfig],
) -> Iterator[tuple[str, BadConfig]]:
    """
    The second of two stations with one identity would throw out the first.
    """
    seen: dict[tuple[str, str], str] = {}
    for name, config in configs.items():
        first = seen.setdefault((config.url, config.identity), name)
        if first != name:
            yield (
                name,
                BadConfig(
                    f"{_file(config)}: StationIdentity: {first!r} is "
                    f"{config.identity!r} already"
                ),
            )


def _file(config: StationConfig) -> Path:
    return (config.folder or Path(config.name)) / FILE


def read_folder(folder: Path) -> StationConfig:
    """
    @raise BadConfig: says the file, the member and the reason.
    """
    file = folder / FILE
    try:
        text = file.read_bytes()
        if len(text) > _LARGEST:
            raise _Broken(f"has more than {_LARGEST} octets")
        return _read(orjson.loads(text), folder)
    except OSError as e:
        raise BadConfig(f"{file}: {e.strerror}") from e
    except orjson.JSONDecodeError as e:
        raise BadConfig(f"{file}: not JSON: {e}") from e
    except _Broken as e:
        raise BadConfig(f"{file}: {e}") from e


def read_source(source: Any, name: str) -> StationConfig:
    """
    A station that is kept nowhere.

    @param source: what stands in a C{configuration.json}.
    @raise BadConfig: says the member and the reason.
    """
    if not isinstance(source, dict):
        raise _Broken("is not a JSON object")
    keys = dict(_read_keys(source))
    url = keys.get("CentralSystemURL")
    if url is None:
        raise _Broken("configurationKey: CentralSystemURL is missing")
    identity = keys.get("StationIdentity", Given(name)).value
    return StationConfig(
        name=name,
        identity=_checked_identity(identity),
        url=checked_url(url.value),
        connectors=_read_connectors(source),
        keys=keys,
    ).check()


def _read(source: Any, folder: Path) -> StationConfig:
    return evolve(
        read_source(source, folder.name),
        folder=folder,
        ca=_beside(folder, "ca.pem"),
        certificate=_beside(folder, "certificate.pem"),
        private_key=_beside(folder, "key.pem"),
    )


def _beside(folder: Path, name: str) -> Path | None:
    file = folder / name
    return file if file.is_file() else None


def _checked_identity(identity: str) -> str:
    if not 0 < len(identity) <= 255 or not identity.isprintable():
        raise _Broken(
            f"StationIdentity: {identity!r:.60} has not 1 to 255 printable "
            "characters"
        )
    return identity


def checked_url(url: str) -> str:
    """
    >>> checked_url("ws://localhost:9220/ocpp/")
    'ws://localhost:9220/ocpp'

    @raise BadConfig: it is no URL of a central system.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as e:
        raise _Broken(f"CentralSystemURL: {url!r:.200}: {e}") from None
    schemes = ("ws", "wss", "http", "https")
    if parts.scheme not in schemes or not parts.hostname or port == 0:
        raise _Broken(
            f"CentralSystemURL: {url!r:.200} is not ws:// or wss:// (or "
            "http:// or https:// for SOAP) and a host"
        )
    if parts.query or parts.fragment:
        raise _Broken(f"CentralSystemURL: {url!r:.200} has a ? or # in it")
    return url.rstrip("/")


def _read_keys(source: Mapping[str, Any]) -> Iterator[tuple[str, Given]]:
    entries = source.get("configurationKey", [])
    if not isinstance(entries, list):
        raise _Broken("configurationKey: is not a list")
    for n, entry in enumerate(entries):
        where = f"configurationKey[{n}]"
        if not isinstance(entry, dict):
            raise _Broken(f"{where}: is not an object")
        name = _member(entry, where, "key", str)
        value = _member(entry, where, "value", str, "")
        if len(value) > 500:
            raise _Broken(f"{where}.value: has more than 500 characters")
        yield (
            name,
            Given(value, _member(entry, where, "readonly", bool, False)),
        )


def _read_connectors(
    source: Mapping[str, Any],
) -> tuple[ConnectorConfig, ...]:
    entries = source.get("connectorId", [{"id": 1}])
    if not isinstance(entries, list) or not entries:
        raise _Broken("connectorId: is not a list of connectors")
    if len(entries) > MOST_CONNECTORS:
        raise _Broken(f"connectorId: has more than {MOST_CONNECTORS}")
    connectors = tuple(
        _read_connector(entry, f"connectorId[{n}]")
        for n, entry in enumerate(entries)
    )
    if len({c.id for c in connectors}) < len(connectors):
        raise _Broken("connectorId: two connectors have the same id")
    return connectors


def _read_connector(entry: Any, where: str) -> ConnectorConfig:
    if type(entry) is int:
        entry = {"id": entry}
    if not isinstance(entry, dict):
        raise _Broken(f"{where}: is neither an object nor a number")
    id = _member(entry, where, "id", int)
    if not 0 < id < 2**31:
        raise _Broken(f"{where}.id: {id} is not from 1 to 2147483647")
    power = entry.get("power")
    if power is not None and (type(power) is bool or not _is_positive(power)):
        raise _Broken(f"{where}.power: {power!r:.40} is no number of W")
    meter_value = _member(entry, where, "meterValue", (int, float), 0)
    if not 0 <= meter_value < 2**31:
        raise _Broken(f"{where}.meterValue: {meter_value} is no number of Wh")
    return ConnectorConfig(
        id=id,
        voltage=_one_of(entry, where, "voltage", VOLTAGES, "AC"),
        interface=_one_of(entry, where, "interface", INTERFACES, "Type2"),
        meter_value=int(meter_value),
        power=None if power is None else float(power),
    )


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and 0 < value < 1e9


_REQUIRED: Any = object()


def _member(
    entry: Mapping[str, Any],
    where: str,
    name: str,
    kind: type | tuple[type, ...],
    default: Any = _REQUIRED,
) -> Any:
    value = entry.get(name, default)
    if value is _REQUIRED:
        raise _Broken(f"{where}.{name}: is missing")
    if not isinstance(value, kind) or (
        isinstance(value, bool) and kind is not bool
    ):
        raise _Broken(f"{where}.{name}: {value!r:.40} is of the wrong type")
    return value


def _one_of(
    entry: Mapping[str, Any],
    where: str,
    name: str,
    allowed: tuple[str, ...],
    default: str,
) -> str:
    value = entry.get(name, default)
    if value not in allowed:
        raise _Broken(
            f"{where}.{name}: {value!r:.40} is none of {', '.join(allowed)}"
        )
    return str(value)
