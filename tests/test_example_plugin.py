"""
Tests for the plugin in C{docs/examples}.
"""

from __future__ import annotations

import importlib.util
import json
import signal
from pathlib import Path
from shutil import copytree
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.errors import BadConfig
from ocpp_tw.testing import BackendContract, FakeCentralSystem

from .frames import Client
from .process import ROOT, server
from .test_packaging import _BUILD, make_venv, pip, twistd


EXAMPLE = ROOT / "docs" / "examples" / "ledger"


def load() -> Any:
    """
    The example, without installing it.
    """
    spec = importlib.util.spec_from_file_location(
        "acme_ledger", EXAMPLE / "acme_ledger.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class ContractTests(BackendContract, SynchronousTestCase):
    """
    The example keeps the promises of every backend.
    """

    def make_backend(self) -> Any:
        settings = {"path": str(Path.cwd() / "ledger.jsonl")}
        return load().make_backend(settings, FakeCentralSystem(), Clock())

    def test_remembers(self) -> None:
        """
        A start is known after a restart.
        """
        start = {
            "connectorId": 1,
            "idTag": "A1",
            "meterStart": 1,
            "timestamp": "2026-09-21T14:13:20Z",
        }
        first = self.ask(self.started(), "StartTransaction", start)
        second = self.ask(self.started(), "StartTransaction", start)
        self.assertEqual(first, second)

    def test_settings(self) -> None:
        """
        It says what is missing.
        """
        for wrong in ({}, {"path": "/no/such/folder/ledger"}):
            error = self.assertRaises(
                BadConfig,
                load().make_backend,
                wrong,
                FakeCentralSystem(),
                Clock(),
            )
            self.assertIn("[ledger] path", str(error))


class InstalledTests(SynchronousTestCase):
    """
    The example, installed by pip in an environment of its own.
    """

    def test_switched_to(self) -> None:
        """
        It is listed, a running server is led to it by HUP, and the station
        that is connected is answered by it on the same connection.
        """
        folder = Path.cwd()
        source = copytree(EXAMPLE, folder / "source")
        python = make_venv(folder / "venv")
        pip("install", *_BUILD, source, cwd=folder, python=python)
        said = twistd(
            python, "cs", "--help-backends", cwd=folder, PYTHONPATH=str(ROOT)
        )
        self.assertIn("ledger", said)
        cs = server(self, CS_EMBEDDED_PATH="cs.sqlite3")
        cs.python = str(python)
        cs.start()
        station = Client(cs.port).open()
        self.addCleanup(station.close)
        self.assertEqual(station.ask(_start(1))[0], 3)
        ledger = cs.folder / "ledger.jsonl"
        cs.configure(
            f"[backend]\nname = ledger\n\n[ledger]\npath = {ledger}\n"
        )
        cs.signal(signal.SIGHUP)
        cs.until_logged("reloaded")
        answer = station.ask(_start(2))
        self.assertEqual(answer[2]["transactionId"], 1)
        [line] = ledger.read_text().splitlines()
        self.assertEqual(json.loads(line)["start"]["meterStart"], 2)
        self.assertEqual(cs.log.count(" connected"), 1)


def _start(meter: int) -> bytes:
    payload = {
        "connectorId": 1,
        "idTag": "A1",
        "meterStart": meter,
        "timestamp": "2026-09-21T14:13:20Z",
    }
    call = [2, str(meter), "StartTransaction", payload]
    return json.dumps(call).encode()
