"""
Several processes for real: rolled, killed, drained.
"""

import http.client
import json
import os
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from itertools import count
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from ocpp_tw.workers import master

from ..process import PATIENCE, Server, server


BOOT = {"chargePointVendor": "Example", "chargePointModel": "Two-22"}


class Station:
    """
    A station that answers every command, and asks when it is told to.
    """

    def __init__(self, central: Server, identity: str) -> None:
        self._count = 0
        self.connection: ClientConnection = connect(
            central.url(identity), subprotocols=["ocpp1.6"]
        )
        self._answers: dict[str, Any] = {}
        self._came = threading.Condition()
        self.close_code: int | None = None
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        try:
            for frame in self.connection:
                message = json.loads(frame)
                if message[0] == 2:
                    answer = [3, message[1], {"status": "Accepted"}]
                    self.connection.send(json.dumps(answer))
                    continue
                with self._came:
                    self._answers[message[1]] = message
                    self._came.notify_all()
        except ConnectionClosed:
            pass
        with self._came:
            self.close_code = self.connection.close_code
            self._came.notify_all()

    def call(self, action: str, payload: Any) -> Any:
        """
        The payload of the answer; None where the connection was lost.
        """
        self._count += 1
        number = str(self._count)
        try:
            self.connection.send(json.dumps([2, number, action, payload]))
        except ConnectionClosed:
            return None
        with self._came:
            self._came.wait_for(
                lambda: number in self._answers or self.close_code, 20
            )
            answer = self._answers.get(number)
        return answer[2] if answer else None

    def close(self) -> None:
        self.connection.close()


class Workers(SynchronousTestCase):
    """
    A test with a master and two workers.
    """

    def setUp(self) -> None:
        self.central = server(
            self, CS_MAIN_WORKERS="2", CS_SERVER_TIMEOUT="1 s"
        )
        self.addCleanup(self.end)
        self.central.start()
        self.until_ready(2)

    def end(self) -> None:
        for pid in self.workers():
            os.kill(pid, signal.SIGKILL)

    def until_ready(self, times: int) -> None:
        self.central.until_logged("is ready", times)

    def workers(self) -> list[int]:
        """
        The processes that the master has.
        """
        try:
            return children(self.central)
        except FileNotFoundError:
            return []

    def title(self, pid: int) -> str:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
        return words.replace(b"\0", b" ").decode().strip()

    def station(self, identity: str) -> Station:
        station = Station(self.central, identity)
        self.addCleanup(station.close)
        return station

    def fleet(self, size: int = 8) -> list[Station]:
        """
        Stations that the kernel deals out to both workers, nearly surely.
        """
        stations = [self.station(f"CP{n}") for n in range(size)]
        for station in stations:
            station.call("BootNotification", BOOT)
        return stations


class OneSystemTests(Workers):
    """
    Several processes are one central system.
    """

    def test_one_system(self) -> None:
        """
        Whoever is asked knows all stations and reaches each.
        """
        self.fleet()
        everyone = [f"CP{n}" for n in range(8)]
        for _ in range(6):
            self.central.until(
                lambda: (
                    [
                        s["identity"]
                        for s in self.central.items("stations?connected=true")
                    ]
                    == everyone
                ),
                "all are seen",
            )
        for identity in everyone * 2:
            self.assertEqual(
                self.central.command(identity, "ClearCache", {}),
                (200, {"status": "Accepted"}),
            )
        status, about = self.central.http("GET", "/api/v1/server")
        self.assertEqual((status, about["workers"]), (200, 2))

    def test_newest_wins(self) -> None:
        """
        A station that connects again is held once, by the last.
        """
        stations = [self.station("CP1") for _ in range(6)]
        for old in stations[:-1]:
            self.central.until(
                lambda old=old: old.close_code == 1008,  # type: ignore[misc]
                "the older ones are closed",
            )
        self.assertIsNone(stations[-1].close_code)
        answer = self.central.command("CP1", "ClearCache", {})
        self.assertEqual(answer, (200, {"status": "Accepted"}))

    def test_titles(self) -> None:
        """
        The processes say what they are.
        """
        self.assertIn("cs: master process", self.title(self.central.pid))
        titles = sorted(self.title(pid) for pid in self.workers())
        self.assertEqual(
            titles, ["cs: worker process 1", "cs: worker process 2"]
        )


