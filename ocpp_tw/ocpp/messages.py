"""
The three OCPP-J messages, and the JSON arrays they travel as.

>>> parse(b'[2, "7", "Heartbeat", {}]')
Call(unique_id='7', action='Heartbeat', payload={})
>>> serialize(CallResult("7", {"currentTime": "2024-10-22T23:08:58Z"}))
b'[3,"7",{"currentTime":"2024-10-22T23:08:58Z"}]'
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson
from attrs import define, field

from ..errors import ErrorCode, OCPPError
from .versions import Version


Payload = Mapping[str, Any]

#: The longest message id that OCPP-J allows (2.0.1 Part 4, 4.1.4); longer
#: ones are answered nevertheless, up to L{LONGEST_ID}.
LONGEST_ID = 255

#: How deep a message may be nested; the standard's own reach 8.  What is
#: deeper could be read, but not written again.
DEEPEST = 64


@define(slots=True)
class Call:
    """
    A request: [2, uniqueId, action, payload].

    @ivar size: of the frame that it came in, in octets.
    @ivar frame: that frame, where the payload is just as it is there.
    """

    unique_id: str
    action: str
    payload: Payload
    size: int = field(default=0, eq=False, repr=False)
    frame: bytes | None = field(default=None, eq=False, repr=False)


@define(slots=True)
class CallResult:
    """
    An answer: [3, uniqueId, payload].
    """

    unique_id: str
    payload: Payload


@define(slots=True)
class CallError:
    """
    A refusal: [4, uniqueId, errorCode, errorDescription, errorDetails].
    """

    unique_id: str
    code: str
    description: str = ""
    details: Payload = field(factory=dict)


Message = Call | CallResult | CallError


class BadFrame(OCPPError):
    """
    A frame is no OCPP-J message.

    @ivar unique_id: the message id of a Call that could be read all the
        same, so that it can be refused; None where there was none.
    """

    def __init__(
        self, code: ErrorCode, why: str, unique_id: str | None = None
    ) -> None:
        super().__init__(why)
        self.code = code
        self.unique_id = unique_id


def parse(frame: bytes) -> Message:
    """
    Read one frame.

    @raise BadFrame: the frame is not an OCPP-J message.
    """
    try:
        message = orjson.loads(frame)
    except ValueError as e:
        raise BadFrame(
            ErrorCode.FORMATION_VIOLATION, f"not JSON: {e}", _salvage(frame)
        ) from None
    # Here, once: many write again what they read of a frame.  Counting is
    # quick, and nearly every frame has fewer of them.
    if frame.count(b"[") + frame.count(b"{") > DEEPEST and _is_deep(message):
        raise BadFrame(
            ErrorCode.FORMATION_VIOLATION,
            f"nested deeper than {DEEPEST} levels",
            _salvage(frame),
        )
    if message.__class__ is list and len(message) == 4 and message[0] == 2:
        _, unique_id, action, payload = message
        if (
            unique_id.__class__ is str
            and action.__class__ is str
            and payload.__class__ is dict
            and 0 < len(unique_id) <= LONGEST_ID
        ):
            return Call(unique_id, action, payload, len(frame), frame)
    elif message.__class__ is list and len(message) == 3 and message[0] == 3:
        kind, unique_id, payload = message
        if (
            kind.__class__ is int
            and unique_id.__class__ is str
            and payload.__class__ is dict
            and 0 < len(unique_id) <= LONGEST_ID
        ):
            return CallResult(unique_id, payload)
    return _parse_rarer(message)


def _parse_rarer(message: Any) -> Message:
    """
    Read what is not a well-formed Call, and say what is wrong with it.
    """
    if not isinstance(message, list) or not message:
        raise BadFrame(
            ErrorCode.RPC_FRAMEWORK_ERROR, "not a JSON array with a message"
        )
    # True == 1 in Python, and 2.0 == 2: only the integer is a message type.
    number = message[0] if type(message[0]) is int else None
    unique_id = message[1] if len(message) > 1 else None
    if not isinstance(unique_id, str):
        raise BadFrame(
            ErrorCode.RPC_FRAMEWORK_ERROR, "the message id is not a string"
        )
    if not 0 < len(unique_id) <= LONGEST_ID:
        raise BadFrame(
            ErrorCode.RPC_FRAMEWORK_ERROR,
            f"the message id has not 1 to {LONGEST_ID} characters",
        )
    match number, message[2:]:
        # Stations in the field send null for an empty payload.
        case 2, [str(action), None]:
            return Call(unique_id, action, {})
        case 2, rest:
            raise BadFrame(
                ErrorCode.FORMATION_VIOLATION, _what_is_wrong(rest), unique_id
            )
        case 3, [payload] if isinstance(payload, dict):
            return CallResult(unique_id, payload)
        case 3, [None] | []:
            return CallResult(unique_id, {})
        case 4, [str(code), *rest]:
            description = rest[0] if rest else ""
            details = rest[1] if len(rest) > 1 else {}
            return CallError(
                unique_id,
                code,
                description if isinstance(description, str) else "",
                details if isinstance(details, dict) else {},
            )
        case 3 | 4, _:
            raise BadFrame(
                ErrorCode.FORMATION_VIOLATION,
                f"message {unique_id!r} is no proper answer",
            )
    raise BadFrame(
        ErrorCode.MESSAGE_TYPE_NOT_SUPPORTED,
        f"there is no message type {message[0]!r:.40}",
        unique_id,
    )


def _what_is_wrong(rest: list[Any]) -> str:
    """
    Why [2, uniqueId, *rest] is no Call.
    """
    match rest:
        case [str(), payload]:
            kind = type(payload).__name__
            return f"the payload is not a JSON object but a {kind}"
        case [_, _]:
            return "the action is not a string"
    return f"a CALL has 4 elements, not {len(rest) + 2}"


def _is_deep(value: Any) -> bool:
    """
    Whether a value has more than L{DEEPEST} levels.
    """
    level: list[Any] = [[value]]
    for _ in range(DEEPEST + 1):
        level = [
            inner
            for outer in level
            for inner in (outer if isinstance(outer, list) else outer.values())
            if isinstance(inner, list | dict)
        ]
    return bool(level)


_ID = re.compile(rb'\s*\[\s*2\s*,\s*"([^"\\\x00-\x1f]{1,255})"')


def _salvage(frame: bytes) -> str | None:
    """
    The message id of a Call whose JSON is broken further on.

    >>> _salvage(b'[2,"19","Heartbeat",{')
    '19'
    """
    found = _ID.match(frame)
    return found[1].decode(errors="replace") if found else None


def serialize(message: Message) -> bytes:
    """
    Write one frame, compact and with the payload's members in their order.
    """
    fields: list[Any]
    if isinstance(message, Call):
        fields = [2, message.unique_id, message.action, message.payload]
    elif isinstance(message, CallResult):
        fields = [3, message.unique_id, message.payload]
    else:
        error = message
        fields = [4, error.unique_id, error.code, error.description]
        fields.append(error.details)
    # A copy: what orjson made holds 4 KiB for as long as it lives.
    return b"%b" % orjson.dumps(fields)


#: What 2.0.1 and 2.1 write for an L{ErrorCode} (Part 4, section 4.3).
_SPELLINGS_2X = {
    ErrorCode.FORMATION_VIOLATION: "FormatViolation",
    ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION: "OccurrenceConstraintViolation",
}

#: What 1.6 writes for the codes that came later.
_SPELLINGS_1X = {
    ErrorCode.MESSAGE_TYPE_NOT_SUPPORTED: "FormationViolation",
    ErrorCode.RPC_FRAMEWORK_ERROR: "FormationViolation",
}


def spell(code: str, version: Version) -> str:
    """
    An error code as that version of the standard writes it.

    >>> spell(ErrorCode.FORMATION_VIOLATION, Version.V201)
    'FormatViolation'
    """
    table = _SPELLINGS_1X if version.is_1x else _SPELLINGS_2X
    return str(table.get(code, code))  # type: ignore[call-overload]
