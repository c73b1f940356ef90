"""
The paths that integrators have relied on for years.
"""

from __future__ import annotations

from urllib.parse import quote

from twisted.internet.defer import Deferred
from zope.interface.verify import verifyObject

from ocpp_tw.errors import CallFailed, CallTimedOut, TooManyCalls
from ocpp_tw.interfaces import IBackend, IRecords, IStation

from .world import FakeBackend, FakeRecords, FakeStation, World


class FakesTests(World):
    """
    The fakes are what they stand for.
    """

    def test_keep_their_interfaces(self) -> None:
        """
        Each fake provides its interface, method by method.
        """
        verifyObject(IBackend, FakeBackend())
        verifyObject(IBackend, FakeRecords())
        verifyObject(IRecords, FakeRecords())
        verifyObject(IStation, FakeStation("CP1"))


class AlwaysThereTests(World):
    """
    Ping and time.
    """

    def test_ping(self) -> None:
        """
        Ping is answered in the shape of an error that is none.
        """
        for method in ("GET", "POST"):
            answer = self.ask(method, "/ping")
            self.assertEqual(answer.status, 200)
            self.assertEqual(
                answer.json(), {"error": {"code": 200, "message": "OK"}}
            )

    def test_time(self) -> None:
        """
        The time is in milliseconds since 1970.
        """
        self.clock.advance(0.25)
        for method in ("GET", "POST"):
            self.assertEqual(
                self.ask(method, "/time").json(),
                {"serverTime": 1_760_000_000_250},
            )

    def test_slashes_do_not_matter(self) -> None:
        """
        A slash too many, wherever it is, is no other path.
        """
        for path in ("/ping/", "//ping", "http://localhost///api//v1/ping//"):
            self.assertEqual(self.ask("GET", path).status, 200, path)

    def test_options(self) -> None:
        """
        OPTIONS says which methods there are.
        """
        answer = self.ask("OPTIONS", "/ping")
        self.assertEqual(answer.status, 204)
        self.assertEqual(answer.header("Allow"), "GET, HEAD, POST")


class ChargePointListTests(World):
    """
    The list of stations.
    """

    def test_connected(self) -> None:
        """
        A connected station has its connection, boot data and statuses.
        """
        station = self.station("CP1")
        station.known.boot = {"chargePointVendor": "V"}
        station.known.connectors = {1: {"status": "Available"}}
        for path in ("/ChargePointList", "/CentralSystem/ChargePointList"):
            for method in ("GET", "POST"):
                self.assertEqual(
                    self.ask(method, path).json(),
                    {
                        "ChargePointList": [
                            {
                                "Identity": "CP1",
                                "Address": "10.0.0.5:5123",
                                "Connection": {
                                    "Socket": 12,
                                    "IP": "10.0.0.5",
                                    "Port": 5123,
                                },
                                "Protocol": "JSON",
                                "Version": "1.6",
                                "Account": None,
                                "Connected": True,
                                "LastSeen": "2025-10-09T08:53:20.000Z",
                                "BootNotification": {"chargePointVendor": "V"},
                                "StatusNotification": [
                                    {"connectorId": 1, "status": "Available"}
                                ],
                            }
                        ]
                    },
                )

    def test_gone(self) -> None:
        """
        A station that has gone is listed without a connection.
        """
        self.gone(self.station("CP1"))
        [item] = self.ask("GET", "/ChargePointList").json()["ChargePointList"]
        self.assertIsNone(item["Connection"])
        self.assertFalse(item["Connected"])

    def test_without_an_address(self) -> None:
        """
        A station that came by a Unix socket has no port.
        """
        self.station("CP1", address="local")
        [item] = self.ask("GET", "/ChargePointList").json()["ChargePointList"]
        self.assertEqual(
            item["Connection"], {"Socket": 12, "IP": "local", "Port": 0}
        )


