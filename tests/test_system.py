"""
Tests for L{ocpp_tw.system}.
"""

import os
import resource
import socket
from pathlib import Path
from tempfile import TemporaryDirectory

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw import system
from ocpp_tw.config import Main
from ocpp_tw.errors import BadConfig
from ocpp_tw.system import (
    Notifier,
    Owner,
    acting_as,
    let_files_be_open,
    owner_of,
)


class OwnerTests(SynchronousTestCase):
    """
    Whom we become.
    """

    def as_root(self):
        self.patch(os, "geteuid", lambda: 0)

    def test_nobody(self):
        """
        Where nothing is said, we stay who we are.
        """
        self.as_root()
        self.assertFalse(owner_of(Main()))

    def test_user(self):
        """
        A user brings its own group, unless there is another.
        """
        self.as_root()
        nobody = owner_of(Main(user="nobody"))
        self.assertEqual(nobody.user, 65534)
        self.assertGreater(nobody.group, 0)
        root = owner_of(Main(user="nobody", group="root"))
        self.assertEqual(root, Owner(65534, 0))

    def test_not_root(self):
        """
        Who is not root cannot become anybody.
        """
        self.patch(os, "geteuid", lambda: 1000)
        self.assertFalse(owner_of(Main(user="nobody")))

    def test_unknown(self):
        """
        An unknown name is said, whoever we are.
        """
        with self.assertRaisesRegex(BadConfig, "'no.such': no such user"):
            owner_of(Main(user="no.such"))
        with self.assertRaisesRegex(BadConfig, "'no.such': no such group"):
            owner_of(Main(group="no.such"))

    def test_acting(self):
        """
        Files are made as the other one, and then we are ourselves again.
        """
        calls = []
        for name in ("seteuid", "setegid"):
            self.patch(os, name, lambda n, of=name: calls.append((of, n)))
        self.patch(os, "geteuid", lambda: 0)
        self.patch(os, "getegid", lambda: 0)
        with acting_as(Owner(5, 6)):
            self.assertEqual(calls, [("setegid", 6), ("seteuid", 5)])
        self.assertEqual(calls[2:], [("seteuid", 0), ("setegid", 0)])
        with acting_as(Owner()):
            self.assertEqual(len(calls), 4)


class LimitTests(SynchronousTestCase):
    """
    How many files may be open.
    """

    def setUp(self):
        self.asked = []
        self.patch(resource, "getrlimit", lambda what: (1024, 4096))
        self.patch(resource, "setrlimit", self.set)

    def set(self, what, limits):
        if limits[1] > 4096:
            raise ValueError("not allowed")
        self.asked.append(limits)

    def test_asked(self):
        """
        As many as are asked for.
        """
        let_files_be_open(2000)
        self.assertEqual(self.asked, [(2000, 4096)])

    def test_nothing(self):
        """
        0 leaves it as it is.
        """
        let_files_be_open(0)
        self.assertEqual(self.asked, [])

    def test_too_many(self):
        """
        What only root could have is as much as there is, and a warning.
        """
        events = []
        self.patch(system.log, "observer", events.append)
        let_files_be_open(9999)
        self.assertEqual(self.asked, [(4096, 4096)])
        self.assertEqual([event["most"] for event in events], [4096])


class NotifierTests(SynchronousTestCase):
    """
    Tests for L{Notifier}.
    """

    def setUp(self):
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = str(Path(folder.name) / "notify")
        self.systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.systemd.close)
        self.systemd.bind(path)
        self.systemd.setblocking(False)
        self.environ = {"NOTIFY_SOCKET": path}
        self.clock = Clock()

    def heard(self):
        told = []
        while True:
            try:
                told.append(self.systemd.recv(100).decode())
            except BlockingIOError:
                return told

    def test_life(self):
        """
        systemd hears when we are ready, and when we stop.
        """
        notifier = Notifier(self.environ, self.clock)
        notifier.startService()
        self.assertEqual(self.heard(), ["READY=1"])
        notifier.stopService()
        self.assertEqual(self.heard(), ["STOPPING=1"])

    def test_watchdog(self):
        """
        It hears that we live twice as often as it wants to.
        """
        environ = {**self.environ, "WATCHDOG_USEC": "10000000"}
        notifier = Notifier(environ, self.clock)
        notifier.startService()
        self.clock.pump([1] * 10)
        self.assertEqual(self.heard(), ["READY=1", *["WATCHDOG=1"] * 3])
        notifier.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_another(self):
        """
        A watchdog over another process is not ours.
        """
        environ = {"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": "1"}
        notifier = Notifier({**self.environ, **environ}, self.clock)
        notifier.startService()
        self.assertEqual(self.heard(), ["READY=1"])
        notifier.stopService()

    def test_nobody(self):
        """
        Without systemd nothing is told; with one that has gone, nothing
        happens.
        """
        Notifier({}, self.clock).tell("READY=1")
        gone = {"NOTIFY_SOCKET": self.environ["NOTIFY_SOCKET"] + "x"}
        Notifier(gone, self.clock).tell("READY=1")
        self.assertEqual(self.heard(), [])
