"""
The description of the REST API, and whether it is true.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import orjson
import yaml
from openapi_spec_validator import validate

from ocpp_tw.emulator.control import ACTIONS
from ocpp_tw.fleet import Settings
from ocpp_tw.ocpp.actions import TO_STATION
from ocpp_tw.ocpp.schemas import REQUESTS, RESPONSES
from ocpp_tw.ocpp.translate import COUNTERPARTS, OPERATIONS
from ocpp_tw.ocpp.versions import Version
from ocpp_tw.transports.docs import Docs
from ocpp_tw.transports.rest.openapi import document, path_of
from ocpp_tw.transports.rest.shapes import ACTS, BODIES

from .world import Answer, World


class Described(World):
    """
    A central system with its description.
    """

    def setUp(self) -> None:
        super().setUp()
        self.routes = self.front._api.routes
        self.document = orjson.loads(orjson.dumps(document(self.routes)))

    def operations(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        for path, methods in self.document["paths"].items():
            for method, operation in methods.items():
                yield path, method, operation


class DocumentTests(Described):
    """
    The document.
    """

    def test_valid(self) -> None:
        """
        It is OpenAPI 3.1, in all its parts.
        """
        validate(self.document)
        self.assertEqual(self.document["openapi"], "3.1.0")

    def test_every_route_is_described(self) -> None:
        """
        Whatever answers is described.
        """
        there = {(path, method) for path, method, _ in self.operations()}
        for route in self.routes:
            if "<action>" in route.path and "ChargePoint" in route.path:
                continue
            for method in route.methods.split():
                self.assertIn((path_of(route), method.lower()), there)

    def test_whatever_is_described_answers(self) -> None:
        """
        Nothing is described that does not answer.
        """
        urls = self.front._api._routes._app.url_map.bind("localhost")
        for path, method, _ in self.operations():
            url = "/v1" + path.replace("{", "").replace("}", "")
            urls.match(url, method.upper())

    def test_every_operation(self) -> None:
        """
        Every operation of every version is described, with what it takes
        and gives, and an example that keeps the standard's schema.
        """
        schemas = self.document["components"]["schemas"]
        for version, actions in TO_STATION.items():
            for action in actions:
                path = f"/ChargePoint/{{identity}}/{action}"
                self.assertIn("post", self.document["paths"][path])
                for kind, table in (
                    ("Request", REQUESTS),
                    ("Response", RESPONSES),
                ):
                    described = schemas[f"OCPP{version}.{action}{kind}"]
                    [example] = described["examples"]
                    broken = table[version, action].violations(example)
                    self.assertEqual(broken, [], action)

    def test_examples(self) -> None:
        """
        Every body and every answer has an example, and the example is right.
        """
        for path, method, operation in self.operations():
            told = [*operation["responses"].values()]
            told.append(operation.get("requestBody", {}))
            for one in told:
                one = self.resolved(one)
                for media, content in one.get("content", {}).items():
                    if media == "application/json":
                        self.check_example(content, (path, method))

    def check_example(self, content: Any, what: Any) -> None:
        schema = content["schema"]
        names = schema.get("anyOf", [schema])
        found = (
            [content["example"]]
            if "example" in content
            else [self.resolved(one)["examples"][0] for one in names]
        )
        whole = {**schema, "components": self.document["components"]}
        for example in found:
            broken = jsonschema_rs.Draft202012Validator(whole).iter_errors(
                example
            )
            self.assertEqual([str(e) for e in broken], [], (what, example))
            if schema.get("properties"):
                self.assertTrue(example, what)

    def resolved(self, value: Any) -> Any:
        """
        What a reference refers to.
        """
        if "$ref" not in value:
            return value
        found: Any = self.document
        for step in value["$ref"].split("/")[1:]:
            found = found[step]
        return found

    def test_settings(self) -> None:
        """
        The settings of a station are described, each of them and no other.
        """
        described = BODIES["Settings"]["properties"]
        self.assertEqual([*described], [*Settings().as_json()])

    def test_acts(self) -> None:
        """
        So is what may happen at an emulated station.
        """
        self.assertEqual({*ACTS}, {*ACTIONS, "scenario"})

    def test_words(self) -> None:
        """
        Every operation has a sentence, a role, and a name of its own.
        """
        names = set()
        for path, method, operation in self.operations():
            self.assertTrue(operation["summary"], (path, method))
            self.assertNotIn("{", operation["summary"])
            self.assertTrue(operation["x-role"])
            names.add(operation["operationId"])
        self.assertEqual(len(names), len([*self.operations()]))

    def test_parameters(self) -> None:
        """
        Every parameter that is described is known, and no other is.
        """
        for path, method, operation in self.operations():
            url = re.sub(r"\{\w+\}", "CP1", path)
            if method != "get" or path in ("/events", "/ping", "/time"):
                continue
            if "ChargePointList" in path:
                continue
            for parameter in operation["parameters"]:
                if parameter["in"] == "query":
                    name = parameter["name"]
                    answer = self.ask("GET", f"{url}?{name}=")
                    self.assertNotIn("no parameter", str(answer.body), url)
            answer = self.ask("GET", f"{url}?colour=red")
            self.assertIn(answer.status, (400, 404), url)


class DocsTests(Described):
    """
    C{/docs/}.
    """

    def get(self, path: str) -> Answer:
        return self.ask("GET", f"http://localhost:9220/docs/{path}")

    def test_json_and_yaml(self) -> None:
        """
        Both are the same document.
        """
        as_json, as_yaml = self.get("openapi.json"), self.get("api.yaml")
        self.assertEqual(as_json.json(), self.document)
        self.assertEqual(yaml.safe_load(as_yaml.body), self.document)
        self.assertEqual(as_json.header("Content-Type"), "application/json")
        self.assertEqual(as_yaml.header("Content-Type"), "application/yaml")

    def test_page(self) -> None:
        """
        The page takes all that it needs from us, and a browser is told so.
        """
        page = self.get("")
        text = page.body.decode() + self.get("start.js").body.decode()
        self.assertIn("default-src 'self'", page.header(_POLICY) or "")
        self.assertNotRegex(text, r"(https?:)?//\w")
        for name in re.findall(r'(?:href|src)="(?!data:)([^"]+)"', text):
            self.assertIn(name.encode(), Docs(self.front._api).children)
        self.assertIn("validatorUrl: null", text)

    def test_swagger_ui(self) -> None:
        """
        Swagger UI is there, of a version that knows OpenAPI 3.1.
        """
        docs = Docs(self.front._api)
        wrapper: Any = docs.children[b"swagger-ui-bundle.js"]
        script = wrapper.original.getContent()
        self.assertIn(b"3.1", script)
        self.assertIn(b"SwaggerUIBundle", script)

    def test_without_slash(self) -> None:
        """
        C{/docs} leads to C{/docs/}, wherever a proxy has us.
        """
        answer = self.ask(
            "GET", "http://localhost:9220/docs", allow_redirects=False
        )
        self.assertEqual(answer.status, 302)
        self.assertEqual(answer.header("Location"), "docs/")

    def test_nothing_else(self) -> None:
        """
        No other file of the package is served.
        """
        for path in ("LICENSE", "../__init__.py", "%2e%2e/core.py"):
            self.assertEqual(self.get(path).status, 404)


_POLICY = "Content-Security-Policy"


class VersionTests(Described):
    """
    Versions beside each other.
    """

    def test_versions(self) -> None:
        """
        An operation of several versions takes what any of them allows, and
        the words of 2.x where they are others.
        """
        both = list(TO_STATION[Version.V16])
        for action in both:
            versions = [v for v in TO_STATION if action in TO_STATION[v]]
            others = any(c.new == action for c in COUNTERPARTS)
            schema = self.body(action)
            self.assertEqual(
                len(schema.get("anyOf", [0])), len(versions) + others, action
            )

    def body(self, action: str) -> Any:
        path = f"/ChargePoint/{{identity}}/{action}"
        body = self.document["paths"][path]["post"]["requestBody"]
        return body["content"]["application/json"]["schema"]

    def test_other_words(self) -> None:
        """
        A name that only 2.x has is described, with its own request.
        """
        self.assertEqual(
            self.body("RequestStartTransaction"),
            {
                "$ref": "#/components/schemas/"
                "OCPP2.0.1.RequestStartTransactionRequest"
            },
        )
        described = {
            path.rpartition("/")[2]
            for path in self.document["paths"]
            if path.startswith("/ChargePoint/")
        }
        self.assertEqual(described, OPERATIONS)
