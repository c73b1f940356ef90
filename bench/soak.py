"""
C{python -m bench.soak}: does the memory of the server come to rest?

Stations connect, boot, charge a car and leave, again and again, for days if
need be, and the memory is looked at after each round.  What counts is how
much it grows in an hour over the second half, when whatever has a bound has
reached it.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from statistics import linear_regression
from time import perf_counter, sleep

from attrs import asdict, frozen

from .fleet import Fleet, Station
from .load import AT_ONCE, PATIENCE, tell
from .messages import BOOT, Request, charge
from .process import resident_kib
from .run import _cpus
from .servers import SERVERS, running


#: By how many KiB an hour the memory may grow.
LIMIT = 1024.0


@frozen
class Plan:
    """
    @ivar every: how many seconds after another a round begins.
    """

    hours: float = 72
    stations: int = 200
    every: float = 60


@frozen
class Outcome:
    """
    @ivar kib: of memory after the first round, in the middle, and in the end.
    @ivar kib_per_hour: how much it grew over the second half.
    """

    rounds: int
    errors: int
    kib: tuple[float, float, float]
    kib_per_hour: float


def main(words: Sequence[str] | None = None) -> int:
    """
    @return: 0 where the memory came to rest, and every answer was right.
    """
    options = argparse.ArgumentParser("python -m bench.soak")
    options.add_argument("name", nargs="?", default="embedded")
    options.add_argument("--hours", type=float, default=Plan().hours)
    options.add_argument("--stations", type=int, default=Plan().stations)
    options.add_argument("--every", type=float, default=Plan().every)
    options.add_argument("--limit", type=float, default=LIMIT)
    asked = options.parse_args(words)
    [server] = [each for each in SERVERS if each.name == asked.name]
    theirs, mine = _cpus()
    os.sched_setaffinity(0, mine)
    plan = Plan(asked.hours, asked.stations, asked.every)
    with running(server, theirs) as it:
        outcome = soak(it.url, it.pid, plan)
    print(json.dumps(asdict(outcome), indent=2))
    return int(bool(outcome.errors) or outcome.kib_per_hour > asked.limit)


def soak(url: str, pid: int, plan: Plan) -> Outcome:
    """
    Let stations come, charge and go, and look at the memory of the server.
    """
    began, errors = perf_counter(), 0
    seen: list[tuple[float, float]] = []
    while not seen or seen[-1][0] < plan.hours:
        due = perf_counter() + plan.every
        errors += _round(url, plan.stations)
        hours = (perf_counter() - began) / 3600
        seen.append((hours, resident_kib(pid)))
        tell("{:.3f} h: {:.0f} KiB".format(*seen[-1]))
        sleep(max(0.0, due - perf_counter()))
    return outcome_of(seen, errors)


def _round(url: str, stations: int) -> int:
    fleet = Fleet(url, tell)
    try:
        fleet.send_out(stations, _visit, AT_ONCE)
        fleet.finish(PATIENCE)
    finally:
        fleet.disband()
    return fleet.errors


def _visit(station: Station) -> Iterator[Request]:
    yield BOOT
    yield from charge(station)


def outcome_of(seen: Sequence[tuple[float, float]], errors: int) -> Outcome:
    """
    What comes of what was seen: hours, and KiB.

    >>> outcome_of([(0, 100), (1, 900), (2, 1000), (3, 1010)], 0).kib_per_hour
    10.0
    """
    middle = len(seen) // 2
    hours, kib = zip(*seen[middle:], strict=True)
    grown = linear_regression(hours, kib).slope if len(hours) > 1 else 0.0
    ends = seen[0][1], seen[middle][1], seen[-1][1]
    return Outcome(len(seen), errors, ends, round(grown, 1))


if __name__ == "__main__":
    raise SystemExit(main())
