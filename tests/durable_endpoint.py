"""
A web server that keeps what it acknowledged: the rules of the embedded
backend, behind a webhook.

C{python -m tests.durable_endpoint PORT FILE}
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import maybeDeferred

from ocpp_tw.backends.embedded import make_backend
from ocpp_tw.ocpp.messages import Call
from ocpp_tw.testing import FakeCentralSystem, FakeStation

from .endpoint import Endpoint, Seen


def main(port: str, path: str) -> None:
    """
    Serve until we are killed.
    """
    logic = make_backend({"path": path}, FakeCentralSystem(), reactor)
    logic.startService()

    def answer(seen: Seen) -> Any:
        asked = seen.json
        station = FakeStation(asked["identity"])
        call = Call(asked["uniqueId"], asked["action"], asked["payload"])
        replied = maybeDeferred(logic.answer, station, call)
        return replied.addCallback(lambda payload: {"payload": payload})

    Endpoint(answer).listen(port=int(port))
    reactor.run()  # type: ignore[attr-defined]


if __name__ == "__main__":
    main(*sys.argv[1:])
