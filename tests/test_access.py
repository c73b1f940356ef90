"""
Tests for who may use us: JSON Web Tokens of every kind, the file of users,
and what is counted.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from tempfile import TemporaryDirectory

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
)
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.access import (
    Failures,
    Passwords,
    Provider,
    Tokens,
    Users,
    providers,
    users as users_module,
)
from ocpp_tw.access.limits import MOST, Bucket
from ocpp_tw.access.tokens import AGAIN, FRESH
from ocpp_tw.config import API, Config, load_providers
from ocpp_tw.errors import BadConfig, NotKnown, TooManyRequests


ISSUER = "https://id.example.com"
JWKS = "https://id.example.com/keys"
RSA = rsa.generate_private_key(65537, 2048)
OTHER_RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()


def key_set(**keys) -> dict:
    """
    The keys as an issuer publishes them, by their ids.
    """
    makers = {
        rsa.RSAPrivateKey: RSAAlgorithm,
        ec.EllipticCurvePrivateKey: ECAlgorithm,
        ed25519.Ed25519PrivateKey: OKPAlgorithm,
    }
    found = []
    for kid, key in keys.items():
        [maker] = [m for kind, m in makers.items() if isinstance(key, kind)]
        public = json.loads(maker.to_jwk(key.public_key()))
        found.append({**public, "kid": kid, "use": "sig"})
    return {"keys": found}


class TokenTests(SynchronousTestCase):
    """
    L{Tokens}.
    """

    def setUp(self):
        self.clock = Clock()
        self.clock.advance(1_760_000_000)
        self.asked = []
        self.pages = {JWKS: key_set(a=RSA, b=EC, c=ED)}
        self.tokens = Tokens(self.clock.seconds, self.fetch)
        self.trust()

    async def fetch(self, url):
        self.asked.append(url)
        page = self.pages[url]
        return await page if isinstance(page, Deferred) else page

    def trust(self, **changes):
        given = {
            "issuer": ISSUER,
            "algorithms": ("RS256", "ES256", "EdDSA"),
            "jwks": JWKS,
            **changes,
        }
        self.tokens.providers = [Provider(**given)]

    def make(self, key=RSA, alg="RS256", kid="a", **claims):
        expires = self.clock.seconds() + 60
        given = {"iss": ISSUER, "exp": expires, "role": "viewer", **claims}
        headers = {"kid": kid} if kid else None
        return jwt.encode(given, key, alg, headers)

    def visitor(self, token):
        return self.successResultOf(
            Deferred.fromCoroutine(self.tokens.visitor(token))
        )

    def refuses(self, token):
        failing = Deferred.fromCoroutine(self.tokens.visitor(token))
        return str(self.failureResultOf(failing, NotKnown).value)

    def test_published_keys(self):
        """
        A token signed with a key that the issuer publishes is believed.
        """
        for key, alg, kid in (
            (RSA, "RS256", "a"),
            (EC, "ES256", "b"),
            (ED, "EdDSA", "c"),
            (RSA, "RS256", None),
        ):
            visitor = self.visitor(self.make(key, alg, kid, sub="ada"))
            self.assertEqual((visitor.name, visitor.role), ("ada", "viewer"))
        self.assertEqual(self.asked, [JWKS])

    def test_wrong_key(self):
        """
        A key of somebody else is not, whatever its id.
        """
        self.assertIn("Signature", self.refuses(self.make(OTHER_RSA)))
        self.assertIn("no such key", self.refuses(self.make(kid="z")))

    def test_confused_algorithm(self):
        """
        What the issuer publishes is no secret, and an algorithm that is not
        listed is none.
        """
        self.trust(algorithms=("RS256", "HS256"))
        pem = RSA.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )
        body = self.make(RSA).split(".")[1]
        for secret in (pem, b""):
            forged = _sign_hs256(body, secret)
            self.assertIn("no secret", self.refuses(forged))
        none = jwt.encode({"iss": ISSUER, "exp": 2e9}, None, "none")
        self.assertIn("no such issuer", self.refuses(none))
        self.trust(algorithms=("RS256",))
        self.assertIn("no such issuer", self.refuses(self.make(RSA, "RS512")))

    def test_audience(self):
        """
        Where an audience is configured a token must be for it.
        """
        self.trust(audience="cs")
        self.visitor(self.make(aud="cs"))
        self.visitor(self.make(aud=["x", "cs"]))
        for aud in ("other", ["x"]):
            self.refuses(self.make(aud=aud))
        self.refuses(self.make())

    def test_times(self):
        """
        A token has an end, and perhaps a beginning; clocks may differ some.
        """
        now = self.clock.seconds()
        self.visitor(self.make(exp=now - 20))
        self.visitor(self.make(nbf=now + 20))
        self.assertIn("expired", self.refuses(self.make(exp=now - 40)))
        self.refuses(self.make(nbf=now + 40))
        for exp in ("soon", True, None, [1]):
            self.refuses(self.make(exp=exp))

    def test_new_keys(self):
        """
        A key that is new is asked for, but not with every token that names
        one; old keys are asked for again, too.
        """
        self.visitor(self.make())
        self.pages[JWKS] = key_set(n=OTHER_RSA)
        self.refuses(self.make(OTHER_RSA, kid="n"))
        self.clock.advance(AGAIN + 1)
        self.visitor(self.make(OTHER_RSA, kid="n"))
        for _ in range(10):
            self.refuses(self.make(kid="z"))
        self.assertEqual(len(self.asked), 2)
        self.clock.advance(FRESH + 1)
        self.visitor(self.make(OTHER_RSA, kid="n"))
        self.assertEqual(len(self.asked), 3)

    def test_asks_once(self):
        """
        Many tokens at once ask for the keys once.
        """
        self.pages[JWKS] = answer = Deferred()
        waiting = [
            Deferred.fromCoroutine(self.tokens.visitor(self.make()))
            for _ in range(3)
        ]
        answer.callback(key_set(a=RSA))
        for visitor in waiting:
            self.successResultOf(visitor)
        self.assertEqual(len(self.asked), 1)

    def test_no_keys(self):
        """
        Where the issuer publishes nothing of use a token is refused.
        """
        for page in ({}, {"keys": []}, {"keys": [{"kty": "oct"}]}, []):
            self.trust(jwks=f"{JWKS}/{page}")
            self.pages[f"{JWKS}/{page}"] = page
            self.refuses(self.make())

    def test_discovery(self):
        """
        Without an address of the keys the issuer is asked for it.
        """
        self.trust(jwks="")
        about = f"{ISSUER}/.well-known/openid-configuration"
        self.pages[about] = {"issuer": "https://evil", "jwks_uri": JWKS}
        self.refuses(self.make())
        self.pages[about] = {"issuer": ISSUER, "jwks_uri": JWKS}
        self.clock.advance(AGAIN + 1)
        self.visitor(self.make())

    def test_roles(self):
        """
        The role is where the configuration says; a token without one has
        that of its issuer.
        """
        self.trust(role_claim="realm_access.roles")
        roles = {"roles": ["x", "operator", "viewer"]}
        visitor = self.visitor(self.make(realm_access=roles))
        self.assertEqual(visitor.role, "operator")
        for strange in ([], {}, {"roles": "king"}, {"roles": [["admin"]]}, 1):
            visitor = self.visitor(self.make(realm_access=strange))
            self.assertEqual(visitor.role, "")
        self.trust(role_claim="x", role="operator")
        self.assertEqual(self.visitor(self.make()).role, "operator")

    def test_nonsense(self):
        """
        What is no token is refused, and is not repeated.
        """
        for token in ("", ".", "..", "a.b.c", "x" * 10_000, "é.é.é"):
            said = self.refuses(token)
            if token:
                self.assertNotIn(token * 2, said)


def _sign_hs256(body: str, secret: bytes) -> str:
    import hashlib
    import hmac
    from base64 import urlsafe_b64encode

    def encode(octets: bytes) -> str:
        return urlsafe_b64encode(octets).rstrip(b"=").decode()

    head = encode(b'{"alg":"HS256","kid":"a"}')
    text = f"{head}.{body}"
    mac = hmac.digest(secret, text.encode(), hashlib.sha256)
    return f"{text}.{encode(mac)}"


class ProviderTests(SynchronousTestCase):
    """
    C{oauth2/*.json}, and C{[api] jwt_*}.
    """

    def setUp(self):
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def write(self, value):
        (self.folder / "default.json").write_text(json.dumps(value))

    def test_file_of_old(self):
        """
        A file of the system before us means what it meant there.
        """
        self.write(
            {
                "service": {
                    "issuers": ["accounts.example.com"],
                    "scopes": ["api"],
                    "client_id": "service-example.com",
                    "client_secret": "s" * 32,
                    "algorithm": "HS256",
                    "auth_uri": "/oauth2/authorize",
                    "token_uri": "/oauth2/token",
                    "redirect_uris": [],
                },
                "empty": {"issuers": ["x"], "client_secret": ""},
            }
        )
        [provider] = providers(Config(oauth2=load_providers(self.folder)))
        self.assertEqual(
            provider,
            Provider(
                "accounts.example.com",
                "service-example.com",
                ("HS256",),
                "s" * 32,
                role="operator",
            ),
        )

    def test_own(self):
        """
        The configuration itself names one more.
        """
        api = API(jwt_issuer=ISSUER, jwt_jwks=JWKS, jwt_role="r")
        [provider] = providers(Config(api=api))
        self.assertEqual(provider, Provider(ISSUER, jwks=JWKS, role_claim="r"))

    def test_wrong(self):
        """
        What makes no sense is said with the file and the application.
        """
        for application in (
            1,
            {"issuers": "x"},
            {"issuers": [1]},
            {"algorithm": "none"},
            {"algorithms": ["RS256", "none"]},
            {"client_secret": 1},
            {"role": "king"},
        ):
            self.write({"service": application})
            error = self.assertRaises(BadConfig, load_providers, self.folder)
            self.assertIn("default.json: service", str(error))

    def test_none(self):
        """
        No folder is no providers.
        """
        self.assertEqual(load_providers(self.folder / "x"), ())


class UsersTests(SynchronousTestCase):
    """
    L{Users}.
    """

    def setUp(self):
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "users.json")
        self.clock = Clock()

    def users(self):
        users = Users(self.path, self.clock.seconds)
        users.read()
        return users

    def test_kept(self):
        """
        What was made is there for the next process, and for nobody else.
        """
        before = self.users()
        before.put_user("ada", "admin", "hash")
        key, text = before.make_key("k", "viewer", identities=("CP1",))
        after = self.users()
        self.assertEqual(after.users, before.users)
        self.assertEqual(after.secret, before.secret)
        self.assertEqual(after.keys, {key.id: self.as_read(key)})
        self.assertTrue(after.by_key(text))
        mode = stat.S_IMODE(os.stat(self.path).st_mode)
        self.assertEqual(mode, 0o600)
        self.assertEqual(
            os.listdir(os.path.dirname(self.path)), ["users.json"]
        )

    def as_read(self, key):
        from attrs import evolve

        return evolve(key, identities=["CP1"])

    def test_two_processes(self):
        """
        What two processes change is all there afterwards: users, keys, when
        a key was used, and sessions that were ended.
        """
        one, other = self.users(), self.users()
        one.put_user("ada", "admin", "hash")
        other.put_user("bob", "viewer", "hash")
        key, text = one.make_key("k", "viewer")
        other.refresh()
        self.clock.advance(5)
        other.by_key(text)
        one.put_user("eve", "viewer", "hash")
        one.end_session("s", 60.0)
        other.close()
        after = self.users()
        self.assertEqual({*after.users}, {"ada", "bob", "eve"})
        self.assertEqual(after.keys[key.id].last_used, 5.0)
        self.assertEqual(after.ended, {"s": 60.0})

    def test_one_first(self):
        """
        Of two processes that find nobody only one makes an admin.
        """
        one, other = self.users(), self.users()
        self.assertTrue(one.put_first("admin", "hash"))
        self.assertFalse(other.put_first("admin", "other"))
        self.assertEqual(self.users().users["admin"].password, "hash")

    def test_ended(self):
        """
        A session that was ended is remembered as long as it would have been
        one, and only so many are.
        """
        users = self.users()
        self.patch(users_module, "ENDED", 2)
        users.end_session("a", 10.0)
        self.clock.advance(11)
        for number in "bcd":
            users.end_session(number, 60.0)
        self.assertEqual([*self.users().ended], ["c", "d"])

    def test_broken(self):
        """
        A file that is none of users is said to be so.
        """
        for text in (
            "",
            "[]",
            '{"users": {}}',
            '{"secret": "", "users": {"a": {"role": "king"}}, "keys": {}}',
            '{"secret": "", "users": {"a": 1}, "keys": {}}',
            '{"secret": "", "users": {"a": {"role": "admin"}}, "keys": {}}',
        ):
            Path(self.path).write_text(text)
            users = Users(self.path, self.clock.seconds)
            error = self.assertRaises(BadConfig, users.read)
            self.assertIn("users.json", str(error))


class LimitTests(SynchronousTestCase):
    """
    L{Bucket} and L{Failures}.
    """

    def test_many_clients(self):
        """
        However many clients there are, only so many are remembered.
        """
        bucket = Bucket(Clock().seconds)
        bucket.per_minute = 1
        for number in range(MOST + 1):
            bucket.take(str(number))
        bucket.take("0")
        self.assertRaises(TooManyRequests, bucket.take, str(MOST))

    def test_addresses(self):
        """
        Who tries one password with every name has to wait, too.
        """
        failures = Failures(Clock().seconds)
        for number in range(50):
            failures.check("10.0.0.1", str(number))
            failures.failed("10.0.0.1", str(number))
        with self.assertRaises(TooManyRequests):
            failures.check("10.0.0.1", "another")
        failures.check("10.0.0.2", "another")

    def test_networks(self):
        """
        Who has all addresses of a network is one client.
        """
        bucket = Bucket(Clock().seconds)
        bucket.per_minute = 60
        for number in range(10):
            bucket.take(f"2001:db8::{number}")
        self.assertRaises(TooManyRequests, bucket.take, "2001:db8::ffff")
        bucket.take("2001:db8:0:1::1")


class PasswordsTests(SynchronousTestCase):
    """
    L{Passwords}.
    """

    def test_trusted_for_a_while(self):
        """
        A password that was right is not hashed again for each request, and
        a new one takes its place at once.
        """
        clock = Clock()
        passwords = Passwords(clock)
        looked = []

        def compare(password, kept):
            looked.append(password)
            return True

        passwords._compare = compare
        for kept, after in (("a", 0), ("a", 1), ("b", 0), ("a", 400)):
            clock.advance(after)
            right = passwords.is_right("x", kept)
            self.assertTrue(
                self.successResultOf(Deferred.fromCoroutine(right))
            )
        self.assertEqual(len(looked), 3)
