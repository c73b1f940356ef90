"""
C{python -m bench.soap}: requests per second over SOAP, beside 1.6-J; every
answer is checked.

Each station keeps its connection and asks again when it was answered: over
SOAP with StatusNotification of OCPP 1.6, over 1.6-J with the messages of
L{bench.load}.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from time import perf_counter

from . import load
from .load import Plan
from .process import cpu_seconds
from .servers import SERVERS, Running, running


_ENVELOPE = """<?xml version="1.0" encoding="UTF-8"?>
<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"\
 xmlns:a="http://www.w3.org/2005/08/addressing"\
 xmlns:o="urn://Ocpp/Cs/2015/10/"><s:Header>\
<o:chargeBoxIdentity>{identity}</o:chargeBoxIdentity>\
<a:MessageID>urn:bench:{identity}:{number}</a:MessageID>\
<a:Action>/StatusNotification</a:Action>\
<a:From><a:Address>http://127.0.0.1:1/</a:Address></a:From></s:Header>\
<s:Body><o:statusNotificationRequest><o:connectorId>1</o:connectorId>\
<o:status>Available</o:status><o:errorCode>NoError</o:errorCode>\
</o:statusNotificationRequest></s:Body></s:Envelope>"""

_REQUEST = (
    "POST /Ocpp/CentralSystemService HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    "Content-Type: application/soap+xml; charset=utf-8\r\n"
    "Content-Length: {length}\r\n\r\n{envelope}"
)

_LENGTH = re.compile(rb"(?i)content-length: (\d+)")


async def _station(port: int, identity: str, count: int) -> int:
    """
    @return: how many answers were right.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    right = 0
    for number in range(count):
        envelope = _ENVELOPE.format(identity=identity, number=number)
        request = _REQUEST.format(length=len(envelope), envelope=envelope)
        writer.write(request.encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        body = await reader.readexactly(int(length[1])) if length else b""
        mine = f"urn:bench:{identity}:{number}<".encode()
        right += b"statusNotificationResponse" in body and mine in body
    writer.close()
    return right


async def _stations(port: int, stations: int, count: int) -> int:
    each = (
        _station(port, f"SOAP-{number}", count) for number in range(stations)
    )
    return sum(await asyncio.gather(*each))


def measure(it: Running, stations: int, count: int) -> tuple[float, float]:
    """
    @return: requests per second, and seconds of CPU for each.
    """
    port = int(it.url.split(":")[2].partition("/")[0])
    asyncio.run(_stations(port, stations, 20))
    cpu, began = cpu_seconds(it.pid), perf_counter()
    right = asyncio.run(_stations(port, stations, count))
    took = perf_counter() - began
    if right != stations * count:
        raise SystemExit(f"{stations * count - right} answers were wrong")
    return right / took, (cpu_seconds(it.pid) - cpu) / right


def main(words: Sequence[str] | None = None) -> int:
    options = ArgumentParser(prog="python -m bench.soap", description=__doc__)
    options.add_argument("--stations", type=int, default=16)
    options.add_argument("--count", type=int, default=500, help="of each")
    options.add_argument(
        "--seconds", type=float, default=5.0, help="of 1.6-J; 0 for none"
    )
    arguments = options.parse_args(words)
    cpus = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cpus[-1]})
    print("| server | SOAP/s | CPU us | 1.6-J/s | CPU us |")
    print("|---|---|---|---|---|")
    for server in SERVERS[1:]:
        with running(server, {cpus[0]}) as it:
            rate, cpu = measure(it, arguments.stations, arguments.count)
            beside = "| |"
            if arguments.seconds:
                plan = Plan(arguments.stations, arguments.seconds, 1.0, 0)
                json = load.measure(it.url, it.pid, plan)
                beside = f"{json.rate:,.0f} | {json.cpu_us:.0f} |"
        print(f"| {server.name} | {rate:,.0f} | {cpu * 1e6:.0f} | {beside}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
