"""
C{twistd cs} as a process of its own, on a free loopback port.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

import ocpp_tw


ROOT = Path(ocpp_tw.__file__).parent.parent

#: Seconds that anything may take.
PATIENCE = 30

_TWISTD = "from twisted.scripts.twistd import run; run()"

#: Every frame goes through Autobahn: our fast path is taken out.
WITHOUT_FAST_PATH = """
from ocpp_tw.transports.fastframes import FastFrames
del FastFrames.dataReceived
FastFrames.read_fast = lambda self: None
"""


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
    return port


class Server:
    """
    A central system; see L{server}.

    @ivar folder: where it runs, with its configuration and its database.
    @ivar settings: its environment.
    @ivar python: what runs it.
    """

    python = sys.executable

    def __init__(self, folder: Path, before: str = "", **settings: str):
        """
        @param before: Python that is run in the process before twistd is.
        @param settings: the environment: C{CS_SERVER_PORT} and the like.
        """
        self.folder = folder
        self.port = free_port()
        self._before = before
        self.settings = {
            "CS_SERVER_PORT": str(self.port),
            "CS_CONFIG": str(folder / "cs.conf"),
            **settings,
        }
        self._log = folder / "cs.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.configure("")

    def configure(self, text: str) -> None:
        (self.folder / "cs.conf").write_text(text)

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def begin(self, *options: str) -> None:
        """
        Start the process.

        @param options: of twistd.
        """
        kept = {k: v for k, v in os.environ.items() if k[:3] != "CS_"}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self.python,
                    "-c",
                    self._before + _TWISTD,
                    "-n",
                    *(options or ("--pidfile=",)),
                    "cs",
                ],
                cwd=self.folder,
                env={**kept, "PYTHONPATH": str(ROOT), **self.settings},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Without the terminal of whoever runs the tests.
                start_new_session=True,
            )

    def start(self, *options: str) -> None:
        """
        Start the process, and wait until it can serve.
        """
        self.begin(*options)
        self.until(self.is_ready, "it is ready")

    def is_ready(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"it ended:\n{self.log}")
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1):
                pass
            return self.http("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """
        Wait until something holds.
        """
        end = time.monotonic() + PATIENCE
        while not holds():
            if time.monotonic() > end:
                raise AssertionError(f"not in time: {what}\n{self.log}")
            time.sleep(0.02)

    def until_logged(self, text: str, times: int = 1) -> None:
        def holds() -> bool:
            if self.log.count(text) >= times:
                return True
            assert self._process is not None
            if self._process.poll() is not None:
                raise AssertionError(f"it ended:\n{self.log}")
            return False

        self.until(holds, f"log {text!r}")

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def ended(self) -> int:
        """
        Wait for the end of the process.

        @return: its exit code.
        """
        assert self._process is not None
        try:
            return self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it does not end:\n{self.log}") from None

    def kill(self) -> None:
        """
        End the process as a power failure would.
        """
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def http(
        self, method: str, path: str, body: Any = None
    ) -> tuple[int, Any]:
        """
        Status and JSON of an answer.
        """
        request = Request(
            f"http://127.0.0.1:{self.port}{path}",
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json"},
            method=method,
        )
        try:
            with urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, json.loads(answer.read() or "null")
        except HTTPError as e:
            return e.code, json.load(e)

    def items(self, path: str) -> list[dict[str, Any]]:
        """
        What a list of the API has.
        """
        status, answer = self.http("GET", f"/api/v1/{path}")
        assert status == 200, answer
        return list(answer["items"])

    def command(
        self, identity: str, operation: str, payload: Any
    ) -> tuple[int, Any]:
        """
        Give a station an order.
        """
        path = f"/api/v1/ChargePoint/{quote(identity, safe='')}/{operation}"
        return self.http("POST", path, payload)

    def url(self, identity: str) -> str:
        return f"ws://127.0.0.1:{self.port}/ocpp/{quote(identity, safe='')}"


def server(case: Any, before: str = "", **settings: str) -> Server:
    """
    A central system that is not started yet, and ends with the test, or with
    the tests of a class.
    """
    is_class = isinstance(case, type)
    clean_up = case.addClassCleanup if is_class else case.addCleanup
    folder = TemporaryDirectory(prefix="cs-")
    clean_up(folder.cleanup)
    made = Server(Path(folder.name).resolve(), before, **settings)
    clean_up(made.kill)
    return made
