"""
A central system with users, and a station that does whatever it is told: all
over sockets, asked by an HTTP client of others.
"""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from datetime import UTC, datetime
from threading import Thread
from typing import Any, ClassVar

import requests
from twisted.trial.unittest import SynchronousTestCase
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from .process import PATIENCE, Server, server


ROLES = ("viewer", "operator", "admin")
PASSWORD = "correct horse"


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Obliging:
    """
    A station that has booted, and charges; it answers every command as the
    description of the API has it for example.

    @ivar transaction: the id of what it charges.
    """

    def __init__(self, url: str, schemas: dict[str, Any]) -> None:
        self._schemas = schemas
        self._life = ExitStack()
        self._connection = self._life.enter_context(
            connect(url, subprotocols=["ocpp1.6"])  # type: ignore[list-item]
        )
        self._number = 0
        boot = {"chargePointVendor": "Example", "chargePointModel": "Two-22"}
        self.ask("BootNotification", boot)
        ok = {"connectorId": 1, "errorCode": "NoError", "status": "Charging"}
        self.ask("StatusNotification", ok)
        begun = {
            "connectorId": 1,
            "idTag": "A1",
            "meterStart": 5,
            "timestamp": now(),
        }
        answer = self.ask("StartTransaction", begun)
        self.transaction: int = answer["transactionId"]
        self._thread = Thread(target=self._oblige, daemon=True)
        self._thread.start()

    def ask(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        self._number += 1
        call = [2, str(self._number), action, payload]
        self._connection.send(json.dumps(call))
        kind, _, answer = json.loads(self._connection.recv(PATIENCE))
        assert kind == 3, answer
        return dict(answer)

    def _oblige(self) -> None:
        try:
            for frame in self._connection:
                _, number, action, _ = json.loads(frame)
                schema = self._schemas[f"OCPP1.6.{action}Response"]
                answer = [3, number, schema["examples"][0]]
                self._connection.send(json.dumps(answer))
        except ConnectionClosed:
            pass

    def leave(self) -> None:
        self._life.close()
        self._thread.join()


class Operated(SynchronousTestCase):
    """
    A test class that has both, made once for all of its tests; each role has
    a user of its name.

    @ivar settings: the environment of the central system.
    @ivar key: an API key of an admin.
    """

    central: ClassVar[Server]
    station: ClassVar[Obliging]
    key: ClassVar[str]
    settings: ClassVar[dict[str, str]] = {}

    @classmethod
    def setUpClass(cls) -> None:
        cls.central = server(cls, CS_API_AUTH="basic, bearer", **cls.settings)
        cls.begin()
        cls.central.start()
        said = re.search(r"with the password (\S+)", cls.central.log)
        assert said is not None, cls.central.log
        first = ("admin", said[1])
        for role in ROLES:
            body = {"role": role, "password": PASSWORD}
            # The admin last: the first password is over then.
            cls.put(f"/users/{role}", body, first)
        made = cls.send(
            "POST",
            "/keys",
            json={"name": "tests", "role": "admin"},
            auth=("admin", PASSWORD),
        )
        cls.key = made.json()["key"]
        described = cls.central.http("GET", "/docs/openapi.json")[1]
        schemas = described["components"]["schemas"]
        cls.station = Obliging(cls.central.url("CP1"), schemas)
        cls.addClassCleanup(cls.station.leave)  # type: ignore[attr-defined]
        Obliging(cls.central.url("CP2"), schemas).leave()

    @classmethod
    def begin(cls) -> None:
        """
        What there is to do before the central system starts.
        """

    @classmethod
    def put(cls, path: str, body: Any, who: tuple[str, str]) -> None:
        answer = cls.send("PUT", path, json=body, auth=who)
        assert answer.status_code == 200, answer.text

    @classmethod
    def url(cls, path: str = "") -> str:
        return f"http://127.0.0.1:{cls.central.port}/api/v1{path}"

    @classmethod
    def send(cls, method: str, path: str, **options: Any) -> Any:
        """
        Ask as nobody in particular; the path is below C{/api/v1}.
        """
        with requests.Session() as session:
            session.trust_env = False
            return session.request(
                method, cls.url(path), timeout=PATIENCE, **options
            )

    def ask(
        self, method: str, path: str, role: str = "admin", **options: Any
    ) -> Any:
        """
        Ask as the user of a role; of none if it is empty.
        """
        if role:
            options["auth"] = (role, PASSWORD)
        return self.send(method, path, **options)
