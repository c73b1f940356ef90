"""
Finding the configuration, and reading it: the file, then the environment.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from attrs import asdict, define, evolve, field, frozen

from ..errors import BadConfig
from . import ini
from .ini import Entry, Ini
from .kinds import FilePath
from .oauth2 import load_providers
from .settings import (
    ALIASES,
    API,
    IGNORED,
    SECTIONS,
    SETTINGS,
    SOAP,
    TLS,
    VARIABLES,
    Conninfo,
    Daemon,
    Embedded,
    Emulator,
    Log,
    Main,
    Pool,
    Postgres,
    Server,
    Setting,
    Stations,
    Webhook,
    variable,
)
from .shown import Shown, shown
from .sites import load_sites
from .words import nearest, suggest


T = TypeVar("T")

_VARIABLES = {s.variable: place for place, s in SETTINGS.items()}

#: Where the file is looked for.
PLACES = ("/etc/cs/cs.conf", "conf/default.conf")

#: Backends whose settings we know.
OURS = ("embedded", "memory", "webhook", "postgres")


@frozen
class BackendConfig:
    """
    Which backend, and its settings: of our own backends typed, of others the
    section of their name as it was written.
    """

    name: str = "embedded"
    settings: Mapping[str, Any] = field(
        factory=lambda: asdict(Embedded()), repr=False
    )


@frozen
class Config:
    """
    Everything the operator decides.

    @ivar path: the file it was read from, or None; no part of the comparison.
    @ivar sites: the folder each host is served, by name.
    @ivar oauth2: whose tokens are accepted, from C{oauth2/*.json}.
    @ivar warnings: what the operator should know.
    @ivar sections: what was given, as it was written, by section and key.
    """

    path: Path | None = field(default=None, eq=False)
    main: Main = field(factory=Main)
    daemon: Daemon = field(factory=Daemon)
    log: Log = field(factory=Log)
    server: Server = field(factory=Server)
    tls: TLS = field(factory=TLS)
    api: API = field(factory=API)
    stations: Stations = field(factory=Stations)
    soap: SOAP = field(factory=SOAP)
    backend: BackendConfig = field(factory=BackendConfig)
    embedded: Embedded = field(factory=Embedded)
    webhook: Webhook = field(factory=Webhook)
    postgres: Postgres = field(factory=Postgres)
    emulator: Emulator = field(factory=Emulator)
    sites: Mapping[str, str] = field(factory=dict)
    oauth2: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    warnings: tuple[str, ...] = ()
    sections: Mapping[str, Mapping[str, str]] = field(factory=dict, repr=False)

    @property
    def shown(self) -> Shown:
        """
        All of it as text, without what is secret.
        """
        return shown(self.sections)


def find(
    path: str | None,
    environ: Mapping[str, str],
    folder: str | Path | None = None,
) -> Path | None:
    """
    Find the configuration file.

    @param path: the one asked for, if any.
    @param folder: what relative paths are relative to; the working directory
        if not given.
    @return: None if there is none, which is fine.
    @raise BadConfig: that which was asked for, or C{$CS_CONFIG}, is missing.
    """
    base = Path(folder or os.getcwd())
    asked = path or environ.get("CS_CONFIG")
    if not asked:
        there = (base / place for place in PLACES)
        return next((p for p in there if os.path.isfile(p)), None)
    if not os.path.exists(base / asked):
        source = "" if path else " (named by CS_CONFIG)"
        raise BadConfig(f"configuration file {asked} not found{source}")
    return base / asked


def load(
    path: str | None,
    environ: Mapping[str, str],
    folder: str | Path | None = None,
) -> Config:
    """
    Read the configuration.

    Relative paths, in it too, are made absolute here: who runs in the
    background may leave the folder it was started in.

    @param path: the file asked for; None for the usual places.
    @param folder: what relative paths are relative to; the working directory
        if not given.
    @raise BadConfig: with everything that is wrong.
    """
    base = os.path.abspath(folder or os.getcwd())
    file = find(path, environ, base)
    read = _read(file) if file else Ini("")
    reading = _Reading(base, _plugin(environ, read))
    reading.take_file(read)
    reading.take_environment(environ)
    return reading.finish(file)


def _read(file: Path) -> Ini:
    try:
        return ini.parse(file.read_text("utf-8-sig"), str(file))
    except OSError as e:
        raise BadConfig(f"{file}: {e.strerror}") from e
    except UnicodeDecodeError as e:
        raise BadConfig(f"{file}: no UTF-8: {e.reason}") from e


@define
class _Reading:
    """
    A configuration in the making.

    @ivar base: what relative paths are relative to.
    @ivar plugin: the section of a backend that is not ours, or ''.
    @ivar given: what was given, by section and key.
    @ivar failed: what was given and could not be used.
    """

    base: str
    plugin: str
    given: dict[tuple[str, str], Entry] = field(factory=dict)
    failed: set[tuple[str, str]] = field(factory=set)
    problems: list[str] = field(factory=list)
    ignored: list[str] = field(factory=list)
    warnings: list[str] = field(factory=list)

    # What was given

    def take_file(self, read: Ini) -> None:
        """
        Take what the file says, as far as we know it.
        """
        self.problems += read.problems
        known = {*SECTIONS, *ALIASES, *IGNORED, self.plugin}
        self.problems += [
            f"{where}: no such section{suggest(section, SECTIONS)} "
            f"(or say [backend] name = {section})"
            for section, where in read.sections.items()
            if section not in known
        ]
        for (section, key), entry in read.entries.items():
            self._take_entry(section, key, entry)

    def _take_entry(self, section: str, key: str, entry: Entry) -> None:
        place = (ALIASES.get(section, section), key)
        if _is_ignored(section, key):
            self.ignored.append(entry.where)
        elif place in SETTINGS or section == self.plugin:
            self.given[place] = entry
        elif place[0] in SECTIONS:
            keys = [k for s, k in SETTINGS if s == place[0]]
            self.problems.append(
                f"{entry.where}: no such key{suggest(key, keys)}"
            )

    def take_environment(self, environ: Mapping[str, str]) -> None:
        """
        Take what the environment says, which wins.
        """
        for name, place in VARIABLES.items():
            # Composing containers leaves variables empty that nobody set.
            if environ.get(name):
                self.given[place] = Entry(environ[name], name)
        if environ.get("WEBHOOK_URL"):
            self.given["webhook", "enable"] = Entry("yes", "WEBHOOK_URL")
        for name in sorted(environ):
            if name.startswith("CS_") and name != "CS_CONFIG":
                self._take_variable(name, environ[name].strip())

    def _take_variable(self, name: str, text: str) -> None:
        place = _VARIABLES.get(name)
        prefix = variable(self.plugin, "")
        if not place and self.plugin and name.startswith(prefix):
            place = (self.plugin, name.removeprefix(prefix).lower())
        if place:
            self.given[place] = Entry(text, name)
        else:
            self.problems.append(
                f"{name} in the environment: no such setting{_near(name)}"
            )

    def _text(self, section: str, key: str) -> str:
        entry = self.given.get((section, key))
        return entry.text if entry else ""

    # What is made of it

    def finish(self, file: Path | None) -> Config:
        """
        Make the configuration.

        @raise BadConfig: with everything that is wrong.
        """
        config = self._config(file)
        self.problems += [
            problem
            for keys, problem in _contradictions(config)
            if not self.failed & keys
        ]
        sites = self._sites(
            _beside(file, self.base, "sites"), config.server.pages
        )
        oauth2 = self._oauth2(_beside(file, self.base, "oauth2"))
        if self.problems:
            raise BadConfig(self.problems)
        return evolve(
            config,
            sites=sites,
            oauth2=oauth2,
            warnings=tuple(self._warnings()),
        )

    def _oauth2(self, folder: Path) -> tuple[Mapping[str, Any], ...]:
        try:
            return load_providers(folder)
        except BadConfig as e:
            self.problems += e.problems
            return ()

    def _sites(self, folder: Path, root: str) -> Mapping[str, str]:
        try:
            return load_sites(folder, root, self.base)
        except BadConfig as e:
            self.problems += e.problems
            return {}

    def _config(self, file: Path | None) -> Config:
        embedded = self._section("embedded", Embedded)
        webhook = self._section("webhook", Webhook)
        postgres = self._postgres()
        return Config(
            path=file,
            main=self._section("main", Main),
            daemon=self._section("daemon", Daemon),
            log=self._section("log", Log),
            server=self._section("server", Server),
            tls=self._section("tls", TLS),
            api=self._section("api", API),
            stations=self._section("stations", Stations),
            soap=self._section("soap", SOAP),
            backend=self._backend(embedded, webhook, postgres),
            embedded=embedded,
            webhook=webhook,
            postgres=postgres,
            emulator=self._section("process/ChargePoint", Emulator),
            sections=self._sections(),
        )

    def _section(self, section: str, cls: Callable[..., T]) -> T:
        settings = [s for (of, _), s in SETTINGS.items() if of == section]
        return cls(**{s.key: self._value(s) for s in settings})

    def _value(self, setting: Setting) -> Any:
        value = setting.default
        entry = self.given.get((setting.section, setting.key))
        if entry is not None:
            value = self._parse(setting, entry)
        if isinstance(setting.kind, FilePath):
            return self._absolute(setting.kind, value)
        return value

    def _parse(self, setting: Setting, entry: Entry) -> Any:
        try:
            return setting.kind.parse(entry.text)
        except ValueError as e:
            wrong = f"must be {setting.kind.allowed}"
            detail = f" ({e})" if str(e) else ""
            self.problems.append(entry.problem(wrong + detail))
            self.failed.add((setting.section, setting.key))
            return setting.default

    def _absolute(self, kind: FilePath, value: str) -> str:
        if not value or value in kind.special:
            return value
        return os.path.normpath(os.path.join(self.base, value))

    def _postgres(self) -> Postgres:
        postgres = evolve(
            self._section("postgres", Postgres),
            poll=self._section("postgres/poll", Pool),
            conninfo=self._section("postgres/conninfo", Conninfo),
        )
        if postgres.connect and postgres.conninfo == Conninfo():
            self.warnings.append(
                "[postgres] connect = yes has no effect: neither "
                "[postgres/conninfo] nor PGHOST, PGDATABASE, ... say where"
            )
            return evolve(postgres, connect=False)
        return postgres

    def _backend(
        self, embedded: Embedded, webhook: Webhook, postgres: Postgres
    ) -> BackendConfig:
        name = self._text("backend", "name") or _chosen(webhook, postgres)
        own: Mapping[str, Any] = {
            "embedded": embedded,
            "memory": evolve(embedded, path=":memory:"),
            "webhook": webhook,
            "postgres": postgres,
        }
        if name in own:
            return BackendConfig(name, asdict(own[name]))
        return BackendConfig(name, self._sections().get(name, {}))

    def _sections(self) -> Mapping[str, Mapping[str, str]]:
        sections: dict[str, dict[str, str]] = {}
        for (section, key), entry in self.given.items():
            sections.setdefault(section, {})[key] = entry.text
        return sections

    def _warnings(self) -> Iterator[str]:
        if self.ignored:
            yield f"without a meaning here: {', '.join(self.ignored)}"
        yield from self.warnings


def _plugin(environ: Mapping[str, str], read: Ini) -> str:
    """
    The section that holds the settings of a backend that is not ours.
    """
    entry = read.entries.get(("backend", "name"))
    name = environ.get("CS_BACKEND_NAME") or (entry.text if entry else "")
    return "" if name in OURS or name in SECTIONS else name


def _is_ignored(section: str, key: str) -> bool:
    keys = IGNORED.get(section, frozenset())
    return keys is None or key in keys


def _near(name: str) -> str:
    near = nearest(name, _VARIABLES)
    return f"; did you mean {near}?" if near else ""


def _chosen(webhook: Webhook, postgres: Postgres) -> str:
    if webhook.enable:
        return "webhook"
    return "postgres" if postgres.connect else "embedded"


def _beside(file: Path | None, base: str, name: str) -> Path:
    return file.parent / name if file else Path(base, "conf", name)


#: Keys, and why their values do not go together.
_Contradiction = tuple[set[tuple[str, str]], str]


def _contradictions(config: Config) -> Iterator[_Contradiction]:
    """
    What is right by itself, but not together.
    """
    yield from _half_tls(config.tls)
    yield from _openness(config.server, config.api)
    profile = config.stations.security_profile
    if profile:
        yield (
            {("stations", "security_profile")},
            f"[stations] security_profile = {profile}: profiles are not "
            "enforced yet; leave it 0, and keep strangers out otherwise",
        )
    yield from _proxies(config.server)
    yield from _tls_twice(config.server, config.tls)
    pool = config.postgres.poll
    if pool.min > pool.max:
        yield (
            {("postgres/poll", "min"), ("postgres/poll", "max")},
            f"[postgres/poll] min = {pool.min}: is more than max, {pool.max}",
        )


def _half_tls(tls: TLS) -> Iterator[_Contradiction]:
    keys = {("tls", "certificate"), ("tls", "key"), ("tls", "client_ca")}
    if bool(tls.certificate) != bool(tls.key):
        yield keys, "[tls] certificate and key: give both, or neither"
    elif tls.client_ca and not tls.certificate:
        yield keys, "[tls] client_ca: needs a certificate and key of ours too"


def _tls_twice(server: Server, tls: TLS) -> Iterator[_Contradiction]:
    for endpoint in server.endpoint:
        if tls.certificate and endpoint.startswith(("ssl:", "tls:")):
            yield (
                {("tls", "certificate"), ("server", "endpoint")},
                f"[server] endpoint = {endpoint}: has TLS of its own; give it "
                "as tcp:..., or leave [tls] out",
            )


def _proxies(server: Server) -> Iterator[_Contradiction]:
    if server.proxy_protocol and not server.proxies:
        yield (
            {("server", "proxies"), ("server", "proxy_protocol")},
            "[server] proxy_protocol: needs the addresses of the proxies, "
            "[server] proxies",
        )


def _openness(server: Server, api: API) -> Iterator[_Contradiction]:
    if server.open_endpoints and not api.auth and not api.allow_open:
        yield (
            {("api", "auth"), ("api", "allow_open"), ("server", "listen")},
            "[api] auth = off: everybody who reaches "
            f"{' '.join(server.open_endpoints)} could command the stations; "
            "set [api] auth = basic (or bearer), or listen on 127.0.0.1 "
            "only, or, if something else keeps strangers out, set [api] "
            "allow_open = yes",
        )
