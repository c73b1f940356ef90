"""
Time for emulated stations: it may run faster than time does, and jump; and an
agenda, which is all the timers of one station in one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from ..ocpp.times import write_time


def iso(seconds: float) -> str:
    """
    A time as we write it.

    >>> iso(0)
    '1970-01-01T00:00:00.000Z'
    """
    return write_time(round(seconds * 1000))


@implementer(IReactorTime)
class FastClock:
    """
    A clock that runs C{rate} times as fast as the one it is made from.

    >>> from twisted.internet.task import Clock
    >>> slow = Clock()
    >>> fast = FastClock(slow, 60)
    >>> slow.advance(2)
    >>> fast.seconds()
    120.0

    @ivar rate: how many of its seconds pass in one second.
    """

    def __init__(
        self, clock: Any, rate: float = 1.0, start: float | None = None
    ) -> None:
        """
        @param start: what it shows now; what the other one shows, if None.
        """
        self._clock = clock
        self._origin = clock.seconds()
        self._start = self._origin if start is None else start
        self.rate = rate

    def seconds(self) -> float:
        elapsed = self._clock.seconds() - self._origin
        return float(self._start + elapsed * self.rate)

    def callLater(
        self, delay: float, callable: Callable[..., Any], *args: Any, **kw: Any
    ) -> IDelayedCall:
        call: IDelayedCall = self._clock.callLater(
            delay / self.rate, callable, *args, **kw
        )
        return call

    def getDelayedCalls(self) -> list[IDelayedCall]:
        calls: list[IDelayedCall] = self._clock.getDelayedCalls()
        return calls


#: What is due: its name, and the number of the connector it is about.
Task = tuple[str, int]


class Agenda:
    """
    What one station has to do later, with one timer for all of it.
    """

    log = Logger()

    __slots__ = ("_clock", "_do", "_due", "_timer")

    def __init__(
        self, clock: IReactorTime, do: Callable[[str, int], None]
    ) -> None:
        self._clock = clock
        self._do = do
        self._due: dict[Task, float] = {}
        self._timer: tuple[float, IDelayedCall] | None = None

    def at(self, when: float, what: str, number: int = 0) -> None:
        """
        Do this at that time, and not at another time set before.

        @param when: seconds since 1970.
        """
        self._due[what, number] = when
        self._arm()

    def after(self, delay: float, what: str, number: int = 0) -> None:
        """
        Do this so many seconds from now.
        """
        self.at(self._clock.seconds() + max(delay, 0), what, number)

    def when(self, what: str, number: int = 0) -> float | None:
        """
        When this is due; None if it is not planned.
        """
        return self._due.get((what, number))

    def __iter__(self) -> Iterator[Task]:
        return iter(list(self._due))

    def forget(self, what: str, number: int = 0) -> None:
        """
        Do not do this.
        """
        if self._due.pop((what, number), None) is not None:
            self._arm()

    def clear(self) -> None:
        self._due.clear()
        self._arm()

    def _arm(self) -> None:
        first = min(self._due.values(), default=None)
        if self._timer is not None:
            if first == self._timer[0]:
                return
            self._timer[1].cancel()
            self._timer = None
        if first is not None:
            delay = max(0.0, first - self._clock.seconds())
            self._timer = first, self._clock.callLater(delay, self._wake)

    def _wake(self) -> None:
        # A clock is a little early sometimes: what is due is what the timer
        # was set for.
        assert self._timer is not None
        now = max(self._clock.seconds(), self._timer[0])
        self._timer = None
        due = sorted(
            (when, task) for task, when in self._due.items() if when <= now
        )
        for _, task in due:
            self._due.pop(task, None)
        for _, task in due:
            self._do_safely(task)
        self._arm()

    def _do_safely(self, task: Task) -> None:
        try:
            self._do(*task)
        except Exception:
            # One that fails is no reason to forget the others.
            self.log.failure(
                "{what} of connector {n}", what=task[0], n=task[1]
            )
