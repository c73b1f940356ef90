"""
The servers that are compared, and how each is started and ended.
"""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

from attrs import field, frozen


#: Seconds a server may take to accept connections, and to end.
START, END = 30, 10
_CHECKOUT = Path(__file__).parent.parent
_PLUGINS = Path(__file__).parent / "plugins"
_TWISTD = "from twisted.scripts.twistd import run; run()"


class NotRunning(Exception):
    """
    The server did not start, or ended by itself.
    """


@frozen
class Server:
    """
    A row of the table: a command, run in an empty directory of its own.

    @ivar command: C{{port}}, C{{dir}} and C{{beside}} in it, and in the
        environment, are filled in.
    @ivar path: the part of the URL before the identity.
    @ivar beside: the command of what it asks, which listens on the port
        C{{beside}}; it runs where the load runs, and is not measured.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(factory=dict)
    path: str = "/ocpp"
    beside: tuple[str, ...] = ()


def _ours(name: str, beside: tuple[str, ...] = (), **settings: str) -> Server:
    command = (sys.executable, "-c", _TWISTD, "-n", "--pidfile=", "cs")
    environment = {"CS_SERVER_PORT": "{port}", **settings}
    return Server(name, command, environment, beside=beside)


#: The first row is what the others are compared with.
PEER = Server(
    "ocpp + websockets", (sys.executable, "-m", "bench.peer_server", "{port}")
)
SERVERS = (
    PEER,
    _ours("nothing kept", CS_BACKEND_NAME="nothing"),
    _ours("memory", CS_BACKEND_NAME="memory"),
    _ours(
        "embedded",
        CS_BACKEND_NAME="embedded",
        CS_EMBEDDED_PATH="{dir}/cs.sqlite3",
    ),
    _ours(
        "2 workers",
        CS_BACKEND_NAME="embedded",
        CS_EMBEDDED_PATH="{dir}/cs.sqlite3",
        CS_MAIN_WORKERS="2",
    ),
    _ours(
        "webhook",
        (sys.executable, "-m", "bench.webhook_server", "{beside}"),
        CS_BACKEND_NAME="webhook",
        CS_WEBHOOK_URL="http://127.0.0.1:{beside}/",
    ),
    _ours(
        "postgres",
        (sys.executable, "-m", "bench.cluster", "{beside}"),
        CS_BACKEND_NAME="postgres",
        PGHOST="127.0.0.1",
        PGPORT="{beside}",
        PGUSER="postgres",
        PGDATABASE="postgres",
        CS_POSTGRES_POLL_MAX="40",
    ),
)


def parse(text: str) -> Server:
    """
    A server from the command line.

    >>> parse("mine=./csms --port {port}").command
    ('./csms', '--port', '{port}')
    """
    name, _, command = text.partition("=")
    if not name or not command:
        raise ValueError(f"not of the form name=command: {text!r}")
    return Server(name, tuple(shlex.split(command)))


@frozen
class Running:
    """
    A server that accepts connections.
    """

    pid: int
    url: str


@contextmanager
def running(server: Server, cpus: set[int] | None) -> Iterator[Running]:
    """
    Start the server, on these CPUs, and end it afterwards.

    @raise NotRunning: with the last lines it wrote.
    """
    with (
        TemporaryDirectory(prefix="bench-") as directory,
        ExitStack() as stack,
    ):
        place = _Place(Path(directory), free_port(), free_port())
        if server.beside:
            stack.enter_context(
                place.process(server.beside, place.beside, None)
            )
        process = stack.enter_context(
            place.process(server.command, place.port, cpus, server.environment)
        )
        url = f"ws://127.0.0.1:{place.port}{server.path}"
        yield Running(process.pid, url)


@frozen
class _Place:
    """
    Where a server runs, and the ports that it, and what it asks, listen on.
    """

    directory: Path
    port: int
    beside: int

    @contextmanager
    def process(
        self,
        command: tuple[str, ...],
        port: int,
        cpus: set[int] | None,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> Iterator[subprocess.Popen[bytes]]:
        """
        A process that listens on that port.
        """
        log = self.directory / f"bench-{port}.log"
        process = self._start(command, environment, log, cpus)
        try:
            _await_port(process, port, log)
            yield process
        finally:
            _end(process)

    def _start(
        self,
        command: tuple[str, ...],
        environment: Mapping[str, str],
        log: Path,
        cpus: set[int] | None,
    ) -> subprocess.Popen[bytes]:
        ours = {name: self._filled(x) for name, x in environment.items()}
        with log.open("wb") as output, _on(cpus):
            return subprocess.Popen(
                [self._filled(word) for word in command],
                cwd=self.directory,
                env=_environment() | ours,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def _filled(self, text: str) -> str:
        filled = text.replace("{dir}", str(self.directory))
        filled = filled.replace("{beside}", str(self.beside))
        return filled.replace("{port}", str(self.port))


def _environment() -> dict[str, str]:
    """
    Our own, without settings for other central systems, and with this
    checkout, and the bench's own backend, to import from.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CS_")}
    paths = [str(_CHECKOUT), str(_PLUGINS), kept.get("PYTHONPATH", "")]
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


@contextmanager
def _on(cpus: set[int] | None) -> Iterator[None]:
    """
    What is started here runs on these CPUs, with all its threads.
    """
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def free_port() -> int:
    """
    A port of the loopback interface that nobody listens on.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_port(
    process: subprocess.Popen[bytes], port: int, log: Path
) -> None:
    end = time.monotonic() + START
    while not _accepts(port):
        if process.poll() is not None or time.monotonic() > end:
            last = log.read_text(errors="replace").splitlines()[-10:]
            raise NotRunning("\n".join(["it did not start:", *last]))
        time.sleep(0.1)


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
