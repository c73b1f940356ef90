"""
Emulated stations at a central system of ours, over WebSockets in memory.
"""

from __future__ import annotations

from base64 import b64decode
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.emulator import memory
from ocpp_tw.emulator.chargepoint import ChargePoint
from ocpp_tw.emulator.clock import FastClock
from ocpp_tw.emulator.config import ConnectorConfig, StationConfig
from ocpp_tw.emulator.faults import Faults
from ocpp_tw.emulator.fleet import Fleet, FleetPlan
from ocpp_tw.emulator.keys import Given
from ocpp_tw.emulator.reporting import summary
from ocpp_tw.emulator.service import Emulator
from ocpp_tw.emulator.sessions import RandomSessions, Rates
from ocpp_tw.emulator.state import State
from ocpp_tw.emulator.websocket import Backoff, Connection
from ocpp_tw.errors import BadConfig, BadRequest

from .server import Server
from .test_transfers import certificate, pem


URL = "ws://localhost:9220/ocpp"


class AtServer(SynchronousTestCase):
    """
    A test with one station at a server.
    """

    def setUp(self) -> None:
        self.server = Server()
        self.backend = self.server.backend

    def come(self, **keys: str) -> tuple[ChargePoint, Connection]:
        config = StationConfig(
            "CP1",
            "CP 1",
            URL,
            (ConnectorConfig(1),),
            {name: Given(value) for name, value in keys.items()},
        )
        station = ChargePoint(config, self.server.clock)
        self.lines = self.server.lines(backoff=Backoff(1, 4))
        connection = self.lines.connect(station)
        self.server.pass_time()
        return station, connection


