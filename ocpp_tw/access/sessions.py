"""
Browsers that have logged in: a signed cookie, and a token against requests
that another site makes the browser send.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable

import jwt
from attrs import frozen

from .users import User, Users
from .visitor import Visitor


#: How long a session lasts, in seconds.
LASTS = 12 * 3600

_ISSUER = "ocpp_tw session"


@frozen
class Session:
    """
    @ivar token: what is in the cookie.
    @ivar csrf: what has to come with every request that changes something.
    """

    id: str
    user: User
    token: str
    csrf: str
    expires: float

    @property
    def visitor(self) -> Visitor:
        return Visitor(self.user.name, self.user.role, "session")


class Sessions:
    """
    Starts sessions, and finds them again; other processes of ours find them
    too.
    """

    def __init__(self, users: Users, seconds: Callable[[], float]) -> None:
        self._users = users
        self._seconds = seconds

    def start(self, user: User) -> Session:
        """
        A new session, whatever the browser had before.
        """
        now = self._seconds()
        number = secrets.token_hex(16)
        claims = {
            "iss": _ISSUER,
            "sub": user.name,
            "jti": number,
            "iat": now,
            "exp": now + LASTS,
        }
        token = jwt.encode(claims, self._users.secret, "HS256")
        return self._session(number, user, token, now + LASTS)

    def find(self, token: str) -> Session | None:
        """
        The session that a cookie is of; None where it is of none.
        """
        secret = self._users.secret
        if not secret or not token:
            return None
        try:
            claims = jwt.decode(
                token,
                secret,
                ["HS256"],
                issuer=_ISSUER,
                options={
                    "require": ["exp", "iat", "jti", "sub"],
                    # By our own clock, below.
                    "verify_exp": False,
                    "verify_iat": False,
                },
            )
        except jwt.PyJWTError:
            return None
        user = self._users.users.get(claims["sub"])
        if (
            user is None
            or claims["jti"] in self._users.ended
            or claims["exp"] <= self._seconds()
            or claims["iat"] < user.changed
        ):
            return None
        return self._session(claims["jti"], user, token, claims["exp"])

    def end(self, session: Session) -> None:
        """
        The browser has logged out.

        @raise BackendUnavailable: that cannot be written down.
        """
        self._users.end_session(session.id, session.expires)

    def _session(
        self, number: str, user: User, token: str, expires: float
    ) -> Session:
        csrf = hmac.digest(
            self._users.secret.encode(), f"csrf {number}".encode(), "sha256"
        ).hex()
        return Session(number, user, token, csrf, expires)
