"""
The functions of the schema C{ocpp}: which there are, and how they are called.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from ...errors import NotKept
from ..elsewhere import write_json
from .pool import Pool


#: What each function is for; without the first, stations get no answers.
PURPOSES = {
    "Parse": "answers to stations",
    "SetChargePointConnected": "to know which stations are connected",
    "ChargePointList": "a list of stations of its own",
    "TransactionList": "the list of transactions",
    "ReservationList": "the list of reservations",
    "ParseXML": "SOAP stations",
    "JSONToSOAP": "commands to SOAP stations",
    "SOAPToJSON": "answers of SOAP stations",
}

_FIND = """
SELECT lower(proname), pronargs - pronargdefaults, pronargs
FROM pg_catalog.pg_proc JOIN pg_catalog.pg_namespace n ON n.oid = pronamespace
WHERE nspname = 'ocpp'
"""


@frozen
class Known:
    """
    @ivar takes: how many arguments each function can be called with.
    """

    takes: Mapping[str, frozenset[int]]

    def has(self, name: str, count: int) -> bool:
        return count in self.takes.get(name.lower(), ())


class Functions:
    """
    Calls them, of whichever form there is.
    """

    log = Logger()

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._known: Known | None = None
        self._waiting: list[Deferred[Known]] = []
        self._said: frozenset[str] = frozenset()

    def forget(self) -> None:
        """
        Look again which functions there are: somebody is changing them.
        """
        self._known = None

    async def known(self) -> Known:
        """
        @raise BackendUnavailable: the database cannot be asked.
        """
        if self._known is not None:
            return self._known
        known: Deferred[Known] = Deferred()
        self._waiting.append(known)
        if len(self._waiting) == 1:
            looking = Deferred.fromCoroutine(self._look())
            looking.addBoth(self._looked)
        return await known

    def _looked(self, result: Any) -> None:
        if isinstance(result, Known):
            self._known = result
        waiting, self._waiting = self._waiting, []
        for known in waiting:
            known.callback(result)

    async def _look(self) -> Known:
        takes: dict[str, frozenset[int]] = {}
        for name, least, most in await self._pool.ask(_FIND):
            counts = frozenset(range(least, most + 1))
            takes[name] = takes.get(name, frozenset()) | counts
        self._say_missing(takes)
        return Known(takes)

    def _say_missing(self, takes: Iterable[str]) -> None:
        there = set(takes)
        missing = frozenset(n for n in PURPOSES if n.lower() not in there)
        for name in sorted(missing - self._said):
            self.log.warn(
                "the database has no function ocpp.{name}: {purpose} will "
                "not work",
                name=name,
                purpose=PURPOSES[name],
            )
        self._said = missing

    async def call(self, name: str, *values: Any) -> list[Any]:
        """
        The first column of each row that a function returns.

        @param values: an empty text is passed as null, an object as jsonb;
            those that the function does not take are left out from the end.
        @raise NotKept: there is no such function.
        """
        known = await self.known()
        least = min(len(values), _LEAST.get(name, len(values)))
        for count in range(len(values), least - 1, -1):
            if known.has(name, count):
                rows = await self._call(name, values[:count])
                return [row[0] for row in rows]
        self.forget()
        raise NotKept(
            f"the database has no function ocpp.{name} of {len(values)} "
            "arguments"
        )

    async def rows(self, name: str, *values: Any) -> list[tuple[Any, ...]]:
        """
        The rows that a function returns.

        @raise NotKept: there is no such function.
        """
        if not (await self.known()).has(name, len(values)):
            self.forget()
            raise NotKept(f"the database has no function ocpp.{name}")
        return list(await self._call(name, values))

    async def _call(self, name: str, values: tuple[Any, ...]) -> Any:
        marks = ",".join(_mark(value) for value in values)
        return await self._pool.ask(
            f"SELECT * FROM ocpp.{name}({marks})", [_bound(v) for v in values]
        )


#: The fewest arguments of those that have had more and fewer of them.
_LEAST = {"Parse": 5, "SetChargePointConnected": 2}


@frozen
class XML:
    """
    A text that is passed as xml.
    """

    text: str


def _mark(value: Any) -> str:
    if isinstance(value, XML):
        return "%s::xml"
    if isinstance(value, _Texts):
        return "%s::text[]"
    is_json = isinstance(value, (dict, list))
    return "%s::jsonb" if is_json else "%s"


class _Texts(list[str]):
    """
    Texts that are passed as an array.
    """


def texts(of: Iterable[str]) -> Any:
    """
    An array of texts.
    """
    return _Texts(map(_clean, of))


def _bound(value: Any) -> Any:
    if isinstance(value, XML):
        return _clean(value.text)
    if isinstance(value, str):
        return _clean(value) or None
    if value is None or isinstance(value, (bool, int, _Texts)):
        return value
    return as_jsonb(value)


def _clean(text: str) -> str:
    return text.replace("\0", "")


def as_jsonb(value: Any) -> str:
    """
    JSON that PostgreSQL takes: it knows no character 0.

    >>> as_jsonb({"idTag": "A" + chr(0) + "1"})
    '{"idTag":"A1"}'
    """
    text = write_json(value).decode()
    if "\\u0000" in text:
        # As written, it is not nested too deeply to be walked through.
        text = write_json(_without_nul(json.loads(text))).decode()
    return text


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, list):
        return [_without_nul(item) for item in value]
    if isinstance(value, dict):
        return {_clean(k): _without_nul(v) for k, v in value.items()}
    return value
