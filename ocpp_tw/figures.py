"""
What is counted while it happens: plain numbers, read when somebody asks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from operator import itemgetter
from typing import Any

from attrs import field, frozen


#: The upper bounds of a L{Histogram}, in seconds.
BOUNDS = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1),
    *(0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)


class Histogram:
    """
    How many took how long.

    @ivar counts: how many took at most each of L{BOUNDS}, and longer than
        all; each is counted once.
    @ivar sum: of all of them, in seconds.
    """

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.sum = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.sum += seconds

    def add_all(self, seconds: Sequence[float]) -> None:
        counts = self.counts
        for place in map(bisect_left, repeat(BOUNDS), seconds):
            counts[place] += 1
        self.sum += sum(seconds)

    def buckets(self) -> Iterator[tuple[str, int]]:
        """
        Each bound as text, and how many took at most that.
        """
        total = 0
        for bound, count in zip((*BOUNDS, "+Inf"), self.counts, strict=True):
            total += count
            yield str(bound), total


@frozen
class Figure:
    """
    One number that is worth watching.

    @ivar name: C{cs_pool_size}; for Prometheus, so it ends in the unit.
    @ivar kind: C{gauge}, C{counter} (it only grows, and is named without the
        C{_total} of Prometheus) or C{histogram}.
    @ivar meaning: a sentence.
    @ivar labels: few names with few values: no identities.
    """

    name: str
    kind: str
    meaning: str
    value: float | Histogram
    labels: Mapping[str, str] = field(factory=dict)


def unanswered(reasons: Mapping[str, int]) -> Iterator[Figure]:
    """
    What every backend has that asks somebody else.

    @param reasons: how many Calls were not answered, by reason, of which
        there are few.
    """
    for reason, count in reasons.items():
        yield Figure(
            "cs_backend_unanswered",
            "counter",
            "Calls that the backend had no answer to, by reason.",
            count,
            {"reason": reason},
        )


def pool(busy: int, idle: int, waiting: int) -> Iterator[Figure]:
    """
    Connections that a backend asks by.
    """
    for state, count in {"busy": busy, "idle": idle}.items():
        yield Figure(
            "cs_pool_connections",
            "gauge",
            "Connections of the backend, by state.",
            count,
            {"state": state},
        )
    yield Figure(
        "cs_pool_waiting",
        "gauge",
        "What waits for a connection of the backend.",
        waiting,
    )


class Count(Histogram):
    """
    What became of the messages of one action, and how long that took.

    @ivar outcomes: how many, by C{result}, C{error} and C{no_answer}.
    """

    __slots__ = ("error", "no_answer", "result", "violations")

    def __init__(self) -> None:
        super().__init__()
        self.result = self.error = self.no_answer = self.violations = 0

    @property
    def outcomes(self) -> Mapping[str, int]:
        return {
            "result": self.result,
            "error": self.error,
            "no_answer": self.no_answer,
        }


#: What a message is counted under whose action nobody knows.
OTHER = "other"

#: The octet that makes a frame a CALLERROR: C{[4,...}.
_FOUR = ord("4")


class Tally:
    """
    Counts the messages that pass.

    @ivar received: by action, those that stations sent.
    @ivar sent: by action, those that we sent.
    @ivar strays: frames that were no messages, or answers to nothing.
    """

    def __init__(self, actions: Iterable[str]) -> None:
        """
        @param actions: those that there are; others are counted together.
        """
        self._actions = frozenset(actions)
        self.received: dict[str, Count] = {}
        self.sent: dict[str, Count] = {}
        self.strays = 0

    def note(self, entries: Sequence[Any]) -> None:
        """
        Messages passed: see L{ocpp_tw.messagelog.Entry}.
        """
        _, _, ways, _, actions, _, replies, seconds, violations, errors = zip(
            *entries, strict=True
        )
        if any(violations) or any(errors) or not all(replies):
            for entry in entries:
                self._note_one(entry)
            return
        # Nearly always: then those that are alike are counted together.
        alike: dict[tuple[str, str, int], list[float]] = defaultdict(list)
        kinds = map(itemgetter(1), replies)
        each = zip(ways, actions, kinds, strict=True)
        for what, took in zip(each, seconds, strict=True):
            alike[what].append(took)
        for (way, action, kind), all_took in alike.items():
            count = self._count(way, action)
            if kind == _FOUR:
                count.error += len(all_took)
            else:
                count.result += len(all_took)
            count.add_all(all_took)

    def _count(self, way: str, action: str) -> Count:
        counts = self.received if way == "in" else self.sent
        name = action if action in self._actions else OTHER
        return counts.setdefault(name, Count())

    def _note_one(self, entry: Any) -> None:
        if not entry.action:
            self.strays += 1
            return
        count = self._count(entry.direction, entry.action)
        count.violations += bool(entry.violations)
        if entry.reply is None:
            count.no_answer += 1
            return
        if entry.error or entry.reply[:2] == b"[4":
            count.error += 1
        else:
            count.result += 1
        count.add(entry.seconds)
