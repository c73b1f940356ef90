"""
Tests for L{ocpp_tw.backends.webhook}, with a real web server on loopback.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import orjson
from attrs import asdict, evolve
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.internet.defer import (
    Deferred,
    DeferredList,
    fail,
    gatherResults,
    maybeDeferred,
)
from twisted.internet.error import DNSLookupError
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import Certificate, PrivateCertificate
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import URI

from ocpp_tw.backends.embedded import make_backend as make_embedded
from ocpp_tw.backends.webhook import WebhookBackend, client, make_backend
from ocpp_tw.backends.webhook.client import LONGEST_REPLY
from ocpp_tw.config import Webhook
from ocpp_tw.errors import BadConfig, CallFailed, NotKept
from ocpp_tw.ocpp.messages import Call
from ocpp_tw.testing import BackendContract, FakeCentralSystem, FakeStation

from ..endpoint import CUT, Endpoint, Reply, Seen, silence
from ..waiting import reactor, wait, wait_until


DOCUMENT = Path(__file__).parents[2] / "docs" / "integrate-webhook.md"
BOOTED = {
    "status": "Accepted",
    "interval": 600,
    "currentTime": "2024-10-22T23:08:58.205Z",
}
BOOT = Call(
    "25cf07c9ae20a0566d1043587b5790a6",
    "BootNotification",
    {
        "firmwareVersion": "1.0.0.1",
        "chargePointModel": "CP_EM",
        "chargePointVendor": "Apostol",
        "chargePointSerialNumber": "202206040001",
    },
)
STATION = FakeStation("EM-A0000001", account="AC0001")


def as_documented(seen: Seen) -> dict[str, Any]:
    """
    A reply as the document shows it.
    """
    asked = seen.json
    return {
        "identity": asked["identity"],
        "uniqueId": asked["uniqueId"],
        "action": asked["action"],
        "payload": BOOTED,
    }


class WebhookTestCase(SynchronousTestCase):
    """
    A web server, and backends that post to it.
    """

    def setUp(self) -> None:
        self.endpoint = Endpoint(as_documented)
        self.endpoint.listen()
        self.addCleanup(self.endpoint.close)
        self.asked: list[Any] = []

    def make_backend(self, **members: Any) -> WebhookBackend:
        self.central_system = FakeCentralSystem()
        url = f"http://127.0.0.1:{self.endpoint.port}/api/v1/ocpp"
        given = asdict(evolve(Webhook(url=url), **members))
        backend = make_backend(given, self.central_system, reactor())
        answer = backend.answer

        def noted(station: Any, call: Call) -> Any:
            self.asked.append(answer(station, call))
            return self.asked[-1]

        self.patch(backend, "answer", noted)
        return backend

    def wait(self, answer: Awaitable[Any]) -> Any:
        return wait(answer) if not isinstance(answer, dict) else answer

    def settle(self) -> None:
        wait(DeferredList(self.asked))
        # Their callbacks are done when the reactor turns.
        wait(deferLater(reactor(), 0))

    def started(self, **members: Any) -> WebhookBackend:
        backend = self.make_backend(**members)
        backend.startService()
        self.addCleanup(lambda: wait(maybeDeferred(backend.stopService)))
        return backend

    def ask(self, call: Call = BOOT, **members: Any) -> Any:
        return wait(self.started(**members).answer(STATION, call))

    def refusal(self, call: Call = BOOT, **members: Any) -> CallFailed:
        return self.assertRaises(CallFailed, self.ask, call, **members)

    def logged_refusal(self, **members: Any) -> str:
        """
        The log of a Call that was answered with InternalError.
        """
        logged: list[dict[str, Any]] = []
        backend = self.started(**members)
        backend.log = type(backend.log)(observer=logged.append)
        refused = self.assertRaises(
            CallFailed, wait, backend.answer(STATION, BOOT)
        )
        self.assertEqual(refused.code, "InternalError")
        self.assertEqual(refused.description, "not answered; try again")
        self.assertEqual(sum(backend.unanswered.values()), 1)
        [event] = logged
        self.assertIs(event["station"], STATION)
        return str(event["reason"])


class ContractTests(WebhookTestCase, BackendContract):
    """
    With a web server that keeps what every backend promises, so does this.
    """

    def setUp(self) -> None:
        super().setUp()
        self.logic = make_embedded({}, FakeCentralSystem(), reactor())
        self.logic.startService()
        self.addCleanup(lambda: wait(maybeDeferred(self.logic.stopService)))
        self.endpoint.answer = self.by_the_rules

    def by_the_rules(self, seen: Seen) -> Deferred[Any]:
        asked = seen.json
        station = FakeStation(asked["identity"], account=asked["account"])
        call = Call(asked["uniqueId"], asked["action"], asked["payload"])
        answer = maybeDeferred(self.logic.answer, station, call)
        return answer.addCallbacks(
            lambda payload: {"payload": payload},
            lambda failure: {
                "messageTypeId": "CallError",
                "errorCode": failure.value.code,
            },
        )

    ask = BackendContract.ask
    started = BackendContract.started


class RequestTests(WebhookTestCase):
    """
    What is posted.
    """

    def test_as_documented(self) -> None:
        """
        The five members stand first, as they always did; then ours.
        """
        self.assertEqual(self.ask(), BOOTED)
        [seen] = self.endpoint.seen
        self.assertEqual(seen.path, "/api/v1/ocpp")
        self.assertEqual(seen.headers["content-type"], "application/json")
        self.assertEqual(
            list(seen.json.items())[:5],
            [
                ("identity", "EM-A0000001"),
                ("uniqueId", BOOT.unique_id),
                ("action", "BootNotification"),
                ("payload", BOOT.payload),
                ("account", "AC0001"),
            ],
        )
        self.assertEqual(seen.json["version"], "1.6")
        self.assertRegex(seen.json["timestamp"], r"^\d{4}-.*T.*Z$")
        self.assertNotIn("authorization", seen.headers)
        self.assertNotIn("x-ocpp-signature", seen.headers)

    def test_monsters(self) -> None:
        """
        Numbers of any size and lists of any depth are posted, the latter as
        far as anybody means it.
        """
        deep: Any = 1
        for _ in range(1000):
            deep = [deep]
        payload = {"vendorId": "V", "large": 2**70, "deep": deep}
        self.assertEqual(self.ask(Call("1", "DataTransfer", payload)), BOOTED)
        [seen] = self.endpoint.seen
        self.assertIn(b'"large": 1180591620717411303424', seen.body)
        self.assertIn(b'[[["..."]]]', seen.body)

    def test_account_is_always_there(self) -> None:
        """
        Who has no account has an empty one.
        """
        wait(self.started().answer(FakeStation(), BOOT))
        self.assertEqual(self.endpoint.seen[0].json["account"], "")

    def test_basic(self) -> None:
        """
        Basic sends name and password, spelled in any case.
        """
        self.ask(authorization="bAsIc", username="ocpp", password="pä:ss")
        self.assertEqual(
            self.endpoint.seen[0].headers["authorization"],
            "Basic b2NwcDpww6Q6c3M=",
        )

    def test_bearer(self) -> None:
        """
        Bearer sends the token.
        """
        self.ask(authorization="BEARER", token="t0k3n")
        self.assertEqual(
            self.endpoint.seen[0].headers["authorization"], "Bearer t0k3n"
        )

    def test_idempotency_key(self) -> None:
        """
        The message id is the idempotency key; no message id smuggles in a
        header.
        """
        self.ask()
        self.ask(Call("7\r\nX-Evil: ä", "Heartbeat", {}))
        first, second = self.endpoint.seen
        self.assertEqual(first.headers["idempotency-key"], BOOT.unique_id)
        self.assertNotIn("x-evil", second.headers)
        self.assertEqual(second.json["uniqueId"], "7\r\nX-Evil: ä")

    def test_signature(self) -> None:
        """
        The signature is HMAC-SHA256 of the time, a dot and the body.
        """
        self.ask(secret="s3cret")
        [seen] = self.endpoint.seen
        time = seen.headers["x-ocpp-timestamp"]
        signed = time.encode() + b"." + seen.body
        digest = hmac.new(b"s3cret", signed, hashlib.sha256).hexdigest()
        self.assertEqual(seen.headers["x-ocpp-signature"], f"sha256={digest}")

    def test_documented_verification(self) -> None:
        """
        The example of the document accepts what we sign, and nothing else.
        """
        source = re.search(
            r"```python\n(.*?def is_genuine.*?)```",
            DOCUMENT.read_text(),
            re.DOTALL,
        )
        assert source is not None
        names: dict[str, Any] = {}
        exec(source[1], names)
        is_genuine = names["is_genuine"]
        self.ask(secret="s3cret")
        [seen] = self.endpoint.seen
        self.assertTrue(is_genuine(b"s3cret", seen.headers, seen.body))
        self.assertFalse(is_genuine(b"other", seen.headers, seen.body))
        self.assertFalse(is_genuine(b"s3cret", seen.headers, seen.body + b" "))
        self.assertFalse(is_genuine(b"s3cret", {}, seen.body))
        old = {**seen.headers, "x-ocpp-timestamp": "1000000000"}
        self.assertFalse(is_genuine(b"s3cret", old, seen.body))


class ReplyTests(WebhookTestCase):
    """
    What is understood.
    """

    def reply(self, reply: Any) -> None:
        self.endpoint.answer = lambda seen: reply

    def test_results(self) -> None:
        """
        A result is a result, however it says so.
        """
        for kind in (
            {},
            {"messageTypeId": "CallResult"},
            {"messageTypeId": 3},
        ):
            self.reply({"payload": BOOTED, **kind})
            self.assertEqual(self.ask(), BOOTED)

    def test_any_success(self) -> None:
        """
        Any status of success is one.
        """
        body = orjson.dumps({"payload": {}})
        for status in (200, 201, 202, 226):
            self.reply(Reply(status, body))
            self.assertEqual(self.ask(), {})

    def test_errors(self) -> None:
        """
        An error is an error, with its code, description and details.
        """
        for kind in ("CallError", 4):
            self.reply(
                {
                    "messageTypeId": kind,
                    "errorCode": "SecurityError",
                    "errorDescription": "go away",
                    "errorDetails": {"a": 1},
                }
            )
            refused = self.refusal()
            self.assertEqual(refused.code, "SecurityError")
            self.assertEqual(refused.description, "go away")
            self.assertEqual(refused.details, {"a": 1})

    def test_errors_are_kept_within_the_standard(self) -> None:
        """
        A code that is none becomes InternalError; what is too long is cut;
        details that are no object are left out.
        """
        self.reply(
            {
                "messageTypeId": "CallError",
                "errorCode": "no such code!",
                "errorDescription": "x" * 1000,
                "errorDetails": "boom",
            }
        )
        refused = self.refusal()
        self.assertEqual(refused.code, "InternalError")
        self.assertEqual(len(refused.description), 255)
        self.assertEqual(refused.details, {})

    def test_senseless(self) -> None:
        """
        What is no answer is InternalError, without what the server said.
        """
        for body in (
            b"<html>Traceback: password=secret</html>",
            b"",
            b"[]",
            b"null",
            b'{"payload": []}',
            b'{"messageTypeId": "Call", "payload": {}}',
            b'{"messageTypeId": {}, "payload": {}}',
            b'{"identity": "EM-A0000001"}',
            b'{"payload": {"a": "\xff"}}',
        ):
            self.reply(Reply(200, body))
            refused = self.refusal()
            self.assertEqual(refused.code, "InternalError")
            self.assertEqual(refused.description, "not answered; try again")
            self.assertEqual(refused.details, {})

    def test_too_long(self) -> None:
        """
        A reply without an end is not read.
        """
        self.reply(Reply(200, b" " * (LONGEST_REPLY + 1)))
        self.assertIn("too long", self.logged_refusal())

    def test_refused(self) -> None:
        """
        A status that is no success is InternalError, and is asked once; the
        log says which.
        """
        for status in (302, 400, 401, 404, 500, 504):
            self.endpoint.seen.clear()
            self.reply(Reply(status, b"secret"))
            self.assertIn(f"status {status}", self.logged_refusal())
            self.assertEqual(len(self.endpoint.seen), 1)

    def test_counted(self) -> None:
        """
        What is not answered is counted by reason, of which there are few.
        """
        backend = self.started(timeout=0.3)
        for reply, times in (
            (Reply(500), 2),
            (Reply(503), 1),
            (Reply(200, b"x"), 1),
            ({"messageTypeId": "a", "payload": {}}, 1),
            ({"messageTypeId": "b", "payload": {}}, 1),
        ):
            self.reply(reply)
            for _ in range(times):
                refused = backend.answer(STATION, BOOT)
                self.assertRaises(CallFailed, wait, refused)
        figures = {f.labels["reason"]: f.value for f in backend.figures()}
        counts = {"status 500": 2, "status 503": 1, "no answer": 3}
        self.assertEqual(figures, counts)


class TroubleTests(WebhookTestCase):
    """
    Servers that do not answer, or not yet.
    """

    def test_silence(self) -> None:
        """
        A server that says nothing is not waited for longer than it may take,
        and is not asked twice.
        """
        self.endpoint.answer = silence
        self.assertIn(
            "no reply within 0.2 s", self.logged_refusal(timeout=0.2)
        )
        self.assertEqual(len(self.endpoint.seen), 1)

    def test_nobody_there(self) -> None:
        """
        Where nobody listens, we try again for as long as there is time.
        """
        self.endpoint.close()
        self.addCleanup(self.endpoint.listen)
        reason = self.logged_refusal(timeout=0.5)
        self.assertIn("ConnectionRefusedError", reason)

    def test_back_in_time(self) -> None:
        """
        A server that comes back in time answers, and no station notices.
        """
        port = self.endpoint.port
        self.endpoint.close()
        answer = self.started().answer(STATION, BOOT)
        wait(deferLater(reactor(), 0.15))
        self.endpoint.listen(port=port)
        self.assertEqual(wait(answer), BOOTED)

    def test_not_now(self) -> None:
        """
        502 and 503 are asked again with the same key; then it is answered.
        """
        replies = iter([Reply(503), Reply(502)])
        self.endpoint.answer = lambda seen: next(replies, as_documented(seen))
        self.assertEqual(self.ask(), BOOTED)
        keys = {s.headers["idempotency-key"] for s in self.endpoint.seen}
        self.assertEqual(len(self.endpoint.seen), 3)
        self.assertEqual(keys, {BOOT.unique_id})

    def test_cut_off(self) -> None:
        """
        What the server may have read is not sent again.
        """
        self.endpoint.answer = lambda seen: CUT
        self.logged_refusal()
        self.assertEqual(len(self.endpoint.seen), 1)

    def test_connections_are_kept(self) -> None:
        """
        One connection serves one Call after another.
        """
        backend = self.started()
        for _ in range(5):
            wait(backend.answer(STATION, BOOT))
        self.assertEqual(self.endpoint.connections, 1)

    def test_connections_are_bounded(self) -> None:
        """
        Many stations share few connections, and all are answered.
        """
        under_way: list[int] = [0, 0]

        def slowly(seen: Seen) -> Deferred[Any]:
            under_way[0] += 1
            under_way[1] = max(under_way)
            return deferLater(reactor(), 0.01, done, seen)

        def done(seen: Seen) -> Any:
            under_way[0] -= 1
            return as_documented(seen)

        self.endpoint.answer = slowly
        backend = self.started(connections=4)
        stations = [FakeStation(f"CP{n}") for n in range(50)]
        wait(gatherResults([backend.answer(s, BOOT) for s in stations]))
        self.assertEqual(under_way[1], 4)
        self.assertLessEqual(self.endpoint.connections, 5)


class Scripted(Protocol):
    """
    A web server that answers each request with the same octets, and hangs up
    after it if it is told to.
    """

    def connectionMade(self) -> None:
        self.factory.open.append(self)
        self.factory.opened += 1

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.factory.open.remove(self)

    def dataReceived(self, data: bytes) -> None:
        # Our requests are short: each comes at once.
        for part in self.factory.script:
            self.transport.write(part)
        if self.factory.hangs_up:
            self.transport.loseConnection()


class WireTests(WebhookTestCase):
    """
    What HTTP/1.1 allows a server, and what it does not.
    """

    PAYLOAD = b'{"payload": {"a": 1}}'
    WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n" + PAYLOAD

    def setUp(self) -> None:
        super().setUp()
        self.server: Any = Factory.forProtocol(Scripted)
        self.server.open, self.server.opened = [], 0
        port = reactor().listenTCP(0, self.server, interface="127.0.0.1")
        self.addCleanup(lambda: wait(maybeDeferred(port.stopListening)))
        self.url = f"http://127.0.0.1:{port.getHost().port}/"

    def script(self, *parts: bytes, hangs_up: bool = False) -> None:
        self.server.script, self.server.hangs_up = parts, hangs_up

    def ask_twice(self) -> int:
        """
        How many connections that took.
        """
        backend = self.started(url=self.url)
        before = self.server.opened
        for _ in range(2):
            self.assertEqual(wait(backend.answer(STATION, BOOT)), {"a": 1})
        return int(self.server.opened - before)

    def test_kept(self) -> None:
        """
        A whole reply leaves the connection as it was: with a length, in
        chunks, in pieces, or after an announcement.
        """
        chunks = (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"5\r\n" + self.PAYLOAD[:5] + b"\r\n10;x=y\r\n"
        )
        end = self.PAYLOAD[5:] + b"\r\n0\r\nTrailer: x\r\n\r\n"
        for script in (
            [self.WHOLE],
            [chunks + end],
            [self.WHOLE[n : n + 1] for n in range(len(self.WHOLE))],
            [b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n", self.WHOLE],
        ):
            self.script(*script)
            self.assertEqual(self.ask_twice(), 1)

    def test_not_kept(self) -> None:
        """
        A connection is not used again where the server says so, where its
        end is the end of the reply, and where more came than was asked for.
        """
        close = self.WHOLE.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
        old = self.WHOLE.replace(b"1.1", b"1.0")
        for script in (close, old, self.WHOLE * 2, self.WHOLE + b"HTTP"):
            self.script(script)
            self.assertEqual(self.ask_twice(), 2)
        self.script(b"HTTP/1.1 200 OK\r\n\r\n" + self.PAYLOAD, hangs_up=True)
        self.assertEqual(self.ask_twice(), 2)

    def test_no_reply(self) -> None:
        """
        What is no reply, or not all of it, is no answer; it is not sent
        again.
        """
        head = b"HTTP/1.1 200 OK\r\n"
        for script, reason in (
            (b"SSH-2.0-OpenSSH_9.2\r\n", "no reply of HTTP/1.1"),
            (head + b"Content-Length: x\r\n\r\n", "no reply of HTTP/1.1"),
            (
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n"
                b"Connection: upgrade\r\n\r\n",
                "no reply of HTTP/1.1",
            ),
            (head + b"X: y\r\n" * (LONGEST_REPLY // 6 + 1), "too long"),
            (b"", "cut off"),
            (head, "cut off"),
            (self.WHOLE[:-1], "cut off"),
            (head + b"Transfer-Encoding: chunked\r\n\r\n5\r\n", "cut off"),
        ):
            self.script(script, hangs_up=True)
            before = self.server.opened
            self.assertIn(reason, self.logged_refusal(url=self.url))
            self.assertEqual(self.server.opened - before, 1)

    def test_unused(self) -> None:
        """
        A connection that nobody uses is closed.
        """
        self.patch(client, "IDLE", 0.05)
        self.script(self.WHOLE)
        self.ask(url=self.url)
        wait_until(lambda: not self.server.open)

    def test_unused_too_long(self) -> None:
        """
        A connection that was not used for long is not used again, even if
        there was no time to close it.
        """
        self.patch(client, "IDLE", 0)
        self.script(self.WHOLE)
        self.assertEqual(self.ask_twice(), 2)

    def test_server_hung_up(self) -> None:
        """
        A kept connection that the server has closed is no trouble.
        """
        self.script(self.WHOLE)
        backend = self.started(url=self.url)
        wait(backend.answer(STATION, BOOT))
        self.server.open[0].transport.loseConnection()
        wait_until(lambda: not self.server.open)
        self.assertEqual(wait(backend.answer(STATION, BOOT)), {"a": 1})

    def test_name_not_found(self) -> None:
        """
        Where the name of the server is not known, nothing was sent.
        """

        class Nowhere:
            def connect(self, factory: Any) -> Deferred[Any]:
                return fail(DNSLookupError("no such host"))

        url = URI.fromBytes(b"http://nowhere.test/")
        nowhere: Any = Nowhere()
        asked = client.Client(nowhere, url, {}, reactor()).post(b"", {})
        error = self.assertRaises(client.NotSent, wait, asked)
        self.assertIn("no such host", str(error))


class Authority:
    """
    Signs certificates for 127.0.0.1, as PEM files in a folder.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name.from_rfc4514_string(f"CN={name}")
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(_pem(self._made(self._name, self._key, True)))

    def sign(self, name: str) -> tuple[Path, Path]:
        """
        The files of a certificate and its key.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name.from_rfc4514_string(f"CN={name}")
        certificate = self._folder / f"{name}.pem"
        certificate.write_bytes(_pem(self._made(subject, key, False)))
        key_file = self._folder / f"{name}.key"
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return certificate, key_file

    def _made(self, subject: Any, key: Any, is_ca: bool) -> Any:
        now = datetime.now(UTC)
        address = x509.IPAddress(ip_address("127.0.0.1"))
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(is_ca, None), True)
            .add_extension(x509.SubjectAlternativeName([address]), False)
            .sign(self._key, hashes.SHA256())
        )


def _pem(certificate: Any) -> bytes:
    pem: bytes = certificate.public_bytes(serialization.Encoding.PEM)
    return pem


class TLSTests(WebhookTestCase):
    """
    HTTPS, on any port.
    """

    def setUp(self) -> None:
        super().setUp()
        self.authority = Authority(Path.cwd(), "authority")
        certificate, key = self.authority.sign("server")
        self.theirs = PrivateCertificate.loadPEM(
            key.read_text() + certificate.read_text()
        )

    def listen(self, *authorities: Certificate) -> str:
        secure = Endpoint(as_documented)
        secure.listen(self.theirs.options(*authorities))
        self.addCleanup(secure.close)
        self.secure = secure
        return f"https://127.0.0.1:{secure.port}/x"

    def test_verified(self) -> None:
        """
        A server whose certificate our authority signed is asked.
        """
        url = self.listen()
        self.assertEqual(
            self.ask(url=url, ca=str(self.authority.file)), BOOTED
        )

    def test_stranger(self) -> None:
        """
        A server whose certificate nobody we know signed is told nothing.
        """
        reason = self.logged_refusal(url=self.listen())
        self.assertIn("certificate verify failed", reason)
        self.assertEqual(self.secure.seen, [])

    def test_client_certificate(self) -> None:
        """
        A server that wants to see our certificate sees it.
        """
        ours, key = self.authority.sign("us")
        authority = Certificate.loadPEM(self.authority.file.read_bytes())
        url = self.listen(authority)
        ca = str(self.authority.file)
        self.logged_refusal(url=url, ca=ca)
        answer = self.ask(url=url, ca=ca, certificate=str(ours), key=str(key))
        self.assertEqual(answer, BOOTED)

    def test_bad_files(self) -> None:
        """
        Files that cannot be used are named before anything starts.
        """
        ours, _ = self.authority.sign("us")
        Path("empty").write_text("")
        for wrong in (
            {"ca": "missing"},
            {"ca": "empty"},
            {"certificate": str(ours)},
            {"certificate": str(ours), "key": "empty"},
        ):
            error = self.assertRaises(
                BadConfig, self.make_backend, **{"url": "https://x/", **wrong}
            )
            self.assertIn("[webhook]", str(error))


class EventTests(WebhookTestCase):
    """
    What is told beside Calls.
    """

    events = ("connected", "disconnected", "answered", "violations")

    def setUp(self) -> None:
        super().setUp()
        self.endpoint.answer = lambda seen: {}

    def start(self, **members: Any) -> WebhookBackend:
        given = {"events": self.events, "outbox": "outbox.sqlite3", **members}
        return self.started(**given)

    def told(self, count: int) -> list[Any]:
        wait_until(lambda: len(self.endpoint.seen) >= count)
        return [seen.json for seen in self.endpoint.seen]

    def page(self, backend: WebhookBackend, **filters: str) -> Any:
        return wait(backend.outbox(100, **filters)).items

    def test_off(self) -> None:
        """
        Unless switched on, nothing is told, and there is no file.
        """
        backend = self.started(outbox="outbox.sqlite3")
        backend.station_connected(STATION)
        wait(deferLater(reactor(), 0.1))
        self.assertEqual(self.endpoint.seen, [])
        self.assertFalse(Path("outbox.sqlite3").exists())
        self.assertRaises(NotKept, wait, backend.outbox(100))

    def test_each(self) -> None:
        """
        Each event is told, a station's in order, with an id of its own.
        """
        backend = self.start()
        backend.station_connected(STATION)
        backend.violations_seen(STATION, BOOT, [])
        backend.command_answered(
            STATION, "Reset", {"type": "Soft"}, {"status": "Accepted"}
        )
        backend.command_refused(
            STATION,
            "Reset",
            {"type": "Hard"},
            CallFailed("NotSupported", "no"),
        )
        backend.station_disconnected(STATION)
        told = self.told(5)
        self.assertEqual(
            [event["event"] for event in told],
            ["connected", "violations", *["answered"] * 2, "disconnected"],
        )
        self.assertEqual(len({event["eventId"] for event in told}), 5)
        self.assertEqual(told[0]["identity"], "EM-A0000001")
        self.assertEqual(told[0]["account"], "AC0001")
        self.assertEqual(told[2]["answer"], {"status": "Accepted"})
        self.assertEqual(told[3]["payload"], {"type": "Hard"})
        self.assertEqual(
            told[3]["error"],
            {
                "errorCode": "NotSupported",
                "errorDescription": "no",
                "errorDetails": {},
            },
        )
        wait_until(lambda: not self.page(backend))

    def test_replaced(self) -> None:
        """
        A station that came anew before its old connection was gone is not
        told as gone.
        """
        backend = self.start()
        old, new = FakeStation(), FakeStation()
        backend.station_connected(old)
        self.central_system.connected.append(new)
        backend.station_connected(new)
        backend.station_disconnected(old)
        self.central_system.connected.clear()
        backend.station_disconnected(new)
        told = [event["event"] for event in self.told(3)]
        self.assertEqual(told, ["connected", "connected", "disconnected"])
        wait_until(lambda: not self.page(backend))
        self.assertEqual(len(self.endpoint.seen), 3)

    def test_elsewhere(self) -> None:
        """
        Events may go to another URL than Calls.
        """
        url = f"http://127.0.0.1:{self.endpoint.port}/events"
        self.start(events_url=url).station_connected(STATION)
        self.told(1)
        self.assertEqual(self.endpoint.seen[0].path, "/events")

    def test_kept_until_told(self) -> None:
        """
        What cannot be told is told after a restart; until then it is shown,
        with the reason.
        """
        self.endpoint.answer = lambda seen: Reply(500)
        backend = self.make_backend(events=self.events, outbox="kept.sqlite3")
        backend.startService()
        backend.station_connected(STATION)
        self.told(1)
        [item] = wait_until(
            lambda: [i for i in self.page(backend) if i["attempts"]]
        )
        self.assertEqual(item["state"], "waiting")
        self.assertEqual(item["reason"], "status 500")
        self.assertEqual(item["body"]["event"], "connected")
        wait(maybeDeferred(backend.stopService))
        self.endpoint.answer = lambda seen: {}
        again = self.start(outbox="kept.sqlite3")
        wait_until(lambda: not self.page(again))
        first, last = self.endpoint.seen[0], self.endpoint.seen[-1]
        self.assertEqual(first.json["eventId"], last.json["eventId"])

    def test_dead_letters(self) -> None:
        """
        What is refused for good is a dead letter; it does not hold up what
        follows, and can be sent again.
        """
        self.endpoint.answer = lambda seen: (
            Reply(422) if seen.json["event"] == "connected" else {}
        )
        backend = self.start()
        backend.station_connected(STATION)
        backend.station_disconnected(STATION)
        self.told(2)
        [dead] = wait_until(lambda: self.page(backend, state="dead"))
        self.assertEqual(dead["reason"], "status 422")
        self.assertEqual(dead["event"], "connected")
        self.flushLoggedErrors()
        self.endpoint.answer = lambda seen: {}
        wait(backend.redeliver(dead["id"]))
        wait_until(lambda: not self.page(backend))

    def test_one_does_not_wait_for_another(self) -> None:
        """
        A station whose event is not taken holds up its own events alone.
        """
        self.endpoint.answer = lambda seen: (
            Reply(500) if seen.json["identity"] == "CP1" else {}
        )
        backend = self.start()
        for name in ("CP1", "CP2"):
            backend.station_connected(FakeStation(name))
            backend.station_disconnected(FakeStation(name))
        wait_until(lambda: len(self.page(backend)) == 2)
        left = {item["identity"] for item in self.page(backend)}
        self.assertEqual(left, {"CP1"})

    def test_bounded(self) -> None:
        """
        Where too many wait, the newest are lost, and counted.
        """
        from ocpp_tw.backends.webhook import outbox

        self.patch(outbox, "MOST", 3)
        self.endpoint.answer = silence
        backend = self.start()
        for _ in range(5):
            backend.station_connected(STATION)
        self.assertEqual(len(self.page(backend)), 3)
        kept = backend._outbox
        assert kept is not None
        self.assertEqual(kept.dropped, 2)
        figures = {f.name: f.value for f in backend.figures()}
        self.assertEqual(figures["cs_outbox_waiting"], 3)
        self.assertEqual(figures["cs_outbox_lost"], 2)

    def test_several(self) -> None:
        """
        Of several that leave events in one outbox, one tells them, each once;
        when it ends, another does.
        """
        backend = self.make_backend(events=self.events, outbox="one.sqlite3")
        backend.startService()
        other = self.start(outbox="one.sqlite3")
        told = 0
        for _ in range(20):
            backend.station_connected(STATION)
            other.station_disconnected(STATION)
            told += 2
            wait_until(lambda: not self.page(other))
        wait(maybeDeferred(backend.stopService))
        other.station_connected(STATION)
        self.told(told + 1)
        wait_until(lambda: not self.page(other))
        keys = [seen.json["eventId"] for seen in self.endpoint.seen]
        self.assertEqual(len(keys), told + 1)
        self.assertEqual(len(set(keys)), told + 1)

    def test_pages(self) -> None:
        """
        The list comes in pages, newest first.
        """
        self.endpoint.answer = silence
        backend = self.start()
        for number in range(5):
            backend.station_connected(FakeStation(f"CP{number}"))
        first = wait(backend.outbox(3))
        second = wait(backend.outbox(3, first.next))
        shown = [i["identity"] for i in (*first.items, *second.items)]
        self.assertEqual(shown, ["CP4", "CP3", "CP2", "CP1", "CP0"])
        self.assertIsNone(second.next)
