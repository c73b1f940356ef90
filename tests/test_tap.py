"""
Tests for L{ocpp_tw.tap}.
"""

import io
import os
import sqlite3
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import evolve
from twisted.application.service import IServiceMaker
from twisted.plugin import getPlugins
from twisted.python import usage
from twisted.scripts.twistd import ServerOptions
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw import __version__, config, service, tap
from ocpp_tw.errors import BadConfig
from ocpp_tw.plugin import BackendMaker


ROOT = Path(tap.__file__).parent.parent


class TapTestCase(SynchronousTestCase):
    """
    A test in an empty folder, with no environment to speak of.
    """

    def setUp(self):
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(folder.name)
        self.folder = Path(os.getcwd())
        self.patch(os, "environ", {})
        self.patch(config.reading, "PLACES", ("conf/default.conf",))
        self.patch(tap, "find_backend_maker", self.find)

    def find(self, name):
        if name == "nope":
            raise BadConfig("no backend 'nope'")

    def write(self, text):
        Path("cs.conf").write_text(text)

    def subcommand(self):
        return ("cs", None, tap.Options, "")

    def parse(self, *args):
        options = tap.Options()
        options.parseOptions(args)
        return options

    def leave(self, *args):
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            left = self.assertRaises(SystemExit, self.parse, *args)
        return left.code, out.getvalue(), err.getvalue()


class OptionsTests(TapTestCase):
    """
    Tests for L{tap.Options}.
    """

    def test_defaults(self):
        """
        Nothing said is the defaults.
        """
        options = self.parse()
        self.assertEqual(options["loaded"], config.load(None, {}))

    def test_config(self):
        """
        The file asked for is loaded, and the environment wins over it.
        """
        self.write("[server]\nport = 1\n[main]\nworkers = 3\n")
        os.environ["CS_SERVER_PORT"] = "2"
        loaded = self.parse("-c", "cs.conf")["loaded"]
        self.assertEqual((loaded.server.port, loaded.main.workers), (2, 3))

    def test_load_again(self):
        """
        It is loaded again from the same place, wherever we are by then.
        """
        self.write("")
        options = self.parse("--config", "cs.conf")
        self.write("[server]\nport = 1\n")
        os.chdir("/")
        again = options["load"]()
        path = str(self.folder / "cs.sqlite3")
        self.assertEqual(again.embedded.path, path)
        before = options["loaded"]
        self.assertEqual(evolve(before.server, port=1), again.server)

    def test_wrong(self):
        """
        A configuration that cannot be used is an error of usage, with all
        that is wrong.
        """
        self.write("[server]\nport = x\nprot = 1\n")
        error = self.assertRaises(
            usage.UsageError, self.parse, "-c", "cs.conf"
        )
        self.assertIn("cs.conf:2: [server] port = 'x'", str(error))
        self.assertIn("cs.conf:3: [server] prot", str(error))

    def test_no_backend(self):
        """
        A backend that is not there is an error of usage.
        """
        os.environ["CS_BACKEND_NAME"] = "nope"
        with self.assertRaisesRegex(usage.UsageError, "no backend 'nope'"):
            self.parse()

    def test_daemon(self):
        """
        C{[daemon]} tells twistd, unless its command line did.
        """
        self.write("[daemon]\ndaemon = no\npid = cs.pid\n")
        for args, pid in [
            ((), str(self.folder / "cs.pid")),
            (("--pidfile", "other"), str(self.folder / "other")),
        ]:
            twistd = ServerOptions()
            self.patch(ServerOptions, "subCommands", [self.subcommand()])
            twistd.parseOptions([*args, "cs", "-c", "cs.conf"])
            self.assertIs(twistd["nodaemon"], True)
            self.assertEqual(twistd["pidfile"], pid)

    def test_user(self):
        """
        C{[main]} tells twistd whom to become, unless its command line did.
        """
        self.patch(os, "geteuid", lambda: 0)
        os.environ["CS_MAIN_USER"] = "nobody"
        for args, user in [((), 65534), (("--uid", "5"), 5)]:
            twistd = ServerOptions()
            self.patch(ServerOptions, "subCommands", [self.subcommand()])
            twistd.parseOptions([*args, "cs"])
            self.assertEqual(twistd["uid"], user)

    def test_no_user(self):
        """
        A user that there is not is an error of usage.
        """
        os.environ["CS_MAIN_USER"] = "no.such"
        with self.assertRaisesRegex(usage.UsageError, "no such user"):
            self.parse()

    def test_no_daemon(self):
        """
        What C{[daemon]} does not say is twistd's business.
        """
        twistd = ServerOptions()
        self.patch(ServerOptions, "subCommands", [self.subcommand()])
        twistd.parseOptions(["cs"])
        self.assertFalse(twistd["nodaemon"])
        self.assertEqual(twistd["pidfile"], str(self.folder / "twistd.pid"))

    def test_version(self):
        """
        C{--version} says ours.
        """
        code, out, _ = self.leave("--version")
        self.assertEqual(code, 0)
        self.assertTrue(out.startswith(f"ocpp_tw {__version__} "))

    def test_help_backends(self):
        """
        C{--help-backends} lists what is installed, by name.
        """
        makers = [BackendMaker("b", "x", "Two."), BackendMaker("a", "x", "1.")]
        self.patch(tap, "backend_makers", lambda: makers)
        code, out, _ = self.leave("--help-backends")
        self.assertEqual(code, 0)
        self.assertRegex(out, r"^a +1\.\nb +Two\.\n$")


