"""
The sections and keys of the configuration file: one table, as classes.

Each section is a class, each key an attribute of it, so that what was read is
typed and compares by value.  What else is known of a key (how it is written,
what it means) is in the attribute's metadata; L{SETTINGS} lists it all.

>>> Server().port
9220
>>> SETTINGS["server", "port"].variable
'CS_SERVER_PORT'
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from attrs import Attribute, field, fields, frozen

from .kinds import (
    Address,
    Choice,
    Duration,
    Endpoints,
    FilePath,
    Flag,
    Kind,
    Networks,
    Origins,
    Pattern,
    Places,
    Several,
    Size,
    Text,
    WebAddress,
    Whole,
    Zone,
)


T = TypeVar("T")

#: The web pages that come with us.
PAGES = str(Path(__file__).parents[1] / "www")

#: Where a log goes that goes into no file.
LOGS = ("stdout", "stderr", "journald")

#: The most rows, and the longest times, that we promise to count with.
MANY = 10**12
YEARS = 36500


def setting(
    kind: Kind[T], default: T, meaning: str, secret: bool = False
) -> T:
    """
    Declare a key.

    @param secret: keep its value out of logs.
    """
    metadata = {"kind": kind, "meaning": meaning}
    declared: T = field(default=default, repr=not secret, metadata=metadata)
    return declared


@frozen
class Main:
    """
    The process.
    """

    user: str = setting(Text(), "", "The user to become when started as root.")
    group: str = setting(Text(), "", "The group to become.")
    limitnofile: int = setting(
        Whole(0, 2**30), 0, "How many files may be open; 0 leaves the limit."
    )
    workers: int = setting(
        Whole(0, 1024), 1, "How many worker processes; 0 is one per CPU."
    )
    master: bool = setting(
        Flag(), True, "No runs everything in a single process."
    )


@frozen
class Daemon:
    """
    Running in the background.
    """

    daemon: bool = setting(
        Flag(), True, "No stays in the foreground, as twistd -n does."
    )
    pid: str = setting(
        FilePath(optional=True),
        "",
        "The file of the process id, if not twistd's own.",
    )


@frozen
class Log:
    """
    A file for each level, which gets what is at least as grave; or stdout,
    stderr, or journald.
    """

    alert: str = setting(
        FilePath(LOGS, optional=True), "", "What needs somebody at once."
    )
    crit: str = setting(
        FilePath(LOGS, optional=True), "", "What stopped the server."
    )
    error: str = setting(FilePath(LOGS, optional=True), "", "What went wrong.")
    warn: str = setting(FilePath(LOGS, optional=True), "", "What looks wrong.")
    notice: str = setting(
        FilePath(LOGS, optional=True), "", "What is worth knowing."
    )
    info: str = setting(FilePath(LOGS, optional=True), "", "What happens.")
    debug: str = setting(
        FilePath(LOGS, optional=True), "", "What happens inside."
    )
    format: str = setting(
        Choice(["text", "json"]), "text", "How these files are written."
    )
    messages: str = setting(
        FilePath(LOGS, optional=True), "", "A file for every OCPP frame."
    )
    messages_size: int = setting(
        Size(1 << 20, 2**40),
        100 << 20,
        "How long that file becomes before it is moved aside.",
    )
    messages_days: int = setting(
        Whole(0, YEARS), 30, "How many days the files moved aside are kept."
    )
    mask: tuple[str, ...] = setting(
        Several(["secrets", "id_tags"], none="off"),
        ("secrets",),
        "What is replaced by *** in all these files.",
    )


@frozen
class Server:
    """
    Where we listen, and what is served beside OCPP.
    """

    listen: str = setting(Address(), "127.0.0.1", "The address to listen on.")
    port: int = setting(
        Whole(0, 65535), 9220, "The port to listen on; 0 takes a free one."
    )
    endpoint: tuple[str, ...] = setting(
        Endpoints(), (), "What to listen on instead of listen and port."
    )
    root: str = setting(
        FilePath(optional=True),
        "",
        "The folder of the web pages, if not those that come with us.",
    )
    timeout: float = setting(
        Duration("ms", 0.1, 3600),
        5.0,
        "How long a client may keep us waiting for its request, or for more "
        "of it.",
    )
    log: str = setting(FilePath(LOGS, optional=True), "", "The access log.")
    proxies: tuple[str, ...] = setting(
        Networks("unix"),
        (),
        "The reverse proxies that are believed whom they speak for.",
    )
    proxy_protocol: bool = setting(
        Flag(), False, "Whether they say it by the PROXY protocol."
    )

    @property
    def pages(self) -> str:
        """
        The folder of the web pages.
        """
        return self.root or PAGES

    @property
    def endpoints(self) -> tuple[str, ...]:
        """
        What to listen on, as Twisted's endpoint strings.

        >>> Server(listen="::1").endpoints
        ('tcp6:9220:interface=\\\\:\\\\:1',)
        """
        scheme = "tcp6" if ":" in self.listen else "tcp"
        interface = self.listen.replace(":", "\\:")
        own = f"{scheme}:{self.port}:interface={interface}"
        return self.endpoint or (own,)

    @property
    def open_endpoints(self) -> tuple[str, ...]:
        """
        Those that other machines can reach.
        """
        return tuple(e for e in self.endpoints if not _is_local(e))


_INTERFACE = re.compile(r":interface=((?:[^:\\]|\\.)*)")


def _is_local(endpoint: str) -> bool:
    if endpoint.startswith("unix:"):
        return True
    match = _INTERFACE.search(endpoint)
    address = match[1].replace("\\", "") if match else ""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


@frozen
class TLS:
    """
    Encrypting what we listen on; given a certificate, it speaks TLS only.
    """

    certificate: str = setting(
        FilePath(optional=True), "", "Our certificate and its chain (PEM)."
    )
    key: str = setting(
        FilePath(optional=True), "", "The key of our certificate (PEM)."
    )
    client_ca: str = setting(
        FilePath(optional=True),
        "",
        "Who signs the certificates that stations have to show (PEM).",
    )
    min_version: str = setting(
        Choice(["1.2", "1.3"]), "1.2", "The oldest version of TLS spoken."
    )


@frozen
class API:
    """
    Who may use the REST API and the web pages.
    """

    auth: tuple[str, ...] = setting(
        Several(["basic", "bearer"], none="off"),
        (),
        "How users prove who they are; off lets everybody do everything.",
    )
    allow_open: bool = setting(
        Flag(), False, "Yes allows auth = off where others can reach us."
    )
    users: str = setting(
        FilePath(), "users.json", "The file of users and their API keys."
    )
    jwt_issuer: str = setting(
        Text(), "", "Whose JSON Web Tokens are accepted; none if empty."
    )
    jwt_audience: str = setting(
        Text(), "", "The audience that tokens must be for, if any."
    )
    jwt_algorithms: tuple[str, ...] = setting(
        Several(
            [
                *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
                *("ES256", "ES384", "ES512", "EdDSA"),
                *("HS256", "HS384", "HS512"),
            ]
        ),
        ("RS256",),
        "How tokens may be signed.",
    )
    jwt_jwks: str = setting(
        WebAddress(optional=True), "", "Where the issuer publishes its keys."
    )
    jwt_secret: str = setting(
        Text(), "", "The secret of the HS algorithms.", secret=True
    )
    jwt_role: str = setting(
        Text(), "role", "The claim that says viewer, operator or admin."
    )
    cors: tuple[str, ...] = setting(
        Origins(), (), "Whose web pages may use the REST API from a browser."
    )
    requests_per_minute: int = setting(
        Whole(0, 10**9),
        60_000,
        "How many requests each address may make; 0 for any number.",
    )


@frozen
class Stations:
    """
    How stations are treated.
    """

    accept: str = setting(
        Choice(["all", "known"]), "all", "Which stations may connect."
    )
    default_version: str = setting(
        Choice(["1.5", "1.6"]),
        "1.6",
        "The version of OCPP of a station that does not say.",
    )
    validation: str = setting(
        Choice(["lenient", "strict", "off"]),
        "lenient",
        "What to do with Calls that break the schema: note it, refuse, or "
        "not look.",
    )
    ping_interval: float = setting(
        Duration("s", 0, 86400),
        45.0,
        "How long after a station's last sign of life it is pinged; 0 never.",
    )
    call_timeout: float = setting(
        Duration("s", 0.1, 3600),
        30.0,
        "How long a station has to answer a command.",
    )
    unanswered: int = setting(
        Whole(0, 10**6),
        0,
        "After how many commands in a row without an answer a station is "
        "hung up on, so that it connects anew; 0 never.",
    )
    time_zone: str = setting(
        Zone(),
        "UTC",
        "The zone of times that name none; a station may have its own.",
    )
    onboarding: tuple[str, ...] = setting(
        Several(["configuration", "status", "local_list"], none="off"),
        (),
        "What a station is asked once its boot was accepted.",
    )
    admission: int = setting(
        Whole(0, 10**6),
        1000,
        "How many connections are taken in a second, the others wait in "
        "line; 0 is no limit.",
    )
    message_size: int = setting(
        Size(1024, 2**30), 2**20, "The longest message a station may send."
    )
    security_profile: int = setting(
        Whole(0, 3), 0, "The least security profile of OCPP accepted."
    )


@frozen
class SOAP:
    """
    Stations that speak SOAP: OCPP-S.
    """

    allow: tuple[str, ...] = setting(
        Places("sender"),
        ("sender",),
        "Where a station may be reached; sender is where its message is from.",
    )
    heartbeats: int = setting(
        Whole(1, 100),
        3,
        "After how many intervals of silence a station is taken for gone.",
    )
    heartbeat_interval: float = setting(
        Duration("s", 1, 86400),
        300.0,
        "The interval of a station that has never booted here.",
    )
    message_size: int = setting(
        Size(1024, 2**20),
        2**18,
        "The longest message a station may send over SOAP.",
    )


@frozen
class Backend:
    """
    What answers the stations.
    """

    name: str = setting(
        Text(),
        "",
        "The backend; if empty, webhook or postgres where enabled, else "
        "embedded.",
    )


@frozen
class Embedded:
    """
    The backends embedded and memory.
    """

    path: str = setting(
        FilePath(special=(":memory:",)),
        "cs.sqlite3",
        "The SQLite file; :memory: keeps nothing.",
    )
    unknown_id_tags: str = setting(
        Choice(["accept", "refuse"]),
        "accept",
        "What to do with id tags nobody registered.",
    )
    id_tag_pattern: str = setting(
        Pattern(),
        "",
        "Where all of an id tag matches this, its group is the id tag.",
    )
    heartbeat_interval: float = setting(
        Duration("s", 1, 86400), 300.0, "How often stations send a Heartbeat."
    )
    message_log_days: int = setting(
        Whole(0, YEARS), 30, "How many days OCPP messages are kept."
    )
    message_log_rows: int = setting(
        Whole(0, MANY), 5_000_000, "How many OCPP messages are kept."
    )
    meter_values_days: int = setting(
        Whole(0, YEARS), 0, "How many days meter values are kept; 0 for ever."
    )


@frozen
class Webhook:
    """
    The backend webhook: asks an HTTP server.
    """

    enable: bool = setting(Flag(), False, "Whether to use it.")
    url: str = setting(
        WebAddress(),
        "http://localhost:8080/api/v1/ocpp",
        "Where each Call is posted to.",
    )
    authorization: str = setting(
        Choice(["Off", "Basic", "Bearer"]), "Off", "How we prove who we are."
    )
    username: str = setting(Text(), "", "The user of Basic.")
    password: str = setting(Text(), "", "The password of Basic.", secret=True)
    token: str = setting(Text(), "", "The token of Bearer.", secret=True)
    timeout: float = setting(
        Duration("s", 0.1, 3600), 10.0, "How long an answer may take."
    )
    secret: str = setting(
        Text(), "", "Signs what we post with HMAC-SHA256.", secret=True
    )
    ca: str = setting(
        FilePath(optional=True),
        "",
        "Who signs the server's certificate, if not a well-known authority.",
    )
    certificate: str = setting(
        FilePath(optional=True), "", "Our certificate for the server, if any."
    )
    key: str = setting(
        FilePath(optional=True), "", "The key of our certificate."
    )
    connections: int = setting(
        Whole(1, 10000), 64, "How many requests are under way at most."
    )
    events: tuple[str, ...] = setting(
        Several(
            ["connected", "disconnected", "answered", "violations"], "off"
        ),
        (),
        "What is told beside Calls: stations that come and go, their answers "
        "to commands, what breaks the schema.",
    )
    events_url: str = setting(
        WebAddress(optional=True),
        "",
        "Where events are posted to, if not url.",
    )
    outbox: str = setting(
        FilePath(),
        "cs-outbox.sqlite3",
        "The SQLite file of the events that are not told yet.",
    )


@frozen
class Pool:
    """
    Connections to PostgreSQL, in each process.
    """

    min: int = setting(Whole(1, 1000), 5, "How many are kept open.")
    max: int = setting(Whole(1, 1000), 10, "How many there are at most.")


@frozen
class Conninfo:
    """
    How to connect to PostgreSQL, in libpq's keywords; what is empty is left
    to libpq.
    """

    host: str = setting(Text(), "", "The server, or the folder of its socket.")
    hostaddr: str = setting(Text(), "", "Its address, to save the look-up.")
    port: str = setting(Text(), "", "Its port.")
    dbname: str = setting(Text(), "", "The database.")
    user: str = setting(Text(), "", "The user.")
    password: str = setting(Text(), "", "The user's password.", secret=True)
    passfile: str = setting(Text(), "", "A file of passwords.")
    service: str = setting(Text(), "", "A section of pg_service.conf.")
    options: str = setting(Text(), "", "Options for the server.")
    application_name: str = setting(Text(), "", "What to be known as.")
    client_encoding: str = setting(Text(), "", "The encoding.")
    connect_timeout: str = setting(Text(), "", "Seconds to connect.")
    keepalives: str = setting(Text(), "", "1 or 0: TCP keepalives.")
    keepalives_idle: str = setting(Text(), "", "Seconds before the first.")
    keepalives_interval: str = setting(Text(), "", "Seconds between them.")
    keepalives_count: str = setting(Text(), "", "How many may be lost.")
    tcp_user_timeout: str = setting(Text(), "", "Milliseconds of silence.")
    target_session_attrs: str = setting(Text(), "", "Which server will do.")
    require_auth: str = setting(Text(), "", "How we may be authenticated.")
    channel_binding: str = setting(Text(), "", "Whether it is required.")
    krbsrvname: str = setting(Text(), "", "The Kerberos service.")
    gssencmode: str = setting(Text(), "", "Whether GSSAPI encrypts.")
    sslmode: str = setting(Text(), "", "Whether TLS is required.")
    sslcert: str = setting(Text(), "", "Our certificate.")
    sslkey: str = setting(Text(), "", "The key of our certificate.")
    sslpassword: str = setting(
        Text(), "", "The password of that key.", secret=True
    )
    sslrootcert: str = setting(Text(), "", "Who signs the server's.")
    sslcrl: str = setting(Text(), "", "Which certificates are revoked.")
    sslsni: str = setting(Text(), "", "1 or 0: name the server in TLS.")
    ssl_min_protocol_version: str = setting(Text(), "", "TLSv1.2, ...")
    ssl_max_protocol_version: str = setting(Text(), "", "TLSv1.3, ...")


@frozen
class Postgres:
    """
    The backend postgres: asks functions in a database.

    @ivar poll: from the section C{postgres/poll}.
    @ivar conninfo: from the section C{postgres/conninfo}.
    """

    connect: bool = setting(Flag(), False, "Whether to use it.")
    timeout: float = setting(
        Duration("s", 0.1, 3600), 5.0, "How long connecting may take."
    )
    statement_timeout: float = setting(
        Duration("s", 0.1, 3600), 10.0, "How long an answer may take."
    )
    notice: bool = setting(Flag(), False, "Whether to log its notices.")
    log: str = setting(
        FilePath(LOGS, optional=True), "", "A file for what concerns it."
    )
    soap: str = setting(
        Choice(["server", "database"]),
        "server",
        "Who reads and writes the envelopes of SOAP stations: we do, and ask "
        "ocpp.Parse, or ocpp.ParseXML and its companions.",
    )
    poll: Pool = field(factory=Pool)
    conninfo: Conninfo = field(factory=Conninfo)


@frozen
class Emulator:
    """
    Stations of our own.
    """

    enable: bool = setting(Flag(), False, "Whether to run them.")
    path: str = setting(
        FilePath(), "conf/cp", "A folder with a folder for each of them."
    )


#: Every section, by its name in the file.
SECTIONS: Mapping[str, type] = {
    "main": Main,
    "daemon": Daemon,
    "log": Log,
    "server": Server,
    "tls": TLS,
    "api": API,
    "stations": Stations,
    "soap": SOAP,
    "backend": Backend,
    "embedded": Embedded,
    "webhook": Webhook,
    "postgres": Postgres,
    "postgres/poll": Pool,
    "postgres/conninfo": Conninfo,
    "process/ChargePoint": Emulator,
}

#: What C{apostoldevel/ocpp-cs} reads and we do not; None is every key.
IGNORED: Mapping[str, frozenset[str] | None] = {
    "main": frozenset({"helper", "locale"}),
    "cache": None,
    "stream": None,
    "postgres/helper": None,
    "postgres/kernel": None,
}

#: Sections under another name.
ALIASES: Mapping[str, str] = {"postgres/worker": "postgres/conninfo"}

#: Environment variables that had their names before we came.
VARIABLES: Mapping[str, tuple[str, str]] = {
    "WEBHOOK_URL": ("webhook", "url"),
    "WEBHOOK_AUTH": ("webhook", "authorization"),
    "WEBHOOK_USERNAME": ("webhook", "username"),
    "WEBHOOK_PASSWORD": ("webhook", "password"),
    "WEBHOOK_TOKEN": ("webhook", "token"),
    "PGHOST": ("postgres/conninfo", "host"),
    "PGHOSTADDR": ("postgres/conninfo", "hostaddr"),
    "PGPORT": ("postgres/conninfo", "port"),
    "PGDATABASE": ("postgres/conninfo", "dbname"),
    "PGUSER": ("postgres/conninfo", "user"),
    "PGPASSWORD": ("postgres/conninfo", "password"),
    "PGPASSFILE": ("postgres/conninfo", "passfile"),
    "PGSERVICE": ("postgres/conninfo", "service"),
    "PGOPTIONS": ("postgres/conninfo", "options"),
    "PGAPPNAME": ("postgres/conninfo", "application_name"),
    "PGCONNECT_TIMEOUT": ("postgres/conninfo", "connect_timeout"),
    "PGSSLMODE": ("postgres/conninfo", "sslmode"),
    "PGSSLCERT": ("postgres/conninfo", "sslcert"),
    "PGSSLKEY": ("postgres/conninfo", "sslkey"),
    "PGSSLROOTCERT": ("postgres/conninfo", "sslrootcert"),
    "PGSSLCRL": ("postgres/conninfo", "sslcrl"),
    "PGTARGETSESSIONATTRS": ("postgres/conninfo", "target_session_attrs"),
}


def variable(section: str, key: str) -> str:
    """
    The environment variable of a key.

    >>> variable("postgres/poll", "min")
    'CS_POSTGRES_POLL_MIN'
    """
    return re.sub(r"\W", "_", f"CS_{section}_{key}").upper()


@frozen
class Setting:
    """
    A key, and what there is to know of it.
    """

    section: str
    key: str
    kind: Kind[Any]
    default: Any
    meaning: str
    secret: bool = False

    @property
    def variable(self) -> str:
        """
        The environment variable that sets it.
        """
        return variable(self.section, self.key)

    @property
    def shown_default(self) -> str:
        """
        The default, as it would be written in the file.
        """
        return self.kind.show(self.default)


def _settings() -> Iterator[Setting]:
    for section, cls in SECTIONS.items():
        for attribute in fields(cls):
            if attribute.metadata:
                yield _setting(section, attribute)


def _setting(section: str, attribute: Attribute[Any]) -> Setting:
    return Setting(
        section,
        attribute.name,
        attribute.metadata["kind"],
        attribute.default,
        attribute.metadata["meaning"],
        not attribute.repr,
    )


#: Every key there is.
SETTINGS: Mapping[tuple[str, str], Setting] = {
    (s.section, s.key): s for s in _settings()
}
