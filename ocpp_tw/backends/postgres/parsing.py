"""
Asks C{ocpp.Parse}: one Call in a transaction of its own, or, where the
database offers C{ocpp.ParseMany} and many wait, some Calls in one.

A round trip and a commit cost as much as what is done in them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import orjson
import psycopg2
from attrs import Factory, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from ...errors import BackendUnavailable
from ...interfaces import IStation
from ...ocpp.messages import Call
from .functions import Functions, Known
from .pool import PATIENCE


#: How many Calls are asked at once.
AT_ONCE = 32

#: How many such questions are under way; more would make each smaller.
LANES = 4


@frozen
class Question:
    """
    A Call, since when it waits, and whom to tell the reply.
    """

    station: IStation
    call: Call
    since: float
    reply: Deferred[Any] = Factory(Deferred)

    @property
    def values(self) -> tuple[Any, ...]:
        """
        The arguments of C{ocpp.Parse}.
        """
        station, call = self.station, self.call
        return (
            station.identity,
            call.unique_id,
            call.action,
            call.payload,
            station.account,
            str(station.version),
        )


class Parsing:
    """
    What asks, and what waits to be asked.
    """

    def __init__(self, functions: Functions, clock: IReactorTime) -> None:
        self._functions = functions
        self._clock = clock
        self._waiting: deque[Question] = deque()
        self._under_way = 0
        self._is_due = False

    async def ask(self, station: IStation, call: Call) -> Any:
        """
        The reply of the database, whatever it is.

        @raise psycopg2.Error: it refuses.
        @raise NotKept: it has no C{ocpp.Parse}.
        @raise BackendUnavailable: it is not reached.
        @raise ValueError: the reply is a text that is no JSON.
        """
        question = Question(station, call, self._clock.seconds())
        if not _has_many(await self._functions.known()):
            return await self._parse(question)
        self._waiting.append(question)
        self._go_on_soon()
        return await question.reply

    async def _parse(self, question: Question) -> Any:
        replies = await self._functions.call("Parse", *question.values)
        return as_json(replies[0] if replies else None)

    def _go_on_soon(self) -> None:
        """
        Once all is read that has arrived, so that it is asked together.
        """
        if not self._is_due:
            self._is_due = True
            self._clock.callLater(0, self._go_on)

    def _go_on(self) -> None:
        self._is_due = False
        self._refuse_the_old()
        while self._waiting and self._under_way < LANES:
            self._begin()

    def _begin(self) -> None:
        some = min(len(self._waiting), AT_ONCE)
        questions = [self._waiting.popleft() for _ in range(some)]
        self._under_way += 1
        asked = Deferred.fromCoroutine(self._ask_all(questions))
        asked.addErrback(_refuse, questions).addBoth(self._done)

    def _refuse_the_old(self) -> None:
        """
        Who waited too long must not wait for those before to do so, too.
        """
        oldest = self._clock.seconds() - PATIENCE
        while self._waiting and self._waiting[0].since < oldest:
            error = BackendUnavailable("the database is not reached, or slow")
            self._waiting.popleft().reply.errback(error)

    def _done(self, _: object) -> None:
        self._under_way -= 1
        self._go_on_soon()

    async def _ask_all(self, questions: Sequence[Question]) -> None:
        if len(questions) > 1:
            replies = await self._many(questions)
            if len(replies) == len(questions):
                for question, reply in zip(questions, replies, strict=True):
                    question.reply.callback(reply)
                return
        # Each alone, so that only the guilty fail.
        for question in questions:
            try:
                reply = await self._parse(question)
            except Exception:
                question.reply.errback(Failure())
            else:
                question.reply.callback(reply)

    async def _many(self, questions: Sequence[Question]) -> Sequence[Any]:
        names = "identity", "uniqueId", "action", "payload"
        calls = [
            {
                **dict(zip(names, question.values, strict=False)),
                "account": question.station.account or None,
                "version": str(question.station.version),
            }
            for question in questions
        ]
        try:
            return await self._functions.call("ParseMany", calls)
        except psycopg2.Error:
            # It was rolled back.
            return ()


def _refuse(failure: Failure, questions: Sequence[Question]) -> None:
    for question in questions:
        if not question.reply.called:
            question.reply.errback(failure)


def _has_many(known: Known) -> bool:
    return known.has("ParseMany", 1)


def as_json(value: Any) -> Any:
    """
    @raise ValueError: a function has returned text that is no JSON.
    """
    return orjson.loads(value) if isinstance(value, str) else value
