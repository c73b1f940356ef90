"""
Scenarios: what happens at a charge point, and what is expected of its central
system, as YAML.

::

    title: A vehicle charges, and leaves
    keys: {MeterValueSampleInterval: 60}
    steps:
      - connect
      - answered: BootNotification
        with: {status: Accepted}
      - plug: 1
        soc: 20
      - tag: ALICE
      - answered: StartTransaction
        with: {idTagInfo: {status: Accepted}}
      - wait: 300
      - unplug: 1
      - sent: StopTransaction
        with: {reason: EVDisconnected}
        within: 5
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

from attrs import field, frozen

from ..errors import BadConfig, OCPPError
from ..ocpp.actions import FROM_STATION, TO_STATION
from ..ocpp.versions import Version
from .chargepoint import LONGEST_TAG
from .config import MOST_CONNECTORS
from .connector import ERRORS, TRANSITIONS
from .faults import MOST, ON_FRAMES, ON_LINES
from .keys import STANDARD
from .scenario_source import (
    Node,
    ScalarNode,
    Wrong,
    compose,
    items,
    line_of,
    pairs,
    plain,
    represented,
)


#: How long something that is expected may take, in seconds of ours.
WITHIN = 10.0

#: What may stand before what is compared with; the last is for the rest.
COMPARISONS: dict[str, Callable[[Any, str], bool]] = {
    "!=": lambda value, text: _written(value) != text,
    ">=": lambda value, text: float(value) >= float(text),
    "<=": lambda value, text: float(value) <= float(text),
    "": lambda value, text: text == "*" or _written(value) == text,
}

#: What may stand in a step for something that is known later.
VARIABLES = ("identity", "tag", "transaction", "time", "files")


def _written(value: Any) -> str:
    """
    A value as a scenario writes it.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)


@frozen
class Check:
    """
    One member that is expected.

    >>> Check("idTagInfo.status", "", "Accepted").fails(
    ...     {"idTagInfo": {"status": "Blocked"}}
    ... )
    "idTagInfo.status is 'Blocked', not Accepted"
    """

    path: str
    comparison: str
    text: str

    def fails(self, payload: Any) -> str | None:
        """
        Why the payload is not as expected; None if it is.
        """
        value = payload
        for step in self.path.split("."):
            try:
                value = value[int(step) if isinstance(value, list) else step]
            except (KeyError, IndexError, ValueError, TypeError):
                return f"there is no {self.path}"
        try:
            if COMPARISONS[self.comparison](value, self.text):
                return None
        except (ValueError, TypeError):
            pass
        wanted = f"{self.comparison} {self.text}".strip()
        return f"{self.path} is {value!r}, not {wanted}"


@frozen
class Step:
    """
    One step.

    @ivar line: where it stands; 0 where it stands in no file.
    @ivar number: from 1.
    @ivar main: what stands behind the verb; None for nothing.
    @ivar options: the members beside the verb.
    @ivar checks: what C{with} says.
    @ivar within: seconds of ours.
    """

    line: int
    number: int
    verb: str
    main: Any = None
    options: Mapping[str, Any] = field(factory=dict)
    checks: tuple[Check, ...] = ()
    within: float = WITHIN

    def __str__(self) -> str:
        where = f"line {self.line}" if self.line else f"step {self.number}"
        what = self.verb if self.main is None else f"{self.verb} {self.main}"
        return f"{where}: {what}"


@frozen
class Scenario:
    """
    @ivar keys: configuration keys of its charge point.
    @ivar connectors: how many it has; those that it has, if None.
    @ivar voltage: of them: AC or DC.
    @ivar power: of them, in W; what is usual, if None.
    @ivar speed: of its clock; None for what is asked for.
    @ivar strict: whether it fails where the central system deviates from the
        standard.
    """

    name: str
    title: str
    steps: tuple[Step, ...]
    keys: Mapping[str, str] = field(factory=dict)
    connectors: int | None = None
    voltage: str = "AC"
    power: float | None = None
    speed: float | None = None
    seed: int | None = None
    strict: bool = False

    def mentions(self, variable: str) -> bool:
        """
        Whether a step needs that variable.
        """
        return any(
            f"${variable}" in str((step.main, step.options))
            for step in self.steps
        )


