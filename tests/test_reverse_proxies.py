"""
nginx and HAProxy in front of us, with the files that we ship.
"""

import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from twisted.trial.unittest import SynchronousTestCase
from websockets.sync.client import ClientConnection, connect

from ocpp_tw.config.settings import Stations

from .certificates import certify
from .process import PATIENCE, Server, free_port, server


CONF = Path(__file__).parent.parent / "conf"

#: Where a client of the proxy seems to be: another address of loopback.
CLIENT = "127.0.0.2"

#: A proxy that a client makes up.
MADE_UP = {
    "X-Forwarded-For": "198.51.100.1",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example.com",
}


def program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")


needs_nginx = pytest.mark.skipif(not program("nginx"), reason="no nginx")
needs_haproxy = pytest.mark.skipif(not program("haproxy"), reason="no haproxy")


class Proxied(SynchronousTestCase):
    """
    A test with a proxy before a central system.
    """

    settings: dict[str, str] = {}

    def setUp(self) -> None:
        folder = TemporaryDirectory(prefix="proxy-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.port = free_port()
        self.central: Server = server(
            self, CS_SERVER_PROXIES="127.0.0.1", **self.settings
        )
        self.access = self.central.folder / "access.log"
        self.central.configure(f"[server]\nlog = {self.access}\n")

    def run_proxy(self, *words: str) -> None:
        self.log = (self.folder / "proxy.log").open("wb+")
        self.addCleanup(self.log.close)
        process = subprocess.Popen(
            words, stdout=self.log, stderr=subprocess.STDOUT
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)

        def listens() -> bool:
            said = (self.folder / "proxy.log").read_text()
            assert process.poll() is None, said
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0

        self.central.until(listens, "the proxy listens")

    def write(self, name: str, text: str) -> str:
        file = self.folder / name
        file.write_text(text)
        return str(file)

    def shipped(self, name: str, **places: str) -> str:
        """
        A file of ours, with other places in it.
        """
        text = (CONF / name).read_text()
        for old, new in {
            "127.0.0.1:9220": f"127.0.0.1:{self.central.port}",
            **places,
        }.items():
            assert old in text, old
            text = text.replace(old, new)
        return text

    def ask(
        self, path: str, port: int = 0, **headers: str
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(
            "127.0.0.1",
            port or self.port,
            timeout=PATIENCE,
            source_address=(CLIENT, 0),
        )
        self.addCleanup(connection.close)
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()

    def station(self, identity: str, **options: Any) -> ClientConnection:
        scheme = "wss" if "ssl" in options else "ws"
        connection = connect(
            f"{scheme}://127.0.0.1:{self.port}/ocpp/{identity}",
            subprotocols=["ocpp1.6"],  # type: ignore[list-item]
            source_address=(CLIENT, 0),
            open_timeout=PATIENCE,
            **options,
        )
        self.addCleanup(connection.close)
        return connection

    def assert_served(self, station: ClientConnection, identity: str) -> None:
        """
        The station is answered, and known by its own address.
        """
        station.send(json.dumps([2, "1", "Heartbeat", {}]))
        self.assertEqual(json.loads(station.recv(PATIENCE))[:2], [3, "1"])
        [known] = [
            item
            for item in self.central.items("stations")
            if item["identity"] == identity
        ]
        self.assertEqual(known["address"].rpartition(":")[0], CLIENT)

    def assert_of_http(self) -> None:
        """
        Operators and stations are known by their own addresses, whatever
        they make up; identities pass as they are.
        """
        self.assertEqual(self.ask("/readyz", **MADE_UP)[0], 200)
        self.assert_logged("/readyz")
        self.assert_served(
            self.station("CP%201%2F", additional_headers=MADE_UP), "CP 1/"
        )
        # Not through the proxy, nobody is believed.
        self.ask("/healthz", self.central.port, **MADE_UP)
        self.assert_logged("/healthz")
        self.assert_streams()

    def assert_logged(self, path: str) -> None:
        def is_logged() -> bool:
            return any(
                line.startswith(f"{CLIENT} ") and path in line
                for line in self.access.read_text().splitlines()
            )

        self.central.until(is_logged, f"{path} of {CLIENT} in the access log")

    def assert_streams(self) -> None:
        """
        Events come as they happen.
        """
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.port, timeout=PATIENCE
        )
        self.addCleanup(connection.close)
        connection.request(
            "GET",
            "/api/v1/events",
            headers={"Host": "localhost", "Accept": "text/event-stream"},
        )
        answer = connection.getresponse()
        self.assertEqual(answer.status, 200)
        self.station("CP2")
        while b"event: connected" not in answer.readline():
            pass

    def assert_outlives(self, seconds: int) -> None:
        """
        A quiet station stays for longer than the proxy's patience, since we
        ping it.
        """
        begun = time.monotonic()
        quiet = self.station("CP3", ping_interval=None)
        while time.monotonic() - begun < seconds:
            with self.assertRaises(TimeoutError):
                quiet.recv(1)
        self.assert_served(quiet, "CP3")


class NginxTests(Proxied):
    """
    C{conf/nginx}.
    """

    def begin(self, **places: str) -> None:
        self.central.start()
        ours = self.shipped(
            "nginx/cs.conf",
            **{"listen 80": f"listen 127.0.0.1:{self.port}", **places},
        )
        nginx = program("nginx")
        assert nginx is not None
        temporary = "".join(
            f"{each}_temp_path {self.folder}/{each};\n"
            for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        file = self.write(
            "nginx.conf",
            "daemon off;\nmaster_process off;\n"
            f"pid {self.folder}/pid;\nerror_log stderr;\n"
            "events {}\nhttp {\naccess_log off;\n"
            f"{temporary}{ours}\n}}\n",
        )
        self.run_proxy(nginx, "-p", str(self.folder), "-c", file)

    @needs_nginx
    def test_between(self) -> None:
        """
        Everything works as without it.
        """
        self.begin()
        self.assert_of_http()

    @needs_nginx
    def test_definition(self) -> None:
        """
        Where nginx speaks TLS, the definition for stations that speak SOAP
        has the URL of nginx, and stations that use it are answered there.
        """
        pem = certify("localhost").write(self.folder / "cs.pem")
        self.begin(
            **{
                "listen 80": f"listen 127.0.0.1:{self.port} ssl",
                "# ssl_certificate ": f"ssl_certificate {pem};#",
                "# ssl_certificate_key": f"ssl_certificate_key {pem};#",
            }
        )
        path = "/Ocpp/CentralSystemService"
        connection = http.client.HTTPSConnection(
            "localhost",
            self.port,
            timeout=PATIENCE,
            context=ssl.create_default_context(cafile=pem),
        )
        self.addCleanup(connection.close)
        connection.request("GET", f"{path}?wsdl=1.5")
        told = connection.getresponse().read().decode()
        url = f"https://localhost:{self.port}{path}"
        self.assertIn(f'address location="{url}"', told)

    @needs_nginx
    def test_quiet(self) -> None:
        """
        Quiet stations stay.
        """
        self.central.settings["CS_STATIONS_PING_INTERVAL"] = "1"
        self.begin(**{"180s": "4s"})
        self.assert_outlives(8)

    def test_patience(self) -> None:
        """
        It waits for longer than we do before we ping.
        """
        text = (CONF / "nginx" / "cs.conf").read_text()
        assert_patient(self, re.findall(r"timeout (\d+)s", text))


class HAProxyTests(Proxied):
    """
    C{conf/haproxy/http.cfg}.
    """

    def begin(self, **places: str) -> None:
        self.central.start()
        file = self.write(
            "haproxy.cfg",
            self.shipped(
                "haproxy/http.cfg",
                **{"bind :80": f"bind 127.0.0.1:{self.port}", **places},
            ),
        )
        haproxy = program("haproxy")
        assert haproxy is not None
        self.run_proxy(haproxy, "-db", "-f", file)

    @needs_haproxy
    def test_between(self) -> None:
        """
        Everything works as without it.
        """
        self.begin()
        self.assert_of_http()

    @needs_haproxy
    def test_quiet(self) -> None:
        """
        Quiet stations stay.
        """
        self.central.settings["CS_STATIONS_PING_INTERVAL"] = "1"
        self.begin(**{"tunnel 180s": "tunnel 4s"})
        self.assert_outlives(8)

    def test_patience(self) -> None:
        """
        It waits for longer than we do before we ping.
        """
        text = (CONF / "haproxy" / "http.cfg").read_text()
        assert_patient(self, re.findall(r"tunnel (\d+)s", text))


class TCPTests(Proxied):
    """
    C{conf/haproxy/tcp.cfg}: TLS is ours, behind the PROXY protocol.
    """

    settings = {"CS_SERVER_PROXY_PROTOCOL": "yes"}

    @needs_haproxy
    def test_between(self) -> None:
        """
        A station is known by its own address, and who comes without a proxy
        needs none.
        """
        pem = certify("localhost").write(self.folder / "cs.pem")
        self.central.configure(
            f"[server]\nlog = {self.access}\n"
            f"[tls]\ncertificate = {pem}\nkey = {pem}\n"
        )
        self.central.begin()
        self.central.until_logged("listening on")
        context = ssl.create_default_context(cafile=pem)
        direct = connect(
            f"wss://127.0.0.1:{self.central.port}/ocpp/CP2",
            ssl=context,
            source_address=(CLIENT, 0),
            open_timeout=PATIENCE,
        )
        self.addCleanup(direct.close)
        self.central.until_logged(f"<CP2 OCPP 1.6 at {CLIENT}:")
        file = self.write(
            "haproxy.cfg",
            self.shipped(
                "haproxy/tcp.cfg",
                **{"bind :443": f"bind 127.0.0.1:{self.port}"},
            ),
        )
        haproxy = program("haproxy")
        assert haproxy is not None
        self.run_proxy(haproxy, "-db", "-f", file)
        station = self.station("CP1", ssl=context)
        station.send(json.dumps([2, "1", "Heartbeat", {}]))
        self.assertEqual(json.loads(station.recv(PATIENCE))[:2], [3, "1"])
        self.central.until_logged(f"<CP1 OCPP 1.6 at {CLIENT}:")

    def test_patience(self) -> None:
        """
        It waits for longer than we do before we ping.
        """
        text = (CONF / "haproxy" / "tcp.cfg").read_text()
        found = re.findall(r"(?:client|server) (\d+)s", text)
        assert_patient(self, found)


def assert_patient(case: SynchronousTestCase, found: list[str]) -> None:
    case.assertTrue(found)
    least = 2 * Stations().ping_interval
    case.assertEqual([s for s in found if int(s) < least], [])
