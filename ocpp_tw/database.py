"""
One SQLite file, one thread that writes it, one fsync for all who wait.

What arrives while a commit is under way is the next group.  A group is one
transaction: first its rows, in few statements, then its jobs, in order; every
Deferred fires after the commit.
"""

from __future__ import annotations

import os
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain
from threading import Thread
from time import monotonic, sleep
from typing import Any, Protocol, TypeVar, cast

from attrs import Factory, define
from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import (
    IDelayedCall,
    IReactorFromThreads,
    IReactorTime,
)
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from .errors import BackendUnavailable, BadConfig, OCPPError
from .figures import Figure, Histogram


T = TypeVar("T")
Row = Sequence[Any]
Job = Callable[[sqlite3.Connection], T]

#: Where nothing is kept.
MEMORY = ":memory:"

#: How long to wait for another process that writes, in seconds.
BUSY_TIMEOUT = 5.0

#: How long to wait before trying again, in seconds.  SQLite itself would wait
#: longer each time, up to 0.1: two that write would hold each other up.
GLANCE = 0.0005

#: How long rows that nobody waits for may wait, in seconds.
LATER = 0.1

#: How many rows that nobody waits for may wait; then the oldest are dropped.
BACKLOG = 50_000

#: How many rows one statement takes at most; a bound on what is compiled.
_CHUNKS = (256, 64, 16, 4, 1)


class Bulk:
    """
    An INSERT of many rows at once.

    A step of SQLite gives up Python's global lock and must win it back, so
    that a statement for each row would cost more than the row.

    @ivar head: C{INSERT INTO t (a, b)}.
    @ivar columns: how many values a row has.
    @ivar tail: what follows the rows: C{ON CONFLICT ...}.
    """

    def __init__(self, head: str, columns: int, tail: str = "") -> None:
        self.columns = columns
        row = f"({','.join('?' * columns)})"
        self._statements = [
            (size, f"{head} VALUES {','.join([row] * size)} {tail}")
            for size in _CHUNKS
        ]

    def write(self, connection: sqlite3.Connection, rows: list[Row]) -> None:
        """
        Write these rows, in their order.
        """
        done = 0
        for size, statement in self._statements:
            while len(rows) - done >= size:
                chunk = rows[done : done + size]
                connection.execute(statement, list(chain.from_iterable(chunk)))
                done += size


class Runner(Protocol):
    """
    Where work is run: a thread, or at once.
    """

    def start(self) -> None: ...

    def soon(self, hand_over: Callable[[], None]) -> None:
        """
        Call this when what is there now has been gathered.
        """

    def run(self, work: Callable[[], T]) -> Deferred[T]:
        """
        Run this after what was run before.
        """

    def stop(self) -> None: ...


