"""
What a process and its children used so far, as Linux counts it in /proc.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_KIB = os.sysconf("SC_PAGE_SIZE") / 1024


def cpu_seconds(pid: int) -> float:
    """
    CPU seconds, of the program and of the kernel on its behalf, of all
    threads.
    """
    return sum(_cpu_ticks(each) for each in _family(pid)) / _TICKS


def resident_kib(pid: int) -> float:
    """
    KiB of memory that are really there.
    """
    return sum(_pages(each) for each in _family(pid)) * _PAGE_KIB


def _family(pid: int) -> Iterator[Path]:
    """
    The process and, for servers with workers, all that descend from it.
    """
    here = Path("/proc", str(pid))
    yield here
    for children in here.glob("task/*/children"):
        for child in children.read_text().split():
            yield from _family(int(child))


def _cpu_ticks(process: Path) -> int:
    # The second field, the name, may hold spaces: count from behind it.
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _pages(process: Path) -> int:
    return int((process / "statm").read_text().split()[1])
