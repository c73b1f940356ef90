"""
Pictures of the main pages: C{python -m tests.www.pictures FOLDER}.
"""

from __future__ import annotations

import random
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ocpp.v16 import call

from tests.process import server
from tests.test_session import Station, now

from .browser import Browser
from .world import Street


#: What is seen, and by what name.
PAGES = {
    "stations": "#/stations?view=cards",
    "table": "#/stations?view=table",
    "station": "#/stations/CP004",
    "command": "#/stations/CP004/commands/SetChargingProfile",
    "messages": "#/messages",
    "transactions": "#/transactions",
    "transaction": "#/transactions/1",
}

MODELS = ("Two-22", "Fast-150", "Wallbox 11")


class Cleanups(ExitStack):
    """
    What L{server} needs of a test.
    """

    def addCleanup(self, work: Any, *args: Any) -> None:
        self.callback(work, *args)


async def live(station: Station, number: int) -> None:
    """
    Let a station tell of itself, and every third one charge.
    """
    await station.call(
        call.BootNotification(
            charge_point_model=MODELS[number % 3],
            charge_point_vendor="Example",
            firmware_version=f"1.{number}",
            charge_point_serial_number=f"SN{number:06}",
        )
    )
    is_charging = number % 3 == 1
    for connector, status in (
        (1, "Charging" if is_charging else "Available"),
        (2, "Faulted" if number == 8 else "Available"),
    ):
        error = "GroundFailure" if status == "Faulted" else "NoError"
        await station.call(
            call.StatusNotification(connector, error, status, timestamp=now())
        )
    if is_charging:
        await charge(station, number)


async def charge(station: Station, number: int) -> None:
    """
    An hour of charging.
    """
    register = 1000.0 * number
    begun = await station.call(
        call.StartTransaction(1, f"TAG{number}", int(register), now(-3600))
    )
    for second in range(0, 3600, 60):
        power = 11000 - max(0, second - 2400) * 4 + random.gauss(0, 150)
        register += power / 60
        samples = [
            {
                "value": str(int(register)),
                "measurand": "Energy.Active.Import.Register",
                "unit": "Wh",
            },
            {
                "value": f"{power:.0f}",
                "measurand": "Power.Active.Import",
                "unit": "W",
            },
        ]
        value = {"timestamp": now(second - 3600), "sampled_value": samples}
        await station.call(call.MeterValues(1, [value], begun.transaction_id))


def main(folder: Path) -> None:
    """
    Take them all.
    """
    random.seed(1)
    with Cleanups() as cleanups:
        central = server(cleanups)
        central.start()
        street = Street(central)
        cleanups.callback(street.close)
        for number in range(1, 13):
            street.do(live(street.plug(f"CP{number:03}"), number))
        browser = Browser()
        cleanups.callback(browser.close)
        browser.base = f"http://127.0.0.1:{central.port}/"
        for name, page in PAGES.items():
            for scheme in ("light", "dark"):
                take(browser, page, scheme, folder / f"{name}-{scheme}.png")


def take(browser: Browser, page: str, scheme: str, file: Path) -> None:
    """
    Take one, wide and on a phone.
    """
    browser.prefer(scheme)
    for width, height, kind in ((1280, 800, ""), (390, 800, "-phone")):
        browser.resize(width, height)
        browser.open(page)
        browser.one("main h1")
        browser.calm_down()
        browser.shoot(str(file.with_stem(file.stem + kind)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
