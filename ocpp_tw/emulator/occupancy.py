"""
What each connector of a charge point is, and for whom it is reserved.

OCPP 1.6, sections 4.9 and 5.13.
"""

from __future__ import annotations

from ..ocpp.messages import Payload
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
from .station import Station


class Occupancy(Station):
    """
    A charge point whose connectors have a status.
    """

    __slots__ = ()

    # Status (section 4.9)

    def become(
        self, connector: Connector, status: str, error: str = "NoError"
    ) -> None:
        """
        Give a connector a status, and tell the central system.

        @raise Impossible: the standard knows no such transition.
        """
        if connector.become(status, error):
            self.note(f"connector {connector.number} {status} {error}")
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
        if connector.transaction is not None:
            connector.held = status == SUSPENDED_EV
            connector.transaction.suspended = status == SUSPENDED_EVSE
            connector.meter.switch(status == CHARGING, self.now)
            # What has no energy holds until somebody does something.
            interrupts = status not in IN_TRANSACTION
            connector.before = connector.status if interrupts else None
        connector.status = status
        connector.error = "OtherError" if status == FAULTED else "NoError"
        self._announce(connector)

    def rest(self, connector: Connector) -> None:
        """
        Give a connector the status that it has without a transaction.
        """
        if connector.status == FAULTED:
            return
        status = self._resting_status(connector, connector.status)
        if not may_become(connector.status, status) and (
            status != connector.status
        ):
            self.become(connector, AVAILABLE)
        self.become(connector, status)

    def _resting_status(self, connector: Connector, before: str) -> str:
        """
        @param before: what it was, without a fault.
        """
        if not connector.operative or not self.connectors[0].operative:
            return UNAVAILABLE
        if connector.plugged:
            finished = before in (*IN_TRANSACTION, FINISHING)
            return FINISHING if finished else PREPARING
        if connector.id_tag is not None:
            return PREPARING
        reserved = self.reservations.of(connector.number)
        return AVAILABLE if reserved is None else RESERVED

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

    @property
    def is_spoken_for(self) -> bool:
        """
        Whether what is free is needed for the reservations of any connector.
        """
        free = sum(
            connector.status in (AVAILABLE, PREPARING)
            for number, connector in self.connectors.items()
            if number
        )
        return 0 < self.reservations.of_any >= free

    def _check_reserved(
        self, connector: Connector, id_tag: str, parent: str | None
    ) -> None:
        if self.reservations.usable(connector.number, id_tag, parent):
            return
        mine = self.reservations.of(connector.number)
        if mine is not None or self.is_spoken_for:
            raise Impossible(
                f"connector {connector.number} is reserved for another tag"
            )
