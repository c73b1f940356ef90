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
from ocpp_tw.emulator.scenario import Scenario, from_json, parse, read, shipped
from ocpp_tw.emulator.scenario_files import firmware_of
from ocpp_tw.emulator.scenario_run import Result, Run, in_words, junit
from ocpp_tw.errors import BadConfig

from .server import Server
from .test_transfers import FakeFiles


class Files(FakeFiles):
    """
    What a scenario has; nobody is at port 9.
    """

    async def upload(self, url: str, name: str, body: bytes) -> None:
        self.failures = ":9/" in url
        await super().upload(url, name, body)

    async def download(self, url: str) -> bytes:
        self.failures = ":9/" in url
        self.body = firmware_of(url)
        return await super().download(url)


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
    files = Files()
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
        result = run(parse("steps:\n" + text), server)
        self.assertIsNotNone(result.failure)
        return str(result.failure)

    def test_what_does_not_come(self) -> None:
        """
        A step that waits in vain fails, and says which.
        """
        self.assertEqual(
            self.fails("- connect\n- sent: StopTransaction\n  within: 2"),
            "line 3: sent StopTransaction: no StopTransaction in 2 seconds",
        )

    def test_another_answer(self) -> None:
        """
        An answer that is not the expected one fails, and is shown.
        """
        failure = self.fails(
            "- connect\n- answered: BootNotification\n"
            "  with: {status: Rejected}"
        )
        self.assertIn("status is 'Accepted', not Rejected", failure)

    def test_cut_off(self) -> None:
        """
        An answer that the line took away is not the one that is waited for.
        """
        result = run(
            parse(
                "steps:\n- connect\n- answered: StatusNotification\n"
                "- wire: lost\n- plug: 1\n- disconnect\n- connect\n"
                "- answered: BootNotification\n"
                "- answered: BootNotification\n"
                "- answered: StatusNotification\n"
            )
        )
        self.assertIsNone(result.failure)

    def test_wrong_status(self) -> None:
        """
        The status of a connector is expected.
        """
        failure = self.fails(
            "- connect\n- {status: 1, is: Charging, within: 1}"
        )
        self.assertIn("connector 1 is Available", failure)

    def test_impossible(self) -> None:
        """
        What cannot be done fails.
        """
        self.assertIn("not plugged in", self.fails("- unplug: 1"))
        self.assertIn("no connector 9", self.fails("- plug: 9"))
        self.assertIn("never connected", self.fails("- disconnect"))

    def test_was_sent(self) -> None:
        """
        What should not be sent fails when it was.
        """
        failure = self.fails(
            "- connect\n- answered: StatusNotification\n"
            "- not-sent: BootNotification"
        )
        self.assertIn("it was sent", failure)

    def test_strict(self) -> None:
        """
        Deviations of the central system are told, and fail a strict one.
        """
        for strict, fails in (("false", False), ("true", True)):
            text = f"strict: {strict}\nsteps: [connect]"
            result = run(parse(text), finding="no currentTime")
            self.assertEqual(result.failure is not None, fails)
            self.assertIn("no currentTime", in_words(result))

    def test_settings(self) -> None:
        """
        Keys, connectors, the seed and the speed are what the file says.
        """
        scenario = parse(
            "connectors: 2\nvoltage: DC\npower: 60000\n"
            "keys: {HeartbeatInterval: 7}\nspeed: 100\nseed: 4\n"
            "steps:\n- connect\n- answered: StatusNotification\n"
            "  with: {connectorId: '*'}\n"
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
                    f"seed: {seed}\nsteps:\n- connect\n"
                    "- answered: BootNotification\n- plug: 1\n"
                    "- tag: $tag\n- answered: Authorize"
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
        scenario = parse("steps: [connect]")
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
            parse(text, "x", "x.yaml")
        return caught.exception.problems

    def test_every_line_is_named(self) -> None:
        """
        All that is wrong is told at once, each with its line.
        """
        problems = self.wrong(
            """\
title: 7
colour: red
keys: {Nonsense: 1}
speed: 0
steps:
  - connect
  - fly: 1
  - plug: one
  - {status: 1, is: Happy}
  - wait: -1
  - sent: Boot
  - {plug: 1, colour: red}
  - wire: cut
  - {command: Reset, payload: [1]}
  - tag: ""
  - {sent: Heartbeat, within: soon}
  - unplug
  - {plug: 1, soc: 0}
  - tag: $nobody
  - connect: 7
  - status: 1
  - [connect]
  - {tag: A, tag: B}
  - send: !!python/object:os.system {}
"""
        )
        self.assertEqual(
            [problem.split(": ")[0] for problem in problems],
            [f"x.yaml:{n}" for n in (*range(1, 5), *range(7, 25))],
        )

    def test_no_yaml(self) -> None:
        """
        What is no YAML is told with its line, too; aliases are none.
        """
        for text, line in (
            ("steps:\n  - {", 2),
            ("title: a\nsteps: [*x]", 2),
            ("steps: &x [connect]\ntitle: *x", 2),
            ("[" * 1000, 1),
            ("", 1),
            ("steps: \x00", 1),
        ):
            [problem] = self.wrong(text)
            self.assertIn(f"x.yaml:{line}: ", problem)
        self.assertIn("more than", self.wrong("#" * 200_000)[0])

    def test_nothing(self) -> None:
        """
        A scenario without a step is none.
        """
        for text in ("title: Empty", "steps: []"):
            self.assertEqual(
                self.wrong(text), ["x.yaml:1: there is no step in it"]
            )

    def test_words_of_the_standard(self) -> None:
        """
        Times and C{on} are the texts that they are.
        """
        scenario = parse(
            "steps:\n- power: off\n- command: UpdateFirmware\n"
            "  payload: {retrieveDate: 2020-01-01T00:00:00Z, retries: 2}"
        )
        self.assertEqual(scenario.steps[0].main, "off")
        self.assertEqual(
            scenario.steps[1].options["payload"],
            {"retrieveDate": "2020-01-01T00:00:00Z", "retries": 2},
        )

    def test_as_json(self) -> None:
        """
        What comes as JSON is read the same, and its steps are counted.
        """
        source = {"speed": 2, "steps": ["connect", {"plug": 1, "soc": 5}]}
        scenario = from_json(source)
        self.assertEqual(
            [(step.verb, step.main) for step in scenario.steps],
            [("connect", None), ("plug", 1)],
        )
        self.assertEqual((scenario.speed, scenario.seed), (2, None))
        with self.assertRaises(BadConfig) as caught:
            from_json({"steps": ["connect", {"fly": 1}], "colour": "red"})
        self.assertEqual(
            [problem.split(": ")[0] for problem in caught.exception.problems],
            ["scenario", "step 2"],
        )

    def test_no_file(self) -> None:
        """
        A file that is not there is named.
        """
        with self.assertRaises(BadConfig) as caught:
            read(Path("/nowhere.yaml"))
        self.assertIn("/nowhere.yaml", str(caught.exception))
