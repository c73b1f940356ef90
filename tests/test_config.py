"""
Tests for L{ocpp_tw.config}.
"""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import asdict, evolve
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw import config
from ocpp_tw.config import ini
from ocpp_tw.config.settings import SECTIONS, SETTINGS, VARIABLES
from ocpp_tw.errors import BadConfig


HERE = Path(__file__).parent.parent
DEFAULT_CONF = HERE / "conf" / "default.conf"
PLACES = config.reading.PLACES


class Folder(SynchronousTestCase):
    """
    A test with an empty folder to work in.
    """

    def setUp(self):
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        # This machine may have a central system of its own.
        self.patch(config.reading, "PLACES", ("conf/default.conf",))

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def load(self, text=None, **environ):
        name = None
        if text is not None:
            name = "cs.conf"
            self.write(name, text)
        return config.load(name, environ, self.folder)

    def problems(self, text=None, **environ):
        error = self.assertRaises(BadConfig, self.load, text, **environ)
        return [p.replace(f"{self.folder}/", "") for p in error.problems]


class FindTests(Folder):
    """
    Where the file is looked for.
    """

    def test_none(self):
        """
        No file at all is fine.
        """
        self.assertIsNone(config.find(None, {}, self.folder))

    def test_usual_places(self):
        """
        A file in one of the usual places is found; the first one wins.
        """
        self.patch(config.reading, "PLACES", ("first.conf", "second.conf"))
        second = self.write("second.conf", "")
        self.assertEqual(config.find(None, {}, self.folder), second)
        first = self.write("first.conf", "")
        self.assertEqual(config.find(None, {}, self.folder), first)

    def test_order_of_places(self):
        """
        The system's configuration comes before that of the folder.
        """
        self.assertEqual(PLACES, ("/etc/cs/cs.conf", "conf/default.conf"))

    def test_asked_for(self):
        """
        The file asked for wins over C{$CS_CONFIG}, which wins over the rest.
        """
        self.write("conf/default.conf", "")
        asked = self.write("asked.conf", "")
        named = self.write("named.conf", "")
        environ = {"CS_CONFIG": "named.conf"}
        self.assertEqual(
            config.find("asked.conf", environ, self.folder), asked
        )
        self.assertEqual(config.find(None, environ, self.folder), named)

    def test_missing(self):
        """
        A file asked for that is not there is an error that names it.
        """
        with self.assertRaisesRegex(BadConfig, r"nope\.conf not found$"):
            config.find("nope.conf", {}, self.folder)
        with self.assertRaisesRegex(BadConfig, "nope.*named by CS_CONFIG"):
            config.find(None, {"CS_CONFIG": "nope"}, self.folder)

    def test_unreadable(self):
        """
        What is no text file is an error that names it.
        """
        with self.assertRaisesRegex(BadConfig, "Is a directory"):
            config.load(".", {}, self.folder)
        self.assertEqual(
            self.problems_of(b"[server]\nroot = \xff\n"),
            ["cs.conf: no UTF-8: invalid start byte"],
        )

    def problems_of(self, data):
        self.write("cs.conf", data)
        error = self.assertRaises(
            BadConfig, config.load, "cs.conf", {}, self.folder
        )
        return [p.replace(f"{self.folder}/", "") for p in error.problems]