class StationTests(AtServer):
    def test_charges(self) -> None:
        """
        A station boots, charges when it is told to, and says so.
        """
        self.come()
        answer = self.server.call(
            "CP 1", "RemoteStartTransaction", idTag="ALICE"
        )
        self.assertEqual(answer, {"status": "Accepted"})
        self.server.pass_time(120)
        self.server.call("CP 1", "RemoteStopTransaction", transactionId=1)
        actions = self.backend.actions("CP 1")
        self.assertEqual(actions[0], "BootNotification")
        self.assertEqual(actions.count("MeterValues"), 2)
        self.assertGreater(self.backend.energy[1], 100)

    def test_every_answer_keeps_the_schema(self) -> None:
        """
        The router notes nothing against anything that a station says.
        """
        self.come()
        for action, payload in (
            ("GetConfiguration", {}),
            ("GetLocalListVersion", {}),
            ("GetCompositeSchedule", {"connectorId": 1, "duration": 60}),
            ("TriggerMessage", {"requestedMessage": "MeterValues"}),
            ("UnlockConnector", {"connectorId": 1}),
        ):
            self.server.call("CP 1", action, **payload)
        self.assertEqual(self.server.router.fleet.known("CP 1").violations, 0)

    def test_credentials(self) -> None:
        """
        The AuthorizationKey is sent as HTTP Basic.
        """
        _, connection = self.come(AuthorizationKey="0123456789abcdef")
        self.assertEqual(
            connection.request().headers["Authorization"],
            "Basic Q1AgMTowMTIzNDU2Nzg5YWJjZGVm",
        )

    def test_hexadecimal_credentials(self) -> None:
        """
        40 hexadecimal digits are sent as the 20 octets that they mean;
        anything else is sent as text.
        """
        octets = bytes(range(0xEC, 0x100))
        for key, password in (
            (octets.hex(), octets),
            (octets.hex().upper(), octets),
            (octets.hex()[:38], octets.hex()[:38].encode()),
            ("x" * 40, b"x" * 40),
            ("0123456789abcdefé", "0123456789abcdefé".encode()),
        ):
            station, connection = self.come(AuthorizationKey=key)
            self.assertTrue(station.is_online)
            sent = connection.request().headers["Authorization"]
            self.assertEqual(
                b64decode(sent.removeprefix("Basic ")), b"CP 1:" + password
            )

    def test_no_credentials(self) -> None:
        """
        With security profile 3, the certificate says who it is.
        """
        _, connection = self.come(
            AuthorizationKey="0123456789abcdef", SecurityProfile="3"
        )
        self.assertEqual(connection.request().headers, {})

    def test_identity_is_quoted(self) -> None:
        """
        An identity may have any character.
        """
        _, connection = self.come()
        self.assertEqual(connection.request().resource, "/ocpp/CP%201")

    def test_reconnects(self) -> None:
        """
        A line that breaks is tried again, and the station boots again.
        """
        station, _ = self.come()
        self.hang_up()
        self.server.pass_time(10)
        self.assertTrue(station.is_online)
        self.assertEqual(self.backend.actions().count("BootNotification"), 2)

    def test_backs_off_until_it_is_accepted(self) -> None:
        """
        Where connections are taken and closed, it waits longer and longer;
        an accepted boot ends that.
        """
        station, _ = self.come()
        welcome = self.backend.station_connected
        self.backend.station_connected = (  # type: ignore[method-assign]
            lambda link: link.close(1012, "busy")
        )
        self.hang_up()
        self.server.pass_time(30, step=0.1)
        pauses = [b - a for a, b in pairwise(self.lines.tried)]
        self.assertGreater(len(pauses), 4)
        self.assertGreaterEqual(min(pauses[3:]), 2)
        self.backend.station_connected = (  # type: ignore[method-assign]
            welcome
        )
        self.server.pass_time(6)
        self.assertTrue(station.is_online)
        self.hang_up()
        before = self.server.clock.seconds()
        self.server.pass_time(2, step=0.1)
        self.assertLess(self.lines.tried[-1] - before, 1.6)

    def hang_up(self) -> None:
        for link in self.server.router.stations():
            link.close(1012, "restart")
        self.server.pass_time()

    def test_soft_reset(self) -> None:
        """
        A reset closes the line, and boots over a new one.
        """
        station, _ = self.come()
        self.server.call("CP 1", "Reset", type="Soft")
        self.server.pass_time(10)
        self.assertTrue(station.is_online)
        self.assertEqual(self.backend.actions().count("BootNotification"), 2)

    def test_stops(self) -> None:
        """
        A station that leaves says goodbye, and leaves no timer.
        """
        station, connection = self.come()
        left: list[Any] = []
        leaving = Deferred.fromCoroutine(station.leave())
        leaving.addCallback(lambda _: connection.stop())
        leaving.addCallback(left.append)
        self.server.pass_time(10)
        self.assertEqual(left, [None])
        self.assertEqual(list(self.server.router.stations()), [])
        own = [
            call
            for call in self.server.clock.getDelayedCalls()
            if "emulator" in repr(call.func)
        ]
        self.assertEqual(own, [])

    def test_leaves_while_the_line_breaks(self) -> None:
        """
        A station that leaves, and whose last words are cut off, waits for
        the next line to say them if it is patient; else it has left.
        """
        for patiently in (False, True):
            self.setUp()
            station, connection = self.come()
            self.server.call("CP 1", "RemoteStartTransaction", idTag="X")
            connection.shape = lambda protocol, frame: None
            leaving = Deferred.fromCoroutine(station.leave(patiently))
            self.server.pass_time()
            self.assertNoResult(leaving)
            connection.shape = None
            for link in self.server.router.stations():
                link.close(1012, "restart")
            self.server.pass_time()
            self.assertEqual(leaving.called, not patiently)
            self.server.pass_time(10)
            self.successResultOf(leaving)
            self.assertEqual(list(self.backend.energy), [1])

    def test_leaves_with_what_is_refused(self) -> None:
        """
        What is refused is tried again soon by a station that leaves.
        """
        station, _ = self.come(TransactionMessageAttempts="3")
        self.server.call("CP 1", "RemoteStartTransaction", idTag="X")
        self.backend.answer_StopTransaction = (  # type: ignore
            lambda payload: 1 / 0
        )
        leaving = Deferred.fromCoroutine(station.leave())
        self.server.pass_time(3)
        self.successResultOf(leaving)
        self.assertEqual(self.backend.actions().count("StopTransaction"), 3)
        self.flushLoggedErrors(ZeroDivisionError)

    def test_findings(self) -> None:
        """
        A frame that is no message, and an answer that nobody waits for, are
        told at the end; unless we provoked them.
        """
        station, connection = self.come()
        for provoked in (False, True):
            station.findings.provoked = provoked
            assert connection.peer is not None
            connection.peer.frame_received(b"nonsense")
            connection.peer.frame_received(b'[3,"7",{}]')
        lines = station.findings.lines()
        self.assertEqual(len(lines), 2)
        self.assertIn("nobody waits for this answer", lines[1])


