"""
The source of a scenario: YAML of which every part knows its line.

Only what JSON can say is read: texts, numbers, truths, lists and mappings.
There are no tags that make objects, no aliases, and C{on} is a text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import yaml

from ..errors import BadConfig


Node = yaml.Node
ScalarNode = yaml.ScalarNode

#: The longest source that is read, in characters.
LONGEST = 1 << 17


class Wrong(Exception):
    """
    What is wrong, and the node that it is about.
    """

    def __init__(self, node: Node, reason: str) -> None:
        super().__init__(reason)
        self.node = node


class _Loader(yaml.SafeLoader):
    """
    The loader for the JSON schema of YAML (YAML 1.2, section 10.2).
    """

    yaml_implicit_resolvers: dict[Any, Any] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.MarkedYAMLError(
                problem="a scenario has no aliases", problem_mark=mark
            )
        return super().compose_node(parent, index)


for _name, _form, _first in (
    ("bool", "true|false", "tf"),
    ("null", "null|~|", "n~"),
    ("int", "-?(0|[1-9][0-9]{0,17})", "-0123456789"),
    ("float", r"-?(0|[1-9][0-9]*)\.[0-9]+", "-0123456789"),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_name}", re.compile(f"(?:{_form})$"), list(_first)
    )


def compose(text: str, where: str) -> Node:
    """
    @param where: what stands before the line in an error.
    @raise BadConfig: this is no YAML.
    """
    if len(text) > LONGEST:
        raise BadConfig(f"{where}: has more than {LONGEST} characters")
    try:
        node = yaml.compose(text, _Loader)
    except yaml.MarkedYAMLError as e:
        line = e.problem_mark.line + 1 if e.problem_mark else 1
        reason = " ".join(filter(None, (e.context, e.problem)))
        raise BadConfig(f"{where}:{line}: {reason}") from None
    except (yaml.YAMLError, RecursionError) as e:
        raise BadConfig(f"{where}:1: {str(e).splitlines()[0]}") from None
    if node is None:
        raise BadConfig(f"{where}:1: there is nothing in it")
    return node


def represented(value: object) -> Node:
    """
    What came as JSON, as if it had stood in a file.
    """
    try:
        return yaml.representer.SafeRepresenter().represent_data(value)
    except RecursionError:
        raise BadConfig("scenario: is nested too deeply") from None


def line_of(node: Node) -> int:
    """
    Counted from 1; 0 for what is of no file.
    """
    return node.start_mark.line + 1 if node.start_mark is not None else 0


def pairs(node: Node, what: str) -> Iterator[tuple[str, Node, Node]]:
    """
    The members of a mapping: the name, the node of it, and that of the value.

    @raise Wrong: it is none, or a name stands there twice.
    """
    if not isinstance(node, yaml.MappingNode):
        raise Wrong(node, f"{what} is not a mapping")
    seen: set[str] = set()
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise Wrong(key, f"a name in {what} is not a text")
        if key.value in seen:
            raise Wrong(key, f"{key.value!r} is there twice")
        seen.add(key.value)
        yield key.value, key, value


def items(node: Node, what: str) -> list[Node]:
    """
    @raise Wrong: it is no list.
    """
    if not isinstance(node, yaml.SequenceNode):
        raise Wrong(node, f"{what} is not a list")
    return list(node.value)


_SCALARS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": "true".__eq__,
    "null": lambda text: None,
}


def plain(node: Node) -> Any:
    """
    The value as JSON has it.

    @raise Wrong: JSON does not have it.
    """
    if isinstance(node, yaml.SequenceNode):
        return [plain(item) for item in node.value]
    if isinstance(node, yaml.MappingNode):
        return {name: plain(v) for name, _, v in pairs(node, "this")}
    read = _SCALARS.get(node.tag.removeprefix("tag:yaml.org,2002:"))
    if read is None:
        raise Wrong(node, f"there are no {node.tag}")
    try:
        return read(node.value)
    except ValueError:
        raise Wrong(node, f"{node.value!r} is no {node.tag}") from None
