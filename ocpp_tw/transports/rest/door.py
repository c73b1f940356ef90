"""
Who comes in: credentials of every kind, read from a request.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import orjson
import treq
from treq.client import HTTPClient
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.web.client import Agent
from twisted.web.iweb import IRequest

from ...access import (
    Bucket,
    Failures,
    Passwords,
    Session,
    Sessions,
    Tokens,
    Users,
    Visitor,
    providers,
)
from ...access.visitor import ANYBODY, NOBODY
from ...errors import BadRequest, NotAllowed, NotKnown
from ..websocket import credentials
from .routes import Route


#: The cookie of a browser that has logged in.
COOKIE = b"cs_session"

#: What changes nothing.
SAFE = {b"GET", b"HEAD", b"OPTIONS"}

#: How long an issuer has to give us its keys, in seconds, and how many octets
#: they may have.
PATIENCE, LONGEST = 10, 1 << 20


class Door:
    """
    Lets in those who may.

    @ivar ways: C{basic}, C{bearer}: how one may prove who one is; with none
        of them everybody may do everything.
    """

    log = Logger()

    def __init__(self, reactor: Any) -> None:
        self.ways: Collection[str] = ()
        self._reactor = reactor
        self._seconds = reactor.seconds
        self._path = ""
        self._is_open = False
        self.passwords = Passwords(reactor)
        self.failures = Failures(reactor.seconds)
        self.bucket = Bucket(reactor.seconds)
        self.tokens = Tokens(reactor.seconds, self._fetch)
        self._use(Users("", reactor.seconds))

    def _use(self, users: Users) -> None:
        self.users = users
        self.sessions = Sessions(users, self._seconds)

    def prepare(self, config: Any) -> Callable[[], None]:
        """
        @return: what puts a new configuration in place.
        @raise BadConfig: the file of users cannot be used.
        """
        api = config.api
        users = self.users
        if api.auth and api.users != self._path:
            users = Users(api.users, self._seconds)
        if api.auth:
            users.read()
        trusted = providers(config)

        def replace() -> None:
            if users is not self.users:
                self._use(users)
                self._path = api.users
            self.ways = api.auth
            self.bucket.per_minute = api.requests_per_minute
            self.tokens.providers = trusted
            if self._is_open:
                self.open()

        return replace

    def open(self) -> None:
        """
        We begin; where there are no users, make one.
        """
        self._is_open = True
        if not self.ways or self.users.users:
            return
        password = secrets.token_urlsafe(12)
        if self.users.put_first("admin", self.passwords.hash_now(password)):
            self.log.warn(
                "made the user admin, with the password {password}  "
                "(this is not said again)",
                password=password,
            )

    def close(self) -> None:
        """
        We end.
        """
        if self.ways:
            self.users.close()

    # A request

    async def admit(
        self, request: IRequest, route: Route, names: Mapping[str, str]
    ) -> Visitor:
        """
        Who asks.

        @raise NotKnown: there are no credentials, or they are wrong.
        @raise NotAllowed: they are right, and not enough.
        @raise TooManyRequests: not now.
        """
        visitor = await self.visitor(request)
        remember(request, visitor)
        if route.role != "public":
            self._check(visitor, route, names)
            if visitor.via == "session" and request.method not in SAFE:
                check_csrf(request, self.session(request))
        return visitor

    def _check(
        self, visitor: Visitor, route: Route, names: Mapping[str, str]
    ) -> None:
        if visitor is NOBODY:
            raise NotKnown("credentials are required")
        if not visitor.may(route.least_role):
            raise NotAllowed(
                f"this takes the role {route.least_role}; yours is "
                f"{visitor.role or 'none'}"
            )
        if (
            visitor.identities is not None
            and names.get("identity") not in visitor.identities
        ):
            raise NotAllowed("this key is for some stations only")

    async def visitor(self, request: IRequest) -> Visitor:
        """
        Who asks, L{NOBODY} where there are no credentials.
        """
        if not self.ways:
            return ANYBODY
        self.users.refresh()
        header = request.getHeader("authorization") or ""
        scheme = header.partition(" ")[0].lower()
        if scheme == "basic" and "basic" in self.ways:
            name, password = credentials(header)
            if name is None or password is None:
                raise BadRequest("Authorization: this is not HTTP Basic")
            return await self.by_password(
                request, name, password.decode(errors="replace")
            )
        if scheme == "bearer" and "bearer" in self.ways:
            return await self._by_token(header.partition(" ")[2].strip())
        if header:
            raise NotKnown(
                f"Authorization: there is {' and '.join(self.ways)} here"
            )
        session = self.session(request)
        return NOBODY if session is None else session.visitor

    async def by_password(
        self, request: IRequest, name: str, password: str
    ) -> Visitor:
        """
        @raise NotKnown: the name or the password is wrong.
        @raise TooManyRequests: it was wrong too often.
        """
        address = address_of(request)
        self.failures.check(address, name)
        user = self.users.users.get(name)
        kept = user.password if user else None
        if not await self.passwords.is_right(password, kept) or user is None:
            self.failures.failed(address, name)
            raise NotKnown("the name or the password is wrong")
        self.failures.succeeded(name)
        return Visitor(user.name, user.role, "basic")

    async def _by_token(self, token: str) -> Visitor:
        if token.startswith("cs_"):
            visitor = self.users.by_key(token)
            if visitor is None:
                raise NotKnown("there is no such key, or it has expired")
            return visitor
        return await self.tokens.visitor(token)

    def session(self, request: IRequest) -> Session | None:
        """
        The session of the browser that asks, if it has one.
        """
        cookie = request.getCookie(COOKIE)
        if cookie is None:
            return None
        return self.sessions.find(cookie.decode("latin-1"))

    async def _fetch(self, url: str) -> Any:
        """
        The JSON at an URL of the configuration, or of an issuer in it.
        """
        client = HTTPClient(Agent(self._reactor, connectTimeout=PATIENCE))
        response = await client.get(url, timeout=PATIENCE)
        if response.code != 200:
            raise ValueError(f"{url}: status {response.code}")
        return await _short(response)


async def _short(response: Any) -> Any:
    parts: list[bytes] = []

    def collect(part: bytes) -> None:
        parts.append(part)
        if sum(map(len, parts)) > LONGEST:
            raise ValueError("this is too long for keys")

    done: Deferred[None] = treq.collect(response, collect)
    await done
    return orjson.loads(b"".join(parts))


def check_csrf(request: IRequest, session: Session | None) -> None:
    """
    @raise NotAllowed: it does not come from our pages.
    """
    given = request.getHeader("x-csrf-token") or ""
    right = session.csrf if session else ""
    if not right or not hmac.compare_digest(given.encode(), right.encode()):
        raise NotAllowed(
            "X-CSRF-Token: it must be the csrfToken of GET /api/v1/session"
        )


def address_of(request: IRequest) -> str:
    """
    Where a request comes from, without the port.
    """
    return getattr(request.getClientAddress(), "host", None) or "local"


def remember(request: IRequest, visitor: Visitor) -> None:
    """
    Note who asks.
    """
    request.visitor = visitor  # type: ignore[attr-defined]


def visitor_of(request: IRequest) -> Visitor:
    """
    Who asks, as far as it is known.
    """
    return getattr(request, "visitor", NOBODY)


def note_command(
    request: IRequest, action: str, identities: Iterable[str] = ()
) -> None:
    """
    Note what stations are asked to do.

    @param identities: which ones, where the path does not say.
    """
    request.commanded = action  # type: ignore[attr-defined]
    request.commanded_at = ",".join(identities)  # type: ignore[attr-defined]


def challenge(request: IRequest, ways: Collection[str]) -> None:
    """
    Say how one may prove who one is.
    """
    # A browser would ask for a password itself, over our page that does.
    from_page = request.getHeader("sec-fetch-mode") not in (None, "navigate")
    challenges = [
        f'{way.capitalize()} realm="ocpp_tw"'
        for way in ways
        if way == "bearer" or not from_page
    ]
    if challenges:
        request.responseHeaders.setRawHeaders("WWW-Authenticate", challenges)
