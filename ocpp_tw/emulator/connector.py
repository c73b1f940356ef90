"""
A connector, and how its status may change.

OCPP 1.6, section 4.9: the table of status transitions.

>>> may_become("Available", "Charging"), may_become("Available", "Finishing")
(True, False)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field

from ..errors import Conflict


if TYPE_CHECKING:
    from .meter import Meter
    from .transactions import Transaction


AVAILABLE = "Available"
PREPARING = "Preparing"
CHARGING = "Charging"
SUSPENDED_EV = "SuspendedEV"
SUSPENDED_EVSE = "SuspendedEVSE"
FINISHING = "Finishing"
RESERVED = "Reserved"
UNAVAILABLE = "Unavailable"
FAULTED = "Faulted"

_ENERGY = frozenset({CHARGING, SUSPENDED_EV, SUSPENDED_EVSE})

#: The statuses with a running transaction.
IN_TRANSACTION = _ENERGY

#: What may follow each status: the rows and columns of the standard's table.
TRANSITIONS: dict[str, frozenset[str]] = {
    AVAILABLE: _ENERGY | {PREPARING, RESERVED, UNAVAILABLE, FAULTED},
    PREPARING: _ENERGY | {AVAILABLE, FINISHING, FAULTED},
    CHARGING: _ENERGY | {AVAILABLE, FINISHING, UNAVAILABLE, FAULTED},
    SUSPENDED_EV: _ENERGY | {AVAILABLE, FINISHING, UNAVAILABLE, FAULTED},
    SUSPENDED_EVSE: _ENERGY | {AVAILABLE, FINISHING, UNAVAILABLE, FAULTED},
    FINISHING: frozenset({AVAILABLE, PREPARING, UNAVAILABLE, FAULTED}),
    RESERVED: frozenset({AVAILABLE, PREPARING, UNAVAILABLE, FAULTED}),
    UNAVAILABLE: _ENERGY | {AVAILABLE, PREPARING, FAULTED},
    FAULTED: _ENERGY
    | {AVAILABLE, PREPARING, FINISHING, RESERVED, UNAVAILABLE},
}

#: The statuses that connector 0, the charge point itself, may have.
OF_THE_WHOLE = frozenset({AVAILABLE, UNAVAILABLE, FAULTED})

ERRORS = frozenset(
    (
        "ConnectorLockFailure",
        "EVCommunicationError",
        "GroundFailure",
        "HighTemperature",
        "InternalError",
        "LocalListConflict",
        "NoError",
        "OtherError",
        "OverCurrentFailure",
        "OverVoltage",
        "PowerMeterFailure",
        "PowerSwitchFailure",
        "ReaderFailure",
        "ResetFailure",
        "UnderVoltage",
        "WeakSignal",
    )
)


class Impossible(Conflict):
    """
    A connector cannot become that, being what it is.
    """


def may_become(before: str, after: str) -> bool:
    """
    Whether the standard knows this transition.
    """
    return after in TRANSITIONS[before]


@define(eq=False)
class Connector:
    """
    One connector of a charge point; number 0 is the charge point itself.

    @ivar error: the errorCode of its status.
    @ivar told: the status and the error that the central system knows.
    @ivar operative: what ChangeAvailability made of it last.
    @ivar plugged: whether a cable leads to a vehicle.
    @ivar held: whether the vehicle takes no energy for the time being.
    @ivar id_tag: who may start a transaction here: a tag was accepted, and
        the connection timeout runs.
    @ivar parent: the parent of that tag.
    @ivar starting: whether a RemoteStartTransaction is being carried out.
    @ivar profile: what came with that, for the transaction.
    @ivar before: the status that a fault interrupted.
    """

    number: int
    meter: Meter
    status: str = AVAILABLE
    error: str = "NoError"
    told: tuple[str, str] | None = None
    operative: bool = True
    plugged: bool = False
    held: bool = False
    id_tag: str | None = None
    parent: str | None = None
    starting: bool = False
    profile: Any = None
    before: str | None = None
    transaction: Transaction | None = field(default=None, repr=False)

    def become(self, status: str, error: str = "NoError") -> bool:
        """
        @return: whether anything changed.
        @raise Impossible: the standard knows no such transition.
        """
        if (status, error) == (self.status, self.error):
            return False
        if status != self.status and not self._may_become(status):
            raise Impossible(
                f"connector {self.number} cannot become {status}: it is "
                f"{self.status}"
            )
        self.status, self.error = status, error
        return True

    def _may_become(self, status: str) -> bool:
        if not self.number and status not in OF_THE_WHOLE:
            return False
        return may_become(self.status, status)

    @property
    def course(self) -> tuple[float | None, int | None]:
        """
        When its transaction started, and its id; (None, None) without one.
        """
        if self.transaction is None:
            return None, None
        return self.transaction.started, self.transaction.id

    @property
    def idle_status(self) -> str:
        """
        What it is with no vehicle at it.
        """
        return AVAILABLE if self.operative else UNAVAILABLE