class Stream(threading.Thread):
    """
    A browser that watches, by a connection of its own.

    @ivar heard: how often each action of each station.
    """

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.heard: Counter[tuple[str, str]] = Counter()
        self._connection = http.client.HTTPConnection("127.0.0.1", port)
        self._connection.request("GET", "/api/v1/events?type=message")
        self._answer = self._connection.getresponse()
        assert self._answer.status == 200, self._answer.read()

    def run(self) -> None:
        while line := self._answer.readline():
            name, _, value = line.decode().partition(": ")
            if name == "data":
                message = json.loads(value)
                self.heard[message["action"], message["identity"]] += 1

    def has(self, action: str, identities: set[str]) -> bool:
        return {(action, each) for each in identities} <= set(self.heard)


class EventTests(Workers):
    """
    Event streams.
    """

    def test_all_once(self) -> None:
        """
        Whichever worker a stream is of, it has what happens in all of them,
        once.
        """
        streams = [Stream(self.central.port) for _ in range(4)]
        for stream in streams:
            stream.start()
        stations = self.fleet()
        everyone = {f"CP{n}" for n in range(8)}

        def all_hear() -> bool:
            for station in stations:
                station.call("Heartbeat", {})
            return all(s.has("Heartbeat", everyone) for s in streams)

        self.central.until(all_hear, "the workers tell each other")
        for station in stations:
            station.call("DataTransfer", {"vendorId": "x"})
        self.central.until(
            lambda: all(s.has("DataTransfer", everyone) for s in streams),
            "all is told",
        )
        for stream in streams:
            told = {n for (a, _), n in stream.heard.items() if a[0] == "D"}
            self.assertEqual(told, {1}, stream.heard)


class Visitors(threading.Thread):
    """
    Clients that come with a new connection each, one after another, and one
    that keeps its connection until it is told that it will be closed.

    @ivar seen: what became of them.
    """

    #: How long it keeps a connection without a request, in seconds: not as
    #: long as the server does (C{[server] timeout}), as one waits for the
    #: other client while workers start.
    IDLE = 0.2

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self.seen: Counter[str] = Counter()
        self.enough = False

    def run(self) -> None:
        kept, used = self._connection(), time.monotonic()
        while not self.enough:
            fresh = self._connection()
            self._ask(fresh)
            fresh.close()
            if time.monotonic() - used > self.IDLE:
                kept.close()
            if self._ask(kept) == "close":
                kept.close()
            used = time.monotonic()
            time.sleep(0.002)
        kept.close()

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)

    def _ask(self, connection: http.client.HTTPConnection) -> str | None:
        try:
            connection.request("GET", "/healthz")
            answer = connection.getresponse()
            answer.read()
            self.seen[str(answer.status)] += 1
            return answer.getheader("Connection")
        except (OSError, http.client.HTTPException) as e:
            self.seen[f"{type(e).__name__}: {e}"] += 1
            return "close"


