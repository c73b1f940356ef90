"""
A backend that accepts everybody and keeps nothing.

What is left then is what every message costs, whatever answers it: the
connection, validation, the log of messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from ocpp_tw.interfaces import IBackend, ICentralSystem, IStation
from ocpp_tw.ocpp.messages import Call, Payload
from ocpp_tw.ocpp.times import write_time


_INFO = {"status": "Accepted"}


@implementer(IBackend)
class Nothing(Service):
    """
    Knows what the stations of the bench ask.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._seconds = clock.seconds
        self._numbers = count(1)

    def answer(self, station: IStation, call: Call) -> Payload:
        match call.action:
            case "MeterValues" | "StatusNotification":
                return {}
            case "StartTransaction":
                number = next(self._numbers)
                return {"transactionId": number, "idTagInfo": _INFO}
            case "Authorize" | "StopTransaction":
                return {"idTagInfo": _INFO}
            case "Heartbeat":
                return {"currentTime": self._now()}
        return {**_INFO, "currentTime": self._now(), "interval": 300}

    def _now(self) -> str:
        return write_time(int(self._seconds() * 1000))

    def station_connected(self, station: IStation) -> None:
        pass

    def station_disconnected(self, station: IStation) -> None:
        pass


def make_backend(
    settings: Mapping[str, Any],
    central_system: ICentralSystem,
    reactor: IReactorTime,
) -> Nothing:
    """
    It has no settings.
    """
    return Nothing(reactor)
