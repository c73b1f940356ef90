"""
The places where this server can be extended.

L{IBackend} answers the stations; L{IBackendMaker} is how a plugin offers one.
L{IStation} is a connected station, whatever it is connected with, and
L{ICentralSystem} is what those who command stations hold.  A backend may also
provide L{IObserver}, to learn of more than Calls, L{IRecords}, L{ISeedLists}
or L{IOutbox}, to let operators read what it keeps, L{IReady} and
L{IMeasured}, to be watched.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import Any

from attrs import frozen
from twisted.application.service import IService
from twisted.internet.interfaces import IReactorTime
from zope.interface import Attribute, Interface, providedBy
from zope.interface.verify import verifyObject

from .errors import CallFailed
from .figures import Figure
from .ocpp.messages import Call, Payload
from .ocpp.schemas import Violation
from .ocpp.versions import Version


class IStation(Interface):
    """
    A connected station: a Charge Point in OCPP 1.x, a Charging Station in 2.x.
    """

    identity: str = Attribute("The name it connected with.")
    version: Version = Attribute("The version of OCPP it speaks.")
    account: str = Attribute("The account it connected for, or ''.")
    address: str = Attribute("Where it connected from: 'IP:port'.")

    async def call(
        action: str, payload: Payload, timeout: float | None = None
    ) -> Payload:
        """
        Ask the station, and wait for its answer.

        @param timeout: how many seconds it has to answer; None for the
            configured C{stations.call_timeout}.
        @raise CallFailed: it answered with a CallError.
        @raise CallTimedOut: it did not answer.
        @raise TooManyCalls: too many Calls wait for their turn already.
        @raise StationNotConnected: the connection was lost meanwhile.
        """

    def close(code: int, reason: str) -> None:
        """
        Say goodbye; the transport reports the station gone in its own time.

        @param code: a WebSocket close code (RFC 6455, section 7.4.1).
        """


class ICentralSystem(Interface):
    """
    What an operator, or a backend, can do: see the stations, command one.
    """

    def stations() -> Iterable[IStation]:
        """
        The stations connected now.
        """

    def is_connected(identity: str) -> bool:
        """
        Whether a station of that identity is connected now, here or to
        another worker.
        """

    async def call(
        identity: str,
        action: str,
        payload: Payload,
        timeout: float | None = None,
    ) -> Payload:
        """
        Ask the station of that identity, and wait for its answer.

        @raise BadRequest: the payload violates the schema of the action, or
            the station's version has no such action.
        @raise UnknownStation: nobody was ever seen under that identity.
        @raise StationNotConnected: it is known, but not connected.
        @raise CallFailed: it answered with a CallError.
        @raise CallTimedOut: it did not answer.
        """


class IBackend(IService):
    """
    Decides what each station's Call is answered with.

    It is started before the first station connects and stopped after the
    last Call it was asked to answer is answered.  One that cannot always
    answer says so by L{IReady}.
    """

    def answer(station: IStation, call: Call) -> Payload | Awaitable[Payload]:
        """
        Answer one Call; the payload returned is the payload sent.

        Answer at once (a dict) what is known at once, and return an awaitable
        for what takes its time.  What must not be lost is durable before the
        answer is there.  One station's Calls come one after another.

        @raise CallFailed: to answer with this CallError instead.
        @raise BackendUnavailable: it could not be stored; the station is
            told so, and sends it again.
        """

    def station_connected(station: IStation) -> None:
        """
        A station has connected; no Call of its was answered yet.

        A second connection of the same identity replaces the first: then
        this is called before L{station_disconnected} of the first.
        """

    def station_disconnected(station: IStation) -> None:
        """
        A station has gone; no Call of its will follow.

        L{ICentralSystem.is_connected} tells whether a newer connection took
        its place.
        """


class IObserver(Interface):
    """
    A backend that wants to know more than Calls.
    """

    def command_answered(
        station: IStation, action: str, payload: Payload, answer: Payload
    ) -> Awaitable[None] | None:
        """
        The station answered a command with a CallResult.

        Whoever gave the command learns of the answer when this is done.
        """

    def command_refused(
        station: IStation, action: str, payload: Payload, error: CallFailed
    ) -> None:
        """
        The station answered a command with a CallError.
        """

    def violations_seen(
        station: IStation, call: Call, violations: Sequence[Violation]
    ) -> None:
        """
        A station's Call broke the schema, and was tolerated or refused.
        """


class IReady(Interface):
    """
    A backend that can tell whether it can answer: C{/readyz} says so too.
    """

    is_ready: bool = Attribute("Whether stations would get their answers now.")


class IMeasured(Interface):
    """
    A backend that has figures of its own for C{/metrics}.
    """

    def figures() -> Iterable[Figure]:
        """
        What they are now.  This is asked every few seconds, and does not
        wait for anything.
        """


@frozen
class Page:
    """
    A part of a list.

    @ivar next: the cursor of the part that follows; None after the last.
    """

    items: Sequence[Mapping[str, Any]]
    next: str | None = None


class IRecords(Interface):
    """
    What a backend keeps, for operators to read.

    Every list takes C{limit} (1 to 1000) and C{cursor} (a L{Page.next}), and
    filters as strings, as they came with the request; a filter of None is
    none.  Items are JSON objects, names in camelCase, times UTC ISO 8601
    with Z, energy in Wh.

    @raise BadRequest: a filter or a member makes no sense.
    @raise NotFound: there is no such record.
    @raise Conflict: the record's state does not allow it.
    """

    async def transactions(
        limit: int, cursor: str | None = None, **filters: str | None
    ) -> Page:
        """
        Transactions, newest first: C{identity}, C{idTag}, C{active} (true or
        false), C{suspect} (true or false), C{from}, C{to} (on the start).

        Each is C{{"transactionId", "identity", "connectorId", "idTag",
        "idTagStatus", "meterStart", "startTime", "startTimeSent",
        "reservationId", "meterStop"?, "stopTime"?, "stopTimeSent"?,
        "stopReason"?, "stopIdTag"?, "energy"?, "closed"?, "closedTime"?,
        "closeReason"?, "suspect": [...], "active"}}; C{closed} is Stopped
        (by the station), Superseded or Closed (by an operator), and what
        the station sent stands beside the times as corrected.
        """

    async def transaction(transaction_id: int) -> Mapping[str, Any]:
        """
        One transaction, with C{keptAside}: the messages about it that
        contradict it, C{{"time", "identity", "action", "reason",
        "payload"}}.
        """

    async def meter_values(
        transaction_id: int, limit: int, cursor: str | None = None
    ) -> Page:
        """
        The samples of a transaction, oldest first: C{{"time", "connectorId",
        "measurand", "value", "unit", "phase", "context", "location",
        "format", "suspect"}}.
        """

    async def close_transaction(
        transaction_id: int, reason: str
    ) -> Mapping[str, Any]:
        """
        Close the record of a transaction whose station never will.
        """

    async def reservations(
        limit: int, cursor: str | None = None, **filters: str | None
    ) -> Page:
        """
        Reservations, newest first: C{identity}, C{status} (Active, Used,
        Cancelled, Expired, Faulted), C{idTag}, C{from}, C{to}.

        Each is C{{"id", "reservationId", "identity", "connectorId", "idTag",
        "parentIdTag"?, "expiryDate", "created", "ended"?, "status",
        "transactionId"?}}.
        """

    async def reservation(record_id: int) -> Mapping[str, Any]:
        """
        One reservation, by its C{id}.
        """

    async def id_tags(
        limit: int, cursor: str | None = None, **filters: str | None
    ) -> Page:
        """
        Id tags by name: C{q} (a part of the name), C{status}.
        """

    async def id_tag(id_tag: str) -> Mapping[str, Any]:
        """
        C{{"idTag", "status": "Accepted" or "Blocked", "expiryDate"?,
        "parentIdTag"?, "maxActiveTransactions"?, "note"?}}
        """

    async def put_id_tag(
        id_tag: str, body: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """
        Make or replace an id tag.
        """

    async def delete_id_tag(id_tag: str) -> None:
        """
        Forget an id tag.
        """

    async def charging_profiles(
        limit: int, cursor: str | None = None, **filters: str | None
    ) -> Page:
        """
        What is installed where: C{identity}; each is C{{"id", "identity",
        "connectorId", "installed", "csChargingProfiles": {...}}}.
        """

    async def charging_profile(record_id: int) -> Mapping[str, Any]:
        """
        One of them, by its C{id}.
        """

    async def put_charging_profile(
        record_id: int, body: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """
        Correct what is known to be installed: C{{"identity", "connectorId",
        "csChargingProfiles"}}.  The station is not asked to do anything.
        """

    async def delete_charging_profile(record_id: int) -> None:
        """
        Forget that it is installed.
        """


class IOutbox(Interface):
    """
    A backend that tells others of events, and keeps those not told yet.
    """

    async def outbox(
        limit: int, cursor: str | None = None, **filters: str | None
    ) -> Page:
        """
        Events, newest first: C{identity}, C{state} (waiting or dead).

        Each is C{{"id", "identity", "event", "state", "created", "due",
        "attempts", "reason", "body": {...}}}.

        @raise NotKept: no events are told.
        """

    async def redeliver(number: int) -> Mapping[str, Any]:
        """
        Try a dead letter again.

        @raise NotFound: there is no such dead letter.
        """


class ISeedLists(Interface):
    """
    A backend with lists of its own for C{/api/v1/CentralSystem/...}.

    Each is asked with the token of the caller ('' for none) and an object,
    and answers with JSON objects.

    @raise NotKept: it has no such list.
    @raise BackendUnavailable: it cannot be asked now.
    """

    async def charge_point_list(
        token: str, known: Sequence[Mapping[str, Any]]
    ) -> Sequence[Any]:
        """
        Made from our own list of stations, in the shape of old.
        """

    async def transaction_list(
        token: str, asked: Mapping[str, str]
    ) -> Sequence[Any]:
        """
        Asked with C{{"identity", "dateFrom"?, "dateTo"?}}.
        """

    async def reservation_list(
        token: str, asked: Mapping[str, str]
    ) -> Sequence[Any]:
        """
        Asked with C{{"identity", "dateFrom"?, "dateTo"?}}.
        """


class ISeedSOAP(Interface):
    """
    A backend that can read and write the envelopes of OCPP-S itself.

    @raise CallFailed: it cannot now.
    """

    wants_envelopes: bool = Attribute("Whether it does.")

    async def parse_xml(envelope: str) -> str:
        """
        Answer a station's envelope with another.
        """

    async def json_to_soap(message: Mapping[str, Any]) -> str:
        """
        The envelope of a command: C{{"header": {"chargeBoxIdentity",
        "Action", "To"}, "payload": {...}}}.
        """

    async def soap_to_json(envelope: str) -> Payload:
        """
        The payload of a station's answer to a command.
        """


class IBackendMaker(Interface):
    """
    A plugin that makes backends.
    """

    name: str = Attribute("How the configuration file names this backend.")
    description: str = Attribute("One line for C{twistd cs --help-backends}.")

    def make_backend(
        settings: Mapping[str, Any],
        central_system: ICentralSystem,
        reactor: IReactorTime,
    ) -> IBackend:
        """
        Make the backend that C{settings}, its section of the configuration
        file, describes.

        @raise BadConfig: the settings cannot be used.
        """


def verify_backend(backend: object) -> None:
    """
    Look whether it is all of an L{IBackend}, and of whatever else of these it
    says it provides.

    @raise zope.interface.Invalid: it is not; the error says what is missing.
    """
    verifyObject(IBackend, backend)
    for interface in providedBy(backend):
        if interface.__module__ == __name__:
            verifyObject(interface, backend)
