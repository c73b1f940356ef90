"""
Who may ask, and what.
"""

from __future__ import annotations

import os
import re
from tempfile import TemporaryDirectory
from typing import Any

import jwt
import orjson
from attrs import evolve
from treq.testing import StubTreq
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher

from ocpp_tw.access import Passwords
from ocpp_tw.access.limits import GUESSES, WINDOW
from ocpp_tw.access.sessions import LASTS
from ocpp_tw.config import API
from ocpp_tw.transports.rest.routes import Route

from .world import Answer, World


PASSWORD = "correct horse"
HASH = Passwords(Clock()).hash_now(PASSWORD)
SECRET = "0123456789abcdef0123456789abcdef"
ISSUER = "https://id.example.com"


class Guarded(World):
    """
    A central system that asks for credentials.

    @ivar log: what was logged while it began.
    """

    def setUp(self) -> None:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = os.path.join(folder.name, "users.json")
        self.api = API(
            auth=("basic", "bearer"),
            users=self.file,
            jwt_issuer=ISSUER,
            jwt_algorithms=("HS256",),
            jwt_secret=SECRET,
        )
        super().setUp()
        self.log: list[str] = []

        def note(event: Any) -> None:
            if "password" in event:
                self.log.append(event["password"])

        globalLogPublisher.addObserver(note)
        self.front.open()
        globalLogPublisher.removeObserver(note)
        door = self.front._api.door
        for role in ("viewer", "operator", "admin"):
            door.users.put_user(role, role, HASH)

    def ask(self, method: str, path: str, **options: Any) -> Answer:
        """
        Ask as one who keeps no cookies.
        """
        self.http = StubTreq(self.front.site.resource)
        return super().ask(method, path, **options)

    def ask_as(self, role: str, method: str, path: str, **more: Any) -> Answer:
        return self.ask(method, path, auth=(role, PASSWORD), **more)

    def bear(self, token: str, path: str = "/stations") -> Answer:
        headers = {"Authorization": f"Bearer {token}"}
        return self.ask("GET", path, headers=headers)

    def token(self, **claims: Any) -> str:
        now = self.clock.seconds()
        more = {"iss": ISSUER, "exp": now + 60, "role": "viewer", **claims}
        return jwt.encode(
            {k: v for k, v in more.items() if v is not None}, SECRET, "HS256"
        )

    def reload(self, **changes: Any) -> None:
        config = evolve(self.config, api=evolve(self.api, **changes))
        self.front.prepare(config)()

    def log_in(self, name: str = "operator") -> tuple[str, str]:
        """
        The cookie, and the token against other sites' requests.
        """
        body = {"username": name, "password": PASSWORD}
        answer = self.ask("POST", "/session", json=body)
        self.assertEqual(answer.status, 200, answer.body)
        cookie = (answer.header("Set-Cookie") or "").partition(";")[0]
        return cookie, answer.json()["csrfToken"]


class FirstStartTests(Guarded):
    """
    The first start.
    """

    def test_admin(self) -> None:
        """
        Without users there is an admin, with a password that is said once,
        and that works.
        """
        # The one that setUp made has this name, so as it was said:
        [password] = self.log
        self.assertGreaterEqual(len(password), 16)
        with open(self.file) as file:
            self.assertNotIn(password, file.read())
        self.front.open()
        self.assertEqual(len(self.log), 1)

    def test_file_is_ours(self) -> None:
        """
        Nobody else may read the file.
        """
        self.assertEqual(os.stat(self.file).st_mode & 0o777, 0o600)

    def test_reload(self) -> None:
        """
        Users written by somebody else are known at once.
        """
        with open(self.file, "rb") as file:
            kept = orjson.loads(file.read())
        del kept["users"]["viewer"]
        with open(f"{self.file}.new", "wb") as file:
            file.write(orjson.dumps(kept))
        os.replace(f"{self.file}.new", self.file)
        self.assertEqual(self.ask_as("viewer", "GET", "/server").status, 401)
        self.assertEqual(self.ask_as("admin", "GET", "/server").status, 200)

    def test_broken_file(self) -> None:
        """
        A file that cannot be read changes nothing while we run.
        """
        with open(self.file, "w") as file:
            file.write('{"users": 1}')
        self.assertEqual(self.ask_as("admin", "GET", "/server").status, 200)


