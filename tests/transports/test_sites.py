"""
Web pages: which folder whose browser is served, and nothing beside it.
"""

from __future__ import annotations

import json
import signal
from http.client import HTTPConnection

from twisted.trial.unittest import SynchronousTestCase

from tests.process import PATIENCE, server


class SiteTests(SynchronousTestCase):
    """
    C{sites/*.json}, of a central system as a process.
    """

    def setUp(self) -> None:
        self.central = server(self)
        self.folder = self.central.folder
        for name in ("root", "one", "two", "sites"):
            (self.folder / name / "lib").mkdir(parents=True)
            (self.folder / name / "index.html").write_text(name)
        (self.folder / "secret").write_text("nobody's business")
        self.central.configure(f"[server]\nroot = {self.folder}/root\n")
        self.write("one", {"hosts": ["one.example:9220"], "root": "one"})
        self.write("two", {"hosts": ["two.example"], "root": "two"})
        self.central.start()

    def write(self, name: str, site: object) -> None:
        (self.folder / "sites" / f"{name}.json").write_text(json.dumps(site))

    def get(self, path: str, host: str = "localhost:9220") -> tuple[int, str]:
        """
        Ask for a path just as it is.
        """
        connection = HTTPConnection(
            "127.0.0.1", self.central.port, timeout=PATIENCE
        )
        try:
            connection.putrequest("GET", path, skip_host=True)
            connection.putheader("Host", host)
            connection.endheaders()
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def test_hosts(self) -> None:
        """
        A host is served the folder of its site file, exactly as it is
        named there, any other the root; a reload replaces them.
        """
        for host, folder in (
            ("one.example:9220", "one"),
            ("ONE.Example:9220", "one"),
            ("one.example", "root"),
            ("two.example", "two"),
            ("two.example:9220", "root"),
            ("localhost:9220", "root"),
            ("../one", "root"),
        ):
            self.assertEqual(self.get("/", host), (200, folder), host)
        status, _ = self.get("/api/v1/ping", "one.example:9220")
        self.assertEqual(status, 200)
        self.write("one", {"hosts": ["one.example:9220"], "root": "two"})
        self.central.signal(signal.SIGHUP)
        self.central.until_logged("reloaded")
        self.assertEqual(self.get("/", "one.example:9220"), (200, "two"))

    def test_folder(self) -> None:
        """
        A folder without its slash leads to the one with it, wherever a proxy
        has us.
        """
        connection = HTTPConnection("127.0.0.1", self.central.port)
        self.addCleanup(connection.close)
        connection.request("GET", "/lib?q=%ff")
        answer = connection.getresponse()
        self.assertEqual(answer.status, 302)
        self.assertEqual(answer.getheader("Location"), "lib/")

    def test_nothing_beside(self) -> None:
        """
        No path leads out of the folder, and none lists what is in it.
        """
        for path in (
            "/../secret",
            "/%2e%2e/secret",
            "/lib/..%2f..%2fsecret",
            "/..%5csecret",
            "/lib%00/",
            "//etc/passwd",
            f"/{self.folder}/secret",
            "/lib/",
            "/one/index.html",
        ):
            status, body = self.get(path)
            self.assertIn(status, (400, 404), path)
            self.assertNotIn("nobody's business", body)
