"""
Broken rules of the standard in words, for whoever writes the firmware.

>>> said = explain("1.6", "Authorize", "$.idTag", "maxLength")
>>> said.advice
'idTag must have at most 20 characters.'
>>> said.reference
'OCPP 1.6, section 4.1; Authorize.json#/properties/idTag/maxLength'
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from .schemas import REQUESTS
from .versions import Version


@frozen
class Explained:
    """
    @ivar advice: what to do.
    @ivar reference: where the standard says so.
    """

    advice: str
    reference: str


#: Where OCPP 1.6 (edition 2) describes what a Charge Point sends.
_SECTIONS_16 = {
    "Authorize": "4.1",
    "BootNotification": "4.2",
    "DataTransfer": "4.3",
    "DiagnosticsStatusNotification": "4.4",
    "FirmwareStatusNotification": "4.5",
    "Heartbeat": "4.6",
    "MeterValues": "4.7",
    "StartTransaction": "4.8",
    "StatusNotification": "4.9",
    "StopTransaction": "4.10",
}

_TYPES = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
}

_FORMATS = {
    "date-time": "a time of RFC 3339, as 2026-11-22T10:00:00Z",
    "uri": "an URI",
}

#: How many values of an enumeration are named.
_NAMED = 40


def explain(
    version: str, action: str, path: str, rule: str, message: str = ""
) -> Explained:
    """
    @param path: as in L{ocpp_tw.ocpp.schemas.Violation}.
    @param message: what the validator says, where nothing better is known.
    """
    steps = _steps(path)
    source = _source(version, action)
    rules, pointer = _rules_at(source, steps)
    what = _place(steps)
    advice = _advice(rule, rules, what, message)
    return Explained(
        advice or message or f"{what} breaks the rule {rule}.",
        _reference(version, action, pointer, rule if rules else ""),
    )


def _source(version: str, action: str) -> Mapping[str, Any]:
    try:
        schema = REQUESTS.get((Version(version), action))
    except ValueError:
        return {}
    return schema.source if schema else {}


def _steps(path: str) -> list[str | int]:
    """
    >>> _steps("$.meterValue[0].timestamp"), _steps("$.meterValue[*]")
    (['meterValue', 0, 'timestamp'], ['meterValue', 0])
    """
    found = re.findall(r"\.([^.\[\]]+)|\[(\d+|\*)\]", path)
    return [
        name or (0 if index == "*" else int(index)) for name, index in found
    ]


def _rules_at(
    source: Mapping[str, Any], steps: Sequence[str | int]
) -> tuple[Mapping[str, Any], str]:
    """
    The part of a schema that speaks of the value there, and where that is.
    """
    rules, pointer = _resolved(source, source), "#"
    for step in steps:
        if isinstance(step, int):
            rules, pointer = rules.get("items", {}), f"{pointer}/items"
        else:
            rules = rules.get("properties", {}).get(step, {})
            pointer = f"{pointer}/properties/{step}"
        if "$ref" in rules:
            pointer = rules["$ref"]
        rules = _resolved(rules, source)
    return rules, pointer


def _resolved(
    rules: Mapping[str, Any], source: Mapping[str, Any]
) -> Mapping[str, Any]:
    reference = rules.get("$ref", "")
    if not reference.startswith("#/definitions/"):
        return rules
    name = reference.rpartition("/")[2]
    found: Mapping[str, Any] = source.get("definitions", {}).get(name, {})
    return found


def _place(steps: Sequence[str | int]) -> str:
    """
    >>> _place(["meterValue", 0, "timestamp"]), _place([])
    ('meterValue[].timestamp', 'the payload')
    """
    text = "".join(
        "[]" if isinstance(step, int) else f".{step}" for step in steps
    )
    return text.removeprefix(".") or "the payload"


def _advice(
    rule: str, rules: Mapping[str, Any], what: str, message: str
) -> str:
    limit = rules.get(rule)
    match rule:
        case "type" if isinstance(limit, str) and limit in _TYPES:
            return f"{what} must be {_TYPES[limit]}."
        case "required":
            names = re.findall(r'"([^"]+)"', message)[:1]
            return f"{what} must have the member {' '.join(names)}."
        case "additionalProperties":
            names = re.findall(r"'([^']+)'", message)
            known = ", ".join(rules.get("properties", {}))
            return (
                f"{what} must not have the member {', '.join(names)[:200]}; "
                f"it may have: {known or 'none'}."
            )
        case "enum" if isinstance(limit, list):
            values = ", ".join(str(value) for value in limit[:_NAMED])
            return f"{what} must be one of {values}."
        case _ if limit is None:
            return ""
        case "format":
            return f"{what} must be {_FORMATS.get(str(limit), limit)}."
        case "maxLength":
            return f"{what} must have at most {limit} characters."
        case "minLength":
            return f"{what} must have at least {limit} characters."
        case "maxItems":
            return f"{what} must have at most {limit} items."
        case "minItems":
            return f"{what} must have at least {limit} items."
        case "multipleOf":
            return f"{what} must be a multiple of {limit}."
        case "minimum":
            return f"{what} must be at least {limit}."
        case "maximum":
            return f"{what} must be at most {limit}."
    return ""


def _reference(version: str, action: str, pointer: str, rule: str) -> str:
    if not action:
        return "OCPP-J, section 4 (RPC framework)"
    if not version:
        return f"OCPP; {action}.json"
    section = (
        f", section {_SECTIONS_16[action]}"
        if version in ("1.5", "1.6") and action in _SECTIONS_16
        else ""
    )
    where = f"{pointer}/{rule}" if rule else pointer
    return f"OCPP {version}{section}; {action}.json{where}"
