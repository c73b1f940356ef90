"""
The REST API over sockets, asked by an HTTP client of others: every call by
every role, and those who would be somebody else.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import socket
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar
from urllib.parse import quote

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
)
from jwt.algorithms import RSAAlgorithm

from .operated import PASSWORD, ROLES, Operated
from .process import PATIENCE
from .transports.test_rest_calls import Example, examples


ISSUER = "https://id.example.com"
SECRET = "0123456789abcdef0123456789abcdef"


class CallTests(Operated):
    """
    C{docs/rest-calls.md}, as it is, at a central system as it is.
    """

    def path(self, row: Example) -> str:
        """
        The path of an example, with the ids that things have here.
        """
        path = row.path.replace("KEY", self.made)
        path = path.replace(
            "/transactions/7", f"/transactions/{self.station.transaction}"
        )
        return path.replace("/reservations/7", "/reservations/1")

    def test_examples(self) -> None:
        """
        Each does what it says, one after the other, for the least role that
        may make it; the backend in use has no outbox, and says so.
        """
        self.made = ""
        for row in examples():
            who = row.role if row.role != "public" else "viewer"
            options: dict[str, Any] = {}
            if row.path == "/session/password":
                options["auth"] = ("ada", PASSWORD)
                who = ""
            if row.body:
                options["data"] = row.body
                options["headers"] = {"Content-Type": "application/json"}
            path = self.path(row)
            if path.startswith("/events"):
                self.check_events(path)
                continue
            answer = self.ask(row.method, path, who, **options)
            expected = 501 if path.startswith("/outbox") else row.status
            said = row, answer.text[:300]
            self.assertEqual(answer.status_code, expected, said)
            if (row.method, path) == ("POST", "/keys"):
                self.made = answer.json()["id"]
        self.assertNotIn("Traceback", self.central.log)

    def check_events(self, path: str) -> None:
        """
        The stream begins, and has no end.
        """
        answer = self.ask("GET", path, "viewer", stream=True)
        self.addCleanup(answer.close)
        self.assertEqual(answer.status_code, 200)
        self.assertEqual(answer.headers["Content-Type"], "text/event-stream")
        self.assertEqual(next(answer.iter_lines()), b"retry: 2000")


class RoleTests(Operated):
    """
    Each call, by each role.
    """

    def test_every_route(self) -> None:
        """
        Whoever has no credentials gets nothing but what is public; who has
        not the role for a call may not make it, and who has it may.
        """
        ranks = ("", *ROLES)
        for path, method, needed in self.calls():
            for role in ranks:
                answer = self.ask(method, path, role)
                what = method, path, role, answer.text[:200]
                may = needed == "public" or (
                    role and ranks.index(role) >= ranks.index(needed)
                )
                if may:
                    self.assertNotIn(answer.status_code, (401, 403), what)
                else:
                    expected = 403 if role else 401
                    self.assertEqual(answer.status_code, expected, what)

    def calls(self) -> Iterator[tuple[str, str, str]]:
        """
        Path, method and least role of each; not of those that have no end,
        or that say who one is.
        """
        _, described = self.central.http("GET", "/docs/openapi.json")
        for path, methods in described["paths"].items():
            if path not in ("/events", "/session"):
                for method, operation in methods.items():
                    filled = re.sub(r"\{\w+\}", "CP1", path)
                    yield filled, method.upper(), operation["x-role"]

    def test_events(self) -> None:
        """
        Whoever has no credentials may not watch.
        """
        self.assertEqual(self.ask("GET", "/events", "").status_code, 401)

    def test_key_for_one_station(self) -> None:
        """
        A key for one station opens what is about it, and nothing else,
        however the path is written.
        """
        made = self.ask(
            "POST",
            "/keys",
            json={"name": "k", "role": "admin", "identities": ["CP1"]},
        ).json()
        headers = {"Authorization": f"Bearer {made['key']}"}
        for path, status in (
            ("/stations/CP1", 200),
            ("/stations/%43P1", 200),
            ("//stations///CP1/", 200),
            ("/stations/CP2", 403),
            ("/stations/CP1%2F..%2FCP2", 403),
            ("/stations/CP1/../CP2", 404),
            ("/stations/CP1%00", 403),
            ("/stations", 403),
            ("/messages?identity=CP1", 403),
            ("/users", 403),
            ("/audit", 403),
        ):
            got = self.raw(
                f"GET /api/v1{path} HTTP/1.1\r\nHost: localhost\r\n"
                f"Authorization: {headers['Authorization']}\r\n"
                "Connection: close\r\n\r\n"
            )
            self.assertIn(f" {status} ".encode(), got.splitlines()[0], path)

    def raw(self, request: str) -> bytes:
        return raw(self.central.port, request.encode())


def raw(port: int, request: bytes) -> bytes:
    """
    All that comes back for these octets, until the server closes.
    """
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
        client.sendall(request)
        parts = []
        while part := client.recv(65536):
            parts.append(part)
    return b"".join(parts)


class SessionTests(Operated):
    """
    Browsers.
    """

    def log_in(self, name: str = "operator", **more: Any) -> Any:
        body = {"username": name, "password": PASSWORD}
        answer = self.ask("POST", "/session", "", json=body, **more)
        self.assertEqual(answer.status_code, 200, answer.text)
        return answer

    def change(self, cookies: Any, **headers: str) -> int:
        answer = self.ask(
            "PUT",
            "/idTags/B2",
            "",
            json={"status": "Accepted"},
            cookies=cookies,
            headers=headers,
        )
        return int(answer.status_code)

    def test_csrf(self) -> None:
        """
        A cookie alone changes nothing: the page has to send the token of
        this very session, and no page of another origin may.
        """
        mine, other = self.log_in(), self.log_in()
        token = mine.json()["csrfToken"]
        for given, status in (
            ("", 403),
            ("x", 403),
            (other.json()["csrfToken"], 403),
            (token, 200),
        ):
            headers = {"X-CSRF-Token": given} if given else {}
            self.assertEqual(
                self.change(mine.cookies, **headers), status, given
            )
        for name, value in (
            ("Origin", "https://evil.example"),
            ("Origin", "null"),
            ("Sec-Fetch-Site", "cross-site"),
        ):
            more = {"X-CSRF-Token": token, name: value}
            self.assertEqual(self.change(mine.cookies, **more), 403, value)

    def test_cookie(self) -> None:
        """
        Scripts do not see the cookie, and other sites cannot send it.
        """
        flags = self.log_in().headers["Set-Cookie"].split("; ")
        self.assertLessEqual({"HttpOnly", "SameSite=Strict"}, {*flags})

    def test_fixation(self) -> None:
        """
        A session that somebody else made up is none, and a log-in never goes
        on with one that is there.
        """
        planted = {"cs_session": "known"}
        answer = self.ask("GET", "/stations", "", cookies=planted)
        self.assertEqual(answer.status_code, 401)
        before = self.log_in("viewer").cookies
        after = self.log_in("admin", cookies=before).cookies
        self.assertNotEqual(before["cs_session"], after["cs_session"])
        shown = self.ask("GET", "/session", "", cookies=before).json()
        self.assertEqual(shown["role"], "viewer")

    def test_log_out(self) -> None:
        """
        After logging out the cookie is worth nothing, also after a restart.
        """
        mine = self.log_in()
        token = mine.json()["csrfToken"]
        answer = self.ask(
            "DELETE",
            "/session",
            "",
            cookies=mine.cookies,
            headers={"X-CSRF-Token": token},
        )
        self.assertEqual(answer.status_code, 204)
        kept = json.loads((self.central.folder / "users.json").read_text())
        self.assertEqual(len(kept["ended"]), 1)
        answer = self.ask("GET", "/stations", "", cookies=mine.cookies)
        self.assertEqual(answer.status_code, 401)


class TokenTests(Operated):
    """
    JSON Web Tokens of an issuer that has a secret, in C{oauth2/*.json}.
    """

    @classmethod
    def begin(cls) -> None:
        folder = cls.central.folder / "oauth2"
        folder.mkdir()
        application = {
            "issuers": [ISSUER],
            "client_id": "cs",
            "client_secret": SECRET,
            "algorithm": "HS256",
        }
        text = json.dumps({"service": application})
        (folder / "default.json").write_text(text)

    def bear(self, token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        answer = self.ask("GET", "/stations", "", headers=headers)
        self.assertNotIn(SECRET, answer.text)
        return int(answer.status_code)

    def claims(self, **changes: Any) -> dict[str, Any]:
        given = {
            "iss": ISSUER,
            "aud": "cs",
            "sub": "ada",
            "role": "viewer",
            "exp": int(time.time()) + 600,
            **changes,
        }
        return {k: v for k, v in given.items() if v is not None}

    def token(self, key: str | None = SECRET, **changes: Any) -> str:
        algorithm = "none" if key is None else "HS256"
        return jwt.encode(self.claims(**changes), key, algorithm)

    def test_good(self) -> None:
        """
        A token of the issuer opens what its role opens.
        """
        self.assertEqual(self.bear(self.token()), 200)
        headers = {"Authorization": f"Bearer {self.token()}"}
        answer = self.ask("GET", "/users", "", headers=headers)
        self.assertEqual(answer.status_code, 403)

    def test_attacks(self) -> None:
        """
        No signature, another issuer, another key, the wrong time, an
        algorithm that is not listed: each opens nothing.
        """
        now = int(time.time())
        for what, token in {
            "none": self.token(None),
            "None, spelled otherwise": _forged({"alg": "nOnE"}, self.claims()),
            "no algorithm": _forged({"typ": "JWT"}, self.claims()),
            "empty signature": self.token().rpartition(".")[0] + ".",
            "wrong issuer": self.token(iss="https://evil.example.com"),
            "no issuer": self.token(iss=None),
            "wrong audience": self.token(aud="other"),
            "expired": self.token(exp=now - 600),
            "without an end": self.token(exp=None),
            "not yet": self.token(nbf=now + 600),
            "wrong key": self.token("x" * 32),
            "empty key": _forged({"alg": "HS256"}, self.claims(), b""),
            "other algorithm": jwt.encode(self.claims(), SECRET, "HS512"),
            "asymmetric": _forged({"alg": "RS256"}, self.claims(), b"x"),
            "key in the token": _forged(
                {"alg": "HS256", "jwk": {"kty": "oct", "k": "eA"}},
                self.claims(),
                b"x",
            ),
            "key elsewhere": _forged(
                {"alg": "HS256", "jku": self.url(), "kid": "../../etc"},
                self.claims(),
                b"x",
            ),
            "a session's": jwt.encode(
                {**self.claims(), "iss": "ocpp_tw session", "jti": "1"},
                SECRET,
                "HS256",
            ),
        }.items():
            self.assertEqual(self.bear(token), 401, what)


def _forged(head: Any, claims: Any, key: bytes | None = None) -> str:
    """
    A token that no library would make.
    """

    def encode(octets: bytes) -> str:
        return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()

    text = ".".join(encode(json.dumps(x).encode()) for x in (head, claims))
    if key is None:
        return f"{text}."
    return f"{text}.{encode(hmac.digest(key, text.encode(), hashlib.sha256))}"


class Issuer:
    """
    An OpenID provider, as far as a relying party asks it anything.

    @ivar asked: the paths that it was asked for.
    """

    def __init__(self, case: Any) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        self.asked: list[str] = []
        handler = type("Handler", (_Pages,), {"issuer": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        thread = Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        case.addClassCleanup(self._server.server_close)
        case.addClassCleanup(self._server.shutdown)

    @property
    def public(self) -> bytes:
        """
        What anybody may have.
        """
        return self.key.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )

    def page(self, path: str) -> Any:
        self.asked.append(path)
        jwk = json.loads(RSAAlgorithm.to_jwk(self.key.public_key()))
        return {
            "/.well-known/openid-configuration": {
                "issuer": self.url,
                "jwks_uri": f"{self.url}/keys",
            },
            "/keys": {"keys": [{**jwk, "kid": "a", "use": "sig"}]},
        }.get(path)


class _Pages(BaseHTTPRequestHandler):
    """
    The pages of an issuer.
    """

    issuer: Issuer

    def do_GET(self) -> None:
        page = self.issuer.page(self.path)
        self.send_response(404 if page is None else 200)
        self.end_headers()
        self.wfile.write(json.dumps(page).encode())

    def log_message(self, *_: Any) -> None:
        pass


class OpenIDTests(Operated):
    """
    JSON Web Tokens of an issuer that publishes its keys.
    """

    issuer: ClassVar[Issuer]

    @classmethod
    def begin(cls) -> None:
        cls.issuer = Issuer(cls)
        cls.central.settings |= {
            "CS_API_JWT_ISSUER": cls.issuer.url,
            "CS_API_JWT_AUDIENCE": "cs",
            "CS_API_JWT_ROLE": "realm_access.roles",
        }

    def bear(self, token: str, path: str = "/stations") -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return int(self.ask("GET", path, "", headers=headers).status_code)

    def test_tokens(self) -> None:
        """
        What the issuer signed is believed, by the keys that it says where to
        find; its public key is no secret that anybody could sign with.
        """
        claims = {
            "iss": self.issuer.url,
            "aud": ["cs", "other"],
            "sub": "ada",
            "exp": int(time.time()) + 600,
            "realm_access": {"roles": ["viewer"]},
        }
        headers = {"kid": "a"}
        good = jwt.encode(claims, self.issuer.key, "RS256", headers)
        for _ in range(3):
            self.assertEqual(self.bear(good), 200)
        self.assertEqual(self.bear(good, "/users"), 403)
        discovery = "/.well-known/openid-configuration"
        self.assertEqual(self.issuer.asked, [discovery, "/keys"])
        other = rsa.generate_private_key(65537, 2048)
        for token in (
            jwt.encode(claims, other, "RS256", headers),
            jwt.encode(claims, self.issuer.key, "RS512", headers),
            _forged({"alg": "HS256", "kid": "a"}, claims, self.issuer.public),
            _forged({"alg": "none", "kid": "a"}, claims),
            f"{good[:-8]}AAAAAAAA",
        ):
            self.assertEqual(self.bear(token), 401, token)


class TrickTests(Operated):
    """
    Paths and headers that are meant to be more than they are.
    """

    settings: ClassVar = {"CS_SERVER_TIMEOUT": "500ms"}

    def test_identities(self) -> None:
        """
        An identity is a name and nothing else: it leads to no other path,
        into no other header, and comes back as it is.
        """
        for name in (
            "../../users",
            "..",
            ".",
            "a/b",
            "a\\b",
            "%2e%2e",
            "a?b=c",
            "a#b",
            "a;b",
            "<script>",
            "'; DROP TABLE stations; --",
            "ä 😀",
            "CP1 ",
        ):
            path = f"/stations/{quote(name, safe='').replace('.', '%2E')}"
            answer = self.ask("PUT", path, json={"note": "x"})
            self.assertEqual(answer.status_code, 200, (name, answer.text))
            self.assertEqual(answer.json()["identity"], name)
            listed = self.ask("GET", "/stations").json()["items"]
            self.assertIn(name, [station["identity"] for station in listed])
            self.assertEqual(self.ask("DELETE", path).status_code, 204, name)

    def test_header_injection(self) -> None:
        """
        Line ends in names reach no header and no line of a log.
        """
        for name in ("a%0d%0aX-Evil:%201", "a%0aSet-Cookie:b=c", "a%00b"):
            for method, path in (
                ("PUT", f"/stations/{name}"),
                ("POST", f"/ChargePoint/{name}/Reset"),
                ("POST", f"/ChargePoint/CP1/{name}"),
                ("GET", f"/transactions?idTag={name}&limit=1"),
                ("PUT", f"/users/{name}"),
            ):
                answer = self.ask(method, path, json={})
                self.assertNotIn("X-Evil", answer.headers, path)
                self.assertNotIn("Set-Cookie", answer.headers, path)
        csv = self.ask(
            "GET",
            "/messages?limit=1&action=Boot%0d%0aX-Evil:%201",
            headers={"Accept": "text/csv"},
        )
        self.assertNotIn("X-Evil", csv.headers)
        self.assertNotIn("\nX-Evil", self.central.log)

    def test_smuggling(self) -> None:
        """
        A request whose length is told in two ways is none.
        """
        head = "POST /api/v1/ping HTTP/1.1\r\nHost: localhost\r\n"
        for lengths in (
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Content-Length: +5\r\n",
            "Transfer-Encoding: chunked, identity\r\n",
        ):
            request = f"{head}{lengths}\r\n0\r\n\r\nGET /api/v1/time"
            got = raw(self.central.port, request.encode())
            self.assertNotIn(b" 200 ", got.partition(b"\r\n")[0], lengths)
            self.assertLessEqual(got.count(b"HTTP/1.1 "), 1, lengths)

    def test_stalling(self) -> None:
        """
        A request that does not go on is let go of, wherever it stalls, and
        nobody waits for it.
        """
        whole = (
            "POST /api/v1/ChargePoint/CP1/Reset HTTP/1.1\r\n"
            "Host: localhost\r\nContent-Length: 99\r\n\r\n{"
        )
        places = [
            (self.central.port, whole[:end].encode())
            for end in (0, 3, 60, len(whole) - 3, len(whole))
        ]
        stalled = []
        for port, part in places:
            client = socket.create_connection(("127.0.0.1", port), PATIENCE)
            self.addCleanup(client.close)
            client.sendall(part)
            stalled.append(client)
        self.assertEqual(self.ask("GET", "/ping").status_code, 200)
        for client in stalled:
            # It ends, or the socket's own patience does.
            self.assertEqual(client.recv(1), b"")
