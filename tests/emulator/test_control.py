"""
Emulated stations as operators have them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.emulator.control import Control
from ocpp_tw.emulator.service import Emulator
from ocpp_tw.errors import BadRequest, Conflict, NotFound

from .server import Server
from .test_websocket import described, write


class ControlTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.server = Server()
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        write(self.folder, "CP1", described("A"))
        self.emulator = Emulator(
            self.folder, self.server.clock, self.server.lines()
        )
        self.emulator.startService()
        self.control = Control(
            self.emulator,
            lambda: "ws://localhost/ocpp",
            self.server.router.call,
        )
        self.server.pass_time()

    def do(self, work: Any) -> Any:
        doing = Deferred.fromCoroutine(work)
        self.server.pass_time(6)
        return doing

    def act(self, action: str, **body: Any) -> Any:
        told = self.successResultOf(
            self.do(self.control.act("CP1", {"action": action, **body}))
        )
        return {**told, **self.control.get("CP1")}

    def refused(self, kind: type[Exception], **body: Any) -> None:
        self.failureResultOf(self.do(self.control.act("CP1", body)), kind)

    def test_session_by_hand(self) -> None:
        """
        A vehicle comes, charges and leaves, one action after another.
        """
        self.act("plug", connectorId=1, vehicle={"soc": 20, "power": 11000})
        told = self.act("presentTag", idTag="BOB", connectorId=1)
        self.assertEqual(told["result"], "Accepted")
        [connector] = told["connectors"]
        self.assertEqual(
            (connector["status"], connector["transactionId"]), ("Charging", 1)
        )
        self.assertEqual(connector["power"], 11000.0)
        statuses = [
            self.act(action, connectorId=1)["connectors"][0]["status"]
            for action in ("suspend", "resume", "fault", "recover", "unplug")
        ]
        self.assertEqual(
            statuses,
            ["SuspendedEV", "Charging", "Faulted", "Charging", "Available"],
        )

    def test_send(self) -> None:
        """
        Any message is sent that keeps its schema; its answer is told, and a
        refusal, too.
        """
        told = self.act("send", message="Authorize", payload={"idTag": "X"})
        self.assertEqual(told["result"], {"idTagInfo": {"status": "Accepted"}})
        self.server.backend.answer_Authorize = (  # type: ignore
            lambda payload: 1 / 0
        )
        told = self.act("send", message="Authorize", payload={"idTag": "X"})
        self.assertEqual(told["result"]["errorCode"], "InternalError")
        self.flushLoggedErrors(ZeroDivisionError)
        for body in (
            {},
            {"message": "Reset"},
            {"message": ["Authorize"]},
            {"message": "Authorize"},
            {"message": "Authorize", "payload": []},
        ):
            self.refused(BadRequest, action="send", **body)

    def test_findings(self) -> None:
        """
        What the central system does wrong is told, the most frequent first,
        and not without end.
        """
        self.assertEqual(self.control.get("CP1")["findings"], [])
        findings = self.emulator.stations["CP1"].station.findings
        for n in range(100):
            findings.note("Heartbeat.conf", f"deviation {n}")
        findings.note("Heartbeat.conf", "deviation 50")
        told = self.control.get("CP1")["findings"]
        self.assertEqual(told[0], "2 x Heartbeat.conf: deviation 50")
        self.assertEqual(len(told), 20)

    def play(self, **body: Any) -> Any:
        body["action"] = "scenario"
        work = Deferred.fromCoroutine(self.control.act("CP1", body))
        for _ in range(500):
            self.server.pass_time(0.1, step=0.02)
        return self.successResultOf(work)["result"]

    def test_scenario(self) -> None:
        """
        A shipped scenario, or one that is given, runs in place of a station,
        which is back afterwards.
        """
        told = self.play(name="remote-start")
        self.assertEqual((told["ok"], told["failure"]), (True, None))
        told = self.play(steps=["connect", {"status": 1, "is": "Charging"}])
        self.assertFalse(told["ok"])
        self.assertIn("step 2: status 1: connector 1 is", told["failure"])
        self.assertTrue(self.control.get("CP1")["connected"])

    def test_scenario_of_nonsense(self) -> None:
        """
        What is no scenario is refused, and the station notices nothing.
        """
        for body in (
            {},
            {"name": "x"},
            {"steps": ["fly"]},
            {"speed": 2},
            {"name": [1]},
            {"steps": [{"wait": 1000}]},
        ):
            self.refused(BadRequest, action="scenario", **body)
        self.assertTrue(self.control.get("CP1")["connected"])

    def test_scenario_meanwhile(self) -> None:
        """
        Only one runs at a time; a station that is removed does not come back.
        """
        body = {"action": "scenario", "steps": ["connect", {"wait": 5}]}
        work = Deferred.fromCoroutine(self.control.act("CP1", body))
        self.server.pass_time(1)
        self.refused(Conflict, **body)
        self.server.pass_time(6)
        self.assertTrue(self.successResultOf(work)["result"]["ok"])
        work = Deferred.fromCoroutine(self.control.act("CP1", body))
        self.do(self.emulator.remove("CP1"))
        self.server.pass_time(15)
        self.successResultOf(work)
        self.assertEqual(list(self.server.router.stations()), [])

    def test_line_and_power(self) -> None:
        """
        Line and power fail, and come back.
        """
        self.act("dropConnection")
        self.assertEqual(
            self.server.backend.actions().count("BootNotification"), 2
        )
        self.assertFalse(self.act("cutPower")["connected"])
        self.assertTrue(self.act("restorePower")["connected"])

    def test_wire(self) -> None:
        """
        Faults on the wire happen on demand.
        """
        self.act("wireFault", fault="storm", amount=2)
        self.assertGreater(
            self.server.backend.actions().count("BootNotification"), 1
        )

    def test_mistakes(self) -> None:
        """
        What makes no sense is a bad request; what cannot be now, a conflict.
        """
        for body in (
            {},
            {"action": "dance"},
            {"action": "plug", "connectorId": "1"},
            {"action": "plug", "connectorId": 9},
            {"action": "plug", "vehicle": {"colour": 1}},
            {"action": "plug", "vehicle": {"soc": True}},
            {"action": "presentTag"},
            {"action": "fault", "errorCode": "NoError"},
            {"action": "fault", "errorCode": ["OtherError"]},
            {"action": "wireFault", "fault": "slow", "amount": -1},
            {"action": "wireFault", "fault": "clock", "amount": 1e300},
            {"action": "wireFault", "fault": "meteorite"},
        ):
            self.refused(BadRequest, **body)
        self.refused(Conflict, action="unplug")
        self.refused(Conflict, action="restorePower")
        self.assertRaises(NotFound, self.control.get, "CP9")

    def test_make_and_remove(self) -> None:
        """
        A station without a folder comes, survives a reload, and leaves.
        """
        self.control.make({"name": "X", "connectors": 2})
        self.server.pass_time()
        for body in (
            {"name": "X"},
            {"name": "Y", "identity": "X"},
        ):
            self.assertRaises(Conflict, self.control.make, body)
        self.emulator.reload(self.folder)
        self.server.pass_time(5)
        self.assertEqual(self.control.names(), ["CP1", "X"])
        changed = self.successResultOf(
            self.do(self.control.change("X", {"identity": "Z"}))
        )
        self.assertEqual(
            (changed["identity"], len(changed["connectors"])), ("Z", 2)
        )
        self.successResultOf(self.do(self.control.remove("X")))
        self.assertRaises(NotFound, self.control.get, "X")

    def test_made_of_nonsense(self) -> None:
        """
        A station that makes no sense is not made.
        """
        for body in (
            {},
            {"name": ""},
            {"name": 7},
            {"name": "Y", "colour": "red"},
            {"name": "Y", "url": "ftp://localhost"},
            {"name": "Y", "connectors": 0},
            {"name": "Y", "connectors": "two"},
            {"name": "Y", "keys": []},
            {"name": "Y", "keys": {"CpoName": 1}},
        ):
            self.assertRaises(BadRequest, self.control.make, body)
        self.assertEqual(self.control.names(), ["CP1"])

    def test_folders_decide(self) -> None:
        """
        A station of a folder is changed and removed there.
        """
        self.failureResultOf(self.do(self.control.remove("CP1")), Conflict)
