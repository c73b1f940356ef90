"""
The central system as one service: start, reload, stop.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen
from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.endpoints import (
    TCP4ServerEndpoint,
    TCP6ServerEndpoint,
    serverFromString,
)
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint
from twisted.logger import Logger
from twisted.python.failure import Failure

from .config import Config
from .database import MEMORY
from .emulator.control import Control
from .emulator.scenario import Operator
from .emulator.service import Emulator
from .errors import BadConfig
from .garbage import collect_less
from .interfaces import IBackend, IReady
from .journal import Journal
from .logs import Books, Logs
from .metrics import Metrics
from .onboarding import Onboarding
from .plugin import find_backend_maker
from .router import GOING_AWAY, Router
from .system import Notifier, let_files_be_open
from .tls import Certificates
from .transports.entrance import Entrance
from .transports.site import Front


#: How many seconds a graceful stop waits for stations, and for answers owed.
PATIENCE = 5

#: A thousand stations come back at once after a restart.
BACKLOG = 4096


class CentralSystem(MultiService):
    """
    The parent of every service, in the order they depend on each other.

    @ivar _load: reads the configuration, now and at every reload.
    @ivar config: what was loaded last.
    @ivar draining: whether a graceful stop is under way.
    """

    log = Logger()

    def __init__(
        self,
        load: Callable[[], Config],
        reactor: Any,
        logs: Logs | None = None,
        owner: tuple[int, int] = (-1, -1),
    ) -> None:
        """
        @param logs: what observes the process, to be reloaded with us.
        @param owner: user and group, as numbers, that files are given to.
        """
        super().__init__()
        self._load = load
        self._reactor = reactor
        self.config = config = load()
        self.books = Books(config, reactor, logs, owner)
        self.draining = False
        self.journal = Journal(
            journal_path(config),
            reactor,
            days=config.embedded.message_log_days,
            rows=config.embedded.message_log_rows,
        )
        self.journal.also_tell(self.books.note)
        self.router = Router(self.journal, reactor)
        self.onboarding = Onboarding(self.router)
        self.onboarding.questions = config.stations.onboarding
        self.backend = self._make_backend(config)
        self.emulator = Emulator(emulator_path(config), reactor)
        self.certificates = Certificates(config.tls)
        self.front = Front(
            self.router,
            config,
            reactor,
            lambda: self.is_ready,
            self._answered,
        )
        self.entrance = Entrance(
            self.front.site, self.certificates, self.front.proxies, reactor
        )
        self.metrics = Metrics(
            self.router,
            reactor,
            lambda: self.is_ready,
            self.front.queue.figures,
        )
        self.front.show_metrics(self.metrics.text)
        self.front.offer_reload(self.reload)
        self.front.emulators.ask = Control(
            self.emulator, lambda: home_of(self.config), self.router.call
        ).do
        self.notifier = Notifier(os.environ, reactor)
        self._ports: list[IListeningPort] = []
        self._signals = Signals(
            {
                signal.SIGHUP: self.reload,
                signal.SIGQUIT: self.stop_gently,
                signal.SIGUSR1: self.books.reopen,
            },
            reactor,
        )

    @property
    def is_ready(self) -> bool:
        """
        Whether stations can be served.
        """
        ready = IReady(self.backend, None)
        return bool(
            self.running
            and self._ports
            and not self.draining
            and (ready is None or ready.is_ready)
        )

    def _answered(self, request: Any, seconds: float) -> None:
        """
        A request was answered.
        """
        self.metrics.answered(request, seconds)
        self.books.answered(request, seconds)

    def try_out(self) -> None:
        """
        Open what will be opened, and close it again.

        @raise BadConfig: it cannot be.
        """
        self.journal.database.try_out()
        try_out = getattr(self.backend, "try_out", None)
        if try_out is not None:
            try_out()

    # Start

    def privilegedStartService(self) -> None:
        """
        Listen, while we may still be root.
        """
        super().privilegedStartService()
        let_files_be_open(self.config.main.limitnofile)
        listening = Deferred.fromCoroutine(self._listen(self.config))
        listening.addCallback(self._listens)
        deaf: list[Failure] = []
        listening.addErrback(deaf.append)
        # Raised here: a Deferred would keep it to itself.
        for failure in deaf:
            failure.trap(CannotListenError)
            raise SystemExit(f"twistd cs: {failure.value}")

    def _listens(self, ports: list[IListeningPort]) -> None:
        self._ports = ports
        for port in ports:
            # A station that connects before we are ready waits in line.
            port.stopReading()  # type: ignore[attr-defined]
            self.log.info(
                "listening on {host}", host=port.getHost(), gravity="notice"
            )

    async def _listen(self, config: Config) -> list[IListeningPort]:
        ports: list[IListeningPort] = []
        try:
            for endpoint in self._endpoints(config):
                ports.append(await endpoint.listen(self.entrance))
        except CannotListenError:
            await _close(ports)
            raise
        return ports

    def _endpoints(self, config: Config) -> Sequence[IStreamServerEndpoint]:
        server = config.server
        if server.endpoint:
            return [
                serverFromString(self._reactor, text)
                for text in server.endpoint
            ]
        tcp = (
            TCP6ServerEndpoint if ":" in server.listen else TCP4ServerEndpoint
        )
        return [tcp(self._reactor, server.port, BACKLOG, server.listen)]

    def startService(self) -> None:
        self.journal.startService()
        self.front.open()
        self.router.use(self.backend)
        self.backend.setServiceParent(self)
        self._signals.setServiceParent(self)
        self.emulator.setServiceParent(self)
        self.metrics.setServiceParent(self)
        super().startService()
        for port in self._ports:
            port.startReading()  # type: ignore[attr-defined]
        self.front.admission.watch(self._ports)
        self.notifier.setServiceParent(self)
        for warning in self.config.warnings:
            self.log.warn("{warning}", warning=warning)
        self._reactor.callWhenRunning(collect_less)

    # Reload

    def reload(self) -> Deferred[str]:
        """
        Read the configuration again, and replace what it changed.

        A configuration that cannot be used changes nothing.

        @return: what is wrong with it; empty where it is used.
        """
        return Deferred.fromCoroutine(self._reload())

    async def _reload(self) -> str:
        if self.draining:
            return "the server stops"
        ports: list[IListeningPort] | None = None
        try:
            new = self._load()
            certificates = self.certificates.read_again(new.tls)
            front = self.front.prepare(new)
            ports = await self._new_ports(new)
            books = self.books.prepare(new)
            backend = await self._new_backend(new)
        except (BadConfig, CannotListenError) as e:
            await _close(ports or ())
            self.log.error(
                "not reloaded, nothing has changed: {error}", error=e
            )
            return str(e)
        certificates()
        front()
        books()
        self.onboarding.questions = new.stations.onboarding
        self.journal.also_tell(self.books.note)
        if backend is not None:
            self._replace_backend(backend)
        if ports is not None:
            await self._replace_ports(ports)
        await self.emulator.reload(emulator_path(new))
        self.config = new
        self.log.info("reloaded", gravity="notice")
        return ""

    def _make_backend(self, config: Config) -> IBackend:
        maker = find_backend_maker(config.backend.name)
        return maker.make_backend(
            config.backend.settings, self.router, self._reactor
        )

    async def _new_backend(self, new: Config) -> IBackend | None:
        """
        The backend that the new configuration asks for, started; None where
        it is the one that we have.
        """
        if new.backend == self.config.backend:
            return None
        backend = self._make_backend(new)
        try:
            backend.setServiceParent(self)
        except BadConfig:
            await maybeDeferred(backend.disownServiceParent)
            raise
        return backend

    async def _new_ports(self, new: Config) -> list[IListeningPort] | None:
        old = self.config
        if (new.server.endpoint, new.server.listen, new.server.port) == (
            old.server.endpoint,
            old.server.listen,
            old.server.port,
        ):
            return None
        return await self._listen(new)

    def _replace_backend(self, new: IBackend) -> None:
        self.backend = new
        retiring = Deferred.fromCoroutine(self._retire(self.router.use(new)))
        retiring.addErrback(
            lambda f: self.log.failure("while stopping the old backend", f)
        )

    async def _retire(self, settled: Deferred[IBackend | None]) -> None:
        """
        Stop a backend when it has answered what it owes.
        """
        old = await settled
        if old is not None:
            await maybeDeferred(old.disownServiceParent)

    async def _replace_ports(self, new: list[IListeningPort]) -> None:
        old, self._ports = self._ports, new
        self.front.admission.watch(new)
        await _close(old)

    # Stop

    def stop_gently(self) -> Deferred[None]:
        """
        Stop in order: take no new stations, answer what we owe, let go of
        those we have; then end the process.
        """
        return Deferred.fromCoroutine(self._stop_gently())

    async def _stop_gently(self) -> None:
        if self.draining:
            return
        self.draining = True
        self.notifier.tell("STOPPING=1")
        self.log.info("stopping gracefully", gravity="notice")
        await self._leave()
        deserted = self.router.deserted()
        await deserted.addTimeout(PATIENCE, self._reactor, _let_go)
        settled = self.router.settled()
        await settled.addTimeout(PATIENCE, self._reactor, _let_go)
        self._reactor.stop()

    async def _leave(self) -> None:
        """
        Stop listening, and tell the stations goodbye.
        """
        # Ours end their transactions while somebody answers them.
        await self.emulator.leave()
        await self._stop_listening()
        # One may have come before, and shake hands only now.
        self.router.leaving = True
        for station in self.router.stations():
            station.close(GOING_AWAY, "the central system stops")

    async def _stop_listening(self) -> None:
        ports, self._ports = self._ports, []
        self.front.admission.close()
        await _close(ports)

    def stopService(self) -> Deferred[None]:
        """
        Stop at once: only what was acknowledged is waited for.
        """
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        await self._leave()
        await super().stopService()
        self.front.close()
        await self.journal.stopService()
        self.books.close()


class EmulatorAlone(MultiService):
    """
    Emulated stations without a central system: C{[main] master = no}; or
    beside workers.

    @ivar config: what was loaded last.
    """

    log = Logger()

    def __init__(
        self, load: Callable[[], Config], reactor: Any, logs: Logs
    ) -> None:
        super().__init__()
        self._load = load
        self._logs = logs
        self.config = load()
        self.emulator = Emulator(emulator_path(self.config), reactor)
        self.emulator.setServiceParent(self)
        self.signals = Signals(
            {
                signal.SIGHUP: self.reload,
                signal.SIGQUIT: reactor.stop,
                signal.SIGUSR1: logs.reopen,
            },
            reactor,
        )
        self.signals.setServiceParent(self)

    def control(self, operator: Operator) -> Control:
        """
        The stations, for operators.

        @param operator: gives the commands of scenarios.
        """
        return Control(self.emulator, lambda: home_of(self.config), operator)

    def reload(self) -> Deferred[None]:
        """
        Read the configuration and the folder of stations again.
        """
        try:
            new = self._load()
            self._logs.use(new.log)
        except BadConfig as e:
            self.log.error(
                "not reloaded, nothing has changed: {error}", error=e
            )
            return succeed(None)
        self.config = new
        return self.emulator.reload(emulator_path(new))


def home_of(config: Config) -> str:
    """
    Where stations of our own find us; empty where that is not certain.
    """
    server = config.server
    if server.endpoint or config.tls.certificate:
        return ""
    host = "127.0.0.1" if server.listen == "0.0.0.0" else server.listen
    host = f"[{host}]" if ":" in host else host
    return f"ws://{host}:{server.port}/ocpp"


def emulator_path(config: Config) -> Path | None:
    """
    The folder of the emulated stations, if there are to be any.
    """
    emulator = config.emulator
    return Path(emulator.path) if emulator.enable else None


def journal_path(config: Config) -> str:
    """
    Where the journal lies: beside the embedded backend's file, whichever
    backend is used; in memory where that keeps nothing.
    """
    path = config.embedded.path
    if config.backend.name == "memory" or path == MEMORY:
        return MEMORY
    beside = Path(path)
    return str(beside.with_name(f"{beside.stem}-journal{beside.suffix}"))


async def _close(ports: Iterable[IListeningPort]) -> None:
    for port in ports:
        await maybeDeferred(port.stopListening)


def _let_go(result: object, timeout: float) -> None:
    """
    Stop waiting, and carry on.
    """


@frozen(eq=False)
class _Installed:
    number: signal.Signals
    before: Any


class Signals(Service):
    """
    Calls something when the process is sent a signal.
    """

    def __init__(
        self, calls: dict[signal.Signals, Callable[[], object]], reactor: Any
    ) -> None:
        self.calls = calls
        self._reactor = reactor
        self._installed: list[_Installed] = []

    def startService(self) -> None:
        super().startService()
        for number in self.calls:
            before = signal.signal(number, self._received)
            self._installed.append(_Installed(number, before))

    def stopService(self) -> None:
        super().stopService()
        while self._installed:
            installed = self._installed.pop()
            # Ours is the last word: a HUP while we stop does no harm.
            signal.signal(installed.number, signal.SIG_IGN)

    def _received(self, number: int, frame: object) -> None:
        self._reactor.callFromThread(self.calls[signal.Signals(number)])
