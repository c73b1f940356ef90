"""
INI files, with the line on which each thing stands.

>>> ini = parse("[server]\\n## the usual one\\nport = 9220\\n", "cs.conf")
>>> ini.entries["server", "port"]
Entry(text='9220', where='cs.conf:3: [server] port')

They are read as L{configparser} reads them (C{=} or C{:}, comments that begin
a line with C{#} or C{;}, an indented line continues the value above), without
interpolation and without C{[DEFAULT]}.
"""

from __future__ import annotations

import re

from attrs import define, field, frozen


_SECTION = re.compile(r"\[(?P<name>[^\]]+)\]\s*$")
_OPTION = re.compile(r"(?P<key>[^=:\s][^=:]*?)\s*[=:]\s*(?P<value>.*)$")


@frozen
class Entry:
    """
    What was written for one key, and where.
    """

    text: str
    where: str

    def problem(self, what: str, quote: bool = True) -> str:
        """
        Say what is wrong with it.

        >>> Entry("x", "CS_SERVER_PORT").problem("must be a number")
        "CS_SERVER_PORT = 'x': must be a number"
        """
        return f"{self.where}{f' = {self.text!r}' if quote else ''}: {what}"


@define
class Ini:
    """
    A file as it was read.

    @ivar sections: each section's first line, as C{"cs.conf:1: [server]"}.
    @ivar problems: a sentence for each line that makes no sense.
    """

    name: str
    entries: dict[tuple[str, str], Entry] = field(factory=dict)
    sections: dict[str, str] = field(factory=dict)
    problems: list[str] = field(factory=list)


def parse(text: str, name: str) -> Ini:
    """
    Read all of a text; what is wrong with it is listed in the result.

    @param name: what to call the file in problems.
    """
    reader = _Reader(Ini(name))
    for number, line in enumerate(text.split("\n"), 1):
        reader.read(number, line)
    reader.finish_entry()
    return reader.ini


@define
class _Reader:
    """
    Reads line by line.

    @ivar section: the section we are in; None before the first.
    @ivar lost: whether the section we are in could not be read.
    @ivar entry: the entry whose value may be continued: where, key, the
        lines so far, and how far it was indented.
    """

    ini: Ini
    section: str | None = None
    lost: bool = False
    entry: tuple[str, str, list[str], int] | None = None

    def read(self, number: int, line: str) -> None:
        words = line.strip()
        indent = len(line) - len(line.lstrip())
        if words.startswith(("#", ";")):
            return
        if self.entry and words and indent > self.entry[3]:
            self.entry[2].append(words)
            return
        self.finish_entry()
        where = f"{self.ini.name}:{number}:"
        if match := _SECTION.match(words):
            self._begin_section(where, match["name"].strip())
        elif match := _OPTION.match(words):
            self._begin_entry(where, indent, match["key"], match["value"])
        elif words:
            # The line itself is not shown: it may hold a password.
            self.ini.problems.append(
                f"{where} neither [section] nor key = value"
            )
            self.lost = self.lost or words.startswith("[")

    def _begin_section(self, where: str, name: str) -> None:
        self.section, self.lost = name, False
        first = self.ini.sections.setdefault(name, f"{where} [{name}]")
        if first != f"{where} [{name}]":
            self.ini.problems.append(
                f"{where} [{name}]: a second section of that name; "
                f"the first is at {_place(first)}"
            )

    def _begin_entry(
        self, where: str, indent: int, key: str, value: str
    ) -> None:
        if self.section is None and not self.lost:
            self.ini.problems.append(f"{where} {key}: stands in no [section]")
        if self.section is not None and not self.lost:
            self.entry = (where, key.lower(), [value], indent)

    def finish_entry(self) -> None:
        """
        No line of it will follow.
        """
        if self.entry is None:
            return
        where, key, lines, _ = self.entry
        self.entry, section = None, str(self.section)
        entry = Entry("\n".join(lines).strip(), f"{where} [{section}] {key}")
        first = self.ini.entries.setdefault((section, key), entry)
        if first is not entry:
            self.ini.problems.append(
                entry.problem(
                    f"given twice; the first is at {_place(first.where)}",
                    quote=False,
                )
            )


def _place(where: str) -> str:
    """
    The file and line of C{"cs.conf:3: [server] port"}.
    """
    return where.split(": ", 1)[0]
