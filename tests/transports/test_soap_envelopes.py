"""
Tests for SOAP with a backend that reads and writes envelopes itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred
from zope.interface import implementer

from ocpp_tw.errors import BadRequest, CallFailed, ErrorCode
from ocpp_tw.interfaces import ISeedSOAP
from ocpp_tw.ocpp.messages import Payload

from .soap_world import NOW, Backend, SoapWorld, envelope, reached_at


HEARTBEAT = (
    envelope(
        f"<heartbeatResponse><currentTime>{NOW}</currentTime></heartbeatResponse>",
        header="<a:RelatesTo>urn:theirs</a:RelatesTo>",
    )
    .decode()
    .partition("\n")[2]
)
BOOT = (
    "<bootNotificationRequest>"
    "<chargePointVendor>V</chargePointVendor>"
    "<chargePointModel>M</chargePointModel>"
    "</bootNotificationRequest>"
)


def booted(status: str) -> str:
    """
    A backend's answer to a boot.
    """
    return (
        envelope(
            f"<bootNotificationResponse><status>{status}</status>"
            f"<currentTime>{NOW}</currentTime><interval>1000</interval>"
            "</bootNotificationResponse>"
        )
        .decode()
        .partition("\n")[2]
    )


FAULT = (
    "<e:Fault><e:Code><e:Value>e:{}</e:Value><e:Subcode>"
    "<e:Value>o:{}</e:Value></e:Subcode></e:Code>"
    '<e:Reason><e:Text xml:lang="en">nope</e:Text></e:Reason></e:Fault>'
)


@implementer(ISeedSOAP)
class Writer(Backend):
    """
    Answers envelopes with what it was told, and remembers them.
    """

    wants_envelopes = True

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Any] = []
        self.reply: Any = HEARTBEAT

    async def parse_xml(self, envelope: str) -> str:
        self.asked.append(envelope)
        reply = self.reply
        if isinstance(reply, Deferred):
            reply = await reply
        if not reply:
            raise CallFailed(ErrorCode.INTERNAL_ERROR)
        return str(reply)

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
        The backend gets the station's envelope, and its own is the answer,
        as it was written.
        """
        answer = self.post(envelope())
        self.assertEqual(
            (answer.status, answer.body), (200, HEARTBEAT.encode())
        )
        [asked] = self.writer.asked
        self.assertIn("heartbeatRequest", asked)
        self.assertTrue(asked.startswith("<e:Envelope"))
        self.assertEqual(self.writer.calls, [])

    def test_known(self) -> None:
        """
        What passes is known of the station as of any other: what it said,
        what it was told, and what was wrong with it.
        """
        self.writer.reply = booted("Accepted")
        self.post(envelope(BOOT.replace(">V<", f">{'V' * 21}<")))
        known = self.router.fleet.known("CP1")
        self.assertEqual(known.boot["chargePointModel"], "M")  # type: ignore[index]
        self.assertEqual(
            (known.boot_status, known.violations), ("Accepted", 1)
        )
        self.clock.advance(2999)
        self.assertEqual(len(list(self.router.stations())), 1)

    def test_registration(self) -> None:
        """
        A station that the operator does not accept is held off: its
        envelopes do not reach the backend.
        """
        self.router.fleet.change("CP1", {"registration": "Rejected"})
        answer = self.post(envelope(BOOT))
        self.assertIn(b"Rejected", answer.body)
        self.assertEqual(
            self.fault(self.post(envelope()))[:3],
            (400, "Sender", "SecurityError"),
        )
        self.assertEqual(self.writer.asked, [])

    def test_strict(self) -> None:
        """
        Where validation is strict, a message that breaks the schema does
        not reach the backend.
        """
        self.router.validation = "strict"
        answer = self.post(envelope(BOOT.replace(">V<", f">{'V' * 21}<")))
        self.assertEqual(
            self.fault(answer)[:3], (400, "Sender", "ProtocolError")
        )
        self.assertEqual(self.writer.asked, [])

    def test_faults(self) -> None:
        """
        A fault of the backend's has the status of HTTP that SOAP asks for.
        """
        for code, subcode, status in (
            ("Sender", "SecurityError", 400),
            ("Sender", "IdentityMismatch", 400),
            ("Sender", "UrlFormationError", 400),
            ("Receiver", "NotSupported", 500),
        ):
            body = FAULT.format(code, subcode)
            self.writer.reply = envelope(body).decode().partition("\n")[2]
            self.assertEqual(
                self.fault(self.post(envelope())),
                (status, code, subcode, "nope"),
            )

    def test_nonsense(self) -> None:
        """
        What is no answer to the message is not sent to the station.
        """
        for reply in ("<answer/>", "no XML", booted("Accepted")):
            self.writer.reply = reply
            self.assertEqual(
                self.fault(self.post(envelope())),
                (500, "Receiver", "InternalError", "InternalError"),
            )

    def test_owed(self) -> None:
        """
        A backend is not let go before it has answered.
        """
        self.writer.reply = Deferred()
        waiting = self.begin(envelope())
        self.assertEqual(self.router.owed, 1)
        gone = self.router.use(Backend())
        self.assertNoResult(gone)
        self.writer.reply.callback(HEARTBEAT)
        self.pump()
        self.assertEqual(self.successResultOf(waiting).status, 200)
        self.assertIs(self.successResultOf(gone), self.writer)

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

    def test_command_refused(self) -> None:
        """
        A station's fault is told as one, whoever reads its answers.
        """
        self.post(envelope(header=reached_at("http://127.0.0.1:8080/")))
        fault = envelope(FAULT.format("Receiver", "NotSupported"))
        self.courier.answers.append(fault)
        self.courier.status = 500
        failed = self.failureResultOf(self.call("ClearCache", {}), CallFailed)
        self.assertEqual(failed.value.code, "NotSupported")

    def test_not_over_soap(self) -> None:
        """
        The backend is not asked to write what the version does not have.
        """
        self.post(envelope(header=reached_at("http://127.0.0.1:8080/")))
        payload = {"requestedMessage": "SignChargePointCertificate"}
        self.failureResultOf(
            self.call("ExtendedTriggerMessage", payload), BadRequest
        )
