"""
Emulated stations in the process of a central system, beside it, and at it
over TLS.
"""

from __future__ import annotations

import signal
import subprocess
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from shutil import copy
from typing import Any
from unittest import TestCase
from urllib.request import Request, urlopen

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from ocpp_tw.emulator.scenario import shipped
from tests.process import server

from .test_cli import ocpp_cp
from .test_websocket import described, write


class BesideTests(TestCase):
    def setUp(self) -> None:
        self.server = server(
            self,
            CS_PROCESS_CHARGEPOINT_ENABLE="yes",
            CS_PROCESS_CHARGEPOINT_PATH="cp",
        )
        self.folder = self.server.folder / "cp"
        self.folder.mkdir()
        self.url = f"ws://127.0.0.1:{self.server.port}/ocpp"

    def there(self) -> set[str]:
        stations = self.server.items("stations?connected=true")
        return {station["identity"] for station in stations}

    def add(self, identity: str, url: str = "") -> None:
        source = described(identity, CentralSystemURL=url or self.url)
        write(self.folder, identity, source)

    def test_run_and_reload(self) -> None:
        """
        Stations of the folder are there, charge, and follow a HUP.
        """
        self.add("A")
        self.server.start()
        self.server.until(lambda: self.there() == {"A"}, "A is there")
        answer = self.server.command(
            "A", "RemoteStartTransaction", {"idTag": "X"}
        )
        self.assertEqual(answer, (200, {"status": "Accepted"}))
        self.server.until(
            lambda: bool(self.server.items("transactions?active=true")),
            "A charges",
        )
        self.add("B")
        self.server.signal(signal.SIGHUP)
        self.server.until(lambda: self.there() == {"A", "B"}, "B is there")
        self.server.signal(signal.SIGTERM)
        self.assertEqual(self.server.ended(), -signal.SIGTERM)
        self.assertNotIn("Traceback", self.server.log)

    def test_ends_its_transactions(self) -> None:
        """
        A stop ends the transactions of emulated stations, in the records.
        """
        self.add("A")
        self.server.start()
        self.server.until(lambda: self.there() == {"A"}, "A is there")
        self.server.command("A", "RemoteStartTransaction", {"idTag": "X"})
        self.server.until(
            lambda: bool(self.server.items("transactions?active=true")),
            "A charges",
        )
        self.server.signal(signal.SIGTERM)
        self.assertEqual(self.server.ended(), -signal.SIGTERM)
        self.server.start()
        [transaction] = self.server.items("transactions")
        self.assertEqual(transaction["stopReason"], "Other")

    def test_over_rest(self) -> None:
        """
        A station is made, acted upon and removed over REST.
        """
        self.server.start()
        made = self.server.http("POST", "/api/v1/emulators", {"name": "E"})
        self.assertEqual(made[0], 200, made)
        self.server.until(lambda: self.there() == {"E"}, "E is there")
        path = "/api/v1/emulators/E"
        acts = [
            self.server.http("POST", f"{path}/actions", body)[0]
            for body in (
                {"action": "plug"},
                {"action": "presentTag", "idTag": "X"},
                {"action": "plug"},
                {"action": "dance"},
            )
        ]
        self.assertEqual(acts, [200, 200, 409, 400])
        [told] = self.server.items("emulators")
        self.assertEqual(told["connectors"][0]["status"], "Charging")
        removing = Request(
            f"http://127.0.0.1:{self.server.port}{path}", method="DELETE"
        )
        with urlopen(removing, timeout=30) as answer:
            self.assertEqual(answer.status, 204)
        self.assertEqual(self.server.http("GET", path)[0], 404)

    def test_alone(self) -> None:
        """
        With C{[main] master = no} there are stations, and no server.
        """
        central = server(self)
        central.start()
        self.add("A", f"ws://127.0.0.1:{central.port}/ocpp")
        self.server.settings["CS_MAIN_MASTER"] = "no"
        self.server.begin()
        central.until(
            lambda: bool(central.items("stations?connected=true")),
            "A is there",
        )
        self.assertFalse(self.server.is_ready())
        self.server.signal(signal.SIGTERM)
        self.assertEqual(self.server.ended(), -signal.SIGTERM)