class SignalTests(Workers):
    """
    Signals to the master.
    """

    def test_rolled(self) -> None:
        """
        HUP four times under load: nobody is refused, nobody is cut off, and
        stations are told to come back.
        """
        stations = self.fleet(4)
        visitors = Visitors(self.central.port)
        visitors.start()
        for number in range(1, 5):
            self.central.configure(f"[stations]\nping_interval = {number}\n")
            before = set(self.workers())
            self.central.signal(signal.SIGHUP)
            self.until_ready(2 + 2 * number)
            self.central.until(
                lambda before=before: not before & set(self.workers()),  # type: ignore[misc]
                "the old workers have ended",
            )
        visitors.enough = True
        visitors.join(20)
        self.assertEqual(set(visitors.seen), {"200"}, visitors.seen)
        self.assertGreater(visitors.seen["200"], 200)
        self.assertEqual([s.close_code for s in stations], [1012] * 4)

    def test_fewer(self) -> None:
        """
        HUP may change how many workers there are: nobody is refused, nobody
        is cut off.
        """
        self.central.kill()
        self.central.until(lambda: not self.workers(), "they have ended")
        del self.central.settings["CS_MAIN_WORKERS"]
        self.central.configure("[main]\nworkers = 3\n")
        self.central.start()
        ready = self.central.log.count("is ready")
        visitors = Visitors(self.central.port)
        visitors.start()
        self.central.configure("[main]\nworkers = 2\n")
        self.central.signal(signal.SIGHUP)
        self.until_ready(ready + 2)
        self.central.until(lambda: len(self.workers()) == 2, "two are left")
        visitors.enough = True
        visitors.join(20)
        self.assertEqual(set(visitors.seen), {"200"}, visitors.seen)

    def test_bad_configuration(self) -> None:
        """
        A configuration that cannot be used changes nothing.
        """
        before = self.workers()
        self.central.configure("[stations]\naccept = x\n")
        self.central.signal(signal.SIGHUP)
        self.central.until_logged("not reloaded, nothing has changed")
        self.assertEqual(self.workers(), before)
        self.assertTrue(self.central.is_ready())

    def test_reload_over_http(self) -> None:
        """
        Who asks a worker for a reload is told what the master found, and
        new workers come if it was nothing.
        """
        self.central.configure("[stations]\naccept = x\n")
        status, answer = self.central.http("POST", "/api/v1/server/reload")
        self.assertEqual(status, 400)
        self.assertIn("accept", answer["error"]["message"])
        self.central.configure("[stations]\nping_interval = 7\n")
        status, _ = self.central.http("POST", "/api/v1/server/reload")
        self.assertEqual(status, 204)
        self.until_ready(4)

    def test_drained(self) -> None:
        """
        WINCH lets the workers end, and HUP brings new ones.
        """
        self.central.signal(signal.SIGWINCH)
        self.central.until(lambda: not self.workers(), "they have ended")
        self.central.signal(signal.SIGHUP)
        self.until_ready(4)
        self.assertEqual(len(self.workers()), 2)

    def test_unusable(self) -> None:
        """
        What workers could not start with is found before they do.
        """
        before = self.workers()
        (self.central.folder / "not-a-folder").write_text("")
        for count_, text in enumerate(
            (
                "[backend]\nname = x\n",
                "[embedded]\npath = not-a-folder/cs.sqlite3\n",
                "[server]\nlog = not-a-folder/access.log\n",
            ),
            1,
        ):
            self.central.configure(text)
            self.central.signal(signal.SIGHUP)
            self.central.until_logged("nothing has changed", count_)
        self.assertEqual(self.workers(), before)

    def test_resized(self) -> None:
        """
        The window of a terminal may change its size: nothing happens.
        """
        self.patch(master, "has_terminal", lambda: True)
        made = master.Master.__new__(master.Master)
        made.drain_workers()
        self.assertNotIn("_keeps_none", vars(made))

    def test_worker_itself(self) -> None:
        """
        A worker listens to signals of its own: INT and TERM end it at once,
        QUIT when its stations have gone; another takes its place.
        """
        for times, number in enumerate(
            (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT), 3
        ):
            victim = self.workers()[0]
            os.kill(victim, number)
            self.central.until(
                lambda victim=victim: victim not in self.workers(),  # type: ignore[misc]
                "it has ended",
            )
            self.until_ready(times)

    def test_gently(self) -> None:
        """
        QUIT ends all of them; stations are told to come back.
        """
        station = self.station("CP1")
        self.central.signal(signal.SIGQUIT)
        self.assertEqual(self.central.ended(), 0)
        self.central.until(lambda: station.close_code == 1012, "told")

    def test_at_once(self) -> None:
        """
        TERM ends all of them at once.
        """
        workers = self.workers()
        self.central.signal(signal.SIGTERM)
        self.central.ended()
        for pid in workers:
            self.assertFalse(Path(f"/proc/{pid}").exists())


