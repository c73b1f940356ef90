"""
All figures of the process, as Prometheus reads them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import GCCollector, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector, CollectorRegistry
from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from . import __version__
from .figures import Count, Figure, Histogram
from .interfaces import IMeasured
from .router import Router


#: How often it is looked how late the reactor is, in seconds.
GLANCE = 1.0

#: The states of a connector (1.6, section 7.7, and 2.0.1); others are "other".
STATUSES = frozenset(
    {
        *("Available", "Preparing", "Charging", "SuspendedEV"),
        *("SuspendedEVSE", "Finishing", "Reserved", "Unavailable"),
        *("Faulted", "Occupied"),
    }
)


class Metrics(Service, Collector):
    """
    Gathers the figures when they are asked for.

    @ivar requests: HTTP requests answered, by class of status (C{2xx}).
    @ivar request_seconds: how long their answers took.
    """

    def __init__(
        self,
        router: Router,
        clock: IReactorTime,
        is_ready: Callable[[], bool],
        more: Callable[[], Iterable[Figure]] = tuple,
    ) -> None:
        """
        @param more: further figures.
        """
        self._router = router
        self._more = more
        self._is_ready = is_ready
        self.number = 1
        #: Gives the figures of the other workers, where there are others.
        self.gather: (
            Callable[[], Awaitable[Mapping[int, list[list[Any]]]]] | None
        ) = None
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self.requests: Counter[str] = Counter()
        self.request_seconds = Histogram()
        self._lateness = Histogram()
        self._looking = LoopingCall(self._look)
        self._looking.clock = clock
        self._seconds = clock.seconds
        self._due = 0.0

    def startService(self) -> None:
        super().startService()
        self._due = self._seconds() + GLANCE
        self._looking.start(GLANCE, now=False)

    def stopService(self) -> None:
        super().stopService()
        if self._looking.running:
            self._looking.stop()

    def _look(self) -> None:
        now = self._seconds()
        self._lateness.add(max(0.0, now - self._due))
        self._due = now + GLANCE

    def answered(self, request: Any, seconds: float) -> None:
        """
        An HTTP request was answered.
        """
        self.requests[f"{request.code // 100}xx"] += 1
        self.request_seconds.add(seconds)

    async def text(self) -> bytes:
        """
        What C{/metrics} answers: where there are workers, of all of them,
        with the number of the worker as a label.
        """
        if self.gather is None:
            return generate_latest(self._registry)
        others = await self.gather()
        return generate_latest(_Merged({self.number: self.rows(), **others}))

    def rows(self) -> list[list[Any]]:
        """
        All figures as JSON, for another worker.
        """
        return [
            [
                family.name,
                family.documentation,
                family.type,
                [[s.name, s.labels, s.value] for s in family.samples],
            ]
            for family in self._registry.collect()
        ]

    # As a collector

    def collect(self) -> Iterable[Metric]:
        families: dict[str, Metric] = {}
        for figure in self._figures():
            family = families.get(figure.name)
            if family is None:
                family = Metric(figure.name, figure.meaning, figure.kind)
                families[figure.name] = family
            _add(family, figure)
        return families.values()

    def _figures(self) -> Iterator[Figure]:
        router = self._router
        yield Figure(
            "cs_info", "gauge", "What runs.", 1, {"version": __version__}
        )
        yield Figure(
            "cs_ready",
            "gauge",
            "Whether stations can be served.",
            float(self._is_ready()),
        )
        yield from _stations(router)
        yield from _connectors(router)
        yield from _messages("in", "cs_answer_seconds", router.tally.received)
        yield from _messages("out", "cs_command_seconds", router.tally.sent)
        yield from self._of_the_router()
        yield from router.journal.database.figures("journal")
        yield from self._of_http()
        yield from self._more()
        backend = IMeasured(router.backend, None)
        if backend is not None:
            yield from backend.figures()

    def _of_the_router(self) -> Iterator[Figure]:
        router = self._router
        yield Figure(
            "cs_backend_seconds",
            "histogram",
            "How long the backend took for answers that it did not have at "
            "once.",
            router.backend_seconds,
        )
        yield Figure(
            "cs_answers_owed",
            "gauge",
            "Calls of stations that the backend has not answered yet.",
            router.owed,
        )
        yield Figure(
            "cs_stray_frames",
            "counter",
            "Frames that were no messages, or answers to nothing.",
            router.tally.strays,
        )
        yield Figure(
            "cs_connections",
            "counter",
            "Connections of stations that were accepted.",
            router.connections,
        )
        for status, count in router.refusals.items():
            yield Figure(
                "cs_handshakes_refused",
                "counter",
                "Handshakes that were refused, by status of HTTP.",
                count,
                {"status": str(status)},
            )

    def _of_http(self) -> Iterator[Figure]:
        for status, count in self.requests.items():
            yield Figure(
                "cs_http_requests",
                "counter",
                "HTTP requests that were answered, by class of status.",
                count,
                {"status": status},
            )
        yield Figure(
            "cs_http_request_seconds",
            "histogram",
            "How long the answer to an HTTP request took.",
            self.request_seconds,
        )
        yield Figure(
            "cs_reactor_late_seconds",
            "histogram",
            "How late the process was with what it was to do.",
            self._lateness,
        )


def _stations(router: Router) -> Iterator[Figure]:
    yield Figure(
        "cs_stations_known",
        "gauge",
        "Stations that were ever seen, or are registered.",
        len(router.fleet),
    )
    connected = Counter(str(s.version) for s in router.stations())
    for version, count in connected.items():
        yield Figure(
            "cs_stations_connected",
            "gauge",
            "Stations that are connected, by version of OCPP.",
            count,
            {"version": version},
        )
    held_off: Counter[str] = Counter(
        station.known.settings.registration for station in router.ours.values()
    )
    for registration, count in held_off.items():
        yield Figure(
            "cs_stations_registered",
            "gauge",
            "Stations that are connected, by what their boot is answered.",
            count,
            {"registration": registration},
        )


def _connectors(router: Router) -> Iterator[Figure]:
    # Those of ours: each worker counts its own.
    statuses: Counter[str] = Counter(
        _status(connector)
        for station in router.ours.values()
        for connector in station.known.connectors.values()
    )
    for status, count in statuses.items():
        yield Figure(
            "cs_connectors",
            "gauge",
            "Connectors of connected stations, by status.",
            count,
            {"status": status},
        )


def _status(connector: Mapping[str, Any]) -> str:
    status = connector.get("status") or connector.get("connectorStatus")
    known = isinstance(status, str) and status in STATUSES
    return str(status) if known else "other"


def _messages(
    direction: str, seconds: str, counts: Mapping[str, Count]
) -> Iterator[Figure]:
    for action, count in counts.items():
        labels = {"direction": direction, "action": action}
        for outcome, number in count.outcomes.items():
            yield Figure(
                "cs_messages",
                "counter",
                "Calls, by who asked (in: a station), action and outcome.",
                number,
                {**labels, "outcome": outcome},
            )
        yield Figure(
            "cs_violations",
            "counter",
            "Calls that broke the schema of their action.",
            count.violations,
            labels,
        )
        yield Figure(
            seconds,
            "histogram",
            _SECONDS[direction],
            count,
            {"action": action},
        )


_SECONDS = {
    "in": "How long a station waited for its answer, from its turn on.",
    "out": "How long a station took to answer a command.",
}


class _Merged(CollectorRegistry):
    """
    The figures of several workers.
    """

    def __init__(self, workers: Mapping[int, list[list[Any]]]) -> None:
        super().__init__()
        self._families: dict[str, Metric] = {}
        for number, rows in workers.items():
            for name, meaning, kind, samples in rows:
                family = self._families.setdefault(
                    name, Metric(name, meaning, kind)
                )
                for sample, labels, value in samples:
                    of = {**labels, "worker": str(number)}
                    family.add_sample(sample, of, value)

    def collect(self) -> Iterable[Metric]:
        return self._families.values()


def _add(family: Metric, figure: Figure) -> None:
    labels, value = dict(figure.labels), figure.value
    if isinstance(value, Histogram):
        for bound, count in value.buckets():
            family.add_sample(
                f"{figure.name}_bucket", {**labels, "le": bound}, count
            )
        family.add_sample(f"{figure.name}_count", labels, sum(value.counts))
        family.add_sample(f"{figure.name}_sum", labels, value.sum)
    elif figure.kind == "counter":
        family.add_sample(f"{figure.name}_total", labels, value)
    else:
        family.add_sample(figure.name, labels, value)