class TestTests(TapTestCase):
    """
    Tests for C{twistd cs --test}.
    """

    def test_fine(self):
        """
        What is fine is said to be, and the exit code is 0.
        """
        self.write("[main]\nhelper = no\n")
        code, out, err = self.leave("-t", "-c", "cs.conf")
        self.assertEqual(code, 0)
        file = self.folder / "cs.conf"
        self.assertEqual(
            out, f"configuration file {file} test is successful\n"
        )
        self.assertIn("warning: ", err)

    def test_wrong(self):
        """
        What is wrong is said, and the exit code is 1.
        """
        self.write("[server]\nport = x\n")
        code, out, err = self.leave("--test", "--config=cs.conf")
        self.assertEqual((code, out), (1, ""))
        file = self.folder / "cs.conf"
        self.assertIn("[server] port = 'x'", err)
        self.assertTrue(
            err.endswith(f"\nconfiguration file {file} test failed\n")
        )

    def test_checked(self):
        """
        More is looked at than the file.
        """
        self.write("[server]\nroot = none\n")
        code, _, err = self.leave("-t", "-c", "cs.conf")
        self.assertEqual(code, 1)
        self.assertIn("no such folder", err)

    def test_not_found(self):
        """
        A file that is not there is named.
        """
        code, _, err = self.leave("-t", "-c", "nope.conf")
        self.assertEqual(code, 1)
        self.assertEqual(
            err,
            "configuration file nope.conf not found\n"
            "configuration file nope.conf test failed\n",
        )


class MakeServiceTests(TapTestCase):
    """
    Tests for L{tap.makeService}.
    """

    def test_made(self):
        """
        The central system is handed what loads its configuration, the
        reactor, and the log that twistd is told to use.
        """
        from twisted.internet import reactor

        made_of = []

        class FakeSystem:
            def __init__(self, *args):
                made_of.append(args)

            def try_out(self):
                made_of.append("tried out")

        self.patch(service, "CentralSystem", FakeSystem)
        options = self.parse()
        tap.makeService(options)
        logs = tap.Options.observer()
        handed = options["load"], reactor, logs, (-1, -1)
        self.assertEqual(made_of, [handed, "tried out"])

    def test_newer_database(self):
        """
        A database that cannot be used ends the start with one sentence.
        """
        with sqlite3.connect("cs.sqlite3") as database:
            database.execute("PRAGMA user_version = 99")
        error = self.assertRaises(SystemExit, tap.makeService, self.parse())
        self.assertIn("made by a newer program", str(error))

    def test_log(self):
        """
        A log file that cannot be opened is said, and nothing starts.
        """
        os.environ["CS_LOG_ERROR"] = "nowhere/error.log"
        with self.assertRaisesRegex(SystemExit, "nowhere/error.log: No such"):
            tap.makeService(self.parse())

    def twistd(self, *args):
        twistd = ServerOptions()
        self.patch(ServerOptions, "subCommands", [self.subcommand()])
        twistd.parseOptions([*args, "cs"])
        return twistd

    def test_log_by_default(self):
        """
        Where C{[log]} says nothing, the log goes where twistd's would.
        """
        for args, place in [
            (["-n"], "stdout"),
            ([], str(self.folder / "twistd.log")),
            (["-n", "--logfile", "x.log"], str(self.folder / "x.log")),
            (["-n", "--logfile", "-"], "stdout"),
        ]:
            twistd = self.twistd(*args)
            self.assertEqual(twistd.subOptions.log_by_default, place)

    def test_logger(self):
        """
        twistd logs with ours, unless it is given one.
        """
        observer = tap.Options.observer
        self.assertEqual(self.twistd()["logger"](), observer())
        given = self.twistd("--logger", "os.getcwd")
        self.assertIs(given["logger"], os.getcwd)

    def test_offered(self):
        """
        Twisted finds C{cs}.
        """
        [cs] = (m for m in getPlugins(IServiceMaker) if m.tapname == "cs")
        self.assertIs(cs.options, tap.Options)
        self.assertIs(cs.makeService, tap.makeService)


class ProcessTests(TapTestCase):
    """
    As a process of its own.
    """

    def run_python(self, code, *args):
        return subprocess.run(
            [sys.executable, "-c", code, *args],
            env={"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
        )

    def test_wrong(self):
        """
        C{twistd cs} with a bad configuration says why, and exits with 1.
        """
        self.write("[server]\nport = x\n")
        twistd = "from twisted.scripts.twistd import run; run()"
        ended = self.run_python(twistd, "-n", "cs", "-c", "cs.conf")
        self.assertEqual(ended.returncode, 1)
        self.assertIn("cs.conf:2: [server] port = 'x'", ended.stdout)

    def test_hangup(self):
        """
        A SIGHUP before the service listens to it does no harm.
        """
        code = (
            "import os, signal, ocpp_tw.tap\n"
            "os.kill(os.getpid(), signal.SIGHUP)\n"
            "print('alive')\n"
        )
        ended = self.run_python(code)
        self.assertEqual((ended.returncode, ended.stdout), (0, "alive\n"))
