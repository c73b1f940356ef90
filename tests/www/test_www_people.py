"""
Tests for the web pages where users sign in, and where stations are emulated.
"""

from __future__ import annotations

import re
from typing import ClassVar

from selenium.webdriver.support.ui import Select
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.emulator.connector import ERRORS
from ocpp_tw.emulator.faults import ON_FRAMES, ON_LINES
from ocpp_tw.emulator.scenario import shipped

from .world import World


class SignInTests(World, SynchronousTestCase):
    """
    An installation whose users prove who they are.
    """

    settings: ClassVar = {"CS_API_AUTH": "basic, bearer"}

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        said = re.search(r"with the password (\S+)", cls.central.log)
        assert said is not None, cls.central.log
        cls.password = said[1]

    def tearDown(self) -> None:
        self.browser.driver.delete_all_cookies()
        self.browser.errors()

    def sign_in(self, name: str, password: str) -> None:
        self.browser.field("Name").send_keys(name)
        self.browser.field("Password").send_keys(password)
        self.browser.press("Sign in")

    def test_users(self) -> None:
        """
        Whoever wants a page signs in first, and is led there; a wrong
        password is refused in words.  An admin makes a viewer, who is not
        offered what a viewer may not do.
        """
        self.browser.open("#/users")
        self.browser.until_read("Sign in", "h1")
        self.sign_in("admin", "wrong")
        self.browser.until_read("password is wrong", ".trouble")
        self.browser.field("Name").clear()
        self.browser.field("Password").clear()
        self.sign_in("admin", self.password)
        self.browser.until_read("Users and keys", "h1")
        self.browser.until_read("admin", "tbody")
        self.browser.field("Name").send_keys("ada")
        self.browser.field("Password").send_keys("correct horse")
        Select(self.browser.field("Role", "main form")).select_by_value(
            "viewer"
        )
        self.browser.press("Add")
        self.browser.until_read("ada", "tbody")
        self.browser.press("Sign out", "#who")
        self.browser.until_read("Sign in", "h1")
        self.sign_in("ada", "correct horse")
        self.browser.until_read("ada", "#who")
        self.assertNotIn("Users and keys", self.browser.text("#nav"))
        self.sees_only()

    def sees_only(self) -> None:
        """
        Whoever may only look is offered nothing else on any page, and is
        refused nothing.
        """
        self.browser.go("#/stations")
        self.browser.until_read("Connect your first station")
        self.assertNotIn("Start an emulated station", self.browser.text())
        station = self.street.plug("CP1")
        self.street.do(station.boot())
        begun = self.street.do(station.begin(1000)).transaction_id
        for page, offered in {
            "#/stations": {"Command these"},
            "#/stations/CP1/commands/Reset": {"Send Reset"},
            "#/stations/CP1/configuration": {"Read all"},
            "#/stations/CP1/records": {"Ask the station"},
            "#/stations/CP1/settings": {"Save", "Forget this station"},
            "#/id-tags": {"New id tag"},
            f"#/transactions/{begun}": {"Stop charging", "Close the record"},
            "#/emulators": {"New emulated station"},
            "#/server": {"Read it again"},
            "#/reservations": set[str](),
            "#/profiles": set[str](),
            "#/attempts": set[str](),
            "#/violations": set[str](),
        }.items():
            self.browser.go(page)
            self.browser.one("main h1")
            self.browser.calm_down()
            buttons = set(self.browser.texts("main button"))
            self.assertEqual(buttons & offered, set(), page)
            self.assertEqual(self.browser.all(".trouble"), [], page)

    def test_key(self) -> None:
        """
        A key is shown once, and opens the API.
        """
        self.browser.open("#/sign-in")
        self.sign_in("admin", self.password)
        self.browser.until_read("admin", "#who")
        self.browser.go("#/users")
        name = self.browser.until(
            lambda: self.browser.all("main .panel:nth-of-type(2) input"),
            "the form for keys",
        )[0]
        name.send_keys("meters")
        self.browser.press("Make")
        key = self.browser.one(".warning code").text
        self.assertTrue(key.startswith("cs_"), key)
        self.browser.until_read("meters", "main .panel:nth-of-type(2) tbody")