class OctetTests(Guarded):
    """
    Credentials whose octets are no UTF-8.
    """

    def test_refused(self) -> None:
        """
        They are wrong ones, and no error.
        """
        path = "GET /api/v1/stations"
        for name, value, status in (
            ("Authorization", b"\xff", 401),
            ("Authorization", b"Basic \xff\xfe", 400),
            ("Authorization", b"Basic //79/A==", 400),
            ("Authorization", b"Bearer \xff.\xfe.\xff", 401),
            ("Cookie", b"session=\xff", 401),
            ("X-CSRF-Token", b"\xff", 401),
        ):
            self.assertEqual(self.status(path, name, value), status, value)
        self.assertEqual(self.flushLoggedErrors(), [])


class RoleTests(Guarded):
    """
    Each call, by each role.
    """

    def path(self, route: Route) -> str:
        return re.sub(r"<\w+>", "CP1", route.path)

    def test_every_route(self) -> None:
        """
        Whoever has no credentials gets nothing but what is public; who has
        not the role for a call may not make it, and who has it may.
        """
        self.station("CP1")
        roles = ["", "viewer", "operator", "admin"]
        for route in self.front._api.routes:
            if route.path in ("/events", "/session"):
                continue
            needed = route.least_role
            for method in route.methods.split():
                for role in roles:
                    auth = {"auth": (role, PASSWORD)} if role else {}
                    answer = self.ask(method, self.path(route), **auth)
                    what = method, route.path, role, answer.body
                    if needed == "public" or (
                        role and roles.index(role) >= roles.index(needed)
                    ):
                        self.assertNotIn(answer.status, (401, 403), what)
                    else:
                        expected = 403 if role else 401
                        self.assertEqual(answer.status, expected, what)

    def test_needed(self) -> None:
        """
        Viewers look, operators command, admins decide who may.
        """
        for method, path, role in (
            ("GET", "/stations", "viewer"),
            ("GET", "/events", "viewer"),
            ("POST", "/CentralSystem/TransactionList", "viewer"),
            ("POST", "/ChargePoint/<identity>/<action>", "operator"),
            ("POST", "/calls", "operator"),
            ("PUT", "/idTags/<id_tag>", "operator"),
            ("GET", "/users", "admin"),
            ("POST", "/keys", "admin"),
            ("GET", "/audit", "admin"),
            ("GET", "/ping", "public"),
        ):
            [needed] = [
                route.least_role
                for route in self.front._api.routes
                if route.path == path and method in route.methods.split()
            ]
            self.assertEqual(needed, role, path)

    def test_challenge(self) -> None:
        """
        A refusal says how to prove who one is; the browser of a page is not
        made to ask for a password itself.
        """
        answer = self.ask("GET", "/stations")
        self.assertEqual(
            answer.headers.getRawHeaders("WWW-Authenticate"),
            ['Basic realm="ocpp_tw"', 'Bearer realm="ocpp_tw"'],
        )
        page = {"Sec-Fetch-Mode": "cors"}
        answer = self.ask("GET", "/stations", headers=page)
        self.assertNotIn("Basic", answer.header("WWW-Authenticate") or "")

    def test_ways(self) -> None:
        """
        Only the ways that are configured are open.
        """
        self.reload(auth=("bearer",))
        self.assertEqual(self.ask_as("admin", "GET", "/server").status, 401)
        self.reload(auth=("basic",))
        self.assertEqual(self.bear(self.token()).status, 401)
        self.reload(auth=())
        self.assertEqual(self.ask("GET", "/users").status, 200)