# What may stand where


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**31


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < 1e9


def _one_of(words: frozenset[str]) -> tuple[Callable[[Any], bool], str]:
    return (
        lambda v: isinstance(v, str) and v in words,
        "one of " + ", ".join(sorted(words)),
    )


_KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "count": (_is_count, "a whole number"),
    "connectors": (
        lambda v: _is_count(v) and 1 <= v <= MOST_CONNECTORS,
        f"a number from 1 to {MOST_CONNECTORS}",
    ),
    "number": (_is_number, "a number"),
    "amount": (
        lambda v: type(v) in (int, float) and abs(v) <= MOST,
        "a number",
    ),
    "more than 0": (lambda v: _is_number(v) and v > 0, "a number above 0"),
    "tag": (
        lambda v: isinstance(v, str) and 0 < len(v) <= LONGEST_TAG,
        f"a text of 1 to {LONGEST_TAG} characters: put it into quotes",
    ),
    "text": (
        lambda v: isinstance(v, str) and bool(v),
        "a text: put it into quotes",
    ),
    "flag": (lambda v: isinstance(v, bool), "true or false"),
    "payload": (lambda v: isinstance(v, dict), "a mapping"),
}
for _kind, _words in {
    "on or off": ("on", "off"),
    "voltage": ("AC", "DC"),
    "error": ERRORS,
    "status": TRANSITIONS,
    "fault": (*ON_FRAMES, *ON_LINES),
    "outgoing": FROM_STATION[Version.V16],
    "incoming": TO_STATION[Version.V16],
}.items():
    _KINDS[_kind] = _one_of(frozenset(_words))


@frozen
class _Verb:
    """
    How a verb is used.

    @ivar kind: of what stands behind it; empty for nothing.
    @ivar options: the kinds of the members beside it; required if the kind
        ends with a C{!}.
    @ivar checks: whether C{with} may be beside it.
    @ivar waits: whether C{within} may be.
    """

    kind: str = ""
    options: Mapping[str, str] = field(factory=dict)
    checks: bool = False
    waits: bool = False


_PAYLOAD = {"payload": "payload"}

VERBS: dict[str, _Verb] = {
    "connect": _Verb(),
    "disconnect": _Verb(),
    "power": _Verb("on or off"),
    "plug": _Verb(
        "count",
        dict.fromkeys(("soc", "capacity", "power", "target"), "more than 0"),
    ),
    "unplug": _Verb("count"),
    "tag": _Verb("tag", {"connector": "count"}),
    "suspend": _Verb("count"),
    "resume": _Verb("count"),
    "fault": _Verb("count", {"error": "error"}),
    "recover": _Verb("count"),
    "wait": _Verb("number"),
    "wire": _Verb("fault", {"amount": "amount"}),
    "send": _Verb("outgoing", _PAYLOAD, checks=True),
    "command": _Verb("incoming", _PAYLOAD, checks=True),
    "sent": _Verb("outgoing", checks=True, waits=True),
    "answered": _Verb("outgoing", checks=True, waits=True),
    "refused": _Verb("outgoing", waits=True),
    "called": _Verb("incoming", checks=True, waits=True),
    "not-sent": _Verb("outgoing"),
    "status": _Verb("count", {"is": "status!"}, waits=True),
    "energy": _Verb("count", {"least": "number!"}),
    "queued": _Verb("count", waits=True),
}

#: What may be said of the whole.
_SETTINGS = {
    "title": "text",
    "speed": "more than 0",
    "seed": "count",
    "connectors": "connectors",
    "voltage": "voltage",
    "power": "more than 0",
    "strict": "flag",
}


# Reading


def shipped() -> dict[str, Path]:
    """
    The scenarios that come with the emulator, by name.
    """
    folder = Path(str(files("ocpp_tw.emulator") / "scenarios"))
    return {file.stem: file for file in folder.glob("*.yaml")}


def read(file: Path) -> Scenario:
    """
    @raise BadConfig: says what is wrong with which lines.
    """
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise BadConfig(f"{file}: {e}") from e
    return parse(text, file.stem, str(file))


def parse(text: str, name: str = "scenario", where: str = "line") -> Scenario:
    """
    @param where: what stands before the number of a line that is wrong.
    @raise BadConfig: a sentence for each line that is wrong.
    """
    return _Reading(name, where).scenario(compose(text, where))


