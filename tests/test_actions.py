"""
All 39 actions of 1.6 go through C{twistd cs}: the station's are answered by
the embedded backend, the operator's by a station.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.ocpp.schemas import RESPONSES
from ocpp_tw.ocpp.versions import Version

from .examples import FROM_STATION, TO_STATION
from .frames import Client, frame
from .process import Server, server


class ActionTests(SynchronousTestCase):
    """
    Each action, once, with a valid payload.
    """

    server: Server

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = server(cls)
        cls.server.start()

    def setUp(self) -> None:
        self.station = Client(self.server.port).open("/ocpp/CP1")
        self.addCleanup(self.station.close)

    def test_from_station(self) -> None:
        """
        Each of the 14 that a station sends has an answer that keeps its
        schema.
        """
        for action, payload in sorted(FROM_STATION.items()):
            answer = self.station.ask(orjson.dumps([2, "1", action, payload]))
            self.assertEqual(answer[:2], [3, "1"], action)
            schema = RESPONSES[Version.V16, action]
            self.assertEqual(schema.violations(answer[2]), [], action)

    def test_to_station(self) -> None:
        """
        Each of the 26 that an operator sends reaches the station as it is,
        and its answer comes back as it is.
        """
        with ThreadPoolExecutor(1) as operator:
            for action, (payload, answer) in sorted(TO_STATION.items()):
                asked = operator.submit(
                    self.server.command, "CP1", action, payload
                )
                self.assertEqual(self.obey(answer), (action, payload))
                self.assertEqual(asked.result(20), (200, answer), action)

    def obey(self, answer: Any) -> tuple[str, Any]:
        """
        Answer the next CALL; what was asked is returned.
        """
        _, unique_id, action, payload = self.station.read().json()
        self.station.send(frame(orjson.dumps([3, unique_id, answer])))
        return action, payload

    def test_member_order(self) -> None:
        """
        What an operator sends is compact JSON on the wire, its members in
        their order.
        """
        with ThreadPoolExecutor(1) as operator:
            asked = operator.submit(
                self.server.command,
                "CP1",
                "DataTransfer",
                {"data": "z", "vendorId": "ü", "messageId": "a"},
            )
            text = self.station.read().payload
            self.assertTrue(
                text.endswith(
                    ',"DataTransfer",{"data":"z","vendorId":"ü",'
                    '"messageId":"a"}]'.encode()
                ),
                text,
            )
            unique_id = orjson.loads(text)[1]
            self.station.send(
                frame(orjson.dumps([4, unique_id, "NotSupported", "", {}]))
            )
            status, body = asked.result(20)
        self.assertEqual(
            (status, body["callError"]["errorCode"]), (502, "NotSupported")
        )

    def test_silent(self) -> None:
        """
        A station that never answers is a 504 for its operator.
        """
        status, body = self.server.command("CP1", "ClearCache?timeout=1", {})
        self.assertEqual((status, body["error"]["code"]), (504, 504))
