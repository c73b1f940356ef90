"""
What C{twistd cs --test} looks at beside the configuration file itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ..errors import BadConfig
from .reading import Config
from .settings import TLS, Emulator
from .sites import read_object


def check(config: Config, now: datetime | None = None) -> list[str]:
    """
    Look for what will not work once we start, however well it is written:
    folders, emulated stations, certificates.

    @param now: when certificates must be valid; now if not given.
    @return: a sentence for each thing that is wrong.
    """
    return [
        *_check_root(config),
        *_check_emulator(config.emulator),
        *_check_tls(config.tls, now or datetime.now(UTC)),
    ]


def _check_root(config: Config) -> Iterator[str]:
    # The default root is optional: who wants no web pages has none.
    if "root" in config.sections.get("server", {}):
        yield from _check_folder("[server] root", config.server.root)
    for host, root in config.sites.items():
        yield from _check_folder(f"root of site {host}", root)


def _check_folder(what: str, folder: str) -> Iterator[str]:
    if not Path(folder).is_dir():
        yield f"{what} = {folder!r}: no such folder"


def _check_emulator(emulator: Emulator) -> Iterator[str]:
    if not emulator.enable:
        return
    what = "[process/ChargePoint] path"
    yield from _check_folder(what, emulator.path)
    stations = list(Path(emulator.path).glob("*/"))
    if not stations and Path(emulator.path).is_dir():
        yield f"{what} = {emulator.path!r}: no folder of a station in it"
    for folder in sorted(stations):
        yield from _check_station(folder / "configuration.json")


def _check_station(file: Path) -> Iterator[str]:
    try:
        station = read_object(file)
    except BadConfig as e:
        yield from e.problems
        return
    for member in ("connectorId", "configurationKey"):
        if not _is_list_of_objects(station.get(member)):
            yield f'{file}: "{member}" must be a list of objects'


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, dict) for v in value)


def _check_tls(tls: TLS, now: datetime) -> Iterator[str]:
    if not tls.certificate:
        return
    try:
        yield from _check_dates("certificate", tls.certificate, now)
        yield from _check_pair(tls)
        if tls.client_ca:
            yield from _check_dates("client_ca", tls.client_ca, now)
    except BadConfig as e:
        yield from e.problems


def _check_dates(key: str, path: str, now: datetime) -> Iterator[str]:
    for certificate in _certificates(key, path):
        name = certificate.subject.rfc4514_string()
        if certificate.not_valid_after_utc < now:
            yield (
                f"[tls] {key} = {path!r}: {name} expired "
                f"{certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}"
            )
        if certificate.not_valid_before_utc > now:
            yield (
                f"[tls] {key} = {path!r}: {name} is not valid before "
                f"{certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}"
            )


def _check_pair(tls: TLS) -> Iterator[str]:
    certificate = _certificates("certificate", tls.certificate)[0]
    pem = _bytes("key", tls.key)
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as e:
        raise BadConfig(f"[tls] key = {tls.key!r}: no PEM key: {e}") from e
    if key.public_key() != certificate.public_key():
        yield (
            f"[tls] key = {tls.key!r}: is not the key of the certificate "
            f"{tls.certificate!r}"
        )


def _certificates(key: str, path: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(_bytes(key, path))
    except ValueError as e:
        raise BadConfig(
            f"[tls] {key} = {path!r}: no PEM certificate: {e}"
        ) from e


def _bytes(key: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as e:
        raise BadConfig(f"[tls] {key} = {path!r}: {e.strerror}") from e
