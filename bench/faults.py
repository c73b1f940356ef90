"""
C{python -m bench.faults}: what is lost when those we ask fail in the middle
of it?  Nothing that a station was acknowledged.

Stations charge at C{twistd cs}, and send again what is not acknowledged, while
PostgreSQL restarts, or the webhook is killed, again and again.  Afterwards
each transaction that was acknowledged is looked for where it is to be.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

from attrs import asdict, define, field, frozen
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from .cluster import Cluster
from .servers import _CHECKOUT, Server, _environment, _ours, free_port, running


#: How long a station waits before it sends again, in seconds.
PAUSE = 0.05

#: The energy of each transaction, in Wh.
ENERGY = 7


@frozen
class Outcome:
    """
    @ivar failures: how often what we ask failed.
    @ivar acknowledged: transactions that were started and stopped.
    @ivar missing: those of them that nobody keeps.
    @ivar too_many: transactions that are kept, and were not acknowledged.
    @ivar refused: answers that were a CALLERROR: the station sent again.
    @ivar dropped: connections that stations lost.
    """

    failures: int
    acknowledged: int
    missing: int
    too_many: int
    refused: int
    dropped: int
    seconds: float

    @property
    def is_good(self) -> bool:
        """
        Whether it is what we promise.
        """
        return not (self.missing or self.too_many or self.dropped)


@frozen
class Scene:
    """
    What fails, and where the transactions are kept.

    @ivar server: C{twistd cs}, which asks it.
    @ivar fail: makes it fail, and come back.
    @ivar kept: the ids of the transactions that are stopped and right, and
        how many there are in all.
    """

    server: Server
    fail: Callable[[], object]
    kept: Callable[[], tuple[set[int], int]]


@contextmanager
def postgres() -> Iterator[Scene]:
    """
    PostgreSQL, which restarts: gently, and as after a power failure.
    """
    import psycopg2

    from ocpp_tw.backends.postgres.schema import install

    cluster = Cluster(free_port())
    modes = cycle(["fast", "immediate"])

    def kept() -> tuple[set[int], int]:
        connection = psycopg2.connect(**cluster.conninfo)  # type: ignore[call-overload]
        with closing(connection), connection.cursor() as cursor:
            cursor.execute(_KEPT.format(table="ocpp.transaction"))
            return _split(cursor.fetchall())

    try:
        install(cluster.conninfo)
        server = _ours(
            "postgres",
            CS_BACKEND_NAME="postgres",
            PGHOST=cluster.conninfo["host"],
            PGPORT=cluster.conninfo["port"],
            PGUSER=cluster.conninfo["user"],
            PGDATABASE=cluster.conninfo["dbname"],
        )
        yield Scene(server, lambda: cluster.restart(next(modes)), kept)
    finally:
        cluster.remove()


@contextmanager
def webhook() -> Iterator[Scene]:
    """
    A web server, which is killed.
    """
    port = free_port()
    with TemporaryDirectory(prefix="bench-") as folder:
        file = Path(folder, "endpoint.sqlite3")

        def start() -> subprocess.Popen[bytes]:
            words = ["-m", "bench.durable_webhook", str(port), str(file)]
            return subprocess.Popen(
                [sys.executable, *words], cwd=_CHECKOUT, env=_environment()
            )

        def kill() -> None:
            process = started.pop()
            process.kill()
            process.wait()

        def fail() -> None:
            kill()
            started.append(start())

        def kept() -> tuple[set[int], int]:
            with closing(sqlite3.connect(file)) as database:
                rows = database.execute(_KEPT.format(table="transactions"))
                return _split(rows.fetchall())

        started = [start()]
        url = f"http://127.0.0.1:{port}/"
        server = _ours(
            "webhook", CS_BACKEND_NAME="webhook", CS_WEBHOOK_URL=url
        )
        try:
            yield Scene(server, fail, kept)
        finally:
            kill()


SCENES = {"postgres": postgres, "webhook": webhook}

_KEPT = f"SELECT id, energy = {ENERGY} AND closed = 'Stopped' FROM {{table}}"


def _split(rows: Sequence[tuple[Any, ...]]) -> tuple[set[int], int]:
    return {number for number, is_right in rows if is_right}, len(rows)


@define
class Run:
    """
    Stations that charge until there is nothing left to charge.

    @ivar left: how many transactions are not begun.
    @ivar acknowledged: the ids of those that were started and stopped.
    """

    left: int
    acknowledged: set[int] = field(factory=set)
    refused: int = 0
    dropped: int = 0

    async def charge(self, url: str) -> None:
        """
        One station.
        """
        station = _Station(url, self)
        while self.left > 0:
            self.left -= 1
            number = self.left
            started = await station.ask(
                "StartTransaction",
                connectorId=1,
                idTag="A1",
                meterStart=number,
                timestamp="2026-09-21T14:13:20Z",
            )
            await station.ask(
                "StopTransaction",
                transactionId=started["transactionId"],
                meterStop=number + ENERGY,
                timestamp="2026-09-21T14:43:20Z",
            )
            self.acknowledged.add(started["transactionId"])
        await station.leave()


class _Station:
    """
    Sends until it is acknowledged.
    """

    def __init__(self, url: str, run: Run) -> None:
        self._url = url
        self._run = run
        self._sent = 0
        self._connection: ClientConnection | None = None

    async def ask(self, action: str, **payload: Any) -> Any:
        while True:
            try:
                kind, _, *answer = await self._once(action, payload)
            except ConnectionClosed:
                self._connection = None
                self._run.dropped += 1
            else:
                if kind == 3:
                    return answer[0]
                self._run.refused += 1
            await asyncio.sleep(PAUSE)

    async def _once(self, action: str, payload: dict[str, Any]) -> Any:
        if self._connection is None:
            self._connection = await connect(
                self._url,
                subprotocols=["ocpp1.6"],  # type: ignore[list-item]
            )
        self._sent += 1
        call = [2, str(self._sent), action, payload]
        await self._connection.send(json.dumps(call))
        return json.loads(await self._connection.recv())

    async def leave(self) -> None:
        if self._connection is not None:
            await self._connection.close()


def happen(scene: Scene, failures: int, count: int, stations: int) -> Outcome:
    """
    Let so many stations charge so many transactions, and so often fail.
    """
    run = Run(count)
    began = monotonic()
    with running(scene.server, None) as it:
        asyncio.run(_all(it.url, scene, run, failures, stations))
    right, there = scene.kept()
    return Outcome(
        failures=failures,
        acknowledged=len(run.acknowledged),
        missing=len(run.acknowledged - right),
        too_many=there - len(run.acknowledged),
        refused=run.refused,
        dropped=run.dropped,
        seconds=round(monotonic() - began, 1),
    )


async def _all(
    url: str, scene: Scene, run: Run, failures: int, stations: int
) -> None:
    count = run.left
    async with asyncio.TaskGroup() as group:
        for number in range(stations):
            group.create_task(run.charge(f"{url}/FAULT-{number}"))
        for failure in range(1, failures + 1):
            while len(run.acknowledged) < count * failure // (failures + 1):
                await asyncio.sleep(0.01)
            await asyncio.to_thread(scene.fail)


def main(words: Sequence[str] | None = None) -> int:
    """
    @return: 0 where nothing was lost.
    """
    options = argparse.ArgumentParser("python -m bench.faults")
    options.add_argument("what", nargs="*", help=" or ".join(SCENES))
    options.add_argument("--failures", type=int, default=20)
    options.add_argument("--transactions", type=int, default=10_000)
    options.add_argument("--stations", type=int, default=50)
    asked = options.parse_args(words)
    outcomes = {}
    for what in asked.what or SCENES:
        with SCENES[what]() as scene:
            outcomes[what] = happen(
                scene, asked.failures, asked.transactions, asked.stations
            )
        print(json.dumps({what: asdict(outcomes[what])}, indent=2))
    return 0 if all(each.is_good for each in outcomes.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
