"""
Tests for L{ocpp_tw.database}.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.database import LATER, MEMORY, Bulk, Database
from ocpp_tw.errors import BackendUnavailable, BadConfig, NotFound


MIGRATIONS = ["CREATE TABLE t (n INTEGER UNIQUE, word TEXT);"]
ROWS = Bulk("INSERT INTO t (n, word)", 2)


class Gate:
    """
    A thread that runs what it is given when it is told to.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._waiting: list[tuple[Callable[[], Any], Deferred[Any]]] = []

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass

    def soon(self, hand_over: Callable[[], None]) -> None:
        self._clock.callLater(0, hand_over)

    def run(self, work: Callable[[], Any]) -> Deferred[Any]:
        done: Deferred[Any] = Deferred()
        self._waiting.append((work, done))
        return done

    def open(self) -> int:
        """
        Run what waits; say how much it was.
        """
        waiting, self._waiting = self._waiting, []
        for work, done in waiting:
            done.callback(work())
        return len(waiting)


def insert(n: int, word: str = "") -> Callable[[sqlite3.Connection], int]:
    def job(db: sqlite3.Connection) -> int:
        db.execute("INSERT INTO t VALUES (?, ?)", (n, word))
        return n

    return job


def numbers(db: sqlite3.Connection) -> list[int]:
    return [n for (n,) in db.execute("SELECT n FROM t ORDER BY rowid")]


class Case(SynchronousTestCase):
    """
    A database in a file, that works at once unless it has a gate.
    """

    def make(self, path: str | None = None, **options: Any) -> Database:
        self.clock = Clock()
        self.path = path or self.mktemp()
        return Database(
            self.path,
            options.pop("migrations", MIGRATIONS),
            self.clock,
            **options,
        )

    def started(self, path: str | None = None, **options: Any) -> Database:
        database = self.make(path, **options)
        database.startService()
        self.addCleanup(database.stopService)
        return database

    def gated(self, path: str = MEMORY) -> tuple[Database, Gate]:
        gates: list[Gate] = []

        def runner(clock: IReactorTime, name: str) -> Gate:
            gates.append(Gate(clock))
            return gates[-1]

        database = self.make(path, runner=runner)
        database.startService()
        return database, gates[0]

    def numbers(self, database: Database) -> list[int]:
        return self.successResultOf(database.read(numbers))


