"""
A central system, stations that live in a thread, and a browser.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any, ClassVar

from tests.process import PATIENCE, Server, server
from tests.test_session import Station, plugged

from .browser import Browser


class Street:
    """
    Stations that do as they are told, while the test does something else.
    """

    def __init__(self, central: Server) -> None:
        self._central = central
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._lives: dict[str, AsyncExitStack] = {}

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """
        Let a station do something, and wait until it has.
        """
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(PATIENCE)

    def plug(self, identity: str) -> Station:
        """
        A station that is connected from now on.
        """
        life = AsyncExitStack()
        coming = life.enter_async_context(plugged(self._central, identity))
        station: Station = self.do(coming)
        self._lives[identity] = life
        return station

    def unplug(self, identity: str) -> None:
        self.do(self._lives.pop(identity).aclose())

    def close(self) -> None:
        for identity in list(self._lives):
            self.unplug(identity)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class World:
    """
    What a test class has: made once for all of its tests.

    @ivar browser: that of all tests.
    @ivar before: Python that runs in the central system's process first.
    @ivar settings: its environment.
    """

    central: Server
    street: Street
    browser: Browser

    before = ""
    settings: ClassVar[dict[str, str]] = {}

    @classmethod
    def setUpClass(cls) -> None:
        case: Any = cls
        cls.central = server(cls, cls.before, **cls.settings)
        cls.central.start()
        cls.street = Street(cls.central)
        case.addClassCleanup(cls.street.close)
        cls.browser.base = f"http://127.0.0.1:{cls.central.port}/"
        cls.browser.errors()

    @classmethod
    def emulate(cls, name: str, connectors: int = 1) -> None:
        """
        An emulated station that can be commanded from now on.
        """
        made = {"name": name, "connectors": connectors}
        status, answer = cls.central.http("POST", "/api/v1/emulators", made)
        assert status == 200, answer
        cls.central.until(
            lambda: cls.central.command(name, "ClearCache", {})[0] == 200,
            f"{name} has come",
        )
