"""
Tests for L{ocpp_tw.service}: start, reload, stop, and their order.
"""

from __future__ import annotations

import os
import signal
from typing import Any

from attrs import evolve
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from ocpp_tw import service
from ocpp_tw.config import BackendConfig, Config, Embedded, Server, Stations
from ocpp_tw.errors import BadConfig
from ocpp_tw.interfaces import IBackend, IStation
from ocpp_tw.ocpp.messages import Call, Payload
from ocpp_tw.router import Handshake, Refused
from ocpp_tw.service import PATIENCE, CentralSystem, Signals, journal_path

from .transports.world import FakeStation


class Port:
    """
    A port that listens as far as it was told to.
    """

    def __init__(self, number: int, log: list[str]) -> None:
        self.number = number
        self._log = log

    def __getattr__(self, name: str) -> Any:
        if name not in ("startReading", "stopReading", "stopListening"):
            raise AttributeError(name)
        return lambda: self._log.append(f"{name} {self.number}")

    def getHost(self) -> str:
        return f"port {self.number}"


class Reactor(MemoryReactorClock):  # type: ignore[misc]
    """
    @ivar taken: the ports that somebody else has.
    """

    def __init__(self, log: list[str]) -> None:
        super().__init__()
        self.done = log
        self.taken: set[int] = set()

    def listenTCP(
        self, port: int, factory: Any, backlog: int = 50, interface: str = ""
    ) -> Port:
        if port in self.taken:
            raise CannotListenError(interface, port, OSError("taken"))
        self.done.append(f"listen {port}")
        return Port(port, self.done)

    def stop(self) -> None:
        self.done.append("reactor stops")


@implementer(IBackend)
class Backend(Service):
    """
    Answers when it is told to.
    """

    def __init__(self, settings: Any, log: list[str]) -> None:
        self.settings = settings
        self.called = settings.get("path")
        self._log = log
        self.owed: list[Deferred[Payload]] = []
        self.stations: list[str] = []

    def startService(self) -> None:
        if self.settings.get("broken"):
            raise BadConfig("it cannot be opened")
        super().startService()
        self._log.append(f"start {self.called}")

    def stopService(self) -> None:
        super().stopService()
        self._log.append(f"stop {self.called}")

    def answer(self, station: IStation, call: Call) -> Deferred[Payload]:
        answer: Deferred[Payload] = Deferred()
        self.owed.append(answer)
        return answer

    def station_connected(self, station: IStation) -> None:
        self.stations.append(station.identity)

    def station_disconnected(self, station: IStation) -> None:
        self._log.append(f"{station.identity} left {self.called}")


class Leaving(FakeStation):
    """
    A station that notes its goodbye.
    """

    log: list[str]

    def close(self, code: int, reason: str) -> None:
        self.log.append(f"goodbye {code}")


def configured(path: str = "one", port: int = 9220, **settings: Any) -> Config:
    return Config(
        server=Server(port=port, root="/nonexistent"),
        backend=BackendConfig(
            name="memory", settings={"path": path, **settings}
        ),
    )


