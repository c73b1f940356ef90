"""
Reservations of one charge point: one for a connector, and one for any
(OCPP 1.6, section 5.13).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import asdict, frozen

from .authorization import same_tag


@frozen
class Reservation:
    """
    @ivar connector: 0 where any connector will do.
    @ivar expiry: seconds since 1970.
    """

    id: int
    connector: int
    id_tag: str
    expiry: float
    parent: str | None = None

    def is_for(self, id_tag: str, parent: str | None = None) -> bool:
        """
        Whether that tag, with that parent, may use it.
        """
        if same_tag(self.id_tag, id_tag):
            return True
        return (
            self.parent is not None
            and parent is not None
            and same_tag(self.parent, parent)
        )


class Reservations:
    """
    The reservations that hold, by their id.
    """

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: dict[int, Reservation] | None = None

    def __iter__(self) -> Iterator[Reservation]:
        return iter(list((self._held or {}).values()))

    def __len__(self) -> int:
        return len(self._held or ())

    def get(self, id: int) -> Reservation | None:
        return (self._held or {}).get(id)

    def add(self, reservation: Reservation) -> None:
        """
        Hold a reservation; it replaces the one with its id.
        """
        held = self._held = self._held if self._held is not None else {}
        held[reservation.id] = reservation

    def remove(self, id: int) -> Reservation | None:
        """
        @return: the reservation that is no more; None if there was none.
        """
        return (self._held or {}).pop(id, None)

    def of(self, connector: int) -> Reservation | None:
        """
        The reservation of just that connector.
        """
        return next((r for r in self if r.connector == connector), None)

    @property
    def of_any(self) -> int:
        """
        How many are of any connector.
        """
        return sum(r.connector == 0 for r in self)

    def expired(self, now: float) -> list[Reservation]:
        return [r for r in self if r.expiry <= now]

    def next_expiry(self) -> float | None:
        return min((r.expiry for r in self), default=None)

    def usable(
        self, connector: int, id_tag: str, parent: str | None = None
    ) -> Reservation | None:
        """
        The reservation that a transaction of that tag would use: the
        connector's own, else that of any connector.
        """
        return next(
            (
                reservation
                for place in (connector, 0)
                for reservation in self
                if reservation.connector == place
                and reservation.is_for(id_tag, parent)
            ),
            None,
        )

    def as_json(self) -> list[dict[str, Any]]:
        return [asdict(reservation) for reservation in self]

    def restore(self, kept: list[Mapping[str, Any]]) -> None:
        for fields in kept:
            self.add(Reservation(**fields))
