"""
Those who watch what happens, by HTTP.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.testing import StringTransport

from ocpp_tw.events import TICK
from ocpp_tw.messagelog import Entry
from ocpp_tw.transports.rest import live

from .world import World


def heartbeat(identity: str = "CP1") -> Entry:
    return Entry(
        0.0,
        identity,
        "in",
        "1",
        "Heartbeat",
        b'[2,"1","Heartbeat",{}]',
        b'[3,"1",{}]',
        0.1,
        None,
    )


class LiveTests(World):
    """
    C{GET /events}.
    """

    def watch(self, query: str = "", *headers: str) -> StringTransport:
        transport = self.connect()
        lines = [
            f"GET /api/v1/events{query} HTTP/1.1",
            "Host: localhost",
            *headers,
        ]
        request = "\r\n".join([*lines, "", ""]).encode()
        protocol: Any = transport.protocol  # type: ignore[attr-defined]
        protocol.dataReceived(request)
        return transport

    def leave(self, transport: Any) -> None:
        from twisted.internet.error import ConnectionDone
        from twisted.python.failure import Failure

        transport.protocol.connectionLost(Failure(ConnectionDone()))

    def test_stream(self) -> None:
        """
        Stations that come and go, and what they say, are told as it happens.
        """
        transport = self.watch()
        station = self.station("CP1")
        self.journal.note(heartbeat())
        self.gone(station)
        self.clock.advance(TICK)
        head, _, body = transport.value().partition(b"\r\n\r\n")
        self.assertIn(b"Content-Type: text/event-stream", head)
        for type in (b"connected", b"message", b"disconnected"):
            self.assertIn(b"event: %b\n" % type, body)

    def test_filters(self) -> None:
        """
        Only the stations and types asked for are told.
        """
        transport = self.watch("?identity=CP2&type=message&identity=CP3")
        self.station("CP2")
        self.journal.note(heartbeat("CP1"))
        self.journal.note(heartbeat("CP3"))
        self.clock.advance(TICK)
        self.assertEqual(transport.value().count(b"event: "), 1)
        self.assertIn(b'"CP3"', transport.value())

    def test_bad_query(self) -> None:
        """
        Unknown parameters and types are refused.
        """
        for query in ("?colour=red", "?type=weather"):
            self.assertEqual(self.ask("GET", f"/events{query}").status, 400)

    def test_silence(self) -> None:
        """
        Where nothing happens there is a comment now and then.
        """
        transport = self.watch()
        self.clock.pump([1] * (live.HEARTBEAT + 1))
        self.assertIn(b": still here\n\n", transport.value())

    def test_slow_reader(self) -> None:
        """
        Who does not read is sent nothing, is told of the gap when it reads
        again, and is dropped when it never does.
        """
        from ocpp_tw import events

        self.patch(events, "MOST", 2)
        transport = self.watch()
        transport.producer.pauseProducing()
        for _ in range(5):
            self.journal.note(heartbeat())
        self.clock.advance(TICK)
        self.assertNotIn(b"event: ", transport.value())
        transport.producer.resumeProducing()
        self.clock.pump([TICK] * 2)
        self.assertIn(b'event: gap\ndata: {"missed":3}', transport.value())
        self.assertEqual(transport.value().count(b"event: message"), 2)
        transport.producer.pauseProducing()
        self.clock.pump([1] * (live.STALLED + 1))
        self.assertTrue(transport.disconnecting or transport.disconnected)

    def test_resume(self) -> None:
        """
        With Last-Event-ID the stream goes on where it was.
        """
        first = self.watch()
        self.journal.note(heartbeat("CP1"))
        self.clock.advance(TICK)
        [last] = [
            line
            for line in first.value().decode().splitlines()
            if line.startswith("id: ")
        ]
        self.leave(first)
        self.journal.note(heartbeat("CP2"))
        self.clock.advance(TICK)
        second = self.watch("", f"Last-Event-ID: {last[4:]}")
        self.clock.advance(TICK)
        self.assertIn(b'"CP2"', second.value())
        self.assertNotIn(b'"CP1"', second.value())

    def test_leaving(self) -> None:
        """
        Who has gone is not watching any more.
        """
        transport = self.watch()
        self.assertEqual(len(self.journal.events), 1)
        self.leave(transport)
        self.assertEqual(len(self.journal.events), 0)

    def test_most(self) -> None:
        """
        Only so many may watch.
        """
        self.patch(live, "MOST", 1)
        self.watch()
        answer = self.ask("GET", "/events")
        self.assertEqual(answer.status, 429)
        self.assertEqual(answer.header("Retry-After"), "60")
