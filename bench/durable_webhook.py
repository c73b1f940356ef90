"""
A web server that keeps what it acknowledged: the rules of the embedded
backend, behind a webhook.

C{python -m bench.durable_webhook PORT FILE}
"""

from __future__ import annotations

import sys
from typing import Any

import orjson
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from ocpp_tw.backends.embedded import make_backend
from ocpp_tw.interfaces import IBackend
from ocpp_tw.ocpp.messages import Call, Payload
from ocpp_tw.testing import FakeCentralSystem, FakeStation


class Webhook(Resource):
    """
    Replies with what the backend answers.
    """

    isLeaf = True

    def __init__(self, backend: IBackend) -> None:
        super().__init__()
        self._backend = backend

    def render_POST(self, request: Request) -> int:
        assert request.content is not None
        asked = orjson.loads(request.content.read())
        station = FakeStation(asked["identity"])
        call = Call(asked["uniqueId"], asked["action"], asked["payload"])
        answer: Deferred[Any] = maybeDeferred(
            self._backend.answer, station, call
        )
        answer.addCallback(self._reply, request)
        return NOT_DONE_YET

    def _reply(self, payload: Payload, request: Request) -> None:
        request.write(orjson.dumps({"payload": payload}))
        request.finish()


def main(port: str, path: str) -> None:
    """
    Serve on loopback until we are killed.
    """
    from twisted.internet import reactor

    service: Any = reactor
    backend = make_backend({"path": path}, FakeCentralSystem(), service)
    backend.startService()
    site: Any = Site(Webhook(backend))
    service.listenTCP(int(port), site, interface="127.0.0.1")
    service.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
