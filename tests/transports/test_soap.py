"""
Stations that speak SOAP, and the central system they see.
"""

from __future__ import annotations

import gzip
from base64 import b64encode
from typing import Any

from lxml import etree
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs, formatEvent

from ocpp_tw.errors import (
    BadRequest,
    CallFailed,
    CallTimedOut,
    ErrorCode,
    StationNotConnected,
    TooManyCalls,
)
from ocpp_tw.journal import known_from
from ocpp_tw.router import Refused
from ocpp_tw.transports import soap
from ocpp_tw.transports.soap_addresses import Allowed
from ocpp_tw.transports.soap_stations import (
    MOST_WAITING,
    SoapRules,
    SoapStations,
)

from .soap_world import (
    ADDRESSING,
    CS16,
    ENVELOPE,
    NOW,
    URL,
    SoapWorld,
    envelope,
    reached_at,
)


BOOT = (
    "<bootNotificationRequest>"
    "<chargePointVendor>V</chargePointVendor>"
    "<chargePointModel>M</chargePointModel>"
    "</bootNotificationRequest>"
)
CP16 = "urn://Ocpp/Cp/2015/10/"
HERE = "http://127.0.0.1:8080/cp"


def cleared(status: str = "Accepted", relates_to: str = "") -> bytes:
    """
    A station's answer to ClearCache.
    """
    header = f"<a:RelatesTo>{relates_to}</a:RelatesTo>" if relates_to else ""
    return envelope(
        f"<clearCacheResponse><status>{status}</status></clearCacheResponse>",
        header,
        namespace=CP16,
    )


