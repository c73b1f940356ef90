"""
Tests for L{ocpp_tw.metrics} and L{ocpp_tw.figures}.
"""

import json
import re
from pathlib import Path

import yaml
from attrs import asdict
from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from ocpp_tw.backends.embedded import EmbeddedBackend
from ocpp_tw.backends.embedded.schema import MIGRATIONS
from ocpp_tw.config.settings import Postgres, Webhook
from ocpp_tw.database import Database
from ocpp_tw.figures import BOUNDS, Figure, Histogram, Tally
from ocpp_tw.interfaces import IMeasured, IReady
from ocpp_tw.journal import Attempt
from ocpp_tw.messagelog import Entry
from ocpp_tw.metrics import Metrics
from ocpp_tw.ocpp.messages import Call
from ocpp_tw.plugin import find_backend_maker

from .transports.world import FakeBackend, FakeStation, World


CONF = Path(__file__).parent.parent / "conf"

#: What Prometheus's own client, and Prometheus, count.
THEIRS = re.compile(r"process_\w+|python_\w+")


def entry(action="Heartbeat", reply=b'[3,"7",{}]', **more):
    whole = Entry(0.0, "CP1", "in", "7", action, b"", reply, 0.002, None)
    return whole._replace(**more)


class HistogramTests(SynchronousTestCase):
    """
    Tests for L{Histogram}.
    """

    def test_buckets(self):
        """
        Each bound says how many took at most that.
        """
        histogram = Histogram()
        for seconds in (0.0, 0.001, 0.0011, 7.0, 100.0):
            histogram.add(seconds)
        buckets = dict(histogram.buckets())
        self.assertEqual(buckets["0.001"], 2)
        self.assertEqual(buckets["0.0025"], 3)
        self.assertEqual(buckets["10.0"], 4)
        self.assertEqual(buckets["+Inf"], 5)
        self.assertEqual(len(buckets), len(BOUNDS) + 1)
        self.assertAlmostEqual(histogram.sum, 107.0021)


class TallyTests(SynchronousTestCase):
    """
    Tests for L{Tally}.
    """

    def setUp(self):
        self.tally = Tally(["Heartbeat", "Reset"])

    def test_outcomes(self):
        """
        Results, errors and silence are told apart, in OCPP-J and in SOAP.
        """
        for _ in range(2):
            self.tally.note([entry()])
            self.tally.note([entry(reply=b'[4,"7","X","",{}]')])
            self.tally.note([entry(reply=b"<Fault/>", error="X")])
            self.tally.note([entry(reply=b"<Envelope/>")])
        self.tally.note([entry("Reset", None, direction="out")])
        heartbeats = self.tally.received["Heartbeat"]
        self.assertEqual(
            heartbeats.outcomes, {"result": 4, "error": 4, "no_answer": 0}
        )
        self.assertEqual(sum(heartbeats.counts), 8)
        self.assertEqual(
            self.tally.sent["Reset"].outcomes,
            {"result": 0, "error": 0, "no_answer": 1},
        )

    def test_many(self):
        """
        Many that are counted together count as each by itself.
        """
        many = [
            entry(
                action,
                reply=reply,
                direction=direction,
                seconds=0.0007 * number,
            )
            for number in range(9)
            for action in ("Heartbeat", "Reset", "Nonsense")
            for direction in ("in", "out")
            for reply in (b'[3,"7",{}]', b'[4,"7","X","",{}]')
        ]
        self.tally.note(many)
        others = Tally(["Heartbeat", "Reset"])
        for one in many:
            others.note([one])
        for ours, theirs in (
            (self.tally.received, others.received),
            (self.tally.sent, others.sent),
        ):
            self.assertEqual(ours.keys(), {"Heartbeat", "Reset", "other"})
            for name, count in ours.items():
                self.assertEqual(count.outcomes, theirs[name].outcomes)
                self.assertEqual(count.counts, theirs[name].counts)
                self.assertAlmostEqual(count.sum, theirs[name].sum)
            self.assertEqual(ours["Heartbeat"].result, 9)

    def test_unknown(self):
        """
        Stations cannot make up labels.
        """
        for number in range(100):
            self.tally.note([entry(f"X{number}")])
        self.assertEqual(list(self.tally.received), ["other"])
        self.assertEqual(self.tally.received["other"].result, 100)

    def test_strays(self):
        """
        What was no message is counted as that.
        """
        self.tally.note([entry("", None, violations="no JSON")])
        self.assertEqual((self.tally.strays, self.tally.received), (1, {}))

    def test_violations(self):
        """
        Calls that broke their schema are counted once each.
        """
        self.tally.note([entry(violations=["a", "b"])])
        self.tally.note([entry(violations=[])])
        self.assertEqual(self.tally.received["Heartbeat"].violations, 1)


