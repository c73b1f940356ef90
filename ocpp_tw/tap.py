"""
C{twistd cs}: the command line, and the service it describes.
"""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from typing import Any, NoReturn

from attrs import asdict
from twisted.application.service import IService
from twisted.python import usage
from twisted.python.reflect import namedAny

from twisted import __version__ as twisted_version

from . import __version__, config
from .errors import BadConfig
from .logs import Logs
from .plugin import backend_makers, find_backend_maker
from .system import Owner, acting_as, owner_of


# Until the service listens to them, these would end the process.
for number in (signal.SIGHUP, signal.SIGUSR1):
    signal.signal(number, signal.SIG_IGN)


class Options(usage.Options):
    """
    The command line of C{twistd cs}.

    C{options["loaded"]} is the configuration; C{options["load"]} reads it
    again, from wherever the process is by then.
    """

    synopsis = "[--config=FILE] [--test]"
    longdesc = (
        "Runs a central system for OCPP charging stations. Every key of the "
        "configuration file can be given in the environment, as "
        "CS_<SECTION>_<KEY>."
    )
    optParameters = [
        [
            "config",
            "c",
            None,
            "Configuration file (else $CS_CONFIG, /etc/cs/cs.conf or "
            "conf/default.conf, if there is one).",
        ],
    ]
    logs: Logs | None = None

    optFlags = [
        ["test", "t", "Check the configuration, and exit."],
        [
            "postgres-init",
            None,
            "Install our schema in the database of [postgres/conninfo], or "
            "bring it up to date, and exit.",
        ],
    ]

    def opt_help_backends(self) -> NoReturn:
        """
        List the backends installed here, and exit.
        """
        for maker in sorted(backend_makers(), key=lambda maker: maker.name):
            print(f"{maker.name:12} {maker.description}")
        raise SystemExit(0)

    def opt_version(self) -> NoReturn:
        """
        Say our version and Twisted's, and exit.
        """
        print(f"ocpp_tw {__version__} (Twisted {twisted_version})")
        raise SystemExit(0)

    def postOptions(self) -> None:
        self["load"] = partial(
            config.load, self["config"], dict(os.environ), os.getcwd()
        )
        if self["test"]:
            self._test()
        if self["postgres-init"]:
            self._init_postgres()
        try:
            self["loaded"] = self._checked()
        except BadConfig as e:
            raise usage.UsageError(str(e)) from e
        self._obey_daemon()
        self._become()
        self._take_the_log()

    def _checked(self) -> config.Config:
        loaded: config.Config = self["load"]()
        find_backend_maker(loaded.backend.name)
        owner_of(loaded.main)
        return loaded

    def _test(self) -> NoReturn:
        try:
            loaded = self._checked()
            problems = config.check(loaded)
            for warning in loaded.warnings:
                print(f"warning: {warning}", file=sys.stderr)
        except BadConfig as e:
            problems = e.problems
        name = f"configuration file {self._name()}"
        if problems:
            print(*problems, f"{name} test failed", sep="\n", file=sys.stderr)
            raise SystemExit(1)
        print(f"{name} test is successful")
        raise SystemExit(0)

    def _init_postgres(self) -> NoReturn:
        try:
            install = namedAny("ocpp_tw.backends.postgres.schema.install")
        except ImportError as e:
            # Not everybody has what it needs.
            raise SystemExit(f"{e}: pip install 'ocpp_tw[postgres]'") from None
        try:
            done = install(asdict(self["load"]().postgres.conninfo))
        except BadConfig as e:
            raise SystemExit("\n".join(e.problems)) from None
        print(*(done or ["the schema is up to date"]), sep="\n")
        raise SystemExit(0)

    def _name(self) -> object:
        try:
            file = config.find(self["config"], os.environ)
        except BadConfig:
            return self["config"] or os.environ["CS_CONFIG"]
        return file or "(none, the defaults)"

    def _obey_daemon(self) -> None:
        """
        What C{[daemon]} says is for twistd, whose options are our parent's.
        """
        daemon: config.Daemon = self["loaded"].daemon
        twistd: dict[str, Any] = self.parent or {}
        if "nodaemon" in twistd and not daemon.daemon:
            twistd["nodaemon"] = True
        if daemon.pid and twistd.get("pidfile") == "twistd.pid":
            twistd["pidfile"] = daemon.pid

    def _become(self) -> None:
        """
        Whom C{[main]} says to be, twistd becomes once it listens.
        """
        twistd: dict[str, Any] = self.parent or {}
        owner = self["owner"] = owner_of(self["loaded"].main)
        if owner.user >= 0 and twistd.get("uid") is None:
            twistd["uid"] = owner.user
        if owner.group >= 0 and twistd.get("gid") is None:
            twistd["gid"] = owner.group

    def _take_the_log(self) -> None:
        """
        Log as C{[log]} says, unless twistd was given a logger of its own.
        """
        twistd: dict[str, Any] = self.parent or {}
        if not twistd.get("logger") and not twistd.get("syslog"):
            twistd["logger"] = "ocpp_tw.tap.Options.observer"

    @classmethod
    def observer(cls) -> Logs | None:
        """
        What twistd asks for by its name: a process has one log.
        """
        return cls.logs

    @property
    def log_by_default(self) -> str:
        """
        Where the log goes if C{[log]} does not say.
        """
        twistd: dict[str, Any] = self.parent or {}
        file = twistd.get("logfile")
        if file == "-" or (twistd.get("nodaemon") and not file):
            return "stdout"
        return os.path.abspath(file or "twistd.log")


def makeService(options: Options) -> IService:
    """
    Assemble the central system that the command line describes.
    """
    from twisted.internet import reactor

    from .service import CentralSystem, EmulatorAlone
    from .workers.master import has_master

    loaded: config.Config = options["loaded"]
    try:
        owner: Owner = options["owner"]
        files = owner.user, owner.group
        logs = Logs(loaded.log, options.log_by_default, files)
        Options.logs = logs
        if loaded.emulator.enable and not loaded.main.master:
            alone: IService = EmulatorAlone(options["load"], reactor, logs)
            return alone
        master = (
            _master(options, reactor, logs) if has_master(loaded) else None
        )
        service = CentralSystem(options["load"], reactor, logs, files)
        # Now, while somebody reads what we say.
        with acting_as(owner):
            service.try_out()
        if master is not None:
            # The workers open the same again, each for itself.
            service.books.close()
            return master
    except BadConfig as e:
        raise SystemExit(f"twistd cs: {e}") from None
    return service


def _master(options: Options, reactor: Any, logs: Logs) -> IService:
    """
    Several processes: this one begins the others.
    """
    from setproctitle import setproctitle

    from .workers.master import Master
    from .workers.worker import Role

    path, folder = options["config"] or "", os.getcwd()
    role = Role(0, path, folder, options.log_by_default)
    service: IService = Master(options["load"], role, reactor, logs)
    setproctitle(f"cs: master process {' '.join(sys.argv)}")
    return service
