"""
Tests for the web pages where something is missing: stations, the server, the
root of the path, English.
"""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from twisted.trial.unittest import SynchronousTestCase
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from .world import World


class Prefix(BaseHTTPRequestHandler):
    """
    A reverse proxy that has us under C{/charging/}.
    """

    target = ""

    def do_GET(self) -> None:
        if not self.path.startswith("/charging/"):
            self.send_error(404)
            return
        path = self.path.removeprefix("/charging/")
        self.wfile.write(self.answer(Request(self.target + path)))

    def answer(self, request: Request) -> bytes:
        try:
            with urlopen(request, timeout=10) as answer:
                body: bytes = answer.read()
                status, kind = answer.status, answer.headers["Content-Type"]
        except HTTPError as e:
            body, status = e.read(), e.code
            kind = e.headers["Content-Type"]
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        return body

    def log_message(self, format: str, *args: Any) -> None:
        pass


class AloneTests(World, SynchronousTestCase):
    """
    An empty installation, and what may happen to it.
    """

    def test_first_station(self) -> None:
        """
        It shows the address to enter into the first station, and who was
        refused of late with the remedy.
        """
        self.browser.open("")
        self.browser.until_read("Connect your first station")
        address = f"ws://127.0.0.1:{self.central.port}/ocpp/CP1"
        self.browser.until_read(address, ".address")
        with self.assertRaises(InvalidStatus):
            connect(self.central.url("CP1"), subprotocols=["ocpp16"])
        self.browser.until_read("ocpp1.6")
        [attempt] = self.central.items("connectionAttempts")
        self.browser.until_read(attempt["remedy"])
        self.addCleanup(self.browser.prefer, "light")
        for scheme in ("light", "dark"):
            self.browser.prefer(scheme)
            self.assertEqual(self.browser.faults(), [], scheme)

    def test_heals(self) -> None:
        """
        A central system that is gone is missed, and found again when it is
        back; so is a page that one wanted to see meanwhile.
        """
        self.browser.open("#/server")
        self.browser.until_read("embedded")
        self.central.kill()
        self.browser.until_read("no answer, trying again", "#link")
        self.browser.until_read("does not answer", ".trouble")
        self.browser.go("#/attempts")
        self.browser.until_read("Failed to fetch", ".trouble")
        self.central.start()
        self.browser.until_read("connected", "#link")
        self.browser.until_read("Connection attempts", "h1")
        self.browser.errors()

    def test_prefix(self) -> None:
        """
        Everything works below a path of a reverse proxy.
        """
        Prefix.target = self.browser.base
        proxy = ThreadingHTTPServer(("127.0.0.1", 0), Prefix)
        proxy.daemon_threads = True
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(proxy.server_close)
        self.addCleanup(proxy.shutdown)
        root = f"http://127.0.0.1:{proxy.server_port}/charging/"
        self.browser.driver.get(f"{root}#/stations")
        address = root.replace("http", "ws") + "ocpp/CP1"
        self.browser.until_read(address, ".address")
        self.browser.go("#/server")
        self.browser.until_read("embedded")

    def test_languages(self) -> None:
        """
        A German browser is shown German, a Russian one Russian.
        """
        self.addCleanup(self.browser.speak, "en-GB,en")
        for language, heading in (
            ("de", "Transaktionen"),
            ("ru", "Транзакции"),
        ):
            self.browser.speak(language)
            self.browser.open("#/transactions")
            self.browser.until_read(heading, "h1")
            page = self.browser.one("html")
            self.assertEqual(page.get_attribute("lang"), language)


class HealTests(World, SynchronousTestCase):
    """
    A central system that goes away, and comes back.
    """

    def test_stations_heal(self) -> None:
        """
        The list of stations misses the central system, too, and is live again
        when that is back.
        """
        self.browser.open("#/stations")
        self.browser.until_read("connected", "#link")
        self.central.kill()
        self.browser.until_read("no answer, trying again", "#link")
        self.central.start()
        self.browser.until_read("connected", "#link")
        self.street.do(self.street.plug("CP7").boot())
        self.browser.until_read("CP7", ".lines")
        self.street.unplug("CP7")
        self.browser.until_read("silent", ".lines")
        self.browser.errors()