class CommandTests(World):
    """
    Asking one station.
    """

    def test_json(self) -> None:
        """
        A JSON body is the payload, and the station's payload is the answer.
        """
        station = self.station("CP1", {"status": "Rejected"})
        answer = self.ask(
            "POST", "/ChargePoint/CP1/Reset", json={"type": "Soft"}
        )
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.body, b'{"status":"Rejected"}')
        self.assertEqual(station.asked, [("Reset", {"type": "Soft"}, None)])

    def test_mislabelled_json(self) -> None:
        """
        JSON is taken as JSON, whatever it is called.
        """
        station = self.station("CP1")
        for kind in (
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/json; charset=utf-8",
        ):
            answer = self.ask(
                "POST",
                "/ChargePoint/CP1/Reset",
                data=b' {"type": "Soft"}',
                headers={"Content-Type": kind},
            )
            self.assertEqual(answer.status, 200, answer.body)
            self.assertEqual(station.asked.pop()[1], {"type": "Soft"})

    def test_form(self) -> None:
        """
        The texts of a form are read as the types that the schema asks for.
        """
        station = self.station("CP1")
        answer = self.ask(
            "POST",
            "/ChargePoint/CP1/ReserveNow",
            data={
                "connectorId": "1",
                "expiryDate": "2030-01-01T00:00:00Z",
                "idTag": "0815",
                "parentIdTag": "",
                "reservationId": "7",
            },
        )
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(
            station.asked[0][1],
            {
                "connectorId": 1,
                "expiryDate": "2030-01-01T00:00:00Z",
                "idTag": "0815",
                "reservationId": 7,
            },
        )

    def test_multipart(self) -> None:
        """
        A multipart form is a form, too.
        """
        station = self.station("CP1", {"status": "Unlocked"})
        answer = self.ask(
            "POST",
            "/ChargePoint/CP1/UnlockConnector",
            data=(
                b"--x\r\nContent-Disposition: form-data; "
                b'name="connectorId"\r\n\r\n2\r\n--x--\r\n'
            ),
            headers={"Content-Type": "multipart/form-data; boundary=x"},
        )
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(station.asked[0][1], {"connectorId": 2})

    def test_query(self) -> None:
        """
        Without a body the query is the payload, but for the timeout.
        """
        station = self.station("CP1", {})
        answer = self.ask(
            "POST",
            "/ChargePoint/CP1/GetConfiguration?key=a&key=b&timeout=2.5",
        )
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(
            station.asked, [("GetConfiguration", {"key": ["a", "b"]}, 2.5)]
        )

    def test_object_in_a_form(self) -> None:
        """
        A text of a form may be the JSON of an object.
        """
        station = self.station("CP1")
        self.ask(
            "POST",
            "/ChargePoint/CP1/RemoteStartTransaction",
            data={"idTag": "A", "chargingProfile": '{"a": 1}'},
        )
        answer = self.ask(
            "POST",
            "/ChargePoint/CP1/RemoteStartTransaction",
            data={"idTag": "A", "chargingProfile": "{"},
        )
        self.assertEqual(answer.status, 400)
        self.assertIn("chargingProfile", answer.message)
        self.assertEqual(station.asked, [])

    def test_empty_members(self) -> None:
        """
        What is null or empty is not passed on.
        """
        station = self.station("CP1")
        body = {"vendorId": "v", "messageId": "", "data": None}
        self.ask("POST", "/ChargePoint/CP1/DataTransfer", json=body)
        self.assertEqual(station.asked[0][1], {"vendorId": "v"})

    def test_get_is_refused(self) -> None:
        """
        A command is no GET: a link must not stop a car from charging.
        """
        station = self.station("CP1")
        answer = self.ask("GET", "/ChargePoint/CP1/Reset?type=Soft")
        self.assertEqual(answer.status, 405)
        self.assertEqual(answer.header("Allow"), "POST")
        self.assertEqual(answer.json()["error"]["code"], 405)
        self.assertEqual(station.asked, [])

    def test_identities(self) -> None:
        """
        An identity may have anything in it once it is percent-encoded.
        """
        for identity in ("A/B", 'A"B', "A B", "🔌", "..", "%41", "a?b#c"):
            station = self.station(identity)
            answer = self.ask(
                "POST",
                f"/ChargePoint/{quote(identity, safe='')}/ClearCache",
            )
            self.assertEqual(answer.status, 200, (identity, answer.body))
            self.assertEqual(len(station.asked), 1)

    def test_unknown_station(self) -> None:
        """
        A station that nobody ever saw is not found.
        """
        answer = self.ask("POST", "/ChargePoint/CP9/ClearCache")
        self.assertEqual(answer.status, 404)
        self.assertEqual(answer.message, 'no station "CP9" was ever seen here')

    def test_absent_station(self) -> None:
        """
        A station that has gone is unavailable, and we say since when.
        """
        self.gone(self.station("CP1"))
        for data in ({}, {"connectorId": "1"}):
            answer = self.ask(
                "POST", "/ChargePoint/CP1/UnlockConnector", data=data
            )
            self.assertEqual(answer.status, 503)
            self.assertIn("last seen 2025-10-09T08:53:20.000Z", answer.message)

    def test_unknown_operation(self) -> None:
        """
        What no central system sends is not found.
        """
        self.station("CP1")
        for action in ("Explode", "BootNotification", "reset"):
            answer = self.ask("POST", f"/ChargePoint/CP1/{action}")
            self.assertEqual(answer.status, 404)
            self.assertIn(action, answer.message)

    def test_bad_payload(self) -> None:
        """
        What breaks the schema is refused with the member and the rule.
        """
        station = self.station("CP1")
        answer = self.ask(
            "POST", "/ChargePoint/CP1/Reset", json={"type": "Gentle"}
        )
        self.assertEqual(answer.status, 400)
        self.assertIn("$.type", answer.message)
        self.assertEqual(station.asked, [])

    def test_call_failed(self) -> None:
        """
        A CallError of the station stands beside the error.
        """
        self.station("CP1", CallFailed("NotSupported", "no", {"a": 1}))
        answer = self.ask("POST", "/ChargePoint/CP1/ClearCache")
        self.assertEqual(answer.status, 502)
        self.assertIn("NotSupported", answer.message)
        self.assertEqual(
            answer.json()["callError"],
            {
                "errorCode": "NotSupported",
                "errorDescription": "no",
                "errorDetails": {"a": 1},
            },
        )

    def test_silence(self) -> None:
        """
        A station that does not answer is a timeout.
        """
        self.station("CP1", CallTimedOut("no answer to Reset"))
        answer = self.ask("POST", "/ChargePoint/CP1/ClearCache")
        self.assertEqual(
            (answer.status, answer.message), (504, "no answer to Reset")
        )

    def test_too_many(self) -> None:
        """
        Too many calls for one station are too many requests.
        """
        self.station("CP1", TooManyCalls("enough"))
        answer = self.ask("POST", "/ChargePoint/CP1/ClearCache")
        self.assertEqual(answer.status, 429)

    def test_timeout(self) -> None:
        """
        A timeout that makes no sense is refused.
        """
        self.station("CP1")
        for text in ("0", "-1", "301", "nan", "inf", "soon", "1e9"):
            answer = self.ask(
                "POST", f"/ChargePoint/CP1/ClearCache?timeout={text}"
            )
            self.assertEqual(answer.status, 400, text)
            self.assertIn("timeout", answer.message)

    def test_client_goes_away(self) -> None:
        """
        A client that goes away takes no command back from the station.
        """
        slow: Deferred[object] = Deferred()
        cancelled: list[object] = []
        slow.addErrback(cancelled.append)
        self.station("CP1", slow)
        asked = self.start("POST", "/ChargePoint/CP1/ClearCache")
        self.assertNoResult(asked)
        asked.cancel()
        self.pump()
        self.failureResultOf(asked)
        self.assertEqual(cancelled, [])
        slow.callback({"status": "Accepted"})
        self.assertEqual(self.flushLoggedErrors(), [])