def from_json(source: Mapping[str, Any], name: str = "scenario") -> Scenario:
    """
    A scenario that came as JSON.

    @raise BadConfig: a sentence for each step that is wrong.
    """
    return _Reading(name, "").scenario(represented(dict(source)))


class _Reading:
    """
    Reads one scenario; goes on after what is wrong, to tell all of it.
    """

    def __init__(self, name: str, where: str) -> None:
        self._name = name
        self._where = where
        self._problems: list[tuple[int, str]] = []
        self._step = 0

    def scenario(self, root: Node) -> Scenario:
        settings: dict[str, Any] = {"title": self._name}
        steps: tuple[Step, ...] | None = None
        for name, key, value in self._tolerant(pairs(root, "a scenario")):
            if name == "steps":
                steps = tuple(self._steps(value))
            elif name == "keys":
                settings["keys"] = dict(self._keys(value))
            elif name in _SETTINGS:
                settings[name] = self._checked(value, name, _SETTINGS[name])
            else:
                known = ", ".join([*_SETTINGS, "keys", "steps"])
                self._note(key, f"no {name!r:.40}; there are: {known}")
        if not steps and not self._problems:
            self._note(root, "there is no step in it")
        if self._problems:
            raise BadConfig([text for _, text in sorted(self._problems)])
        return Scenario(self._name, steps=steps or (), **settings)

    def _note(self, node: Node, reason: str) -> None:
        line = line_of(node)
        if line:
            where = f"{self._where}:{line}"
        else:
            where = f"step {self._step}" if self._step else "scenario"
        self._problems.append((line or self._step, f"{where}: {reason}"))

    def _tolerant(self, parts: Iterator[Any]) -> Iterator[Any]:
        try:
            yield from parts
        except Wrong as e:
            self._note(e.node, str(e))

    def _checked(self, node: Node, name: str, kind: str) -> Any:
        """
        The value of a node; what is wrong with it is noted.
        """
        check, expected = _KINDS[kind]
        try:
            value = plain(node)
            if not check(value):
                raise Wrong(node, f"{name}: {value!r:.60} is not {expected}")
            _check_variables(node, value)
        except Wrong as e:
            self._note(e.node, str(e))
            return None
        return value

    def _keys(self, node: Node) -> Iterator[tuple[str, str]]:
        for name, key, value in self._tolerant(pairs(node, "keys")):
            if name not in STANDARD:
                self._note(key, f"{name!r:.60} is no configuration key")
            else:
                yield name, _written(plain(value))

    def _steps(self, node: Node) -> Iterator[Step]:
        try:
            listed = items(node, "steps")
        except Wrong as e:
            self._note(e.node, str(e))
            return
        for number, item in enumerate(listed, 1):
            self._step = number
            try:
                yield self._read_step(item, number)
            except Wrong as e:
                self._note(e.node, str(e))
        self._step = 0

    def _read_step(self, node: Node, number: int) -> Step:
        """
        @raise Wrong: it is none.
        """
        word, key, main, others = _split(node)
        verb = VERBS.get(word)
        if verb is None:
            there = ", ".join(VERBS)
            raise Wrong(key, f"no step {word!r:.40}; there are: {there}")
        step: dict[str, Any] = {"options": {}}
        if main is not None and not verb.kind:
            raise Wrong(main, f"{word} stands alone")
        if main is not None:
            step["main"] = self._checked(main, word, verb.kind)
        elif verb.kind:
            expected = _KINDS[verb.kind][1]
            raise Wrong(key, f"{word}: what is missing is {expected}")
        for name, where, value in others:
            self._read_option(word, verb, name, where, value, step)
        self._check_complete(word, verb, key, step)
        return Step(line_of(node), number, word, **step)

    def _read_option(
        self,
        word: str,
        verb: _Verb,
        name: str,
        key: Node,
        value: Node,
        step: dict[str, Any],
    ) -> None:
        if name in verb.options:
            kind = verb.options[name].rstrip("!")
            step["options"][name] = self._checked(value, name, kind)
        elif name == "with" and verb.checks:
            payload = self._checked(value, name, "payload")
            step["checks"] = tuple(_checks(payload or {}))
        elif name == "within" and verb.waits:
            step["within"] = self._checked(value, name, "number")
        else:
            known = [*verb.options, *["with"] * verb.checks]
            known += ["within"] * verb.waits
            raise Wrong(
                key,
                f"{name!r:.40} does not belong to {word}; what does: "
                f"{', '.join(known) or 'nothing'}",
            )

    def _check_complete(
        self, word: str, verb: _Verb, key: Node, step: dict[str, Any]
    ) -> None:
        for name, kind in verb.options.items():
            if kind.endswith("!") and name not in step["options"]:
                expected = _KINDS[kind.rstrip("!")][1]
                raise Wrong(key, f"{word} needs {name!r}: {expected}")


