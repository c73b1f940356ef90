"""
What a fleet looks like: a table or a line while it runs, and a summary at
the end.
"""

from __future__ import annotations

from typing import Any, TextIO

from attrs import define

from .fleet import Fleet


_WIDTH = 20

#: How often a line is written where nobody watches, in seconds.
_SELDOM = 10


def progress_bar(part: float) -> str:
    """
    >>> progress_bar(0.25)
    '#####...............'
    """
    filled = round(min(max(part, 0.0), 1.0) * _WIDTH)
    return "#" * filled + "." * (_WIDTH - filled)


@define
class Live:
    """
    Shows how a fleet goes: a table in place on a terminal, else a line now
    and then.
    """

    fleet: Fleet
    out: TextIO
    began: float
    _at: float = 0.0
    _messages: int = 0
    _tall: int = 0

    def show(self) -> None:
        now = self.fleet.tally.seconds()
        rows = self._rows(now)
        if self.out.isatty():
            self._draw(rows)
        elif int(now - self.began) % _SELDOM == 0:
            line = "  ".join(f"{name} {value}" for name, value in rows)
            self.out.write(line + "\n")
        self.out.flush()

    def _rows(self, now: float) -> list[tuple[str, str]]:
        counts, tally = self.fleet.counts(), self.fleet.tally
        started, count = counts["started"], self.fleet.plan.count
        return [
            ("started", f"[{progress_bar(started / count)}] {started}"),
            ("connected", str(counts["connected"])),
            ("booted", str(counts["booted"])),
            ("charging", str(counts["charging"])),
            ("messages/s", f"{self._rate(now):.0f}"),
            ("errors", str(tally.errors)),
            ("p99", f"{tally.percentile(0.99) * 1e3:.1f} ms"),
        ]

    def _rate(self, now: float) -> float:
        """
        Messages per second since it was last asked for.
        """
        messages = self.fleet.tally.messages
        elapsed = max(now - (self._at or self.began), 1e-9)
        rate = (messages - self._messages) / elapsed
        self._at, self._messages = now, messages
        return rate

    def _draw(self, rows: list[tuple[str, str]]) -> None:
        up = f"\x1b[{self._tall}F" if self._tall else ""
        self.out.write(up)
        for name, value in rows:
            self.out.write(f"\x1b[K{name:12}{value}\n")
        self._tall = len(rows)


def summary(fleet: Fleet, seconds: float) -> str:
    """
    What it was, when it is over.
    """
    tally, counts = fleet.tally, fleet.counts()
    rows: list[tuple[str, Any]] = [
        ("stations", counts["started"]),
        ("sessions", sum(life.begun for life in fleet.lives)),
        ("energy", f"{fleet.energy()} Wh"),
        ("seconds", f"{seconds:.1f}"),
        ("calls sent", tally.sent),
        ("answered", tally.answered),
        ("refused", tally.refused),
        ("not answered", tally.unanswered),
        ("cut off", tally.cut_off),
        ("calls heard", tally.heard),
        ("strays", tally.strays),
        ("still waiting", fleet.waiting()),
        ("messages per second", f"{tally.messages / max(seconds, 1):.0f}"),
        *(
            (
                f"p{part * 100:g} of answers",
                f"{tally.percentile(part) * 1e3:.2f} ms",
            )
            for part in (0.5, 0.99)
        ),
        *((f"  {action}", n) for action, n in tally.by_action.most_common()),
    ]
    lines = [f"{name:28}{value:>14}" for name, value in rows]
    if len(fleet.findings):
        lines.append("findings about the central system:")
        lines += [f"  {line}" for line in fleet.findings.lines()]
    return "\n".join(lines)
