"""
A PostgreSQL server for the tests: a cluster of its own in a temporary folder,
or the one that C{OCPP_TW_TEST_DSN} names.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any
from uuid import uuid4

import psycopg2
from psycopg2.extensions import parse_dsn

from bench.cluster import Cluster
from bench.servers import free_port
from ocpp_tw.backends.postgres.schema import install


@cache
def cluster() -> Cluster:
    """
    The one of this run.

    @raise bench.cluster.NoPostgres: there are no binaries.
    """
    return Cluster(free_port())


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
