"""
Errors, and those who try to cause them.
"""

from __future__ import annotations

import inspect
import json
from typing import Any
from urllib.parse import quote

import orjson
from attrs import evolve
from hypothesis import HealthCheck, given, settings, strategies as st

from ocpp_tw import errors
from ocpp_tw.config import API, Server
from ocpp_tw.errors import OCPPError
from ocpp_tw.transports.rest.errors import OUR_FAULT, STATUS, status_of
from ocpp_tw.transports.site import LONGEST_BODY

from .world import World


class ErrorTests(World):
    """
    The one table of errors.
    """

    def test_every_error_has_a_status(self) -> None:
        """
        No error that this package raises is without a status of its own.
        """
        ours = {
            value
            for value in vars(errors).values()
            if inspect.isclass(value) and issubclass(value, OCPPError)
        }
        self.assertEqual(ours, set(STATUS))

    def test_children(self) -> None:
        """
        A child of an error has the status of its parent.
        """

        class Closed(errors.Conflict):
            pass

        self.assertEqual(status_of(Closed("x")), 409)
        self.assertEqual(status_of(KeyError("x")), 500)

    def test_each_status(self) -> None:
        """
        Each error is answered with its status, in one shape.
        """
        for kind, status in STATUS.items():
            self.backend.broken = kind("because")
            answer = self.ask("GET", "/transactions")
            self.assertEqual(answer.status, status)
            said = OUR_FAULT if status == 500 else "because"
            self.assertIn(said, answer.message)
        self.flushLoggedErrors()

    def test_our_fault(self) -> None:
        """
        A bug of ours is logged, and nothing of it is told.
        """
        self.backend.broken = RuntimeError("SELECT secret")
        answer = self.ask("GET", "/transactions")
        self.assertEqual(answer.status, 500)
        self.assertEqual(answer.message, OUR_FAULT)
        self.assertNotIn(b"secret", answer.body)
        [logged] = self.flushLoggedErrors(RuntimeError)
        self.assertIn("secret", str(logged.value))

    def test_unknown_path(self) -> None:
        """
        What there is not is not found, in JSON.
        """
        for path in (
            "/nothing",
            "/stations/a/b/c",
            "/transactions/7/other",
            "http://localhost/api",
            "http://localhost/api/",
            "http://localhost/api/v2/ping",
        ):
            answer = self.ask("GET", path)
            self.assertEqual(answer.status, 404, path)
            answer.message  # noqa: B018

    def test_wrong_method(self) -> None:
        """
        A method that a path has not is refused, and the answer names those
        that it has.
        """
        for method, path, allowed in (
            ("DELETE", "/stations", "GET, HEAD"),
            ("POST", "/stations/CP1", "DELETE, GET, HEAD, PATCH, PUT"),
            ("GET", "/calls", "POST"),
            ("PUT", "/ping", "GET, HEAD, POST"),
        ):
            answer = self.ask(method, path)
            self.assertEqual(answer.status, 405, path)
            self.assertEqual(answer.header("Allow"), allowed)
            answer.message  # noqa: B018

    def test_unheard_of_method(self) -> None:
        """
        A method that nobody has is refused just so.
        """
        for method in ("TRACE", "BREW", "CONNECT", "G-T"):
            answer = self.ask(method, "/ping")
            self.assertEqual(answer.status, 405, method)

    def test_head(self) -> None:
        """
        HEAD is GET without the body.
        """
        answer = self.ask("HEAD", "/time")
        self.assertEqual((answer.status, answer.body), (200, b""))


class BodyTests(World):
    """
    Bodies that make no sense.
    """

    def put(self, body: bytes, **headers: str) -> tuple[int, str]:
        answer = self.ask("PUT", "/stations/CP1", data=body, headers=headers)
        self.assertNotEqual(answer.status, 200, body[:50])
        return answer.status, answer.message

    def test_no_json(self) -> None:
        """
        What is no JSON is refused with the place where it breaks.
        """
        status, message = self.put(b'{"note": }')
        self.assertEqual(status, 400)
        self.assertIn("line 1 column 10", message)

    def test_other_json(self) -> None:
        """
        JSON that is no object is refused.
        """
        for body in (
            b"[]",
            b"1",
            b"null",
            b'"x"',
            b'{"note": NaN}',
            b'{"a":1}{',
            b"\xff",
            b'{"\xff": 1}',
            b'{"a": "\\ud800"}',
            b"\x00",
            b'\xef\xbb\xbf{"colour": 1}',
        ):
            status, _ = self.put(body)
            self.assertEqual(status, 400, body)

    def test_deep(self) -> None:
        """
        What is nested too deeply is refused, and reaches nobody.
        """
        station = self.station("CP1")
        for depth in (252, 500, 100_000):
            body = b'{"a":' * depth + b"1" + b"}" * depth
            status, _ = self.put(body)
            self.assertEqual(status, 400, depth)
            answer = self.ask("POST", "/ChargePoint/CP1/Reset", data=body)
            self.assertEqual(answer.status, 400, depth)
        self.assertEqual(station.asked, [])

    def test_deep_in_a_form(self) -> None:
        """
        The same in a member of a form.
        """
        station = self.station("CP1")
        for depth in (100, 300, 5000):
            text = '{"a":' * depth + "1" + "}" * depth
            answer = self.ask(
                "POST",
                "/ChargePoint/CP1/SetChargingProfile",
                data={"connectorId": "1", "csChargingProfiles": text},
            )
            self.assertEqual(answer.status, 400, depth)
        self.assertEqual(station.asked, [])

    def test_long(self) -> None:
        """
        A body that is too long is refused, also by whom it is read.
        """
        status, message = self.put(b" " * (LONGEST_BODY + 1))
        self.assertEqual(status, 413)
        self.assertIn(str(LONGEST_BODY), message)


