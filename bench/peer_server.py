"""
The peer: a central system of PyPI C{ocpp} and C{websockets}.

It is written as the documentation of the two shows it, validation on as it is
by default, and answers from memory: C{python -m bench.peer_server PORT}.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from typing import Any

from ocpp.routing import on
from ocpp.v16 import ChargePoint as Base, call_result
from ocpp.v16.datatypes import IdTagInfo
from ocpp.v16.enums import Action, AuthorizationStatus, RegistrationStatus
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol


_transaction_ids = count(1)


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _accepted() -> IdTagInfo:
    return IdTagInfo(status=AuthorizationStatus.accepted)


class ChargePoint(Base):
    """
    One station, and what is remembered of it.
    """

    def __init__(self, identity: str, connection: ServerConnection) -> None:
        super().__init__(identity, connection)
        self.status: dict[int, str] = {}
        self.meter: dict[int, Any] = {}
        self.transactions: dict[int, str] = {}

    @on(Action.boot_notification)
    def on_boot(self, **_: Any) -> Any:
        return call_result.BootNotification(
            current_time=_now(),
            interval=300,
            status=RegistrationStatus.accepted,
        )

    @on(Action.status_notification)
    def on_status(self, connector_id: int, status: str, **_: Any) -> Any:
        self.status[connector_id] = status
        return call_result.StatusNotification()

    @on(Action.authorize)
    def on_authorize(self, id_tag: str) -> Any:
        return call_result.Authorize(id_tag_info=_accepted())

    @on(Action.start_transaction)
    def on_start(self, id_tag: str, **_: Any) -> Any:
        number = next(_transaction_ids)
        self.transactions[number] = id_tag
        return call_result.StartTransaction(
            transaction_id=number, id_tag_info=_accepted()
        )

    @on(Action.meter_values)
    def on_meter(self, connector_id: int, meter_value: Any, **_: Any) -> Any:
        self.meter[connector_id] = meter_value
        return call_result.MeterValues()

    @on(Action.stop_transaction)
    def on_stop(self, transaction_id: int, **_: Any) -> Any:
        self.transactions.pop(transaction_id, None)
        return call_result.StopTransaction(id_tag_info=_accepted())

    @on(Action.heartbeat)
    def on_heartbeat(self) -> Any:
        return call_result.Heartbeat(current_time=_now())


async def connected(connection: ServerConnection) -> None:
    """
    A station has connected; its path ends in its identity.
    """
    request = connection.request
    assert request is not None
    identity = request.path.rpartition("/")[2]
    with suppress(ConnectionClosed):
        await ChargePoint(identity, connection).start()


async def main(port: int) -> None:
    """
    Serve until the process is ended.
    """
    protocols = [Subprotocol("ocpp1.6")]
    async with serve(
        connected, "127.0.0.1", port, subprotocols=protocols
    ) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
