"""
The routes and the schemas of OCPP as an OpenAPI document (version 3.1).

It is made of what answers, and of the standard's own schemas, so that it
cannot say anything else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from inspect import cleandoc
from typing import Any

from ... import __version__
from ...ocpp.actions import TO_STATION
from ...ocpp.schemas import REQUESTS, RESPONSES, official
from ...ocpp.translate import COUNTERPARTS, OPERATIONS
from ...ocpp.versions import Version
from .asked import ITEMS, LONGEST_BODY, MOST_ITEMS
from .routes import Route
from .shapes import SHAPES, named


Json = dict[str, Any]

_ERRORS = {
    400: "What was asked makes no sense; the message names the member.",
    401: "Credentials are missing or wrong.",
    403: "Whoever asks may not do this.",
    404: "There is no such station, operation or record.",
    409: "The request contradicts what is.",
    413: f"The body has more than {LONGEST_BODY} octets.",
    429: "Too much is asked; Retry-After says when to come again.",
    500: "A fault of ours; the log of the server knows more.",
    501: "The backend keeps no such records.",
    502: "The station answered with a CALLERROR.",
    503: "The station is not connected, or what we need not to be reached.",
    504: "The station did not answer in time.",
}

#: What may happen to any request.
_ALWAYS = (400, 401, 403, 413, 429, 500)

_COMMAND = "/ChargePoint/<identity>/<action>"

#: The version of the words that stations of 1.x may be asked in, too.
_NEW = Version.V201

_LIST = (
    {
        "name": "limit",
        "in": "query",
        "description": "How many items at most.",
        "schema": {
            "type": "integer",
            "minimum": 1,
            "maximum": MOST_ITEMS,
            "default": ITEMS,
        },
    },
    {
        "name": "cursor",
        "in": "query",
        "description": "The C{next} of the page before.",
        "schema": {"type": "string"},
    },
)

_PATH = {
    "identity": "The name the station connects with.",
    "action": "The operation, as the standard calls it.",
    "version": "The version of OCPP.",
    "number": "The id of the record.",
    "id_tag": "The id tag.",
    "name": "The name.",
    "key": "The id of the key.",
}


def document(routes: Iterable[Route]) -> Json:
    """
    All there is to know of these routes.
    """
    components = _Components()
    paths: dict[str, Json] = {}
    for route in routes:
        for path, method, operation in _operations(route, components):
            paths.setdefault(path, {})[method] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ocpp_tw",
            "version": __version__,
            "description": "The REST API of an OCPP central system.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        # Beside the document, wherever a proxy has us.
        "servers": [{"url": "../api/v1"}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(components.schemas.items())),
            "responses": {
                f"Error{status}": _error(status) for status in _ERRORS
            },
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic"},
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key, or a JSON Web Token.",
                },
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "cs_session",
                    "description": "A browser that has logged in; every "
                    "change needs the header X-CSRF-Token, too.",
                },
            },
        },
    }


def path_of(route: Route) -> str:
    """
    The path of a route as OpenAPI writes it.
    """
    return re.sub(r"<(\w+)>", r"{\1}", route.path)


def _error(status: int) -> Json:
    shape = "CallError" if status == 502 else "Error"
    said = {"error": {"code": status, "message": _ERRORS[status]}}
    call_error = SHAPES["CallError"]["examples"][0]
    answer: Json = {
        "description": _ERRORS[status],
        "content": {
            "application/json": {
                "schema": named(shape),
                "example": call_error if status == 502 else said,
            }
        },
    }
    if status == 429:
        answer["headers"] = {
            "Retry-After": {
                "description": "Seconds to wait.",
                "schema": {"type": "integer"},
            }
        }
    return answer


def _operations(
    route: Route, components: _Components
) -> Iterator[tuple[str, str, Json]]:
    if route.path == _COMMAND:
        yield from _commands(route, components)
        return
    for method in route.methods.split():
        takes = route.takes if method != "GET" else None
        yield (
            path_of(route),
            method.lower(),
            _operation(
                route, method, _media(takes), _media(route.gives or {})
            ),
        )


def _media(schema: Mapping[str, Any] | None) -> Json | None:
    """
    A schema of ours with an example; those of OCPP have theirs.
    """
    if schema is None:
        return None
    return {"schema": schema, "example": sample(schema)}


def _commands(
    route: Route, components: _Components
) -> Iterator[tuple[str, str, Json]]:
    """
    An operation for each that a central system may ask of a station, by any
    of its names.
    """
    for action in sorted(OPERATIONS):
        asked, answers = _words(action)
        operation = _operation(
            route,
            "POST",
            {"schema": components.either(asked, "Request")},
            {"schema": components.either(answers, "Response")},
        )
        said = " and ".join(version for version, _ in asked)
        operation |= {
            "operationId": f"command{action}",
            "summary": f"{action} of OCPP {said}",
            "tags": ["Commands"],
            "parameters": [
                p for p in operation["parameters"] if p["name"] != "action"
            ],
        }
        yield f"/ChargePoint/{{identity}}/{action}", "post", operation


_Words = list[tuple[Version, str]]


def _words(action: str) -> tuple[_Words, _Words]:
    """
    The requests of that name, and the answers: what a station of 1.x is
    asked in the words of 2.x it answers in its own.
    """
    ours = _spoken(action)
    old = [one.old for one in COUNTERPARTS if one.new == action]
    theirs = [(_NEW, action)] if old else []
    answers = ours or [words for name in old for words in _spoken(name)]
    return ours + theirs, answers


def _spoken(action: str) -> _Words:
    return [(v, action) for v, known in TO_STATION.items() if action in known]


def _operation(
    route: Route, method: str, takes: Json | None, gives: Json | None
) -> Json:
    """
    @param takes: the body by its schema and an example, None for no body.
    @param gives: the same of the answer.
    """
    summary, _, description = _said(route).partition("\n\n")
    operation: Json = {
        "operationId": f"{method.lower()}{_in_camel_case(route.path)}",
        "summary": summary.replace("\n", " "),
        "tags": [_tag(route.path)],
        "parameters": [*_parameters(route, method)],
        "responses": _responses(route, method, gives),
        "x-role": route.least_role,
    }
    if description:
        operation["description"] = description.replace("\n", " ")
    if takes is not None:
        schema = takes["schema"]
        operation["requestBody"] = {
            "required": bool(schema.get("required") or "$ref" in schema),
            "content": {"application/json": takes},
        }
    schemes = ("basic", "bearer", "session")
    operation["security"] = (
        [] if route.role == "public" else [{name: []} for name in schemes]
    )
    return operation


def _said(route: Route) -> str:
    """
    What the docstring of a route says, without its mark-up.
    """
    text = cleandoc(route.answer.__doc__ or "")
    return re.sub(r"[CLU]\{([^}]*)\}", r"`\1`", text)


def _tag(path: str) -> str:
    """
    >>> _tag("/stations/<identity>"), _tag("/stations/<identity>/calls")
    ('Stations', 'Commands')
    """
    if path.endswith("/calls"):
        return "Commands"
    first = path.split("/")[1]
    return first[0].upper() + first[1:]


def _in_camel_case(path: str) -> str:
    """
    >>> _in_camel_case("/stations/<identity>/calls")
    'StationsIdentityCalls'
    """
    words = re.findall(r"\w+", path)
    return "".join(word[0].upper() + word[1:] for word in words)


def _parameters(route: Route, method: str) -> Iterator[Json]:
    for name in re.findall(r"<(\w+)>", route.path):
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "description": _PATH[name],
            "schema": {"type": "string", "minLength": 1},
        }
    for parameter in route.query:
        schema = parameter.schema
        if parameter.several:
            schema = {"type": "array", "items": schema}
        yield {
            "name": parameter.name,
            "in": parameter.place,
            "required": parameter.required and method == "GET",
            "description": parameter.meaning,
            "schema": schema,
        }
    if route.is_list:
        yield from _LIST


def _responses(route: Route, method: str, gives: Json | None) -> Json:
    answer: Json = {"description": "It is done."}
    if route.status != 204:
        answer["content"] = {route.media: gives}
    if route.columns:
        answer["content"]["text/csv"] = {"schema": {"type": "string"}}
    errors = {*_ALWAYS, *route.errors}
    if "<" in route.path:
        errors.add(404)
    if method != "GET":
        errors.add(409)
    return {
        str(route.status): answer,
        **{
            str(status): {
                "description": "It waits.",
                "content": {route.media: _media(schema)},
            }
            for status, schema in route.others.items()
        },
        **{
            str(status): {"$ref": f"#/components/responses/Error{status}"}
            for status in sorted(errors)
        },
    }


class _Components:
    """
    The schemas that others refer to, by name.
    """

    def __init__(self) -> None:
        self.schemas: dict[str, Any] = dict(SHAPES)

    def either(self, actions: _Words, kind: str) -> Json:
        """
        The request or the response of one of those, by version and action.
        """
        names = [self._add(*action, kind) for action in actions]
        if len(names) == 1:
            return dict(named(names[0]))
        return {"anyOf": [named(name) for name in names]}

    def _add(self, version: Version, action: str, kind: str) -> str:
        source = _source(version, action, kind)
        prefix = f"OCPP{version}"
        local: dict[str, str] = {}
        definitions = source.get("definitions", {})
        for name in definitions:
            local[name] = f"{prefix}.{name}"
        # Most are the same wherever they are named; those that are not have
        # the action in their name, and all that refer to them.
        while changed := [
            name
            for name, place in local.items()
            if self.schemas.get(place, _TAKEN)
            not in (_TAKEN, modern(definitions[name], local))
        ]:
            for name in changed:
                local[name] = f"{prefix}.{action}{kind}.{name}"
                self.schemas.pop(local[name], None)
        for name, place in local.items():
            self.schemas[place] = modern(definitions[name], local)
        own = f"{prefix}.{action}{kind}"
        shown = {k: v for k, v in source.items() if k not in _NOT_SHOWN}
        made = modern(shown, local)
        made["examples"] = [example(made, self.schemas)]
        self.schemas[own] = made
        return own


def _source(version: Version, action: str, kind: str) -> Mapping[str, Any]:
    """
    The standard's own schema.
    """
    if version is _NEW:
        return official(version, action, kind)
    table = REQUESTS if kind == "Request" else RESPONSES
    return table[version, action].source


_TAKEN: Any = object()

#: What draft 4 and 6 have at the top, and what is for Java only.
_NOT_SHOWN = {"$schema", "$id", "id", "definitions", "comment", "title"}

#: The members whose members are names.
_BY_NAME = {"properties", "patternProperties"}


def modern(schema: Any, local: Mapping[str, str]) -> Any:
    """
    A schema of draft 4 or 6 as one of 2020-12.

    @param local: how its definitions are called among all.

    >>> modern({"minimum": 0, "exclusiveMinimum": True, "javaType": "X"}, {})
    {'exclusiveMinimum': 0}
    """
    if isinstance(schema, list):
        return [modern(one, local) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made: Json = {}
    for key, value in schema.items():
        if key == "$ref":
            made[key] = named(local[value.rpartition("/")[2]])["$ref"]
        elif key in _BY_NAME:
            made[key] = {k: modern(v, local) for k, v in value.items()}
        elif key not in ("javaType", "additionalItems"):
            made[key] = value if key == "enum" else modern(value, local)
    for bound in ("minimum", "maximum"):
        exclusive = f"exclusive{bound.capitalize()}"
        if made.get(exclusive) is True:
            made[exclusive] = made.pop(bound)
        elif made.get(exclusive) is False:
            del made[exclusive]
    return made


#: What members of ours are for example, by their names.
_OF_NAME: Mapping[str, Any] = {
    "action": "Reset",
    "address": "10.0.0.5:5123",
    "call": '[2,"19223201","Heartbeat",{}]',
    "csChargingProfiles": {"chargingProfileId": 1},
    "idTag": "A1B2C3D4",
    "identity": "CP1",
    "message": "idTag must have at most 20 characters.",
    "method": "POST",
    "name": "ada",
    "next": None,
    "path": "$.idTag",
    "payload": {"type": "Soft"},
    "reply": '[3,"19223201",{"currentTime":"2026-11-22T10:00:00Z"}]',
    "role": "viewer",
    "rule": "maxLength",
    "url": "ws://localhost:9220/ocpp",
    "version": "1.6",
}


def sample(schema: Mapping[str, Any], name: str = "") -> Any:
    """
    A value of a schema of ours, with all its members.

    >>> sample({"type": "object", "properties": {"idTag": {"type": "string"},
    ...         "energy": {"type": ["number", "null"]}}})
    {'idTag': 'A1B2C3D4', 'energy': 1}
    """
    if "$ref" in schema:
        return sample(SHAPES[schema["$ref"].rpartition("/")[2]], name)
    if "examples" in schema:
        return schema["examples"][0]
    if "const" in schema:
        return schema["const"]
    if name in _OF_NAME and "enum" not in schema:
        return _OF_NAME[name]
    kind = schema.get("type")
    if isinstance(kind, list):
        return sample({**schema, "type": kind[0]}, name)
    if kind == "object":
        members = schema.get("properties", {})
        return {inner: sample(of, inner) for inner, of in members.items()}
    if kind == "array":
        return [sample(schema.get("items", {}), name)]
    if "oneOf" in schema:
        return sample(schema["oneOf"][0], name)
    return example(schema, SHAPES)


_OF_FORMAT = {
    "date-time": "2026-11-22T10:00:00Z",
    "uri": "https://example.com/firmware.bin",
    "anyURI": "https://example.com/firmware.bin",
}

_OF_TYPE: Mapping[str, Any] = {
    "integer": 1,
    "number": 1,
    "boolean": True,
}


def example(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:
    """
    A value with the members that a schema requires.

    >>> example({"type": "object", "required": ["a"],
    ...          "properties": {"a": {"enum": ["x"]}, "b": {}}}, {})
    {'a': 'x'}
    """
    if "$ref" in schema:
        return example(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            members = schema.get("properties", {})
            return {
                name: example(members.get(name, {}), schemas)
                for name in schema.get("required", ())
            }
        case "array":
            least = max(1, schema.get("minItems", 1))
            return [example(schema.get("items", {}), schemas)] * least
        case "string":
            text = _OF_FORMAT.get(schema.get("format", ""), "example")
            return text[: schema.get("maxLength", len(text))]
        case kind:
            value = _OF_TYPE.get(str(kind), "example")
            return max(value, schema.get("minimum", value))
