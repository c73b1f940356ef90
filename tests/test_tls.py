"""
TLS on our port, by real sockets: the chain, renewal, and who has to show a
certificate.
"""

import json
import signal
import socket
import ssl
from pathlib import Path
from typing import Any

from cryptography import x509
from twisted.trial.unittest import SynchronousTestCase
from websockets.exceptions import (
    ConnectionClosed,
    InvalidMessage,
    InvalidStatus,
)
from websockets.sync.client import ClientConnection, connect

from .certificates import Identity, certify
from .process import server


#: How a handshake fails at the other end.
NO_WAY = (OSError, EOFError, InvalidMessage, ConnectionClosed)

HEARTBEAT = json.dumps([2, "1", "Heartbeat", {}])


class TLSTestCase(SynchronousTestCase):
    """
    A test with certificates, and a central system that is not started.
    """

    workers = "1"

    def setUp(self) -> None:
        self.central = server(
            self,
            CS_BACKEND_NAME="embedded",
            CS_MAIN_WORKERS=self.workers,
            CS_SERVER_TIMEOUT="500 ms",
        )
        self.root = certify("authority")
        self.root.write(self.path("root"))
        self.between = certify("authority between", self.root)
        self.present("first")

    def path(self, name: str) -> Path:
        return self.central.folder / f"{name}.pem"

    def present(self, name: str) -> None:
        """
        Let the server's file hold a new certificate, with its chain.
        """
        ours = certify(name, self.between)
        self.path("server").write_text(
            ours.pem + self.between.pem + ours.key_pem
        )

    def configure(self, more: str = "") -> None:
        pem = self.path("server")
        self.central.configure(
            f"[tls]\ncertificate = {pem}\nkey = {pem}\n{more}"
        )

    def start(self) -> None:
        """
        Start, and wait until it listens to signals, too.
        """
        self.central.begin()
        self.central.until_logged("listening on")
        self.greeted_by()

    def reload(self) -> None:
        logged = self.central.log.count(" reloaded")
        self.central.signal(signal.SIGHUP)
        self.central.until_logged(" reloaded", logged + 1)

    def context(self, shown: Identity | None = None) -> ssl.SSLContext:
        """
        That of a client that knows the root alone.
        """
        context = ssl.create_default_context(cafile=str(self.path("root")))
        if shown is not None:
            context.load_cert_chain(shown.write(self.path("shown")))
        return context

    def greeted_by(self, context: ssl.SSLContext | None = None) -> str:
        """
        Who the server says it is, to somebody who connects now.
        """
        address = ("127.0.0.1", self.central.port)
        with (
            socket.create_connection(address, 20) as plain,
            (context or self.context()).wrap_socket(
                plain, server_hostname="localhost"
            ) as wrapped,
        ):
            der = wrapped.getpeercert(True)
        assert der is not None
        certificate = x509.load_der_x509_certificate(der)
        return certificate.subject.rfc4514_string()

    def station(self, identity: str, **options: Any) -> ClientConnection:
        options = options or {"ssl": self.context()}
        scheme = "wss" if options.get("ssl") else "ws"
        connection = connect(
            f"{scheme}://localhost:{self.central.port}/ocpp/{identity}",
            subprotocols=["ocpp1.6"],  # type: ignore[list-item]
            **options,
        )
        self.addCleanup(connection.close)
        return connection

    def asks(self, station: ClientConnection) -> None:
        station.send(HEARTBEAT)
        self.assertIn("currentTime", station.recv(20))


class CertificateTests(TLSTestCase):
    """
    What the server shows.
    """

    def test_chain(self) -> None:
        """
        Who knows the root alone can follow the chain to it.
        """
        self.configure()
        self.start()
        self.assertEqual(self.greeted_by(), "CN=first")

    def test_renewed(self) -> None:
        """
        A renewed file is shown after HUP to who connects then; a station
        that is there notices nothing.
        """
        self.configure()
        self.start()
        station = self.station("CP1")
        self.asks(station)
        self.present("second")
        self.assertEqual(self.greeted_by(), "CN=first")
        self.reload()
        self.assertEqual(self.greeted_by(), "CN=second")
        self.asks(station)

    def test_broken(self) -> None:
        """
        A renewed file that cannot be used changes nothing.
        """
        self.configure()
        self.start()
        self.path("server").write_text("x")
        self.central.signal(signal.SIGHUP)
        self.central.until_logged("not reloaded, nothing has changed: [tls]")
        self.assertEqual(self.greeted_by(), "CN=first")

    def test_switched(self) -> None:
        """
        TLS can be switched on and off by HUP: who is there stays as it is,
        who connects then has to speak as is wanted then.
        """
        self.central.start()
        plain = self.station("CP1", ssl=None)
        self.configure()
        self.reload()
        secure = self.station("CP2")
        with self.assertRaises(NO_WAY):
            self.station("CP3", ssl=None)
        for station in (plain, secure):
            self.asks(station)
        self.central.configure("")
        self.reload()
        self.asks(self.station("CP3", ssl=None))
        self.asks(secure)

    def test_oldest(self) -> None:
        """
        No older version is spoken than the least that is configured.
        """
        self.configure("min_version = 1.3\n")
        self.start()
        context = self.context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with self.assertRaises(OSError):
            self.greeted_by(context)
        self.assertEqual(self.greeted_by(), "CN=first")


class ClientTests(TLSTestCase):
    """
    What stations have to show.
    """

    def setUp(self) -> None:
        super().setUp()
        self.configure(f"client_ca = {self.path('root')}\n")

    def test_stations(self) -> None:
        """
        Stations need a certificate of that authority, operators do not.
        """
        self.start()
        shown = self.context(certify("CP1", self.root))
        self.asks(self.station("CP1", ssl=shown))
        with self.assertRaises(InvalidStatus) as refused:
            self.station("CP2")
        self.assertEqual(refused.exception.response.status_code, 403)
        self.central.until_logged("it showed no certificate")
        stranger = self.context(certify("CP3"))
        with self.assertRaises(NO_WAY):
            self.station("CP3", ssl=stranger)
        self.assertEqual(self.greeted_by(), "CN=first")
        self.assertNotIn("Traceback", self.central.log)


class WorkersTests(TLSTestCase):
    """
    Several workers.
    """

    workers = "2"

    def test_renewed(self) -> None:
        """
        New workers show the renewed file.
        """
        self.configure()
        self.central.begin()
        self.central.until_logged("is ready", 2)
        self.asks(self.station("CP1"))
        self.present("second")
        self.central.signal(signal.SIGHUP)
        self.central.until(
            lambda: self.greeted_by() == "CN=second", "it is shown"
        )
        self.asks(self.station("CP1"))
        self.central.signal(signal.SIGQUIT)
        self.assertEqual(self.central.ended(), 0)
