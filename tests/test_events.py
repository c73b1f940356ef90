"""
Tests for what those who watch are told.
"""

from __future__ import annotations

import orjson
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw import events
from ocpp_tw.events import LINGER, TICK, Events, Wanted
from ocpp_tw.fleet import Fleet
from ocpp_tw.messagelog import Backlog, Entry


ALL = Wanted()


def entry(identity="CP1", action="Heartbeat", call="{}", reply="{}") -> Entry:
    frame = f'[2,"1","{action}",{call}]'.encode()
    answer = f'[3,"1",{reply}]'.encode()
    return Entry(0.0, identity, "in", "1", action, frame, answer, 0.1, None)


def read(octets: bytes) -> list[tuple[str, dict]]:
    """
    The events of a stream: type and data.
    """
    found = []
    for block in octets.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        if "event" in fields:
            found.append((fields["event"], orjson.loads(fields["data"])))
    return found


class EventsTests(SynchronousTestCase):
    """
    L{Events}.
    """

    def setUp(self):
        self.clock = Clock()
        self.clock.advance(1_760_000_000)
        self.messages = Backlog()
        self.fleet = Fleet()
        self.events = Events(self.clock, self.fleet, self.messages)
        self.addCleanup(self.events.stop)
        self.told = 0

    def watch(self):
        def tell():
            self.told += 1

        return self.events.watch(tell)

    def types(self, position, wanted=ALL):
        octets, _ = self.events.after(position, wanted)
        return [type for type, _ in read(octets)]

    def test_nobody_listens(self):
        """
        While nobody watches, a message is not looked at.
        """
        self.assertIs(self.messages.watch, None)
        self.messages.add(entry())
        self.assertEqual(self.events.last, 0)

    def test_message(self):
        """
        A message is told as the message log shows it, once for all.
        """
        self.watch()
        self.messages.add(entry())
        self.clock.advance(TICK)
        octets, position = self.events.after(0, ALL)
        [(type, data)] = read(octets)
        self.assertEqual((type, position), ("message", 1))
        self.assertEqual(data["call"], '[2,"1","Heartbeat",{}]')
        self.assertEqual(data["identity"], "CP1")
        self.assertNotIn("id", data)
        self.assertIs(self.events.after(0, Wanted())[0], octets)

    def test_status_and_transaction(self):
        """
        What a message means is told beside it.
        """
        self.watch()
        self.fleet.seen("CP1").connectors[1] = {"status": "Faulted"}
        self.messages.add(entry(action="StatusNotification"))
        self.messages.add(
            entry(action="StartTransaction", reply='{"transactionId":7}')
        )
        self.clock.advance(TICK)
        told = dict(read(self.events.after(0, ALL)[0]))
        self.assertEqual(
            told["status"]["connectors"],
            [{"connectorId": 1, "status": "Faulted"}],
        )
        self.assertEqual(told["transaction"]["answer"], {"transactionId": 7})

    def test_frames_that_are_no_json(self):
        """
        A transaction by SOAP is told without its payloads.
        """
        self.watch()
        soap = entry(action="StopTransaction")._replace(
            frame=b"<x/>", reply=None
        )
        self.messages.add(soap)
        self.clock.advance(TICK)
        told = dict(read(self.events.after(0, ALL)[0]))
        self.assertEqual(told["transaction"]["request"], None)

    def test_filters(self):
        """
        Only what is wanted is told; the position moves on all the same.
        """
        self.watch()
        self.messages.add(entry("CP1", "StatusNotification"))
        self.messages.add(entry("CP2"))
        self.clock.advance(TICK)
        of_cp2 = Wanted(frozenset({"CP2"}))
        self.assertEqual(self.types(0, of_cp2), ["message"])
        self.assertEqual(self.events.after(0, of_cp2)[1], 3)
        self.assertEqual(
            self.types(0, Wanted(types=frozenset({"status"}))), ["status"]
        )

    def test_resume(self):
        """
        Who comes back hears of what was missed, and of it only once.
        """
        leave = self.watch()
        self.messages.add(entry())
        self.clock.advance(TICK)
        octets, position = self.events.after(0, ALL)
        last_id = octets.decode().splitlines()[0].removeprefix("id: ")
        leave()
        self.messages.add(entry("CP2"))
        self.clock.advance(TICK)
        self.assertEqual(self.events.position(last_id), position)
        [(_, data)] = read(self.events.after(position, ALL)[0])
        self.assertEqual(data["identity"], "CP2")

    def test_resume_too_late(self):
        """
        Who comes back when nothing is kept any more is told of a gap.
        """
        leave = self.watch()
        self.messages.add(entry())
        self.clock.advance(TICK)
        _, position = self.events.after(0, ALL)
        leave()
        self.clock.pump([1] * (LINGER + 2))
        self.assertIs(self.messages.watch, None)
        self.assertEqual(self.types(position), ["gap"])

    def test_ids_of_others(self):
        """
        An id of another process, or none at all, leads to a gap.
        """
        for strange in ("0-1", "x", "", "-", "1-²", "9" * 5000):
            position = self.events.position(strange)
            self.assertEqual(self.types(position), ["gap"], strange)

    def test_bounds(self):
        """
        What is kept has a bound; who is further behind is told of a gap.
        """
        self.patch(events, "MOST", 3)
        self.watch()
        for _ in range(5):
            self.messages.add(entry())
        self.clock.advance(TICK)
        octets, position = self.events.after(1, ALL)
        self.assertEqual(read(octets), [("gap", {"missed": 1})])
        self.assertEqual(self.types(position), ["message"] * 3)

    def test_octets_are_bounded(self):
        """
        Long messages are forgotten sooner.
        """
        self.patch(events, "MOST_OCTETS", 2000)
        self.watch()
        for _ in range(3):
            self.messages.add(entry(call='"' + "x" * 900 + '"'))
        self.clock.advance(TICK)
        self.assertEqual(self.types(2), ["message"])

    def test_flood(self):
        """
        Of too many messages at once the rest are counted only.
        """
        self.patch(events, "AT_ONCE", 2)
        self.watch()
        for _ in range(5):
            self.messages.add(entry())
        self.clock.advance(TICK)
        octets, position = self.events.after(0, ALL)
        self.assertEqual(
            read(octets)[1:], [read(octets)[1], ("gap", {"missed": 3})]
        )
        self.assertEqual(position, 5)

    def test_flood_of_others(self):
        """
        Of too many that happened in other workers the rest are counted only,
        however long it takes to tell of the others.
        """
        self.patch(events, "MOST", 3)
        self.watch()
        happened = [("connected", f"CP{n}", {}) for n in range(4)]
        self.events.overhear(happened)
        self.events.overhear(happened)
        self.clock.advance(TICK)
        [*_, last] = read(self.events.after(1, ALL)[0])
        self.assertEqual(last, ("gap", {"missed": 5}))

    def test_slices(self):
        """
        However many events there are, and however many who watch: all are
        told of all.
        """
        told = []
        for number in range(25):
            self.events.watch(lambda number=number: told.append(number))
            self.messages.add(entry())
        self.clock.advance(TICK)
        self.assertEqual(told, [*range(25)])
        self.assertEqual(len(self.types(0)), 25)

    def test_portions(self):
        """
        Much is given a part at a time.
        """
        self.patch(events, "PORTION", 10)
        self.watch()
        self.messages.add(entry())
        self.messages.add(entry())
        self.clock.advance(TICK)
        self.assertEqual(len(self.types(0)), 1)
        self.assertEqual(self.events.after(0, ALL)[1], 1)
