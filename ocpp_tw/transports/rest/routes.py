"""
One path, and what answers there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from attrs import frozen


Schema = Mapping[str, Any]

#: The roles, each of which may do what those before it may; C{public} is
#: nobody in particular.
ROLES = ("public", "viewer", "operator", "admin")

_TEXT: Schema = {"type": "string"}


@frozen
class Parameter:
    """
    A parameter in the query, or in a header.

    @ivar several: whether it may be given more than once.
    @ivar place: C{query} or C{header}.
    @ivar required: whether it has to be there where there is no body.
    """

    name: str
    meaning: str
    schema: Schema = _TEXT
    several: bool = False
    place: str = "query"
    required: bool = False


_TIME: Schema = {
    "type": "string",
    "format": "date-time",
    "examples": ["2026-11-22T10:00:00Z"],
}
_FLAG: Schema = {"type": "boolean"}

IDENTITY = Parameter("identity", "Of this station only.")
FROM = Parameter("from", "Not before this time.", _TIME)
TO = Parameter("to", "Before this time.", _TIME)
TIMEOUT = Parameter(
    "timeout",
    "How many seconds the station has to answer.",
    {"type": "number", "exclusiveMinimum": 0, "maximum": 300},
)


def flag(name: str, meaning: str) -> Parameter:
    """
    A parameter that is true or false.
    """
    return Parameter(name, meaning, _FLAG)


@frozen
class Route:
    """
    @ivar methods: C{GET} includes C{HEAD}.
    @ivar path: with names in angle brackets, which are arguments then.
    @ivar answer: takes the request and the names in the path; returns what
        L{ocpp_tw.transports.rest.answers.send} takes.  Its docstring is what
        the documentation says.
    @ivar columns: the names of those of the list as CSV, in one text; empty
        where there is no CSV of it.
    @ivar role: who may; where empty, viewers may GET, operators the rest.
    @ivar query: the parameters, beside those of every list; mostly in the
        query.
    @ivar takes: what the body must be; None where there is none.
    @ivar gives: what the answer is; None for any JSON.
    @ivar status: of the answer.
    @ivar media: the type of the answer.
    @ivar others: other answers, by their status.
    @ivar errors: what else may go wrong, beside what can with any.
    """

    methods: str
    path: str
    answer: Callable[..., Awaitable[Any]]
    columns: str = ""
    role: str = ""
    query: Sequence[Parameter] = ()
    takes: Schema | None = None
    gives: Schema | None = None
    status: int = 200
    media: str = "application/json"
    errors: Sequence[int] = ()
    others: Mapping[int, Schema] = {}

    @property
    def is_list(self) -> bool:
        """
        Whether the answer is a page of a list.
        """
        return "next" in (self.gives or {}).get("properties", ())

    @property
    def least_role(self) -> str:
        """
        The least of the roles that may do this.
        """
        return self.role or ("viewer" if self.methods == "GET" else "operator")


class Part(Protocol):
    """
    Some routes that belong together.
    """

    routes: list[Route]
