"""
Tests for the web pages: what people see and do, in a real browser.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import axe_core_python
from ocpp.v16 import call
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select
from twisted.trial.unittest import SynchronousTestCase

from tests.test_session import Station, now

from .world import World


PAGES = {
    "#/stations": "Stations",
    "#/stations?view=cards": "Stations",
    "#/stations/CP1": "CP1",
    "#/stations/CP1/commands/Reset": "CP1",
    "#/stations/CP1/configuration": "CP1",
    "#/stations/CP1/messages": "CP1",
    "#/stations/CP1/records": "CP1",
    "#/stations/CP1/settings": "CP1",
    "#/messages": "Messages",
    "#/messages/1": "Message 1",
    "#/transactions": "Transactions",
    "#/transactions/1": "Transaction 1",
    "#/id-tags": "Id tags",
    "#/reservations": "Reservations",
    "#/profiles": "Charging profiles",
    "#/attempts": "Connection attempts",
    "#/server": "Server",
    "#/violations": "Violations",
    "#/users": "Users and keys",
    "#/emulators": "Emulated stations",
    "#/sign-in": "Sign in",
}

AXE = Path(axe_core_python.__file__).with_name("axe.min.js")


def charged(street: Any, station: Station) -> Any:
    """
    Let a station boot, and charge for a while.
    """
    street.do(station.boot())
    street.do(station.status("Charging"))
    begun = street.do(station.begin(1000))
    for register in (1000, 2000, 3000):
        street.do(station.measure(begun.transaction_id, register))
    return begun.transaction_id


class PageTests(World, SynchronousTestCase):
    """
    Every page, with a station that charges.
    """

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.station = cls.street.plug("CP1")
        cls.transaction = charged(cls.street, cls.station)

    def test_every_page(self) -> None:
        """
        Each page says what it is, has no trouble, asks no other host, makes
        the console complain of nothing, and has no serious fault for people
        who do not see it or who use it by keyboard, neither light nor dark;
        on a phone it is not wider than the screen.
        """
        self.addCleanup(self.browser.prefer, "light")
        self.addCleanup(self.browser.resize, 1280, 900)
        self.browser.open("")
        self.browser.run(AXE.read_text() + "\nwindow.axe = axe")
        self.browser.errors()
        host = self.browser.base.split("/")[2]
        for page in PAGES:
            self.look_at(page)
            self.assertEqual(self.browser.all(".trouble"), [], page)
            self.assertEqual(self.browser.hosts(), {host}, page)
            self.assertEqual(self.browser.errors(), [], page)
            self.browser.prefer("light")
            self.assertEqual(self.faults(), [], page)
            self.browser.prefer("dark")
            self.assertEqual(self.faults("color-contrast"), [], page)
            self.browser.resize(390, 800)
            width = "return document.documentElement.scrollWidth"
            self.assertLessEqual(self.browser.run(width), 390, page)
            self.browser.resize(1280, 900)

    def faults(self, *rules: str) -> list[str]:
        """
        The serious faults that axe finds.

        @param rules: which it looks for; all, if none are said.
        """
        options: dict[str, Any] = {"resultTypes": ["violations"]}
        if rules:
            options["runOnly"] = {"type": "rule", "values": rules}
        found = self.browser.driver.execute_async_script(
            "axe.run(document, arguments[0]).then(arguments[1])", options
        )
        return [
            f"{v['id']}: {v['help']}: {v['nodes'][0]['html'][:200]}"
            for v in found["violations"]
            if v["impact"] in ("serious", "critical")
        ]

    def look_at(self, page: str) -> None:
        """
        Go to a page, and wait until it is there.
        """
        self.browser.go(page)
        self.browser.until_read(PAGES[page], "main h1")
        self.browser.calm_down()

    def test_station_comes_and_goes(self) -> None:
        """
        A station that connects is seen at once, and so is that it has gone.
        """
        self.browser.open("#/stations")
        self.browser.until_read("1 of 1 stations", ".count")
        station = self.street.plug("CP2")
        self.street.do(station.boot())
        self.browser.until_read("CP2", ".lines")
        self.street.do(station.status("Faulted"))
        self.browser.until_read("1 Faulted", ".lines")
        self.street.unplug("CP2")
        self.browser.until_read("silent", ".lines")
        self.browser.press("1\nSilent", ".tiles")
        self.browser.until_read("1 of 2 stations", ".count")

    def test_command(self) -> None:
        """
        A form of the official schema becomes the command, and the answer is
        shown.
        """
        self.browser.open("#/stations/CP1/commands/RemoteStartTransaction")
        tag = self.browser.field("idTag")
        tag.clear()
        tag.send_keys("B2")
        self.browser.press("Send RemoteStartTransaction")
        self.browser.until_read("Accepted", ".answer")
        self.assertEqual(
            self.station.told[-1],
            ("RemoteStartTransaction", {"id_tag": "B2", "connector_id": 1}),
        )

    def test_command_as_json(self) -> None:
        """
        The JSON beside the form can be edited; what is against the schema is
        refused in words.
        """
        self.browser.open("#/stations/CP1/commands/Reset")
        box = self.browser.field("The same as JSON")
        box.clear()
        box.send_keys(json.dumps({"type": "Sideways"}))
        self.browser.press("Send Reset")
        self.browser.until_read("type", ".answer .trouble")
        box.send_keys(Keys.BACKSPACE)
        self.browser.until_read("This is no JSON")
        box.clear()
        box.send_keys(json.dumps({"type": "Soft"}))
        kind = self.browser.until(
            lambda: self.browser.field("type"), "the form to follow"
        )
        self.assertEqual(Select(kind).first_selected_option.text, "Soft")

    def test_command_many(self) -> None:
        """
        What the list shows is commanded at once; each answers in a line.
        """
        self.browser.open("#/stations?q=CP1")
        self.browser.until_read("CP1", ".lines")
        self.browser.press("Command these")
        self.browser.until_read("Command many stations", "h1")
        Select(self.browser.field("Command")).select_by_value("Reset")
        self.browser.until(lambda: self.browser.field("type"), "its form")
        self.browser.press("Send to 1 stations")
        self.browser.until_read("1 of 1 have answered", ".count")
        self.browser.until_read("Accepted", "tbody")
        self.assertEqual(self.station.told[-1][0], "Reset")

    def test_choices(self) -> None:
        """
        What the schema enumerates is a choice, and what must be said is
        marked.
        """
        self.browser.open("#/stations/CP1/commands/SetChargingProfile")
        purpose = Select(self.browser.field("chargingProfilePurpose"))
        self.assertEqual(
            [option.text for option in purpose.options],
            ["ChargePointMaxProfile", "TxDefaultProfile", "TxProfile"],
        )
        self.assertEqual(
            self.browser.field("stackLevel").get_attribute("aria-required"),
            "true",
        )

    def test_transaction(self) -> None:
        """
        A transaction shows its figures, and its course as a plot; its meter
        values come as CSV.
        """
        self.browser.open("#/transactions")
        self.browser.press("1", "tbody")
        self.browser.until_read("A1")
        self.browser.one(".plot path.series")
        self.browser.press("CSV of the meter values")
        rows = self.downloaded("transaction-1.csv").splitlines()
        self.assertTrue(rows[0].startswith("time,connectorId,measurand"))
        self.assertEqual(len(rows), 4)

    def test_transactions_as_csv(self) -> None:
        """
        The list of transactions comes as CSV.
        """
        self.browser.open("#/transactions")
        self.browser.until_read("CP1", "tbody")
        self.browser.press("CSV")
        rows = self.downloaded("transactions.csv").splitlines()
        self.assertTrue(rows[0].startswith("transactionId,identity"))
        self.assertTrue(rows[1].startswith("1,CP1,1,A1"))

    def downloaded(self, name: str) -> str:
        path = Path(self.browser.downloads.name, name)
        self.browser.until(path.is_file, f"{name} to be saved")
        return path.read_text()

    def test_id_tags(self) -> None:
        """
        An id tag is made, changed and deleted.
        """
        self.browser.open("#/id-tags")
        self.browser.press("New id tag")
        self.browser.field("Id tag").send_keys("C3")
        self.browser.field("Note").send_keys("Ada")
        self.browser.press("Save")
        self.browser.until_read("C3", "tbody")
        self.browser.press("Change", "tbody")
        status = self.browser.field("State", "main .panel")
        Select(status).select_by_value("Blocked")
        self.browser.press("Save")
        self.browser.until_read("Blocked", "tbody")
        [tag] = self.central.items("idTags")
        self.assertEqual((tag["status"], tag["note"]), ("Blocked", "Ada"))
        self.browser.press("Delete", "tbody")
        self.browser.driver.switch_to.alert.accept()
        self.browser.until_read("No id tags.")
        self.assertEqual(self.central.items("idTags"), [])

    def test_settings(self) -> None:
        """
        What is decided about a station is kept.
        """
        self.browser.open("#/stations/CP1/settings")
        self.browser.field("Note").send_keys("by the door")
        self.browser.press("Save")
        self.browser.until_read("Saved", "#said")
        _, station = self.central.http("GET", "/api/v1/stations/CP1")
        self.assertEqual(station["note"], "by the door")

    def test_message(self) -> None:
        """
        A new message is seen at once; what is wrong with it is marked at its
        place, and a link leads to it alone.
        """
        self.browser.open("#/messages?action=DataTransfer")
        self.browser.until_read("No messages yet.")
        wrong = '[2,"x1","DataTransfer",{"vendorId":7}]'
        self.street.do(self.station.connection.send(wrong))
        self.browser.until_read("1 violation", ".log")
        self.browser.one(".log summary").click()
        self.browser.until_read("7", ".log mark")
        self.browser.press("Link to this message")
        self.browser.until_read("Message", "h1")
        self.browser.until_read("$.vendorId", ".violations")

    def test_keyboard(self) -> None:
        """
        A station is found and opened without a mouse.
        """
        self.browser.open("#/stations")
        search = self.browser.field("Search")
        search.send_keys("cp1")
        self.browser.until_read("CP1", ".lines")
        for _ in range(12):
            focused = self.browser.driver.switch_to.active_element
            if focused.text == "CP1":
                break
            focused.send_keys(Keys.TAB)
        self.browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
        self.browser.until_read("CP1", "h1")


class HostileTests(World, SynchronousTestCase):
    """
    Stations that would like to be more than a text.
    """

    EVIL: ClassVar = "<img src=x onerror=window.hacked=1>"

    def test_names_stay_texts(self) -> None:
        """
        What a hostile station says of itself is shown as it is, on every
        page, and never run.
        """
        station = self.street.plug(self.EVIL)
        script = "</b><script>window.hacked=1</script>"
        self.street.do(
            station.call(
                call.BootNotification(
                    charge_point_model="<svg onload=hacked>",
                    charge_point_vendor=self.EVIL[:20],
                    firmware_version=script[:50],
                )
            )
        )
        self.street.do(
            station.call(
                call.StatusNotification(
                    1, "OtherError", "Faulted", info=script[:50]
                )
            )
        )
        self.street.do(
            station.call(call.StartTransaction(1, "<b>evil</b>", 1, now()))
        )
        deep = "[" * 9000 + "]" * 9000
        for frame in (
            f'[2,"1","{script}",{{}}]',
            f'[2,"2","DataTransfer",{{"vendorId":{deep}}}]',
            '[2,"3","DataTransfer","' + "x" * 9000 + '"]',
            '[2,"4","StatusNotification",{"connectorId":2,"status":{"a":1},'
            '"errorCode":[null],"timestamp":{}}]',
            '[2,"5","MeterValues",{"connectorId":1,"meterValue":[null,'
            '{"timestamp":0,"sampledValue":[null,{"value":{},"measurand":3,'
            '"unitOfMeasure":null}]}]}]',
        ):
            self.street.do(station.connection.send(frame))
        self.browser.errors()
        self.browser.open("#/stations")
        self.browser.until_read(self.EVIL, ".lines")
        self.browser.press(self.EVIL)
        self.browser.until_read(self.EVIL, "h1")
        self.browser.until_read(script[:50], ".connector")
        for page, text in {
            "#/stations?view=cards": self.EVIL,
            "#/messages": script,
            "#/transactions": "<b>evil</b>",
            "#/transactions/1": "<b>evil</b>",
        }.items():
            self.browser.open(page)
            self.browser.until_read(text)
        for detail in self.browser.all(".log summary"):
            detail.click()
        self.assertIsNone(self.browser.run("return window.hacked ?? null"))
        self.assertEqual(self.browser.all("main img, main script"), [])
        self.assertEqual(self.browser.errors(), [])


MANY = 10_000

FULL = f"""
from ocpp_tw import fleet
begin = fleet.Fleet.__init__
def full(self, known=None):
    begin(self, known)
    for n in range({MANY}):
        connectors = {{1: {{"status": "Available", "errorCode": "NoError"}}}}
        self.add(fleet.Known(
            f"CP{{n:05}}", version="1.6", last_seen=1e9 + n,
            connectors=connectors))
