"""
Tests for what the embedded backend keeps of id tags, reservations, profiles,
and for what operators read of it all.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.errors import BackendUnavailable, BadRequest, NotFound

from .embedded import NOW, World, at


ACCEPTED = {"status": "Accepted"}


class IdTagTests(World, SynchronousTestCase):
    """
    Who may charge.
    """

    def put(self, id_tag: str, **body: Any) -> Any:
        body.setdefault("status", "Accepted")
        return self.wait(self.backend.put_id_tag(id_tag, body))

    def authorize(self, id_tag: str) -> Any:
        return self.ask("Authorize", {"idTag": id_tag})["idTagInfo"]

    def test_unknown(self) -> None:
        """
        Unknown id tags are accepted, or not, as it is configured.
        """
        self.assertEqual(self.authorize("A1"), ACCEPTED)
        self.put("B")
        self.assertEqual(self.authorize("A1"), ACCEPTED)
        self.settings = {"path": ":memory:", "unknown_id_tags": "refuse"}
        self.backend = self.start_backend()
        self.assertEqual(self.authorize("A1"), {"status": "Invalid"})

    def test_statuses(self) -> None:
        """
        Accepted, Blocked and Expired, with all that is known.
        """
        self.put("ok", parentIdTag="P", expiryDate=at(7200))
        self.put("old", expiryDate=at(3600))
        self.put("bad", status="Blocked", expiryDate=at(0))
        self.assertEqual(
            self.authorize(" OK "),
            {
                "status": "Accepted",
                "expiryDate": at(7200),
                "parentIdTag": "P",
            },
        )
        self.assertEqual(self.authorize("old")["status"], "Expired")
        self.assertEqual(self.authorize("bad")["status"], "Blocked")

    def test_start_is_never_refused(self) -> None:
        """
        Whoever may not charge gets a transaction all the same, and the truth.
        """
        self.put("bad", status="Blocked")
        answer = self.ask(
            "StartTransaction",
            {
                "connectorId": 1,
                "idTag": "bad",
                "meterStart": 0,
                "timestamp": at(0),
            },
        )
        self.assertEqual(
            answer,
            {"transactionId": 1, "idTagInfo": {"status": "Blocked"}},
        )
        self.assertEqual(self.transaction(1)["idTagStatus"], "Blocked")

    def start_status(self, **members: Any) -> str:
        return self.transaction(self.start(**members))["idTagStatus"]

    def test_concurrent(self) -> None:
        """
        An id tag that charges as often as it may is ConcurrentTx elsewhere,
        but not on the connector where it charges.
        """
        self.put("A1", maxActiveTransactions=1)
        self.assertEqual(self.start_status(connectorId=1), "Accepted")
        self.assertEqual(self.start_status(connectorId=2), "ConcurrentTx")
        self.assertEqual(
            self.start_status(identity="CP2", idTag="a1"), "ConcurrentTx"
        )
        self.assertEqual(self.start_status(seconds=60), "Accepted")
        self.assertEqual(self.authorize("A1"), ACCEPTED)

    def test_concurrent_repeated(self) -> None:
        """
        A start that comes again is answered as it was.
        """
        self.put("A1", maxActiveTransactions=1)
        payload = {
            "connectorId": 1,
            "idTag": "A1",
            "meterStart": 0,
            "timestamp": at(0),
        }
        first = self.ask("StartTransaction", payload)
        self.assertEqual(self.ask("StartTransaction", payload), first)
        self.assertEqual(first["idTagInfo"], ACCEPTED)

    def test_expired_stop(self) -> None:
        """
        A tag that expired meanwhile stops its transaction, and is told.
        """
        number = self.start()
        self.put("A1", expiryDate=at(100))
        answer = self.stop(number, idTag="A1")
        self.assertEqual(answer["idTagInfo"]["status"], "Expired")
        self.assertFalse(self.transaction(number)["active"])

    def test_put_get_delete(self) -> None:
        """
        An id tag is made, replaced, read and forgotten, however spelled.
        """
        made = self.put(
            " Tag ",
            expiryDate="2027-01-01T00:00:00+01:00",
            parentIdTag="P",
            maxActiveTransactions=2,
            note="of Anna",
        )
        self.assertEqual(
            made,
            {
                "idTag": "Tag",
                "status": "Accepted",
                "expiryDate": "2026-12-31T23:00:00.000Z",
                "parentIdTag": "P",
                "maxActiveTransactions": 2,
                "note": "of Anna",
            },
        )
        self.assertEqual(self.wait(self.backend.id_tag("TAG")), made)
        self.put("tag", status="Blocked", note=None)
        self.assertEqual(
            self.wait(self.backend.id_tag("Tag")),
            {"idTag": "tag", "status": "Blocked"},
        )
        self.wait(self.backend.delete_id_tag("TAG"))
        with self.assertRaises(NotFound):
            self.wait(self.backend.id_tag("tag"))
        with self.assertRaises(NotFound):
            self.wait(self.backend.delete_id_tag("tag"))

    def test_bad_members(self) -> None:
        """
        A member that makes no sense is refused by its name.
        """
        for member, value in (
            ("status", "Maybe"),
            ("status", None),
            ("expiryDate", "tomorrow"),
            ("expiryDate", 5),
            ("parentIdTag", "x" * 21),
            ("parentIdTag", ""),
            ("maxActiveTransactions", -1),
            ("maxActiveTransactions", True),
            ("note", "x" * 2001),
            ("colour", "blue"),
            ("idTag", "another"),
        ):
            with self.assertRaises(BadRequest) as caught:
                self.put("A", **{member: value})
            self.assertIn(member, str(caught.exception))
        for name in ("", " ", "x" * 21, "a\nb"):
            with self.assertRaises(BadRequest):
                self.put(name)

    def test_pattern(self) -> None:
        """
        Where a pattern says so, a part of what the reader reads is the id
        tag; what does not match is one as it is.
        """
        self.settings = {
            "path": ":memory:",
            "id_tag_pattern": "([0-9A-F]+)-KEBA",
        }
        self.backend = self.start_backend()
        body = {"status": "Blocked"}
        self.wait(self.backend.put_id_tag("04A2", body))
        for tag, status in (
            (" 04A2-KEBA ", "Blocked"),
            ("04A2", "Blocked"),
            ("04A3-KEBA", "Accepted"),
            ("04A2-KEBA-2", "Accepted"),
        ):
            answer = self.ask("Authorize", {"idTag": tag})
            self.assertEqual(answer["idTagInfo"]["status"], status, tag)
        number = self.start(idTag="04A2-KEBA")
        self.assertEqual(self.transaction(number)["idTag"], "04A2")
        answer = self.stop(number, idTag="04A2-KEBA")
        self.assertEqual(answer["idTagInfo"]["status"], "Blocked")
        self.stop(4711)

    def test_list(self) -> None:
        """
        Id tags are listed by name, in pages, by part and by status.
        """
        for name in ("b", "A", "c%", "ab"):
            self.put(name, status="Blocked" if name == "b" else "Accepted")
        found, cursor = [], None
        for _ in range(2):
            page = self.wait(self.backend.id_tags(2, cursor))
            found += [tag["idTag"] for tag in page.items]
            cursor = page.next
        self.assertEqual(found, ["A", "ab", "b", "c%"])
        self.assertIsNone(cursor)
        for filters, names in (
            ({"q": "B"}, ["ab", "b"]),
            ({"q": "%"}, ["c%"]),
            ({"status": "Blocked"}, ["b"]),
        ):
            page = self.wait(self.backend.id_tags(10, **filters))
            self.assertEqual([tag["idTag"] for tag in page.items], names)


class ReservationTests(World, SynchronousTestCase):
    """
    What stations promised to keep free.
    """

    def reserve(
        self, number: int = 7, answer: str = "Accepted", **members: Any
    ) -> None:
        order = {
            "connectorId": 1,
            "expiryDate": at(7200),
            "idTag": "A1",
            "reservationId": number,
            **members,
        }
        self.command("ReserveNow", order, {"status": answer})

    def statuses(self, **filters: str) -> list[tuple[int, str]]:
        page = self.wait(self.backend.reservations(100, **filters))
        return [(r["reservationId"], r["status"]) for r in page.items]

    def test_reserved(self) -> None:
        """
        What a station accepted is kept, what it refused is not.
        """
        self.reserve(7, parentIdTag="P")
        self.reserve(8, "Occupied")
        self.assertEqual(
            self.wait(self.backend.reservation(1)),
            {
                "id": 1,
                "reservationId": 7,
                "identity": "CP1",
                "connectorId": 1,
                "idTag": "A1",
                "parentIdTag": "P",
                "expiryDate": at(7200),
                "created": at(3600),
                "status": "Active",
            },
        )
        self.assertEqual(self.statuses(), [(7, "Active")])
        with self.assertRaises(NotFound):
            self.wait(self.backend.reservation(2))

    def test_replaced(self) -> None:
        """
        A reservation of the same number takes the place of the first.
        """
        self.reserve()
        self.reserve(idTag="B")
        self.assertEqual(self.statuses(), [(7, "Active"), (7, "Cancelled")])

    def test_cancelled(self) -> None:
        """
        A station that accepts a cancellation ends the reservation.
        """
        self.reserve()
        order = {"reservationId": 7}
        self.command("CancelReservation", order, {"status": "Rejected"})
        self.assertEqual(self.statuses(), [(7, "Active")])
        self.command("CancelReservation", order, {"status": "Accepted"})
        self.assertEqual(self.statuses(status="Cancelled"), [(7, "Cancelled")])

    def test_used_by_number(self) -> None:
        """
        A transaction that names a reservation uses it.
        """
        self.reserve()
        number = self.start(reservationId=7, idTag="other")
        record = self.wait(self.backend.reservation(1))
        self.assertEqual(record["status"], "Used")
        self.assertEqual(record["transactionId"], number)
        self.assertEqual(record["ended"], at(3600))

    def test_used_by_tag(self) -> None:
        """
        So does one of its id tag on its connector, and no other.
        """
        self.reserve()
        self.start(idTag="B")
        self.start(connectorId=2)
        self.start(identity="CP2")
        self.assertEqual(self.statuses(), [(7, "Active")])
        number = self.start(1, idTag="a1")
        self.assertEqual(self.statuses(), [(7, "Used")])
        self.assertEqual(self.transaction(number)["reservationId"], 7)

    def test_used_by_parent(self) -> None:
        """
        So does one whose id tag has the parent that the reservation names.
        """
        for tag, parent in (("B", "P"), ("C", "Q")):
            body = {"status": "Accepted", "parentIdTag": parent}
            self.wait(self.backend.put_id_tag(tag, body))
        self.reserve(parentIdTag="p")
        self.start(idTag="C")
        self.assertEqual(self.statuses(), [(7, "Active")])
        self.start(1, idTag="B")
        self.assertEqual(self.statuses(), [(7, "Used")])

    def test_of_any_connector(self) -> None:
        """
        A reservation of connector 0 is used on any.
        """
        self.reserve(connectorId=0)
        self.start(connectorId=2)
        self.assertEqual(self.statuses(), [(7, "Used")])

    def test_expired(self) -> None:
        """
        A reservation expires by itself, and is not used or faulted then.
        """
        self.reserve()
        self.assertEqual(self.statuses(status="Expired"), [])
        self.clock.advance(3600)
        self.assertEqual(self.statuses(status="Active"), [])
        self.start()
        self.fault()
        self.assertEqual(self.statuses(status="Expired"), [(7, "Expired")])
        record = self.wait(self.backend.reservation(1))
        self.assertEqual(record["ended"], at(7200))

    def fault(self, connector: int = 1) -> None:
        self.ask(
            "StatusNotification",
            {
                "connectorId": connector,
                "errorCode": "GroundFailure",
                "status": "Faulted",
            },
        )

    def test_faulted(self) -> None:
        """
        A connector that faults ends its reservation.
        """
        self.reserve()
        self.fault(2)
        self.assertEqual(self.statuses(), [(7, "Active")])
        self.fault(1)
        self.assertEqual(self.statuses(), [(7, "Faulted")])

    def test_filters(self) -> None:
        """
        Reservations are found by station, tag and time.
        """
        self.reserve(1)
        self.clock.advance(10)
        self.reserve(2, idTag="B")
        for filters, numbers in (
            ({"identity": "CP1"}, [2, 1]),
            ({"identity": "CP2"}, []),
            ({"idTag": "b"}, [2]),
            ({"from": at(3605)}, [2]),
            ({"to": at(3605)}, [1]),
        ):
            found = [number for number, _ in self.statuses(**filters)]
            self.assertEqual(found, numbers, filters)
        with self.assertRaises(BadRequest):
            self.statuses(status="Pending")


class ProfileTests(World, SynchronousTestCase):
    """
    What is installed on stations.
    """

    def install(
        self,
        number: int,
        connector: int = 1,
        purpose: str = "TxDefaultProfile",
        level: int = 0,
        status: str = "Accepted",
    ) -> None:
        profile = {
            "chargingProfileId": number,
            "stackLevel": level,
            "chargingProfilePurpose": purpose,
        }
        self.command(
            "SetChargingProfile",
            {"connectorId": connector, "csChargingProfiles": profile},
            {"status": status},
        )

    def clear(self, **criteria: Any) -> None:
        self.command("ClearChargingProfile", criteria, ACCEPTED)

    def installed(self, **filters: str) -> list[int]:
        page = self.wait(self.backend.charging_profiles(100, **filters))
        return sorted(
            item["csChargingProfiles"]["chargingProfileId"]
            for item in page.items
        )

    def test_installed(self) -> None:
        """
        What a station accepted is listed as it was sent.
        """
        self.install(1)
        self.install(2, level=1, status="Rejected")
        page = self.wait(self.backend.charging_profiles(10, identity="CP1"))
        self.assertEqual(
            page.items,
            [
                {
                    "id": 1,
                    "identity": "CP1",
                    "connectorId": 1,
                    "installed": at(3600),
                    "csChargingProfiles": {
                        "chargingProfileId": 1,
                        "stackLevel": 0,
                        "chargingProfilePurpose": "TxDefaultProfile",
                    },
                }
            ],
        )
        self.assertEqual(self.installed(identity="CP2"), [])

    def test_sent_along(self) -> None:
        """
        A station that starts remotely installs the profile that came along,
        until its transaction ends.
        """
        profile = {
            "chargingProfileId": 1,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxProfile",
        }
        order = {"idTag": "A1", "chargingProfile": profile}
        for more, answer, installed in (
            ({"connectorId": 1}, {"status": "Rejected"}, []),
            ({}, ACCEPTED, []),
            ({"connectorId": 1}, ACCEPTED, [1]),
        ):
            self.command("RemoteStartTransaction", {**order, **more}, answer)
            self.assertEqual(self.installed(), installed)
        self.command("RemoteStartTransaction", {"idTag": "A1"}, ACCEPTED)
        self.stop(self.start())
        self.assertEqual(self.installed(), [])

    def test_corrected(self) -> None:
        """
        An operator corrects what is known, and forgets it.
        """
        order = {
            "connectorId": 2,
            "csChargingProfiles": {
                "chargingProfileId": 9,
                "stackLevel": 1,
                "chargingProfilePurpose": "TxDefaultProfile",
                "chargingProfileKind": "Absolute",
                "chargingSchedule": {
                    "chargingRateUnit": "A",
                    "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6}],
                },
            },
        }
        self.install(1)
        for number in (1, 77):
            put = self.backend.put_charging_profile(
                number, {"identity": "CP1", **order}
            )
            shown = self.wait(put)
            self.assertEqual(shown["id"], number)
            self.assertEqual(
                shown["csChargingProfiles"], order["csChargingProfiles"]
            )
        self.assertEqual(self.installed(), [9])
        self.wait(self.backend.delete_charging_profile(77))
        for gone in (
            self.backend.delete_charging_profile(77),
            self.backend.charging_profile(77),
        ):
            failed = Deferred.fromCoroutine(gone)
            self.failureResultOf(failed, NotFound)
        for wrong in (
            {**order, "identity": ""},
            {**order, "identity": "CP1", "colour": "red"},
            {"identity": "CP1", "connectorId": 1, "csChargingProfiles": {}},
        ):
            put = Deferred.fromCoroutine(
                self.backend.put_charging_profile(1, wrong)
            )
            self.failureResultOf(put, BadRequest)

    def test_replaced(self) -> None:
        """
        One of the same id, or of the same purpose and level on the
        connector, is replaced.
        """
        self.install(1)
        self.install(1, level=5)
        self.assertEqual(self.installed(), [1])
        self.install(2, level=5)
        self.assertEqual(self.installed(), [2])
        self.install(3, level=4)
        self.install(4, level=5, connector=2)
        self.install(5, level=5, purpose="TxProfile")
        self.assertEqual(self.installed(), [2, 3, 4, 5])

    def test_cleared(self) -> None:
        """
        What meets all criteria is cleared; none is all.
        """
        for criteria, left in (
            ({"id": 1}, [2, 3]),
            ({"id": 1, "connectorId": 9}, [2, 3]),
            ({"connectorId": 2}, [1, 3]),
            ({"stackLevel": 1, "connectorId": 1}, [1, 2]),
            ({"chargingProfilePurpose": "TxProfile"}, [1, 2, 3]),
            ({}, []),
        ):
            self.install(1)
            self.install(2, connector=2)
            self.install(3, level=1)
            self.clear(**criteria)
            self.assertEqual(self.installed(), left, criteria)

    def test_ends_with_transaction(self) -> None:
        """
        A TxProfile ends with the transaction on its connector.
        """
        self.install(1, purpose="TxProfile")
        self.install(2, purpose="TxProfile", connector=2)
        self.install(3)
        self.stop(self.start())
        self.assertEqual(self.installed(), [2, 3])

    def test_local_list(self) -> None:
        """
        The version of a station's local list is kept.
        """
        order = {"listVersion": 4, "updateType": "Full"}
        self.command("SendLocalList", order, {"status": "Failed"})
        self.command("SendLocalList", order, ACCEPTED)
        self.command("GetLocalListVersion", {}, {"listVersion": 5})
        self.command("SendLocalList", {**order, "listVersion": 6}, ACCEPTED)
        rows = self.backend.database.read(
            lambda db: db.execute("SELECT * FROM local_lists").fetchall()
        )
        self.assertEqual(self.wait(rows), [("CP1", 6, NOW * 1000)])

    def test_no_consequence(self) -> None:
        """
        Other commands change nothing here.
        """
        self.command("Reset", {"type": "Soft"}, ACCEPTED)


class ListTests(World, SynchronousTestCase):
    """
    Lists of transactions.
    """

    def test_pages(self) -> None:
        """
        Pages go on where they left off, whatever comes in between.
        """
        for n in range(5):
            self.start(n)
        first = self.wait(self.backend.transactions(2))
        self.start(9)
        second = self.wait(self.backend.transactions(2, first.next))
        third = self.wait(self.backend.transactions(2, second.next))
        self.assertEqual(
            [
                [item["transactionId"] for item in page.items]
                for page in (first, second, third)
            ],
            [[5, 4], [3, 2], [1]],
        )
        self.assertIsNone(third.next)

    def test_filters(self) -> None:
        """
        Transactions are found by station, tag, time, state and suspicion.
        """
        self.stop(self.start(0, idTag="A"), meterStop=500)
        self.start(100, identity="CP2", idTag="B")
        for filters, numbers in (
            ({}, [2, 1]),
            ({"identity": "CP2"}, [2]),
            ({"identity": "cp2"}, []),
            ({"idTag": "a"}, [1]),
            ({"active": "true"}, [2]),
            ({"active": "false"}, [1]),
            ({"suspect": "true"}, [1]),
            ({"suspect": "false"}, [2]),
            ({"from": at(50)}, [2]),
            ({"to": at(50)}, [1]),
            ({"from": at(0), "to": at(101)}, [2, 1]),
        ):
            self.assertEqual(self.transactions(**filters), numbers, filters)

    def test_nonsense(self) -> None:
        """
        What makes no sense is refused by its name.
        """
        number = self.start()
        for filters in (
            {"active": "maybe"},
            {"from": "yesterday"},
            {"colour": "blue"},
        ):
            with self.assertRaises(BadRequest) as caught:
                self.transactions(**filters)
            self.assertIn(next(iter(filters)), str(caught.exception))
        for cursor in ("x", "-1", "", "1;", "9" * 30):
            with self.assertRaises(BadRequest):
                self.wait(self.backend.transactions(10, cursor))
            with self.assertRaises(BadRequest):
                self.wait(self.backend.meter_values(number, 10, cursor))
        for limit in (0, -1, 1001):
            with self.assertRaises(BadRequest):
                self.wait(self.backend.transactions(limit))

    def test_unknown(self) -> None:
        """
        What there is not is not found.
        """
        for number in (1, 0, -5, 2**80):
            with self.assertRaises(NotFound):
                self.transaction(number)
            with self.assertRaises(NotFound):
                self.samples(number)


class TroubleTests(World, SynchronousTestCase):
    """
    A database that cannot write.
    """

    def setUp(self) -> None:
        self.settings = {"path": self.mktemp()}
        super().setUp()

    def limit(self, pages: int) -> None:
        self.wait(
            self.backend.database.write(
                lambda db: db.execute(
                    f"PRAGMA max_page_count = {pages}"
                ).fetchall()
            )
        )

    def test_full(self) -> None:
        """
        On a full disk stations are asked to try again, without a word of
        SQL; afterwards all is as if they had been late.
        """
        number = self.start()
        self.limit(1)
        data = [
            {
                "timestamp": at(60),
                "sampledValue": [
                    {"value": "A" * 500_000, "format": "SignedData"}
                ],
            }
        ]
        meter = {
            "connectorId": 1,
            "transactionId": number,
            "meterValue": data,
        }
        with self.assertRaises(BackendUnavailable) as caught:
            self.ask("MeterValues", meter)
        self.assertEqual(str(caught.exception), "the disk is full")
        with self.assertRaises(BackendUnavailable):
            self.stop(number, transactionData=data)
        self.assertTrue(self.transaction(number)["active"])
        self.assertEqual(self.ask("Heartbeat", {}), {"currentTime": at(3600)})
        self.limit(100_000)
        self.ask("MeterValues", meter)
        self.stop(number)
        self.assertEqual(len(self.samples(number)), 1)
        self.assertFalse(self.transaction(number)["active"])
