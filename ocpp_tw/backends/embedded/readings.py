"""
The meterValues of a station, as rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import orjson
from attrs import define

from ...ocpp.times import parse_time
from . import suspicion
from .suspicion import ANCIENT_BEFORE


#: The default of a sampledValue (OCPP 1.6, section 7.31 Measurand).
REGISTER = "Energy.Active.Import.Register"

#: What a value in that unit is multiplied with, for Wh, W and their like.
SCALE = {"kWh": 1000, "kvarh": 1000, "kW": 1000, "kVA": 1000, "kvar": 1000}

#: SQLite's integers have 63 bits, and JSON's are safe up to 53.
_LARGEST = 2**53


@define(slots=True)
class Reading:
    """
    One meterValue of a station.

    @ivar time: in ms, corrected.
    @ivar sent: the time as the station wrote it.
    @ivar register: its energy register in Wh; None where it has none.
    @ivar samples: its sampledValues as JSON.
    @ivar suspect: a word for each that is suspect, by position.
    """

    time: int
    sent: str
    register: float | None
    register_at: int
    samples: str
    suspect: dict[int, str] | None

    def flag(self, position: int, word: str) -> None:
        """
        The first suspicion of a sample is the one kept.
        """
        if self.suspect is None:
            self.suspect = {}
        self.suspect.setdefault(position, word)

    def row(
        self,
        transaction_id: int | None,
        identity: str,
        connector: int,
        received: int,
    ) -> tuple[Any, ...]:
        """
        See L{ocpp_tw.backends.embedded.schema.READINGS}.
        """
        suspect = self.suspect
        return (
            transaction_id,
            identity,
            connector,
            self.time,
            self.sent,
            received,
            self.register,
            self.samples,
            None if suspect is None else _by_position(suspect),
        )


def _by_position(suspect: Mapping[int, str]) -> str:
    return orjson.dumps(suspect, option=orjson.OPT_NON_STR_KEYS).decode()


def read(
    meter_values: Sequence[Mapping[str, Any]], received: int
) -> list[Reading]:
    """
    The readings of a C{meterValue} or C{transactionData} list, in its order.
    """
    readings = []
    for value in meter_values:
        samples, sent = value["sampledValue"], value["timestamp"]
        time, doubt = corrected(sent, received)
        register, at = _register(samples)
        text = _as_text(samples)
        reading = Reading(time, sent, register, at, text, None)
        readings.append(reading)
        if doubt is not None:
            for position in range(len(samples)):
                reading.flag(position, doubt)
    return readings


def _register(
    samples: Sequence[Mapping[str, Any]],
) -> tuple[float | None, int]:
    """
    Where the energy register of all phases stands, at the outlet, in Wh, and
    which sample says so.
    """
    for position, sample in enumerate(samples):
        if (
            sample.get("measurand", REGISTER) == REGISTER
            and "phase" not in sample
            and sample.get("location", "Outlet") == "Outlet"
            and sample.get("format") != "SignedData"
        ):
            value = number(sample["value"])
            if value is not None:
                value *= SCALE.get(sample.get("unit", ""), 1)
                if abs(value) <= _LARGEST:
                    return value, position
    return None, 0


def doubt_about(sample: Mapping[str, Any]) -> str | None:
    """
    What is wrong with a sample by itself; found when somebody looks.
    """
    if sample.get("format") == "SignedData":
        return None
    value = number(sample["value"])
    if value is None:
        return suspicion.NOT_A_NUMBER
    if sample.get("measurand", REGISTER) != REGISTER:
        return None
    value *= SCALE.get(sample.get("unit", ""), 1)
    if value < 0:
        return suspicion.NEGATIVE_REGISTER
    return suspicion.OUT_OF_RANGE if value > _LARGEST else None


def _as_text(samples: Sequence[Mapping[str, Any]]) -> str:
    try:
        return orjson.dumps(samples).decode()
    except TypeError:
        # Of what cannot be written, the members of the standard can.
        return orjson.dumps([_texts(sample) for sample in samples]).decode()


def _texts(sample: Mapping[str, Any]) -> dict[str, str]:
    return {k: v for k, v in sample.items() if isinstance(v, str)}


def dumps(payload: Mapping[str, Any]) -> bytes:
    """
    A payload as JSON, also one that is too deep, or has numbers that are too
    large, to be written as it was read.

    >>> dumps({"a": 1, "b": [2**70]})
    b'{"a":"1","b":"..."}'
    """
    try:
        return orjson.dumps(payload)
    except TypeError:
        return orjson.dumps({k: _plain(v) for k, v in payload.items()})


def _plain(value: Any) -> str:
    return str(value) if isinstance(value, str | int | float) else "..."


def number(text: str) -> float | None:
    """
    What a value says, if it is a number.

    >>> number(" 0.0"), number("1_0"), number("nan"), number("12,5")
    (0.0, None, None, None)
    """
    try:
        value = float(text)
    except ValueError:
        return None
    if not isfinite(value) or "_" in text:
        return None
    return value


def corrected(sent: str, received: int) -> tuple[int, str | None]:
    """
    The time of a station in ms, and what is wrong with it.

    A clock that is plainly wrong does not tell when something happened: then
    it is the time of receipt.
    """
    seconds = parse_time(sent)
    time = None if seconds is None else int(seconds * 1000)
    if time is not None and ANCIENT_BEFORE <= time <= received:
        return time, None
    doubt = suspicion.of_time(time, received)
    if time is None or doubt is not None:
        return received, doubt
    return time, None


def clamped(value: int) -> int:
    """
    A number of a station, small enough to be kept.
    """
    if -_LARGEST <= value <= _LARGEST:
        return value
    return _LARGEST if value > 0 else -_LARGEST