_Member = tuple[str, Node, Node]


def _split(node: Node) -> tuple[str, Node, Node | None, list[_Member]]:
    """
    The verb of a step, what stands behind it, and what is beside it.

    @raise Wrong: it is no step.
    """
    if isinstance(node, ScalarNode):
        return str(node.value), node, None, []
    members = list(pairs(node, "a step"))
    # A verb may be an option as well: the step is what stands first.
    for member in members:
        if member[0] in VERBS:
            others = [one for one in members if one is not member]
            return *member, others
    if not members:
        raise Wrong(node, "an empty step")
    return *members[0], members[1:]


def _check_variables(node: Node, value: Any) -> None:
    for name in re.findall(r"\$(\w+)", str(value)):
        if name not in VARIABLES:
            known = ", ".join(f"${known}" for known in VARIABLES)
            raise Wrong(node, f"no ${name}; there are: {known}")


def _checks(expected: Any, path: str = "") -> Iterator[Check]:
    """
    >>> list(_checks({"a": {"b": ">= 1"}}))
    [Check(path='a.b', comparison='>=', text='1')]
    """
    if isinstance(expected, dict):
        for name, value in expected.items():
            yield from _checks(value, f"{path}.{name}".lstrip("."))
    elif isinstance(expected, list):
        for index, value in enumerate(expected):
            yield from _checks(value, f"{path}.{index}".lstrip("."))
    else:
        text = _written(expected)
        comparison = next(c for c in COMPARISONS if text.startswith(c))
        yield Check(path, comparison, text[len(comparison) :].strip())


def fill_in(value: Any, values: Mapping[str, object]) -> Any:
    """
    A variable that stands alone keeps its kind.

    >>> fill_in(["$tag at $identity", "$transaction"],
    ...         {"tag": "A", "identity": "CP1", "transaction": 7})
    ['A at CP1', 7]
    """
    if isinstance(value, dict):
        return {name: fill_in(v, values) for name, v in value.items()}
    if isinstance(value, list):
        return [fill_in(one, values) for one in value]
    if not isinstance(value, str) or "$" not in value:
        return value
    if value[1:] in values:
        return values[value[1:]]
    for name, text in values.items():
        value = value.replace(f"${name}", str(text))
    return value


# Who gives the commands of a scenario

Operator = Callable[
    [str, str, Mapping[str, Any]], Awaitable[Mapping[str, Any]]
]


class CommandFailed(OCPPError):
    """
    The central system did not carry out a command.
    """


async def no_operator(
    identity: str, action: str, payload: Mapping[str, Any]
) -> Mapping[str, Any]:
    raise CommandFailed("there is nobody to give commands: give --api")


def over_rest(base: str, token: str | None = None) -> Operator:
    """
    An operator at our REST interface: C{POST /api/v1/ChargePoint/...}.

    @param base: C{http://localhost:9220}
    @param token: who the operator is, if anybody wants to know.
    """

    import treq

    headers: dict[bytes | str, bytes | str] = {}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"

    async def command(
        identity: str, action: str, payload: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        name = quote(identity, safe="")
        url = f"{base.rstrip('/')}/api/v1/ChargePoint/{name}/{action}"
        try:
            response = await treq.post(
                url, json=payload, headers=headers, timeout=35
            )
            answer = await response.json()
        except Exception as e:
            raise CommandFailed(f"{url}: {e}") from e
        if response.code != 200 or not isinstance(answer, dict):
            raise CommandFailed(f"{url}: {response.code} {answer}")
        return answer

    return command
