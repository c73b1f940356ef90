"""
The tree of resources on our one port.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, AnyStr

import orjson
from twisted.internet.defer import Deferred
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET, Request, Site
from twisted.web.static import File

from ..ocpp.versions import Version
from ..queued import Queue
from ..router import Router
from .admission import Admission
from .docs import Docs
from .proxies import Proxies
from .rest import API
from .soap import SoapResource
from .soap_addresses import Allowed
from .soap_post import Courier
from .soap_stations import SoapRules, SoapStations
from .websocket import StationFactory, StationResource


#: The longest body of a request, in octets.
LONGEST_BODY = 1 << 20

#: What every answer tells a browser to be careful about.
CAREFUL = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": (
        "default-src 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
}


#: What Prometheus reads.
FIGURES = "text/plain; version=0.0.4; charset=utf-8"


class Visit(Request):
    """
    A request whose body has an end.
    """

    _left = LONGEST_BODY
    _came = 0.0
    _by_tls: bool | None = None

    @property
    def age(self) -> float:
        """
        Seconds since its head was read.
        """
        return float(self.channel.factory.reactor.seconds() - self._came)

    def gotLength(self, length: int | None) -> None:
        self._came = self.channel.factory.reactor.seconds()
        super().gotLength(min(length or 0, LONGEST_BODY))
        if length is not None and length > LONGEST_BODY:
            self._refuse_the_rest()

    def handleContentChunk(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left >= 0:
            super().handleContentChunk(data)
        elif self._left + len(data) >= 0:
            self._refuse_the_rest()

    def requestReceived(
        self, command: bytes, path: bytes, version: bytes
    ) -> None:
        if self.channel.factory.draining:
            self.channel.persistent = False
            self.responseHeaders.setRawHeaders("Connection", ["close"])
        # Twisted asks the parser of mail what is no form: a sixth of all that
        # a SOAP message costs.
        kinds = self.requestHeaders.getRawHeaders(b"content-type", [b""])
        self._parsePOSTFormSubmission = b"form" in kinds[0].lower()
        if self._left >= 0:
            super().requestReceived(command, path, version)

    def process(self) -> None:
        """
        Take the word of a trusted proxy for who asks, and how.
        """
        proxies: Proxies = self.channel.factory.proxies
        if proxies.trust(self.client):
            self._heed(proxies)
        super().process()

    def _heed(self, proxies: Proxies) -> None:
        host = self.getHeader("x-forwarded-host")
        if host:
            self.requestHeaders.setRawHeaders("host", [_last(host)])
        scheme = self.getHeader("x-forwarded-proto")
        if scheme:
            self._by_tls = _last(scheme).lower() in ("https", "wss")
        self.client = proxies.client(self.client, forwarded_for(self))

    def getHeader(self, key: AnyStr) -> AnyStr | None:
        """
        A header; as text what is no UTF-8 in it is replaced, where Twisted
        would raise: it is like nothing that anybody expects then.
        """
        if isinstance(key, bytes):
            return super().getHeader(key)
        value = super().getHeader(key.encode())
        return value if value is None else value.decode(errors="replace")

    def isSecure(self) -> bool:
        """
        Whether the client uses TLS, which may end at a proxy that we trust.
        """
        if self._by_tls is None:
            return bool(super().isSecure())
        return self._by_tls

    def _refuse_the_rest(self) -> None:
        """
        Answer without having read it all.
        """
        self._left = -1
        message = f"the body has more than {LONGEST_BODY} octets"
        body = orjson.dumps({"error": {"code": 413, "message": message}})
        channel: Any = self.channel
        channel.transport.write(
            b"HTTP/1.1 413 Request Entity Too Large\r\n"
            b"Content-Type: application/json\r\n"
            b"Content-Length: %d\r\n"
            b"Connection: close\r\n\r\n%b" % (len(body), body)
        )
        channel.loseConnection()


def forwarded_for(request: Any) -> str:
    """
    All headers C{X-Forwarded-For} as one.
    """
    headers = request.requestHeaders.getRawHeaders(b"x-forwarded-for", [])
    return b",".join(headers).decode("latin-1")


def _last(header: str) -> str:
    """
    What the proxy next to us has added.
    """
    return header.rpartition(",")[2].strip()


class Health(Resource):
    """
    C{/healthz} and C{/readyz}: whether we live, and whether we can serve.
    """

    isLeaf = True

    def __init__(self, name: str, is_well: Callable[[], bool]) -> None:
        super().__init__()
        self._name = name
        self._is_well = is_well

    def render_GET(self, request: IRequest) -> bytes:
        is_well = self._is_well()
        request.setResponseCode(200 if is_well else 503)
        request.setHeader("Content-Type", "application/json")
        return orjson.dumps({self._name: is_well})


class Figures(Resource):
    """
    C{/metrics}, for Prometheus.
    """

    isLeaf = True

    def __init__(self, text: Callable[[], Awaitable[bytes]]) -> None:
        super().__init__()
        self._text = text

    def render_GET(self, request: IRequest) -> Any:
        gone: list[object] = []
        request.notifyFinish().addBoth(gone.append)  # type: ignore[attr-defined]

        async def answer() -> None:
            text = await self._text()
            if not gone:
                request.setHeader("Content-Type", FIGURES)
                request.setHeader("Content-Length", str(len(text)))
                request.write(text)
                request.finish()

        Deferred.fromCoroutine(answer())
        return NOT_DONE_YET


class Pages(File):
    """
    A folder of web pages; nobody is shown what else lies there.
    """

    def getChild(self, path: bytes, request: IRequest) -> Any:
        # No file has such a name, and asking for one is an error.
        if b"\0" in path:
            return self.childNotFound
        return super().getChild(path, request)

    def directoryListing(self) -> Any:
        return self.childNotFound

    def redirect(self, request: IRequest) -> bytes:
        """
        To the same with a slash, relative to wherever a proxy has us.
        """
        request.redirect(b"./%b/" % request.path.rpartition(b"/")[2])
        return b""


class Root(Resource):
    """
    Stations by their upgrade to a WebSocket, operators by their path.

    @ivar pages: the web pages, unless the host has pages of its own.
    @ivar sites: the web pages by host, as browsers send it.
    """

    def __init__(self, stations: StationResource) -> None:
        super().__init__()
        self._stations = stations
        self.pages: IResource = Resource()
        self.sites: Mapping[str, IResource] = {}

    def getChildWithDefault(self, path: bytes, request: IRequest) -> Any:
        while not path and request.postpath:  # "//api" is "/api"
            path = request.postpath.pop(0)
        request.responseHeaders.removeHeader("Server")
        for name, value in CAREFUL.items():
            request.setHeader(name, value)
        upgrade = request.getHeader(b"upgrade") or b""
        if b"websocket" in upgrade.lower():
            return self._stations
        if path in self.children:
            return self.children[path]
        # Modules of two versions must not meet in one page.
        request.setHeader("Cache-Control", "no-cache")
        host = (request.getHeader("host") or "").lower()
        pages = self.sites.get(host, self.pages)
        return pages.getChildWithDefault(path, request)


class Door(Site):
    """
    A site that tells of connections, and of requests that were answered.

    @ivar draining: whether clients are to come again by a new connection.
    @ivar visitors: whether any have come lately who may still be here.
    """

    draining = visitors = False

    def __init__(
        self,
        root: IResource,
        answered: Callable[[Any, float], None],
        came: Callable[[], None],
        proxies: Proxies,
        reactor: Any,
    ) -> None:
        super().__init__(root, Visit, reactor=reactor)
        self.proxies = proxies
        self._answered = answered
        self._came = came

    def buildProtocol(self, address: Any) -> Any:
        self._came()
        self.visitors = True
        protocol = super().buildProtocol(address)
        # The time is for a whole request, however slowly it trickles in.
        channel = getattr(protocol, "_channel", protocol)
        channel.resetTimeout = _no_more_time
        return protocol

    def log(self, request: Any) -> None:
        self._answered(request, request.age)


def _no_more_time() -> None:
    """
    A client that sends something has no more time for it.
    """


def _tell_nobody(request: Any, seconds: float) -> None:
    """
    There is no access log.
    """


class Front:
    """
    What is seen of us on our one port.

    @ivar site: what listening ports are given.
    @ivar proxies: those that are believed whom they speak for.
    @ivar admission: at what rate connections are taken from them.
    @ivar emulators: the part of the API that has our own stations.
    """

    def __init__(
        self,
        router: Router,
        config: Any,
        reactor: Any,
        is_ready: Callable[[], bool],
        answered: Callable[[Any, float], None] = _tell_nobody,
    ) -> None:
        """
        @param answered: told of each request that was answered, and how many
            seconds that took.
        """
        self._router = router
        self._reactor = reactor
        self.proxies = Proxies()
        self._stations = StationFactory(
            router, reactor, config.stations.message_size, self.proxies
        )
        self._root = Root(StationResource(self._stations))
        self._api = API(router, reactor)
        self.emulators = self._api.emulators
        self._soap = SoapStations(router, reactor)
        self._root.putChild(b"api", self._api)
        self._root.putChild(b"docs", Docs(self._api))
        self._root.putChild(b"Ocpp", SoapResource(self._soap))
        self._root.putChild(b"healthz", Health("healthy", lambda: True))
        self._root.putChild(b"readyz", Health("ready", is_ready))
        self.admission = Admission(reactor, self._is_busy)
        self.site = Door(
            self._root, answered, self.admission.came, self.proxies, reactor
        )
        self.prepare(config)()

    def _is_busy(self) -> bool:
        """
        Whether the backend owes more than a second's boots.
        """
        return self._router.owed > self.admission.rate

    @property
    def queue(self) -> Queue:
        """
        The commands that wait for their stations.
        """
        return self._api.queue

    def offer_reload(self, reload: Callable[[], Awaitable[str]]) -> None:
        """
        Let admins have the configuration read again.
        """
        self._api.about.reload = reload

    def count_workers(self, count: Callable[[], int]) -> None:
        """
        There are several of us.
        """
        self._api.about.workers = count

    async def relayed(self, body: Any) -> Any:
        """
        Answer a message over SOAP that came to another worker.
        """
        return await self._soap.relayed(body)

    def show_metrics(self, text: Callable[[], Awaitable[bytes]]) -> None:
        """
        Show figures, in the format of Prometheus.
        """
        self._root.putChild(b"metrics", Figures(text))

    def prepare(self, config: Any) -> Callable[[], None]:
        """
        @return: what puts a new configuration in place.
        """
        stations = config.stations
        door = self._api.door.prepare(config)
        courier = Courier(self._reactor, config.tls.client_ca)

        def replace() -> None:
            door()
            self._router.validation = stations.validation
            self._router.accept = stations.accept
            self._router.time_zone = stations.time_zone
            self._router.patience = stations.unanswered
            self._router.wants_certificate = bool(config.tls.client_ca)
            self.admission.rate = stations.admission
            self._router.default_version = Version(stations.default_version)
            self._stations.ping_interval = stations.ping_interval
            self._stations.call_timeout = stations.call_timeout
            self._soap.rules = _soap_rules(config)
            self._soap.courier = courier
            self.site.timeOut = config.server.timeout
            self.proxies.use(
                config.server.proxies, config.server.proxy_protocol
            )
            self._root.pages = Pages(config.server.pages)
            self._root.sites = {
                host: Pages(folder) for host, folder in config.sites.items()
            }
            self._api.about.backend = config.backend.name
            self._api.about.configuration = config.shown
            self._api.hosts = _hosts(config)
            self._api.origins = config.api.cors

        return replace

    def open(self) -> None:
        """
        We begin.
        """
        self._api.door.open()
        self._api.queue.start()

    def close(self) -> None:
        """
        We end.
        """
        self._api.queue.stop()
        self._api.door.close()


def _soap_rules(config: Any) -> SoapRules:
    soap = config.soap
    return SoapRules(
        Allowed.read(soap.allow),
        soap.heartbeats,
        soap.heartbeat_interval,
        soap.message_size,
        config.stations.call_timeout,
    )


def _hosts(config: Any) -> Collection[str] | None:
    """
    The names that we must be called by; None for any, where others can reach
    us or users must prove who they are.
    """
    if config.api.auth or config.server.open_endpoints:
        return None
    return set(config.sites)
