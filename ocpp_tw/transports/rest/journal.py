"""
What has passed: the messages, and the handshakes that were refused.
"""

from __future__ import annotations

from twisted.web.iweb import IRequest

from ...interfaces import Page
from ...journal import Journal
from .asked import read_flag, read_list_query
from .routes import Route


_COLUMNS = (
    "id time identity direction messageId action call reply milliseconds "
    "error violations"
)


class Journaled:
    """
    Newest first.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        one = "/stations/<identity>/messages"
        self.routes = [
            Route("GET", "/messages", self.messages, _COLUMNS),
            Route("GET", one, self.messages_of, _COLUMNS),
            Route("GET", "/connectionAttempts", self.attempts),
        ]

    async def messages(self, request: IRequest) -> Page:
        return await self._messages(request, "identity")

    async def messages_of(self, request: IRequest, identity: str) -> Page:
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

    async def attempts(self, request: IRequest) -> Page:
        query = read_list_query(request)
        return await self._journal.connection_attempts(**query)
