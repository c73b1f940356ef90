"""
The small parts of a charge point: clock, keys, tags, reservations, status.
"""

from __future__ import annotations

from hypothesis import given, strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.emulator.authorization import (
    CACHE_SIZE,
    AuthorizationCache,
    LocalList,
)
from ocpp_tw.emulator.clock import Agenda, FastClock
from ocpp_tw.emulator.connector import (
    TRANSITIONS,
    Connector,
    Impossible,
    may_become,
)
from ocpp_tw.emulator.keys import STANDARD, Given, Keys
from ocpp_tw.emulator.meter import Meter, Supply
from ocpp_tw.emulator.reservations import Reservation, Reservations
from ocpp_tw.emulator.transactions import (
    LONGEST_QUEUE,
    Message,
    Outbox,
    Transaction,
)


class ClockTests(SynchronousTestCase):
    def test_faster(self) -> None:
        """
        What is due after a minute is due after a second.
        """
        clock, done = Clock(), []
        fast = FastClock(clock, 60, start=1000.0)
        fast.callLater(60, done.append, 1)
        clock.advance(0.99)
        self.assertEqual(done, [])
        clock.advance(0.01)
        self.assertEqual((done, fast.seconds()), ([1], 1060.0))


class AgendaTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.done: list[tuple[float, str, int]] = []
        self.agenda = Agenda(
            self.clock,
            lambda what, n: self.done.append((self.clock.seconds(), what, n)),
        )

    def test_in_order(self) -> None:
        """
        Things are done when they are due, with one timer for all of them.
        """
        self.agenda.after(3, "c")
        self.agenda.after(1, "a")
        self.agenda.after(2, "b", 7)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        for _ in range(4):
            self.clock.advance(1)
        self.assertEqual(self.done, [(1, "a", 0), (2, "b", 7), (3, "c", 0)])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_replaced_and_forgotten(self) -> None:
        """
        A thing has one time, or none.
        """
        self.agenda.after(1, "a")
        self.agenda.after(5, "a")
        self.agenda.after(2, "b")
        self.agenda.forget("b")
        self.clock.advance(4)
        self.assertEqual(self.done, [])
        self.clock.advance(1)
        self.assertEqual(self.done, [(5, "a", 0)])

    def test_planned_meanwhile(self) -> None:
        """
        What is done may plan what follows.
        """
        agenda = Agenda(
            self.clock, lambda what, n: agenda.after(1, what, n + 1)
        )
        agenda.after(1, "x")
        self.clock.pump([1, 1, 1])
        self.assertIsNotNone(agenda.when("x", 3))

    def test_one_that_fails(self) -> None:
        """
        What goes wrong is logged, and the others come in their time.
        """
        clock, done = Clock(), []

        def do(what: str, number: int) -> None:
            done.append(what)
            if what == "bad":
                raise ValueError(what)

        agenda = Agenda(clock, do)
        for when, what in ((1, "bad"), (1, "good"), (2, "later")):
            agenda.at(when, what)
        clock.pump([1, 1])
        self.assertEqual(done, ["bad", "good", "later"])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)


class ConnectorTests(SynchronousTestCase):
    def test_table(self) -> None:
        """
        Only the transitions of the standard's table are possible.
        """
        for before in TRANSITIONS:
            for after in TRANSITIONS:
                connector = Connector(1, Meter(Supply.of("AC")), before)
                if before == after or may_become(before, after):
                    connector.become(after)
                else:
                    self.assertRaises(Impossible, connector.become, after)

    def test_the_whole(self) -> None:
        """
        Connector 0 never charges.
        """
        connector = Connector(0, Meter(Supply.of("AC")))
        self.assertRaises(Impossible, connector.become, "Charging")
        self.assertTrue(connector.become("Unavailable"))


