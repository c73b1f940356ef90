"""
The stations, and asking one or many of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import islice
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.web.iweb import IRequest
from twisted.web.server import Request

from ...errors import BadRequest, Conflict, NotFound
from ...fleet import FoundBy, Known, Settings
from ...interfaces import Page
from ...ocpp.translate import is_operation
from ...ocpp.versions import Version
from ...queued import LONGEST, Queue
from ...router import Refused, Router
from ..websocket import check_names
from .asked import (
    read_flag,
    read_list_query,
    read_object,
    read_query,
    read_seconds,
    read_texts,
    read_timeout,
    whole_number,
)
from .door import note_command, visitor_of
from .routes import TIMEOUT, Parameter, Route, flag
from .shapes import ASKED, BODIES, NAMED, OBJECT, TEXT, listed
from .stream import Survey


#: How many stations are looked at between two turns of others.
SLICE = 1000

_CALL: dict[str, type] = {"action": str, "payload": dict}


_QUEUE = Parameter(
    "queue",
    "How many seconds the command may wait for a station that is away.",
    {"type": "number", "exclusiveMinimum": 0, "maximum": LONGEST},
)

_SCHEDULE = (
    Parameter(
        "connectorId",
        "0, if not given, for the whole station.",
        {"type": "integer", "minimum": 0, "maximum": 10**6},
    ),
    Parameter(
        "duration",
        "How many seconds from now on; a day, if not given.",
        {"type": "integer", "minimum": 0, "maximum": 10**9},
    ),
    Parameter(
        "chargingRateUnit",
        "W or A.",
        {"type": "string", "enum": ["W", "A"]},
    ),
)

_QUERY = (
    flag("connected", "true: those that are connected only."),
    Parameter("status", "With a connector in this status only."),
    Parameter("vendor", "Of this vendor only."),
    Parameter("version", "Of this version of OCPP only."),
    Parameter("q", "A part of the name, the vendor, the model, the note."),
)


class Stations:
    """
    Those that were ever seen, and those an operator registered.
    """

    def __init__(
        self, router: Router, reactor: IReactorTime, queue: Queue
    ) -> None:
        self._router = router
        self._queue = queue
        self._reactor = reactor
        one = "/stations/<identity>"
        queue_of = f"{one}/queue"
        self.routes = [
            Route(
                "GET",
                "/stations",
                self.stations,
                query=_QUERY,
                gives=listed("Station"),
            ),
            Route("GET", one, self.station, gives=NAMED["Station"]),
            Route(
                "PUT",
                one,
                self.register,
                takes=BODIES["Settings"],
                gives=NAMED["Station"],
                errors=[503],
            ),
            Route(
                "PATCH",
                one,
                self.change,
                takes=BODIES["Settings"],
                gives=NAMED["Station"],
                errors=[503],
            ),
            Route("DELETE", one, self.forget, status=204, errors=[503]),
            Route(
                "POST",
                f"{one}/calls",
                self.call,
                query=(TIMEOUT, _QUEUE),
                takes=BODIES["Call"],
                gives=OBJECT,
                others={202: NAMED["Queued"]},
                errors=ASKED,
            ),
            Route(
                "GET",
                f"{one}/compositeSchedule",
                self.composite_schedule,
                role="operator",
                query=(*_SCHEDULE, TIMEOUT),
                gives=OBJECT,
                errors=ASKED,
            ),
            Route("GET", queue_of, self.queued, gives=listed("Queued")),
            Route(
                "GET",
                f"{queue_of}/<number>",
                self.one_queued,
                gives=NAMED["Queued"],
            ),
            Route(
                "DELETE",
                f"{queue_of}/<number>",
                self.cancel,
                status=204,
                errors=[503],
            ),
            Route(
                "POST",
                "/calls",
                self.call_many,
                query=(TIMEOUT,),
                takes=BODIES["Calls"],
                gives={
                    **TEXT,
                    "examples": [
                        '{"identity":"CP1","status":"ok","answer":{}}\n'
                    ],
                },
                media="application/x-ndjson",
            ),
        ]

    async def stations(self, request: IRequest) -> Page:
        """
        The stations that were ever seen or registered, by name.
        """
        query = read_list_query(
            request, "connected", "status", "vendor", "version", "q"
        )
        cursor = query.get("cursor", "")
        tests = [
            partial(matches, text=fold(query[name]))
            for name, (fold, matches) in _FILTERS.items()
            if name in query
        ]
        connected = read_flag(query.get("connected"), "connected")
        if connected is not None:
            tests.append(partial(_is_connected, wanted=connected))
        found: list[Known] = []
        everyone = self._router.fleet.after(cursor)
        while some := list(islice(everyone, SLICE)):
            chosen: Iterable[Known] = some
            for matches in tests:
                chosen = filter(matches, chosen)
            found += chosen
            if len(found) > query["limit"]:
                break
            if len(some) == SLICE:
                await deferLater(self._reactor, 0)
        return _page(found, query["limit"])

    async def station(self, request: IRequest, identity: str) -> Any:
        """
        One station, with its live state.
        """
        read_query(request)
        return self._router.fleet.known(identity).as_json()

    async def register(self, request: IRequest, identity: str) -> Any:
        """
        Register it, perhaps before it ever connects: what the body does not
        say is as if nothing had been said ever.
        """
        _check_identity(identity)
        body = {**Settings().as_json(), **read_object(request)}
        known = await self._router.journal.change(identity, body)
        return known.as_json()

    async def change(self, request: IRequest, identity: str) -> Any:
        """
        Change some of what was decided about a station.
        """
        self._router.fleet.known(identity)
        body = read_object(request)
        known = await self._router.journal.change(identity, body)
        return known.as_json()

    async def forget(self, request: IRequest, identity: str) -> None:
        """
        Forget a station that is not connected, and cancel what waits for it.
        """
        if self._router.fleet.known(identity).station is not None:
            raise Conflict(
                f'station "{identity}" is connected: it would be seen again'
            )
        await self._queue.cancel_all(identity)
        await self._router.journal.forget(identity)

    async def call(self, request: IRequest, identity: str) -> Any:
        """
        Ask a station; the answer is the payload of its CALLRESULT.

        With C{queue} the command waits for a station that is away, for so
        many seconds; the answer is what there is to know of it, at once.
        """
        known = self._router.fleet.known(identity)
        body = read_object(request, _CALL, required=["action"])
        action, payload = body["action"], body.get("payload", {})
        note_command(request, action)
        query = read_query(request, "timeout", "queue")
        timeout = read_timeout(read_texts(request))
        if "queue" not in query:
            return await self._router.call(identity, action, payload, timeout)
        seconds = read_seconds(query["queue"], "queue", LONGEST)
        self._check_queued(known, action, payload)
        request.setResponseCode(202)
        return await self._queue.add(
            identity, action, payload, seconds, visitor_of(request).name
        )

    def _check_queued(
        self, known: Known, action: str, payload: Mapping[str, Any]
    ) -> None:
        """
        @raise BadRequest: it would be refused when the station comes.
        """
        if known.version:
            version = Version(known.version)
            self._router.in_words_of(version, action, payload)
        else:
            _check_action(action)

    async def composite_schedule(
        self, request: IRequest, identity: str
    ) -> Any:
        """
        What a station may draw, as it says itself (GetCompositeSchedule).
        """
        query = read_query(request, *(p.name for p in _SCHEDULE), "timeout")
        self._router.fleet.known(identity)
        note_command(request, "GetCompositeSchedule")
        order: dict[str, Any] = {
            "connectorId": _number(query, "connectorId", 0),
            "duration": _number(query, "duration", 86400),
        }
        if "chargingRateUnit" in query:
            order["chargingRateUnit"] = query["chargingRateUnit"]
        timeout = read_timeout(read_texts(request))
        return await self._router.call(
            identity, "GetCompositeSchedule", order, timeout
        )

    async def queued(self, request: IRequest, identity: str) -> Page:
        """
        The commands that wait for a station, and what became of others,
        newest first.
        """
        query = read_list_query(request)
        self._router.fleet.known(identity)
        return await self._queue.find(identity, **query)

    async def one_queued(
        self, request: IRequest, identity: str, number: str
    ) -> Any:
        """
        A command that waits, or what became of it.
        """
        read_query(request)
        return await self._queue.get(identity, _id(number))

    async def cancel(
        self, request: IRequest, identity: str, number: str
    ) -> None:
        """
        Cancel a command that waits.
        """
        await self._queue.cancel(identity, _id(number))

    async def call_many(self, request: Request) -> bytes:
        """
        Ask many stations; each has its line as soon as it has answered.
        """
        members = {**_CALL, "identities": object}
        body = read_object(request, members, ["action", "identities"])
        _check_action(body["action"])
        chosen = self._chosen(body["identities"])
        everybody = body["identities"] == "all"
        note_command(request, body["action"], ["all"] if everybody else chosen)
        survey = Survey(
            self._router,
            self._reactor,
            body["action"],
            body.get("payload", {}),
            _timeout(request),
        )
        return await survey.run(request, chosen)

    def _chosen(self, identities: object) -> Iterable[str]:
        if identities == "all":
            return sorted(known.identity for known in self._router.fleet)
        if not isinstance(identities, list) or not all(
            isinstance(identity, str) for identity in identities
        ):
            raise BadRequest(
                'identities: this is neither a list of texts nor "all"'
            )
        return dict.fromkeys(identities)


def _timeout(request: IRequest) -> float | None:
    read_query(request, "timeout")
    return read_timeout(read_texts(request))


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    """
    @raise BadRequest: it is no whole number.
    """
    if name not in query:
        return default
    number = whole_number(query[name])
    if number is None:
        raise BadRequest(f"{name}: {query[name]!r:.60} is no whole number")
    return number


def _id(text: str) -> int:
    """
    @raise NotFound: nothing has such an id.
    """
    number = whole_number(text)
    if number is None:
        raise NotFound(f"there is no command {text!r:.60}")
    return number


def _check_action(action: str) -> None:
    """
    @raise BadRequest: no station at all would understand it.
    """
    if not is_operation(action):
        raise BadRequest(f"action: there is no operation {action!r:.60}")


def _check_identity(identity: str) -> None:
    """
    @raise BadRequest: no station could connect with it.
    """
    try:
        check_names(identity)
    except Refused as e:
        raise BadRequest(e.reason) from None


def _page(found: list[Known], limit: int) -> Page:
    items = [known.as_json() for known in found[:limit]]
    return Page(
        items, found[limit - 1].identity if len(found) > limit else None
    )


def _vendor(known: Known) -> str:
    return _said(known, "chargePointVendor", "vendorName")


def _model(known: Known) -> str:
    return _said(known, "chargePointModel", "model")


def _said(known: Known, name_1x: str, name_2x: str) -> str:
    """
    What a station said of itself when it booted.
    """
    boot = known.boot or {}
    value = boot.get(name_1x)
    if value is None and isinstance(boot.get("chargingStation"), dict):
        value = boot["chargingStation"].get(name_2x)
    return value if isinstance(value, str) else ""


def _is_connected(known: Known, wanted: bool) -> bool:
    return (known.station is not None) is wanted


def _has_status(known: Known, text: str) -> bool:
    return any(
        connector.get("status") == text
        for connector in known.connectors.values()
    )


def _found_by(known: Known) -> FoundBy:
    """
    What it is found by; thousands are looked at for one page.
    """
    found_by = known.found_by
    if (
        found_by is None
        or found_by.boot is not known.boot
        or found_by.settings is not known.settings
    ):
        vendor, note = _vendor(known), known.settings.note
        words = "\n".join((known.identity, vendor, _model(known), note))
        found_by = known.found_by = FoundBy(
            known.boot, known.settings, vendor.casefold(), words.casefold()
        )
    return found_by


#: What makes the text of a filter ready, and whether a station matches it.
_FILTERS: dict[str, tuple[Callable[[str], str], Callable[..., bool]]] = {
    "status": (str, _has_status),
    "vendor": (
        str.casefold,
        lambda known, text: _found_by(known).vendor == text,
    ),
    "version": (str, lambda known, text: known.version == text),
    "q": (str.casefold, lambda known, text: text in _found_by(known).words),
}
