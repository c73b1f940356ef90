"""
Tests for L{ocpp_tw.logs.frames}, L{ocpp_tw.logs.access} and
L{ocpp_tw.logs.books}.
"""

import json
import os
import socket
from io import BytesIO, TextIOWrapper
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.config import BackendConfig, Config, Log, Postgres, Server
from ocpp_tw.errors import BadConfig
from ocpp_tw.journal import Journal
from ocpp_tw.logs import AccessLog, Books, FrameLog, Mask, files
from ocpp_tw.messagelog import Entry
from ocpp_tw.transports.site import Front

from ..transports.world import World


CALL = b'[2,"7","Authorize",{"idTag":"A1"}]'
REPLY = b'[3,"7",{"idTagInfo":{"status":"Accepted"}}]'
ENTRY = Entry(0.0, "CP1", "in", "7", "Authorize", CALL, REPLY, 0.25, None)


class Folder(SynchronousTestCase):
    """
    A test in an empty folder.
    """

    def setUp(self):
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.clock = Clock()
        self.config = Log(messages=str(self.folder / "frames"))

    def read(self, name="frames"):
        return (self.folder / name).read_text()


class FrameLogTests(Folder):
    """
    Tests for L{FrameLog}.
    """

    def make(self, **log):
        frames = FrameLog(evolve(self.config, **log), self.clock)
        self.addCleanup(frames.close)
        return frames

    def note(self, frames, **entry):
        frames.note(ENTRY._replace(**entry))
        self.clock.advance(0.1)

    def test_text(self):
        """
        Each frame has a line: when, with whom, which way.
        """
        self.note(self.make())
        self.assertEqual(
            self.read(),
            f"1970-01-01T00:00:00.000Z CP1 > {CALL.decode()}\n"
            f"1970-01-01T00:00:00.250Z CP1 < {REPLY.decode()}\n",
        )

    def test_command(self):
        """
        A command goes the other way; without an answer it is one line.
        """
        self.note(self.make(), direction="out", reply=None)
        self.assertEqual(
            self.read(), f"1970-01-01T00:00:00.000Z CP1 < {CALL.decode()}\n"
        )

    def test_json(self):
        """
        As JSON a message and its answer are one line.
        """
        self.note(self.make(format="json"))
        self.assertEqual(
            json.loads(self.read()),
            {
                "time": "1970-01-01T00:00:00.000Z",
                "station": "CP1",
                "direction": "in",
                "action": "Authorize",
                "call": CALL.decode(),
                "reply": REPLY.decode(),
                "milliseconds": 250.0,
            },
        )

    def test_forged(self):
        """
        Neither a name nor a frame can make a line of its own.
        """
        frames = self.make(mask=())
        frame = b'[2,\n"7" ,\r"X",{"a":"\x1b\xe2\x80\xa8"}'
        self.note(frames, identity="CP 1 > x", frame=frame, reply=None)
        self.assertEqual(
            self.read(),
            '1970-01-01T00:00:00.000Z "CP 1 > x" > '
            '[2,\\n"7" ,\\r"X",{"a":"\\x1b\\u2028"}\n',
        )

    def test_mask(self):
        """
        What is to be hidden is hidden.
        """
        self.note(self.make(mask=("id_tags",)))
        self.assertIn('{"idTag":"***"}', self.read())

    def test_together(self):
        """
        Frames wait for others, but not when there are many.
        """
        frames = self.make()
        frames.note(ENTRY)
        self.assertEqual(self.read(), "")
        for _ in range(4999):
            frames.note(ENTRY)
        self.assertEqual(self.read().count("\n"), 10_000)

    def test_close(self):
        """
        What waits is written in the end.
        """
        frames = FrameLog(self.config, self.clock)
        frames.note(ENTRY)
        frames.close()
        self.assertEqual(self.read().count("\n"), 2)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_rotated(self):
        """
        A file that has become too long is moved aside, nothing is lost, and
        those of long ago are deleted.
        """
        frames = self.make(messages_size=500, messages_days=2)
        other = self.folder / "frames.txt"
        old = self.folder / "frames.19691228T000000.000000"
        for file in (other, old):
            file.write_text("x")
            os.utime(file, (-200_000, -200_000))
        for _ in range(10):
            self.note(frames)
        aside = list(self.folder.glob("frames.1970*"))
        self.assertGreater(len(aside), 1)
        total = sum(file.read_text().count("\n") for file in aside)
        self.assertEqual(total + self.read().count("\n"), 20)
        self.assertFalse(old.exists())
        self.assertTrue(other.exists())

    def test_full(self):
        """
        A full disk is said once, and does no other harm.
        """
        frames = self.make(messages="/dev/full")
        self.note(frames)
        self.note(frames)
        self.assertEqual(len(self.flushLoggedErrors()), 0)


