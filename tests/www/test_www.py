"""
Tests for the web pages: what people see and do, in a real browser.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

from ocpp.v16 import call
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select
from twisted.trial.unittest import SynchronousTestCase

from tests.test_session import Station, now

from .world import World


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
    The pages, with a station that charges.
    """

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.station = cls.street.plug("CP1")
        cls.transaction = charged(cls.street, cls.station)

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
        self.assertEqual(self.browser.faults(), [])
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
        self.browser.until_read("No such messages.")
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
            "#/violations": "<svg onload=hacked>",
            f"#/stations/{quote(self.EVIL, safe='')}/violations": "status",
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


#: What tells how many lines were drawn since it was asked last.
COUNT_DRAWN = """
    let drawn = 0;
    new MutationObserver((all) => {
      for (const { addedNodes } of all)
        drawn += [...addedNodes].filter((n) => n.matches?.(".line")).length;
    }).observe(document.querySelector(".lines"), {
      childList: true, subtree: true });
    window.countDrawn = (tell) =>
      requestAnimationFrame(() => requestAnimationFrame(() => {
        tell(drawn);
        drawn = 0;
      }));
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

    def test_scrolling_draws_little(self) -> None:
        """
        A step down draws as many lines as come into sight, and the others
        stay as they are; far away a screenful is drawn, once.
        """
        self.browser.open("#/stations?view=table")
        self.browser.until_read("CP00000", "main")
        self.browser.run(COUNT_DRAWN)
        # The window's 900 pixels, 6 lines beyond both ends, and two in part.
        screenful = 900 // 44 + 2 * 6 + 2
        for at in range(10):
            self.assertLessEqual(self.drawn_at(at * 44), 1)
        for at in range(1, 20):
            drawn = self.drawn_at(at * 20000)
            self.assertLessEqual(drawn, screenful)
            self.assertGreater(drawn, 0)

    def drawn_at(self, top: int) -> int:
        """
        How many lines are drawn anew when one has scrolled there.
        """
        drawn: int = self.browser.driver.execute_async_script(
            "scrollTo(0, arguments[0]); countDrawn(arguments[1])", top
        )
        return drawn

    def test_events_draw_little(self) -> None:
        """
        A station that comes, or whose state changes, has its line drawn, and
        no other; nothing else is asked of the server for that.
        """
        self.browser.open("#/stations?view=table")
        self.browser.until_read("CP00000", "main")
        station = self.street.plug("CP00003")
        self.street.do(station.boot())
        self.browser.until_read("Two-22", "main")
        self.browser.calm_down()
        self.browser.run(COUNT_DRAWN)
        self.browser.run("performance.clearResourceTimings()")
        self.street.do(station.status("Faulted"))
        self.browser.until_read("1 Faulted", ".lines")
        drawn = self.browser.driver.execute_async_script(
            "countDrawn(arguments[0])"
        )
        self.assertLessEqual(drawn, 2)
        self.assertEqual(self.browser.asked(), [])

    def test_sorting(self) -> None:
        """
        They are sorted by what a head, or the choice above the cards, says;
        this way and that.
        """
        first = ".virtual > :first-child"
        self.browser.open("#/stations?view=table")
        self.browser.until_read("CP00000", first)
        self.browser.press("Station", ".heads")
        self.browser.until_read("CP09999", first)
        down = self.browser.one("[role=columnheader]")
        self.assertEqual(down.get_attribute("aria-sort"), "descending")
        self.browser.open("#/stations?view=cards")
        self.browser.until_read("CP00000", first)
        by = Select(self.browser.field("Sort by"))
        by.select_by_visible_text("Station ↓")
        self.browser.until_read("CP09999", first)

    def test_search(self) -> None:
        """
        One of 10,000 is found by a part of its name.
        """
        self.browser.open("#/stations")
        self.browser.field("Search").send_keys("9877")
        self.browser.until_read("1 of 10000 stations", ".count")
        self.browser.until_read("CP09877", "main")
