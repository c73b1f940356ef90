"""
The routes of every part, as one resource.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any
from urllib.parse import quote, unquote

from klein import Klein
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from ...errors import BadRequest
from ...router import Router
from . import guard
from .answers import send
from .classic import Classic
from .errors import refuse
from .journal import Journaled
from .outbox import Outbox
from .live import Live
from .records import Records
from .routes import Part, Route
from .schemas import Schemas
from .server import Server
from .stations import Stations


METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class API(Resource):
    """
    Everything below C{/api}.

    @ivar hosts: the names we go by; None for any, see L{guard}.
    @ivar about: what is known of ourselves.
    """

    isLeaf = True

    def __init__(self, router: Router, reactor: Any) -> None:
        super().__init__()
        self.hosts: Collection[str] | None = ()
        self.about = Server(router, reactor)
        parts: list[Part] = [
            Classic(router, reactor),
            Stations(router, reactor),
            Records(router),
            Outbox(router),
            Journaled(router.journal),
            Schemas(),
            Live(router.journal.events, reactor),
            self.about,
        ]
        routes = [route for part in parts for route in part.routes]
        self._routes = _klein(routes).resource()

    def render(self, request: IRequest) -> Any:
        try:
            guard.check(request, self.hosts)
            if request.method.decode("latin-1") not in METHODS:
                raise MethodNotAllowed(METHODS)
            request.postpath = _segments(request)
            return self._routes.render(request)
        except HTTPException:
            return refuse(request, Failure())


def _segments(request: IRequest) -> list[bytes]:
    """
    The segments of the path that are not empty, quoted again: a slash in a
    name is no slash of the path.
    """
    return [quote(s, safe="").encode() for s in request.postpath if s]


def _klein(routes: Iterable[Route]) -> Klein:
    app = Klein()
    for route in routes:
        app.route(
            f"/v1{route.path}",
            methods=route.methods.split(),
            endpoint=f"{route.methods} {route.path}",
        )(_answering(route))
    app.handle_errors(Exception)(refuse)
    return app


def _answering(route: Route) -> Callable[..., Deferred[bytes]]:
    async def run(request: IRequest, quoted: dict[str, str]) -> bytes:
        names = {name: _name(text) for name, text in quoted.items()}
        answer = await route.answer(request, **names)
        return send(request, answer, route.columns)

    def answer(request: IRequest, **quoted: str) -> Deferred[bytes]:
        return _to_the_end(Deferred.fromCoroutine(run(request, quoted)))

    return answer


def _name(quoted: str) -> str:
    try:
        return unquote(quoted, errors="strict")
    except UnicodeDecodeError:
        raise BadRequest("the path is not UTF-8") from None


def _to_the_end(work: Deferred[bytes]) -> Deferred[bytes]:
    """
    What a client started goes on when the client goes away: a station that
    was asked answers all the same.
    """
    answer: Deferred[bytes] = Deferred()
    _ = work.addBoth(answer.callback)
    return answer
