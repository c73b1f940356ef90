"""
Tests for L{ocpp_tw.testing}, and for docs/write-a-backend.md.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import unittest
from pathlib import Path
from typing import Any

import pytest
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.interface import InterfaceClass
from zope.interface.verify import verifyObject

from ocpp_tw import interfaces
from ocpp_tw.errors import CallFailed, StationNotConnected
from ocpp_tw.interfaces import IBackend, ICentralSystem, IStation
from ocpp_tw.ocpp.messages import Call, Payload
from ocpp_tw.testing import BackendContract, FakeCentralSystem, FakeStation


class FakeTests(SynchronousTestCase):
    """
    The fakes keep their interfaces.
    """

    def result(self, coroutine: Any) -> Any:
        return self.successResultOf(Deferred.fromCoroutine(coroutine))

    def test_interfaces(self) -> None:
        """
        They provide what they stand for.
        """
        verifyObject(IStation, FakeStation())
        verifyObject(ICentralSystem, FakeCentralSystem())

    def test_call(self) -> None:
        """
        A station answers as it was told to, and remembers what it was asked.
        """
        station = FakeStation(answers={"Reset": {"status": "Accepted"}})
        system = FakeCentralSystem([station])
        answer = self.result(system.call("CP1", "Reset", {"type": "Soft"}))
        self.assertEqual(answer, {"status": "Accepted"})
        self.assertEqual(station.asked, [("Reset", {"type": "Soft"})])
        self.assertEqual(list(system.stations()), [station])

    def test_refusals(self) -> None:
        """
        A station refuses what it has no answer for, and one that is gone, or
        was never there, cannot be asked.
        """
        station = FakeStation()
        system = FakeCentralSystem([station])
        for identity, error in (
            ("CP1", CallFailed),
            ("CP2", StationNotConnected),
        ):
            failing = system.call(identity, "Reset", {})
            self.failureResultOf(Deferred.fromCoroutine(failing), error)
        station.close(1001, "goodbye")
        self.assertEqual(station.closed, (1001, "goodbye"))
        failing = system.call("CP1", "Reset", {})
        self.failureResultOf(
            Deferred.fromCoroutine(failing), StationNotConnected
        )


@implementer(IBackend)
class BadBackend(Service):
    """
    A backend that keeps no promise.
    """

    def answer(self, station: IStation, call: Call) -> Payload:
        return {"status": "Perhaps", "currentTime": "now"}

    def station_connected(self, station: IStation) -> None:
        raise RuntimeError

    def station_disconnected(self, station: IStation) -> None:
        raise RuntimeError


class ContractTests(SynchronousTestCase):
    """
    The contract finds those who break it.
    """

    def test_bad_backend(self) -> None:
        """
        A backend that keeps no promise passes no test but the interface's.
        """

        class Tests(BackendContract, SynchronousTestCase):
            def make_backend(self) -> BadBackend:
                return BadBackend()

        passed = []
        for name in dir(Tests):
            if name.startswith("test_"):
                result = unittest.TestResult()
                Tests(name).run(result)
                if result.wasSuccessful():
                    passed.append(name)
        self.assertEqual(passed, ["test_interface"])


_DOC = Path(__file__).parent.parent / "docs" / "write-a-backend.md"
_INTERFACES = interfaces.__name__


def _extract(folder: Path) -> None:
    """
    Write the files of the document into a folder.
    """
    block = re.compile(r"```python\n# (\S+)\n(.*?)```", re.S)
    for name, code in block.findall(_DOC.read_text()):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(code)


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(folder), str(_DOC.parent.parent)])
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_document(tmp_path: Path) -> None:
    """
    The backend of docs/write-a-backend.md keeps the contract.
    """
    _extract(tmp_path)
    done = _run(
        tmp_path,
        "-m",
        "twisted.trial",
        "--temp-directory=t",
        "test_acme_backend",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Ran 1[5-9] tests", done.stdout)


def test_document_is_whole() -> None:
    """
    docs/write-a-backend.md names all that a backend may provide.
    """
    provided = {
        name
        for name, it in vars(interfaces).items()
        if isinstance(it, InterfaceClass) and it.__module__ == _INTERFACES
    } - {"IBackendMaker", "ICentralSystem", "IStation"}
    text = _DOC.read_text()
    assert {name for name in provided if name not in text} == set()


def test_document_plugin(tmp_path: Path) -> None:
    """
    The plugin of docs/write-a-backend.md is found by its name.
    """
    pytest.importorskip("ocpp_tw.plugin")
    _extract(tmp_path)
    done = _run(
        tmp_path,
        "-c",
        "from ocpp_tw.plugin import find_backend_maker as find\n"
        "from twisted.internet.task import Clock\n"
        "maker = find('printing')\n"
        "print(maker.make_backend({'interval': '9'}, None, Clock()).interval)",
    )
    assert (done.stdout, done.returncode) == ("9\n", 0), done.stderr