@implementer(IMeasured)
class Measured(FakeBackend):
    """
    Has a figure of its own.
    """

    def figures(self):
        yield Figure("cs_pool_size", "gauge", "Connections.", 5.0)


class Measuring(World):
    """
    A test that reads the figures.
    """

    def setUp(self):
        super().setUp()
        self.metrics = Metrics(
            self.router,
            self.clock,
            lambda: self.ready,
            self.front.queue.figures,
        )
        self.front.show_metrics(self.metrics.text)

    def samples(self):
        head, body = self.raw(
            b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )
        self.assertIn(b"text/plain; version=0.0.4", head)
        return {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(body.decode())
            for sample in family.samples
        }

    def refuse(self):
        self.router.refused(Attempt(0, "", "", "", 404, "", ""))

    def visit(self):
        class Request:
            code = 404

        self.metrics.answered(Request, 0.1)


class MetricsTests(Measuring):
    """
    Tests for L{Metrics}.
    """

    def test_stations(self):
        """
        Stations are counted by version, and connectors by status.
        """
        self.station("CP1").known.connectors = {
            1: {"status": "Charging"},
            2: {"status": 'x"\n'},
        }
        self.station("CP2")
        self.gone(self.station("CP3"))
        samples = self.samples()
        self.assertEqual(samples["cs_stations_known",], 3)
        version = ("version", "1.6")
        self.assertEqual(samples["cs_stations_connected", version], 2)
        self.assertEqual(samples["cs_connectors", ("status", "Charging")], 1)
        self.assertEqual(samples["cs_connectors", ("status", "other")], 1)
        self.assertEqual(samples["cs_connections_total",], 3)

    def test_messages(self):
        """
        Messages are counted by action and outcome, with how long they took.
        """
        self.journal.note(entry())
        self.journal.note(entry("Reset", None, direction="out"))
        samples = self.samples()
        heartbeat = ("action", "Heartbeat")
        labels = heartbeat, ("direction", "in"), ("outcome", "result")
        self.assertEqual(samples["cs_messages_total", *labels], 1)
        self.assertEqual(samples["cs_answer_seconds_count", heartbeat], 1)
        self.assertEqual(
            samples["cs_answer_seconds_bucket", heartbeat, ("le", "0.0025")],
            1,
        )
        reset = ("action", "Reset")
        labels = reset, ("direction", "out"), ("outcome", "no_answer")
        self.assertEqual(samples["cs_messages_total", *labels], 1)

    def test_refused(self):
        """
        Refused handshakes are counted by status.
        """
        self.refuse()
        samples = self.samples()
        status = ("status", "404")
        self.assertEqual(samples["cs_handshakes_refused_total", status], 1)

    def test_requests(self):
        """
        Requests are counted by class of status.
        """
        self.visit()
        samples = self.samples()
        status = ("status", "4xx")
        self.assertEqual(samples["cs_http_requests_total", status], 1)
        self.assertEqual(samples["cs_http_request_seconds_sum",], 0.1)

    def test_ready(self):
        """
        It says what C{/readyz} says.
        """
        self.assertEqual(self.samples()["cs_ready",], 1)
        self.ready = False
        self.assertEqual(self.samples()["cs_ready",], 0)

    def test_late(self):
        """
        It notices that the process is late.
        """
        self.metrics.startService()
        self.addCleanup(self.metrics.stopService)
        self.clock.advance(1.0)
        self.clock.advance(1.5)
        self.assertEqual(self.samples()["cs_reactor_late_seconds_sum",], 0.5)

    def test_backend(self):
        """
        A backend may have figures of its own.
        """
        self.assertNotIn(("cs_pool_size",), self.samples())
        self.router.use(Measured())
        self.assertEqual(self.samples()["cs_pool_size",], 5)

    def test_process(self):
        """
        The process is measured too.
        """
        self.assertGreater(self.samples()["process_resident_memory_bytes",], 0)

    def test_two(self):
        """
        Two in one process do not meet.
        """
        other = Metrics(self.router, self.clock, lambda: False)
        text = self.successResultOf(Deferred.fromCoroutine(other.text()))
        self.assertIn(b"cs_ready 0.0", text)
        self.assertEqual(self.samples()["cs_ready",], 1)


class DatabaseTests(SynchronousTestCase):
    """
    What is measured of a database.
    """

    def test_embedded(self):
        """
        The embedded backend is ready while its database can be written, and
        says how long that takes.
        """
        clock = Clock()
        database = Database(":memory:", MIGRATIONS, clock)
        backend = EmbeddedBackend(database, clock)
        verifyObject(IReady, backend)
        verifyObject(IMeasured, backend)
        self.assertFalse(backend.is_ready)
        backend.startService()
        self.assertTrue(backend.is_ready)
        self.successResultOf(database.write(lambda db: None))
        figures = {figure.name: figure for figure in backend.figures()}
        commits = figures["cs_database_commit_seconds"]
        self.assertEqual(sum(commits.value.counts), 1)
        self.assertEqual(commits.labels, {"database": "records"})
        self.assertEqual(figures["cs_database_writable"].value, 1)
        self.successResultOf(backend.stopService())
        self.assertFalse(backend.is_ready)