class ListTests(World):
    """
    Transactions and reservations, as they were.
    """

    def test_transactions(self) -> None:
        """
        Each transaction has the members of old.
        """
        station = self.station("CP1")
        station.known.boot = {"chargePointSerialNumber": "S1"}
        self.backend.items = [
            {
                "transactionId": 3,
                "identity": "CP1",
                "connectorId": 1,
                "idTag": "A",
                "meterStart": 5,
                "meterStop": 9,
                "energy": 4,
                "startTime": "2025-01-01T00:00:00.000Z",
                "stopTime": "2025-01-01T01:00:00.000Z",
                "stopReason": "Local",
                "reservationId": None,
            }
        ]
        expected = {
            "id": 3,
            "idTag": "A",
            "identity": "CP1",
            "serialNumber": "S1",
            "connectorId": 1,
            "meterStart": 5,
            "meterStop": 9,
            "value": 4,
            "reservationId": None,
            "reason": "Local",
            "data": None,
            "dateStart": "2025-01-01T00:00:00.000Z",
            "dateStop": "2025-01-01T01:00:00.000Z",
        }
        path = "/CentralSystem/TransactionList"
        query = {"identity": "CP1", "dateFrom": "2025-01-01", "dateTo": ""}
        for method, options in (
            ("GET", {"params": query}),
            ("POST", {"json": query}),
            ("POST", {"data": query}),
        ):
            answer = self.ask(method, path, **options)
            self.assertEqual(answer.json(), {"TransactionList": [expected]})
            self.assertEqual(
                self.backend.asked.pop(),
                {
                    "identity": "CP1",
                    "from": "2025-01-01",
                    "limit": 1000,
                    "cursor": None,
                },
            )

    def test_reservations(self) -> None:
        """
        Each reservation has the members of old.
        """
        self.backend.items = [
            {
                "id": 44,
                "reservationId": 4,
                "identity": "CP1",
                "connectorId": 0,
                "idTag": "A",
                "expiryDate": "2025-01-02T00:00:00.000Z",
                "created": "2025-01-01T00:00:00.000Z",
            }
        ]
        answer = self.ask("GET", "/CentralSystem/ReservationList?identity=CP1")
        self.assertEqual(
            answer.json(),
            {
                "ReservationList": [
                    {
                        "id": 4,
                        "idTag": "A",
                        "identity": "CP1",
                        "serialNumber": None,
                        "connectorId": 0,
                        "expiryDate": "2025-01-02T00:00:00.000Z",
                        "dateStart": "2025-01-01T00:00:00.000Z",
                        "dateStop": None,
                    }
                ]
            },
        )

    def test_bad_filters(self) -> None:
        """
        The identity is required, and nothing else is understood.
        """
        for body, name in (
            ({}, "identity"),
            ({"identity": "CP1", "date": "x"}, "date"),
            ({"identity": 1}, "identity"),
        ):
            answer = self.ask(
                "POST", "/CentralSystem/TransactionList", json=body
            )
            self.assertEqual(answer.status, 400)
            self.assertIn(name, answer.message)

    def test_backend_without_records(self) -> None:
        """
        A backend that keeps nothing says who does.
        """
        self.router.use(FakeBackend())
        for kind in ("Transaction", "Reservation"):
            answer = self.ask("GET", f"/CentralSystem/{kind}List?identity=CP1")
            self.assertEqual(answer.status, 501)
            self.assertIn("embedded backend does", answer.message)