class BooksTests(Folder):
    """
    Tests for L{Books}.
    """

    def setUp(self):
        super().setUp()
        access = str(self.folder / "access")
        self.whole = Config(log=self.config, server=Server(log=access))

    def make(self, config):
        books = Books(config, self.clock)
        self.addCleanup(books.close)
        return books

    def test_journal(self):
        """
        The journal tells it of messages, and keeps them itself.
        """
        journal = Journal(":memory:", self.clock)
        books = self.make(self.whole)
        journal.also_tell(books.note)
        journal.note(ENTRY)
        self.clock.advance(0.1)
        self.assertEqual(self.read().count("\n"), 2)
        page = self.successResultOf(
            Deferred.fromCoroutine(journal.messages(5))
        )
        self.assertEqual(len(page.items), 1)

    def test_switched(self):
        """
        A reload switches the files on and off.
        """
        books = self.make(Config())
        self.assertIsNone(books.note)
        books.prepare(self.whole)()
        self.assertIsNotNone(books.note)
        books.prepare(Config())()
        self.assertIsNone(books.note)

    def test_cannot_open(self):
        """
        A file that cannot be opened changes nothing.
        """
        books = self.make(self.whole)
        note = books.note
        nowhere = str(self.folder / "nowhere" / "x")
        with self.assertRaises(BadConfig):
            books.prepare(evolve(self.whole, server=Server(log=nowhere)))
        self.assertEqual(books.note, note)

    def test_reopened(self):
        """
        All files are opened anew together.
        """
        books = self.make(self.whole)
        for name in ("frames", "access"):
            (self.folder / name).rename(self.folder / f"{name}.1")
        books.reopen()
        names = {path.name for path in self.folder.iterdir()}
        self.assertEqual(names, {"frames", "frames.1", "access", "access.1"})


class DatabaseTests(Folder):
    """
    C{[postgres] log}.
    """

    def setUp(self):
        super().setUp()
        self.books = Books(
            Config(
                log=Log(mask=("secrets",)),
                backend=BackendConfig("postgres"),
                postgres=Postgres(log=str(self.folder / "database")),
            ),
            self.clock,
        )
        self.addCleanup(self.books.close)

    def lines(self, name="database"):
        return (self.folder / name).read_text().splitlines()

    def test_part(self):
        """
        What concerns the database is there, and nothing else; nothing forges
        a line, or shows a secret.
        """
        Logger("ocpp_tw.backends.postgres.pool").info(
            "{notice}", notice="a\n2026 1 info: b postgres://u:secret@h/db"
        )
        Logger("ocpp_tw.router").info("not this")
        [line] = self.lines()
        self.assertIn(r"a\n2026 1 info: b postgres://***@h/db", line)

    def test_reopened(self):
        """
        It is opened anew with the others, and closed with them.
        """
        log = Logger("ocpp_tw.backends.postgres")
        log.info("one")
        (self.folder / "database").rename(self.folder / "database.1")
        self.books.reopen()
        log.info("two")
        self.assertEqual(len(self.lines()), 1)
        self.assertEqual(len(self.lines("database.1")), 1)
        self.books.close()
        log.info("three")
        self.assertEqual(len(self.lines()), 1)


class SpecialTests(Folder):
    """
    Frames and requests that go into no file.
    """

    def test_stdout(self):
        """
        C{stdout} gets the same lines.
        """
        octets = BytesIO()
        self.patch(files.sys, "__stdout__", TextIOWrapper(octets, "utf-8"))
        frames = FrameLog(evolve(self.config, messages="stdout"), self.clock)
        frames.note(ENTRY)
        frames.close()
        lines = octets.getvalue().decode().splitlines()
        self.assertEqual([line.split()[2] for line in lines], [">", "<"])

    def test_journald(self):
        """
        The journal gets an entry for each line.
        """
        journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(journal.close)
        path = str(self.folder / "socket")
        journal.bind(path)
        journal.settimeout(5)
        self.patch(files.Journal.__init__, "__defaults__", (path,))
        frames = FrameLog(evolve(self.config, messages="journald"), self.clock)
        frames.note(ENTRY)
        frames.close()
        for sign in (b" > ", b" < "):
            entry = journal.recv(4096)
            self.assertTrue(entry.startswith(b"MESSAGE="), entry)
            self.assertIn(sign, entry)


class AccessLogTests(World):
    """
    Tests for L{AccessLog}.
    """

    def setUp(self):
        super().setUp()
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "access"
        access = AccessLog(str(self.path), Mask(["secrets"]))
        self.addCleanup(access.close)
        self.front = Front(
            self.router, self.config, self.clock, lambda: True, access.note
        )

    def test_line(self):
        """
        Each request that was answered has a line.
        """
        self.raw(
            b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
            b"User-Agent: curl\r\n\r\n"
        )
        self.assertRegex(
            self.path.read_text(),
            r"\A192\.168\.1\.1 54321 0\.000 "
            r"\[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000\] "
            r'"GET /healthz HTTP/1\.1" 200 16 "-" "curl"\n\Z',
        )

    def test_json(self):
        """
        As JSON, a line is an object.
        """
        access = AccessLog(str(self.path), Mask(["secrets"]), format="json")
        self.addCleanup(access.close)
        self.front.site._answered = access.note
        self.raw(
            b"GET /healthz?token=t HTTP/1.1\r\nHost: localhost\r\n"
            b'User-Agent: a"\xff\x85\r\n\r\n'
        )
        line = json.loads(self.path.read_text())
        del line["time"]
        self.assertEqual(
            line,
            {
                "address": "192.168.1.1",
                "port": 54321,
                "seconds": 0.0,
                "method": "GET",
                "uri": "/healthz?token=***",
                "status": 200,
                "size": 16,
                "userAgent": 'a"\\xff\\x85',
            },
        )

    def test_hostile(self):
        """
        No header and no URL leaves its quotes, or shows a secret.
        """
        self.raw(
            b'GET /"?api_key=k9 HTTP/1.1\r\nHost: localhost\r\n'
            b'User-Agent: a" 200 \xff\xc2\x85\r\n\r\n'
        )
        text = self.path.read_text()
        self.assertEqual(text.count("\n"), 1)
        self.assertTrue(text[:-1].isprintable())
        self.assertEqual(text.count('"'), 6)
        self.assertNotIn("k9", text)
