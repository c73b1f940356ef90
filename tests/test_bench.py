"""
Tests for L{bench}: that it measures, and that it notices wrong answers.
"""

from __future__ import annotations

import json
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase
from websockets.sync.server import ServerConnection, serve

from bench.api import Figures, Outcome, Watched, is_good
from bench.fleet import Fleet, Station
from bench.load import Result
from bench.messages import HEARTBEAT, TURN, Request, charge, mixed
from bench.run import as_json, ratio, table
from bench.servers import PEER, free_port, parse


Reply = Callable[[str, str, dict[str, Any]], list[Any]]
CHECKOUT = Path(__file__).parent.parent
DATED = {"currentTime": "2024-10-22T23:08:58Z"}
ACCEPTED = {"idTagInfo": {"status": "Accepted"}}
RIGHT: dict[str, dict[str, Any]] = {
    "StatusNotification": {},
    "Authorize": ACCEPTED,
    "StartTransaction": {"transactionId": 77, **ACCEPTED},
    "MeterValues": {},
    "StopTransaction": ACCEPTED,
    "Heartbeat": DATED,
}
RESULT = Result(rate=100, p50_ms=1, p99_ms=2, errors=0, generator=0.1)


def right(action: str, unique_id: str, payload: dict[str, Any]) -> list[Any]:
    """
    What a central system should answer.
    """
    return [3, unique_id, RIGHT[action]]


class FleetTests(SynchronousTestCase):
    """
    Tests for stations that talk to a server made of C{websockets}.
    """

    def setUp(self) -> None:
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self.told: list[str] = []

    def errors(self, reply: Reply, stations: int = 1) -> int:
        """
        The errors counted while each station charges one car.
        """

        def connected(connection: ServerConnection) -> None:
            for frame in connection:
                _, unique_id, action, payload = json.loads(frame)
                self.heard.append((action, payload))
                connection.send(json.dumps(reply(action, unique_id, payload)))

        with serve(connected, "127.0.0.1", 0) as server:
            Thread(target=server.serve_forever, daemon=True).start()
            port = server.socket.getsockname()[1]
            return self._charged(f"ws://127.0.0.1:{port}", stations)

    def _charged(self, url: str, stations: int, patience: float = 10) -> int:
        fleet = Fleet(url, self.told.append)
        try:
            fleet.send_out(stations, charge, 1)
            fleet.finish(patience)
            return fleet.errors
        finally:
            fleet.disband()

    def test_right(self) -> None:
        """
        Right answers are no errors, and the turn is the one promised.
        """
        self.assertEqual(self.errors(right), 0)
        actions = [action for action, _ in self.heard]
        self.assertEqual(len(actions), TURN)
        self.assertEqual(actions.count("MeterValues"), 10)
        self.assertEqual(list(dict.fromkeys(actions)), list(RIGHT))

    def test_transaction_id(self) -> None:
        """
        What follows the start names the transaction that was answered.
        """
        self.errors(right)
        named = {
            payload["transactionId"]
            for action, payload in self.heard
            if action in ("MeterValues", "StopTransaction")
        }
        self.assertEqual(named, {77})

    def test_meter(self) -> None:
        """
        The meter runs from its start to its stop, upwards.
        """
        self.errors(right)
        said = dict(self.heard)
        samples = said["MeterValues"]["meterValue"][0]["sampledValue"]
        self.assertEqual(said["StartTransaction"]["meterStart"], 0)
        self.assertEqual(samples[0]["value"], "920")
        self.assertEqual(said["StopTransaction"]["meterStop"], 920)

    def test_another_id(self) -> None:
        """
        An answer to something else is an error, and told with its text.
        """
        errors = self.errors(lambda action, _, p: right(action, "0", p))
        self.assertEqual(errors, TURN)
        self.assertIn('[3, "0", {}]', self.told[0])

    def test_refused(self) -> None:
        """
        A CALLERROR is an error.
        """
        errors = self.errors(
            lambda _, unique_id, p: [4, unique_id, "InternalError", "", {}]
        )
        self.assertEqual(errors, TURN)

    def test_missing(self) -> None:
        """
        An answer without what it must hold is an error: here those to
        Authorize, StartTransaction and Heartbeat.
        """
        self.assertEqual(self.errors(lambda _, uid, p: [3, uid, {}]), 3)

    def test_same_transaction(self) -> None:
        """
        The same transaction id for two stations is an error.
        """
        self.assertEqual(self.errors(right, stations=2), 1)

    def test_closed(self) -> None:
        """
        A connection that the server closes is an error, not a wait.
        """

        def break_off(*_: Any) -> list[Any]:
            raise ConnectionError("on purpose")

        self.assertEqual(self.errors(break_off), 1)

    def test_silent(self) -> None:
        """
        A server that accepts and says nothing is an error when patience
        ends.
        """
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            url = f"ws://127.0.0.1:{port}"
            self.assertEqual(self._charged(url, 1, patience=0.05), 1)

    def test_nobody(self) -> None:
        """
        Where nobody listens, each station is an error.
        """
        url = f"ws://127.0.0.1:{free_port()}"
        self.assertEqual(self._charged(url, 3), 3)


