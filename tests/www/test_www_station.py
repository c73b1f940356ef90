"""
Tests for the page of one station: what it is, what it does, what it is told.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

from ocpp.v16 import call
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select
from twisted.trial.unittest import SynchronousTestCase

from tests.test_session import now

from .world import World


class StationTests(World, SynchronousTestCase):
    """
    A station of independent code that charges.
    """

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.station = cls.street.plug("CP1")
        cls.street.do(
            cls.station.call(
                call.BootNotification(
                    charge_point_model="Two-22",
                    charge_point_vendor="Example",
                    charge_point_serial_number="SN7",
                    firmware_version="1.2.3",
                    iccid="ICC",
                    meter_type="Meter",
                )
            )
        )

    def fact(self, name: str) -> str:
        """
        What is said beside a name.
        """
        for fact in self.browser.all("main .facts > div"):
            if fact.find_element(By.TAG_NAME, "dt").text == name:
                return fact.find_element(By.TAG_NAME, "dd").text
        return ""

    def test_what_it_is(self) -> None:
        """
        It shows what the station has said of itself, and since when it is
        here; a message moves when it was seen last.
        """
        self.browser.open("#/stations/CP1")
        self.browser.until_read("SN7")
        for name, text in {
            "Vendor": "Example",
            "Model": "Two-22",
            "Serial number": "SN7",
            "Firmware": "1.2.3",
            "OCPP": "1.6",
            "ICCID": "ICC",
            "Meter": "Meter",
        }.items():
            self.assertEqual(self.fact(name), text)
        self.assertIn("127.0.0.1", self.fact("Address"))
        self.assertNotEqual(self.fact("Connected since"), "")
        self.assertNotEqual(self.fact("Booted"), "")
        self.browser.run("document.querySelector('.facts small').remove()")
        self.street.do(self.station.call(call.Heartbeat()))
        self.browser.until(
            lambda: "now" in self.fact("Last seen"), "it was seen now"
        )

    def test_clock(self) -> None:
        """
        How far its clock is from ours is shown, and what it says next
        corrects that.
        """

        def status(seconds: float) -> None:
            told = call.StatusNotification(
                1, "NoError", "Available", timestamp=now(seconds)
            )
            self.street.do(self.station.call(told))

        status(-7300)
        self.browser.open("#/stations/CP1")
        self.browser.until(
            lambda: re.match("2 h 1 min .*behind", self.fact("Clock")), "late"
        )
        status(7300)
        self.browser.until(
            lambda: re.match("2 h .*ahead", self.fact("Clock")), "early"
        )
        status(0)
        self.browser.until(lambda: self.fact("Clock") == "right", "right")

    def test_plot_is_live(self) -> None:
        """
        The current transaction is shown with its energy, power and energy as
        plots that go on while the station charges; where it does not tell its
        power, its registers do.
        """
        do, station = self.street.do, self.station
        do(station.status("Charging"))
        start = call.StartTransaction(1, "A1", 1000, now(-3600))
        number = do(station.call(start)).transaction_id

        def measure(seconds: int, wh: int) -> None:
            sample = {"value": str(wh), "unit": "Wh"}
            value = {"timestamp": now(seconds), "sampled_value": [sample]}
            do(station.call(call.MeterValues(1, [value], number)))

        measure(-3600, 1000)
        measure(-1800, 6000)
        self.browser.open("#/stations/CP1")
        self.browser.until_read("5 kWh", ".connector")
        self.browser.until_read(f"Transaction {number} · A1", ".connector")
        first = self.browser.one(".plot:nth-of-type(2) path.series")
        self.assertEqual(first.get_attribute("d").count("L"), 1)
        self.browser.until_read("Power, from Energy", ".plots")
        canvas = self.browser.one(".plots .plot [role=img]")
        self.assertIn("10,000 W", canvas.get_attribute("aria-label"))
        measure(-900, 8000)
        self.browser.until(
            lambda: (
                self.browser.one(".plot:nth-of-type(2) path.series")
                .get_attribute("d")
                .count("L")
                == 2
            ),
            "the line goes on",
        )
        self.browser.until_read("7 kWh", ".connector")
        canvas.send_keys(Keys.ARROW_RIGHT)
        self.browser.until_read("10 kW", ".plot-said")
        do(station.end(number, 9000, "Local"))
        self.browser.until(
            lambda: not self.browser.all(".plot"), "the transaction is over"
        )

    def test_refused_in_words(self) -> None:
        """
        What the station refuses is said in its words, where it was asked,
        with the time that it took.
        """
        self.browser.open("#/stations/CP1/commands/ClearCache")
        self.browser.press("Send ClearCache")
        self.browser.until_read("NotImplemented", ".answer .trouble")
        self.assertRegex(self.browser.text(".answer-head"), r"\d ms")

    def test_examples(self) -> None:
        """
        A form is filled in with what makes sense now: a date is picked, and
        is an hour away.
        """
        self.browser.open("#/stations/CP1/commands/ReserveNow")
        date = self.browser.field("expiryDate")
        self.assertEqual(date.get_attribute("type"), "datetime-local")
        box = self.browser.field("The same as JSON")
        said = json.loads(box.get_property("value"))
        away = datetime.fromisoformat(said["expiryDate"]) - datetime.now(UTC)
        self.assertLess(abs(away - timedelta(hours=1)), timedelta(minutes=2))
        self.browser.press("Send ReserveNow")
        self.browser.until_read("Accepted", ".answer")
        self.assertEqual(self.station.told[-1][0], "ReserveNow")

    def test_violations(self) -> None:
        """
        Each rule that it broke is shown once, with a link to the last
        message that did.
        """
        self.browser.open("#/stations/CP1/violations")
        self.browser.until_read("It keeps to the standard so far.")
        for number in (1, 2):
            frame = f'[2,"v{number}","DataTransfer",{{"vendorId":7}}]'
            self.street.do(self.station.connection.send(frame))
        self.browser.until_read("vendorId must be a text", "tbody")
        self.browser.until_read("2", "tbody td.number")
        self.browser.one("tbody a").click()
        self.browser.until_read('"v2"', ".log")

    def test_queue(self) -> None:
        """
        A command waits for a station that is away, is seen in its queue, and
        is cancelled there.
        """
        self.street.do(self.street.plug("CP2").boot())
        self.street.unplug("CP2")
        self.browser.open("#/stations/CP2/commands/Reset")
        self.browser.until_read("It is not connected", ".warning")
        waits = self.browser.field("If the station is away, it")
        Select(waits).select_by_value("3600")
        self.browser.press("Send Reset")
        self.browser.until_read("It waits for the station", ".answer")
        self.browser.press("Queue")
        self.browser.until_read("waiting", "tbody")
        self.browser.press("Cancel it")
        self.browser.until_read("cancelled", "tbody")


class EmulatedStationTests(World, SynchronousTestCase):
    """
    A station that can do all that the standard has.
    """

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.emulate("EMU1")

    def row(self, key: str) -> WebElement:
        """
        The row of a configuration key.
        """

        def found() -> WebElement | None:
            for row in self.browser.all("tbody tr"):
                if row.find_element(By.TAG_NAME, "td").text == key:
                    return row
            return None

        return self.browser.until(found, f"a row for {key}")

    def test_configuration(self) -> None:
        """
        Its configuration is a table, in which a key is found and changed; one
        that may only be read has nothing to change.
        """
        self.browser.open("#/stations/EMU1/configuration")
        self.browser.press("Read all")
        self.row("NumberOfConnectors")
        self.assertIn("read only", self.row("NumberOfConnectors").text)
        self.assertEqual(self.browser.faults(), [])
        self.browser.field("Search").send_keys("heartbeatint")
        self.browser.until(
            lambda: len(self.browser.all("tbody tr")) == 1, "it is found"
        )
        value = self.row("HeartbeatInterval").find_element(
            By.TAG_NAME, "input"
        )
        value.clear()
        value.send_keys("77")
        self.browser.press("Change")
        self.browser.until_read("Accepted", "tbody")
        _, answer = self.central.command(
            "EMU1", "GetConfiguration", {"key": ["HeartbeatInterval"]}
        )
        self.assertEqual(answer["configurationKey"][0]["value"], "77")

    def test_profile(self) -> None:
        """
        A charging profile is installed by the form, is drawn, and so is what
        the station may draw by it; then it is cleared.
        """
        self.browser.open("#/stations/EMU1/commands/SetChargingProfile")
        limit = self.browser.field("limit")
        limit.clear()
        limit.send_keys("13")
        self.browser.press("Send SetChargingProfile")
        self.browser.until_read("Accepted", ".answer")
        self.browser.press("Records")
        self.browser.one(".schedule path.series")
        Select(self.browser.field("Connector")).select_by_value("1")
        self.browser.press("Ask the station")
        drawn = self.browser.one("main > div > div > .panel:last-child .plot")
        canvas = drawn.find_element(By.CSS_SELECTOR, "[role=img]")
        self.assertIn("13", canvas.get_attribute("aria-label"))
        self.browser.go("#/profiles")
        self.browser.until_read("EMU1", "tbody")
        self.browser.one(".schedule path.series")
        self.browser.press("Clear it")
        self.browser.driver.switch_to.alert.accept()
        self.browser.until_read("No charging profiles")
