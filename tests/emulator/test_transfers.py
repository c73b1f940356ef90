"""
Files that are uploaded and downloaded, and the security extension.
"""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID
from klein import Klein
from treq.testing import StubTreq
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.emulator.clock import iso
from ocpp_tw.emulator.history import History
from ocpp_tw.emulator.security import hash_data
from ocpp_tw.emulator.transfers import HTTPFiles, TransferFailed
from ocpp_tw.errors import CallFailed, ErrorCode
from ocpp_tw.ocpp.schemas import official
from ocpp_tw.ocpp.versions import Version

from .world import NEW_YEAR, World, booted, charging


ACCEPTED = {"status": "Accepted"}


class FakeFiles:
    """
    @ivar failures: how many attempts fail from now on.
    """

    def __init__(self, body: bytes = b"firmware") -> None:
        self.body = body
        self.failures = 0
        self.uploaded: list[tuple[str, str, bytes]] = []

    async def upload(self, url: str, name: str, body: bytes) -> None:
        if "never" in url:
            await Deferred()
        self._fail()
        self.uploaded.append((url, name, body))

    async def download(self, url: str) -> bytes:
        self._fail()
        return self.body

    def _fail(self) -> None:
        if self.failures:
            self.failures -= 1
            raise TransferFailed("no")


def told(world: World, action: str) -> list[str]:
    return [payload["status"] for payload in world.payloads(action)]


class DiagnosticsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.files = FakeFiles()
        self.world = booted(files=self.files)

    def ask(self, **more: Any) -> Any:
        return self.world.call(
            "GetDiagnostics", location="http://localhost/d/", **more
        )

    def test_uploads(self) -> None:
        """
        Diagnostics are uploaded under the name that was promised.
        """
        name = self.ask()["fileName"]
        [(url, uploaded, body)] = self.files.uploaded
        self.assertEqual((url, uploaded), ("http://localhost/d/", name))
        self.assertIn(b"identity CP1", body)
        self.assertEqual(
            told(self.world, "DiagnosticsStatusNotification"),
            ["Uploading", "Uploaded"],
        )

    def uploaded(self) -> list[str]:
        """
        The lines of the last upload, without those of its head.
        """
        text = self.files.uploaded[-1][2].decode()
        return text.partition("\n\n")[2].splitlines()

    def log(self, kind: str, **period: str) -> list[str]:
        where = {"remoteLocation": "http://localhost/log", **period}
        self.world.call("GetLog", logType=kind, requestId=8, log=where)
        return self.uploaded()

    def test_tells_what_happened(self) -> None:
        """
        Connections, messages with their ids, and statuses are in it, each
        with its time.
        """
        self.world.pass_time(60)
        self.world.disconnect()
        self.world.connect()
        self.world.pass_time(60)
        self.world.station.plug(1)
        self.ask()
        lines = self.uploaded()
        for time, what in (
            (0, "connected"),
            (0, "registration Accepted"),
            (60, "disconnected"),
            (60, "connected"),
            (120, "connector 1 Preparing NoError"),
        ):
            self.assertIn(f"{iso(NEW_YEAR + time)} {what}", lines)
        asked = [line.split()[1:] for line in lines if "Boot" in line]
        by_id: dict[str, set[str]] = {}
        for arrow, _, unique_id in asked:
            by_id.setdefault(unique_id, set()).add(arrow)
        self.assertEqual(list(by_id.values()), [{"->", "<-"}] * 2)
        called = [line.split()[1] for line in lines if " GetDiag" in line]
        self.assertEqual(called, ["<-", "->"])

    def test_period(self) -> None:
        """
        Only what happened in the time that was asked for is in it.
        """
        for _ in range(3):
            self.world.pass_time(100)
            self.world.station.note(f"tick {iso(self.world.clock.seconds())}")
        since, until = iso(NEW_YEAR + 150), iso(NEW_YEAR + 200)
        self.ask(startTime=since, stopTime=until)
        expected = [f"{until} tick {until}"]
        self.assertEqual(self.uploaded(), expected)
        period = {"oldestTimestamp": since, "latestTimestamp": until}
        self.assertEqual(self.log("DiagnosticsLog", **period), expected)
        self.assertEqual(
            len([x for x in self.log("DiagnosticsLog") if " tick " in x]), 3
        )

    def test_security_log(self) -> None:
        """
        A log of security has what concerns security, of its time, and
        nothing else, also where there is no security profile.
        """
        self.world.station.note_security("TamperDetectionActivated", "open")
        self.world.pass_time(10)
        self.world.station.note_security("MemoryExhaustion")
        self.world.station.note("something else")
        first, second = (
            f"{iso(NEW_YEAR)} security TamperDetectionActivated open",
            f"{iso(NEW_YEAR + 10)} security MemoryExhaustion",
        )
        [booted, *lines] = self.log("SecurityLog")
        self.assertIn("StartupOfTheDevice", booted)
        self.assertEqual(lines, [first, second])
        since = iso(NEW_YEAR + 5)
        self.assertEqual(
            self.log("SecurityLog", oldestTimestamp=since), [second]
        )

    def test_retries(self) -> None:
        """
        An upload that fails is tried again, as often as it may be.
        """
        self.files.failures = 2
        self.ask(retries=2, retryInterval=30)
        self.world.pass_time(59)
        self.assertEqual(self.files.uploaded, [])
        self.world.pass_time(1)
        self.assertEqual(len(self.files.uploaded), 1)

    def test_fails(self) -> None:
        """
        An upload that fails for good is told to have failed.
        """
        self.files.failures = 9
        self.ask(retries=1, retryInterval=30)
        self.world.pass_time(60)
        self.assertEqual(
            told(self.world, "DiagnosticsStatusNotification"),
            ["Uploading", "UploadFailed"],
        )

    def test_log(self) -> None:
        """
        A log is uploaded, and its notifications repeat the requestId.
        """
        answer = self.world.call(
            "GetLog",
            logType="SecurityLog",
            requestId=8,
            log={"remoteLocation": "http://localhost/log"},
        )
        self.assertEqual(answer["status"], "Accepted")
        self.assertEqual(
            self.world.payloads("LogStatusNotification"),
            [
                {"status": "Uploading", "requestId": 8},
                {"status": "Uploaded", "requestId": 8},
            ],
        )

    def test_every_status_of_a_log(self) -> None:
        """
        Each status of a log is there for a tester, by where it is sent to.
        """
        depot = StubTreq(_Depot().app.resource())
        world = booted(files=HTTPFiles(depot))
        for where, end in (
            ("http://localhost/post", "Uploaded"),
            ("http://localhost/nowhere", "UploadFailure"),
            ("http://localhost/status/400", "BadMessage"),
            ("http://localhost/status/401", "PermissionDenied"),
            ("http://localhost/status/403", "PermissionDenied"),
            ("ftp://localhost/log", "NotSupportedOperation"),
        ):
            log = {"remoteLocation": where}
            world.call("GetLog", logType="SecurityLog", requestId=1, log=log)
            depot.flush()
            world.pass_time(1)
            self.assertEqual(told(world, "LogStatusNotification")[-1], end)
            world.call(
                "ExtendedTriggerMessage",
                requestedMessage="LogStatusNotification",
            )
        schema = official(Version.V16, "LogStatusNotification", "Request")
        words = schema["definitions"]["UploadLogStatusEnumType"]["enum"]
        self.assertEqual(set(told(world, "LogStatusNotification")), set(words))

    def test_log_instead(self) -> None:
        """
        Another log is asked for: the first is given up.
        """
        told_of = []
        for number, where in ((1, "never"), (2, "log")):
            answer = self.world.call(
                "GetLog",
                logType="DiagnosticsLog",
                requestId=number,
                retries=5,
                log={"remoteLocation": f"http://localhost/{where}"},
            )
            told_of.append(answer["status"])
        self.world.pass_time(100)
        self.assertEqual(told_of, ["Accepted", "AcceptedCanceled"])
        self.assertEqual(
            [
                (p["requestId"], p["status"])
                for p in self.world.payloads("LogStatusNotification")
            ],
            [(1, "Uploading"), (2, "Uploading"), (2, "Uploaded")],
        )


