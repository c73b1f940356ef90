"""
Who may charge, as far as a charge point knows without asking: the local list
and the authorization cache (OCPP 1.6, section 3.5).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..ocpp.times import parse_time


#: How many tags a cache holds; the oldest goes when another comes.
CACHE_SIZE = 1000

TagInfo = Mapping[str, Any]


def is_valid(info: TagInfo, now: float) -> bool:
    """
    Whether an idTagInfo is Accepted, and not expired.

    >>> is_valid({"status": "Accepted", "expiryDate": "1970-01-02"}, 0)
    True
    >>> is_valid({"status": "Accepted", "expiryDate": "1970-01-02"}, 1e6)
    False
    """
    return info.get("status") == "Accepted" and not has_expired(info, now)


def has_expired(info: TagInfo, now: float) -> bool:
    expiry = parse_time(info.get("expiryDate"))
    return expiry is not None and expiry <= now


def same_tag(one: str, other: str) -> bool:
    """
    Whether two idTags are the same: they are CiString20Type.
    """
    return one.lower() == other.lower()


class AuthorizationCache:
    """
    What the central system said of tags lately.
    """

    __slots__ = ("_tags",)

    def __init__(self, tags: Mapping[str, TagInfo] | None = None) -> None:
        self._tags: dict[str, TagInfo] | None = dict(tags) if tags else None

    def as_json(self) -> dict[str, TagInfo]:
        return dict(self._tags or {})

    def __len__(self) -> int:
        return len(self._tags or ())

    def get(self, id_tag: str, now: float) -> TagInfo | None:
        """
        What is known of a tag; an expired entry is Expired.
        """
        info = (self._tags or {}).get(id_tag.lower())
        if info is not None and has_expired(info, now):
            return {**info, "status": "Expired"}
        return info

    def keep(self, id_tag: str, info: TagInfo) -> None:
        tags = self._tags = self._tags if self._tags is not None else {}
        tags.pop(id_tag.lower(), None)
        tags[id_tag.lower()] = dict(info)
        if len(tags) > CACHE_SIZE:
            del tags[next(iter(tags))]

    def clear(self) -> None:
        self._tags = None


class LocalList:
    """
    The list that the central system sends.

    @ivar version: -1 where there never was one, as GetLocalListVersion says
        it of a charge point that does not support it; 0 for an empty list.
    """

    __slots__ = ("_tags", "version")

    def __init__(
        self, version: int = 0, entries: Mapping[str, TagInfo] | None = None
    ) -> None:
        self.version = version
        self._tags: Mapping[str, TagInfo] = entries or {}

    def __len__(self) -> int:
        return len(self._tags)

    def get(self, id_tag: str, now: float) -> TagInfo | None:
        info = self._tags.get(id_tag.lower())
        if info is not None and has_expired(info, now):
            return {**info, "status": "Expired"}
        return info

    def update(
        self,
        version: int,
        kind: str,
        entries: Iterable[Mapping[str, Any]],
        longest: int,
    ) -> str:
        """
        @param kind: Full or Differential.
        @param longest: how many tags the list may have.
        @return: the status of SendLocalList (OCPP 1.6, section 5.15).
        """
        if kind == "Differential" and version <= self.version:
            return "VersionMismatch"
        tags = dict(self._tags) if kind == "Differential" else {}
        for entry in entries:
            name, info = entry["idTag"].lower(), entry.get("idTagInfo")
            if info is not None:
                tags[name] = info
            elif kind == "Full":
                return "Failed"
            else:
                tags.pop(name, None)
        if len(tags) > longest:
            return "Failed"
        self._tags, self.version = tags, version
        return "Accepted"

    def as_json(self) -> dict[str, Any]:
        return {"version": self.version, "entries": dict(self._tags)}