class ElsewhereTests(SynchronousTestCase):
    """
    What is measured of backends that ask somebody else.
    """

    def figures(self, backend):
        verifyObject(IMeasured, backend)
        return {
            (figure.name, *figure.labels.values()): figure.value
            for figure in backend.figures()
        }

    def test_webhook(self):
        """
        Requests that are under way, that wait, and that had no answer;
        events that wait.
        """
        backend = webhook(connections=1)
        for _ in range(3):
            answer = backend.answer(
                FakeStation("CP1"), Call("1", "Heartbeat", {})
            )
            answer.addErrback(lambda failure: None)
            self.addCleanup(answer.cancel)
        backend.unanswered.update(["status 500", "status 500"])
        self.assertEqual(
            self.figures(backend),
            {
                ("cs_backend_unanswered", "status 500"): 2,
                ("cs_pool_connections", "busy"): 1,
                ("cs_pool_connections", "idle"): 0,
                ("cs_pool_waiting",): 2,
                ("cs_outbox_waiting",): 0,
                ("cs_outbox_lost",): 0,
            },
        )

    def test_postgres(self):
        """
        Connections, who waits for one, and Calls that had no answer.
        """
        backend = postgres()
        backend.unanswered.update(["57P01", "57P01"])
        backend._pool._links.update([object(), object(), object()])
        backend._pool._idle.append(object())
        self.assertEqual(
            self.figures(backend),
            {
                ("cs_backend_unanswered", "57P01"): 2,
                ("cs_pool_connections", "busy"): 2,
                ("cs_pool_connections", "idle"): 1,
                ("cs_pool_waiting",): 0,
            },
        )


def webhook(**settings):
    return find_backend_maker("webhook").make_backend(
        {**asdict(Webhook(events=("connected",))), **settings},
        None,
        MemoryReactorClock(),
    )


def postgres():
    return find_backend_maker("postgres").make_backend(
        asdict(Postgres()), None, Clock()
    )


class WatchedTests(Measuring):
    """
    C{conf/grafana} and C{conf/prometheus} against the figures that there are.
    """

    def known(self):
        """
        The names of all samples, once everything has happened.
        """
        station = self.station("CP1")
        station.known.connectors = {1: {"status": "Charging"}}
        for direction in ("in", "out"):
            self.journal.note(entry(direction=direction))
        self.refuse()
        self.visit()
        clock = Clock()
        database = Database(":memory:", MIGRATIONS, clock)
        names = {name for name, *_ in self.samples()}
        self.families = {family.name for family in self.metrics.collect()}
        asking = webhook(), postgres()
        for backend in asking:
            backend.unanswered.update(["status 500"])
        for backend in (EmbeddedBackend(database, clock), *asking):
            self.router.use(backend)
            names |= {name for name, *_ in self.samples()}
            self.families |= {f.name for f in self.metrics.collect()}
        return names

    def assert_known(self, expressions):
        known = self.known()
        for expression in expressions:
            names = re.findall(
                r"\b(?:cs|process|python)_\w+", _without_strings(expression)
            )
            self.assertTrue(names, expression)
            for name in names:
                self.assertIn(name, known, expression)

    def test_alerts(self):
        """
        The alerts watch what there is.
        """
        text = (CONF / "prometheus" / "alerts.yaml").read_text()
        [group] = yaml.safe_load(text)["groups"]
        self.assertGreater(len(group["rules"]), 5)
        for rule in group["rules"]:
            self.assertEqual(
                {"alert", "expr", "labels", "annotations"} - set(rule), set()
            )
        self.assert_known(rule["expr"] for rule in group["rules"])

    def test_dashboard(self):
        """
        The dashboard shows what there is.
        """
        text = (CONF / "grafana" / "ocpp-tw.json").read_text()
        panels = json.loads(text)["panels"]
        self.assertGreater(len(panels), 10)
        self.assert_known(
            target["expr"] for panel in panels for target in panel["targets"]
        )

    def test_documented(self):
        """
        The documentation has every figure of ours, and no other.
        """
        text = (CONF.parent / "docs" / "operate.md").read_text()
        documented = set(re.findall(r"^\| `(cs_\w+)`", text, re.M))
        self.known()
        self.assertEqual(documented, self.families)


def _without_strings(expression):
    return re.sub(r'"[^"]*"', '""', expression)
