"""
A Charge Point of OCPP 1.6: what it is, what happens to it, and what it says.

What a central system may ask of it is in L{operations}.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from random import Random
from typing import Any, Protocol
from zlib import crc32

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..errors import (
    BadRequest,
    OCPPError,
    StationNotConnected,
)
from ..ocpp.messages import Call, Payload
from ..peer import Answer
from . import memory, profiles
from .authorization import (
    AuthorizationCache,
    LocalList,
    TagInfo,
    is_valid,
    same_tag,
)
from .clock import Agenda, iso
from .config import ConnectorConfig, StationConfig
from .connector import (
    AVAILABLE,
    CHARGING,
    FAULTED,
    FINISHING,
    IN_TRANSACTION,
    PREPARING,
    RESERVED,
    SUSPENDED_EV,
    SUSPENDED_EVSE,
    UNAVAILABLE,
    Connector,
    Impossible,
    may_become,
)
from .findings import Findings
from .keys import Keys
from .meter import Meter, Supply, Vehicle, random_vehicle, unlimited
from .reservations import Reservations
from .state import State
from .transactions import Message, Outbox, Transaction


#: Seconds until a charge point boots again where nobody says when.
BOOT_AGAIN = 60

#: How long a soft reset waits for what it still has to say, in seconds.
PATIENCE = 5.0

#: How many samples of a transaction go into its StopTransaction.
MOST_DATA = 500


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
        Hang up, and connect again after so many seconds.
        """

    def cut(self) -> None:
        """
        The line is dead, without a goodbye, until L{again}.
        """

    def ping(self) -> None:
        """
        Look whether anybody is there.
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


class ChargePoint:
    """
    One charge point.

    @ivar registration: the status of its BootNotification: Accepted, Pending
        or Rejected; empty while it is not connected, or not answered yet.
    @ivar connectors: by number; 0 is the charge point itself.
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
        "keys",
        "leaving",
        "line",
        "local_list",
        "outbox",
        "powered",
        "profiles",
        "registration",
        "reservations",
        "security",
        "skew",
        "state",
        "transfers",
    )

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
    ) -> None:
        self.config = config
        self.clock = clock
        self.state = state or State()
        self._seed = seed
        self._random: Random | None = None
        self.habits = habits
        self.files = files
        self.findings = findings or Findings()
        self.agenda = Agenda(clock, self._due)
        self.registration = ""
        self.powered = True
        self.line: Line | None = None
        self.skew = 0.0
        self.leaving = False
        #: The status of the diagnostics, the firmware and the log, told when
        #: a trigger asks for it; and the requestIds of the latter two.
        self.transfers: dict[str, Any] | None = None
        #: Certificates and what else the security extension keeps.
        self.security: Any = None
        #: What others do at this charge point, by the names in its agenda.
        self.errands: Mapping[str, Callable[[int], None]] | None = None
        self._drained: Deferred[None] | None = None
        self._peer: Conversation | None = None
        self._rebooted = True
        self._furnish(self.state.load())

    def __repr__(self) -> str:
        return (
            f"<ChargePoint {self.identity} {self.registration or 'offline'}>"
        )

    @property
    def identity(self) -> str:
        return self.config.identity

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

    # What it remembers

    def _furnish(self, kept: Mapping[str, Any]) -> None:
        keys = kept.get("keys")
        self.keys = Keys(self.config.keys, keys if _is_texts(keys) else None)
        self.firmware = (
            kept.get("firmware") or self.keys["ChargePointSoftwareVersion"]
        )
        self.connectors = {0: Connector(0, _NO_METER)}
        for config in self.config.connectors:
            self.connectors[config.id] = self._make_connector(config)
        self.cache = AuthorizationCache()
        self.local_list = LocalList()
        self.reservations = Reservations()
        self.outbox = Outbox()
        self.profiles: tuple[profiles.Installed, ...] = ()
        try:
            memory.recall(self, kept)
        except (KeyError, TypeError, ValueError, AttributeError) as e:
            self.log.warn(
                "{station}: its state is of no use: {error!r}",
                station=self,
                error=e,
            )

    def _make_connector(self, config: ConnectorConfig) -> Connector:
        meter = Meter(
            Supply.of(config.voltage, config.power),
            seed=crc32(f"{self._seed} {self.identity} {config.id}".encode()),
            energy=float(config.meter_value),
        )
        meter.advance(self.now)
        return Connector(config.id, meter)

    def save(self) -> None:
        """
        Keep what must survive the loss of power.
        """
        if self.state.is_kept:
            self.state.save(memory.of(self))

    # The line

    def connected(self, peer: Conversation) -> None:
        """
        There is a conversation with the central system.
        """
        self._peer = peer
        self.registration = ""
        self.plan_ping()
        self.spawn(self._boot())

    def disconnected(self) -> None:
        """
        There is none any more.
        """
        self._peer = None
        self.registration = ""
        for what in ("boot", "heartbeat", "ping", "retry"):
            self.agenda.forget(what)

    def answer(self, call: Call) -> Answer:
        """
        Answer a Call of the central system.
        """
        # They know each other; the table is there when both are.
        from .operations import answer

        return answer(self, call)

    async def ask(
        self, action: str, payload: Payload, triggered: bool = False
    ) -> Payload:
        """
        Ask the central system, and wait for its answer.

        @param triggered: whether it was asked for, and may be sent before
            the registration is accepted.
        @raise CallFailed: it answered with a CallError.
        @raise CallTimedOut: it did not answer.
        @raise StationNotConnected: there is no connection, or we are not
            accepted.
        """
        peer = self._peer
        may = self.registration == "Accepted" or triggered
        if peer is None or not may:
            raise StationNotConnected(f"{self.identity} is not online")
        answer = await peer.call(action, payload)
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
        try:
            await self.ask(action, payload, triggered)
        except StationNotConnected:
            pass
        except OCPPError as e:
            self.findings.note(action, str(e))

    def spawn(self, work: Coroutine[Any, Any, object]) -> None:
        """
        Do something that takes its time.
        """
        working: Deferred[Any] = Deferred.fromCoroutine(work)
        working.addErrback(self._stumbled)

    def _stumbled(self, failure: Failure) -> None:
        self.log.failure("{station}", failure, station=self)

    def _due(self, what: str, number: int) -> None:
        """
        It is time for something of the agenda.
        """
        if self.errands is not None and what in self.errands:
            self.errands[what](number)
        else:
            getattr(self, f"_do_{what}")(number)

    # Boot and heartbeat (sections 4.2 and 4.6)

    def boot_notification(self) -> dict[str, str]:
        keys = self.keys
        optional = {
            "chargePointSerialNumber": keys.get("ChargePointSerialNumber"),
            "firmwareVersion": self.firmware,
            "meterSerialNumber": keys.get("PowermeterSerialNumber"),
        }
        return {
            "chargePointVendor": keys["ChargePointVendor"][:20] or "Emulator",
            "chargePointModel": keys["ChargePointModel"][:20] or "Virtual",
            **{
                name: value[: 50 if name == "firmwareVersion" else 25]
                for name, value in optional.items()
                if value
            },
        }

    async def _boot(self) -> None:
        peer = self._peer
        try:
            answer = await self.ask(
                "BootNotification", self.boot_notification(), triggered=True
            )
        except StationNotConnected:
            return
        except OCPPError as e:
            self.findings.note("BootNotification", str(e))
            answer = {}
        if peer is self._peer:
            self._registered(answer)

    def _registered(self, answer: Payload) -> None:
        """
        Heed what BootNotification was answered with.
        """
        interval = answer.get("interval")
        if not isinstance(interval, int) or not 0 < interval <= 86400 * 30:
            interval = 0
        self.registration = str(answer.get("status", ""))
        if self.registration != "Accepted":
            self.agenda.after(interval or BOOT_AGAIN, "boot")
            return
        if interval:
            self.keys.put("HeartbeatInterval", str(interval))
        self._begin()

    def _begin(self) -> None:
        """
        Accepted: say what there is to say, and go on.
        """
        self.skew = 0.0
        self.agenda.forget("boot")
        self.plan_heartbeat()
        self.plan_aligned()
        self.plan_expiry()
        for connector in self.connectors.values():
            self._announce(connector)
        if self._rebooted:
            self._rebooted = False
            self.note_security("StartupOfTheDevice")
        self.flush()

    def plan_heartbeat(self) -> None:
        interval = self.keys.number("HeartbeatInterval")
        if interval and self.is_online and not self.leaving:
            self.agenda.after(interval, "heartbeat")
        else:
            self.agenda.forget("heartbeat")

    def _do_boot(self, number: int) -> None:
        self.spawn(self._boot())

    def _do_heartbeat(self, number: int) -> None:
        self.tell("Heartbeat", {})
        self.skew = 0.0
        self.plan_heartbeat()

    def plan_ping(self) -> None:
        interval = self.keys.number("WebSocketPingInterval")
        if interval and self._peer is not None:
            self.agenda.after(interval, "ping")
        else:
            self.agenda.forget("ping")

    def _do_ping(self, number: int) -> None:
        if self.line is not None:
            self.line.ping()
        self.plan_ping()

    def note_security(self, kind: str, info: str = "") -> None:
        """
        SecurityEventNotification, if the security extension is in use.
        """
        if self.keys.number("SecurityProfile"):
            payload = {"type": kind, "timestamp": self.stamp()}
            self.tell(
                "SecurityEventNotification",
                {**payload, "techInfo": info[:255]} if info else payload,
            )

    # Status (section 4.9)

    def become(
        self, connector: Connector, status: str, error: str = "NoError"
    ) -> None:
        """
        Give a connector a status, and tell the central system.

        @raise Impossible: the standard knows no such transition.
        """
        if connector.become(status, error):
            duration = self.keys.number("MinimumStatusDuration")
            if duration:
                self.agenda.after(duration, "status", connector.number)
            else:
                self._announce(connector)

    def _do_status(self, number: int) -> None:
        connector = self.connectors[number]
        if connector.told != (connector.status, connector.error):
            self._announce(connector)

    def _announce(self, connector: Connector) -> None:
        if self.is_online:
            connector.told = connector.status, connector.error
            self.tell("StatusNotification", self.status_of(connector))

    def status_of(self, connector: Connector) -> Payload:
        return {
            "connectorId": connector.number,
            "errorCode": connector.error,
            "status": connector.status,
            "timestamp": self.stamp(),
        }

    def force_status(self, connector: Connector, status: str) -> None:
        """
        Give a connector a status, whatever it was: for demonstrations.
        """
        connector.status = status
        connector.error = "OtherError" if status == FAULTED else "NoError"
        if connector.transaction is not None:
            connector.held = status == SUSPENDED_EV
            connector.transaction.suspended = status == SUSPENDED_EVSE
            connector.meter.switch(status == CHARGING, self.now)
        self._announce(connector)

    def rest(self, connector: Connector) -> None:
        """
        Give a connector the status that it has without a transaction.
        """
        status = self._resting_status(connector)
        if not may_become(connector.status, status) and (
            status != connector.status
        ):
            self.become(connector, AVAILABLE)
        self.become(connector, status)

    def _resting_status(self, connector: Connector) -> str:
        if connector.status == FAULTED and connector.error != "NoError":
            return FAULTED
        if not connector.operative or not self.connectors[0].operative:
            return UNAVAILABLE
        if connector.plugged:
            finished = connector.status in (*IN_TRANSACTION, FINISHING)
            return FINISHING if finished else PREPARING
        if connector.id_tag is not None:
            return PREPARING
        reserved = self.reservations.of(connector.number)
        return AVAILABLE if reserved is None else RESERVED

    # What happens at a connector

    def connector(self, number: int) -> Connector:
        """
        @raise BadRequest: there is none of that number.
        """
        connector = self.connectors.get(number) if number else None
        if connector is None:
            known = ", ".join(str(n) for n in self.connectors if n)
            raise BadRequest(f"no connector {number}; there are: {known}")
        return connector

    def plug(self, number: int, vehicle: Vehicle | None = None) -> None:
        """
        A vehicle comes, and is plugged in.

        @raise Impossible: there is one already.
        """
        connector = self.connector(number)
        if connector.plugged:
            raise Impossible(f"connector {number} is plugged in already")
        connector.plugged = True
        connector.meter.plug(vehicle or random_vehicle(self.random), self.now)
        if connector.transaction is not None:
            connector.held = False
            self.charge(connector)
        elif connector.id_tag is not None:
            self._start(connector, connector.id_tag)
        elif connector.status == AVAILABLE:
            self.become(connector, PREPARING)

    def unplug(self, number: int) -> None:
        """
        The vehicle is unplugged, and leaves.

        @raise Impossible: there is none.
        """
        connector = self.connector(number)
        if not connector.plugged:
            raise Impossible(f"connector {number} is not plugged in")
        connector.plugged = False
        self.agenda.forget("finish", number)
        if connector.transaction is not None:
            if self.keys.flag("StopTransactionOnEVSideDisconnect"):
                self.stop(connector, "EVDisconnected")
            else:
                connector.held = True
                self.charge(connector)
        connector.meter.unplug(self.now)
        if connector.transaction is None:
            self.rest(connector)

    async def present_tag(self, id_tag: str, number: int | None = None) -> str:
        """
        Somebody holds a tag to the reader.

        @return: the status of the tag's authorization; or C{Stopped}.
        @raise Impossible: no connector is free.
        """
        connector = self._meant(id_tag, number)
        transaction = connector.transaction
        if transaction is not None:
            return await self._stop_with(connector, transaction, id_tag)
        info = await self.authorize(id_tag)
        if info.get("status") == "Accepted":
            self.allow(connector, id_tag, info.get("parentIdTag"))
        return str(info.get("status", "Invalid"))

    def _meant(self, id_tag: str, number: int | None) -> Connector:
        """
        The connector that somebody with that tag means.
        """
        if number is not None:
            return self.connector(number)
        connectors = [c for n, c in self.connectors.items() if n]
        for connector in connectors:
            transaction = connector.transaction
            if transaction and same_tag(transaction.id_tag, id_tag):
                return connector
        for status in (PREPARING, AVAILABLE, RESERVED):
            for connector in connectors:
                if connector.status == status:
                    return connector
        raise Impossible(f"{self.identity} has no free connector")

    async def _stop_with(
        self, connector: Connector, transaction: Transaction, id_tag: str
    ) -> str:
        """
        The tag that started a transaction stops it, or one of its group.
        """
        if not same_tag(transaction.id_tag, id_tag):
            info = await self.authorize(id_tag)
            parent = info.get("parentIdTag")
            if info.get("status") != "Accepted" or (
                parent is None or parent != transaction.parent
            ):
                return "Invalid"
        if connector.transaction is transaction:
            self.stop(connector, "Local", id_tag)
        return "Stopped"

    def allow(
        self, connector: Connector, id_tag: str, parent: str | None
    ) -> None:
        """
        A tag was accepted: let it start a transaction there.

        @raise Impossible: the connector is reserved, or in use.
        """
        if self.leaving:
            raise Impossible(f"{self.identity} goes out of service")
        self._check_reserved(connector, id_tag, parent)
        if connector.transaction is not None or connector.status in (
            UNAVAILABLE,
            FAULTED,
        ):
            raise Impossible(
                f"connector {connector.number} is {connector.status}"
            )
        connector.parent = parent
        if connector.plugged:
            self._start(connector, id_tag)
            return
        connector.id_tag = id_tag
        self.become(connector, PREPARING)
        timeout = self.keys.number("ConnectionTimeOut")
        if timeout:
            self.agenda.after(timeout, "connection", connector.number)

    def _check_reserved(
        self, connector: Connector, id_tag: str, parent: str | None
    ) -> None:
        if self.reservations.usable(connector.number, id_tag, parent):
            return
        mine = self.reservations.of(connector.number)
        of_any = self.reservations.of(0)
        free = [
            c
            for n, c in self.connectors.items()
            if n and c.status in (AVAILABLE, PREPARING)
        ]
        if mine is not None or (of_any is not None and len(free) <= 1):
            raise Impossible(
                f"connector {connector.number} is reserved for another tag"
            )

    def _do_connection(self, number: int) -> None:
        """
        Nobody plugged in a vehicle in time.
        """
        connector = self.connectors[number]
        connector.id_tag = connector.profile = None
        connector.starting = False
        if connector.transaction is None:
            self.rest(connector)

    def suspend(self, number: int) -> None:
        """
        The vehicle takes no energy for the time being.
        """
        self._hold(number, True)

    def resume(self, number: int) -> None:
        """
        The vehicle takes energy again.
        """
        self._hold(number, False)

    def _hold(self, number: int, held: bool) -> None:
        connector = self.connector(number)
        if connector.transaction is None:
            raise Impossible(f"connector {number} has no transaction")
        connector.held = held
        self.charge(connector)

    def fault(self, number: int, error: str = "OtherError") -> None:
        """
        Something breaks.
        """
        connector = (
            self.connectors[number] if not number else (self.connector(number))
        )
        connector.meter.switch(False, self.now)
        if connector.status != FAULTED:
            connector.before = connector.status
        self.become(connector, FAULTED, error)

    def recover(self, number: int) -> None:
        """
        It works again.
        """
        connector = (
            self.connectors[number] if not number else (self.connector(number))
        )
        if connector.status != FAULTED:
            raise Impossible(f"connector {number} is not Faulted")
        before, connector.before = connector.before, None
        if connector.transaction is not None:
            self.charge(connector)
        elif before is not None and number:
            self.become(connector, before)
            self.rest(connector)
        else:
            self.become(connector, connector.idle_status)

    # Power and the cable to the central system

    def cut_power(self) -> None:
        """
        The power fails: everything stops, and nobody says goodbye.
        """
        if not self.powered:
            raise Impossible(f"{self.identity} has no power already")
        self.powered = False
        self.agenda.clear()
        for connector in self.connectors.values():
            connector.meter.switch(False, self.now)
        self.save()
        if self.line is not None:
            self.line.cut()

    def restore_power(self) -> None:
        """
        The power is back: transactions have ended, and it boots.
        """
        if self.powered:
            raise Impossible(f"{self.identity} has power already")
        self.powered = True
        for connector in self.connectors.values():
            connector.id_tag = connector.profile = None
            connector.starting = False
            if connector.transaction is not None:
                self.stop(connector, "PowerLoss")
        self.reboot()

    def reboot(self) -> None:
        """
        Start again, and connect again.
        """
        self._rebooted = True
        for connector in self.connectors.values():
            connector.told = None
        self.save()
        if self.line is not None:
            self.line.again()

    def reset(self, reason: str) -> None:
        """
        End what runs, and start again.

        @param reason: HardReset or SoftReset.
        """
        for connector in self.connectors.values():
            if connector.transaction is not None:
                self.stop(connector, reason)
        patience = PATIENCE if reason == "SoftReset" else 0.5
        self.agenda.after(patience, "reboot")

    def _do_reboot(self, number: int) -> None:
        self.reboot()

    async def leave(self, patiently: bool = False) -> None:
        """
        Go out of service for good: end what runs, say what is to be said.

        @param patiently: whether to wait for a line that is down.
        """
        self.leaving = True
        for what in ("heartbeat", "aligned"):
            self.agenda.forget(what)
        for connector in self.connectors.values():
            if connector.transaction is not None:
                self.stop(connector, "Other")
        while self.outbox and (patiently or self.is_online):
            # There may be others that leave: they wait for the same.
            drained = self._drained = self._drained or Deferred()
            self.flush()
            await drained
        self.agenda.clear()
        self.save()
        if self._peer is not None:
            await self._peer.settled()

    # Authorization (sections 3.4 and 4.1)

    async def authorize(self, id_tag: str) -> TagInfo:
        """
        Whether a tag may charge: by the local list and the cache where that
        is allowed, else by the central system.
        """
        known = self._known_of(id_tag)
        if (
            self.is_online
            and self.keys.flag("LocalPreAuthorize")
            and known is not None
            and is_valid(known, self.now)
        ):
            return known
        try:
            answer = await self.ask("Authorize", {"idTag": id_tag})
        except OCPPError:
            return self._offline_verdict(known)
        info = answer.get("idTagInfo")
        if not isinstance(info, dict):
            return {"status": "Invalid"}
        self.learn(id_tag, info)
        return info

    def _known_of(self, id_tag: str) -> TagInfo | None:
        info = None
        if self.keys.flag("LocalAuthListEnabled"):
            info = self.local_list.get(id_tag, self.now)
        if info is None and self.keys.flag("AuthorizationCacheEnabled"):
            info = self.cache.get(id_tag, self.now)
        return info

    def _offline_verdict(self, known: TagInfo | None) -> TagInfo:
        if known is not None and self.keys.flag("LocalAuthorizeOffline"):
            return known
        if known is None and self.keys.flag("AllowOfflineTxForUnknownId"):
            return {"status": "Accepted"}
        return {"status": "Invalid"}

    def learn(self, id_tag: str, info: object) -> None:
        """
        Keep in the cache what the central system said of a tag.
        """
        if (
            isinstance(info, dict)
            and self.keys.flag("AuthorizationCacheEnabled")
            and self.local_list.get(id_tag, self.now) is None
        ):
            self.cache.keep(id_tag, info)

    # Transactions (sections 4.8 and 4.10)

    def _start(self, connector: Connector, id_tag: str) -> None:
        now, number = self.now, connector.number
        connector.meter.advance(now)
        reservation = self.reservations.usable(
            number, id_tag, connector.parent
        )
        transaction = connector.transaction = Transaction(
            connector=number,
            id_tag=id_tag,
            started=now,
            meter_start=connector.meter.register,
            parent=connector.parent,
            reservation_id=None if reservation is None else reservation.id,
        )
        if reservation is not None:
            self.reservations.remove(reservation.id)
            self.plan_expiry()
        self._say_start(transaction)
        self._take_off(connector, transaction)

    def _say_start(self, transaction: Transaction) -> None:
        payload: dict[str, Any] = {
            "connectorId": transaction.connector,
            "idTag": transaction.id_tag,
            "meterStart": transaction.meter_start,
            "timestamp": self.stamp(),
        }
        if transaction.reservation_id is not None:
            payload["reservationId"] = transaction.reservation_id
        self.outbox.add(Message("StartTransaction", payload, transaction))

    def _take_off(
        self, connector: Connector, transaction: Transaction
    ) -> None:
        """
        Begin to charge.
        """
        number = connector.number
        connector.id_tag = connector.parent = None
        connector.starting = False
        self.agenda.forget("connection", number)
        if connector.profile is not None:
            self.install_profile(number, connector.profile)
            connector.profile = None
        status = self.keys["StartTransactionStatus"]
        connector.held = status == SUSPENDED_EV
        transaction.suspended = status == SUSPENDED_EVSE
        connector.meter.limit = partial(self.limit, connector)
        if not may_become(connector.status, CHARGING):
            self.become(connector, PREPARING)
        self._keep_data(connector, "Transaction.Begin")
        self.charge(connector)
        self.plan_sample(number)
        self.save()
        self.flush()

    def charge(self, connector: Connector) -> None:
        """
        Let energy flow in a transaction, or not; and say so.
        """
        transaction, now = connector.transaction, self.now
        is_broken = connector.status == FAULTED and connector.before
        if transaction is None or is_broken:
            return
        connector.meter.advance(now)
        withheld = self._withholds(connector, transaction)
        refused = connector.held or connector.meter.is_full
        connector.meter.switch(not (withheld or refused), now)
        status = (
            SUSPENDED_EVSE
            if withheld
            else SUSPENDED_EV
            if refused
            else CHARGING
        )
        self.become(connector, status)
        self._plan_limit(connector, transaction)

    def _withholds(
        self, connector: Connector, transaction: Transaction
    ) -> bool:
        """
        Whether the charge point gives no energy.
        """
        if transaction.suspended:
            most = self.keys.number("MaxEnergyOnInvalidId")
            taken = connector.meter.energy - transaction.meter_start
            return taken >= most
        return self.limit(connector, self.now) <= 0

    def limit(self, connector: Connector, now: float) -> float:
        """
        How many W the charging profiles allow.
        """
        if not self.profiles:
            return unlimited(now)
        return profiles.limit(
            self.profiles,
            connector.number,
            now,
            connector.meter.supply,
            *connector.course,
        )

    def _plan_limit(
        self, connector: Connector, transaction: Transaction
    ) -> None:
        when = profiles.next_change(
            self.profiles, self.now, transaction.started
        )
        if when < profiles.NEVER:
            self.agenda.at(when, "limit", connector.number)
        else:
            self.agenda.forget("limit", connector.number)

    def _do_limit(self, number: int) -> None:
        self.charge(self.connectors[number])

    def install_profile(self, number: int, payload: Mapping[str, Any]) -> None:
        """
        @param payload: csChargingProfiles as the schema has it.
        """
        new = profiles.Installed(
            number, profiles.Profile.read(payload), payload
        )
        self.profiles = profiles.install(self.profiles, new)

    def profiles_changed(self) -> None:
        """
        The charging profiles are others now.
        """
        for connector in self.connectors.values():
            if connector.transaction is not None:
                self.charge(connector)
        self.save()

    def stop(
        self, connector: Connector, reason: str, id_tag: str | None = None
    ) -> None:
        """
        End the transaction of a connector.

        @param reason: as StopTransaction gives it.
        @param id_tag: who stopped it, if anybody.
        """
        transaction = connector.transaction
        assert transaction is not None
        connector.meter.switch(False, self.now)
        self._keep_data(connector, "Transaction.End")
        self.conclude(connector, transaction, reason, id_tag)
        connector.transaction = None
        connector.held = False
        connector.meter.limit = unlimited
        for what in ("sample", "limit"):
            self.agenda.forget(what, connector.number)
        self.profiles = profiles.clear(
            self.profiles, connector=connector.number, purpose=profiles.TX
        )
        if self.powered:
            self._land(connector)

    def conclude(
        self,
        connector: Connector,
        transaction: Transaction,
        reason: str,
        id_tag: str | None = None,
    ) -> None:
        """
        Say that a transaction has ended.
        """
        transaction.ended = True
        payload: dict[str, Any] = {
            "meterStop": connector.meter.register,
            "timestamp": self.stamp(),
            "reason": reason,
        }
        if id_tag is not None:
            payload["idTag"] = id_tag
        if transaction.data:
            payload["transactionData"] = transaction.data
        self.outbox.add(Message("StopTransaction", payload, transaction))

    def _land(self, connector: Connector) -> None:
        """
        After a transaction.
        """
        self.rest(connector)
        timeout = self.keys.number("FinishingTimeout")
        if self.habits.plugs and connector.plugged and timeout:
            self.agenda.after(timeout, "finish", connector.number)
        self.save()
        self.flush()

    def _do_finish(self, number: int) -> None:
        if self.connectors[number].plugged:
            self.unplug(number)

    def transaction(self, id: int) -> Connector | None:
        """
        The connector that has the transaction of that id.
        """
        for connector in self.connectors.values():
            if connector.transaction and connector.transaction.id == id:
                return connector
        return None

    # Meter values (section 4.7)

    def meter_values(
        self, connector: Connector, measurands: list[str], context: str
    ) -> list[dict[str, Any]]:
        """
        One meterValue element; none where there is nothing to measure.
        """
        sampled = connector.meter.sample(measurands, self.now, context)
        if not sampled:
            return []
        return [{"timestamp": self.stamp(), "sampledValue": sampled}]

    def _do_sample(self, number: int) -> None:
        connector = self.connectors[number]
        if connector.transaction is None:
            return
        self.send_meter_values(
            connector, "MeterValuesSampledData", "Sample.Periodic"
        )
        self._keep_data(connector, "Sample.Periodic")
        self.charge(connector)
        self.plan_sample(number)

    def plan_sample(self, number: int) -> None:
        interval = self.keys.number("MeterValueSampleInterval")
        if interval:
            self.agenda.after(interval, "sample", number)
        else:
            self.agenda.forget("sample", number)

    def send_meter_values(
        self, connector: Connector, key: str, context: str
    ) -> None:
        """
        @param key: the configuration key that says which measurands.
        """
        transaction = connector.transaction
        values = self.meter_values(connector, self.keys.members(key), context)
        if not values or (transaction is None and not self.is_online):
            return
        payload = {"connectorId": connector.number, "meterValue": values}
        self.outbox.add(Message("MeterValues", payload, transaction))
        self.save()
        self.flush()

    def _keep_data(self, connector: Connector, context: str) -> None:
        """
        Keep a sample for the transaction's StopTransaction.
        """
        transaction = connector.transaction
        aligned = context == "Sample.Clock"
        key = "StopTxnAlignedData" if aligned else "StopTxnSampledData"
        wanted = self.keys.members(key)
        if wanted and transaction and len(transaction.data) < MOST_DATA:
            transaction.data += self.meter_values(connector, wanted, context)

    def plan_aligned(self) -> None:
        interval = self.keys.number("ClockAlignedDataInterval")
        if interval and not self.leaving:
            now = self.now
            self.agenda.at(now - now % interval + interval, "aligned")
        else:
            self.agenda.forget("aligned")

    def _do_aligned(self, number: int) -> None:
        for connector in self.connectors.values():
            if connector.number:
                self.send_meter_values(
                    connector, "MeterValuesAlignedData", "Sample.Clock"
                )
                self._keep_data(connector, "Sample.Clock")
        self.plan_aligned()

    # Reservations (section 5.13)

    def plan_expiry(self) -> None:
        when = self.reservations.next_expiry()
        if when is None:
            self.agenda.forget("expiry")
        else:
            self.agenda.at(when, "expiry")

    def _do_expiry(self, number: int) -> None:
        for reservation in self.reservations.expired(self.now):
            self.release(reservation.id)
        self.plan_expiry()

    def release(self, reservation_id: int) -> bool:
        """
        Let go of a reservation.

        @return: whether there was one.
        """
        reservation = self.reservations.remove(reservation_id)
        if reservation is None:
            return False
        connector = self.connectors.get(reservation.connector)
        if connector is not None and connector.status == RESERVED:
            self.rest(connector)
        self.save()
        return True

    # What waits to be said

    def flush(self) -> None:
        """
        Send the messages about transactions that wait.
        """
        if self.is_online and self.outbox and not self.outbox.sending:
            self.spawn(self._flush())

    async def _flush(self) -> None:
        again = await self.outbox.flush(
            self.ask,
            self._heard,
            self.keys.number("TransactionMessageAttempts"),
        )
        if again is not None:
            interval = self.keys.number("TransactionMessageRetryInterval")
            self.agenda.after(interval * again, "retry")
        drained, self._drained = self._drained, None
        if drained is not None:
            drained.callback(None)

    def _do_retry(self, number: int) -> None:
        self.flush()

    def _heard(self, message: Message, answer: Mapping[str, Any]) -> None:
        """
        The central system has heard a message about a transaction.
        """
        transaction, info = message.transaction, answer.get("idTagInfo")
        if transaction is not None and message.action != "MeterValues":
            self.learn(transaction.id_tag, info)
        if transaction is not None and message.action == "StartTransaction":
            self._started(transaction, answer.get("transactionId"), info)
        self.save()

    def _started(
        self, transaction: Transaction, id: object, info: object
    ) -> None:
        transaction.id = id if type(id) is int else None
        if not isinstance(info, dict):
            return
        transaction.parent = info.get("parentIdTag")
        connector = self.connectors[transaction.connector]
        if info.get("status") == "Accepted" or (
            connector.transaction is not transaction
        ):
            return
        if self.keys.flag("StopTransactionOnInvalidId"):
            self.stop(connector, "DeAuthorized")
        else:
            transaction.suspended = True
            self.charge(connector)


#: The charge point itself measures nothing.
_NO_METER = Meter(Supply(1, 0.0, 1.0))


def _is_texts(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(text, str) for text in value.values()
    )
