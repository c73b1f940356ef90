"""
One charge point by hand: orders that are typed, and its messages as they pass.

The orders are the actions of the REST interface, a line each::

    plug 1 soc=30
    presentTag ALICE
    wireFault late
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import orjson
from attrs import fields
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from ..errors import BadRequest, OCPPError
from ..ocpp.messages import BadFrame, Call, CallError, CallResult, parse
from .control import ACTIONS, as_json
from .findings import Ear
from .meter import Vehicle
from .service import EmulatedStation
from .station import Station


#: The members that need no name, in their order.
_PLACES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(ACTIONS, ()),
    **dict.fromkeys(
        ("plug", "unplug", "suspend", "resume", "recover"), ("connectorId",)
    ),
    "presentTag": ("idTag", "connectorId"),
    "fault": ("connectorId", "errorCode"),
    "wireFault": ("fault", "amount"),
    "send": ("message", "payload"),
}

_VEHICLE = {f.name for f in fields(Vehicle)}

_BY_LOWER = {name.lower(): name for name in ACTIONS}

HELP = "\n".join(
    [
        *(
            " ".join((name, *(f"[{place}]" for place in _PLACES[name])))
            for name in ACTIONS
        ),
        f"plug takes {', '.join(sorted(_VEHICLE))} as well, such as soc=30",
        "an empty line shows how it is; quit ends it",
    ]
)


def as_body(line: str) -> dict[str, Any]:
    """
    A line as the body of an action.

    >>> as_body("plug 2 soc=30")
    {'action': 'plug', 'connectorId': 2, 'vehicle': {'soc': 30}}
    >>> as_body("presenttag 0815")
    {'action': 'presentTag', 'idTag': '0815'}

    @raise BadRequest: there is no such order.
    """
    word, *rest = line.split()
    action = _BY_LOWER.get(word.lower())
    if action is None:
        raise BadRequest(f"no {word!r:.40}; help tells what there is")
    if action == "send":
        # JSON may have spaces in it.
        rest = line.split(None, 2)[1:]
    places = iter(_PLACES[action])
    body: dict[str, Any] = {"action": action}
    for text in rest:
        name, equals, value = text.partition("=")
        if not equals or not name.isalpha():
            name, value = next(places, ""), text
        if not name:
            raise BadRequest(f"{action}: {text!r:.40} is one word too many")
        if name in _VEHICLE and action == "plug":
            body.setdefault("vehicle", {})[name] = _read(value)
        else:
            body[name] = value if name == "idTag" else _read(value)
    return body


def _read(text: str) -> Any:
    """
    A number or JSON where it is one, else the text.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


class Console:
    """
    Carries out what is typed.
    """

    def __init__(
        self,
        service: EmulatedStation,
        tell: Callable[[str], object],
        quit: Callable[[], object],
    ) -> None:
        self._service = service
        self._tell = tell
        self._quit = quit

    def line_received(self, line: str) -> None:
        words = line.split()
        if not words:
            self._tell(in_words(self._service))
        elif words[0] in ("help", "?"):
            self._tell(HELP)
        elif words[0] in ("quit", "exit"):
            self._quit()
        else:
            acting: Deferred[None] = Deferred.fromCoroutine(self._act(line))
            acting.addErrback(self._refused)

    async def _act(self, line: str) -> None:
        body = as_body(line)
        doing = ACTIONS[body["action"]](self._service, body)
        result = None if doing is None else await doing
        if result is not None:
            self._tell(str(result))
        self._tell(in_words(self._service))

    def _refused(self, failure: Failure) -> None:
        failure.trap(OCPPError)
        self._tell(failure.getErrorMessage())


def in_words(service: EmulatedStation) -> str:
    """
    How a station is, for people.
    """
    told = as_json("", service.station)
    power = "" if told["powered"] else ", no power"
    lines = [
        f"{told['identity']} {told['registration'] or 'offline'}{power}, "
        f"{told['queued']} messages wait"
    ]
    for one in told["connectors"]:
        soc = "" if one["soc"] is None else f"  {one['soc']} %"
        lines.append(
            f"  {one['connectorId']} {one['status']:14} {one['energy']} Wh  "
            f"{one['power']:.0f} W{soc}"
        )
    return "\n".join(lines)


class Trace(Ear):
    """
    Tells the messages of a station as they pass.
    """

    __slots__ = ("_tell",)

    def __init__(
        self, station: Station, tell: Callable[[str], object]
    ) -> None:
        super().__init__(station)
        self._tell = tell

    def asked(self, call: Call, frame: bytes) -> None:
        super().asked(call, frame)
        self._say("->", call.action, call.payload)

    def was_answered(
        self, call: Call, frame: bytes, reply: bytes | None
    ) -> None:
        super().was_answered(call, frame, reply)
        self._say("<-", call.action, _told(reply))

    def answered(self, call: Call, frame: bytes, reply: bytes) -> None:
        super().answered(call, frame, reply)
        secret = call.payload.get("key") == "AuthorizationKey"
        shown = {**call.payload, "value": "..."} if secret else call.payload
        self._say("<-", call.action, shown)
        self._say("->", call.action, _told(reply))

    def stray(self, frame: bytes, why: str) -> None:
        super().stray(frame, why)
        self._tell(f"<- {frame[:500]!r}: {why}")

    def _say(self, arrow: str, action: str, payload: object) -> None:
        text = payload if isinstance(payload, str) else _written(payload)
        self._tell(f"{arrow} {action} {text}")


def _written(payload: object) -> str:
    return orjson.dumps(payload, default=str).decode()


def _told(reply: bytes | None) -> object:
    if reply is None:
        return "was not answered"
    try:
        message = parse(reply)
    except BadFrame as e:
        return f"was answered with nonsense: {e}"
    if isinstance(message, CallError):
        return f"failed: {message.code}: {message.description}"
    return message.payload if isinstance(message, CallResult) else "?"


@implementer(IReadDescriptor)
class Typed:
    """
    Reads the lines of a file descriptor as they come; its end is no end.
    """

    #: The longest line, in octets.
    longest = 1 << 16

    def __init__(
        self, reactor: Any, line_received: Callable[[str], object], fd: int = 0
    ) -> None:
        self._reactor = reactor
        self._line_received = line_received
        self._fd = fd
        self._rest = b""

    def start(self) -> None:
        with suppress(OSError):
            if not _is_background(self._fd):
                self._reactor.addReader(self)

    def stop(self) -> None:
        self._reactor.removeReader(self)

    def fileno(self) -> int:
        return self._fd

    def logPrefix(self) -> str:
        return "typed"

    def doRead(self) -> None:
        try:
            data = os.read(self._fd, 4096)
        except OSError:
            data = b""
        if not data:
            self.stop()
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[-self.longest :]
        for line in lines:
            self._line_received(line.decode("utf-8", "replace"))

    def connectionLost(self, reason: Failure) -> None:
        self.stop()


def _is_background(fd: int) -> bool:
    """
    Whether it is a terminal that somebody else reads: reading there would stop
    the process.

    @raise OSError: there is no such file.
    """
    os.fstat(fd)
    return os.isatty(fd) and os.tcgetpgrp(fd) != os.getpgrp()
