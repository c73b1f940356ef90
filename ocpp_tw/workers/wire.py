"""
The wire between the master and a worker: messages of JSON, each after its
length.

AMP would do, but for its values of 64 KiB at most: what a station is told may
be longer.

::

    {"what": "claim", "to": "all", "from": 2, "body": {...}}
    {"what": "call", "to": 2, "from": 1, "ask": 7, "body": {...}}
    {"what": "answer", "to": 1, "ask": 7, "body": {...}}

C{to} is the number of a worker, or one of the words below.  C{{"what":
"ping"}} is answered with C{{"what": "pong"}} by whoever is well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from twisted.internet.protocol import connectionDone
from twisted.protocols.basic import Int32StringReceiver
from twisted.python.failure import Failure


Message = dict[str, Any]

#: The number of the master.
MASTER = 0

#: For every worker, the sender included.
ALL = "all"

#: For whichever worker.
ANY = "any"

#: For the emulated stations.
EMULATOR = "emulator"

Address = int | str

#: Whether somebody is well, and that somebody is.
PING, PONG = {"what": "ping"}, {"what": "pong"}


class Wire(Int32StringReceiver):
    """
    Either end.
    """

    MAX_LENGTH = 1 << 28

    def __init__(
        self,
        heard: Callable[[Message], object],
        lost: Callable[[], object] = lambda: None,
    ) -> None:
        self._heard = heard
        self._lost = lost

    def say(self, message: Message) -> None:
        """
        Send a message; to whom nobody listens any more, it is lost.
        """
        if self.transport is not None:
            self.sendString(
                orjson.dumps(message, option=orjson.OPT_NON_STR_KEYS)
            )

    def stringReceived(self, string: bytes) -> None:
        message = orjson.loads(string)
        if message == PING:
            self.say(PONG)
        elif message != PONG:
            self._heard(message)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.transport = None
        self._lost()
