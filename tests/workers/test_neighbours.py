"""
Tests for L{ocpp_tw.workers.neighbours} and L{ocpp_tw.workers.wire}.
"""

from functools import partial

import orjson
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from ocpp_tw.errors import (
    BadRequest,
    CallFailed,
    CallTimedOut,
    StationNotConnected,
)
from ocpp_tw.events import TICK, Wanted
from ocpp_tw.interfaces import IStation
from ocpp_tw.journal import Journal
from ocpp_tw.metrics import Metrics
from ocpp_tw.queued import Queue
from ocpp_tw.router import Router
from ocpp_tw.workers.neighbours import GRACE, Neighbours
from ocpp_tw.workers.wire import ALL, Wire

from ..transports.world import FakeBackend, FakeStation


class FakeMaster:
    """
    Passes messages on, one after another, when it is told to.
    """

    def __init__(self):
        self.workers = {}
        self.waiting = []

    def join(self, worker):
        self.workers[worker.number] = worker
        for other in list(self.workers.values()):
            other.neighbours.heard({"what": "hello", "from": worker.number})

    def leave(self, worker):
        del self.workers[worker.number]
        for other in self.workers.values():
            other.neighbours.heard({"what": "bye", "from": worker.number})

    def say(self, message):
        self.waiting.append(orjson.loads(orjson.dumps(message)))

    def flush(self):
        while self.waiting:
            message = self.waiting.pop(0)
            for worker in list(self.workers.values()):
                if message["to"] in (ALL, worker.number):
                    worker.neighbours.heard(message)


class Station(FakeStation):
    """
    Remembers that it was told to go.
    """

    closed = None

    def close(self, code, reason):
        self.closed = code


class FakeWorker:
    """
    A router with its fleet, and neighbours.
    """

    def __init__(self, number, master, clock):
        self.number = number
        self.journal = Journal(":memory:", clock)
        self.journal.startService()
        self.router = Router(self.journal, clock)
        self.router.use(FakeBackend())
        self.neighbours = Neighbours(number, self.router, clock, master.say)
        self.router.neighbours = self.neighbours
        self.journal.share = self.neighbours.share
        self.journal.forgot = self.neighbours.forget
        self.journal.events.watched = self.neighbours.watched
        self.journal.events.relay = self.neighbours.happened

    def connect(self, identity="CP1", answer=None):
        station = Station(identity, answer)
        self.router.connected(station)
        return station

    def holds(self, identity="CP1"):
        return identity in self.router.ours

    def sees(self, identity="CP1"):
        known = self.router.fleet.get(identity)
        return known is not None and known.station is not None


class TwoWorkers(SynchronousTestCase):
    """
    A test with two workers that know each other.
    """

    def setUp(self):
        self.clock = Clock()
        self.clock.advance(1_760_000_000)
        self.master = FakeMaster()
        self.one, self.two = self.worker(1), self.worker(2)
        self.master.flush()

    def worker(self, number):
        worker = FakeWorker(number, self.master, self.clock)
        self.addCleanup(worker.journal.stopService)
        self.master.join(worker)
        return worker

    def call(self, worker, *call, **options):
        asked = Deferred.fromCoroutine(
            worker.router.call("CP1", *(call or ("ClearCache", {})), **options)
        )
        self.master.flush()
        return asked


class ClaimTests(TwoWorkers):
    """
    Who has a station.
    """

    def test_seen(self):
        """
        All workers see a station that connects to one of them, and that it
        has gone again.
        """
        station = self.one.connect()
        self.master.flush()
        self.assertTrue(self.two.sees())
        self.assertFalse(self.two.holds())
        known = self.two.router.fleet.known("CP1")
        verifyObject(IStation, known.station)
        self.assertEqual(known.address, station.address)
        self.one.router.disconnected(station, "close code 1001")
        self.master.flush()
        self.assertFalse(self.two.sees())
        self.assertEqual(known.disconnected_why, "close code 1001")

    def test_newest_wins(self):
        """
        Of two connections of one identity the newer one stays, wherever the
        older one is.
        """
        old = self.one.connect()
        self.master.flush()
        new = self.two.connect()
        self.master.flush()
        self.assertEqual((old.closed, new.closed), (1008, None))
        self.assertEqual((self.one.holds(), self.two.holds()), (False, True))
        self.one.router.disconnected(old, "replaced")
        self.master.flush()
        self.assertTrue(self.one.sees())
        self.assertTrue(self.two.sees())

    def test_at_once(self):
        """
        Of two that connect at the same time one stays.
        """
        for number in range(4):
            identity = f"CP{number}"
            first, second = (
                (self.one, self.two) if number % 2 else (self.two, self.one)
            )
            stations = [first.connect(identity), second.connect(identity)]
            self.master.flush()
            self.assertEqual([s.closed for s in stations], [1008, None])
            self.assertFalse(first.holds(identity))
            self.assertTrue(second.holds(identity))
            self.assertTrue(first.sees(identity))

    def test_back_and_forth(self):
        """
        A station that changes its worker faster than they hear of it ends
        with the last.
        """
        stations = [
            worker.connect()
            for worker in (self.one, self.two, self.one, self.two, self.one)
        ]
        self.master.flush()
        self.assertEqual((self.one.holds(), self.two.holds()), (True, False))
        self.assertIsNone(stations[-1].closed)
        self.assertEqual([s.closed for s in stations[:-1]], [1008] * 4)

    def test_new_worker(self):
        """
        A worker that is new learns who is there.
        """
        self.one.connect("CP1")
        self.two.connect("CP2")
        self.master.flush()
        three = self.worker(3)
        self.master.flush()
        self.assertTrue(three.sees("CP1"))
        self.assertTrue(three.sees("CP2"))
        self.assertEqual(three.neighbours.others, {1, 2})

    def test_worker_died(self):
        """
        The stations of a worker that has ended are not connected.
        """
        self.one.connect()
        self.master.flush()
        self.master.leave(self.one)
        self.assertFalse(self.two.sees())
        known = self.two.router.fleet.known("CP1")
        self.assertEqual(known.disconnected_why, "its worker has ended")

    def test_death_is_told(self):
        """
        Who watches hears once that these stations have gone.
        """
        self.one.connect()
        events = self.two.journal.events
        self.addCleanup(events.watch(lambda: None))
        self.master.flush()
        self.master.leave(self.one)
        self.clock.advance(TICK)
        text, _ = events.after(0, Wanted())
        self.assertEqual(text.count(b"event: disconnected"), 1)
        self.assertIn(b"its worker has ended", text)

    def test_late_answer(self):
        """
        An answer to a worker that had our number before is not ours.
        """
        self.one.connect(answer=Deferred())
        self.master.flush()
        self.call(self.two)
        [before] = self.two.neighbours._asked
        self.master.leave(self.two)
        self.clock.advance(1)
        again = self.worker(2)
        self.master.flush()
        self.call(again)
        self.assertNotIn(before, again.neighbours._asked)


