"""
The file of users and API keys.

::

    {"secret": "...",
     "users": {"ada": {"role": "admin", "password": "$argon2id$...", ...}},
     "keys": {"5f3c": {"name": "meters", "role": "viewer", "digest": ...}},
     "ended": {"9a0b...": 1760000000.0}}

Passwords are kept as Argon2 made them.  API keys are random, long, and not
to be guessed, so that SHA-256 is enough, and quick.  What has ended are
sessions, each until its time would have come anyway.

Several processes may change the file: each reads what is there, changes it,
and writes it, while it holds a lock.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
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

#: How many sessions that were ended are remembered.
ENDED = 10_000

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
    @ivar ended: the sessions that were ended, and when they would have.
    """

    log = Logger()

    def __init__(self, path: str, seconds: Callable[[], float]) -> None:
        self._path = Path(path)
        self._seconds = seconds
        self._stamp: tuple[int, int] | None = None
        #: When keys were used last, where the file does not say so yet.
        self._uses: dict[str, float] = {}
        self._saved_at = 0.0
        self.ended: dict[str, float] = {}
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
            ended = dict(kept.get("ended", {}))
        except OSError as e:
            raise BadConfig(f"[api] users: {self._path}: {e.strerror}") from e
        except (ValueError, TypeError, KeyError, AttributeError) as e:
            raise BadConfig(
                f"[api] users: {self._path}: this is no file of users: {e}"
            ) from e
        self._stamp = stamp
        self.secret, self.users, self.keys = secret, users, keys
        self.ended = ended
        for number, used in self._uses.items():
            if number in keys:
                keys[number] = evolve(keys[number], last_used=used)

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

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """
        Nobody else changes the file meanwhile; what is changed in here is
        written.

        @raise BackendUnavailable: it cannot be; nothing has changed then.
        """
        with _locked(self._path.parent):
            self.refresh()
            yield
            self._save()

    def _save(self) -> None:
        if not self.secret:
            self.secret = secrets.token_hex(32)
        kept = {
            "secret": self.secret,
            "users": _without("name", self.users),
            "keys": _without("id", self.keys),
            "ended": self.ended,
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
        self._uses, self._saved_at = {}, self._seconds()

    def close(self) -> None:
        """
        Write down what was not yet.
        """
        if self._uses:
            with suppress(BackendUnavailable), self._changing():
                pass

    # Users

    def put_first(self, name: str, password: str) -> bool:
        """
        Make an admin where there is nobody; another process of ours may just
        have made one.

        @param password: its hash.
        @return: whether it was made.
        """
        with self._changing():
            if self.users:
                return False
            self.users[name] = User(name, "admin", password, self._seconds())
            return True

    def put_user(
        self, name: str, role: str, password: str | None
    ) -> tuple[User, bool]:
        """
        Make a user, or change one.

        @param password: its hash; None to keep the one there is.
        @return: the user, and whether it is new.
        @raise Conflict: nobody would be an admin any more.
        """
        with self._changing():
            old = self.users.get(name)
            if old is None:
                self._check_new(name, password)
            self._keep_an_admin(name, role)
            if password is None and old is not None:
                user = evolve(old, role=role)
            else:
                user = User(name, role, password or "", self._seconds())
            self.users[name] = user
        return user, old is None

    def _check_new(self, name: str, password: str | None) -> None:
        if not _NAME.match(name):
            raise BadRequest(
                "name: this is not 1 to 64 characters without spaces, : or /"
            )
        if password is None:
            raise BadRequest("password: this member is required")
        if len(self.users) >= MOST:
            raise Conflict(f"there are {MOST} users already")

    def delete_user(self, name: str) -> None:
        """
        @raise NotFound: there is none of that name.
        @raise Conflict: nobody would be an admin any more.
        """
        with self._changing():
            if name not in self.users:
                raise NotFound(f"there is no user {name!r:.70}")
            self._keep_an_admin(name, "")
            del self.users[name]

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
        number, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        text = f"cs_{number}_{secret}"
        key = Key(number, name, role, _digest(text), self._seconds(), **more)
        with self._changing():
            if len(self.keys) >= MOST:
                raise Conflict(f"there are {MOST} keys already")
            self.keys[key.id] = key
        return key, text

    def delete_key(self, number: str) -> None:
        """
        @raise NotFound: there is none of that id.
        """
        with self._changing():
            if self.keys.pop(number, None) is None:
                raise NotFound(f"there is no key {number!r:.60}")

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
        self._uses[key.id] = now
        if now - self._saved_at > SAVE:
            self._saved_at = now
            try:
                with self._changing():
                    pass
            except BackendUnavailable as e:
                self.log.error("{error}", error=e)

    # Sessions

    def end_session(self, number: str, expires: float) -> None:
        """
        A session is over before its time, for all processes and for good.
        """
        now = self._seconds()
        with self._changing():
            ended = {**self.ended, number: expires}
            left = [(n, end) for n, end in ended.items() if end > now]
            self.ended = dict(left[-ENDED:])


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """
    Let no other process of ours in here meanwhile.

    @raise BackendUnavailable: there is no such folder.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as e:
        raise BackendUnavailable(
            f"the file of users cannot be written: {e.strerror}"
        ) from e
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


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
