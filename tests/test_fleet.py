"""
Tests for L{ocpp_tw.fleet}.
"""

from __future__ import annotations

import orjson
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.errors import BadRequest, UnknownStation
from ocpp_tw.fleet import MOST_CONNECTORS, WITNESSES, Fleet, Known, Settings
from ocpp_tw.ocpp.messages import Call, parse

from .examples import FROM_STATION


class FleetTests(SynchronousTestCase):
    """
    Tests for L{Fleet}.
    """

    def test_seen(self) -> None:
        """
        A station is known from the first time it is seen, and to be saved.
        """
        fleet = Fleet()
        self.assertNotIn("CP1", fleet)
        self.assertRaises(UnknownStation, fleet.known, "CP1")
        known = fleet.seen("CP1")
        self.assertIs(fleet.seen("CP1"), known)
        self.assertIs(fleet.known("CP1"), known)
        self.assertEqual(fleet.unsaved, {"CP1"})
        self.assertFalse(known.settings.registered)

    def test_in_order(self) -> None:
        """
        They are found in the order of their names, whoever comes and goes.
        """
        fleet = Fleet()

        def after(identity: str) -> list[str]:
            return [known.identity for known in fleet.after(identity)]

        self.assertEqual(after(""), [])
        for identity in ("CP3", "CP1", "CP2"):
            fleet.seen(identity)
        self.assertEqual(after(""), ["CP1", "CP2", "CP3"])
        self.assertEqual(after("CP1"), ["CP2", "CP3"])
        fleet.change("CP10", {})
        fleet.add(Known("CP0"))
        self.assertEqual(after("CP00"), ["CP1", "CP10", "CP2", "CP3"])
        some = fleet.after("CP1")
        fleet.forget("CP2")
        self.assertEqual([k.identity for k in some], ["CP10", "CP3"])
        self.assertEqual(after("CP3"), [])

    def test_registered(self) -> None:
        """
        A station can be registered before it is seen.
        """
        fleet = Fleet()
        known = fleet.change("CP1", {"note": "north"})
        self.assertTrue(known.settings.registered)
        self.assertIs(fleet.seen("CP1"), known)
        self.assertIn("never connected", known.whereabouts)

    def test_bad_settings(self) -> None:
        """
        Settings that make no sense change nothing.
        """
        fleet = Fleet()
        for body in (
            {"unknown": 1},
            {"registration": "Maybe"},
            {"retryInterval": 0},
            {"retryInterval": True},
            {"retryInterval": 1.5},
            {"validation": "harsh"},
            {"timeZone": "Mars/Olympus"},
            {"timeZone": "../../etc/passwd"},
            {"timeZone": 1},
            {"pingInterval": -1},
            {"note": "x" * 2001},
            {"note": 5},
            {"registration": []},
        ):
            self.assertRaises(BadRequest, fleet.change, "CP1", body)
        self.assertNotIn("CP1", fleet)

    def test_all_or_nothing(self) -> None:
        """
        Of settings of which one is wrong none is taken.
        """
        fleet = Fleet()
        fleet.change("CP1", {"note": "north"})
        bad = {"note": "south", "retryInterval": 0}
        self.assertRaises(BadRequest, fleet.change, "CP1", bad)
        self.assertEqual(fleet.known("CP1").settings.note, "north")

    def test_forgotten(self) -> None:
        """
        What is forgotten is unknown, and not saved any more.
        """
        fleet = Fleet()
        fleet.seen("CP1")
        fleet.forget("CP1")
        self.assertEqual((len(fleet), fleet.unsaved), (0, set()))
        self.assertRaises(UnknownStation, fleet.forget, "CP1")

    def test_settings_are_whole(self) -> None:
        """
        Settings written and read again are the same.
        """
        settings = Settings(
            registration="Pending",
            retry_interval=7,
            validation="strict",
            ping_interval=5,
            note="north",
        )
        self.assertEqual(Settings().changed(settings.as_json()), settings)


class WitnessTests(SynchronousTestCase):
    """
    Tests for L{WITNESSES}.
    """

    def setUp(self) -> None:
        self.known = Known("CP1")

    def witness(self, action: str, **members: object) -> None:
        payload = {**FROM_STATION[action], **members}
        WITNESSES[action](self.known, Call("1", action, payload), 0.0)

    def test_kept(self) -> None:
        """
        The last of each notification is kept.
        """
        for action in WITNESSES:
            self.witness(action)
        self.witness("StatusNotification", status="Charging")
        shown = self.known.as_json()
        self.assertEqual(
            shown["bootNotification"], FROM_STATION["BootNotification"]
        )
        self.assertEqual(
            shown["connectors"],
            [{"connectorId": 1, "errorCode": "NoError", "status": "Charging"}],
        )
        self.assertEqual(len(shown["meters"]), 1)
        self.assertEqual(len(shown["reports"]), 5)

    def test_meters(self) -> None:
        """
        The last meterValue is shown as it came, by JSON or otherwise.
        """
        first, last = (
            {"timestamp": "1"},
            {"timestamp": "2", "sampledValue": []},
        )
        values = {"connectorId": 1, "meterValue": [first, last]}
        frame = orjson.dumps([2, "1", "MeterValues", values])
        for call in (parse(frame), Call("1", "MeterValues", values)):
            WITNESSES["MeterValues"](self.known, call, 0.0)
            [shown] = self.known.as_json()["meters"]
            self.assertEqual(shown, {"connectorId": 1, "meterValue": last})

    def test_bounded(self) -> None:
        """
        However many connectors a station names, so many are kept; the last
        word of those that are is.
        """
        for number in range(5000):
            self.witness("StatusNotification", connectorId=number)
            self.witness("MeterValues", connectorId=number)
        self.assertEqual(len(self.known.connectors), MOST_CONNECTORS)
        self.assertEqual(len(self.known.meters), MOST_CONNECTORS)
        self.witness("StatusNotification", connectorId=3, status="Faulted")
        self.assertEqual(self.known.connectors[3]["status"], "Faulted")
