"""
An independent implementation, zeep, on both ends of real sockets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
import pytest_twisted
import zeep
from lxml import etree
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.web.resource import Resource
from twisted.web.server import Site
from zeep.helpers import serialize_object
from zope.interface import implementer

from ocpp_tw.errors import CallFailed, StationNotConnected
from ocpp_tw.interfaces import IBackend
from ocpp_tw.journal import Journal
from ocpp_tw.ocpp.messages import Call, Payload
from ocpp_tw.ocpp.soap_tables import CENTRAL_SYSTEM, CHARGE_POINT
from ocpp_tw.ocpp.soap_types import service
from ocpp_tw.ocpp.soap_wsdl import wsdl
from ocpp_tw.ocpp.versions import Version
from ocpp_tw.router import Router
from ocpp_tw.transports.soap import SoapResource
from ocpp_tw.transports.soap_stations import SoapStations

from ..ocpp.soap_samples import SAMPLES, VERSIONS, sample, wire_sample


PATIENT = zeep.Transport(timeout=5, operation_timeout=5)
STRICT = zeep.Settings(strict=True, raw_response=False)
ENVELOPE = "{http://www.w3.org/2003/05/soap-envelope}"
ADDRESSING = "{http://www.w3.org/2005/08/addressing}"


@implementer(IBackend)
class Backend:
    """
    Answers with the samples, and remembers what it was asked.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def answer(self, station: Any, call: Call) -> Payload:
        self.calls.append(call)
        return sample(station.version, call.action)[1]  # type: ignore[no-any-return]

    def station_connected(self, station: Any) -> None:
        pass

    def station_disconnected(self, station: Any) -> None:
        pass


class World:
    """
    A central system that listens, for SOAP only.
    """

    def __init__(self) -> None:
        self.journal = Journal(":memory:", reactor)
        self.journal.startService()
        self.backend = Backend()
        self.router = Router(self.journal, reactor)
        self.router.use(self.backend)
        self.stations = SoapStations(self.router, reactor)
        root = Resource()
        root.putChild(b"Ocpp", SoapResource(self.stations))
        self.ports = [self.listen(root)]

    def listen(self, root: Resource) -> Any:
        return reactor.listenTCP(0, Site(root), interface="127.0.0.1")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports[0].getHost().port}/Ocpp"

    def client(self, version: Version, address: str = "") -> zeep.Client:
        """
        What a station would be, made of our own definition.
        """
        client = zeep.Client(
            f"{self.url}?wsdl={version}", transport=PATIENT, settings=STRICT
        )
        identity = etree.Element(_identity(version))
        identity.text = "CP1"
        client.set_default_soapheaders([identity, *_from(address)])
        return client

    async def stop(self) -> None:
        for station in self.router.stations():
            station.close(1001, "")
        await self.router.deserted()
        for port in self.ports:
            await port.stopListening()
        await self.journal.stopService()


def _identity(version: Version) -> str:
    return f"{{{service(version, CENTRAL_SYSTEM).namespace}}}chargeBoxIdentity"


def _from(address: str) -> list[Any]:
    if not address:
        return []
    sender = etree.Element(f"{ADDRESSING}From")
    etree.SubElement(sender, f"{ADDRESSING}Address").text = address
    return [sender]


def plain(value: Any) -> Any:
    """
    What zeep made of an element, as JSON.
    """
    match value:
        case dict():
            members = {k: plain(v) for k, v in value.items()}
            return {k: v for k, v in members.items() if v not in (None, [])}
        case list():
            return [plain(v) for v in value]
        case datetime():
            return value.strftime("%Y-%m-%dT%H:%M:%SZ")
        case Decimal():
            return float(value)
    return value


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    pytest_twisted.blockon(Deferred.fromCoroutine(world.stop()))


async def in_thread(function: Callable[..., Any], *args: Any) -> Any:
    return await deferToThread(function, *args)


@pytest.mark.parametrize("version", VERSIONS)
@pytest_twisted.ensureDeferred
async def test_every_request(world: World, version: Version) -> None:
    """
    A client made of our definition asks all that a station may ask, and our
    backend sees it in the one vocabulary.
    """
    client = await in_thread(world.client, version)
    actions = sorted(service(version, CENTRAL_SYSTEM).requests)
    assert len(actions) == (9 if version is Version.V12 else 10)
    for action in actions:
        request, answer = wire_sample(version, action)
        got = await in_thread(
            lambda a, r: getattr(client.service, a)(**r), action, request
        )
        assert plain(_members(got, answer)) == answer
        assert world.backend.calls[-1].action == action
        assert world.backend.calls[-1].payload == sample(version, action)[0]
    assert [str(s.version) for s in world.router.stations()] == [version]
    page = await world.journal.messages(100)
    assert [item["violations"] for item in page.items] == [[]] * len(actions)
    assert {item["error"] for item in page.items} == {None}


def _members(got: Any, answer: dict[str, Any]) -> Any:
    """
    zeep gives the one member of an answer, instead of the answer.
    """
    members = serialize_object(got, dict)
    if len(answer) == 1 and (
        not isinstance(members, dict) or set(members) != set(answer)
    ):
        [name] = answer
        if not isinstance(members, dict) or name not in members:
            return {name: members}
    return members or {}


