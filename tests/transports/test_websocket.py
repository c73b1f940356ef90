"""
Tests for L{ocpp_tw.transports.websocket}, without sockets.
"""

from __future__ import annotations

import gc
from base64 import b64encode
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface.verify import verifyObject

from ocpp_tw.config.settings import SETTINGS
from ocpp_tw.errors import CallFailed, CallTimedOut, StationNotConnected
from ocpp_tw.interfaces import IStation
from ocpp_tw.ocpp.messages import Call, Payload
from ocpp_tw.ocpp.versions import Version
from ocpp_tw.peer import MOST_WAITING, Peer
from ocpp_tw.router import Handshake, Refused, Router
from ocpp_tw.transports.websocket import (
    StationProtocol,
    WebSocketStation,
    identify,
)

from ..frames import (
    CLOSE,
    PING,
    PONG,
    TEXT,
    Frame,
    frame,
    handshake,
    heartbeat,
    take,
)
from .world import World


class Wire:
    """
    A station's end of a connection.

    @ivar head: what the server answered the handshake with.
    """

    def __init__(
        self,
        world: World,
        path: str = "/ocpp/CP1",
        protocols: str | None = "ocpp1.6",
        early: bytes = b"",
        **headers: str,
    ) -> None:
        self.clock = world.clock
        self.transport: Any = world.connect()
        self.send(handshake(path, protocols, **headers) + early)
        head, _, rest = self.transport.value().partition(b"\r\n\r\n")
        self.head = head.decode("latin-1")
        self.received = bytearray(rest)
        self.transport.clear()

    @property
    def status(self) -> int:
        return int(self.head.split()[1])

    def send(self, *octets: bytes) -> None:
        for each in octets:
            self.transport.protocol.dataReceived(each)

    def say(self, *texts: bytes) -> None:
        self.send(*map(frame, texts))

    def frames(self) -> list[Frame]:
        """
        What has come since this was asked last.
        """
        self.clock.advance(0)
        self.received += self.transport.value()
        self.transport.clear()
        frames = []
        while (taken := take(self.received)) is not None:
            frames.append(taken)
        return frames

    def messages(self) -> list[Any]:
        return [got.json() for got in self.frames()]

    def codes(self) -> list[int | None]:
        return [got.code for got in self.frames()]

    def lose(self) -> None:
        """
        The connection is gone.
        """
        self.transport.protocol.connectionLost(Failure(ConnectionDone()))


