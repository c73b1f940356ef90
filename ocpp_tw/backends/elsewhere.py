"""
Business logic that lives elsewhere: how a Call is put to it, and what its
reply says.  A web server and a database are asked the same::

    {"identity": "EM-A0000001", "uniqueId": "25cf07c9", "action": "Heartbeat",
     "payload": {}, "account": ""}
    {"identity": "EM-A0000001", "uniqueId": "25cf07c9", "action": "Heartbeat",
     "payload": {"currentTime": "2024-10-22T23:08:58.205Z"}}
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from ..errors import CallFailed, ErrorCode
from ..figures import Figure
from ..ocpp.messages import Payload
from ..ocpp.times import write_time


#: How a reply says what it is, if it does.
_RESULT = (None, "", "CallResult", 3, "3")
_ERROR = ("CallError", 4, "4")

#: How deeply what we write is nested.
_DEEPEST = 100

#: What the standard allows a CallError (OCPP-J 1.6, section 4.2.3).
_LONGEST_DESCRIPTION = 255


class Senseless(Exception):
    """
    A reply from which no answer can be made; the message says why.
    """


def read_reply(reply: Any) -> Payload:
    """
    The payload that a station is answered with.

    >>> read_reply({"payload": {"status": "Accepted"}})
    {'status': 'Accepted'}

    @raise CallFailed: the reply is a CallError.
    @raise Senseless: it is neither.
    """
    if not isinstance(reply, dict):
        raise Senseless("the reply is no JSON object")
    kind = reply.get("messageTypeId")
    if kind in _ERROR:
        raise _call_error(reply)
    if kind not in _RESULT:
        raise Senseless(f"messageTypeId {kind!r:.40} is no answer")
    payload = reply.get("payload")
    if not isinstance(payload, dict):
        raise Senseless("the reply has no payload, or it is no JSON object")
    return payload


def _call_error(reply: dict[str, Any]) -> CallFailed:
    code = reply.get("errorCode")
    if not isinstance(code, str) or not re.fullmatch("[A-Za-z]{1,50}", code):
        code = ErrorCode.INTERNAL_ERROR
    description = reply.get("errorDescription")
    if not isinstance(description, str):
        description = ""
    details = reply.get("errorDetails", reply.get("payload"))
    return CallFailed(
        code,
        description[:_LONGEST_DESCRIPTION],
        details if isinstance(details, dict) else {},
    )


def write_json(value: Any) -> bytes:
    """
    Write JSON, whatever the size of its numbers.

    >>> write_json({"connectorId": 2**64})
    b'{"connectorId": 18446744073709551616}'

    What is nested more deeply than anybody means is left out.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(_without_depths(value, _DEEPEST)).encode()


def _without_depths(value: Any, depth: int) -> Any:
    if isinstance(value, dict):
        return {
            key: _without_depths(member, depth - 1) if depth else "..."
            for key, member in value.items()
        }
    if isinstance(value, list):
        return [
            _without_depths(item, depth - 1) if depth else "..."
            for item in value
        ]
    return value


def as_time(seconds: float) -> str:
    """
    A time as we write it.

    >>> as_time(0)
    '1970-01-01T00:00:00.000Z'
    """
    return write_time(int(seconds * 1000))


def unanswered_figures(unanswered: Mapping[str, int]) -> Iterator[Figure]:
    """
    How many Calls were not answered, by reason.
    """
    for reason, count in unanswered.items():
        yield Figure(
            "cs_backend_unanswered",
            "counter",
            "Calls of stations that whom we ask did not answer, by reason.",
            count,
            {"reason": reason},
        )