class FirmwareTests(SynchronousTestCase):
    def update(self, world: World, **more: Any) -> None:
        world.call(
            "UpdateFirmware",
            **{
                "location": "http://localhost/fw-2.0.bin",
                "retrieveDate": iso(NEW_YEAR),
                **more,
            },
        )

    def test_installs(self) -> None:
        """
        Firmware is downloaded and installed, and boots as another version.
        """
        world = booted(files=FakeFiles())
        self.update(world)
        world.pass_time(20)
        self.assertEqual(
            told(world, "FirmwareStatusNotification"),
            ["Downloading", "Downloaded", "Installing", "Installed"],
        )
        [boot] = world.payloads("BootNotification")
        self.assertEqual(boot["firmwareVersion"], "fw-2.0.bin")

    def test_reboots_when_all_is_told(self) -> None:
        """
        It does not reboot before the central system has heard of it.
        """
        world, never = booted(files=FakeFiles()), Deferred[Any]()
        world.answers["FirmwareStatusNotification"] = lambda payload: (
            never if payload["status"] == "Installing" else {}
        )
        self.update(world)
        world.pass_time(20)
        self.assertEqual(world.line, [])
        never.callback({})
        world.pass_time(3)
        self.assertEqual(
            told(world, "FirmwareStatusNotification")[-1], "Installed"
        )
        self.assertEqual(world.line, ["again"])

    def test_waits_for_its_time(self) -> None:
        """
        It is not downloaded before the date that was given.
        """
        world = booted(files=FakeFiles())
        self.update(world, retrieveDate=iso(NEW_YEAR + 100))
        world.pass_time(90)
        self.assertEqual(told(world, "FirmwareStatusNotification"), [])
        world.pass_time(11)
        self.assertIn("Downloaded", told(world, "FirmwareStatusNotification"))

    def test_waits_for_the_transaction(self) -> None:
        """
        Nothing is installed in a transaction.
        """
        world = charging(files=FakeFiles())
        self.update(world)
        world.pass_time(60)
        self.assertNotIn(
            "Installing", told(world, "FirmwareStatusNotification")
        )
        world.station.unplug(1)
        world.pass_time(10)
        self.assertIn("Installing", told(world, "FirmwareStatusNotification"))

    def test_download_fails(self) -> None:
        """
        Firmware that cannot be had is told to have failed.
        """
        files = FakeFiles()
        files.failures = 1
        world = booted(files=files)
        self.update(world)
        self.assertEqual(
            told(world, "FirmwareStatusNotification"),
            ["Downloading", "DownloadFailed"],
        )

    def statuses(
        self, body: bytes, signature: bytes | None = None, **more: Any
    ) -> list[str]:
        """
        What is told of firmware, with a signature.

        @param more: of the request.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        files = FakeFiles(body)
        files.failures = more.pop("failures", 0)
        genuine = key.sign(body, ec.ECDSA(hashes.SHA256()))
        firmware = self.signed(signature or genuine, pem(certificate(key)))
        firmware.update(more.pop("firmware", {}))
        world = booted(files=files)
        world.call(
            "SignedUpdateFirmware", requestId=3, firmware=firmware, **more
        )
        world.pass_time(300)
        trigger = "ExtendedTriggerMessage"
        world.call(trigger, requestedMessage="FirmwareStatusNotification")
        return told(world, "SignedFirmwareStatusNotification")

    def test_every_status(self) -> None:
        """
        Each status of signed firmware is there for a tester: by what the
        file or the request is.
        """
        digest = sha256(b"x").hexdigest()
        later = iso(NEW_YEAR + 50)
        fetched = ["Downloading", "Downloaded", "SignatureVerified"]
        done = ["Installing", "InstallRebooting", "Installed", "Idle"]
        seen = set()
        for body, more, expected in (
            (f"sha256: {digest}\n\nx".encode(), {}, [*fetched, *done]),
            (
                f"sha256: {digest}\n\ny".encode(),
                {},
                [*fetched, "Installing", "InstallVerificationFailed", "Idle"],
            ),
            (
                b"model: Another\nversion: 2.0\n\nx",
                {},
                [*fetched, "Installing", "InstallationFailed", "Idle"],
            ),
            (
                b"",
                {},
                [*fetched, "Installing", "InstallationFailed", "Idle"],
            ),
            (
                b"x",
                {"signature": b"x"},
                ["Downloading", "Downloaded", "InvalidSignature", "Idle"],
            ),
            (
                b"x",
                {"failures": 1, "retries": 1},
                ["Downloading", "DownloadPaused", *fetched, *done],
            ),
            (
                b"x",
                {"failures": 2, "retries": 1},
                [
                    *("Downloading", "DownloadPaused", "Downloading"),
                    *("DownloadFailed", "Idle"),
                ],
            ),
            (
                b"x",
                {"firmware": {"retrieveDateTime": later}},
                ["DownloadScheduled", *fetched, *done],
            ),
            (
                b"x",
                {"firmware": {"installDateTime": later}},
                [*fetched, "InstallScheduled", *done],
            ),
        ):
            statuses = self.statuses(body, **more)
            self.assertEqual(statuses, expected)
            seen.update(statuses)
        schema = official(
            Version.V16, "SignedFirmwareStatusNotification", "Request"
        )
        words = schema["definitions"]["FirmwareStatusEnumType"]["enum"]
        self.assertEqual(seen, set(words))

    def test_every_status_without_a_signature(self) -> None:
        """
        The same for firmware without a signature, of which less is told.
        """
        seen = set()
        for body, failures, end in (
            (b"model: Virtual\nversion: 2.1\n\nx", 1, "Installed"),
            (b"model: Another\n\nx", 0, "InstallationFailed"),
            (b"sha256: 00\n\nx", 0, "InstallationFailed"),
            (b"x", 2, "DownloadFailed"),
        ):
            files = FakeFiles(body)
            files.failures = failures
            world = booted(files=files)
            self.update(world, retries=1)
            world.pass_time(100)
            statuses = told(world, "FirmwareStatusNotification")
            self.assertEqual(statuses[-1], end)
            world.call(
                "TriggerMessage", requestedMessage="FirmwareStatusNotification"
            )
            seen.update(told(world, "FirmwareStatusNotification"))
            if end == "Installed":
                [boot] = world.payloads("BootNotification")
                self.assertEqual(boot["firmwareVersion"], "2.1")
        schema = official(Version.V16, "FirmwareStatusNotification", "Request")
        self.assertEqual(seen, set(schema["properties"]["status"]["enum"]))

    def signed(self, signature: bytes, certificate: str) -> dict[str, Any]:
        return {
            "location": "http://localhost/fw.bin",
            "retrieveDateTime": iso(NEW_YEAR),
            "signingCertificate": certificate,
            "signature": b64encode(signature).decode(),
        }

    def test_signed(self) -> None:
        """
        Firmware with a genuine signature is installed.
        """
        for key in (
            ec.generate_private_key(ec.SECP256R1()),
            rsa.generate_private_key(65537, 2048),
        ):
            if isinstance(key, rsa.RSAPrivateKey):
                signature = key.sign(
                    b"firmware", padding.PKCS1v15(), hashes.SHA256()
                )
            else:
                signature = key.sign(b"firmware", ec.ECDSA(hashes.SHA256()))
            world = booted(files=FakeFiles())
            answer = world.call(
                "SignedUpdateFirmware",
                requestId=3,
                firmware=self.signed(signature, pem(certificate(key))),
            )
            self.assertEqual(answer, ACCEPTED)
            world.pass_time(20)
            self.assertEqual(
                told(world, "SignedFirmwareStatusNotification"),
                [
                    "Downloading",
                    "Downloaded",
                    "SignatureVerified",
                    "Installing",
                    "InstallRebooting",
                    "Installed",
                ],
            )
            actions = world.actions()
            self.assertEqual(
                actions[actions.index("BootNotification") :][-1],
                "SignedFirmwareStatusNotification",
            )

    def test_signed_instead(self) -> None:
        """
        Other firmware takes the place of what is still to be fetched, and
        not of what is being installed.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        firmware = self.signed(
            key.sign(b"firmware", ec.ECDSA(hashes.SHA256())),
            pem(certificate(key)),
        )
        later = {**firmware, "retrieveDateTime": iso(NEW_YEAR + 3600)}
        world = booted(files=FakeFiles())
        told_of = []
        for number, wanted in ((1, later), (2, firmware), (3, firmware)):
            answer = world.call(
                "SignedUpdateFirmware", requestId=number, firmware=wanted
            )
            told_of.append(answer["status"])
        self.assertEqual(told_of, ["Accepted", "AcceptedCanceled", "Rejected"])
        world.pass_time(3700, step=10)
        ends = [
            p["requestId"]
            for p in world.payloads("SignedFirmwareStatusNotification")
            if p["status"] == "Installed"
        ]
        self.assertEqual(ends, [2])

    def test_forged(self) -> None:
        """
        Firmware that is not what was signed is not installed.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        signature = key.sign(b"other", ec.ECDSA(hashes.SHA256()))
        world = booted(files=FakeFiles())
        world.call(
            "SignedUpdateFirmware",
            requestId=3,
            firmware=self.signed(signature, pem(certificate(key))),
        )
        world.pass_time(20)
        self.assertEqual(
            told(world, "SignedFirmwareStatusNotification")[-1],
            "InvalidSignature",
        )

    def test_no_certificate(self) -> None:
        """
        What is no certificate cannot vouch for anything.
        """
        answer = booted().call(
            "SignedUpdateFirmware",
            requestId=3,
            firmware=self.signed(b"x", "no certificate"),
        )
        self.assertEqual(answer, {"status": "InvalidCertificate"})


def certificate(key: Any, name: str = "Test", public: Any = None) -> Any:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begin = datetime.fromtimestamp(NEW_YEAR, UTC) - timedelta(days=1)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(public or key.public_key())
        .serial_number(12345)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=30))
        .sign(key, hashes.SHA256())
    )


def pem(one: Any) -> str:
    return str(one.public_bytes(Encoding.PEM).decode())


class CertificateTests(SynchronousTestCase):
    def test_store(self) -> None:
        """
        A certificate is installed, listed and deleted.
        """
        world = booted()
        text = pem(certificate(ec.generate_private_key(ec.SECP256R1())))
        use = "CentralSystemRootCertificate"
        listing = "GetInstalledCertificateIds"
        self.assertEqual(
            world.call(listing, certificateType=use), {"status": "NotFound"}
        )
        self.assertEqual(
            world.call(
                "InstallCertificate", certificateType=use, certificate=text
            ),
            ACCEPTED,
        )
        [data] = world.call(listing, certificateType=use)[
            "certificateHashData"
        ]
        self.assertEqual(data["serialNumber"], "3039")
        for answer in (ACCEPTED, {"status": "NotFound"}):
            self.assertEqual(
                world.call("DeleteCertificate", certificateHashData=data),
                answer,
            )

    def test_no_certificate(self) -> None:
        """
        What is no certificate is not installed.
        """
        answer = booted().call(
            "InstallCertificate",
            certificateType="ManufacturerRootCertificate",
            certificate="nonsense",
        )
        self.assertEqual(answer["status"], "Rejected")

    def test_signing(self) -> None:
        """
        A certificate for the key that was asked for is taken, another not.
        """
        world = booted()
        world.call(
            "ExtendedTriggerMessage",
            requestedMessage="SignChargePointCertificate",
        )
        [payload] = world.payloads("SignCertificate")
        request = x509.load_pem_x509_csr(payload["csr"].encode())
        self.assertIn("CN=CP1", request.subject.rfc4514_string())
        authority = ec.generate_private_key(ec.SECP256R1())
        ours = certificate(authority, public=request.public_key())
        for chain, status in (
            (pem(certificate(authority)), "Rejected"),
            ("nonsense", "Rejected"),
            (pem(ours), "Accepted"),
        ):
            self.assertEqual(
                world.call("CertificateSigned", certificateChain=chain),
                {"status": status},
            )
        world.pass_time(3)
        self.assertEqual(world.line, ["again"])

    def test_hash_of_the_key(self) -> None:
        """
        What is hashed of a key is what OCSP hashes of it.
        """
        for key in (
            ec.generate_private_key(ec.SECP256R1()),
            rsa.generate_private_key(65537, 2048),
        ):
            one = certificate(key)
            asked = (
                ocsp.OCSPRequestBuilder()
                .add_certificate(one, one, hashes.SHA256())
                .build()
            )
            told = hash_data(one, "SHA256")
            self.assertEqual(
                told["issuerKeyHash"], asked.issuer_key_hash.hex()
            )
            self.assertEqual(
                told["issuerNameHash"], asked.issuer_name_hash.hex()
            )

    def test_events(self) -> None:
        """
        What concerns security is told, also what happened offline, and in
        its order; a central system that does not know them gets no other.
        """
        world = booted(keys={"SecurityProfile": "1"})
        world.disconnect()
        world.forget()
        world.station.note_security("TamperDetectionActivated", "open")
        world.connect()
        events = world.payloads("SecurityEventNotification")
        self.assertEqual(
            [event["type"] for event in events], ["TamperDetectionActivated"]
        )
        world.answers["SecurityEventNotification"] = CallFailed(
            ErrorCode.NOT_IMPLEMENTED
        )
        self.assertEqual(
            world.call("Reset", type="Medium"), "PropertyConstraintViolation"
        )
        self.assertEqual(world.call("Reset", type="Soft"), ACCEPTED)
        world.pass_time(300)
        events = world.payloads("SecurityEventNotification")
        self.assertEqual(
            [event["type"] for event in events[1:]],
            ["InvalidMessages", "ResetOrReboot", "StartupOfTheDevice"],
        )

    def test_profile_is_never_lowered(self) -> None:
        """
        A security profile is raised where there is what it needs.
        """
        world = booted(keys={"AuthorizationKey": "0123456789abcdef"})
        told = [
            world.call(
                "ChangeConfiguration", key="SecurityProfile", value=value
            )["status"]
            for value in ("1", "0", "2", "3", "x", "\u00b2", "-1")
        ]
        self.assertEqual(told, ["Accepted"] + ["Rejected"] * 6)

    def test_new_password(self) -> None:
        """
        A new AuthorizationKey is used by connecting again.
        """
        world = booted()
        change = "ChangeConfiguration"
        self.assertEqual(
            world.call(change, key="AuthorizationKey", value="short"),
            {"status": "Rejected"},
        )
        self.assertEqual(
            world.call(change, key="AuthorizationKey", value="0" * 20),
            ACCEPTED,
        )
        world.pass_time(2)
        self.assertEqual(world.line, ["again"])


class HistoryTests(SynchronousTestCase):
    """
    What a station remembers for its logs.
    """

    def test_bounded(self) -> None:
        """
        However much happens, the latest is remembered, in little room; and
        what concerns security is not pushed out by the rest.
        """
        history = History(limit=1000)
        history.note(iso(0), "security x", is_security=True)
        for n in range(1000):
            history.note(iso(n), f"line {n}")
            self.assertLess(sum(map(len, history.lines())), 1000)
        lines = history.lines()
        self.assertEqual(lines[-1], f"{iso(999)} line 999")
        self.assertGreater(len(lines), 10)
        self.assertEqual(
            history.lines(only_security=True), [f"{iso(0)} security x"]
        )

    def test_of_many(self) -> None:
        """
        What many share remembers nothing of any.
        """
        history = History(limit=0)
        history.note(iso(0), "x", is_security=True)
        self.assertEqual(history.lines(), [])

    def test_one_line_each(self) -> None:
        """
        What the other side sends makes neither two lines, nor a long one.
        """
        history = History()
        history.note(iso(0), "a\r\nb\u2028c\x85d" + "e" * 1000)
        [line] = history.lines()
        self.assertLess(len(line), 400)
        self.assertIn("a b c d", line)

    def test_any_period(self) -> None:
        """
        A period at the ends of time is one.
        """
        history = History()
        history.note(iso(5), "x")
        for since, until, count in (
            (None, None, 1),
            (-1e12, 1e15, 1),
            (5, 5, 1),
            (6, None, 0),
            (None, -1e12, 0),
        ):
            self.assertEqual(len(history.lines(since, until)), count)


class _Depot:
    """
    An HTTP server for files.
    """

    app = Klein()

    def __init__(self) -> None:
        self.got: list[tuple[bytes, bytes]] = []

    @app.route("/put/<name>", methods=["PUT"])
    def put(self, request: Any, name: str) -> bytes:
        self.got.append((request.path, request.content.read()))
        return b""

    @app.route("/post", methods=["POST"])
    def post(self, request: Any) -> bytes:
        self.got.append((request.path, request.content.read()))
        return b""

    @app.route("/status/<int:code>", methods=["PUT"])
    def status(self, request: Any, code: int) -> bytes:
        request.setResponseCode(code)
        return b""

    @app.route("/firmware")
    def firmware(self, request: Any) -> bytes:
        return b"firmware"


class HTTPFilesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.depot = _Depot()
        self.stub = StubTreq(self.depot.app.resource())
        self.files = HTTPFiles(self.stub)

    def do(self, work: Any) -> Any:
        doing = Deferred.fromCoroutine(work)
        self.stub.flush()
        return doing

    def test_put(self) -> None:
        """
        A file is put into a directory.
        """
        self.successResultOf(
            self.do(
                self.files.upload("http://localhost/put/", "a.txt", b"text")
            )
        )
        self.assertEqual(self.depot.got, [(b"/put/a.txt", b"text")])

    def test_post(self) -> None:
        """
        A file is posted where it cannot be put.
        """
        self.successResultOf(
            self.do(self.files.upload("http://localhost/post", "a", b"text"))
        )
        self.assertEqual(self.depot.got, [(b"/post", b"text")])

    def test_download(self) -> None:
        """
        A file is downloaded.
        """
        self.assertEqual(
            self.successResultOf(
                self.do(self.files.download("http://localhost/firmware"))
            ),
            b"firmware",
        )

    def test_failures(self) -> None:
        """
        What is not there, and what is not HTTP, fails.
        """
        for work in (
            self.files.download("http://localhost/nowhere"),
            self.files.upload("http://localhost/nowhere", "a", b""),
            self.files.download("ftp://localhost/firmware"),
            self.files.upload("file:///etc/passwd", "a", b""),
        ):
            self.failureResultOf(self.do(work), TransferFailed)
