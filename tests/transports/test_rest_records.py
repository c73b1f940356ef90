"""
What the backend keeps, for operators to read.
"""

from __future__ import annotations

import gzip

from .world import FakeBackend, World


JSON = {
    "transactionId": 7,
    "identity": "CP1",
    "connectorId": 1,
    "idTag": "=cmd",
    "startTime": "2025-01-01T00:00:00.000Z",
    "meterStart": 5,
    "active": True,
    "suspect": ["past", "negative"],
}


class ListTests(World):
    """
    The lists.
    """

    def test_each_list(self) -> None:
        """
        Each list hands its filters, limit and cursor to the backend.
        """
        self.backend.items = [{"a": 1}]
        self.backend.next = "c2"
        for path, names in (
            (
                "/transactions",
                ["identity", "idTag", "active", "suspect", "from", "to"],
            ),
            ("/transactions/7/meterValues", []),
            ("/reservations", ["identity", "status", "idTag", "from", "to"]),
            ("/idTags", ["q", "status"]),
            ("/chargingProfiles", ["identity"]),
        ):
            params = {name: f"={name}" for name in names}
            answer = self.ask(
                "GET", path, params={**params, "limit": "5", "cursor": "c1"}
            )
            self.assertEqual(
                answer.json(), {"items": [{"a": 1}], "next": "c2"}
            )
            asked = self.backend.asked.pop()
            asked.pop("of", None)
            self.assertEqual(asked, {**params, "limit": 5, "cursor": "c1"})

    def test_defaults(self) -> None:
        """
        Without a limit there are a hundred items at most.
        """
        self.ask("GET", "/transactions?identity=")
        self.assertEqual(self.backend.asked, [{"limit": 100, "cursor": None}])

    def test_unknown_filters(self) -> None:
        """
        A filter that a list does not have is refused.
        """
        for path in (
            "/transactions",
            "/transactions/7/meterValues",
            "/reservations",
            "/idTags",
            "/chargingProfiles",
            "/transactions/7",
            "/reservations/7",
            "/idTags/A",
            "/server",
        ):
            answer = self.ask("GET", f"{path}?colour=red")
            self.assertEqual(answer.status, 400, path)
            self.assertIn("colour", answer.message)

    def test_not_utf8(self) -> None:
        """
        A query that is no text is refused.
        """
        self.assertEqual(
            self.ask("GET", "/transactions?identity=%FF").status, 400
        )

    def test_not_kept(self) -> None:
        """
        Of a backend without records each path says who has them.
        """
        self.router.use(FakeBackend())
        for method, path in (
            ("GET", "/transactions"),
            ("GET", "/transactions/7"),
            ("GET", "/transactions/7/meterValues"),
            ("POST", "/transactions/7/close"),
            ("GET", "/reservations"),
            ("GET", "/reservations/7"),
            ("GET", "/idTags"),
            ("GET", "/idTags/A"),
            ("PUT", "/idTags/A"),
            ("DELETE", "/idTags/A"),
            ("GET", "/chargingProfiles"),
        ):
            answer = self.ask(method, path)
            self.assertEqual(answer.status, 501, path)
            self.assertIn("embedded backend does", answer.message)


class CSVTests(World):
    """
    Lists for a spreadsheet.
    """

    def csv(self, path: str) -> list[str]:
        answer = self.ask("GET", path, headers={"Accept": "text/csv"})
        self.assertIn("text/csv", answer.header("Content-Type") or "")
        return answer.body.decode().split("\r\n")

    def test_transactions(self) -> None:
        """
        Each transaction is a row, and no cell of it is a formula.
        """
        self.backend.items = [JSON]
        self.assertEqual(
            self.csv("/transactions"),
            [
                "transactionId,identity,connectorId,idTag,startTime,"
                "meterStart,stopTime,meterStop,energy,stopReason,stopIdTag,"
                "reservationId,active,suspect",
                "7,CP1,1,'=cmd,2025-01-01T00:00:00.000Z,5,,,,,,,true,"
                "past negative",
                "",
            ],
        )

    def test_meter_values(self) -> None:
        """
        Each sample is a row; a negative number is a number.
        """
        self.backend.items = [
            {"time": "t", "value": "-1.5", "unit": "@A1", "suspect": []}
        ]
        self.assertEqual(
            self.csv("/transactions/7/meterValues")[1],
            "t,,,-1.5,'@A1,,,,,",
        )

    def test_reservations(self) -> None:
        """
        An empty list has its columns all the same.
        """
        self.assertEqual(
            self.csv("/reservations"),
            [
                "id,reservationId,identity,connectorId,idTag,parentIdTag,"
                "created,expiryDate,ended,status,transactionId",
                "",
            ],
        )

    def test_json_by_default(self) -> None:
        """
        Who does not ask for CSV, or cannot have it, gets JSON.
        """
        for path, accept in (
            ("/transactions", "*/*"),
            ("/transactions", "text/csv;q=0"),
            ("/transactions", "application/json"),
            ("/idTags", "text/csv"),
        ):
            answer = self.ask("GET", path, headers={"Accept": accept})
            self.assertEqual(answer.json(), {"items": [], "next": None})

    def test_error(self) -> None:
        """
        An error is JSON, whatever was asked for.
        """
        answer = self.ask(
            "GET", "/transactions/x", headers={"Accept": "text/csv"}
        )
        self.assertEqual(answer.status, 404)
        self.assertIn("x", answer.message)


