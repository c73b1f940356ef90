"""
C{python -m ocpp_tw.workers.worker}: a process that a master has started.

It has the wire to the master at the descriptors L{READ} and L{WRITE}, and
from L{LISTEN} on the sockets to listen on.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from attrs import evolve, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort
from twisted.internet.task import deferLater
from twisted.logger import globalLogBeginner

from .. import config
from ..config import Config
from ..config.settings import Emulator
from ..errors import BadConfig
from ..logs import Logs
from ..router import SERVICE_RESTART
from ..service import (
    BACKLOG,
    PATIENCE,
    CentralSystem,
    EmulatorAlone,
    _let_go,
)
from .neighbours import HASTE, Neighbours
from .questions import Questions
from .wire import ANY, EMULATOR, MASTER, Message, Wire


#: The descriptors of a child.
READ, WRITE, LISTEN = 3, 4, 5

#: Over how many seconds stations are told to come back.
SPREAD = 3.0

#: How long the emulator may take for what it was asked, in seconds: it may
#: be a whole scenario.
LONGEST = 3600.0

#: How long the command of a scenario may take, in seconds.
PATIENCE_OF_SCENARIOS = 300.0

#: How often others learn what is known of our stations, in seconds.
SHARED = 1.0


@frozen
class Role:
    """
    What a process is started for; this is its command line.

    @ivar number: of the worker; 0 for the emulator.
    @ivar path: the configuration file, if one was asked for.
    @ivar log: where the log goes if the configuration does not say.
    """

    number: int
    path: str
    folder: str
    log: str

    def words(self) -> list[str]:
        return [str(self.number), self.path, self.folder, self.log]

    @classmethod
    def read(cls, words: Sequence[str]) -> Role:
        number, path, folder, log = words
        return cls(int(number), path, folder, log)

    def load(self) -> Config:
        """
        The configuration, of which the emulator is not for workers.
        """
        loaded = config.load(self.path or None, dict(os.environ), self.folder)
        if self.number:
            return evolve(loaded, emulator=Emulator(enable=False))
        return loaded


class Worker(CentralSystem):
    """
    A central system that listens on what it was given, with neighbours.
    """

    neighbours: Neighbours

    def __init__(
        self,
        number: int,
        load: Callable[[], Config],
        reactor: Any,
        logs: Logs | None = None,
    ) -> None:
        super().__init__(load, reactor, logs)
        self._number = number
        self.journal.save_every = SHARED
        # The master reloads, by starting others with what is new.
        self._signals.calls = {
            signal.SIGHUP: lambda: None,
            signal.SIGWINCH: lambda: None,
            signal.SIGQUIT: self.drain,
            signal.SIGUSR1: self.books.reopen,
            signal.SIGINT: reactor.stop,
        }

    def meet(self, say: Callable[[Message], None]) -> None:
        """
        Get to know the others, by way of the master.
        """
        others = Neighbours(self._number, self.router, self._reactor, say)
        self.neighbours = self.router.neighbours = others
        self.journal.share = others.share
        self.journal.forgot = others.forget
        self.journal.events.watched = others.watched
        self.journal.events.relay = others.happened
        queue = self.front.queue
        queue.share = partial(others.tell, "queued")
        others.expect = queue.expect
        self.metrics.number = self._number
        self.metrics.gather = partial(others.gather, "figures")
        others.answers["figures"] = self._figures
        others.answers["soap"] = self.front.relayed
        self.front.count_workers(lambda: len(others.others) + 1)
        self.front.offer_reload(
            partial(others.ask, MASTER, "reload", None, HASTE)
        )
        self.front.emulators.ask = self._ask_emulator

    def _ask_emulator(self, what: str, *arguments: Any) -> Deferred[Any]:
        body = [what, *arguments]
        return self.neighbours.ask(EMULATOR, "emulate", body, LONGEST)

    async def _figures(self, _: Any) -> Any:
        return self.metrics.rows()

    async def _listen(self, config: Config) -> list[IListeningPort]:
        family = (
            socket.AF_INET6 if ":" in config.server.listen else socket.AF_INET
        )
        port = self._reactor.adoptStreamPort(LISTEN, family, self.entrance)
        os.close(LISTEN)
        return [port]

    async def _stop_listening(self) -> None:
        for port in self._ports:
            # Where there will be fewer workers nobody else has our socket,
            # and who waits in its line would be reset.
            port.numberAccepts = BACKLOG  # type: ignore[attr-defined]
            port.doRead()  # type: ignore[attr-defined]
        await super()._stop_listening()

    def drain(self) -> Deferred[None]:
        """
        Take no more, let everybody go to the others, and end.
        """
        return Deferred.fromCoroutine(self._drain())

    async def _drain(self) -> None:
        if self.draining:
            return
        self.draining = True
        began = self._reactor.seconds()
        self.log.info("worker {number} drains", number=self._number)
        self.front.site.draining = True
        await self._stop_listening()
        await self._let_stations_go()
        deserted = self.router.deserted()
        await deserted.addTimeout(PATIENCE, self._reactor, _let_go)
        settled = self.router.settled()
        await settled.addTimeout(PATIENCE, self._reactor, _let_go)
        # Who keeps a connection for a further request has had the time for
        # it then.
        patience = self.config.server.timeout + 0.5
        rest = began + patience - self._reactor.seconds()
        if rest > 0 and self.front.site.visitors:
            await deferLater(self._reactor, rest)
        self._reactor.stop()

    async def _let_stations_go(self) -> None:
        stations = list(self.router.stations())
        for station in stations:
            station.close(SERVICE_RESTART, "come back")
            await deferLater(self._reactor, SPREAD / len(stations))


def _run(reactor: Any, role: Role) -> None:
    try:
        loaded = role.load()
        logs = Logs(loaded.log, role.log)
        globalLogBeginner.beginLoggingTo([logs], redirectStandardIO=False)
        if role.number:
            start = partial(_work, role, reactor, logs)
        else:
            start = partial(_emulate, role, reactor, logs)
        start()
    except (BadConfig, SystemExit) as e:
        raise SystemExit(f"worker {role.number}: {e}") from None
    reactor.run()


def _work(role: Role, reactor: Any, logs: Logs) -> None:
    worker = Worker(role.number, role.load, reactor, logs)
    wire = _connect(worker.drain, lambda message: heard(message))
    worker.meet(wire.say)

    def heard(message: Message) -> None:
        if message["what"] == "drain":
            worker.drain()
        else:
            worker.neighbours.heard(message)

    def ready() -> None:
        # First of all: what follows is told to others.
        wire.say({"what": "ready", "to": MASTER, "from": role.number})

    ready()
    worker.privilegedStartService()
    worker.startService()
    reactor.addSystemEventTrigger("before", "shutdown", worker.stopService)


def _emulate(role: Role, reactor: Any, logs: Logs) -> None:
    alone = EmulatorAlone(role.load, reactor, logs)
    alone.signals.calls[signal.SIGINT] = reactor.stop
    wire = _connect(reactor.stop, lambda message: questions.heard(message))
    questions = Questions(EMULATOR, reactor, wire.say)

    def command(identity: str, action: str, payload: Any) -> Deferred[Any]:
        body = [identity, action, payload]
        return questions.ask(ANY, "command", body, PATIENCE_OF_SCENARIOS)

    control = alone.control(command)
    questions.answers["emulate"] = lambda body: control.do(*body)
    alone.startService()
    reactor.addSystemEventTrigger("before", "shutdown", alone.stopService)
    wire.say({"what": "ready", "to": MASTER, "from": role.number})


def _connect(
    lost: Callable[[], object], heard: Callable[[Message], object]
) -> Wire:
    from twisted.internet import stdio

    wire = Wire(heard, lost)
    standard: Any = stdio.StandardIO
    standard(wire, stdin=READ, stdout=WRITE)
    return wire


def main() -> None:
    """
    Be what the command line says.
    """
    from setproctitle import setproctitle
    from twisted.internet import reactor

    role = Role.read(sys.argv[1:])
    # Until we listen to them.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    name = f"worker process {role.number}" if role.number else "emulator"
    setproctitle(f"cs: {name}")
    _run(reactor, role)


if __name__ == "__main__":
    main()