class LoadTests(Folder):
    """
    What is read.
    """

    def test_defaults(self):
        """
        Nothing given is a central system on this machine alone.
        """
        loaded = self.load("")
        self.assertEqual(
            loaded.server.endpoints, ("tcp:9220:interface=127.0.0.1",)
        )
        self.assertEqual(loaded.backend.name, "embedded")
        self.assertEqual(loaded.api.auth, ())
        self.assertEqual(loaded.warnings, ())
        self.assertEqual(loaded.stations, config.Stations())

    def test_values(self):
        """
        Each kind of value is read, with and without units.
        """
        loaded = self.load(
            """
            [server]
            timeout = 2500
            [stations]
            ping_interval = 5 min
            call_timeout: 500 ms
            message_size = 64 KiB
            validation = STRICT
            [process/ChargePoint]
            enable = on
            [api]
            auth = bearer, basic
            """
        )
        self.assertEqual(loaded.server.timeout, 2.5)
        self.assertEqual(loaded.stations.ping_interval, 300.0)
        self.assertEqual(loaded.stations.call_timeout, 0.5)
        self.assertEqual(loaded.stations.message_size, 65536)
        self.assertEqual(loaded.stations.validation, "strict")
        self.assertIs(loaded.emulator.enable, True)
        self.assertEqual(loaded.api.auth, ("basic", "bearer"))

    def test_durations(self):
        """
        A duration without a unit has its key's unit; with one, that.
        """
        for text, seconds in [
            ("45", 45.0),
            ("45 s", 45.0),
            ("30s", 30.0),
            ("5000 ms", 5.0),
            ("0.5 h", 1800.0),
        ]:
            loaded = self.load("", CS_STATIONS_CALL_TIMEOUT=text)
            self.assertEqual(loaded.stations.call_timeout, seconds)
        loaded = self.load("", CS_SERVER_TIMEOUT="5 s")
        self.assertEqual(loaded.server.timeout, 5.0)

    def test_booleans(self):
        """
        Booleans are written as they always were.
        """
        for words, meaning in [
            (("true", "yes", "on", "1", "TRUE"), True),
            (("false", "no", "off", "0", "Off"), False),
        ]:
            for word in words:
                loaded = self.load(f"[main]\nmaster={word}\n")
                self.assertIs(loaded.main.master, meaning)

    def test_verbatim(self):
        """
        A value is all of its line: no interpolation, no inline comments.
        """
        loaded = self.load("[webhook]\npassword = 50%(x)s # ; = [a]\n")
        self.assertEqual(loaded.webhook.password, "50%(x)s # ; = [a]")

    def test_byte_order_mark(self):
        """
        A file that an editor of Windows saved is read.
        """
        loaded = self.load("\ufeff[server]\r\nport = 9000\r\n")
        self.assertEqual(loaded.server.port, 9000)

    def test_endpoints(self):
        """
        Several endpoints stand in one line, or one in each.
        """
        for text in (
            "[server]\nendpoint = unix:/tmp/a unix:/tmp/b\n",
            "[server]\nendpoint = unix:/tmp/a\n  # and\n  unix:/tmp/b\n",
        ):
            loaded = self.load(text)
            self.assertEqual(
                loaded.server.endpoints, ("unix:/tmp/a", "unix:/tmp/b")
            )

    def test_paths(self):
        """
        Relative paths are made absolute; names that are no paths stay.
        """
        loaded = self.load("[log]\nerror = logs/../error.log\n")
        self.assertEqual(loaded.log.error, str(self.folder / "error.log"))
        self.assertEqual(loaded.log.debug, "")
        self.assertEqual(loaded.embedded.path, str(self.folder / "cs.sqlite3"))
        loaded = self.load("[embedded]\npath = :memory:\n")
        self.assertEqual(loaded.embedded.path, ":memory:")

    def test_compares(self):
        """
        Sections compare by value, wherever they were read from.
        """
        one = self.load("[server]\nport = 9000\n")
        two = self.load(None, CS_SERVER_PORT="9000")
        self.assertEqual(one.server, two.server)
        self.assertEqual(evolve(one, path=None), two)
        self.assertNotEqual(one, self.load("[server]\nport = 9001\n"))

    def test_secrets(self):
        """
        No secret is in the representation that a log may show.
        """
        secrets = {s.variable: "hush" for s in SETTINGS.values() if _secret(s)}
        self.assertEqual(
            set(secrets),
            {
                "CS_API_JWT_SECRET",
                "CS_WEBHOOK_PASSWORD",
                "CS_WEBHOOK_TOKEN",
                "CS_WEBHOOK_SECRET",
                "CS_POSTGRES_CONNINFO_PASSWORD",
                "CS_POSTGRES_CONNINFO_SSLPASSWORD",
            },
        )
        loaded = self.load("[webhook]\nenable = yes\n", **secrets)
        self.assertEqual(loaded.backend.settings["token"], "hush")
        self.assertNotIn("hush", repr(loaded))

    def test_seed(self):
        """
        A file of ocpp-cs is read; what has no meaning is one warning.
        """
        loaded = self.load(
            """
[main]
## default: 1
workers=4
helper=false
locale=en_US.UTF-8
[daemon]
daemon=false
pid=/run/cs.pid
[cache]
prefix=cache/
[stream]
log=logs/stream.log
[postgres]
notice=off
timeout=10
[postgres/worker]
dbname=css
password=ocpp
[postgres/helper]
dbname=css
"""
        )
        self.assertEqual(loaded.main.workers, 4)
        self.assertEqual(loaded.daemon, config.Daemon(False, "/run/cs.pid"))
        self.assertEqual(loaded.postgres.timeout, 10.0)
        self.assertEqual(loaded.postgres.conninfo.dbname, "css")
        [warning] = loaded.warnings
        for name in ("helper", "locale", "prefix", "[stream] log", "dbname"):
            self.assertIn(name, warning)