class MessageTests(SoapWorld):
    def test_answer(self) -> None:
        """
        A message is answered with its element, and with the headers of
        WS-Addressing.
        """
        header = (
            "<a:ReplyTo><a:Address>urn:me</a:Address></a:ReplyTo>"
            "<a:MessageID>urn:uuid:1</a:MessageID>"
        )
        answer = self.post(envelope(header=header))
        self.assertEqual(answer.status, 200)
        self.assertEqual(
            answer.header("content-type"),
            "application/soap+xml; charset=utf-8",
        )
        root = etree.fromstring(answer.body)
        headers = {
            etree.QName(h).localname: h.text
            for h in root.find(f"{{{ENVELOPE}}}Header")
        }
        self.assertTrue(headers.pop("MessageID").startswith("urn:uuid:"))
        self.assertEqual(
            headers,
            {
                "Action": "/HeartbeatResponse",
                "To": "urn:me",
                "RelatesTo": "urn:uuid:1",
            },
        )
        [[time]] = root.find(f"{{{ENVELOPE}}}Body")
        self.assertEqual(time.tag, f"{{{CS16}}}currentTime")
        self.assertEqual(time.text, NOW)

    def test_no_addressing(self) -> None:
        """
        A message without WS-Addressing is answered all the same.
        """
        answer = self.post(envelope())
        self.assertEqual(answer.status, 200)
        self.assertNotIn(b"RelatesTo", answer.body)

    def test_older_addressing(self) -> None:
        """
        The headers are understood whatever the version of WS-Addressing.
        """
        old = envelope(header=reached_at(HERE)).replace(
            ADDRESSING.encode(),
            b"http://schemas.xmlsoap.org/ws/2004/08/addressing",
        )
        self.post(old)
        [station] = self.router.stations()
        self.assertEqual(station.endpoint.url, HERE)  # type: ignore[attr-defined]

    def test_content_types(self) -> None:
        """
        What stations write for SOAP is SOAP.
        """
        for content_type in (
            'Application/SOAP+XML;charset="UTF8";action="/Heartbeat"',
            "text/xml",
            "application/xml; charset=nonsense",
            "text/xml; charset='utf-8'",
        ):
            answer = self.post(
                envelope(), headers={"Content-Type": content_type}
            )
            self.assertEqual(answer.status, 200, content_type)
            bare = envelope().partition(b"\n")[2]
            answer = self.post(bare, headers={"Content-Type": content_type})
            self.assertEqual(answer.status, 200, content_type)

    def test_blanks(self) -> None:
        """
        Blanks before the declaration are forgiven.
        """
        self.assertEqual(self.post(b"\r\n" + envelope()).status, 200)

    def test_expect(self) -> None:
        """
        A client that asks whether it may send, and then sends in chunks, is
        answered.
        """
        message = envelope()
        transport = self.connect()
        transport.protocol.dataReceived(
            b"POST /Ocpp HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        self.assertIn(b"100 Continue", transport.value())
        transport.protocol.dataReceived(
            b"%x\r\n%b\r\n0\r\n\r\n" % (len(message), message)
        )
        self.assertIn(b"heartbeatResponse", transport.value())

    def test_charset(self) -> None:
        """
        The charset of the Content-Type is heard where the document says
        nothing, and not where it does.
        """
        boot = BOOT.replace("V<", "Ä<")
        silent = envelope(boot).decode().partition("\n")[2]
        said = envelope(boot).decode().replace("UTF-8", "iso-8859-1")
        for text in (silent, said):
            self.post(
                text.encode("latin-1"),
                headers={"Content-Type": "text/xml; charset=iso-8859-1"},
            )
        self.post(
            envelope(boot),
            headers={"Content-Type": "text/xml; charset=iso-8859-1"},
        )
        vendors = [
            call.payload["chargePointVendor"]
            for call in self.stations_backend.calls
        ]
        self.assertEqual(vendors, ["Ä"] * 3)

    def test_gzip(self) -> None:
        """
        A message may be compressed.
        """
        headers = {"Content-Type": "text/xml", "Content-Encoding": "gzip"}
        answer = self.post(gzip.compress(envelope()), headers=headers)
        self.assertEqual(answer.status, 200)

    def test_below(self) -> None:
        """
        Any path below /Ocpp will do.
        """
        for path in ("/Ocpp", "/Ocpp/", "/Ocpp/a/b%20c"):
            answer = self.successResultOf(
                self.start(
                    "POST", f"http://localhost:9220{path}", data=envelope()
                )
            )
            self.assertEqual(answer.status, 200, path)

    def test_journal(self) -> None:
        """
        What passed is kept as it was written, and what was wrong with it.
        """
        self.stations_backend.answers["Heartbeat"] = CallFailed(
            ErrorCode.NOT_SUPPORTED
        )
        sent = envelope(header="<a:MessageID>urn:x</a:MessageID>")
        answer = self.post(sent)
        boot = BOOT.replace(">V<", f">{'V' * 21}<")
        self.post(envelope(boot))
        page = self.await_(self.journal.messages(10))
        booted, beaten = page.items
        self.assertEqual(beaten["call"], sent.decode())
        self.assertEqual(beaten["messageId"], "urn:x")
        self.assertEqual(beaten["error"], "NotSupported")
        self.assertIn("Fault", beaten["reply"])
        self.assertEqual(answer.status, 500)
        self.assertEqual(booted["error"], None)
        self.assertEqual(
            [v["rule"] for v in booted["violations"]], ["maxLength"]
        )

    def await_(self, coroutine: Any) -> Any:
        awaited = Deferred.fromCoroutine(coroutine)
        for _ in range(200):
            if awaited.called:
                break
            self.pump()
        return self.successResultOf(awaited)

    def test_turns(self) -> None:
        """
        One station's messages are answered one after another, and not more
        than some wait for their turn.
        """
        first: Deferred[Any] = Deferred()
        self.stations_backend.answers["Heartbeat"] = first
        waiting = [self.begin(envelope()) for _ in range(MOST_WAITING + 1)]
        self.assertEqual(len(self.stations_backend.calls), 1)
        refused = self.fault(self.post(envelope()))
        self.assertEqual(
            refused, (503, "Receiver", "InternalError", "too busy")
        )
        self.stations_backend.answers["Heartbeat"] = {"currentTime": NOW}
        first.callback({"currentTime": NOW})
        self.pump()
        for answer in waiting:
            self.assertEqual(self.successResultOf(answer).status, 200)


class FaultTests(SoapWorld):
    def test_refusals(self) -> None:
        """
        What the backend refuses is the fault that OCPP-S has for it.
        """
        for code, expected in (
            (ErrorCode.NOT_IMPLEMENTED, (500, "Receiver", "NotSupported")),
            (ErrorCode.SECURITY_ERROR, (400, "Sender", "SecurityError")),
            (
                ErrorCode.TYPE_CONSTRAINT_VIOLATION,
                (400, "Sender", "ProtocolError"),
            ),
            (ErrorCode.GENERIC_ERROR, (500, "Receiver", "InternalError")),
        ):
            self.stations_backend.answers["Heartbeat"] = CallFailed(code, "no")
            fault = self.fault(self.post(envelope()))
            self.assertEqual(fault, (*expected, "no"))

    def test_headers(self) -> None:
        """
        A fault answers, too: it has the headers of WS-Addressing.
        """
        answer = self.post(
            envelope(
                "<fooRequest/>", header="<a:MessageID>urn:x</a:MessageID>"
            )
        )
        self.assertEqual(
            self.fault(answer)[:3], (500, "Receiver", "NotSupported")
        )
        header = etree.fromstring(answer.body)[0]
        names = {"a": ADDRESSING}
        self.assertEqual(header.findtext("a:RelatesTo", "", names), "urn:x")
        self.assertEqual(
            header.findtext("a:Action", "", names), f"{ADDRESSING}/fault"
        )

    def test_crash(self) -> None:
        """
        An error of ours tells the station nothing of our inside.
        """
        self.stations_backend.answers["Heartbeat"] = RuntimeError("password")
        answer = self.post(envelope())
        self.assertEqual(
            self.fault(answer),
            (500, "Receiver", "InternalError", "internal error"),
        )
        self.assertNotIn(b"password", answer.body)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_bug(self) -> None:
        """
        A bug of ours is logged with the name of the station; before that is
        known, with its address.
        """

        def broken(*_: Any) -> None:
            raise RuntimeError("password")

        for where, name, who in (
            (SoapStations, "station", "'CP1'"),
            (soap, "parse", "'127.0.0.1:31337'"),
        ):
            self.patch(where, name, broken)
            with capturedLogs() as logged:
                answer = self.post(envelope())
            self.assertEqual(answer.status, 500)
            self.assertNotIn(b"password", answer.body)
            [told] = [formatEvent(e) for e in logged if "log_failure" in e]
            self.assertEqual(told, f"while answering a message of {who}")
        self.flushLoggedErrors(RuntimeError)

    def test_unspeakable(self) -> None:
        """
        An answer that cannot stand in XML is an error of ours.
        """
        self.stations_backend.answers["Authorize"] = {
            "idTagInfo": {"status": "Accepted", "parentIdTag": "\x00"}
        }
        body = "<authorizeRequest><idTag>1</idTag></authorizeRequest>"
        fault = self.fault(self.post(envelope(body)))
        self.assertEqual(fault[:3], (500, "Receiver", "InternalError"))

    def test_identity(self) -> None:
        """
        Without an identity, or with two, there is nobody to answer.
        """
        for identity in (
            "",
            " ",
            "CP1</o:chargeBoxIdentity><o:chargeBoxIdentity>CP2",
        ):
            fault = self.fault(self.post(envelope(identity=identity)))
            self.assertEqual(fault[:2], (400, "Sender"))
        self.assertEqual(list(self.router.stations()), [])

    def test_hostile_identity(self) -> None:
        """
        An identity that cannot stand in a log is refused, and kept as an
        attempt.
        """
        fault = self.fault(self.post(envelope(identity="a&#10;b")))
        self.assertEqual(fault[:3], (400, "Sender", "IdentityMismatch"))
        [attempt] = self.attempts()
        self.assertEqual(attempt["status"], 400)
        self.assertIn("printable", attempt["remedy"])

    def attempts(self) -> Any:
        return self.ask("GET", "/connectionAttempts").json()["items"]

    def test_attempts(self) -> None:
        """
        A message that no station's name can be put to is kept as an
        attempt, with the reason and what to do.
        """
        self.post(b"<html>")
        self.post(envelope(identity=""))
        self.post(envelope(), headers={"Content-Type": "text/plain"})
        self.post(envelope(namespace="urn://Ocpp/Cs/2099/"))
        attempts = self.attempts()
        self.assertEqual(
            [attempt["status"] for attempt in attempts], [400, 415, 400, 400]
        )
        self.assertEqual(attempts[0]["offered"], "SOAP urn://Ocpp/Cs/2099/")
        self.assertIn("chargeBoxIdentity", attempts[0]["remedy"])
        self.assertIn("no XML", attempts[3]["reason"])

    def test_namespace(self) -> None:
        """
        A namespace that we do not know is named, with those we do.
        """
        answer = self.post(envelope(namespace="urn://Ocpp/Cs/2099/"))
        status, code, subcode, reason = self.fault(answer)
        self.assertEqual(
            (status, code, subcode), (400, "Sender", "ProtocolError")
        )
        self.assertIn(CS16, reason)

    def test_must_understand(self) -> None:
        """
        A header that must be understood, and is not, is a fault.
        """
        header = '<x:Security xmlns:x="urn:x" e:mustUnderstand="1"/>'
        fault = self.fault(self.post(envelope(header=header)))
        self.assertEqual(fault[:2], (500, "MustUnderstand"))

    def test_soap_11(self) -> None:
        """
        SOAP 1.1 is another version.
        """
        old = envelope().replace(
            ENVELOPE.encode(), b"http://schemas.xmlsoap.org/soap/envelope/"
        )
        self.assertEqual(
            self.fault(self.post(old))[:2], (500, "VersionMismatch")
        )

    def test_for_others(self) -> None:
        """
        A header that others must understand is none of our business.
        """
        header = (
            f'<x:A xmlns:x="urn:x" e:role="{ENVELOPE}/role/none" '
            'e:mustUnderstand="1"/>'
        )
        self.assertEqual(self.post(envelope(header=header)).status, 200)

    def test_malformed_address(self) -> None:
        """
        What is no URL in From is refused where validation is strict, and
        else only not used.
        """
        message = envelope(header=reached_at("10.0.0.7:8080"))
        self.assertEqual(self.post(message).status, 200)
        self.router.fleet.change("CP1", {"validation": "strict"})
        fault = self.fault(self.post(message))
        self.assertEqual(fault[:3], (400, "Sender", "UrlFormationError"))
        self.assertIn("10.0.0.7:8080", fault[3])

    def test_duplicates(self) -> None:
        """
        A member that is there twice has no meaning.
        """
        body = (
            "<authorizeRequest><idTag>1</idTag><idTag>2</idTag>"
            "</authorizeRequest>"
        )
        fault = self.fault(self.post(envelope(body)))
        self.assertEqual(fault[:3], (400, "Sender", "ProtocolError"))


class AdmissionTests(SoapWorld):
    def test_credentials(self) -> None:
        """
        Name and password reach whoever decides, with each message.
        """
        seen = []
        self.patch(self.router, "admit", seen.append)
        basic = b64encode(b"CP1:secret").decode()
        for _ in range(2):
            self.post(envelope(), headers={"Authorization": f"Basic {basic}"})
        self.assertEqual(
            [(h.identity, h.username, h.password) for h in seen],
            [("CP1", "CP1", b"secret")] * 2,
        )

    def test_certificate(self) -> None:
        """
        The certificate of a client reaches whoever decides.
        """
        seen: list[Any] = []
        self.patch(self.router, "admit", seen.append)
        transport = self.connect()
        transport.getPeerCertificate = lambda: "certificate"  # type: ignore[attr-defined]
        message = envelope()
        transport.protocol.dataReceived(
            b"POST /Ocpp HTTP/1.1\r\nHost: x\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(message), message)
        )
        self.assertIn(b"200 OK", transport.value())
        self.assertEqual([h.certificate for h in seen], ["certificate"])

    def test_refused(self) -> None:
        """
        Who may not connect gets the status and a fault, and is noted.
        """

        def admit(handshake: Any) -> None:
            raise Refused(401, "wrong password", "set AuthorizationKey")

        self.patch(self.router, "admit", admit)
        answer = self.post(envelope())
        self.assertEqual(
            self.fault(answer),
            (401, "Sender", "SecurityError", "wrong password"),
        )
        self.assertEqual(
            answer.header("www-authenticate"), 'Basic realm="ocpp"'
        )
        self.assertEqual(self.stations_backend.calls, [])
        self.assertEqual(list(self.router.stations()), [])


class ConnectionTests(SoapWorld):
    def test_silence(self) -> None:
        """
        A station is here until it was silent for three intervals.
        """
        self.post(envelope(BOOT))
        [station] = self.router.stations()
        self.assertEqual(
            (station.identity, str(station.version)), ("CP1", "1.6")
        )
        self.clock.advance(299)
        self.post(envelope())
        self.clock.advance(299)
        self.assertEqual(list(self.router.stations()), [station])
        self.clock.advance(1)
        self.clock.advance(0)
        self.assertEqual(list(self.router.stations()), [])
        self.assertEqual(
            self.stations_backend.connected, ["+CP1 1.6", "-CP1 1.6"]
        )
        self.assertEqual(
            self.router.fleet.known("CP1").disconnected_why, "it is silent"
        )
        self.assertEqual(self.clock.getDelayedCalls()[2:], [])

    def test_not_booted(self) -> None:
        """
        The interval of a station that did not boot is the configured one.
        """
        self.soap.rules = SoapRules(interval=1000.0, heartbeats=2)
        self.post(envelope())
        self.clock.advance(1999)
        self.assertEqual(len(list(self.router.stations())), 1)
        self.clock.advance(1)
        self.clock.advance(0)
        self.assertEqual(list(self.router.stations()), [])

    def test_interval_kept(self) -> None:
        """
        The interval of a station that booted before we started is known.
        """
        self.stations_backend.answers["BootNotification"]["interval"] = 5000
        self.post(envelope(BOOT))
        kept = known_from(self.router.fleet.known("CP1").as_json())
        [station] = self.router.stations()
        station.close(1001, "")  # type: ignore[attr-defined]
        self.clock.advance(0)
        self.router.fleet.add(kept)
        self.post(envelope())
        self.clock.advance(14_999)
        self.assertEqual(len(list(self.router.stations())), 1)
        self.clock.advance(1)
        self.clock.advance(0)
        self.assertEqual(list(self.router.stations()), [])

    def test_version_changes(self) -> None:
        """
        A station that speaks another version now takes its own place.
        """
        self.post(envelope())
        self.post(envelope(namespace="urn://Ocpp/Cs/2012/06/"))
        self.clock.advance(0)
        [station] = self.router.stations()
        self.assertEqual(str(station.version), "1.5")
        self.assertEqual(
            self.stations_backend.connected,
            ["+CP1 1.6", "+CP1 1.5", "-CP1 1.6"],
        )

    def test_closed(self) -> None:
        """
        A station that is let go is gone, and comes back with its next
        message.
        """
        self.post(envelope())
        [station] = self.router.stations()
        self.router.stations()
        station.close(1001, "the central system stops")  # type: ignore[attr-defined]
        self.clock.advance(0)
        self.assertEqual(list(self.router.stations()), [])
        self.post(envelope())
        self.assertEqual(len(list(self.router.stations())), 1)


class CommandTests(SoapWorld):
    def reach(self, url: str = HERE) -> None:
        self.post(envelope(header=reached_at(url)))

    def test_call(self) -> None:
        """
        A command goes to the address the station gave; its answer comes
        back.
        """
        self.reach()
        self.courier.answers = [cleared()]
        answer = self.successResultOf(self.call("ClearCache", {}))
        self.assertEqual(answer, {"status": "Accepted"})
        [(url, sent, action, timeout)] = self.courier.sent
        self.assertEqual((url, action, timeout), (HERE, "ClearCache", 30.0))
        root = etree.fromstring(sent)
        header = root.find(f"{{{ENVELOPE}}}Header")
        self.assertEqual(header[0].tag, f"{{{CP16}}}chargeBoxIdentity")
        self.assertEqual(root[1][0].tag, f"{{{CP16}}}clearCacheRequest")

    def test_turns(self) -> None:
        """
        Commands take turns, and not more than some wait.
        """
        self.reach()
        first: Deferred[Any] = Deferred()
        self.courier.answers = [first, cleared()]
        calls = [self.call("ClearCache", {}) for _ in range(2)]
        self.assertEqual(len(self.courier.sent), 1)
        first.callback(cleared("Rejected"))
        self.assertEqual(
            [self.successResultOf(c)["status"] for c in calls],
            ["Rejected", "Accepted"],
        )

    def test_too_many(self) -> None:
        """
        A station that does not answer is not asked for ever.
        """
        self.reach()
        self.courier.answers = [Deferred()]
        calls = [self.call("ClearCache", {}) for _ in range(101)]
        self.failureResultOf(self.call("ClearCache", {}), TooManyCalls)
        for waiting in calls[1:]:
            waiting.cancel()
            waiting.addErrback(lambda _: None)

    def test_timeout(self) -> None:
        """
        Who does not answer in time is noted; the next command is sent.
        """
        self.reach()
        self.courier.answers = [CallTimedOut("no answer"), cleared()]
        self.failureResultOf(self.call("ClearCache", {}), CallTimedOut)
        self.successResultOf(self.call("ClearCache", {}))
        self.assertEqual(self.router.fleet.known("CP1").unanswered, 1)

    def test_fault(self) -> None:
        """
        A fault is a CallError.
        """
        self.reach()
        fault = (
            "<e:Fault><e:Code><e:Value>e:Receiver</e:Value><e:Subcode>"
            "<e:Value>o:NotSupported</e:Value></e:Subcode></e:Code>"
            '<e:Reason><e:Text xml:lang="en">nope</e:Text></e:Reason>'
            "</e:Fault>"
        )
        self.courier.answers = [envelope(fault, namespace=CP16)]
        failed = self.failureResultOf(self.call("ClearCache", {}), CallFailed)
        self.assertEqual(failed.value.code, "NotSupported")
        self.assertEqual(failed.value.description, "nope")

    def test_nonsense(self) -> None:
        """
        An answer that is none fails the command.
        """
        self.reach()
        for nonsense in (
            b"",
            b"<html>",
            envelope(namespace=CP16),
            cleared(relates_to="urn:other"),
        ):
            self.courier.answers = [nonsense]
            self.failureResultOf(self.call("ClearCache", {}), CallFailed)

    def test_unknown_address(self) -> None:
        """
        A station that never said where it is cannot be commanded, until an
        operator does.
        """
        self.post(envelope())
        failed = self.failureResultOf(
            self.call("ClearCache", {}), StationNotConnected
        )
        self.assertIn("an operator can set", str(failed.value))
        self.router.fleet.change("CP1", {"endpoint": "http://10.0.0.9/cp"})
        self.courier.answers = [cleared()]
        self.successResultOf(self.call("ClearCache", {}))
        self.assertEqual(self.courier.sent[0][0], "http://10.0.0.9/cp")

    def test_not_allowed(self) -> None:
        """
        An address that the operator does not allow is not used.
        """
        for url in (
            "http://169.254.169.254/latest/meta-data/",
            "http://localhost:6379/",
            "http://127.0.0.1@evil.example/",
            "file:///etc/passwd",
            "http://0x7f.1/",
            "http://[::1]/",
            "http://sender/",
        ):
            self.reach(url)
            failed = self.failureResultOf(
                self.call("ClearCache", {}), StationNotConnected
            )
            self.assertIn("cannot be commanded", str(failed.value))
        self.assertEqual(self.courier.sent, [])

    def test_nobody(self) -> None:
        """
        An anonymous address is no address: the station stays where it was.
        """
        self.reach()
        for url in (f"{ADDRESSING}/anonymous", f"{ADDRESSING}/none", " "):
            self.reach(url)
        self.courier.answers = [cleared()]
        self.successResultOf(self.call("ClearCache", {}))
        self.assertEqual(self.courier.sent[0][0], HERE)
        shown = self.ask("GET", "/stations/CP1").json()
        self.assertEqual(
            (shown["protocol"], shown["reachedAt"]), ("SOAP", HERE)
        )

    def test_moved(self) -> None:
        """
        A new address is used from then on, and logged.
        """
        self.reach()
        with capturedLogs() as said:
            self.reach("http://127.0.0.1:9999/")
        self.assertIn(
            ("http://127.0.0.1:9999/", HERE),
            [(event.get("new"), event.get("old")) for event in said],
        )

    def test_allowed(self) -> None:
        """
        What the operator allows is used: networks, and names of hosts.
        """
        self.soap.rules = SoapRules(
            Allowed.read(["10.0.0.0/8", "*.stations.example"])
        )
        for url in ("http://10.1.2.3/", "https://CP1.stations.example:8443/"):
            self.reach(url)
            self.courier.answers = [cleared()]
            self.successResultOf(self.call("ClearCache", {}))
        self.reach("http://127.0.0.1/")
        self.failureResultOf(self.call("ClearCache", {}), StationNotConnected)

    def test_address_stays(self) -> None:
        """
        A message without an address leaves the station where it was.
        """
        self.reach()
        self.post(envelope())
        self.courier.answers = [cleared()]
        self.successResultOf(self.call("ClearCache", {}))

    def test_not_over_soap(self) -> None:
        """
        The security extension is not spoken over SOAP.
        """
        self.reach()
        payload = {"requestedMessage": "SignChargePointCertificate"}
        failed = self.failureResultOf(
            self.call("ExtendedTriggerMessage", payload), BadRequest
        )
        self.assertIn("over SOAP", str(failed.value))

    def test_not_in_version(self) -> None:
        """
        A member that the version does not have is refused, not lost.
        """
        self.post(
            envelope(
                header=reached_at(HERE), namespace="urn://Ocpp/Cs/2012/06/"
            )
        )
        payload = {
            "idTag": "1",
            "chargingProfile": {},
        }
        failed = self.failureResultOf(
            self.call("RemoteStartTransaction", payload), BadRequest
        )
        self.assertIn("chargingProfile", str(failed.value))

    def test_interval(self) -> None:
        """
        A station that takes a new interval is waited for that long.
        """
        self.reach()
        [station] = self.router.stations()
        self.courier.answers = [
            cleared().replace(b"clearCache", b"changeConfiguration")
        ]
        payload = {"key": "HeartBeatInterval", "value": "1000"}
        self.successResultOf(self.call("ChangeConfiguration", payload))
        self.post(envelope())
        self.clock.advance(1500)
        self.assertEqual(list(self.router.stations()), [station])


class DefinitionTests(SoapWorld):
    def get(self, query: str) -> Any:
        return self.successResultOf(self.start("GET", f"{URL}{query}"))

    def test_wsdl(self) -> None:
        """
        The definition says where it is served, in each version.
        """
        for query, namespace in (
            ("?wsdl", CS16),
            ("?WSDL", CS16),
            ("?wsdl=1.5", "urn://Ocpp/Cs/2012/06/"),
            ("?wsdl=1.2", "urn://Ocpp/Cs/2010/08/"),
        ):
            answer = self.get(query)
            self.assertEqual(answer.status, 200)
            root = etree.fromstring(answer.body)
            self.assertEqual(root.get("targetNamespace"), namespace)
            [address] = root.iter(
                "{http://schemas.xmlsoap.org/wsdl/soap12/}address"
            )
            self.assertEqual(address.get("location"), URL)

    def test_others(self) -> None:
        """
        There is nothing else to get.
        """
        self.assertEqual(self.get("?wsdl=2.0.1").status, 404)
        answer = self.get("")
        self.assertEqual(
            (answer.status, answer.header("allow")), (405, "GET, POST")
        )
