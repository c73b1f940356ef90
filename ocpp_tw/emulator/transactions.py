"""
Transactions, and the messages about them that wait to be sent.

What a charge point has to say of a transaction is said in order, and is said
again until it was heard (OCPP 1.6, section 3.7.1).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from attrs import define, field

from ..errors import (
    CallFailed,
    CallTimedOut,
    StationNotConnected,
    TooManyCalls,
)


#: How many messages wait at most; after that, meter values are dropped.
LONGEST_QUEUE = 5000

#: The transactionId of a transaction whose start was never acknowledged
#: (OCPP 1.6 errata 4.0, section 3.14).
UNKNOWN = -1


@define(eq=False)
class Transaction:
    """
    One transaction.

    @ivar id: None until the central system gave it one.
    @ivar started: seconds since 1970.
    @ivar meter_start: Wh.
    @ivar suspended: whether energy is withheld since its tag is not valid.
    @ivar ended: whether its StopTransaction waits or was sent.
    @ivar data: the meterValue elements for its StopTransaction.
    """

    connector: int
    id_tag: str
    started: float
    meter_start: int
    id: int | None = None
    parent: str | None = None
    reservation_id: int | None = None
    suspended: bool = False
    ended: bool = False
    data: list[dict[str, Any]] = field(factory=list)


@define(eq=False)
class Message:
    """
    One message about a transaction, that waits.

    @ivar transaction: None for meter values outside of one, and for events
        of security.
    """

    action: str
    payload: dict[str, Any]
    transaction: Transaction | None = None
    attempts: int = 0

    def as_sent(self) -> dict[str, Any]:
        """
        The payload, with the transaction's id as it is known by now.
        """
        if self.transaction is None or self.action == "StartTransaction":
            return self.payload
        id = self.transaction.id
        return {
            **self.payload,
            "transactionId": UNKNOWN if id is None else id,
        }


Send = Callable[[str, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
Heard = Callable[[Message, Mapping[str, Any]], None]


class Outbox:
    """
    The messages about transactions, first come, first sent.

    @ivar sending: whether the first is on its way.
    @ivar given_up: how many were never acknowledged.
    """

    __slots__ = ("_messages", "given_up", "sending")

    def __init__(self) -> None:
        self._messages: deque[Message] | None = None
        self.sending = False
        self.given_up = 0

    def __len__(self) -> int:
        return len(self._messages or ())

    def __iter__(self) -> Any:
        return iter(list(self._messages or ()))

    def add(self, message: Message) -> None:
        messages = self._messages = self._messages or deque()
        messages.append(message)
        if len(messages) > LONGEST_QUEUE:
            self._thin_out()

    def _thin_out(self) -> None:
        """
        Drop every second of the meter values: the standard allows it for
        those in between, and never for the start and the stop.
        """
        messages = self._messages or deque()
        # The first may be on its way.
        kept, drop = deque([messages.popleft()]), False
        for message in messages:
            drop = message.action == "MeterValues" and not drop
            if not drop:
                kept.append(message)
        self._messages = kept

    async def flush(
        self, send: Send, heard: Heard, attempts: int
    ) -> float | None:
        """
        Send what waits, one by one, as long as it is answered.

        @param attempts: how often a message is sent that is refused.
        @return: None when all is sent or the connection is lost; else how
            many retry intervals to wait before it is tried again.
        """
        if self.sending:
            return None
        self.sending = True
        try:
            while self._messages:
                again = await self._send_first(send, heard, attempts)
                if again is not None:
                    return again
        except StationNotConnected:
            pass
        finally:
            self.sending = False
        return None

    async def _send_first(
        self, send: Send, heard: Heard, attempts: int
    ) -> float | None:
        assert self._messages
        message = self._messages[0]
        try:
            answer = await send(message.action, message.as_sent())
        except TooManyCalls:
            return 1.0
        except (CallFailed, CallTimedOut) as e:
            message.attempts += 1
            # What is of no transaction is refused once, and for good.
            is_final = message.transaction is None and isinstance(
                e, CallFailed
            )
            if message.attempts < attempts and not is_final:
                return float(message.attempts)
            self.given_up += 1
            answer = {}
        self._messages.popleft()
        if not self._messages:
            self._messages = None
        heard(message, answer)
        return None