class LongBodyTests(World):
    """
    Bodies that are not even read.
    """

    def test_announced(self) -> None:
        """
        A body announced as too long is refused before it comes.
        """
        transport = self.connect()
        transport.protocol.dataReceived(
            b"PUT /api/v1/stations/CP1 HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Length: %d\r\n\r\n" % (LONGEST_BODY + 1)
        )
        head, _, body = transport.value().partition(b"\r\n\r\n")
        self.assertIn(b" 413 ", head.splitlines()[0])
        self.assertEqual(orjson.loads(body)["error"]["code"], 413)
        self.assertTrue(transport.disconnecting)

    def test_in_chunks(self) -> None:
        """
        A body that turns out too long is refused where it is too long, once,
        and what came of it is not used.
        """
        transport = self.connect()
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        transport.protocol.dataReceived(
            b"PUT /api/v1/stations/CP1 HTTP/1.1\r\nHost: localhost\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n" + chunk * 20
        )
        self.assertTrue(transport.disconnecting)
        transport.protocol.dataReceived(chunk + b"0\r\n\r\n")
        self.assertEqual(transport.value().count(b"HTTP/1.1 "), 1)
        self.assertIn(b" 413 ", transport.value())
        self.assertEqual(len(self.journal.fleet), 0)

    def test_as_long_as_may_be(self) -> None:
        """
        A body of just the length that we take is taken.
        """
        transport = self.connect()
        transport.protocol.dataReceived(
            b"PUT /api/v1/stations/CP1 HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Length: %d\r\n\r\n"
            % LONGEST_BODY
            + b"{}".ljust(LONGEST_BODY)
        )
        self.assertIn(b"HTTP/1.1 200 ", transport.value())

    def test_other_names(self) -> None:
        """
        No server name or version is told, and browsers are told to be
        careful, on every path.
        """
        for path in (
            b"/",
            b"/api/v1/ping",
            b"/api/v1/no",
            b"/no",
            b"/healthz",
        ):
            head, _ = self.raw(
                b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
            )
            self.assertNotIn(b"Server:", head)
            self.assertIn(b"X-Content-Type-Options: nosniff", head)
            self.assertIn(b"Content-Security-Policy: ", head)
            self.assertIn(b"Referrer-Policy: no-referrer", head)
            self.assertNotIn(b"Access-Control", head)


