"""
A central system that is none of ours: PyPI's C{ocpp} over C{websockets}, and
commands by HTTP as our REST interface takes them.

Run as a program it prints its two ports, and serves until it is killed.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from ocpp.charge_point import camel_to_snake_case, snake_to_camel_case
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result
from websockets.asyncio.server import serve


STATIONS: dict[str, ChargePoint] = {}
TRANSACTIONS: dict[str, int] = {}


def now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


class Station(ChargePoint):  # type: ignore[misc]
    @on("BootNotification")
    def boot(self, **_: Any) -> Any:
        return call_result.BootNotification(
            current_time=now(), interval=300, status="Accepted"
        )

    @on("Heartbeat")
    def heartbeat(self) -> Any:
        return call_result.Heartbeat(current_time=now())

    @on("Authorize")
    def authorize(self, **_: Any) -> Any:
        return call_result.Authorize(id_tag_info={"status": "Accepted"})

    @on("StartTransaction")
    def begin_transaction(self, **payload: Any) -> Any:
        told = json.dumps([self.id, payload], sort_keys=True)
        number = TRANSACTIONS.setdefault(told, len(TRANSACTIONS) + 1)
        return call_result.StartTransaction(
            transaction_id=number, id_tag_info={"status": "Accepted"}
        )

    @on("StopTransaction")
    def end_transaction(self, **_: Any) -> Any:
        return call_result.StopTransaction()

    @on("StatusNotification")
    def status(self, **_: Any) -> Any:
        return call_result.StatusNotification()

    @on("MeterValues")
    def meter(self, **_: Any) -> Any:
        return call_result.MeterValues()

    @on("DiagnosticsStatusNotification")
    def diagnostics(self, **_: Any) -> Any:
        return call_result.DiagnosticsStatusNotification()

    @on("FirmwareStatusNotification")
    def firmware(self, **_: Any) -> Any:
        return call_result.FirmwareStatusNotification()


async def converse(websocket: Any) -> None:
    identity = websocket.request.path.rpartition("/")[2]
    station = STATIONS[identity] = Station(identity, websocket)
    await station.start()


async def command(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """
    C{POST /api/v1/ChargePoint/<identity>/<action>}, and no more HTTP than
    that takes.
    """
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    path = head.split(" ")[1]
    size = next(
        int(line.partition(":")[2])
        for line in head.lower().split("\r\n")
        if line.startswith("content-length")
    )
    payload = camel_to_snake_case(json.loads(await reader.readexactly(size)))
    identity, action = path.rsplit("/", 2)[1:]
    answer = await STATIONS[identity].call(getattr(call, action)(**payload))
    told = {k: v for k, v in asdict(answer).items() if v is not None}
    body = json.dumps(snake_to_camel_case(told)).encode()
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    )
    await writer.drain()
    writer.close()


async def main() -> None:
    stations = await serve(converse, "127.0.0.1", 0, subprotocols=["ocpp1.6"])
    commands = await asyncio.start_server(command, "127.0.0.1", 0)
    for server in (stations, commands):
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
