"""
The master: holds the sockets and no station, starts the workers and keeps
them running, and passes on what they tell each other.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any

from attrs import evolve
from twisted.application.internet import TimerService
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..config import Config, Server, check
from ..errors import BadConfig
from ..logs import Logs
from ..service import BACKLOG, CentralSystem, Signals
from ..system import Notifier, let_files_be_open
from .pipe import Pipe
from .wire import ALL, ANY, EMULATOR, PING, Address, Message, Wire
from .worker import LISTEN, READ, WRITE, Role


#: How long a child has to end when it is told to at once, in seconds.
FAST = 8.0

#: How long a child has to drain, in seconds.
GENTLY = 40.0

#: After how many seconds a child that died is started again: at first, and
#: at most; who lived this long starts anew.
SOON, SELDOM = 0.5, 30.0

#: How often a child is asked whether it is well, in seconds; and how many
#: questions it may leave unanswered.  They are counted, as a clock may jump.
PULSE, MISSED = 10.0, 6


class Child(ProcessProtocol):
    """
    A worker, or the emulator.

    @ivar number: of the worker, the least that no other has: it is a label of
        figures; 0 for the emulator.
    @ivar address: on the wire.
    @ivar slot: which socket it has.
    @ivar generation: which configuration.
    @ivar unanswered: how often it was asked whether it is well since it has
        said anything.
    """

    log = Logger()

    _pipe: Pipe

    def __init__(
        self, master: Master, number: int, slot: int, generation: int
    ) -> None:
        self.master = master
        self.number = number
        self.address: Address = number or EMULATOR
        self.slot = slot
        self.generation = generation
        self.is_ready = self.is_draining = False
        self.unanswered = 0
        self.began = master.seconds()
        self.ended: Deferred[None] = Deferred()
        self.wire = Wire(self._heard)

    def __repr__(self) -> str:
        return f"worker {self.number}" if self.number else "the emulator"

    def connectionMade(self) -> None:
        self._pipe = Pipe(self.transport, READ, self._overfull)
        self.wire.makeConnection(self._pipe)

    def _heard(self, message: Message) -> None:
        self.master.heard(self, message)

    # Whether it is well

    def check(self) -> None:
        """
        Ask it, and end it if it hangs.
        """
        if self.unanswered >= MISSED:
            self.kill(f"has answered nothing for {MISSED * PULSE:g} seconds")
            return
        self.unanswered += 1
        self.wire.say(PING)

    def _overfull(self) -> None:
        self.kill("does not read what it is told")

    def kill(self, why: str) -> None:
        """
        End it, so that it is started again.
        """
        self.log.error("{child} {why}: it is killed", child=self, why=why)
        self._pipe.cut()
        self.signal(signal.SIGKILL)

    # As a process

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        if childFD == WRITE:
            self.unanswered = 0
            self.wire.dataReceived(data)

    def processEnded(self, reason: Failure) -> None:
        self.wire.connectionLost(reason)
        self.master.child_ended(self, reason)
        self.ended.callback(None)

    def signal(self, number: signal.Signals) -> None:
        with suppress(ProcessExitedAlready):
            self.transport.signalProcess(int(number))  # type: ignore[union-attr]

    def drain(self) -> None:
        """
        Let it end when it has let everybody go.
        """
        if not self.is_draining:
            self.is_draining = True
            if self.number:
                self.wire.say({"what": "drain"})
            else:
                self.signal(signal.SIGTERM)


class Master(MultiService):
    """
    @ivar children: those that run.
    """

    log = Logger()

    def __init__(
        self,
        load: Callable[[], Config],
        role: Role,
        reactor: Any,
        logs: Logs | None = None,
    ) -> None:
        """
        @param role: what children are told, but for their number.
        """
        super().__init__()
        self._load = load
        self._role = role
        self._reactor = reactor
        self._logs = logs
        self.seconds = reactor.seconds
        self.config = load()
        check_shared(self.config)
        self.children: set[Child] = set()
        self._sockets: list[socket.socket] = []
        self._generation = 0
        self._pauses: dict[int, float] = {}
        self._reopened = 0.0
        self._stopping = False
        self._keeps_none = False
        self._notifier = Notifier(os.environ, reactor)
        pulse = TimerService(PULSE, self._check_all)
        pulse.clock = reactor
        pulse.setServiceParent(self)
        Signals(
            {
                signal.SIGHUP: self.reload,
                signal.SIGQUIT: self.stop_gently,
                signal.SIGWINCH: self.drain_workers,
                signal.SIGUSR1: self.reopen,
            },
            reactor,
        ).setServiceParent(self)

    # Start

    def privilegedStartService(self) -> None:
        super().privilegedStartService()
        let_files_be_open(self.config.main.limitnofile)
        try:
            self._sockets = _sockets(self.config)
        except OSError as e:
            server = self.config.server
            raise SystemExit(
                f"twistd cs: couldn't listen on {server.listen}:"
                f"{server.port}: {e.strerror}"
            ) from None

    def startService(self) -> None:
        super().startService()
        for warning in self.config.warnings:
            self.log.warn("{warning}", warning=warning)
        self._reactor.callWhenRunning(self._start_all)

    def _start_all(self) -> None:
        """
        Start a generation of workers, and what is missing beside them.
        """
        self._generation += 1
        self._keeps_none = False
        for slot in range(len(self._sockets)):
            self._start(slot)
        emulators = [
            child
            for child in self.children
            if not child.number and not child.is_draining
        ]
        if self.config.emulator.enable and not emulators:
            self._start(-1)
        elif not self.config.emulator.enable:
            for child in emulators:
                child.drain()

    def _start(self, slot: int) -> None:
        """
        @param slot: which socket; -1 for the emulator.
        """
        number = 0
        fds: dict[int, Any] = {0: 0, 1: 1, 2: 2, READ: "w", WRITE: "r"}
        if slot >= 0:
            taken = {child.number for child in self.children}
            number = next(n for n in count(1) if n not in taken)
            fds[LISTEN] = self._sockets[slot].fileno()
        child = Child(self, number, slot, self._generation)
        self.children.add(child)
        words = evolve(self._role, number=number).words()
        self._reactor.spawnProcess(
            child,
            sys.executable,
            [sys.executable, "-m", "ocpp_tw.workers.worker", *words],
            env=_environment(),
            childFDs=fds,
        )

    def _check_all(self) -> None:
        for child in list(self.children):
            if child.is_ready:
                child.check()

    # What children tell

    def heard(self, child: Child, message: Message) -> None:
        """
        Pass on a message of a child.
        """
        if message["what"] == "ready":
            self._ready(child)
            return
        if message["what"] == "reload":
            answer = {"what": "answer", "ask": message["ask"]}
            child.wire.say({**answer, "body": self.reload()})
            return
        others = self._find(message["to"])
        for other in others:
            other.wire.say(message)
        if not others and message["what"] != "answer" and "ask" in message:
            answer = {"what": "answer", "ask": message["ask"]}
            child.wire.say({**answer, "error": self._missing(message["to"])})

    def _find(self, to: Address) -> list[Child]:
        """
        Those that a message is for.
        """
        if to == ALL:
            return self._ready_workers()
        if to == ANY:
            return [c for c in self._ready_workers() if not c.is_draining][:1]
        found = [c for c in self.children if c.is_ready and c.address == to]
        # An emulator that drains may have one beside it that does not.
        return sorted(found, key=lambda c: c.is_draining)[:1]

    def _missing(self, to: Address) -> list[str]:
        """
        Why nobody is found there, as an error on the wire.
        """
        if to != EMULATOR:
            return ["StationNotConnected", "its worker has ended"]
        if self.config.emulator.enable:
            return ["BackendUnavailable", "the emulator has not started yet"]
        how = "[process/ChargePoint] enable = yes begins the emulator"
        return ["NotFound", f"no emulated stations run here; {how}"]

    def _workers(self) -> list[Child]:
        return [c for c in self.children if c.number]

    def _ready_workers(self) -> list[Child]:
        return [c for c in self.children if c.number and c.is_ready]

    def _ready(self, child: Child) -> None:
        child.is_ready = True
        self.log.info("{child} is ready", child=child, gravity="notice")
        if child.began <= self._reopened:
            # It could not be told yet, and opened its files before perhaps.
            child.signal(signal.SIGUSR1)
        if not child.number:
            return
        for other in self._ready_workers():
            other.wire.say({"what": "hello", "from": child.number})
        if child.generation < self._generation:
            child.drain()
            return
        ready = {
            c.slot
            for c in self._ready_workers()
            if c.generation == self._generation
        }
        if len(ready) == len(self._sockets):
            self._notifier.setServiceParent(self)
            self._retire_older()

    def _retire_older(self) -> None:
        for child in self._ready_workers():
            if child.generation < self._generation:
                child.drain()

    def child_ended(self, child: Child, reason: Failure) -> None:
        """
        A child is no more.
        """
        self.children.discard(child)
        if child.is_draining or self._stopping:
            self.log.info("{child} has ended", child=child)
        else:
            self.log.error(
                "{child} has died: {why}",
                child=child,
                why=reason.getErrorMessage(),
            )
        for other in self._ready_workers():
            other.wire.say({"what": "bye", "from": child.address})
        if not child.is_draining and not self._keeps_none:
            self._again(child)

    def _again(self, child: Child) -> None:
        """
        Start it again, the later the more often that was.
        """
        if self._stopping or not self._wants(child.slot):
            return
        pause = self._pauses.get(child.slot, SOON)
        if self.seconds() - child.began > SELDOM:
            pause = SOON
        self._pauses[child.slot] = min(SELDOM, 2 * pause)
        self._reactor.callLater(pause, self._start_missing, child.slot)

    def _start_missing(self, slot: int) -> None:
        there = {
            child.slot
            for child in self.children
            if child.generation == self._generation or not child.number
        }
        is_wanted = self._wants(slot) and not self._keeps_none
        if is_wanted and not self._stopping and slot not in there:
            self._start(slot)

    def _wants(self, slot: int) -> bool:
        if slot < 0:
            return self.config.emulator.enable
        return slot < len(self._sockets)

    # Signals

    def reload(self) -> str:
        """
        Start others with the new configuration; when they are ready, the old
        ones drain.  A configuration that cannot be used changes nothing.

        @return: what is wrong with it; empty where it is used.
        """
        if self._stopping:
            return "the server stops"
        try:
            new = self._load()
            check_shared(new)
            problems = check(new)
            if problems:
                raise BadConfig(problems)
            _try_out(new, self._reactor)
            sockets = self._new_sockets(new)
            if self._logs is not None:
                self._logs.use(new.log)
        except (BadConfig, OSError) as e:
            self.log.error(
                "not reloaded, nothing has changed: {error}", error=e
            )
            return str(e)
        old, self._sockets = self._sockets, sockets
        self.config = new
        for one in old:
            if one not in sockets:
                one.close()
        self.log.info("reloading", gravity="notice")
        for child in self.children:
            if not child.number and new.emulator.enable:
                child.signal(signal.SIGHUP)
        self._start_all()
        return ""

    def _new_sockets(self, new: Config) -> list[socket.socket]:
        old = self.config.server
        same = (old.listen, old.port) == (new.server.listen, new.server.port)
        if same and workers_of(new) == len(self._sockets):
            return self._sockets
        if same:
            more = workers_of(new) - len(self._sockets)
            place = self._sockets[0].getsockname()[:2]
            added = [_listen(new.server, place[1]) for _ in range(more)]
            return (self._sockets + added)[: workers_of(new)]
        return _sockets(new)

    def drain_workers(self) -> None:
        """
        Let all workers end, and stay.
        """
        if has_terminal():
            # It says so whenever its window changes its size.
            return
        self._keeps_none = True
        self.log.info("the workers drain", gravity="notice")
        for child in self._workers():
            child.drain()

    def reopen(self) -> None:
        """
        Open the log files anew, here and there.
        """
        if self._logs is not None:
            self._logs.reopen()
        self._reopened = self.seconds()
        for child in self.children:
            if child.is_ready:
                child.signal(signal.SIGUSR1)

    def stop_gently(self) -> Deferred[None]:
        """
        Let everybody drain, and end then.
        """
        return Deferred.fromCoroutine(self._stop_gently())

    async def _stop_gently(self) -> None:
        if self._stopping:
            return
        self._stopping = True
        self._notifier.tell("STOPPING=1")
        self.log.info("stopping gracefully", gravity="notice")
        for one in self._sockets:
            one.close()
        # Emulated stations end their transactions while somebody answers.
        await self._end([c for c in self.children if not c.number], GENTLY)
        await self._end(list(self.children), GENTLY)
        self._reactor.stop()

    async def _end(self, children: list[Child], seconds: float) -> None:
        for child in children:
            child.drain()
        ended: Deferred[Any] = DeferredList([c.ended for c in children])
        await ended.addTimeout(seconds, self._reactor, lambda *_: None)

    def stopService(self) -> Deferred[None]:
        """
        Stop at once.
        """
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self._stopping = True
        children = list(self.children)
        for child in children:
            child.is_draining = True
            child.signal(signal.SIGTERM)
        ended: Deferred[Any] = DeferredList([c.ended for c in children])
        await ended.addTimeout(FAST, self._reactor, lambda *_: None)
        for child in self.children:
            child.signal(signal.SIGKILL)
        for one in self._sockets:
            one.close()
        await super().stopService()


def has_terminal() -> bool:
    """
    Whether we run in the foreground of somebody's terminal.
    """
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


def workers_of(config: Config) -> int:
    """
    How many workers there are to be.
    """
    return config.main.workers or len(os.sched_getaffinity(0))


def has_master(config: Config) -> bool:
    """
    Whether there are to be several processes.
    """
    return config.main.master and workers_of(config) > 1


def check_shared(config: Config) -> None:
    """
    @raise BadConfig: several processes cannot have this together.
    """
    problems = []
    if config.server.endpoint:
        problems.append("[server] endpoint: give listen and port instead")
    if config.backend.settings.get("path") == ":memory:":
        problems.append("a backend in memory: give [embedded] path a file")
    if problems:
        raise BadConfig(
            [f"[main] workers > 1 does not go with {p}" for p in problems]
        )


def _try_out(config: Config, reactor: Any) -> None:
    """
    Open what workers will open, and close it again.

    @raise BadConfig: it cannot be.
    """
    central_system = CentralSystem(lambda: config, reactor)
    try:
        central_system.try_out()
    finally:
        central_system.books.close()


def _sockets(config: Config) -> list[socket.socket]:
    """
    One for each worker, all of the same port.
    """
    first = _listen(config.server, config.server.port)
    port = first.getsockname()[1]
    more = range(workers_of(config) - 1)
    return [first, *(_listen(config.server, port) for _ in more)]


def _listen(server: Server, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in server.listen else socket.AF_INET
    listening = socket.socket(family)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.bind((server.listen, port))
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    # One that blocks would stop a whole worker in accept().
    listening.setblocking(False)
    return listening


def _environment() -> dict[str, str]:
    """
    That of a child: it finds what we found, and is none of systemd's.
    """
    ours = {k: v for k, v in os.environ.items() if k != "NOTIFY_SOCKET"}
    return {**ours, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