class BrowserTests(World):
    """
    Browsers that obey somebody else's page.
    """

    def setUp(self) -> None:
        super().setUp()
        self.one = self.station("CP1")

    def command(self, **headers: str) -> int:
        names = {k.replace("_", "-"): v for k, v in headers.items()}
        return self.ask(
            "POST", "/ChargePoint/CP1/ClearCache", headers=names
        ).status

    def test_other_origins(self) -> None:
        """
        A page of another origin commands no station.
        """
        for origin in (
            "http://evil.example",
            "http://localhost",
            "http://localhost:9221",
            "http://localhost:9220.evil.example",
            "null",
            "",
            "http://[",
        ):
            self.assertEqual(self.command(Origin=origin), 403, origin)
        self.assertEqual(self.command(Sec_Fetch_Site="cross-site"), 403)
        self.assertEqual(self.one.asked, [])

    def test_own_origin(self) -> None:
        """
        A page of ours, and whoever is no page, may.
        """
        for headers in (
            {},
            {"Origin": "http://localhost:9220"},
            {"Origin": "https://LOCALHOST:9220"},
            {"Sec_Fetch_Site": "same-origin"},
            {"Sec_Fetch_Site": "none"},
        ):
            self.assertEqual(self.command(**headers), 200, headers)

    def test_reading(self) -> None:
        """
        Reading needs no origin; the browser shows the other page nothing,
        for no answer allows it to.
        """
        answer = self.ask(
            "GET", "/stations", headers={"Origin": "http://evil.example"}
        )
        self.assertEqual(answer.status, 200)
        self.assertIsNone(answer.header("Access-Control-Allow-Origin"))

    def status_as(self, host: str) -> int:
        return self.ask("GET", "/stations", headers={"Host": host}).status

    def test_rebound_name(self) -> None:
        """
        On loopback we hear only those who call us by an address, localhost,
        or the name of a site.
        """
        sites = {"cs.example": "/", "other.example:81": "/"}
        self.front.prepare(evolve(self.config, sites=sites))()
        for host in (
            "localhost",
            "localhost:9220",
            "LocalHost:1",
            "127.0.0.1:9220",
            "[::1]:9220",
            "192.168.0.1",
            "cs.example",
            "cs.example:9220",
            "other.example:81",
        ):
            self.assertEqual(self.status_as(host), 200, host)
        for host in (
            "evil.example",
            "other.example",
            "localhost.evil.example",
        ):
            self.assertEqual(self.status_as(host), 403, host)
        for host in ("a b", "a,b", "[::1", "ä", "a:b", "x" * 300, "a/b"):
            self.assertEqual(self.status_as(host), 400, host)

    def test_any_name_elsewhere(self) -> None:
        """
        Where others may reach us they may call us as they like.
        """
        server = Server(listen="0.0.0.0")
        self.front.prepare(evolve(self.config, server=server))()
        self.assertEqual(self.status_as("cs.example:9220"), 200)
        self.assertEqual(self.status_as("x" * 64 + ".example"), 400)


#: Every route, with whatever stands for a name in it, and some that are none.
_ROUTES = [
    "GET /ping",
    "POST /time",
    "POST /ChargePointList",
    "POST /CentralSystem/TransactionList",
    "GET /CentralSystem/ReservationList",
    "POST /ChargePoint/CP1/DataTransfer",
    "POST /ChargePoint/CP1/ReserveNow",
    "POST /ChargePoint/{}/{}",
    "GET /stations",
    "GET /stations/{}",
    "PUT /stations/{}",
    "PATCH /stations/{}",
    "DELETE /stations/{}",
    "POST /stations/CP1/calls",
    "GET /stations/{}/messages",
    "POST /calls",
    "GET /messages",
    "GET /connectionAttempts",
    "GET /server",
    "GET /transactions",
    "GET /transactions/{}",
    "GET /transactions/{}/meterValues",
    "POST /transactions/{}/close",
    "GET /reservations",
    "GET /reservations/{}",
    "GET /idTags",
    "GET /idTags/{}",
    "PUT /idTags/{}",
    "DELETE /idTags/{}",
    "GET /chargingProfiles",
    "HEAD /{}",
    "PUT /{}/{}",
    "PATCH //{}/",
]

_NAMES = st.one_of(
    st.sampled_from(["CP1", "7", "..", "", "Reset"]),
    st.text(max_size=8),
).map(lambda name: quote(name, safe=""))

_ASKED = st.tuples(st.sampled_from(_ROUTES), _NAMES, _NAMES).map(
    lambda drawn: drawn[0].format(*drawn[1:]).split(" ", 1)
)

_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("action", "payload", "identities", "note", "type"),
                    *("identity", "status", "reason", "vendorId", "data"),
                    *("registration", "validation", "pingInterval", "idTag"),
                ]
            )
            | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)

_COMMANDS = st.fixed_dictionaries(
    {"action": st.sampled_from(["Reset", "DataTransfer", "ClearCache"])},
    optional={
        "payload": st.sampled_from([{}, {"type": "Soft"}]) | _JSON,
        "identities": st.sampled_from(["all", ["CP1", "CP2"]]) | _JSON,
    },
)

_BODIES = st.one_of(
    st.binary(max_size=40),
    st.just(b""),
    _COMMANDS.map(lambda value: json.dumps(value).encode()),
    _JSON.map(lambda value: json.dumps(value).encode()),
)


