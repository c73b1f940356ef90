"""
Tests for L{ocpp_tw.backends.embedded}: its promises, and what it answers.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from ocpp_tw.backends.embedded import EmbeddedBackend, make_backend
from ocpp_tw.errors import BadConfig, CallFailed
from ocpp_tw.interfaces import IObserver, IRecords
from ocpp_tw.testing import BackendContract, FakeCentralSystem

from .embedded import World, at


class MemoryTests(BackendContract, SynchronousTestCase):
    """
    The backend in memory.
    """

    def make_backend(self) -> EmbeddedBackend:
        return make_backend({"path": ":memory:"}, FakeCentralSystem(), Clock())


class FileTests(BackendContract, SynchronousTestCase):
    """
    The backend in a file.
    """

    def make_backend(self) -> EmbeddedBackend:
        return make_backend(
            {"path": self.mktemp()}, FakeCentralSystem(), Clock()
        )


class AnswerTests(World, SynchronousTestCase):
    """
    What stations are answered.
    """

    def test_interfaces(self) -> None:
        """
        It provides L{IObserver} and L{IRecords}, too.
        """
        verifyObject(IObserver, self.backend)
        verifyObject(IRecords, self.backend)

    def test_boot(self) -> None:
        """
        A station is accepted, told the time, and how often to beat.
        """
        self.assertEqual(
            self.ask("BootNotification", {}),
            {
                "status": "Accepted",
                "currentTime": "2026-09-21T15:13:20.000Z",
                "interval": 300,
            },
        )

    def test_time_moves(self) -> None:
        """
        The time told is the time it is.
        """
        self.ask("Heartbeat", {})
        self.clock.advance(1.5)
        self.assertEqual(
            self.ask("Heartbeat", {}), {"currentTime": at(3601.5)}
        )

    def test_notifications_are_kept(self) -> None:
        """
        What stations report is acknowledged and can be read, newest first.
        """
        for kind, payload, answer in (
            ("DiagnosticsStatusNotification", {"status": "Idle"}, {}),
            ("FirmwareStatusNotification", {"status": "Installed"}, {}),
            ("LogStatusNotification", {"status": "Uploading"}, {}),
            ("SignedFirmwareStatusNotification", {"status": "Idle"}, {}),
            (
                "SecurityEventNotification",
                {"type": "X", "timestamp": at(0)},
                {},
            ),
            ("SignCertificate", {"csr": "..."}, {"status": "Rejected"}),
            ("DataTransfer", {"vendorId": "V"}, {"status": "Accepted"}),
        ):
            self.assertEqual(self.ask(kind, payload), answer)
        self.clock.advance(1)
        page = self.wait(self.backend.station_events(2, identity="CP1"))
        self.assertEqual(
            [(e["kind"], e["payload"]) for e in page.items],
            [
                ("DataTransfer", '{"vendorId":"V"}'),
                ("SignCertificate", '{"csr":"..."}'),
            ],
        )
        rest = self.wait(self.backend.station_events(100, page.next))
        self.assertEqual(len(rest.items), 5)

    def test_events_are_forgotten(self) -> None:
        """
        Events older than the configured days are forgotten.
        """
        self.ask("FirmwareStatusNotification", {"status": "Idle"})
        self.clock.pump([1, 31 * 86400])
        page = self.wait(self.backend.station_events(10))
        self.assertEqual(page.items, [])

    def test_settings(self) -> None:
        """
        The interval is what the operator sets; nonsense is refused.
        """
        backend = make_backend(
            {"path": ":memory:", "heartbeat_interval": 60.0},
            FakeCentralSystem(),
            self.clock,
        )
        backend.startService()
        self.addCleanup(backend.stopService)
        self.assertEqual(
            self.ask_as(backend, "BootNotification", {})["interval"], 60
        )
        with self.assertRaises(BadConfig):
            make_backend(
                {"unknown_id_tags": "maybe"}, FakeCentralSystem(), self.clock
            )

    def test_after_stop(self) -> None:
        """
        Once stopped, it asks stations to try again.
        """
        self.backend.stopService()
        with self.assertRaises(CallFailed) as caught:
            self.start()
        self.assertEqual(caught.exception.code, "InternalError")


class RestartTests(World, SynchronousTestCase):
    """
    What a restart leaves.
    """

    def setUp(self) -> None:
        self.settings = {"path": self.mktemp()}
        super().setUp()

    def test_ids_go_on(self) -> None:
        """
        Ids are unique across restarts, and what ran still runs.
        """
        first = self.start()
        self.backend.stopService()
        self.backend = self.start_backend()
        self.assertEqual(self.start(), first)
        self.assertEqual(self.start(connectorId=2), first + 1)
        self.measure(1100, 60, first)
        self.stop(first)
        self.assertEqual(self.transaction(first)["energy"], 1000)
        self.assertEqual(self.values(first), ["1100"])