class ServerTests(World, SynchronousTestCase):
    """
    The page of the server itself.
    """

    def test_configuration(self) -> None:
        """
        It shows the configuration in force, reads it again when that is
        wanted, and says what is wrong with it.
        """
        self.browser.open("#/server")
        self.browser.until_read("Configuration in force")
        self.assertNotIn("ping_interval", self.browser.text())
        self.central.configure("[stations]\nping_interval = 7\n")
        self.browser.press("Read it again")
        self.browser.until_read("ping_interval", "main table")
        self.central.configure("[stations]\nping_interval = x\n")
        self.browser.press("Read it again")
        self.browser.until_read("ping_interval = 'x'", ".trouble")


class EmulatorTests(World, SynchronousTestCase):
    """
    Stations that are emulated beside the central system.
    """

    def test_charge(self) -> None:
        """
        One click starts a station; a vehicle comes, a tag is presented, and
        it charges.
        """
        self.browser.open("")
        self.browser.press("Start an emulated station")
        self.browser.until_read("EMU1", "h1")
        self.browser.until_read("Available", ".connector")
        self.browser.press("Plug in")
        self.browser.until_read("Preparing", ".connector")
        self.browser.press("Present the tag")
        self.browser.until_read("Charging", ".connector")
        self.browser.press("Power cut")
        self.browser.until_read("no power")
        self.browser.press("Plug in")
        self.browser.until_read("plug", ".answers .trouble")
        self.browser.press("Power comes back")
        self.browser.until_read("Finishing", ".connector")
        self.browser.go("#/emulators")
        self.browser.press("Delete", "tbody")
        self.browser.driver.switch_to.alert.accept()
        self.browser.until_read("No emulated stations run here.")

    def outcome(self, text: str) -> None:
        self.browser.until_read(text, ".answers li:first-child")

    def test_mishaps(self) -> None:
        """
        A station is made by the form; it has a fault, and no more; the
        vehicle leaves while it charges.
        """
        self.browser.open("#/emulators")
        self.browser.press("New emulated station")
        for label, text in {"Name": "EMU2", "Connectors": "2"}.items():
            self.browser.field(label, "main form").clear()
            self.browser.field(label, "main form").send_keys(text)
        self.browser.press("Start it")
        self.browser.until_read("EMU2", "h1")
        self.browser.until_read("Accepted")
        Select(self.browser.field("Connector")).select_by_value("2")
        Select(self.browser.field("Error")).select_by_value("OverVoltage")
        self.browser.press("Fault")
        second = ".connector:nth-of-type(2)"
        self.browser.until_read("OverVoltage", second)
        self.browser.until_read("Faulted", second)
        self.browser.press("Recover")
        self.browser.until_read("Available", second)
        self.browser.press("Plug in")
        tag = self.browser.field("Id tag")
        tag.clear()
        tag.send_keys("ADA")
        self.browser.press("Present the tag")
        self.browser.until_read("ADA", second)
        self.browser.press("Unplug")
        self.browser.until_read("no vehicle", second)
        [transaction] = [
            one
            for one in self.central.items("transactions?identity=EMU2")
            if one["idTag"] == "ADA"
        ]
        self.assertEqual(transaction["connectorId"], 2)

    def test_wire(self) -> None:
        """
        A fault on the wire is let happen by a button, and what comes of it is
        seen in the conversation below.
        """
        self.emulate("EMU3")
        self.browser.open("#/emulators/EMU3")
        self.browser.press("malformed")
        self.outcome("wireFault malformed done")
        self.browser.press("Plug in")
        self.browser.until_read("no message of OCPP", ".log")
        self.browser.until_read("1 x StatusNotification", ".findings")

    def test_scenario(self) -> None:
        """
        A scenario runs in place of the station, and how it ended is told;
        every scenario and every fault that there is has its button.
        """
        self.emulate("EMU4")
        self.browser.open("#/emulators/EMU4")
        self.browser.one(".named button")
        buttons = set(self.browser.texts("main .named button"))
        self.assertEqual(buttons, {*shipped(), *ON_FRAMES, *ON_LINES})
        self.browser.press("remote-start-refused")
        self.outcome("went well")
        self.browser.until_read("Accepted")
        offered = Select(self.browser.field("Error")).options
        self.assertEqual({o.text for o in offered}, ERRORS - {"NoError"})


class EmulatorOfWorkersTests(EmulatorTests):
    """
    Stations that are emulated in a process of their own, beside workers.
    """

    settings: ClassVar = {
        "CS_MAIN_WORKERS": "2",
        "CS_PROCESS_CHARGEPOINT_ENABLE": "yes",
    }

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.central.until_logged("is ready", 3)
