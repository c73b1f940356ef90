"""
The reference schema: installed and upgraded by numbered scripts.

>>> [script.number for script in scripts()][0]
1
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import psycopg2
from attrs import frozen
from psycopg2.extensions import cursor as Cursor

from ...errors import BadConfig


#: Where the scripts are.
SCRIPTS = Path(__file__).parents[2] / "conf" / "sql"

#: Any number, as long as it is ours: two never install at once.
_LOCK = 0x6F637070

_BEGIN = """
CREATE SCHEMA IF NOT EXISTS ocpp;
CREATE TABLE IF NOT EXISTS ocpp.migration (
    number integer PRIMARY KEY,
    name text NOT NULL,
    applied timestamptz NOT NULL DEFAULT now()
);
"""


@frozen
class Script:
    """
    C{0001-central-system.sql}.
    """

    number: int
    name: str
    sql: str


def scripts() -> Sequence[Script]:
    """
    All of them, in order.
    """
    return [_script(file) for file in sorted(SCRIPTS.glob("[0-9]*.sql"))]


def _script(file: Path) -> Script:
    number = re.match(r"\d+", file.name)
    assert number is not None
    return Script(int(number[0]), file.name, file.read_text("utf-8"))


def install(conninfo: Mapping[str, str]) -> Sequence[str]:
    """
    Bring the schema C{ocpp} up to date, each script in a transaction.

    @return: the names of the scripts that were run.
    @raise BadConfig: the database cannot be reached, has a schema C{ocpp} of
        somebody else, or refuses.
    """
    given = {keyword: value for keyword, value in conninfo.items() if value}
    try:
        connection = psycopg2.connect(**given)  # type: ignore[call-overload]
    except psycopg2.Error as e:
        raise BadConfig(f"[postgres/conninfo]: {e}".strip()) from None
    try:
        return [
            script.name for script in scripts() if _applied(connection, script)
        ]
    finally:
        connection.close()


def _applied(connection: psycopg2.extensions.connection, s: Script) -> bool:
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
            _check_owner(cursor)
            cursor.execute(_BEGIN)
            cursor.execute(
                "INSERT INTO ocpp.migration (number, name) VALUES (%s, %s)"
                " ON CONFLICT DO NOTHING",
                [s.number, s.name],
            )
            if not cursor.rowcount:
                return False
            cursor.execute(s.sql)
            return True
    except psycopg2.Error as e:
        reason = e.diag.message_primary or type(e).__name__
        raise BadConfig(f"{s.name}: {reason}") from e


def _check_owner(cursor: Cursor) -> None:
    cursor.execute(
        "SELECT to_regclass('ocpp.migration') IS NULL AND EXISTS (SELECT FROM"
        " pg_proc WHERE pronamespace = to_regnamespace('ocpp'))"
    )
    [is_foreign] = cursor.fetchone() or [False]
    if is_foreign:
        raise BadConfig(
            "the database has a schema ocpp that is not ours; nothing was "
            "changed"
        )