def _secret(setting):
    return re.search(r"password$|token$|secret$", setting.key)


class ProblemTests(Folder):
    """
    What is said of what is wrong.
    """

    def test_all_at_once(self):
        """
        Everything wrong is said at once: where, what, what is allowed.
        """
        problems = self.problems(
            "[server]\nport = abc\nprot = 1\n[servr]\nx = 1\n",
            CS_STATIONS_ACCEPT="some",
            CS_SERVER_PROT="1",
        )
        self.assertEqual(
            problems,
            [
                "cs.conf:4: [servr]: no such section; did you mean server? "
                "(or say [backend] name = servr)",
                "cs.conf:3: [server] prot: no such key; did you mean port?",
                "CS_SERVER_PROT in the environment: no such setting; did "
                "you mean CS_SERVER_PORT?",
                "cs.conf:2: [server] port = 'abc': must be a whole number "
                "from 0 to 65535",
                "CS_STATIONS_ACCEPT = 'some': must be all or known",
            ],
        )

    def test_nothing_near(self):
        """
        Where nothing is near, there is a list of what there is.
        """
        [problem] = self.problems("[postgres/poll]\nsize = 1\n")
        self.assertEqual(
            problem,
            "cs.conf:2: [postgres/poll] size: no such key; there are: "
            "max, min",
        )

    def test_twice(self):
        """
        A section or key that is there twice is an error that names both.
        """
        problems = self.problems(
            "[server]\nport = 1\nport = 2\n[main]\n[server]\nPort = 3\n"
        )
        self.assertEqual(
            problems,
            [
                "cs.conf:3: [server] port: given twice; the first is at "
                "cs.conf:2",
                "cs.conf:5: [server]: a second section of that name; the "
                "first is at cs.conf:1",
                "cs.conf:6: [server] port: given twice; the first is at "
                "cs.conf:2",
            ],
        )

    def test_no_sense(self):
        """
        Lines that are neither section nor key are named, and not shown.
        """
        problems = self.problems("port = 1\n[server]\npassword hush\n[x\n")
        self.assertEqual(
            problems,
            [
                "cs.conf:1: port: stands in no [section]",
                "cs.conf:3: neither [section] nor key = value",
                "cs.conf:4: neither [section] nor key = value",
            ],
        )

    def test_wrong_values(self):
        """
        Each kind of value refuses what it is not.
        """
        for name, text in [
            ("CS_SERVER_PORT", "65536"),
            ("CS_SERVER_PORT", "-1"),
            ("CS_SERVER_PORT", ""),
            ("CS_SERVER_PORT", "٣"),
            ("CS_SERVER_PORT", "9" * 5000),
            ("CS_SERVER_LISTEN", "example.com"),
            ("CS_SERVER_ENDPOINT", "carrier-pigeon:1"),
            ("CS_SERVER_ENDPOINT", "tcp:80:intreface=1"),
            ("CS_SERVER_TIMEOUT", "5 parsecs"),
            ("CS_SERVER_TIMEOUT", "1 ms"),
            ("CS_EMBEDDED_PATH", ""),
            ("CS_EMBEDDED_ID_TAG_PATTERN", "("),
            ("CS_EMBEDDED_ID_TAG_PATTERN", "[0-9]+"),
            ("CS_STATIONS_TIME_ZONE", "Mars/Olympus"),
            ("CS_STATIONS_TIME_ZONE", "Europe"),
            ("CS_STATIONS_TIME_ZONE", "../UTC"),
            ("CS_STATIONS_ONBOARDING", "everything"),
            ("CS_STATIONS_MESSAGE_SIZE", "1 MB"),
            ("CS_STATIONS_MESSAGE_SIZE", "1e6"),
            ("CS_MAIN_MASTER", "maybe"),
            ("CS_API_AUTH", "off basic"),
            ("CS_API_JWT_ALGORITHMS", "none"),
            ("CS_WEBHOOK_URL", "example.com/ocpp"),
            ("CS_WEBHOOK_URL", "http://[::1/"),
            ("CS_WEBHOOK_URL", "http://example.com:0/"),
        ]:
            [problem] = self.problems("", **{name: text})
            self.assertTrue(problem.startswith(f"{name} = {text!r}: must be "))

    def test_endpoint_says_why(self):
        """
        What Twisted says of an endpoint is passed on.
        """
        [problem] = self.problems("", CS_SERVER_ENDPOINT="x:1 unix:/tmp/x")
        self.assertIn("(x:1: Unknown endpoint type: 'x')", problem)

    def test_halves(self):
        """
        What belongs together is given together.
        """
        self.assertEqual(
            self.problems("[tls]\ncertificate = a.pem\n"),
            ["[tls] certificate and key: give both, or neither"],
        )
        self.assertEqual(
            self.problems("[tls]\nclient_ca = a.pem\n"),
            ["[tls] client_ca: needs a certificate and key of ours too"],
        )
        self.assertEqual(
            self.problems("[stations]\nsecurity_profile = 2\n"),
            [
                "[stations] security_profile = 2: profiles are not enforced "
                "yet; leave it 0, and keep strangers out otherwise"
            ],
        )
        self.assertEqual(
            self.problems("[postgres/poll]\nmin = 11\n"),
            ["[postgres/poll] min = 11: is more than max, 10"],
        )

    @given(st.text())
    def test_any_text(self, text):
        """
        Whatever a file holds, it is read or its problems are listed.
        """
        read = ini.parse(text, "x")
        for problem in read.problems:
            self.assertRegex(problem, r"^x:\d+: ")


