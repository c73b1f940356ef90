"""
Tests for what is shipped to run us: the unit of systemd, and the container.
"""

import re
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.config import load
from ocpp_tw.config.settings import VARIABLES


CHECKOUT = Path(__file__).parent.parent
SYSTEMD = CHECKOUT / "conf" / "systemd"


class UnitTests(SynchronousTestCase):
    """
    C{conf/systemd}.
    """

    @pytest.mark.skipif(
        not shutil.which("systemd-analyze"), reason="needs systemd-analyze"
    )
    def test_verified(self):
        """
        systemd finds nothing wrong with them.
        """
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        names = ("cs.service", "cs.socket")
        for name in names:
            text = (SYSTEMD / name).read_text()
            # What it starts has to be there.
            text = re.sub(r"/opt/ocpp_tw/bin/twistd", "/bin/true", text)
            (Path(folder.name) / name).write_text(text)
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", *names],
            cwd=folder.name,
            capture_output=True,
            text=True,
            timeout=60,
        )
        ours = [line for line in done.stderr.splitlines() if "cs." in line]
        self.assertEqual(ours, [])


class ContainerTests(SynchronousTestCase):
    """
    C{Dockerfile} and C{docker-compose.yaml}.
    """

    def setUp(self):
        text = (CHECKOUT / "Dockerfile").read_text()
        lines = re.sub(r"\\\n\s*", "", text).splitlines()
        self.steps = [
            line.split(None, 1)
            for line in lines
            if line and not line.startswith("#")
        ]
        compose = (CHECKOUT / "docker-compose.yaml").read_text()
        self.compose = yaml.safe_load(compose)

    def values(self, instruction):
        return [rest for name, rest in self.steps if name == instruction]

    def test_instructions(self):
        """
        Two stages; no root; one port, one volume, a health check.
        """
        self.assertEqual(len(self.values("FROM")), 2)
        self.assertEqual(self.values("USER"), ["cs"])
        self.assertEqual(self.values("EXPOSE"), ["9220"])
        self.assertEqual(self.values("VOLUME"), ["/var/lib/cs"])
        self.assertEqual(len(self.values("HEALTHCHECK")), 1)
        self.assertEqual(len(self.values("CMD")), 1)

    def test_environment(self):
        """
        What it says in the environment is a configuration that is accepted.
        """
        [text] = self.values("ENV")
        environ = dict(pair.split("=", 1) for pair in text.split())
        ours = {k: v for k, v in environ.items() if k.startswith("CS_")}
        self.assertEqual(load(None, ours, "/").server.listen, "0.0.0.0")

    def test_health_check(self):
        """
        The health check is a program that Python understands.
        """
        [text] = self.values("HEALTHCHECK")
        *_, code = yaml.safe_load(text.split("CMD ", 1)[1])
        compile(code, "HEALTHCHECK", "exec")
        self.assertIn(":9220/readyz", code)

    def test_compose(self):
        """
        It has the variables of the webhook, and nothing else by default.
        """
        services = self.compose["services"]
        webhook = {name for name in VARIABLES if name.startswith("WEBHOOK_")}
        self.assertEqual(set(services["cs"]["environment"]), webhook)
        by_default = [n for n, s in services.items() if "profiles" not in s]
        self.assertEqual(by_default, ["cs"])

    def test_volumes(self):
        """
        Volumes that are used are there, and folders that are mounted too.
        """
        for service in self.compose["services"].values():
            for volume in service["volumes"]:
                source = volume.split(":")[0]
                if source.startswith("."):
                    self.assertTrue((CHECKOUT / source).is_dir(), volume)
                else:
                    self.assertIn(source, self.compose["volumes"])

    def test_unset(self):
        """
        Variables that nobody sets mean the embedded backend.
        """
        environment = self.compose["services"]["cs"]["environment"]
        unset = {
            name: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)
            for name, value in environment.items()
        }
        self.assertEqual(load(None, unset, "/").backend.name, "embedded")
