"""
Tests for the pages of what has passed and what is kept: messages,
transactions, reservations, violations, refused connections.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import ClassVar

from ocpp.v16 import call
from selenium.webdriver.support.ui import Select
from twisted.trial.unittest import SynchronousTestCase
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.test_session import now

from .world import World


class ListTests(World, SynchronousTestCase):
    """
    What a station leaves behind.
    """

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.station = cls.street.plug("CP1")
        cls.street.do(cls.station.boot())

    def downloaded(self, name: str) -> str:
        """
        A file that was saved; it is gone then.
        """
        path = Path(self.browser.downloads.name, name)
        self.browser.until(path.is_file, f"{name} to be saved")
        text = path.read_text()
        path.unlink()
        return text

    def data_transfer(self, vendor: str) -> None:
        self.street.do(self.station.call(call.DataTransfer(vendor)))

    def test_pause(self) -> None:
        """
        While it is paused, the log stands still; then it shows what it has
        missed.
        """
        self.data_transfer("before")
        self.browser.open("#/messages?action=DataTransfer")
        self.browser.until_read("before", ".log")
        self.browser.press("Pause")
        self.data_transfer("meanwhile")
        other = self.street.plug("CP2")
        self.street.do(other.boot())
        self.browser.calm_down()
        self.assertNotIn("meanwhile", self.browser.text(".log"))
        self.browser.press("Go on")
        self.browser.until_read("meanwhile", ".log")

    def test_search_and_export(self) -> None:
        """
        What is filtered and sought is what is shown, and what is exported, as
        JSON lines and as CSV.
        """
        self.data_transfer("needle")
        self.data_transfer('hay, and\n"hay"')
        self.browser.open("#/messages")
        self.browser.field("Action").send_keys("DataTransfer")
        self.browser.field("Search").send_keys("NEEDLE")
        self.browser.until(
            lambda: len(self.browser.all(".log li")) == 1, "it is found"
        )
        self.browser.until_read("needle", ".log")
        self.browser.press("JSON lines")
        [line] = self.downloaded("messages.jsonl").splitlines()
        self.assertEqual(json.loads(line)["action"], "DataTransfer")
        self.assertIn("needle", json.loads(line)["call"])
        self.browser.press("CSV")
        [row] = csv.DictReader(self.downloaded("messages.csv").splitlines())
        self.assertEqual(row["identity"], "CP1")
        self.assertIn("needle", row["call"])
        self.browser.run("location.reload()")
        self.browser.until_read("needle", ".log")
        self.assertEqual(len(self.browser.all(".log li")), 1)

    def test_pair(self) -> None:
        """
        A line has the direction, the action and the milliseconds, and unfolds
        to both frames.
        """
        self.data_transfer("pair")
        self.browser.open("#/messages?q=pair")
        self.browser.until_read("DataTransfer", ".log")
        self.assertRegex(self.browser.text(".log .took"), r"[\d.]+ ms")
        self.browser.one(".log [aria-label='from the station']")
        self.browser.one(".log summary").click()
        self.browser.until_read('"pair"', ".frames > div:first-child")
        self.browser.until_read('"status"', ".frames > div:nth-child(2)")

    def test_violations_by_model(self) -> None:
        """
        What stations do against the standard is counted by model, with an
        example that is marked, and comes as CSV.
        """
        for number in (1, 2, 3):
            frame = f'[2,"w{number}","Heartbeat",{{"odd":{number}}}]'
            self.street.do(self.station.connection.send(frame))
        self.browser.open("#/violations")
        self.browser.until_read("Heartbeat", "tbody tr")
        self.browser.until_read("Example Two-22", "tbody tr")
        self.browser.one("tbody summary").click()
        self.browser.until_read('"odd"', "tbody pre")
        self.browser.press("CSV")
        [first, *_] = csv.DictReader(
            self.downloaded("violations.csv").splitlines()
        )
        self.assertEqual((first["action"], first["count"]), ("Heartbeat", "3"))

    def test_suspect(self) -> None:
        """
        What is suspect about a transaction is marked, explained, and may be
        filtered by.
        """
        begun = self.street.do(self.station.begin(5000)).transaction_id
        self.street.do(self.station.end(begun, 4000, "Local"))
        good = self.street.do(self.station.begin(4000)).transaction_id
        self.street.do(self.station.end(good, 4100, "Local"))
        self.browser.open("#/transactions")
        Select(self.browser.field("Suspect")).select_by_value("true")
        self.browser.until(
            lambda: "100 Wh" not in self.browser.text("tbody"), "no other"
        )
        self.browser.until_read("negativeEnergy", "tbody")
        self.browser.press(str(begun), "tbody")
        self.browser.until_read("the last register is below the first")

    def test_close_record(self) -> None:
        """
        To stop charging asks the station; to close the record does not.
        """
        begun = self.street.do(self.station.begin(1)).transaction_id
        self.browser.open(f"#/transactions/{begun}")
        self.browser.press("Stop charging")
        self.browser.until_read("The station says: Accepted", "#said")
        told = ("RemoteStopTransaction", {"transaction_id": begun})
        self.assertEqual(self.station.told[-1], told)
        self.station.told.clear()
        self.browser.press("Close the record")
        self.browser.driver.switch_to.alert.accept()
        self.browser.until_read("closedByOperator")
        self.assertEqual(self.station.told, [])
        self.assertNotIn("Stop charging", self.browser.text())

    def test_reservation(self) -> None:
        """
        A reservation is seen, and cancelled at the station.
        """
        payload = {
            "connectorId": 1,
            "expiryDate": now(3600),
            "idTag": "A1",
            "reservationId": 7,
        }
        self.central.command("CP1", "ReserveNow", payload)
        self.browser.open("#/reservations?status=Active")
        self.browser.until_read("CP1", "tbody")
        self.browser.press("Cancel it")
        self.browser.driver.switch_to.alert.accept()
        self.browser.until_read("The station says: Accepted", "#said")
        self.assertEqual(
            self.station.told[-1], ("CancelReservation", {"reservation_id": 7})
        )
        self.browser.until_read("No reservations.")

    def test_trouble_in_words(self) -> None:
        """
        What the API refuses is said in its words, where it happened.
        """
        self.browser.open("#/transactions/99")
        self.browser.until_read("there is no transaction 99", ".trouble")
        self.browser.go("#/stations/nobody")
        self.browser.until_read('no station "nobody"', ".trouble")
        self.browser.errors()


class KnownTests(World, SynchronousTestCase):
    """
    Where only stations that are registered may come.
    """

    settings: ClassVar = {"CS_STATIONS_ACCEPT": "known"}

    def test_register(self) -> None:
        """
        One that was refused is registered by a click, and may come then.
        """
        with self.assertRaises(InvalidStatus):
            connect(self.central.url("CP/9"), subprotocols=["ocpp1.6"])
        self.browser.open("#/attempts")
        self.browser.press("Register CP/9", "tbody")
        self.browser.until_read("It is registered", "tbody")
        with connect(self.central.url("CP/9"), subprotocols=["ocpp1.6"]):
            pass