class _Daemon(Thread):
    """
    A thread that does not hold up an exit: what was acknowledged is on disk.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs, daemon=True)


class InThread:
    """
    Runs work in a thread of its own, one after another.
    """

    def __init__(self, reactor: IReactorTime, name: str) -> None:
        self._reactor = reactor
        self._name = name

    def start(self) -> None:
        # A pool that was stopped cannot be started again.
        self._pool = ThreadPool(1, 1, self._name)
        self._pool.threadFactory = _Daemon
        self._pool.start()

    def soon(self, hand_over: Callable[[], None]) -> None:
        # After all that this turn of the reactor has read from its sockets.
        self._reactor.callLater(0, hand_over)

    def run(self, work: Callable[[], T]) -> Deferred[T]:
        return cast(
            "Deferred[T]",
            deferToThreadPool(
                cast(IReactorFromThreads, self._reactor), self._pool, work
            ),
        )

    def stop(self) -> None:
        self._pool.stop()


class InTurn:
    """
    Runs work in the reactor's thread, once in a turn: in memory nothing takes
    long, and two threads would only wait for each other's Python.
    """

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor

    def start(self) -> None:
        pass

    def soon(self, hand_over: Callable[[], None]) -> None:
        self._reactor.callLater(0, hand_over)

    def run(self, work: Callable[[], T]) -> Deferred[T]:
        return maybeDeferred(work)

    def stop(self) -> None:
        pass


class AtOnce(InTurn):
    """
    Runs work where it is asked for; for tests, whose reactor is a Clock.
    """

    def soon(self, hand_over: Callable[[], None]) -> None:
        hand_over()


def _runner(reactor: IReactorTime, name: str) -> Runner:
    if IReactorFromThreads.providedBy(reactor):
        return InThread(reactor, name)
    return AtOnce(reactor)


def _memory_runner(reactor: IReactorTime, name: str) -> Runner:
    if IReactorFromThreads.providedBy(reactor):
        return InTurn(reactor)
    return AtOnce(reactor)


@define
class _Group:
    """
    What is committed together, and the reads that follow it.

    @ivar durable: whether the commit waits for the disk even where it would
        not otherwise.
    """

    rows: list[tuple[Bulk, Sequence[Row], Deferred[Any], Any]] = Factory(list)
    jobs: list[tuple[Job[Any], Deferred[Any]]] = Factory(list)
    later: Sequence[tuple[Bulk, Row]] = ()
    reads: list[tuple[Job[Any], Deferred[Any]]] = Factory(list)
    durable: bool = False

    def has_writes(self) -> bool:
        return bool(self.rows or self.jobs or self.later)

    def waiting(self) -> Iterator[Deferred[Any]]:
        """
        Those who wait for the commit.
        """
        for _, _, rows_written, _ in self.rows:
            yield rows_written
        for _, job_done in self.jobs:
            yield job_done


#: Whom to tell what: a result, or a L{Failure}.
_Outcome = tuple[Deferred[Any], Any]


@define
class _Committed:
    """
    What became of a group.

    @ivar later: the rows that nobody waits for, to be tried again.
    @ivar reason: what the database said, if it failed.
    @ivar dropped: how many of those rows are no rows that it can take.
    """

    outcomes: list[_Outcome]
    later: Sequence[tuple[Bulk, Row]] = ()
    reason: Exception | None = None
    dropped: int = 0


class _Spoilt(Exception):
    """
    Something in a group failed: it is rolled back, each runs alone.
    """


class Database(Service):
    """
    An SQLite database that never makes the reactor wait.

    @ivar dropped: how many rows that nobody waited for were given up.
    @ivar commits: how long each group took, from the thread and back.
    """

    log = Logger()

    def __init__(
        self,
        path: str,
        migrations: Sequence[str],
        reactor: IReactorTime,
        *,
        durable: bool = True,
        busy_timeout: float = BUSY_TIMEOUT,
        backlog: int = BACKLOG,
        runner: Callable[[IReactorTime, str], Runner] | None = None,
    ) -> None:
        """
        @param migrations: the scripts that bring the schema from each version
            to the next, from an empty file on.
        @param durable: whether a commit waits for the disk (fsync).
        """
        self.path = path
        #: Whether nothing outlives the process.
        self.forgets = path == MEMORY
        self.dropped = 0
        self.commits = Histogram()
        self._began = 0.0
        self._reactor = reactor
        self._backlog = backlog
        self._file = _File(path, migrations, durable, busy_timeout)
        if runner is None:
            runner = _memory_runner if path == MEMORY else _runner
        self._writer = runner(reactor, "database-writer")
        self._reader = (
            self._writer
            if path == MEMORY
            else runner(reactor, "database-reader")
        )
        self._reader_file = (
            self._file
            if path == MEMORY
            else _File(path, (), durable, busy_timeout)
        )
        self._next = _Group()
        self._later: deque[tuple[Bulk, Row]] = deque()
        self._timer: IDelayedCall | None = None
        self._woken = False
        self._committing = False
        self._reading = 0
        self._healthy = True
        self._closed = True
        self._when_idle: Deferred[None] | None = None

    def open(self) -> None:
        """
        Open the file and bring its schema up to date; twice is once.

        @raise BadConfig: it cannot be used: no database, no permission,
            locked, or from a newer version.
        """
        if self._closed:
            self._file.open()
            self._closed = False

    def try_out(self) -> None:
        """
        Open it and close it again: what threads use is opened after a fork.

        @raise BadConfig: it cannot be used.
        """
        self.open()
        self._file.close()
        self._closed = True

    @property
    def is_healthy(self) -> bool:
        """
        Whether what was to be written last was written.
        """
        return self._healthy and not self._closed

    def figures(self, name: str) -> Iterator[Figure]:
        """
        What there is to measure of it.

        @param name: what to call it.
        """
        labels = {"database": name}
        waiting = len(self._next.jobs) + len(self._next.rows)
        yield Figure(
            "cs_database_commit_seconds",
            "histogram",
            "How long a commit took.",
            self.commits,
            labels,
        )
        yield Figure(
            "cs_database_waiting",
            "gauge",
            "What waits for the next commit, and what nobody waits for.",
            waiting + self.backlog,
            labels,
        )
        yield Figure(
            "cs_database_dropped_rows",
            "counter",
            "Rows that nobody waited for and that could not be written.",
            self.dropped,
            labels,
        )
        yield Figure(
            "cs_database_writable",
            "gauge",
            "Whether the last commit succeeded.",
            float(self.is_healthy),
            labels,
        )

    @property
    def backlog(self) -> int:
        """
        How many rows that nobody waits for are not written yet.
        """
        return len(self._later)

    def read_now(self, query: Job[T]) -> T:
        """
        Ask at start, when nobody waits yet.
        """
        return self._file.read(query)

    def startService(self) -> None:
        self.open()
        self._writer.start()
        if self._reader is not self._writer:
            self._reader.start()
        super().startService()
        self._hand_over()

    def stopService(self) -> Deferred[None]:
        """
        Commit what waits, then close.
        """
        super().stopService()
        if self._closed:
            return succeed(None)
        self._closed = True
        self._when_idle = Deferred()
        self._when_idle.addCallback(self._checkpoint)
        self._when_idle.addBoth(self._close)
        done = self._when_idle
        self._hand_over()
        return done

    def write(self, job: Job[T], durable: bool = False) -> Deferred[T]:
        """
        Run a job in the next group; the Deferred fires with what it returned
        once that is committed.

        The job runs in another thread and may run twice, so it touches the
        database alone.  Whoever refuses by raising raises before writing:
        then the group goes on without it.

        @param durable: wait for the disk (fsync) even if this database does
            not always.
        @raise BackendUnavailable: (by the Deferred) the disk is full, the
            database is locked: try again.
        """
        answer: Deferred[T] = Deferred()
        if self._closed:
            answer.errback(BackendUnavailable("the database is closed"))
            return answer
        self._next.jobs.append((job, answer))
        self._next.durable |= durable
        if not self._woken:
            self._wake()
        return answer

    def append(
        self, bulk: Bulk, rows: Sequence[Row], outcome: Any = None
    ) -> Deferred[Any]:
        """
        Write rows with the next group, ahead of its jobs.

        @return: fires with C{outcome}.
        @raise BackendUnavailable: (by the Deferred) as by L{write}.
        """
        answer: Deferred[Any] = Deferred()
        if self._closed:
            answer.errback(BackendUnavailable("the database is closed"))
            return answer
        self._next.rows.append((bulk, rows, answer, outcome))
        if not self._woken:
            self._wake()
        return answer

    def append_later(self, bulk: Bulk, row: Row) -> None:
        """
        Write a row with some group soon, if the database can.
        """
        if self._closed:
            return
        if len(self._later) >= self._backlog:
            self._drop()
        self._later.append((bulk, row))
        if self._timer is None:
            self._timer = self._reactor.callLater(LATER, self._timer_fired)

    def read(self, query: Job[T]) -> Deferred[T]:
        """
        Ask what there is after all that was written before this.
        """
        answer: Deferred[T] = Deferred()
        if self._closed:
            answer.errback(BackendUnavailable("the database is closed"))
            return answer
        self._next.reads.append((query, answer))
        if not self._woken:
            self._wake()
        return answer

    def _wake(self) -> None:
        self._woken = True
        if self.running and not self._committing:
            self._writer.soon(self._hand_over)

    def _timer_fired(self) -> None:
        self._timer = None
        if not self._woken:
            self._wake()

    def _drop(self) -> None:
        self._later.popleft()
        if not self.dropped:
            self.log.error(
                "{path}: rows cannot be written as fast as they come; "
                "the oldest that nobody waits for are dropped",
                path=self.path,
            )
        self.dropped += 1

    def _hand_over(self) -> None:
        """
        Give the thread what was gathered; one group is under way at a time.
        """
        if self._committing:
            return
        self._woken = False
        group, self._next = self._next, _Group()
        group.later = list(self._later)
        self._later.clear()
        if not group.has_writes():
            self._answer_reads(group)
            self._check_idle()
            return
        self._committing = True
        self._began = self._reactor.seconds()
        done = self._writer.run(partial(self._file.commit, group))
        done.addErrback(_all_failed, group)
        done.addCallback(self._committed, group)
        done.addErrback(self._oops)

    def _committed(self, committed: _Committed, group: _Group) -> None:
        self._committing = False
        self.commits.add(self._reactor.seconds() - self._began)
        self._say_health(committed.reason)
        # Newer rows have come meanwhile; these go before them again.
        room = self._backlog - len(self._later)
        for item in reversed(committed.later[-room:] if room > 0 else ()):
            self._later.appendleft(item)
        self.dropped += committed.dropped
        self.dropped += max(0, len(committed.later) - max(room, 0))
        self._answer_reads(group)
        for answer, outcome in committed.outcomes:
            if outcome.__class__ is Failure:
                answer.errback(outcome)
            else:
                answer.callback(outcome)
        last = self._closed and self._later and committed.reason is None
        # Who was to be woken meanwhile was not.
        if self._woken or self._next.has_writes() or self._next.reads or last:
            self._hand_over()
        elif self._later and self._timer is None and not self._closed:
            self._timer = self._reactor.callLater(LATER, self._timer_fired)
        self._check_idle()

    def _say_health(self, reason: Exception | None) -> None:
        if reason is not None and self._healthy:
            self.log.error(
                "{path} cannot be written: {reason}",
                path=self.path,
                reason=str(reason),
            )
        elif reason is None and not self._healthy:
            self.log.info("{path} can be written again", path=self.path)
        self._healthy = reason is None

    def _oops(self, failure: Failure) -> None:
        self.log.failure("a bug in the database", failure)

    def _answer_reads(self, group: _Group) -> None:
        for query, answer in group.reads:
            self._reading += 1
            done = self._reader.run(partial(self._reader_file.read, query))
            done.addBoth(self._was_read, answer)

    def _was_read(self, result: Any, answer: Deferred[Any]) -> None:
        self._reading -= 1
        answer.callback(result)
        self._check_idle()

    def _check_idle(self) -> None:
        idle = not (self._committing or self._reading)
        if idle and self._when_idle is not None:
            when_idle, self._when_idle = self._when_idle, None
            when_idle.callback(None)

    def _checkpoint(self, _: None) -> Deferred[None]:
        return self._writer.run(self._file.checkpoint)

    def _close(self, _: None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._writer.stop()
        if self._reader is not self._writer:
            self._reader.stop()
            self._reader_file.close()
        self._file.close()


def _all_failed(failure: Failure, group: _Group) -> _Committed:
    """
    The thread itself failed: nobody may wait for ever.
    """
    return _Committed([(answer, failure) for answer in group.waiting()])


class _Gone(sqlite3.OperationalError):
    """
    There was a file, and there is none.
    """

    sqlite_errorname = "SQLITE_CANTOPEN"


class _File:
    """
    A connection to the file, used by one thread at a time.
    """

    def __init__(
        self,
        path: str,
        migrations: Sequence[str],
        durable: bool,
        busy_timeout: float,
    ) -> None:
        self._path = path
        self._migrations = migrations
        self._durable = durable
        self._busy_timeout = busy_timeout
        self._connection: sqlite3.Connection | None = None

    def open(self) -> None:
        """
        @raise BadConfig: the file cannot be used.
        """
        try:
            # Created here, so that nobody else may read what is personal.
            if self._path != MEMORY and not os.path.exists(self._path):
                os.close(os.open(self._path, os.O_CREAT | os.O_WRONLY, 0o600))
            self._connection = self._connect()
            self._migrate(self._connection)
        except OSError as e:
            raise BadConfig(f"{self._path}: {e.strerror}") from None
        except sqlite3.Error as e:
            self.close()
            raise BadConfig(f"{self._path}: {_in_words(e)}") from e
        except BadConfig:
            self.close()
            raise

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def checkpoint(self) -> None:
        """
        Leave one file behind, without its write-ahead log.
        """
        # Where it fails, the log is read at the next start instead.
        with suppress(sqlite3.Error):
            connection = self._connected()
            connection.execute("PRAGMA busy_timeout = 0")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def read(self, query: Job[T]) -> T:
        try:
            return query(self._connected())
        except sqlite3.DatabaseError as e:
            self._mistrust(e)
            raise _translated(e) from e

    def commit(self, group: _Group) -> _Committed:
        """
        Commit a group, or what of it can be.
        """
        try:
            return _Committed(self._commit_together(group))
        except _Spoilt as e:
            reason = e.__cause__
        if _is_about_the_file(reason):
            self._mistrust(reason)
            return self._refuse(group, cast(Exception, reason))
        return self._commit_each(group)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path,
            timeout=self._busy_timeout,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=512,
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            level = "FULL" if self._durable else "NORMAL"
            connection.execute(f"PRAGMA synchronous = {level}")
            connection.execute("PRAGMA temp_store = MEMORY")
            connection.execute("PRAGMA journal_size_limit = 67108864")
            if self._migrations:
                # Who writes waits by itself, see _begin_now.
                connection.execute("PRAGMA busy_timeout = 0")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            # SQLite would make a new file, and there would be nothing in it.
            if self._path != MEMORY and not os.path.exists(self._path):
                raise _Gone(self._path)
            self._connection = self._connect()
        return self._connection

    def _mistrust(self, error: BaseException | None) -> None:
        """
        Open the file anew after an error that may be the connection's.
        """
        passing = _primary(error) in ("SQLITE_BUSY", "SQLITE_LOCKED")
        if self._path != MEMORY and _is_about_the_file(error) and not passing:
            self.close()

    def _migrate(self, connection: sqlite3.Connection) -> None:
        known = len(self._migrations)
        self._begin_now(connection)
        [version] = connection.execute("PRAGMA user_version").fetchone()
        if version > known:
            raise BadConfig(
                f"{self._path} has version {version}, made by a newer "
                f"program; this one knows versions up to {known}"
            )
        for script in self._migrations[version:]:
            for statement in _statements(script):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {known}")
        connection.execute("COMMIT")

    def _begin(self, durable: bool) -> sqlite3.Connection:
        try:
            connection = self._connected()
            if not self._durable:
                level = "FULL" if durable else "NORMAL"
                connection.execute(f"PRAGMA synchronous = {level}")
            self._begin_now(connection)
        except sqlite3.Error as e:
            raise _Spoilt from e
        return connection

    def _begin_now(self, connection: sqlite3.Connection) -> None:
        """
        Begin to write as soon as no other process does.

        @raise sqlite3.OperationalError: one does for too long.
        """
        end = monotonic() + self._busy_timeout
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as e:
                if _primary(e) != "SQLITE_BUSY" or monotonic() >= end:
                    raise
            sleep(GLANCE)

    def _commit_together(self, group: _Group) -> list[_Outcome]:
        connection = self._begin(group.durable)
        outcomes: list[_Outcome] = []
        try:
            _write_rows(connection, group, outcomes)
            for job, answer in group.jobs:
                outcomes.append((answer, _attempt(connection, job)))
            connection.execute("COMMIT")
        except Exception as e:
            self._roll_back(connection)
            raise _Spoilt from e
        return outcomes

    def _commit_each(self, group: _Group) -> _Committed:
        """
        Commit each alone, so that only the guilty fail.
        """
        committed = _Committed([])
        for one in _each(group):
            try:
                committed.outcomes += self._commit_together(one)
            except _Spoilt as e:
                refused = self._refuse(one, cast(Exception, e.__cause__))
                committed.outcomes += refused.outcomes
                committed.later = [*committed.later, *refused.later]
                committed.reason = refused.reason or committed.reason
                committed.dropped += refused.dropped
        return committed

    def _refuse(self, group: _Group, reason: Exception) -> _Committed:
        failure = Failure(_translated(reason))
        outcomes: list[_Outcome] = [(d, failure) for d in group.waiting()]
        if not isinstance(failure.value, BackendUnavailable):
            return _Committed(outcomes, dropped=len(group.later))
        # What a full disk refuses today it may take tomorrow.
        return _Committed(outcomes, group.later, failure.value)

    def _roll_back(self, connection: sqlite3.Connection) -> None:
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            # Nobody knows what it is in; a new connection does.
            if self._path != MEMORY:
                self.close()


def _write_rows(
    connection: sqlite3.Connection, group: _Group, outcomes: list[_Outcome]
) -> None:
    gathered: dict[Bulk, list[Row]] = {}
    for bulk, row in group.later:
        gathered.setdefault(bulk, []).append(row)
    for bulk, rows, answer, outcome in group.rows:
        gathered.setdefault(bulk, []).extend(rows)
        outcomes.append((answer, outcome))
    for bulk, all_rows in gathered.items():
        bulk.write(connection, all_rows)


def _attempt(connection: sqlite3.Connection, job: Job[Any]) -> Any:
    """
    What a job returns, or the L{Failure} of one that has written nothing.
    """
    before = connection.total_changes
    try:
        return job(connection)
    except OCPPError:
        if connection.total_changes != before:
            raise
        return Failure()


def _each(group: _Group) -> Iterator[_Group]:
    if group.later:
        for bulk in dict.fromkeys(bulk for bulk, _ in group.later):
            yield _Group(later=[i for i in group.later if i[0] is bulk])
    for rows in group.rows:
        yield _Group(rows=[rows], durable=group.durable)
    for job in group.jobs:
        yield _Group(jobs=[job], durable=group.durable)


def _statements(script: str) -> Iterator[str]:
    """
    >>> list(_statements("CREATE TABLE a (b); CREATE TABLE c (d);"))
    ['CREATE TABLE a (b);', ' CREATE TABLE c (d);']
    """
    statement = ""
    for part in script.split(";"):
        statement += part
        if not statement.strip():
            continue
        statement += ";"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


#: What an operator reads; the text of SQLite may hold SQL.
_WORDS = {
    "SQLITE_FULL": "the disk is full",
    "SQLITE_BUSY": "another process has locked it",
    "SQLITE_LOCKED": "another process has locked it",
    "SQLITE_READONLY": "it may not be written",
    "SQLITE_PERM": "it may not be opened",
    "SQLITE_CANTOPEN": "it cannot be opened",
    "SQLITE_IOERR": "the disk fails",
    "SQLITE_NOTADB": "it is not an SQLite database",
    "SQLITE_CORRUPT": "it is damaged",
}

#: What concerns all that is written, and not one row.
_ABOUT_THE_FILE = {
    "SQLITE_BUSY",
    "SQLITE_LOCKED",
    "SQLITE_READONLY",
    "SQLITE_PERM",
    "SQLITE_CANTOPEN",
    "SQLITE_IOERR",
    "SQLITE_NOTADB",
    "SQLITE_CORRUPT",
}


def _primary(error: BaseException | None) -> str:
    """
    The primary result code: C{SQLITE_IOERR} of C{SQLITE_IOERR_WRITE}.
    """
    name: str = getattr(error, "sqlite_errorname", None) or ""
    return "_".join(name.split("_")[:2])


def _in_words(error: BaseException) -> str:
    return _WORDS.get(_primary(error), "the database failed")


def _is_about_the_file(error: BaseException | None) -> bool:
    return _primary(error) in _ABOUT_THE_FILE


def _translated(error: Exception) -> Exception:
    """
    Our exception for what the database could not do, without its SQL.
    """
    if (
        isinstance(error, sqlite3.OperationalError)
        or _primary(error) in _WORDS
    ):
        ours = BackendUnavailable(_in_words(error))
        ours.__cause__ = error
        return ours
    return error
