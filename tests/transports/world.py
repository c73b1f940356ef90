"""
A central system without sockets: a router, a journal in memory, stations and
a backend that do as they are told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from attrs import frozen
from treq.testing import StubTreq
from twisted.application.service import Service
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http_headers import Headers
from zope.interface import implementer

from ocpp_tw.config import API, BackendConfig, Config, Server
from ocpp_tw.errors import Conflict, NotFound
from ocpp_tw.fleet import Known
from ocpp_tw.interfaces import IBackend, IRecords, IStation, Page
from ocpp_tw.journal import Journal
from ocpp_tw.ocpp.messages import Call, Payload
from ocpp_tw.ocpp.schemas import Violation
from ocpp_tw.ocpp.versions import Version
from ocpp_tw.router import Router
from ocpp_tw.transports.site import Front


@implementer(IStation)
class FakeStation:
    """
    Answers each command as it was told to, or not at all.

    @ivar asked: every command, as action, payload and timeout.
    @ivar closed: the code of our goodbye.
    """

    closed: int | None = None

    known: Known
    last_seen = 0.0
    asked_at = 0.0
    violations: Sequence[Violation] | None = None
    version = Version.V16
    socket = 12

    def __init__(
        self, identity: str, answer: Any = None, address: str = "10.0.0.5:5123"
    ) -> None:
        self.identity = identity
        self.account = ""
        self.address = address
        self.answer = {"status": "Accepted"} if answer is None else answer
        self.asked: list[tuple[str, Payload, float | None]] = []

    async def call(
        self, action: str, payload: Payload, timeout: float | None = None
    ) -> Payload:
        self.asked.append((action, payload, timeout))
        if isinstance(self.answer, Exception):
            raise self.answer
        if isinstance(self.answer, Deferred):
            answer: Payload = await self.answer
            return answer
        return self.answer  # type: ignore[no-any-return]

    def close(self, code: int, reason: str) -> None:
        """
        It takes its time.
        """
        self.closed = code


@implementer(IBackend)
class FakeBackend(Service):
    """
    Keeps nothing.
    """

    def answer(self, station: IStation, call: Call) -> Payload:
        return {}

    def station_connected(self, station: IStation) -> None:
        pass

    def station_disconnected(self, station: IStation) -> None:
        pass


@implementer(IRecords)
class FakeRecords(FakeBackend):
    """
    Keeps what it was given.

    @ivar asked: the limit, the cursor and the filters of each list.
    @ivar broken: what is raised instead of an answer.
    """

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.broken: Exception | None = None
        self.items: list[dict[str, Any]] = []
        self.next: str | None = None
        self.tags: dict[str, dict[str, Any]] = {}
        self.closed: dict[int, str] = {}

    def _page(self, **asked: Any) -> Page:
        if self.broken is not None:
            raise self.broken
        self.asked.append(asked)
        return Page(self.items, self.next)

    def _one(self, number: int) -> Mapping[str, Any]:
        if self.broken is not None:
            raise self.broken
        if number != 7:
            raise NotFound(f"there is no record {number}")
        return {"id": 7}

    async def transactions(
        self, limit: int, cursor: str | None = None, **filters: str | None
    ) -> Page:
        return self._page(limit=limit, cursor=cursor, **filters)

    async def transaction(self, transaction_id: int) -> Mapping[str, Any]:
        return self._one(transaction_id)

    async def meter_values(
        self, transaction_id: int, limit: int, cursor: str | None = None
    ) -> Page:
        return self._page(limit=limit, cursor=cursor, of=transaction_id)

    async def close_transaction(
        self, transaction_id: int, reason: str
    ) -> Mapping[str, Any]:
        if transaction_id in self.closed:
            raise Conflict("it is closed already")
        self.closed[transaction_id] = reason
        return self._one(transaction_id)

    async def reservations(
        self, limit: int, cursor: str | None = None, **filters: str | None
    ) -> Page:
        return self._page(limit=limit, cursor=cursor, **filters)

    async def reservation(self, record_id: int) -> Mapping[str, Any]:
        return self._one(record_id)

    async def id_tags(
        self, limit: int, cursor: str | None = None, **filters: str | None
    ) -> Page:
        return self._page(limit=limit, cursor=cursor, **filters)

    async def id_tag(self, id_tag: str) -> Mapping[str, Any]:
        try:
            return self.tags[id_tag]
        except KeyError:
            raise NotFound(f"there is no id tag {id_tag!r}") from None

    async def put_id_tag(
        self, id_tag: str, body: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        self.tags[id_tag] = {"idTag": id_tag, **body}
        return self.tags[id_tag]

    async def delete_id_tag(self, id_tag: str) -> None:
        await self.id_tag(id_tag)
        del self.tags[id_tag]

    async def charging_profiles(
        self, limit: int, cursor: str | None = None, **filters: str | None
    ) -> Page:
        return self._page(limit=limit, cursor=cursor, **filters)

    async def charging_profile(self, record_id: int) -> Mapping[str, Any]:
        return self._one(record_id)

    async def put_charging_profile(
        self, record_id: int, body: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        return {"id": record_id, **body}

    async def delete_charging_profile(self, record_id: int) -> None:
        self._one(record_id)


@frozen
class Answer:
    """
    What came back.
    """

    status: int
    headers: Headers
    body: bytes

    def json(self) -> Any:
        return orjson.loads(self.body)

    def header(self, name: str) -> str | None:
        values = self.headers.getRawHeaders(name)
        return None if values is None else values[-1]

    @property
    def message(self) -> str:
        error = self.json()["error"]
        assert error["code"] == self.status, error
        return str(error["message"])


class World(SynchronousTestCase):
    """
    A test that has a central system to ask.

    @ivar api: who may ask it.
    @ivar reloads: how often the configuration was read again.
    @ivar problem: what was wrong with it then.
    """

    api = API()
    reloads = 0
    problem = ""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_760_000_000)
        self.journal = Journal(":memory:", self.clock)
        self.journal.startService()
        self.addCleanup(self.journal.stopService)
        self.router = Router(self.journal, self.clock)
        self.backend = FakeRecords()
        self.router.use(self.backend)
        self.ready = True
        self.config = Config(
            server=Server(root="/nonexistent"),
            api=self.api,
            backend=BackendConfig(name="fake"),
        )
        self.front = Front(
            self.router, self.config, self.clock, lambda: self.ready
        )
        self.front.offer_reload(self.read_again)
        self.http = StubTreq(self.front.site.resource)

    def station(
        self, identity: str, answer: Any = None, **options: Any
    ) -> FakeStation:
        """
        A station that has connected.
        """
        station = FakeStation(identity, answer, **options)
        station.last_seen = self.clock.seconds()
        self.router.connected(station)
        return station

    def status(self, request: str, name: str, value: bytes) -> int:
        """
        The status of an answer, where a header has any octets.

        @param request: C{"GET /api/v1/stations"}
        """
        peer = IPv4Address("TCP", "10.0.0.1", 5000)
        transport = StringTransport(peerAddress=peer)
        protocol = self.front.site.buildProtocol(peer)
        protocol.makeConnection(transport)
        headers = {"Host": b"localhost", "Content-Length": b"0", name: value}
        lines = [b"%b: %b" % (k.encode(), v) for k, v in headers.items()]
        first = f"{request} HTTP/1.1".encode()
        protocol.dataReceived(b"\r\n".join([first, *lines, b"", b""]))
        answer = transport.value()
        protocol.connectionLost(Failure(ConnectionDone()))
        self.assertTrue(answer, (request, name))
        return int(answer.split(b" ", 2)[1])

    async def read_again(self) -> str:
        self.reloads += 1
        return self.problem

    def gone(self, station: FakeStation) -> None:
        self.router.disconnected(station, "close code 1001")

    def start(
        self, method: str, path: str, **options: Any
    ) -> Deferred[Answer]:
        """
        Begin to ask; the path is below C{/api/v1}.
        """
        if not path.startswith("http"):
            path = f"http://localhost:9220/api/v1{path}"

        async def ask() -> Answer:
            response = await self.http.request(method, path, **options)
            body = await self.http.content(response)
            return Answer(response.code, response.headers, body)

        asked = Deferred.fromCoroutine(ask())
        self.pump()
        return asked

    def pump(self) -> None:
        for _ in range(200):
            self.clock.advance(0)
            self.http.flush()

    def ask(self, method: str, path: str, **options: Any) -> Answer:
        """
        Ask, and have the answer.
        """
        answer: Answer = self.successResultOf(
            self.start(method, path, **options)
        )
        return answer

    def connect(self) -> StringTransport:
        """
        A client that writes its requests by hand.
        """
        transport = StringTransport()
        protocol = self.front.site.buildProtocol(None)
        transport.protocol = protocol
        protocol.makeConnection(transport)
        return transport

    def raw(self, request: bytes) -> tuple[bytes, bytes]:
        """
        The head and the body that such a client gets.
        """
        transport = self.connect()
        transport.protocol.dataReceived(request)
        head, _, body = transport.value().partition(b"\r\n\r\n")
        return head, body