class FuzzTests(World):
    """
    Anything at all.
    """

    @settings(
        max_examples=300,
        deadline=None,
        suppress_health_check=[HealthCheck.differing_executors],
    )
    @given(
        asked=_ASKED,
        query=st.dictionaries(
            st.sampled_from(
                [
                    *("limit", "cursor", "from", "to", "timeout", "key"),
                    *("errors", "connected", "status", "q", "identity"),
                ]
            )
            | st.text(max_size=3),
            st.sampled_from(["1", "2.5", "true", "2025-01-01"])
            | st.text(max_size=6),
            max_size=2,
        ),
        body=_BODIES,
        kind=st.sampled_from(
            [
                "application/json",
                "application/x-www-form-urlencoded",
                "text/csv",
            ]
        ),
    )
    def test_never_a_500(
        self,
        asked: list[str],
        query: dict[str, str],
        body: bytes,
        kind: str,
    ) -> None:
        """
        Whatever is asked, the answer is not that we are broken.
        """
        method, path = asked
        if "CP1" not in self.journal.fleet:
            self.station("CP1")
        answer = self.ask(
            method,
            path,
            params=query,
            data=body,
            headers={"Content-Type": kind, "Accept": "text/csv"},
        )
        self.assertNotEqual(answer.status, 500, answer.body)
        if answer.status >= 400 and method != "HEAD":
            answer.message  # noqa: B018
        self.assertEqual(self.flushLoggedErrors(), [])


class SlowTests(World):
    """
    Clients that take their time.
    """

    def trickle(self, request: bytes, seconds: float) -> bool:
        """
        Send an octet a second.

        @return: whether the connection is still there then.
        """
        transport: Any = self.connect()
        for number in range(int(seconds)):
            octet = request[number : number + 1] or b"x"
            transport.protocol.dataReceived(octet)
            self.clock.advance(1)
        return not (transport.disconnecting or transport.disconnected)

    def test_trickle(self) -> None:
        """
        The time for a request is for the whole of it, however little comes
        at a time: in its first line, in its head, in its body.
        """
        timeout = self.config.server.timeout
        head = b"POST /api/v1/ping HTTP/1.1\r\nHost: localhost\r\n"
        self.assertTrue(self.trickle(b"GET /", timeout - 1))
        self.assertFalse(self.trickle(b"GET /", timeout + 1))
        for start in (head, head + b"Content-Length: 999\r\n\r\n"):
            transport: Any = self.connect()
            transport.protocol.dataReceived(start)
            for _ in range(int(timeout) + 1):
                transport.protocol.dataReceived(b"x")
                self.clock.advance(1)
            self.assertTrue(transport.disconnecting, start)

    def test_next_request(self) -> None:
        """
        The next request on a connection has the whole time again.
        """
        transport: Any = self.connect()
        request = b"GET /api/v1/ping HTTP/1.1\r\nHost: localhost\r\n\r\n"
        for number in range(3):
            self.clock.advance(self.config.server.timeout - 1)
            transport.protocol.dataReceived(request)
            self.clock.advance(0)
            self.assertEqual(transport.value().count(b"200 OK"), number + 1)


class HeaderTests(World):
    """
    Headers whose octets are no UTF-8.
    """

    api = API(cors=("http://cs.example.com",))

    #: Every header that anybody here reads, and one that nobody does.
    HEADERS = (
        *("Host", "Upgrade", "Authorization", "Cookie", "Content-Type"),
        *("Origin", "Access-Control-Request-Method", "Sec-Fetch-Site"),
        *("Sec-Fetch-Mode", "X-CSRF-Token", "Last-Event-ID", "Accept"),
        *("Accept-Encoding", "Accept-Language", "If-None-Match", "Range"),
        *("If-Modified-Since", "X-Forwarded-For", "X-Forwarded-Proto"),
        *("X-Forwarded-Host", "Referer", "User-Agent", "Content-Encoding"),
        *("SOAPAction", "Sec-WebSocket-Protocol", "Sec-WebSocket-Key"),
        "X-Other",
    )

    REQUESTS = (
        *("GET /", "GET /docs", "GET /readyz", "GET /metrics"),
        *("GET /api/v1/stations", "GET /api/v1/events", "GET /api/v1/nope"),
        *("OPTIONS /api/v1/stations", "POST /api/v1/ChargePoint/CP1/Reset"),
        *("POST /api/v1/session", "DELETE /api/v1/session"),
        *("GET /api/v1/session", "POST /api/v1/time"),
        *("GET /Ocpp?wsdl", "POST /Ocpp", "GET /ocpp/CP1"),
    )

    def test_harmless(self) -> None:
        """
        They are as any other that means nothing: no request fails by them,
        and nothing is logged.
        """
        self.front.proxies.use(Server(proxies=("10.0.0.1",)).proxies, False)
        for request in self.REQUESTS:
            for name in self.HEADERS:
                for value in (b"\xff", b"Basic \xe4, text/\xfc;q=\xff"):
                    status = self.status(request, name, value)
                    self.assertIn(status // 100, (2, 3, 4), (request, name))
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_nobody_gets_in(self) -> None:
        """
        Who is not to come in does not by such a header.
        """
        path = "POST /api/v1/time"
        self.assertEqual(self.status(path, "X-Other", b"x"), 200)
        for name, status in (("Host", 400), ("Origin", 403)):
            self.assertEqual(self.status(path, name, b"\xff"), status, name)
