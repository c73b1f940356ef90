"""
Questions over the wire, and what comes back.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from .. import errors
from ..errors import CallFailed, CallTimedOut, OCPPError, StationNotConnected
from .wire import EMULATOR, Address, Message


_OTHER_FAILED = "another process failed; the log of the server knows more"


class Questions:
    """
    Asks other processes, and answers what they ask.

    @ivar answers: what others may ask: takes the body, and gives the answer.
    """

    log = Logger()

    def __init__(
        self,
        address: Address,
        clock: IReactorTime,
        say: Callable[[Message], None],
    ) -> None:
        """
        @param address: ours.
        @param say: sends a message to the master.
        """
        self._address = address
        self._clock = clock
        self._say = say
        # Not from 1: an answer to whoever had our number before is not ours.
        self._numbers = count(int(clock.seconds() * 1_000_000))
        self._asked: dict[int, tuple[Address, Deferred[Any]]] = {}
        self.answers: dict[str, Callable[[Any], Awaitable[Any]]] = {}

    def ask(
        self, whom: Address, what: str, body: Any, timeout: float
    ) -> Deferred[Any]:
        """
        Ask another process.

        @raise StationNotConnected: it has gone.
        @raise OCPPError: what the other raised.
        """
        number = next(self._numbers)
        answer: Deferred[Any] = Deferred()
        self._asked[number] = whom, answer
        self._say(
            {
                "what": what,
                "to": whom,
                "from": self._address,
                "ask": number,
                "body": body,
            }
        )
        answer.addTimeout(timeout, self._clock, _too_late)
        return answer.addBoth(self._no_longer_asked, number)

    def _no_longer_asked(self, result: Any, number: int) -> Any:
        self._asked.pop(number, None)
        return result

    def heard(self, message: Message) -> bool:
        """
        @return: whether the message was for us: a question or an answer.
        """
        if message["what"] == "answer":
            self._answered(message)
        elif "ask" in message:
            Deferred.fromCoroutine(self._reply(message))
        else:
            return False
        return True

    def gone(self, whom: Address) -> None:
        """
        Another process will not answer any more.
        """
        who = "the emulator" if whom == EMULATOR else "its worker"
        why = f"{who} has ended"
        for asked, answer in list(self._asked.values()):
            if asked == whom and not answer.called:
                answer.errback(StationNotConnected(why))

    def _answered(self, message: Message) -> None:
        asked = self._asked.get(message["ask"])
        if asked is None or asked[1].called:
            return
        error = message.get("error")
        if error is None:
            asked[1].callback(message["body"])
        else:
            asked[1].errback(_raised(error))

    async def _reply(self, message: Message) -> None:
        reply: Message = {
            "what": "answer",
            "to": message["from"],
            "from": self._address,
            "ask": message["ask"],
        }
        try:
            answer = self.answers[message["what"]]
            reply["body"] = await answer(message["body"])
        except OCPPError as e:
            reply["error"] = _written(e)
        except Exception:
            self.log.failure(
                "while answering {what} of {process}",
                what=message["what"],
                process=message["from"],
            )
            reply["error"] = ["BackendUnavailable", _OTHER_FAILED]
        self._say(reply)


def _too_late(_: object, timeout: float) -> None:
    """
    @raise CallTimedOut: always.
    """
    raise CallTimedOut(f"no answer of another process in {timeout:g} seconds")


def _written(error: OCPPError) -> list[Any]:
    if isinstance(error, CallFailed):
        details = [error.code, error.description, dict(error.details)]
        return ["CallFailed", *details]
    kinds = [cls.__name__ for cls in type(error).__mro__]
    # One that others know: a module may have its own.
    known = next(name for name in kinds if hasattr(errors, name))
    return [known, str(error)]


def _raised(written: list[Any]) -> Exception:
    name, *arguments = written
    cls = getattr(errors, name, OCPPError)
    error: Exception = cls(*arguments)
    return error
