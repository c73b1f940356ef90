"""
A web server that answers stations as a webhook: the rows of C{bench} that
measure what asking one costs.

C{python -m bench.webhook_server PORT}
"""

from __future__ import annotations

import asyncio
import sys
from itertools import count
from typing import Any

import orjson


_NOW = "2026-11-22T10:00:00.000Z"
_ACCEPTED = {"idTagInfo": {"status": "Accepted"}}
_numbers = count(1)


def answer(action: str) -> dict[str, Any]:
    """
    What a station is told.
    """
    match action:
        case "BootNotification":
            return {
                "status": "Accepted",
                "currentTime": _NOW,
                "interval": 300,
            }
        case "Heartbeat":
            return {"currentTime": _NOW}
        case "StartTransaction":
            return {"transactionId": next(_numbers), **_ACCEPTED}
        case "Authorize" | "StopTransaction":
            return _ACCEPTED
    return {}


class Webhook(asyncio.Protocol):
    """
    One connection; bodies have a Content-Length.
    """

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        self._rest += data
        while self._take_request():
            pass

    def _take_request(self) -> bool:
        head, end, rest = self._rest.partition(b"\r\n\r\n")
        if not end:
            return False
        _, _, length = head.lower().partition(b"content-length:")
        size = int(length.split(b"\r\n", 1)[0])
        if len(rest) < size:
            return False
        asked = orjson.loads(rest[:size])
        self._rest = rest[size:]
        self._reply({**asked, "payload": answer(asked["action"])})
        return True

    def _reply(self, reply: dict[str, Any]) -> None:
        body = orjson.dumps(reply)
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )


async def main(port: str) -> None:
    """
    Serve on loopback until we are ended.
    """
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Webhook, "127.0.0.1", int(port))
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
