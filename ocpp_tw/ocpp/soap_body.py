"""
The elements in a SOAP Body as payloads in the vocabulary of 1.6-J, and back.

>>> from lxml import etree
>>> from .soap_types import service
>>> body = body_of(service(Version.V15, "CentralSystemService"))
>>> body.requests["MeterValues"].read(etree.fromstring('''
...     <meterValuesRequest xmlns="urn://Ocpp/Cs/2012/06/">
...         <connectorId>1</connectorId>
...         <values>
...             <timestamp>2012-06-01T14:00:00+02:00</timestamp>
...             <value unit="Amp">16</value>
...         </values>
...     </meterValuesRequest>'''))  # doctest: +NORMALIZE_WHITESPACE
{'connectorId': 1,
 'meterValue': [{'timestamp': '2012-06-01T12:00:00.000Z',
                 'sampledValue': [{'value': '16', 'unit': 'A'}]}]}

What does not have its type stays the text that it is, and what a type does
not have is read all the same: the schema of the action objects to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from typing import Any

from attrs import define, frozen
from lxml import etree

from .messages import Payload
from .soap_tables import RENAMED, RESPELLED, SAID_INSTEAD, rows
from .soap_types import Service, SpyneType
from .spyne_compat import (
    Boolean,
    ComplexModel,
    DateTime,
    Decimal as SpyneDecimal,
    Integer32,
    XmlAttribute,
    XmlData,
)
from .times import parse_time, write_time
from .versions import Version


#: An element of lxml; its own types know no more.
Element = Any

_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"


class Unreadable(ValueError):
    """
    An element contradicts itself.
    """


# The text of an element as a value of JSON


def _integer(text: str) -> int | str:
    text = text.strip()
    return int(text) if re.fullmatch(r"[+-]?[0-9]{1,18}", text) else text


def _boolean(text: str) -> bool | str:
    text = text.strip()
    return {"true": True, "1": True, "false": False, "0": False}.get(
        text, text
    )


def _number(text: str) -> int | float | str:
    """
    >>> _number("16"), _number(" 6.5 "), _number("1e5"), _number("six")
    (16, 6.5, '1e5', 'six')
    """
    text = text.strip()
    if not re.fullmatch(r"[+-]?([0-9]{1,18}(\.[0-9]*)?|\.[0-9]+)", text):
        return text
    return float(text) if "." in text else int(text)


def _time(text: str) -> str:
    """
    In UTC, where the station said in what zone it is.

    >>> _time(" 2012-06-01T14:00:00.5+02:00 "), _time("2012-06-01T14:00:00Z")
    ('2012-06-01T12:00:00.500Z', '2012-06-01T14:00:00Z')
    >>> _time("2012-06-01T14:00:00"), _time("noon")
    ('2012-06-01T14:00:00', 'noon')
    """
    text = text.strip()
    if not re.search(r"T.*[+-]\d\d:?\d\d$", text):
        return text
    seconds = parse_time(text)
    return text if seconds is None else write_time(round(seconds * 1000))


_READ: list[tuple[SpyneType, Callable[[str], Any]]] = [
    (Integer32, _integer),
    (SpyneDecimal, _number),
    (Boolean, _boolean),
    (DateTime, _time),
]


def _text(value: Any) -> str:
    """
    A value of JSON as the text of an element.

    >>> _text(True), _text(0.1), _text(1e-7), _text("x")
    ('true', '0.1', '0.0000001', 'x')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f")
    return str(value)


@frozen
class _Leaf:
    """
    How a simple type is read and written.

    @ivar ours: our values, by those that the version has instead.
    @ivar theirs: what the version has instead of ours.
    """

    parse: Callable[[str], Any]
    ours: Mapping[str, str]
    theirs: Mapping[str, str]

    def read_text(self, text: str) -> Any:
        value = self.parse(text)
        return self.ours.get(value, value) if self.ours else value

    def read(self, element: Element) -> Any:
        return self.read_text(element.text or "")

    def write_text(self, value: Any) -> str:
        return _text(self.theirs.get(value, value) if self.theirs else value)

    def write(self, value: Any, element: Element) -> None:
        element.text = self.write_text(value)


@frozen
class _Member:
    """
    @ivar tag: of the element, or the name of the attribute.
    @ivar ours: its name in our vocabulary.
    """

    tag: str
    ours: str
    kind: _Leaf | Sequence
    is_list: bool


@define(eq=False)
class Sequence:
    """
    How a complex type is read and written.

    @ivar members: the elements, by their local name.
    @ivar text: the member that is the element's text, if there is one.
    """

    members: dict[str, _Member]
    attributes: list[_Member]
    text: _Member | None
    shape: Shape

    def read(self, element: Element) -> dict[str, Any]:
        """
        @raise Unreadable: there are two where one is allowed.
        """
        payload: dict[str, Any] = {}
        if self.text is not None:
            self._read_text(element, payload)
        for child in element:
            # Some stations forget the namespace of the members.
            name = child.tag.rpartition("}")[2]
            member = self.members.get(name)
            if member is None:
                payload[name] = child.text or ""
            elif child.get(_NIL) not in ("true", "1"):
                self._read_member(member, child, payload)
        return self.shape.read(payload)

    def _read_member(
        self, member: _Member, child: Element, payload: dict[str, Any]
    ) -> None:
        value = member.kind.read(child)
        if member.is_list:
            payload.setdefault(member.ours, []).append(value)
        elif member.ours in payload:
            raise Unreadable(f"there are two of {member.ours}")
        else:
            payload[member.ours] = value

    def _read_text(self, element: Element, payload: dict[str, Any]) -> None:
        assert self.text is not None
        payload[self.text.ours] = self.text.kind.read(element)
        for member in self.attributes:
            value = element.get(member.tag)
            if value is not None:
                payload[member.ours] = member.kind.read_text(value)  # type: ignore[union-attr]

    def write(self, payload: Payload, element: Element) -> None:
        """
        Put the payload's members into an element, in the version's order.

        @raise ValueError: a text cannot stand in XML.
        """
        payload = self.shape.write(payload)
        if self.text is not None:
            self.text.kind.write(payload[self.text.ours], element)
        for member in self.attributes:
            if member.ours in payload:
                text = member.kind.write_text(payload[member.ours])  # type: ignore[union-attr]
                element.set(member.tag, text)
        for member in self.members.values():
            value = payload.get(member.ours)
            if value is None:
                continue
            for one in value if member.is_list else (value,):
                member.kind.write(one, etree.SubElement(element, member.tag))