class PasswordTests(Guarded):
    """
    Names and passwords.
    """

    def test_wrong(self) -> None:
        """
        A wrong password and an unknown name are told apart by nobody.
        """
        answers = [
            self.ask("GET", "/server", auth=auth)
            for auth in (("admin", "wrong"), ("nobody", PASSWORD))
        ]
        self.assertEqual({a.status for a in answers}, {401})
        self.assertEqual(answers[0].body, answers[1].body)

    def test_guessing(self) -> None:
        """
        Who is wrong too often has to wait, even with the right password.
        """
        for _ in range(GUESSES):
            self.ask("GET", "/server", auth=("admin", "wrong"))
        answer = self.ask_as("admin", "GET", "/server")
        self.assertEqual(answer.status, 429)
        self.assertEqual(answer.header("Retry-After"), str(int(WINDOW)))
        self.assertEqual(self.ask_as("viewer", "GET", "/server").status, 200)
        self.clock.advance(WINDOW)
        self.assertEqual(self.ask_as("admin", "GET", "/server").status, 200)

    def test_not_basic(self) -> None:
        """
        A header that makes no sense is refused.
        """
        for header in ("Basic", "Basic x", "Digest a=b", "x", "Bearer"):
            answer = self.ask(
                "GET", "/server", headers={"Authorization": header}
            )
            self.assertIn(answer.status, (400, 401), header)

    def test_long(self) -> None:
        """
        A password without end costs nothing.
        """
        answer = self.ask("GET", "/server", auth=("admin", "x" * 9000))
        self.assertEqual(answer.status, 401)

    def test_change(self) -> None:
        """
        Whoever knows the old password sets a new one.
        """
        path = "/session/password"
        new = {"old": PASSWORD, "new": "battery staple"}
        wrong = {**new, "old": "wrong"}
        short = {**new, "new": "short"}
        for body, status in ((wrong, 401), (short, 400), (new, 204)):
            answer = self.ask_as("viewer", "PUT", path, json=body)
            self.assertEqual(answer.status, status, answer.body)
        self.assertEqual(self.ask_as("viewer", "GET", "/server").status, 401)
        answer = self.ask("GET", "/server", auth=("viewer", new["new"]))
        self.assertEqual(answer.status, 200)


