"""
Pictures of the main pages: C{python -m tests.www.pictures FOLDER}.
"""

from __future__ import annotations

import random
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from ocpp.v16 import call
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.process import Server, server
from tests.test_session import Station, now

from .browser import Browser
from .world import Street


#: What is seen, and by what name.
PAGES = {
    "stations": "#/stations?view=cards",
    "table": "#/stations?view=table",
    "station": "#/stations/CP004",
    "command": "#/stations/CP004/commands/SetChargingProfile",
    "station-violations": "#/stations/CP006/violations",
    "records": "#/stations/EMU1/records",
    "queue": "#/stations/CP012/queue",
    "settings": "#/stations/CP012/settings",
    "messages": "#/messages",
    "message": "#/messages/{wrong}",
    "transactions": "#/transactions",
    "transaction": "#/transactions/1",
    "id-tags": "#/id-tags",
    "reservations": "#/reservations",
    "profiles": "#/profiles",
    "emulators": "#/emulators",
    "emulator": "#/emulators/EMU1",
    "violations": "#/violations",
    "attempts": "#/attempts",
    "users": "#/users",
    "server": "#/server",
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
            charge_point_vendor="Volta",
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


async def misbehave(station: Station) -> None:
    """
    Say what the standard does not allow.
    """
    for frame in (
        '[2,"x1","DataTransfer",{"vendorId":7,"data":{"a":[1,2]}}]',
        '[2,"x2","StatusNotification",{"connectorId":1,"status":"Idle",'
        '"errorCode":"NoError"}]',
    ):
        await station.connection.send(frame)


def tell(central: Server, method: str, path: str, body: Any) -> None:
    """
    Do what an operator does.
    """
    status, answer = central.http(method, f"/api/v1/{path}", body)
    assert status < 300, (path, status, answer)


def operate(central: Server) -> None:
    """
    Tags, a reservation, a command that waits, and an emulated station that
    charges by a profile.
    """
    for tag, status in (("TAG1", "Accepted"), ("LOST", "Blocked")):
        tell(central, "PUT", f"idTags/{tag}", {"status": status})
    reservation = {
        "connectorId": 2,
        "expiryDate": now(3600),
        "idTag": "TAG1",
        "reservationId": 1,
    }
    central.command("CP002", "ReserveNow", reservation)
    waiting = {"action": "Reset", "payload": {"type": "Soft"}}
    tell(central, "POST", "stations/CP012/calls?queue=3600", waiting)
    tell(central, "POST", "emulators", {"name": "EMU1", "connectors": 2})
    central.until(
        lambda: central.command("EMU1", "ClearCache", {})[0] == 200,
        "the emulated station comes",
    )
    central.command("EMU1", "SetChargingProfile", PROFILE)
    for action in ("plug", "presentTag"):
        act = {"action": action, "connectorId": 1}
        if action == "presentTag":
            act["idTag"] = "TAG1"
        tell(central, "POST", "emulators/EMU1/actions", act)


PROFILE = {
    "connectorId": 1,
    "csChargingProfiles": {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Recurring",
        "recurrencyKind": "Daily",
        "chargingSchedule": {
            "startSchedule": "2026-01-01T00:00:00Z",
            "duration": 86400,
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [
                {"startPeriod": 0, "limit": 32},
                {"startPeriod": 25200, "limit": 10},
                {"startPeriod": 72000, "limit": 32},
            ],
        },
    },
}


def live_together(central: Server, street: Street) -> None:
    """
    Twelve stations: some charge, one has gone, one says odd things; one could
    not come.
    """
    for number in range(1, 13):
        station = street.plug(f"CP{number:03}")
        street.do(live(station, number))
        if number == 6:
            street.do(misbehave(station))
    street.unplug("CP012")
    with suppress(InvalidStatus):
        connect(central.url("CP013"), subprotocols=["ocpp16"])


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
        live_together(central, street)
        operate(central)
        browser = Browser()
        cleanups.callback(browser.close)
        browser.base = f"http://127.0.0.1:{central.port}/"
        folder.mkdir(parents=True, exist_ok=True)
        [wrong] = central.items("messages?action=DataTransfer")
        for name, address in PAGES.items():
            page = address.format(wrong=wrong["id"])
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
