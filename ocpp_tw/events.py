"""
What happens, told to those who watch, as Server-Sent Events.

::

    id: 19b2c3d4-17
    event: connected
    data: {"time": "2026-11-22T10:00:00.000Z", "identity": "CP1", ...}

Stations never wait for this: while nobody watches nothing is noted, and
otherwise a message costs them one append to a list.  Four times a second what
has come is written down once, for all who watch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import orjson
from attrs import frozen
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from .fleet import Fleet, iso
from .interfaces import IStation
from .messagelog import Entry, as_json


#: How many events, and how many octets of them, are kept to be resumed from.
MOST, MOST_OCTETS = 5000, 1 << 23

#: How often those who watch are told, in seconds.
TICK = 0.25

#: How many events are written down, and how many watchers told, between two
#: turns of the stations.
SLICE = 10

#: How many events are told at a time; of more, only how many they were.
AT_ONCE = 1000

#: How long events are kept after the last has gone, who may come back.
LINGER = 60

#: How many octets a watcher is given at a time.
PORTION = 1 << 18

TYPES = ("message", "connected", "disconnected", "status", "transaction")

#: The Calls that begin, change or end a transaction.
_TRANSACTIONS = {"StartTransaction", "StopTransaction", "TransactionEvent"}

Data = Mapping[str, Any]


@frozen
class Wanted:
    """
    Which events somebody wants to hear of; empty is all.
    """

    identities: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()

    def __contains__(self, event: Event) -> bool:
        if event.type == "gap":
            return True
        return (not self.types or event.type in self.types) and (
            not self.identities or event.identity in self.identities
        )


@frozen(eq=False)
class Event:
    """
    One thing that happened.

    @ivar number: events count from 1.
    @ivar octets: as it is sent.
    """

    number: int
    type: str
    identity: str
    octets: bytes


#: Type, station, and what there is to say.
_Happened = tuple[str, str, Callable[[], Data]]


class IMessages(Protocol):
    """
    The part of a message log that lets itself be watched; see
    L{ocpp_tw.messagelog.Backlog}.
    """

    watch: Callable[[Entry], None] | None
    save: Callable[[], object]


class Events:
    """
    Notes what happens, while anybody watches.
    """

    def __init__(
        self, clock: IReactorTime, fleet: Fleet, messages: IMessages
    ) -> None:
        self._clock = clock
        self._seconds = clock.seconds
        self._untold: list[Callable[[], None]] = []
        self._unwritten: list[_Happened] = []
        self._fleet = fleet
        self._messages = messages
        self._watchers: dict[int, Callable[[], None]] = {}
        self._fresh: list[_Happened] = []
        self._kept: deque[Event] = deque()
        self._octets = self._unheard = 0
        #: The number of the last event, and of the last that is not kept.
        self.last = self._forgotten = 0
        self._era = f"{int(clock.seconds() * 1000):x}"
        self._portions: dict[tuple[int, Wanted], tuple[bytes, int]] = {}
        self._alone_since: float | None = None
        self._here = 0
        self._overheard: list[tuple[str, str, Data]] = []
        #: Tells other workers that somebody watches here, or nobody.
        self.watched: Callable[[bool], None] = lambda is_watched: None
        #: Tells other workers what happened, if they want to know.
        self.relay: Callable[[list[Any]], None] = lambda events: None
        self._ticking = LoopingCall(self._tick)
        self._ticking.clock = clock

    def __len__(self) -> int:
        return len(self._watchers)

    # Other workers

    @property
    def is_watched(self) -> bool:
        """
        Whether anybody here wants to know what happens.
        """
        return self._here > 0

    def watch_for_others(self) -> Callable[[], None]:
        """
        Another worker wants to know what happens here; see L{relay}.

        @return: what ends it.
        """
        return self._watch(lambda: None)

    def overhear(self, events: list[tuple[str, str, Data]]) -> None:
        """
        This happened in another worker.
        """
        if self._messages.watch is not None:
            room = MOST - len(self._overheard)
            self._overheard.extend(events[:room])
            self._unheard += len(events[room:])

    # Those who watch

    def watch(self, told: Callable[[], None]) -> Callable[[], None]:
        """
        @param told: is called whenever there may be more.
        @return: what ends it.
        """
        leave = self._watch(told)
        self._here += 1
        if self._here == 1:
            self.watched(True)

        def gone() -> None:
            self._here -= 1
            if not self._here:
                self.watched(False)
            leave()

        return gone

    def _watch(self, told: Callable[[], None]) -> Callable[[], None]:
        key = id(told)
        self._watchers[key] = told
        self._alone_since = None
        if not self._ticking.running:
            self._messages.watch = self._message
            self._ticking.start(TICK, now=False)
        return lambda: self._leave(key)

    def _leave(self, key: int) -> None:
        self._watchers.pop(key, None)
        if not self._watchers:
            self._alone_since = self._seconds()

    def stop(self) -> None:
        """
        Note nothing any more, until somebody watches.
        """
        self._messages.watch = None
        self._watchers.clear()
        self._untold.clear()
        self._unwritten.clear()
        if self._ticking.running:
            self._ticking.stop()
        self._fresh.clear()
        self._overheard.clear()
        self._kept.clear()
        self._octets = 0
        # Whatever happens now is missed.
        self.last += 1
        self._forgotten = self.last

    def position(self, last_id: str | None) -> int:
        """
        Where somebody goes on who has heard of that event; -1 where nobody
        knows what was missed.
        """
        if last_id is None:
            return self.last
        era, _, number = last_id.partition("-")
        if era != self._era or not number.isdigit() or len(number) > 15:
            return -1
        return int(number) if int(number) <= self.last else -1

    def after(self, position: int, wanted: Wanted) -> tuple[bytes, int]:
        """
        What somebody has not heard yet, at most about L{PORTION} octets.

        @return: what to send, and the position then.
        """
        if position < 0:
            return self._gap(None, self._forgotten), self._forgotten
        if position < self._forgotten:
            missed = self._forgotten - position
            return self._gap(missed, self._forgotten), self._forgotten
        key = position, wanted
        portion = self._portions.get(key)
        if portion is None:
            portion = self._portions[key] = self._gather(position, wanted)
        return portion

    def _gather(self, position: int, wanted: Wanted) -> tuple[bytes, int]:
        parts, octets = [], 0
        for event in self._since(position):
            if octets > PORTION:
                break
            position = event.number
            if event in wanted:
                parts.append(event.octets)
                octets += len(event.octets)
        return b"".join(parts), position

    def _since(self, position: int) -> Iterator[Event]:
        new = []
        for event in reversed(self._kept):
            if event.number <= position:
                break
            new.append(event)
        return reversed(new)

    def _gap(self, missed: int | None, number: int) -> bytes:
        return self._written(number, "gap", {"missed": missed})

    def _written(self, number: int, type: str, data: Data) -> bytes:
        return b"id: %b-%d\nevent: %b\ndata: %b\n\n" % (
            self._era.encode(),
            number,
            type.encode(),
            orjson.dumps(data, option=orjson.OPT_NON_STR_KEYS),
        )

    # What happens

    def connected(self, station: IStation) -> None:
        """
        A station has connected.
        """
        self._note(
            "connected",
            station.identity,
            {"version": station.version, "address": station.address},
        )

    def disconnected(self, station: IStation, why: str) -> None:
        """
        A station has gone.
        """
        self._note("disconnected", station.identity, {"reason": why})

    def _note(self, type: str, identity: str, more: Data) -> None:
        if self._messages.watch is None:
            return
        time = iso(self._seconds())
        data = {"time": time, "identity": identity, **more}
        self._fresh.append((type, identity, lambda: data))

    def _message(self, entry: Entry) -> None:
        if len(self._fresh) >= AT_ONCE:
            self._unheard += 1
            return
        self._fresh.append(("message", entry.identity, lambda: as_json(entry)))
        if entry.action == "StatusNotification":
            self._fresh.append(
                ("status", entry.identity, lambda: self._status(entry))
            )
        elif entry.action in _TRANSACTIONS:
            self._fresh.append(
                ("transaction", entry.identity, lambda: _transaction(entry))
            )

    def _status(self, entry: Entry) -> Data:
        known = self._fleet.get(entry.identity)
        shown = known.as_json() if known else {}
        return {
            "time": iso(entry.time),
            "identity": entry.identity,
            "connectors": shown.get("connectors", []),
        }

    # Four times a second

    def _tick(self) -> None:
        if self._untold or self._unwritten:
            return
        if self._fresh:
            # Whoever hears of it asks for it, and maybe another worker.
            self._messages.save()
        self._unwritten, self._fresh = self._fresh, []
        self._untold = list(self._watchers.values())
        self._portions.clear()
        self._write()
        alone = self._alone_since
        if alone is not None and self._seconds() - alone > LINGER:
            self.stop()

    def _write(self) -> None:
        """
        Write down some at a time: stations have their turns between.
        """
        new = [
            (type, identity, data())
            for type, identity, data in self._unwritten[:SLICE]
        ]
        if new:
            self.relay(new)
        for event in (*new, *self._overheard[:SLICE]):
            self._keep(*event)
        del self._unwritten[:SLICE], self._overheard[:SLICE]
        if self._unwritten or self._overheard:
            self._clock.callLater(0, self._write)
            return
        if self._unheard:
            unheard, self._unheard = self._unheard, 0
            self.last += unheard - 1
            self._keep("gap", "", {"missed": unheard})
        self._tell()

    def _tell(self) -> None:
        """
        Tell some at a time.
        """
        for told in self._untold[:SLICE]:
            told()
        del self._untold[:SLICE]
        if self._untold:
            self._clock.callLater(0, self._tell)

    def _keep(self, type: str, identity: str, data: Data) -> None:
        self.last += 1
        octets = self._written(self.last, type, data)
        self._kept.append(Event(self.last, type, identity, octets))
        self._octets += len(octets)
        while len(self._kept) > MOST or self._octets > MOST_OCTETS:
            forgotten = self._kept.popleft()
            self._octets -= len(forgotten.octets)
            self._forgotten = forgotten.number


def _transaction(entry: Entry) -> Data:
    """
    C{{"time", "identity", "action", "request", "answer"}}; the last two are
    null where they did not travel as JSON.
    """
    return {
        "time": iso(entry.time),
        "identity": entry.identity,
        "action": entry.action,
        "request": _payload(entry.frame, 3),
        "answer": _payload(entry.reply or b"", 2),
    }


def _payload(frame: bytes, place: int) -> Any:
    try:
        return orjson.loads(frame)[place]
    except (ValueError, IndexError, KeyError, TypeError):
        return None