class RequestTests(SynchronousTestCase):
    """
    Tests for the checks of single answers.
    """

    def request(self, action: str) -> tuple[Station, Request]:
        fleet = Fleet("ws://127.0.0.1:1", lambda _: None)
        self.addCleanup(fleet.disband)
        station = Station(fleet, 1, charge)
        self.addCleanup(station.stay_home)
        turn = charge(station)
        return station, next(r for r in turn if r.action == action)

    def is_right(self, action: str, payload: dict[str, Any]) -> bool:
        station, request = self.request(action)
        return request.check(station, payload)

    def test_right(self) -> None:
        """
        What the standard asks for passes.
        """
        for action, payload in RIGHT.items():
            self.assertTrue(self.is_right(action, payload), action)

    def test_blocked(self) -> None:
        """
        An id tag that is not accepted is noticed wherever it is answered.
        """
        blocked = {"idTagInfo": {"status": "Blocked"}, "transactionId": 1}
        for action in ("Authorize", "StartTransaction", "StopTransaction"):
            self.assertFalse(self.is_right(action, blocked), action)

    def test_transaction_id_is_a_number(self) -> None:
        """
        A transaction id that is no integer is noticed.
        """
        for wrong in ("77", 7.5, True, None):
            payload = {**ACCEPTED, "transactionId": wrong}
            self.assertFalse(self.is_right("StartTransaction", payload))

    def test_members_too_many(self) -> None:
        """
        An answer that should be empty and is not is noticed.
        """
        for action in ("MeterValues", "StatusNotification"):
            self.assertFalse(self.is_right(action, {"status": "Accepted"}))

    def test_time(self) -> None:
        """
        A time that is none is noticed.
        """
        for wrong in (None, 1729638538, "now"):
            self.assertFalse(
                self.is_right("Heartbeat", {"currentTime": wrong})
            )

    def test_spread(self) -> None:
        """
        Stations of the mix do not go in step.
        """
        station, _ = self.request("Heartbeat")
        station.number = TURN + 2
        script = mixed(station)
        actions = [next(script).action for _ in range(4)]
        self.assertEqual(actions[1:3], [HEARTBEAT.action] * 2)
        self.assertEqual(actions[3], "StatusNotification")


class TableTests(SynchronousTestCase):
    """
    Tests for what is made of the results.
    """

    def test_ratio(self) -> None:
        """
        The ratio is the median of the rounds' ratios, not the ratio of the
        medians: a slow round counts against both.
        """
        slow = evolve(RESULT, rate=50)
        first = [RESULT, slow, RESULT]
        each = [evolve(x, rate=x.rate * 15) for x in first]
        self.assertEqual(ratio(each, first), 15)
        self.assertIsNone(ratio([], first))

    def test_table(self) -> None:
        """
        There is a row for each server, also for one that did not run.
        """
        text = table({"peer": [RESULT], "mine": [RESULT], "gone": []})
        lines = text.splitlines()
        self.assertEqual(len(lines), 5)
        self.assertEqual(len(set(map(len, lines))), 1)
        self.assertIn("did not run", lines[-1])

    def test_json(self) -> None:
        """
        The JSON holds each round and the medians.
        """
        rounds = [RESULT, evolve(RESULT, rate=50), evolve(RESULT, rate=70)]
        told = json.loads(as_json({"peer": rounds}))["peer"]
        self.assertEqual([x["rate"] for x in told["rounds"]], [100, 50, 70])
        self.assertEqual(told["median"]["rate"], 70)
        self.assertIsNone(told["median"]["cpu_us"])

    def test_server(self) -> None:
        """
        A server can be given by name and command; other texts are refused.
        """
        server = parse('mine="my csms" --port {port}')
        self.assertEqual(server.command, ("my csms", "--port", "{port}"))
        for wrong in ("mine", "=x", "mine="):
            self.assertRaises(ValueError, parse, wrong)


