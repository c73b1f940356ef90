"""
Tests for L{ocpp_tw.workers.master} and L{ocpp_tw.workers.pipe}: children that
are well, and children that hang.
"""

import os
import signal
import socket
from struct import pack
from typing import Any

import orjson
from twisted.internet.error import ProcessTerminated
from twisted.internet.process import ProcessWriter
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactor
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw import config
from ocpp_tw.workers import pipe
from ocpp_tw.workers.master import MISSED, PULSE, SOON, Child, Master
from ocpp_tw.workers.pipe import Pipe
from ocpp_tw.workers.wire import PING, PONG
from ocpp_tw.workers.worker import READ, WRITE, Role


class Writer:
    """
    The end of a pipe that the master has.
    """

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self.producer = producer


class Process:
    """
    What the master has of a child.

    @ivar said: the messages that were written to it.
    @ivar signals: those that it was sent.
    """

    def __init__(self, protocol: Child) -> None:
        self.protocol = protocol
        self.pipes = {READ: Writer()}
        self.said: list[Any] = []
        self.signals: list[int] = []
        protocol.makeConnection(self)

    def writeToChild(self, fd: int, data: bytes) -> None:
        self.said.append(orjson.loads(data[4:]))

    def signalProcess(self, number: int) -> None:
        self.signals.append(number)

    def says(self, **message: Any) -> None:
        data = orjson.dumps(message)
        frame = pack("!I", len(data)) + data
        self.protocol.childDataReceived(WRITE, frame)

    def ready(self) -> None:
        self.says(what="ready", to=0)

    def ends(self) -> None:
        self.protocol.processEnded(Failure(ProcessTerminated(signal=9)))

    def is_killed(self) -> bool:
        return signal.SIGKILL in self.signals


