"""
The load generator: what one running server can do.

C{python -m bench.load ws://127.0.0.1:9220/ocpp --pid PID} measures a server
that was started by other means.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from attrs import asdict, frozen

from .fleet import Fleet
from .messages import boot, charge, mixed, quiet
from .process import cpu_seconds, resident_kib


#: Seconds that a single phase may take when the server does not come along.
PATIENCE = 60
#: Seconds that the last answers may take.
OWED = 5
#: Seconds after which memory has come to rest.
SETTLED = 0.5
#: How many stations shake hands at a time when nothing hurries them.
AT_ONCE = 50

Tell = Callable[[str], None]


@frozen
class Plan:
    """
    How much of everything.

    @ivar stations: stations that talk, one Call in flight each.
    @ivar seconds: how long they are measured, after C{warm_up} seconds.
    @ivar idle: stations that connect, boot and stay quiet; 0 for none.
    """

    stations: int = 200
    seconds: float = 10
    warm_up: float = 2
    idle: int = 1000


@frozen
class Result:
    """
    What was measured; None where there was nothing to measure it by.

    @ivar cpu_us: CPU of the server per message, in microseconds.
    @ivar idle_kib: memory of the server per booted, quiet station.
    @ivar storm_s: seconds until all idle stations, connecting at once, had
        booted.
    @ivar generator: the share of a CPU that this generator itself took;
        near 1 it measured itself.
    """

    rate: float
    p50_ms: float | None
    p99_ms: float | None
    errors: int
    generator: float
    cpu_us: float | None = None
    connects: float | None = None
    idle_kib: float | None = None
    storm_s: float | None = None


def measure(
    url: str,
    pid: int | None = None,
    plan: Plan = Plan(),
    tell: Tell = lambda text: None,
) -> Result:
    """
    All phases, one after the other, against the server at this address.

    @param url: C{ws://host:port/path}, to which the identity is added.
    @param pid: the process of the server, if its CPU and memory are asked.
    """
    bench = _Bench(url, pid, tell)
    with _undisturbed():
        bench.warm_up()
        # Memory first: later on, what was freed would be used again.
        figures = bench.idle(plan.idle) if plan.idle else {}
        figures |= bench.storm(plan.idle) if plan.idle else {}
        figures |= bench.load(plan)
    return Result(errors=bench.errors, **figures)


class _Bench:
    """
    The phases, each with a fleet of its own.
    """

    def __init__(self, url: str, pid: int | None, tell: Tell) -> None:
        self._url, self._pid, self._tell = url, pid, tell
        self.errors = 0

    @contextmanager
    def _fleet(self) -> Iterator[Fleet]:
        fleet = Fleet(self._url, self._tell)
        try:
            yield fleet
        finally:
            fleet.disband()
            self.errors += fleet.errors
            time.sleep(0.2)

    def warm_up(self) -> None:
        """
        Let the server load what it loads at first use.
        """
        with self._fleet() as fleet:
            fleet.send_out(20, charge, AT_ONCE)
            fleet.finish(PATIENCE)

    def idle(self, count: int) -> dict[str, Any]:
        """
        Stations that connect at ease, boot, and are quiet.
        """
        before = self._memory()
        with self._fleet() as fleet:
            fleet.send_out(count, quiet, AT_ONCE)
            connects = count / fleet.finish(PATIENCE)
            fleet.follow(boot)
            fleet.finish(PATIENCE)
            time.sleep(SETTLED)
            used = self._memory() - before
        self._tell(f"{count} stations: {connects:.0f} connects/s")
        return {
            "connects": connects,
            "idle_kib": used / count if self._pid else None,
        }

    def storm(self, count: int) -> dict[str, Any]:
        """
        Stations that all connect at once, and boot.
        """
        with self._fleet() as fleet:
            fleet.send_out(count, boot, count)
            took = fleet.finish(PATIENCE)
        self._tell(f"{count} stations at once: booted in {took:.2f} s")
        return {"storm_s": took}

    def load(self, plan: Plan) -> dict[str, Any]:
        """
        Stations that talk as fast as they are answered.
        """
        with self._fleet() as fleet:
            fleet.send_out(plan.stations, mixed, AT_ONCE)
            fleet.run(plan.warm_up)
            fleet.latencies.clear()
            cpu, own = self._cpu(), time.process_time()
            took = fleet.run(plan.seconds)
            cpu, own = self._cpu() - cpu, time.process_time() - own
            latencies = sorted(fleet.latencies)
            fleet.stop(OWED)
        count = len(latencies)
        self._tell(f"{count / took:.0f} messages/s")
        return {
            "rate": count / took,
            "p50_ms": _percentile_ms(latencies, 50),
            "p99_ms": _percentile_ms(latencies, 99),
            "generator": own / took,
            "cpu_us": cpu / count * 1e6 if self._pid and count else None,
        }

    def _cpu(self) -> float:
        return cpu_seconds(self._pid) if self._pid else 0

    def _memory(self) -> float:
        return resident_kib(self._pid) if self._pid else 0


@contextmanager
def _undisturbed() -> Iterator[None]:
    """
    Without pauses of our own, and with as many sockets as we may have.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _percentile_ms(ordered: Sequence[float], percent: int) -> float | None:
    """
    The milliseconds that so many percent of the seconds do not exceed.
    """
    if not ordered:
        return None
    return ordered[(len(ordered) - 1) * percent // 100] * 1000


def parser(description: str | None) -> argparse.ArgumentParser:
    """
    The options that say how much of everything.
    """
    options = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for each, meaning in _OPTIONS.items():
        default = getattr(Plan(), each)
        options.add_argument(
            "--" + each.replace("_", "-"),
            type=type(default),
            default=default,
            help=f"{meaning} ({default})",
        )
    return options


_OPTIONS = {
    "stations": "stations that talk, one Call in flight each",
    "seconds": "seconds that are measured",
    "warm_up": "seconds before that",
    "idle": "stations that connect, boot and stay quiet; 0 for none",
}


def plan_of(arguments: argparse.Namespace) -> Plan:
    """
    What was asked for on the command line.
    """
    return Plan(**{each: getattr(arguments, each) for each in _OPTIONS})


def tell(text: str) -> None:
    """
    Show progress where it does not mix with results.
    """
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """
    Measure one server; the result is a JSON object on the standard output.
    """
    options = parser(__doc__)
    options.add_argument("url", help="ws://host:port/path")
    options.add_argument("--pid", type=int, help="the server's process")
    arguments = options.parse_args()
    plan = plan_of(arguments)
    result = measure(arguments.url, arguments.pid, plan, tell)
    print(json.dumps(asdict(result), indent=2))
    return 1 if result.errors else 0


if __name__ == "__main__":
    raise SystemExit(main())
