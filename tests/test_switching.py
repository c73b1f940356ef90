"""
Tests for going from one backend to another while stations charge.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path
from typing import Any

from attrs import define, field
from twisted.trial.unittest import SynchronousTestCase
from websockets.asyncio.client import ClientConnection, connect

from .process import ROOT, Server, free_port, server


STATIONS = 200

#: Meters count on; so each message is one of its own.
_meter = count(1)


@define
class Charged:
    """
    What was acknowledged: the registers of starts and of stops.
    """

    starts: set[int] = field(factory=set)
    stops: set[int] = field(factory=set)
    is_over: bool = False


async def charge(url: str, charged: Charged, pause: float = 0.2) -> None:
    """
    Charge again and again; whatever is not a CALLRESULT is an error.
    """
    async with connect(url, subprotocols=["ocpp1.6"]) as connection:
        await asyncio.sleep(0)
        while not charged.is_over:
            begin, end = next(_meter), next(_meter)
            started = await call(
                connection,
                "StartTransaction",
                connectorId=1,
                idTag="A1",
                meterStart=begin,
                timestamp="2026-09-21T14:13:20Z",
            )
            charged.starts.add(begin)
            await asyncio.sleep(pause)
            await call(
                connection,
                "StopTransaction",
                transactionId=started["transactionId"],
                meterStop=end,
                timestamp="2026-09-21T14:43:20Z",
            )
            charged.stops.add(end)


async def call(
    connection: ClientConnection, action: str, **payload: Any
) -> Any:
    """
    The payload of the answer.
    """
    unique_id = str(next(_meter))
    await connection.send(json.dumps([2, unique_id, action, payload]))
    answer = json.loads(await connection.recv())
    assert answer[:2] == [3, unique_id], answer
    return answer[2]


def kept(file: Path) -> tuple[set[int], set[int]]:
    """
    The registers of starts and of stops that a backend keeps.
    """
    with sqlite3.connect(file) as database:
        starts = database.execute("SELECT meter_start FROM transactions")
        stops = database.execute(
            "SELECT meter_stop FROM transactions WHERE meter_stop IS NOT NULL"
            " UNION SELECT json_extract(payload, '$.meterStop')"
            " FROM kept_aside"
        )
        return {x for (x,) in starts}, {x for (x,) in stops}


class SwitchingTests(SynchronousTestCase):
    """
    C{twistd cs}, told to read its configuration again.
    """

    def with_stations(
        self, cs: Server, do: Callable[[Charged], Awaitable[None]]
    ) -> Charged:
        """
        What stations charged, while something was done.
        """
        charged = Charged()

        async def run() -> None:
            async with asyncio.TaskGroup() as group:
                for number in range(STATIONS):
                    url = cs.url(f"CP{number}")
                    group.create_task(charge(url, charged))
                await do(charged)
                charged.is_over = True

        asyncio.run(asyncio.wait_for(run(), 120))
        return charged

    def test_under_load(self) -> None:
        """
        200 stations charge while HUP leads from the embedded backend to a
        webhook and back: no socket is closed, each message is answered with
        a result, and kept by exactly one of the two.
        """
        port = free_port()
        theirs = Path.cwd() / "theirs.sqlite3"
        words = ["-m", "bench.durable_webhook", str(port), str(theirs)]
        endpoint = subprocess.Popen([sys.executable, *words], cwd=ROOT)
        self.addCleanup(endpoint.wait)
        self.addCleanup(endpoint.kill)
        cs = server(self)
        ours = f"[embedded]\npath = {cs.folder}/ours.sqlite3\n"
        url = f"[webhook]\nurl = http://127.0.0.1:{port}/\n"
        embedded = f"[backend]\nname = embedded\n{ours}{url}"
        webhook = f"[backend]\nname = webhook\n{ours}{url}"
        cs.configure(embedded)
        cs.start()

        async def switch(charged: Charged) -> None:
            for times, text in enumerate((webhook, embedded, webhook), 1):
                before = len(charged.stops)
                while len(charged.stops) < before + STATIONS:
                    await asyncio.sleep(0.05)
                cs.configure(text)
                cs.signal(signal.SIGHUP)
                while cs.log.count("reloaded") < times:
                    await asyncio.sleep(0.02)
            before = len(charged.stops)
            while len(charged.stops) < before + STATIONS:
                await asyncio.sleep(0.05)

        charged = self.with_stations(cs, switch)
        self.assertEqual(cs.log.count(" connected"), STATIONS)
        our_starts, our_stops = kept(cs.folder / "ours.sqlite3")
        their_starts, their_stops = kept(theirs)
        self.assertEqual(our_starts | their_starts, charged.starts)
        self.assertEqual(our_stops | their_stops, charged.stops)
        self.assertEqual(our_starts & their_starts, set())
        self.assertEqual(our_stops & their_stops, set())
        self.assertGreater(min(map(len, (our_starts, their_starts))), 100)
