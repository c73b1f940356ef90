"""
C{/docs/}: the REST API described, for programs and by Swagger UI.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson
import yaml
from twisted.web.iweb import IRequest
from twisted.web.resource import EncodingResourceWrapper, Resource
from twisted.web.server import GzipEncoderFactory
from twisted.web.static import Data, File

from .rest import API
from .rest.openapi import document


#: What of Swagger UI is needed.
_FILES = ("swagger-ui.css", "swagger-ui-bundle.js")

_PAGE = b"""<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>ocpp_tw REST API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="swagger-ui.css">
<div id="ui"></div>
<script src="swagger-ui-bundle.js"></script>
<script src="start.js"></script>
</html>
"""

# Without validatorUrl it would ask a server of its makers.
_START = b"""\
const session = fetch("../api/v1/session").then((r) => r.json());
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#ui",
  validatorUrl: null,
  docExpansion: "none",
  requestInterceptor: async (request) => {
    const { csrfToken } = await session.catch(() => ({}));
    if (csrfToken) request.headers["X-CSRF-Token"] = csrfToken;
    return request;
  },
});
"""

_POLICY = (
    "default-src 'self'; img-src 'self' data:; "
    "style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"
)


class Docs(Resource):
    """
    The documentation.
    """

    def __init__(self, api: API) -> None:
        super().__init__()
        self._api = api
        self._add("index.html", Data(_PAGE, "text/html; charset=utf-8"))
        self._add("start.js", Data(_START, "text/javascript"))
        for name in _FILES:
            self._add(name, File(str(_folder() / name)))
        self._add("openapi.json", _Made(self._json, "application/json"))
        self._add("api.yaml", _Made(self._yaml, "application/yaml"))

    def _add(self, name: str, resource: Any) -> None:
        gzip: Sequence[Any] = [GzipEncoderFactory()]
        self.putChild(name.encode(), EncodingResourceWrapper(resource, gzip))

    def getChild(self, path: bytes, request: IRequest) -> Any:
        if not path:
            request.setHeader("Content-Security-Policy", _POLICY)
            return self.children[b"index.html"]
        return super().getChild(path, request)

    def render_GET(self, request: IRequest) -> bytes:
        request.redirect(b"docs/")
        return b""

    @cached_property
    def document(self) -> dict[str, Any]:
        """
        The description of all routes.
        """
        return document(self._api.routes)

    def _json(self) -> bytes:
        return orjson.dumps(self.document)

    def _yaml(self) -> bytes:
        dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
        # By way of JSON: what is said twice would become an alias.
        once = orjson.loads(self._json())
        text: str = yaml.dump(
            once, Dumper=dumper, sort_keys=False, allow_unicode=True
        )
        return text.encode()


class _Made(Resource):
    """
    Something that is made when it is asked for first.
    """

    isLeaf = True

    def __init__(self, make: Callable[[], bytes], kind: str) -> None:
        super().__init__()
        self._make = make
        self._kind = kind

    @cached_property
    def _octets(self) -> bytes:
        return self._make()

    def render_GET(self, request: IRequest) -> bytes:
        request.setHeader("Content-Type", self._kind)
        return self._octets


def _folder() -> Path:
    """
    Where Swagger UI lies; its package is not imported: that would import
    templates and web frameworks.
    """
    spec = find_spec("swagger_ui")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "static"