class CentralSystemTests(SynchronousTestCase):
    """
    Tests for L{CentralSystem}.
    """

    def setUp(self) -> None:
        self.log: list[str] = []
        self.reactor = Reactor(self.log)
        self.loaded: Any = configured()
        self.backends: list[Backend] = []
        self.patch(service, "find_backend_maker", lambda name: self)
        before = [signal.getsignal(n) for n in (signal.SIGHUP, signal.SIGQUIT)]
        for number, each in zip(
            (signal.SIGHUP, signal.SIGQUIT), before, strict=True
        ):
            self.addCleanup(signal.signal, number, each)
        self.system = CentralSystem(self.load, self.reactor)

    def load(self) -> Config:
        if isinstance(self.loaded, Exception):
            raise self.loaded
        return self.loaded  # type: ignore[no-any-return]

    def make_backend(
        self, settings: Any, central_system: Any, reactor: Any
    ) -> Backend:
        backend = Backend(settings, self.log)
        self.backends.append(backend)
        return backend

    def start(self) -> None:
        self.system.privilegedStartService()
        self.system.startService()
        self.log.clear()

    def station(self) -> Leaving:
        station = Leaving("CP1")
        station.log = self.log
        self.system.router.connected(station)
        return station

    def reload(self, loaded: Any) -> None:
        self.loaded = loaded
        self.successResultOf(self.system.reload())

    # Start

    def test_start(self) -> None:
        """
        It listens first, as root perhaps, and takes stations when the backend
        has started.
        """
        self.system.privilegedStartService()
        self.assertFalse(self.system.is_ready)
        self.system.startService()
        self.assertEqual(
            self.log,
            [
                "listen 9220",
                "stopReading 9220",
                "start one",
                "startReading 9220",
            ],
        )
        self.assertTrue(self.system.is_ready)

    def test_cannot_listen(self) -> None:
        """
        Without its port it ends, and says why.
        """
        self.reactor.taken = {9220}
        error = self.assertRaises(
            SystemExit, self.system.privilegedStartService
        )
        self.assertIn("9220", str(error.code))

    def test_several_endpoints(self) -> None:
        """
        It listens on all its endpoints, or on none.
        """
        server = Server(endpoint=("tcp:1001", "tcp:1002"), root="/nonexistent")
        self.loaded = evolve(configured(), server=server)
        system = CentralSystem(self.load, self.reactor)
        self.reactor.taken = {1002}
        self.assertRaises(SystemExit, system.privilegedStartService)
        self.assertEqual(self.log, ["listen 1001", "stopListening 1001"])

    # Reload

    def test_nothing_changed(self) -> None:
        """
        A reload of the same configuration replaces nothing.
        """
        self.start()
        self.reload(configured())
        self.assertEqual(self.log, [])
        self.assertEqual(len(self.backends), 1)

    def test_settings_changed(self) -> None:
        """
        What concerns stations is replaced without the backend or the port.
        """
        self.start()
        self.reload(
            evolve(
                configured(),
                stations=Stations(
                    validation="strict",
                    accept="known",
                    unanswered=3,
                    time_zone="Asia/Tokyo",
                    onboarding=("status",),
                ),
            )
        )
        self.assertEqual(self.log, [])
        router = self.system.router
        self.assertEqual(router.validation, "strict")
        self.assertEqual(
            (router.patience, router.time_zone), (3, "Asia/Tokyo")
        )
        self.assertEqual(self.system.onboarding.questions, ("status",))
        self.assertEqual(self.system.router.accept, "known")

    def test_backend_changed(self) -> None:
        """
        The new backend knows the stations that are there, which notice
        nothing; the old one is stopped when it has answered what it owes.
        """
        self.start()
        station = self.station()
        answer = self.system.router.answer(station, Call("1", "Heartbeat", {}))
        self.reload(configured("two"))
        old, new = self.backends
        self.assertEqual(self.log, ["start two"])
        self.assertEqual(new.stations, ["CP1"])
        self.assertIs(self.system.router.backend, new)
        payload = {"currentTime": "2026-01-01T00:00:00Z"}
        old.owed[0].callback(payload)
        assert isinstance(answer, Deferred)
        self.assertEqual(self.successResultOf(answer), payload)
        self.assertEqual(self.log, ["start two", "stop one"])
        self.assertEqual(list(self.system.router.stations()), [station])

    def test_old_backend_fails(self) -> None:
        """
        The old backend is stopped as well where what it owed fails.
        """
        self.start()
        answer: Any = self.system.router.answer(
            self.station(), Call("1", "Heartbeat", {})
        )
        self.reload(configured("two"))
        self.backends[0].owed[0].errback(ValueError())
        self.failureResultOf(answer, ValueError)
        self.assertEqual(self.log, ["start two", "stop one"])

    def test_port_changed(self) -> None:
        """
        It listens on the new port before it leaves the old one.
        """
        self.start()
        self.reload(configured(port=9221))
        self.assertEqual(self.log, ["listen 9221", "stopListening 9220"])
        self.assertTrue(self.system.is_ready)

    def assert_unchanged(self, loaded: Any, *log: str) -> None:
        """
        That configuration changes nothing, and the next that is fine is used.
        """
        before = self.system.config
        self.reload(loaded)
        self.assertIs(self.system.config, before)
        self.assertIs(self.system.router.backend, self.backends[0])
        self.assertEqual(self.log, list(log))
        self.assertEqual(self.system.router.validation, "lenient")
        running = [each for each in self.backends if each.running]
        self.assertEqual(running, self.backends[:1])
        self.assertTrue(self.system.is_ready)
        self.reload(configured("fine", 9999))
        self.assertEqual(self.system.backend.called, "fine")

    def test_broken(self) -> None:
        """
        A configuration that cannot be read changes nothing.
        """
        self.start()
        self.assert_unchanged(BadConfig("line 7"))

    def test_port_is_taken(self) -> None:
        """
        A new port that is taken leaves all as it was, the backend too.
        """
        self.start()
        self.reactor.taken = {9221}
        bad = configured("two", 9221)
        self.assert_unchanged(
            evolve(bad, stations=Stations(validation="strict"))
        )

    def test_backend_is_broken(self) -> None:
        """
        A new backend that cannot start leaves all as it was, the port too.
        """
        self.start()
        self.assert_unchanged(
            configured("two", 9221, broken=True),
            "listen 9221",
            "stop two",
            "stopListening 9221",
        )

    def test_tls_switched(self) -> None:
        """
        TLS cannot be switched on by a reload, which changes nothing then.
        """
        self.start()
        tls = evolve(self.system.config.tls, certificate="/nonexistent")
        self.assert_unchanged(evolve(configured("two"), tls=tls))

    # Stop

    def test_stop(self) -> None:
        """
        A stop leaves the port, says goodbye, and stops the backend last.
        """
        self.start()
        self.station()
        self.successResultOf(self.system.stopService())
        self.assertEqual(
            self.log, ["stopListening 9220", "goodbye 1001", "stop one"]
        )
        self.assertFalse(self.system.is_ready)

    def test_stop_gently(self) -> None:
        """
        A graceful stop takes no new stations, and waits until those that are
        there have left and all that is owed is answered.
        """
        self.start()
        station = self.station()
        answer: Any = self.system.router.answer(
            station, Call("1", "Heartbeat", {})
        )
        stopped = self.system.stop_gently()
        self.assertEqual(self.log, ["stopListening 9220", "goodbye 1001"])
        self.assertFalse(self.system.is_ready)
        late = Handshake("CP2", "", "127.0.0.1:1")
        refused = self.assertRaises(Refused, self.system.router.admit, late)
        self.assertEqual(refused.status, 503)
        self.system.router.disconnected(station, "close code 1001")
        self.assertNoResult(stopped)
        self.backends[0].owed[0].callback(
            {"currentTime": "2026-01-01T00:00:00Z"}
        )
        self.successResultOf(stopped)
        self.successResultOf(answer)
        self.assertEqual(self.log[-1], "reactor stops")

    def test_stop_gently_alone(self) -> None:
        """
        Without stations a graceful stop is done at once.
        """
        self.start()
        self.successResultOf(self.system.stop_gently())
        self.assertEqual(self.log, ["stopListening 9220", "reactor stops"])

    def test_bounded(self) -> None:
        """
        A station that does not leave, and an answer that never comes, are
        waited for with a bound.
        """
        self.start()
        self.system.router.answer(self.station(), Call("1", "Heartbeat", {}))
        stopped = self.system.stop_gently()
        self.reactor.advance(PATIENCE)
        self.assertNoResult(stopped)
        self.reactor.advance(PATIENCE)
        self.successResultOf(stopped)

    def test_stop_gently_twice(self) -> None:
        """
        The second order to stop gracefully changes nothing, nor does a reload
        after it.
        """
        self.start()
        self.station()
        stopped = self.system.stop_gently()
        self.successResultOf(self.system.stop_gently())
        self.reload(configured("two", 9221))
        self.assertNoResult(stopped)
        self.assertEqual(self.log, ["stopListening 9220", "goodbye 1001"])


