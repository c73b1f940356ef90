"""
What a fleet of emulated stations has said and heard, counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from math import log

from ..ocpp.messages import Call
from .findings import Ear, is_refusal
from .station import Station


#: Each bucket of the latencies is so much wider than the one before.
_GROWTH = 1.1
_SMALLEST = 1e-5
_PER_BUCKET = log(_GROWTH)


class Tally:
    """
    @ivar sent: Calls that were sent.
    @ivar answered: Calls that were answered with a CallResult.
    @ivar refused: those answered with a CallError.
    @ivar unanswered: those not answered in time.
    @ivar cut_off: those whose answer was lost with the connection.
    @ivar heard: Calls of the central system.
    @ivar strays: frames that were no message, or that nobody waited for.
    """

    def __init__(
        self, seconds: Callable[[], float], timeout: float = 30.0
    ) -> None:
        """
        @param timeout: how many seconds an answer has.
        """
        self.seconds = seconds
        self.timeout = timeout
        self.sent = 0
        self.answered = 0
        self.refused = 0
        self.unanswered = 0
        self.cut_off = 0
        self.heard = 0
        self.strays = 0
        self.by_action: Counter[str] = Counter()
        self._latencies: Counter[int] = Counter()

    @property
    def errors(self) -> int:
        return self.refused + self.unanswered + self.strays

    @property
    def messages(self) -> int:
        """
        Frames in both directions, as they are counted by people.
        """
        return self.sent + self.answered + self.refused + 2 * self.heard

    def witness(self, station: Station) -> Watch:
        """
        What counts one conversation.
        """
        return Watch(self, station)

    def took(self, seconds: float) -> None:
        bucket = int(log(max(seconds, _SMALLEST) / _SMALLEST) / _PER_BUCKET)
        self._latencies[bucket] += 1

    def percentile(self, part: float) -> float:
        """
        The seconds within which that part of the answers came.
        """
        wanted = part * self._latencies.total()
        for bucket in sorted(self._latencies):
            wanted -= self._latencies[bucket]
            if wanted <= 0:
                return float(_SMALLEST * _GROWTH ** (bucket + 1))
        return 0.0


class Watch(Ear):
    """
    Counts one conversation, which nobody remembers.
    """

    __slots__ = ("_asked_at", "_tally")

    def __init__(self, tally: Tally, station: Station) -> None:
        super().__init__(station)
        self._tally = tally
        self._asked_at = 0.0

    def answered(self, call: Call, frame: bytes, reply: bytes) -> None:
        self._tally.heard += 1

    def asked(self, call: Call, frame: bytes) -> None:
        self._tally.sent += 1
        self._tally.by_action[call.action] += 1
        self._asked_at = self._tally.seconds()

    def was_answered(
        self, call: Call, frame: bytes, reply: bytes | None
    ) -> None:
        tally = self._tally
        elapsed = tally.seconds() - self._asked_at
        if reply is None:
            in_vain = elapsed >= tally.timeout
            tally.unanswered += in_vain
            tally.cut_off += not in_vain
            return
        tally.took(elapsed)
        if is_refusal(reply):
            tally.refused += 1
        else:
            tally.answered += 1

    def stray(self, frame: bytes, why: str) -> None:
        super().stray(frame, why)
        self._tally.strays += 1
