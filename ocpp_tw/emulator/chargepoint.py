"""
A Charge Point of OCPP 1.6: what it is, what happens to it, and what it says.

What a central system may ask of it is in L{operations}.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zlib import crc32

from twisted.internet.defer import Deferred

from ..errors import BadRequest, OCPPError, StationNotConnected
from ..ocpp.messages import Call, Payload
from ..peer import Answer
from . import memory
from .authorization import AuthorizationCache, LocalList, same_tag
from .charging import Charging
from .config import ConnectorConfig
from .connector import (
    AVAILABLE,
    FAULTED,
    FINISHING,
    PREPARING,
    RESERVED,
    UNAVAILABLE,
    Connector,
    Impossible,
)
from .keys import Keys
from .meter import Meter, Supply, Vehicle, random_vehicle
from .reservations import Reservations
from .station import Conversation, Habits
from .transactions import Outbox, Transaction


__all__ = ["ChargePoint", "Habits"]


#: Seconds until a charge point boots again where nobody says when.
BOOT_AGAIN = 60

#: How long a soft reset waits for what it still has to say, in seconds.
PATIENCE = 5.0

#: The longest idTag, in characters (section 7.28).
LONGEST_TAG = 20


class ChargePoint(Charging):
    """
    One charge point.
    """

    __slots__ = ()

    # What it remembers

    def _furnish(self, kept: Mapping[str, Any]) -> None:
        self.keys = Keys(
            self.config.keys, _texts(kept, "keys"), _texts(kept, "over")
        )
        self.take_address()
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
        self.profiles = ()
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

    # The line

    def connected(self, peer: Conversation) -> None:
        """
        There is a conversation with the central system.
        """
        self._peer = peer
        self.registration = ""
        self.note("connected")
        self.plan_ping()
        self.spawn(self.boot())

    def disconnected(self) -> None:
        """
        There is none any more.
        """
        self._peer = None
        self.registration = ""
        self.note("disconnected")
        for what in ("boot", "heartbeat", "ping", "retry"):
            self.agenda.forget(what)

    def failed_to_connect(self, attempts: int) -> None:
        """
        The central system was not reached, or did not accept us.

        @param attempts: how often in a row.
        """
        if self.security is not None:
            # They know each other, as below.
            from .security import fall_back

            fall_back(self, attempts)

    def answer(self, call: Call) -> Answer:
        """
        Answer a Call of the central system.
        """
        # They know each other; the table is there when both are.
        from .operations import answer

        return answer(self, call)

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

    async def boot(self) -> None:
        """
        Register with the central system.
        """
        peer = self._peer
        try:
            answer = await self.ask(
                "BootNotification", self.boot_notification(), triggered=True
            )
        except StationNotConnected:
            return
        except OCPPError:
            answer = {"status": self.registration}
        if peer is self._peer:
            self._registered(answer)

    def _registered(self, answer: Payload) -> None:
        """
        Heed what BootNotification was answered with.
        """
        interval = answer.get("interval")
        if not isinstance(interval, int) or not 0 < interval <= 86400 * 30:
            interval = 0
        before, self.registration = (
            self.registration,
            str(answer.get("status", "")),
        )
        self.note(f"registration {self.registration}")
        if self.registration != "Accepted":
            self.agenda.after(interval or BOOT_AGAIN, "boot")
            return
        if interval:
            self.keys.put("HeartbeatInterval", str(interval))
        if before == "Accepted":
            self.plan_heartbeat()
        else:
            self._begin()

    def _begin(self) -> None:
        """
        Accepted: say what there is to say, and go on.
        """
        self.skew = 0.0
        if self.line is not None:
            self.line.accepted()
        if self.security is not None:
            self.security.fallback = None
            self.save()
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
        self.spawn(self.boot())

    def _do_heartbeat(self, number: int) -> None:
        self.spawn(self.beat())
        self.plan_heartbeat()

    async def beat(self) -> None:
        """
        Heartbeat; its answer sets the clock right.
        """
        try:
            await self.ask("Heartbeat", {}, triggered=True)
        except OCPPError:
            return
        self.skew = 0.0

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

    # What happens at a connector

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
        if not self.powered:
            return
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
        if connector.transaction is not None and self.powered:
            if self.keys.flag("StopTransactionOnEVSideDisconnect"):
                self.stop(connector, "EVDisconnected")
            else:
                connector.held = True
                self.charge(connector)
        connector.meter.unplug(self.now)
        if connector.transaction is None and self.powered:
            self.rest(connector)

    async def present_tag(self, id_tag: str, number: int | None = None) -> str:
        """
        Somebody holds a tag to the reader.

        @return: the status of the tag's authorization; or C{Stopped}.
        @raise Impossible: no connector is free, or there is no power.
        @raise BadRequest: that is no idTag.
        """
        if not 0 < len(id_tag) <= LONGEST_TAG:
            raise BadRequest(
                f"idTag: it is not a text of 1 to {LONGEST_TAG} characters"
            )
        if not self.powered:
            raise Impossible(f"{self.identity} has no power")
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
        for connector in connectors:
            mine = self.reservations.of(connector.number)
            if connector.status == RESERVED and mine and mine.is_for(id_tag):
                return connector
        for status in (PREPARING, AVAILABLE, RESERVED, FINISHING):
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
        connector = self._any_connector(number)
        connector.meter.switch(False, self.now)
        if connector.status != FAULTED:
            connector.before = connector.status
        self.become(connector, FAULTED, error)

    def recover(self, number: int) -> None:
        """
        It works again.
        """
        connector = self._any_connector(number)
        if connector.status != FAULTED:
            raise Impossible(f"connector {number} is not Faulted")
        before, connector.before = connector.before or AVAILABLE, None
        if connector.transaction is not None:
            self.charge(connector)
        elif number:
            self.become(connector, self._resting_status(connector, before))
        else:
            self.become(connector, connector.idle_status)

    def _any_connector(self, number: int) -> Connector:
        return self.connector(number) if number else self.connectors[0]

    # Power and the cable to the central system

    def cut_power(self) -> None:
        """
        The power fails: everything stops, and nobody says goodbye.
        """
        if not self.powered:
            raise Impossible(f"{self.identity} has no power already")
        self.powered = False
        self.note("power lost")
        self.agenda.clear()
        for connector in self.connectors.values():
            connector.meter.switch(False, self.now)
            connector.id_tag = connector.profile = None
            connector.starting = False
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
        self.note("power back")
        for number, connector in self.connectors.items():
            if connector.transaction is not None:
                self.stop(connector, "PowerLoss")
            elif number:
                self.rest(connector)
        self.reboot()

    @property
    def is_rebooting(self) -> bool:
        """
        Whether it has not been accepted since it started again.
        """
        return self._rebooted

    def reboot(self) -> None:
        """
        Start again, and connect again.
        """
        if not self.powered:
            return
        self._rebooted = True
        self.note("reboot")
        self.take_address()
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
        self.note_security("ResetOrReboot", reason)
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
        await self.settled()

    def _do_finish(self, number: int) -> None:
        if self.connectors[number].plugged:
            self.unplug(number)


#: The charge point itself measures nothing.
_NO_METER = Meter(Supply(1, 0.0, 1.0))


def _texts(kept: Mapping[str, Any], name: str) -> dict[str, str]:
    """
    Texts by their names; nothing, where that is something else.
    """
    value = kept.get(name)
    if not isinstance(value, dict):
        return {}
    if not all(isinstance(text, str) for text in value.values()):
        return {}
    return value
