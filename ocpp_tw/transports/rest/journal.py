"""
What has passed: the messages, and the handshakes that were refused.
"""

from __future__ import annotations

from twisted.web.iweb import IRequest

from ...interfaces import Page
from ...journal import Journal
from .asked import read_flag, read_list_query
from .routes import FROM, IDENTITY, TO, Parameter, Route, flag
from .shapes import listed


_COLUMNS = (
    "id time identity direction messageId action call reply milliseconds "
    "error violations"
)


_FILTERS = (
    Parameter("action", "Of this action only."),
    FROM,
    TO,
    flag("errors", "true: those with an error or a violation only."),
)


class Journaled:
    """
    Newest first.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        one = "/stations/<identity>/messages"
        self.routes = [
            Route(
                "GET",
                "/messages",
                self.messages,
                _COLUMNS,
                query=(IDENTITY, *_FILTERS),
                gives=listed("Message"),
            ),
            Route(
                "GET",
                one,
                self.messages_of,
                _COLUMNS,
                query=_FILTERS,
                gives=listed("Message"),
            ),
            Route(
                "GET",
                "/violations",
                self.violations,
                "vendor model firmware version action path rule message "
                "reference count stations first last example",
                gives=listed("Fault"),
            ),
            Route(
                "GET",
                "/connectionAttempts",
                self.attempts,
                gives=listed("Attempt"),
            ),
        ]

    async def messages(self, request: IRequest) -> Page:
        """
        The OCPP messages that passed, newest first, each with its answer.
        """
        return await self._messages(request, "identity")

    async def messages_of(self, request: IRequest, identity: str) -> Page:
        """
        The messages of one station, newest first.
        """
        self._journal.fleet.known(identity)
        return await self._messages(request, identity=identity)

    async def _messages(
        self, request: IRequest, *filters: str, **fixed: str
    ) -> Page:
        query = read_list_query(
            request, *filters, "action", "from", "to", "errors"
        )
        read_flag(query.get("errors"), "errors")
        return await self._journal.messages(**{**query, **fixed})

    async def violations(self, request: IRequest) -> Page:
        """
        What stations do against the standard, by vendor, model and firmware,
        most often first, each with an example.

        It counts the last 20,000 messages that broke a rule.
        """
        query = read_list_query(request)
        return await self._journal.violations(**query)

    async def attempts(self, request: IRequest) -> Page:
        """
        The handshakes that were refused, newest first: why, and what to do.
        """
        query = read_list_query(request)
        return await self._journal.connection_attempts(**query)
