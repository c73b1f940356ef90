"""
C{python -m bench.storm}: thousands come back at once; is everybody served?

A few hundred stations have booted and send a Heartbeat every now and then.
Then all the others connect at once, and boot.  What counts is when the last
one has booted, how long those wait that were there before, and whether any
of them was dropped.
"""

from __future__ import annotations

import argparse
import json
import os
import random
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection
from time import perf_counter

from attrs import asdict, frozen

from .fleet import Fleet, Station
from .load import AT_ONCE, PATIENCE, tell
from .messages import BOOT, HEARTBEAT, Request
from .run import _cpus
from .servers import SERVERS, running


#: How often each station that is there sends a Heartbeat, in seconds.
INTERVAL = 1.0
#: How long they are watched before the storm, in seconds.
CALM = 2.0
#: How long the loop runs between two looks at who is to send, in seconds.
GLANCE = 0.005


@frozen
class Outcome:
    """
    @ivar booted_s: when the last of the storm had booted.
    @ivar p50_ms: of the answers to those that were there before.
    @ivar dropped: how many of them lost their connection.
    @ivar errors: of any station.
    """

    booted_s: float
    p50_ms: float
    p99_ms: float
    worst_ms: float
    calm_p99_ms: float
    dropped: int
    errors: int


def main(words: Sequence[str] | None = None) -> int:
    """
    @return: 0 where everybody was served in time.
    """
    options = argparse.ArgumentParser("python -m bench.storm")
    options.add_argument("name", nargs="?", default="embedded")
    options.add_argument("--there", type=int, default=300)
    options.add_argument("--storm", type=int, default=5000)
    options.add_argument("--url", help="of a server that runs already")
    asked = options.parse_args(words)
    if asked.url:
        outcome = storm(asked.url, asked.there, asked.storm)
    else:
        outcome = _of_server(asked.name, asked)
    print(json.dumps(asdict(outcome), indent=2))
    return 0 if is_good(outcome) else 1


def _of_server(name: str, asked: argparse.Namespace) -> Outcome:
    [server] = [each for each in SERVERS if each.name == name]
    theirs, mine = _cpus()
    os.sched_setaffinity(0, mine)
    with running(server, theirs) as it:
        return storm(it.url, asked.there, asked.storm)


def is_good(outcome: Outcome) -> bool:
    """
    Whether it is what we promise for 5,000.
    """
    return (
        outcome.booted_s < 15
        and outcome.p99_ms < 500
        and not outcome.dropped
        and not outcome.errors
    )


def storm(url: str, there: int, count: int) -> Outcome:
    """
    Let so many stations boot, and then so many come at once.
    """
    # Those that are there have a process of their own: they are not to wait
    # for the others within the bench.
    ours, theirs = Pipe()
    residents = Process(target=_reside, args=(url, there, theirs))
    residents.start()
    try:
        calm = ours.recv()
        tell(f"{there} stations are there; {count} come")
        booted, errors = _come(url, count, ours)
        latencies, dropped, more = ours.recv()
    finally:
        residents.join(PATIENCE)
        residents.kill()
    return Outcome(
        booted_s=round(booted, 2),
        p50_ms=_percentile(latencies, 50),
        p99_ms=_percentile(latencies, 99),
        worst_ms=_percentile(latencies, 100),
        calm_p99_ms=_percentile(calm, 99),
        dropped=dropped,
        errors=errors + more,
    )


def _come(url: str, count: int, residents: Connection) -> tuple[float, int]:
    comers = Fleet(url, tell, b"COMER")
    try:
        began = perf_counter()
        comers.send_out(count, _boot, count)
        comers.finish(PATIENCE)
        return perf_counter() - began, comers.errors
    finally:
        residents.send("enough")
        comers.disband()


def _reside(url: str, there: int, pipe: Connection) -> None:
    residents = Fleet(url, tell)
    residents.send_out(there, _boot, AT_ONCE)
    residents.finish(PATIENCE)
    talk = _Talk(residents)
    pipe.send(talk.until(lambda: talk.lasted > CALM))
    latencies = talk.until(pipe.poll)
    pipe.send((latencies, residents.lost, residents.errors))
    residents.disband()


class _Talk:
    """
    The Heartbeats of those that are there.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._began = began = perf_counter()
        self._due = {
            station: began + random.uniform(0, INTERVAL)
            for station in fleet.stations
        }

    @property
    def lasted(self) -> float:
        return perf_counter() - self._began

    def until(self, enough: Callable[[], bool]) -> list[float]:
        """
        @return: how long each answer took that came meanwhile, in seconds.
        """
        self._fleet.latencies.clear()
        while not enough():
            self._send()
            self._fleet.run(GLANCE)
        return list(self._fleet.latencies)

    def _send(self) -> None:
        now = perf_counter()
        for station, due in self._due.items():
            if due <= now and not station.waits and station.is_there:
                self._due[station] = now + INTERVAL
                station.follow(_beat)


def _boot(_: Station) -> Iterator[Request]:
    yield BOOT


def _beat(_: Station) -> Iterator[Request]:
    yield HEARTBEAT


def _percentile(seconds: list[float], percent: int) -> float:
    ordered = sorted(seconds)
    place = min(len(ordered) - 1, len(ordered) * percent // 100)
    return round(ordered[place] * 1000, 1) if ordered else 0.0


if __name__ == "__main__":
    raise SystemExit(main())
