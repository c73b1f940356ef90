"""
Tests for what all of the web pages promise, each page with something on it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.ocpp.actions import TO_STATION
from ocpp_tw.ocpp.versions import Version

from .pictures import live_together, operate
from .world import World


WWW = Path(__file__).parents[2] / "www"

#: What is at the top of each page, and what of it has to be there.
PAGES = {
    "#/stations?view=table": ("Stations", ".line:not(.heads)"),
    "#/stations?view=cards": ("Stations", ".card"),
    "#/stations/CP001": ("CP001", ".plot path.series"),
    "#/stations/CP001/commands": ("CP001", ".command-list a"),
    "#/stations/CP001/commands/SetChargingProfile": ("CP001", "textarea"),
    "#/stations/CP001/configuration": ("CP001", "main .panel"),
    "#/stations/CP006/messages": ("CP006", ".log li"),
    "#/stations/CP006/violations": ("CP006", "tbody tr"),
    "#/stations/EMU1/records": ("EMU1", ".schedule path.series"),
    "#/stations/CP012/queue": ("CP012", "tbody tr"),
    "#/stations/CP012/settings": ("CP012", "main input"),
    "#/many": ("Command many stations", "main p"),
    "#/messages?identity=CP006": ("Messages", ".log li"),
    "#/messages/{wrong}": ("Message", ".log mark"),
    "#/transactions": ("Transactions", "tbody tr"),
    "#/transactions/1": ("Transaction 1", ".plot path.series"),
    "#/id-tags": ("Id tags", "tbody tr"),
    "#/reservations": ("Reservations", "tbody tr"),
    "#/profiles": ("Charging profiles", ".schedule path.series"),
    "#/emulators": ("Emulated stations", "tbody tr"),
    "#/emulators/EMU1": ("EMU1", ".connector"),
    "#/violations": ("Violations", "tbody tr"),
    "#/attempts": ("Connection attempts", "tbody tr"),
    "#/users": ("Users and keys", "tbody tr"),
    "#/server": ("Server", "tbody tr"),
    "#/sign-in": ("Sign in", "main form"),
}


class EveryPageTests(World, SynchronousTestCase):
    """
    Every page.
    """

    pages: dict[str, tuple[str, str]]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        live_together(cls.central, cls.street)
        operate(cls.central)
        [wrong] = cls.central.items("messages?action=DataTransfer")
        cls.pages = {
            page.format(wrong=wrong["id"]): there
            for page, there in PAGES.items()
        }

    def look_at(self, page: str) -> None:
        """
        Go to a page, and wait until it is there.
        """
        heading, something = self.pages[page]
        self.browser.go(page)
        self.browser.until_read(heading, "main h1")
        self.browser.one(something)
        self.browser.calm_down()

    def test_every_page(self) -> None:
        """
        Each page says what it is, has no trouble, asks no other host, and of
        ours only what the documentation of the API has, makes the console
        complain of nothing, and has no serious fault for people who do not
        see it or who use it by keyboard, neither light on a screen nor dark
        on a phone; there it is not wider than the screen.
        """
        self.addCleanup(self.browser.prefer, "light")
        self.addCleanup(self.browser.resize, 1280, 900)
        self.browser.open("")
        self.browser.errors()
        host = self.browser.base.split("/")[2]
        for page in self.pages:
            self.look_at(page)
            self.assertEqual(self.browser.all(".trouble"), [], page)
            self.assertEqual(self.browser.hosts(), {host}, page)
            self.assertEqual(self.browser.errors(), [], page)
            for width, scheme in ((1280, "light"), (390, "dark")):
                self.browser.resize(width, 900)
                self.browser.prefer(scheme)
                self.assertEqual(self.browser.faults(), [], (page, scheme))
            wide = "return document.documentElement.scrollWidth"
            self.assertLessEqual(self.browser.run(wide), 390, page)
            # There a cell is a grid: its name, and one thing beside it.
            self.assertEqual(self.browser.run(TORN_CELLS), [], page)
            self.browser.resize(1280, 900)
        self.assertEqual(self.undocumented(), set())

    def undocumented(self) -> set[str]:
        """
        The calls that were made, and that the API's documentation has not.
        """
        _, document = self.central.http("GET", "/docs/openapi.json")
        known = [
            re.compile(r"/api/v1" + re.sub(r"\{\w+\}", "[^/]+", path) + r"\Z")
            for path in document["paths"]
        ]
        asked = {urlsplit(a).path for a in self.browser.asked()}
        calls = {path for path in asked if path.startswith("/api/")}
        self.assertGreater(len(calls), 20)
        return {
            call
            for call in calls
            if not any(path.match(call) for path in known)
        }

    def test_other_languages(self) -> None:
        """
        No page in German or Russian has an English text left.
        """
        self.addCleanup(self.browser.speak, "en-GB,en")
        for language in ("de", "ru"):
            words = translated(language)
            self.browser.speak(language)
            self.browser.open("")
            for page, (_, something) in self.pages.items():
                self.browser.go("#/")
                self.browser.go(page)
                self.browser.one(something)
                left = set(self.browser.run(TEXTS)) & words
                self.assertEqual(left, set(), (language, page))

    def test_time_zone(self) -> None:
        """
        Times are in the zone of the viewer; beside the mouse is UTC.
        """
        self.addCleanup(self.browser.live_in, "")
        _, transaction = self.central.http("GET", "/api/v1/transactions/1")
        began = transaction["startTime"]
        for zone, hours in (("Asia/Tokyo", 9), ("Etc/GMT+3", -3)):
            self.browser.live_in(zone)
            self.browser.open("#/transactions/1")
            clock = (int(began[11:13]) + hours) % 24
            self.browser.until_read(
                f", {clock:02}{began[13:19]}",
                f".facts [title='{began} (UTC)']",
            )

    def test_units(self) -> None:
        """
        Numbers have units, of a size that is easy to read.
        """
        self.browser.open("#/transactions/1")
        self.browser.until_read("1 kWh", ".facts")
        self.browser.until_read("12 kW", ".plot")
        self.browser.until_read("15 kWh", ".plots")

    def test_policy(self) -> None:
        """
        What a page has in it runs only if it is a file of ours.
        """
        self.browser.open("#/stations")
        self.browser.one(".line:not(.heads)")
        self.browser.errors()
        self.browser.run("""
            const script = document.createElement("script");
            script.textContent = "window.hacked = 1";
            document.body.append(script);
            document.body.setAttribute("onclick", "window.hacked = 1");
            document.body.click();
        """)
        self.assertIsNone(self.browser.run("return window.hacked ?? null"))
        complaints = self.browser.errors()
        self.assertEqual(len(complaints), 2, complaints)
        for complaint in complaints:
            self.assertIn("Content Security Policy", complaint)


#: Cells of tables that hold more than one thing.
TORN_CELLS = """
    return [...document.querySelectorAll("td")]
      .filter((cell) => cell.childNodes.length !== 1)
      .map((cell) => cell.textContent);
"""

#: All the texts that are to be read.
TEXTS = """
    const found = [];
    const WORDS_OF_OCPP =
      "code, noscript, option, .chip, .badge, .beside";
    const { body } = document;
    const walk = document.createTreeWalker(body, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
      const { parentElement: parent, data } = walk.currentNode;
      if (!parent.closest(WORDS_OF_OCPP))
        found.push(data.trim());
    }
    return found;
"""


def translated(language: str) -> set[str]:
    """
    The English texts that are others in that language, and no words of OCPP.
    """
    text = (WWW / "words" / f"{language}.js").read_text()
    pairs = re.findall(r'^  (".*"): (".*"),$', text, re.MULTILINE)
    words = {json.loads(word): json.loads(said) for word, said in pairs}
    others = {word for word, said in words.items() if word != said}
    return others - TO_STATION[Version.V16]