class KnownTests(TwoWorkers):
    """
    What is known of stations.
    """

    def test_shared(self):
        """
        What a station says of itself is known everywhere.
        """
        station = self.one.connect()
        station.known.boot = {"chargePointVendor": "Example"}
        station.known.connectors = {1: {"status": "Charging"}}
        self.one.journal.save()
        self.master.flush()
        known = self.two.router.fleet.known("CP1")
        self.assertEqual(known.boot, {"chargePointVendor": "Example"})
        self.assertEqual(known.connectors, {1: {"status": "Charging"}})
        self.assertTrue(self.two.sees())

    def test_settings(self):
        """
        What an operator decides holds for the worker that has the station.
        """
        station = self.one.connect()
        station.known.connectors = {1: {"status": "Charging"}}
        self.master.flush()
        changed = self.two.journal.change("CP1", {"registration": "Rejected"})
        self.successResultOf(Deferred.fromCoroutine(changed))
        self.master.flush()
        self.assertEqual(station.known.settings.registration, "Rejected")
        self.assertEqual(station.known.connectors, {1: {"status": "Charging"}})
        self.assertIs(station.known.station, station)

    def test_forgotten(self):
        """
        A station that is forgotten is forgotten everywhere.
        """
        self.one.router.disconnected(self.one.connect(), "gone")
        self.one.journal.save()
        self.master.flush()
        self.assertIn("CP1", self.two.router.fleet)
        forgotten = self.two.journal.forget("CP1")
        self.successResultOf(Deferred.fromCoroutine(forgotten))
        self.master.flush()
        self.assertNotIn("CP1", self.one.router.fleet)


class CallTests(TwoWorkers):
    """
    Commands to a station that another worker has.
    """

    def test_answer(self):
        """
        The station is asked, and its answer comes back.
        """
        station = self.one.connect(answer={"status": "Rejected"})
        self.master.flush()
        asked = self.call(self.two, timeout=7)
        self.assertEqual(self.successResultOf(asked), {"status": "Rejected"})
        self.assertEqual(station.asked, [("ClearCache", {}, 7)])

    def test_errors(self):
        """
        What goes wrong is the same as in one process.
        """
        station = self.one.connect()
        self.master.flush()
        for error in (
            CallFailed("NotSupported", "no", {"a": 1}),
            CallTimedOut("no answer"),
        ):
            station.answer = error
            raised = self.failureResultOf(self.call(self.two), type(error))
            self.assertEqual(str(raised.value), str(error))
        failure = self.failureResultOf(self.call(self.two, "Nope", {}))
        failure.trap(BadRequest)

    def test_details(self):
        """
        A CALLERROR is complete.
        """
        self.one.connect(answer=CallFailed("NotSupported", "no", {"a": 1}))
        self.master.flush()
        failed = self.failureResultOf(self.call(self.two), CallFailed).value
        self.assertEqual(
            (failed.code, failed.description, failed.details),
            ("NotSupported", "no", {"a": 1}),
        )

    def test_left(self):
        """
        A station that has just left is not connected.
        """
        station = self.one.connect()
        self.master.flush()
        del self.one.router._stations["CP1"]
        self.failureResultOf(self.call(self.two), StationNotConnected)
        self.assertEqual(station.asked, [])

    def test_worker_died(self):
        """
        Nobody waits for a worker that has ended.
        """
        self.one.connect(answer=Deferred())
        self.master.flush()
        asked = self.call(self.two)
        self.assertNoResult(asked)
        self.master.leave(self.one)
        self.failureResultOf(asked, StationNotConnected)

    def test_silent(self):
        """
        Nobody waits for ever for a worker that is stuck.
        """
        self.one.connect(answer=Deferred())
        self.master.flush()
        asked = self.call(self.two, timeout=10)
        self.clock.advance(10 + GRACE)
        self.failureResultOf(asked, CallTimedOut)
        self.assertEqual(self.two.neighbours._asked, {})


