"""
Scenarios: what happens at a charge point, and what is expected of its central
system, one step a line.

::

    title A vehicle charges, and leaves
    connect
    answered BootNotification status=Accepted
    plug 1 soc=20
    tag ALICE
    answered StartTransaction idTagInfo.status=Accepted
    wait 300
    unplug 1
    sent StopTransaction reason=EVDisconnected
"""

from __future__ import annotations

import shlex
from collections.abc import Awaitable, Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson
from attrs import field, frozen

from ..errors import BadConfig, OCPPError
from ..ocpp.actions import FROM_STATION, TO_STATION
from ..ocpp.versions import Version
from .connector import ERRORS, TRANSITIONS
from .faults import ON_FRAMES, ON_LINES
from .keys import STANDARD


#: How long something that is expected may take, in seconds of ours.
WITHIN = 10.0

#: What C{path=value} may compare with; the longest first.
COMPARISONS: dict[str, Callable[[Any, str], bool]] = {
    "!=": lambda value, text: str(value) != text,
    ">=": lambda value, text: float(value) >= float(text),
    "<=": lambda value, text: float(value) <= float(text),
    "=": lambda value, text: text == "*" or _written(value) == text,
}

#: What may stand in a step for something that is known later.
VARIABLES = ("identity", "tag", "transaction", "time")


def _written(value: Any) -> str:
    """
    A value as a scenario writes it.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


@frozen
class Check:
    """
    C{idTagInfo.status=Accepted}

    >>> Check("status", "=", "Accepted").fails({"status": "Rejected"})
    "status is 'Rejected', not =Accepted"
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
        return f"{self.path} is {value!r}, not {self.comparison}{self.text}"


@frozen
class Step:
    """
    One line.

    @ivar body: the JSON at its end, with its variables still in it.
    @ivar within: seconds of ours.
    """

    line: int
    text: str
    verb: str
    args: tuple[str, ...] = ()
    options: Mapping[str, str] = field(factory=dict)
    checks: tuple[Check, ...] = ()
    body: str | None = None
    within: float = WITHIN


@frozen
class Scenario:
    """
    @ivar settings: what was said before the first step: of the charge point.
    """

    name: str
    title: str
    steps: tuple[Step, ...]
    settings: tuple[Step, ...] = ()


class _Wrong(Exception):
    """
    What is wrong with a line.
    """


@frozen
class _Verb:
    """
    How a verb is used.

    @ivar kinds: of its arguments; those with a C{?} may be left out.
    @ivar options: the names of its options.
    @ivar checks: whether C{path=value} may follow.
    @ivar body: whether a JSON object may stand at the end.
    """

    kinds: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    checks: bool = False
    body: bool = False
    setting: bool = False

    @property
    def usage(self) -> str:
        words = [f"<{kind}>" for kind in self.kinds]
        words += [f"{name}=..." for name in self.options]
        return " ".join(
            [*words, *["path=value ..."] * self.checks, *["{...}"] * self.body]
        )


_VEHICLE = ("soc", "capacity", "power", "target")

VERBS: dict[str, _Verb] = {
    "title": _Verb(("text...",), setting=True),
    "connectors": _Verb(("count",), ("voltage", "power"), setting=True),
    "key": _Verb(("key", "text..."), setting=True),
    "speed": _Verb(("number",), setting=True),
    "seed": _Verb(("count",), setting=True),
    "connect": _Verb(),
    "disconnect": _Verb(),
    "power": _Verb(("on|off",)),
    "plug": _Verb(("count",), _VEHICLE),
    "unplug": _Verb(("count",)),
    "tag": _Verb(("text", "count?")),
    "suspend": _Verb(("count",)),
    "resume": _Verb(("count",)),
    "fault": _Verb(("count", "error?")),
    "recover": _Verb(("count",)),
    "wait": _Verb(("number",)),
    "sent": _Verb(("outgoing",), checks=True),
    "answered": _Verb(("outgoing",), checks=True),
    "refused": _Verb(("outgoing",)),
    "called": _Verb(("incoming",), checks=True),
    "not-sent": _Verb(("outgoing",)),
    "status": _Verb(("count", "status")),
    "energy": _Verb(("count", "number")),
    "queued": _Verb(("count",)),
    "send": _Verb(("outgoing",), checks=True, body=True),
    "command": _Verb(("incoming",), checks=True, body=True),
    "wire": _Verb(("fault", "number?")),
    "strict": _Verb(),
}


def _is_number(text: str) -> bool:
    try:
        return float(text) >= 0
    except ValueError:
        return False


_KINDS: dict[str, tuple[Callable[[str], bool], str]] = {
    "count": (str.isdigit, "a whole number"),
    "number": (_is_number, "a number"),
    "text": (bool, "a word"),
    "on|off": (lambda t: t in ("on", "off"), "on or off"),
    "key": (STANDARD.__contains__, "a configuration key"),
    "error": (ERRORS.__contains__, "an errorCode: " + ", ".join(ERRORS)),
    "status": (TRANSITIONS.__contains__, "one of " + ", ".join(TRANSITIONS)),
    "fault": (
        {*ON_FRAMES, *ON_LINES}.__contains__,
        "one of " + ", ".join([*ON_FRAMES, *ON_LINES]),
    ),
    "outgoing": (
        FROM_STATION[Version.V16].__contains__,
        "an action of a charge point",
    ),
    "incoming": (
        TO_STATION[Version.V16].__contains__,
        "an action of a central system",
    ),
}