class SlowBackend:
    """
    Answers when it is told to.

    @ivar asked: the Calls, each with the answer that is awaited.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[Call, Deferred[Payload]]] = []
        self.seen: list[tuple[str, Any]] = []

    def answer(self, station: IStation, call: Call) -> Deferred[Payload]:
        answer: Deferred[Payload] = Deferred()
        self.asked.append((call, answer))
        return answer

    def answer_next(self) -> None:
        _, answer = self.asked.pop(0)
        answer.callback({"currentTime": "2026-01-01T00:00:00Z"})

    def station_connected(self, station: IStation) -> None:
        self.seen.append(("connected", station))

    def station_disconnected(self, station: IStation) -> None:
        self.seen.append(("disconnected", station))


class WireTestCase(World):
    """
    A central system, and stations at the ends of wires.
    """

    def setUp(self) -> None:
        super().setUp()
        self.slow: Any = SlowBackend()
        self.router.use(self.slow)

    def wire(self, *args: Any, **options: Any) -> Wire:
        return Wire(self, *args, **options)

    def opened(self, *args: Any, **options: Any) -> Wire:
        wire = self.wire(*args, **options)
        self.assertEqual(wire.status, 101, wire.head)
        return wire

    @property
    def stations(self) -> list[Any]:
        return list(self.router.stations())

    def admitting(self, admit: Any) -> None:
        self.patch(self.router, "admit", admit)

    def attempt(self) -> dict[str, Any]:
        """
        The last refused handshake.
        """
        self.pump()
        [attempt, *_] = self.ask("GET", "/connectionAttempts").json()["items"]
        return dict(attempt)


class IdentityTests(WireTestCase):
    """
    Who a station says it is.
    """

    def test_forms(self) -> None:
        """
        An identity is found in every form of the path, with whatever
        characters a name may have.
        """
        account = "786cb831a5a1c5636ba10cf960717fd34c280f63"
        for path, identity, its_account in (
            ("/ocpp/CP1", "CP1", ""),
            ("/ocpp/CP1/", "CP1", ""),
            ("/OCPP/CP1", "CP1", ""),
            ("/CP1", "CP1", ""),
            ("/CP1/", "CP1", ""),
            ("/ocpp/CP1/AC0001", "CP1", "AC0001"),
            (f"/ocpp/{account}/CP1", "CP1", account),
            ("/steve/websocket/CentralSystemService/CP1", "CP1", ""),
            ("/ocpp/CP1?token=x", "CP1", ""),
            ("/ocpp/CP%201", "CP 1", ""),
            ("/ocpp/CP%2F1", "CP/1", ""),
            ("/ocpp/%2E%2E%2Fetc", "../etc", ""),
            ("/ocpp/%22CP%27;--", "\"CP';--", ""),
            ("/ocpp/%3Cscript%3E", "<script>", ""),
            ("/ocpp/%F0%9F%94%8C", "🔌", ""),
            ("/ocpp/Z%C3%BCrich", "Zürich", ""),
            ("/ocpp/a%2525", "a%25", ""),
            ("/ocpp/" + "x" * 255, "x" * 255, ""),
        ):
            wire = self.opened(path)
            [station] = self.stations
            self.assertEqual(
                (station.identity, station.account), (identity, its_account)
            )
            wire.lose()

    def test_refused(self) -> None:
        """
        A name that cannot stand in a log, or none at all, is refused, and
        the attempt is recorded with a remedy.
        """
        for path, status in (
            ("/ocpp/CP%0A1", 400),
            ("/ocpp/CP%0D%0AX-Evil:%201", 400),
            ("/ocpp/%00", 400),
            ("/ocpp/%7F", 400),
            ("/ocpp/%E2%80%A8", 400),
            ("/ocpp/CP1/%0A", 400),
            ("/ocpp/%FF", 400),
            ("/ocpp/" + "x" * 256, 400),
            ("/ocpp/", 404),
            ("/ocpp", 404),
            ("/", 404),
            ("/ocpp/a/b/c", 404),
            ("/other/CP1", 404),
        ):
            wire = self.wire(path)
            self.assertEqual(wire.status, status, path)
            self.assertNotIn("Evil", wire.head)
            self.assertTrue(wire.transport.disconnecting, path)
            attempt = self.attempt()
            self.assertEqual(attempt["status"], status)
            self.assertEqual(attempt["path"], path)
            self.assertTrue(attempt["reason"] and attempt["remedy"])
        self.assertEqual(self.stations, [])

    def test_surrogates(self) -> None:
        """
        A lone surrogate cannot be made, however it is encoded.
        """
        self.assertRaises(Refused, identify, "/ocpp/%ED%A0%80")

    def test_command(self) -> None:
        """
        A station of an odd name is commanded by its percent-encoded name.
        """
        wire = self.opened("/ocpp/%22CP%2F1%22%20%F0%9F%94%8C")
        asked = self.start(
            "POST", "/ChargePoint/%22CP%2F1%22%20%F0%9F%94%8C/ClearCache"
        )
        [[_, unique_id, action, _]] = wire.messages()
        self.assertEqual(action, "ClearCache")
        wire.say(b'[3,"%b",{"status":"Accepted"}]' % unique_id.encode())
        self.pump()
        answer = self.successResultOf(asked)
        self.assertEqual(
            (answer.status, answer.json()), (200, {"status": "Accepted"})
        )


class HandshakeTests(WireTestCase):
    """
    How a connection begins.
    """

    def test_negotiation(self) -> None:
        """
        The first registered name that the station offers wins; it is told
        which; and where it offers none it is told none.
        """
        for offered, chosen in (
            ("ocpp1.6", "ocpp1.6"),
            ("ocpp1.7, ocpp1.6", "ocpp1.6"),
            (" ocpp1.6 ,ocpp1.5", "ocpp1.6"),
            (None, None),
        ):
            wire = self.opened(protocols=offered)
            [station] = self.stations
            self.assertEqual(station.version, "1.6")
            line = f"Sec-WebSocket-Protocol: {chosen}"
            self.assertEqual(line in wire.head, chosen is not None, wire.head)
            wire.lose()

    def test_default_version(self) -> None:
        """
        A station that offers none is heard in whatever version may be
        configured for that.
        """
        kind: Any = SETTINGS["stations", "default_version"].kind
        for version in kind.words:
            self.router.default_version = Version(version)
            wire = self.opened(protocols=None)
            wire.say(heartbeat(1))
            self.slow.answer_next()
            self.assertEqual(wire.messages()[0][:2], [3, "1"], version)
            wire.lose()

    def test_nothing_in_common(self) -> None:
        """
        A station whose sub-protocols we do not speak is refused, and the
        reason says what it offered and what there is.
        """
        for offered in ("ocpp16", "OCPP1.6", "ocpp1.2", "chat, soap"):
            wire = self.wire(protocols=offered)
            self.assertEqual(wire.status, 400)
            attempt = self.attempt()
            self.assertEqual(attempt["offered"], offered)
            self.assertIn(offered.split(",")[0], attempt["reason"])
            self.assertIn("ocpp1.6", attempt["remedy"])

    def test_compression(self) -> None:
        """
        No extension is negotiated.
        """
        wire = self.opened(
            Sec_WebSocket_Extensions="permessage-deflate; "
            "client_max_window_bits"
        )
        self.assertNotIn("Extensions", wire.head)

    def test_bad_handshakes(self) -> None:
        """
        A handshake that breaks RFC 6455 is refused and recorded.
        """
        for headers in (
            {"Sec_WebSocket_Version": "12"},
            {"Sec_WebSocket_Version": "x"},
            {"Sec_WebSocket_Key": ""},
            {"Sec_WebSocket_Key": "short"},
            {"Connection": "close"},
            {"Sec_WebSocket_Protocol": "ocpp1.6,ocpp1.6"},
        ):
            wire = self.wire(**headers)
            self.assertIn(wire.status, (400, 426), wire.head)
            self.assertIn("Content-Length: 0", wire.head)
            self.assertIn("RFC 6455", self.attempt()["remedy"])

    def test_same_segment(self) -> None:
        """
        What follows the handshake in the same segment is not lost.
        """
        wire = self.opened(early=frame(heartbeat(1)) + frame(b"hi", PING))
        self.slow.answer_next()
        frames = wire.frames()
        self.assertEqual(sorted(got.opcode for got in frames), [TEXT, PONG])

    def test_never_finished(self) -> None:
        """
        Who does not finish the handshake is hung up on.
        """
        for begun in (b"", b"G", handshake("/ocpp/CP1")[:-2]):
            transport = self.connect()
            transport.protocol.dataReceived(begun)
            self.clock.pump([10] * 10)
            self.assertTrue(transport.disconnecting, begun)

    def test_our_fault(self) -> None:
        """
        An error of ours in the handshake is a 500 that tells nothing.
        """

        def admit(handshake: Handshake) -> None:
            raise ValueError("db password=secret\r\nX-Evil: 1")

        self.admitting(admit)
        wire = self.wire()
        self.assertEqual(wire.status, 500)
        for word in ("secret", "Evil", "password", "ValueError"):
            self.assertNotIn(word, wire.head)
            self.assertNotIn(word.encode(), wire.received)
        self.assertTrue(wire.transport.disconnecting)
        self.flushLoggedErrors(ValueError)
        self.assertEqual(self.attempt()["status"], 500)

    def test_header_splitting(self) -> None:
        """
        A reason stays in its line.
        """

        def admit(handshake: Handshake) -> None:
            raise Refused(403, "no\r\nX-Evil: 1\r\n\r\n<b>", "none")

        self.admitting(admit)
        wire = self.wire()
        self.assertEqual(
            wire.head.split("\r\n")[0],
            "HTTP/1.1 403 no??X-Evil: 1????<b>",
        )
        self.assertFalse(wire.received)

    def test_unauthorized(self) -> None:
        """
        Who must prove itself is told how.
        """

        def admit(handshake: Handshake) -> None:
            raise Refused(401, "wrong password", "set the right one")

        self.admitting(admit)
        head = self.wire().head.split("\r\n")
        self.assertTrue(head[0].startswith("HTTP/1.1 401 "))
        self.assertIn('WWW-Authenticate: Basic realm="ocpp"', head)
        self.assertIn("Content-Length: 0", head)
        self.assertIn("Connection: close", head)
        attempt = self.attempt()
        self.assertEqual(
            (attempt["status"], attempt["reason"], attempt["remedy"]),
            (401, "wrong password", "set the right one"),
        )

    def test_credentials(self) -> None:
        """
        User and password reach whoever admits stations, also with a colon,
        without UTF-8, or broken.
        """
        seen: list[Handshake] = []
        self.admitting(seen.append)
        for header, expected in (
            (b"CP1:secret", ("CP1", b"secret")),
            (b"CP1:a:b", ("CP1", b"a:b")),
            (b"CP1:\x00\xff\x10", ("CP1", b"\x00\xff\x10")),
            (b"CP1", ("CP1", b"")),
            (b"\xff:x", (None, None)),
        ):
            encoded = b64encode(header).decode()
            self.opened(Authorization=f"Basic {encoded}").lose()
            got = seen.pop()
            self.assertEqual((got.username, got.password), expected)
        for header in ("Basic ???", "Basic", "Bearer x", "Digest a=b"):
            self.opened(Authorization=header).lose()
            self.assertFalse(seen.pop().username)

    def test_known_only(self) -> None:
        """
        Where only registered stations may come, others are told how they
        become that.
        """
        self.router.accept = "known"
        wire = self.wire("/ocpp/New")
        self.assertEqual(wire.status, 404)
        self.assertIn("PUT /api/v1/stations/New", self.attempt()["remedy"])
        self.ask("PUT", "/stations/New", json={})
        self.opened("/ocpp/New")


class ConversationTests(WireTestCase):
    """
    What passes while a station is connected.
    """

    def test_interface(self) -> None:
        """
        A station at a WebSocket is an L{IStation}.
        """
        self.opened()
        verifyObject(IStation, self.stations[0])

    def test_our_fault(self) -> None:
        """
        An error of ours is an InternalError that tells nothing, and the
        connection lives on.
        """
        wire = self.opened()
        wire.say(heartbeat(1))
        _, answer = self.slow.asked.pop()
        answer.errback(ValueError("password=secret"))
        self.assertEqual(wire.messages(), [[4, "1", "InternalError", "", {}]])
        self.flushLoggedErrors(ValueError)
        wire.say(heartbeat(2))
        self.slow.answer_next()
        self.assertEqual(wire.messages()[0][:2], [3, "2"])

    def test_another_id(self) -> None:
        """
        An answer with another's id is noted, and not taken for ours: the
        operator gets a timeout.
        """
        wire = self.opened()
        other = self.opened("/ocpp/CP2")
        asked = self.start("POST", "/ChargePoint/CP1/ClearCache")
        other_asked = self.start("POST", "/ChargePoint/CP2/ClearCache")
        [[_, unique_id, _, _]] = wire.messages()
        [[_, other_id, _, _]] = other.messages()
        accepted = b'[3,"%b",{"status":"Accepted"}]'
        wire.say(accepted % other_id.encode(), accepted % b"zzz")
        self.pump()
        self.assertNoResult(asked)
        self.assertNoResult(other_asked)
        self.clock.advance(30)
        self.pump()
        self.assertEqual(self.successResultOf(asked).status, 504)
        # It comes too late now, and does no harm.
        wire.say(accepted % unique_id.encode(), heartbeat(1))
        self.slow.answer_next()
        self.assertEqual(wire.messages()[0][:2], [3, "1"])

    def test_garbage_for_an_answer(self) -> None:
        """
        A station that answers garbage is one that does not answer, or whose
        answer breaks the schema; others are served meanwhile.
        """
        wire = self.opened()
        asked = self.start("POST", "/ChargePoint/CP1/ClearCache?timeout=5")
        [[_, unique_id, _, _]] = wire.messages()
        number = unique_id.encode()
        wire.say(
            b"",
            b"[3]",
            b'[3,"%b"' % number,
            b'[3,"%b",[]]' % number,
            b'[3,"%b",5,6]' % number,
            b'[5,"%b",{}]' % number,
        )
        self.pump()
        self.assertNoResult(asked)
        wire.say(b'[4,"%b",5]' % number)
        self.clock.advance(5)
        self.pump()
        self.assertEqual(self.successResultOf(asked).status, 504)

    def test_deep_answer(self) -> None:
        """
        An answer that is nested too deeply is an error for the operator, and
        the connection lives on.
        """
        wire = self.opened()
        for levels in (10, 240, 300, 1000):
            asked = self.start("POST", "/ChargePoint/CP1/ClearCache")
            [[_, unique_id, _, _]] = wire.messages()
            wire.say(
                b'[3,"%b",{"status":"Accepted","x":%b%b}]'
                % (unique_id.encode(), b"[" * levels, b"]" * levels)
            )
            self.pump()
            self.clock.advance(30)
            self.pump()
            answer = self.successResultOf(asked)
            self.assertIn(answer.status, (200, 502, 504), levels)
            wire.frames()
        wire.say(heartbeat(1))
        self.slow.answer_next()
        self.assertEqual(wire.messages()[0][:2], [3, "1"])

    def test_commanded_while_answering(self) -> None:
        """
        A station is commanded while a CALL of its own is not answered.
        """
        wire = self.opened()
        wire.say(heartbeat(1))
        asked = Deferred.fromCoroutine(
            self.router.call("CP1", "ClearCache", {})
        )
        [[_, unique_id, _, _]] = wire.messages()
        wire.say(b'[3,"%b",{"status":"Accepted"}]' % unique_id.encode())
        self.assertEqual(self.successResultOf(asked), {"status": "Accepted"})
        self.slow.answer_next()
        self.assertEqual(wire.messages()[0][:2], [3, "1"])

    def test_lost_while_asked(self) -> None:
        """
        A lost connection fails those who wait for an answer, and those who
        wait for their turn.
        """
        wire = self.opened()
        asked = [
            Deferred.fromCoroutine(self.router.call("CP1", "ClearCache", {}))
            for _ in range(3)
        ]
        wire.lose()
        for each in asked:
            self.failureResultOf(each, StationNotConnected)

    def test_refused_and_late(self) -> None:
        """
        A CALLERROR is raised as that; silence as a timeout.
        """
        wire = self.opened()
        asked = [
            Deferred.fromCoroutine(self.router.call("CP1", "ClearCache", {}))
            for _ in range(2)
        ]
        [[_, unique_id, _, _]] = wire.messages()
        wire.say(b'[4,"%b","NotSupported","no",{"a":1}]' % unique_id.encode())
        error = self.failureResultOf(asked[0], CallFailed).value
        self.assertEqual(
            (error.code, error.description, error.details),
            ("NotSupported", "no", {"a": 1}),
        )
        self.clock.advance(29)
        self.assertNoResult(asked[1])
        self.clock.advance(1)
        self.failureResultOf(asked[1], CallTimedOut)

    def test_pipelined(self) -> None:
        """
        A station that asks faster than it is answered is not read for a
        while; in the end all is answered in order.
        """
        wire = self.opened()
        many = 3 * MOST_WAITING
        wire.send(b"".join(frame(heartbeat(n)) for n in range(many)))
        self.assertEqual(wire.transport.producerState, "paused")
        answered = []
        while self.slow.asked:
            self.slow.answer_next()
            answered += [m[1] for m in wire.messages()]
        self.assertEqual(answered, [str(n) for n in range(many)])
        self.assertEqual(wire.transport.producerState, "producing")

    def test_not_reading(self) -> None:
        """
        A station that does not read us is not read, until it does.
        """
        wire = self.opened()
        producer = wire.transport.producer
        producer.pauseProducing()
        self.assertEqual(wire.transport.producerState, "paused")
        producer.resumeProducing()
        self.assertEqual(wire.transport.producerState, "producing")


class GoodbyeTests(WireTestCase):
    """
    How a connection ends.
    """

    def test_codes(self) -> None:
        """
        Any close code of the standard can be sent, 1001 and 1012 among them.
        """
        for code in (1000, 1001, 1008, 1011, 1012, 1013, 4000):
            wire = self.opened()
            [station] = self.stations
            station.close(code, "goodbye")
            [got] = wire.frames()
            self.assertEqual((got.code, got.payload[2:]), (code, b"goodbye"))
            wire.send(frame(got.payload, CLOSE))
            self.assertTrue(wire.transport.disconnecting)
            wire.lose()
            self.assertEqual(self.stations, [])

    def test_long_reason(self) -> None:
        """
        A reason is cut to what a close frame has room for, at a character.
        """
        wire = self.opened()
        self.stations[0].close(1001, "ü" * 200)
        [got] = wire.frames()
        self.assertLessEqual(len(got.payload), 125)
        self.assertEqual(got.payload[2:].decode(), "ü" * 61)

    def test_after_owed_answers(self) -> None:
        """
        The answer that is owed comes before the goodbye; what waited behind
        it is not begun.
        """
        wire = self.opened()
        wire.say(heartbeat(1), heartbeat(2))
        self.stations[0].close(1001, "we stop")
        self.assertEqual(wire.frames(), [])
        self.slow.answer_next()
        answer, goodbye = wire.frames()
        self.assertEqual(answer.json()[:2], [3, "1"])
        self.assertEqual(goodbye.code, 1001)
        self.assertEqual(self.slow.asked, [])

    def test_nothing_after_goodbye(self) -> None:
        """
        After the goodbye nothing is answered, and nothing raised.
        """
        wire = self.opened()
        [station] = self.stations
        station.close(1001, "we stop")
        wire.frames()
        wire.say(heartbeat(1))
        asked = Deferred.fromCoroutine(station.call("ClearCache", {}))
        self.assertEqual(wire.frames(), [])
        self.assertEqual(self.slow.asked, [])
        wire.lose()
        self.failureResultOf(asked, StationNotConnected)

    def test_answer_after_it_has_gone(self) -> None:
        """
        An answer for a station that has gone is for nobody, and harmless.
        """
        wire = self.opened()
        wire.say(heartbeat(1), heartbeat(2))
        wire.lose()
        self.slow.answer_next()
        self.assertEqual(self.slow.asked, [])
        self.assertEqual(wire.frames(), [])

    def test_replaced(self) -> None:
        """
        The newest connection of an identity replaces the older, and the late
        end of that does not remove the newer.
        """
        old = self.opened()
        [first] = self.stations
        new = self.opened()
        [second] = self.stations
        self.assertIsNot(first, second)
        self.assertEqual(old.codes(), [1008])
        self.assertEqual(new.frames(), [])
        old.lose()
        self.assertEqual(self.stations, [second])
        self.assertTrue(self.ask("GET", "/stations/CP1").json()["connected"])
        new.say(heartbeat(1))
        self.slow.answer_next()
        self.assertEqual(new.messages()[0][:2], [3, "1"])
        self.assertEqual(
            self.slow.seen,
            [
                ("connected", first),
                ("connected", second),
                ("disconnected", first),
            ],
        )

    def test_replaced_while_owing(self) -> None:
        """
        A late answer to a replaced connection goes there, not to the newer.
        """
        old = self.opened()
        old.say(heartbeat(1))
        new = self.opened()
        self.slow.answer_next()
        self.assertEqual([got.opcode for got in old.frames()], [TEXT, CLOSE])
        self.assertEqual(new.frames(), [])

    def test_versions_belong_to_connections(self) -> None:
        """
        A station that connects without a sub-protocol after one with it is
        heard all the same.
        """
        self.opened()
        wire = self.opened(protocols=None)
        wire.say(heartbeat(1))
        self.slow.answer_next()
        self.assertEqual(wire.messages()[0][:2], [3, "1"])

    def test_reasons(self) -> None:
        """
        Why a station has gone can be read, whatever it said.
        """
        wire = self.opened()
        wire.send(frame(b"\x03\xe9reboot\n\xe2\x80\xae", CLOSE))
        wire.lose()
        known = self.ask("GET", "/stations/CP1").json()
        self.assertFalse(known["connected"])
        self.assertEqual(known["disconnectReason"], "close code 1001 reboot??")


class LifeTests(WireTestCase):
    """
    Pings, and what counts as a sign of life.
    """

    def setUp(self) -> None:
        super().setUp()
        self.station = self.opened()

    def pings(self) -> int:
        return sum(got.opcode == PING for got in self.station.frames())

    def test_silence(self) -> None:
        """
        A silent station is pinged, and dropped when it missed two pings, each
        with its own deadline.
        """
        self.clock.advance(44)
        self.assertEqual(self.pings(), 0)
        self.clock.advance(1)
        self.assertEqual(self.pings(), 1)
        self.clock.advance(20)
        self.assertEqual(self.pings(), 1)
        self.assertEqual(len(self.stations), 1)
        self.clock.advance(20)
        self.assertEqual(self.pings(), 0)
        self.assertTrue(self.station.transport.disconnected)
        self.station.lose()
        known = self.ask("GET", "/stations/CP1").json()
        self.assertEqual(known["disconnectReason"], "it did not answer pings")

    def test_pongs(self) -> None:
        """
        A station that answers pings stays for ever.
        """
        pings = 0
        for _ in range(450):
            self.clock.advance(1)
            for _ in range(self.pings()):
                pings += 1
                self.station.send(frame(b"", PONG))
        self.assertEqual(pings, 10)
        self.assertFalse(self.station.transport.disconnecting)

    def test_one_miss(self) -> None:
        """
        After one missed ping an answered one is enough.
        """
        self.clock.advance(45)
        self.clock.advance(20)
        self.assertEqual(self.pings(), 2)
        self.station.send(frame(b"", PONG))
        self.clock.advance(20)
        self.clock.advance(20)
        self.assertEqual(self.pings(), 0)
        self.assertFalse(self.station.transport.disconnecting)

    def test_late(self) -> None:
        """
        A station that answers pings stays, however late we look for that.
        """
        pings = 0
        for _ in range(20):
            self.clock.advance(50)
            for _ in range(self.pings()):
                pings += 1
                self.station.send(frame(b"", PONG))
        self.assertGreater(pings, 5)
        self.assertFalse(self.station.transport.disconnected)
        self.assertEqual(len(self.stations), 1)

    def test_any_frame_is_life(self) -> None:
        """
        Any frame of a station is a sign of life: no ping is needed.
        """
        signs = (
            frame(b"x"),
            frame(b"", PING),
            frame(b"", PONG),
            frame(b'[3,"late",{}]'),
            frame(heartbeat(1)),
            frame(b"[2,", final=False),
            frame(b'"2"', 0, final=False),
        )
        for sign in signs:
            self.clock.advance(40)
            self.assertEqual(self.pings(), 0, sign)
            self.station.send(sign)
            self.station.frames()
        self.assertFalse(self.station.transport.disconnecting)

    def test_own_interval(self) -> None:
        """
        A station may have its own interval, and 0 is none.
        """
        self.ask("PATCH", "/stations/CP1", json={"pingInterval": 0})
        self.station = self.opened()
        self.clock.pump([60] * 20)
        self.assertEqual(self.pings(), 0)
        self.assertEqual(len(self.stations), 1)
        self.ask("PATCH", "/stations/CP1", json={"pingInterval": 5})
        self.station = self.opened()
        self.clock.advance(5)
        self.assertEqual(self.pings(), 1)

    def test_nothing_is_left(self) -> None:
        """
        A connection that ended leaves nothing in the reactor.
        """
        self.station.lose()
        self.clock.advance(0)
        before = len(self.clock.getDelayedCalls())
        for _ in range(5):
            wire = self.opened("/ocpp/CP2")
            wire.say(heartbeat(1))
            self.slow.answer_next()
            wire.lose()
        self.clock.advance(0)
        self.assertEqual(len(self.clock.getDelayedCalls()), before)

    def test_nothing_is_held(self) -> None:
        """
        Nothing holds a connection that ended, however it did.
        """

        # Twisted keeps what is logged before there is a log to write to.
        self.patch(Router, "log", Logger(observer=lambda event: None))
        before = alive()
        for identity in ("CP1", "CP1", "CP2", "%0A"):
            wire = self.wire(f"/ocpp/{identity}")
            if wire.status == 101:
                wire.say(heartbeat(1))
                asked = Deferred.fromCoroutine(
                    self.router.call(identity, "ClearCache", {})
                )
                asked.addErrback(lambda f: f.trap(StationNotConnected))
            wire.lose()
        del wire, asked
        self.slow.asked.clear()
        self.slow.seen.clear()
        self.clock.pump([60] * 5)
        self.assertEqual(alive() - before, set())


def alive() -> set[Any]:
    """
    What of connections there is in memory.
    """
    gc.collect()
    return {
        each
        for each in gc.get_objects()
        if isinstance(each, StationProtocol | WebSocketStation | Peer)
    }
