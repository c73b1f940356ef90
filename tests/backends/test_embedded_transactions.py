"""
Tests for L{ocpp_tw.backends.embedded.transactions}.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.errors import Conflict, NotFound

from .embedded import World, at


class StartTests(World, SynchronousTestCase):
    """
    StartTransaction.
    """

    def test_record(self) -> None:
        """
        A transaction runs from its start on, with what the station said.
        """
        number = self.start(reservationId=7)
        self.assertEqual(
            self.transaction(number),
            {
                "transactionId": 1,
                "identity": "CP1",
                "connectorId": 1,
                "idTag": "A1",
                "idTagStatus": "Accepted",
                "meterStart": 1000,
                "startTime": at(0),
                "startTimeSent": at(0),
                "reservationId": 7,
                "suspect": [],
                "active": True,
                "keptAside": [],
            },
        )

    def test_repeated(self) -> None:
        """
        The same start is one transaction, even after the stop.
        """
        number = self.start()
        self.assertEqual(self.start(), number)
        self.stop(number)
        self.assertEqual(self.start(), number)
        self.assertEqual(self.transactions(), [number])
        self.assertEqual(self.transaction(number)["suspect"], ["startedAgain"])

    def test_not_repeated(self) -> None:
        """
        A start that differs in anything is another.
        """
        self.start()
        for members in (
            {"connectorId": 2},
            {"idTag": "A2"},
            {"meterStart": 1001},
            {"seconds": 1},
            {"identity": "CP2"},
        ):
            self.start(**members)
        self.assertEqual(len(self.transactions()), 6)

    def test_supersedes(self) -> None:
        """
        A new start on a connector closes what was left open there, and
        nothing else.
        """
        left = self.start(0)
        others = [
            self.start(0, connectorId=2),
            self.start(0, identity="CP2"),
        ]
        self.measure(1500, 300, left)
        new = self.start(600, meterStart=1600)
        self.assertEqual(
            self.transactions(active="true"), [new, *others[::-1]]
        )
        closed = self.transaction(left)
        self.assertEqual(closed["closed"], "Superseded")
        self.assertEqual(closed["suspect"], ["superseded"])
        self.assertEqual(closed["energy"], 500)
        self.assertEqual(closed["closedTime"], at(600))
        self.assertNotIn("stopReason", closed)

    def test_late_start_closes_nothing(self) -> None:
        """
        A start that was queued offline leaves alone what began later.
        """
        running = self.start(600)
        late = self.start(0, idTag="B")
        self.stop(late, 300)
        self.assertEqual(self.transactions(active="true"), [running])

    def test_reservation_of_nobody(self) -> None:
        """
        A reservation that is not known is kept as it was told.
        """
        number = self.start(reservationId=4711)
        self.assertEqual(self.transaction(number)["reservationId"], 4711)


class StopTests(World, SynchronousTestCase):
    """
    StopTransaction.
    """

    def test_record(self) -> None:
        """
        A stopped transaction has its energy and its end.
        """
        number = self.start()
        self.assertEqual(
            self.stop(number, idTag="a1", reason="Remote"),
            {"idTagInfo": {"status": "Accepted"}},
        )
        record = self.transaction(number)
        self.assertEqual(
            {k: record[k] for k in record if k.startswith(("stop", "meter"))},
            {
                "meterStart": 1000,
                "meterStop": 2000,
                "stopTime": at(600),
                "stopTimeSent": at(600),
                "stopReason": "Remote",
                "stopIdTag": "a1",
            },
        )
        self.assertEqual(record["energy"], 1000)
        self.assertFalse(record["active"])

    def test_without_reason(self) -> None:
        """
        No reason is Local, and no idTag is no idTagInfo.
        """
        number = self.start()
        self.assertEqual(self.stop(number), {})
        self.assertEqual(self.transaction(number)["stopReason"], "Local")

    def test_repeated(self) -> None:
        """
        The same stop again changes nothing, and its data is kept once.
        """
        number = self.start()
        data = [{"timestamp": at(300), "sampledValue": [{"value": "1500"}]}]
        self.stop(number, transactionData=data)
        before = self.transaction(number)
        self.stop(number, transactionData=data)
        self.assertEqual(self.transaction(number), before)
        self.assertEqual(self.values(number), ["1500"])

    def test_stopped_twice(self) -> None:
        """
        Another stop of a stopped transaction is kept beside it.
        """
        number = self.start()
        self.stop(number)
        self.stop(number, meterStop=9000)
        record = self.transaction(number)
        self.assertEqual(record["meterStop"], 2000)
        self.assertEqual(record["suspect"], ["stoppedTwice"])
        [kept] = record["keptAside"]
        self.assertIn('"meterStop":9000', kept["payload"])

    def test_late(self) -> None:
        """
        The stop of a transaction that was closed meanwhile is not lost.
        """
        superseded = self.start(0)
        self.start(600)
        closed = self.start(0, connectorId=2)
        self.wait(self.backend.close_transaction(closed, "gone"))
        for number in (superseded, closed):
            self.stop(number, 500)
            record = self.transaction(number)
            self.assertEqual(record["energy"], 1000)
            self.assertEqual(record["closed"], "Stopped")
            self.assertIn("lateStop", record["suspect"])

    def test_of_another_station(self) -> None:
        """
        A station never touches the transaction of another.
        """
        number = self.start(identity="CP2")
        self.assertEqual(self.stop(number, identity="CP1"), {})
        record = self.transaction(number)
        self.assertTrue(record["active"])
        self.assertEqual(record["keptAside"][0]["identity"], "CP1")

    def test_without_id(self) -> None:
        """
        An id of -1 or 0 means the station's open transaction, flagged.
        """
        for nothing in (-1, 0):
            number = self.start(nothing)
            self.stop(nothing, 600 + nothing)
            record = self.transaction(number)
            self.assertEqual(record["energy"], 1000)
            self.assertEqual(record["suspect"], ["guessedTransaction"])

    def test_without_id_by_tag(self) -> None:
        """
        Among several open transactions the id tag tells which one.
        """
        first = self.start(connectorId=1, idTag="A")
        second = self.start(connectorId=2, idTag="B")
        self.stop(-1, idTag="b")
        self.assertEqual(self.transactions(active="true"), [first])
        self.assertEqual(self.transactions(active="false"), [second])

    def test_guess_repeated(self) -> None:
        """
        A stop without id that comes again does not hit another transaction.
        """
        first = self.start(connectorId=1)
        self.stop(-1)
        second = self.start(connectorId=2)
        self.stop(-1)
        self.assertFalse(self.transaction(first)["active"])
        self.assertTrue(self.transaction(second)["active"])

    def test_two_offline(self) -> None:
        """
        Two stops without id that differ in their tag are two stops.
        """
        numbers = [
            self.start(idTag="A"),
            self.start(connectorId=2, idTag="B"),
        ]
        self.stop(-1, idTag="A")
        self.stop(-1, idTag="B")
        self.assertEqual(self.transactions(active="false"), numbers[::-1])

    def test_ambiguous(self) -> None:
        """
        A stop that fits more than one transaction is kept aside, once, with
        its data.
        """
        numbers = [self.start(connectorId=1), self.start(connectorId=2)]
        data = [{"timestamp": at(300), "sampledValue": [{"value": "1500"}]}]
        for _ in range(2):
            self.stop(-1, transactionData=data)
        self.assertEqual(self.transactions(active="true"), numbers[::-1])
        kept, rows = self.wait(
            self.backend.database.read(
                lambda db: (
                    db.execute("SELECT identity, action FROM kept_aside"),
                    db.execute("SELECT value FROM samples"),
                )
            )
        )
        self.assertEqual(list(kept), [("CP1", "StopTransaction")])
        self.assertEqual(list(rows), [("1500",)])

    def test_unknown_id_and_other_tag(self) -> None:
        """
        A stop with an unknown id and another's tag is nobody's.
        """
        number = self.start(idTag="A")
        self.stop(4711, idTag="B")
        self.assertTrue(self.transaction(number)["active"])

    def test_data(self) -> None:
        """
        transactionData is kept by sample, in the order of its times.
        """
        number = self.start()
        self.stop(
            number,
            transactionData=[
                {"timestamp": at(600), "sampledValue": [{"value": "2000"}]},
                {
                    "timestamp": at(0),
                    "sampledValue": [
                        {"value": "1000", "context": "Transaction.Begin"},
                        {
                            "value": "16.0",
                            "measurand": "Current.Import",
                            "phase": "L1",
                            "unit": "A",
                            "location": "EV",
                        },
                    ],
                },
            ],
        )
        self.assertEqual(self.values(number), ["1000", "16.0", "2000"])
        self.assertEqual(
            self.samples(number)[1],
            {
                "time": at(0),
                "connectorId": 1,
                "measurand": "Current.Import",
                "value": "16.0",
                "unit": "A",
                "phase": "L1",
                "context": "Sample.Periodic",
                "location": "EV",
                "format": "Raw",
                "suspect": None,
            },
        )


class MeterTests(World, SynchronousTestCase):
    """
    MeterValues.
    """

    def test_defaults(self) -> None:
        """
        A bare value is the energy register in Wh (section 7.43).
        """
        number = self.start()
        self.measure(1100, 60, number)
        [sample] = self.samples(number)
        self.assertEqual(
            (sample["measurand"], sample["unit"], sample["context"]),
            ("Energy.Active.Import.Register", "Wh", "Sample.Periodic"),
        )

    def test_order(self) -> None:
        """
        Samples are in the order of their times, then of their arrival.
        """
        number = self.start()
        for value, seconds in ((1200, 120), (1100, 60), (1201, 120)):
            self.measure(value, seconds, number)
        self.assertEqual(self.values(number), ["1100", "1200", "1201"])

    def test_without_transaction(self) -> None:
        """
        Values without a transaction belong to the one of their connector at
        their time.
        """
        first = self.start(0)
        self.measure(1100, 60)
        self.stop(first, 100)
        second = self.start(200)
        self.measure(1150, 80)
        self.measure(1160, 150)
        self.measure(1200, 260)
        self.measure(1200, 260, connector=2)
        self.measure(1200, 260, identity="CP2")
        self.assertEqual(self.values(first), ["1100", "1150"])
        self.assertEqual(self.values(second), ["1200"])

    def test_before_the_start(self) -> None:
        """
        What arrives before the start it belongs to is found at the stop.
        """
        self.measure(1100, 60)
        number = self.start(0)
        self.assertEqual(self.values(number), [])
        self.stop(number)
        self.assertEqual(self.values(number), ["1100"])

    def test_transaction_of_another(self) -> None:
        """
        Values never reach the transaction of another station.
        """
        other = self.start(identity="CP2")
        self.measure(1100, 60, other, identity="CP2")
        number = self.start(identity="CP1")
        self.measure(9000, 70, other, identity="CP1")
        self.assertEqual(self.values(other), ["1100"])
        [sample] = self.samples(number)
        self.assertEqual(sample["suspect"], "unknownTransaction")

    def test_after_the_stop(self) -> None:
        """
        Values that come after the stop are kept, and weighed again.
        """
        number = self.start()
        self.stop(number)
        self.measure(5000, 300, number)
        self.assertEqual(self.values(number), ["5000"])
        self.assertIn("runningBackwards", self.transaction(number)["suspect"])

    def test_pages(self) -> None:
        """
        Samples come in pages, also where one message is cut in two.
        """
        number = self.start()
        self.ask(
            "MeterValues",
            {
                "connectorId": 1,
                "transactionId": number,
                "meterValue": [
                    {
                        "timestamp": at(minute * 60),
                        "sampledValue": [
                            {"value": str(1000 + 10 * minute + i)}
                            for i in range(3)
                        ],
                    }
                    for minute in range(3)
                ],
            },
        )
        found, cursor = [], None
        for _ in range(5):
            page = self.wait(self.backend.meter_values(number, 2, cursor))
            found += [sample["value"] for sample in page.items]
            cursor = page.next
        self.assertIsNone(cursor)
        self.assertEqual(found, self.values(number))
        self.assertEqual(len(found), 9)

    def test_base_units(self) -> None:
        """
        Numbers are kept in base units beside what was sent.
        """
        number = self.start(meterStart=0)
        self.ask(
            "MeterValues",
            {
                "connectorId": 1,
                "transactionId": number,
                "meterValue": [
                    {
                        "timestamp": at(60),
                        "sampledValue": [
                            {"value": " 0.5", "unit": "kWh"},
                            {
                                "value": "7.4",
                                "unit": "kW",
                                "measurand": "Power.Active.Import",
                            },
                        ],
                    }
                ],
            },
        )
        rows = self.wait(
            self.backend.database.read(
                lambda db: db.execute(
                    "SELECT value, number FROM samples"
                ).fetchall()
            )
        )
        self.assertEqual(rows, [(" 0.5", 500.0), ("7.4", 7400.0)])


class CloseTests(World, SynchronousTestCase):
    """
    Closing a record whose station never will.
    """

    def test_close(self) -> None:
        """
        A closed record keeps the energy that is known, and the reason.
        """
        number = self.start()
        self.measure(1700, 300, number)
        self.clock.advance(3600)
        record = self.wait(self.backend.close_transaction(number, "scrapped"))
        self.assertEqual(
            (record["closed"], record["closeReason"], record["energy"]),
            ("Closed", "scrapped", 700),
        )
        self.assertEqual(record["closedTime"], at(7200))
        self.assertEqual(record["suspect"], ["closedByOperator"])

    def test_closed(self) -> None:
        """
        What is closed cannot be closed, nor what there is not.
        """
        number = self.start()
        self.stop(number)
        with self.assertRaises(Conflict):
            self.wait(self.backend.close_transaction(number, ""))
        for unknown in (4711, -1, 2**70):
            with self.assertRaises(NotFound):
                self.wait(self.backend.close_transaction(unknown, ""))


class HistoryTests(World, SynchronousTestCase):
    """
    Years of transactions on one connector.
    """

    def steps(self, seconds: int) -> int:
        """
        How many steps SQLite needs for one session.
        """
        taken = [0]

        def step() -> None:
            taken[0] += 1

        def watch(by: Callable[[], None] | None) -> None:
            self.wait(
                self.backend.database.write(
                    lambda db: db.set_progress_handler(by, 1)
                )
            )

        watch(step)
        number = self.start(seconds)
        self.measure(1500, seconds + 1, number)
        self.stop(number, seconds + 2)
        watch(None)
        return taken[0]

    def test_no_slower(self) -> None:
        """
        The next one costs what the first did.
        """
        self.steps(0)
        first = self.steps(10)
        for n in range(2, 200):
            self.stop(self.start(10 * n), 10 * n + 2)
        self.assertLess(self.steps(3000), first * 1.2)
