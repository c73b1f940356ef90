"""
Waiting in tests that need the real reactor.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest_twisted
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater


def reactor() -> Any:
    """
    The one that runs.
    """
    from twisted.internet import reactor

    return reactor


def wait(awaitable: Awaitable[Any], seconds: float = 30.0) -> Any:
    """
    What it becomes; what it raises is raised.
    """
    if not isinstance(awaitable, Deferred):
        awaitable = ensureDeferred(awaitable)  # type: ignore[arg-type]
    clock: IReactorTime = reactor()
    return pytest_twisted.blockon(awaitable.addTimeout(seconds, clock))


def wait_until(holds: Callable[[], Any], seconds: float = 30.0) -> Any:
    """
    Wait until something holds, and return it.

    @raise AssertionError: it never did.
    """

    end = reactor().seconds() + seconds
    while not (found := holds()):
        if reactor().seconds() > end:
            raise AssertionError(f"it did not come to hold in {seconds} s")
        wait(deferLater(reactor(), 0.02))
    return found
