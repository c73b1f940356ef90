"""
The backend that asks functions in a PostgreSQL database.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from typing import Any

import psycopg2
from psycopg2.errors import UndefinedFunction
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from ...errors import (
    BackendUnavailable,
    BadRequest,
    CallFailed,
    ErrorCode,
    NotAllowed,
    NotFound,
    NotKept,
    NotKnown,
    OCPPError,
)
from ...figures import Figure
from ...interfaces import (
    IBackend,
    ICentralSystem,
    IMeasured,
    IObserver,
    IReady,
    ISeedLists,
    ISeedSOAP,
    IStation,
)
from ...ocpp.messages import Call, Payload
from ...ocpp.schemas import Violation
from ..elsewhere import (
    Senseless,
    as_time,
    read_reply,
    unanswered_figures,
)
from .commands import Commands
from .functions import XML, Functions
from .logfile import LogFile
from .parsing import Parsing, as_json
from .pool import Connector, Pool
from .presence import Presence


@implementer(IBackend, IMeasured, IObserver, IReady, ISeedLists, ISeedSOAP)
class PostgresBackend(MultiService):
    """
    Asks C{ocpp.Parse}, and answers with what it returns.

    @ivar unanswered: how many Calls were not answered, by reason.
    """

    log = Logger()

    def __init__(
        self,
        pool: Pool,
        connector: Connector,
        central_system: ICentralSystem,
        clock: IReactorTime,
        wants_envelopes: bool = False,
    ) -> None:
        """
        @param wants_envelopes: whether SOAP is left to the database.
        """
        super().__init__()
        self.wants_envelopes = wants_envelopes
        self.unanswered: Counter[str] = Counter()
        self._clock = clock
        self._pool = pool
        self._functions = Functions(pool)
        # Who restores or upgrades a database changes its functions.
        pool.reached = self._functions.forget
        self._parsing = Parsing(self._functions, clock)
        self._presence = Presence(self._functions, central_system, clock)
        self._commands = Commands(
            self._functions, connector, central_system, clock
        )
        for service in (pool, self._presence, self._commands):
            service.setServiceParent(self)

    @property
    def is_ready(self) -> bool:
        """
        Whether the database is reached.
        """
        return self._pool.is_well

    def figures(self) -> Iterator[Figure]:
        """
        What was not answered, and the pool.
        """
        yield from unanswered_figures(self.unanswered)
        yield from self._pool.figures()

    def stopService(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        # What came of commands is told before the pool ends.
        await self._commands.stopService()
        await super().stopService()

    # Stations

    def answer(self, station: IStation, call: Call) -> Deferred[Payload]:
        return Deferred.fromCoroutine(self._ask(station, call))

    async def _ask(self, station: IStation, call: Call) -> Payload:
        try:
            return read_reply(await self._parsing.ask(station, call))
        except (psycopg2.Error, Senseless, ValueError) as e:
            reason = _in_words(e)
            if isinstance(e, UndefinedFunction):
                self._functions.forget()
        except (BackendUnavailable, NotKept) as e:
            reason = str(e)
        self.unanswered[reason.partition(":")[0][:60]] += 1
        self.log.error(
            "{station}: no answer to {action} from ocpp.Parse: {reason}",
            station=station,
            action=call.action,
            reason=reason,
        )
        raise CallFailed(ErrorCode.INTERNAL_ERROR, "not answered; try again")

    def station_connected(self, station: IStation) -> None:
        host, _, port = station.address.rpartition(":")
        self._presence.changed(
            station.identity,
            True,
            {
                "Identity": station.identity,
                "Address": station.address,
                "Account": station.account,
                "Version": str(station.version),
                "Protocol": getattr(station, "protocol", "JSON"),
                "Connection": {
                    "Socket": getattr(station, "socket", -1),
                    "IP": host or station.address,
                    "Port": int(port) if port.isdigit() else 0,
                },
                "ConnectedAt": as_time(self._clock.seconds()),
            },
        )
        self._commands.station_connected(station.identity)

    def station_disconnected(self, station: IStation) -> None:
        self._presence.changed(station.identity, False, {})

    # An observer

    def command_answered(
        self, station: IStation, action: str, payload: Payload, answer: Payload
    ) -> Awaitable[None] | None:
        return Deferred.fromCoroutine(
            self._note_answer(station.identity, action, payload, answer)
        )

    async def _note_answer(
        self, identity: str, action: str, payload: Payload, answer: Payload
    ) -> None:
        try:
            known = await self._functions.known()
            if known.has("CommandAnswered", 4):
                await self._functions.call(
                    "CommandAnswered", identity, action, payload, answer
                )
        except (psycopg2.Error, OCPPError) as e:
            self.log.error(
                "{identity}: its answer to {action} is not noted: {reason}",
                identity=identity,
                action=action,
                reason=_in_words(e),
            )

    def command_refused(
        self,
        station: IStation,
        action: str,
        payload: Payload,
        error: CallFailed,
    ) -> None:
        pass

    def violations_seen(
        self, station: IStation, call: Call, violations: Sequence[Violation]
    ) -> None:
        pass

    # Lists

    async def charge_point_list(
        self, token: str, known: Sequence[Mapping[str, Any]]
    ) -> Sequence[Any]:
        asked = {"ChargePointList": list(known)}
        return await self._list("ChargePointList", token, asked)

    async def transaction_list(
        self, token: str, asked: Mapping[str, str]
    ) -> Sequence[Any]:
        return await self._list("TransactionList", token, dict(asked))

    async def reservation_list(
        self, token: str, asked: Mapping[str, str]
    ) -> Sequence[Any]:
        return await self._list("ReservationList", token, dict(asked))

    async def _list(self, name: str, token: str, asked: Any) -> Sequence[Any]:
        try:
            rows = await self._functions.call(name, token, asked)
            items = [as_json(row) for row in rows]
        except (psycopg2.Error, ValueError) as e:
            self.log.error(
                "ocpp.{name} failed: {reason}", name=name, reason=_in_words(e)
            )
            raise BackendUnavailable(f"ocpp.{name} failed") from None
        match items:
            case [{"error": {"code": int(code), "message": str(message)}}]:
                raise _refusal(code, message)
        return items

    # SOAP

    async def parse_xml(self, envelope: str) -> str:
        rows = await self._soap("ParseXML", XML(envelope))
        # Identity, action, address, and the envelope of the answer.
        if not rows or len(rows[0]) < 4 or not rows[0][3]:
            raise CallFailed(ErrorCode.INTERNAL_ERROR)
        return str(rows[0][3])

    async def json_to_soap(self, message: Mapping[str, Any]) -> str:
        rows = await self._soap("JSONToSOAP", dict(message))
        if not rows or not rows[0][0]:
            raise CallFailed(ErrorCode.INTERNAL_ERROR)
        return str(rows[0][0])

    async def soap_to_json(self, envelope: str) -> Payload:
        rows = await self._soap("SOAPToJSON", XML(envelope))
        payload = as_json(rows[0][0]) if rows else None
        if not isinstance(payload, dict):
            raise CallFailed(ErrorCode.INTERNAL_ERROR)
        return payload

    async def _soap(self, name: str, value: Any) -> list[tuple[Any, ...]]:
        try:
            return await self._functions.rows(name, value)
        except (psycopg2.Error, OCPPError) as e:
            self.log.error(
                "ocpp.{name} failed: {reason}", name=name, reason=_in_words(e)
            )
            raise CallFailed(ErrorCode.INTERNAL_ERROR) from None


def _refusal(code: int, message: str) -> OCPPError:
    """
    What a function says instead of a list: a status of HTTP, perhaps with two
    digits of its own behind it.
    """
    status = code // 100 if code >= 10000 else code
    return _REFUSALS.get(status, BadRequest)(message)


_REFUSALS: Mapping[int, type[OCPPError]] = {
    401: NotKnown,
    403: NotAllowed,
    404: NotFound,
    500: OCPPError,
}


def _in_words(error: Exception) -> str:
    """
    What an operator reads: never the statement.
    """
    if isinstance(error, psycopg2.Error):
        primary = getattr(error.diag, "message_primary", None)
        return f"{error.pgcode or 'error'}: {primary or type(error).__name__}"
    return f"{type(error).__name__}: {error}"[:300]


def make_backend(
    settings: Mapping[str, Any],
    central_system: ICentralSystem,
    reactor: IReactorTime,
) -> PostgresBackend:
    """
    See C{[postgres]} in docs/configuration.md.
    """
    connector = Connector(
        reactor,
        settings["conninfo"],
        settings["timeout"],
        settings["statement_timeout"],
    )
    poll = settings["poll"]
    pool = Pool(connector, poll["min"], poll["max"])
    backend = PostgresBackend(
        pool,
        connector,
        central_system,
        reactor,
        wants_envelopes=settings["soap"] == "database",
    )
    if settings["log"]:
        LogFile(settings["log"]).setServiceParent(backend)
    if settings["notice"]:
        pool.notice = lambda notice: backend.log.info(
            "{notice}", notice=notice.strip()
        )
    return backend
