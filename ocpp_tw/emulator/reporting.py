"""
What a fleet looks like: a line while it runs, and a summary at the end.
"""

from __future__ import annotations

from typing import Any, TextIO

from .fleet import Fleet


_WIDTH = 20


def progress_bar(part: float) -> str:
    """
    >>> progress_bar(0.25)
    '#####...............'
    """
    filled = round(min(max(part, 0.0), 1.0) * _WIDTH)
    return "#" * filled + "." * (_WIDTH - filled)


def live_line(fleet: Fleet, out: TextIO, began: float) -> None:
    """
    One line of how it goes, in place of the one before on a terminal.
    """
    now = fleet.tally.seconds()
    elapsed = max(now - began, 1e-9)
    counts, tally = fleet.counts(), fleet.tally
    line = (
        f"[{progress_bar(counts['started'] / fleet.plan.count)}] "
        f"connected {counts['connected']}  booted {counts['booted']}  "
        f"charging {counts['charging']}  "
        f"{tally.messages / elapsed:.0f} messages/s  "
        f"errors {tally.errors}  p99 {tally.percentile(0.99) * 1e3:.1f} ms"
    )
    if out.isatty():
        out.write(f"\r\x1b[K{line}")
    elif int(elapsed) % 10 == 0:
        out.write(line + "\n")
    out.flush()


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
