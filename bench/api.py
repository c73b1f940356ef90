"""
C{python -m bench.api}: the REST API while stations are there.

How many commands a second reach emulated stations and come back answered; how
long a page of a list over 10,000 stations takes; and whether stations wait
longer while 200 clients watch all that happens.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import Event, Process, Value
from statistics import median
from time import perf_counter
from typing import Any
from urllib.request import urlopen

from attrs import asdict, evolve, field, frozen

from .fleet import Fleet
from .load import (
    AT_ONCE,
    PATIENCE,
    _percentile_ms,
    _undisturbed,
    tell,
)
from .messages import boot
from .process import cpu_seconds
from .run import _cpus
from .servers import SERVERS, Running, running
from .storm import _Talk


#: What a page of 100 stations may take at most (p99), in milliseconds.
PAGE_MS = 50.0

#: What stations may wait longer, in the median, while others watch: less
#: than that is what two measurements of the same differ by, in milliseconds.
NOTHING_MS = 1.0

#: How often it is measured without those who watch, and with them.
ROUNDS = 3

#: How many of the stations of a list are connected at the same time.
BATCH = 1000

#: The pages that are asked for in turn.
PAGES = (
    "/stations?limit=100",
    "/stations?limit=100&cursor=BENCH05",
    "/stations?limit=100&q=bench09",
    "/stations?limit=100&connected=false&version=1.6",
    "/stations?limit=100&vendor=nobody",
)

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: (\d+)")


@frozen
class Figures:
    """
    Requests of one kind.

    @ivar wrong: how many were not answered as they should be.
    """

    rate: float
    p50_ms: float
    p99_ms: float
    wrong: int = 0


@frozen
class Watched:
    """
    What stations wait, in the median over rounds.

    @ivar cpu: the share of a CPU that the server takes.
    @ivar events: how many those who watch were told.
    """

    p50_ms: float
    p99_ms: float
    cpu: float
    events: int = 0


@frozen
class Outcome:
    """
    All of it.
    """

    commands: Figures
    pages: dict[str, Figures] = field(factory=dict)
    alone: Watched | None = None
    watched: Watched | None = None
    errors: int = 0


# HTTP


class Client:
    """
    One connection that is kept, and a request at a time.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def of(cls, port: int) -> Client:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def ask(
        self, method: str, path: str, body: bytes = b""
    ) -> tuple[int, bytes]:
        """
        Status and body of the answer.
        """
        self._writer.write(_head(method, path, body) + body)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        size = int(length[1]) if length else 0
        return int(head[9:12]), await self._reader.readexactly(size)

    def close(self) -> None:
        self._writer.close()


def _head(method: str, path: str, body: bytes = b"") -> bytes:
    return (
        f"{method} /api/v1{path} HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        "\r\n"
    ).encode()


Ask = Callable[[Client, int], Any]


async def _asking(
    port: int, clients: int, seconds: float, ask: Ask
) -> Figures:
    """
    Let so many clients ask, each as soon as it was answered.

    @param ask: asks for a client of that number; returns whether the answer
        was right.
    """
    took: list[float] = []
    wrong = 0

    async def go_on(number: int) -> None:
        nonlocal wrong
        client = await Client.of(port)
        while perf_counter() < end:
            began = perf_counter()
            wrong += not await ask(client, number)
            took.append(perf_counter() - began)
        client.close()

    began = perf_counter()
    end = began + seconds
    await asyncio.gather(*(go_on(number) for number in range(clients)))
    rate = len(took) / (perf_counter() - began)
    return Figures(round(rate, 1), *_percentiles(took), wrong)


def _percentiles(seconds: Sequence[float]) -> tuple[float, float]:
    """
    p50 and p99 in milliseconds.
    """
    ordered = sorted(seconds)
    p50, p99 = (
        round(_percentile_ms(ordered, percent) or 0.0, 2)
        for percent in (50, 99)
    )
    return p50, p99


def port_of(it: Running) -> int:
    return int(it.url.split(":")[2].partition("/")[0])


# Commands


