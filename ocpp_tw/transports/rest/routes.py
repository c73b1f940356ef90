"""
One path, and what answers there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from attrs import frozen


@frozen
class Route:
    """
    @ivar methods: C{GET} includes C{HEAD}.
    @ivar path: with names in angle brackets, which are arguments then.
    @ivar answer: takes the request and the names in the path; returns what
        L{ocpp_tw.transports.rest.answers.send} takes.
    @ivar columns: the names of those of the list as CSV, in one text; empty
        where there is no CSV of it.
    """

    methods: str
    path: str
    answer: Callable[..., Awaitable[Any]]
    columns: str = ""


class Part(Protocol):
    """
    Some routes that belong together.
    """

    routes: list[Route]
