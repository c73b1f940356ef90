"""
Understanding payloads that break their schema, as far as they can be.

What breaks only a limit or an enumeration is taken as it is; a value of the
wrong type is read as the right one where its text allows that; and a member
that is missing from a message about money or about the station itself gets a
neutral value, because the station would send that message again for ever.

>>> from .schemas import REQUESTS
>>> schema = REQUESTS["1.6", "Authorize"]
>>> understand("Authorize", {"idTag": 4711}, schema, now="")
{'idTag': '4711'}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, tzinfo
from typing import Any

import orjson

from .messages import Payload
from .schemas import (
    MOST_MISUNDERSTANDINGS,
    TOO_DEEP,
    Schema,
    Violation,
    refusal,
)
from .times import in_zone


#: The members without which a message is understood all the same: those of
#: an action, or those named; any other is refused when one is missing.
_FORGIVEN: dict[str, set[str] | None] = {
    "BootNotification": None,
    "DataTransfer": None,
    "MeterValues": None,
    "StartTransaction": None,
    "StopTransaction": None,
    "StatusNotification": {"connectorId", "errorCode"},
}


_LARGEST = 2**63 - 1


def understand(
    action: str,
    payload: Payload,
    schema: Schema,
    now: str,
    zone: tzinfo = UTC,
) -> dict[str, Any]:
    """
    Make of a payload one that has every member, in the right type.

    @param now: the time to put where a required time is missing, UTC ISO
        8601.
    @param zone: of the times that name none.
    @raise CallFailed: it cannot be understood.
    """
    repaired = _copy(payload)
    broken = schema.misunderstandings(repaired)
    if len(broken) == MOST_MISUNDERSTANDINGS:
        raise refusal(broken)
    # A member that was made may itself lack something: once more, then.
    for _ in range(3):
        for violation in broken:
            _repair(action, repaired, schema.source, violation, now)
        broken = broken and schema.misunderstandings(repaired)
    if broken:
        raise refusal(broken)
    if zone is not UTC:
        _give_zone(repaired, schema.source, zone)
    return repaired


def _give_zone(
    value: dict[str, Any], rules: Mapping[str, Any], zone: tzinfo
) -> None:
    """
    Say in what zone the times of an object are that do not.
    """
    for name, rule in rules.get("properties", {}).items():
        inner = value.get(name)
        if rule.get("format") == "date-time" and isinstance(inner, str):
            value[name] = in_zone(inner, zone)
        elif isinstance(inner, dict):
            _give_zone(inner, rule, zone)
        elif isinstance(inner, list):
            for item in inner:
                if isinstance(item, dict):
                    _give_zone(item, rule.get("items", {}), zone)


def _copy(payload: Payload) -> dict[str, Any]:
    """
    A copy in which nothing is shared, of what could be sent as it came.
    """
    try:
        copy: dict[str, Any] = orjson.loads(orjson.dumps(payload))
    except TypeError:
        raise refusal([TOO_DEEP]) from None
    return copy


def _repair(
    action: str,
    payload: dict[str, Any],
    source: Mapping[str, Any],
    violation: Violation,
    now: str,
) -> None:
    if violation.rule == "required":
        place = _at(payload, violation.steps)
        rules = _rules_at(source, violation.steps)
        for name in rules.get("required", ()):
            if name not in place and _is_forgiven(action, name):
                place[name] = _neutral(rules["properties"][name], now)
        return
    *steps, last = violation.steps or (None,)
    if last is None:
        return
    place = _at(payload, steps)
    rules = _rules_at(source, violation.steps)
    value = _read_as(rules.get("type"), place[last])
    if value is not None:
        place[last] = value
    elif isinstance(place, dict):
        # As if it had not been there: an optional one is not missed.
        del place[last]
    elif action in _FORGIVEN:
        place[last] = _neutral(rules, now)


def _is_forgiven(action: str, member: str) -> bool:
    if action not in _FORGIVEN:
        return False
    members = _FORGIVEN[action]
    return members is None or member in members


def _at(payload: Any, steps: Any) -> Any:
    for step in steps:
        payload = payload[step]
    return payload


def _rules_at(source: Mapping[str, Any], steps: Any) -> Mapping[str, Any]:
    """
    The part of a schema that speaks of the value at those steps.
    """
    rules = source
    for step in steps:
        rules = (
            rules.get("items", {})
            if isinstance(step, int)
            else rules.get("properties", {}).get(step, {})
        )
    return rules


def _neutral(rules: Mapping[str, Any], now: str) -> Any:
    if rules.get("format") == "date-time":
        return now
    if "NoError" in rules.get("enum", ()):
        return "NoError"
    neutral = {"integer": 0, "number": 0, "array": [], "object": {}}
    return neutral.get(rules.get("type", ""), "")


def _read_as(kind: str | None, value: Any) -> Any:
    """
    The value as that type of JSON Schema; None where it cannot be read so.

    >>> _read_as("integer", " 1 "), _read_as("integer", 2.0)
    (1, 2)
    >>> _read_as("integer", 1e300) == 2**63 - 1
    True
    >>> _read_as("string", 0.5), _read_as("integer", "x")
    ('0.5', None)
    """
    try:
        match kind, value:
            case "integer", str() | float():
                number = float(value)
                return _bounded(number) if number.is_integer() else None
            case "number", str():
                return float(value)
            case "string", bool():
                return "true" if value else "false"
            case "string", int() | float():
                return str(value)
            case "boolean", str():
                return {"true": True, "false": False}.get(value.lower())
            case "array", dict():
                return [value]
    except (ValueError, OverflowError):
        pass
    return None


def _bounded(number: float) -> int:
    """
    A whole number that can be written again: JSON's readers take larger ones
    than its writers.
    """
    return max(-_LARGEST, min(int(number), _LARGEST))


def read_texts(
    texts: Mapping[str, Sequence[str]], schema: Schema
) -> dict[str, Any]:
    """
    The members of a form as that schema has them; a text that cannot be read
    so stays a text.

    >>> from .schemas import REQUESTS
    >>> read_texts({"connectorId": ["1"]}, REQUESTS["1.6", "UnlockConnector"])
    {'connectorId': 1}
    >>> read_texts({"key": ["a", "b"]}, REQUESTS["1.6", "GetConfiguration"])
    {'key': ['a', 'b']}
    """
    members = schema.source.get("properties", {})
    return {
        name: _read_text(members.get(name, {}), values)
        for name, values in texts.items()
    }


def _read_text(rules: Mapping[str, Any], values: Sequence[str]) -> Any:
    kind, text = rules.get("type"), values[-1]
    if kind in ("array", "object") and text.lstrip()[:1] in ("[", "{"):
        return _read_json(text)
    if kind == "array":
        return list(values)
    value = text if kind == "string" else _read_as(kind, text)
    return text if value is None else value


def _read_json(text: str) -> Any:
    """
    The value that a text is the JSON of; the text, where it is none, or one
    nested too deeply to be written again.
    """
    try:
        value = orjson.loads(text)
        orjson.dumps([[[[value]]]])
    except (ValueError, TypeError):
        return text
    return value