class Station(Resource):
    """
    A station whose messages zeep reads and writes.
    """

    isLeaf = True

    def __init__(self, version: Version, folder: Any) -> None:
        super().__init__()
        self.version = version
        self.asked: list[tuple[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        definition = folder / f"{version}.wsdl"
        definition.write_bytes(wsdl(version, "http://x/", CHARGE_POINT))
        self.client = zeep.Client(str(definition), transport=PATIENT)
        document = etree.parse(definition)
        schema = document.find(".//{http://www.w3.org/2001/XMLSchema}schema")
        self.schema = etree.XMLSchema(etree.fromstring(etree.tostring(schema)))
        self.namespace = service(version, CHARGE_POINT).namespace

    def render_POST(self, request: Any) -> bytes:
        root = etree.fromstring(request.content.read())
        [element] = root.find(f"{ENVELOPE}Body")
        self.schema.assertValid(element)
        self.headers.append(
            {
                etree.QName(header).localname: header.text or header[0].text
                for header in root.find(f"{ENVELOPE}Header")
            }
        )
        kind = self.client.get_element(element.tag)
        value = kind.parse(element, self.client.wsdl.types)
        name = etree.QName(element).localname.removesuffix("Request")
        action = name[0].upper() + name[1:]
        asked = serialize_object(value, dict)
        self.asked.append((action, plain(asked) if asked else {}))
        request.setHeader("Content-Type", "application/soap+xml")
        return self.answer(action, name)

    def answer(self, action: str, name: str) -> bytes:
        root = etree.Element(f"{ENVELOPE}Envelope")
        body = etree.SubElement(root, f"{ENVELOPE}Body")
        tag = f"{{{self.namespace}}}{name}Response"
        kind = self.client.get_element(tag)
        kind.render(body, kind(**wire_sample(self.version, action)[1]))
        self.schema.assertValid(body[0])
        return etree.tostring(root)


@pytest.mark.parametrize("version", VERSIONS)
@pytest_twisted.ensureDeferred
async def test_every_command(
    world: World, version: Version, tmp_path: Any
) -> None:
    """
    A station that an independent library made understands all that a central
    system may ask, and we understand its answers.
    """
    station = Station(version, tmp_path)
    world.ports.append(world.listen(station))
    address = f"http://127.0.0.1:{world.ports[1].getHost().port}/cp"
    client = await in_thread(world.client, version, address)
    await in_thread(client.service.Heartbeat)
    actions = sorted(service(version, CHARGE_POINT).requests)
    counts = {Version.V12: 9, Version.V15: 15, Version.V16: 19}
    assert len(actions) == counts[version]
    for action in actions:
        request, answer = sample(version, action)
        assert await world.router.call("CP1", action, request) == answer
        assert station.asked[-1] == (action, wire_sample(version, action)[0])
        headers = station.headers[-1]
        assert headers["chargeBoxIdentity"] == "CP1"
        assert headers["Action"] == f"/{action}"
        assert headers["To"] == address
        assert headers["From"] == world.url
        assert headers["MessageID"].startswith("urn:uuid:")
    page = await world.journal.messages(100)
    assert [i["direction"] for i in page.items].count("out") == len(actions)
    assert {i["error"] for i in page.items} == {None}


class Rude(Resource):
    """
    Answers with what it was told.
    """

    isLeaf = True

    def __init__(self, status: int, body: bytes, location: str = "") -> None:
        super().__init__()
        self.status = status
        self.body = body
        self.location = location
        self.visits = 0

    def render_POST(self, request: Any) -> bytes:
        self.visits += 1
        request.setResponseCode(self.status)
        if self.location:
            request.setHeader("Location", self.location)
        return self.body


async def _heard_from(world: World, port: Any) -> None:
    address = f"http://127.0.0.1:{port.getHost().port}/"
    client = await in_thread(world.client, Version.V16, address)
    await in_thread(client.service.Heartbeat)


@pytest_twisted.ensureDeferred
async def test_redirected(world: World) -> None:
    """
    A redirection is not followed.
    """
    elsewhere = Rude(200, b"")
    world.ports.append(world.listen(elsewhere))
    target = f"http://127.0.0.1:{world.ports[1].getHost().port}/"
    world.ports.append(world.listen(Rude(307, b"", target)))
    await _heard_from(world, world.ports[2])
    with pytest.raises(CallFailed, match="307"):
        await world.router.call("CP1", "ClearCache", {})
    assert elsewhere.visits == 0


@pytest_twisted.ensureDeferred
async def test_endless(world: World) -> None:
    """
    An answer without end is not read to its end.
    """
    world.ports.append(world.listen(Rude(200, b"<" * (2 << 20))))
    await _heard_from(world, world.ports[1])
    with pytest.raises(CallFailed, match="no end"):
        await world.router.call("CP1", "ClearCache", {})


@pytest_twisted.ensureDeferred
async def test_nobody_there(world: World) -> None:
    """
    A station that refuses connections is not connected.
    """
    port = world.listen(Resource())
    await _heard_from(world, port)
    await port.stopListening()
    with pytest.raises(StationNotConnected, match="cannot be reached"):
        await world.router.call("CP1", "ClearCache", {})


def test_samples() -> None:
    """
    There is a sample of every action.
    """
    spoken = {
        action
        for version in VERSIONS
        for name in (CENTRAL_SYSTEM, CHARGE_POINT)
        for action in service(version, name).requests
    }
    assert spoken == set(SAMPLES)
