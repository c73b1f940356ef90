"""
Tests for L{ocpp_tw.backends.postgres}, on a real server.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from attrs import asdict, evolve
from twisted.internet.defer import DeferredList, maybeDeferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.backends.postgres import PostgresBackend, make_backend
from ocpp_tw.config import Postgres
from ocpp_tw.interfaces import IBackend
from ocpp_tw.ocpp.messages import Call
from ocpp_tw.testing import BackendContract, FakeCentralSystem

from ..postgres import Database
from ..waiting import reactor, wait


def settings(conninfo: dict[str, str], **members: Any) -> dict[str, Any]:
    """
    Of a backend for this database.
    """
    given = asdict(evolve(Postgres(), **members))
    return {**given, "conninfo": conninfo}


class PostgresTestCase(SynchronousTestCase):
    """
    A test with a database of its own.
    """

    with_schema = True

    def setUp(self) -> None:
        self.database = Database(self.with_schema)
        self.addCleanup(self.database.drop)
        self.central_system = FakeCentralSystem()
        self.asked: list[Any] = []

    def make_backend(self) -> PostgresBackend:
        backend = make_backend(
            settings(self.database.conninfo), self.central_system, reactor()
        )
        answer = backend.answer

        def noted(station: Any, call: Call) -> Any:
            self.asked.append(answer(station, call))
            return self.asked[-1]

        self.patch(backend, "answer", noted)
        return backend

    def wait(self, answer: Awaitable[Any]) -> Any:
        return wait(answer) if not isinstance(answer, dict) else answer

    def settle(self) -> None:
        wait(DeferredList(self.asked))
        # Their callbacks are done when the reactor turns.
        wait(deferLater(reactor(), 0))

    def started(self) -> IBackend:
        backend = self.make_backend()
        backend.startService()
        self.addCleanup(lambda: wait(maybeDeferred(backend.stopService)))
        return backend


class ContractTests(PostgresTestCase, BackendContract):
    """
    The reference schema keeps what every backend promises.
    """