class KilledTests(Workers):
    """
    kill -9.
    """

    def test_worker(self) -> None:
        """
        A worker that dies is started again, and what was acknowledged is
        kept.
        """
        load = Load(self.fleet())
        load.until(10)
        for pid in self.workers():
            os.kill(pid, signal.SIGKILL)
        load.end()
        self.until_ready(4)
        load.check(self, self.central)
        again = self.station("CP1").call("BootNotification", BOOT)
        self.assertEqual(again["status"], "Accepted")

    def test_master(self) -> None:
        """
        A master that dies takes its workers with it, gracefully: what was
        acknowledged is kept.
        """
        load = Load(self.fleet())
        load.until(10)
        workers = self.workers()
        self.central.kill()
        self.central.until(
            lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers),
            "the workers have ended",
        )
        load.end()
        for station in load.stations:
            self.assertEqual(station.close_code, 1012)
        load.check(self, self.central)


class Load:
    """
    Stations that begin one transaction after another, as long as they can.
    """

    def __init__(self, stations: list[Station]) -> None:
        self.stations = stations
        self._acknowledged: list[int] = []
        # The same once more would be the same transaction.
        self._meter = count()
        self._threads = [
            threading.Thread(target=self._charge, args=(s,), daemon=True)
            for s in stations
        ]
        for thread in self._threads:
            thread.start()

    def _charge(self, station: Station) -> None:
        while True:
            started = station.call(
                "StartTransaction",
                {
                    "connectorId": 1,
                    "idTag": "A1",
                    "meterStart": next(self._meter),
                    "timestamp": "2026-01-01T00:00:00Z",
                },
            )
            if started is None:
                return
            self._acknowledged.append(started["transactionId"])

    def until(self, number: int) -> None:
        """
        Wait until so many were acknowledged.
        """
        end = time.monotonic() + PATIENCE
        while len(self._acknowledged) < number:
            assert time.monotonic() < end, "nothing is acknowledged"
            time.sleep(0.01)

    def end(self) -> None:
        """
        Wait until all have lost their connections.
        """
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()

    def check(self, case: SynchronousTestCase, central: Server) -> None:
        """
        What was acknowledged is kept, once.
        """
        with sqlite3.connect(central.folder / "cs.sqlite3") as database:
            rows = database.execute("SELECT id FROM transactions").fetchall()
        acknowledged = set(self._acknowledged)
        case.assertEqual(acknowledged - {number for (number,) in rows}, set())
        case.assertEqual(len(acknowledged), len(self._acknowledged))


class HangingTests(SynchronousTestCase):
    """
    Children that hang without dying.
    """

    def test_stopped(self) -> None:
        """
        A worker that answers nothing is killed and started again, and so is
        the emulator; all is well afterwards.
        """
        soon = (
            "from ocpp_tw.workers import master\n"
            "master.PULSE, master.MISSED = 0.5, 16\n"
        )
        central = server(
            self,
            soon,
            CS_MAIN_WORKERS="2",
            CS_PROCESS_CHARGEPOINT_ENABLE="yes",
        )
        self.addCleanup(central.kill)
        central.start()
        central.until_logged("is ready", 3)
        [emulator] = emulators(central)
        [worker, _] = sorted(set(children(central)) - {emulator})
        for pid in (worker, emulator):
            os.kill(pid, signal.SIGSTOP)
        central.until_logged(
            "has answered nothing for 8 seconds: it is kill", 2
        )
        central.until_logged("is ready", 5)
        self.assertFalse({worker, emulator} & set(children(central)))
        self.assertRegex(central.log, "worker [12] has answered nothing")
        self.assertIn("the emulator has answered nothing", central.log)
        status, about = central.http("GET", "/api/v1/server")
        self.assertEqual((status, about["workers"]), (200, 2))
        self.assertEqual(central.http("GET", "/api/v1/emulators")[0], 200)


