"""
How a charge point charges: who may, the transactions, what the meter says of
them, and what waits to be said.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from ..errors import OCPPError
from . import profiles
from .authorization import TagInfo, is_valid
from .connector import (
    CHARGING,
    FAULTED,
    PREPARING,
    SUSPENDED_EV,
    SUSPENDED_EVSE,
    Connector,
    may_become,
)
from .meter import unlimited
from .occupancy import Occupancy
from .transactions import Message, Transaction


#: How many samples of a transaction go into its StopTransaction.
MOST_DATA = 500

DAY = 86400


class Charging(Occupancy):
    """
    A charge point that charges.
    """

    __slots__ = ()

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
        Keep in the cache what the central system said of a tag; or say that
        the local list says something else (section 3.5.1).
        """
        if not isinstance(info, dict):
            return
        listed = None
        if self.keys.flag("LocalAuthListEnabled"):
            listed = self.local_list.get(id_tag, self.now)
        if listed is not None:
            if is_valid(listed, self.now) != is_valid(info, self.now):
                status = self.status_of(self.connectors[0])
                error = {"errorCode": "LocalListConflict"}
                self.tell("StatusNotification", {**status, **error})
        elif self.keys.flag("AuthorizationCacheEnabled"):
            self.cache.keep(id_tag, info)
            self.save()

    # Transactions (sections 4.8 and 4.10)

    def _start(self, connector: Connector, id_tag: str) -> None:
        now, number = self.now, connector.number
        self._read_meters()
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
        self.save()
        # The transaction is told of before that it charges.
        self.flush()
        self.charge(connector)
        self._share()
        if connector.transaction is not None:
            self.plan_sample(number)

    def charge(self, connector: Connector) -> None:
        """
        Let energy flow in a transaction, or not; and say so.
        """
        transaction, now = connector.transaction, self.now
        # A fault, or an operator's hand.
        is_interrupted = connector.before is not None
        if transaction is None or is_interrupted:
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
            sharing=sum(
                c.transaction is not None for c in self.connectors.values()
            ),
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

    def _read_meters(self) -> None:
        """
        What was taken until now was taken with the limits until now.
        """
        if self.profiles:
            for connector in self.connectors.values():
                connector.meter.advance(self.now)

    def _share(self) -> None:
        """
        There are more or fewer transactions that share a limit.
        """
        if any(i.profile.purpose == profiles.MAX for i in self.profiles):
            for connector in self.connectors.values():
                self.charge(connector)

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
        self._read_meters()
        connector.meter.switch(False, self.now)
        self._keep_data(connector, "Transaction.End")
        self.conclude(connector, transaction, reason, id_tag)
        connector.transaction = None
        connector.held = False
        if connector.status != FAULTED:
            connector.before = None
        connector.meter.limit = unlimited
        for what in ("sample", "limit"):
            self.agenda.forget(what, connector.number)
        self.profiles = profiles.clear(
            self.profiles, connector=connector.number, purpose=profiles.TX
        )
        self._share()
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

    def tell_meter_values(self, connector: Connector) -> None:
        """
        Say what the meter shows, since somebody asks.
        """
        wanted = self.keys.members("MeterValuesSampledData")
        values = self.meter_values(connector, wanted, "Trigger")
        payload = {"connectorId": connector.number, "meterValue": values}
        _, id = connector.course
        if id is not None:
            payload["transactionId"] = id
        if values:
            self.tell("MeterValues", payload, triggered=True)

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
            # Intervals are counted from midnight (section 9.1.7).
            into_day = self.now % DAY
            after = min(into_day - into_day % interval + interval, DAY)
            self.agenda.after(after - into_day, "aligned")
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

    # What waits to be said

    def note_security(self, kind: str, info: str = "") -> None:
        """
        SecurityEventNotification, if the security extension is in use; what
        happens while we are offline is told later.
        """
        self.history.note(self.stamp(), f"security {kind} {info}", True)
        if not self.keys.number("SecurityProfile"):
            return
        payload = {"type": kind, "timestamp": self.stamp()}
        if info:
            payload["techInfo"] = info[:255]
        self.outbox.add(Message("SecurityEventNotification", payload))
        self.save()
        self.flush()

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
            # Who leaves has no time.
            delay = 1.0 if self.leaving else interval * again
            self.agenda.after(delay, "retry")
            return
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
