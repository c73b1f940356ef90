"""
Tests for what is shipped to run us: the unit of systemd, and the container.
"""

import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory

import pytest
import yaml
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.config import load
from ocpp_tw.config.settings import VARIABLES
from ocpp_tw.workers.master import GENTLY

from .process import Server, free_port
from .test_packaging import _BUILD, _STRAY, make_venv, pip


CHECKOUT = Path(__file__).parent.parent
SYSTEMD = CHECKOUT / "conf" / "systemd"

#: The programs that came with this environment.
BIN = Path(sys.executable).parent


def needs(name):
    """
    The test needs a program that C{make test} installs where it can.
    """
    found = shutil.which(name, path=f"{BIN}:/usr/bin:/bin:/usr/sbin:/sbin")
    return pytest.mark.skipif(not found, reason=f"no {name}")


class UnitTests(SynchronousTestCase):
    """
    C{conf/systemd}.
    """

    @needs("systemd-analyze")
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
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_found_wrong(self):
        """
        What is found right is not whatever there is.
        """
        words = (SYSTEMD / "cs.service").read_text().split()
        for needed in (
            *("Type=notify", "WatchdogSec=30", "KillSignal=SIGQUIT"),
            *("NoNewPrivileges=yes", "ProtectSystem=strict", "User=cs"),
        ):
            self.assertIn(needed, words)

    def test_patience(self):
        """
        systemd waits for longer than we need to let everybody go.
        """
        text = (SYSTEMD / "cs.service").read_text()
        [seconds] = re.findall(r"^TimeoutStopSec=(\d+)$", text, re.M)
        self.assertGreater(int(seconds), 2 * GENTLY)


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
        [user] = self.values("USER")
        self.assertGreater(int(user), 0)
        self.assertIn(f"--uid {user}", " ".join(self.values("RUN")))
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
        self.assertEqual(webhook - set(services["cs"]["environment"]), set())
        by_default = [n for n, s in services.items() if "profiles" not in s]
        self.assertEqual(by_default, ["cs"])
        others = {p for s in services.values() for p in s.get("profiles", ())}
        self.assertEqual(others, {"postgres", "watch"})

    @needs("hadolint")
    def test_hadolint(self):
        """
        A linter finds nothing wrong with the Dockerfile.
        """
        self.assertEqual(self.lint("hadolint", "Dockerfile"), (0, ""))

    @needs("compose-lint")
    def test_compose_lint(self):
        """
        A linter finds nothing grave in the composition.
        """
        status, said = self.lint("compose-lint", "docker-compose.yaml")
        self.assertEqual(status, 0, said)
        self.assertIn("PASS", said)

    def lint(self, program, file):
        done = subprocess.run(
            [BIN / program, CHECKOUT / file],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        return done.returncode, done.stdout

    def test_volumes(self):
        """
        Volumes that are used are there, and folders that are mounted too.
        """
        for service in self.compose["services"].values():
            for volume in service.get("volumes", ()):
                source = volume.split(":")[0]
                if source.startswith("."):
                    self.assertTrue((CHECKOUT / source).exists(), volume)
                else:
                    self.assertIn(source, self.compose["volumes"])

    def environment(self, **given):
        """
        That of the central system, as composed with these variables.
        """
        environment = self.compose["services"]["cs"]["environment"]
        pattern = re.compile(r"\$\{(\w+):-([^}]*)\}")
        return {
            name: pattern.sub(lambda m: given.get(m[1]) or m[2], value)
            for name, value in environment.items()
        }

    def test_unset(self):
        """
        Variables that nobody sets mean the embedded backend.
        """
        config = load(None, self.environment(), "/")
        self.assertEqual(config.backend.name, "embedded")
        self.assertEqual(config.warnings, ())

    def test_postgres(self):
        """
        With the database, that is the backend.
        """
        given = self.environment(POSTGRES="yes", POSTGRES_PASSWORD="x")
        config = load(None, given, "/")
        self.assertEqual(config.backend.name, "postgres")
        database = self.compose["services"]["postgres"]["environment"]
        conninfo = config.postgres.conninfo
        self.assertEqual(conninfo.host, "postgres")
        self.assertEqual(conninfo.password, "x")
        self.assertIn(conninfo.dbname, database["POSTGRES_DB"])
        self.assertIn(conninfo.user, database["POSTGRES_USER"])

    def test_grafana(self):
        """
        Grafana is told where the figures are, and has the dashboard.
        """
        services = self.compose["services"]
        shipped = CHECKOUT / "conf" / "grafana" / "provisioning"
        [source] = yaml.safe_load(
            (shipped / "datasources" / "prometheus.yaml").read_text()
        )["datasources"]
        self.assertIn(source["url"].split("/")[2].split(":")[0], services)
        [provider] = yaml.safe_load(
            (shipped / "dashboards" / "ocpp-tw.yaml").read_text()
        )["providers"]
        folder = provider["options"]["path"]
        mounted = services["grafana"]["volumes"]
        self.assertTrue(any(f":{folder}/" in volume for volume in mounted))


class ImageTests(SynchronousTestCase):
    """
    The steps of the Dockerfile, taken in a folder instead of an image.
    """

    def setUp(self):
        folder = TemporaryDirectory(prefix="image-")
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name).resolve()
        text = (CHECKOUT / "Dockerfile").read_text()
        lines = re.sub(r"\\\n\s*", "", text).splitlines()
        self.steps = [line.split(None, 1) for line in lines if line[:1] > "#"]

    def place(self, path):
        """
        What is there in the image, in our folder.
        """
        return self.root / path.lstrip("/")

    def one(self, name):
        [rest] = [rest for step, rest in self.steps if step == name]
        return rest

    def build(self):
        """
        The first stage; what it fetches is borrowed of this environment.
        """
        workdir = self.place("/src")
        copytree(CHECKOUT, workdir, symlinks=True, ignore=_STRAY)
        venv, install, try_out = next(
            rest for step, rest in self.steps if step == "RUN"
        ).split(" && ")
        python, target = venv.split(" -m venv ")
        self.assertEqual(python, "python")
        made = make_venv(self.place(target))
        program, _, rest = install.partition(" ")
        self.assertEqual(program, f"{target}/bin/pip")
        self.assertEqual(rest, "install --no-cache-dir '.[postgres]'")
        pip("install", *_BUILD, workdir, cwd=workdir, python=made)
        # It came with Twisted.
        twistd = made.parent / "twistd"
        twistd.write_text(
            f"#!{made}\nfrom twisted.scripts.twistd import run\nrun()\n"
        )
        twistd.chmod(0o755)
        subprocess.run(
            ["sh", "-c", try_out.replace(target, str(self.place(target)))],
            check=True,
            timeout=120,
        )

    def files(self):
        return {
            path
            for path in self.root.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }

    def test_runs(self):
        """
        What is built starts, is found well, stops when it is told to, and
        writes nothing but its volume.
        """
        self.build()
        home = self.place(self.one("VOLUME"))
        home.mkdir(parents=True)
        before = self.files()
        port = str(free_port())
        pairs = (pair.split("=", 1) for pair in self.one("ENV").split())
        environment = {
            **dict(pairs),
            "PATH": f"{self.place('/opt/ocpp_tw/bin')}:/usr/bin:/bin",
            "HOME": str(home),
            # Loopback, and a port that is free.
            "CS_SERVER_LISTEN": "127.0.0.1",
            "CS_SERVER_PORT": port,
        }
        log = self.root / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                yaml.safe_load(self.one("CMD")),
                cwd=home,
                env=environment,
                stdout=out,
                stderr=subprocess.STDOUT,
                executable=str(self.place("/opt/ocpp_tw/bin/twistd")),
            )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        check = yaml.safe_load(self.one("HEALTHCHECK").split("CMD ", 1)[1])
        check = [word.replace("9220", port) for word in check]

        def is_well():
            self.assertIsNone(process.poll(), log.read_text())
            done = subprocess.run(
                check,
                env=environment,
                stderr=subprocess.DEVNULL,
                timeout=30,
            )
            return done.returncode == 0

        Server(home).until(is_well, "it is well")
        process.send_signal(getattr(signal, self.one("STOPSIGNAL")))
        self.assertEqual(process.wait(30), 0)
        written = self.files() - before - {log}
        self.assertTrue(written)
        self.assertEqual(
            [path for path in written if home not in path.parents], []
        )
