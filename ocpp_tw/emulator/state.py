"""
What an emulated station remembers without power: C{state.json}, beside the
file that its operator wrote and which is never touched.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import orjson
from twisted.logger import Logger


FILE = "state.json"


def _for_us(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


class State:
    """
    Where one station keeps its state; nowhere, without a folder.
    """

    log = Logger()

    __slots__ = ("_complained", "_file")

    def __init__(self, folder: Path | None = None) -> None:
        self._file = folder and folder / FILE
        self._complained = False

    def load(self) -> dict[str, Any]:
        """
        What was saved last; nothing where that cannot be read.
        """
        if self._file is None:
            return {}
        try:
            state = orjson.loads(self._file.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as e:
            self._complain(e, "read")
            return {}
        return state if isinstance(state, dict) else {}

    def save(self, state: dict[str, Any]) -> None:
        """
        Keep it, whole or not at all.
        """
        if self._file is None:
            return
        new = self._file.with_suffix(".new")
        try:
            # Passwords and keys are in it.
            with open(new, "wb", opener=_for_us) as file:
                file.write(orjson.dumps(state))
            os.replace(new, self._file)
        except OSError as e:
            self._complain(e, "written")

    @property
    def is_kept(self) -> bool:
        return self._file is not None

    def _complain(self, error: Exception, done: str) -> None:
        if not self._complained:
            self._complained = True
            self.log.warn(
                "{file} cannot be {done}: {error}",
                file=self._file,
                done=done,
                error=error,
            )
