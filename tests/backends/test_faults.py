"""
Tests for what is lost when those we ask fail in the middle of it: nothing
that a station was acknowledged.

C{OCPP_TW_FAULTS=20} fails that often, during 10,000 transactions.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import asdict, define, evolve, field
from twisted.internet.defer import (
    Deferred,
    gatherResults,
    inlineCallbacks,
    maybeDeferred,
)
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase

from bench.cluster import Cluster
from bench.servers import free_port
from ocpp_tw.backends.postgres import make_backend as make_postgres
from ocpp_tw.backends.postgres.schema import install
from ocpp_tw.backends.webhook import make_backend as make_webhook
from ocpp_tw.config import Webhook
from ocpp_tw.errors import CallFailed
from ocpp_tw.ocpp.messages import Call
from ocpp_tw.testing import FakeCentralSystem, FakeStation

from ..postgres import execute
from ..waiting import reactor, wait
from .test_postgres import settings


FAILURES = int(os.environ.get("OCPP_TW_FAULTS", "3"))
TRANSACTIONS = FAILURES * 500 if FAILURES > 3 else 300
STATIONS = 20


@define
class Fleet:
    """
    Stations that charge, and send again what is not acknowledged.

    @ivar acknowledged: the id of each transaction that was started and
        stopped.
    @ivar refused: how many answers were CallErrors.
    """

    backend: Any
    left: int = TRANSACTIONS
    acknowledged: list[int] = field(factory=list)
    refused: int = 0

    async def charge(self) -> None:
        """
        Until there is nothing left to charge.
        """
        names = (f"CP{number}" for number in range(STATIONS))
        await gatherResults(
            [Deferred.fromCoroutine(self._charge(name)) for name in names]
        )

    async def _charge(self, identity: str) -> None:
        station = FakeStation(identity)
        while self.left > 0:
            self.left -= 1
            number = self.left
            start = {
                "connectorId": 1,
                "idTag": "A1",
                "meterStart": number,
                "timestamp": "2026-09-21T14:13:20Z",
            }
            started = await self._send(station, "StartTransaction", start)
            stop = {
                "transactionId": started["transactionId"],
                "meterStop": number + 7,
                "timestamp": "2026-09-21T14:43:20Z",
            }
            await self._send(station, "StopTransaction", stop)
            self.acknowledged.append(started["transactionId"])

    async def _send(
        self, station: FakeStation, action: str, payload: dict[str, Any]
    ) -> Any:
        while True:
            try:
                call = Call(f"{action}-{self.left}", action, payload)
                return await self.backend.answer(station, call)
            except CallFailed as e:
                if e.code != "InternalError":
                    raise
                self.refused += 1
            await deferLater(reactor(), 0.05)


class FaultTests(SynchronousTestCase):
    """
    Stations charge while something fails again and again.
    """

    def run_fleet(self, backend: Any, fail: Callable[[], object]) -> list[int]:
        """
        @return: the transactions that were acknowledged.
        """
        backend.startService()
        self.addCleanup(lambda: wait(maybeDeferred(backend.stopService)))
        fleet = Fleet(backend)

        @inlineCallbacks
        def trouble() -> Any:
            for count in range(1, FAILURES + 1):
                due = TRANSACTIONS * count // (FAILURES + 1)
                while len(fleet.acknowledged) < due:
                    yield deferLater(reactor(), 0.01)
                yield deferToThread(fail)

        work = [Deferred.fromCoroutine(fleet.charge()), trouble()]
        wait(gatherResults(work, consumeErrors=True), 60 + FAILURES * 30)
        self.assertEqual(len(fleet.acknowledged), TRANSACTIONS)
        self.assertEqual(len(set(fleet.acknowledged)), TRANSACTIONS)
        return sorted(fleet.acknowledged)

    def test_postgres_restarts(self) -> None:
        """
        PostgreSQL restarts, gently and not: every transaction that was
        acknowledged is there, stopped, and there are no others.
        """
        cluster = Cluster(free_port())
        self.addCleanup(cluster.remove)
        install(cluster.conninfo)
        modes = iter(["fast", "immediate"] * FAILURES)
        backend = make_postgres(
            settings(cluster.conninfo), FakeCentralSystem(), reactor()
        )
        acknowledged = self.run_fleet(
            backend, lambda: cluster.restart(next(modes))
        )
        rows = execute(
            cluster.conninfo,
            "SELECT id FROM ocpp.transaction WHERE energy = 7"
            " AND closed = 'Stopped' ORDER BY id",
        )
        self.assertEqual([number for (number,) in rows], acknowledged)
        [(count,)] = execute(
            cluster.conninfo, "SELECT count(*) FROM ocpp.transaction"
        )
        self.assertEqual(count, TRANSACTIONS)

    def test_webhook_is_killed(self) -> None:
        """
        The web server is killed, and started again: every transaction that
        was acknowledged is there, stopped, and there are no others.
        """
        port, file = free_port(), Path.cwd() / "endpoint.sqlite3"
        running: list[subprocess.Popen[bytes]] = []

        def start() -> None:
            words = ["-m", "tests.durable_endpoint", str(port), str(file)]
            root = Path(__file__).parents[2]
            running.append(
                subprocess.Popen([sys.executable, *words], cwd=root)
            )

        def kill() -> None:
            process = running.pop()
            process.kill()
            process.wait()

        def fail() -> None:
            kill()
            start()

        start()
        self.addCleanup(kill)
        url = f"http://127.0.0.1:{port}/"
        backend = make_webhook(
            asdict(evolve(Webhook(), url=url)), FakeCentralSystem(), reactor()
        )
        acknowledged = self.run_fleet(backend, fail)
        with sqlite3.connect(file) as database:
            rows = database.execute(
                "SELECT id FROM transactions WHERE energy = 7"
                " AND closed = 'Stopped' ORDER BY id"
            ).fetchall()
            count = database.execute("SELECT count(*) FROM transactions")
            self.assertEqual(count.fetchone()[0], TRANSACTIONS)
        self.assertEqual([number for (number,) in rows], acknowledged)
