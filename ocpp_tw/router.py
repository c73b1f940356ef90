"""
Where stations, backend and operators meet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import tzinfo
from typing import Any, Protocol

from attrs import define, field, frozen
from twisted.internet.defer import (
    CancelledError,
    Deferred,
    ensureDeferred,
    succeed,
)
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import Attribute, implementer

from .errors import (
    BackendUnavailable,
    BadRequest,
    CallFailed,
    CallTimedOut,
    ErrorCode,
    StationNotConnected,
)
from .figures import Histogram, Tally
from .fleet import WITNESSES, Fleet, Known, iso
from .interfaces import IBackend, ICentralSystem, IObserver, IStation
from .journal import Attempt, Journal
from .ocpp.actions import FROM_STATION, TO_STATION
from .ocpp.lenient import understand
from .ocpp.messages import Call, Payload
from .ocpp.schemas import REQUESTS, RESPONSES, Schema, Violation, refusal
from .ocpp.times import zone_of
from .ocpp.translate import NoCounterpart, is_named, translate
from .ocpp.versions import Version


#: How many stations are known at most; a name costs nothing to make up.
MOST_STATIONS = 100_000

#: The largest message of which something is kept in memory, in octets.
LARGEST_WITNESSED = 16_384

#: RFC 6455, section 7.4.1, and the registry it founds.
GOING_AWAY = 1001
POLICY_VIOLATION = 1008
SERVICE_RESTART = 1012


#: How long a station that comes back has to boot, in seconds; if it does not,
#: it may be sent commands all the same.
GRACE = 10


@frozen
class Handshake:
    """
    Who wants to connect, and with what credentials.

    @ivar offered: the sub-protocols, in the station's order.
    @ivar username: of HTTP Basic; None where there was none.
    @ivar certificate: the client's, as Twisted gives it; None without TLS.
    """

    identity: str
    account: str
    address: str
    offered: Sequence[str] = ()
    username: str | None = None
    password: bytes | None = None
    certificate: Any = None


class Refused(Exception):
    """
    A handshake that does not lead to a connection.

    @ivar status: of the HTTP answer.
    @ivar remedy: what to do about it, for whoever set up the station.
    """

    def __init__(self, status: int, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.remedy = remedy


@define(eq=False)
class _Engagement:
    """
    A backend in use, and how many answers it owes.
    """

    backend: IBackend
    owed: int = 0
    settled: list[Deferred[None]] = field(factory=list)

    def check(self) -> None:
        """
        Tell those who wait for it that nothing is owed, if so.
        """
        if not self.owed:
            settled, self.settled = self.settled, []
            for waiting in settled:
                waiting.callback(None)

    def when_settled(self) -> Deferred[None]:
        if not self.owed:
            return succeed(None)
        settled: Deferred[None] = Deferred()
        self.settled.append(settled)
        return settled


class Lane:
    """
    What is needed to answer one action of one version, looked up once.
    """

    __slots__ = (
        "is_boot",
        "is_request",
        "is_response",
        "may_say_nothing",
        "request",
        "response",
        "witness",
    )

    def __init__(self, version: Version, action: str) -> None:
        self.request = REQUESTS[version, action]
        self.response = RESPONSES[version, action]
        self.is_request = self.request.is_valid
        self.is_response = self.response.is_valid
        self.may_say_nothing = self.is_response({})
        self.witness = WITNESSES.get(action)
        self.is_boot = action == "BootNotification"


#: The lane of each action that a station may send, by version.
LANES = {
    version: {action: Lane(version, action) for action in actions}
    for version, actions in FROM_STATION.items()
}


#: What the backend's C{answer} is.
Asking = Callable[[IStation, Call], Any]


class ILiveStation(IStation):
    """
    An L{IStation}, and what the router keeps with it.
    """

    known: Known = Attribute("What is known of it; set when it connects.")
    last_seen: float = Attribute("Seconds since 1970 of its last frame.")
    asked_at: float = Attribute(
        "When the Call that is being answered came to its turn."
    )
    violations: Sequence[Violation] | None = Attribute(
        "What is wrong with that Call."
    )


class INeighbours(Protocol):
    """
    The other workers.
    """

    def connected(self, station: ILiveStation) -> None: ...

    def disconnected(self, station: ILiveStation) -> None: ...


@implementer(ICentralSystem)
class Router:
    """
    Brings a station's Call to the backend, and an operator's to the station.

    @ivar fleet: every station that is known.
    @ivar journal: what keeps the messages that pass.
    @ivar validation: lenient, strict or off; a station may have its own.
    @ivar time_zone: of the stations' times that name none; a station may have
        its own.
    @ivar patience: how many commands in a row a station may leave without an
        answer; 0 for any number.
    @ivar greeters: who is told that a station may be sent commands: its boot
        was accepted, on this connection or before.
    @ivar accept: all, or only the stations that are C{known}.
    @ivar leaving: whether we stop, and take no station any more.
    @ivar wants_certificate: whether stations have to show a certificate.
    @ivar connections: how many there were.
    @ivar refusals: how many handshakes were refused, by status of HTTP.
    @ivar backend_seconds: how long the backend took, where it took its time.
    """

    log = Logger()

    _engaged: _Engagement

    def __init__(self, journal: Journal, clock: IReactorTime) -> None:
        """
        It has no backend until it is told to L{use} one.
        """
        self._observer: IObserver | None = None
        self.journal = journal
        self.fleet: Fleet = journal.fleet
        self._seconds = clock.seconds
        self._clock = clock
        self.greeters: list[Callable[[ILiveStation], None]] = []
        self.validation = "lenient"
        self.time_zone = "UTC"
        self.patience = 0
        self.accept = "all"
        self.leaving = False
        self.wants_certificate = False
        self.default_version = Version.V16
        self.connections = 0
        self.refusals: Counter[int] = Counter()
        self.backend_seconds = Histogram()
        self._stations: dict[str, ILiveStation] = {}
        #: Tells other workers who has connected, where there are others.
        self.neighbours: INeighbours | None = None
        self._awaiting_silence: list[Deferred[None]] = []

    # Who is there

    @property
    def backend(self) -> IBackend:
        """
        What answers the stations now.
        """
        return self._engaged.backend

    @property
    def owed(self) -> int:
        """
        How many answers the backend owes.
        """
        return self._engaged.owed

    @property
    def tally(self) -> Tally:
        """
        What became of the messages.
        """
        return self.journal.tally

    def stations(self) -> Iterable[IStation]:
        return list(self._stations.values())

    def is_connected(self, identity: str) -> bool:
        known = self.fleet.get(identity)
        return known is not None and known.station is not None

    @property
    def ours(self) -> Mapping[str, ILiveStation]:
        """
        The stations that are connected to this process, by identity.
        """
        return self._stations

    def give_up(self, identity: str) -> None:
        """
        A station has connected to another worker; ours was before that.
        """
        old = self._stations.pop(identity, None)
        if old is not None:
            self.log.info("{station} is with another worker", station=old)
            old.close(POLICY_VIOLATION, "replaced by a newer connection")

    def deserted(self) -> Deferred[None]:
        """
        @return: fires when the last station has gone.
        """
        if not self._stations:
            return succeed(None)
        deserted: Deferred[None] = Deferred()
        self._awaiting_silence.append(deserted)
        return deserted

    def settled(self) -> Deferred[None]:
        """
        @return: fires when the backend owes no answer.
        """
        return self._engaged.when_settled()

    def use(self, backend: IBackend) -> Deferred[IBackend | None]:
        """
        Answer with this backend from now on.

        @return: the backend before, once it has answered what it owed; None
            for the first.
        """
        before = getattr(self, "_engaged", None)
        self._engaged = _Engagement(backend)
        self._observer = IObserver(backend, None)
        for station in self.stations():
            self._tell(backend.station_connected, station)
        if before is None:
            return succeed(None)
        settled: Deferred[IBackend | None] = Deferred()
        before.when_settled().addCallback(
            lambda _: settled.callback(before.backend)
        )
        return settled

    def admit(self, handshake: Handshake) -> None:
        """
        @raise Refused: this station may not connect.
        """
        if self.leaving:
            raise Refused(503, "the central system stops", "come back later")
        if self.wants_certificate and handshake.certificate is None:
            raise Refused(
                403,
                "it showed no certificate",
                "give the station a certificate that [tls] client_ca signed",
            )
        known = self.fleet.get(handshake.identity)
        if known is None and len(self.fleet) >= MOST_STATIONS:
            raise Refused(
                503,
                f"{MOST_STATIONS} stations are known already",
                "DELETE /api/v1/stations/<identity> forgets one",
            )
        if self.accept == "known" and not (
            known and known.settings.registered
        ):
            raise Refused(
                404,
                f'"{handshake.identity}" is not registered here',
                f"PUT /api/v1/stations/{handshake.identity} registers it, "
                "or set [stations] accept = all",
            )

    def refused(self, attempt: Attempt) -> None:
        """
        A handshake was refused.
        """
        self.log.warn(
            "refused {attempt.address} {attempt.path!r}: {attempt.reason}; "
            "{attempt.remedy}",
            attempt=attempt,
        )
        self.refusals[attempt.status] += 1
        self.journal.refused(attempt)

    def connected(self, station: ILiveStation) -> None:
        """
        A station has connected; it takes the place of one of its name.
        """
        self.connections += 1
        identity = station.identity
        old = self._stations.get(identity)
        self._stations[identity] = station
        known = station.known = self.fleet.seen(identity)
        known.station = station
        known.version = station.version
        known.protocol = getattr(station, "protocol", "JSON")
        known.account = station.account
        known.address = station.address
        known.connected_at = self._seconds()
        if known.last_seen is None:
            self.journal.keep(known)
        known.connections += 1
        known.greeted = False
        known.silences = 0
        if known.boot_status == "Accepted":
            # It may be about to boot, or it only was out of reach.
            self._clock.callLater(GRACE, self._greet, station)
        if old is not None:
            self.log.info(
                "{station} takes the place of {old}", station=station, old=old
            )
            old.close(POLICY_VIOLATION, "replaced by a newer connection")
        else:
            self.log.info(
                "{station} connected, its connection {number}",
                station=station,
                number=known.connections,
            )
        self.journal.events.connected(station)
        if self.neighbours is not None:
            self.neighbours.connected(station)
        self._tell(self.backend.station_connected, station)

    def disconnected(self, station: ILiveStation, why: str) -> None:
        """
        A station has gone.
        """
        known = station.known
        if self._stations.get(station.identity) is station:
            del self._stations[station.identity]
            known.station = None
            known.last_seen = station.last_seen
            known.disconnected_at = self._seconds()
            known.disconnected_why = why
            self.fleet.unsaved.add(station.identity)
            self.journal.events.disconnected(station, why)
            if self.neighbours is not None:
                self.neighbours.disconnected(station)
        if not self._stations:
            waiting, self._awaiting_silence = self._awaiting_silence, []
            for deserted in waiting:
                deserted.callback(None)
        self.log.info(
            "{station} disconnected: {why}", station=station, why=why
        )
        self._tell(self.backend.station_disconnected, station)

    def _tell(self, tell: Callable[..., object], *about: object) -> None:
        """
        Tell a backend; a mistake of its is no reason to lose a station.
        """
        try:
            tell(*about)
        except Exception:
            self.log.failure("the backend's {tell!r} failed", tell=tell)

    # A station's Calls

    def answer(
        self, station: ILiveStation, call: Call, ask: Asking | None = None
    ) -> Payload | Deferred[Payload]:
        """
        Answer a Call of a station.

        @param ask: asks the backend in another way than by C{answer}.
        @raise CallFailed: to answer with this CallError instead.
        """
        now = station.asked_at = station.last_seen
        lane = LANES[station.version].get(call.action)
        if lane is None:
            raise self._unheard_of(station, call)
        if not lane.is_request(call.payload):
            self._object(station, call, lane.request, now)
        known = station.known
        if lane.witness is not None and call.size <= LARGEST_WITNESSED:
            lane.witness(known, call, now)
            self.fleet.unsaved.add(known.identity)
            if lane.is_boot:
                self.journal.keep(known)
        if known.settings.registration != "Accepted":
            return self._hold_off(known, call, now)
        engaged = self._engaged
        try:
            answer: Any = (ask or engaged.backend.answer)(station, call)
        except BackendUnavailable:
            raise _not_stored() from None
        if answer.__class__ is dict:
            if not (
                lane.is_response(answer) if answer else lane.may_say_nothing
            ):
                self._disown(station, call, lane, answer)
            if lane.is_boot:
                self._booted(station, answer)
            return answer
        if not isinstance(answer, Deferred):
            answer = ensureDeferred(answer)
        engaged.owed += 1
        return answer.addCallbacks(  # type: ignore[no-any-return]
            self._paid,
            self._failed,
            (engaged, station, call, lane),
            {},
            (engaged,),
            {},
        )

    def _paid(
        self,
        answer: Payload,
        engaged: _Engagement,
        station: ILiveStation,
        call: Call,
        lane: Lane,
    ) -> Payload:
        """
        A backend gave the answer that it owed.
        """
        engaged.owed -= 1
        self.backend_seconds.add(self._seconds() - station.asked_at)
        if engaged.settled:
            engaged.check()
        if not lane.is_response(answer):
            self._disown(station, call, lane, answer)
        if lane.is_boot:
            self._booted(station, answer)
        return answer

    def _booted(self, station: ILiveStation, answer: Payload) -> None:
        """
        A station has booted, and is told whether it is accepted.
        """
        station.known.boot_status = answer["status"]
        if answer["status"] == "Accepted":
            # Its answer first.
            self._clock.callLater(0, self._greet, station)

    def _greet(self, station: ILiveStation) -> None:
        """
        A station may be sent commands, if it is still there and was not
        before.
        """
        known = station.known
        if known.station is station and not known.greeted:
            known.greeted = known.boot_status == "Accepted"
            if known.greeted:
                for greet in self.greeters:
                    greet(station)

    def _failed(self, failure: Failure, engaged: _Engagement) -> Failure:
        engaged.owed -= 1
        engaged.check()
        if failure.check(BackendUnavailable):
            raise _not_stored() from None
        return failure

    def _disown(
        self, station: ILiveStation, call: Call, lane: Lane, answer: Payload
    ) -> None:
        """
        What we send keeps the schema, always.

        @raise CallFailed: instead.
        """
        self.log.error(
            "{station}: the backend's answer to {action} breaks the schema: "
            "{violations}",
            station=station,
            action=call.action,
            violations=_in_words(lane.response.violations(answer)),
        )
        raise CallFailed(ErrorCode.INTERNAL_ERROR)

    def _object(
        self, station: ILiveStation, call: Call, schema: Schema, now: float
    ) -> None:
        """
        Refuse a Call that breaks its schema, or understand it all the same.
        """
        settings = station.known.settings
        mode = settings.validation or self.validation
        zone = zone_of(settings.time_zone or self.time_zone)
        if mode == "off":
            # Backends may rely on members and types being there.
            _understand(call, schema, now, zone)
            return
        violations = schema.violations(call.payload)
        station.violations = violations
        station.known.violations += len(violations)
        if self._observer is not None:
            self._tell(
                self._observer.violations_seen, station, call, violations
            )
        if mode == "strict":
            raise refusal(violations)
        _understand(call, schema, now, zone)

    def _unheard_of(self, station: ILiveStation, call: Call) -> CallFailed:
        if call.action in TO_STATION[station.version]:
            return CallFailed(
                ErrorCode.NOT_SUPPORTED,
                f"{call.action} is for a central system to send",
            )
        return CallFailed(
            ErrorCode.NOT_IMPLEMENTED,
            f"OCPP {station.version} has no action {call.action:.50}",
        )

    def _hold_off(self, known: Known, call: Call, now: float) -> Payload:
        """
        Answer a station that the operator does not accept (yet).
        """
        if call.action == "BootNotification":
            return {
                "status": known.settings.registration,
                "currentTime": iso(now),
                "interval": known.settings.retry_interval,
            }
        raise CallFailed(
            ErrorCode.SECURITY_ERROR,
            f"the registration of this station is "
            f"{known.settings.registration}: only BootNotification is heard",
        )

    # An operator's Calls

    async def call(
        self,
        identity: str,
        action: str,
        payload: Payload,
        timeout: float | None = None,
    ) -> Payload:
        station = self._stations.get(identity)
        if station is None:
            known = self.fleet.known(identity)
            if known.station is not None:
                # Another worker has it, and asks it as we would.
                return await known.station.call(action, payload, timeout)
            raise StationNotConnected(
                f'station "{identity}" is not connected; {known.whereabouts}'
            )
        action, payload = self.in_words_of(station.version, action, payload)
        try:
            answer = await station.call(action, payload, timeout)
        except CallTimedOut:
            self._lose_patience(station)
            raise
        except CallFailed as e:
            station.known.silences = 0
            if self._observer is not None:
                self._tell(
                    self._observer.command_refused, station, action, payload, e
                )
            raise
        station.known.silences = 0
        self._weigh(station, action, answer)
        await self._note(station, action, payload, answer)
        return answer

    def _lose_patience(self, station: ILiveStation) -> None:
        """
        A station did not answer; some answer again when they connect anew.
        """
        known = station.known
        known.unanswered += 1
        known.silences += 1
        if self.patience and known.silences >= self.patience:
            why = f"it did not answer {known.silences} commands in a row"
            self.log.warn(
                "{station} is hung up on: {why}", station=station, why=why
            )
            station.close(SERVICE_RESTART, why)

    async def _note(
        self, station: IStation, action: str, payload: Payload, answer: Payload
    ) -> None:
        """
        Let the backend note what a station answered; it has answered, even
        if that fails.
        """
        if self._observer is None:
            return
        try:
            noted = self._observer.command_answered(
                station, action, payload, answer
            )
            if noted is not None:
                await noted
        except CancelledError:
            raise
        except Exception:
            self.log.failure(
                "{station}: its answer to {action} is not noted",
                station=station,
                action=action,
            )

    def in_words_of(
        self, version: Version, action: str, payload: Payload
    ) -> tuple[str, Payload]:
        """
        A command as a station of that version understands it.

        @raise BadRequest: it would not understand it, however it is said.
        """
        known = action in TO_STATION[version]
        if known and REQUESTS[version, action].is_valid(payload):
            return action, payload
        reason = ""
        try:
            other, said = translate(version, action, payload)
            self.check_command(version, other, said)
            return other, said
        except NoCounterpart as e:
            reason = str(e) if is_named(action) else ""
        except BadRequest as e:
            reason = str(e)
        if known or not reason:
            self.check_command(version, action, payload)
        raise BadRequest(reason)

    def check_command(
        self, version: Version, action: str, payload: Payload
    ) -> None:
        """
        @raise BadRequest: a station of that version would not understand it.
        """
        if action not in TO_STATION[version]:
            known = ", ".join(sorted(TO_STATION[version]))
            raise BadRequest(
                f"OCPP {version} has no operation {action!r:.60} that a "
                f"central system may send; it has: {known}"
            )
        schema = REQUESTS[version, action]
        if not schema.is_valid(payload):
            violations = schema.violations(payload)
            raise BadRequest(f"{action}: {_in_words(violations)}")

    def _weigh(
        self, station: ILiveStation, action: str, answer: Payload
    ) -> None:
        """
        Note it where a station's answer to a command breaks the schema.
        """
        schema = RESPONSES[station.version, action]
        if not schema.is_valid(answer):
            violations = schema.violations(answer)
            station.known.violations += len(violations)
            self.log.warn(
                "{station}: its answer to {action} breaks the schema: "
                "{violations}",
                station=station,
                action=action,
                violations=_in_words(violations),
            )


def _understand(call: Call, schema: Schema, now: float, zone: tzinfo) -> None:
    """
    @raise CallFailed: it cannot be understood.
    """
    call.frame = None
    call.payload = understand(
        call.action, call.payload, schema, iso(now), zone
    )


def _not_stored() -> CallFailed:
    return CallFailed(ErrorCode.INTERNAL_ERROR, "not stored; try again")


def _in_words(violations: Sequence[Violation]) -> str:
    return "; ".join(f"{v.path}: {v.message}" for v in violations[:10])
