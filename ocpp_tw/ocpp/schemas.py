"""
The official JSON Schema of each action, compiled once.

>>> request = REQUESTS[Version.V16, "Authorize"]
>>> request.is_valid({"idTag": "A1"})
True
>>> [violation] = request.violations({"idTag": 1})
>>> violation.path, violation.rule
('$.idTag', 'type')
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import jsonschema_rs
import orjson
from attrs import frozen

from ..errors import CallFailed, ErrorCode
from .actions import FROM_STATION, TO_STATION
from .messages import Payload
from .versions import Version


@frozen
class Violation:
    """
    One rule of a schema, broken at one place.

    @ivar path: where, as a JSON path: C{$.meterValue[0].timestamp}.
    @ivar rule: the keyword of JSON Schema: C{type}, C{required}, C{enum}...
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


#: Which CallError a broken rule is (OCPP-J 1.6, section 4.2.3).
_CODES = {
    "type": ErrorCode.TYPE_CONSTRAINT_VIOLATION,
    "required": ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION,
    "minItems": ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION,
    "maxItems": ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION,
    "additionalProperties": ErrorCode.FORMATION_VIOLATION,
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


class Schema:
    """
    The schema of one request or response.

    @ivar is_valid: whether a payload keeps it; what the hot path asks.
    @ivar source: the schema as JSON Schema draft 4 or 6.
    """

    __slots__ = ("_validator", "is_valid", "source")

    def __init__(self, source: dict[str, Any]) -> None:
        self.source = source
        self._validator = jsonschema_rs.validator_for(
            dict(source), validate_formats=True
        )
        self.is_valid = self._validator.is_valid

    def violations(self, payload: Payload) -> list[Violation]:
        """
        Every rule that the payload breaks; at most 100 of them.
        """
        found = []
        for error in self._validator.iter_errors(payload):
            found.append(
                Violation(
                    _json_path(error.instance_path),
                    error.kind.name,
                    _shorten(error.message),
                    tuple(error.instance_path),
                )
            )
            if len(found) == 100:
                break
        return found


def _json_path(steps: list[str | int]) -> str:
    """
    >>> _json_path(["meterValue", 0, "timestamp"])
    '$.meterValue[0].timestamp'
    """
    return "$" + "".join(
        f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps
    )


def _shorten(message: str) -> str:
    return (
        message if len(message) <= 200 else message[:99] + "…" + message[-99:]
    )


#: The folder of the C{ocpp} distribution that holds a version's schemas, and
#: how the file of a request is called.
_FOLDERS = {Version.V16: ("v16", "")}


def _load(version: Version, action: str, suffix: str) -> Schema:
    folder, request = _FOLDERS[version]
    name = f"{action}{suffix or request}.json"
    path = files("ocpp") / folder / "schemas" / name
    return Schema(orjson.loads(path.read_text("utf-8-sig")))


_ACTIONS = {
    (version, action)
    for table in (FROM_STATION, TO_STATION)
    for version, actions in table.items()
    for action in actions
}

#: The schema of each request, by version and action.
REQUESTS = {key: _load(*key, "") for key in _ACTIONS}

#: The schema of each answer, by version and action.
RESPONSES = {key: _load(*key, "Response") for key in _ACTIONS}
