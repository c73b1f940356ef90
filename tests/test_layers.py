"""
Tests for who imports whom: the layers of the central system.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase


CHECKOUT = Path(__file__).parent.parent
PACKAGE = CHECKOUT / "ocpp_tw"

#: What each layer may import of the layers above it in this list.  A layer is
#: a module of L{ocpp_tw}, or a package of it.
ALLOWED = {
    "errors": [],
    "ocpp": ["errors"],
    "figures": [],
    "garbage": [],
    "sockets": [],
    "interfaces": ["errors", "figures", "ocpp"],
    "database": ["errors", "figures"],
    "config": ["errors"],
    "tls": ["config", "errors"],
    "access": ["errors"],
    "system": ["config", "errors"],
    "plugin": ["errors", "interfaces"],
    "peer": ["errors", "ocpp"],
    "fleet": ["errors", "interfaces", "ocpp"],
    "messagelog": ["database", "errors", "fleet", "interfaces", "ocpp"],
    "violations": ["fleet", "messagelog", "ocpp"],
    "events": ["fleet", "interfaces", "messagelog"],
    "journal": [
        *("database", "errors", "events", "figures", "fleet", "interfaces"),
        *("messagelog", "ocpp"),
        "violations",
    ],
    "logs": ["config", "errors", "fleet", "messagelog"],
    "router": [
        *("errors", "figures", "fleet", "interfaces", "journal", "ocpp"),
    ],
    "metrics": ["figures", "fleet", "interfaces", "router"],
    "queued": [
        *("errors", "figures", "fleet", "interfaces", "messagelog", "ocpp"),
        "router",
    ],
    "onboarding": ["errors", "interfaces", "router"],
    # What authors of plugins may use, and no more.
    "testing": ["errors", "interfaces", "ocpp"],
    "backends": ["database", "errors", "figures", "interfaces", "ocpp"],
    "transports": [
        *("access", "errors", "events", "fleet", "interfaces", "journal"),
        *("messagelog", "ocpp", "peer", "queued", "router", "sockets"),
    ],
    # It can be pointed at anybody's server.
    "emulator": ["errors", "garbage", "ocpp", "peer", "sockets"],
    "service": [
        *("config", "database", "emulator", "errors", "garbage"),
        *(
            "interfaces",
            "journal",
            "logs",
            "metrics",
            "onboarding",
            "plugin",
            "router",
        ),
        *("system", "tls", "transports"),
    ],
    "workers": [
        *("config", "errors", "fleet", "interfaces", "journal", "logs"),
        *("ocpp", "router", "service", "system"),
    ],
    "tap": [
        "config",
        "errors",
        "logs",
        "plugin",
        "service",
        "system",
        "workers",
    ],
}

#: What the standard as values needs: nothing that waits or listens.
PURE = {"attrs", "jsonschema_rs", "lxml", "ocpp", "orjson", "spyne"}


def imports(path: Path) -> Iterator[str]:
    """
    The dotted names that a module imports, wherever in it.
    """
    here = path.relative_to(CHECKOUT).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else ()
            module = ".".join([*base, *filter(None, [node.module])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def ours(path: Path) -> set[str]:
    """
    The layers that a module imports.
    """
    names = (name.split(".") for name in imports(path))
    layers = {name[1] for name in names if name[0] == "ocpp_tw"}
    return layers & {*ALLOWED, *_layers()}


def foreign(path: Path) -> set[str]:
    """
    The packages of others that a module imports.
    """
    return {name.split(".")[0] for name in imports(path)} - {"ocpp_tw"}


def _layers() -> Iterator[str]:
    return (path.stem for path in PACKAGE.iterdir() if _is_ours(path))


def _is_ours(path: Path) -> bool:
    if path.is_dir():
        return (path / "__init__.py").exists()
    return path.suffix == ".py" and path.stem != "__init__"


def modules(layer: str) -> list[Path]:
    """
    The files of a layer.
    """
    single = PACKAGE / f"{layer}.py"
    return [single] if single.exists() else [*PACKAGE.glob(f"{layer}/**/*.py")]


class LayerTests(SynchronousTestCase):
    """
    The layers of L{ocpp_tw}.
    """

    def test_every_layer(self):
        """
        Each module and package has its place in the list.
        """
        self.assertEqual(set(_layers()), set(ALLOWED))

    def test_down_only(self):
        """
        A layer may import only those above it in the list.
        """
        above: set[str] = set()
        for layer, allowed in ALLOWED.items():
            self.assertEqual(set(allowed) - above, set(), layer)
            above.add(layer)

    def test_imports(self):
        """
        Every module imports what its layer allows.
        """
        for layer, allowed in ALLOWED.items():
            for path in modules(layer):
                more = ours(path) - {layer, *allowed}
                self.assertEqual(more, set(), path.relative_to(PACKAGE))

    def test_standard_is_pure(self):
        """
        The standard is values and functions: no Twisted, no I/O.
        """
        for path in modules("ocpp"):
            strange = foreign(path) - PURE
            self.assertEqual(
                {n for n in strange if not _is_standard(n)}, set(), path.name
            )

    def test_dropin(self):
        """
        What Twisted loads to list plugins imports the finding of backends,
        and nothing else of ours.
        """
        [dropin] = (CHECKOUT / "twisted" / "plugins").glob("*.py")
        self.assertEqual(ours(dropin), {"plugin"})

    def test_reactor(self):
        """
        No module imports the reactor when it is itself imported.
        """
        for path in PACKAGE.rglob("*.py"):
            top = ast.parse(path.read_text()).body
            names = {
                f"{node.module}.{alias.name}"
                for node in top
                if isinstance(node, ast.ImportFrom)
                for alias in node.names
            }
            self.assertNotIn("twisted.internet.reactor", names, path.name)


def _is_standard(name: str) -> bool:
    """
    Whether it is of Python's own library, and neither waits nor listens.
    """
    waiting = {"asyncio", "http", "select", "socket", "threading", "urllib"}
    return name in sys.stdlib_module_names - waiting
