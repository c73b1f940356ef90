"""
Every call of the REST API, as C{docs/rest-calls.md} has it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from attrs import frozen
from zope.interface import implementer

from ocpp_tw.interfaces import IOutbox, Page

from .test_rest_access import Guarded
from .world import FakeRecords


PAGE = Path(__file__).parents[2] / "docs" / "rest-calls.md"

_ROW = re.compile(r"\| `(\w+) (\S+)` \| (\w+) \| (?:`(.*)` )?\| (\d+) \|")


@frozen
class Example:
    """
    A row of the table.
    """

    method: str
    path: str
    role: str
    body: str
    status: int


def examples() -> list[Example]:
    return [
        Example(method, path, role, body or "", int(status))
        for method, path, role, body, status in _ROW.findall(PAGE.read_text())
    ]


@implementer(IOutbox)
class Records(FakeRecords):
    """
    A backend that keeps all there is.
    """

    async def outbox(
        self, limit: int, cursor: str | None = None, **filters: str | None
    ) -> Page:
        return Page([])

    async def redeliver(self, number: int) -> dict[str, Any]:
        return {"id": number}


class CallTests(Guarded):
    """
    The table of calls.
    """

    def setUp(self) -> None:
        super().setUp()
        self.router.use(Records())
        self.routes = self.front._api.routes

    def test_every_route(self) -> None:
        """
        Every route is in the table, with the role that it takes.
        """
        rows = examples()
        for route in self.routes:
            pattern = re.sub(r"<\w+>", "[^/]+", route.path)
            for method in route.methods.split():
                roles = {
                    row.role
                    for row in rows
                    if row.method == method
                    and re.fullmatch(pattern, row.path.partition("?")[0])
                }
                self.assertEqual(roles, {route.least_role}, route.path)

    def test_outbox(self) -> None:
        """
        The calls that only some backends can answer do what they say; all
        others see L{tests.test_rest_sockets}.
        """
        for row in examples():
            if row.path.startswith("/outbox"):
                auth = ("admin", "correct horse")
                answer = self.ask(row.method, row.path, auth=auth)
                self.assertEqual(answer.status, row.status, answer.body)