class SessionTests(Guarded):
    """
    Browsers that have logged in.
    """

    def browse(
        self, method: str, path: str, cookie: str, csrf: str = "", **more: Any
    ) -> Answer:
        headers = {"Cookie": cookie}
        if csrf:
            headers["X-CSRF-Token"] = csrf
        return self.ask(method, path, headers=headers, **more)

    def test_log_in(self) -> None:
        """
        A right password makes a cookie that scripts do not see and other
        sites cannot send, and that says who one is.
        """
        body = {"username": "operator", "password": PASSWORD}
        answer = self.ask("POST", "/session", json=body)
        flags = (answer.header("Set-Cookie") or "").split("; ")[1:]
        self.assertLessEqual({"HttpOnly", "SameSite=Strict"}, {*flags})
        cookie, _ = self.log_in()
        shown = self.browse("GET", "/session", cookie).json()
        self.assertEqual(
            (shown["name"], shown["role"], shown["via"]),
            ("operator", "operator", "session"),
        )

    def test_wrong_password(self) -> None:
        """
        A wrong one makes none.
        """
        body = {"username": "operator", "password": "wrong"}
        answer = self.ask("POST", "/session", json=body)
        self.assertEqual(answer.status, 401)
        self.assertIs(answer.header("Set-Cookie"), None)

    def test_csrf(self) -> None:
        """
        A cookie alone changes nothing: the page has to send the token.
        """
        cookie, csrf = self.log_in()
        _, other = self.log_in()
        for given, status in (
            ("", 403),
            ("x", 403),
            (other, 403),
            (csrf, 200),
        ):
            answer = self.browse("PUT", "/stations/N", cookie, given, json={})
            self.assertEqual(answer.status, status, given)
        self.assertEqual(self.browse("GET", "/stations", cookie).status, 200)

    def test_fixation(self) -> None:
        """
        A session that somebody else made up is none, and a log-in never
        goes on with one that is there.
        """
        self.assertEqual(
            self.browse("GET", "/stations", "cs_session=known").status, 401
        )
        before, _ = self.log_in()
        body = {"username": "operator", "password": PASSWORD}
        answer = self.ask(
            "POST", "/session", json=body, headers={"Cookie": before}
        )
        self.assertNotIn(before, answer.header("Set-Cookie") or "")

    def test_forged(self) -> None:
        """
        A session is signed, by an algorithm and a secret of ours.
        """
        now = self.clock.seconds()
        claims = {
            "iss": "ocpp_tw session",
            "sub": "admin",
            "jti": "1",
            "iat": now,
            "exp": now + 60,
        }
        unsigned = jwt.encode(claims, None, "none")
        for token in (
            jwt.encode(claims, SECRET, "HS256"),
            unsigned,
            f"{unsigned}x",
            "a.b.c",
            "",
        ):
            answer = self.browse("GET", "/stations", f"cs_session={token}")
            self.assertEqual(answer.status, 401, token)

    def test_log_in_again(self) -> None:
        """
        Who is logged in may log in again, as somebody else.
        """
        cookie, _ = self.log_in()
        body = {"username": "viewer", "password": PASSWORD}
        answer = self.browse("POST", "/session", cookie, json=body)
        self.assertEqual(answer.json()["name"], "viewer")

    def test_log_out(self) -> None:
        """
        After logging out the cookie is worth nothing.
        """
        cookie, csrf = self.log_in()
        self.assertEqual(self.browse("DELETE", "/session", cookie).status, 403)
        answer = self.browse("DELETE", "/session", cookie, csrf)
        self.assertEqual(answer.status, 204)
        self.assertIn("Max-Age=0", answer.header("Set-Cookie") or "")
        self.assertEqual(self.browse("GET", "/stations", cookie).status, 401)

    def test_end(self) -> None:
        """
        A session ends with its time, with a new password, with its user.
        """
        cookie, _ = self.log_in()
        self.clock.advance(LASTS + 1)
        self.assertEqual(self.browse("GET", "/stations", cookie).status, 401)
        cookie, _ = self.log_in("viewer")
        self.clock.advance(1)
        new = {"role": "viewer", "password": "battery staple"}
        self.ask_as("admin", "PUT", "/users/viewer", json=new)
        self.assertEqual(self.browse("GET", "/stations", cookie).status, 401)
        cookie, _ = self.log_in()
        self.ask_as("admin", "DELETE", "/users/operator")
        self.assertEqual(self.browse("GET", "/stations", cookie).status, 401)


