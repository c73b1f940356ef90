"""
Stations that speak SOAP, and several workers.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.ocpp.soap import SoapFault, parse, service_of
from ocpp_tw.router import Handshake
from ocpp_tw.transports.soap import RELAY_TIMEOUT, Posted, SoapStations

from ..transports.soap_world import Backend, envelope, reached_at
from .test_neighbours import FakeMaster, FakeWorker, Station


HERE = "http://10.0.0.7:8080/"


class SoapWorker(FakeWorker):
    """
    A worker that stations post to.
    """

    def __init__(self, number: int, master: Any, clock: Clock) -> None:
        super().__init__(number, master, clock)
        self.backend = Backend()
        self.router.use(self.backend)
        self.soap = SoapStations(self.router, clock)
        self.neighbours.answers["soap"] = self.soap.relayed

    def post(self, body: str = "<heartbeatRequest/>") -> Deferred[Any]:
        """
        A message comes to this worker.
        """
        data = envelope(body, header=reached_at(HERE))
        return Deferred.fromCoroutine(self._answer(data))

    async def _answer(self, data: bytes) -> Any:
        read = parse(data)
        of = service_of(read)
        message = Posted(read, data, None, "10.0.0.7:4711", "http://us/Ocpp")
        relaying = self.soap.relay(read.identity, of, message)
        relayed = relaying and await relaying
        if relayed:
            return relayed
        handshake = Handshake(read.identity, "", message.address)
        station = self.soap.station(handshake, of)
        return 200, await station.hear(message)


class RelayTests(SynchronousTestCase):
    """
    A station stays with the worker that has it, wherever it posts.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_760_000_000)
        self.master = FakeMaster()
        self.one, self.two = self.worker(1), self.worker(2)
        self.master.flush()
        self.successResultOf(self.one.post())
        self.master.flush()

    def worker(self, number: int) -> SoapWorker:
        worker = SoapWorker(number, self.master, self.clock)
        self.addCleanup(worker.journal.stopService)
        self.master.join(worker)
        return worker

    def test_relayed(self) -> None:
        """
        Its worker answers what it posts to another.
        """
        answer = self.two.post()
        self.assertNoResult(answer)
        self.master.flush()
        status, reply = self.successResultOf(answer)
        self.assertEqual(status, 200)
        self.assertIn(b"heartbeatResponse", reply)
        self.assertEqual(len(self.one.backend.calls), 2)
        self.assertEqual(self.two.backend.calls, [])
        self.assertEqual(self.one.backend.connected, ["+CP1 1.6"])
        self.assertEqual(self.two.backend.connected, [])

    def test_fault(self) -> None:
        """
        A fault is relayed with its status.
        """
        answer = self.two.post("<fooRequest/>")
        self.master.flush()
        status, reply = self.successResultOf(answer)
        self.assertEqual(status, 500)
        self.assertIn(b"NotSupported", reply)

    def test_just_gone(self) -> None:
        """
        A station that its worker has no more is answered where it posts.
        """
        answer = self.two.post()
        [station] = self.one.router.stations()
        station.close(1001, "")
        self.clock.advance(0)
        self.master.flush()
        self.assertEqual(self.successResultOf(answer)[0], 200)
        self.assertEqual(len(self.two.backend.calls), 1)

    def test_worker_ends(self) -> None:
        """
        So is one whose worker has ended.
        """
        answer = self.two.post()
        self.master.leave(self.one)
        self.assertEqual(self.successResultOf(answer)[0], 200)
        self.assertTrue(self.two.holds())

    def test_silence(self) -> None:
        """
        A worker that does not answer is not waited for; nobody knows whether
        it has the message.
        """
        answer = self.two.post()
        self.clock.advance(RELAY_TIMEOUT)
        failed = self.failureResultOf(answer, SoapFault)
        self.assertEqual(failed.value.status, 503)

    def test_other_transport(self) -> None:
        """
        A station that has a WebSocket elsewhere, and posts, is here now.
        """
        self.one.router.connected(Station("CP1"))
        self.clock.advance(0)
        self.master.flush()
        self.assertEqual(self.successResultOf(self.two.post())[0], 200)
        self.master.flush()
        self.assertTrue(self.two.holds())

    def test_interval(self) -> None:
        """
        What its worker knows of its interval and where it is reached, the
        others know.
        """
        self.one.router.fleet.known("CP1").heartbeat = 1000.0
        self.one.journal.save()
        self.master.flush()
        known = self.two.router.fleet.known("CP1")
        self.assertEqual(
            (known.protocol, known.reached_at, known.heartbeat),
            ("SOAP", HERE, 1000.0),
        )
