"""
What is known of each station: the one here now, and the one long gone.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any, NamedTuple

import orjson
from attrs import define, evolve, field, fields, frozen

from .errors import BadRequest, UnknownStation
from .interfaces import IStation
from .ocpp.messages import Call, Payload
from .ocpp.times import zone_of


#: How many connectors of one station are told apart; what a station says of
#: further ones is answered, and not kept.
MOST_CONNECTORS = 256

REGISTRATIONS = ("Accepted", "Pending", "Rejected")
VALIDATIONS = ("lenient", "strict", "off")


def iso(seconds: float) -> str:
    """
    A time as we write it.

    >>> iso(0)
    '1970-01-01T00:00:00.000Z'
    """
    when = datetime.fromtimestamp(seconds, UTC)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@frozen
class Settings:
    """
    What the operator decided about one station.

    @ivar registration: what its BootNotification is answered with.
    @ivar retry_interval: seconds until it boots again, if not Accepted.
    @ivar validation: None for the configured C{stations.validation}.
    @ivar endpoint: where a station that speaks SOAP is reached; None for the
        address that it gives.
    @ivar time_zone: of its times that name none; None for the configured
        C{stations.time_zone}.
    @ivar registered: whether an operator made it known.
    """

    registration: str = "Accepted"
    retry_interval: int = 60
    validation: str | None = None
    ping_interval: float | None = None
    endpoint: str | None = None
    time_zone: str | None = None
    note: str = ""
    registered: bool = False

    def changed(self, body: Mapping[str, Any]) -> Settings:
        """
        These settings with the members of a REST body.

        @raise BadRequest: a member is unknown or makes no sense.
        """
        changes = {}
        for name, value in body.items():
            if name not in _MEMBERS:
                known = ", ".join(_MEMBERS)
                raise BadRequest(f"unknown member {name!r}; known: {known}")
            attribute, allowed, is_allowed = _MEMBERS[name]
            if not is_allowed(value):
                raise BadRequest(f"{name}: {value!r:.60} is not {allowed}")
            changes[attribute] = value
        return evolve(self, **changes)

    def as_json(self) -> dict[str, Any]:
        return {
            name: getattr(self, attribute)
            for name, (attribute, *_) in _MEMBERS.items()
        }


def _is_interval(value: object) -> bool:
    return type(value) is int and 0 < value <= 86400


def _is_zone(value: object) -> bool:
    try:
        return isinstance(value, str) and zone_of(value) is not None
    except ValueError:
        return False


_URL = re.compile(r"https?://[A-Za-z0-9._\[\]:-]+(/[\x21-\x7e]{0,500})?\Z")

_Member = tuple[str, str, Callable[[Any], bool]]

#: The members of a station's settings in REST: attribute, what is allowed.
_MEMBERS: dict[str, _Member] = {
    "registration": (
        "registration",
        f"one of {', '.join(REGISTRATIONS)}",
        lambda v: v in REGISTRATIONS,
    ),
    "retryInterval": (
        "retry_interval",
        "a whole number of seconds from 1 to 86400",
        _is_interval,
    ),
    "validation": (
        "validation",
        f"null or one of {', '.join(VALIDATIONS)}",
        lambda v: v is None or v in VALIDATIONS,
    ),
    "pingInterval": (
        "ping_interval",
        "null, 0 for no pings, or seconds up to 86400",
        lambda v: v is None or v == 0 or _is_interval(v),
    ),
    "endpoint": (
        "endpoint",
        "null or the URL, http or https, of a station that speaks SOAP",
        lambda v: v is None or (isinstance(v, str) and bool(_URL.match(v))),
    ),
    "timeZone": (
        "time_zone",
        "null, UTC, or a name of the time zone database, as Europe/Berlin",
        lambda v: v is None or _is_zone(v),
    ),
    "note": (
        "note",
        "a text of at most 2000 characters",
        lambda v: isinstance(v, str) and len(v) <= 2000,
    ),
}


class FoundBy(NamedTuple):
    """
    What a station is found by, in one case, as it follows from what it said
    when it booted and from what was decided about it.
    """

    boot: Payload | None
    settings: Settings
    vendor: str
    words: str


@define(eq=False)
class Known:
    """
    One station, as far as it is known.

    @ivar station: the connection it has now.
    @ivar last_seen: seconds since 1970 of the last thing heard of it, as far
        as it is not connected; see L{seen}.
    @ivar connectors: the last StatusNotification of each connector.
    @ivar meters: the last MeterValues of each connector, as JSON: the frame,
        or its last meterValue; so many dictionaries, each kept until the
        next comes, would push what is in use out of the processor's cache.
    @ivar transactions: transaction id and idTag, by connector.
    @ivar connections: how many it has had since the start.
    @ivar silences: how many commands in a row it did not answer, on this
        connection.
    @ivar protocol: JSON or SOAP.
    @ivar reached_at: where a station that speaks SOAP says that it is reached.
    @ivar heartbeat: how often a station that speaks SOAP is to be heard of, in
        seconds; None where it has not booted yet.
    @ivar boot_status: what its last BootNotification was answered with.
    @ivar greeted: whether it may be sent commands, on this connection.
    @ivar found_by: what it is found by, once somebody has looked for it.
    @ivar reports: the last of each other notification, by action.
    """

    identity: str
    version: str = ""
    protocol: str = ""
    account: str = ""
    address: str = ""
    reached_at: str = ""
    heartbeat: float | None = None
    settings: Settings = field(factory=Settings)
    station: IStation | None = None
    connected_at: float | None = None
    disconnected_at: float | None = None
    disconnected_why: str = ""
    last_seen: float | None = None
    boot: Payload | None = None
    booted_at: float | None = None
    connectors: dict[int, Payload] = field(factory=dict)
    meters: dict[int, bytes] = field(factory=dict)
    reports: dict[str, Payload] = field(factory=dict)
    violations: int = 0
    unanswered: int = 0
    connections: int = 0
    silences: int = 0
    boot_status: str = ""
    greeted: bool = False
    found_by: FoundBy | None = None

    @property
    def seen(self) -> float | None:
        """
        When something was heard of it last.
        """
        return getattr(self.station, "last_seen", None) or self.last_seen

    @property
    def whereabouts(self) -> str:
        """
        Why it cannot be commanded, for an error message.
        """
        if self.seen is None:
            return "it is registered, but never connected"
        why = f" ({self.disconnected_why})" if self.disconnected_why else ""
        return f"it was last seen {iso(self.seen)}{why}"

    def take_over(self, other: Known) -> None:
        """
        Know what somebody else knows of the same station.
        """
        for attribute in fields(Known):
            if attribute.name not in ("identity", "station"):
                value = getattr(other, attribute.name)
                setattr(self, attribute.name, value)

    def as_json(self) -> dict[str, Any]:
        """
        The station as REST shows it, and as the journal keeps it.
        """
        return {
            "identity": self.identity,
            "version": self.version or None,
            "protocol": self.protocol or None,
            "account": self.account or None,
            "address": self.address or None,
            "reachedAt": self.reached_at or None,
            "heartbeatInterval": self.heartbeat,
            "connected": self.station is not None,
            "connectedAt": _iso_or_none(self.connected_at),
            "disconnectedAt": _iso_or_none(self.disconnected_at),
            "disconnectReason": self.disconnected_why or None,
            "lastSeen": _iso_or_none(self.seen),
            "bootNotification": self.boot,
            "bootedAt": _iso_or_none(self.booted_at),
            "bootStatus": self.boot_status or None,
            "connectors": [
                {"connectorId": number, **status}
                for number, status in sorted(self.connectors.items())
            ],
            "meters": [
                {"connectorId": number, "meterValue": _meter_value(kept)}
                for number, kept in sorted(self.meters.items())
            ],
            "reports": self.reports,
            "violations": self.violations,
            "unansweredCalls": self.unanswered,
            **self.settings.as_json(),
            "registered": self.settings.registered,
        }


def _meter_value(kept: bytes) -> Payload:
    message: Any = orjson.loads(kept)
    is_frame = isinstance(message, list)
    value: Payload = message[3]["meterValue"][-1] if is_frame else message
    return value


def _iso_or_none(seconds: float | None) -> str | None:
    return None if seconds is None else iso(seconds)


class Fleet:
    """
    Every station that was ever seen or registered, by identity.

    @ivar unsaved: those that changed since the journal kept them last.
    """

    def __init__(self, known: Mapping[str, Known] | None = None) -> None:
        self._known = dict(known or {})
        #: Their names in order, once somebody asked for that.
        self._order: list[str] | None = None
        self.unsaved: set[str] = set()

    def __iter__(self) -> Iterator[Known]:
        return iter(list(self._known.values()))

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, identity: str) -> bool:
        return identity in self._known

    def get(self, identity: str) -> Known | None:
        return self._known.get(identity)

    def after(self, identity: str) -> Iterator[Known]:
        """
        Those whose names come after that one, in the order of names.
        """
        if self._order is None:
            self._order = sorted(self._known)
        place = bisect_right(self._order, identity)
        names = islice(self._order, place, None)
        # In C: thousands are looked at for one page.
        return filter(None, map(self._known.get, names))

    def add(self, known: Known) -> None:
        if known.identity not in self._known:
            self._order = None
        self._known[known.identity] = known

    def known(self, identity: str) -> Known:
        """
        @raise UnknownStation: nobody was ever seen under that identity.
        """
        try:
            return self._known[identity]
        except KeyError:
            raise UnknownStation(
                f'no station "{identity}" was ever seen here'
            ) from None

    def seen(self, identity: str) -> Known:
        """
        The station of that identity, known from now on.
        """
        known = self._known.get(identity)
        if known is None:
            known = Known(identity)
            self.add(known)
        self.unsaved.add(identity)
        return known

    def change(self, identity: str, body: Mapping[str, Any]) -> Known:
        """
        Register a station, or change what was decided about it.

        @raise BadRequest: the body makes no sense.
        """
        old = self._known.get(identity) or Known(identity)
        settings = old.settings.changed(body)
        old.settings = evolve(settings, registered=True)
        self.add(old)
        self.unsaved.add(identity)
        return old

    def forget(self, identity: str) -> Known:
        """
        @raise UnknownStation: there was nothing to forget.
        """
        known = self.known(identity)
        del self._known[identity]
        self._order = None
        self.unsaved.discard(identity)
        return known


def witness_boot(known: Known, call: Call, now: float) -> None:
    """
    Keep what a station says of itself.
    """
    known.boot = call.payload
    known.booted_at = now


def witness_status(known: Known, call: Call, now: float) -> None:
    """
    Keep the status of a connector.
    """
    payload = call.payload
    number = payload.get("connectorId")
    if isinstance(number, int) and (
        number in known.connectors or len(known.connectors) < MOST_CONNECTORS
    ):
        status = {k: v for k, v in payload.items() if k != "connectorId"}
        known.connectors[number] = status


def witness_meter(known: Known, call: Call, now: float) -> None:
    """
    Keep the last meter value of a connector.
    """
    payload, meters = call.payload, known.meters
    number, values = payload["connectorId"], payload["meterValue"]
    if values and (number in meters or len(meters) < MOST_CONNECTORS):
        meters[number] = call.frame or orjson.dumps(values[-1])


def witness_report(action: str) -> Callable[[Known, Call, float], None]:
    """
    Keep the last notification of that action.
    """

    def witness(known: Known, call: Call, now: float) -> None:
        known.reports[action] = {**call.payload, "receivedAt": iso(now)}

    return witness


#: What is learned of a station from its Calls, by action.
WITNESSES: dict[str, Callable[[Known, Call, float], None]] = {
    "BootNotification": witness_boot,
    "StatusNotification": witness_status,
    "MeterValues": witness_meter,
    **{
        action: witness_report(action)
        for action in (
            "DiagnosticsStatusNotification",
            "FirmwareStatusNotification",
            "LogStatusNotification",
            "SecurityEventNotification",
            "SignedFirmwareStatusNotification",
        )
    },
}
