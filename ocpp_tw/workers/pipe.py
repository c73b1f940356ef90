"""
The pipe by which the master tells a child something.

A child that reads nothing any more does not fill the memory of the master.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer


#: How much may wait for a child that does not read it, in octets.
MOST = 64 << 20


@implementer(IPushProducer)
class Pipe:
    """
    The transport of a wire.

    @ivar unread: how many octets wait, beyond what the pipe itself holds.
    """

    disconnecting = False

    def __init__(
        self, process: Any, fd: int, overfull: Callable[[], object]
    ) -> None:
        """
        @param process: the transport of the child.
        @param fd: where the child reads.
        @param overfull: called once, when more than L{MOST} is unread;
            nothing is kept or sent from then on.
        """
        self._process = process
        self._fd = fd
        self._overfull = overfull
        self._is_full = self._is_cut = False
        self._waiting: deque[bytes] = deque()
        self.unread = 0
        process.pipes[fd].registerProducer(self, True)

    # As a transport

    def write(self, data: bytes) -> None:
        if self._is_cut:
            return
        if not self._is_full:
            self._process.writeToChild(self._fd, data)
            return
        self._waiting.append(data)
        self.unread += len(data)
        if self.unread > MOST:
            self.cut()
            self._overfull()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        self._process.closeChildFD(self._fd)

    def cut(self) -> None:
        """
        Send nothing any more, and forget what waits.
        """
        self._is_cut = True
        self._waiting.clear()
        self.unread = 0

    # As a producer

    def pauseProducing(self) -> None:
        self._is_full = True

    def resumeProducing(self) -> None:
        self._is_full = False
        while self._waiting and not self._is_full:
            data = self._waiting.popleft()
            self.unread -= len(data)
            self._process.writeToChild(self._fd, data)

    def stopProducing(self) -> None:
        self.cut()