class CommandTests(SynchronousTestCase):
    """
    Tests for C{python -m bench} as a process.
    """

    def bench(self, *words: str) -> tuple[int, dict[str, Any], str]:
        """
        The exit status, the JSON and the standard output.
        """
        quick = "--rounds 1 --stations 5 --seconds 1 --warm-up 0 --idle 5"
        with TemporaryDirectory() as directory:
            report = Path(directory, "results.json")
            options = f"{quick} --json {report}".split()
            done = subprocess.run(
                [sys.executable, "-m", "bench", *words, *options],
                cwd=CHECKOUT,
                capture_output=True,
                text=True,
                timeout=120,
            )
            self.assertTrue(report.exists(), done.stderr)
            return done.returncode, json.loads(report.read_text()), done.stdout

    def test_peer(self) -> None:
        """
        The peer is measured without errors, every figure of it.
        """
        status, results, shown = self.bench(PEER.name)
        median = results[PEER.name]["median"]
        self.assertEqual((status, median["errors"]), (0, 0), shown)
        self.assertNotIn(None, median.values())
        self.assertGreater(median["rate"], 0)
        self.assertGreater(median["cpu_us"], 0)
        self.assertIn(PEER.name, shown)

    def test_soak(self) -> None:
        """
        A soak ends well where memory comes to rest, and tells where not.
        """
        for limit, status in (("1e12", 0), ("-1e12", 1)):
            words = "memory --hours 0.0001 --stations 3 --every 0"
            done = subprocess.run(
                [
                    *(sys.executable, "-m", "bench.soak", *words.split()),
                    f"--limit={limit}",
                ],
                cwd=CHECKOUT,
                capture_output=True,
                text=True,
                timeout=120,
            )
            self.assertEqual(done.returncode, status, done.stderr)
            found = json.loads(done.stdout)
            self.assertEqual(found["errors"], 0)
            self.assertGreater(found["rounds"], 0)

    def test_does_not_start(self) -> None:
        """
        A server that does not start is a row that says so, and status 1.
        """
        command = shlex.join([sys.executable, "-c", "raise SystemExit(3)"])
        status, results, shown = self.bench(
            "broken", "--server", f"broken={command}"
        )
        self.assertEqual((status, results["broken"]["rounds"]), (1, []))
        self.assertIn("did not run", shown)


class APITests(SynchronousTestCase):
    """
    Tests for L{bench.api}.
    """

    def test_all(self) -> None:
        """
        Every phase is measured, and every answer was right.
        """
        quick = "--seconds 1 --clients 2 --stations 20 --quiet 20 --readers 3"
        done = subprocess.run(
            [sys.executable, "-m", "bench.api", "memory", *quick.split()],
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            timeout=120,
        )
        told = json.loads(done.stdout or "null")
        self.assertTrue(told, done.stderr)
        for figures in (told["commands"], *told["pages"].values()):
            self.assertGreater(figures["rate"], 0)
            self.assertEqual(figures["wrong"], 0)
        self.assertGreater(told["watched"]["events"], 0)
        self.assertEqual(told["alone"]["events"], 0)
        self.assertEqual(told["errors"], 0)

    def test_good(self) -> None:
        """
        What takes too long, what is wrong, and what stations pay for those
        who watch, is no good result.
        """
        page, calm = Figures(100, 2, 4), Watched(1, 2, 0.1)
        good = Outcome(page, {"/stations": page}, calm, evolve(calm, events=9))
        self.assertTrue(is_good(good))
        slow = {"/stations": evolve(page, p99_ms=60)}
        wrong = {"/stations": evolve(page, wrong=1)}
        for other in (
            evolve(good, pages=slow),
            evolve(good, pages=wrong),
            evolve(good, watched=evolve(calm, events=9, p50_ms=3)),
            evolve(good, watched=calm),
            evolve(good, errors=1),
        ):
            self.assertFalse(is_good(other))
