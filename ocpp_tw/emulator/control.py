"""
What operators see of emulated stations, and what they may let happen there:
JSON in, JSON out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from attrs import fields

from ..errors import BadConfig, BadRequest, Conflict, NotFound
from .chargepoint import ChargePoint
from .config import StationConfig, read_source
from .connector import ERRORS, Connector
from .faults import Faults
from .meter import Vehicle
from .service import EmulatedStation, Emulator


Body = Mapping[str, Any]


class Control:
    """
    The emulated stations of an L{Emulator}, for operators.
    """

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def list(self) -> list[dict[str, Any]]:
        return [self.get(name) for name in sorted(self._emulator.stations)]

    def get(self, name: str) -> dict[str, Any]:
        """
        C{{"name", "identity", "url", "registration", "connected", "powered",
        "queued", "firmwareVersion", "connectors": [{"connectorId", "status",
        "errorCode", "plugged", "energy", "power", "soc", "transactionId",
        "idTag"}]}}

        @raise NotFound: there is no such station.
        """
        return as_json(name, self._service(name).station)

    def make(self, name: str, body: Body) -> dict[str, Any]:
        """
        Let a station come that has no folder.

        @param body: what stands in a C{configuration.json}.
        @raise BadRequest: it makes no sense.
        @raise Conflict: there is one of that name.
        """
        if name in self._emulator.stations:
            raise Conflict(f"there is an emulated station {name!r} already")
        self._emulator.add(_read(body, name))
        self._emulator.made.add(name)
        return self.get(name)

    async def change(self, name: str, body: Body) -> dict[str, Any]:
        """
        Let a station start again with another configuration.

        @raise BadRequest: it makes no sense.
        @raise Conflict: it has a folder, and its file decides.
        """
        self._check_made(name)
        config = _read(body, name)
        await self._emulator.remove(name)
        self._emulator.add(config)
        self._emulator.made.add(name)
        return self.get(name)

    async def remove(self, name: str) -> None:
        """
        Let a station leave.

        @raise Conflict: it has a folder: remove that, and reload.
        """
        self._check_made(name)
        await self._emulator.remove(name)

    async def act(self, name: str, body: Body) -> dict[str, Any]:
        """
        Let something happen: C{{"action": "plug", "connectorId": 1}}; see
        L{ACTIONS}.

        @return: the station afterwards, and the C{result} if there is one.
        @raise BadRequest: there is no such action, or a member makes no
            sense.
        @raise Conflict: it cannot happen now.
        """
        service = self._service(name)
        act = ACTIONS.get(str(body.get("action")))
        if act is None:
            known = ", ".join(ACTIONS)
            raise BadRequest(
                f"action: there is no {body.get('action')!r:.40}; there are: "
                f"{known}"
            )
        doing = act(service, body)
        if doing is None:
            return self.get(name)
        result = await doing
        return {**self.get(name), "result": result}

    def _service(self, name: str) -> EmulatedStation:
        try:
            return self._emulator.stations[name]
        except KeyError:
            raise NotFound(f"there is no emulated station {name!r}") from None

    def _check_made(self, name: str) -> None:
        self._service(name)
        if name not in self._emulator.made:
            raise Conflict(
                f"emulated station {name!r} is that of a folder: change it "
                "there, and reload"
            )


def _read(body: Body, name: str) -> StationConfig:
    try:
        return read_source(body, name)
    except BadConfig as e:
        raise BadRequest(str(e)) from e


def as_json(name: str, station: ChargePoint) -> dict[str, Any]:
    """
    A station as operators see it.
    """
    return {
        "name": name,
        "identity": station.identity,
        "url": station.config.url,
        "registration": station.registration or None,
        "connected": station.is_connected,
        "powered": station.powered,
        "queued": len(station.outbox),
        "firmwareVersion": station.firmware,
        "connectors": [
            _connector_as_json(station, connector)
            for number, connector in station.connectors.items()
            if number
        ],
    }


def _connector_as_json(
    station: ChargePoint, connector: Connector
) -> dict[str, Any]:
    meter, transaction = connector.meter, connector.transaction
    meter.advance(station.now)
    return {
        "connectorId": connector.number,
        "status": connector.status,
        "errorCode": connector.error,
        "plugged": connector.plugged,
        "energy": meter.register,
        "power": round(meter.power, 1),
        "soc": round(meter.soc, 1) if connector.plugged else None,
        "transactionId": transaction.id if transaction else None,
        "idTag": transaction.id_tag if transaction else None,
    }


# Actions

_Act = Callable[[EmulatedStation, Body], "Awaitable[str] | None"]


def _number(body: Body) -> int:
    number = body.get("connectorId", 1)
    if type(number) is not int:
        raise BadRequest(f"connectorId: {number!r:.40} is no whole number")
    return number


def _vehicle(body: Body) -> Vehicle | None:
    vehicle = body.get("vehicle")
    if vehicle is None:
        return None
    known = {f.name for f in fields(Vehicle)}
    if not isinstance(vehicle, dict) or not set(vehicle) <= known:
        raise BadRequest(f"vehicle: it may have {', '.join(sorted(known))}")
    for name, value in vehicle.items():
        if type(value) not in (int, float) or not 0 < value < 1e9:
            raise BadRequest(f"vehicle.{name}: {value!r:.40} is no number")
    return Vehicle(**{name: float(v) for name, v in vehicle.items()})


def _plug(service: EmulatedStation, body: Body) -> None:
    service.station.plug(_number(body), _vehicle(body))


def _unplug(service: EmulatedStation, body: Body) -> None:
    service.station.unplug(_number(body))


def _tag(service: EmulatedStation, body: Body) -> Awaitable[str]:
    id_tag = body.get("idTag")
    if not isinstance(id_tag, str) or not 0 < len(id_tag) <= 20:
        raise BadRequest("idTag: it is not a text of 1 to 20 characters")
    number = _number(body) if "connectorId" in body else None
    return service.station.present_tag(id_tag, number)


def _suspend(service: EmulatedStation, body: Body) -> None:
    service.station.suspend(_number(body))


def _resume(service: EmulatedStation, body: Body) -> None:
    service.station.resume(_number(body))


def _fault(service: EmulatedStation, body: Body) -> None:
    error = body.get("errorCode", "OtherError")
    if error not in ERRORS or error == "NoError":
        known = ", ".join(sorted(ERRORS - {"NoError"}))
        raise BadRequest(f"errorCode: {error!r:.40} is none of {known}")
    service.station.fault(_number(body), error)


def _recover(service: EmulatedStation, body: Body) -> None:
    service.station.recover(_number(body))


def _reset(service: EmulatedStation, body: Body) -> None:
    service.station.reset("SoftReset")


def _power_off(service: EmulatedStation, body: Body) -> None:
    service.station.cut_power()


def _power_on(service: EmulatedStation, body: Body) -> None:
    service.station.restore_power()


def _disconnect(service: EmulatedStation, body: Body) -> None:
    service.connection.cut()


def _connect(service: EmulatedStation, body: Body) -> None:
    service.connection.again(0)


def _wire(service: EmulatedStation, body: Body) -> None:
    amount = body.get("amount")
    if amount is not None and type(amount) not in (int, float):
        raise BadRequest(f"amount: {amount!r:.40} is no number")
    faults = service.faults = service.faults or Faults(service.connection)
    faults.happen(str(body.get("fault")), amount)


#: What may happen at a station, by the C{action} of a body.
ACTIONS: dict[str, _Act] = {
    "plug": _plug,
    "unplug": _unplug,
    "tag": _tag,
    "suspend": _suspend,
    "resume": _resume,
    "fault": _fault,
    "recover": _recover,
    "reset": _reset,
    "powerOff": _power_off,
    "powerOn": _power_on,
    "disconnect": _disconnect,
    "connect": _connect,
    "wire": _wire,
}