class GzipTests(World):
    """
    Answers that are compressed.
    """

    def get(self, number: int, accepted: bytes) -> tuple[bytes, bytes]:
        self.backend.items = [{"a": "x" * number}]
        head, body = self.raw(
            b"GET /api/v1/transactions HTTP/1.1\r\nHost: localhost\r\n"
            b"Accept-Encoding: " + accepted + b"\r\n\r\n"
        )
        self.assertIn(b"Content-Length: %d\r" % len(body), head + b"\r")
        return head, body

    def test_long(self) -> None:
        """
        What is long is compressed for who can read it.
        """
        head, body = self.get(5000, b"br, GZIP;q=0.5")
        self.assertIn(b"Content-Encoding: gzip", head)
        self.assertIn(b"Vary: Accept, Accept-Encoding", head)
        self.assertLess(len(body), 500)
        self.assertIn(b"x" * 5000, gzip.decompress(body))

    def test_short_or_refused(self) -> None:
        """
        What is short is not, nor is it for who does not want it.
        """
        for number, accepted in (
            (10, b"gzip"),
            (5000, b"gzip;q=0, identity"),
            (5000, b"br"),
            (5000, b""),
        ):
            head, body = self.get(number, accepted)
            self.assertNotIn(b"Content-Encoding", head)
            self.assertIn(b"x" * number, body)


class OneTests(World):
    """
    One record.
    """

    def test_found_and_not_found(self) -> None:
        """
        A record is found by its number, and what is no number is not.
        """
        for path in ("/transactions", "/reservations"):
            self.assertEqual(self.ask("GET", f"{path}/7").json(), {"id": 7})
            for number in ("8", "-7", "7.0", "x", "9" * 30, "٧", "0x7"):
                answer = self.ask("GET", f"{path}/{number}")
                self.assertEqual(answer.status, 404, number)
                answer.message  # noqa: B018

    def test_close(self) -> None:
        """
        A transaction is closed once, with the reason given.
        """
        answer = self.ask(
            "POST", "/transactions/7/close", json={"reason": "gone"}
        )
        self.assertEqual(answer.json(), {"id": 7})
        self.assertEqual(self.backend.closed, {7: "gone"})
        self.assertEqual(self.ask("POST", "/transactions/7/close").status, 409)

    def test_close_badly(self) -> None:
        """
        A body that makes no sense closes nothing.
        """
        for body in ({"reason": 1}, {"why": "x"}, []):
            answer = self.ask("POST", "/transactions/7/close", json=body)
            self.assertEqual(answer.status, 400)
        self.assertEqual(self.backend.closed, {})


class IdTagTests(World):
    """
    Id tags.
    """

    def test_life(self) -> None:
        """
        An id tag is made, read and deleted, whatever its name.
        """
        path = "/idTags/A%2F%20%F0%9F%94%8C"
        body = {"status": "Blocked", "note": "lost"}
        made = self.ask("PUT", path, json={**body, "idTag": "A/ 🔌"})
        self.assertEqual(made.status, 200, made.body)
        self.assertEqual(
            self.ask("GET", path).json(), {"idTag": "A/ 🔌", **body}
        )
        self.assertEqual(self.ask("DELETE", path).status, 204)
        self.assertEqual(self.ask("GET", path).status, 404)
        self.assertEqual(self.ask("DELETE", path).status, 404)

    def test_bad_bodies(self) -> None:
        """
        A member that is unknown, or another tag's name, changes nothing.
        """
        for body, name in (
            ({"colour": 1}, "colour"),
            ({"idTag": "B"}, "idTag"),
        ):
            answer = self.ask("PUT", "/idTags/A", json=body)
            self.assertEqual(answer.status, 400)
            self.assertIn(name, answer.message)
        self.assertEqual(self.backend.tags, {})
