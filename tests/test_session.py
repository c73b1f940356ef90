"""
Whole sessions: stations of independent code, and C{twistd cs} as a process.
"""

from __future__ import annotations

import asyncio

# Not by name: trial takes a module's "suppress" for its own.
import contextlib
import os
import signal
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result
from twisted.trial.unittest import SynchronousTestCase
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from .frames import Client, heartbeat
from .process import PATIENCE, Server, free_port, server


START = (
    b'[2,"7","StartTransaction",{"connectorId":1,"idTag":"A1","meterStart":0,'
    b'"timestamp":"2026-09-21T14:13:20Z"}]'
)


def now(seconds: float = 0) -> str:
    """
    The time it is in that many seconds, to whole seconds.
    """
    when = datetime.now(UTC) + timedelta(seconds=seconds)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


class Station(ChargePoint):  # type: ignore[misc]
    """
    A station of PyPI C{ocpp} that does as it is told.
    """

    def __init__(self, identity: str, connection: ClientConnection) -> None:
        super().__init__(identity, connection)
        self.connection = connection
        self.told: list[tuple[str, dict[str, Any]]] = []

    @on("RemoteStartTransaction")
    def start_remotely(self, **payload: Any) -> Any:
        self.told.append(("RemoteStartTransaction", payload))
        return call_result.RemoteStartTransaction("Accepted")

    @on("RemoteStopTransaction")
    def stop_remotely(self, **payload: Any) -> Any:
        self.told.append(("RemoteStopTransaction", payload))
        return call_result.RemoteStopTransaction("Accepted")

    @on("ReserveNow")
    def reserve(self, **payload: Any) -> Any:
        self.told.append(("ReserveNow", payload))
        return call_result.ReserveNow("Accepted")

    @on("CancelReservation")
    def cancel(self, **payload: Any) -> Any:
        self.told.append(("CancelReservation", payload))
        return call_result.CancelReservation("Accepted")

    @on("Reset")
    def reset(self, **payload: Any) -> Any:
        self.told.append(("Reset", payload))
        return call_result.Reset("Accepted")

    async def boot(self) -> Any:
        return await self.call(
            call.BootNotification(
                charge_point_model="Two-22", charge_point_vendor="Example"
            )
        )

    async def status(self, status: str) -> None:
        await self.call(call.StatusNotification(1, "NoError", status))

    async def begin(self, meter: int, **more: Any) -> Any:
        return await self.call(
            call.StartTransaction(
                connector_id=1,
                id_tag="A1",
                meter_start=meter,
                timestamp=now(),
                **more,
            )
        )

    async def measure(self, transaction: int, register: int) -> None:
        sample = {"value": str(register), "unit": "Wh"}
        await self.call(
            call.MeterValues(
                connector_id=1,
                transaction_id=transaction,
                meter_value=[
                    {"timestamp": now(), "sampled_value": [sample]},
                ],
            )
        )

    async def end(self, transaction: int, meter: int, reason: str) -> Any:
        return await self.call(
            call.StopTransaction(
                meter_stop=meter,
                timestamp=now(),
                transaction_id=transaction,
                reason=reason,
                id_tag="A1",
            )
        )


@contextlib.asynccontextmanager
async def plugged(
    central: Server, identity: str = "CP1"
) -> AsyncIterator[Station]:
    """
    A station that is connected.
    """
    async with connect(
        central.url(identity), subprotocols=["ocpp1.6"]
    ) as connection:
        station = Station(identity, connection)
        listening = asyncio.create_task(station.start())
        try:
            yield station
        finally:
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionClosed):
                await listening


def run(session: Coroutine[Any, Any, None]) -> None:
    """
    Do it all, in bounded time.
    """

    async def bounded() -> None:
        await asyncio.wait_for(session, 2 * PATIENCE)

    asyncio.run(bounded())


