"""
Charging profiles: how they stack, and the schedule that they make together.

OCPP 1.6, section 3.13.  All of it is functions of values; times are seconds
since 1970, powers are W.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from attrs import frozen

from ..ocpp.times import parse_time
from .meter import Supply


MAX = "ChargePointMaxProfile"
DEFAULT = "TxDefaultProfile"
TX = "TxProfile"

_RECURS = {"Daily": 86400.0, "Weekly": 7 * 86400.0}

#: How many periods a composite schedule has at most.
MOST_PERIODS = 1000

NEVER = float("inf")


@frozen
class Period:
    """
    From C{start} seconds after the schedule's, no more than C{limit}.

    @ivar limit: in the unit of the schedule.
    """

    start: float
    limit: float
    phases: int | None = None


@frozen
class Profile:
    """
    One csChargingProfiles.

    @ivar unit: W or A.
    @ivar duration: seconds that the schedule holds; None for ever.
    @ivar start: startSchedule, in seconds since 1970.
    """

    id: int
    stack_level: int
    purpose: str
    kind: str
    unit: str
    periods: tuple[Period, ...]
    recurs: float | None = None
    valid_from: float = 0.0
    valid_to: float = NEVER
    transaction_id: int | None = None
    duration: float | None = None
    start: float | None = None

    @classmethod
    def read(cls, payload: Mapping[str, Any]) -> Profile:
        """
        @param payload: csChargingProfiles as the schema has it.
        """
        schedule = payload["chargingSchedule"]
        return cls(
            id=payload["chargingProfileId"],
            stack_level=payload["stackLevel"],
            purpose=payload["chargingProfilePurpose"],
            kind=payload["chargingProfileKind"],
            unit=schedule["chargingRateUnit"],
            periods=tuple(_read_periods(schedule["chargingSchedulePeriod"])),
            recurs=_RECURS.get(payload.get("recurrencyKind", "")),
            valid_from=parse_time(payload.get("validFrom")) or 0.0,
            valid_to=_or(parse_time(payload.get("validTo")), NEVER),
            transaction_id=payload.get("transactionId"),
            duration=schedule.get("duration"),
            start=parse_time(schedule.get("startSchedule")),
        )

    def began(self, now: float, started: float) -> float | None:
        """
        When the schedule that holds now began; None if it has not yet.

        @param started: when the transaction did.
        """
        if self.kind == "Relative" or self.start is None:
            began = started
        elif self.kind == "Recurring" and self.recurs:
            rounds = (now - self.start) // self.recurs
            began = self.start + max(0.0, rounds) * self.recurs
        else:
            began = self.start
        return began if began <= now else None

    def period(self, now: float, started: float) -> Period | None:
        """
        The period that holds now; None where the profile says nothing.
        """
        if not self.valid_from <= now < self.valid_to:
            return None
        began = self.began(now, started)
        if began is None:
            return None
        elapsed = now - began
        if self.duration is not None and elapsed >= self.duration:
            return None
        holding = [p for p in self.periods if p.start <= elapsed]
        return holding[-1] if holding else None

    def next_change(self, now: float, started: float) -> float:
        """
        When L{period} may be another one; never is infinite.
        """
        return min(
            (t for t in self._turns(now, started) if t > now), default=NEVER
        )

    def _turns(self, now: float, started: float) -> Iterable[float]:
        yield self.valid_from
        yield self.valid_to
        began = self.began(now, started)
        if began is None:
            yield started if self.start is None else self.start
            return
        yield from (began + period.start for period in self.periods)
        if self.duration is not None:
            yield began + self.duration
        if self.kind == "Recurring" and self.recurs and self.start is not None:
            yield began + self.recurs


def _read_periods(periods: Iterable[Mapping[str, Any]]) -> Iterable[Period]:
    for period in sorted(periods, key=lambda p: p["startPeriod"]):
        yield Period(
            period["startPeriod"], period["limit"], period.get("numberPhases")
        )


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


@frozen
class Installed:
    """
    A profile, and the connector it was set for.
    """

    connector: int
    profile: Profile
    payload: Mapping[str, Any]

    def concerns(self, connector: int, transaction_id: int | None) -> bool:
        """
        Whether it has a say in what that connector may take.
        """
        profile = self.profile
        if profile.purpose == MAX:
            return True
        if profile.purpose == TX:
            return self.connector == connector and (
                profile.transaction_id in (None, transaction_id)
            )
        return self.connector in (0, connector)


def install(
    installed: Sequence[Installed], new: Installed
) -> tuple[Installed, ...]:
    """
    With a new profile, which replaces the one with its id, and the one of
    its purpose and stack level on its connector (section 3.13.2).
    """

    def is_replaced(old: Installed) -> bool:
        return old.profile.id == new.profile.id or (
            old.connector == new.connector
            and old.profile.purpose == new.profile.purpose
            and old.profile.stack_level == new.profile.stack_level
        )

    return (*(old for old in installed if not is_replaced(old)), new)


def clear(
    installed: Sequence[Installed],
    id: int | None = None,
    connector: int | None = None,
    purpose: str | None = None,
    stack_level: int | None = None,
) -> tuple[Installed, ...]:
    """
    Without those that match everything that is given (section 5.5); the id
    alone decides where it is given.
    """

    def is_cleared(one: Installed) -> bool:
        if id is not None:
            return one.profile.id == id
        return (
            connector in (None, one.connector)
            and purpose in (None, one.profile.purpose)
            and stack_level in (None, one.profile.stack_level)
        )

    return tuple(one for one in installed if not is_cleared(one))


def leading(
    installed: Iterable[Installed],
    purpose: str,
    now: float,
    started: float,
    connector: int = 0,
) -> tuple[Profile, Period] | None:
    """
    The profile of that purpose that decides now: of those that say anything,
    the highest of the stack; a connector's own before that of all.
    """
    saying = [
        (one.profile.stack_level, one.connector == connector, one.profile, p)
        for one in installed
        if one.profile.purpose == purpose
        and (p := one.profile.period(now, started)) is not None
    ]
    if not saying:
        return None
    *_, profile, period = max(saying, key=lambda s: s[:2])
    return profile, period


def limit(
    installed: Sequence[Installed],
    connector: int,
    now: float,
    supply: Supply,
    started: float | None = None,
    transaction_id: int | None = None,
    sharing: int = 1,
) -> float:
    """
    How many W a connector may take now: the least of what its transaction's
    profile (else the default) and the charge point's allow, and its supply.

    @param sharing: how many connectors share what the charge point may take.
    """
    began = now if started is None else started
    mine = [i for i in installed if i.concerns(connector, transaction_id)]
    most = leading(mine, MAX, now, began, 0)
    of_transaction = leading(mine, TX, now, began, connector) or leading(
        mine, DEFAULT, now, began, connector
    )
    limits = [supply.power]
    if most is not None:
        limits.append(_in_watts(*most, supply) / max(sharing, 1))
    if of_transaction is not None:
        limits.append(_in_watts(*of_transaction, supply))
    return min(limits)


def _in_watts(profile: Profile, period: Period, supply: Supply) -> float:
    if profile.unit == "W":
        return period.limit
    return supply.watts(period.limit, period.phases)


def next_change(
    installed: Iterable[Installed], now: float, started: float | None
) -> float:
    """
    When L{limit} may be another one.
    """
    began = now if started is None else started
    return min(
        (one.profile.next_change(now, began) for one in installed),
        default=NEVER,
    )


def composite(
    installed: Sequence[Installed],
    connector: int,
    now: float,
    duration: float,
    supply: Supply,
    started: float | None = None,
    transaction_id: int | None = None,
) -> list[Period]:
    """
    The limits of the coming C{duration} seconds, in W, each from its start
    after now.
    """
    # Before a transaction, a relative profile is told as if it began now.
    began = now if started is None else started
    return _course(
        lambda at: limit(
            installed, connector, at, supply, began, transaction_id
        ),
        lambda at: next_change(installed, at, began),
        now,
        duration,
    )


@frozen
class Outlet:
    """
    A connector, as far as profiles are concerned.

    @ivar started: when its transaction did, if it has one.
    """

    connector: int
    supply: Supply
    started: float | None = None
    transaction_id: int | None = None


def composite_of_all(
    installed: Sequence[Installed],
    outlets: Sequence[Outlet],
    now: float,
    duration: float,
    supply: Supply,
) -> list[Period]:
    """
    What all connectors may take together in the coming C{duration} seconds.

    @param supply: of the charge point.
    """
    of_all = [i for i in installed if i.profile.purpose == MAX]
    others = [i for i in installed if i.profile.purpose != MAX]
    begins = [now if o.started is None else o.started for o in outlets]

    def limit_at(at: float) -> float:
        together = sum(
            limit(others, o.connector, at, o.supply, began, o.transaction_id)
            for o, began in zip(outlets, begins, strict=True)
        )
        return min(together, limit(of_all, 0, at, supply))

    def change_after(at: float) -> float:
        return min(next_change(installed, at, began) for began in begins)

    return _course(limit_at, change_after, now, duration)


def _course(
    limit_at: Callable[[float], float],
    change_after: Callable[[float], float],
    now: float,
    duration: float,
) -> list[Period]:
    """
    How a limit changes in the coming C{duration} seconds.
    """
    periods: list[Period] = []
    at, end = now, now + duration
    while at < end and len(periods) < MOST_PERIODS:
        watts = limit_at(at)
        if not periods or periods[-1].limit != watts:
            periods.append(Period(at - now, watts))
        at = change_after(at)
    return periods


def schedule(
    periods: Iterable[Period], unit: str, duration: int, supply: Supply
) -> dict[str, Any]:
    """
    A composite schedule as GetCompositeSchedule answers it.
    """
    return {
        "duration": duration,
        "chargingRateUnit": unit,
        "chargingSchedulePeriod": [
            {
                "startPeriod": round(period.start),
                "limit": round(
                    period.limit
                    if unit == "W"
                    else supply.amperes(period.limit),
                    1,
                ),
            }
            for period in periods
        ],
    }
