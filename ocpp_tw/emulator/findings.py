"""
What a central system does that the standard does not allow: the emulator is
a test of the other side, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..ocpp.messages import BadFrame, Call, CallError, parse
from ..ocpp.schemas import REQUESTS, RESPONSES, Schema
from ..ocpp.versions import Version


if TYPE_CHECKING:
    from .station import Station


#: How many different findings are told apart.
MOST = 1000


class Findings:
    """
    Every deviation, and how often it was seen.

    @ivar counts: by action and words.
    @ivar provoked: whether we do wrong ourselves, by a fault on the wire, and
        get answers that nobody waits for.
    """

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.provoked = False

    def __len__(self) -> int:
        return self.counts.total()

    def note(self, action: str, words: str) -> None:
        finding = action, words
        if finding in self.counts or len(self.counts) < MOST:
            self.counts[finding] += 1

    def note_stray(self, frame: bytes, why: str) -> None:
        """
        Note a frame that is no message, or that nobody waited for.
        """
        if not self.provoked:
            self.note("frame", f"{why}: {frame[:80].decode(errors='replace')}")

    def weigh_answer(self, action: str, answer: Mapping[str, Any]) -> None:
        """
        Note what is wrong with an answer to a Call of ours.
        """
        self._weigh(RESPONSES[Version.V16, action], action, "conf", answer)

    def weigh_call(self, action: str, payload: Mapping[str, Any]) -> None:
        """
        Note what is wrong with a Call of theirs.
        """
        self._weigh(REQUESTS[Version.V16, action], action, "req", payload)

    def _weigh(
        self, schema: Schema, action: str, kind: str, said: Mapping[str, Any]
    ) -> None:
        if not schema.is_valid(said):
            for violation in schema.violations(said):
                words = f"{violation.path}: {violation.message}"
                self.note(f"{action}.{kind}", words)

    def lines(self, most: int | None = None) -> list[str]:
        """
        For people: the most frequent first.

        @param most: how many; None for all.
        """
        return [
            f"{count} x {action}: {words}"
            for (action, words), count in self.counts.most_common(most)
        ]


class Ear:
    """
    Hears a station's conversation for the sake of its findings and its
    history; see L{ocpp_tw.peer.Witness}.
    """

    __slots__ = ("_station",)

    def __init__(self, station: Station) -> None:
        self._station = station

    def __repr__(self) -> str:
        return "a charge point"

    def answered(self, call: Call, frame: bytes, reply: bytes) -> None:
        self._note("<-", call)
        self._note("->", call, is_refusal(reply) and " refused")

    def asked(self, call: Call, frame: bytes) -> None:
        self._note("->", call)

    def was_answered(
        self, call: Call, frame: bytes, reply: bytes | None
    ) -> None:
        if reply is None:
            self._note("<-", call, " not answered")
        else:
            self._note("<-", call, is_refusal(reply) and " refused")

    def stray(self, frame: bytes, why: str) -> None:
        self._station.note(f"<- {why}")
        self._station.findings.note_stray(frame, why)

    def _note(self, arrow: str, call: Call, how: str | bool = "") -> None:
        words = f"{arrow} {call.action} {call.unique_id}{how or ''}"
        self._station.note(words)


def is_refusal(reply: bytes) -> bool:
    """
    >>> is_refusal(b'[4,"1","InternalError","",{}]')
    True
    """
    if reply.startswith(b"[3"):
        return False
    try:
        return isinstance(parse(reply), CallError)
    except BadFrame:
        return True
