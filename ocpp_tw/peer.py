"""
The OCPP-J conversation, the same from either end.

There are two slots, one for each direction: one unanswered CALL of ours, and
one CALL of theirs that we are answering.  What comes meanwhile waits in line.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any, Protocol
from uuid import uuid4

from orjson import dumps
from twisted.internet.defer import (
    CancelledError,
    Deferred,
    DeferredLock,
    ensureDeferred,
    fail,
)
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from .errors import (
    CallFailed,
    CallTimedOut,
    ErrorCode,
    StationNotConnected,
    TooManyCalls,
)
from .ocpp.messages import (
    BadFrame,
    Call,
    CallError,
    CallResult,
    Message,
    Payload,
    parse,
    serialize,
    spell,
)
from .ocpp.versions import Version


#: How many of their CALLs may wait before we stop reading.
MOST_WAITING = 32

#: How many of our CALLs may wait for their turn.
MOST_PENDING = 100

#: What our message ids begin with, never the same in two processes, and the
#: number that follows.
_OURS, _NUMBERS = uuid4().hex[:20], count(1)

#: How many of our replies are kept for a CALL that is sent again.
REPLIES_KEPT = 3


class Witness(Protocol):
    """
    Sees the messages of one conversation pass, as they are on the wire.
    """

    def answered(self, call: Call, frame: bytes, reply: bytes) -> None:
        """
        We answered a CALL of theirs.
        """

    def asked(self, call: Call, frame: bytes) -> None:
        """
        We sent a CALL.
        """

    def was_answered(
        self, call: Call, frame: bytes, reply: bytes | None
    ) -> None:
        """
        Our CALL was answered; or it was not, in time.
        """

    def stray(self, frame: bytes, why: str) -> None:
        """
        A frame that is no message, or an answer that nobody waits for.
        """


class Blind:
    """
    The L{Witness} of a conversation that nobody watches.
    """

    def __repr__(self) -> str:
        return "a peer"

    def answered(self, call: Call, frame: bytes, reply: bytes) -> None:
        pass

    def asked(self, call: Call, frame: bytes) -> None:
        pass

    def was_answered(
        self, call: Call, frame: bytes, reply: bytes | None
    ) -> None:
        pass

    def stray(self, frame: bytes, why: str) -> None:
        pass


BLIND = Blind()

Answer = Payload | Awaitable[Payload]


def _nobody(*told: Any) -> Any:
    """
    Whom we know when the conversation has ended.
    """
    return {}


class Peer:
    """
    One end of a conversation: it asks with Calls, and answers Calls.

    The central system holds a L{Peer} for each station, and an emulated
    station holds one for its central system.

    @ivar busy: called with True when too many of their CALLs wait, and with
        False when there is room again; a transport stops reading meanwhile.
    """

    log = Logger()

    __slots__ = (
        "_answer",
        "_answering",
        "_clock",
        "_lost",
        "_replies",
        "_send",
        "_turn",
        "_unanswered",
        "_version",
        "_waiting",
        "_witness",
        "busy",
        "timeout",
    )

    def __init__(
        self,
        send: Callable[[bytes], object],
        answer: Callable[[Call], Answer],
        clock: IReactorTime,
        timeout: float = 30.0,
        version: Version = Version.V16,
        witness: Witness = BLIND,
        busy: Callable[[bool], object] = lambda _: None,
    ) -> None:
        """
        @param send: puts a frame on the wire.
        @param answer: answers a Call of the other end; see
            L{ocpp_tw.interfaces.IBackend.answer}.
        """
        self._send = send
        self._answer = answer
        self._clock = clock
        self._version = version
        self._witness = witness
        self.busy = busy
        self.timeout = timeout
        self._turn: DeferredLock | None = None
        self._unanswered: _Unanswered | None = None
        self._answering: Deferred[Any] | None = None
        self._waiting: deque[tuple[Call, bytes]] | None = None
        self._replies: dict[str, tuple[bytes, bytes]] = {}
        self._lost: str | None = None

    @property
    def owes(self) -> bool:
        """
        Whether a CALL of theirs is not answered yet.
        """
        return self._answering is not None

    async def call(
        self, action: str, payload: Payload, timeout: float | None = None
    ) -> Payload:
        """
        Ask the other end, and wait for its answer.

        @raise CallFailed: it answered with a CallError.
        @raise CallTimedOut: it did not answer.
        @raise TooManyCalls: too many Calls wait for their turn already.
        @raise StationNotConnected: the connection is lost.
        """
        # Most stations are never asked anything: no lock until then.
        turn = self._turn = self._turn or DeferredLock()
        if len(turn.waiting) >= MOST_PENDING:
            raise TooManyCalls(
                f"{MOST_PENDING} calls wait for this station already"
            )
        if turn.locked:
            await turn.acquire()
        else:
            # To wait for what need not be waited for costs as much as to ask.
            turn.locked = True
        try:
            call = Call(f"{_OURS}{next(_NUMBERS):x}", action, payload)
            return await self._ask(call, timeout or self.timeout)
        finally:
            turn.release()

    async def settled(self) -> None:
        """
        Wait until every Call that we began by now was answered, or failed.
        """
        if self._turn is not None:
            await self._turn.acquire()
            self._turn.release()

    def frame_received(self, frame: bytes) -> None:
        """
        A frame came off the wire.
        """
        try:
            message = parse(frame)
        except BadFrame as e:
            self._refuse(e, frame)
            return
        if message.__class__ is not Call:
            self._settle(message, frame)
        elif self._answering is None:
            self._take(message, frame)
        else:
            self._wait_in_line(message, frame)

    def _wait_in_line(self, call: Call, frame: bytes) -> None:
        # Most stations wait for their answer: no queue until then.
        waiting = self._waiting = self._waiting or deque()
        waiting.append((call, frame))
        if len(waiting) == MOST_WAITING:
            self.busy(True)

    def hear_no_more(self) -> None:
        """
        Forget their CALLs that wait: the conversation ends.
        """
        self._waiting = None

    def connection_lost(self, reason: str) -> None:
        """
        The wire is gone, and with it the answers we waited for.
        """
        self._lost = reason
        self.hear_no_more()
        self._replies.clear()
        unanswered = self._unanswered
        if unanswered is not None:
            self._witness.was_answered(unanswered.call, unanswered.frame, None)
            unanswered.fail(Failure(StationNotConnected(reason)))
        self._part()

    def _part(self) -> None:
        """
        Let go of those who hold us, once nothing is to be told them any more:
        garbage that holds itself is seldom looked for.
        """
        if self._lost is not None and self._answering is None:
            self._send = self._answer = self.busy = _nobody
            self._witness = BLIND

    # Their CALLs

    def _take(self, call: Call, frame: bytes) -> None:
        """
        Answer a Call, now or when the answer is there.
        """
        if call.unique_id in self._replies and self._repeated(call, frame):
            return
        try:
            answer = self._answer(call)
        except Exception:
            self._refuse_call(call, frame, Failure())
            return
        if answer.__class__ is dict:
            self._reply(call, frame, answer)
        else:
            self._wait(call, frame, answer)

    def _repeated(self, call: Call, frame: bytes) -> bool:
        """
        Whether a Call was answered before; then it has its answer again.
        """
        kept_frame, reply = self._replies[call.unique_id]
        if kept_frame == frame or parse(kept_frame) == call:
            self._send(reply)
            self._witness.stray(frame, "repeated; replied the same")
            return True
        why = "its message id was used for another message"
        self._witness.stray(frame, why)
        return False

    def _wait(self, call: Call, frame: bytes, answer: Any) -> None:
        """
        Let the next Call wait until this one has its answer.
        """
        if not isinstance(answer, Deferred):
            answer = ensureDeferred(answer)
        self._answering = answer
        answer.addCallbacks(
            self._answered, self._failed, (call, frame), {}, (call, frame), {}
        )

    def _answered(self, answer: Payload, call: Call, frame: bytes) -> None:
        self._answering = None
        self._reply(call, frame, answer)
        if self._waiting:
            self._next()
        elif self._lost is not None:
            self._part()

    def _failed(self, failure: Failure, call: Call, frame: bytes) -> None:
        self._answering = None
        self._refuse_call(call, frame, failure)
        self._next()
        self._part()

    def _next(self) -> None:
        """
        Answer those that waited meanwhile, until one has to wait itself.
        """
        while self._waiting and self._answering is None:
            if len(self._waiting) == MOST_WAITING:
                self.busy(False)
            self._take(*self._waiting.popleft())

    def _reply(self, call: Call, frame: bytes, answer: Any) -> None:
        try:
            # A copy: what orjson made holds 4 KiB for as long as it lives.
            reply = b"%b" % dumps([3, call.unique_id, answer])
        except TypeError:
            self._refuse_call(call, frame, Failure())
        else:
            self._say(call, frame, reply)

    def _refuse_call(self, call: Call, frame: bytes, failure: Failure) -> None:
        error = self._error(call, failure)
        self._say(call, frame, serialize(error))
        if error.code == ErrorCode.INTERNAL_ERROR:
            # It passes: what is sent again is to be asked again.
            self._replies.pop(call.unique_id, None)

    def _say(self, call: Call, frame: bytes, reply: bytes) -> None:
        if self._lost is None:
            replies = self._replies
            replies[call.unique_id] = (frame, reply)
            if len(replies) > REPLIES_KEPT:
                del replies[next(iter(replies))]
            self._send(reply)
        self._witness.answered(call, frame, reply)

    def _error(self, call: Call, failure: Failure) -> CallError:
        """
        The CallError that says no more than the other end may know.
        """
        error = failure.value
        if isinstance(error, CallFailed):
            return CallError(
                call.unique_id,
                spell(error.code, self._version),
                error.description[:255],
                error.details,
            )
        self.log.failure(
            "{station}: while answering {call!r:.500}",
            failure,
            station=self._witness,
            call=call,
        )
        return CallError(call.unique_id, ErrorCode.INTERNAL_ERROR)

    def _refuse(self, bad: BadFrame, frame: bytes) -> None:
        """
        Say what is wrong with a frame, if there is an id to say it to.
        """
        self._witness.stray(frame, str(bad))
        unique_id = bad.unique_id
        if unique_id is None and self._version is Version.V21:
            unique_id = "-1"
        if unique_id is not None:
            code = spell(bad.code, self._version)
            self._send(serialize(CallError(unique_id, code, str(bad)[:255])))

    # Our CALLs

    def _ask(self, call: Call, timeout: float) -> Deferred[Payload]:
        if self._lost is not None:
            return fail(StationNotConnected(self._lost))
        frame = serialize(call)
        unanswered = self._unanswered = _Unanswered(self, call, frame)
        unanswered.deadline = self._clock.callLater(
            timeout, unanswered.time_out, timeout
        )
        self._send(frame)
        self._witness.asked(call, frame)
        return unanswered.answer

    def _settle(self, message: Message, frame: bytes) -> None:
        unanswered = self._unanswered
        if unanswered is None or unanswered.call.unique_id != (
            message.unique_id
        ):
            self._witness.stray(frame, "nobody waits for this answer")
            return
        self._witness.was_answered(unanswered.call, unanswered.frame, frame)
        if isinstance(message, CallResult):
            unanswered.succeed(message.payload)
        elif isinstance(message, CallError):
            unanswered.fail(
                Failure(
                    CallFailed(
                        message.code, message.description, message.details
                    )
                )
            )

    def _forget(self, unanswered: _Unanswered) -> None:
        if self._unanswered is unanswered:
            self._unanswered = None


class _Unanswered:
    """
    A CALL of ours that waits for its answer.
    """

    deadline: IDelayedCall

    def __init__(self, peer: Peer, call: Call, frame: bytes) -> None:
        self._peer = peer
        self.call = call
        self.frame = frame
        self.answer: Deferred[Payload] = Deferred(self._cancelled)

    def succeed(self, payload: Payload) -> None:
        self._done()
        self.answer.callback(payload)

    def fail(self, why: Failure) -> None:
        self._done()
        self.answer.errback(why)

    def time_out(self, timeout: float) -> None:
        self._peer._witness.was_answered(self.call, self.frame, None)
        self.fail(
            Failure(
                CallTimedOut(
                    f"no answer to {self.call.action} in {timeout:g} seconds"
                )
            )
        )

    def _cancelled(self, answer: Deferred[Payload]) -> None:
        self._done()
        answer.errback(CancelledError())

    def _done(self) -> None:
        if self.deadline.active():
            self.deadline.cancel()
        self._peer._forget(self)
