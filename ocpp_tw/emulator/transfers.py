"""
Files: diagnostics and logs that are uploaded, firmware that is downloaded,
and the notifications of how it goes.

OCPP 1.6, sections 4.3, 4.5, 5.9 and 5.19; the security extension's L01, N01.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any
from urllib.parse import urlsplit

from attrs import frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater

from ..errors import OCPPError
from ..ocpp.messages import Payload
from ..ocpp.times import parse_time
from .chargepoint import ChargePoint
from .clock import iso
from .connector import Connector
from .firmware import Firmware
from .station import Files


#: The longest firmware that is downloaded, in octets.
LONGEST = 256 << 20

#: How long one attempt may take, in seconds.
TIMEOUT = 300

#: How long an installation takes, in seconds.
INSTALLATION = 5.0


class TransferFailed(OCPPError):
    """
    A file did not reach where it should.

    @ivar status: that of a LogStatusNotification.
    """

    def __init__(self, reason: str, status: str = "UploadFailure") -> None:
        super().__init__(reason)
        self.status = status


#: What LogStatusNotification calls an answer of HTTP.
_REFUSALS = {
    400: "BadMessage",
    401: "PermissionDenied",
    403: "PermissionDenied",
}


class HTTPFiles:
    """
    Files over HTTP and HTTPS.
    """

    def __init__(self, client: Any = None) -> None:
        """
        @param client: L{treq}, if None, or what stands for it.
        """
        self._client = client

    @property
    def client(self) -> Any:
        # A fleet that moves no files needs no room for treq.
        if self._client is None:
            import treq

            self._client = treq
        return self._client

    async def upload(self, url: str, name: str, body: bytes) -> None:
        """
        PUT it there; POST it where PUT is not allowed.

        @raise TransferFailed: neither is.
        """
        target = target_of(url, name)
        status = await self._send("PUT", target, body)
        if status in (404, 405, 501):
            status = await self._send("POST", target, body)
        if not 200 <= status < 300:
            refusal = _REFUSALS.get(status, "UploadFailure")
            raise TransferFailed(f"{target}: {status}", refusal)

    async def download(self, url: str) -> bytes:
        """
        @raise TransferFailed: it cannot be had.
        """
        _check_scheme(url)
        parts: list[bytes] = []
        try:
            response = await self.client.get(url, timeout=TIMEOUT)
            if response.code != 200:
                raise TransferFailed(f"{url}: {response.code}")
            await response.collect(_collector(parts))
        except (OCPPError, CancelledError):
            raise
        except Exception as e:
            raise TransferFailed(f"{url}: {e}") from e
        return b"".join(parts)

    async def _send(self, method: str, url: str, body: bytes) -> int:
        _check_scheme(url)
        try:
            response = await self.client.request(
                method, url, data=body, timeout=TIMEOUT
            )
            await response.content()
        except CancelledError:
            raise
        except Exception as e:
            raise TransferFailed(f"{url}: {e}") from e
        return int(response.code)


def _collector(parts: list[bytes]) -> Callable[[bytes], None]:
    size = 0

    def collect(part: bytes) -> None:
        nonlocal size
        size += len(part)
        if size > LONGEST:
            raise TransferFailed(f"more than {LONGEST} octets")
        parts.append(part)

    return collect


def _check_scheme(url: str) -> None:
    if urlsplit(url).scheme not in ("http", "https"):
        raise TransferFailed(
            f"{url}: neither http nor https", "NotSupportedOperation"
        )


def target_of(url: str, name: str) -> str:
    """
    Where a file goes: into a directory, or just there.

    >>> target_of("http://localhost/logs/", "CP1.log")
    'http://localhost/logs/CP1.log'
    >>> target_of("http://localhost/upload?token=7", "CP1.log")
    'http://localhost/upload?token=7'
    """
    return url + name if url.endswith("/") else url


# What is told of it


@frozen
class _Report:
    """
    A notification of the status of a transfer.

    @ivar what: the name its status is remembered by.
    @ivar request_id: what the security extension's notifications repeat.
    """

    what: str
    action: str
    request_id: int | None = None

    @property
    def is_signed(self) -> bool:
        """
        Whether it is one of signed firmware, which knows more statuses.
        """
        return self.action == "SignedFirmwareStatusNotification"

    def failed_upload(self, error: OCPPError) -> str:
        """
        The status of an upload that failed: a log tells why.
        """
        if self.what == "diagnostics":
            return "UploadFailed"
        return getattr(error, "status", "UploadFailure")

    def payload(self, status: str) -> Payload:
        if self.request_id is None:
            return {"status": status}
        return {"status": status, "requestId": self.request_id}

    def tell(self, station: ChargePoint, status: str) -> None:
        """
        Say it, and remember it for a trigger.
        """
        told = station.transfers = station.transfers or {}
        told[self.what] = self.action, self.payload(status)
        station.tell(self.action, self.payload(status))


def _tell_last(station: ChargePoint, what: str, action: str) -> None:
    """
    Say again how a transfer goes; Idle where there was none, or it is done.
    """
    told_as, payload = (station.transfers or {}).get(what, (None, {}))
    if told_as != action or payload.get("status") in _DONE:
        payload = {"status": "Idle"}
    station.tell(action, payload, triggered=True)


_DONE = {
    "Uploaded",
    "UploadFailed",
    "UploadFailure",
    "BadMessage",
    "NotSupportedOperation",
    "PermissionDenied",
    "Installed",
    "DownloadFailed",
    "InstallationFailed",
    "InstallVerificationFailed",
    "InvalidSignature",
}


def is_installing(station: ChargePoint) -> bool:
    """
    Whether it is too late for other firmware.
    """
    _, payload = (station.transfers or {}).get("firmware", ("", {}))
    return payload.get("status") in ("Installing", "InstallRebooting")


def tell_diagnostics_status(
    station: ChargePoint, connectors: list[Connector]
) -> None:
    _tell_last(station, "diagnostics", "DiagnosticsStatusNotification")


def tell_firmware_status(
    station: ChargePoint, connectors: list[Connector]
) -> None:
    _tell_last(station, "firmware", "FirmwareStatusNotification")


def tell_signed_firmware_status(
    station: ChargePoint, connectors: list[Connector]
) -> None:
    _tell_last(station, "firmware", "SignedFirmwareStatusNotification")


def tell_log_status(station: ChargePoint, connectors: list[Connector]) -> None:
    _tell_last(station, "log", "LogStatusNotification")


# One at a time


def is_running(station: ChargePoint, what: str) -> bool:
    """
    Whether another one would take the place of one that is not done.
    """
    running = (station.running or {}).get(what)
    return running is not None and not running.called


def _run(
    station: ChargePoint, what: str, work: Coroutine[Any, Any, None]
) -> None:
    """
    Begin a transfer; the one before it is given up.
    """
    running = station.running = station.running or {}
    if is_running(station, what):
        running[what].cancel()
    running[what] = station.spawn(work)


# Uploads


def log_name(station: ChargePoint, what: str) -> str:
    """
    The name of a file, safe for a path.
    """
    safe = "".join(c if c.isalnum() else "-" for c in station.identity)
    when = iso(station.now)[:19].replace(":", "")
    return f"{what}-{safe[:50]}-{when}.txt"


def diagnostics_text(station: ChargePoint, payload: Payload) -> bytes:
    """
    How a charge point is, and what happened to it.

    @param payload: of GetDiagnostics.
    """
    since, until = _period(payload, "startTime", "stopTime")
    lines = [
        *_head(station),
        f"firmware {station.firmware}",
        f"registration {station.registration}",
        f"messages waiting {len(station.outbox)}",
    ]
    for number, connector in station.connectors.items():
        if number:
            lines.append(
                f"connector {number} {connector.status} {connector.error} "
                f"{connector.meter.register} Wh "
                f"{connector.meter.temperature:.1f} C"
            )
    return _text([*lines, "", *station.history.lines(since, until)])


def log_text(station: ChargePoint, payload: Payload) -> bytes:
    """
    What happened to a charge point, or only what concerns security.

    @param payload: of GetLog.
    """
    since, until = _period(
        payload["log"], "oldestTimestamp", "latestTimestamp"
    )
    only_security = payload["logType"] == "SecurityLog"
    lines = station.history.lines(since, until, only_security)
    return _text([*_head(station), "", *lines])


def _period(payload: Payload, *names: str) -> list[float | None]:
    return [parse_time(payload.get(name)) for name in names]


def _head(station: ChargePoint) -> list[str]:
    return [f"time {station.stamp()}", f"identity {station.identity}"]


def _text(lines: list[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()


def send_diagnostics(
    station: ChargePoint, payload: Payload, name: str
) -> None:
    report = _Report("diagnostics", "DiagnosticsStatusNotification")
    station.spawn(
        _upload(
            station,
            report,
            lambda files: files.upload(
                payload["location"], name, diagnostics_text(station, payload)
            ),
            payload,
        )
    )


def send_log(station: ChargePoint, payload: Payload, name: str) -> None:
    """
    @param payload: of GetLog.
    """
    report = _Report("log", "LogStatusNotification", payload["requestId"])
    url = payload["log"]["remoteLocation"]
    _run(
        station,
        "log",
        _upload(
            station,
            report,
            lambda files: files.upload(url, name, log_text(station, payload)),
            payload,
        ),
    )


async def _upload(
    station: ChargePoint,
    report: _Report,
    attempt: Callable[[Files], Awaitable[None]],
    payload: Payload,
) -> None:
    report.tell(station, "Uploading")
    files = station.files or HTTPFiles()
    try:
        await _again_and_again(station, payload, lambda: attempt(files))
    except OCPPError as e:
        station.log.info("{station}: {error}", station=station, error=e)
        report.tell(station, report.failed_upload(e))
    else:
        report.tell(station, "Uploaded")


async def _again_and_again(
    station: ChargePoint,
    payload: Payload,
    attempt: Callable[[], Awaitable[Any]],
    paused: Callable[[], object] = lambda: None,
) -> Any:
    """
    Try as often as the C{retries} of a payload say.

    @param paused: called before each wait.
    """
    retries = min(max(payload.get("retries", 0), 0), 100)
    for left in range(retries, -1, -1):
        try:
            return await attempt()
        except OCPPError:
            if not left:
                raise
        paused()
        await pause(station, payload.get("retryInterval", 10))
    return None


def pause(station: ChargePoint, seconds: float) -> Deferred[None]:
    """
    Let time pass at a charge point.
    """
    seconds = min(max(seconds, 0), 86400 * 365)
    return deferLater(station.clock, seconds, lambda: None)


# Downloads


def fetch_firmware(station: ChargePoint, payload: Payload) -> None:
    """
    @param payload: of UpdateFirmware.
    """
    if is_installing(station):
        return
    report = _Report("firmware", "FirmwareStatusNotification")
    url, when = payload["location"], parse_time(payload["retrieveDate"])
    _run(station, "firmware", _update(station, report, url, when, payload))


def is_genuine(body: bytes) -> bool:
    """
    Without a signature, everything is.
    """
    return True


async def _update(
    station: ChargePoint,
    report: _Report,
    url: str,
    when: float | None,
    payload: Payload,
    genuine: Callable[[bytes], bool] = is_genuine,
    install_at: float | None = None,
) -> None:
    if when is not None and when > station.now:
        if report.is_signed:
            report.tell(station, "DownloadScheduled")
        await pause(station, when - station.now)
    try:
        body = await _download(station, report, url, payload)
    except OCPPError as e:
        station.log.info("{station}: {error}", station=station, error=e)
        report.tell(station, "DownloadFailed")
        return
    report.tell(station, "Downloaded")
    if not await _verified(station, report, body, genuine):
        return
    if install_at is not None and install_at > station.now:
        report.tell(station, "InstallScheduled")
        await pause(station, install_at - station.now)
    await _install(station, report, url, body)


async def _download(
    station: ChargePoint, report: _Report, url: str, payload: Payload
) -> bytes:
    """
    @raise OCPPError: it cannot be had.
    """
    files = station.files or HTTPFiles()

    async def attempt() -> bytes:
        report.tell(station, "Downloading")
        return await files.download(url)

    def paused() -> None:
        if report.is_signed:
            report.tell(station, "DownloadPaused")

    body: bytes = await _again_and_again(station, payload, attempt, paused)
    return body


async def _verified(
    station: ChargePoint,
    report: _Report,
    body: bytes,
    genuine: Callable[[bytes], bool],
) -> bool:
    """
    Whether a firmware is what its signature says.
    """
    if not report.is_signed:
        return True
    if not genuine(body):
        report.tell(station, "InvalidSignature")
        station.note_security("InvalidFirmwareSignature")
        return False
    report.tell(station, "SignatureVerified")
    return True


def _failure(
    station: ChargePoint, report: _Report, firmware: Firmware
) -> str | None:
    """
    Why firmware cannot be used, as a status.
    """
    model = station.keys["ChargePointModel"]
    if not firmware.is_whole and report.is_signed:
        return "InstallVerificationFailed"
    if not (firmware.content and firmware.is_whole and firmware.is_for(model)):
        return "InstallationFailed"
    return None


async def _install(
    station: ChargePoint, report: _Report, url: str, body: bytes
) -> None:
    """
    Install when no transaction runs, and start again with the new version.
    """
    while any(c.transaction for c in station.connectors.values()):
        await pause(station, INSTALLATION)
    report.tell(station, "Installing")
    await pause(station, INSTALLATION)
    firmware = Firmware.read(body)
    failure = _failure(station, report, firmware)
    if failure is not None:
        report.tell(station, failure)
        return
    station.firmware = firmware.version(url)
    station.keys.put("ChargePointSoftwareVersion", station.firmware)
    station.note_security("FirmwareUpdated", station.firmware)
    report.tell(
        station, "InstallRebooting" if report.is_signed else "Installed"
    )
    # The reboot would cut it off.
    await station.settled()
    await pause(station, 1.0)
    station.reboot()
    if report.is_signed:
        while station.is_rebooting and not station.leaving:
            await pause(station, 1.0)
        report.tell(station, "Installed")


def fetch_signed_firmware(
    station: ChargePoint,
    payload: Payload,
    genuine: Callable[[bytes], bool],
    install_at: float | None,
) -> None:
    """
    @param payload: of SignedUpdateFirmware.
    """
    report = _Report(
        "firmware", "SignedFirmwareStatusNotification", payload["requestId"]
    )
    firmware = payload["firmware"]
    when = parse_time(firmware["retrieveDateTime"])
    url = firmware["location"]
    _run(
        station,
        "firmware",
        _update(station, report, url, when, payload, genuine, install_at),
    )
