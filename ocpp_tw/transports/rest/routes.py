"""
One path, and what answers there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from attrs import frozen


@frozen
class Route:
    """
    @ivar methods: C{GET} includes C{HEAD}.
    @ivar path: with names in angle brackets, which are arguments then.
    @ivar answer: takes the request and the names in the path; returns what
        L{ocpp_tw.transports.rest.answers.send} takes.
    @ivar columns: those of the list as CSV, where it can be had so.
    """

    methods: str
    path: str
    answer: Callable[..., Awaitable[Any]]
    columns: Sequence[str] | None = None
