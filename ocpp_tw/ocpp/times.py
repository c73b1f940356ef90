"""
Times as stations write them: ISO 8601 in all its variants, and some besides.

>>> parse_time("1970-01-01T00:00:01Z")
1.0
>>> parse_time("1970-01-01 00:00:01,5"), parse_time("19700101T000001+0000")
(1.5, 1.0)
>>> parse_time("yesterday") is None
True
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo


_FRACTION = re.compile(r"[.,](\d+)")


def parse_time(text: object) -> float | None:
    """
    Seconds since 1970; None for what is no time.

    A time without a zone is taken as UTC.
    """
    if not isinstance(text, str) or not 8 <= len(text) <= 64:
        return None
    return _parse(text)


# Where time matters there are many stations, and they tell the same time.
@lru_cache(maxsize=1024)
def _parse(text: str) -> float | None:
    try:
        # Nearly all are like this.
        when = datetime.fromisoformat(text)
        if when.tzinfo is UTC:
            return when.timestamp()
        return _timestamp(text)
    except (ValueError, OverflowError):
        pass
    # Python takes at most six digits of a second.
    text = _FRACTION.sub(lambda m: "." + m[1][:6], text.strip())
    try:
        return _timestamp(text)
    except (ValueError, OverflowError):
        return None


def zone_of(name: str) -> tzinfo:
    """
    UTC, or one of the time zone database, by its name.

    @raise ValueError: there is no such zone.
    """
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (KeyError, OSError):
        raise ValueError(f"there is no time zone {name!r:.60}") from None


def in_zone(text: str, zone: tzinfo) -> str:
    """
    A time with its zone: that one, if it names none.

    >>> in_zone("2026-07-01 10:00:00", ZoneInfo("Europe/Berlin"))
    '2026-07-01 10:00:00+02:00'
    >>> in_zone("2026-07-01T10:00:00Z", ZoneInfo("Europe/Berlin"))
    '2026-07-01T10:00:00Z'
    """
    seconds = parse_time(text)
    there = parse_time(text.strip() + "Z")
    if seconds is None or there is None:
        # It is no time, or names its zone.
        return text
    when = datetime.fromtimestamp(there, UTC).replace(tzinfo=zone)
    return text.strip() + when.isoformat(timespec="seconds")[19:]


def _timestamp(text: str) -> float:
    when = datetime.fromisoformat(text)
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return when.timestamp()


def write_time(milliseconds: int) -> str:
    """
    A time in ms since 1970 as we write it: UTC, with milliseconds and Z.

    >>> write_time(1_001)
    '1970-01-01T00:00:01.001Z'
    """
    seconds, rest = divmod(milliseconds, 1000)
    return f"{_second(seconds)}.{rest:03d}Z"


@lru_cache(maxsize=16)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]
