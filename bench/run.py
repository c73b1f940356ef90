"""
C{python -m bench}: every server measured side by side.

Each round starts each server afresh, in turn, so that a slow minute of the
machine falls on all of them; the table shows medians over the rounds. Give
names of rows to measure only those.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

from attrs import asdict, fields

from .load import Plan, Result, measure, parser, plan_of, tell
from .servers import SERVERS, NotRunning, Server, parse, running


Results = dict[str, list[Result]]

#: Heading, field of L{Result}, and how it is written.
_COLUMNS = (
    ("msg/s", "rate", "{:,.0f}"),
    ("p50 ms", "p50_ms", "{:.1f}"),
    ("p99 ms", "p99_ms", "{:.1f}"),
    ("CPU us/msg", "cpu_us", "{:.1f}"),
    ("connects/s", "connects", "{:,.0f}"),
    ("KiB/idle", "idle_kib", "{:.1f}"),
    ("all booted s", "storm_s", "{:.2f}"),
    ("load's CPU", "generator", "{:.0%}"),
)


def main(words: Sequence[str] | None = None) -> int:
    """
    Measure what was asked for, and print the table.

    @return: 0 if every server ran and every answer was right.
    """
    arguments = _options().parse_args(words)
    servers = _chosen(arguments.names, arguments.server)
    plan, shared = plan_of(arguments), arguments.shared
    results = rounds(servers, arguments.rounds, plan, shared)
    print(table(results))
    if arguments.json:
        Path(arguments.json).write_text(as_json(results))
    return 0 if _is_sound(results, arguments.rounds) else 1


def _options() -> argparse.ArgumentParser:
    options = parser(__doc__)
    options.prog = "python -m bench"
    names = ", ".join(f'"{server.name}"' for server in SERVERS)
    options.add_argument("names", nargs="*", help=f"rows: {names}")
    options.add_argument("--rounds", type=int, default=3, help="rounds (3)")
    options.add_argument(
        "--shared",
        action="store_true",
        help="let server and load share all CPUs, as workers want it",
    )
    options.add_argument("--json", metavar="FILE", help="write all results")
    options.add_argument(
        "--server",
        metavar="NAME=COMMAND",
        type=parse,
        action="append",
        default=[],
        help="one row more; {port} and {dir} in the command are filled in",
    )
    return options


def _chosen(names: Sequence[str], more: Sequence[Server]) -> list[Server]:
    known = {server.name: server for server in (*SERVERS, *more)}
    unknown = set(names) - set(known)
    if unknown:
        raise SystemExit(f"no rows {unknown}; there are {list(known)}")
    return [known[name] for name in names or known]


def rounds(
    servers: Iterable[Server], count: int, plan: Plan, shared: bool = False
) -> Results:
    """
    Measure each server once a round.
    """
    servers = list(servers)
    results: Results = {server.name: [] for server in servers}
    theirs, mine = _cpus()
    if shared:
        theirs = mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, mine)
    for number in range(1, count + 1):
        for server in servers:
            tell(f"round {number} of {count}: {server.name}")
            results[server.name] += _measured(server, theirs, plan)
    return results


def _measured(server: Server, cpus: set[int], plan: Plan) -> list[Result]:
    try:
        with running(server, cpus) as it:
            result = measure(it.url, it.pid, plan, lambda x: tell("  " + x))
            return [result]
    except (NotRunning, OSError) as why:
        tell(f"  {server.name}: {why}")
        return []


def _cpus() -> tuple[set[int], set[int]]:
    """
    CPUs for the server and for the load: one each where there are two.
    """
    ours = sorted(os.sched_getaffinity(0))
    return {ours[0]}, {ours[min(1, len(ours) - 1)]}


def table(results: Results) -> str:
    """
    The medians as a table in Markdown, a row for each server.
    """
    heads = ["server", "ratio", *(head for head, _, _ in _COLUMNS), "errors"]
    rows = [heads, ["---"] * len(heads)]
    first = next(iter(results.values()))
    rows += [_row(name, each, first) for name, each in results.items()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_line(row, widths) for row in rows)


def _row(name: str, each: list[Result], first: list[Result]) -> list[str]:
    if not each:
        return [name, *["-"] * (len(_COLUMNS) + 1), "did not run"]
    figures = [_written(how, middle(each, name)) for _, name, how in _COLUMNS]
    errors = sum(result.errors for result in each)
    return [
        name,
        _written("{:.2f}", ratio(each, first)),
        *figures,
        f"{errors}",
    ]


def ratio(each: list[Result], first: list[Result]) -> float | None:
    """
    How many times the messages of the first row, as a median over rounds.
    """
    pairs = zip(each, first, strict=False)
    ratios = [mine.rate / its.rate for mine, its in pairs if its.rate]
    return median(ratios) if ratios else None


def middle(each: list[Result], name: str) -> float | None:
    """
    The median of that figure; None if it was not measured.
    """
    values = [value for x in each if (value := getattr(x, name)) is not None]
    return median(values) if values else None


def _written(how: str, value: float | None) -> str:
    return "-" if value is None else how.format(value)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    name, *rest = (
        f"{cell:{'<' if place == 0 else '>'}{width}}"
        for place, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "| " + " | ".join([name, *rest]) + " |"


def as_json(results: Results) -> str:
    """
    All results, and their medians and ratios, by the name of the server.
    """
    first = next(iter(results.values()))
    return json.dumps(
        {
            name: {
                "ratio": ratio(each, first),
                "median": {
                    f.name: middle(each, f.name) for f in fields(Result)
                },
                "rounds": [asdict(result) for result in each],
            }
            for name, each in results.items()
        },
        indent=2,
    )


def _is_sound(results: Results, count: int) -> bool:
    return all(
        len(each) == count and not any(result.errors for result in each)
        for each in results.values()
    )


if __name__ == "__main__":
    raise SystemExit(main())
