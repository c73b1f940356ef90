"""
What a request says: its body, its query, and what of them makes no sense.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from twisted.web.iweb import IRequest
from werkzeug.exceptions import RequestEntityTooLarge

from ...errors import BadRequest


#: The longest body, in octets.
LONGEST_BODY = 1 << 20

#: The most items of one answer, and how many there are unless asked.
MOST_ITEMS, ITEMS = 1000, 100

#: The longest that a client may wait for a station, in seconds.
LONGEST_TIMEOUT = 300


def read_body(request: IRequest) -> bytes:
    """
    @raise RequestEntityTooLarge: it is more than we read.
    """
    request.content.seek(0)
    body: bytes = request.content.read(LONGEST_BODY + 1)
    if len(body) > LONGEST_BODY:
        raise RequestEntityTooLarge(
            f"the body has more than {LONGEST_BODY} octets"
        )
    return body


def read_object(
    request: IRequest,
    members: Mapping[str, type] | None = None,
    required: Sequence[str] = (),
) -> dict[str, Any]:
    """
    The JSON object in the body, whatever the C{Content-Type} says; an empty
    body is an empty object.

    @param members: the members it may have, and their types; None for any.
    @raise BadRequest: it is something else.
    """
    body = parse_object(read_body(request) or b"{}")
    if members is not None:
        _check_members(body, members)
    for name in required:
        if name not in body:
            raise BadRequest(f"{name}: this member is required")
    return body


def parse_object(body: bytes) -> dict[str, Any]:
    """
    >>> parse_object(b'{"type": "Soft"}')
    {'type': 'Soft'}

    @raise BadRequest: it is no JSON object.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as e:
        raise BadRequest(f"the body is no JSON: {e}") from None
    if not isinstance(value, dict):
        raise BadRequest("the body is no JSON object")
    try:
        # What we could not write again cannot be sent to a station.
        orjson.dumps([[[[value]]]])
    except TypeError:
        raise BadRequest("the body is nested too deeply") from None
    return value


_IN_WORDS = {
    dict: "a JSON object",
    str: "a text",
    int: "a whole number",
    object: "anything",
}


def _check_members(
    body: Mapping[str, Any], members: Mapping[str, type]
) -> None:
    for name, value in body.items():
        if name not in members:
            known = ", ".join(members)
            raise BadRequest(f"unknown member {name!r:.60}; known: {known}")
        kind = members[name]
        if not isinstance(value, kind) or (kind is int and value is True):
            raise BadRequest(f"{name}: this is not {_IN_WORDS[kind]}")


def read_texts(request: IRequest) -> dict[str, list[str]]:
    """
    The members of a form, or of the query: every value is a text.

    @raise BadRequest: they are not UTF-8.
    """
    try:
        return {
            name.decode(): [value.decode() for value in values]
            for name, values in request.args.items()
        }
    except UnicodeDecodeError:
        raise BadRequest("the query or the form is not UTF-8") from None


def read_query(request: IRequest, *names: str) -> dict[str, str]:
    """
    The parameters in the query, of those that may be there; an empty one is
    none.

    @raise BadRequest: there is another one.
    """
    query = {}
    for name, values in read_texts(request).items():
        if name not in names:
            raise BadRequest(
                f"there is no parameter {name!r:.60}; "
                f"there are: {', '.join(names) or 'none'}"
            )
        if values[-1]:
            query[name] = values[-1]
    return query


def read_list_query(request: IRequest, *filters: str) -> dict[str, Any]:
    """
    The parameters of a list: C{limit}, C{cursor} and its filters, as
    L{ocpp_tw.interfaces.IRecords} takes them.

    @raise BadRequest: one makes no sense.
    """
    query: dict[str, Any] = read_query(request, *filters, "limit", "cursor")
    query["limit"] = _limit(query.get("limit", str(ITEMS)))
    return query


def _limit(text: str) -> int:
    number = whole_number(text)
    if number is None or not 1 <= number <= MOST_ITEMS:
        raise BadRequest(
            f"limit: {text!r:.60} is not a number from 1 to {MOST_ITEMS}"
        )
    return number


def whole_number(text: str) -> int | None:
    """
    What a text of digits says, as far as a database can count.

    >>> whole_number("12"), whole_number("-1"), whole_number("9" * 19)
    (12, None, None)
    """
    if text.isascii() and text.isdigit() and len(text) <= 18:
        return int(text)
    return None


def read_timeout(texts: Mapping[str, Sequence[str]]) -> float | None:
    """
    How many seconds a station has; None where it is not said.

    @raise BadRequest: it makes no sense.
    """
    text = texts.get("timeout", [""])[-1]
    return read_seconds(text, "timeout", LONGEST_TIMEOUT) if text else None


def read_seconds(text: str, name: str, most: float) -> float:
    """
    @raise BadRequest: it makes no sense.
    """
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds <= most:
        raise BadRequest(
            f"{name}: {text!r:.60} is not a number of seconds, at most {most}"
        )
    return seconds


def read_flag(text: str | None, name: str) -> bool | None:
    """
    @raise BadRequest: it is neither true nor false.
    """
    if text not in (None, "true", "false"):
        raise BadRequest(f"{name}: {text!r:.60} is neither true nor false")
    return None if text is None else text == "true"
