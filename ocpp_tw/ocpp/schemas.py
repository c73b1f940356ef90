"""
The official JSON Schema of each action, compiled once; for 1.2 and 1.5, which
have none, what their definitions for SOAP say.

>>> request = REQUESTS[Version.V16, "Authorize"]
>>> request.is_valid({"idTag": "A1"})
True
>>> [violation] = request.violations({"idTag": 1})
>>> violation.path, violation.rule
('$.idTag', 'type')
"""

from __future__ import annotations

from importlib.resources import files
from itertools import islice
from typing import Any

import jsonschema_rs
import orjson
from attrs import frozen

from ..errors import CallFailed, ErrorCode
from .actions import FROM_STATION, TO_STATION
from .messages import Payload
from .older_schemas import older_schema
from .versions import Version


@frozen
class Violation:
    """
    One rule of a schema, broken at one place.

    @ivar path: where, as a JSON path: C{$.meterValue[0].timestamp}.
    @ivar rule: the keyword of JSON Schema: C{type}, C{required}, C{enum}...
        or C{depth}, for what is nested too deeply to be looked at.
    @ivar message: what is wrong, in words.
    @ivar steps: the path as keys and indices, for a program to follow.
    """

    path: str
    rule: str
    message: str
    steps: tuple[str | int, ...] = ()

    def as_json(self) -> dict[str, str]:
        """
        C{{"path": "$.idTag", "rule": "maxLength", "message": "..."}}
        """
        return {
            "path": self.path,
            "rule": self.rule,
            "message": self.message,
        }


TOO_DEEP = Violation("$", "depth", "it is nested too deeply")

#: Which CallError a broken rule is (OCPP-J 1.6, section 4.2.3).
_CODES = {
    "type": ErrorCode.TYPE_CONSTRAINT_VIOLATION,
    "required": ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION,
    "minItems": ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION,
    "maxItems": ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION,
    "additionalProperties": ErrorCode.FORMATION_VIOLATION,
    "depth": ErrorCode.FORMATION_VIOLATION,
}


def refusal(violations: list[Violation]) -> CallFailed:
    """
    The CallError that a payload with these violations deserves.
    """
    first = violations[0]
    code = _CODES.get(first.rule, ErrorCode.PROPERTY_CONSTRAINT_VIOLATION)
    return CallFailed(
        code,
        f"{first.path}: {first.message}"[:255],
        {"violations": [v.as_json() for v in violations[:20]]},
    )


#: The keywords of JSON Schema that say what a value is.
_ESSENTIAL = ("$schema", "$ref", "type", "required")

#: How much may be wrong with a payload before it is not looked at further.
MOST_MISUNDERSTANDINGS = 1000


class Schema:
    """
    The schema of one request or response.

    @ivar is_valid: whether a payload keeps it; what the hot path asks.
    @ivar source: the schema as JSON Schema draft 4 or 6.
    """

    __slots__ = ("_essence", "_validator", "is_valid", "source")

    def __init__(self, source: dict[str, Any]) -> None:
        self.source = source
        self._validator = jsonschema_rs.validator_for(
            dict(source), validate_formats=True
        )
        self.is_valid = self._validator.is_valid
        self._essence = jsonschema_rs.validator_for(_essential(source))

    def violations(self, payload: Payload) -> list[Violation]:
        """
        Every rule that the payload breaks; at most 100 of them.
        """
        return _broken(self._validator, payload, 100)

    def misunderstandings(self, payload: Payload) -> list[Violation]:
        """
        Where a member is missing or has the wrong type: what cannot be taken
        as it is; at most L{MOST_MISUNDERSTANDINGS} of them.
        """
        return _broken(self._essence, payload, MOST_MISUNDERSTANDINGS)


def _broken(validator: Any, payload: Payload, most: int) -> list[Violation]:
    try:
        errors = islice(validator.iter_errors(payload), most)
        return [_violation(error) for error in errors]
    except ValueError:
        # The validator does not go deeper than 254 levels.
        return [TOO_DEEP]


def _essential(rules: dict[str, Any]) -> dict[str, Any]:
    """
    A schema without its limits and enumerations.

    >>> _essential({"type": "string", "maxLength": 20})
    {'type': 'string'}
    """
    kept = {name: rules[name] for name in _ESSENTIAL if name in rules}
    if "items" in rules:
        kept["items"] = _essential(rules["items"])
    for inner in ("properties", "definitions"):
        if inner in rules:
            kept[inner] = {
                name: _essential(rule) for name, rule in rules[inner].items()
            }
    return kept


def _violation(error: jsonschema_rs.ValidationError) -> Violation:
    return Violation(
        _json_path(error.instance_path),
        error.kind.name,
        _shorten(error.message),
        tuple(error.instance_path),
    )


def _json_path(steps: list[str | int]) -> str:
    """
    >>> _json_path(["meterValue", 0, "timestamp"])
    '$.meterValue[0].timestamp'
    """
    return "$" + "".join(
        f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps
    )


def _shorten(message: str) -> str:
    if len(message) <= 200:
        return message
    return f"{message[:99]}…{message[-99:]}"


#: The folder of the C{ocpp} distribution that holds a version's schemas, and
#: how the file of a request is called.
_FOLDERS = {Version.V16: ("v16", ""), Version.V201: ("v201", "Request")}


def official(version: Version, action: str, kind: str) -> dict[str, Any]:
    """
    The standard's schema as it was published; of 1.2 and 1.5, for which none
    was, the one that their definitions make.

    @param kind: C{Request} or C{Response}.
    """
    if version not in _FOLDERS:
        return older_schema(version, f"{action}{kind}")
    folder, request = _FOLDERS[version]
    name = f"{action}{kind if kind == 'Response' else request}.json"
    path = files("ocpp") / folder / "schemas" / name
    source: dict[str, Any] = orjson.loads(path.read_text("utf-8-sig"))
    return source


def _load(version: Version, action: str, suffix: str) -> Schema:
    return Schema(official(version, action, suffix))


_ACTIONS = {
    (version, action)
    for table in (FROM_STATION, TO_STATION)
    for version, actions in table.items()
    for action in actions
}

#: The schema of each request, by version and action.
REQUESTS = {key: _load(*key, "Request") for key in _ACTIONS}

#: The schema of each answer, by version and action.
RESPONSES = {key: _load(*key, "Response") for key in _ACTIONS}
