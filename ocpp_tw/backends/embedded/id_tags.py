"""
Who may charge: AuthorizationStatus by the rules of OCPP 1.6, section 7.2.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen

from ...errors import BadRequest
from ...ocpp.times import parse_time, write_time


#: The longest idTag (CiString20Type, section 7.10).
LONGEST = 20


@frozen
class IdTag:
    """
    What is known of an id tag.

    @ivar expiry: in ms; None for never.
    @ivar max_active: how many transactions it may have at once.
    """

    id_tag: str
    status: str
    expiry: int | None = None
    parent_id_tag: str | None = None
    max_active: int | None = None
    note: str | None = None

    def status_at(self, now: int) -> str:
        """
        Its AuthorizationStatus at that time.
        """
        if self.status != "Accepted":
            return self.status
        if self.expiry is not None and self.expiry <= now:
            return "Expired"
        return "Accepted"

    def as_json(self) -> dict[str, Any]:
        """
        See L{ocpp_tw.interfaces.IRecords.id_tag}.
        """
        members = {
            "idTag": self.id_tag,
            "status": self.status,
            "expiryDate": self.expiry and write_time(self.expiry),
            "parentIdTag": self.parent_id_tag,
            "maxActiveTransactions": self.max_active,
            "note": self.note,
        }
        return {k: v for k, v in members.items() if v is not None}


def read_by(
    pattern: re.Pattern[str], payload: Mapping[str, Any]
) -> Mapping[str, Any]:
    """
    A payload with what of its idTag counts.

    >>> read_by(re.compile("([0-9A-F]+)-KEBA"), {"idTag": "04A2-KEBA"})
    {'idTag': '04A2'}
    """
    found = pattern.fullmatch(payload.get("idTag", "").strip())
    return payload if found is None else {**payload, "idTag": found[1] or ""}


def find(db: sqlite3.Connection, id_tag: str) -> IdTag | None:
    """
    What is known of an id tag, however it is spelled.
    """
    row = db.execute(
        "SELECT id_tag, status, expiry, parent_id_tag, max_active, note"
        " FROM id_tags WHERE id_tag = ?",
        (id_tag.strip(),),
    ).fetchone()
    return None if row is None else IdTag(*row)


def parent_of(db: sqlite3.Connection, id_tag: str) -> str | None:
    """
    The parentIdTag of an id tag, in lower case; None where there is none.
    """
    found = find(db, id_tag)
    parent = None if found is None else found.parent_id_tag
    return None if parent is None else parent.casefold()


def is_empty(db: sqlite3.Connection) -> bool:
    """
    Whether there is no id tag at all.
    """
    return db.execute("SELECT 1 FROM id_tags LIMIT 1").fetchone() is None


def authorize(
    db: sqlite3.Connection, id_tag: str, now: int, accept_unknown: bool
) -> dict[str, Any]:
    """
    The idTagInfo of an id tag.
    """
    found = find(db, id_tag)
    if found is None:
        return {"status": "Accepted" if accept_unknown else "Invalid"}
    return _info(found, found.status_at(now))


def authorize_start(
    db: sqlite3.Connection,
    id_tag: str,
    place: tuple[str, int],
    now: int,
    accept_unknown: bool,
) -> dict[str, Any]:
    """
    The idTagInfo for a transaction at that station and connector: only there
    does ConcurrentTx have a meaning.
    """
    found = find(db, id_tag)
    if found is None:
        return {"status": "Accepted" if accept_unknown else "Invalid"}
    status = found.status_at(now)
    if (
        status == "Accepted"
        and found.max_active is not None
        and _active_elsewhere(db, id_tag, place) >= found.max_active
    ):
        status = "ConcurrentTx"
    return _info(found, status)


def _info(found: IdTag, status: str) -> dict[str, Any]:
    info: dict[str, Any] = {"status": status}
    if found.expiry is not None:
        info["expiryDate"] = write_time(found.expiry)
    if found.parent_id_tag is not None:
        info["parentIdTag"] = found.parent_id_tag
    return info


def _active_elsewhere(
    db: sqlite3.Connection, id_tag: str, place: tuple[str, int]
) -> int:
    # What is open on the same connector ends with the new start.
    [count] = db.execute(
        "SELECT count(*) FROM transactions WHERE id_tag = ?"
        " AND closed IS NULL AND id_tag_status = 'Accepted'"
        " AND NOT (identity = ? AND connector = ?)",
        (id_tag.strip(), *place),
    ).fetchone()
    return int(count)


def put(db: sqlite3.Connection, tag: IdTag) -> IdTag:
    """
    Make or replace an id tag.
    """
    db.execute(
        "INSERT OR REPLACE INTO id_tags (id_tag, status, expiry,"
        " parent_id_tag, max_active, note) VALUES (?, ?, ?, ?, ?, ?)",
        (
            tag.id_tag,
            tag.status,
            tag.expiry,
            tag.parent_id_tag,
            tag.max_active,
            tag.note,
        ),
    )
    return tag


def from_json(id_tag: str, body: Mapping[str, Any]) -> IdTag:
    """
    Read the body of a PUT.

    @raise BadRequest: a member is missing, unknown or makes no sense.
    """
    id_tag = _name(id_tag, "idTag")
    for member, value in body.items():
        _check(id_tag, member, value)
    if body.get("status") is None:
        raise BadRequest("status: it is missing; it is Accepted or Blocked")
    expiry = parse_time(body.get("expiryDate"))
    parent = body.get("parentIdTag")
    return IdTag(
        id_tag,
        body["status"],
        None if expiry is None else int(expiry * 1000),
        None if parent is None else parent.strip(),
        body.get("maxActiveTransactions"),
        body.get("note"),
    )


def _name(text: str, member: str) -> str:
    text = text.strip()
    if not 0 < len(text) <= LONGEST or not text.isprintable():
        raise BadRequest(
            f"{member}: {text!r:.60} has not 1 to {LONGEST} printable"
            " characters"
        )
    return text


def _check(id_tag: str, member: str, value: Any) -> None:
    if member == "idTag":
        if not isinstance(value, str) or value.strip() != id_tag:
            raise BadRequest(f"idTag: {value!r:.60} is not {id_tag!r}")
        return
    try:
        is_allowed, allowed = _MEMBERS[member]
    except KeyError:
        known = ", ".join(_MEMBERS)
        raise BadRequest(
            f"unknown member {member!r:.60}; known: {known}"
        ) from None
    if value is not None and not is_allowed(value):
        raise BadRequest(f"{member}: {value!r:.60} is not {allowed}")


def _is_name(value: Any) -> bool:
    return (
        isinstance(value, str)
        and 0 < len(value.strip()) <= LONGEST
        and value.isprintable()
    )


_MEMBERS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "status": (
        lambda v: v in ("Accepted", "Blocked"),
        "Accepted or Blocked",
    ),
    "expiryDate": (
        lambda v: (parse_time(v) or -1) > 0,
        "a time of ISO 8601 since 1970",
    ),
    "parentIdTag": (_is_name, f"a text of 1 to {LONGEST} characters"),
    "maxActiveTransactions": (
        lambda v: type(v) is int and 0 <= v <= 1_000_000,
        "a whole number from 0 to 1000000",
    ),
    "note": (
        lambda v: isinstance(v, str) and len(v) <= 2000,
        "a text of at most 2000 characters",
    ),
}
