"""
Tests for what is built of this checkout, and for what it is once installed.
"""

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
from importlib.metadata import version
from pathlib import Path
from shutil import copytree, ignore_patterns
from tempfile import TemporaryDirectory
from zipfile import ZipFile

from twisted.trial.unittest import SynchronousTestCase

import twisted


CHECKOUT = Path(__file__).parent.parent

#: What a checkout holds beside what belongs to it.
_STRAY = ignore_patterns(
    *(".git", ".venv", ".tox", ".*_cache", ".hypothesis", "__pycache__"),
    *("build", "dist", "*.egg-info", "*.sqlite3*", "dropin.cache"),
)

#: Setuptools of the version that pyproject.toml wants need not be fetched.
_HAS_SETUPTOOLS = int(version("setuptools").split(".")[0]) >= 77
_BUILD = ["--no-deps", *["--no-build-isolation"] * _HAS_SETUPTOOLS]

_SDIST = "from setuptools import build_meta; build_meta.build_sdist('dist')"
_TWISTD = "from twisted.scripts.twistd import run; run()"


def run(*command, cwd, **environment):
    """
    Run it to its end, with as little of our environment as will do.

    @return: what it wrote.
    """
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin", "HOME": str(cwd), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def pip(*args, cwd, python=sys.executable):
    """
    Run this environment's pip, for another Python perhaps.
    """
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
    to = ["-m", "pip", "--python", python, *quiet]
    return run(sys.executable, *to, *args, cwd=cwd, **_network())


def _network():
    """
    What pip needs of our environment, where it has to fetch something.
    """
    wanted = ("PIP_", "HTTP", "http", "SSL_", "ALL_PROXY", "NO_PROXY")
    return {k: v for k, v in os.environ.items() if k.startswith(wanted)}


def twistd(python, *args, cwd, **environment):
    return run(python, "-c", _TWISTD, *args, cwd=cwd, **environment)


def make_venv(folder):
    """
    An environment with a Twisted of its own; all else is borrowed of ours.

    @return: its Python.
    """
    venv.create(folder, symlinks=True)
    [site] = folder.glob("lib/python*/site-packages")
    source = Path(twisted.__file__).parent
    copytree(
        source,
        site / "twisted",
        ignore=ignore_patterns(
            "test", "__pycache__", "dropin.cache", "ocpp_tw_*"
        ),
    )
    ours = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site / "borrowed.pth").write_text("\n".join(ours))
    return folder / "bin" / "python"


def files_below(folder):
    """
    The names of what belongs to a folder of the checkout.
    """
    return {
        str(path.relative_to(CHECKOUT))
        for path in (CHECKOUT / folder).rglob("*")
        if path.is_file()
        and path.suffix != ".pyc"
        and path.name != "dropin.cache"
    }


class BuildTests(SynchronousTestCase):
    """
    The source distribution, and the wheel that is built of it.
    """

    @classmethod
    def setUpClass(cls):
        folder = TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        checkout = cls.folder / "checkout"
        copytree(CHECKOUT, checkout, symlinks=True, ignore=_STRAY)
        run(sys.executable, "-c", _SDIST, cwd=checkout)
        [cls.sdist] = checkout.glob("dist/*.tar.gz")
        pip("wheel", *_BUILD, cls.sdist, cwd=cls.folder)
        [cls.wheel] = cls.folder.glob("*.whl")

    def names_in_wheel(self):
        with ZipFile(self.wheel) as wheel:
            return set(wheel.namelist())

    def test_modules(self):
        """
        The wheel holds each of our modules.
        """
        ours = {n for n in files_below("ocpp_tw") if n.endswith(".py")}
        self.assertEqual(ours - self.names_in_wheel(), set())

    def test_data(self):
        """
        The wheel holds each web page and each example of a configuration.
        """
        data = files_below("www") | files_below("conf")
        expected = {f"ocpp_tw/{name}" for name in data}
        self.assertEqual(expected - self.names_in_wheel(), set())

    def test_dropin(self):
        """
        The wheel adds one module to Twisted's plugins, and nothing else to
        anything that is not ours.
        """
        strange = {
            name
            for name in self.names_in_wheel()
            if not name.startswith(("ocpp_tw/", "ocpp_tw-"))
        }
        dropin = {"twisted/plugins/ocpp_tw_dropin.py"}
        self.assertEqual(strange, dropin)

    def test_sdist(self):
        """
        The source distribution holds what tests and readers need.
        """
        with tarfile.open(self.sdist) as sdist:
            names = {name.partition("/")[2] for name in sdist.getnames()}
        folders = "bench", "conf", "docs", "tests", "www", "ocpp_tw", ".ci"
        ours = set().union(*map(files_below, folders))
        ours |= {"LICENSE", "README.md", "NEWS.md", "Makefile", "tox.ini"}
        self.assertEqual(
            {name for name in ours - names if "egg-info" not in name}, set()
        )

    def test_installed(self):
        """
        Installed from the wheel, C{twistd cs} is found and would start, with
        the web pages that came with it; removed again, it leaves Twisted as
        it was.
        """
        python = make_venv(self.folder / "venv")
        before = twistd(python, "--help", cwd=self.folder)
        pip("install", "--no-deps", self.wheel, cwd=self.folder, python=python)
        self.assertIn("A central system", self.help(python))
        said = twistd(python, "-n", "cs", "--test", cwd=self.folder)
        self.assertIn("test is successful", said)
        self.assertIn(
            "ocpp_tw/www", self.ask_pages(python, str(self.folder / "venv"))
        )
        pip("uninstall", "-y", "ocpp_tw", cwd=self.folder, python=python)
        after = twistd(python, "--help", cwd=self.folder)
        self.assertEqual(after, before)

    def test_editable(self):
        """
        Installed with C{pip install -e}, C{twistd cs} is found, and uses the
        checkout's web pages.
        """
        python = make_venv(self.folder / "editable")
        checkout = self.folder / "checkout"
        pip("install", *_BUILD, "-e", checkout, cwd=checkout, python=python)
        self.assertIn("A central system", self.help(python))
        self.ask_pages(python, str(checkout))

    def test_checkout(self):
        """
        In a checkout on the path, C{twistd cs} is found.
        """
        python = make_venv(self.folder / "bare")
        checkout = str(self.folder / "checkout")
        self.assertNotIn("A central system", self.help(python))
        said = twistd(python, "--help", cwd=self.folder, PYTHONPATH=checkout)
        self.assertIn("A central system", said)

    def help(self, python):
        return twistd(python, "--help", cwd=self.folder)

    def ask_pages(self, python, below):
        """
        Where that installation's web pages lie; they do lie there.
        """
        ask = "from ocpp_tw.config import Server; print(Server().pages)"
        pages = run(python, "-c", ask, cwd=self.folder).strip()
        self.assertTrue(pages.startswith(below), pages)
        self.assertTrue(Path(pages, "index.html").is_file(), pages)
        return pages
