"""
Tests for what REST shows of backends that ask somebody else: the outbox, and
lists of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zope.interface import implementer
from zope.interface.verify import verifyObject

from ocpp_tw.errors import BackendUnavailable, NotFound, NotKept
from ocpp_tw.interfaces import IOutbox, ISeedLists, Page

from .world import FakeBackend, World


@implementer(IOutbox, ISeedLists)
class FakeIntegration(FakeBackend):
    """
    Has one dead letter, and lists.

    @ivar asked: what it was asked.
    @ivar broken: what is raised instead of a list.
    """

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.broken: Exception | None = None

    async def outbox(
        self, limit: int, cursor: str | None = None, **filters: str | None
    ) -> Page:
        self.asked.append((limit, cursor, filters))
        return Page([{"id": 7}], "7")

    async def redeliver(self, number: int) -> Mapping[str, Any]:
        if number != 7:
            raise NotFound(f"there is no dead letter {number}")
        return {"id": 7, "state": "waiting"}

    def _list(self, *asked: Any) -> Sequence[Any]:
        self.asked.append(asked)
        if self.broken is not None:
            raise self.broken
        return [{"id": 1}]

    async def charge_point_list(
        self, token: str, known: Sequence[Mapping[str, Any]]
    ) -> Sequence[Any]:
        return self._list(token, [item["Identity"] for item in known])

    async def transaction_list(
        self, token: str, asked: Mapping[str, str]
    ) -> Sequence[Any]:
        return self._list(token, asked)

    async def reservation_list(
        self, token: str, asked: Mapping[str, str]
    ) -> Sequence[Any]:
        return self._list(token, asked)


class IntegrationWorld(World):
    """
    A central system with such a backend.
    """

    def setUp(self) -> None:
        super().setUp()
        self.theirs = FakeIntegration()
        self.router.use(self.theirs)

    def test_fake(self) -> None:
        """
        The fake keeps its interfaces.
        """
        verifyObject(IOutbox, self.theirs)
        verifyObject(ISeedLists, self.theirs)


class OutboxTests(IntegrationWorld):
    """
    C{/api/v1/outbox}.
    """

    def test_list(self) -> None:
        """
        The list is filtered, and comes in pages.
        """
        answer = self.ask("GET", "/outbox?state=dead&identity=CP1&limit=1")
        self.assertEqual(answer.json(), {"items": [{"id": 7}], "next": "7"})
        filters = {"state": "dead", "identity": "CP1"}
        self.assertEqual(self.theirs.asked, [(1, None, filters)])

    def test_redeliver(self) -> None:
        """
        A dead letter is tried again; another is not there.
        """
        answer = self.ask("POST", "/outbox/7/redeliver")
        self.assertEqual(answer.json(), {"id": 7, "state": "waiting"})
        for path in ("/outbox/8/redeliver", "/outbox/x/redeliver"):
            self.assertEqual(self.ask("POST", path).status, 404)

    def test_none(self) -> None:
        """
        A backend without one is a 501 that says which has one.
        """
        self.router.use(self.backend)
        answer = self.ask("GET", "/outbox")
        self.assertEqual(answer.status, 501)
        self.assertIn("webhook", answer.message)


class ListTests(IntegrationWorld):
    """
    C{/api/v1/CentralSystem/...} of a backend with lists of its own.
    """

    def test_charge_points(self) -> None:
        """
        The backend is asked with our own list, and the caller's token.
        """
        self.station("CP1")
        answer = self.ask(
            "GET",
            "/CentralSystem/ChargePointList",
            headers={"Authorization": "bearer t0k3n"},
        )
        self.assertEqual(answer.json(), {"ChargePointList": [{"id": 1}]})
        self.assertEqual(self.theirs.asked, [("t0k3n", ["CP1"])])

    def test_our_charge_points(self) -> None:
        """
        A backend that has no such list leaves it to us.
        """
        self.station("CP1")
        self.theirs.broken = NotKept("no such function")
        answer = self.ask("GET", "/ChargePointList")
        [item] = answer.json()["ChargePointList"]
        self.assertEqual(item["Identity"], "CP1")

    def test_records(self) -> None:
        """
        The other lists are asked with what the caller asked, by its own
        names; without a token it is empty.
        """
        asked = {"identity": "CP1", "dateFrom": "2026-01-01"}
        for name in ("TransactionList", "ReservationList"):
            answer = self.ask("POST", f"/CentralSystem/{name}", json=asked)
            self.assertEqual(answer.json(), {name: [{"id": 1}]})
        self.assertEqual(self.theirs.asked, [("", asked)] * 2)

    def test_trouble(self) -> None:
        """
        What cannot be asked now is a 503, what there is not a 501.
        """
        path = "/CentralSystem/TransactionList?identity=CP1"
        for error, status in (
            (BackendUnavailable("the database is not reached"), 503),
            (NotKept("no function ocpp.TransactionList"), 501),
        ):
            self.theirs.broken = error
            answer = self.ask("GET", path)
            self.assertEqual(answer.status, status)
            self.assertEqual(answer.message, str(error))