class OpenTests(Folder):
    """
    Nobody is let in by accident.
    """

    def test_refused(self):
        """
        Without authorisation, only this machine may reach us.
        """
        for text in (
            "listen = 0.0.0.0",
            "listen = ::",
            "listen = 192.168.1.100",
            "endpoint = tcp:9220",
            "endpoint = unix:/tmp/x tcp:9220:interface=10.0.0.1",
        ):
            [problem] = self.problems(f"[server]\n{text}\n")
            self.assertTrue(problem.startswith("[api] auth = off: "))
            self.assertIn("allow_open = yes", problem)

    def test_local(self):
        """
        This machine may always.
        """
        for text in (
            "listen = localhost",
            "listen = ::1",
            "listen = 127.1.2.3",
            "endpoint = unix:/tmp/x",
            r"endpoint = tcp6:9220:interface=\:\:1",
            "endpoint = tcp:9220:interface=localhost",
        ):
            self.load(f"[server]\n{text}\n")

    def test_meant(self):
        """
        With authorisation, or if the operator insists, all may reach us.
        """
        loaded = self.load("[server]\nlisten = ::\n[api]\nauth = basic\n")
        self.assertEqual(
            loaded.server.endpoints, (r"tcp6:9220:interface=\:\:",)
        )
        self.load("[server]\nlisten = 0.0.0.0\n[api]\nallow_open = yes\n")

    def test_one_mistake_is_one_problem(self):
        """
        A mistyped C{auth} is not reported as none besides.
        """
        [problem] = self.problems(
            "[server]\nlisten = ::\n[api]\nauth = basc\n"
        )
        self.assertIn("'basc'", problem)