class ProfileTests(AtServer):
    """
    Security profiles that are raised.
    """

    def raised(self, profile: str, refuse: str) -> tuple[Any, Any]:
        """
        A station at profile 1 that is told to have another one.

        @param refuse: which URLs lead nowhere.
        """
        station, _ = self.come(
            SecurityProfile="1", AuthorizationKey="0123456789abcdef"
        )
        self.lines.refuse = lambda url: url.startswith(refuse)
        root = certificate(ec.generate_private_key(ec.SECP256R1()))
        self.server.call(
            "CP 1",
            "InstallCertificate",
            certificateType="CentralSystemRootCertificate",
            certificate=pem(root),
        )
        answer = self.server.call(
            "CP 1",
            "ChangeConfiguration",
            key="SecurityProfile",
            value=profile,
        )
        return station, answer["status"]

    def test_raised(self) -> None:
        """
        It connects with TLS, whatever its URL says, and stays there.
        """
        station, status = self.raised("2", refuse="ws:")
        self.server.pass_time(10)
        self.assertEqual(status, "Accepted")
        self.assertTrue(station.is_online)
        self.assertEqual(station.url, "wss://localhost:9220/ocpp")
        self.lines.refuse = lambda url: True
        for link in self.server.router.stations():
            link.close(1012, "restart")
        self.server.pass_time(60)
        self.assertEqual(station.url, "wss://localhost:9220/ocpp")

    def test_falls_back(self) -> None:
        """
        Where that leads nowhere, it goes back to the profile it had, and
        tells of it.
        """
        station, status = self.raised("2", refuse="wss:")
        self.server.pass_time(4)
        self.assertFalse(station.is_online)
        self.server.pass_time(20)
        self.assertEqual(status, "Accepted")
        self.assertTrue(station.is_online)
        self.assertEqual(
            (station.url, station.keys["SecurityProfile"]), (URL, "1")
        )
        told = [
            payload.get("techInfo")
            for _, action, payload in self.backend.calls
            if action == "SecurityEventNotification"
        ]
        self.assertIn("no connection: back to security profile 1", told)

    def test_falls_back_after_a_power_cut(self) -> None:
        """
        What it goes back to is not forgotten when the power fails.
        """
        station, _ = self.raised("2", refuse="wss:")
        self.server.pass_time(2)
        kept = orjson.loads(orjson.dumps(memory.of(station)))
        again = ChargePoint(
            station.config, self.server.clock, state=_Kept(kept)
        )
        self.assertEqual(again.url, "wss://localhost:9220/ocpp")
        for attempts in (1, 2, 3):
            again.failed_to_connect(attempts)
        self.assertEqual(again.url, URL)

    def test_needs(self) -> None:
        """
        A profile is rejected where something for it is missing, and one that
        is lower always is.
        """
        station, status = self.raised("3", refuse="wss:")
        self.assertEqual(status, "Rejected")
        for value in ("0", "4", ""):
            answer = self.server.call(
                "CP 1",
                "ChangeConfiguration",
                key="SecurityProfile",
                value=value,
            )
            self.assertEqual(answer["status"], "Rejected")
        self.assertEqual(station.url, URL)


class _Kept(State):
    """
    A state that is there already.
    """

    def __init__(self, kept: dict[str, Any]) -> None:
        super().__init__()
        self._kept = kept

    def load(self) -> dict[str, Any]:
        return self._kept


