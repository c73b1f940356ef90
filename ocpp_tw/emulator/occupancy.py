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