class SignalsTests(SynchronousTestCase):
    """
    Tests for L{Signals}.
    """

    def test_signals(self) -> None:
        """
        A signal is obeyed in the reactor, while the service runs; afterwards
        it does no harm.
        """
        self.addCleanup(
            signal.signal, signal.SIGHUP, signal.getsignal(signal.SIGHUP)
        )
        calls: list[Any] = []
        reactor: Any = MemoryReactorClock()
        reactor.callFromThread = calls.append

        def reload() -> None:
            raise AssertionError("not from the reactor")

        signals = Signals({signal.SIGHUP: reload}, reactor)
        signals.startService()
        os.kill(os.getpid(), signal.SIGHUP)
        self.assertEqual(calls, [reload])
        signals.stopService()
        os.kill(os.getpid(), signal.SIGHUP)
        self.assertEqual(calls, [reload])


class JournalPathTests(SynchronousTestCase):
    """
    Tests for L{journal_path}.
    """

    def test_places(self) -> None:
        """
        The journal is beside the database, and in memory where that is.
        """
        for name, path, expected in (
            ("embedded", "/var/cs.sqlite3", "/var/cs-journal.sqlite3"),
            ("webhook", "cs.db", "cs-journal.db"),
            ("embedded", ":memory:", ":memory:"),
            ("memory", "cs.db", ":memory:"),
        ):
            config = Config(
                backend=BackendConfig(name=name), embedded=Embedded(path=path)
            )
            self.assertEqual(journal_path(config), expected)
