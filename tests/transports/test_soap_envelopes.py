"""
Tests for SOAP with a backend that reads and writes envelopes itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred
from zope.interface import implementer

from ocpp_tw.errors import CallFailed, ErrorCode
from ocpp_tw.interfaces import ISeedSOAP
from ocpp_tw.ocpp.messages import Payload

from .soap_world import Backend, SoapWorld, envelope, reached_at


@implementer(ISeedSOAP)
class Writer(Backend):
    """
    Answers envelopes with what it was told, and remembers them.
    """

    wants_envelopes = True

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Any] = []
        self.reply = "<answer/>"

    async def parse_xml(self, envelope: str) -> str:
        self.asked.append(envelope)
        if not self.reply:
            raise CallFailed(ErrorCode.INTERNAL_ERROR)
        return self.reply

    async def json_to_soap(self, message: Mapping[str, Any]) -> str:
        self.asked.append(message)
        return "<command/>"

    async def soap_to_json(self, envelope: str) -> Payload:
        self.asked.append(envelope)
        return {"status": "Accepted"}


class EnvelopeTests(SoapWorld):
    """
    Envelopes pass as they are.
    """

    def setUp(self) -> None:
        super().setUp()
        self.writer = Writer()
        self.router.use(self.writer)

    def test_answer(self) -> None:
        """
        The backend gets the station's envelope, and its own is the answer.
        """
        answer = self.post(envelope())
        self.assertEqual((answer.status, answer.body), (200, b"<answer/>"))
        [asked] = self.writer.asked
        self.assertIn("heartbeatRequest", asked)
        self.assertTrue(asked.startswith("<e:Envelope"))
        self.assertEqual(self.writer.calls, [])

    def test_trouble(self) -> None:
        """
        Where it cannot, the station gets a fault.
        """
        self.writer.reply = ""
        status, code, subcode, _ = self.fault(self.post(envelope()))
        self.assertEqual(
            (status, code, subcode), (500, "Receiver", "InternalError")
        )

    def test_not_wanted(self) -> None:
        """
        A backend that could, and does not want to, is asked as others are.
        """
        self.writer.wants_envelopes = False
        answer = self.post(envelope())
        self.assertIn(b"currentTime", answer.body)
        self.assertEqual(self.writer.asked, [])

    def test_command(self) -> None:
        """
        A command is written by the backend, and the answer read by it.
        """
        self.post(envelope(header=reached_at("http://127.0.0.1:8080/")))
        self.writer.asked.clear()
        known = self.router.fleet.known("CP1")
        known.settings = evolve(known.settings, endpoint="http://cp/")
        self.courier.answers.append(b"<reply/>")
        answer = self.successResultOf(
            Deferred.fromCoroutine(
                self.router.call("CP1", "Reset", {"type": "Soft"})
            )
        )
        self.assertEqual(answer, {"status": "Accepted"})
        [(url, sent, action, _)] = self.courier.sent
        self.assertEqual(
            (url, sent, action), ("http://cp/", b"<command/>", "Reset")
        )
        message, reply = self.writer.asked
        self.assertEqual(message["header"]["To"], "http://cp/")
        self.assertEqual(message["header"]["chargeBoxIdentity"], "CP1")
        self.assertEqual(message["payload"], {"type": "Soft"})
        self.assertEqual(reply, "<reply/>")
