"""
Finding backends by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from attrs import frozen
from twisted.internet.interfaces import IReactorTime
from twisted.plugin import IPlugin, getPlugins
from twisted.python.modules import getModule
from twisted.python.reflect import namedModule
from zope.interface import Invalid, implementer

from .errors import BadConfig
from .interfaces import (
    IBackend,
    IBackendMaker,
    ICentralSystem,
    verify_backend,
)


@implementer(IPlugin, IBackendMaker)
@frozen
class BackendMaker:
    """
    Offers the C{make_backend} of a module, imported when it is first used.

    @ivar module: the dotted name of that module.
    """

    name: str
    module: str
    description: str

    def load(self) -> Callable[..., object]:
        """
        Import what we offer.

        @raise BadConfig: it cannot be imported.
        """
        try:
            make: Callable[..., object] = namedModule(self.module).make_backend
        except Exception as e:
            # An import runs the module, which may raise whatever it likes.
            raise BadConfig(
                f"backend {self.name!r} cannot be loaded: importing "
                f"{self.module}.make_backend raised {_describe(e)}"
            ) from e
        return make

    def make_backend(
        self,
        settings: Mapping[str, Any],
        central_system: ICentralSystem,
        reactor: IReactorTime,
    ) -> IBackend:
        make = self.load()
        try:
            backend = make(settings, central_system, reactor)
        except BadConfig:
            raise
        except Exception as e:
            raise BadConfig(
                f"backend {self.name!r} cannot be made: "
                f"{self.module}.make_backend raised {_describe(e)}"
            ) from e
        return self._verified(backend)

    def _verified(self, backend: object) -> IBackend:
        try:
            verify_backend(backend)
        except Invalid as e:
            raise BadConfig(
                f"backend {self.name!r} ({self.module}) is incomplete: {e}"
            ) from e
        return IBackend(backend)


def backend_makers() -> Iterable[IBackendMaker]:
    """
    Every backend installed here.
    """
    return getPlugins(IBackendMaker)


def find_backend_maker(name: str) -> IBackendMaker:
    """
    @raise BadConfig: no backend of that name is installed, more than one is,
        or it cannot be loaded.
    """
    makers = list(backend_makers())
    found = [maker for maker in makers if maker.name == name]
    if not found:
        raise BadConfig(_not_found(name, [maker.name for maker in makers]))
    if len(found) > 1:
        both = " and ".join(map(repr, found))
        raise BadConfig(f"more than one backend {name!r}: {both}")
    if isinstance(found[0], BackendMaker):
        found[0].load()
    return found[0]


def _not_found(name: str, known: list[str]) -> Iterator[str]:
    close = get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    yield f"no backend {name!r}; {hint}there are: {', '.join(sorted(known))}"
    for broken in broken_dropins():
        yield f"a plugin that might offer it cannot be loaded: {broken}"


def broken_dropins() -> Iterator[str]:
    """
    The modules of C{twisted.plugins} that cannot be imported, and why.
    """
    for module in getModule("twisted.plugins").iterModules():
        try:
            module.load()
        except Exception as e:
            yield f"{module.name}: {_describe(e)}"


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
