"""
The central system that answers for itself: its rules, over SQLite.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from sqlite3 import Connection
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from ...database import MEMORY, Database
from ...errors import BackendUnavailable, BadConfig, CallFailed, ErrorCode
from ...figures import Figure
from ...interfaces import (
    IBackend,
    ICentralSystem,
    IMeasured,
    IObserver,
    IReady,
    IRecords,
    IStation,
)
from ...ocpp.messages import Call, Payload
from ...ocpp.schemas import Violation
from ...ocpp.times import write_time
from . import id_tags, profiles, reservations, transactions
from .readings import clamped, dumps, read
from .records import Records
from .schema import EVENTS, MIGRATIONS, READINGS
from .transactions import Measured, Meter, Started, Stopped


#: How many running transactions we know without asking the database.
MOST_METERS = 100_000

#: How often what is old is forgotten, in seconds, and how many rows at once.
PRUNE, PRUNED_AT_ONCE = 3600.0, 20_000

#: How many events, and messages kept aside, there are at most.
MOST_EVENTS, MOST_KEPT_ASIDE = 1_000_000, 100_000

#: The same where all is in memory, in the thread that answers; and how many
#: rows there are at most then.
PRUNE_MEMORY, PRUNED_IN_MEMORY = 5.0, 1_000
MOST_IN_MEMORY = {
    "events": 20_000,
    "readings": 250_000,
    "transactions": 20_000,
}

#: More days, and more rows, than there are.
NO_END = 2**36

#: What is kept of an event's payload.
LONGEST_EVENT = 16_384

#: What a station's answer to a command changes here, by action: the status
#: that says it did as told, and what to write then.
_CONSEQUENCES: dict[str, Callable[..., None]] = {
    "ReserveNow": reservations.reserved,
    "CancelReservation": reservations.cancelled,
    "SetChargingProfile": profiles.profile_set,
    "ClearChargingProfile": profiles.profiles_cleared,
    "RemoteStartTransaction": profiles.profile_sent_along,
    "SendLocalList": profiles.local_list_sent,
}

Answer = Payload | Deferred[Payload]


@implementer(IBackend, IMeasured, IObserver, IReady, IRecords)
class EmbeddedBackend(Records, Service):
    """
    Answers stations from what is in its database.

    @ivar database: where all of it is.
    """

    log = Logger()

    def __init__(
        self,
        database: Database,
        reactor: IReactorTime,
        *,
        accept_unknown: bool = True,
        heartbeat_interval: int = 300,
        event_days: int = 30,
        meter_days: int = 0,
        id_tag_pattern: str = "",
    ) -> None:
        """
        @param accept_unknown: whether id tags that nobody registered may
            charge.
        @param meter_days: how long meter values are kept; 0 for ever.
        @param id_tag_pattern: the group of it is the id tag, where all of
            that matches.
        """
        super().__init__(database, reactor)
        self._accept_unknown = accept_unknown
        self._interval = heartbeat_interval
        #: How many days rows are kept, by table.
        self._days = {"events": event_days, "readings": meter_days or NO_END}
        self._most = {"events": MOST_EVENTS}
        if database.forgets:
            self._days["transactions"] = NO_END
            self._most = MOST_IN_MEMORY
        self._meters: dict[int, Meter] = {}
        self._told = (-1, "")
        self._in_trouble = False
        self._answers = {
            name.removeprefix("answer_"): getattr(self, name)
            for name in dir(self)
            if name.startswith("answer_")
        }
        if id_tag_pattern:
            self._tags_by(re.compile(id_tag_pattern))
        self._pruning = LoopingCall(self._prune)
        self._pruning.clock = reactor

    def _tags_by(self, pattern: re.Pattern[str]) -> None:
        """
        Read id tags by that pattern.
        """

        def by_pattern(
            answer: Callable[[IStation, Payload], Answer],
        ) -> Callable[[IStation, Payload], Answer]:
            return lambda station, payload: answer(
                station, id_tags.read_by(pattern, payload)
            )

        for action in ("Authorize", "StartTransaction", "StopTransaction"):
            self._answers[action] = by_pattern(self._answers[action])

    # A service

    def try_out(self) -> None:
        """
        @raise BadConfig: the database cannot be used.
        """
        self.database.try_out()

    def startService(self) -> None:
        super().startService()
        self.database.startService()
        if self._accept_unknown and self.database.read_now(id_tags.is_empty):
            self.log.info(
                "no id tag is registered: every id tag is accepted; "
                "[embedded] unknown_id_tags = refuse ends that"
            )
        every = PRUNE_MEMORY if self.database.forgets else PRUNE
        self._pruning.start(every, now=False)

    def stopService(self) -> Deferred[None]:
        super().stopService()
        if self._pruning.running:
            self._pruning.stop()
        return self.database.stopService()

    # Watched

    @property
    def is_ready(self) -> bool:
        """
        Whether what stations say can be stored.
        """
        return self.database.is_healthy

    def figures(self) -> Iterator[Figure]:
        """
        Those of the database.
        """
        return self.database.figures("records")

    # Stations

    def station_connected(self, station: IStation) -> None:
        pass

    def station_disconnected(self, station: IStation) -> None:
        pass

    def answer(
        self, station: IStation, call: Call
    ) -> Payload | Awaitable[Payload]:
        try:
            answer = self._answers[call.action]
        except KeyError:
            raise CallFailed(
                ErrorCode.NOT_IMPLEMENTED,
                f"there is no answer to {call.action:.50}",
            ) from None
        return answer(station, call.payload)  # type: ignore[no-any-return]

    def answer_BootNotification(
        self, station: IStation, payload: Payload
    ) -> Answer:
        self._note(station, "BootNotification", payload)
        return {
            "status": "Accepted",
            "currentTime": self._time(),
            "interval": self._interval,
        }

    def answer_Heartbeat(self, station: IStation, payload: Payload) -> Answer:
        return {"currentTime": self._time()}

    def answer_StatusNotification(
        self, station: IStation, payload: Payload
    ) -> Answer:
        if payload["status"] == "Faulted":
            faulted = self.database.write(
                partial(
                    reservations.faulted,
                    identity=station.identity,
                    connector=clamped(payload["connectorId"]),
                    now=self._now(),
                )
            )
            faulted.addErrback(self._not_noted)
        return {}

    def answer_DataTransfer(
        self, station: IStation, payload: Payload
    ) -> Answer:
        self._note(station, "DataTransfer", payload)
        return {"status": "Accepted"}

    def answer_SignCertificate(
        self, station: IStation, payload: Payload
    ) -> Answer:
        self._note(station, "SignCertificate", payload)
        return {"status": "Rejected"}

    def answer_DiagnosticsStatusNotification(
        self, station: IStation, payload: Payload
    ) -> Answer:
        self._note(station, "DiagnosticsStatusNotification", payload)
        return {}

    def answer_FirmwareStatusNotification(
        self, station: IStation, payload: Payload
    ) -> Answer:
        self._note(station, "FirmwareStatusNotification", payload)
        return {}

    def answer_LogStatusNotification(
        self, station: IStation, payload: Payload
    ) -> Answer:
        self._note(station, "LogStatusNotification", payload)
        return {}

    def answer_SecurityEventNotification(
        self, station: IStation, payload: Payload
    ) -> Answer:
        self._note(station, "SecurityEventNotification", payload)
        return {}

    def answer_SignedFirmwareStatusNotification(
        self, station: IStation, payload: Payload
    ) -> Answer:
        self._note(station, "SignedFirmwareStatusNotification", payload)
        return {}

    def answer_Authorize(self, station: IStation, payload: Payload) -> Answer:
        id_tag, now = payload["idTag"], self._now()
        accept = self._accept_unknown
        return self.database.write(
            lambda db: {
                "idTagInfo": id_tags.authorize(db, id_tag, now, accept)
            }
        )

    def answer_StartTransaction(
        self, station: IStation, payload: Payload
    ) -> Answer:
        started = self.database.write(
            partial(
                transactions.start,
                identity=station.identity,
                request=payload,
                received=self._now(),
                accept_unknown=self._accept_unknown,
            )
        )
        return started.addCallback(self._started)

    def _started(self, started: Started) -> Payload:
        for number in started.ended:
            self._meters.pop(number, None)
        if started.meter is not None:
            self._watch(started.transaction_id, started.meter)
        return started.answer

    def answer_MeterValues(
        self, station: IStation, payload: Payload
    ) -> Answer:
        now = self._now()
        identity = station.identity
        connector = clamped(payload["connectorId"])
        claimed = payload.get("transactionId")
        readings = read(payload["meterValue"], now)
        meter = self._meters.get(claimed) if claimed is not None else None
        # Whose a transaction is never changes, so this cannot be wrong.
        if meter is None or meter.identity != identity:
            found = self.database.write(
                partial(
                    transactions.measured,
                    place=(identity, connector),
                    claimed=None if claimed is None else clamped(claimed),
                    readings=readings,
                    received=now,
                )
            )
            return found.addCallbacks(
                self._measured,
                self._keep_aside,
                errbackArgs=(identity, "MeterValues", payload),
            )
        rows = []
        for reading in readings:
            word = meter.see(reading)
            if word is not None:
                self._flag(claimed, word)
            rows.append(reading.row(claimed, identity, connector, now))
        if self.database.forgets:
            # Nothing becomes more durable by waiting.
            for row in rows:
                self.database.append_later(READINGS, row)
            return {}
        return self.database.append(READINGS, rows, {})

    def _measured(self, measured: Measured) -> Payload:
        # Their meters have not seen this.
        for number in measured.transactions:
            self._meters.pop(number, None)
        if measured.running is not None:
            self._watch(*measured.running)
        return {}

    def answer_StopTransaction(
        self, station: IStation, payload: Payload
    ) -> Answer:
        stopped = self.database.write(
            partial(
                transactions.stop,
                identity=station.identity,
                request=payload,
                received=self._now(),
                accept_unknown=self._accept_unknown,
                meter=self._meters.pop(payload["transactionId"], None),
            )
        )
        return stopped.addCallbacks(
            self._stopped,
            self._keep_aside,
            (station.identity,),
            errbackArgs=(station.identity, "StopTransaction", payload),
        )

    def _stopped(self, stopped: Stopped, identity: str) -> Payload:
        if stopped.transaction_id is not None:
            self._meters.pop(stopped.transaction_id, None)
        if stopped.doubt is not None:
            self.log.warn(
                "{identity}: a StopTransaction is kept aside: {why}",
                identity=identity,
                why=stopped.doubt,
            )
        return stopped.answer

    # An observer

    def command_answered(
        self,
        station: IStation,
        action: str,
        payload: Payload,
        answer: Payload,
    ) -> Awaitable[None] | None:
        consequence = _CONSEQUENCES.get(action)
        if action == "GetLocalListVersion" and "listVersion" in answer:
            consequence, payload = profiles.local_list_sent, answer
        elif consequence is None or answer.get("status") != "Accepted":
            return None
        done = self.database.write(
            partial(
                consequence,
                identity=station.identity,
                order=payload,
                now=self._now(),
            )
        )
        return done.addErrback(self._not_noted)

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

    # Inside

    def _time(self) -> str:
        """
        What time it is, for a station.
        """
        now = self._now()
        if self._told[0] != now:
            self._told = (now, write_time(now))
        return self._told[1]

    def _note(self, station: IStation, kind: str, payload: Payload) -> None:
        text = dumps(payload)[:LONGEST_EVENT].decode(errors="replace")
        self.database.append_later(
            EVENTS, (self._now(), station.identity, kind, text)
        )

    def _watch(self, transaction_id: int, meter: Meter) -> None:
        if len(self._meters) >= MOST_METERS:
            self._meters.clear()
        self._meters[transaction_id] = meter

    def _flag(self, transaction_id: Any, word: str) -> None:
        flagged = self.database.write(
            partial(transactions.flag, number=transaction_id, word=word)
        )
        flagged.addErrback(self._not_noted)

    def _keep_aside(
        self, failure: Failure, identity: str, action: str, payload: Payload
    ) -> Any:
        """
        Keep what a bug of ours kept from being understood: a station that
        was told of it would send the same for ever.
        """
        if failure.check(BackendUnavailable):
            return failure
        self.log.failure(
            "{identity}: a bug in the rules; the {action} is kept aside",
            failure,
            identity=identity,
            action=action,
        )
        kept = self.database.write(
            partial(
                transactions.keep_aside,
                identity=identity,
                request=payload,
                received=self._now(),
                reason="a bug in the rules",
                action=action,
            )
        )
        return kept.addCallback(lambda _: {})

    def _not_noted(self, failure: Failure) -> None:
        if not failure.check(BackendUnavailable):
            self.log.failure("a bug in the rules", failure)

    def _prune(self) -> Deferred[None]:
        pruned = Deferred.fromCoroutine(self.prune())
        return pruned.addErrback(self._not_noted)

    async def prune(self) -> None:
        """
        Forget what is too old, or too much.
        """
        at_once = PRUNED_AT_ONCE
        if self.database.forgets:
            at_once = PRUNED_IN_MEMORY
        await self.database.write(_prune_kept_aside)
        for table, days in self._days.items():
            oldest = self._now() - days * 86_400_000
            few = partial(
                _prune,
                table=table,
                oldest=oldest,
                most=self._most.get(table, NO_END),
                at_once=at_once,
            )
            while await self.database.write(few) == at_once:
                pass

    def _now(self) -> int:
        return int(self._seconds() * 1000)

    async def close_transaction(
        self, transaction_id: int, reason: str
    ) -> Mapping[str, Any]:
        self._meters.pop(transaction_id, None)
        return await super().close_transaction(transaction_id, reason)


#: When a row of each table came to us.
_CAME = {
    "events": "time",
    "readings": "received",
    "transactions": "start_received",
}


def _prune(
    db: Connection, table: str, oldest: int, most: int, at_once: int
) -> int:
    """
    Forget the first rows, as far as they are too old or too many: a few at a
    time, so that stations have their turns.

    @return: how many were forgotten.
    """
    return db.execute(
        f"DELETE FROM {table} WHERE id IN (SELECT id FROM (SELECT id,"
        f" {_CAME[table]} AS came FROM {table} ORDER BY id LIMIT ?)"
        f" WHERE came < ? OR id <= (SELECT max(id) FROM {table}) - ?)",
        (at_once, oldest, most),
    ).rowcount


def _prune_kept_aside(db: Connection) -> None:
    db.execute(
        "DELETE FROM kept_aside WHERE id <="
        " (SELECT max(id) FROM kept_aside) - ?",
        (MOST_KEPT_ASIDE,),
    )


def make_backend(
    settings: Mapping[str, Any],
    central_system: ICentralSystem,
    reactor: IReactorTime,
) -> EmbeddedBackend:
    """
    C{path} (C{cs.sqlite3}), C{unknown_id_tags} (C{accept} or C{refuse}),
    C{id_tag_pattern} (none), C{heartbeat_interval} (300 s),
    C{message_log_days} (30), C{meter_values_days} (0, for ever).

    @raise BadConfig: C{unknown_id_tags} is neither.
    """
    unknown = settings.get("unknown_id_tags", "accept")
    if unknown not in ("accept", "refuse"):
        raise BadConfig(
            f"[embedded] unknown_id_tags = {unknown}: it is accept or refuse"
        )
    database = Database(str(settings.get("path", MEMORY)), MIGRATIONS, reactor)
    return EmbeddedBackend(
        database,
        reactor,
        accept_unknown=unknown == "accept",
        heartbeat_interval=int(settings.get("heartbeat_interval", 300)),
        event_days=int(settings.get("message_log_days", 30)),
        meter_days=int(settings.get("meter_values_days", 0)),
        id_tag_pattern=str(settings.get("id_tag_pattern", "")),
    )
