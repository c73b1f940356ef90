"""
A place for files while a scenario runs: firmware comes from it, and logs go
there.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import Site


FIRMWARE = b"firmware for emulated charge points\n" * 100


#: What there is besides, by its name, to be rejected.
OTHERS = {
    "other-model.bin": b"model: Another\n\n" + FIRMWARE,
    "wrong-digest.bin": b"sha256: " + b"0" * 64 + b"\n\n" + FIRMWARE,
    "empty.bin": b"",
}


def firmware_of(url: str) -> bytes:
    """
    What is there under a URL or a path.
    """
    return OTHERS.get(url.rpartition("/")[2], FIRMWARE)


class _Files(Resource):
    """
    Whatever is asked for is firmware, if only in name, and whatever is sent
    is taken.
    """

    isLeaf = True

    def render_GET(self, request: Request) -> bytes:
        request.setHeader(b"Content-Type", b"application/octet-stream")
        return firmware_of(request.path.decode("latin-1"))

    def render_PUT(self, request: Request) -> bytes:
        request.setResponseCode(201)
        return b""

    render_POST = render_PUT


class FileServer:
    """
    Files over HTTP for the charge point, which runs on this machine, too.

    @ivar url: of it, without a slash at the end.
    """

    def __init__(self, reactor: Any) -> None:
        site = Site(_Files())
        site.noisy = False
        self._port = reactor.listenTCP(0, site, interface="127.0.0.1")
        self.url = f"http://127.0.0.1:{self._port.getHost().port}"

    def stop(self) -> Deferred[Any]:
        return maybeDeferred(self._port.stopListening)