class EmulatorTests(SynchronousTestCase):
    """
    Emulated stations over REST, where they have a process of their own.
    """

    #: Several clients, so that several workers are asked.
    MANY = 8

    def start(self, before: str = "", **settings: str) -> None:
        self.central = server(
            self,
            before,
            CS_MAIN_WORKERS="2",
            CS_SERVER_TIMEOUT="500 ms",
            **settings,
        )
        self.addCleanup(self.central.kill)
        self.central.start()

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        return self.central.http(method, f"/api/v1/emulators{path}", body)

    def test_all_calls(self) -> None:
        """
        Every call of the API is one of every worker.
        """
        self.start(CS_PROCESS_CHARGEPOINT_ENABLE="yes")
        self.central.until_logged("is ready", 3)
        for number in range(self.MANY):
            status, made = self.ask("POST", "", {"name": f"E{number}"})
            self.assertEqual((status, made["identity"]), (200, f"E{number}"))
        names = [f"E{number}" for number in range(self.MANY)]
        for name in names:
            self.central.until(
                lambda name=name: self.ask("GET", f"/{name}")[1]["connected"],  # type: ignore[misc]
                "it has come to us",
            )
            self.assertEqual(
                [one["name"] for one in self.central.items("emulators")],
                names,
            )
        status, page = self.ask("GET", "?limit=3&cursor=E4")
        self.assertEqual([one["name"] for one in page["items"]], names[5:])
        acts = [
            self.ask("POST", "/E0/actions", body)[0]
            for body in (
                {"action": "plug"},
                {"action": "presentTag", "idTag": "X"},
                {"action": "plug"},
                {"action": "dance"},
            )
        ]
        self.assertEqual(acts, [200, 200, 409, 400])
        connector = self.ask("GET", "/E0")[1]["connectors"][0]
        self.assertEqual(connector["status"], "Charging")
        status, changed = self.ask("PATCH", "/E1", {"connectors": 2})
        self.assertEqual((status, len(changed["connectors"])), (200, 2))
        self.assertEqual(self.ask("POST", "", {"name": "E1"})[0], 409)
        status, answer = self.ask("POST", "", {"name": "X", "connectors": 0})
        self.assertEqual(status, 400)
        self.assertIn("connectors", answer["error"]["message"])
        for name in names:
            self.assertEqual(self.ask("DELETE", f"/{name}"), (204, None))
            self.assertEqual(self.ask("GET", f"/{name}")[0], 404)
        self.assertEqual(self.central.items("emulators"), [])

    def test_scenario(self) -> None:
        """
        A scenario commands its station, by whichever worker has it.
        """
        self.start(CS_PROCESS_CHARGEPOINT_ENABLE="yes")
        self.central.until_logged("is ready", 3)
        self.ask("POST", "", {"name": "E"})
        steps = [
            "connect",
            {"answered": "BootNotification"},
            {"command": "ClearCache", "with": {"status": "Accepted"}},
            {"called": "ClearCache"},
        ]
        status, answer = self.ask(
            "POST", "/E/actions", {"action": "scenario", "steps": steps}
        )
        self.assertEqual(status, 200, answer)
        self.assertEqual(answer["result"]["failure"], None, answer)

    def test_not_enabled(self) -> None:
        """
        Where no stations are to be emulated, every call says how they are.
        """
        self.start()
        for _ in range(self.MANY):
            status, answer = self.ask("GET", "")
            self.assertEqual(status, 404)
            self.assertIn("enable = yes", answer["error"]["message"])

    def test_not_running(self) -> None:
        """
        While the emulator is started again, every call is a 503.
        """
        # Long enough that it surely is not back when we ask.
        later = "from ocpp_tw.workers import master; master.SOON = 4.0\n"
        self.start(later, CS_PROCESS_CHARGEPOINT_ENABLE="yes")
        self.central.until_logged("is ready", 3)
        [victim] = emulators(self.central)
        os.kill(victim, signal.SIGKILL)
        self.central.until_logged("the emulator has died")
        status, answer = self.ask("GET", "")
        self.assertEqual(status, 503, answer)
        self.assertIn("emulator", answer["error"]["message"])
        self.central.until_logged("the emulator is ready", 2)
        self.assertEqual(self.ask("GET", "")[0], 200)


