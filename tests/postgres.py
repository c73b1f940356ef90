"""
A PostgreSQL server for the tests: a cluster of its own in a temporary folder,
or the one that C{OCPP_TW_TEST_DSN} names.
"""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from uuid import uuid4

import psycopg2
from psycopg2.extensions import parse_dsn

from bench.servers import free_port
from ocpp_tw.backends.postgres.schema import install


#: Where distributions put what is not meant for everybody's PATH.
_PLACES = ("/usr/lib/postgresql", "/usr/pgsql", "/opt/homebrew/opt")

_MISSING = (
    "PostgreSQL is needed for these tests and its initdb was not found: "
    "install the package postgresql (Debian, Ubuntu: apt-get install "
    "postgresql; Fedora: dnf install postgresql-server), or name a server in "
    "OCPP_TW_TEST_DSN"
)


class NoPostgres(Exception):
    """
    There are no binaries; the message says what to install.
    """


def binaries() -> Path:
    """
    The folder of C{initdb} and C{pg_ctl}.

    @raise NoPostgres: there is none.
    """
    on_path = shutil.which("initdb")
    found = [Path(on_path).resolve()] if on_path else []
    for place in _PLACES:
        found += sorted(Path(place).glob("*/bin/initdb"), reverse=True)
    for initdb in found:
        if initdb.with_name("pg_ctl").exists():
            return initdb.parent
    raise NoPostgres(_MISSING)


class Cluster:
    """
    A server that can be stopped and started again.

    @ivar conninfo: how to connect to it, in libpq's keywords.
    """

    def __init__(self) -> None:
        self._bin = binaries()
        self._user = _unprivileged()
        self.folder = Path(mkdtemp(prefix="pg-"))
        if self._user:
            shutil.chown(self.folder, self._user)
        self._port = str(free_port())
        self.conninfo = {
            "host": "127.0.0.1",
            "port": self._port,
            "user": "postgres",
            "dbname": "postgres",
        }
        self._run("initdb", "-A", "trust", "-U", "postgres", "--no-sync")
        self.start()
        atexit.register(self._remove)

    def start(self) -> None:
        options = (
            f"-p {self._port} -k {self.folder} "
            "-c listen_addresses=127.0.0.1 -c shared_buffers=32MB "
            "-c max_connections=60"
        )
        log = str(self.folder / "log")
        self._run("pg_ctl", "-w", "-l", log, "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        self._run("pg_ctl", "-w", "-m", mode, "stop")

    def restart(self, mode: str = "fast") -> None:
        self.stop(mode)
        self.start()

    def _run(self, name: str, *words: str) -> None:
        data = str(self.folder / "data")
        # pg_ctl's child keeps its output open for as long as it lives.
        with open(self.folder / "tool.log", "wb") as log:
            subprocess.run(
                [self._bin / name, "-D", data, *words],
                check=True,
                cwd=self.folder,
                user=self._user,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )

    def _remove(self) -> None:
        self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)


def _unprivileged() -> str | None:
    """
    Whom to become: PostgreSQL does not run as root.
    """
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@cache
def cluster() -> Cluster:
    """
    The one of this run.

    @raise NoPostgres: there are no binaries.
    """
    return Cluster()


def server() -> dict[str, str]:
    """
    How to connect to the server.
    """
    dsn = os.environ.get("OCPP_TW_TEST_DSN")
    return dict(parse_dsn(dsn)) if dsn else cluster().conninfo


class Database:
    """
    A database of a test's own.

    @ivar conninfo: how to connect to it.
    """

    def __init__(self, with_schema: bool = True) -> None:
        name = f"test_{uuid4().hex[:12]}"
        self._server = server()
        self.conninfo = {**self._server, "dbname": name}
        execute(self._server, f"CREATE DATABASE {name}")
        if with_schema:
            install(self.conninfo)

    def ask(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """
        Run a statement; what it returns, if anything.
        """
        return execute(self.conninfo, sql, *values)

    def drop(self) -> None:
        name = self.conninfo["dbname"]
        self.cut()
        execute(self._server, f"DROP DATABASE {name}")

    def cut(self) -> None:
        """
        Cut the connections of everybody else.
        """
        execute(
            self._server,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = %s AND pid <> pg_backend_pid()",
            self.conninfo["dbname"],
        )


def execute(
    conninfo: dict[str, str], sql: str, *values: Any
) -> list[tuple[Any, ...]]:
    """
    Run a statement on a connection of its own.
    """
    connection = psycopg2.connect(**conninfo)  # type: ignore[call-overload]
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(sql, values or None)
            return list(cursor.fetchall()) if cursor.description else []
    finally:
        connection.close()