class FaultTests(AtServer):
    """
    What goes wrong on the wire, and what comes of it.
    """

    def faulty(self, **rates: float) -> tuple[ChargePoint, Faults]:
        station, connection = self.come()
        faults = Faults(connection, rates)
        self.backend.calls.clear()
        return station, faults

    def beat(self, station: ChargePoint) -> None:
        station.tell("Heartbeat", {})
        self.server.pass_time()

    def test_unknown(self) -> None:
        """
        A fault that there is not is refused.
        """
        _, faults = self.faulty()
        self.assertRaises(BadRequest, faults.happen, "meteorite")

    def test_repeated(self) -> None:
        """
        A message that comes twice is answered twice, by one decision.
        """
        station, faults = self.faulty()
        faults.happen("repeated")
        self.beat(station)
        self.assertEqual(self.backend.actions(), ["Heartbeat"])

    def test_malformed(self) -> None:
        """
        JSON that is broken is no Call, and is refused.
        """
        station, faults = self.faulty()
        faults.happen("malformed")
        self.beat(station)
        self.assertEqual(self.backend.actions(), [])
        self.assertEqual(len(station.findings), 1)

    def test_wrong_id(self) -> None:
        """
        An answer to another id leaves the question unanswered.
        """
        station, faults = self.faulty()
        faults.happen("wrong-id")
        self.beat(station)
        self.assertEqual(self.backend.actions(), ["Heartbeat"])
        self.server.pass_time(31)
        self.assertEqual(len(station.findings), 1)

    def test_lost(self) -> None:
        """
        What is lost is not answered, and the next one is.
        """
        station, faults = self.faulty()
        faults.happen("lost")
        self.beat(station)
        self.server.pass_time(31)
        self.beat(station)
        self.assertEqual(self.backend.actions(), ["Heartbeat"])

    def test_late(self) -> None:
        """
        What comes late was given up already.
        """
        station, faults = self.faulty()
        faults.happen("late")
        self.beat(station)
        self.assertEqual(self.backend.actions(), [])
        self.server.pass_time(45)
        self.assertEqual(self.backend.actions(), ["Heartbeat"])

    def test_oversize(self) -> None:
        """
        A message that is too large ends the connection; we come back.
        """
        station, faults = self.faulty()
        faults.happen("oversize")
        self.beat(station)
        self.server.pass_time(20)
        self.assertTrue(station.is_online)
        self.assertIn("BootNotification", self.backend.actions())
        self.assertNotIn("DataTransfer", self.backend.actions())

    def test_half_open(self) -> None:
        """
        A socket that nobody is at is found out by pings.
        """
        station, faults = self.faulty()
        station.keys.put("WebSocketPingInterval", "25")
        station.plan_ping()
        faults.happen("half-open")
        self.beat(station)
        self.assertEqual(self.backend.actions(), [])
        self.server.pass_time(60)
        self.assertIn("BootNotification", self.backend.actions())
        self.assertTrue(station.is_online)

    def test_slow(self) -> None:
        """
        What is not read for a while is read afterwards.
        """
        _, faults = self.faulty()
        protocol = faults.connection.protocol
        assert protocol is not None
        read: list[str] = []
        protocol.transport.pauseProducing = lambda: read.append("no")
        protocol.transport.resumeProducing = lambda: read.append("yes")
        faults.happen("slow", 5)
        self.server.pass_time(4)
        self.assertEqual(read, ["no"])
        self.server.pass_time(1)
        self.assertEqual(read, ["no", "yes"])

    def test_binary(self) -> None:
        """
        A message in a binary frame does no harm to what follows.
        """
        station, faults = self.faulty()
        faults.happen("binary")
        self.beat(station)
        self.server.pass_time(40)
        self.beat(station)
        self.assertIn("Heartbeat", self.backend.actions())

    def test_subprotocol(self) -> None:
        """
        A name that is not registered is refused.
        """
        station, faults = self.faulty()
        faults.happen("subprotocol")
        self.server.pass_time(5)
        self.assertFalse(station.is_online)
        self.server.pass_time(30)
        self.assertTrue(station.is_online)

    def test_answers(self) -> None:
        """
        The next answer is not given, or late; what else is said is said.
        """
        for fault, settled in (("no-answer", False), ("late-answer", True)):
            self.setUp()
            station, faults = self.faulty()
            faults.happen(fault)
            self.beat(station)
            self.assertEqual(self.backend.actions(), ["Heartbeat"])
            asking = Deferred.fromCoroutine(
                self.server.router.call("CP 1", "ClearCache", {}, timeout=60)
            )
            self.server.pass_time(50)
            self.assertEqual(asking.called, settled)
            asking.addErrback(lambda _: None)
            self.assertEqual(faults.counts, {fault: 1})

    def test_by_chance_in_a_life(self) -> None:
        """
        With rates, faults of frames and of lines come by themselves, until
        people stop to come.
        """
        station, connection = self.come()
        rates = Rates(
            sessions=0, wire={"repeated": 0.5, "clock": 86400 / 100}, even=True
        )
        life = RandomSessions(station, rates, seed=1)
        life.start()
        for _ in range(20):
            self.beat(station)
            self.server.pass_time(100, step=10)
        faults = life._faults
        assert faults is not None
        self.assertGreater(faults.counts["repeated"], 3)
        self.assertGreater(faults.counts["clock"], 5)
        life.stop()
        self.assertIsNone(connection.shape)
        before = dict(faults.counts)
        self.server.pass_time(1000, step=10)
        self.assertEqual(faults.counts, before)

    def test_clock(self) -> None:
        """
        A clock that jumps is set right with the next heartbeat.
        """
        station, faults = self.faulty()
        faults.happen("clock", 7200)
        self.assertEqual(station.stamp()[11:13], "02")
        self.server.pass_time(300)
        self.assertEqual(station.stamp()[11:13], "00")

    def test_storm(self) -> None:
        """
        Many reconnects in a row lead to a connection.
        """
        station, faults = self.faulty()
        faults.happen("storm", 5)
        self.server.pass_time(20, step=0.05)
        self.assertTrue(station.is_online)
        self.assertGreater(self.backend.actions().count("BootNotification"), 1)

    def test_by_chance(self) -> None:
        """
        The same seed brings the same faults.
        """
        station, faults = self.faulty(repeated=0.5)
        for _ in range(40):
            self.beat(station)
        first = faults.counts
        self.setUp()
        station, faults = self.faulty(repeated=0.5)
        for _ in range(40):
            self.beat(station)
        self.assertEqual(faults.counts, first)
        self.assertGreater(first["repeated"], 5)


