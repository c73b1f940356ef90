"""
How much a fleet of emulated stations needs, and how much it can say.

::

    python -m bench.emulated --url ws://127.0.0.1:9220/ocpp --count 5000
    python -m bench.emulated --url ws://127.0.0.1:9220/ocpp --count 1000 \\
        --heartbeats 8000
"""

from __future__ import annotations

import os
import resource
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from twisted.internet import reactor

from ocpp_tw.emulator.clock import FastClock
from ocpp_tw.emulator.fleet import Fleet, FleetPlan
from ocpp_tw.emulator.keys import Given


_REACTOR: Any = reactor

#: The heartbeat interval that our embedded backend tells, in seconds.
INTERVAL = 300


def memory() -> float:
    """
    MiB that this process has now.
    """
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def _plan(options: Namespace) -> FleetPlan:
    return FleetPlan(
        options.url,
        options.count,
        rate=options.rate,
        keys={"WebSocketPingInterval": Given("0")},
    )


def _clock(options: Namespace) -> Any:
    if not options.heartbeats:
        return _REACTOR
    speed = options.heartbeats * INTERVAL / options.count
    return FastClock(_REACTOR, speed)


def main() -> None:
    parser = ArgumentParser(description="What emulated stations cost.")
    parser.add_argument("--url", default="ws://127.0.0.1:9220/ocpp")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=250.0)
    parser.add_argument(
        "--heartbeats", type=float, default=0.0, help="offered per second"
    )
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    before = memory()
    fleet = Fleet(_plan(options), _REACTOR, _clock(options))
    fleet.startService()
    marks: list[tuple[float, float, int]] = []
    told: dict[str, object] = {}

    def mark() -> None:
        marks.append((time.time(), time.process_time(), fleet.tally.answered))
        told["booted"] = fleet.counts()["booted"]
        told["memory"] = f"{memory():.0f} MiB, {before:.0f} without"
        told["errors"] = fleet.tally.errors
        told["p99"] = f"{fleet.tally.percentile(0.99) * 1e3:.1f} ms"

    settled = options.count / options.rate + 3
    _REACTOR.callLater(settled, mark)
    _REACTOR.callLater(settled + options.seconds, mark)
    _REACTOR.callLater(settled + options.seconds, _REACTOR.stop)
    _REACTOR.run()
    (began, spent, before_it), (ended, by_then, after_it) = marks
    seconds = ended - began
    told["calls per second"] = round((after_it - before_it) / seconds)
    told["CPU"] = round((by_then - spent) / seconds, 2)
    for name, value in told.items():
        print(f"{name:20} {value}")


if __name__ == "__main__":
    main()
