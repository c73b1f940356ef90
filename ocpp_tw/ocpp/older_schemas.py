"""
The JSON Schemas of OCPP 1.2 and 1.5, made from the tables of their SOAP: the
standard has none.

They are for payloads in our one vocabulary: what a version calls otherwise is
called as in 1.6, and what is said instead may be said.

>>> schema = older_schema(Version.V12, "BootNotificationResponse")
>>> schema["properties"]["interval"], schema["required"]
({'type': 'integer'}, ['status'])
>>> schema["properties"]["status"]["enum"]
['Accepted', 'Rejected', 'Pending']
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import define

from .soap_tables import (
    RENAMED,
    RESHAPED,
    RESPELLED,
    SAID_INSTEAD,
    TYPES,
    member,
    rows,
)
from .versions import Version


Rules = dict[str, Any]

_PRIMITIVES: Mapping[str, Rules] = {
    "string": {"type": "string"},
    "int": {"type": "integer"},
    "boolean": {"type": "boolean"},
    "dateTime": {"type": "string", "format": "date-time"},
    "anyURI": {"type": "string", "format": "uri"},
}


def older_schema(version: Version, name: str) -> Rules:
    """
    @param name: of the type, C{HeartbeatRequest}.
    """
    types = {
        name: row
        for table in (TYPES, RESHAPED)
        for name, *row in rows(table, version)
    }
    return {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "title": name,
        **_Rules(version, types).of(name),
    }


@define
class _Rules:
    """
    The rules of the types of one version.
    """

    version: Version
    types: Mapping[str, list[str]]

    def of(self, name: str) -> Rules:
        if name in _PRIMITIVES:
            return dict(_PRIMITIVES[name])
        kind, *words = self.types[name]
        return self._MAKERS[kind](self, name, words)

    def _restriction(self, name: str, words: Sequence[str]) -> Rules:
        base, *limit = words
        rules = self.of(base)
        if limit:
            rules["maxLength"] = int(limit[0])
        return rules

    def _enumeration(self, name: str, words: Sequence[str]) -> Rules:
        ours = self._by_type(RESPELLED, name)
        also = self._by_type(SAID_INSTEAD, name)
        return {
            "type": "string",
            "enum": [*(ours.get(word, word) for word in words), *also],
        }

    def _sequence(self, name: str, words: Sequence[str]) -> Rules:
        ours = self._by_type(RENAMED, name)
        properties, required = {}, []
        for word in words:
            _, theirs, sign, kind = member(word)
            member_name = ours.get(theirs, theirs)
            properties[member_name] = self._member(sign, kind)
            if sign in ("", "+"):
                required.append(member_name)
        rules = {
            "type": "object",
            "properties": properties,
            "additionalProperties": False,
        }
        # Draft 4 knows no empty list here.
        return {**rules, "required": required} if required else rules

    def _member(self, sign: str, kind: str) -> Rules:
        rules = self.of(kind)
        if sign not in ("*", "+"):
            return rules
        least = {"minItems": 1} if sign == "+" else {}
        return {"type": "array", **least, "items": rules}

    def _by_type(self, table: str, name: str) -> dict[str, str]:
        """
        The rows that are about a type: its second column by its first.
        """
        return {
            first: second
            for of, first, second in rows(table, self.version)
            if of == name
        }

    _MAKERS = {"<": _restriction, "=": _enumeration, ":": _sequence}