def write(folder: Path, name: str, source: Any) -> None:
    (folder / name).mkdir(exist_ok=True)
    (folder / name / "configuration.json").write_bytes(orjson.dumps(source))


def described(identity: str, **keys: str) -> dict[str, Any]:
    keys = {"CentralSystemURL": URL, "StationIdentity": identity, **keys}
    return {
        "connectorId": [{"id": 1, "meterValue": 100}],
        "configurationKey": [
            {"key": key, "readonly": False, "value": value}
            for key, value in keys.items()
        ],
    }


class EmulatorTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.server = Server()
        self.folder = Path(self.mktemp())
        self.folder.mkdir()

    def start(self) -> Emulator:
        clock = self.server.clock
        emulator = Emulator(self.folder, clock, self.server.lines())
        emulator.startService()
        self.server.pass_time()
        return emulator

    def there(self) -> set[str]:
        return {s.identity for s in self.server.router.stations()}

    def reload(self, emulator: Emulator) -> None:
        done: list[Any] = []
        emulator.reload(self.folder).addBoth(done.append)
        self.server.pass_time(10)
        self.assertEqual(done, [None])

    def test_runs_them_all(self) -> None:
        """
        Every folder is a station; a broken one is named, and left out.
        """
        write(self.folder, "CP1", described("A"))
        write(self.folder, "CP2", described("B"))
        write(self.folder, "CP3", {"connectorId": [{"id": "one"}]})
        (self.folder / "README").write_text("no station")
        emulator = self.start()
        self.assertEqual(self.there(), {"A", "B"})
        self.assertEqual(list(emulator.broken), ["CP3"])
        self.flushLoggedErrors()

    def test_reload(self) -> None:
        """
        New stations come, removed ones leave, changed ones start again, and
        the others notice nothing.
        """
        for name in ("same", "changed", "removed"):
            write(self.folder, name, described(name))
        emulator = self.start()
        same = emulator.stations["same"]
        write(self.folder, "changed", described("changed", CpoName="x"))
        write(self.folder, "new", described("new"))
        for file in (self.folder / "removed").iterdir():
            file.unlink()
        (self.folder / "removed").rmdir()
        self.server.backend.calls.clear()
        self.reload(emulator)
        self.assertEqual(self.there(), {"same", "changed", "new"})
        booted = {
            identity
            for identity, action, _ in self.server.backend.calls
            if action == "BootNotification"
        }
        self.assertEqual(booted, {"changed", "new"})
        self.assertIs(emulator.stations["same"], same)

    def test_reload_of_what_is_broken(self) -> None:
        """
        A station whose file is broken by now runs on as it was; so do all
        where the folder cannot be read.
        """
        write(self.folder, "CP1", described("A"))
        emulator = self.start()
        station = emulator.stations["CP1"]
        file = self.folder / "CP1" / "configuration.json"
        file.write_text("{")
        self.reload(emulator)
        self.assertIn("not JSON", str(emulator.broken["CP1"]))
        file.write_bytes(orjson.dumps(described("A")))
        away = self.folder.rename(self.folder.with_name("away"))
        self.reload(emulator)
        away.rename(self.folder)
        self.reload(emulator)
        self.assertIs(emulator.stations["CP1"], station)
        self.assertEqual((self.there(), emulator.broken), ({"A"}, {}))
        self.flushLoggedErrors()

    def test_newer_file(self) -> None:
        """
        A key that was changed stays so until the operator changes it, too.
        """
        write(self.folder, "CP1", described("A", CpoName="one"))
        emulator = self.start()
        self.server.call(
            "A", "ChangeConfiguration", key="CpoName", value="two"
        )
        for more, name in (
            ({"CpoName": "one", "BlinkRepeat": "5"}, "two"),
            ({"CpoName": "three"}, "three"),
        ):
            write(self.folder, "CP1", described("A", **more))
            self.reload(emulator)
            keys = emulator.stations["CP1"].station.keys
            self.assertEqual(keys["CpoName"], name)

    def test_leaves_cleanly(self) -> None:
        """
        A station that leaves ends its transaction first.
        """
        write(self.folder, "CP1", described("A"))
        emulator = self.start()
        self.server.call("A", "RemoteStartTransaction", idTag="X")
        emulator.stopService()
        self.server.pass_time(10)
        self.assertEqual(self.there(), set())
        self.assertEqual(list(self.server.backend.energy), [1])

    def test_remembers(self) -> None:
        """
        Keys and meters are as they were, and the operator's file too.
        """
        write(self.folder, "CP1", described("A"))
        file = self.folder / "CP1" / "configuration.json"
        before = file.read_bytes()
        emulator = self.start()
        self.server.call(
            "A", "ChangeConfiguration", key="CpoName", value="mine"
        )
        self.server.call("A", "RemoteStartTransaction", idTag="X")
        self.server.pass_time(120)
        emulator.stopService()
        self.server.pass_time(10)
        station = self.start().stations["CP1"].station
        state = self.folder / "CP1" / "state.json"
        self.assertEqual(state.stat().st_mode & 0o777, 0o600)
        self.assertEqual(len(station.cache), 1)
        self.assertEqual(station.keys["CpoName"], "mine")
        self.assertGreater(station.connectors[1].meter.register, 200)
        self.assertEqual(file.read_bytes(), before)

    def test_killed_in_a_transaction(self) -> None:
        """
        A transaction that ran when the process was killed has ended by a
        loss of power.
        """
        write(self.folder, "CP1", described("A"))
        emulator = self.start()
        self.server.call("A", "RemoteStartTransaction", idTag="X")
        config = emulator.stations["CP1"].station.config
        again = ChargePoint(
            config, self.server.clock, state=State(config.folder)
        )
        [message] = again.outbox
        self.assertEqual(message.payload["reason"], "PowerLoss")
        self.assertEqual(message.as_sent()["transactionId"], 1)

    def test_reserved_before(self) -> None:
        """
        A reservation holds over a restart.
        """
        write(self.folder, "CP1", described("A"))
        emulator = self.start()
        self.server.call(
            "A",
            "ReserveNow",
            connectorId=1,
            expiryDate="2026-01-01T00:10:00Z",
            idTag="X",
            reservationId=3,
        )
        emulator.stopService()
        self.server.pass_time(10)
        connector = self.start().stations["CP1"].station.connectors[1]
        self.assertEqual(connector.status, "Reserved")
        self.server.pass_time(600)
        self.assertEqual(connector.status, "Available")

    def test_certificates_are_kept(self) -> None:
        """
        Certificates, and the key that was made for one, survive a restart.
        """
        write(self.folder, "CP1", described("A"))
        emulator = self.start()
        text = pem(certificate(ec.generate_private_key(ec.SECP256R1())))
        self.server.call(
            "A",
            "InstallCertificate",
            certificateType="CentralSystemRootCertificate",
            certificate=text,
        )
        self.server.call(
            "A",
            "ExtendedTriggerMessage",
            requestedMessage="SignChargePointCertificate",
        )
        before = emulator.stations["CP1"].station.security
        emulator.stopService()
        self.server.pass_time(10)
        after = self.start().stations["CP1"].station.security
        self.assertIsNot(after, before)
        self.assertEqual(after.as_json(), before.as_json())

    def test_broken_state(self) -> None:
        """
        A state that is of no use is not used.
        """
        write(self.folder, "CP1", described("A"))
        for text in (
            "{",
            "[]",
            '{"meters": 7}',
            '{"keys": {"a": 1}}',
            '{"over": 7, "cache": 3}',
            '{"certificates": {"key": "x"}}',
        ):
            (self.folder / "CP1" / "state.json").write_text(text)
            config = self.start().stations["CP1"].station.config
            self.assertEqual(config.identity, "A")