class EnvironmentTests(Folder):
    """
    What the environment says.
    """

    def test_every_key(self):
        """
        Every key has a variable of its own.
        """
        variables = {s.variable for s in SETTINGS.values()}
        self.assertEqual(len(variables), len(SETTINGS))
        self.assertNotIn("CS_CONFIG", variables)

    def test_wins(self):
        """
        The environment wins over the file.
        """
        loaded = self.load("[server]\nport = 1\n", CS_SERVER_PORT="2")
        self.assertEqual(loaded.server.port, 2)

    def test_nested_sections(self):
        """
        The names of sections with a slash have an underscore there.
        """
        loaded = self.load(
            "", CS_POSTGRES_POLL_MIN="7", CS_PROCESS_CHARGEPOINT_ENABLE="1"
        )
        self.assertEqual(loaded.postgres.poll.min, 7)
        self.assertTrue(loaded.emulator.enable)

    def test_unrelated(self):
        """
        What is not ours is not our business.
        """
        self.assertEqual(
            self.load("", PATH="/bin", CSX="1", CS_CONFIG="unused"),
            self.load(""),
        )

    def test_webhook(self):
        """
        C{WEBHOOK_URL} enables the webhook, and C{WEBHOOK_*} describe it.
        """
        loaded = self.load(
            "[webhook]\nurl = http://file/\nusername = file\n",
            WEBHOOK_URL="https://example.com/ocpp",
            WEBHOOK_AUTH="basic",
            WEBHOOK_PASSWORD="p",
            WEBHOOK_TOKEN="t",
        )
        self.assertEqual(
            loaded.webhook,
            config.Webhook(
                enable=True,
                url="https://example.com/ocpp",
                authorization="Basic",
                username="file",
                password="p",
                token="t",
                outbox=loaded.webhook.outbox,
            ),
        )
        self.assertEqual(loaded.backend.name, "webhook")

    def test_webhook_overruled(self):
        """
        Our own variables win over C{WEBHOOK_URL}.
        """
        loaded = self.load("", WEBHOOK_URL="http://a/", CS_WEBHOOK_ENABLE="no")
        self.assertEqual(loaded.webhook.url, "http://a/")
        self.assertEqual(loaded.backend.name, "embedded")

    def test_empty(self):
        """
        An empty variable that is not ours alone counts as not set.
        """
        loaded = self.load("", WEBHOOK_URL="", PGHOST="")
        self.assertEqual(loaded, self.load(""))

    def test_libpq(self):
        """
        libpq's variables say where the database is.
        """
        loaded = self.load(
            "[postgres]\nconnect = yes\n[postgres/conninfo]\nhost = file\n",
            PGHOST="db",
            PGDATABASE="css",
        )
        self.assertEqual(loaded.postgres.conninfo.host, "db")
        self.assertEqual(loaded.postgres.conninfo.dbname, "css")
        self.assertEqual(loaded.backend.name, "postgres")

    def test_libpq_places(self):
        """
        Every variable with an older name sets a key there is.
        """
        self.assertEqual(set(VARIABLES.values()) - set(SETTINGS), set())


