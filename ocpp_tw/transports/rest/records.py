"""
What the backend keeps: transactions, reservations, id tags.
"""

from __future__ import annotations

from typing import Any

from twisted.web.iweb import IRequest

from ...errors import BadRequest, NotFound, NotKept
from ...interfaces import IRecords, Page
from ...router import Router
from .asked import read_list_query, read_object, read_query, whole_number
from .routes import FROM, IDENTITY, TO, Parameter, Route, flag
from .shapes import BODIES, NAMED, SHAPES, listed


_TRANSACTIONS = (
    "transactionId identity connectorId idTag startTime meterStart stopTime "
    "meterStop energy stopReason stopIdTag reservationId active suspect"
)
_METER_VALUES = (
    "time connectorId measurand value unit phase context location format "
    "suspect"
)
_RESERVATIONS = (
    "id reservationId identity connectorId idTag parentIdTag created "
    "expiryDate ended status transactionId"
)

_ID_TAG = {
    "idTag": object,
    "status": object,
    "expiryDate": object,
    "parentIdTag": object,
    "maxActiveTransactions": object,
    "note": object,
}


_ID_TAG_FILTER = Parameter("idTag", "Of this id tag only.")


def _in_status(kind: str) -> Parameter:
    status = SHAPES[kind]["properties"]["status"]
    return Parameter("status", "In this status only.", status)


#: What may go wrong with what a backend keeps.
KEPT = (501, 503)


def records_of(router: Router, kind: str) -> IRecords:
    """
    @raise NotKept: the backend has no records.
    """
    records: IRecords | None = IRecords(router.backend, None)
    if records is None:
        raise NotKept(
            f"the backend in use keeps no {kind}; the embedded backend does"
        )
    return records


