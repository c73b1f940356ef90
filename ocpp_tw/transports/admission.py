"""
Who connects waits in line when many do: those who are here are served on.

After a power failure all stations of a town come back at once.  Each costs a
handshake, a BootNotification and a commit; taken all at once they would make
the others wait until the last of them is done.  So only so many connections
are taken in a turn of the reactor, and in a second; the line is the kernel's,
which costs us nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime


#: How often the line moves on, in seconds.
TICK = 0.05

#: How many are taken in a turn of the reactor.
AT_ONCE = 20


class Admission:
    """
    Takes connections from listening ports at a bounded rate.

    @ivar rate: how many a second; 0 for as many as come.
    @ivar held: how often the line had to wait.
    """

    def __init__(
        self, clock: IReactorTime, is_busy: Callable[[], bool]
    ) -> None:
        """
        @param is_busy: whether those who are here keep us busy enough.
        """
        self.rate = 0
        self.held = 0
        self._clock = clock
        self._is_busy = is_busy
        self._ports: Sequence[Any] = ()
        self._taken = 0.0
        self._timer: IDelayedCall | None = None
        self._waits = False

    def watch(self, ports: Sequence[Any]) -> None:
        """
        Take connections from these ports from now on; they are reading.
        """
        self._ports = ports
        self._waits = False

    def came(self) -> None:
        """
        A connection was taken.
        """
        self._taken += 1
        for port in self._ports:
            # Twisted would take 20 more each time there were enough.
            port.numberAccepts = AT_ONCE
        if not self._waits and self.rate and self._taken >= self._share:
            self._hold()
        if self._timer is None:
            self._timer = self._clock.callLater(TICK, self._move_on)

    @property
    def _share(self) -> float:
        return max(1.0, self.rate * TICK)

    def _hold(self) -> None:
        self._waits = True
        self.held += 1
        for port in self._ports:
            port.stopReading()

    def _move_on(self) -> None:
        self._timer = None
        paid = self.rate * TICK if self.rate else self._taken
        self._taken = max(0.0, self._taken - paid)
        if self._taken > self._share - 1 or (self._waits and self._is_busy()):
            self._timer = self._clock.callLater(TICK, self._move_on)
        elif self._waits:
            self._waits = False
            for port in self._ports:
                port.startReading()

    def close(self) -> None:
        """
        Take no more.
        """
        self._ports = ()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
