"""
JSON Web Tokens of issuers that the configuration names.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import jwt
from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from ..errors import NotKnown
from .visitor import ROLES, Visitor


#: How long keys of an issuer are used, and how soon they are asked for again
#: because of a key that is not among them, in seconds.
FRESH, AGAIN = 3600.0, 30.0

#: How many seconds clocks may differ.
LEEWAY = 30

#: The longest token.
LONGEST = 8192


@frozen
class Provider:
    """
    Somebody whose tokens we believe.

    @ivar audience: whom tokens must be for; any, if empty.
    @ivar algorithms: how they may be signed.
    @ivar secret: of the HS algorithms.
    @ivar jwks: where the keys of the others are; if empty, where the issuer
        says (OpenID Connect Discovery 1.0, section 4).
    @ivar role_claim: where the role is: C{role}, or C{realm_access.roles}.
    @ivar role: of tokens that say none; empty for none.
    """

    issuer: str
    audience: str = ""
    algorithms: tuple[str, ...] = ("RS256",)
    secret: str = field(default="", repr=False)
    jwks: str = ""
    role_claim: str = "role"
    role: str = ""


def providers(config: Any) -> tuple[Provider, ...]:
    """
    Those that C{[api] jwt_*} and the C{oauth2} folder name.
    """
    api = config.api
    own: tuple[Provider, ...] = ()
    if api.jwt_issuer:
        own = (
            Provider(
                api.jwt_issuer,
                api.jwt_audience,
                api.jwt_algorithms,
                api.jwt_secret,
                api.jwt_jwks,
                api.jwt_role,
            ),
        )
    return (*own, *(Provider(**each) for each in config.oauth2))


@define
class _Keys:
    keys: Sequence[Any] = ()
    asked_at: float = float("-inf")


class Tokens:
    """
    Tells whose token it is.

    @ivar providers: those we believe.
    """

    log = Logger()

    def __init__(
        self,
        seconds: Callable[[], float],
        fetch: Callable[[str], Awaitable[Any]],
    ) -> None:
        """
        @param fetch: gets the JSON that is at an URL.
        """
        self.providers: Sequence[Provider] = ()
        self._seconds = seconds
        self._fetch = fetch
        self._keys: dict[Provider, _Keys] = {}
        self._fetching: dict[Provider, list[Deferred[None]]] = {}

    async def visitor(self, token: str) -> Visitor:
        """
        @raise NotKnown: we do not believe it; the message says why, without
            a word of the token.
        """
        try:
            header, claims = _unverified(token)
            provider = self._provider(claims, header["alg"])
            key = await self._key(provider, header)
            claims = self._verify(token, provider, header["alg"], key)
        except jwt.PyJWTError as e:
            raise NotKnown(f"the token is not good: {_in_words(e)}") from None
        role = role_of(claims, provider.role_claim) or provider.role
        return Visitor(str(claims.get("sub", ""))[:200], role, "jwt")

    def _provider(self, claims: Mapping[str, Any], alg: str) -> Provider:
        issuer, audience = claims.get("iss"), claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        for provider in self.providers:
            if (
                provider.issuer == issuer
                and (not provider.audience or provider.audience in audiences)
                and alg in provider.algorithms
            ):
                return provider
        raise jwt.InvalidTokenError(
            "we know no such issuer, audience and algorithm"
        )

    def _verify(
        self, token: str, provider: Provider, alg: str, key: Any
    ) -> dict[str, Any]:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            # Not the whole list: this key is for this kind.
            [alg],
            issuer=provider.issuer,
            audience=provider.audience or None,
            options={
                "require": ["exp", "iss"],
                "verify_aud": bool(provider.audience),
                # By our own clock, below.
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
            },
        )
        now = self._seconds()
        if _time(claims, "exp") < now - LEEWAY:
            raise jwt.ExpiredSignatureError("it has expired")
        if _time({"nbf": 0, **claims}, "nbf") > now + LEEWAY:
            raise jwt.ImmatureSignatureError("it is not valid yet")
        return claims

    # Keys

    async def _key(self, provider: Provider, header: Mapping[str, Any]) -> Any:
        if header["alg"].startswith("HS"):
            # Without a secret anybody could sign.
            if not provider.secret:
                raise jwt.InvalidKeyError("there is no secret for it")
            return provider.secret
        kid = header.get("kid")
        kept = self._keys.setdefault(provider, _Keys())
        now = self._seconds()
        key = _find(kept.keys, kid, header["alg"])
        age = now - kept.asked_at
        asking = provider in self._fetching
        if asking or age > FRESH or (key is None and age > AGAIN):
            await self._ask(provider, kept)
            key = _find(kept.keys, kid, header["alg"])
        if key is None:
            raise jwt.InvalidKeyError("the issuer has no such key")
        return key.key

    async def _ask(self, provider: Provider, kept: _Keys) -> None:
        """
        Ask the issuer for its keys, once for all who wait.
        """
        if provider in self._fetching:
            done: Deferred[None] = Deferred()
            self._fetching[provider].append(done)
            return await done
        waiting = self._fetching[provider] = []
        kept.asked_at = self._seconds()
        try:
            kept.keys = await self._keys_of(provider)
        except Exception as e:
            self.log.warn(
                "{issuer}: no keys: {error}", issuer=provider.issuer, error=e
            )
        del self._fetching[provider]
        for other in waiting:
            other.callback(None)
        return None

    async def _keys_of(self, provider: Provider) -> Sequence[Any]:
        url = provider.jwks
        if not url:
            about = await self._fetch(
                provider.issuer.rstrip("/")
                + "/.well-known/openid-configuration"
            )
            if about.get("issuer") != provider.issuer:
                raise ValueError("it speaks for another issuer")
            url = about["jwks_uri"]
        found: Sequence[Any] = jwt.PyJWKSet.from_dict(
            await self._fetch(url)
        ).keys
        return found


def _unverified(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """
    What a token says, true or not.
    """
    if len(token) > LONGEST:
        raise jwt.DecodeError("it is too long")
    parts = jwt.decode_complete(token, options={"verify_signature": False})
    header, claims = parts["header"], parts["payload"]
    if not isinstance(header.get("alg"), str):
        raise jwt.InvalidAlgorithmError("it names no algorithm")
    return header, claims


def _find(keys: Sequence[Any], kid: Any, alg: str) -> Any:
    """
    The key of that id, or the only one that will do.
    """
    fitting = [
        key
        for key in keys
        if key.key_type in _KEY_TYPES.get(alg[:2], ())
        and key.public_key_use in (None, "sig")
        and (kid is None or key.key_id == kid)
    ]
    return fitting[0] if len(fitting) == 1 or (fitting and kid) else None


_KEY_TYPES = {
    "RS": ("RSA",),
    "PS": ("RSA",),
    "ES": ("EC",),
    "Ed": ("OKP",),
}


def _time(claims: Mapping[str, Any], name: str) -> float:
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise jwt.DecodeError(f"{name} is no time")
    return float(value)


def _in_words(error: jwt.PyJWTError) -> str:
    return str(error)[:200] or type(error).__name__


def role_of(claims: Mapping[str, Any], path: str) -> str:
    """
    The highest of our roles that is at that place.

    >>> role_of({"realm_access": {"roles": ["x", "viewer", "admin"]}},
    ...         "realm_access.roles")
    'admin'
    >>> role_of({"role": "king"}, "role")
    ''
    """
    value: Any = claims
    if path in claims:
        value = claims[path]
    else:
        for step in path.split("."):
            value = value.get(step) if isinstance(value, Mapping) else None
    given = value if isinstance(value, list) else [value]
    return next((r for r in reversed(ROLES) if r in given), "")
