"""
Scenarios: how they are written, and how they go.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.emulator.config import ConnectorConfig, StationConfig
from ocpp_tw.emulator.scenario import Scenario, parse, read, shipped
from ocpp_tw.emulator.scenario_run import Result, Run, in_words, junit
from ocpp_tw.errors import BadConfig

from .server import Server
from .test_transfers import FakeFiles


def run(
    scenario: Scenario,
    server: Server | None = None,
    patience: float = 60.0,
    finding: str = "",
) -> Result:
    """
    Run a scenario at a server in memory.

    @param finding: what the central system has done wrong already.
    """
    server = server or Server()
    files = FakeFiles()
    files.failures = 99
    config = StationConfig(
        "CP1", "CP1", "ws://localhost/ocpp", (ConnectorConfig(1),), {}
    )
    results: list[Any] = []
    running = Run(
        scenario,
        config,
        server.clock,
        server.router.call,
        server.lines(),
        files=files,
    )
    if finding:
        running.station.findings.note("Heartbeat.conf", finding)
    Deferred.fromCoroutine(running.run()).addBoth(results.append)
    while not results and patience > 0:
        server.pass_time(0.02, step=0.02)
        patience -= 0.02
    server.pass_time(5)
    [result] = results
    assert isinstance(result, Result), result
    return result


class ShippedTests(SynchronousTestCase):
    def test_all_of_them(self) -> None:
        """
        Every scenario that is shipped goes well at our router.
        """
        self.assertGreaterEqual(len(shipped()), 10)
        for name, file in sorted(shipped().items()):
            result = run(read(file))
            self.assertIsNone(result.failure, in_words(result))
            self.assertEqual((name, result.findings), (name, []))


class RunTests(SynchronousTestCase):
    def fails(self, text: str, server: Server | None = None) -> str:
        result = run(parse(text), server)
        self.assertIsNotNone(result.failure)
        return str(result.failure)

    def test_what_does_not_come(self) -> None:
        """
        A step that waits in vain fails, and says which.
        """
        self.assertEqual(
            self.fails("connect\nsent StopTransaction within 2"),
            "line 2: sent StopTransaction within 2: no StopTransaction in 2 "
            "seconds",
        )

    def test_another_answer(self) -> None:
        """
        An answer that is not the expected one fails, and is shown.
        """
        failure = self.fails(
            "connect\nanswered BootNotification status=Rejected"
        )
        self.assertIn("status is 'Accepted', not =Rejected", failure)

    def test_wrong_status(self) -> None:
        """
        The status of a connector is expected.
        """
        failure = self.fails("connect\nstatus 1 Charging within 1")
        self.assertIn("connector 1 is Available", failure)

    def test_impossible(self) -> None:
        """
        What cannot be done fails.
        """
        self.assertIn("not plugged in", self.fails("unplug 1"))
        self.assertIn("no connector 9", self.fails("plug 9"))
        self.assertIn("never connected", self.fails("disconnect"))

    def test_was_sent(self) -> None:
        """
        What should not be sent fails when it was.
        """
        failure = self.fails(
            "connect\nanswered StatusNotification\nnot-sent BootNotification"
        )
        self.assertIn("it was sent", failure)

    def test_strict(self) -> None:
        """
        Deviations of the central system are told, and fail a strict one.
        """
        for text, fails in (("connect", False), ("connect\nstrict", True)):
            result = run(parse(text), finding="no currentTime")
            self.assertEqual(result.failure is not None, fails)
            self.assertIn("no currentTime", in_words(result))

    def test_settings(self) -> None:
        """
        Keys, connectors, the seed and the speed are what the file says.
        """
        scenario = parse(
            "connectors 2 voltage=DC power=60000\n"
            "key HeartbeatInterval 7\nspeed 100\nseed 4\n"
            "connect\nanswered StatusNotification connectorId=*\n"
        )
        failure = run(scenario).failure
        self.assertIn("there is no connectorId", str(failure))

    def test_random_data_by_seed(self) -> None:
        """
        The same seed brings the same tag.
        """
        told = []
        for seed in (1, 1, 2):
            server = Server()
            run(
                parse(
                    f"seed {seed}\nconnect\nanswered BootNotification\n"
                    "plug 1\ntag $tag\nanswered Authorize"
                ),
                server,
            )
            told += [
                payload["idTag"]
                for _, action, payload in server.backend.calls
                if action == "Authorize"
            ]
        self.assertEqual(told[0], told[1])
        self.assertNotEqual(told[0], told[2])

    def test_junit(self) -> None:
        """
        A report is XML, whatever was in a failure.
        """
        scenario = parse("connect")
        report = junit(
            [
                Result(scenario, 1.0),
                Result(scenario, 2.0, 'a "quoted" <b> \x00'),
            ]
        )
        suite = ElementTree.fromstring(report)
        self.assertEqual(
            (suite.get("tests"), suite.get("failures")), ("2", "1")
        )


class ParseTests(SynchronousTestCase):
    def wrong(self, text: str) -> list[str]:
        with self.assertRaises(BadConfig) as caught:
            parse(text, "x", "x.scenario")
        return caught.exception.problems

    def test_every_line_is_named(self) -> None:
        """
        All that is wrong is told at once, each with its line.
        """
        problems = self.wrong(
            "connect\n\n# fine\nfly 1\nplug one\nstatus 1 Happy\n"
            "wait -1\nsent Boot\nplug 1 colour=red\nwire cut\n"
            "title too late\ncommand Reset {\nkey Nonsense 1\n"
            'tag "\nsent Heartbeat within soon\nunplug\n'
            "command Reset [1]\nplug 1 soc=0"
        )
        self.assertEqual(
            [problem.split(": ")[0] for problem in problems],
            [f"x.scenario:{n}" for n in range(4, 19)],
        )

    def test_nothing(self) -> None:
        """
        A scenario without a step is none.
        """
        self.assertEqual(
            self.wrong("title Empty"),
            ["x.scenario:1: there is no step in it"],
        )

    def test_no_file(self) -> None:
        """
        A file that is not there is named.
        """
        with self.assertRaises(BadConfig) as caught:
            read(Path("/nowhere.scenario"))
        self.assertIn("/nowhere.scenario", str(caught.exception))