class Reactor(Clock):
    """
    Starts processes that do nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.processes: list[Process] = []

    def callWhenRunning(self, call: Any) -> None:
        call()

    def spawnProcess(self, protocol: Child, *_: Any, **__: Any) -> None:
        self.processes.append(Process(protocol))


class WithMaster(SynchronousTestCase):
    """
    A test with a master of two workers and the emulator.
    """

    def setUp(self) -> None:
        settings = {
            "CS_MAIN_WORKERS": "2",
            "CS_PROCESS_CHARGEPOINT_ENABLE": "yes",
        }
        folder = os.path.abspath(self.mktemp())
        self.reactor = Reactor()
        self.master = Master(
            lambda: config.load(None, settings, folder),
            Role(0, "", folder, ""),
            self.reactor,
        )
        for _ in range(2):
            one = socket.socket()
            self.addCleanup(one.close)
            self.master._sockets.append(one)
        self.master.startService()
        self.addCleanup(self.stop)
        self.one, self.two, self.emulator = self.reactor.processes

    def stop(self) -> None:
        stopping = self.master.stopService()
        for child in list(self.master.children):
            child.transport.ends()  # type: ignore[union-attr]
        self.successResultOf(stopping)

    def pass_time(self, rounds: int, *answering: Process) -> None:
        for _ in range(rounds):
            self.reactor.advance(PULSE)
            for process in answering:
                process.says(**PONG)


class HangingTests(WithMaster):
    """
    Children that hang.
    """

    def test_killed(self) -> None:
        """
        Who leaves all questions of a minute unanswered is killed, told of,
        and started again; the others are not.
        """
        for process in self.reactor.processes:
            process.ready()
        self.pass_time(MISSED, self.two, self.emulator)
        self.assertEqual(self.one.said.count(PING), MISSED)
        self.assertFalse(self.one.is_killed())
        self.pass_time(1, self.two, self.emulator)
        self.assertTrue(self.one.is_killed())
        said = len(self.one.said)
        self.two.says(what="claim", to="all", body={})
        self.assertEqual(len(self.one.said), said)
        self.assertIn("claim", [m["what"] for m in self.two.said])
        self.one.ends()
        self.reactor.advance(SOON)
        again = self.reactor.processes[3].protocol
        self.assertEqual((again.number, again.slot), (1, 0))
        self.pass_time(3 * MISSED, self.two, self.emulator)
        self.assertFalse(self.two.is_killed() or self.emulator.is_killed())

    def test_emulator(self) -> None:
        """
        So is the emulator.
        """
        self.emulator.ready()
        self.pass_time(MISSED + 1)
        self.assertTrue(self.emulator.is_killed())

    def test_anything_is_a_sign_of_life(self) -> None:
        """
        Who says something is well.
        """
        for process in self.reactor.processes:
            process.ready()
        for _ in range(5):
            self.pass_time(MISSED - 1, self.two, self.emulator)
            self.one.says(what="watch", to="all", body=True)
        self.assertFalse(self.one.is_killed())

    def test_begins(self) -> None:
        """
        Who is not ready yet is not asked.
        """
        self.pass_time(2 * MISSED)
        for process in self.reactor.processes:
            self.assertEqual((process.said, process.signals), ([], []))

    def test_clock_jumps(self) -> None:
        """
        A clock that jumps, as after a machine was asleep, kills nobody.
        """
        self.one.ready()
        self.reactor.advance(86400)
        self.assertFalse(self.one.is_killed())

    def test_does_not_read(self) -> None:
        """
        A child that reads nothing is killed before much waits for it.
        """
        self.patch(pipe, "MOST", 1000)
        for process in self.reactor.processes:
            process.ready()
        self.one.pipes[READ].producer.pauseProducing()
        for _ in range(3):
            self.two.says(what="claim", to="all", body="x" * 400)
        self.assertTrue(self.one.is_killed())
        self.assertFalse(self.two.is_killed())


class EmulatorTests(WithMaster):
    """
    Questions to the emulator.
    """

    def ask(self, to: Any = "emulator") -> None:
        question = {"what": "emulate", "to": to, "from": 1, "ask": 7}
        self.one.says(**question, body=["get", "E"])

    def test_passed_on(self) -> None:
        """
        The emulator is asked, and its answer comes to who asked.
        """
        self.one.ready()
        self.emulator.ready()
        self.ask()
        self.assertEqual(self.emulator.said[-1]["body"], ["get", "E"])
        answer = {"what": "answer", "to": 1, "from": "emulator", "ask": 7}
        self.emulator.says(**answer, body={"name": "E"})
        self.assertEqual(self.one.said[-1]["body"], {"name": "E"})

    def test_any(self) -> None:
        """
        Whichever worker there is is asked for a command; if there is none,
        nobody waits.
        """
        self.emulator.ready()
        question = {"what": "command", "to": "any", "from": "emulator"}
        self.emulator.says(**question, ask=1, body=[])
        [_, told] = self.emulator.said[-1]["error"]
        self.assertIn("worker", told)
        self.two.ready()
        self.emulator.says(**question, ask=2, body=[])
        self.assertEqual(self.two.said[-1]["ask"], 2)

    def test_not_there(self) -> None:
        """
        Where it has not started yet, or has ended, the answer says so.
        """
        self.one.ready()
        self.ask()
        error = self.one.said[-1]["error"]
        self.assertEqual(error[0], "BackendUnavailable")
        self.emulator.ready()
        self.emulator.ends()
        self.assertEqual(
            self.one.said[-1], {"what": "bye", "from": "emulator"}
        )
        self.master.config = config.load(None, {}, self.mktemp())
        self.ask()
        self.assertEqual(self.one.said[-1]["error"][0], "NotFound")


class PipeTests(SynchronousTestCase):
    """
    A real pipe, and somebody who reads it slowly or not at all.
    """

    def setUp(self) -> None:
        self.reading, writing = os.pipe()
        os.set_blocking(self.reading, False)
        self.addCleanup(os.close, self.reading)
        self.addCleanup(os.close, writing)
        self.writer = ProcessWriter(MemoryReactor(), None, READ, writing)
        self.pipes = {READ: self.writer}
        self.overfull = 0
        self.pipe = Pipe(self, READ, self.is_overfull)

    def is_overfull(self) -> None:
        self.overfull += 1

    def writeToChild(self, fd: int, data: bytes) -> None:
        self.writer.write(data)

    def read(self) -> bytes:
        self.writer.doWrite()
        try:
            return os.read(self.reading, 1 << 20)
        except BlockingIOError:
            return b""

    def test_slow(self) -> None:
        """
        What waits comes in its order, and is forgotten then.
        """
        sent = b""
        for number in range(100):
            data = b"%8d" % number * 1000
            self.pipe.write(data)
            sent += data
        self.assertGreater(self.pipe.unread, 0)
        read = b""
        while more := self.read():
            read += more
        self.assertEqual(read, sent)
        self.assertEqual((self.pipe.unread, self.overfull), (0, 0))

    def test_not_at_all(self) -> None:
        """
        So much waits and no more; it is told once.
        """
        self.patch(pipe, "MOST", 1 << 20)
        for _ in range(100):
            self.pipe.write(b"x" * 100_000)
            self.assertLessEqual(self.pipe.unread, 1 << 20)
        self.assertEqual((self.pipe.unread, self.overfull), (0, 1))
