"""
Emulated stations, in this process or another.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Protocol

from twisted.web.iweb import IRequest

from ...errors import NotFound
from ...interfaces import Page
from .asked import read_list_query, read_object, read_query
from .routes import Route
from .shapes import BODIES, NAMED, TEXT, listed, shape


#: What else may be answered where the emulator is a process of its own.
ELSEWHERE = (503, 504)


class Ask(Protocol):
    """
    Asks the emulator: C{"page"}, C{"get"}, C{"make"}, C{"change"},
    C{"remove"} or C{"act"}; JSON in, JSON out.
    """

    def __call__(self, what: str, *arguments: Any) -> Awaitable[Any]: ...


async def _no_emulator(what: str, *arguments: Any) -> Any:
    raise NotFound("no emulated stations run here")


class Emulators:
    """
    @ivar ask: asks the emulator, wherever that is.
    """

    ask: Ask

    def __init__(self) -> None:
        self.ask = _no_emulator
        one = "/emulators/<name>"
        self.routes = [
            Route(
                "GET",
                "/emulators",
                self.emulators,
                gives=listed("Emulator"),
                errors=[404, *ELSEWHERE],
            ),
            Route(
                "POST",
                "/emulators",
                self.make,
                takes=BODIES["Emulator"],
                gives=NAMED["Emulator"],
                errors=[404, *ELSEWHERE],
            ),
            Route(
                "GET",
                one,
                self.emulator,
                gives=NAMED["Emulator"],
                errors=ELSEWHERE,
            ),
            Route(
                "PATCH",
                one,
                self.change,
                takes=BODIES["Emulated"],
                gives=NAMED["Emulator"],
                errors=ELSEWHERE,
            ),
            Route("DELETE", one, self.remove, status=204, errors=ELSEWHERE),
            Route(
                "POST",
                f"{one}/actions",
                self.act,
                takes=BODIES["Act"],
                gives=shape(name=TEXT),
                errors=ELSEWHERE,
            ),
        ]

    async def emulators(self, request: IRequest) -> Page:
        """
        The emulated stations, by name.
        """
        query = read_list_query(request)
        cursor, limit = query.get("cursor", ""), query["limit"]
        items, following = await self.ask("page", cursor, limit)
        return Page(items, following)

    async def make(self, request: IRequest) -> Any:
        """
        Make an emulated station.
        """
        return await self.ask("make", read_object(request))

    async def emulator(self, request: IRequest, name: str) -> Any:
        """
        One emulated station.
        """
        read_query(request)
        return await self.ask("get", name)

    async def change(self, request: IRequest, name: str) -> Any:
        """
        Change an emulated station.
        """
        return await self.ask("change", name, read_object(request))

    async def remove(self, request: IRequest, name: str) -> None:
        """
        Remove an emulated station.
        """
        await self.ask("remove", name)

    async def act(self, request: IRequest, name: str) -> Any:
        """
        Have an emulated station do something.

        What comes of it is in the answer, or follows.
        """
        return await self.ask("act", name, read_object(request))
