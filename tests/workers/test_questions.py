"""
Tests for L{ocpp_tw.workers.questions}: one process asks another.
"""

from pathlib import Path
from typing import Any

import orjson
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.emulator.control import Control
from ocpp_tw.emulator.service import Emulator
from ocpp_tw.errors import (
    BackendUnavailable,
    BadRequest,
    CallTimedOut,
    Conflict,
    NotFound,
    StationNotConnected,
)
from ocpp_tw.workers.questions import Questions
from ocpp_tw.workers.wire import EMULATOR

from ..emulator.server import Server


class Own(Conflict):
    """
    An error that only one module knows.
    """


class QuestionTests(SynchronousTestCase):
    """
    A worker that asks the emulator.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.worker = Questions(1, self.clock, self.to_emulator)
        self.emulator = Questions(EMULATOR, self.clock, self.to_worker)

    def to_emulator(self, message: Any) -> None:
        self.assertTrue(self.emulator.heard(orjson.loads(message_of(message))))

    def to_worker(self, message: Any) -> None:
        self.assertTrue(self.worker.heard(orjson.loads(message_of(message))))

    def ask(self, what: str, *arguments: Any) -> Deferred[Any]:
        body = [what, *arguments]
        return self.worker.ask(EMULATOR, "emulate", body, 60)

    def test_control(self) -> None:
        """
        All that may be asked of emulated stations passes as JSON, and what
        goes wrong is the same error here.
        """
        server = Server()
        folder = Path(self.mktemp())
        folder.mkdir()
        stations = Emulator(folder, server.clock, server.lines())
        stations.startService()
        control = Control(stations, lambda: "ws://localhost/ocpp")
        self.emulator.answers["emulate"] = lambda body: control.do(*body)
        made = self.successResultOf(self.ask("make", {"name": "E"}))
        self.assertEqual(made["identity"], "E")
        server.pass_time()
        told = self.successResultOf(self.ask("get", "E"))
        self.assertTrue(told["connected"])
        page = self.successResultOf(self.ask("page", "", 1))
        self.assertEqual(page, [[told], None])
        plug = {"action": "plug"}
        told = self.successResultOf(self.ask("act", "E", plug))
        self.assertEqual(told["connectors"][0]["status"], "Preparing")
        changing = self.ask("change", "E", {"connectors": 2})
        server.pass_time(6)
        changed = self.successResultOf(changing)
        self.assertEqual(len(changed["connectors"]), 2)
        removing = self.ask("remove", "E")
        server.pass_time(6)
        self.assertIsNone(self.successResultOf(removing))
        for asked, kind in (
            (["get", "E"], NotFound),
            (["make", {"name": ""}], BadRequest),
            (["_service", "E"], NotFound),
        ):
            failure = self.failureResultOf(self.ask(*asked), kind)
            self.assertTrue(str(failure.value))

    def fails(self, error: Exception) -> Any:
        async def fail(body: Any) -> None:
            raise error

        self.emulator.answers["emulate"] = fail
        return self.failureResultOf(self.ask("get", "E")).value

    def test_errors(self) -> None:
        """
        An error of one module is here what it is a kind of; what is nobody's
        is logged there, and its text stays there.
        """
        self.assertEqual(repr(self.fails(Own("no"))), repr(Conflict("no")))
        error = self.fails(ValueError("a secret"))
        self.assertIsInstance(error, BackendUnavailable)
        self.assertNotIn("secret", str(error))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_gone(self) -> None:
        """
        Nobody waits for a process that has ended, or that is silent.
        """
        self.emulator.answers["emulate"] = lambda body: Deferred()
        asked = self.ask("get", "E")
        self.worker.gone(2)
        self.assertNoResult(asked)
        self.worker.gone(EMULATOR)
        failure = self.failureResultOf(asked, StationNotConnected)
        self.assertEqual(str(failure.value), "the emulator has ended")
        asked = self.ask("get", "E")
        self.clock.advance(60)
        self.failureResultOf(asked, CallTimedOut)


def message_of(message: Any) -> bytes:
    return orjson.dumps(message, option=orjson.OPT_NON_STR_KEYS)
