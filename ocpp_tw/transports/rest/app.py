"""
The routes of every part, as one resource.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any
from urllib.parse import quote, unquote

from klein import Klein
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from ...errors import BadRequest, OCPPError
from ...journal import REFUSED, Deed
from ...queued import Queue
from ...router import Router
from . import guard
from .answers import send
from .classic import Classic
from .door import SAFE, Door, address_of, challenge, visitor_of
from .emulators import Emulators
from .errors import refuse, status_of
from .journal import Journaled
from .live import Live
from .outbox import Outbox
from .people import People
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
    @ivar origins: whose pages may use us from a browser.
    @ivar queue: the commands that wait for their stations.
    @ivar door: who may come in.
    @ivar about: what is known of ourselves.
    @ivar emulators: the stations of our own.
    """

    isLeaf = True

    def __init__(self, router: Router, reactor: Any) -> None:
        super().__init__()
        self.hosts: Collection[str] | None = ()
        self.origins: Collection[str] = ()
        self.door = Door(reactor)
        self._journal = router.journal
        self._seconds = reactor.seconds
        self.queue = Queue(router, reactor)
        self.about = Server(router, reactor)
        self.emulators = Emulators()
        parts: list[Part] = [
            Classic(router, reactor),
            Stations(router, reactor, self.queue),
            Records(router),
            Outbox(router),
            Journaled(router.journal),
            Schemas(),
            self.emulators,
            Live(router.journal.events, reactor),
            People(self.door, router.journal),
            self.about,
        ]
        self.routes = [route for part in parts for route in part.routes]
        self._routes = self._klein(self.routes).resource()

    def render(self, request: IRequest) -> Any:
        try:
            self.door.bucket.take(address_of(request))
            guard.check(request, self.hosts, self.origins)
            if guard.is_preflight(request):
                return guard.allow(request)
            if request.method.decode("latin-1") not in METHODS:
                raise MethodNotAllowed(METHODS)
            request.postpath = _segments(request)
            return self._routes.render(request)
        except (HTTPException, OCPPError):
            return refuse(request, Failure())

    def _klein(self, routes: Iterable[Route]) -> Klein:
        app = Klein()
        for route in routes:
            app.route(
                f"/v1{route.path}",
                methods=route.methods.split(),
                endpoint=f"{route.methods} {route.path}",
            )(self._answering(route))
        app.handle_errors(Exception)(refuse)
        return app

    def _answering(self, route: Route) -> Callable[..., Deferred[bytes]]:
        def answer(request: IRequest, **quoted: str) -> Deferred[bytes]:
            return _to_the_end(
                Deferred.fromCoroutine(self._run(route, request, quoted))
            )

        return answer

    async def _run(
        self, route: Route, request: IRequest, quoted: Mapping[str, str]
    ) -> bytes:
        status = route.status
        try:
            names = {name: _name(text) for name, text in quoted.items()}
            await self.door.admit(request, route, names)
            request.setResponseCode(status)
            answer = await route.answer(request, **names)
            status = getattr(request, "code", status)
            return send(request, answer, route.columns)
        except Exception as e:
            status = status_of(e)
            if status == 401:
                challenge(request, self.door.ways)
            raise
        finally:
            if _changes(route, request) or status in REFUSED:
                self._note(request, status)

    def _note(self, request: IRequest, status: int) -> None:
        """
        Somebody did something, or tried to.
        """
        visitor = visitor_of(request)
        path = request.path.decode("latin-1")
        if many := getattr(request, "commanded_at", ""):
            path += f"?identities={many}"
        self._journal.done(
            Deed(
                self._seconds(),
                visitor.name,
                visitor.via,
                address_of(request),
                request.method.decode("latin-1"),
                path[:500],
                getattr(request, "commanded", "")[:60],
                status,
            )
        )


def _changes(route: Route, request: IRequest) -> bool:
    """
    Whether a request may change something; what may be read by GET, too,
    does not.
    """
    return request.method not in SAFE and "GET" not in route.methods.split()


def _segments(request: IRequest) -> list[bytes]:
    """
    The segments of the path that are not empty, quoted again: a slash in a
    name is no slash of the path.
    """
    return [quote(s, safe="").encode() for s in request.postpath if s]


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
