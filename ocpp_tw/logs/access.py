r"""
The access log: a line for each HTTP request that was answered.

::

    127.0.0.1 50412 0.003 [24/Oct/2024:23:08:58 +0000] "GET / HTTP/1.1"
    200 9 "-" "curl/8"
"""

from __future__ import annotations

from typing import Any

from twisted.web.http import datetimeToLogString

from .files import LogFile
from .lines import printable
from .mask import Mask


class AccessLog:
    """
    Writes the requests of a site.
    """

    def __init__(
        self, path: str, mask: Mask, owner: tuple[int, int] = (-1, -1)
    ) -> None:
        """
        @raise BadConfig: the file cannot be opened.
        """
        self._mask = mask
        self._file = LogFile(path, owner)
        self.reopen = self._file.reopen
        self.close = self._file.close

    def note(self, request: Any, seconds: float) -> None:
        """
        A request was answered, that many seconds after it came.
        """
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
        self._file.write(" ".join(map(str, words)) + "\n")

    def _quoted(self, value: bytes) -> str:
        text = self._mask.text(value.decode(errors="backslashreplace"))
        return '"' + printable(text[:2000]).replace('"', "%22") + '"'
