"""
What is done with sockets more directly than Twisted does it.

Twisted calls each connection within a context that says whose log lines are
written; that costs more than to parse a frame, and our lines say whose they
are.  And it sends when it has asked whether it may: two calls of the system
where one does nearly always.

It touches what is private to Twisted: C{doRead}, C{dataBuffer} and
C{_tempDataBuffer} of a TCP connection, and how its reactor polls.  Where they
are not what we know, all is as Twisted does it.
"""

from __future__ import annotations

from select import EPOLLIN
from types import MethodType
from typing import Any

from twisted.internet import main
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.tcp import Client, Connection
from twisted.logger import Logger
from twisted.python import log


_OF_CONNECTION = ("dataBuffer", "_tempDataBuffer", "socket", "doRead")

_OF_REACTOR = (
    "_poller",
    "_selectables",
    "_doReadOrWrite",
    "_disconnectSelectable",
)

_log = Logger()


def is_known(transport: Any) -> bool:
    """
    Whether it is a plain TCP connection as we know it.
    """
    return isinstance(transport, Connection) and all(
        hasattr(transport, name) for name in _OF_CONNECTION
    )


def write_now(transport: Any, frame: bytes) -> None:
    """
    Write to the socket of a connection that L{is_known}, if nothing waits
    before it.
    """
    if (
        transport.dataBuffer
        or transport._tempDataBuffer
        or transport.disconnecting
        or not transport.connected
    ):
        transport.write(frame)
        return
    try:
        sent = transport.socket.send(frame)
    except OSError:
        # Twisted finds out what it is, and says so.
        sent = 0
    if sent != len(frame):
        transport.write(frame[sent:])


def poll_fast(reactor: Any) -> bool:
    """
    Let a reactor poll without a logging context for a connection of ours to
    others, and for one that has a C{doRead} of its own; if it is a reactor
    that we know.
    """
    knows = type(reactor) is EPollReactor and all(
        hasattr(reactor, name) for name in _OF_REACTOR
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
        read = None
        if event == EPOLLIN:
            read = selectable.__dict__.get("doRead")
            if read is None and selectable.__class__ is Client:
                read = selectable.doRead
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
