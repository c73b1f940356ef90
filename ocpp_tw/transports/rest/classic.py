"""
The paths that integrators have relied on for years, exactly as they were.

::

    POST /api/v1/ChargePoint/CP1/Reset        {"type": "Soft"}
    200 OK                                    {"status": "Accepted"}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from attrs import evolve
from twisted.internet.interfaces import IReactorTime
from twisted.web.iweb import IRequest

from ...errors import BadRequest, NotFound, NotKept
from ...fleet import Known, iso
from ...interfaces import ISeedLists, IStation
from ...ocpp.lenient import read_texts as read_by_schema
from ...ocpp.schemas import REQUESTS, Schema
from ...ocpp.translate import is_operation
from ...ocpp.versions import Version
from ...router import Router
from .asked import (
    MOST_ITEMS,
    parse_object,
    read_body,
    read_texts,
    read_timeout,
)
from .door import note_command
from .records import KEPT, records_of
from .routes import FROM, IDENTITY, TIMEOUT, Parameter, Route
from .shapes import (
    ASKED,
    BODIES,
    OBJECT,
    SOME_TEXT,
    WHOLE,
    array,
    shape,
)


_PING = shape(error=shape(code={"const": 200}, message={"const": "OK"}))
_TIME = shape(serverTime=WHOLE)

_QUERY = (
    evolve(IDENTITY, schema=SOME_TEXT, required=True),
    Parameter("dateFrom", "Not before this time.", FROM.schema),
    Parameter("dateTo", "Before this time.", FROM.schema),
)


class Classic:
    """
    Values may come as JSON, as a form or in the query; those that are null
    or empty are as if they were not there.
    """

    def __init__(self, router: Router, clock: IReactorTime) -> None:
        self._router = router
        self._seconds = clock.seconds
        both, central = "GET POST", "/CentralSystem"
        self.routes = [
            Route(both, "/ping", self.ping, role="public", gives=_PING),
            Route(both, "/time", self.time, role="public", gives=_TIME),
            *(
                Route(
                    both,
                    path,
                    self.charge_points,
                    role="viewer",
                    gives=shape(ChargePointList=array(OBJECT)),
                )
                for path in (
                    "/ChargePointList",
                    f"{central}/ChargePointList",
                )
            ),
            Route(
                both,
                f"{central}/TransactionList",
                self.transactions,
                role="viewer",
                query=_QUERY,
                takes=BODIES["Lists"],
                gives=shape(TransactionList=array(OBJECT)),
                errors=KEPT,
            ),
            Route(
                both,
                f"{central}/ReservationList",
                self.reservations,
                role="viewer",
                query=_QUERY,
                takes=BODIES["Lists"],
                gives=shape(ReservationList=array(OBJECT)),
                errors=KEPT,
            ),
            Route(
                "POST",
                "/ChargePoint/<identity>/<action>",
                self.command,
                query=(TIMEOUT,),
                takes=OBJECT,
                gives=OBJECT,
                errors=ASKED,
            ),
        ]

    async def ping(self, request: IRequest) -> dict[str, Any]:
        """
        Whether anybody is there.
        """
        return {"error": {"code": 200, "message": "OK"}}

    async def time(self, request: IRequest) -> dict[str, Any]:
        """
        The time here, in milliseconds since 1970.
        """
        return {"serverTime": int(self._seconds() * 1000)}

    async def charge_points(self, request: IRequest) -> dict[str, Any]:
        """
        The stations that were ever seen, in the shape of old.
        """
        known = sorted(self._router.fleet, key=lambda known: known.identity)
        ours: Sequence[Any] = [_charge_point(one) for one in known]
        lists = ISeedLists(self._router.backend, None)
        if lists is not None:
            # A backend need not have this one.
            with suppress(NotKept):
                ours = await lists.charge_point_list(_token(request), ours)
        return {"ChargePointList": ours}

    async def command(
        self, request: IRequest, identity: str, action: str
    ) -> Any:
        """
        Ask a station; the answer is the payload of its CALLRESULT.
        """
        note_command(request, action)
        station = self._router.fleet.known(identity).station
        if not is_operation(action):
            raise NotFound(f"there is no operation {action!r:.60}")
        texts = read_texts(request)
        payload = _read(request, texts, station, action)
        timeout = read_timeout(texts)
        return await self._router.call(identity, action, payload, timeout)

    async def transactions(self, request: IRequest) -> dict[str, Any]:
        """
        The newest transactions of a station, in the shape of old.
        """
        filters = _filters(request)
        lists = ISeedLists(self._router.backend, None)
        if lists is not None:
            theirs = await lists.transaction_list(
                _token(request), _asked(filters)
            )
            return {"TransactionList": theirs}
        records = records_of(self._router, "transactions")
        page = await records.transactions(MOST_ITEMS, **filters)
        serial = self._serial_number(filters["identity"])
        items = [_transaction(item, serial) for item in page.items]
        return {"TransactionList": items}

    async def reservations(self, request: IRequest) -> dict[str, Any]:
        """
        The newest reservations of a station, in the shape of old.
        """
        filters = _filters(request)
        lists = ISeedLists(self._router.backend, None)
        if lists is not None:
            theirs = await lists.reservation_list(
                _token(request), _asked(filters)
            )
            return {"ReservationList": theirs}
        records = records_of(self._router, "reservations")
        page = await records.reservations(MOST_ITEMS, **filters)
        serial = self._serial_number(filters["identity"])
        items = [_reservation(item, serial) for item in page.items]
        return {"ReservationList": items}

    def _serial_number(self, identity: str) -> Any:
        known = self._router.fleet.get(identity)
        boot = known.boot if known and known.boot else {}
        return boot.get("chargePointSerialNumber")


def _read(
    request: IRequest,
    texts: Mapping[str, list[str]],
    station: IStation | None,
    action: str,
) -> dict[str, Any]:
    """
    The payload of a command, from wherever it is.
    """
    body = read_json(request)
    if body is not None:
        return body
    given = {
        name: [value for value in values if value]
        for name, values in texts.items()
        if any(values) and name != "timeout"
    }
    schema = None if station is None else _schema(station.version, action)
    if schema is not None:
        return read_by_schema(given, schema)
    return {k: v[0] if len(v) == 1 else v for k, v in given.items()}


def _schema(version: Version, action: str) -> Schema | None:
    """
    The schema of an operation, in another version if that has none.
    """
    versions = [version, *reversed(Version)]
    found = (REQUESTS.get((v, action)) for v in versions)
    return next((schema for schema in found if schema is not None), None)


def read_json(request: IRequest) -> dict[str, Any] | None:
    """
    The members of a JSON body that are neither null nor empty; None where
    the body is a form, or there is none.

    What looks like JSON is JSON: many clients name it a form.
    """
    body = read_body(request)
    kind = (request.getHeader("content-type") or "").lower()
    is_form = "form-urlencoded" in kind or "multipart/form-data" in kind
    if not body.strip() or (is_form and not body.lstrip().startswith(b"{")):
        return None
    members = parse_object(body)
    return {k: v for k, v in members.items() if v is not None and v != ""}


#: What the lists take, and how a filter of ours is called.
_FILTERS = {"identity": "identity", "dateFrom": "from", "dateTo": "to"}


def _filters(request: IRequest) -> dict[str, str]:
    """
    @raise BadRequest: the identity is missing, or something is unknown.
    """
    body = read_json(request)
    if body is None:
        texts = read_texts(request)
        body = {name: values[-1] for name, values in texts.items()}
    for name, value in body.items():
        if name not in _FILTERS:
            raise BadRequest(
                f"unknown member {name!r:.60}; known: {', '.join(_FILTERS)}"
            )
        if not isinstance(value, str):
            raise BadRequest(f"{name}: this is not a text")
    if not body.get("identity"):
        raise BadRequest("identity: this member is required")
    return {_FILTERS[name]: text for name, text in body.items() if text}


def _asked(filters: Mapping[str, str]) -> dict[str, str]:
    """
    The filters as they came.
    """
    return {
        old: filters[our] for old, our in _FILTERS.items() if our in filters
    }


def _token(request: IRequest) -> str:
    """
    The token of the caller, or ''.
    """
    scheme, _, token = (request.getHeader("authorization") or "").partition(
        " "
    )
    return token.strip() if scheme.lower() == "bearer" else ""


def _charge_point(known: Known) -> dict[str, Any]:
    station = known.station
    return {
        "Identity": known.identity,
        "Address": known.address,
        "Connection": station and _connection(station),
        "Protocol": known.protocol or "JSON",
        "Version": known.version or None,
        "Account": known.account or None,
        "Connected": station is not None,
        "LastSeen": None if known.seen is None else iso(known.seen),
        "BootNotification": known.boot,
        "StatusNotification": [
            {"connectorId": number, **status}
            for number, status in sorted(known.connectors.items())
        ],
    }


def _connection(station: IStation) -> dict[str, Any]:
    host, _, port = station.address.rpartition(":")
    return {
        "Socket": getattr(station, "socket", -1),
        "IP": host or station.address,
        "Port": int(port) if port.isdigit() else 0,
    }


def _transaction(item: Mapping[str, Any], serial: Any) -> dict[str, Any]:
    return {
        "id": item["transactionId"],
        "idTag": item.get("idTag"),
        "identity": item["identity"],
        "serialNumber": serial,
        "connectorId": item.get("connectorId"),
        "meterStart": item.get("meterStart"),
        "meterStop": item.get("meterStop"),
        "value": item.get("energy"),
        "reservationId": item.get("reservationId"),
        "reason": item.get("stopReason"),
        "data": None,
        "dateStart": item.get("startTime"),
        "dateStop": item.get("stopTime"),
    }


def _reservation(item: Mapping[str, Any], serial: Any) -> dict[str, Any]:
    return {
        "id": item["reservationId"],
        "idTag": item.get("idTag"),
        "identity": item["identity"],
        "serialNumber": serial,
        "connectorId": item.get("connectorId"),
        "expiryDate": item.get("expiryDate"),
        "dateStart": item.get("created"),
        "dateStop": item.get("ended"),
    }