class BackendTests(Folder):
    """
    Which backend is chosen, and what it is told.
    """

    def test_embedded(self):
        """
        Nothing said is the embedded backend, with its section typed.
        """
        loaded = self.load("[embedded]\nheartbeat_interval = 1 min\n")
        self.assertEqual(loaded.backend.name, "embedded")
        self.assertEqual(loaded.backend.settings, asdict(loaded.embedded))
        self.assertEqual(loaded.backend.settings["heartbeat_interval"], 60.0)

    def test_memory(self):
        """
        The memory backend is the embedded one that keeps nothing.
        """
        loaded = self.load(
            "[backend]\nname = memory\n[embedded]\nunknown_id_tags = refuse\n"
        )
        self.assertEqual(loaded.backend.settings["path"], ":memory:")
        self.assertEqual(loaded.backend.settings["unknown_id_tags"], "refuse")

    def test_webhook_first(self):
        """
        The webhook is chosen before the database.
        """
        loaded = self.load(
            "[webhook]\nenable = 1\n[postgres]\nconnect = 1\n", PGHOST="db"
        )
        self.assertEqual(loaded.backend.name, "webhook")
        self.assertEqual(loaded.backend.settings["timeout"], 10.0)

    def test_postgres(self):
        """
        The database's settings hold its pool and its conninfo.
        """
        loaded = self.load("[postgres]\nconnect = yes\n", PGUSER="ocpp")
        self.assertEqual(loaded.backend.name, "postgres")
        settings = loaded.backend.settings
        self.assertEqual(settings["poll"], {"min": 5, "max": 10})
        self.assertEqual(settings["conninfo"]["user"], "ocpp")

    def test_postgres_nowhere(self):
        """
        A database that is nowhere is not connected to, with a warning.
        """
        loaded = self.load("[postgres]\nconnect = yes\n")
        self.assertEqual(loaded.backend.name, "embedded")
        self.assertFalse(loaded.postgres.connect)
        self.assertIn("no effect", loaded.warnings[0])

    def test_named(self):
        """
        The backend that is named is taken, whatever else is enabled.
        """
        loaded = self.load(
            "[backend]\nname = embedded\n[webhook]\nenable = yes\n"
        )
        self.assertEqual(loaded.backend.name, "embedded")

    def test_somebody_elses(self):
        """
        A backend that is not ours gets its section as it is written, and
        what the environment adds to it.
        """
        loaded = self.load(
            "[backend]\nname = kafka\n[kafka]\nBrokers = a\n  b\n",
            CS_KAFKA_TOPIC="calls",
        )
        self.assertEqual(loaded.backend.name, "kafka")
        self.assertEqual(
            loaded.backend.settings, {"brokers": "a\nb", "topic": "calls"}
        )

    def test_somebody_elses_by_environment(self):
        """
        The environment alone may name it.
        """
        loaded = self.load("[kafka]\nx = 1\n", CS_BACKEND_NAME="kafka")
        self.assertEqual(loaded.backend.settings, {"x": "1"})

    def test_not_chosen(self):
        """
        The section of a backend that is not chosen is an error that says
        how to choose it.
        """
        [problem] = self.problems("[kafka]\nbrokers = a\n")
        self.assertIn("[backend] name = kafka", problem)


class SitesTests(Folder):
    """
    Which host is served which folder.
    """

    def test_read(self):
        """
        The site files beside the configuration are read.
        """
        self.write("sites/a.json", '{"hosts": ["A.example"], "root": "a"}')
        self.write("sites/b.json", '{"hosts": ["b.example", "c:80"]}')
        loaded = self.load("[server]\nroot = b\n")
        a, b = str(self.folder / "a"), str(self.folder / "b")
        self.assertEqual(
            loaded.sites, {"a.example": a, "b.example": b, "c:80": b}
        )

    def test_no_file(self):
        """
        Without a configuration file they are in C{conf/sites}.
        """
        self.write("conf/sites/a.json", '{"hosts": ["a"]}')
        loaded = self.load()
        self.assertEqual(loaded.sites, {"a": config.Server().pages})

    def test_none(self):
        """
        No folder of sites is no sites.
        """
        self.assertEqual(config.load_sites(self.folder / "nope"), {})

    def test_seed(self):
        """
        What has no meaning here is accepted.
        """
        self.write("sites/a.json", '{"hosts": [], "listen": 1, "oauth2": {}}')
        self.assertEqual(self.load("").sites, {})

    def test_problems(self):
        """
        Everything wrong with any of them is said at once, beside the rest.
        """
        for name, text in [
            ("1", "{"),
            ("2", "[]"),
            ("3", '{"hosts": "a"}'),
            ("4", '{"hosts": ["a", 1]}'),
            ("5", '{"hosts": ["a"], "rot": "a"}'),
            ("6", '{"hosts": ["a"], "root": 1}'),
            ("7", '{"hosts": ["a"], "root": "a"}'),
            ("8", '{"hosts": ["A"], "root": "b"}'),
            ("9", "[" * 100_000),
        ]:
            self.write(f"sites/{name}.json", text)
        problems = self.problems("[server]\nport = x\n")
        self.assertIn("[server] port", problems[0])
        for number, said in [
            ("1", "no JSON: "),
            ("2", "must be a JSON object"),
            ("3", '"hosts" must be a list of names'),
            ("4", '"hosts" must be a list of names'),
            ("5", "no such member 'rot'; did you mean root?"),
            ("6", '"root" = 1: must be a path'),
            ("8", "another site has 'a' already"),
            ("9", "no JSON: "),
        ]:
            start = f"sites/{number}.json: {said}"
            self.assertTrue(any(p.startswith(start) for p in problems), start)
        self.assertEqual(len(problems), 9)