class SessionTests(SynchronousTestCase):
    """
    What a station, its operator and a bad day do to a central system.
    """

    def setUp(self) -> None:
        self.central = server(self)
        self.central.start()

    async def tell(
        self, operation: str, payload: Any, identity: str = "CP1"
    ) -> None:
        """
        Give the order that an operator would give over HTTP.
        """
        answer = await asyncio.to_thread(
            self.central.command, identity, operation, payload
        )
        self.assertEqual(answer, (200, {"status": "Accepted"}))

    async def hang_up(self, text: str, then: str) -> None:
        """
        Reload with another configuration, and wait for what comes of it.
        """
        times = self.central.log.count(then) + 1
        self.central.configure(text)
        self.central.signal(signal.SIGHUP)
        await asyncio.to_thread(self.central.until_logged, then, times)

    def test_whole_session(self) -> None:
        """
        A session survives reloads, a lost connection and kill -9, and its
        records are right afterwards.
        """
        run(self._charge())
        [transaction] = self.central.items("transactions")
        self.assertEqual(
            (
                transaction["transactionId"],
                transaction["identity"],
                transaction["connectorId"],
                transaction["idTag"],
                transaction["meterStart"],
                transaction["meterStop"],
                transaction["energy"],
                transaction["stopReason"],
                transaction["active"],
                transaction["suspect"],
            ),
            (1, "CP1", 1, "A1", 1000, 4000, 3000, "Remote", False, []),
        )
        values = self.central.items("transactions/1/meterValues")
        self.assertEqual(
            [v["value"] for v in values], ["1000", "2000", "3000"]
        )

    async def _charge(self) -> None:
        async with plugged(self.central) as station:
            booted = await station.boot()
            self.assertEqual(
                (booted.status, booted.interval), ("Accepted", 300)
            )
            await station.status("Available")
            authorized = await station.call(call.Authorize("A1"))
            self.assertEqual(authorized.id_tag_info["status"], "Accepted")
            started = await station.begin(1000)
            self.assertEqual(started.id_tag_info["status"], "Accepted")
            number = started.transaction_id
            await station.measure(number, 1000)
            await self._reload(station)
            self.assertEqual(self.central.log.count(" connected"), 1)
            await station.measure(number, 2000)
        async with plugged(self.central) as station:
            await station.measure(number, 3000)
            await asyncio.to_thread(self._crash)
        async with plugged(self.central) as station:
            await self.tell("RemoteStopTransaction", {"transactionId": number})
            self.assertEqual(
                station.told,
                [("RemoteStopTransaction", {"transaction_id": number})],
            )
            stopped = await station.end(number, 4000, "Remote")
            self.assertEqual(stopped.id_tag_info["status"], "Accepted")
            await self.tell("Reset", {"type": "Soft"})
            self.assertEqual(station.told[1:], [("Reset", {"type": "Soft"})])
            await station.connection.close()
        async with plugged(self.central) as station:
            self.assertEqual((await station.boot()).interval, 17)
            await asyncio.to_thread(self._look, station)
        await asyncio.to_thread(self._crash)

    def _look(self, station: Station) -> None:
        """
        The operator sees what the station said of itself.
        """
        [seen] = self.central.items("stations")
        self.assertEqual(
            (seen["identity"], seen["version"], seen["connected"]),
            ("CP1", "1.6", True),
        )
        self.assertEqual(
            seen["bootNotification"],
            {"chargePointModel": "Two-22", "chargePointVendor": "Example"},
        )

    async def _reload(self, station: Station) -> None:
        """
        A new configuration is used on the same connection, and a broken one
        changes nothing.
        """
        await self.hang_up(
            "[embedded]\nheartbeat_interval = 17\n", " reloaded"
        )
        self.assertEqual((await station.boot()).interval, 17)
        await self.hang_up(
            "[embedded]\nheartbeat_interval = soon\n", "not reloaded"
        )
        self.assertIn("heartbeat_interval", self.central.log)
        self.assertEqual((await station.boot()).interval, 17)
        self.central.configure("[embedded]\nheartbeat_interval = 17\n")

    def _crash(self) -> None:
        self.central.kill()
        self.central.start()

    def test_reservations(self) -> None:
        """
        Reservations that a station accepted are kept, used and cancelled,
        and are there after kill -9.
        """
        run(self._reserve())
        self.central.kill()
        self.central.start()
        kept = {
            item["reservationId"]: (item["status"], item.get("transactionId"))
            for item in self.central.items("reservations")
        }
        self.assertEqual(
            kept, {1: ("Used", 1), 2: ("Cancelled", None), 3: ("Active", None)}
        )

    async def _reserve(self) -> None:
        async with plugged(self.central) as station:
            await station.boot()
            for number in (1, 2, 3):
                await self.tell(
                    "ReserveNow",
                    {
                        "connectorId": 1,
                        "expiryDate": now(3600),
                        "idTag": "A1",
                        "reservationId": number,
                    },
                )
                if number == 1:
                    await station.begin(0, reservation_id=1)
            await self.tell("CancelReservation", {"reservationId": 2})

    def test_locked(self) -> None:
        """
        While another process holds the database, a station is asked to try
        again; its connection and its heartbeats live on, and all is well by
        itself afterwards.
        """
        station = Client(self.central.port).open()
        self.addCleanup(station.close)
        other = sqlite3.connect(self.central.folder / "cs.sqlite3")
        self.addCleanup(other.close)
        other.execute("BEGIN IMMEDIATE")
        kind, unique_id, code, *_ = station.ask(START)
        self.assertEqual((kind, unique_id), (4, "7"))
        self.assertEqual(code, "InternalError")
        self.assertEqual(station.ask(heartbeat(1))[:2], [3, "1"])
        self.assertEqual(self.central.http("GET", "/readyz")[0], 503)
        other.rollback()
        self.assertEqual(station.ask(START)[2]["transactionId"], 1)
        self.assertEqual(self.central.http("GET", "/readyz")[0], 200)
        self.assertEqual(self.central.log.count(" connected"), 1)
        self.assertIn("another process has locked it", self.central.log)
        self.assertIn("can be written again", self.central.log)

    def test_nothing_acknowledged_is_lost(self) -> None:
        """
        Every start that was answered before kill -9 is there after it.
        """
        answered: list[int] = []
        run(self._start_many(answered))
        self.central.start()
        kept = {
            item["transactionId"]
            for item in self.central.items("transactions?limit=1000")
        }
        self.assertGreaterEqual(len(answered), 40)
        self.assertEqual(set(answered) - kept, set())

    async def _start_many(self, answered: list[int]) -> None:
        async def start(identity: str) -> None:
            async with plugged(self.central, identity) as station:
                for meter in range(1000):
                    started = await station.begin(meter)
                    answered.append(started.transaction_id)
                    if len(answered) == 40:
                        self.central.kill()

        starting = [asyncio.create_task(start(f"CP{n}")) for n in range(8)]
        await asyncio.wait(starting, return_when=asyncio.FIRST_COMPLETED)
        for task in starting:
            task.cancel()
        await asyncio.gather(*starting, return_exceptions=True)


