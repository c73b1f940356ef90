"""
C{ocpp-cp}, as a process of its own, at central systems that are none of ours.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from twisted.internet.testing import MemoryReactorClock

from ocpp_tw.emulator import cli
from ocpp_tw.emulator.scenario import shipped


ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "ocpp_tw.emulator"]


@pytest.fixture
def ports() -> Iterator[tuple[str, str]]:
    """
    Those of the independent central system: for stations, and for commands.
    """
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("independent.py"))],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert server.stdout is not None
        stations = server.stdout.readline().strip()
        yield stations, server.stdout.readline().strip()
    finally:
        server.kill()
        server.communicate()


def ocpp_cp(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=90,
        cwd=ROOT,
        check=False,
    )


def test_every_scenario(ports: tuple[str, str], tmp_path: Path) -> None:
    """
    Every shipped scenario goes well at an independent central system.
    """
    report = tmp_path / "report.xml"
    done = ocpp_cp(
        "scenario",
        "--url",
        f"ws://127.0.0.1:{ports[0]}/ocpp",
        "--api",
        f"http://127.0.0.1:{ports[1]}",
        "--junit",
        str(report),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    suite = ElementTree.fromstring(report.read_text())
    assert suite.get("tests") == str(len(shipped()))
    assert suite.get("failures") == "0"


def test_fleet(ports: tuple[str, str]) -> None:
    """
    A fleet lives a compressed day, and tells of it.
    """
    done = ocpp_cp(
        "fleet",
        "--url",
        f"ws://127.0.0.1:{ports[0]}/ocpp",
        *["--count", "10", "--rate", "50", "--sessions", "24", "--even"],
        *["--speed", "1800", "--duration", "4"],
        *["--key", "MeterValueSampleInterval=900"],
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = dict(
        line.rsplit(None, 1)
        for line in done.stdout.splitlines()
        if len(line.split()) > 1
    )
    assert told["stations"] == "10"
    assert told["still waiting"] == "0"
    assert told["  StartTransaction"] == told["  StopTransaction"]
    assert int(told["  StartTransaction"]) > 3


def test_run(ports: tuple[str, str]) -> None:
    """
    One station is led by hand: its messages are shown, and what is typed
    happens.
    """
    url = f"ws://127.0.0.1:{ports[0]}/ocpp"
    station = subprocess.Popen(
        [*COMMAND, "run", "--url", url, "--identity", "CP7"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
    )
    assert station.stdin is not None
    assert station.stdout is not None
    told: list[str] = []
    try:
        for order, answer in (
            ("", '-> BootNotification {"chargePoint'),
            ("", "<- StatusNotification {}"),
            ("plug 1 soc=20", "1 Preparing"),
            ("presenttag ALICE", "<- StartTransaction {"),
            ('send Heartbeat {"a": 1}', "payload: $"),
            ("send Heartbeat", "currentTime"),
            ("dance", "help tells what there is"),
            ("unplug 9", "no connector 9"),
            ("unplug", '"reason":"EVDisconnected"'),
            ("", "<- StopTransaction"),
        ):
            if order:
                station.stdin.write(order + "\n")
                station.stdin.flush()
            while answer not in (told or [""])[-1]:
                line = station.stdout.readline()
                assert line, (answer, told)
                told.append(line)
        rest, _ = station.communicate("quit\n", timeout=60)
    finally:
        station.kill()
        station.communicate()
    assert station.returncode == 0, rest


def test_run_unattended(ports: tuple[str, str], tmp_path: Path) -> None:
    """
    Where nobody can type it runs as long as it should; it keeps its state.
    """
    done = ocpp_cp(
        "run",
        "--url",
        f"ws://127.0.0.1:{ports[0]}/ocpp",
        *["--identity", "CP7", "--duration", "2", "--verbose", "--quiet"],
        *["--state", str(tmp_path / "new")],
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "CP7" in done.stderr
    assert "BootNotification" not in done.stdout
    assert (tmp_path / "new" / "state.json").exists()


def test_rough_fleet(ports: tuple[str, str]) -> None:
    """
    Frames are broken, repeated and lost by chance, and nothing is lost.
    """
    done = ocpp_cp(
        "fleet",
        "--url",
        f"ws://127.0.0.1:{ports[0]}/ocpp",
        *["--count", "5", "--rate", "50", "--sessions", "48", "--even"],
        *["--speed", "1800", "--duration", "4"],
        *["--wire", "repeated=0.2", "--wire", "wrong-id=0.01"],
        *["--wire", "storm=4", "--key", "TransactionMessageAttempts=99"],
        *["--timeout", "1"],
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = dict(
        line.rsplit(None, 1)
        for line in done.stdout.splitlines()
        if len(line.split()) > 1
    )
    assert told["still waiting"] == "0"
    assert int(told["strays"]) > 3
    assert int(told["  StopTransaction"]) > 3


def test_interrupted(ports: tuple[str, str], tmp_path: Path) -> None:
    """
    A scenario that would last for hours ends when it is asked to.
    """
    file = tmp_path / "long.yaml"
    file.write_text("steps:\n- connect\n- wait: 9000\n")
    done = ocpp_cp(
        "scenario",
        str(file),
        "--url",
        f"ws://127.0.0.1:{ports[0]}/ocpp",
        *["--duration", "1"],
    )
    assert done.returncode == 1
    assert done.stderr == "ocpp-cp: stopped before the end\n"


def test_mistake() -> None:
    """
    What makes no sense ends the process with 1, and nothing is on stdout.
    """
    done = ocpp_cp("run", "--url", "ftp://localhost")
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


class Reactor(MemoryReactorClock):
    """
    Runs what is to run at once, and no longer.
    """

    def run(self, installSignalHandlers: bool = True) -> None:
        super().run()


def test_mistakes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    What makes no sense is said in one line, and the exit status is 1.
    """
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    for arguments, words in (
        (["run", "--url", "ftp://localhost"], "not ws:// or wss://"),
        (["run", "--version", "1.5"], "none of 1.6, which"),
        (["run", "--key", "nonsense"], "not NAME=VALUE"),
        (["fleet", "--pattern", "CP"], "the same identity"),
        (["fleet", "--count", "0"], "not from 1 to"),
        (["fleet", "--rate", "0"], "too few"),
        (["fleet", "--power", "-1"], "not more than 0"),
        (["fleet", "--wire", "rain=1"], "no fault 'rain'"),
        (["run", "--wire", "lost=2"], "no part of the frames"),
        (["run", "--wire", "lost=x"], "could not convert"),
        (["run", "--wire", "storm=inf"], "is not 0 to"),
        (["scenario", "nowhere"], "nowhere"),
    ):
        options = cli.command_line().parse_args(arguments)
        assert cli.react(options, Reactor()) == 1, arguments
        told = capsys.readouterr().err
        assert words in told
        assert len(told.strip().splitlines()) == 1, told
