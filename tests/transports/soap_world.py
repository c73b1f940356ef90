"""
A central system without sockets, and stations that post to it.
"""

from __future__ import annotations

from typing import Any

from lxml import etree
from twisted.internet.defer import Deferred
from zope.interface import implementer

from ocpp_tw.interfaces import IBackend
from ocpp_tw.ocpp.messages import Call, Payload

from .world import Answer, FakeBackend, World


ENVELOPE = "http://www.w3.org/2003/05/soap-envelope"
ADDRESSING = "http://www.w3.org/2005/08/addressing"
CS16 = "urn://Ocpp/Cs/2015/10/"
URL = "http://localhost:9220/Ocpp/CentralSystemService"
NOW = "2026-11-23T12:00:00Z"


def envelope(
    body: str = "<heartbeatRequest/>",
    header: str = "",
    identity: str = "CP1",
    namespace: str = CS16,
) -> bytes:
    """
    A message, with prefixes as stations have them.
    """
    tag = body.lstrip("<").partition("/")[0].partition(">")[0]
    body = body.replace(f"<{tag}", f'<{tag} xmlns="{namespace}"', 1)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<e:Envelope xmlns:e="{ENVELOPE}" xmlns:a="{ADDRESSING}"'
        f' xmlns:o="{namespace}"><e:Header>{header}'
        f"<o:chargeBoxIdentity>{identity}</o:chargeBoxIdentity></e:Header>"
        f"<e:Body>{body}</e:Body></e:Envelope>"
    ).encode()


def reached_at(url: str) -> str:
    """
    The header with which a station says where it is.
    """
    return f"<a:From><a:Address>{url}</a:Address></a:From>"


@implementer(IBackend)
class Backend(FakeBackend):
    """
    Answers as it was told, and remembers what it was asked.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.connected: list[str] = []
        self.answers: dict[str, Any] = {
            "Heartbeat": {"currentTime": NOW},
            "BootNotification": {
                "status": "Accepted",
                "currentTime": NOW,
                "interval": 100,
            },
        }

    def answer(self, station: Any, call: Call) -> Any:
        self.calls.append(call)
        answer = self.answers.get(call.action, {})
        if isinstance(answer, Exception):
            raise answer
        return answer

    def station_connected(self, station: Any) -> None:
        self.connected.append(f"+{station.identity} {station.version}")

    def station_disconnected(self, station: Any) -> None:
        self.connected.append(f"-{station.identity} {station.version}")


class FakeCourier:
    """
    Brings what it was told to, and remembers what was sent.
    """

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes, str, float]] = []
        self.answers: list[Any] = []
        self.status = 200

    async def post(
        self, url: str, envelope: bytes, action: str, timeout: float
    ) -> tuple[int, bytes]:
        self.sent.append((url, envelope, action, timeout))
        answer = self.answers.pop(0)
        if isinstance(answer, Deferred):
            answer = await answer
        if isinstance(answer, Exception):
            raise answer
        return self.status, answer


class SoapWorld(World):
    """
    A test that posts messages.
    """

    def setUp(self) -> None:
        super().setUp()
        self.stations_backend = Backend()
        self.router.use(self.stations_backend)
        self.courier = FakeCourier()
        self.soap = self.front._soap
        self.soap.courier = self.courier  # type: ignore[assignment]

    def post(self, data: bytes, **options: Any) -> Answer:
        """
        Post one message, and have the answer.
        """
        answer: Answer = self.successResultOf(self.begin(data, **options))
        return answer

    def begin(self, data: bytes, **options: Any) -> Deferred[Answer]:
        headers = {"Content-Type": "application/soap+xml; charset=utf-8"}
        options.setdefault("headers", headers)
        return self.start("POST", URL, data=data, **options)

    def fault(self, answer: Answer) -> tuple[int, str, str, str]:
        """
        The status, code, subcode and reason of a fault.
        """
        names = {"e": ENVELOPE}
        root = etree.fromstring(answer.body)
        fault = root.find("e:Body/e:Fault", names)
        self.assertIsNotNone(fault, answer.body)
        return (
            answer.status,
            fault.findtext("e:Code/e:Value", "", names).rpartition(":")[2],
            fault.findtext("e:Code/e:Subcode/e:Value", "", names).rpartition(
                ":"
            )[2],
            fault.findtext("e:Reason/e:Text", "", names),
        )

    def call(
        self, action: str, payload: Payload, identity: str = "CP1"
    ) -> Deferred[Payload]:
        """
        Command a station.
        """
        return Deferred.fromCoroutine(
            self.router.call(identity, action, payload)
        )
