"""
Tests for L{ocpp_tw.plugin}.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

from twisted.application.service import Service
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

import twisted.plugins
from ocpp_tw import plugin
from ocpp_tw.errors import BadConfig
from ocpp_tw.interfaces import IBackend, IBackendMaker, IReady, IRecords
from ocpp_tw.plugin import BackendMaker, backend_makers, find_backend_maker


@implementer(IBackend)
class Complete(Service):
    """
    A backend that does nothing.
    """

    def __init__(self, *made_of):
        self.made_of = made_of

    def answer(self, station, call):
        return {}

    def station_connected(self, station):
        pass

    def station_disconnected(self, station):
        pass


@implementer(IBackend)
class Incomplete(Service):
    """
    A backend that forgot to answer.
    """

    def station_connected(self, station):
        pass

    def station_disconnected(self, station):
        pass


def raiser(error):
    def make_backend(settings, central_system, reactor):
        raise error

    return make_backend


class PluginTestCase(SynchronousTestCase):
    """
    A test that installs backends.
    """

    def install(self, *makers):
        self.patch(plugin, "getPlugins", lambda interface: iter(makers))

    def maker(self, make_backend, name="kafka"):
        module = ModuleType("acme_kafka")
        module.make_backend = make_backend
        sys.modules["acme_kafka"] = module
        self.addCleanup(sys.modules.pop, "acme_kafka", None)
        return BackendMaker(name, "acme_kafka", "Publishes every Call.")

    def refusal(self, maker):
        error = self.assertRaises(
            BadConfig, maker.make_backend, {}, None, Clock()
        )
        return str(error)


class BackendMakerTests(PluginTestCase):
    """
    Tests for L{BackendMaker}.
    """

    def test_interface(self):
        """
        It provides L{IBackendMaker}.
        """
        verifyObject(IBackendMaker, self.maker(Complete))

    def test_makes(self):
        """
        It makes what the module makes, of what it was handed.
        """
        made_of = ({"x": 1}, object(), Clock())
        backend = self.maker(Complete).make_backend(*made_of)
        self.assertEqual(backend.made_of, made_of)

    def test_lazy(self):
        """
        Nothing is imported before it is needed.
        """
        maker = BackendMaker("x", "acme_none", "")
        error = self.assertRaises(BadConfig, maker.load)
        self.assertEqual(
            str(error),
            "backend 'x' cannot be loaded: importing acme_none.make_backend "
            "raised ModuleNotFoundError: No module named 'acme_none'",
        )

    def test_nothing_to_make(self):
        """
        A module without C{make_backend} is named.
        """
        maker = self.maker(Complete)
        del sys.modules["acme_kafka"].make_backend
        self.assertIn("acme_kafka.make_backend raised", self.refusal(maker))

    def test_refuses(self):
        """
        What the backend says of its settings is passed on as it is.
        """
        maker = self.maker(raiser(BadConfig("[kafka] x: no")))
        self.assertEqual(self.refusal(maker), "[kafka] x: no")

    def test_breaks(self):
        """
        A backend that breaks while it is made is named, with what it raised.
        """
        maker = self.maker(raiser(KeyError("brokers")))
        self.assertEqual(
            self.refusal(maker),
            "backend 'kafka' cannot be made: acme_kafka.make_backend raised "
            "KeyError: 'brokers'",
        )

    def test_incomplete(self):
        """
        A backend that is not all of an L{IBackend} is told what is missing.
        """
        refusal = self.refusal(self.maker(lambda *args: Incomplete()))
        self.assertIn("backend 'kafka' (acme_kafka) is incomplete", refusal)
        self.assertIn("answer", refusal)

    def test_incomplete_otherwise(self):
        """
        So is one that is not all of the other interfaces it says it provides.
        """
        for interface, missing in ((IReady, "is_ready"), (IRecords, "id_tag")):
            claims = implementer(interface)(type("Acme", (Complete,), {}))
            refusal = self.refusal(self.maker(claims))
            self.assertIn("backend 'kafka' (acme_kafka) is", refusal)
            self.assertIn(missing, refusal)

    def test_no_backend(self):
        """
        Something else altogether is refused, too.
        """
        refusal = self.refusal(self.maker(lambda *args: None))
        self.assertIn("IBackend", refusal)


class FindTests(PluginTestCase):
    """
    Tests for L{find_backend_maker}.
    """

    def test_ours(self):
        """
        Our own backends are installed.
        """
        makers = list(backend_makers())
        for maker in makers:
            verifyObject(IBackendMaker, maker)
        names = {maker.name for maker in makers}
        self.assertEqual({"embedded", "memory"} - names, set())

    def test_found(self):
        """
        A backend is found by its name.
        """
        maker = self.maker(Complete)
        other = BackendMaker("other", "acme_none", "")
        self.install(other, maker)
        self.assertIs(find_backend_maker("kafka"), maker)

    def test_unknown(self):
        """
        An unknown name says which ones there are, and which is near.
        """
        self.install(
            BackendMaker("kafka", "a", ""), BackendMaker("amqp", "b", "")
        )
        self.patch(plugin, "broken_dropins", lambda: iter(()))
        with self.assertRaisesRegex(
            BadConfig,
            "^no backend 'kafak'; did you mean kafka. there are: amqp, kafka$",
        ):
            find_backend_maker("kafak")
        with self.assertRaisesRegex(
            BadConfig, "^no backend 'x'; there are: amqp, kafka$"
        ):
            find_backend_maker("x")

    def test_broken_module(self):
        """
        A backend whose module cannot be imported is not found to be fine.
        """
        self.install(BackendMaker("kafka", "acme_none", ""))
        with self.assertRaisesRegex(BadConfig, "No module named 'acme_none'"):
            find_backend_maker("kafka")

    def test_twice(self):
        """
        Two backends of one name are both named.
        """
        self.install(
            BackendMaker("kafka", "one", ""), BackendMaker("kafka", "two", "")
        )
        with self.assertRaisesRegex(BadConfig, "more than one.*one.*two"):
            find_backend_maker("kafka")

    def test_broken_dropin(self):
        """
        A plugin module that cannot be imported is named, with the reason.
        """
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        Path(folder.name, "acme_broken.py").write_text("import acme_none\n")
        here = [*twisted.plugins.__path__, folder.name]
        self.patch(twisted.plugins, "__path__", here)
        error = self.assertRaises(BadConfig, find_backend_maker, "kafka")
        self.assertIn(
            "a plugin that might offer it cannot be loaded: "
            "twisted.plugins.acme_broken: ModuleNotFoundError: "
            "No module named 'acme_none'",
            error.problems,
        )
        self.assertTrue(self.flushLoggedErrors(ModuleNotFoundError))
