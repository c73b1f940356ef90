"""
What the stations of the bench say, as templates, and the answers they expect.

A template is filled by C{%}, which costs half a microsecond where a JSON
encoder would cost several; the frame around it is masked as RFC 6455, 5.3
asks, with one random mask for the whole run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import repeat
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from attrs import frozen


try:
    from websockets.speedups import apply_mask
except ImportError:
    from websockets.utils import apply_mask

if TYPE_CHECKING:
    from .fleet import Station

Payload = dict[str, Any]
Check = Callable[["Station", Payload], bool]

_MASK = os.urandom(4)
_LARGEST = 2048


def _head(length: int) -> bytes:
    """
    What stands before a text of so many bytes: opcode, length and mask.
    """
    if length < 126:
        return bytes([0x81, 0x80 | length]) + _MASK
    return b"\x81\xfe" + length.to_bytes(2, "big") + _MASK


_HEADS = [_head(length) for length in range(_LARGEST)]
CLOSE = b"\x88\x82" + _MASK + apply_mask((1000).to_bytes(2, "big"), _MASK)


def frame(text: bytes) -> bytes:
    """
    The text as one masked WebSocket frame.
    """
    return _HEADS[len(text)] + apply_mask(text, _MASK)


def pong(payload: bytes) -> bytes:
    """
    The answer to a ping.
    """
    head = bytes([0x8A, 0x80 | len(payload)])
    return head + _MASK + apply_mask(payload, _MASK)


@frozen
class Request:
    """
    A Call in the making.

    @ivar template: the whole message, with a C{%} sign for each value.
    @ivar values: takes the values from the station, in the same order.
    @ivar check: whether the payload of the answer is right.
    """

    action: str
    template: bytes
    values: Callable[[Station], Any]
    check: Check

    def frame(self, station: Station) -> bytes:
        """
        The Call as this station would send it now.
        """
        return frame(self.template % self.values(station))


def _request(action: str, payload: str, names: str, check: Check) -> Request:
    values = attrgetter("unique_id", *names.split())
    template = f'[2,"%b","{action}",{payload}]'
    return Request(action, template.encode(), values, check)


def _empty(_: Station, payload: Payload) -> bool:
    return payload == {}


def _dated(_: Station, payload: Payload) -> bool:
    time = payload.get("currentTime")
    return isinstance(time, str) and time[10:11] == "T"


def _booted(station: Station, payload: Payload) -> bool:
    return payload.get("status") == "Accepted" and _dated(station, payload)


def _authorized(_: Station, payload: Payload) -> bool:
    info = payload.get("idTagInfo")
    return isinstance(info, dict) and info.get("status") == "Accepted"


def _started(station: Station, payload: Payload) -> bool:
    number = payload.get("transactionId")
    if type(number) is not int or not station.begin(number):
        return False
    return _authorized(station, payload)


def _stopped(station: Station, payload: Payload) -> bool:
    # 1.6 lets the answer to StopTransaction come without idTagInfo.
    return payload == {} or _authorized(station, payload)


def _sample(value: str, measurand: str, unit: str, phase: str = "") -> str:
    return (
        f'{{"value":"{value}","context":"Sample.Periodic",'
        f'"measurand":"{measurand}"'
        + (f',"phase":"{phase}"' if phase else "")
        + f',"unit":"{unit}"}}'
    )


_SAMPLES = ",".join(
    [
        _sample("%d", "Energy.Active.Import.Register", "Wh"),
        _sample("10986", "Power.Active.Import", "W"),
        _sample("15.9", "Current.Import", "A", "L1"),
        _sample("16.0", "Current.Import", "A", "L2"),
        _sample("15.8", "Current.Import", "A", "L3"),
    ]
)

BOOT = _request(
    "BootNotification",
    '{"chargePointVendor":"Example","chargePointModel":"Two-22",'
    '"chargePointSerialNumber":"%b","firmwareVersion":"1.4.2"}',
    "identity",
    _booted,
)
STATUS = _request(
    "StatusNotification",
    '{"connectorId":1,"errorCode":"NoError","status":"Preparing",'
    '"timestamp":"%b"}',
    "now",
    _empty,
)
AUTHORIZE = _request("Authorize", '{"idTag":"%b"}', "id_tag", _authorized)
START = _request(
    "StartTransaction",
    '{"connectorId":1,"idTag":"%b","meterStart":%d,"timestamp":"%b"}',
    "id_tag meter now",
    _started,
)
METER_VALUES = _request(
    "MeterValues",
    '{"connectorId":1,"transactionId":%d,"meterValue":[{"timestamp":"%b",'
    f'"sampledValue":[{_SAMPLES}]}}]}}',
    "transaction_id now meter",
    _empty,
)
STOP = _request(
    "StopTransaction",
    '{"idTag":"%b","meterStop":%d,"timestamp":"%b","transactionId":%d,'
    '"reason":"EVDisconnected"}',
    "id_tag meter now transaction_id",
    _stopped,
)
HEARTBEAT = _request("Heartbeat", "{}", "", _dated)

#: The messages of one turn of L{mixed}: ten of them MeterValues.
TURN = 15


def quiet(_: Station) -> Iterator[Request]:
    """
    A station that only connects.
    """
    yield from ()


def boot(_: Station) -> Iterator[Request]:
    """
    A station that boots, and is quiet from then on.
    """
    yield BOOT


def mixed(station: Station) -> Iterator[Request]:
    """
    A station that boots, and charges one car after the other.
    """
    yield BOOT
    # So that the stations are spread over the turn, not in step.
    yield from repeat(HEARTBEAT, station.number % TURN)
    while True:
        yield from charge(station)


def charge(station: Station) -> Iterator[Request]:
    """
    One turn: a car comes, is charged, and leaves.
    """
    yield from (STATUS, AUTHORIZE, START)
    for _ in range(10):
        station.meter += 92
        yield METER_VALUES
    yield from (STOP, HEARTBEAT)
