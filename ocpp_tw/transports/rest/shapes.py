"""
What answers look like, as JSON Schema (2020-12), for the documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


Schema = Mapping[str, Any]

TEXT: Schema = {"type": "string"}
TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
NUMBER: Schema = {"type": "number"}
WHOLE: Schema = {"type": "integer"}
FLAG: Schema = {"type": "boolean"}
OBJECT: Schema = {"type": "object"}
TIME: Schema = {"type": "string", "format": "date-time"}
TIME_OR_NULL: Schema = {"type": ["string", "null"], "format": "date-time"}


def shape(**members: Schema) -> dict[str, Any]:
    """
    An object that has these members, and perhaps others.
    """
    return {
        "type": "object",
        "properties": members,
        "required": list(members),
    }


def named(name: str) -> Schema:
    """
    The shape of that name, by reference.
    """
    return {"$ref": f"#/components/schemas/{name}"}


def listed(name: str) -> Schema:
    """
    A page of a list of such things.
    """
    return shape(
        items={"type": "array", "items": named(name), "maxItems": 1000},
        next=TEXT_OR_NULL,
    )


_KEY = {
    "id": TEXT,
    "name": TEXT,
    "role": TEXT,
    "identities": {"type": ["array", "null"], "items": TEXT},
    "created": TIME,
    "createdBy": TEXT_OR_NULL,
    "expires": TIME_OR_NULL,
    "lastUsed": TIME_OR_NULL,
}

#: The shapes, by their names in the documentation.
SHAPES: Mapping[str, Schema] = {
    "Error": {
        **shape(error=shape(code=WHOLE, message=TEXT)),
        "examples": [{"error": {"code": 404, "message": "no such thing"}}],
    },
    "Session": shape(
        name=TEXT_OR_NULL,
        role=TEXT_OR_NULL,
        via=TEXT,
        csrfToken=TEXT_OR_NULL,
        expires=TIME_OR_NULL,
    ),
    "User": shape(name=TEXT, role=TEXT, passwordChanged=TIME),
    "Key": shape(**_KEY),
    "NewKey": shape(**_KEY, key=TEXT),
    "Deed": shape(
        id=WHOLE,
        time=TIME,
        who=TEXT_OR_NULL,
        via=TEXT,
        address=TEXT,
        method=TEXT,
        path=TEXT,
        action=TEXT_OR_NULL,
        status=WHOLE,
    ),
}

#: References to them.
NAMED = {name: named(name) for name in SHAPES}
