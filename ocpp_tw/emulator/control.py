"""
What operators see of emulated stations, and what they may let happen there:
JSON in, JSON out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from inspect import isawaitable
from typing import Any

from attrs import evolve, fields

from ..errors import BadConfig, BadRequest, CallFailed, Conflict, NotFound
from ..ocpp.actions import FROM_STATION
from ..ocpp.messages import Payload
from ..ocpp.schemas import REQUESTS
from ..ocpp.versions import Version
from .chargepoint import ChargePoint
from .config import MOST_CONNECTORS, StationConfig, read_source
from .connector import ERRORS, Connector
from .faults import Faults
from .meter import Vehicle
from .scenario import (
    Operator,
    Scenario,
    from_json,
    no_operator,
    read,
    shipped,
)
from .scenario_run import Result, Run
from .service import EmulatedStation, Emulator
from .websocket import Lines


Body = Mapping[str, Any]

#: How many stations without a folder there may be.
MOST_MADE = 1000

LONGEST_NAME = 48

#: How many findings of a station are told, the most frequent ones.
MOST_FINDINGS = 20

#: How long a scenario may take, in seconds, where a request waits for it.
LONGEST_SCENARIO = 900.0

#: What L{Control.do} does.
CALLS = {"page", "get", "make", "change", "remove", "act"}

_MEMBERS = {"name", "identity", "url", "connectors", "keys"}

#: How long a connection that is dropped stays so, in seconds.
DROPPED = 5.0


class Control:
    """
    The emulated stations of an L{Emulator}, for operators.
    """

    def __init__(
        self,
        emulator: Emulator,
        home: Callable[[], str] = str,
        operator: Operator = no_operator,
    ) -> None:
        """
        @param operator: gives the commands of scenarios.
        @param home: the URL that stations connect to unless they are told;
            empty for none.
        """
        self._emulator = emulator
        self._home = home
        self._operator = operator
        self._bodies: dict[str, Body] = {}

    async def do(self, what: str, *arguments: Any) -> Any:
        """
        One of L{CALLS}, by its name: so another process asks for it.
        """
        if what not in CALLS:
            raise NotFound(f"there is no call {what!r:.40}")
        done = getattr(self, what)(*arguments)
        return await done if isawaitable(done) else done

    def page(self, after: str, limit: int) -> tuple[list[Any], str | None]:
        """
        So many stations whose names follow another; and the last of them, if
        there are more.
        """
        found = [name for name in self.names() if name > after]
        shown = found[:limit]
        more = shown[-1] if len(found) > limit else None
        return [self.get(name) for name in shown], more

    def names(self) -> list[str]:
        return sorted(self._emulator.stations)

    def get(self, name: str) -> dict[str, Any]:
        """
        C{{"name", "identity", "url", "registration", "connected", "powered",
        "queued", "firmwareVersion", "findings": ["2 x Heartbeat.conf: ..."],
        "connectors": [{"connectorId", "status",
        "errorCode", "plugged", "energy", "power", "soc", "transactionId",
        "idTag"}]}}

        @raise NotFound: there is no such station.
        """
        return as_json(name, self._service(name).station)

    def make(self, body: Body) -> dict[str, Any]:
        """
        Let a station come that has no folder.

        @param body: C{{"name": "EMU1", "identity"?, "url"?, "connectors"?: 2
            or [{"id": 1, "voltage": "DC"}], "keys"?: {"CpoName": "x"}}}
        @raise BadRequest: it makes no sense.
        @raise Conflict: there is one of that name, or there are too many.
        """
        name = body.get("name")
        if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME:
            raise BadRequest(
                f"name: it is not a text of 1 to {LONGEST_NAME} characters"
            )
        if name in self._emulator.stations:
            raise Conflict(f"there is an emulated station {name!r} already")
        if len(self._emulator.made) >= MOST_MADE:
            raise Conflict(f"there are {MOST_MADE} stations without a folder")
        config = self._read(name, body)
        self._check_identity(config)
        return self._add(config, body)

    async def change(self, name: str, body: Body) -> dict[str, Any]:
        """
        Let a station start again, with what is different.

        @raise BadRequest: it makes no sense.
        @raise Conflict: it has a folder, and its file decides.
        """
        self._check_made(name)
        body = {**self._bodies[name], **body, "name": name}
        config = self._read(name, body)
        await self._emulator.remove(name)
        return self._add(config, body)

    def _add(self, config: StationConfig, body: Body) -> dict[str, Any]:
        self._emulator.add(config)
        self._emulator.made.add(config.name)
        self._bodies[config.name] = body
        return self.get(config.name)

    def _check_identity(self, config: StationConfig) -> None:
        for name, service in self._emulator.stations.items():
            other = service.station.config
            if (other.url, other.identity) == (config.url, config.identity):
                raise Conflict(
                    f"emulated station {name!r} is {config.identity!r} already"
                )

    def _read(self, name: str, body: Body) -> StationConfig:
        unknown = set(body) - _MEMBERS
        if unknown:
            raise BadRequest(
                f"unknown member {min(unknown)!r:.40}; known: "
                f"{', '.join(sorted(_MEMBERS))}"
            )
        keys = body.get("keys", {})
        if not isinstance(keys, dict):
            raise BadRequest("keys: it is not an object")
        url = body.get("url") or self._home()
        if not url:
            raise BadRequest("url: this member is required")
        given = {
            **keys,
            "CentralSystemURL": url,
            "StationIdentity": body.get("identity", name),
        }
        source = {
            "connectorId": _connectors(body.get("connectors", 1)),
            "configurationKey": [
                {"key": key, "value": value} for key, value in given.items()
            ],
        }
        try:
            return read_source(source, name)
        except BadConfig as e:
            raise BadRequest(str(e)) from e

    async def remove(self, name: str) -> None:
        """
        Let a station leave.

        @raise Conflict: it has a folder: remove that, and reload.
        """
        self._check_made(name)
        await self._emulator.remove(name)
        self._bodies.pop(name, None)

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
        if body.get("action") == "scenario":
            return await self._play(name, service, _scenario(body))
        act = ACTIONS.get(str(body.get("action")))
        if act is None:
            known = ", ".join([*ACTIONS, "scenario"])
            raise BadRequest(
                f"action: there is no {body.get('action')!r:.40}; there are: "
                f"{known}"
            )
        doing = act(service, body)
        if doing is None:
            return self.get(name)
        result = await doing
        return {**self.get(name), "result": result}

    async def _play(
        self, name: str, service: EmulatedStation, scenario: Scenario
    ) -> dict[str, Any]:
        """
        Run a scenario in place of the station; new, and with its keys.
        """

        async def play(lines: Lines) -> Result:
            config = evolve(service.station.config, folder=None)
            run = Run(scenario, config, lines.reactor, self._operator, lines)
            return await run.run()

        result = await service.meanwhile(play)
        told = {
            "scenario": scenario.name,
            "ok": result.failure is None,
            "failure": result.failure,
            "findings": list(result.findings),
            "seconds": round(result.seconds, 1),
        }
        return {"name": name, "result": told}

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


def _connectors(wanted: object) -> object:
    """
    @param wanted: a number of them, or what stands in a file.
    """
    if type(wanted) is not int:
        return wanted
    if not 0 < wanted <= MOST_CONNECTORS:
        raise BadRequest(f"connectors: it is not from 1 to {MOST_CONNECTORS}")
    return list(range(1, wanted + 1))


def as_json(name: str, station: ChargePoint) -> dict[str, Any]:
    """
    A station as operators see it.
    """
    return {
        "name": name,
        "identity": station.identity,
        "url": station.url,
        "registration": station.registration or None,
        "connected": station.is_connected,
        "powered": station.powered,
        "queued": len(station.outbox),
        "firmwareVersion": station.firmware,
        "findings": station.findings.lines(MOST_FINDINGS),
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


def _checked_length(scenario: Scenario) -> Scenario:
    longest = sum(
        step.main / (scenario.speed or 1)
        if step.verb == "wait"
        else step.within
        for step in scenario.steps
    )
    if longest > LONGEST_SCENARIO:
        raise BadRequest(
            f"it may take {longest:.0f} seconds: at most "
            f"{LONGEST_SCENARIO:.0f} here; ocpp-cp has the time"
        )
    return scenario


def _scenario(body: Body) -> Scenario:
    """
    @param body: C{{"name": "normal-day"}}, or what stands in a file.
    @raise BadRequest: there is none of that name, or steps make no sense.
    """
    source = {k: v for k, v in body.items() if k not in ("action", "name")}
    known = shipped()
    try:
        if "steps" in source:
            return _checked_length(from_json(source))
        if source or str(body.get("name")) not in known:
            names = ", ".join(sorted(known))
            raise BadRequest(f"give steps, or a name; there are: {names}")
        return read(known[str(body["name"])])
    except BadConfig as e:
        raise BadRequest(str(e)) from e


# Actions

_Act = Callable[[EmulatedStation, Body], "Awaitable[Any] | None"]


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
    if not isinstance(id_tag, str):
        raise BadRequest("idTag: it is no text")
    number = _number(body) if "connectorId" in body else None
    return service.station.present_tag(id_tag, number)


def _suspend(service: EmulatedStation, body: Body) -> None:
    service.station.suspend(_number(body))


def _resume(service: EmulatedStation, body: Body) -> None:
    service.station.resume(_number(body))


def _fault(service: EmulatedStation, body: Body) -> None:
    error = body.get("errorCode", "OtherError")
    if not isinstance(error, str) or error not in ERRORS - {"NoError"}:
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


def _drop(service: EmulatedStation, body: Body) -> None:
    service.connection.cut()
    service.connection.again(DROPPED)


def _send(service: EmulatedStation, body: Body) -> Awaitable[str]:
    message, payload = body.get("message"), body.get("payload", {})
    schema = REQUESTS.get((Version.V16, str(message)))
    if schema is None or message not in FROM_STATION[Version.V16]:
        known = ", ".join(sorted(FROM_STATION[Version.V16]))
        raise BadRequest(f"message: no {message!r:.40}; there are: {known}")
    if not isinstance(payload, dict):
        raise BadRequest("payload: it is not an object")
    for violation in schema.violations(payload):
        raise BadRequest(f"payload: {violation.path}: {violation.message}")
    return _answer(service, str(message), payload)


async def _answer(
    service: EmulatedStation, message: str, payload: Payload
) -> Any:
    """
    What the central system answers; if it refuses, why.
    """
    try:
        return await service.station.ask(message, payload, triggered=True)
    except CallFailed as e:
        return {"errorCode": e.code, "errorDescription": e.description}


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
    "presentTag": _tag,
    "suspend": _suspend,
    "resume": _resume,
    "fault": _fault,
    "recover": _recover,
    "reset": _reset,
    "cutPower": _power_off,
    "restorePower": _power_on,
    "dropConnection": _drop,
    "wireFault": _wire,
    "send": _send,
}
