"""
As a service: the pid file, a socket of systemd, logs that are rotated under
load, backups.
"""

import http.client
import json
import os
import signal
import socket
import sqlite3
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


class ActivatedTests(SynchronousTestCase):
    """
    C{conf/systemd/cs.socket}: systemd listens, and hands the socket over.
    """

    def begin(self) -> subprocess.Popen[bytes]:
        """
        Start as systemd does.
        """
        number = self.listening.fileno()
        return subprocess.Popen(
            [
                *(self.central.python, "-c"),
                f"import os; os.dup2({number}, 3)\n"
                "os.environ['LISTEN_PID'] = str(os.getpid())\n"
                "from twisted.scripts.twistd import run; run()",
                *("-n", "--pidfile=", "cs"),
            ],
            cwd=self.central.folder,
            env={
                **{k: v for k, v in os.environ.items() if k[:3] != "CS_"},
                "PYTHONPATH": str(ROOT),
                "CS_CONFIG": str(self.central.folder / "cs.conf"),
                "LISTEN_FDS": "1",
                "LISTEN_FDNAMES": "cs.socket",
            },
            pass_fds=[number],
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )

    def setUp(self) -> None:
        self.central = server(self)
        self.central.configure(
            "[server]\nendpoint = systemd:domain=INET:index=0\n"
            "[api]\nallow_open = yes\n"
        )
        self.log = (self.central.folder / "cs.log").open("ab")
        self.addCleanup(self.log.close)
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.listening.close)
        self.central.port = self.listening.getsockname()[1]

    def test_activated(self) -> None:
        """
        Who comes while nothing runs waits, also between two runs; HUP goes
        on with the same socket.
        """
        for _ in range(2):
            early = http.client.HTTPConnection(
                "127.0.0.1", self.central.port, timeout=PATIENCE
            )
            self.addCleanup(early.close)
            early.request("GET", "/healthz")
            process = self.begin()
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
            try:
                self.assertEqual(early.getresponse().status, 200)
            except TimeoutError:
                raise AssertionError(self.central.log) from None
            early.close()
            reloaded = self.central.log.count(" reloaded")
            process.send_signal(signal.SIGHUP)
            self.central.until(
                lambda before=reloaded: (  # type: ignore[misc]
                    self.central.log.count(" reloaded") > before
                ),
                "it is reloaded",
            )
            self.assertEqual(self.central.http("GET", "/readyz")[0], 200)
            process.send_signal(signal.SIGQUIT)
            self.assertEqual(process.wait(PATIENCE), 0)


class BackupTests(SynchronousTestCase):
    """
    What docs/operate.md says of backups.
    """

    def test_restored(self) -> None:
        """
        A backup that was taken while stations charge has all that was
        acknowledged before; restored, a central system goes on from there.
        """
        central = server(self)
        central.start()
        connection = connect(
            central.url("CP1"),
            subprotocols=["ocpp1.6"],  # type: ignore[list-item]
        )
        self.addCleanup(connection.close)
        begun = [self.begin(connection, n) for n in range(5)]
        # Nobody waits for what the journal keeps.
        central.until(
            lambda: self.knows(central.folder / "cs-journal.sqlite3"),
            "the station is kept",
        )
        files = ("cs.sqlite3", "cs-journal.sqlite3")
        for name in files:
            with (
                sqlite3.connect(central.folder / name) as source,
                sqlite3.connect(central.folder / f"backup-{name}") as copy,
            ):
                source.backup(copy)
        self.begin(connection, 5)
        central.kill()
        for file in central.folder.glob("cs*.sqlite3*"):
            file.unlink()
        for name in files:
            (central.folder / f"backup-{name}").rename(central.folder / name)
        central.start()
        kept = {x["transactionId"] for x in central.items("transactions")}
        self.assertEqual(kept, set(begun))
        known = {x["identity"] for x in central.items("stations")}
        self.assertEqual(known, {"CP1"})

    def knows(self, journal: Path) -> bool:
        with sqlite3.connect(journal) as database:
            [count] = database.execute(
                "SELECT count(*) FROM stations"
            ).fetchone()
        return bool(count)

    def begin(self, connection: ClientConnection, meter: int) -> int:
        payload = {
            "connectorId": 1,
            "idTag": "A1",
            "meterStart": meter,
            "timestamp": "2026-01-01T00:00:00Z",
        }
        call = [2, str(meter), "StartTransaction", payload]
        connection.send(json.dumps(call))
        answer = json.loads(connection.recv(PATIENCE))
        return int(answer[2]["transactionId"])


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
