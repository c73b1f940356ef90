"""
Sessions of browsers, users, API keys, and what was done by whom.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.web.iweb import IRequest

from ...access import ROLES, Key, Session, User, Visitor
from ...access.sessions import LASTS
from ...access.visitor import NOBODY
from ...errors import BadRequest, Conflict, NotAllowed, NotKnown
from ...fleet import iso
from ...interfaces import Page
from ...journal import Journal
from ...ocpp.times import parse_time
from .asked import read_list_query, read_object, read_query
from .door import COOKIE, Door, check_csrf, visitor_of
from .routes import Parameter, Route
from .shapes import NAMED, TEXT, body, listed


#: The fewest characters of a password (NIST SP 800-63B, 5.1.1.2: no rules but
#: its length), and the most.
SHORTEST, LONGEST = 8, 1024

_ROLE = {"type": "string", "enum": list(ROLES)}
_PASSWORD = {
    "type": "string",
    "minLength": SHORTEST,
    "maxLength": LONGEST,
    "examples": ["correct horse"],
}


class People:
    """
    Those who may use us.
    """

    def __init__(self, door: Door, journal: Journal) -> None:
        self._door = door
        self._journal = journal
        self.routes = [
            Route(
                "GET",
                "/session",
                self.session,
                role="public",
                gives=NAMED["Session"],
            ),
            Route(
                "POST",
                "/session",
                self.log_in,
                role="public",
                takes=body({"username": TEXT, "password": TEXT}),
                gives=NAMED["Session"],
            ),
            Route(
                "DELETE",
                "/session",
                self.log_out,
                role="public",
                status=204,
                errors=[503],
            ),
            Route(
                "PUT",
                "/session/password",
                self.change_password,
                role="viewer",
                takes=body({"old": TEXT, "new": _PASSWORD}),
                status=204,
                errors=[503],
            ),
            Route(
                "GET",
                "/users",
                self.users,
                role="admin",
                gives=listed("User"),
            ),
            Route(
                "PUT",
                "/users/<name>",
                self.put_user,
                role="admin",
                takes=body({"role": _ROLE}, password=_PASSWORD),
                gives=NAMED["User"],
                errors=[503],
            ),
            Route(
                "DELETE",
                "/users/<name>",
                self.delete_user,
                role="admin",
                status=204,
                errors=[503],
            ),
            Route(
                "GET", "/keys", self.keys, role="admin", gives=listed("Key")
            ),
            Route(
                "POST",
                "/keys",
                self.make_key,
                role="admin",
                takes=body(
                    {
                        "name": {**TEXT, "minLength": 1, "maxLength": 64},
                        "role": _ROLE,
                    },
                    identities={
                        "type": ["array", "null"],
                        "items": TEXT,
                        "maxItems": 1000,
                    },
                    expires={"type": ["string", "null"]},
                ),
                gives=NAMED["NewKey"],
                errors=[503],
            ),
            Route(
                "DELETE",
                "/keys/<key>",
                self.delete_key,
                role="admin",
                status=204,
                errors=[503],
            ),
            Route(
                "GET",
                "/audit",
                self.audit,
                "id time who via address method path action status",
                role="admin",
                query=(Parameter("who", "Of this user or key only."),),
                gives=listed("Deed"),
            ),
        ]

    # Sessions

    async def session(self, request: IRequest) -> dict[str, Any]:
        """
        Who asks: name, role and, in a session of a browser, the token that
        has to come with every change.
        """
        read_query(request)
        visitor = visitor_of(request)
        if visitor is NOBODY:
            raise NotKnown("nobody is logged in")
        return _whoami(visitor, self._door.session(request))

    async def log_in(self, request: IRequest) -> dict[str, Any]:
        """
        Log a browser in, by a cookie.
        """
        body = read_object(
            request,
            {"username": str, "password": str},
            ["username", "password"],
        )
        door = self._door
        self._check_auth()
        visitor = await door.by_password(
            request, body["username"], body["password"]
        )
        session = door.sessions.start(door.users.users[visitor.name])
        _set_cookie(request, session.token, LASTS)
        return _whoami(session.visitor, session)

    async def log_out(self, request: IRequest) -> None:
        """
        End the session of the browser that asks.
        """
        session = self._door.session(request)
        if session is not None:
            check_csrf(request, session)
            self._door.sessions.end(session)
        _set_cookie(request, "", 0)

    async def change_password(self, request: IRequest) -> None:
        """
        Change one's own password; every session is over then.
        """
        body = read_object(request, {"old": str, "new": str}, ["old", "new"])
        visitor = visitor_of(request)
        if visitor.via not in ("basic", "session"):
            raise NotAllowed("only users have passwords")
        await self._door.by_password(request, visitor.name, body["old"])
        password = await self._hashed(body["new"], "new")
        self._door.users.put_user(visitor.name, visitor.role, password)

    # Users

    async def users(self, request: IRequest) -> Page:
        """
        The users, by name.
        """
        query = read_list_query(request)
        found = sorted(self._door.users.users.values(), key=lambda u: u.name)
        return _page([_user(u) for u in found], "name", query)

    async def put_user(self, request: IRequest, name: str) -> dict[str, Any]:
        """
        Make a user, or change the role or the password of one.
        """
        body = read_object(request, {"role": str, "password": str}, ["role"])
        self._check_auth()
        _check_role(body["role"])
        password = body.get("password")
        if password is not None:
            password = await self._hashed(password, "password")
        user, _ = self._door.users.put_user(name, body["role"], password)
        return _user(user)

    async def delete_user(self, request: IRequest, name: str) -> None:
        """
        Delete a user.
        """
        self._check_auth()
        self._door.users.delete_user(name)

    async def _hashed(self, password: str, member: str) -> str:
        if not SHORTEST <= len(password) <= LONGEST:
            raise BadRequest(
                f"{member}: a password has {SHORTEST} to {LONGEST} characters"
            )
        return await self._door.passwords.hash(password)

    # API keys

    async def keys(self, request: IRequest) -> Page:
        """
        The API keys, without what is secret of them.
        """
        query = read_list_query(request)
        found = sorted(self._door.users.keys.values(), key=lambda k: k.id)
        return _page([_key(k) for k in found], "id", query)

    async def make_key(self, request: IRequest) -> dict[str, Any]:
        """
        Make an API key; the answer is the only one that shows it.
        """
        body = read_object(
            request,
            {
                "name": str,
                "role": str,
                "identities": object,
                "expires": object,
            },
            ["name", "role"],
        )
        self._check_auth()
        _check_role(body["role"])
        if not 1 <= len(body["name"]) <= 64:
            raise BadRequest("name: this is not 1 to 64 characters")
        key, text = self._door.users.make_key(
            body["name"],
            body["role"],
            identities=_identities(body.get("identities")),
            expires=_expires(body.get("expires")),
            created_by=visitor_of(request).name,
        )
        return {**_key(key), "key": text}

    async def delete_key(self, request: IRequest, key: str) -> None:
        """
        Revoke an API key.
        """
        self._check_auth()
        self._door.users.delete_key(key)

    def _check_auth(self) -> None:
        """
        @raise Conflict: whoever asks has not shown to be an admin.
        """
        if not self._door.ways:
            raise Conflict(
                "everybody may do everything here: [api] auth is off"
            )

    # What was done

    async def audit(self, request: IRequest) -> Page:
        """
        What was done, or tried, by whom; newest first.
        """
        query = read_list_query(request, "who")
        return await self._journal.deeds(**query)


def _set_cookie(request: IRequest, token: str, seconds: int) -> None:
    secure = "; Secure" if request.isSecure() else ""
    request.responseHeaders.addRawHeader(
        "Set-Cookie",
        f"{COOKIE.decode()}={token}; Path=/; Max-Age={seconds}; HttpOnly; "
        f"SameSite=Strict{secure}",
    )


def _whoami(visitor: Visitor, session: Session | None) -> dict[str, Any]:
    return {
        "name": visitor.name or None,
        "role": visitor.role or None,
        "via": visitor.via,
        "csrfToken": session.csrf if session else None,
        "expires": iso(session.expires) if session else None,
    }


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise BadRequest(
            f"role: {role!r:.60} is not one of {', '.join(ROLES)}"
        )


def _identities(value: object) -> tuple[str, ...] | None:
    if value is None:
        return None
    if (
        not isinstance(value, list)
        or len(value) > 1000
        or not all(isinstance(v, str) for v in value)
    ):
        raise BadRequest("identities: this is not a list of texts, or null")
    return tuple(value)


def _expires(value: object) -> float | None:
    if value is None:
        return None
    seconds = parse_time(value) if isinstance(value, str) else None
    if seconds is None:
        raise BadRequest("expires: this is not a time of ISO 8601, or null")
    return seconds


def _user(user: User) -> dict[str, Any]:
    return {
        "name": user.name,
        "role": user.role,
        "passwordChanged": iso(user.changed),
    }


def _key(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "role": key.role,
        "identities": None if key.identities is None else [*key.identities],
        "created": iso(key.created),
        "createdBy": key.created_by or None,
        "expires": None if key.expires is None else iso(key.expires),
        "lastUsed": None if key.last_used is None else iso(key.last_used),
    }


def _page(
    items: list[dict[str, Any]], name: str, query: Mapping[str, Any]
) -> Page:
    cursor, limit = query.get("cursor") or "", query["limit"]
    rest = [item for item in items if item[name] > cursor]
    more = len(rest) > limit
    return Page(rest[:limit], rest[limit - 1][name] if more else None)
