"""
Bad clients of C{twistd cs}: while they do what they do, a real station is
served.
"""

from __future__ import annotations

import resource
import socket
import ssl
from datetime import UTC, datetime, timedelta
from http.client import HTTPSConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID
from twisted.trial.unittest import SynchronousTestCase

from .frames import (
    Client,
    feed,
    frame,
    handshake,
    heartbeat,
    small_socket,
)
from .process import server
from .transports.soap_world import envelope as soap_envelope, reached_at


#: How many half-open handshakes there are, if the system allows it.
MANY = 10_000


def allowed() -> int:
    """
    How many connections this process may open.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return min(MANY, hard - 500 if hard > 0 else MANY)


class CrowdTests(SynchronousTestCase):
    """
    Many clients that mean no good.
    """

    def setUp(self) -> None:
        self.server = server(self, CS_BACKEND_NAME="memory")

    def test_half_open(self) -> None:
        """
        Ten thousand handshakes that are never finished keep nobody from
        being served, and leave nothing when they go.
        """
        many = allowed()
        self.assertGreaterEqual(many, 5000)
        self.server.start()
        station = Client(self.server.port).open("/ocpp/Real")
        self.addCleanup(station.close)
        started = handshake("/ocpp/Never")[:-2]
        crowd = []
        for number in range(many):
            each = socket.create_connection(("127.0.0.1", self.server.port))
            crowd.append(each)
            self.addCleanup(each.close)
            each.send(started if number % 2 else b"G")
            if number % 1000 == 0:
                station.ask(heartbeat(number))
        self.assertEqual(station.ask(heartbeat("x"))[:2], [3, "x"])
        newcomer = Client(self.server.port).open("/ocpp/Newcomer")
        self.assertEqual(newcomer.ask(heartbeat(1))[:2], [3, "1"])
        newcomer.close()
        self.assertEqual(self.server.http("GET", "/readyz")[0], 200)
        for each in crowd:
            each.close()
        self.server.until(lambda: self.sockets() < 100, "all of them go")
        self.assertEqual(station.ask(heartbeat("y"))[:2], [3, "y"])
        self.assertNotIn("Traceback", self.server.log)

    def sockets(self) -> int:
        """
        How many files the server has open.
        """
        return len(list(Path(f"/proc/{self.server.pid}/fd").iterdir()))

    def test_out_of_files(self) -> None:
        """
        A crowd that takes every file there is does no lasting harm: stations
        that are there are served, and others when the crowd has gone.
        """
        self.server = server(
            self,
            "import resource as r; r.setrlimit(r.RLIMIT_NOFILE, (128, 128))\n",
            CS_BACKEND_NAME="memory",
        )
        self.server.start()
        station = Client(self.server.port).open("/ocpp/Real")
        self.addCleanup(station.close)
        crowd = [
            socket.create_connection(("127.0.0.1", self.server.port))
            for _ in range(300)
        ]
        for number in range(10):
            answer = station.ask(heartbeat(number))
            self.assertEqual(answer[:2], [3, str(number)])
        for each in crowd:
            each.close()
        newcomer = Client(self.server.port).open("/ocpp/Newcomer")
        self.assertEqual(newcomer.ask(heartbeat(1))[:2], [3, "1"])
        newcomer.close()

    def test_deaf_and_replaced(self) -> None:
        """
        A connection that neither reads nor says goodbye is replaced by a
        newer one of its identity, which is served, and is hung up on.
        """
        self.server.start()
        port = self.server.port
        deaf = Client(port, connected=small_socket(port)).open()
        self.addCleanup(deaf.close)
        deaf.socket.setblocking(False)
        feed(deaf.socket)
        newer = Client(port).open()
        self.addCleanup(newer.close)
        self.assertEqual(newer.ask(heartbeat(1))[:2], [3, "1"])
        self.server.until_logged(" disconnected: ")
        self.assertEqual(newer.ask(heartbeat(2))[:2], [3, "2"])
        [station] = self.server.items("stations?connected=true")
        self.assertTrue(station["connected"])

    def test_noise(self) -> None:
        """
        What is no HTTP at all is hung up on, or answered with an error.
        """
        self.server.start()
        for noise in (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500,
            b"\0" * 70_000,
            b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 10_000 + b"\r\n",
            b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"\r\n\r\n\r\n",
            b"GET /ocpp/CP1 HTTP/1.0\r\nUpgrade: websocket\r\n\r\n",
            b"POST /ocpp/CP1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            b"Content-Length: 5\r\n\r\nhello",
        ):
            client = Client(self.server.port, 1)
            try:
                client.send(noise)
                client.read_head()
                self.assertNotIn(b" 101 ", client.head)
                self.assertNotIn(b" 500 ", client.head)
            except (EOFError, OSError):
                pass
            client.close()
        self.assertEqual(self.server.http("GET", "/readyz")[0], 200)
        self.assertNotIn("Traceback", self.server.log)


class Accepting(BaseHTTPRequestHandler):
    """
    A station that accepts to clear its cache.
    """

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        answer = soap_envelope(
            "<clearCacheResponse><status>Accepted</status>"
            "</clearCacheResponse>",
            namespace="urn://Ocpp/Cp/2015/10/",
        )
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        """
        It is quiet.
        """


class TLSTests(SynchronousTestCase):
    """
    Stations that prove themselves with a certificate.
    """

    def setUp(self) -> None:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.authority = self.certify("authority")
        self.certify("server", self.authority)
        self.certify("CP1", self.authority)
        self.server = server(
            self,
            "from ocpp_tw.router import Router\n"
            "before = Router.admit\n"
            "def admit(self, handshake):\n"
            "    before(self, handshake)\n"
            "    name = handshake.certificate.get_subject().CN\n"
            "    print('admits', handshake.identity, name,"
            " handshake.username, flush=True)\n"
            "Router.admit = admit\n",
            CS_BACKEND_NAME="memory",
            CS_TLS_CERTIFICATE=self.pem("server"),
            CS_TLS_KEY=self.pem("server"),
            CS_TLS_CLIENT_CA=self.pem("authority"),
        )
        self.server.begin()
        self.server.until_logged("listening on")

    def pem(self, name: str) -> str:
        return str(self.folder / f"{name}.pem")

    def certify(
        self,
        name: str,
        issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey]
        | None = None,
    ) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        """
        Make a key and a certificate, both in a file of that name.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer[0].subject if issuer else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(
                x509.BasicConstraints(ca=not issuer, path_length=None), True
            )
            .add_extension(
                x509.SubjectAlternativeName(
                    [x509.IPAddress(IPv4Address("127.0.0.1"))]
                ),
                False,
            )
            .sign(issuer[1] if issuer else key, hashes.SHA256())
        )
        pem = made.public_bytes(Encoding.PEM) + key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        Path(self.pem(name)).write_bytes(pem)
        return made, key

    def connect(self, name: str | None) -> Client:
        """
        A station with the certificate of that name, or with none.
        """
        context = ssl.create_default_context(cafile=self.pem("authority"))
        if name is not None:
            context.load_cert_chain(self.pem(name))
        plain = socket.create_connection(("127.0.0.1", self.server.port), 20)
        wrapped = context.wrap_socket(plain, server_hostname="127.0.0.1")
        self.addCleanup(wrapped.close)
        return Client(0, connected=wrapped)

    def test_certificate(self) -> None:
        """
        The certificate of a station reaches whoever admits it; frames pass,
        those of the segment of the handshake too.
        """
        station = self.connect("CP1").open(early=frame(heartbeat(0)))
        self.assertIn("admits CP1 CP1", self.server.log)
        self.assertEqual(station.read().json()[:2], [3, "0"])
        for number in range(1, 20):
            answer = station.ask(heartbeat(number))
            self.assertEqual(answer[:2], [3, str(number)])
        station.send(*(frame(heartbeat(n)) for n in range(100)))
        for number in range(100):
            self.assertEqual(station.read().json()[1], str(number))

    def ask(self, method: str, path: str, body: bytes, **headers: str) -> Any:
        """
        Status and body of an answer, for the station CP1.
        """
        context = ssl.create_default_context(cafile=self.pem("authority"))
        context.load_cert_chain(self.pem("CP1"))
        connection = HTTPSConnection(
            "127.0.0.1", self.server.port, context=context, timeout=20
        )
        self.addCleanup(connection.close)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()

    def test_soap(self) -> None:
        """
        So do the certificate, name and password of a station that speaks
        SOAP; the one that it shows when it is commanded must be signed, too.
        """
        self.certify("stranger")
        for name, expected in (("CP1", 200), ("stranger", 503)):
            service = HTTPServer(("127.0.0.1", 0), Accepting)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.pem(name))
            service.socket = context.wrap_socket(service.socket, True)
            Thread(target=service.serve_forever, daemon=True).start()
            self.addCleanup(service.server_close)
            self.addCleanup(service.shutdown)
            url = f"https://127.0.0.1:{service.server_port}/"
            status, _ = self.ask(
                "POST",
                "/Ocpp",
                soap_envelope(header=reached_at(url)),
                Authorization="Basic Q1AxOnNlY3JldA==",
            )
            self.assertEqual(status, 200)
            self.assertIn("admits CP1 CP1 CP1", self.server.log)
            status, body = self.ask(
                "POST", "/api/v1/ChargePoint/CP1/ClearCache", b"{}"
            )
            self.assertEqual(status, expected, body)
        self.assertIn(b"certificate verify failed", body)

    def test_strangers(self) -> None:
        """
        A station without a certificate, with one of its own making, or
        without TLS is not let in; others are served.
        """
        self.certify("stranger")
        with self.assertRaisesRegex(AssertionError, "403 it showed no"):
            self.connect(None).open()
        with self.assertRaises((ssl.SSLError, EOFError, OSError)):
            self.connect("stranger").open()
        with self.assertRaises((EOFError, OSError)):
            Client(self.server.port).open()
        self.assertNotIn("admits", self.server.log)
        self.connect("CP1").open()
        self.assertIn("admits CP1 CP1", self.server.log)
        self.assertNotIn("Traceback", self.server.log)
