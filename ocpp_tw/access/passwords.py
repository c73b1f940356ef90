"""
Passwords, hashed by Argon2 in threads: that takes its time, and its memory.
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from twisted.internet.defer import DeferredSemaphore, maybeDeferred
from twisted.internet.interfaces import IReactorThreads
from twisted.internet.threads import deferToThreadPool

from ..errors import TooManyRequests


T = TypeVar("T")

#: How many passwords are looked at at a time, and how many may wait.
AT_ONCE, WAITING = 2, 50

#: How long a password that was right needs no second look, in seconds; a
#: program with HTTP Basic sends it with each request.
TRUSTED = 300

#: The longest password, in characters.
LONGEST = 1024

#: OWASP's second choice: 19 MiB for each.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)


@cache
def _nobodys() -> str:
    """
    The hash of a password that nobody has.
    """
    return _HASHER.hash(secrets.token_hex())


class Passwords:
    """
    Makes hashes of passwords, and compares.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._turns = DeferredSemaphore(AT_ONCE)
        self._secret = secrets.token_bytes(32)
        self._trusted: OrderedDict[bytes, float] = OrderedDict()

    async def hash(self, password: str) -> str:
        """
        What to keep of a password.
        """
        return await self._in_thread(lambda: _HASHER.hash(password))

    def hash_now(self, password: str) -> str:
        """
        The same, before there is anybody to keep waiting.
        """
        return _HASHER.hash(password)

    async def is_right(self, password: str, kept: str | None) -> bool:
        """
        @param kept: what L{hash} made; None where there is no such user.
        @raise TooManyRequests: too many wait already.
        """
        proof = hmac.digest(
            self._secret, f"{kept}\0{password}".encode(), "sha256"
        )
        now = self._reactor.seconds()
        if now < self._trusted.get(proof, 0):
            return True
        right = await self._in_thread(lambda: self._compare(password, kept))
        if right:
            self._trusted[proof] = now + TRUSTED
            if len(self._trusted) > 1000:
                self._trusted.popitem(last=False)
        return right

    def _compare(self, password: str, kept: str | None) -> bool:
        if len(password) > LONGEST:
            return False
        try:
            # Unknown names take as long.
            _HASHER.verify(kept or _nobodys(), password)
        except (InvalidHashError, VerificationError):
            return False
        return kept is not None

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if len(self._turns.waiting) >= WAITING:
            raise TooManyRequests("too many passwords to look at", 5)
        result: T = await self._turns.run(self._run, work)
        return result

    def _run(self, work: Callable[[], T]) -> Any:
        if not IReactorThreads.providedBy(self._reactor):
            return maybeDeferred(work)
        pool = self._reactor.getThreadPool()
        return deferToThreadPool(self._reactor, pool, work)