class FleetTests(SynchronousTestCase):
    def test_a_day_in_a_minute(self) -> None:
        """
        A day of many stations: the energy that their meters show is the
        energy that the central system knows of, transaction by transaction.
        """
        server = Server()
        fleet = Fleet(
            FleetPlan(
                URL,
                count=10,
                identities="F{:03}",
                rate=10,
                rates=Rates(sessions=12, stay=40, drops=2, faults=1),
                seed=4,
            ),
            server.clock,
            FastClock(server.clock, 1440),
            server.lines(),
        )
        fleet.startService()
        server.pass_time(60, step=0.25)
        leaving = Deferred.fromCoroutine(fleet.leave())
        server.pass_time(30, step=0.25)
        self.successResultOf(leaving)
        backend = server.backend
        self.assertGreater(len(backend.energy), 30)
        self.assertEqual(set(backend.energy), set(backend.started))
        self.assertEqual(sum(backend.energy.values()), fleet.energy())
        self.assertEqual(fleet.findings.lines(), [])
        self.assertIn("StopTransaction", summary(fleet, 60.0))
        fleet.stopService()
        server.pass_time(5)

    def test_repeatable(self) -> None:
        """
        The same seed lives the same day.
        """
        days = []
        for _ in range(2):
            server = Server()
            fleet = Fleet(
                FleetPlan(URL, 3, rate=100, rates=Rates(24), seed=9),
                server.clock,
                FastClock(server.clock, 600),
                server.lines(),
            )
            fleet.startService()
            server.pass_time(60)
            fleet.stopService()
            days.append(server.backend.calls)
        self.assertGreater(len(days[0]), 100)
        self.assertEqual(days[0], days[1])

    def test_rate(self) -> None:
        """
        Stations are started at their rate, and not all at once.
        """
        server = Server()
        fleet = Fleet(
            FleetPlan(URL, 100, rate=20), server.clock, None, server.lines()
        )
        fleet.startService()
        server.pass_time(1, step=0.05)
        self.assertLess(fleet.counts()["started"], 30)
        server.pass_time(5, step=0.05)
        self.assertEqual(fleet.counts()["booted"], 100)
        fleet.stopService()

    def test_pattern(self) -> None:
        """
        A pattern that names every station alike is refused.
        """
        for pattern in ("CP", "{", "{name}"):
            plan = FleetPlan(URL, 2, identities=pattern)
            self.assertRaises(BadConfig, plan.check)
