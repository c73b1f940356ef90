"""
A headless Chromium that shows our pages.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from urllib.parse import urlsplit

import axe_core_python
from selenium.common.exceptions import (
    NoSuchElementException,
    StaleElementReferenceException,
)
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait


T = TypeVar("T")

AXE = Path(axe_core_python.__file__).with_name("axe.min.js")

#: Seconds that a page may take to show what is expected.
PATIENCE = 15

#: The program, and the Debian package that has it.
PROGRAMS = {"chromium": "chromium", "chromedriver": "chromium-driver"}

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    "--lang=en-GB",
]


def find(program: str) -> str:
    """
    Where a program is.

    @raise AssertionError: it is not installed; says what to install.
    """
    path = shutil.which(program)
    if path is None:
        raise AssertionError(
            f"there is no {program}: install the package {PROGRAMS[program]!r}"
            f" (apt-get install -y {' '.join(PROGRAMS.values())})"
        )
    return path


class Browser:
    """
    @ivar driver: of Selenium.
    @ivar base: the address of the central system, with a slash.
    """

    def __init__(self) -> None:
        self.base = ""
        self._profile = TemporaryDirectory(
            prefix="chromium-", ignore_cleanup_errors=True
        )
        self.downloads = TemporaryDirectory(prefix="downloads-")
        options = ChromeOptions()
        options.binary_location = find("chromium")
        for flag in FLAGS:
            options.add_argument(flag)
        options.add_argument(f"--user-data-dir={self._profile.name}")
        options.add_experimental_option(
            "prefs", {"download.default_directory": self.downloads.name}
        )
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = Chrome(options, Service(find("chromedriver")))
        self.driver.set_page_load_timeout(PATIENCE)
        self.resize(1280, 900)
        self.speak("en-GB,en")

    def close(self) -> None:
        self.driver.quit()
        self._profile.cleanup()
        self.downloads.cleanup()

    def resize(self, width: int, height: int) -> None:
        """
        The size of the page, whatever the window's frame is.
        """
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {
                "width": width,
                "height": height,
                "deviceScaleFactor": 1,
                "mobile": False,
            },
        )

    def prefer(self, scheme: str) -> None:
        """
        Prefer C{light} or C{dark}.
        """
        self.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {
                "features": [
                    {"name": "prefers-color-scheme", "value": scheme},
                    {"name": "prefers-reduced-motion", "value": "reduce"},
                ]
            },
        )

    def speak(self, languages: str) -> None:
        """
        Prefer these languages, from the next page that is opened.
        """
        agent = self.run("return navigator.userAgent")
        self.driver.execute_cdp_cmd(
            "Emulation.setUserAgentOverride",
            {"userAgent": agent, "acceptLanguage": languages},
        )

    def live_in(self, zone: str) -> None:
        """
        Have the time of C{Asia/Tokyo}, say; of the machine, if empty.
        """
        self.driver.execute_cdp_cmd(
            "Emulation.setTimezoneOverride", {"timezoneId": zone}
        )

    def open(self, page: str) -> None:
        """
        Show a page: C{#/stations}.
        """
        self.driver.get("about:blank")
        self.driver.get(self.base + page)
        self.run("performance.setResourceTimingBufferSize(100000)")

    def go(self, page: str) -> None:
        """
        Show another page, by its address alone.
        """
        self.driver.execute_script("location.hash = arguments[0]", page)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        """
        The first such element, as soon as it is there.
        """
        return self.until(
            lambda: next(iter(self.all(selector)), None), selector
        )

    def text(self, selector: str = "main") -> str:
        """
        What is to be read there.
        """
        return str(self.driver.find_element(By.CSS_SELECTOR, selector).text)

    def texts(self, selector: str) -> list[str]:
        """
        What is to be read in each such element that is to be seen; all at
        once: the page may be drawn anew between two questions.
        """
        script = """
            return [...document.querySelectorAll(arguments[0])]
                .filter(element => element.checkVisibility())
                .map(element => element.innerText.trim());
        """
        found: list[str] = self.run(script, selector)
        return found

    def until(self, holds: Callable[[], T | None], what: str) -> T:
        """
        Wait until something holds, and say what it is.
        """
        ignored = (NoSuchElementException, StaleElementReferenceException)
        waiting = WebDriverWait(self.driver, PATIENCE, 0.05, ignored)
        return waiting.until(
            lambda _: holds(), f"{what}\n{self.text('body')[:2000]}"
        )

    def until_read(self, text: str, selector: str = "main") -> None:
        self.until(lambda: text in self.text(selector), f"read {text!r}")

    def press(self, text: str, within: str = "main") -> None:
        """
        Press the button, or follow the link, of that text.
        """
        found = self.until(lambda: self._named(text, within), f"see {text!r}")
        found.click()

    def _named(self, text: str, within: str) -> WebElement | None:
        for element in self.all(f"{within} button, {within} a"):
            if element.text == text and element.is_displayed():
                return element
        return None

    def calm_down(self) -> None:
        """
        Wait until nothing was asked for a moment.
        """
        script = """
            const [last] = performance.getEntriesByType('resource').slice(-1);
            return performance.now() - last.responseEnd > 150;
        """
        self.until(lambda: self.run(script), "it calms down")

    def field(self, label: str, within: str = "main") -> WebElement:
        """
        What a label labels.
        """
        script = """
            const [within, text] = arguments;
            for (const label of document.querySelectorAll(within + " label"))
                if (label.textContent === text && label.control)
                    return label.control;
        """
        found: WebElement = self.until(
            lambda: self.driver.execute_script(script, within, label),
            f"a field {label!r}",
        )
        return found

    def run(self, script: str, *args: Any) -> Any:
        return self.driver.execute_script(script, *args)

    def errors(self) -> list[str]:
        """
        What the console has complained of since it was asked last.
        """
        return [
            entry["message"]
            for entry in self.driver.get_log("browser")
            if entry["level"] in ("SEVERE", "WARNING")
        ]

    def asked(self) -> list[str]:
        """
        Every address that the page has asked for.
        """
        found: list[str] = self.run(
            "return performance.getEntriesByType('resource')"
            ".map(({name}) => name)"
        )
        return found

    def hosts(self) -> set[str]:
        """
        Every host that was asked for something.
        """
        return {urlsplit(address).netloc for address in self.asked()}

    def faults(self) -> list[str]:
        """
        The serious faults that axe finds, for people who do not see the page
        or who use it by keyboard.
        """
        if self.run("return !window.axe"):
            self.run(AXE.read_text() + "\nwindow.axe = axe")
        found = self.driver.execute_async_script(
            "axe.run(document, {resultTypes: ['violations']})"
            ".then(arguments[0])"
        )
        return [
            f"{v['id']}: {v['help']}: {v['nodes'][0]['html'][:200]}"
            for v in found["violations"]
            if v["impact"] in ("serious", "critical")
        ]

    def shoot(self, file: str) -> None:
        """
        Take a picture of what is seen.
        """
        self.driver.save_screenshot(file)
