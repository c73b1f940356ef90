"""
What a worker knows of the others: who has which station.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from attrs import define
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from ..errors import StationNotConnected
from ..fleet import Known, iso
from ..interfaces import IStation
from ..journal import known_from
from ..ocpp.messages import Payload
from ..ocpp.versions import Version
from ..router import ILiveStation, Router
from .questions import Questions
from .wire import ALL, Address, Message


#: How much longer than a station another worker may take, in seconds.
GRACE = 5.0

#: How long others have to give their figures, in seconds.
HASTE = 2.0


@implementer(IStation)
@define(eq=False)
class Remote:
    """
    A station that another worker has.

    @ivar worker: its number.
    """

    _neighbours: Neighbours
    worker: int
    identity: str
    version: Version
    account: str
    address: str
    socket: int = -1

    def __repr__(self) -> str:
        return f"<{self.identity} OCPP {self.version} at {self.address}>"

    async def call(
        self, action: str, payload: Payload, timeout: float | None = None
    ) -> Payload:
        body = [self.identity, action, payload, timeout]
        patience = (timeout or 3600.0) + GRACE
        answer: Payload = await self._neighbours.ask(
            self.worker, "call", body, patience
        )
        return answer

    def relay(self, what: str, body: Any, timeout: float) -> Deferred[Any]:
        """
        Ask the worker that has it, in the name of the station.

        @raise StationNotConnected: it has gone.
        """
        return self._neighbours.ask(self.worker, what, body, timeout)

    def close(self, code: int, reason: str) -> None:
        body = [self.identity, code, reason]
        self._neighbours.tell("close", body, self.worker)


class Neighbours(Questions):
    """
    Keeps this worker's fleet like that of the others.

    A station that connects is claimed from all.  All hear all claims in the
    same order, that of the master; the last one holds.
    """

    log = Logger()

    def __init__(
        self,
        number: int,
        router: Router,
        clock: IReactorTime,
        say: Callable[[Message], None],
    ) -> None:
        """
        @param number: ours.
        @param say: sends a message to the master.
        """
        super().__init__(number, clock, say)
        self.number = number
        self._router = router
        self._others: set[int] = set()
        self._unheard: Counter[str] = Counter()
        self._watching: set[int] = set()
        self._stop_watching: Callable[[], None] | None = None
        #: Told that a command waits for a station.
        self.expect: Callable[[str], None] = lambda identity: None
        self.answers["call"] = self._call
        self.answers["command"] = self._command

    @property
    def others(self) -> set[int]:
        """
        The numbers of the workers beside us.
        """
        return self._others

    # To others

    def tell(self, what: str, body: Any, to: Address = ALL) -> None:
        self._say({"what": what, "to": to, "from": self.number, "body": body})

    def connected(self, station: ILiveStation) -> None:
        """
        One of ours has connected.
        """
        self._unheard[station.identity] += 1
        self.tell("claim", _introduced(station))

    def disconnected(self, station: ILiveStation) -> None:
        """
        One of ours has gone.
        """
        self.tell("gone", station.known.as_json())

    def share(self, changed: Iterable[Known]) -> None:
        """
        Something is known of stations that was not before.
        """
        rows = [known.as_json() for known in changed]
        if rows and self._others:
            self.tell("known", rows)

    def forget(self, identity: str) -> None:
        """
        A station is to be forgotten.
        """
        self.tell("forget", identity)

    # From others

    def heard(self, message: Message) -> bool:
        """
        A message came, by way of the master.
        """
        if not super().heard(message):
            hear = getattr(self, f"hear_{message['what']}")
            hear(message["from"], message.get("body"))
        return True

    async def _call(self, body: Any) -> Payload:
        identity, action, payload, timeout = body
        if identity not in self._router.ours:
            raise StationNotConnected(
                f'station "{identity}" has just left this worker'
            )
        return await self._router.call(identity, action, payload, timeout)

    async def _command(self, body: Any) -> Payload:
        """
        Whichever worker has the station.
        """
        identity, action, payload = body
        return await self._router.call(identity, action, payload)

    def hear_hello(self, worker: int, _: Any) -> None:
        """
        A worker is new: it does not know whom we have.
        """
        if worker == self.number:
            return
        self._others.add(worker)
        ours = [_introduced(s) for s in self._router.ours.values()]
        self.tell("here", ours, worker)
        if self._router.journal.events.is_watched:
            self.tell("watch", True, worker)

    def hear_here(self, worker: int, stations: list[Any]) -> None:
        """
        An older worker introduces those it has.
        """
        self._others.add(worker)
        for introduced in stations:
            if introduced["identity"] not in self._router.ours:
                self._take_note(worker, introduced)

    def hear_bye(self, worker: int, _: Any) -> None:
        """
        A worker has ended, or the emulator.
        """
        self._others.discard(worker)
        self.hear_watch(worker, False)
        self.gone(worker)
        for known in self._router.fleet:
            if getattr(known.station, "worker", None) == worker:
                self._lost(known)

    def _lost(self, known: Known) -> None:
        now, why = self._clock.seconds(), "its worker has ended"
        known.station = None
        known.disconnected_at = now
        known.disconnected_why = why
        told = {"time": iso(now), "identity": known.identity, "reason": why}
        self._router.journal.events.overhear(
            [("disconnected", known.identity, told)]
        )

    def hear_claim(self, worker: int, introduced: Mapping[str, Any]) -> None:
        identity = introduced["identity"]
        if worker == self.number:
            self._unheard[identity] -= 1
            if not self._unheard[identity]:
                del self._unheard[identity]
        elif identity not in self._unheard:
            # Whoever claims after us is newer; what we claimed and have not
            # heard yet comes after this.
            self._router.give_up(identity)
            self._take_note(worker, introduced)

    def _take_note(self, worker: int, introduced: Mapping[str, Any]) -> None:
        known = self._overhear(introduced)
        known.station = Remote(
            self,
            worker,
            known.identity,
            Version(known.version),
            known.account,
            known.address,
        )

    def hear_gone(self, worker: int, row: Mapping[str, Any]) -> None:
        known = self._router.fleet.get(row["identity"])
        if getattr(getattr(known, "station", None), "worker", 0) == worker:
            self._overhear(row).station = None

    def hear_known(self, worker: int, rows: list[Mapping[str, Any]]) -> None:
        if worker != self.number:
            for row in rows:
                self._overhear(row)

    def _overhear(self, row: Mapping[str, Any]) -> Known:
        """
        Take over what another knows; of ours, what operators decided.
        """
        fresh = known_from(row)
        known = self._router.fleet.get(fresh.identity)
        if known is None:
            self._router.fleet.add(fresh)
            return fresh
        if fresh.identity in self._router.ours:
            known.settings = fresh.settings
        else:
            known.take_over(fresh)
        return known

    def hear_forget(self, worker: int, identity: str) -> None:
        if worker != self.number and identity in self._router.fleet:
            self._router.fleet.forget(identity)

    def hear_close(self, worker: int, body: Any) -> None:
        identity, code, reason = body
        station = self._router.ours.get(identity)
        if station is not None:
            station.close(code, reason)

    def hear_queued(self, worker: int, identity: str) -> None:
        """
        A command waits for a station that may connect to us.
        """
        if worker != self.number:
            self.expect(identity)

    # Those who watch

    def watched(self, is_watched: bool) -> None:
        """
        Somebody watches here what happens, or nobody any more.
        """
        self.tell("watch", is_watched)

    def happened(self, events: list[Any]) -> None:
        """
        This happened here.
        """
        for worker in self._watching:
            self.tell("happened", events, worker)

    def hear_watch(self, worker: int, is_watched: bool) -> None:
        if worker == self.number:
            return
        events = self._router.journal.events
        if is_watched:
            self._watching.add(worker)
        else:
            self._watching.discard(worker)
        if self._watching and self._stop_watching is None:
            self._stop_watching = events.watch_for_others()
        elif not self._watching and self._stop_watching is not None:
            self._stop_watching()
            self._stop_watching = None

    def hear_happened(self, worker: int, events: list[Any]) -> None:
        self._router.journal.events.overhear(events)

    # Figures

    async def gather(self, what: str) -> dict[int, Any]:
        """
        Ask all others the same; who does not answer is left out.
        """
        asked = {
            worker: self.ask(worker, what, None, HASTE)
            for worker in sorted(self._others)
        }
        answers = {}
        for worker, answer in asked.items():
            try:
                answers[worker] = await answer
            except Exception:
                self.log.warn("worker {worker} is silent", worker=worker)
        return answers


def _introduced(station: ILiveStation) -> Mapping[str, Any]:
    return station.known.as_json()
