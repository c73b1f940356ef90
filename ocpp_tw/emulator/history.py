"""
What a station remembers of its time, line by line, for diagnostics and logs.

>>> history = History()
>>> history.note("2026-01-01T00:00:00.000Z", "connected")
>>> history.lines()
['2026-01-01T00:00:00.000Z connected']
"""

from __future__ import annotations

from .clock import iso


#: How much is remembered, in octets: of all there was, and of what concerns
#: security besides, lest the rest pushes it out.
LIMIT = 64 << 10

#: The longest line, in characters.
LONGEST = 300

#: 9999-12-31T23:59:59Z, the last second that has a name.
_LAST = 253402300799.0


class History:
    """
    The latest lines of one station.

    @ivar limit: how many octets they may have; 0 for none at all, and then
        many stations can share it.
    """

    __slots__ = ("_security", "_text", "limit")

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self._text = bytearray()
        self._security = bytearray()

    def note(self, when: str, what: str, is_security: bool = False) -> None:
        """
        @param when: as L{iso} writes it.
        @param what: one line is made of it.
        """
        if not self.limit:
            return
        line = f"{when} {' '.join(what.split())[:LONGEST]}\n".encode(
            errors="replace"
        )
        self._add(self._text, line)
        if is_security:
            self._add(self._security, line)

    def _add(self, text: bytearray, line: bytes) -> None:
        text += line
        if len(text) > self.limit:
            # The older half goes at once: that is rarely.
            del text[: text.find(b"\n", len(text) // 2) + 1]

    def lines(
        self,
        since: float | None = None,
        until: float | None = None,
        only_security: bool = False,
    ) -> list[str]:
        """
        @param since: seconds since 1970; None for all there is.
        @param until: the same.
        """
        text = self._security if only_security else self._text
        first, last = _stamp(since, 0.0), _stamp(until, _LAST)
        return [
            line
            for line in text.decode().split("\n")
            if line and first <= line[: len(first)] <= last
        ]


def _stamp(when: float | None, otherwise: float) -> str:
    """
    >>> _stamp(None, 0.0)
    '1970-01-01T00:00:00.000Z'
    """
    return iso(otherwise if when is None else min(max(when, 0.0), _LAST))