class UserTests(Guarded):
    """
    Users.
    """

    def test_list(self) -> None:
        """
        Users are listed without their passwords.
        """
        answer = self.ask_as("admin", "GET", "/users?limit=2")
        names = [item["name"] for item in answer.json()["items"]]
        self.assertEqual(names, ["admin", "operator"])
        self.assertNotIn("argon2", answer.body.decode())
        cursor = answer.json()["next"]
        answer = self.ask_as("admin", "GET", f"/users?cursor={cursor}")
        self.assertEqual(len(answer.json()["items"]), 1)

    def test_put_and_delete(self) -> None:
        """
        Users are made, changed and deleted.
        """
        path = "/users/ada"
        new = {"role": "viewer", "password": PASSWORD}
        for body, status in (
            ({"role": "viewer"}, 400),
            ({"role": "king", "password": PASSWORD}, 400),
            ({"role": "viewer", "password": "short"}, 400),
            ({**new, "colour": "red"}, 400),
            (new, 200),
            ({"role": "operator"}, 200),
        ):
            answer = self.ask_as("admin", "PUT", path, json=body)
            self.assertEqual(answer.status, status, answer.body)
        shown = self.ask_as("ada", "GET", "/session").json()
        self.assertEqual(shown["role"], "operator")
        for status in (204, 404):
            answer = self.ask_as("admin", "DELETE", path)
            self.assertEqual(answer.status, status)

    def test_last_admin(self) -> None:
        """
        There is always an admin.
        """
        for method, body in (("DELETE", None), ("PUT", {"role": "viewer"})):
            answer = self.ask_as("admin", method, "/users/admin", json=body)
            self.assertEqual(answer.status, 409)

    def test_read_only(self) -> None:
        """
        Where the file cannot be written nothing has changed.
        """
        os.unlink(self.file)
        os.mkdir(self.file)
        body = {"role": "viewer", "password": PASSWORD}
        answer = self.ask_as("admin", "PUT", "/users/ada", json=body)
        self.assertEqual(answer.status, 503, answer.body)
        self.assertNotIn(self.file, answer.message)

    def test_off(self) -> None:
        """
        Where everybody may do everything nobody makes users.
        """
        self.reload(auth=())
        body = {"role": "admin", "password": PASSWORD, "name": "x"}
        for method, path in (
            ("PUT", "/users/ada"),
            ("DELETE", "/users/admin"),
            ("POST", "/keys"),
            ("POST", "/session"),
        ):
            member = {
                "/keys": {"name": "x", "role": "admin"},
                "/session": {"username": "admin", "password": PASSWORD},
            }.get(path, {k: body[k] for k in ("role", "password")})
            answer = self.ask(method, path, json=member)
            self.assertEqual(answer.status, 409, path)

    def test_names(self) -> None:
        """
        A name that HTTP Basic could not carry is refused.
        """
        body = {"role": "viewer", "password": PASSWORD}
        for name in ("a:b", "a%2Fb", "a%20b", "a%0A", "x" * 65):
            answer = self.ask_as("admin", "PUT", f"/users/{name}", json=body)
            self.assertEqual(answer.status, 400, name)


class KeyTests(Guarded):
    """
    API keys.
    """

    def make(self, **more: Any) -> dict[str, Any]:
        body = {"name": "meters", "role": "operator", **more}
        answer = self.ask_as("admin", "POST", "/keys", json=body)
        self.assertEqual(answer.status, 200, answer.body)
        made: dict[str, Any] = answer.json()
        return made

    def test_use(self) -> None:
        """
        A key is shown once, kept hashed, opens what its role opens, and is
        seen to have been used.
        """
        made = self.make()
        self.assertEqual(made["lastUsed"], None)
        self.assertEqual(self.bear(made["key"]).status, 200)
        self.assertEqual(self.bear(made["key"], "/users").status, 403)
        answer = self.ask_as("admin", "GET", "/keys")
        [listed] = answer.json()["items"]
        self.assertTrue(listed["lastUsed"])
        self.assertEqual(listed["createdBy"], "admin")
        with open(self.file) as file:
            for text in (file.read(), answer.body.decode()):
                self.assertNotIn(made["key"], text)

    def test_last_use_is_kept(self) -> None:
        """
        When a key was used last is in the file when we end.
        """
        self.bear(self.make()["key"])
        self.front.close()
        with open(self.file, "rb") as file:
            [kept] = orjson.loads(file.read())["keys"].values()
        self.assertEqual(kept["last_used"], self.clock.seconds())

    def test_wrong(self) -> None:
        """
        What is nearly a key is none.
        """
        key = self.make()["key"]
        wrong = (key[:-1], f"{key}x", key.replace("_", "-"), "cs_", "cs_a_b")
        for text in wrong:
            self.assertEqual(self.bear(text).status, 401, text)

    def test_revoked_and_expired(self) -> None:
        """
        A key ends when it is revoked, and when its time has come.
        """
        soon = {"expires": "2025-10-09T08:54:20Z"}  # in a minute
        made, brief = self.make(), self.make(**soon)
        self.assertEqual(self.bear(brief["key"]).status, 200)
        self.clock.advance(61)
        self.assertEqual(self.bear(brief["key"]).status, 401)
        for status in (204, 404):
            answer = self.ask_as("admin", "DELETE", f"/keys/{made['id']}")
            self.assertEqual(answer.status, status)
        self.assertEqual(self.bear(made["key"]).status, 401)

    def test_scope(self) -> None:
        """
        A key for some stations opens nothing else.
        """
        self.station("CP1")
        self.station("CP2")
        key = self.make(identities=["CP1"])["key"]
        headers = {"Authorization": f"Bearer {key}"}
        for method, path, status in (
            ("GET", "/stations/CP1", 200),
            ("GET", "/stations/CP2", 403),
            ("POST", "/ChargePoint/CP1/ClearCache", 200),
            ("POST", "/ChargePoint/CP2/ClearCache", 403),
            ("POST", "/calls", 403),
            ("GET", "/messages", 403),
            ("GET", "/ping", 200),
        ):
            answer = self.ask(method, path, headers=headers)
            self.assertEqual(answer.status, status, path)

    def test_bad_bodies(self) -> None:
        """
        What makes no sense is refused by its name.
        """
        for name, value in (
            ("name", ""),
            ("role", "king"),
            ("identities", "CP1"),
            ("expires", "soon"),
        ):
            body = {"name": "x", "role": "viewer", name: value}
            answer = self.ask_as("admin", "POST", "/keys", json=body)
            self.assertEqual(answer.status, 400)
            self.assertIn(name, answer.message)


