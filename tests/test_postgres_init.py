"""
Tests for C{twistd cs --postgres-init}, and for C{twistd cs} on PostgreSQL.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from bench import cluster
from bench.cluster import NoPostgres

from .frames import Client
from .postgres import Database
from .process import ROOT, server


_TWISTD = "from twisted.scripts.twistd import run; run()"


class InitTests(SynchronousTestCase):
    """
    A database, and nothing but the command line.
    """

    def setUp(self) -> None:
        self.database = Database(with_schema=False)
        self.addCleanup(self.database.drop)
        conninfo = self.database.conninfo
        self.environment = {
            f"PG{name}": conninfo[key]
            for name, key in (
                ("HOST", "host"),
                ("PORT", "port"),
                ("USER", "user"),
                ("PASSWORD", "password"),
                ("DATABASE", "dbname"),
            )
            if key in conninfo
        }

    def init(self, **environment: str) -> subprocess.CompletedProcess[str]:
        given = {**os.environ, "PYTHONPATH": str(ROOT), **self.environment}
        return subprocess.run(
            [sys.executable, "-c", _TWISTD, "cs", "--postgres-init"],
            env={**given, **environment},
            capture_output=True,
            text=True,
            timeout=60,
        )

    def test_installs(self) -> None:
        """
        The first time says what was installed, the second that there is
        nothing to do.
        """
        first, second = self.init(), self.init()
        self.assertIn("0001-central-system.sql", first.stdout)
        self.assertEqual(first.returncode, 0, first.stderr)
        self.assertEqual(second.stdout, "the schema is up to date\n")

    def test_cannot(self) -> None:
        """
        What cannot be reached is said in words.
        """
        failed = self.init(PGPORT="1")
        self.assertEqual(failed.returncode, 1)
        self.assertIn("[postgres/conninfo]", failed.stderr)
        self.assertNotIn("Traceback", failed.stderr)

    def test_serves(self) -> None:
        """
        C{twistd cs} answers a station from the database, lists what it did,
        and is not ready while the database is away.
        """
        self.assertEqual(self.init().returncode, 0)
        cs = server(self, CS_POSTGRES_CONNECT="yes", **self.environment)
        cs.start()
        station = Client(cs.port).open("/ocpp/CP1/AC0001")
        self.addCleanup(station.close)
        payload = {
            "connectorId": 1,
            "idTag": "A1",
            "meterStart": 5,
            "timestamp": "2026-09-21T14:13:20Z",
        }
        call = [2, "1", "StartTransaction", payload]
        answer = station.ask(json.dumps(call).encode())
        self.assertEqual(answer[2]["transactionId"], 1)
        path = "/api/v1/CentralSystem/TransactionList?identity=CP1"
        _, listed = cs.http("GET", path)
        self.assertEqual(listed["TransactionList"][0]["meterStart"], 5)
        _, listed = cs.http("GET", "/api/v1/ChargePointList")
        self.assertEqual(listed["ChargePointList"][0]["Account"], "AC0001")
        self.assertEqual(cs.http("GET", "/api/v1/transactions")[0], 501)


class MissingTests(SynchronousTestCase):
    """
    A machine without PostgreSQL.
    """

    def test_says_what_to_install(self) -> None:
        """
        Tests that need it fail, and name the package.
        """
        with (
            mock.patch.object(cluster, "_PLACES", ()),
            mock.patch.object(cluster.shutil, "which", return_value=None),
            mock.patch.object(cluster, "find_spec", return_value=None),
        ):
            error = self.assertRaises(NoPostgres, cluster.binaries)
        self.assertIn("apt-get install postgresql", str(error))
