"""
What a central system does that the standard does not allow: the emulator is
a test of the other side, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from ..ocpp.messages import Call
from ..ocpp.schemas import REQUESTS, RESPONSES, Schema
from ..ocpp.versions import Version


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
        self._weigh(RESPONSES[Version.V16, action], f"{action}.conf", answer)

    def weigh_call(self, action: str, payload: Mapping[str, Any]) -> None:
        """
        Note what is wrong with a Call of theirs.
        """
        self._weigh(REQUESTS[Version.V16, action], f"{action}.req", payload)

    def _weigh(
        self, schema: Schema, name: str, payload: Mapping[str, Any]
    ) -> None:
        if not schema.is_valid(payload):
            for violation in schema.violations(payload):
                self.note(name, f"{violation.path}: {violation.message}")

    def lines(self) -> list[str]:
        """
        For people: the most frequent first.
        """
        return [
            f"{count} x {action}: {words}"
            for (action, words), count in self.counts.most_common()
        ]


class Ear:
    """
    Hears a conversation for the sake of its findings; see
    L{ocpp_tw.peer.Witness}.
    """

    __slots__ = ("_findings",)

    def __init__(self, findings: Findings) -> None:
        self._findings = findings

    def __repr__(self) -> str:
        return "a charge point"

    def answered(self, call: Call, frame: bytes, reply: bytes) -> None:
        pass

    def asked(self, call: Call, frame: bytes) -> None:
        pass

    def was_answered(
        self, call: Call, frame: bytes, reply: bytes | None
    ) -> None:
        pass

    def stray(self, frame: bytes, why: str) -> None:
        self._findings.note_stray(frame, why)
