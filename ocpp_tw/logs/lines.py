r"""
One line for each event, as text or as JSON.

>>> printable("a\nb\x1b[2J")
'a\\nb\\x1b[2J'
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

import orjson
from twisted.logger import LogEvent, LogLevel, formatEvent
from twisted.python.failure import Failure

from ..fleet import iso
from .mask import Mask


#: The levels of the configuration, the gravest first, with the numbers that
#: syslog has for them.
LEVELS = {
    "alert": 1,
    "crit": 2,
    "error": 3,
    "warn": 4,
    "notice": 5,
    "info": 6,
    "debug": 7,
}

_LEVELS = {
    LogLevel.critical: "crit",
    LogLevel.error: "error",
    LogLevel.warn: "warn",
    LogLevel.info: "info",
    LogLevel.debug: "debug",
}

#: The longest message of an event; a frame may be a megabyte.
LONGEST = 8192

#: What moves the cursor, ends a line, or turns the direction of reading.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


def printable(text: str) -> str:
    """
    The text, with nothing in it that could make a line of its own.
    """
    return _UNPRINTABLE.sub(
        lambda match: match[0].encode("unicode_escape").decode(), text
    )


def level(event: LogEvent) -> str:
    """
    How grave an event is; it may say so itself, as L{LEVELS} does.
    """
    own = event.get("gravity")
    if own in LEVELS:
        return str(own)
    return _LEVELS.get(event.get("log_level"), "info")


def station(event: LogEvent) -> str:
    """
    The identity of the station that an event is about, or nothing.
    """
    about = event.get("station")
    return str(getattr(about, "identity", None) or event.get("identity") or "")


def message(event: LogEvent, mask: Mask) -> str:
    """
    What happened, as one line that names the station it happened to.
    """
    text = formatEvent(event)
    identity = station(event)
    if identity and identity not in text:
        text = f"{identity}: {text}"
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}..."
    return printable(mask.text(text))


def traceback(event: LogEvent, mask: Mask) -> str:
    """
    Where it failed, line by line; nothing for what did not fail.
    """
    failure = event.get("log_failure")
    if not isinstance(failure, Failure):
        return ""
    lines = mask.text(failure.getTraceback()).rstrip().split("\n")
    return "\n".join(printable(line) for line in lines)


def as_text(event: LogEvent, mask: Mask) -> str:
    """
    C{time pid level: message}, and a traceback behind it, indented.
    """
    head = (
        f"{iso(event['log_time'])} {os.getpid()} {level(event)}: "
        f"{message(event, mask)}\n"
    )
    where = traceback(event, mask)
    if not where:
        return head
    return head + "".join(f"\t{line}\n" for line in where.split("\n"))


def as_json(event: LogEvent, mask: Mask) -> str:
    """
    An object with C{time}, C{pid}, C{level}, C{logger}, C{message} and,
    where there is one, C{station} and C{traceback}.
    """
    members: dict[str, Any] = {
        "time": iso(event["log_time"]),
        "pid": os.getpid(),
        "level": level(event),
        "logger": event.get("log_namespace") or "",
        "message": message(event, mask),
        "station": station(event),
        "traceback": traceback(event, mask),
    }
    full = {name: value for name, value in members.items() if value != ""}
    return dump(full)


def dump(members: dict[str, Any]) -> str:
    """
    A line of JSON; what JSON cannot say is written as an escape.
    """
    try:
        return orjson.dumps(members).decode() + "\n"
    except TypeError:
        clean = {
            name: value.encode(errors="backslashreplace").decode()
            if isinstance(value, str)
            else value
            for name, value in members.items()
        }
        return orjson.dumps(clean).decode() + "\n"


#: How an event is written, by C{[log] format}.
FORMATS: dict[str, Callable[[LogEvent, Mask], str]] = {
    "text": as_text,
    "json": as_json,
}