def emulators(central: Server) -> list[int]:
    """
    The processes of emulated stations.
    """
    return [
        pid
        for pid in children(central)
        if b"cs: emulator" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


def children(central: Server) -> list[int]:
    """
    The processes that a master has.
    """
    found = Path(f"/proc/{central.pid}/task/{central.pid}/children")
    return [int(pid) for pid in found.read_text().split()]


class KilledAloneTests(SynchronousTestCase):
    """
    kill -9 of a process that is alone.
    """

    def test_one_process(self) -> None:
        """
        What a single process acknowledged is kept.
        """
        central = server(self)
        central.start()
        load = Load([Station(central, f"CP{n}") for n in range(8)])
        load.until(10)
        central.kill()
        load.end()
        load.check(self, central)


class StartTests(SynchronousTestCase):
    """
    What cannot be.
    """

    def test_in_memory(self) -> None:
        """
        Several processes do not share memory.
        """
        central = server(self, CS_MAIN_WORKERS="2", CS_BACKEND_NAME="memory")
        central.begin()
        self.assertEqual(central.ended(), 1)
        self.assertIn("workers > 1 does not go with", central.log)

    def test_newer_database(self) -> None:
        """
        A database that no worker could use ends the start with one sentence.
        """
        central = server(self, CS_MAIN_WORKERS="2")
        with sqlite3.connect(central.folder / "cs.sqlite3") as database:
            database.execute("PRAGMA user_version = 99")
        central.begin()
        self.assertEqual(central.ended(), 1)
        self.assertIn("made by a newer program", central.log)

    def test_taken(self) -> None:
        """
        A port that is taken ends the start.
        """
        central = server(self, CS_MAIN_WORKERS="2")
        with socket.socket() as other:
            other.bind(("127.0.0.1", central.port))
            other.listen()
            central.begin()
            self.assertEqual(central.ended(), 1)
        self.assertIn("couldn't listen on 127.0.0.1", central.log)

    def test_emulator(self) -> None:
        """
        Emulated stations have a process of their own, which is started again
        when it dies.
        """
        central = server(
            self,
            CS_MAIN_WORKERS="2",
            CS_PROCESS_CHARGEPOINT_ENABLE="yes",
            CS_SERVER_TIMEOUT="500 ms",
        )
        self.addCleanup(central.kill)
        folder = central.folder / "conf" / "cp" / "CP001"
        folder.mkdir(parents=True)
        (folder / "configuration.json").write_text(
            json.dumps(
                {
                    "connectorId": [{"id": 1}],
                    "configurationKey": [
                        {
                            "key": "StationIdentity",
                            "readonly": False,
                            "value": "CP001",
                        },
                        {
                            "key": "CentralSystemURL",
                            "readonly": False,
                            "value": f"ws://127.0.0.1:{central.port}/ocpp",
                        },
                    ],
                }
            )
        )
        central.start()
        central.until_logged("is ready", 3)
        central.until_logged("<CP001 OCPP 1.6 at")
        load = Load([Station(central, f"CP{n}") for n in range(4)])
        load.until(10)
        # Killed under load, it comes again, and its station with it.
        [victim] = emulators(central)
        os.kill(victim, signal.SIGKILL)
        central.until_logged("the emulator has died")
        central.until_logged("the emulator is ready", 2)
        central.until_logged("<CP001 OCPP 1.6 at", 3)
        for station in load.stations:
            station.close()
        load.end()
        load.check(self, central)
        shown = subprocess.run(
            ["ps", "--ppid", str(central.pid), "-o", "args="],
            capture_output=True,
            text=True,
            timeout=20,
        ).stdout
        self.assertIn("cs: emulator", shown)
        central.signal(signal.SIGQUIT)
        self.assertEqual(central.ended(), 0)
