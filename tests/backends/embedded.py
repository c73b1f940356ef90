"""
What the tests of the embedded backend share.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.task import Clock

from ocpp_tw.backends.embedded import EmbeddedBackend, make_backend
from ocpp_tw.interfaces import Page
from ocpp_tw.ocpp.messages import Payload
from ocpp_tw.ocpp.times import write_time
from ocpp_tw.testing import BackendContract, FakeCentralSystem, FakeStation


#: When the tests begin, 2026-09-21T14:13:20Z, and what time it is in them.
BEGIN = 1_790_000_000
NOW = BEGIN + 3600


def at(seconds: float) -> str:
    """
    That many seconds after the beginning, an hour ago.
    """
    return write_time(int((BEGIN + seconds) * 1000))


class World:
    """
    A backend, its clock, and stations that ask; mix into a test case.
    """

    settings: Mapping[str, Any] = {"path": ":memory:"}
    version = BackendContract.version

    wait = BackendContract.wait
    ask_as = BackendContract.ask

    def settle(self) -> None:
        pass

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(NOW)
        self.backend = self.start_backend()

    def start_backend(self) -> EmbeddedBackend:
        backend = make_backend(self.settings, FakeCentralSystem(), self.clock)
        backend.startService()
        self.addCleanup(backend.stopService)
        return backend

    def ask(
        self, action: str, payload: Payload, identity: str = "CP1"
    ) -> Payload:
        return self.ask_as(self.backend, action, payload, identity)

    def start(
        self, seconds: float = 0, identity: str = "CP1", **members: Any
    ) -> int:
        payload = {
            "connectorId": 1,
            "idTag": "A1",
            "meterStart": 1000,
            "timestamp": at(seconds),
            **members,
        }
        answer = self.ask("StartTransaction", payload, identity)
        return answer["transactionId"]

    def stop(
        self,
        transaction_id: int,
        seconds: float = 600,
        identity: str = "CP1",
        **members: Any,
    ) -> Payload:
        payload = {
            "transactionId": transaction_id,
            "meterStop": 2000,
            "timestamp": at(seconds),
            **members,
        }
        return self.ask("StopTransaction", payload, identity)

    def measure(
        self,
        register: float | str,
        seconds: float,
        transaction_id: int | None = None,
        connector: int = 1,
        identity: str = "CP1",
    ) -> None:
        payload: dict[str, Any] = {
            "connectorId": connector,
            "meterValue": [
                {
                    "timestamp": at(seconds),
                    "sampledValue": [{"value": str(register)}],
                }
            ],
        }
        if transaction_id is not None:
            payload["transactionId"] = transaction_id
        self.assertEqual(self.ask("MeterValues", payload, identity), {})

    def transaction(self, number: int) -> Mapping[str, Any]:
        return self.wait(self.backend.transaction(number))

    def transactions(self, **filters: str) -> list[int]:
        page: Page = self.wait(self.backend.transactions(1000, **filters))
        return [item["transactionId"] for item in page.items]

    def samples(self, number: int) -> list[Mapping[str, Any]]:
        page = self.wait(self.backend.meter_values(number, 1000))
        return list(page.items)

    def values(self, number: int) -> list[str]:
        return [sample["value"] for sample in self.samples(number)]

    def command(self, action: str, payload: Payload, answer: Payload) -> None:
        noted = self.backend.command_answered(
            FakeStation(), action, payload, answer
        )
        if noted is not None:
            self.wait(noted)