def commands(it: Running, clients: int, seconds: float) -> Figures:
    """
    Each client asks an emulated station of its own for a configuration key.
    """
    body = b'{"key": ["HeartbeatInterval"]}'

    async def ask(client: Client, number: int) -> bool:
        path = f"/ChargePoint/EMU{number + 1}/GetConfiguration"
        status, answer = await client.ask("POST", path, body)
        return status == 200 and b'"HeartbeatInterval"' in answer

    with _emulated(it, clients):
        return asyncio.run(_asking(port_of(it), clients, seconds, ask))


@contextmanager
def _emulated(it: Running, count: int) -> Iterator[None]:
    """
    Emulated stations in a process of their own, where the load runs.
    """
    words = ["--url", it.url, "--count", str(count), "--pattern", "EMU{}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "ocpp_tw.emulator", "fleet", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _await(it, "connected=true&q=emu", count)
        yield
    finally:
        process.terminate()
        process.wait()


def _await(it: Running, query: str, count: int) -> None:
    """
    Wait until so many stations are listed.
    """
    url = f"http://127.0.0.1:{port_of(it)}/api/v1/stations?limit=1000&{query}"
    end = time.monotonic() + PATIENCE
    while True:
        with urlopen(url, timeout=PATIENCE) as answer:
            found = len(json.load(answer)["items"])
        if found >= count:
            return
        if time.monotonic() > end:
            raise SystemExit(f"{found} of {count} stations came")
        time.sleep(0.1)


# Lists


def pages(
    it: Running, stations: int, clients: int, seconds: float
) -> tuple[dict[str, Figures], int]:
    """
    Let so many stations boot and go; then ask for pages of their list.

    @return: the figures of each page, and the errors of the stations.
    """
    errors = _let_boot(it.url, stations)
    found: dict[str, Figures] = {}
    for path in PAGES:
        ask = _asks_for(path)
        each = _asking(port_of(it), clients, seconds / len(PAGES), ask)
        found[path] = asyncio.run(each)
    return found, errors


def _let_boot(url: str, stations: int) -> int:
    """
    Let so many stations boot and go, some at a time.

    @return: their errors.
    """
    errors = 0
    for number, before in enumerate(range(0, stations, BATCH)):
        fleet = Fleet(url, tell, b"BENCH%02d" % number)
        try:
            count = min(BATCH, stations - before)
            fleet.send_out(count, boot, AT_ONCE)
            fleet.finish(PATIENCE)
        finally:
            fleet.disband()
        errors += fleet.errors
    return errors


def _asks_for(path: str) -> Ask:
    async def ask(client: Client, _: int) -> bool:
        status, answer = await client.ask("GET", path)
        return status == 200 and answer.startswith(b'{"items":')

    return ask


# Those who watch


def watched(
    it: Running, stations: int, readers: int, seconds: float
) -> tuple[Watched, Watched, int]:
    """
    Stations that send a Heartbeat each second, while nobody watches and
    while many do, in turn.

    @return: the one, the other, and the errors of the stations.
    """
    fleet = Fleet(it.url, tell, b"QUIET")
    fleet.send_out(stations, boot, AT_ONCE)
    fleet.finish(PATIENCE)
    talk = _Talk(fleet)
    alone: list[Watched] = []
    others: list[Watched] = []
    _talked(it, talk, 1.0)
    for number in range(ROUNDS):
        tell(f"round {number + 1} of {ROUNDS}: nobody watches")
        alone.append(_talked(it, talk, seconds))
        with _watchers(it, readers) as events:
            tell(f"round {number + 1} of {ROUNDS}: {readers} watch")
            one = _talked(it, talk, seconds)
            others.append(evolve(one, events=events()))
    fleet.disband()
    return _middle(alone), _middle(others), fleet.errors


def _talked(it: Running, talk: _Talk, seconds: float) -> Watched:
    cpu, began = cpu_seconds(it.pid), perf_counter()
    took = talk.until(lambda: perf_counter() - began > seconds)
    share = (cpu_seconds(it.pid) - cpu) / (perf_counter() - began)
    return Watched(*_percentiles(took), round(share, 3))


def _middle(rounds: Sequence[Watched]) -> Watched:
    p50, p99, cpu = (
        round(median(getattr(each, name) for each in rounds), 3)
        for name in ("p50_ms", "p99_ms", "cpu")
    )
    return Watched(p50, p99, cpu, sum(each.events for each in rounds))


@contextmanager
def _watchers(it: Running, count: int) -> Iterator[Callable[[], int]]:
    """
    So many who watch, in a process of their own; the stations of the bench
    are not to wait for them within it.

    @return: tells how many events all of them were told.
    """
    here, enough, events = Event(), Event(), Value("q", 0)
    process = Process(
        target=_watch, args=(port_of(it), count, here, enough, events)
    )
    process.start()
    try:
        if not here.wait(PATIENCE):
            raise SystemExit(f"not all of {count} could watch")
        yield lambda: int(events.value)
    finally:
        enough.set()
        process.join(PATIENCE)
        process.kill()


def _watch(port: int, count: int, here: Any, enough: Any, events: Any) -> None:
    asyncio.run(_watch_all(port, count, here, enough, events))


async def _watch_all(
    port: int, count: int, here: Any, enough: Any, events: Any
) -> None:
    def heard(part: bytes) -> None:
        events.value += part.count(b"\nevent: ")

    streams = [
        await asyncio.open_connection("127.0.0.1", port) for _ in range(count)
    ]
    for reader, writer in streams:
        writer.write(_head("GET", "/events"))
        await reader.readuntil(b"retry: 2000")
    here.set()
    reading = [asyncio.create_task(_read(r, heard)) for r, _ in streams]
    while not enough.is_set():
        await asyncio.sleep(0.05)
    for task in reading:
        task.cancel()


async def _read(
    reader: asyncio.StreamReader, heard: Callable[[bytes], None]
) -> None:
    while part := await reader.read(1 << 16):
        heard(part)


# All of it


def measure(it: Running, asked: argparse.Namespace) -> Outcome:
    """
    One phase after the other.
    """
    tell("commands")
    commanded = commands(it, asked.clients, asked.seconds)
    tell(f"those who watch {asked.quiet} stations")
    alone, others, errors = watched(
        it, asked.quiet, asked.readers, asked.seconds
    )
    tell(f"a list of {asked.stations} stations")
    listed, more = pages(it, asked.stations, asked.pagers, asked.seconds)
    return Outcome(commanded, listed, alone, others, errors + more)


def is_good(outcome: Outcome) -> bool:
    """
    Whether it is what we promise.
    """
    figures = (outcome.commands, *outcome.pages.values())
    alone, others = outcome.alone, outcome.watched
    return (
        not outcome.errors
        and not any(each.wrong for each in figures)
        and all(each.p99_ms < PAGE_MS for each in outcome.pages.values())
        and alone is not None
        and others is not None
        and others.events > 0
        and others.p50_ms - alone.p50_ms < NOTHING_MS
    )


def main(words: Sequence[str] | None = None) -> int:
    """
    @return: 0 where all is as promised.
    """
    options = argparse.ArgumentParser(
        "python -m bench.api", description=__doc__
    )
    options.add_argument("name", nargs="?", default="embedded")
    options.add_argument("--seconds", type=float, default=10)
    options.add_argument("--clients", type=int, default=16)
    options.add_argument("--pagers", type=int, default=2)
    options.add_argument("--stations", type=int, default=10_000)
    options.add_argument("--quiet", type=int, default=300)
    options.add_argument("--readers", type=int, default=200)
    asked = options.parse_args(words)
    [server] = [each for each in SERVERS if each.name == asked.name]
    # One address asks it all.
    settings = {**server.environment, "CS_API_REQUESTS_PER_MINUTE": "0"}
    theirs, mine = _cpus()
    os.sched_setaffinity(0, mine)
    with (
        _undisturbed(),
        running(evolve(server, environment=settings), theirs) as it,
    ):
        outcome = measure(it, asked)
    print(json.dumps(asdict(outcome), indent=2))
    return 0 if is_good(outcome) else 1


if __name__ == "__main__":
    raise SystemExit(main())