class CheckTests(Folder):
    """
    What C{--test} looks at besides.
    """

    NOW = datetime(2026, 1, 1, tzinfo=UTC)

    def check(self, text):
        found = config.check(self.load(text), self.NOW)
        return [p.replace(f"{self.folder}/", "") for p in found]

    def test_nothing(self):
        """
        The defaults are fine, wherever they are used.
        """
        self.assertEqual(self.check(""), [])

    def test_roots(self):
        """
        A root that was asked for must be there.
        """
        self.write("sites/a.json", '{"hosts": ["a"], "root": "none"}')
        self.assertEqual(
            self.check("[server]\nroot = nowhere\n"),
            [
                "[server] root = 'nowhere': no such folder",
                "root of site a = 'none': no such folder",
            ],
        )

    EMULATED = "[process/ChargePoint]\nenable = yes\npath = cp\n"

    def test_emulator(self):
        """
        Every emulated station must be one.
        """
        self.write("cp/README", "not a station")
        good = {"connectorId": [{"id": 1}], "configurationKey": []}
        self.write("cp/1/configuration.json", json.dumps(good))
        self.assertEqual(self.check(self.EMULATED), [])
        self.write("cp/2/other.json", "")
        self.write("cp/3/configuration.json", "{")
        self.write("cp/4/configuration.json", '{"connectorId": [1]}')
        two, three, *four = self.check(self.EMULATED)
        self.assertEqual(
            two, "cp/2/configuration.json: No such file or directory"
        )
        self.assertTrue(three.startswith("cp/3/configuration.json: no JSON"))
        self.assertEqual(
            four,
            [
                'cp/4/configuration.json: "connectorId" must be a list of '
                "objects",
                'cp/4/configuration.json: "configurationKey" must be a list '
                "of objects",
            ],
        )

    def test_emulator_missing(self):
        """
        There must be a station to emulate, if any are.
        """
        self.assertEqual(
            self.check(self.EMULATED),
            ["[process/ChargePoint] path = 'cp': no such folder"],
        )
        (self.folder / "cp").mkdir()
        self.assertEqual(
            self.check(self.EMULATED),
            [
                "[process/ChargePoint] path = 'cp': no folder of a station "
                "in it"
            ],
        )

    def test_emulator_off(self):
        """
        What is not enabled is not looked at.
        """
        self.assertEqual(self.check("[process/ChargePoint]\npath = no\n"), [])

    TLS = "[tls]\ncertificate = c.pem\nkey = k.pem\n"

    def certify(self, name, begin=-1, end=1):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name.from_rfc4514_string(f"CN={name}")
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(self.NOW + timedelta(days=begin))
            .not_valid_after(self.NOW + timedelta(days=end))
            .sign(key, hashes.SHA256())
        )
        self.write(
            "k.pem",
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
        )
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        self.write("c.pem", pem)
        return pem

    def test_certificate(self):
        """
        A certificate with its key is fine.
        """
        ca = self.certify("ca")
        self.certify("cs")
        self.write("ca.pem", ca)
        self.assertEqual(self.check(f"{self.TLS}client_ca = ca.pem\n"), [])

    def test_dates(self):
        """
        A certificate must be valid now.
        """
        self.certify("old", -3, -2)
        [problem] = self.check(self.TLS)
        self.assertEqual(
            problem,
            "[tls] certificate = 'c.pem': CN=old expired 2025-12-30T00:00:00Z",
        )
        self.certify("new", 1, 2)
        [problem] = self.check(self.TLS)
        self.assertIn("CN=new is not valid before 2026-01-02", problem)

    def test_other_key(self):
        """
        The key must be that of the certificate.
        """
        other = self.certify("other")
        self.certify("cs")
        self.write("c.pem", other)
        [problem] = self.check(self.TLS)
        self.assertIn("is not the key of the certificate 'c.pem'", problem)

    def test_unreadable(self):
        """
        What is not there, or is no PEM, is named.
        """
        [problem] = self.check(self.TLS)
        self.assertEqual(
            problem,
            "[tls] certificate = 'c.pem': No such file or directory",
        )
        self.certify("cs")
        self.write("k.pem", "hush")
        [problem] = self.check(self.TLS)
        self.assertIn("[tls] key = 'k.pem': no PEM key", problem)
        self.assertNotIn("hush", problem)
        self.write("c.pem", "x")
        [problem] = self.check(self.TLS)
        self.assertIn("no PEM certificate", problem)


