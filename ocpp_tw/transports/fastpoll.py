"""
Epoll without a logging context for every readable station.

Twisted calls each connection within a context that says whose log lines are
written; that costs more than to parse a frame, and our lines say whose they
are.  A connection that reads by L{ocpp_tw.transports.fastframes} is called
without it; everything else as Twisted does.
"""

from __future__ import annotations

from select import EPOLLIN
from types import MethodType
from typing import Any

from twisted.internet import main
from twisted.internet.epollreactor import EPollReactor
from twisted.logger import Logger
from twisted.python import log


_WANTED = (
    "_poller",
    "_selectables",
    "_doReadOrWrite",
    "_disconnectSelectable",
)

_log = Logger()


def poll_fast(reactor: Any) -> bool:
    """
    Let a reactor poll this way, if it is one that we know.
    """
    knows = type(reactor) is EPollReactor and all(
        hasattr(reactor, name) for name in _WANTED
    )
    if knows:
        reactor.doIteration = MethodType(_poll, reactor)
    return knows


def _poll(reactor: Any, timeout: float | None) -> None:
    """
    What C{doPoll} of an epoll reactor does.
    """
    selectables = reactor._selectables
    try:
        events = reactor._poller.poll(
            -1 if timeout is None else timeout, len(selectables)
        )
    except InterruptedError:
        return
    for descriptor, event in events:
        selectable = selectables.get(descriptor)
        if selectable is None:
            continue
        read = selectable.__dict__.get("doRead") if event == EPOLLIN else None
        if read is None:
            log.callWithLogger(
                selectable,
                reactor._doReadOrWrite,
                selectable,
                descriptor,
                event,
            )
        else:
            _read(reactor, selectable, read)


def _read(reactor: Any, selectable: Any, read: Any) -> None:
    try:
        why = read()
    except Exception:
        _log.failure("while reading from {who}", who=selectable)
        why = main.CONNECTION_LOST
    if why is not None:
        reactor._disconnectSelectable(selectable, why, True)