class WriteTests(Case):
    """
    Jobs and rows.
    """

    def test_result(self) -> None:
        """
        A job's Deferred has what it returned, and it is written.
        """
        database = self.started()
        self.assertEqual(self.successResultOf(database.write(insert(1))), 1)
        self.assertEqual(self.numbers(database), [1])

    def test_durable_when_answered(self) -> None:
        """
        When the Deferred fires, others can read it from the file.
        """
        database = self.started()
        found: list[Any] = []
        other = sqlite3.connect(self.path)
        self.addCleanup(other.close)
        database.write(insert(1)).addCallback(
            lambda _: found.extend(numbers(other))
        )
        self.assertEqual(found, [1])

    def test_gathers(self) -> None:
        """
        What comes in one turn of the reactor, and while a commit is under
        way, is one commit.
        """
        database, gate = self.gated()
        done = [database.write(insert(n)) for n in range(3)]
        self.assertEqual(gate.open(), 0)
        self.clock.advance(0)
        done += [database.write(insert(n)) for n in range(3, 9)]
        self.clock.advance(0)
        self.assertEqual(gate.open(), 1)
        for answer in done[:3]:
            self.successResultOf(answer)
        for answer in done[3:]:
            self.assertNoResult(answer)
        self.assertEqual(gate.open(), 1)
        for answer in done:
            self.successResultOf(answer)
        self.assertEqual(gate.open(), 0)

    def test_rows_before_jobs(self) -> None:
        """
        In a group the rows are there before its jobs run.
        """
        database, gate = self.gated()
        seen = database.write(numbers)
        rows = database.append(ROWS, [(1, "a"), (2, "b")])
        self.clock.advance(0)
        gate.open()
        self.assertEqual(self.successResultOf(seen), [1, 2])
        self.assertIsNone(self.successResultOf(rows))

    def test_refusal(self) -> None:
        """
        A job that refuses before it writes does not disturb its group.
        """
        database, gate = self.gated()
        runs: list[int] = []

        def refuse(db: sqlite3.Connection) -> None:
            runs.append(1)
            raise NotFound("no")

        good, bad = database.write(insert(1)), database.write(refuse)
        self.clock.advance(0)
        gate.open()
        self.failureResultOf(bad, NotFound)
        self.assertEqual(self.successResultOf(good), 1)
        self.assertEqual(len(runs), 1)

    def test_only_the_guilty_fail(self) -> None:
        """
        Where a job or a row breaks its group, all others are written.
        """
        database, gate = self.gated()

        def half(db: sqlite3.Connection) -> None:
            insert(3)(db)
            raise NotFound("after writing")

        database.write(insert(0))
        good = [database.write(insert(1)), database.append(ROWS, [(2, "")])]
        bad = [
            database.write(half),
            database.write(lambda db: 1 // 0),
            database.append(ROWS, [(4, ""), (2, "")]),
            database.write(insert(0)),
        ]
        good.append(database.write(insert(5)))
        seen = database.read(numbers)
        self.clock.advance(0)
        while gate.open():
            pass
        for answer in good:
            self.successResultOf(answer)
        self.failureResultOf(bad[0], NotFound)
        self.failureResultOf(bad[1], ZeroDivisionError)
        self.failureResultOf(bad[2], sqlite3.IntegrityError)
        self.failureResultOf(bad[3], sqlite3.IntegrityError)
        self.assertEqual(self.successResultOf(seen), [2, 0, 1, 5])

    def test_broken_row(self) -> None:
        """
        A row that breaks a rule fails, with the error of the database.
        """
        database = self.started()
        self.successResultOf(database.write(insert(1)))
        self.failureResultOf(
            database.append(ROWS, [(2, ""), (1, "")]), sqlite3.IntegrityError
        )
        self.assertEqual(self.numbers(database), [1])

    def test_no_sql_in_errors(self) -> None:
        """
        What the database says to others holds no SQL.
        """
        database = self.started()
        failure = self.failureResultOf(
            database.write(lambda db: db.execute("SELECT secret FROM t")),
            BackendUnavailable,
        )
        self.assertNotIn("secret", str(failure.value))
        self.flushLoggedErrors()

    def test_stop_commits(self) -> None:
        """
        Stopping commits what waits, of all kinds, and closes the file.
        """
        database, gate = self.gated(self.mktemp())
        done = database.write(insert(1))
        self.clock.advance(0)
        database.append_later(ROWS, (2, ""))
        stopped = database.stopService()
        self.assertNoResult(stopped)
        while gate.open():
            pass
        self.successResultOf(done)
        self.successResultOf(stopped)
        self.assertFalse(os.path.exists(f"{self.path}-wal"))
        db = sqlite3.connect(self.path)
        self.addCleanup(db.close)
        self.assertEqual(sorted(numbers(db)), [1, 2])

    def test_after_stop(self) -> None:
        """
        A database that is stopped takes nothing, and stops again in peace.
        """
        database = self.started()
        self.successResultOf(database.stopService())
        self.successResultOf(database.stopService())
        for answer in (
            database.write(insert(1)),
            database.append(ROWS, [(1, "")]),
            database.read(numbers),
        ):
            self.failureResultOf(answer, BackendUnavailable)

    def test_starts_again(self) -> None:
        """
        A database that was stopped can be started again.
        """
        database = self.started()
        self.successResultOf(database.write(insert(1)))
        self.successResultOf(database.stopService())
        database.startService()
        self.assertEqual(self.numbers(database), [1])


class BulkTests(Case):
    """
    Many rows in few statements.
    """

    @settings(max_examples=30, deadline=None)
    @given(st.integers(0, 700))
    def test_any_number(self, count: int) -> None:
        """
        Any number of rows is written, in their order.
        """
        db = sqlite3.connect(MEMORY)
        db.execute(MIGRATIONS[0])
        ROWS.write(db, [(count - n, "") for n in range(count)])
        self.assertEqual(numbers(db), list(range(count, 0, -1)))

    def test_few_statements(self) -> None:
        """
        A thousand rows are a handful of statements.
        """
        db = sqlite3.connect(MEMORY)
        db.execute(MIGRATIONS[0])
        statements: list[str] = []
        db.set_trace_callback(statements.append)
        ROWS.write(db, [(n, "") for n in range(1000)])
        self.assertLess(len(statements), 30)


class LaterTests(Case):
    """
    Rows that nobody waits for.
    """

    def test_soon(self) -> None:
        """
        They are written after a moment, many at once.
        """
        database, gate = self.gated()
        for n in range(10):
            database.append_later(ROWS, (n, ""))
        self.clock.advance(0)
        self.assertEqual(gate.open(), 0)
        self.clock.pump([LATER, 0])
        self.assertEqual(gate.open(), 1)
        seen = database.read(numbers)
        self.clock.advance(0)
        gate.open()
        self.assertEqual(self.successResultOf(seen), list(range(10)))

    def test_with_others(self) -> None:
        """
        They go with a group that goes earlier.
        """
        database, gate = self.gated()
        database.append_later(ROWS, (1, ""))
        seen = database.write(numbers)
        self.clock.advance(0)
        gate.open()
        self.assertEqual(self.successResultOf(seen), [1])

    def test_due_while_committing(self) -> None:
        """
        Rows whose time comes during a commit are written after it, and do
        not keep what follows from being written.
        """
        database, gate = self.gated()
        first = database.write(insert(1))
        self.clock.advance(0)
        database.append_later(ROWS, (2, ""))
        self.clock.advance(LATER)
        gate.open()
        self.successResultOf(first)
        gate.open()
        seen = database.write(numbers)
        self.clock.advance(0)
        gate.open()
        self.assertEqual(self.successResultOf(seen), [1, 2])

    def test_bounded(self) -> None:
        """
        Of too many the oldest are dropped, counted, and told of once.
        """
        database = self.make(backlog=3)
        database.open()
        for n in range(5):
            database.append_later(ROWS, (n, ""))
        database.startService()
        self.addCleanup(database.stopService)
        self.assertEqual(self.numbers(database), [2, 3, 4])
        self.assertEqual(database.dropped, 2)

    def test_broken(self) -> None:
        """
        One that cannot be written disturbs nobody.
        """
        database = self.started()
        self.successResultOf(database.write(insert(1)))
        database.append_later(ROWS, (1, ""))
        self.assertEqual(self.successResultOf(database.write(insert(2))), 2)
        self.assertEqual(database.dropped, 1)


class ReadTests(Case):
    """
    Queries.
    """

    def test_after_writes(self) -> None:
        """
        A query sees what was written before it was asked.
        """
        database, gate = self.gated()
        for n in range(3):
            database.write(insert(n))
        seen = database.read(numbers)
        database.write(insert(3))
        self.clock.advance(0)
        while gate.open():
            pass
        self.assertEqual(self.successResultOf(seen)[:3], [0, 1, 2])

    def test_failure(self) -> None:
        """
        What a query raises is the Deferred's.
        """
        database = self.started()
        self.failureResultOf(
            database.read(lambda db: 1 // 0), ZeroDivisionError
        )


class OpenTests(Case):
    """
    Files that can be used, and files that cannot.
    """

    def refused(self, path: str, **options: Any) -> str:
        database = self.make(path, **options)
        with self.assertRaises(BadConfig) as caught:
            database.open()
        return str(caught.exception)

    def test_private(self) -> None:
        """
        A new file is nobody else's to read.
        """
        self.started()
        self.assertEqual(os.stat(self.path).st_mode & 0o777, 0o600)

    def test_migrates(self) -> None:
        """
        An older file is brought up to date, and keeps what is in it.
        """
        database = self.started()
        self.successResultOf(database.write(insert(1)))
        self.successResultOf(database.stopService())
        more = [*MIGRATIONS, "ALTER TABLE t ADD x; UPDATE t SET x = ';';"]
        newer = self.started(self.path, migrations=more)
        rows = newer.read(lambda db: db.execute("SELECT * FROM t").fetchall())
        self.assertEqual(self.successResultOf(rows), [(1, "", ";")])

    def test_broken_migration(self) -> None:
        """
        A migration that fails leaves the file as it was.
        """
        self.started()
        for _ in range(2):
            self.refused(
                self.path,
                migrations=[*MIGRATIONS, "CREATE TABLE u (v); NONSENSE;"],
            )
        db = sqlite3.connect(self.path)
        self.assertEqual(db.execute("PRAGMA user_version").fetchone(), (1,))

    def test_newer(self) -> None:
        """
        A file from a newer version is refused, and said so.
        """
        database = self.started(migrations=[*MIGRATIONS, "", ""])
        self.successResultOf(database.stopService())
        message = self.refused(self.path)
        self.assertIn(self.path, message)
        self.assertIn("version 3", message)
        self.assertIn("up to 1", message)

    def test_no_database(self) -> None:
        """
        A file that is no database is refused, and left as it is.
        """
        path = Path(self.mktemp())
        path.write_text("dear diary, " * 100)
        self.assertIn("not an SQLite database", self.refused(str(path)))
        self.assertEqual(path.read_text(), "dear diary, " * 100)

    def test_no_folder(self) -> None:
        """
        A file in a folder that there is not is refused.
        """
        message = self.refused(f"{self.mktemp()}/cs.sqlite3")
        self.assertIn("No such file", message)

    def test_folder(self) -> None:
        """
        A folder is refused.
        """
        path = self.mktemp()
        os.mkdir(path)
        self.assertIn("cannot be opened", self.refused(path))

    def test_locked(self) -> None:
        """
        A file that another process holds is refused.
        """
        self.successResultOf(self.started().stopService())
        other = sqlite3.connect(self.path, isolation_level=None)
        self.addCleanup(other.close)
        other.execute("BEGIN EXCLUSIVE")
        self.assertIn(
            "another process has locked it",
            self.refused(self.path, busy_timeout=0.01),
        )

    def test_try_out(self) -> None:
        """
        It can be tried out, and started later.
        """
        database = self.make()
        database.try_out()
        database.startService()
        self.addCleanup(database.stopService)
        self.successResultOf(database.write(insert(1)))


class TroubleTests(Case):
    """
    Disks that are full, and files that others lock.
    """

    def test_full(self) -> None:
        """
        On a full disk what does not fit fails; it recovers by itself.
        """
        database = self.started()
        big = "x" * 100_000

        def limit(pages: int) -> Callable[[sqlite3.Connection], Any]:
            return lambda db: db.execute(
                f"PRAGMA max_page_count = {pages}"
            ).fetchall()

        self.successResultOf(database.write(limit(10)))
        for failing in (
            database.write(insert(1, big)),
            database.append(ROWS, [(1, big)]),
        ):
            failure = self.failureResultOf(failing, BackendUnavailable)
            self.assertEqual(str(failure.value), "the disk is full")
        self.assertEqual(self.numbers(database), [])
        self.successResultOf(database.write(limit(10_000)))
        self.successResultOf(database.write(insert(1, big)))
        self.assertEqual(self.numbers(database), [1])

    def test_full_for_later(self) -> None:
        """
        Rows that nobody waits for wait for room on the disk.
        """
        database = self.started()
        self.successResultOf(
            database.write(
                lambda db: db.execute("PRAGMA max_page_count = 5").fetchall()
            )
        )
        database.append_later(ROWS, (1, "x" * 100_000))
        self.clock.advance(LATER)
        self.successResultOf(
            database.write(
                lambda db: db.execute(
                    "PRAGMA max_page_count = 10000"
                ).fetchall()
            )
        )
        self.clock.pump([LATER, LATER])
        self.assertEqual(self.numbers(database), [1])
        self.assertEqual(database.dropped, 0)

    def test_locked(self) -> None:
        """
        While another process holds the file writing fails, reading does not;
        then it recovers.
        """
        database = self.started(busy_timeout=0.01)
        other = sqlite3.connect(self.path, isolation_level=None)
        self.addCleanup(other.close)
        other.execute("BEGIN EXCLUSIVE")
        failure = self.failureResultOf(
            database.write(insert(1)), BackendUnavailable
        )
        self.assertEqual(str(failure.value), "another process has locked it")
        self.assertEqual(self.numbers(database), [])
        other.execute("ROLLBACK")
        self.successResultOf(database.write(insert(1)))
        self.assertEqual(self.numbers(database), [1])

    def test_failing_disk(self) -> None:
        """
        After an error of the disk the file is opened anew.
        """
        database = self.started()
        self.successResultOf(database.write(insert(1)))

        def fail(db: sqlite3.Connection) -> None:
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorname = "SQLITE_IOERR_FSYNC"
            raise error

        for ask in (database.write, database.read):
            failure = self.failureResultOf(ask(fail), BackendUnavailable)
            self.assertEqual(str(failure.value), "the disk fails")
        self.successResultOf(database.write(insert(2)))
        self.assertEqual(self.numbers(database), [1, 2])

    def test_gone(self) -> None:
        """
        A file that is gone is not replaced by an empty one.
        """
        database = self.started()
        self.successResultOf(database.stopService())
        database.startService()

        def gone(db: sqlite3.Connection) -> None:
            os.rename(self.path, f"{self.path}.away")
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorname = "SQLITE_IOERR"
            raise error

        self.failureResultOf(database.write(gone), BackendUnavailable)
        failure = self.failureResultOf(
            database.write(insert(1)), BackendUnavailable
        )
        self.assertEqual(str(failure.value), "it cannot be opened")
        os.rename(f"{self.path}.away", self.path)
        self.successResultOf(database.write(insert(1)))
        self.assertEqual(self.numbers(database), [1])


# In real threads

_SESSION = """
import sys
from twisted.internet import reactor
from ocpp_tw.database import Bulk, Database
from tests.test_database import MIGRATIONS, ROWS, insert, numbers

database = Database(sys.argv[1], MIGRATIONS, reactor)
"""

_KILLED = (
    _SESSION
    + """
def go(n):
    write = database.append(ROWS, [(n, "")]) if n % 3 else database.write(
        insert(n))
    write.addCallback(told, n)

def told(_, n):
    print(n, flush=True)
    go(n + 50)

database.startService()
for n in range(50):
    go(n)
reactor.run()
"""
)

_STOPPED = (
    _SESSION
    + """
def told(found):
    print(len(found), flush=True)
    database.stopService().addCallback(again)

def again(_):
    database.startService()
    database.write(lambda db: None).addCallback(
        lambda _: database.stopService().addCallback(
            lambda _: reactor.stop()))

def go():
    database.startService()
    for n in range(1000):
        database.write(insert(n)).addErrback(lambda f: f.printTraceback())
    database.append_later(ROWS, (1000, ""))
    database.write(lambda db: None).addCallback(
        lambda _: database.read(numbers).addCallback(told))

reactor.callWhenRunning(go)
reactor.run()
"""
)


def _python(script: str, path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
    )


@pytest.mark.parametrize("told", [1, 200, 2000])
def test_killed(tmp_path: Path, told: int) -> None:
    """
    kill -9 at any moment loses nothing that was acknowledged.
    """
    path = tmp_path / "cs.sqlite3"
    with _python(_KILLED, path) as process:
        assert process.stdout is not None
        acknowledged = [process.stdout.readline() for _ in range(told)]
        process.send_signal(signal.SIGKILL)
        acknowledged += process.stdout.readlines()
    known = numbers(sqlite3.connect(path))
    missing = {int(line) for line in acknowledged if line.endswith("\n")}
    assert len(missing) >= told
    assert missing - set(known) == set()


@pytest.mark.parametrize("where", ["file", MEMORY])
def test_in_threads(tmp_path: Path, where: str) -> None:
    """
    With the threads of a real reactor it writes, reads and stops.
    """
    path = Path(where) if where == MEMORY else tmp_path / "cs.sqlite3"
    with _python(_STOPPED, path) as process:
        out, err = process.communicate(timeout=60)
    assert (out, err) == ("1001\n", "")
    if where != MEMORY:
        assert len(numbers(sqlite3.connect(path))) == 1001