fleet.Fleet.__init__ = full
"""


class ManyTests(World, SynchronousTestCase):
    """
    Ten thousand stations.
    """

    before = FULL

    def test_only_what_is_seen_is_drawn(self) -> None:
        """
        Of 10,000 stations a screenful is drawn, wherever one looks; as a
        table and as cards.
        """
        views = {"table": ".lines .virtual > *", "cards": ".card"}
        for view, row in views.items():
            self.browser.open(f"#/stations?view={view}")
            self.browser.until_read("10000 of 10000 stations", ".count")
            self.browser.until_read("CP00000", "main")
            self.assertLess(len(self.browser.all(row)), 100)
            self.browser.run("scrollTo(0, document.body.scrollHeight)")
            self.browser.until_read("CP09999", "main")
            self.assertLess(len(self.browser.all(row)), 100)

    def test_scrolling_is_quick(self) -> None:
        """
        Drawing another part of the list takes less than a blink.
        """
        self.browser.open("#/stations?view=table")
        self.browser.until_read("10000 of 10000 stations", ".count")
        self.browser.until_read("CP00000", "main")
        longest = self.browser.driver.execute_async_script("""
            const done = arguments[0];
            const took = [];
            let at = 0;
            function step() {
              if (at === 20) return done(took.sort((a, b) => a - b)[10]);
              scrollTo(0, ++at * 20000);
              const began = performance.now();
              requestAnimationFrame(() => requestAnimationFrame(() => {
                took.push(performance.now() - began);
                step();
              }));
            }
            step();
        """)
        self.assertLess(longest, 250)

    def test_search(self) -> None:
        """
        One of 10,000 is found by a part of its name.
        """
        self.browser.open("#/stations")
        self.browser.field("Search").send_keys("9877")
        self.browser.until_read("1 of 10000 stations", ".count")
        self.browser.until_read("CP09877", "main")
