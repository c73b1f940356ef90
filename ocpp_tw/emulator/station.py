"""
What every part of a charge point builds upon: who it is, its time, its keys,
what it remembers, and how it says something.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from random import Random
from typing import Any, Protocol

from attrs import frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..errors import (
    BadRequest,
    CallFailed,
    CallTimedOut,
    OCPPError,
    StationNotConnected,
)
from ..ocpp.messages import Payload
from . import memory
from .authorization import AuthorizationCache, LocalList
from .clock import Agenda, iso
from .config import StationConfig
from .connector import Connector
from .findings import Findings
from .history import History
from .keys import Keys
from .profiles import Installed
from .reservations import Reservations
from .state import State
from .transactions import Outbox


class Conversation(Protocol):
    """
    What is said with the central system: a L{ocpp_tw.peer.Peer}, or what is
    like one over SOAP.
    """

    async def call(
        self, action: str, payload: Payload, timeout: float | None = None
    ) -> Payload:
        """
        Ask, and wait for the answer; see L{ocpp_tw.peer.Peer.call}.
        """

    async def settled(self) -> None:
        """
        Wait until every Call that was begun by now was answered, or failed.
        """


class Line(Protocol):
    """
    What leads to the central system.
    """

    def stop(self, reason: str = ...) -> Deferred[None]:
        """
        Say goodbye for good.
        """

    def again(self, delay: float = 1.0) -> None:
        """
        Hang up, and connect again after so many seconds; if there is power.
        """

    def cut(self) -> None:
        """
        The line is dead, without a goodbye, until L{again}.
        """

    def ping(self) -> None:
        """
        Look whether anybody is there.
        """

    def accepted(self) -> None:
        """
        The station was accepted over it: it goes well.
        """


class Files(Protocol):
    """
    Where logs are uploaded to, and firmware is downloaded from.
    """

    async def upload(self, url: str, name: str, body: bytes) -> None:
        """
        @raise OCPPError: it failed.
        """

    async def download(self, url: str) -> bytes:
        """
        @raise OCPPError: it failed.
        """


@frozen
class Habits:
    """
    What people and vehicles do by themselves at a charge point.

    @ivar plugs: whether a cable is plugged when a transaction is started
        remotely, and unplugged some time after its end.
    """

    plugs: bool = True


def with_tls(url: str) -> str:
    """
    >>> with_tls("ws://localhost:9220/ocpp"), with_tls("wss://localhost")
    ('wss://localhost:9220/ocpp', 'wss://localhost')
    """
    scheme, colon, rest = url.partition(":")
    return {"ws": "wss", "http": "https"}.get(scheme, scheme) + colon + rest


class Station:
    """
    A charge point, without what it does.

    @ivar registration: the status of its BootNotification: Accepted, Pending
        or Rejected; empty while it is not connected, or not answered yet.
    @ivar connectors: by number; 0 is the charge point itself.
    @ivar history: what happened to it, for logs.
    @ivar powered: whether it has any power.
    @ivar line: what leads to the central system.
    @ivar skew: how many seconds its clock is wrong.
    @ivar leaving: whether it goes out of service, and begins nothing more.
    """

    log = Logger()

    __slots__ = (
        "_drained",
        "_peer",
        "_random",
        "_rebooted",
        "_seed",
        "address",
        "agenda",
        "cache",
        "clock",
        "config",
        "connectors",
        "errands",
        "files",
        "findings",
        "firmware",
        "habits",
        "history",
        "keys",
        "leaving",
        "line",
        "local_list",
        "outbox",
        "powered",
        "profiles",
        "registration",
        "reservations",
        "running",
        "security",
        "skew",
        "state",
        "transfers",
    )

    #: Who it is, and where its central system is: as they were at the boot.
    address: tuple[str, str]
    keys: Keys
    firmware: str
    connectors: dict[int, Connector]
    cache: AuthorizationCache
    local_list: LocalList
    reservations: Reservations
    outbox: Outbox
    profiles: tuple[Installed, ...]

    def __init__(
        self,
        config: StationConfig,
        clock: IReactorTime,
        *,
        state: State | None = None,
        seed: int = 0,
        habits: Habits = Habits(),
        files: Files | None = None,
        findings: Findings | None = None,
        history: History | None = None,
    ) -> None:
        self.config = config
        self.clock = clock
        self.state = state or State()
        self._seed = seed
        self._random: Random | None = None
        self.habits = habits
        self.files = files
        self.findings = findings or Findings()
        self.history = history or History()
        self.agenda = Agenda(clock, self._due)
        self.registration = ""
        self.powered = True
        self.line: Line | None = None
        self.skew = 0.0
        self.leaving = False
        #: The status of the diagnostics, the firmware and the log, told when
        #: a trigger asks for it; and the requestIds of the latter two.
        self.transfers: dict[str, Any] | None = None
        #: Those of them that run.
        self.running: dict[str, Deferred[Any]] | None = None
        #: Certificates and what else the security extension keeps.
        self.security: Any = None
        #: What others do at this charge point, by the names in its agenda.
        self.errands: Mapping[str, Callable[[int], None]] | None = None
        self._drained: Deferred[None] | None = None
        self._peer: Conversation | None = None
        self._rebooted = True
        self._furnish(self.state.load())

    def _furnish(self, kept: Mapping[str, Any]) -> None:
        """
        Make of it what it was.

        @param kept: what L{memory.of} kept.
        """
        raise NotImplementedError

    def __repr__(self) -> str:
        return (
            f"<ChargePoint {self.identity} {self.registration or 'offline'}>"
        )

    @property
    def identity(self) -> str:
        return self.address[0]

    @property
    def url(self) -> str:
        """
        That of its central system, without its identity.
        """
        return self.address[1]

    def take_address(self) -> None:
        """
        Go by what ChangeConfiguration made of StationIdentity,
        CentralSystemURL and SecurityProfile, from now on.
        """
        changed, config = self.keys.changed, self.config
        url = changed.get("CentralSystemURL", config.url).rstrip("/")
        if self.keys.number("SecurityProfile") >= 2:
            url = with_tls(url)
        self.address = changed.get("StationIdentity", config.identity), url

    @property
    def random(self) -> Random:
        """
        Its own chance: the same with the same seed.
        """
        # Many never need it, and it is large.
        if self._random is None:
            self._random = Random(f"{self._seed} {self.identity}")
        return self._random

    @property
    def now(self) -> float:
        """
        Seconds since 1970, as they are.
        """
        return self.clock.seconds()

    def stamp(self) -> str:
        """
        The time, as this charge point believes it to be.
        """
        return iso(self.now + self.skew)

    @property
    def is_connected(self) -> bool:
        return self._peer is not None

    @property
    def is_online(self) -> bool:
        return self._peer is not None and self.registration == "Accepted"

    def save(self) -> None:
        """
        Keep what must survive the loss of power.
        """
        if self.state.is_kept:
            self.state.save(memory.of(self))

    def connector(self, number: int) -> Connector:
        """
        @raise BadRequest: there is none of that number.
        """
        connector = self.connectors.get(number) if number else None
        if connector is None:
            known = ", ".join(str(n) for n in self.connectors if n)
            raise BadRequest(f"no connector {number}; there are: {known}")
        return connector

    def note(self, what: str) -> None:
        """
        Remember that this happened, for diagnostics and logs.
        """
        if self.history.limit:
            self.history.note(self.stamp(), what)

    # What it says

    async def ask(
        self, action: str, payload: Payload, triggered: bool = False
    ) -> Payload:
        """
        Ask the central system, and wait for its answer.

        @param triggered: whether it was asked for, and may be sent before
            the registration is accepted.
        @raise CallFailed: it answered with a CallError; that is a finding.
        @raise CallTimedOut: it did not answer, the same.
        @raise StationNotConnected: there is no connection, or we are not
            accepted.
        """
        peer = self._peer
        may = self.registration == "Accepted" or triggered
        if peer is None or not may:
            raise StationNotConnected(f"{self.identity} is not online")
        try:
            answer = await peer.call(action, payload)
        except (CallFailed, CallTimedOut) as e:
            self.findings.note(action, str(e))
            raise
        self.findings.weigh_answer(action, answer)
        return answer

    def tell(
        self, action: str, payload: Payload, triggered: bool = False
    ) -> None:
        """
        Say something that needs no answer, and is not said again.
        """
        self.spawn(self._tell(action, payload, triggered))

    async def _tell(
        self, action: str, payload: Payload, triggered: bool
    ) -> None:
        with suppress(OCPPError):
            await self.ask(action, payload, triggered)

    async def settled(self) -> None:
        """
        Wait until all that was said by now was answered, or failed.
        """
        if self._peer is not None:
            await self._peer.settled()

    def spawn(self, work: Coroutine[Any, Any, object]) -> Deferred[Any]:
        """
        Do something that takes its time.

        @return: to cancel it.
        """
        working: Deferred[Any] = Deferred.fromCoroutine(work)
        working.addErrback(self._stumbled)
        return working

    def _stumbled(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self.log.failure("{station}", failure, station=self)

    def _due(self, what: str, number: int) -> None:
        """
        It is time for something of the agenda.
        """
        if self.errands is not None and what in self.errands:
            self.errands[what](number)
        else:
            getattr(self, f"_do_{what}")(number)
