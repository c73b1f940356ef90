"""
The services of OCPP-S as Spyne types, made from L{soap_tables}.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from attrs import define, field

from .actions import FROM_STATION, TO_STATION
from .soap_tables import CENTRAL_SYSTEM, NAMESPACES, TYPES, member, rows
from .spyne_compat import (
    AnyUri,
    Application,
    Boolean,
    ComplexModel,
    DateTime,
    Decimal,
    Integer32,
    Service as SpyneService,
    Soap12,
    Unicode,
    XmlAttribute,
    XmlData,
    rpc,
)
from .versions import Version


#: A type of Spyne is a class, and so is an adapted one.
SpyneType = Any

_PRIMITIVES: Mapping[str, SpyneType] = {
    "string": Unicode,
    "int": Integer32,
    "decimal": Decimal,
    "boolean": Boolean,
    "dateTime": DateTime,
    "anyURI": AnyUri,
}

#: How often a member may stand there, by the sign behind its name.
_OCCURRENCES: Mapping[str, Mapping[str, Any]] = {
    "": {"min_occurs": 1},
    "?": {"min_occurs": 0},
    "*": {"min_occurs": 0, "max_occurs": "unbounded"},
    "+": {"min_occurs": 1, "max_occurs": "unbounded"},
}


@define
class _Types:
    """
    The types of one namespace, made when they are asked for.
    """

    namespace: str
    rows: Mapping[str, list[str]]
    made: dict[str, SpyneType] = field(factory=lambda: dict(_PRIMITIVES))

    def __getitem__(self, name: str) -> SpyneType:
        if name not in self.made:
            kind, *words = self.rows[name]
            self.made[name] = self._MAKERS[kind](self, name, words)
        return self.made[name]

    def _restriction(self, name: str, words: list[str]) -> SpyneType:
        base, *limit = words
        if not limit:
            return self[base]
        facet = "fraction_digits" if base == "decimal" else "max_len"
        limits = {facet: int(limit[0])}
        return self._named(self[base].customize(type_name=name, **limits))

    def _enumeration(self, name: str, words: list[str]) -> SpyneType:
        return self._named(Unicode.customize(type_name=name, values=words))

    def _named(self, simple: SpyneType) -> SpyneType:
        simple.__namespace__ = self.namespace
        return simple

    def _sequence(self, name: str, words: list[str]) -> SpyneType:
        return ComplexModel.produce(
            namespace=self.namespace,
            type_name=name,
            members=[self._member(word) for word in words],
        )

    def _member(self, word: str) -> tuple[str, SpyneType]:
        at, name, sign, kind = member(word)
        if name == ".":
            return "text", XmlData(self[kind])
        if at:
            return name, XmlAttribute(self[kind])
        occurs = dict(_OCCURRENCES[sign], nillable=False)
        if self.rows.get(kind, ":")[0] != ":":
            # Or Spyne would name the type after this member of it.
            occurs["type_name"] = kind
        return name, self[kind].customize(**occurs)

    _MAKERS = {"<": _restriction, "=": _enumeration, ":": _sequence}


@define(eq=False)
class Service:
    """
    One of the two services, in one version.

    @ivar requests: the type of each request, by action.
    @ivar responses: the type of each answer, by action.
    @ivar application: all of it, as Spyne's interface documents want it.
    """

    version: Version
    name: str
    namespace: str
    requests: Mapping[str, SpyneType]
    responses: Mapping[str, SpyneType]
    application: Application

    def action(self, element: str) -> str | None:
        """
        The action whose request that element is, whatever its case.

        >>> service(Version.V15, "CentralSystemService").action(
        ...     "bootNotificationRequest")
        'BootNotification'
        """
        return self._by_element.get(element.lower())

    _by_element: Mapping[str, str] = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._by_element = {f"{a}Request".lower(): a for a in self.requests}


@cache
def service(version: Version, name: str) -> Service:
    """
    @param name: C{CentralSystemService} or C{ChargePointService}.
    """
    namespace = NAMESPACES[version, name]
    table = {name: row for name, *row in rows(TYPES, version)}
    types = _Types(namespace, table)
    actions = FROM_STATION if name == CENTRAL_SYSTEM else TO_STATION
    spoken = sorted(a for a in actions[version] if f"{a}Request" in table)
    requests = {action: types[f"{action}Request"] for action in spoken}
    responses = {action: types[f"{action}Response"] for action in spoken}
    application = Application(
        [_spyne_service(name, namespace, requests, responses)],
        tns=namespace,
        name=name,
        in_protocol=Soap12(),
        out_protocol=Soap12(),
    )
    return Service(version, name, namespace, requests, responses, application)


def element_name(action: str, suffix: str) -> str:
    """
    >>> element_name("BootNotification", "Request")
    'bootNotificationRequest'
    """
    return action[0].lower() + action[1:] + suffix


def _spyne_service(
    name: str,
    namespace: str,
    requests: Mapping[str, SpyneType],
    responses: Mapping[str, SpyneType],
) -> type:
    operations = {
        action: _operation(action, namespace, request, responses[action])
        for action, request in requests.items()
    }
    return type(name, (SpyneService,), operations)


def _operation(
    action: str, namespace: str, request: SpyneType, response: SpyneType
) -> Any:
    # Spyne counts the arguments, and has none for an empty request.
    parameters = [request] if request.get_flat_type_info(request) else []
    operation = _named_argument() if parameters else _no_argument()
    operation.__name__ = action
    return rpc(
        *parameters,
        _returns=response,
        _body_style="bare",
        _in_message_name=f"{{{namespace}}}{element_name(action, 'Request')}",
        _out_message_name=f"{{{namespace}}}{element_name(action, 'Response')}",
    )(operation)


# They are never called: the types are what we want of Spyne.


def _named_argument() -> Any:
    return lambda ctx, request: None


def _no_argument() -> Any:
    return lambda ctx: None