class Records:
    """
    Operators read them, and tidy up.
    """

    def __init__(self, router: Router) -> None:
        self._router = router
        transactions, tags = "/transactions", "/idTags"
        one, tag = f"{transactions}/<number>", f"{tags}/<id_tag>"
        profile = "/chargingProfiles/<number>"
        self.routes = [
            Route(
                "GET",
                transactions,
                self.transactions,
                _TRANSACTIONS,
                query=(
                    IDENTITY,
                    _ID_TAG_FILTER,
                    flag("active", "true: those that go on only."),
                    flag("suspect", "true: those with odd values only."),
                    FROM,
                    TO,
                ),
                gives=listed("Transaction"),
                errors=KEPT,
            ),
            Route(
                "GET",
                one,
                self.transaction,
                gives=NAMED["Transaction"],
                errors=KEPT,
            ),
            Route(
                "GET",
                f"{one}/meterValues",
                self.meters,
                _METER_VALUES,
                gives=listed("MeterValue"),
                errors=KEPT,
            ),
            Route(
                "POST",
                f"{one}/close",
                self.close,
                takes=BODIES["Close"],
                gives=NAMED["Transaction"],
                errors=KEPT,
            ),
            Route(
                "GET",
                "/reservations",
                self.reservations,
                _RESERVATIONS,
                query=(
                    IDENTITY,
                    _in_status("Reservation"),
                    _ID_TAG_FILTER,
                    FROM,
                    TO,
                ),
                gives=listed("Reservation"),
                errors=KEPT,
            ),
            Route(
                "GET",
                "/reservations/<number>",
                self.reservation,
                gives=NAMED["Reservation"],
                errors=KEPT,
            ),
            Route(
                "GET",
                tags,
                self.id_tags,
                query=(
                    Parameter("q", "A part of the name."),
                    _in_status("IdTag"),
                ),
                gives=listed("IdTag"),
                errors=KEPT,
            ),
            Route(
                "GET",
                tag,
                self.id_tag,
                gives=NAMED["IdTag"],
                errors=KEPT,
            ),
            Route(
                "PUT",
                tag,
                self.put_id_tag,
                takes=BODIES["IdTag"],
                gives=NAMED["IdTag"],
                errors=KEPT,
            ),
            Route("DELETE", tag, self.delete_id_tag, status=204, errors=KEPT),
            Route(
                "GET",
                "/chargingProfiles",
                self.charging_profiles,
                query=(IDENTITY,),
                gives=listed("ChargingProfile"),
                errors=KEPT,
            ),
            Route(
                "GET",
                profile,
                self.charging_profile,
                gives=NAMED["ChargingProfile"],
                errors=KEPT,
            ),
            Route(
                "PUT",
                profile,
                self.put_charging_profile,
                takes=BODIES["ChargingProfile"],
                gives=NAMED["ChargingProfile"],
                errors=KEPT,
            ),
            Route(
                "DELETE",
                profile,
                self.delete_charging_profile,
                status=204,
                errors=KEPT,
            ),
        ]

    async def transactions(self, request: IRequest) -> Page:
        """
        Transactions, newest first.
        """
        query = read_list_query(
            request, "identity", "idTag", "active", "suspect", "from", "to"
        )
        return await self._records("transactions").transactions(**query)

    async def transaction(self, request: IRequest, number: str) -> Any:
        """
        One transaction, with the messages that contradict it.
        """
        read_query(request)
        records = self._records("transactions")
        return await records.transaction(_id("transaction", number))

    async def meters(self, request: IRequest, number: str) -> Page:
        """
        The samples of a transaction, oldest first.
        """
        query = read_list_query(request)
        records = self._records("meter values")
        transaction_id = _id("transaction", number)
        return await records.meter_values(transaction_id, **query)

    async def close(self, request: IRequest, number: str) -> Any:
        """
        Close the record of a transaction whose station never will.

        It does not stop the charging: C{RemoteStopTransaction} does.
        """
        body = read_object(request, {"reason": str})
        records = self._records("transactions")
        return await records.close_transaction(
            _id("transaction", number), body.get("reason") or "Other"
        )

    async def reservations(self, request: IRequest) -> Page:
        """
        Reservations, newest first.
        """
        query = read_list_query(
            request, "identity", "status", "idTag", "from", "to"
        )
        return await self._records("reservations").reservations(**query)

    async def reservation(self, request: IRequest, number: str) -> Any:
        """
        One reservation.
        """
        read_query(request)
        records = self._records("reservations")
        return await records.reservation(_id("reservation", number))

    async def id_tags(self, request: IRequest) -> Page:
        """
        Id tags, by name.
        """
        query = read_list_query(request, "q", "status")
        return await self._records("id tags").id_tags(**query)

    async def id_tag(self, request: IRequest, id_tag: str) -> Any:
        """
        One id tag.
        """
        read_query(request)
        return await self._records("id tags").id_tag(id_tag)

    async def put_id_tag(self, request: IRequest, id_tag: str) -> Any:
        """
        Make or replace an id tag.
        """
        body = read_object(request, _ID_TAG)
        if body.pop("idTag", id_tag) != id_tag:
            raise BadRequest("idTag: this is not the one in the path")
        return await self._records("id tags").put_id_tag(id_tag, body)

    async def delete_id_tag(self, request: IRequest, id_tag: str) -> None:
        """
        Forget an id tag.
        """
        await self._records("id tags").delete_id_tag(id_tag)

    async def charging_profiles(self, request: IRequest) -> Page:
        """
        The charging profiles that are installed, and where.
        """
        query = read_list_query(request, "identity")
        records = self._records("charging profiles")
        return await records.charging_profiles(**query)

    async def charging_profile(self, request: IRequest, number: str) -> Any:
        """
        One of the charging profiles that are installed.
        """
        read_query(request)
        records = self._records("charging profiles")
        return await records.charging_profile(_id("charging profile", number))

    async def put_charging_profile(
        self, request: IRequest, number: str
    ) -> Any:
        """
        Correct what is known to be installed.

        The station is not asked to do anything: C{SetChargingProfile} is.
        """
        members = {
            "identity": str,
            "connectorId": int,
            "csChargingProfiles": dict,
        }
        body = read_object(request, members, required=[*members])
        records = self._records("charging profiles")
        return await records.put_charging_profile(
            _id("charging profile", number), body
        )

    async def delete_charging_profile(
        self, request: IRequest, number: str
    ) -> None:
        """
        Forget that a charging profile is installed.

        The station is not asked to do anything: C{ClearChargingProfile} is.
        """
        records = self._records("charging profiles")
        await records.delete_charging_profile(_id("charging profile", number))

    def _records(self, kind: str) -> IRecords:
        return records_of(self._router, kind)


def _id(kind: str, text: str) -> int:
    """
    @raise NotFound: nothing has such an id.
    """
    number = whole_number(text)
    if number is None:
        raise NotFound(f"there is no {kind} {text!r:.60}")
    return number
