"""
Emulated stations that speak SOAP, at the router with its SOAP transport, and
at a central system of its own.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from subprocess import CompletedProcess
from typing import Any
from unittest import TestCase

from lxml import etree
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.emulator.chargepoint import ChargePoint
from ocpp_tw.emulator.config import ConnectorConfig, StationConfig
from ocpp_tw.emulator.keys import Given
from ocpp_tw.emulator.soap import SoapConnection
from ocpp_tw.emulator.spoken import as_spoken
from ocpp_tw.emulator.websocket import Lines
from ocpp_tw.errors import CallTimedOut, StationNotConnected
from ocpp_tw.ocpp.soap import Envelope, parse
from ocpp_tw.ocpp.soap_tables import CENTRAL_SYSTEM, CHARGE_POINT
from ocpp_tw.ocpp.soap_types import service
from ocpp_tw.ocpp.soap_wsdl import wsdl
from ocpp_tw.ocpp.versions import Version
from tests.ocpp.soap_samples import sample
from tests.process import server
from tests.transports.soap_world import NOW, URL, SoapWorld

from .test_cli import ocpp_cp
from .test_transfers import FakeFiles


XSD = "{http://www.w3.org/2001/XMLSchema}schema"


def schema_of(version: Version, name: str) -> etree.XMLSchema:
    definition = etree.fromstring(wsdl(version, "http://x/", name))
    [schema] = definition.iter(XSD)
    # Alone it keeps the prefixes that were declared around it.
    names = {**definition.nsmap, **schema.nsmap}
    alone = etree.Element(schema.tag, dict(schema.attrib), nsmap=names)
    alone.extend(schema)
    return etree.XMLSchema(alone)


class StationWorld(SoapWorld):
    """
    One station whose messages go to our router without a socket, and which
    is commanded the same way.
    """

    def join(self, version: str, **keys: str) -> ChargePoint:
        given = {name: Given(value) for name, value in keys.items()}
        given["OcppVersion"] = Given(version)
        config = StationConfig(
            "CP1", "CP1", URL, (ConnectorConfig(1),), given
        ).check()
        self.time = Clock()
        self.station = ChargePoint(config, self.time)
        self.connection = SoapConnection(self.station, Lines(self.time))
        self.connection.address = "http://127.0.0.1:7777/"
        self.connection.wanted = True
        self.sent: list[Envelope] = []
        self.frames: list[bytes] = []
        self.replies: list[bytes] = []
        self.reachable = True
        self.connection.post = self.deliver  # type: ignore[method-assign]
        self.courier.post = self.command  # type: ignore[method-assign]
        number = iter(range(1, 100))
        self.stations_backend.answers.update(
            Authorize={"idTagInfo": {"status": "Accepted"}},
            StartTransaction={
                "transactionId": next(number),
                "idTagInfo": {"status": "Accepted"},
            },
        )
        self.connection._open()
        return self.station

    async def deliver(self, frame: bytes, action: str) -> bytes:
        if not self.reachable:
            raise OSError("nobody there")
        self.frames.append(frame)
        answer = await self.begin(frame)
        return bytes(answer.body)

    async def command(
        self, url: str, envelope: bytes, action: str, timeout: float
    ) -> tuple[int, bytes]:
        assert url == self.connection.address, url
        assert self.connection.peer is not None
        answer = await self.connection.peer.answer(envelope)
        self.replies.append(answer[1])
        return answer

    def ask(self, action: str, **payload: Any) -> Any:
        asking = Deferred.fromCoroutine(
            self.router.call("CP1", action, payload)
        )
        self.time.advance(0)
        return self.successResultOf(asking)

    def said(self, action: str) -> list[Any]:
        return [
            call.payload
            for call in self.stations_backend.calls
            if call.action == action
        ]

    def session(self) -> None:
        self.station.plug(1)
        tag = Deferred.fromCoroutine(self.station.present_tag("ALICE", 1))
        self.assertEqual(self.successResultOf(tag), "Accepted")
        self.time.advance(600)
        self.station.unplug(1)


class VersionTests(StationWorld, SynchronousTestCase):
    def test_session(self) -> None:
        """
        In every version a station boots, charges and stops; what it sends is
        what the version's definition has, and the energy is the meter's.
        """
        for version in ("1.2", "1.5", "1.6"):
            self.setUp()
            self.join(
                version,
                MeterValueSampleInterval="300",
                MeterValuesSampledData="Energy.Active.Import.Register,"
                "Power.Active.Import,SoC,Current.Import,Voltage",
            )
            self.session()
            [start] = self.said("StartTransaction")
            [stop] = self.said("StopTransaction")
            meter = self.station.connectors[1].meter
            self.assertGreater(meter.register, 100)
            self.assertEqual(
                (start["meterStart"], stop["meterStop"]), (0, meter.register)
            )
            self.assertTrue(self.said("MeterValues"))
            self.assertEqual(self.station.findings.lines(), [])
            [there] = self.router.stations()
            self.assertEqual(str(there.version), version)
            schema = schema_of(Version(version), "CentralSystemService")
            for frame in self.frames:
                body = parse(frame).body
                schema.assertValid(etree.fromstring(etree.tostring(body)))

    def test_statuses(self) -> None:
        """
        Older versions know Occupied, and are told once; 1.6 is told all.
        """
        for version, statuses in (
            ("1.5", ["Available", "Occupied", "Available"]),
            (
                "1.6",
                ["Available", "Preparing", "Charging", "Available"],
            ),
        ):
            self.setUp()
            self.join(version)
            self.session()
            told = [
                payload["status"]
                for payload in self.said("StatusNotification")
                if payload["connectorId"] == 1
            ]
            self.assertEqual(told, statuses)

    def test_commands(self) -> None:
        """
        The central system commands a station at the address it gave, and is
        answered in the words of the version.
        """
        for version, unlocked in (("1.5", "Accepted"), ("1.6", "Unlocked")):
            self.setUp()
            self.join(version)
            answer = self.ask("UnlockConnector", connectorId=1)
            self.assertEqual(answer["status"], unlocked)
            answer = self.ask("RemoteStartTransaction", idTag="BOB")
            self.assertEqual(answer, {"status": "Accepted"})
            [start] = self.said("StartTransaction")
            self.assertEqual(start["idTag"], "BOB")
            keys = self.ask("GetConfiguration", key=["HeartbeatInterval"])
            [key] = keys["configurationKey"]
            self.assertEqual(key["value"], "100")
            answer = self.ask(
                "SendLocalList",
                listVersion=1,
                updateType="Full",
                localAuthorizationList=[],
            )
            self.assertEqual(answer, {"status": "Accepted"})

    def test_every_operation(self) -> None:
        """
        Each operation of a version, in either direction, is what the
        version's definition has; and no answer is a refusal to know it.
        """
        for version in (Version.V12, Version.V15, Version.V16):
            self.setUp()
            self.join(str(version), LocalAuthListEnabled="true")
            self.station.files = FakeFiles()
            ours = service(version, CENTRAL_SYSTEM)
            theirs = service(version, CHARGE_POINT)
            for action in ours.requests:
                request, answer = sample(version, action)
                self.stations_backend.answers[action] = answer
                asking = self.station.ask(action, request)
                self.successResultOf(Deferred.fromCoroutine(asking))
                self.assertTrue(self.said(action), action)
            for action in theirs.requests:
                request, _ = sample(version, action)
                answer = self.ask(action, **request)
                self.assertIsInstance(answer, dict, (version, action))
            self.assertEqual(len(self.replies), len(theirs.requests))
            self.assertEqual(self.station.findings.lines(), [])
            for name, sent in (
                ("CentralSystemService", self.frames),
                ("ChargePointService", self.replies),
            ):
                schema = schema_of(version, name)
                for frame in sent:
                    body = parse(frame).body
                    schema.assertValid(etree.fromstring(etree.tostring(body)))

    def test_no_security_extension(self) -> None:
        """
        There is none over SOAP: nothing is said of it, and nothing is amiss.
        """
        self.join("1.6", SecurityProfile="1")
        self.station.note_security("TamperDetectionActivated")
        self.assertEqual(len(self.station.outbox), 0)
        self.assertEqual(self.station.findings.lines(), [])

    def test_no_answer(self) -> None:
        """
        What is not answered in time has failed, and the next is asked.
        """
        self.join("1.6")
        peer, never = self.connection.peer, Deferred[bytes]()
        assert peer is not None

        async def post(frame: bytes, action: str) -> bytes:
            return await never

        deliver = self.connection.post
        self.connection.post = post  # type: ignore[method-assign]
        call = Deferred.fromCoroutine(peer.call("Heartbeat", {}))
        self.time.advance(30)
        self.failureResultOf(call, CallTimedOut)
        self.connection.post = deliver  # type: ignore[method-assign]
        call = Deferred.fromCoroutine(peer.call("Heartbeat", {}))
        self.assertEqual(self.successResultOf(call), {"currentTime": NOW})

    def test_heartbeats(self) -> None:
        """
        They come by the interval of the boot.
        """
        self.join("1.5")
        self.time.pump([100.0] * 3)
        self.assertEqual(len(self.said("Heartbeat")), 3)

    def test_offline(self) -> None:
        """
        While the central system cannot be reached a transaction goes on, and
        its messages come in order afterwards.
        """
        self.join("1.5")
        self.station.plug(1)
        Deferred.fromCoroutine(self.station.present_tag("ALICE", 1))
        self.reachable = False
        self.time.advance(100)
        self.assertFalse(self.station.is_online)
        self.station.unplug(1)
        self.assertEqual(self.said("StopTransaction"), [])
        self.reachable = True
        self.time.advance(60)
        self.assertTrue(self.station.is_online)
        self.assertEqual(len(self.said("StopTransaction")), 1)
        self.assertEqual(len(self.said("BootNotification")), 2)

    def test_cut(self) -> None:
        """
        A line that is cut fails what is asked, until it is there again.
        """
        self.join("1.6")
        peer = self.connection.peer
        assert peer is not None
        self.connection.cut()
        call = Deferred.fromCoroutine(peer.call("Heartbeat", {}))
        self.failureResultOf(call, StationNotConnected)
        self.connection.again(1.0)
        self.time.advance(1)
        self.assertTrue(self.station.is_online)

    def test_refused(self) -> None:
        """
        What is for another station, of another version or no message at all
        is answered with a fault.
        """
        self.join("1.5")
        peer = self.connection.peer
        assert peer is not None
        [frame] = self.frames[:1]
        theirs = b"urn://Ocpp/Cp/2015/10/"
        for data in (
            b"nonsense",
            frame,
            frame.replace(b"urn://Ocpp/Cs/2012/06/", theirs),
        ):
            answer = Deferred.fromCoroutine(peer.answer(data))
            status, reply = self.successResultOf(answer)
            self.assertEqual(status, 400)
            self.assertIn(b"Fault", reply)
            self.assertIn(b"ProtocolError", reply)


class SpokenTests(SynchronousTestCase):
    def test_per_version(self) -> None:
        """
        What a version has no words for is left out, or not said.
        """
        value = {"timestamp": NOW, "sampledValue": [{"value": "7"}]}
        soc = {"value": "8", "measurand": "SoC", "unit": "Percent"}
        phase = {"value": "9", "measurand": "Voltage", "phase": "L1"}
        payload = {
            "connectorId": 1,
            "meterValue": [
                {**value, "sampledValue": [*value["sampledValue"], soc]},
                {**value, "sampledValue": [soc, phase]},
            ],
        }
        for version in (Version.V12, Version.V15):
            spoken = as_spoken(version, "MeterValues", payload)
            assert spoken is not None
            self.assertEqual(spoken["meterValue"], [value])
        only_soc = {"connectorId": 1, "meterValue": payload["meterValue"][1:]}
        self.assertIsNone(as_spoken(Version.V12, "MeterValues", only_soc))
        error = {"connectorId": 1, "status": "Faulted"}
        for version, told in (("1.2", "PowerSwitchFailure"), ("1.5", None)):
            spoken = as_spoken(
                Version(version),
                "StatusNotification",
                {**error, "errorCode": "GroundFailure"},
            )
            assert spoken is not None
            self.assertEqual(spoken["errorCode"], told or "GroundFailure")


class ProcessTests(TestCase):
    def test_at_a_central_system(self) -> None:
        """
        Over real sockets, stations of 1.2, 1.5 and 1.6 charge, are commanded
        and stop, and the records are right.
        """
        central = server(self)
        central.start()
        file = central.folder / "session.yaml"
        file.write_text(
            "speed: 300\nstrict: true\nsteps:\n- connect\n"
            "- answered: BootNotification\n  with: {status: Accepted}\n"
            "- command: RemoteStartTransaction\n"
            "  payload: {idTag: $tag, connectorId: 1}\n"
            "  with: {status: Accepted}\n"
            "- plug: 1\n- answered: StartTransaction\n- wait: 300\n"
            "- command: RemoteStopTransaction\n"
            "  payload: {transactionId: $transaction}\n"
            "  with: {status: Accepted}\n- answered: StopTransaction\n"
        )
        url = f"http://127.0.0.1:{central.port}"

        def run(version: str) -> CompletedProcess[str]:
            return ocpp_cp(
                *["scenario", str(file), "--identity", f"S{version}"],
                *["--url", f"{url}/Ocpp", "--version", version],
                *["--api", url],
            )

        with ThreadPoolExecutor() as together:
            ran = list(together.map(run, ("1.2", "1.5", "1.6")))
        for done in ran:
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        told = {t["identity"]: t for t in central.items("transactions")}
        self.assertEqual(set(told), {"S1.2", "S1.5", "S1.6"})
        for transaction in told.values():
            energy = transaction["meterStop"] - transaction["meterStart"]
            self.assertGreater(energy, 100)