def shipped() -> dict[str, Path]:
    """
    The scenarios that come with the emulator, by name.
    """
    folder = Path(str(files("ocpp_tw.emulator") / "scenarios"))
    return {file.stem: file for file in folder.glob("*.scenario")}


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
    steps: list[Step] = []
    problems: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            step = _parse_line(number, line.strip())
            if _comes_late(step, steps):
                raise _Wrong(f"{step.verb} belongs before the first step")
            steps.append(step)
        except _Wrong as e:
            problems.append(f"{where}:{number}: {e}")
    if not any(not VERBS[step.verb].setting for step in steps):
        problems = problems or [f"{where}:1: there is no step in it"]
    if problems:
        raise BadConfig(problems)
    settings = tuple(s for s in steps if VERBS[s.verb].setting)
    title = next((s.args[0] for s in settings if s.verb == "title"), name)
    acts = tuple(s for s in steps if not VERBS[s.verb].setting)
    return Scenario(name, title, acts, settings)


def _comes_late(step: Step, before: list[Step]) -> bool:
    return VERBS[step.verb].setting and any(
        not VERBS[s.verb].setting for s in before
    )


def _parse_line(number: int, line: str) -> Step:
    head, brace, rest = line, "", ""
    first = line.split(None, 1)[0]
    verb = VERBS.get(first)
    if verb is None:
        raise _Wrong(f"no step {first!r}; there are: {', '.join(VERBS)}")
    if verb.body:
        head, brace, rest = line.partition("{")
        rest, end, after = rest.rpartition("}")
        if brace and not end:
            raise _Wrong("there is no } to the {")
        head = f"{head} {after}"
    try:
        words = shlex.split(head)[1:]
    except ValueError as e:
        raise _Wrong(f"{e}") from None
    within, words = _take_within(words)
    args, words = _take_args(first, verb, words)
    options, checks = _sort_words(first, verb, words)
    body = _checked_body(brace + rest + "}") if brace else None
    return Step(number, line, first, args, options, checks, body, within)


def _take_within(words: list[str]) -> tuple[float, list[str]]:
    if len(words) >= 2 and words[-2] == "within":
        if not _is_number(words[-1]):
            raise _Wrong(f"within {words[-1]!r} is no number of seconds")
        return float(words[-1]), words[:-2]
    return WITHIN, words


def _take_args(
    name: str, verb: _Verb, words: list[str]
) -> tuple[tuple[str, ...], list[str]]:
    args: list[str] = []
    for kind in verb.kinds:
        if kind.endswith("..."):
            if not words:
                raise _Wrong(f"usage: {name} {verb.usage}")
            return (*args, " ".join(words)), []
        if not words or (kind.endswith("?") and "=" in words[0]):
            if kind.endswith("?"):
                break
            raise _Wrong(f"usage: {name} {verb.usage}")
        check, expected = _KINDS[kind.rstrip("?")]
        if not check(words[0]):
            raise _Wrong(f"{words[0]!r} is not {expected}")
        args.append(words.pop(0))
    return tuple(args), words


def _sort_words(
    name: str, verb: _Verb, words: list[str]
) -> tuple[dict[str, str], tuple[Check, ...]]:
    options: dict[str, str] = {}
    checks: list[Check] = []
    for word in words:
        check = _read_check(word)
        if check is None:
            raise _Wrong(f"{word!r}: usage: {name} {verb.usage}")
        if verb.checks:
            checks.append(check)
        elif check.path in verb.options and check.comparison == "=":
            options[check.path] = check.text
        else:
            raise _Wrong(f"{word!r}: usage: {name} {verb.usage}")
    _check_options(options)
    return options, tuple(checks)


def _check_options(options: Mapping[str, str]) -> None:
    for name, text in options.items():
        if name == "voltage":
            if text not in ("AC", "DC"):
                raise _Wrong(f"voltage={text} is neither AC nor DC")
        elif not _is_number(text) or not float(text):
            raise _Wrong(f"{name}={text} is no number above 0")


def _read_check(word: str) -> Check | None:
    for comparison in COMPARISONS:
        path, found, text = word.partition(comparison)
        if found and path and text:
            return Check(path, comparison, text)
    return None


def _checked_body(body: str) -> str:
    try:
        parsed = orjson.loads(fill_in(body, dict.fromkeys(VARIABLES, "0")))
    except ValueError as e:
        raise _Wrong(f"not JSON: {e}") from None
    if not isinstance(parsed, dict):
        raise _Wrong("not a JSON object")
    return body


def fill_in(text: str, values: Mapping[str, object]) -> str:
    """
    >>> fill_in("$tag at $identity", {"tag": "A", "identity": "CP1"})
    'A at CP1'
    """
    for name, value in values.items():
        text = text.replace(f"${name}", str(value))
    return text


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


def over_rest(base: str) -> Operator:
    """
    An operator at our REST interface: C{POST /api/v1/ChargePoint/...}.

    @param base: C{http://localhost:9220}
    """

    import treq

    async def command(
        identity: str, action: str, payload: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        url = f"{base.rstrip('/')}/api/v1/ChargePoint/{identity}/{action}"
        try:
            response = await treq.post(url, json=payload, timeout=35)
            answer = await response.json()
        except Exception as e:
            raise CommandFailed(f"{url}: {e}") from e
        if response.code != 200 or not isinstance(answer, dict):
            raise CommandFailed(f"{url}: {response.code} {answer}")
        return answer

    return command