class TokenTests(Guarded):
    """
    JSON Web Tokens; see also C{tests/test_access.py}.
    """

    def test_token(self) -> None:
        """
        A token of the issuer opens what its role opens.
        """
        self.assertEqual(self.bear(self.token()).status, 200)
        self.assertEqual(self.bear(self.token(), "/users").status, 403)
        admin = self.token(role="admin")
        self.assertEqual(self.bear(admin, "/users").status, 200)
        self.assertEqual(self.bear(self.token(role=None)).status, 403)

    def test_bad_tokens(self) -> None:
        """
        What is not the issuer's, or not now, opens nothing.
        """
        now = self.clock.seconds()
        for token in (
            self.token(exp=now - 60),
            self.token(exp=None),
            self.token(nbf=now + 60),
            self.token(iss="https://evil.example.com"),
            self.token(iss=None),
            jwt.encode({"iss": ISSUER, "exp": now + 60}, "x" * 32, "HS256"),
            jwt.encode({"iss": ISSUER, "exp": now + 60}, SECRET, "HS512"),
            jwt.encode({"iss": ISSUER, "exp": now + 60}, None, "none"),
            "a.b.c",
            "",
        ):
            answer = self.bear(token)
            self.assertEqual(answer.status, 401, token)
            self.assertNotIn(SECRET, answer.message)


