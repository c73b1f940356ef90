"""
Emulated stations, where they run in this process.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from twisted.web.iweb import IRequest

from ...errors import NotFound
from ...interfaces import Page
from .asked import read_list_query, read_object, read_query
from .routes import Route
from .shapes import BODIES, NAMED, TEXT, listed, shape


Body = Mapping[str, Any]


class Control(Protocol):
    """
    The stations, and what may happen to them.
    """

    def names(self) -> list[str]: ...

    def get(self, name: str) -> dict[str, Any]: ...

    def make(self, body: Body) -> dict[str, Any]: ...

    async def change(self, name: str, body: Body) -> dict[str, Any]: ...

    async def remove(self, name: str) -> None: ...

    async def act(self, name: str, body: Body) -> dict[str, Any]: ...


class Emulators:
    """
    @ivar control: None where no station of ours can be.
    """

    control: Control | None = None

    def __init__(self) -> None:
        one = "/emulators/<name>"
        self.routes = [
            Route(
                "GET",
                "/emulators",
                self.emulators,
                gives=listed("Emulator"),
                errors=[404],
            ),
            Route(
                "POST",
                "/emulators",
                self.make,
                takes=BODIES["Emulator"],
                gives=NAMED["Emulator"],
                errors=[404],
            ),
            Route("GET", one, self.emulator, gives=NAMED["Emulator"]),
            Route(
                "PATCH",
                one,
                self.change,
                takes=BODIES["Emulated"],
                gives=NAMED["Emulator"],
            ),
            Route("DELETE", one, self.remove, status=204),
            Route(
                "POST",
                f"{one}/actions",
                self.act,
                takes=BODIES["Act"],
                gives=shape(name=TEXT),
            ),
        ]

    @property
    def _control(self) -> Control:
        if self.control is None:
            raise NotFound("no emulated stations run here")
        return self.control

    async def emulators(self, request: IRequest) -> Page:
        """
        The emulated stations, by name.
        """
        query = read_list_query(request)
        cursor, limit = query.get("cursor", ""), query["limit"]
        found = [name for name in self._control.names() if name > cursor]
        shown = found[:limit]
        return Page(
            [self._control.get(name) for name in shown],
            shown[-1] if len(found) > limit else None,
        )

    async def make(self, request: IRequest) -> Any:
        """
        Make an emulated station.
        """
        return self._control.make(read_object(request))

    async def emulator(self, request: IRequest, name: str) -> Any:
        """
        One emulated station.
        """
        read_query(request)
        return self._control.get(name)

    async def change(self, request: IRequest, name: str) -> Any:
        """
        Change an emulated station.
        """
        return await self._control.change(name, read_object(request))

    async def remove(self, request: IRequest, name: str) -> None:
        """
        Remove an emulated station.
        """
        await self._control.remove(name)

    async def act(self, request: IRequest, name: str) -> Any:
        """
        Have an emulated station do something.

        What comes of it is in the answer, or follows.
        """
        return await self._control.act(name, read_object(request))
