"""
Tests for L{ocpp_tw.transports.websocket} and L{ocpp_tw.transports.fastframes}
over sockets: odd but legal traffic, and illegal traffic; with the fast path,
and by Autobahn alone.
"""

from __future__ import annotations

import socket
import struct
import zlib
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ..frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Client,
    Frame,
    feed,
    frame,
    handshake,
    heartbeat,
    long_id,
    small_socket,
)
from ..process import WITHOUT_FAST_PATH, Server, server


#: The longest message that the server takes, in octets.
LONGEST = 65536

SETTINGS = {
    "CS_BACKEND_NAME": "memory",
    "CS_STATIONS_MESSAGE_SIZE": str(LONGEST),
}


def data_transfer(number: int, size: int) -> bytes:
    """
    A CALL of exactly so many octets.
    """
    head = b'[2,"%d","DataTransfer",{"vendorId":"v","data":"' % number
    return head + b"a" * (size - len(head) - 3) + b'"}]'


class Traffic:
    """
    What a station may do to a server; mixed into a test case for each way
    that frames are read.
    """

    before = ""
    server: Server

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = server(cls, cls.before, **SETTINGS)
        cls.server.start()

    def setUp(self: Any) -> None:
        self.addCleanup(self.assert_alive)

    def assert_alive(self: Any) -> None:
        """
        Whatever happened, other stations are served, and nothing broke.
        """
        other = self.client("/ocpp/Other")
        self.assertEqual(other.ask(heartbeat(1))[:2], [3, "1"])
        other.close()
        self.assertNotIn("Traceback", self.server.log)
        self.assertNotIn("Unhandled", self.server.log)

    def client(
        self: Any, path: str = "/ocpp/CP1", early: bytes = b""
    ) -> Client:
        client = Client(self.server.port).open(path, early)
        self.addCleanup(client.close)
        return client

    def assert_answered(self: Any, client: Client, *numbers: Any) -> None:
        """
        The next frames are answers to the CALLs of these ids.
        """
        answered = [client.read().json()[:2] for _ in numbers]
        self.assertEqual(answered, [[3, str(n)] for n in numbers])

    def assert_closed(
        self: Any, *frames: bytes, code: int | None, apart: bool = False
    ) -> None:
        """
        These frames end the connection, with that close code, unanswered.
        """
        client = self.client()
        for each in frames if apart else [b"".join(frames)]:
            client.send(each)
        got = list(client.rest())
        self.assertEqual([f.code for f in got], [code], got)

    # What is legal

    def test_plain(self: Any) -> None:
        """
        A CALL is answered.
        """
        client = self.client()
        client.send(frame(heartbeat(1)))
        self.assert_answered(client, 1)

    def test_same_segment_as_the_upgrade(self: Any) -> None:
        """
        Frames in the segment of the handshake are not lost, nor is the part
        of one.
        """
        last = frame(heartbeat(3))
        client = self.client(
            early=frame(heartbeat(1)) + frame(heartbeat(2)) + last[:5]
        )
        self.assert_answered(client, 1, 2)
        client.send(last[5:])
        self.assert_answered(client, 3)
        client.send(frame(heartbeat(4)))
        self.assert_answered(client, 4)

    def test_byte_by_byte(self: Any) -> None:
        """
        A frame may come octet by octet.
        """
        client = self.client()
        for octet in frame(heartbeat(1)):
            client.send(bytes([octet]))
        self.assert_answered(client, 1)

    def test_many_in_a_segment(self: Any) -> None:
        """
        Many frames in one segment are answered in order.
        """
        client = self.client()
        client.send(*(frame(heartbeat(n)) for n in range(100)))
        self.assert_answered(client, *range(100))

    def test_one_and_a_half(self: Any) -> None:
        """
        The rest of a frame may come later.
        """
        client = self.client()
        second = frame(heartbeat(2))
        client.send(frame(heartbeat(1)), second[:-5])
        self.assert_answered(client, 1)
        client.send(second[-5:])
        self.assert_answered(client, 2)

    def test_fragments(self: Any) -> None:
        """
        A message may come in fragments, with a ping between them.
        """
        client = self.client()
        call = heartbeat(1)
        client.send(frame(call[:5], final=False))
        client.send(frame(b"hi", PING))
        self.assertEqual(client.read(), Frame(PONG, b"hi"))
        client.send(frame(call[5:9], CONTINUATION, final=False))
        client.send(frame(call[9:], CONTINUATION))
        self.assert_answered(client, 1)

    def test_pings(self: Any) -> None:
        """
        A ping is answered with its payload; an unasked pong is not.
        """
        client = self.client()
        for payload in (b"", b"x" * 125):
            client.send(frame(payload, PING))
            self.assertEqual(client.read(), Frame(PONG, payload))
        client.send(frame(b"", PONG), frame(heartbeat(1)))
        self.assert_answered(client, 1)

    def test_lengths(self: Any) -> None:
        """
        Every way to write a length is understood.
        """
        client = self.client()
        for size in (125, 126, 127, 128, 3000, 16384, 65535, LONGEST):
            client.send(frame(data_transfer(size, size)))
            self.assert_answered(client, size)

    def test_utf8(self: Any) -> None:
        """
        Text is UTF-8, also where a character is split between fragments.
        """
        client = self.client()
        text = '[2,"1","DataTransfer",{"vendorId":"Zürich 🙂"}]'.encode()
        client.send(frame(text))
        self.assert_answered(client, 1)
        split = text.index(b"\xf0") + 2
        again = text.replace(b'"1"', b'"2"')
        client.send(frame(again[:split], final=False))
        client.send(frame(again[split:], CONTINUATION))
        self.assert_answered(client, 2)

    def test_not_compressed(self: Any) -> None:
        """
        No extension is negotiated, whatever is offered.
        """
        client = Client(self.server.port)
        self.addCleanup(client.close)
        client.send(
            handshake(
                "/ocpp/CP1",
                Sec_WebSocket_Extensions="permessage-deflate",
            )
        )
        self.assertNotIn(b"extensions", client.read_head().lower())
        client.send(frame(heartbeat(1)))
        self.assert_answered(client, 1)

    def test_close(self: Any) -> None:
        """
        A close frame is echoed, the connection ends, and what came after it
        is not answered.
        """
        client = self.client()
        client.send(frame(struct.pack("!H", 1000), CLOSE), frame(heartbeat(1)))
        self.assertEqual([f.code for f in client.rest()], [1000])

    def test_close_without_a_code(self: Any) -> None:
        """
        A close frame may be empty.
        """
        client = self.client()
        client.send(frame(b"", CLOSE))
        [answer] = client.rest()
        self.assertEqual(answer.opcode, CLOSE)

    # What is no message, but leaves the connection alive

    def test_empty_text(self: Any) -> None:
        """
        A frame without text is no reason to hang up.
        """
        client = self.client()
        client.send(frame(b""), frame(heartbeat(1)))
        self.assert_answered(client, 1)

    def test_no_message(self: Any) -> None:
        """
        What is no OCPP-J message does not end the connection.
        """
        client = self.client()
        for text in (b"x", b"{}", b"[]", b"[2]", b"[" * 9000, b"\0", b"null"):
            client.send(frame(text))
        client.send(frame(heartbeat(1)))
        self.assert_answered(client, 1)

    # What is illegal

    def test_unmasked(self: Any) -> None:
        """
        A client masks its frames, or is told 1002.
        """
        self.assert_closed(frame(heartbeat(1), masked=False), code=1002)

    def test_reserved_bits(self: Any) -> None:
        """
        Reserved bits are 1002: no extension was negotiated.
        """
        for bits in (4, 2, 1):
            self.assert_closed(frame(heartbeat(1), reserved=bits), code=1002)

    def test_compressed(self: Any) -> None:
        """
        A compressed frame that was not negotiated is 1002, and is not blown
        up.
        """
        bomb = zlib.compress(b"a" * 10_000_000)
        self.assert_closed(frame(bomb, reserved=4), code=1002)

    def test_opcodes(self: Any) -> None:
        """
        Reserved opcodes are 1002.
        """
        for opcode in (3, 7, 11, 15):
            self.assert_closed(frame(heartbeat(1), opcode), code=1002)

    def test_binary(self: Any) -> None:
        """
        OCPP-J is text: a binary message is 1003.
        """
        self.assert_closed(frame(heartbeat(1), BINARY), code=1003)

    def test_bad_fragments(self: Any) -> None:
        """
        Fragments out of place are 1002.
        """
        self.assert_closed(frame(heartbeat(1), CONTINUATION), code=1002)
        self.assert_closed(
            frame(b"[2,", final=False), frame(heartbeat(1)), code=1002
        )
        self.assert_closed(
            frame(b"[2,", final=False),
            frame(heartbeat(1)),
            code=1002,
            apart=True,
        )

    def test_bad_control_frames(self: Any) -> None:
        """
        A fragmented or a long control frame is 1002.
        """
        self.assert_closed(frame(b"x", PING, final=False), code=1002)
        self.assert_closed(frame(b"x" * 126, PING), code=1002)

    def test_length_in_too_many_octets(self: Any) -> None:
        """
        A length is written as short as it can be.
        """
        call = heartbeat(1)
        whole = frame(call)
        padded = b"\x81\xfe" + struct.pack("!H", len(call)) + whole[2:]
        self.assert_closed(padded, code=1002)

    def test_bad_close(self: Any) -> None:
        """
        A close frame that breaks the standard ends the connection, too, and
        nothing after it is answered.
        """
        for payload in (b"x", struct.pack("!H", 999), b"\x03\xe8\xff"):
            client = self.client()
            client.send(frame(payload, CLOSE), frame(heartbeat(1)))
            codes = {answer.code for answer in client.rest()}
            self.assertLessEqual(codes, {1002, 1007})

    def test_bad_utf8(self: Any) -> None:
        """
        Text that is not UTF-8 is 1007.
        """
        for octets in (b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf5"):
            text = b'[2,"1","DataTransfer",{"vendorId":"%b"}]' % octets
            self.assert_closed(frame(text), code=1007)
            self.assert_closed(
                frame(text[:30], final=False),
                frame(text[30:], CONTINUATION),
                code=1007,
            )

    def test_oversize(self: Any) -> None:
        """
        A longer message is 1009, in one frame, announced only, or in
        fragments.
        """
        self.assert_closed(frame(data_transfer(1, LONGEST + 1)), code=1009)
        for length in (LONGEST + 1, 1 << 31, 1 << 62):
            self.assert_closed(frame(b"", length=length), code=1009)
        half = b"a" * (LONGEST // 2 + 1)
        self.assert_closed(
            frame(half, final=False),
            frame(half, CONTINUATION),
            code=1009,
        )

    # Connections that end in every way

    def test_resets(self: Any) -> None:
        """
        Connections that are reset in the middle of a frame leave nothing.
        """
        for n in range(30):
            client = self.client(f"/ocpp/Reset{n}")
            client.send(frame(heartbeat(1))[:7])
            linger = struct.pack("ii", 1, 0)
            client.socket.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, linger
            )
            client.close()
        self.server.until(
            lambda: (
                not [
                    s
                    for s in self.server.items("stations?connected=true")
                    if s["identity"].startswith("Reset")
                ]
            ),
            "all of them are seen to be gone",
        )

    # Stations that do not read, or ask faster than they can be answered

    def test_pipelined(self: Any) -> None:
        """
        Thousands of CALLs sent without waiting are all answered, in order.
        """
        client = self.client()
        many = 5000
        # What it sends and what it is sent fit into the buffers.
        for start in range(0, many, 500):
            some = range(start, start + 500)
            client.send(*(frame(heartbeat(n)) for n in some))
            self.assert_answered(client, *some)

    def test_does_not_read(self: Any) -> None:
        """
        A station that stops reading is not read any more; when it reads
        again every answer is there, in order, and others were served.
        """
        client = Client(
            self.server.port, connected=small_socket(self.server.port)
        ).open()
        self.addCleanup(client.close)
        before = memory_of(self.server.pid)
        client.socket.setblocking(False)
        sent = feed(client.socket)
        self.assert_alive()
        self.assertLess(memory_of(self.server.pid) - before, 20_000)
        client.socket.settimeout(20)
        half = sent.calls // 2
        self.assert_answered(client, *map(long_id, range(half)))
        client.send(sent.rest)
        rest = range(half, sent.calls + 1)
        self.assert_answered(client, *map(long_id, rest))

    def test_status(self: Any) -> None:
        """
        What was read of each station is what it sent: nothing was taken for
        a message that was none.
        """
        client = self.client("/ocpp/Fine")
        client.send(frame(heartbeat(1)), frame(b"x", PING))
        # A pong may overtake an answer (RFC 6455, section 5.5.3).
        self.assertEqual(
            {client.read().opcode, client.read().opcode}, {TEXT, PONG}
        )
        self.assertEqual(
            [
                (m["call"], m["error"])
                for m in self.server.items("stations/Fine/messages")
            ],
            [('[2,"1","Heartbeat",{}]', None)],
        )


def memory_of(pid: int) -> int:
    """
    The resident memory of a process, in KiB.
    """
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    raise AssertionError("no such process")


class FastTests(Traffic, SynchronousTestCase):
    """
    As it is.
    """


class AutobahnTests(Traffic, SynchronousTestCase):
    """
    Without the fast path.
    """

    before = WITHOUT_FAST_PATH