class EventTests(TwoWorkers):
    """
    Those who watch.
    """

    def test_events(self):
        """
        Who watches one worker sees what happens in all, once.
        """
        events = self.one.journal.events
        leave = events.watch(lambda: None)
        self.master.flush()
        self.two.connect("CP2")
        self.one.connect("CP1")
        for _ in range(3):
            self.clock.advance(TICK)
            self.master.flush()
        text, _ = events.after(0, Wanted())
        self.assertEqual(text.count(b"event: connected"), 2)
        leave()
        self.master.flush()
        self.assertIsNone(self.two.neighbours._stop_watching)

    def test_nobody(self):
        """
        While nobody watches, nothing is told.
        """
        self.two.connect("CP2")
        self.master.flush()
        self.clock.advance(0.5)
        said = [message["what"] for message in self.master.waiting]
        self.assertNotIn("happened", said)


class FigureTests(TwoWorkers):
    """
    The figures of all.
    """

    def setUp(self):
        super().setUp()
        for worker in (self.one, self.two):
            self.measure(worker)

    def measure(self, worker):
        metrics = Metrics(worker.router, self.clock, lambda: True)
        metrics.number = worker.number
        neighbours = worker.neighbours

        async def rows(_):
            return metrics.rows()

        neighbours.answers["figures"] = rows
        metrics.gather = lambda: neighbours.gather("figures")
        worker.metrics = metrics

    def text(self):
        asked = Deferred.fromCoroutine(self.one.metrics.text())
        self.master.flush()
        return asked

    def test_merged(self):
        """
        Each worker tells the figures of all.
        """
        self.one.connect("CP1")
        self.two.connect("CP2")
        text = self.successResultOf(self.text()).decode()
        for number in (1, 2):
            self.assertIn(
                f'cs_connections_total{{worker="{number}"}} 1.0', text
            )
        self.assertEqual(text.count("# TYPE cs_connections_total"), 1)

    def test_once(self):
        """
        Each worker counts the stations that it has.
        """
        station = self.one.connect("CP1")
        station.known.connectors = {1: {"status": "Charging"}}
        self.one.neighbours.share([station.known])
        text = self.successResultOf(self.text()).decode()
        for name, labels in {
            "cs_connectors": 'status="Charging"',
            "cs_stations_registered": 'registration="Accepted"',
        }.items():
            found = [
                line for line in text.splitlines() if line.startswith(name)
            ]
            self.assertEqual(found, [f'{name}{{{labels},worker="1"}} 1.0'])

    def test_silent(self):
        """
        The figures of a worker that is stuck are missing.
        """
        asked = Deferred.fromCoroutine(self.one.metrics.text())
        self.assertNoResult(asked)
        self.clock.advance(2)
        self.assertIn(b'cs_ready{worker="1"}', self.successResultOf(asked))


class WireTests(SynchronousTestCase):
    """
    Tests for L{Wire}.
    """

    def test_messages(self):
        """
        Messages arrive as they were sent, however long, in pieces or not.
        """
        heard = []
        here, there = Wire(lambda message: None), Wire(heard.append)
        transport = StringTransport()
        here.makeConnection(transport)
        there.makeConnection(StringTransport())
        messages = [{"what": "x", "body": "\xe4" * n} for n in (1, 100_000)]
        for message in messages:
            here.say(message)
        data = transport.value()
        for start in range(0, len(data), 4096):
            there.dataReceived(data[start : start + 4096])
        self.assertEqual(heard, messages)

    def test_lost(self):
        """
        The end of the wire is told, and what is said then is lost.
        """
        lost = []
        wire = Wire(lambda message: None, lambda: lost.append(True))
        wire.makeConnection(StringTransport())
        wire.connectionLost(Failure(EOFError()))
        wire.say({"what": "x"})
        self.assertEqual(lost, [True])


class QueueTests(TwoWorkers):
    """
    Commands that wait for a station.
    """

    def setUp(self):
        super().setUp()
        for worker in (self.one, self.two):
            worker.queue = Queue(worker.router, self.clock)
            worker.queue.share = partial(worker.neighbours.tell, "queued")
            worker.neighbours.expect = worker.queue.expect

    def test_elsewhere(self):
        """
        A command that one worker keeps is what another one has to send.
        """
        self.master.flush()
        asked = self.one.queue.add("CP1", "ClearCache", {}, 60)
        self.successResultOf(Deferred.fromCoroutine(asked))
        self.master.flush()
        self.assertEqual(self.two.queue._awaited, {"CP1"})
