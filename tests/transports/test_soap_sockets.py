"""
An independent client, zeep, over real sockets.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import pytest_twisted
import zeep
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.web.resource import Resource
from twisted.web.server import Site
from zope.interface import implementer

from ocpp_tw.interfaces import IBackend
from ocpp_tw.journal import Journal
from ocpp_tw.ocpp.messages import Call, Payload
from ocpp_tw.router import Router
from ocpp_tw.transports.soap import SoapResource, SoapStations


PATIENT = zeep.Transport(timeout=5, operation_timeout=5)

NOW = "2026-11-23T12:00:00Z"


@implementer(IBackend)
class Backend:
    """
    Answers what it was told to, and remembers what it was asked.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.answers: dict[str, Payload] = {
            "BootNotification": {
                "status": "Accepted",
                "currentTime": NOW,
                "interval": 300,
            },
        }

    def answer(self, station: Any, call: Call) -> Payload:
        self.calls.append(call)
        return self.answers[call.action]

    def station_connected(self, station: Any) -> None:
        pass

    def station_disconnected(self, station: Any) -> None:
        pass


class World:
    def __init__(self) -> None:
        self.journal = Journal(":memory:", reactor)
        self.journal.startService()
        self.backend = Backend()
        self.router = Router(self.journal, reactor)
        self.router.use(self.backend)
        self.stations = SoapStations(self.router, reactor)
        root = Resource()
        root.putChild(b"Ocpp", SoapResource(self.stations))
        self.port = reactor.listenTCP(0, Site(root), interface="127.0.0.1")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port.getHost().port}/Ocpp"

    async def stop(self) -> None:
        await self.port.stopListening()
        for station in self.router.stations():
            station.close(1001, "")
        await self.router.deserted()
        await self.journal.stopService()


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    pytest_twisted.blockon(Deferred.fromCoroutine(world.stop()))


@pytest_twisted.ensureDeferred
async def test_boot(world: World) -> None:
    """
    A station of 1.6 boots.
    """

    def boot() -> Any:
        client = zeep.Client(f"{world.url}?wsdl", transport=PATIENT)
        return client.service.BootNotification(
            chargePointVendor="V",
            chargePointModel="M",
            _soapheaders={"ChargeBoxIdentity": "CP1"},
        )

    answer = await deferToThread(boot)
    assert (answer.status, answer.interval) == ("Accepted", 300)
    [call] = world.backend.calls
    assert call.payload == {"chargePointVendor": "V", "chargePointModel": "M"}
    assert [s.identity for s in world.router.stations()] == ["CP1"]
