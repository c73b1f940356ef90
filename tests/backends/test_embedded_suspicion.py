"""
Tests for L{ocpp_tw.backends.embedded.suspicion}, seen from a station.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.backends.embedded import suspicion
from ocpp_tw.backends.embedded.suspicion import assess

from .embedded import NOW, World, at


class TransactionTests(World, SynchronousTestCase):
    """
    What is suspect about a transaction: stored and flagged, never refused.
    """

    def suspect(self, number: int) -> list[str]:
        return self.transaction(number)["suspect"]

    def energy(self, number: int) -> int | None:
        return self.transaction(number)["energy"]

    def test_nothing(self) -> None:
        """
        An ordinary transaction is not suspect.
        """
        number = self.start()
        for minute in range(10):
            self.measure(1000 + 100 * minute, 60 * minute, number)
        self.stop(number)
        self.assertEqual(self.suspect(number), [])
        self.assertEqual(
            {sample["suspect"] for sample in self.samples(number)}, {None}
        )

    def test_negative_energy(self) -> None:
        """
        A meter that stops below its start.
        """
        number = self.start()
        self.stop(number, meterStop=900)
        self.assertEqual(
            self.suspect(number), ["negativeEnergy", "runningBackwards"]
        )
        self.assertEqual(self.energy(number), -100)

    def test_stop_before_start(self) -> None:
        """
        A stop that happened before the start.
        """
        number = self.start(600)
        self.stop(number, 0)
        self.assertEqual(self.suspect(number), ["stopBeforeStart"])

    def test_backwards(self) -> None:
        """
        A register that runs backwards is seen at once, and the sample told.
        """
        number = self.start()
        for minute, register in enumerate((1100, 1300, 1200, 1400)):
            self.measure(register, minute * 60, number)
        self.assertEqual(self.suspect(number), ["runningBackwards"])
        self.assertEqual(
            [sample["suspect"] for sample in self.samples(number)],
            [None, None, "runningBackwards", None],
        )
        self.stop(number)
        self.assertEqual(self.suspect(number), ["runningBackwards"])
        self.assertEqual(self.energy(number), 1000)

    def test_backwards_after_restart(self) -> None:
        """
        It is seen as well when the start is not remembered.
        """
        number = self.start()
        self.measure(1500, 60, number)
        self.backend._meters.clear()
        self.measure(1400, 120, number)
        self.assertEqual(self.suspect(number), ["runningBackwards"])

    def test_late_is_not_backwards(self) -> None:
        """
        What only arrives late does not run backwards.
        """
        number = self.start()
        self.measure(1300, 180, number)
        self.measure(1100, 60, number)
        self.stop(number)
        self.assertEqual(self.suspect(number), [])

    def test_jump(self) -> None:
        """
        A register that jumps further than any vehicle charges.
        """
        number = self.start()
        self.measure(900_000, 60, number)
        self.assertEqual(self.suspect(number), ["implausibleJump"])
        [sample] = self.samples(number)
        self.assertEqual(sample["suspect"], "implausibleJump")

    def test_zero_begin(self) -> None:
        """
        A transaction that claims to begin at 0 and goes on at 910 kWh is not
        910 kWh of energy.
        """
        number = self.start(meterStart=0)
        self.measure(910_000, 60, number)
        self.stop(number, meterStop=910_083)
        self.assertEqual(self.energy(number), 83)
        self.assertIn("zeroBegin", self.suspect(number))

    def test_zero_begin_without_samples(self) -> None:
        """
        Where nothing else is known there is no energy to speak of.
        """
        number = self.start(meterStart=0)
        self.stop(number, meterStop=910_083)
        record = self.transaction(number)
        self.assertNotIn("energy", record)
        self.assertEqual(record["suspect"], ["zeroBegin"])

    def test_zero_is_a_register(self) -> None:
        """
        A meter that counts from 0 for each transaction is not suspect.
        """
        number = self.start(meterStart=0)
        self.measure(0, 0, number)
        self.measure(500, 60, number)
        self.stop(number, meterStop=1000)
        self.assertEqual(self.suspect(number), [])
        self.assertEqual(self.energy(number), 1000)

    def test_times(self) -> None:
        """
        A time that cannot be is kept as sent; that of receipt stands for it.
        """
        for connector, (sent, word) in enumerate(
            (
                (at(3600 + 301), "futureTime"),
                ("1970-01-01T00:00:05Z", "ancientTime"),
                ("2009-12-31T23:59:59Z", "ancientTime"),
                ("", "unreadableTime"),
                ("soon", "unreadableTime"),
            ),
            1,
        ):
            number = self.start(timestamp=sent, connectorId=connector)
            record = self.transaction(number)
            self.assertEqual(record["suspect"], [word])
            self.assertEqual(record["startTime"], at(3600))
            self.assertEqual(record["startTimeSent"], sent)

    def test_good_times(self) -> None:
        """
        Times without a zone, with another, or a little ahead are times.
        """
        for connector, (sent, time) in enumerate(
            (
                ("2026-09-21T14:13:20", at(0)),
                ("2026-09-21 14:13:20.5Z", at(0.5)),
                ("2026-09-21T16:13:20+02:00", at(0)),
                (at(3600 + 299), at(3600 + 299)),
            ),
            1,
        ):
            number = self.start(timestamp=sent, connectorId=connector)
            record = self.transaction(number)
            self.assertEqual(
                (record["suspect"], record["startTime"]), ([], time)
            )

    def test_out_of_range(self) -> None:
        """
        A number that no meter shows is kept as far as it goes.
        """
        number = self.start(meterStart=2**64 - 1)
        self.assertEqual(self.suspect(number), ["outOfRange"])
        self.assertEqual(self.transaction(number)["meterStart"], 2**53)

    def test_negative_register(self) -> None:
        """
        A meter below zero.
        """
        number = self.start(meterStart=-5)
        self.assertEqual(self.suspect(number), ["negativeRegister"])


class SampleTests(World, SynchronousTestCase):
    """
    What is suspect about a sample.
    """

    def suspect(self, time: str = at(60), **sample: Any) -> str | None:
        number = self.start(0)
        self.ask(
            "MeterValues",
            {
                "connectorId": 1,
                "transactionId": number,
                "meterValue": [{"timestamp": time, "sampledValue": [sample]}],
            },
        )
        found = self.samples(number)[-1]
        self.assertEqual(found["value"], sample["value"])
        return found["suspect"]

    def test_values(self) -> None:
        """
        What is no number is flagged and kept, signed data is neither.
        """
        for value in ("", "nan", "-inf", "1_000", "12,5", "AAA="):
            self.assertEqual(self.suspect(value=value), "notANumber", value)
        self.assertIsNone(self.suspect(value="AAA=", format="SignedData"))
        self.assertIsNone(self.suspect(value=" 1001.0 "))

    def test_negative(self) -> None:
        """
        A register below zero is suspect, a power below zero is not.
        """
        self.assertEqual(self.suspect(value="-1"), "negativeRegister")
        self.assertIsNone(
            self.suspect(value="-1", measurand="Power.Active.Import")
        )

    def test_out_of_range(self) -> None:
        """
        A register that no meter shows is kept, and does no harm.
        """
        for value, unit in (("1e300", "Wh"), ("1e308", "kWh"), ("1e16", "")):
            found = self.suspect(value=value, unit=unit)
            self.assertEqual(found, "outOfRange")
        self.stop(1)
        self.assertEqual(self.transaction(1)["energy"], 1000)

    def test_registers_of_phases(self) -> None:
        """
        Only the register of all phases, at the outlet, is the register.
        """
        for other in ({"phase": "L1"}, {"location": "Inlet"}):
            self.assertIsNone(self.suspect(value="300", **other))
        self.assertEqual(self.suspect(value="300"), "runningBackwards")

    def test_times(self) -> None:
        """
        The time of a sample is weighed as that of a start.
        """
        for time, word in (
            ("1970-01-01T00:00:00Z", "ancientTime"),
            ("9999-12-31T23:59:59Z", "futureTime"),
            ("", "unreadableTime"),
        ):
            self.assertEqual(self.suspect(time, value="1100"), word)

    def test_odd_names(self) -> None:
        """
        Units and measurands of the maker's own are kept as they are.
        """
        self.assertIsNone(
            self.suspect(value="50", unit="Hz", measurand="Frequency!")
        )


class RuleTests(SynchronousTestCase):
    """
    The rules themselves.
    """

    def test_course(self) -> None:
        """
        Samples stand in for a stop that is not known.
        """
        readings = [(NOW + 1, 150.0)]
        self.assertEqual(assess(100, NOW, None, None, readings), (50, set()))

    def test_nothing_known(self) -> None:
        """
        A start alone is no energy.
        """
        self.assertEqual(assess(100, NOW, None, None, []), (None, set()))

    def test_documented(self) -> None:
        """
        Operators can look up every word.
        """
        docs = Path(__file__).parents[2] / "docs" / "suspect-data.md"
        text = docs.read_text()
        words = [
            value
            for name, value in vars(suspicion).items()
            if name.isupper() and isinstance(value, str)
        ]
        self.assertGreater(len(words), 10)
        for word in words:
            self.assertIn(f"`{word}`", text)