class TLSTests(TestCase):
    """
    Security profiles 2 and 3.
    """

    def setUp(self) -> None:
        self.server = server(self)
        self.folder = self.server.folder
        self.ca = self.make("ca")
        self.make("server", self.ca)
        self.make("client", self.ca)

    def make(self, name: str, issuer: Any = None, is_ca: bool = False) -> Any:
        """
        A certificate, and its key, as PEM files.

        @param issuer: what this returned for who vouches for it.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        by, signs = issuer or (subject, key)
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(by)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(
                x509.BasicConstraints(
                    ca=is_ca or not issuer, path_length=None
                ),
                True,
            )
            .add_extension(
                x509.SubjectAlternativeName(
                    [
                        x509.DNSName("localhost"),
                        x509.IPAddress(ip_address("127.0.0.1")),
                    ]
                ),
                False,
            )
            .sign(signs, hashes.SHA256())
        )
        pem = certificate.public_bytes(Encoding.PEM)
        (self.folder / f"{name}.pem").write_bytes(pem)
        (self.folder / f"{name}.key").write_bytes(
            key.private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
            )
        )
        return subject, key

    def listen(self, **settings: str) -> None:
        self.server.settings.update(
            CS_TLS_CERTIFICATE="server.pem",
            CS_TLS_KEY="server.key",
            **settings,
        )
        self.server.begin()
        self.server.until_logged("listening on")

    def boot(
        self, *options: str, within: int = 10
    ) -> subprocess.CompletedProcess[str]:
        file = self.folder / "boot.yaml"
        file.write_text(
            "steps:\n- connect\n- answered: BootNotification\n"
            f"  with: {{status: Accepted}}\n  within: {within}\n"
        )
        return ocpp_cp(
            "scenario",
            str(file),
            "--url",
            f"wss://localhost:{self.server.port}/ocpp",
            *options,
        )

    def refused(self, *options: str) -> str:
        """
        Why it does not boot.
        """
        done = self.boot("--verbose", *options, within=1)
        self.assertEqual(done.returncode, 1, done.stdout)
        return done.stderr

    def file(self, name: str) -> str:
        return str(Path(self.folder) / name)

    def test_verifies(self) -> None:
        """
        A server that a station's CA vouches for is connected to, and no
        other.
        """
        self.listen()
        trusted = self.boot("--ca", self.file("ca.pem"))
        self.assertEqual(trusted.returncode, 0, trusted.stdout)
        self.assertIn("certificate verify failed", self.refused())

    def test_client_certificate(self) -> None:
        """
        A server that asks for a certificate is shown it.
        """
        self.listen(CS_TLS_CLIENT_CA="ca.pem")
        ca = ("--ca", self.file("ca.pem"))
        shown = self.boot(
            *ca,
            "--certificate",
            self.file("client.pem"),
            "--private-key",
            self.file("client.key"),
        )
        self.assertEqual(shown.returncode, 0, shown.stdout + shown.stderr)
        self.assertIn("it showed no certificate", self.refused(*ca))

    def test_raised_profile(self) -> None:
        """
        A station is told where its central system is, and then to use TLS:
        that is how it comes there.
        """
        self.listen()
        plain = server(
            self,
            CS_PROCESS_CHARGEPOINT_ENABLE="yes",
            CS_PROCESS_CHARGEPOINT_PATH="cp",
        )
        url = f"ws://localhost:{plain.port}/ocpp"
        cp = plain.folder / "cp"
        cp.mkdir()
        key = bytes(range(0xEC, 0x100)).hex()
        source = described("A", CentralSystemURL=url, AuthorizationKey=key)
        write(cp, "A", source)
        copy(self.file("ca.pem"), cp / "A" / "ca.pem")
        plain.start()

        def is_at(url: str) -> bool:
            station = plain.http("GET", "/api/v1/emulators/A")[1]
            return (station["url"], station["registration"]) == (
                url,
                "Accepted",
            )

        def change(key: str, value: str) -> Any:
            payload = {"key": key, "value": value}
            return plain.command("A", "ChangeConfiguration", payload)[1]

        plain.until(lambda: is_at(url), "A is there")
        other = f"localhost:{self.server.port}/ocpp"
        self.assertEqual(
            change("CentralSystemURL", f"ws://{other}"),
            {"status": "RebootRequired"},
        )
        self.assertEqual(
            change("SecurityProfile", "2"), {"status": "Accepted"}
        )
        plain.until(lambda: is_at(f"wss://{other}"), "A speaks TLS")

    def test_certificate_chain(self) -> None:
        """
        Who vouches for the station's certificate is shown, too.
        """
        between = self.make("between", self.ca, is_ca=True)
        self.make("far", between)
        chain = self.folder / "chain.pem"
        chain.write_bytes(
            (self.folder / "far.pem").read_bytes()
            + (self.folder / "between.pem").read_bytes()
        )
        self.listen(CS_TLS_CLIENT_CA="ca.pem")
        shown = self.boot(
            *("--ca", self.file("ca.pem")),
            *("--certificate", str(chain)),
            *("--private-key", self.file("far.key")),
        )
        self.assertEqual(shown.returncode, 0, shown.stdout + shown.stderr)


class ScenarioTests(TestCase):
    def test_all_of_them(self) -> None:
        """
        Every shipped scenario goes well at a central system of ours, and the
        energy in its records is that of the meters.
        """
        central = server(self)
        central.start()
        done = ocpp_cp(
            "scenario",
            *("--url", f"ws://127.0.0.1:{central.port}/ocpp"),
            *("--api", f"http://127.0.0.1:{central.port}"),
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(done.stdout.count("ok  "), len(shipped()))
        self.assertNotIn("finding", done.stdout)
        stored = central.items("transactions")
        self.assertGreater(len(stored), 10)
        self.assertNotIn("Traceback", central.log)

    def test_fleet(self) -> None:
        """
        A fleet lives a compressed day there, in which lines break.
        """
        central = server(self)
        central.start()
        done = ocpp_cp(
            "fleet",
            *("--url", f"ws://127.0.0.1:{central.port}/ocpp"),
            *("--count", "10", "--rate", "50", "--sessions", "24", "--even"),
            *("--speed", "1800", "--duration", "5", "--drops", "4"),
            *("--key", "MeterValueSampleInterval=900"),
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        told = dict(
            line.rsplit(None, 1)
            for line in done.stdout.splitlines()
            if len(line.split()) > 1
        )
        stored = central.items("transactions?limit=500")
        energy = sum(t["meterStop"] - t["meterStart"] for t in stored)
        self.assertGreater(len(stored), 3)
        self.assertIn(f"{energy} Wh", done.stdout)
        self.assertEqual(told["still waiting"], "0")