class SignalTests(SynchronousTestCase):
    """
    What the process does when it is told to by signals.
    """

    def setUp(self) -> None:
        self.central = server(self)

    def farewell(self, number: signal.Signals) -> int:
        """
        The close code that a station gets when this signal is sent.
        """
        codes = []

        async def wait() -> None:
            async with plugged(self.central) as station:
                await station.boot()
                self.central.signal(number)
                await station.connection.wait_closed()
                codes.append(station.connection.close_code)

        run(wait())
        [code] = codes
        return code or 0

    def test_terminate(self) -> None:
        """
        SIGTERM ends the process without an error.
        """
        self.central.start()
        self.farewell(signal.SIGTERM)
        # twistd ends by the signal it was sent.
        self.assertEqual(self.central.ended(), -signal.SIGTERM)
        self.assertNotIn("Traceback", self.central.log)

    def test_interrupt(self) -> None:
        """
        SIGINT ends the process without an error.
        """
        self.central.start()
        self.central.signal(signal.SIGINT)
        self.assertEqual(self.central.ended(), -signal.SIGINT)
        self.assertNotIn("Traceback", self.central.log)

    def test_quit(self) -> None:
        """
        SIGQUIT says goodbye to stations with 1001, and ends the process.
        """
        self.central.start()
        self.assertEqual(self.farewell(signal.SIGQUIT), 1001)
        self.assertEqual(self.central.ended(), 0)
        self.assertNotIn("Traceback", self.central.log)

    def test_quit_with_work(self) -> None:
        """
        At SIGQUIT a station gets an answer to all that was taken from it:
        what was stored was answered.
        """
        self.central.start()
        answered: list[int] = []

        async def start(identity: str) -> None:
            async with plugged(self.central, identity) as station:
                for meter in range(1000):
                    started = await station.begin(meter)
                    answered.append(started.transaction_id)
                    if len(answered) == 40:
                        self.central.signal(signal.SIGQUIT)

        async def work() -> None:
            starting = [asyncio.create_task(start(f"CP{n}")) for n in range(8)]
            await asyncio.to_thread(self.central.ended)
            for task in starting:
                task.cancel()
            await asyncio.gather(*starting, return_exceptions=True)

        run(work())
        self.central.start()
        kept = [
            item["transactionId"]
            for item in self.central.items("transactions?limit=1000")
        ]
        self.assertEqual(sorted(kept), sorted(answered))

    def test_hangup_at_start(self) -> None:
        """
        SIGHUPs while the process starts do no harm.
        """
        self.central = server(
            self, "import ocpp_tw.tap; print('imported', flush=True)\n"
        )
        self.central.begin()
        self.central.until_logged("imported")

        def is_ready() -> bool:
            self.central.signal(signal.SIGHUP)
            return self.central.is_ready()

        self.central.until(is_ready, "it is ready")
        self.central.signal(signal.SIGHUP)
        self.central.until_logged(" reloaded")
        self.assertEqual(self.central.http("GET", "/readyz")[0], 200)
        self.assertNotIn("Traceback", self.central.log)

    def test_hangup_while_stopping(self) -> None:
        """
        SIGHUPs while the process stops do not keep it from that.
        """
        self.central.start()
        self.central.signal(signal.SIGQUIT)
        for _ in range(20):
            self.central.signal(signal.SIGHUP)
        self.assertEqual(self.central.ended(), 0)

    def test_pid_file(self) -> None:
        """
        The pid is in the pid file while the process runs; a stale one of
        before does not matter.
        """
        with subprocess.Popen(["true"]) as gone:
            gone.wait()
        pid_file = self.central.folder / "cs.pid"
        pid_file.write_text(str(gone.pid))
        self.central.start("--pidfile=cs.pid")
        self.assertEqual(pid_file.read_text(), str(self.central.pid))
        self.central.signal(signal.SIGTERM)
        self.central.ended()
        self.assertFalse(pid_file.exists())

    def test_running_already(self) -> None:
        """
        Where the pid file names a process that runs, nothing is started.
        """
        (self.central.folder / "cs.pid").write_text(str(os.getpid()))
        self.central.begin("--pidfile=cs.pid")
        self.assertEqual(self.central.ended(), 1)
        self.assertIn("Another twistd server is running", self.central.log)

    def test_port_is_taken(self) -> None:
        """
        Where the port is taken the process says so, and ends with an error.
        """
        self.central.start()
        other = server(self, CS_SERVER_PORT=str(self.central.port))
        other.begin()
        self.assertEqual(other.ended(), 1)
        self.assertIn(f"listen on 127.0.0.1:{self.central.port}", other.log)
        self.assertEqual(self.central.http("GET", "/healthz")[0], 200)

    def test_reload_moves_the_port(self) -> None:
        """
        A reload with another port listens there, and stations stay.
        """
        port = free_port()
        del self.central.settings["CS_SERVER_PORT"]
        self.central.configure(f"[server]\nport = {self.central.port}\n")
        self.central.start()
        run(self._move(port))
        self.assertEqual(self.central.http("GET", "/readyz")[0], 200)

    def test_reload_without_a_database(self) -> None:
        """
        A reload whose database cannot be opened changes nothing.
        """
        self.central.start()
        self.central.configure("[embedded]\npath = cs.log/x\n")
        self.central.signal(signal.SIGHUP)
        self.central.until_logged("not reloaded")

        async def boot() -> None:
            async with plugged(self.central) as station:
                await station.boot()
                await station.begin(0)

        run(boot())
        self.assertEqual(len(self.central.items("transactions")), 1)
        self.central.configure("")
        self.central.signal(signal.SIGHUP)
        self.central.until_logged(" reloaded")
        self.assertNotIn("Traceback", self.central.log)
        self.assertEqual(self.farewell(signal.SIGQUIT), 1001)
        self.assertEqual(self.central.ended(), 0)

    async def _move(self, port: int) -> None:
        async with plugged(self.central) as station:
            await station.boot()
            self.central.configure(f"[server]\nport = {port}\n")
            self.central.signal(signal.SIGHUP)
            await asyncio.to_thread(self.central.until_logged, " reloaded")
            self.central.port = port
            await station.boot()