class DocumentationTests(Folder):
    """
    The files that show the table are held against it.
    """

    def test_default_conf_is_the_default(self):
        """
        Loading C{conf/default.conf} is loading nothing, commented or not.
        """
        text = DEFAULT_CONF.read_text()
        nothing = self.load("")
        self.assertEqual(self.load(text), nothing)
        shown = self.load(re.sub(r"(?m)^#(?!#)", "", text))
        self.assertEqual(
            evolve(shown, sections={}), evolve(nothing, sections={})
        )

    def test_default_conf_shows_every_key(self):
        """
        It shows every section and key, with default and meaning, and no
        other.
        """
        text = re.sub(r"(?m)^#(?!#)", "", DEFAULT_CONF.read_text())
        read = ini.parse(text, "default.conf")
        self.assertEqual(read.problems, [])
        self.assertEqual(list(read.sections), list(SECTIONS))
        self.assertEqual(set(read.entries), set(SETTINGS))
        for place, setting in SETTINGS.items():
            shown = f"## {setting.meaning}\n{place[1]} ="
            self.assertIn(shown, text)
            self.assertEqual(read.entries[place].text, setting.shown_default)

    def test_default_sites(self):
        """
        The site files that we ship are read.
        """
        sites = config.load_sites(HERE / "conf" / "sites", base=HERE)
        self.assertEqual(sites["localhost:9220"], config.Server().pages)

    def test_pages(self):
        """
        Where nobody says otherwise, the web pages are those that we ship.
        """
        pages = Path(config.Server().pages)
        self.assertTrue((pages / "index.html").is_file())
        self.assertEqual(config.Server(root="/r").pages, "/r")

    def test_reference(self):
        """
        The reference has a row for every key, and no other.
        """
        text = (HERE / "docs" / "configuration.md").read_text()
        self.assertEqual(
            list(_documented(text.split("## Every key", 1)[1])),
            [_row(setting) for setting in SETTINGS.values()],
        )

    def test_reference_variables(self):
        """
        The reference names every variable that is not C{CS_...}.
        """
        text = (HERE / "docs" / "configuration.md").read_text()
        named = set(re.findall(r"`((?:WEBHOOK_|PG)[A-Z_]+)`", text))
        self.assertEqual(named, set(VARIABLES))


def _documented(text):
    section = ""
    for line in text.splitlines():
        if line.startswith("### "):
            section = line.split("`")[1]
        if line.startswith("| `"):
            yield section, line


def _row(setting):
    default = f"`{setting.shown_default}`" if setting.shown_default else ""
    return (
        f"[{setting.section}]",
        f"| `{setting.key}` | {default} | {setting.kind.allowed} "
        f"| {setting.meaning} | `{setting.variable}` |",
    )