class OtherWordsTests(World):
    """
    Commands in the words of another version.
    """

    def test_translated(self) -> None:
        """
        A command of 2.x is said to a station of 1.6 in its own words.
        """
        station = self.station("CP1")
        for path, options, asked in (
            (
                "RequestStopTransaction",
                {"json": {"transactionId": "7"}},
                ("RemoteStopTransaction", {"transactionId": 7}),
            ),
            (
                "RequestStopTransaction",
                {"data": {"transactionId": "8"}},
                ("RemoteStopTransaction", {"transactionId": 8}),
            ),
            (
                "Reset",
                {"json": {"type": "Immediate"}},
                ("Reset", {"type": "Hard"}),
            ),
        ):
            answer = self.ask("POST", f"/ChargePoint/CP1/{path}", **options)
            self.assertEqual(answer.status, 200, answer.body)
            self.assertEqual(station.asked.pop()[:2], asked)

    def test_no_counterpart(self) -> None:
        """
        What cannot be said so is a 400 that names it, and the version.
        """
        station = self.station("CP1")
        for path, body, said in (
            ("RequestStopTransaction", {"transactionId": "a-b"}, "'a-b'"),
            ("SetVariables", {"setVariableData": [{"x": 1}]}, "1.6"),
            ("Reset", {"type": "Gently"}, "Soft"),
        ):
            answer = self.ask("POST", f"/ChargePoint/CP1/{path}", json=body)
            self.assertEqual(answer.status, 400, path)
            self.assertIn(said, answer.message)
        self.assertEqual(station.asked, [])
