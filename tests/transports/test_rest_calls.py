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


class Control:
    """
    An emulated station.
    """

    def names(self) -> list[str]:
        return ["EM1"]

    def get(self, name: str) -> dict[str, Any]:
        return {"name": name}

    def make(self, body: Any) -> dict[str, Any]:
        return {"name": body["name"]}

    async def change(self, name: str, body: Any) -> dict[str, Any]:
        return {"name": name, **body}

    async def remove(self, name: str) -> None:
        pass

    async def act(self, name: str, body: Any) -> dict[str, Any]:
        return {}


class CallTests(Guarded):
    """
    The table of calls.
    """

    def setUp(self) -> None:
        super().setUp()
        self.router.use(Records())
        self.front.emulators.control = Control()
        self.station("CP1")
        self.gone(self.station("CP2"))
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

    def test_examples(self) -> None:
        """
        Each does what it says, one after the other.
        """
        key = ""
        for row in examples():
            if row.path.startswith("/events"):
                # It would not end; see L{test_rest_live}.
                continue
            options: dict[str, Any] = {"auth": ("admin", "correct horse")}
            if row.path == "/session/password":
                options["auth"] = ("ada", "correct horse")
            if row.body:
                headers = {"Content-Type": "application/json"}
                options |= {"data": row.body.encode(), "headers": headers}
            path = row.path.replace("KEY", key)
            answer = self.ask(row.method, path, **options)
            self.assertEqual(answer.status, row.status, (row, answer.body))
            if row.path == "/keys" and row.method == "POST":
                key = answer.json()["id"]
