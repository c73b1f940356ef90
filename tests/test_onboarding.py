"""
Tests for L{ocpp_tw.onboarding}.
"""

from __future__ import annotations

from typing import Any

from ocpp_tw.config import Stations
from ocpp_tw.config.settings import SETTINGS
from ocpp_tw.errors import CallFailed
from ocpp_tw.ocpp.messages import Call
from ocpp_tw.onboarding import QUESTIONS, Onboarding

from .examples import FROM_STATION
from .transports.world import FakeBackend, World


class Accepting(FakeBackend):
    """
    A backend that accepts whoever boots.
    """

    def answer(self, station: Any, call: Call) -> Any:
        return {
            "status": "Accepted",
            "currentTime": "2026-11-23T08:00:00Z",
            "interval": 300,
        }


class OnboardingTests(World):
    """
    A station that boots.
    """

    def setUp(self) -> None:
        super().setUp()
        self.router.use(Accepting())
        self.onboarding = Onboarding(self.router)
        self.cp1 = self.station("CP1")

    def boot(self) -> list[str]:
        """
        The commands that a station is sent when it boots.
        """
        boot = FROM_STATION["BootNotification"]
        self.router.answer(self.cp1, Call("1", "BootNotification", boot))
        self.assertEqual(self.cp1.asked, [])
        self.clock.advance(60)
        return [action for action, *_ in self.cp1.asked]

    def test_nothing(self) -> None:
        """
        By default it is asked nothing, ever.
        """
        self.onboarding.questions = Stations().onboarding
        self.assertEqual(self.boot(), [])

    def test_asked(self) -> None:
        """
        It is asked what the operator wants to know, in that order, once it
        has its answer; a refusal does not end that.
        """
        self.cp1.answer = CallFailed("NotSupported")
        self.onboarding.questions = ("configuration", "local_list", "status")
        self.assertEqual(
            self.boot(),
            ["GetConfiguration", "GetLocalListVersion", "TriggerMessage"],
        )

    def test_held_off(self) -> None:
        """
        A station that is not accepted is asked nothing.
        """
        self.onboarding.questions = tuple(QUESTIONS)
        settings = {"registration": "Rejected"}
        self.ask("PATCH", "/stations/CP1", json=settings)
        self.assertEqual(self.boot(), [])

    def test_words(self) -> None:
        """
        The configuration knows the same words.
        """
        kind: Any = SETTINGS["stations", "onboarding"].kind
        self.assertEqual(list(kind.words), list(QUESTIONS))
