"""
In the background: the pid file, and logs that are rotated under load.
"""

import json
import os
import signal
import subprocess
import threading
from collections import Counter
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase
from websockets.sync.client import ClientConnection, connect

from .process import PATIENCE, ROOT, Server, server


class DaemonTestCase(SynchronousTestCase):
    """
    A test with a central system in the background.
    """

    workers = "1"

    def setUp(self) -> None:
        self.central: Server = server(
            self, CS_MAIN_WORKERS=self.workers, CS_SERVER_TIMEOUT="500 ms"
        )
        self.pid_file = self.central.folder / "run" / "cs.pid"
        self.pid_file.parent.mkdir()
        # What tests/process.py shows of a process that it has not begun.
        (self.central.folder / "cs.log").touch()

    def start(self, configuration: str = "") -> int:
        """
        Start it, and wait until it serves.

        @return: the process that is there then.
        """
        self.central.configure(
            f"[daemon]\npid = {self.pid_file}\n{configuration}"
        )
        kept = {k: v for k, v in os.environ.items() if k[:3] != "CS_"}
        begun = subprocess.run(
            [
                self.central.python,
                "-c",
                "from twisted.scripts.twistd import run; run()",
                "cs",
            ],
            cwd=self.central.folder,
            env={
                **kept,
                "PYTHONPATH": str(ROOT),
                **self.central.settings,
            },
            capture_output=True,
            text=True,
            timeout=120,
        )
        self.assertEqual(begun.returncode, 0, begun.stderr)
        pid = int(self.pid_file.read_text())
        self.addCleanup(self.kill, pid)
        self.central.until(self.is_ready, "it is ready")
        return pid

    def kill(self, pid: int) -> None:
        if is_there(pid):
            os.kill(pid, signal.SIGKILL)

    def is_ready(self) -> bool:
        try:
            return self.central.http("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def stop(self, pid: int, number: signal.Signals) -> None:
        os.kill(pid, number)
        self.central.until(lambda: not is_there(pid), "it has ended")
        self.assertFalse(self.pid_file.exists())


def is_there(pid: int) -> bool:
    """
    Whether a process runs; one that nobody has waited for does not.
    """
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


class DaemonTests(DaemonTestCase):
    """
    C{twistd cs}, as it is without C{-n}.
    """

    def test_life(self) -> None:
        """
        It is in the background when it says so, with its pid in the file;
        HUP reloads, relative paths are those of where it was started, and
        QUIT ends it and takes the file away.
        """
        pid = self.start("[embedded]\npath = records.sqlite3\n")
        log = self.central.folder / "twistd.log"
        os.kill(pid, signal.SIGHUP)
        self.central.until(lambda: " reloaded" in log.read_text(), "reloaded")
        self.assertTrue((self.central.folder / "records.sqlite3").exists())
        self.stop(pid, signal.SIGQUIT)

    def test_again(self) -> None:
        """
        It starts again over the file that a crash has left.
        """
        with subprocess.Popen(["true"]) as gone:
            gone.wait()
        self.pid_file.write_text(str(gone.pid))
        self.stop(self.start(), signal.SIGTERM)


class DaemonWorkersTests(DaemonTestCase):
    """
    The same with workers.
    """

    workers = "2"

    def test_life(self) -> None:
        """
        The master's pid is in the file; WINCH lets workers go, HUP brings
        others, QUIT ends all.
        """
        pid = self.start()
        children = Path(f"/proc/{pid}/task/{pid}/children")
        os.kill(pid, signal.SIGWINCH)
        self.central.until(lambda: not children.read_text(), "they drain")
        os.kill(pid, signal.SIGHUP)
        self.central.until(self.is_ready, "others are there")
        self.stop(pid, signal.SIGQUIT)


class Rotated(DaemonTestCase):
    """
    Logs that are moved away while stations talk.
    """

    rounds = 4

    def test_rotated(self) -> None:
        """
        Each frame, and each request, is in one of the files, once.
        """
        self.folder = self.central.folder / "log"
        self.folder.mkdir()
        pid = self.start(
            f"[log]\ninfo = {self.folder}/cs.log\n"
            f"messages = {self.folder}/frames.log\n"
            f"[server]\nlog = {self.folder}/access.log\n"
        )
        done = threading.Event()
        stations = [
            Talker(self.station(f"CP{n}"), f"CP{n}", done) for n in range(4)
        ]
        for station in stations:
            station.start()
        asked = 0
        for number in range(self.rounds):
            asked += self.ask(10)
            self.until_said(stations, 20 * (number + 1))
            for name in ("cs.log", "frames.log", "access.log"):
                (self.folder / name).rename(self.folder / f"{name}.{number}")
            os.kill(pid, signal.SIGUSR1)
            self.central.until(
                lambda: (self.folder / "frames.log").exists(), "reopened"
            )
        asked += self.ask(10)
        done.set()
        for station in stations:
            station.join(PATIENCE)
        self.stop(pid, signal.SIGQUIT)
        calls = Counter(
            (line.split()[1], json.loads(line.split(" ", 3)[3])[1])
            for line in self.lines("frames.log")
            if line.split(" ", 3)[3].startswith("[2,")
        )
        self.assertEqual(
            calls,
            Counter((s.name, str(n)) for s in stations for n in range(s.said)),
        )
        requests = [x for x in self.lines("access.log") if "healthz" in x]
        self.assertEqual(len(requests), asked)
        connected = [x for x in self.lines("cs.log") if "> connected" in x]
        self.assertEqual(len(connected), len(stations))
        self.assertGreater(len(list(self.folder.glob("cs.log*"))), 1)

    def station(self, identity: str) -> ClientConnection:
        connection = connect(
            self.central.url(identity),
            subprotocols=["ocpp1.6"],  # type: ignore[list-item]
        )
        self.addCleanup(connection.close)
        return connection

    def ask(self, times: int) -> int:
        for _ in range(times):
            self.central.http("GET", "/healthz")
        return times

    def until_said(self, stations: list["Talker"], least: int) -> None:
        self.central.until(
            lambda: all(s.said >= least for s in stations), "they talk"
        )

    def lines(self, name: str) -> list[str]:
        return [
            line
            for file in self.folder.glob(f"{name}*")
            for line in file.read_text().splitlines()
        ]


class RotatedWorkers(Rotated):
    """
    The same with workers, which write to the same files.
    """

    workers = "2"


class Talker(threading.Thread):
    """
    A station that says one Heartbeat after another.

    @ivar said: how many were answered.
    """

    def __init__(
        self, connection: ClientConnection, name: str, done: threading.Event
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._connection = connection
        self._done = done
        self.said = 0

    def run(self) -> None:
        while not self._done.is_set():
            call = [2, str(self.said), "Heartbeat", {}]
            self._connection.send(json.dumps(call))
            self._connection.recv(PATIENCE)
            self.said += 1
