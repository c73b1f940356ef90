"""
The backend that asks an HTTP server what to answer.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from typing import Any

import orjson
from attrs import asdict
from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from ...database import Database
from ...errors import CallFailed, ErrorCode, NotKept
from ...figures import Figure
from ...interfaces import (
    IBackend,
    ICentralSystem,
    IMeasured,
    IObserver,
    IOutbox,
    IStation,
    Page,
)
from ...ocpp.messages import Call, Payload
from ...ocpp.schemas import Violation
from ..elsewhere import (
    Senseless,
    as_time,
    read_reply,
    unanswered_figures,
    write_json,
)
from .endpoint import Endpoint, Unanswered, make_endpoint, make_trust
from .outbox import MIGRATIONS, Lead, Outbox


#: What can be told, beside Calls.
EVENTS = ("connected", "disconnected", "answered", "violations")


@implementer(IBackend, IMeasured, IObserver, IOutbox)
class WebhookBackend(Service):
    """
    Posts each Call, and answers with the reply.

    @ivar unanswered: how many Calls were not answered, by reason.
    """

    log = Logger()

    def __init__(
        self,
        endpoint: Endpoint,
        central_system: ICentralSystem,
        clock: IReactorTime,
        outbox: Outbox | None = None,
        events: Sequence[str] = (),
    ) -> None:
        """
        @param outbox: where events are left; not needed without events.
        @param events: which of L{EVENTS} are told.
        """
        self.unanswered: Counter[str] = Counter()
        self._endpoint = endpoint
        self._central_system = central_system
        self._clock = clock
        self._outbox = outbox
        self._told = frozenset(events if outbox else ())

    # A service

    def try_out(self) -> None:
        """
        @raise BadConfig: the file of the outbox cannot be used.
        """
        if self._outbox is not None:
            self._outbox.try_out()

    def startService(self) -> None:
        super().startService()
        if self._outbox is not None:
            self._outbox.startService()

    def stopService(self) -> Deferred[None]:
        super().stopService()
        if self._outbox is None:
            return succeed(None)
        return self._outbox.stopService()

    # Watched

    def figures(self) -> Iterator[Figure]:
        """
        What was not answered, and what waits in the outbox.
        """
        yield from unanswered_figures(self.unanswered)
        if self._outbox is not None:
            yield from self._outbox.figures()

    # Stations

    def answer(self, station: IStation, call: Call) -> Deferred[Payload]:
        return Deferred.fromCoroutine(self._ask(station, call))

    async def _ask(self, station: IStation, call: Call) -> Payload:
        body = write_json(
            {
                "identity": station.identity,
                "uniqueId": call.unique_id,
                "action": call.action,
                "payload": call.payload,
                "account": station.account,
                "version": station.version,
                "timestamp": as_time(self._clock.seconds()),
            }
        )
        try:
            reply = await self._endpoint.post(body, call.unique_id)
            return read_reply(orjson.loads(reply))
        except Unanswered as e:
            reason, kind = str(e), re.split("[:(]", str(e))[0].strip()
        except (Senseless, orjson.JSONDecodeError) as e:
            reason, kind = f"no answer in the reply: {e}"[:300], "no answer"
        self.unanswered[kind[:60]] += 1
        self.log.error(
            "{station}: no answer to {action} from {url}: {reason}",
            station=station,
            action=call.action,
            url=self._endpoint.url,
            reason=reason,
        )
        raise CallFailed(ErrorCode.INTERNAL_ERROR, "not answered; try again")

    def station_connected(self, station: IStation) -> None:
        self._tell("connected", station, address=station.address)

    def station_disconnected(self, station: IStation) -> None:
        # Not where a newer connection took its place.
        if not self._central_system.is_connected(station.identity):
            self._tell("disconnected", station)

    # An observer

    def command_answered(
        self, station: IStation, action: str, payload: Payload, answer: Payload
    ) -> Awaitable[None] | None:
        self._tell(
            "answered", station, action=action, payload=payload, answer=answer
        )
        return None

    def command_refused(
        self,
        station: IStation,
        action: str,
        payload: Payload,
        error: CallFailed,
    ) -> None:
        told = {
            "errorCode": error.code,
            "errorDescription": error.description,
            "errorDetails": error.details,
        }
        self._tell(
            "answered", station, action=action, payload=payload, error=told
        )

    def violations_seen(
        self, station: IStation, call: Call, violations: Sequence[Violation]
    ) -> None:
        self._tell(
            "violations",
            station,
            uniqueId=call.unique_id,
            action=call.action,
            payload=call.payload,
            violations=[asdict(violation) for violation in violations[:10]],
        )

    def _tell(self, event: str, station: IStation, **members: Any) -> None:
        if self._outbox is None or event not in self._told:
            return
        self._outbox.put(
            station.identity,
            event,
            {
                "account": station.account,
                "version": station.version,
                "timestamp": as_time(self._clock.seconds()),
                **members,
            },
        )

    # An outbox

    async def outbox(
        self, limit: int, cursor: str | None = None, **filters: str | None
    ) -> Page:
        return await self._kept().page(limit, cursor, **filters)

    async def redeliver(self, number: int) -> Mapping[str, Any]:
        return await self._kept().redeliver(number)

    def _kept(self) -> Outbox:
        if self._outbox is None:
            raise NotKept("no events are told; [webhook] events says which")
        return self._outbox


def make_backend(
    settings: Mapping[str, Any],
    central_system: ICentralSystem,
    reactor: IReactorTime,
) -> WebhookBackend:
    """
    See C{[webhook]} in docs/configuration.md.

    @raise BadConfig: a file of certificates cannot be used.
    """
    url = settings["url"]
    trust = make_trust(settings)
    endpoint = make_endpoint(settings, url, trust, reactor)
    events = settings["events"]
    if not events:
        return WebhookBackend(endpoint, central_system, reactor)
    where = settings["events_url"] or url
    outbox = Outbox(
        Database(settings["outbox"], MIGRATIONS, reactor),
        Lead(f"{settings['outbox']}-lock"),
        make_endpoint(settings, where, trust, reactor),
        reactor,
    )
    return WebhookBackend(endpoint, central_system, reactor, outbox, events)
