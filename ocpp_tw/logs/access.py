r"""
The access log: a line for each HTTP request that was answered.

::

    127.0.0.1 50412 0.003 [24/Oct/2024:23:08:58 +0000] "GET / HTTP/1.1"
    200 9 "-" "curl/8"
"""

from __future__ import annotations

from time import time
from typing import Any

from twisted.web.http import datetimeToLogString

from ..fleet import iso
from .files import open_sink
from .lines import dump, printable
from .mask import Mask


class AccessLog:
    """
    Writes the requests of a site.
    """

    def __init__(
        self,
        place: str,
        mask: Mask,
        owner: tuple[int, int] = (-1, -1),
        format: str = "text",
    ) -> None:
        """
        @raise BadConfig: the file cannot be opened.
        """
        self._mask = mask
        self._as_line = self._as_json if format == "json" else self._as_text
        self._sink = open_sink(place, owner)
        self.reopen = self._sink.reopen
        self.close = self._sink.close

    def note(self, request: Any, seconds: float) -> None:
        """
        A request was answered, that many seconds after it came.
        """
        self._sink.write(self._as_line(request, seconds))

    def _as_text(self, request: Any, seconds: float) -> str:
        peer = request.getClientAddress()
        words = (
            getattr(peer, "host", "-"),
            getattr(peer, "port", "-"),
            f"{seconds:.3f}",
            datetimeToLogString(),
            self._quoted(
                b" ".join((request.method, request.uri, request.clientproto))
            ),
            request.code,
            request.sentLength,
            self._quoted(request.getHeader(b"referer") or b"-"),
            self._quoted(request.getHeader(b"user-agent") or b"-"),
        )
        return " ".join(map(str, words)) + "\n"

    def _as_json(self, request: Any, seconds: float) -> str:
        peer = request.getClientAddress()
        members = {
            "time": iso(time()),
            "address": getattr(peer, "host", None),
            "port": getattr(peer, "port", None),
            "seconds": round(seconds, 3),
            "method": self._masked(request.method),
            "uri": self._masked(request.uri),
            "status": request.code,
            "size": request.sentLength,
            "referer": self._masked(request.getHeader(b"referer") or b""),
            "userAgent": self._masked(request.getHeader(b"user-agent") or b""),
        }
        return dump({k: v for k, v in members.items() if v not in ("", None)})

    def _masked(self, value: bytes) -> str:
        return self._mask.text(value.decode(errors="backslashreplace"))[:2000]

    def _quoted(self, value: bytes) -> str:
        return '"' + printable(self._masked(value)).replace('"', "%22") + '"'
