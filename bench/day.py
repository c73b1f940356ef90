"""
A day of emulated stations in a minute, and whether the records are right.

::

    python -m bench.day --count 100 --seconds 60

Every transaction that the stations have told of is compared with the one in
the records: who, from which meter value, to which.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Any
from urllib.request import urlopen

from attrs import define, field, frozen
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from ocpp_tw.emulator.chargepoint import ChargePoint
from ocpp_tw.emulator.clock import FastClock
from ocpp_tw.emulator.fleet import Fleet, FleetPlan
from ocpp_tw.emulator.keys import Given
from ocpp_tw.emulator.sessions import DAY, Rates
from ocpp_tw.emulator.tally import Tally, Watch
from ocpp_tw.emulator.websocket import Lines
from ocpp_tw.ocpp.messages import Call, CallResult, parse

from .servers import SERVERS, Running, running


_REACTOR: Any = reactor

#: How long the stations may take to say the last of it, in seconds.
PATIENCE = 60.0


@frozen
class Energy:
    """
    One transaction.

    @ivar start: Wh on the meter at its begin.
    @ivar stop: at its end.
    """

    identity: str
    start: int
    stop: int | None = None


@define
class Books:
    """
    What the stations have told of their transactions, by their ids.
    """

    told: dict[int, Energy] = field(factory=dict)

    def started(self, identity: str, id: int, meter: int) -> None:
        self.told.setdefault(id, Energy(identity, meter))

    def stopped(self, identity: str, id: int, meter: int) -> None:
        begun = self.told.get(id)
        start = -1 if begun is None else begun.start
        self.told[id] = Energy(identity, start, meter)


class Clerk(Watch):
    """
    Counts the messages of one station, and writes its books.
    """

    __slots__ = ("_books", "_identity")

    def __init__(
        self, tally: Tally, books: Books, station: ChargePoint
    ) -> None:
        super().__init__(tally, station)
        self._books = books
        self._identity = station.identity

    def was_answered(
        self, call: Call, frame: bytes, reply: bytes | None
    ) -> None:
        super().was_answered(call, frame, reply)
        answer = parse(reply) if reply else None
        if not isinstance(answer, CallResult):
            return
        payload: Any = call.payload
        if call.action == "StartTransaction":
            id = answer.payload["transactionId"]
            self._books.started(self._identity, id, payload["meterStart"])
        elif call.action == "StopTransaction":
            id = payload["transactionId"]
            self._books.stopped(self._identity, id, payload["meterStop"])


def stored(server: Running) -> dict[int, Energy]:
    """
    The transactions in the records, by their ids.
    """
    port = server.url.split(":")[2].partition("/")[0]
    base = f"http://127.0.0.1:{port}/api/v1/transactions?limit=500"
    found: dict[int, Energy] = {}
    cursor: str | None = ""
    while cursor is not None:
        url = base + (f"&cursor={cursor}" if cursor else "")
        with urlopen(url, timeout=60) as answer:
            page = json.load(answer)
        for one in page["items"]:
            found[one["transactionId"]] = Energy(
                one["identity"], one["meterStart"], one["meterStop"]
            )
        cursor = page.get("next")
    return found


def live(options: Namespace, url: str) -> tuple[Fleet, Books]:
    """
    Let the fleet live its day.
    """
    plan = FleetPlan(
        url,
        options.count,
        rate=100.0,
        seed=options.seed,
        keys={"MeterValueSampleInterval": Given("900")},
        rates=Rates(options.sessions, drops=options.drops, even=True),
    )
    lines, books = Lines(_REACTOR), Books()
    clock = FastClock(_REACTOR, DAY / options.seconds)
    fleet = Fleet(plan, _REACTOR, clock, lines)

    def witness(station: ChargePoint) -> Clerk:
        return Clerk(fleet.tally, books, station)

    lines.witness = witness
    fleet.startService()
    _REACTOR.callLater(options.seconds, _end, fleet)
    _REACTOR.run()
    return fleet, books


def _end(fleet: Fleet) -> None:
    leaving: Deferred[Any] = Deferred.fromCoroutine(fleet.leave())
    leaving.addTimeout(PATIENCE, _REACTOR)
    leaving.addErrback(lambda failure: print(failure.getErrorMessage()))
    leaving.addCallback(lambda _: fleet.stopService())
    leaving.addBoth(lambda _: _REACTOR.stop())


def compare(
    told: dict[int, Energy], kept: dict[int, Energy]
) -> list[tuple[int, Energy | None, Energy | None]]:
    """
    The transactions that are not the same in both.

    >>> compare({1: Energy("A", 0, 5)}, {1: Energy("A", 0, 6)})
    [(1, Energy(identity='A', start=0, stop=5), \
Energy(identity='A', start=0, stop=6))]
    """
    return [
        (id, told.get(id), kept.get(id))
        for id in sorted(told.keys() | kept.keys())
        if told.get(id) != kept.get(id)
    ]


def main(words: Sequence[str] | None = None) -> int:
    parser = ArgumentParser(prog="python -m bench.day", description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--sessions", type=float, default=12.0)
    parser.add_argument("--drops", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--server", default="embedded")
    options = parser.parse_args(words)
    [server] = [one for one in SERVERS if one.name == options.server]
    with running(server, None) as it:
        fleet, books = live(options, it.url)
        kept = stored(it)
    wrong = compare(books.told, kept)
    energy = sum((one.stop or 0) - one.start for one in kept.values())
    for name, value in {
        "stations": options.count,
        "transactions": len(books.told),
        "stored": len(kept),
        "not the same": len(wrong),
        "energy sent": f"{fleet.energy()} Wh",
        "energy stored": f"{energy} Wh",
        "calls": fleet.tally.sent,
        "errors": fleet.tally.errors,
        "findings": len(fleet.findings),
    }.items():
        print(f"{name:16}{value:>14}")
    for id, sent, found in wrong[:10]:
        print(f"{id}: sent {sent}, stored {found}")
    return 1 if wrong or fleet.energy() != energy else 0


if __name__ == "__main__":
    sys.exit(main())