@frozen
class Shape:
    """
    A payload that a version builds in another way than 1.6.
    """

    read: Callable[[dict[str, Any]], dict[str, Any]]
    write: Callable[[Payload], Payload]


def _as_it_is(payload: Any) -> Any:
    return payload


def _read_register(payload: dict[str, Any]) -> dict[str, Any]:
    """
    1.2 has one register, in Wh: what a sampled value is that says nothing.
    """
    if "value" in payload:
        payload["sampledValue"] = [{"value": str(payload.pop("value"))}]
    return payload


def _write_register(payload: Payload) -> Payload:
    [first, *_] = payload["sampledValue"]
    return {**payload, "value": round(float(first["value"]))}


def _read_values(payload: dict[str, Any]) -> dict[str, Any]:
    """
    1.2 and 1.5 may have none at all.
    """
    payload.setdefault("meterValue", [])
    return payload


def _read_transaction_data(payload: dict[str, Any]) -> dict[str, Any]:
    """
    1.5 has lists of meter values in its list.
    """
    if "transactionData" in payload:
        payload["transactionData"] = [
            meter_value
            for data in payload["transactionData"]
            for meter_value in data.get("values", ())
        ]
    return payload


def _write_transaction_data(payload: Payload) -> Payload:
    if "transactionData" not in payload:
        return payload
    return {
        **payload,
        "transactionData": [{"values": payload["transactionData"]}],
    }


_AS_IT_IS = Shape(_as_it_is, _as_it_is)

_SHAPES = {
    (Version.V12, "MeterValue"): Shape(_read_register, _write_register),
    (Version.V12, "MeterValuesRequest"): Shape(_read_values, _as_it_is),
    (Version.V15, "MeterValuesRequest"): Shape(_read_values, _as_it_is),
    (Version.V15, "StopTransactionRequest"): Shape(
        _read_transaction_data, _write_transaction_data
    ),
}


@define
class _Codecs:
    """
    How the types of one service are read and written.
    """

    version: Version
    namespace: str
    made: dict[str, Sequence]

    def __getitem__(self, cls: SpyneType) -> Sequence:
        name = cls.get_type_name()
        if name not in self.made:
            self.made[name] = self._sequence(name, cls)
        return self.made[name]

    def _sequence(self, name: str, cls: SpyneType) -> Sequence:
        members, attributes, text = {}, [], None
        for member_name, kind in cls._type_info.items():
            if issubclass(kind, XmlData):
                text = self._member(name, ".", "", kind.type)
            elif issubclass(kind, XmlAttribute):
                attributes.append(
                    self._member(name, member_name, member_name, kind.type)
                )
            else:
                tag = f"{{{self.namespace}}}{member_name}"
                members[member_name] = self._member(
                    name, member_name, tag, kind
                )
        shape = _SHAPES.get((self.version, name), _AS_IT_IS)
        return Sequence(members, attributes, text, shape)

    def _member(
        self, parent: str, name: str, tag: str, kind: SpyneType
    ) -> _Member:
        ours = self._renamed(parent).get(name, name)
        codec: _Leaf | Sequence = (
            self[kind] if issubclass(kind, ComplexModel) else self._leaf(kind)
        )
        return _Member(tag, ours, codec, kind.Attributes.max_occurs > 1)

    def _renamed(self, parent: str) -> dict[str, str]:
        return {
            theirs: ours
            for name, theirs, ours in rows(RENAMED, self.version)
            if name == parent
        }

    def _leaf(self, kind: SpyneType) -> _Leaf:
        name = kind.get_type_name()
        respelled = [
            (theirs, ours)
            for type_name, theirs, ours in rows(RESPELLED, self.version)
            if type_name == name
        ]
        instead = {
            ours: theirs
            for type_name, ours, theirs in rows(SAID_INSTEAD, self.version)
            if type_name == name
        }
        return _Leaf(
            _parser(kind),
            dict(respelled),
            {**{ours: theirs for theirs, ours in respelled}, **instead},
        )


def _parser(kind: SpyneType) -> Callable[[str], Any]:
    for cls, parse in _READ:
        if issubclass(kind, cls):
            return parse
    # What may be any text at all is left as it is, down to its last blank.
    return str if kind.get_type_name() == "string" else str.strip


@frozen(eq=False)
class Body:
    """
    How the requests and answers of a service are read and written, by action.
    """

    requests: Mapping[str, Sequence]
    responses: Mapping[str, Sequence]


@cache
def body_of(service: Service) -> Body:
    codecs = _Codecs(service.version, service.namespace, {})
    return Body(
        {action: codecs[cls] for action, cls in service.requests.items()},
        {action: codecs[cls] for action, cls in service.responses.items()},
    )