class KeysTests(SynchronousTestCase):
    def test_defaults_are_valid(self) -> None:
        """
        The default of every key is a value that it may have.
        """
        for name, key in STANDARD.items():
            if key.default is not None:
                self.assertTrue(key.check(key.default), name)

    @given(st.sampled_from(sorted(STANDARD)), st.text(max_size=40))
    def test_any_value(self, name: str, value: str) -> None:
        """
        Whatever is written to a key, it is accepted or it is not.
        """
        keys = Keys()
        before = keys.get(name)
        status = keys.change(name, value)
        changed = status in ("Accepted", "RebootRequired")
        self.assertEqual(keys.get(name), value if changed else before)

    def test_operator_decides_what_is_readonly(self) -> None:
        """
        What an operator's file says of a key goes before the standard.
        """
        keys = Keys({"HeartbeatInterval": Given("60", readonly=True)})
        self.assertEqual(keys.change("HeartbeatInterval", "10"), "Rejected")

    def test_nonsense_in_the_file(self) -> None:
        """
        A number that is none is the default.
        """
        keys = Keys({"HeartbeatInterval": Given("often")})
        self.assertEqual(keys.number("HeartbeatInterval"), 600)


class TagTests(SynchronousTestCase):
    def test_cache_is_bounded(self) -> None:
        """
        The oldest tag goes when the cache is full.
        """
        cache = AuthorizationCache()
        for n in range(CACHE_SIZE + 1):
            cache.keep(f"T{n}", {"status": "Accepted"})
        self.assertEqual(len(cache), CACHE_SIZE)
        self.assertIsNone(cache.get("T0", 0.0))

    def test_expires(self) -> None:
        """
        An entry that is over is Expired.
        """
        cache = AuthorizationCache()
        cache.keep(
            "A", {"status": "Accepted", "expiryDate": "1970-01-01T00:01:00Z"}
        )
        told = [cache.get("a", now)["status"] for now in (59.0, 60.0)]  # type: ignore[index]
        self.assertEqual(told, ["Accepted", "Expired"])

    def test_list_is_bounded(self) -> None:
        """
        A list that is too long changes nothing.
        """
        known = LocalList()
        entries = [
            {"idTag": f"T{n}", "idTagInfo": {"status": "Accepted"}}
            for n in range(3)
        ]
        self.assertEqual(known.update(1, "Full", entries, 2), "Failed")
        self.assertEqual((len(known), known.version), (0, 0))


class ReservationsTests(SynchronousTestCase):
    def test_own_before_any(self) -> None:
        """
        A connector's own reservation is used before that of any.
        """
        held = Reservations()
        held.add(Reservation(1, 0, "A", 10.0))
        held.add(Reservation(2, 1, "a", 10.0))
        self.assertEqual(held.usable(1, "A").id, 2)  # type: ignore[union-attr]
        self.assertEqual(held.usable(2, "A").id, 1)  # type: ignore[union-attr]
        self.assertIsNone(held.usable(1, "B"))

    def test_survive(self) -> None:
        """
        Reservations are the same after they were kept.
        """
        held, again = Reservations(), Reservations()
        held.add(Reservation(1, 0, "A", 10.0, "P"))
        again.restore(held.as_json())
        self.assertEqual(list(held), list(again))


class OutboxTests(SynchronousTestCase):
    def test_is_bounded(self) -> None:
        """
        A queue that is too long loses meter values, and nothing else.
        """
        outbox = Outbox()
        transaction = Transaction(1, "A", 0.0, 0)
        outbox.add(Message("StartTransaction", {}, transaction))
        for _ in range(LONGEST_QUEUE * 2):
            outbox.add(Message("MeterValues", {}, transaction))
        outbox.add(Message("StopTransaction", {}, transaction))
        actions = [message.action for message in outbox]
        self.assertLessEqual(len(actions), LONGEST_QUEUE)
        self.assertEqual(
            (actions[0], actions[-1]), ("StartTransaction", "StopTransaction")
        )
