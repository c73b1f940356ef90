"""
The file of users and API keys.

::

    {"secret": "...",
     "users": {"ada": {"role": "admin", "password": "$argon2id$...", ...}},
     "keys": {"5f3c": {"name": "meters", "role": "viewer", "hash": ...}}}

Passwords are kept as Argon2 made them.  API keys are random, long, and not
to be guessed, so that SHA-256 is enough, and quick.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import orjson
from attrs import asdict, evolve, field, frozen
from twisted.logger import Logger

from ..errors import (
    BackendUnavailable,
    BadConfig,
    BadRequest,
    Conflict,
    NotFound,
)
from .visitor import ROLES, Visitor


C = TypeVar("C")

#: How often the last use of a key is written down, in seconds.
SAVE = 60

#: How many users, and keys, there may be.
MOST = 1000

_NAME = re.compile(r"[^\s:/\x00-\x1f\x7f]{1,64}\Z")


@frozen
class User:
    """
    @ivar password: its hash.
    @ivar changed: when the password was; sessions from before are over.
    """

    name: str
    role: str
    password: str = field(repr=False)
    changed: float = 0.0


@frozen
class Key:
    """
    An API key.

    @ivar digest: SHA-256 of it, in hexadecimal.
    @ivar identities: the stations that it is for; None for all.
    @ivar expires: seconds since 1970; None for never.
    """

    id: str
    name: str
    role: str
    digest: str = field(repr=False)
    created: float = 0.0
    created_by: str = ""
    identities: tuple[str, ...] | None = None
    expires: float | None = None
    last_used: float | None = None


class Users:
    """
    Those who may use us, as the file has them.

    @ivar secret: what sessions are signed with.
    """

    log = Logger()

    def __init__(self, path: str, seconds: Callable[[], float]) -> None:
        self._path = Path(path)
        self._seconds = seconds
        self._stamp: tuple[int, int] | None = None
        self._used_unsaved = False
        self._saved_at = 0.0
        self.secret = ""
        self.users: dict[str, User] = {}
        self.keys: dict[str, Key] = {}

    # The file

    def read(self) -> None:
        """
        Read the file, if it has changed; none at all is nobody.

        @raise BadConfig: it cannot be used.
        """
        stamp = self._stamped()
        if stamp is None or stamp == self._stamp:
            return
        try:
            kept = orjson.loads(self._path.read_bytes())
            users = _read_all(User, "name", kept["users"])
            keys = _read_all(Key, "id", kept["keys"])
            secret = str(kept["secret"])
        except OSError as e:
            raise BadConfig(f"[api] users: {self._path}: {e.strerror}") from e
        except (ValueError, TypeError, KeyError, AttributeError) as e:
            raise BadConfig(
                f"[api] users: {self._path}: this is no file of users: {e}"
            ) from e
        self._stamp = stamp
        self.secret, self.users, self.keys = secret, users, keys

    def refresh(self) -> None:
        """
        Read what another process has written; what cannot be used is logged.
        """
        try:
            self.read()
        except BadConfig as e:
            self._stamp = self._stamped()
            self.log.error("{error}", error=e)

    def _stamped(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino

    def _save(self) -> None:
        if not self.secret:
            self.secret = secrets.token_hex(32)
        kept = {
            "secret": self.secret,
            "users": _without("name", self.users),
            "keys": _without("id", self.keys),
        }
        try:
            _replace(
                self._path, orjson.dumps(kept, option=orjson.OPT_INDENT_2)
            )
        except OSError as e:
            self._stamp = None
            self.refresh()
            raise BackendUnavailable(
                f"the file of users cannot be written: {e.strerror}"
            ) from e
        self._stamp = self._stamped()
        self._used_unsaved, self._saved_at = False, self._seconds()

    def close(self) -> None:
        """
        Write down what was not yet.
        """
        if self._used_unsaved:
            with suppress(BackendUnavailable):
                self._save()

    # Users

    def put_user(
        self, name: str, role: str, password: str | None
    ) -> tuple[User, bool]:
        """
        Make a user, or change one.

        @param password: its hash; None to keep the one there is.
        @return: the user, and whether it is new.
        @raise Conflict: nobody would be an admin any more.
        """
        self.refresh()
        old = self.users.get(name)
        if old is None and not _NAME.match(name):
            raise BadRequest(
                "name: this is not 1 to 64 characters without spaces, : or /"
            )
        if old is None and password is None:
            raise BadRequest("password: this member is required")
        if old is None and len(self.users) >= MOST:
            raise Conflict(f"there are {MOST} users already")
        self._keep_an_admin(name, role)
        if password is None and old is not None:
            user = evolve(old, role=role)
        else:
            user = User(name, role, password or "", self._seconds())
        self.users[name] = user
        self._save()
        return user, old is None

    def delete_user(self, name: str) -> None:
        """
        @raise NotFound: there is none of that name.
        @raise Conflict: nobody would be an admin any more.
        """
        self.refresh()
        if name not in self.users:
            raise NotFound(f"there is no user {name!r:.70}")
        self._keep_an_admin(name, "")
        del self.users[name]
        self._save()

    def _keep_an_admin(self, name: str, role: str) -> None:
        others = (u for u in self.users.values() if u.name != name)
        if role != "admin" and not any(u.role == "admin" for u in others):
            raise Conflict("nobody would be an admin any more")

    # Keys

    def make_key(self, name: str, role: str, **more: Any) -> tuple[Key, str]:
        """
        @return: what is kept of the new key, and the key itself, which
            nobody will see again.
        """
        self.refresh()
        if len(self.keys) >= MOST:
            raise Conflict(f"there are {MOST} keys already")
        number, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        text = f"cs_{number}_{secret}"
        key = Key(number, name, role, _digest(text), self._seconds(), **more)
        self.keys[key.id] = key
        self._save()
        return key, text

    def delete_key(self, number: str) -> None:
        """
        @raise NotFound: there is none of that id.
        """
        self.refresh()
        if self.keys.pop(number, None) is None:
            raise NotFound(f"there is no key {number!r:.60}")
        self._save()

    def by_key(self, text: str) -> Visitor | None:
        """
        Who has that key.
        """
        parts = text.split("_", 2)
        key = self.keys.get(parts[1]) if len(parts) == 3 else None
        digest = key.digest if key else "0" * 64
        right = hmac.compare_digest(_digest(text), digest)
        now = self._seconds()
        if key is None or not right or (key.expires or now + 1) <= now:
            return None
        self._used(key, now)
        only = None if key.identities is None else frozenset(key.identities)
        return Visitor(key.name, key.role, "key", only)

    def _used(self, key: Key, now: float) -> None:
        self.keys[key.id] = evolve(key, last_used=now)
        self._used_unsaved = True
        if now - self._saved_at > SAVE:
            self._saved_at = now
            try:
                self._save()
            except BackendUnavailable as e:
                self.log.error("{error}", error=e)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _read_all(
    cls: type[C], name: str, kept: Mapping[str, Mapping[str, Any]]
) -> dict[str, C]:
    found = {}
    for key, members in kept.items():
        if members["role"] not in ROLES:
            raise ValueError(f"{key}: there is no such role")
        found[key] = cls(**{name: key}, **members)
    return found


def _without(member: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """
    The values as JSON, without the member that is their key.
    """
    return {
        key: {k: v for k, v in asdict(value).items() if k != member}
        for key, value in values.items()
    }


def _replace(path: Path, octets: bytes) -> None:
    """
    Write a file that only we may read, wholly or not at all.
    """
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(octets)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)