class AuditTests(Guarded):
    """
    What was done by whom.
    """

    def deeds(self, query: str = "") -> list[tuple[str, ...]]:
        answer = self.ask_as("admin", "GET", f"/audit{query}")
        return [
            (d["who"], d["method"], d["path"], d["action"], d["status"])
            for d in answer.json()["items"]
        ]

    def test_audit(self) -> None:
        """
        Commands and changes are kept, and what was refused; reading is not.
        """
        self.station("CP1")
        body = {"type": "Soft"}
        self.ask_as("operator", "POST", "/ChargePoint/CP1/Reset", json=body)
        self.ask_as("viewer", "POST", "/ChargePoint/CP1/Reset", json=body)
        self.ask_as("viewer", "GET", "/stations")
        self.ask("GET", "/users")
        path = "/api/v1/ChargePoint/CP1/Reset"
        self.clock.advance(1)
        self.assertEqual(
            self.deeds(),
            [
                (None, "GET", "/api/v1/users", None, 401),
                ("viewer", "POST", path, None, 403),
                ("operator", "POST", path, "Reset", 200),
            ],
        )
        self.assertEqual(len(self.deeds("?who=viewer")), 1)

    def test_many(self) -> None:
        """
        Which stations were commanded is kept, too, where they were many.
        """
        self.station("CP1")
        for identities in (["CP1", "CP9"], "all"):
            body = {"action": "ClearCache", "identities": identities}
            self.ask_as("operator", "POST", "/calls", json=body)
        self.clock.advance(1)
        self.assertEqual(
            [(path, action) for _, _, path, action, _ in self.deeds()],
            [
                ("/api/v1/calls?identities=all", "ClearCache"),
                ("/api/v1/calls?identities=CP1,CP9", "ClearCache"),
            ],
        )

    def test_reading_by_post(self) -> None:
        """
        What only reads is no deed, even where it is POSTed.
        """
        self.ask("POST", "/ping")
        self.ask_as("viewer", "POST", "/ChargePointList")
        asked = {"identity": "CP1"}
        path = "/CentralSystem/TransactionList"
        self.ask_as("viewer", "POST", path, json=asked)
        self.clock.advance(1)
        self.assertEqual(self.deeds(), [])

    def test_csv(self) -> None:
        """
        The audit trail comes as CSV, too.
        """
        self.ask("GET", "/users")
        self.clock.advance(1)
        answer = self.ask_as(
            "admin", "GET", "/audit", headers={"Accept": "text/csv"}
        )
        self.assertIn(b",GET,/api/v1/users,,401", answer.body)


class CrossOriginTests(World):
    """
    Web pages of others.
    """

    api = API(cors=("https://ui.example.com",))

    def test_listed(self) -> None:
        """
        A page of an origin that is listed may ask, without cookies.
        """
        headers = {"Origin": "https://ui.example.com"}
        for method in ("GET", "PUT"):
            answer = self.ask(
                method, "/stations/CP1", headers=headers, json={}
            )
            allowed = answer.header("Access-Control-Allow-Origin")
            self.assertEqual(allowed, "https://ui.example.com")
            self.assertEqual(answer.header("Vary"), "Origin")
            self.assertIs(
                answer.header("Access-Control-Allow-Credentials"), None
            )
        self.assertEqual(answer.status, 200)

    def test_preflight(self) -> None:
        """
        A browser that asks first is told what such a page may do.
        """
        for origin, methods in (
            ("https://ui.example.com", "GET, POST, PUT, PATCH, DELETE"),
            ("https://evil.example.com", None),
            ("null", None),
        ):
            headers = {
                "Origin": origin,
                "Access-Control-Request-Method": "PUT",
            }
            answer = self.ask("OPTIONS", "/stations/CP1", headers=headers)
            self.assertEqual(answer.status, 204)
            self.assertEqual(
                answer.header("Access-Control-Allow-Methods"), methods
            )

    def test_others(self) -> None:
        """
        A page of another origin may not.
        """
        headers = {"Origin": "https://evil.example.com"}
        answer = self.ask("PUT", "/stations/CP1", headers=headers, json={})
        self.assertEqual(answer.status, 403)
        answer = self.ask("GET", "/stations", headers=headers)
        self.assertIs(answer.header("Access-Control-Allow-Origin"), None)


class RateTests(World):
    """
    Clients that ask and ask.
    """

    api = API(requests_per_minute=60)

    def test_rate(self) -> None:
        """
        A client may ask so often a minute, a part of it at once; then it is
        told how long to wait.
        """
        statuses = [self.ask("GET", "/ping").status for _ in range(11)]
        self.assertEqual(statuses, [200] * 10 + [429])
        answer = self.ask("GET", "/ping")
        self.assertEqual(answer.header("Retry-After"), "1")
        self.clock.advance(1)
        self.assertEqual(self.ask("GET", "/ping").status, 200)
