"""
C{ocpp-cp}: emulated charge points from the command line.

::

    ocpp-cp run --url ws://localhost:9220/ocpp --identity CP1
    ocpp-cp fleet --url ws://localhost:9220/ocpp --count 1000 --sessions 24
    ocpp-cp scenario normal-day --url ws://localhost:9220/ocpp
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    globalLogBeginner,
    textFileLogObserver,
)
from twisted.python.failure import Failure

from ..errors import BadConfig, OCPPError
from .chargepoint import ChargePoint
from .clock import FastClock
from .config import (
    MOST_CONNECTORS,
    ConnectorConfig,
    StationConfig,
    checked_url,
)
from .console import Console, Trace, Typed
from .fleet import Fleet, FleetPlan
from .keys import Given
from .reporting import Live, summary
from .scenario import Operator, no_operator, over_rest, read, shipped
from .scenario_run import Result, junit, run_all
from .service import EmulatedStation
from .sessions import RandomSessions, Rates
from .state import State
from .websocket import Backoff, Lines


#: How long a fleet may take to say what it still has to say, in seconds.
PATIENCE = 60


def command_line() -> ArgumentParser:
    parser = ArgumentParser(
        prog="ocpp-cp", description="Emulated charge points of OCPP 1.x."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run one charge point")
    _add_common(run)
    run.add_argument("--identity", default="CP1")
    run.add_argument("--state", type=Path, help="a folder for its state")
    run.add_argument(
        "--quiet", action="store_true", help="do not show its messages"
    )
    _add_people(run)
    fleet = commands.add_parser("fleet", help="run many")
    _add_common(fleet)
    _add_fleet(fleet)
    _add_people(fleet)
    scenario = commands.add_parser("scenario", help="run scenarios")
    _add_common(scenario)
    scenario.add_argument(
        "scenarios",
        nargs="*",
        metavar="SCENARIO",
        help="a file, or one of: " + ", ".join(sorted(shipped())),
    )
    scenario.add_argument("--identity", default="CP1")
    scenario.add_argument(
        "--api", help="base of our REST interface, for `command` steps"
    )
    scenario.add_argument("--api-token", help="its bearer token or API key")
    scenario.add_argument("--junit", type=Path, help="write a report there")
    scenario.add_argument(
        "--check", action="store_true", help="read them, and run none"
    )
    return parser


def _add_common(parser: ArgumentParser) -> None:
    parser.add_argument("--url", default="ws://localhost:9220/ocpp")
    parser.add_argument(
        "--version",
        dest="ocpp_version",
        choices=("1.2", "1.5", "1.6"),
        help="of OCPP; 1.2 and 1.5 over SOAP only (http://...)",
    )
    parser.add_argument("--connectors", type=int, default=1)
    parser.add_argument("--voltage", choices=("AC", "DC"), default="AC")
    parser.add_argument("--power", type=float, help="W of each connector")
    parser.add_argument(
        "--key",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a configuration key",
    )
    parser.add_argument("--password", help="AuthorizationKey")
    parser.add_argument("--ca", type=Path, help="PEM: who is trusted")
    parser.add_argument("--certificate", type=Path, help="PEM: our own")
    parser.add_argument("--private-key", type=Path, help="PEM: its key")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--speed", type=float, default=1.0, help="of the charge points' clock"
    )
    parser.add_argument("--duration", type=float, help="seconds")
    parser.add_argument(
        "--timeout", type=float, default=30.0, help="seconds for an answer"
    )
    parser.add_argument("--verbose", action="store_true")


def _add_fleet(parser: ArgumentParser) -> None:
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--pattern", default="CP{:05}")
    parser.add_argument(
        "--rate", type=float, default=100.0, help="starts per second"
    )


def _add_people(parser: ArgumentParser) -> None:
    """
    What happens by itself.
    """
    for name, what in (
        ("sessions", "vehicles that come, for each connector"),
        ("faults", "how often each connector breaks"),
        ("drops", "how often the line of each station is cut"),
        ("cuts", "how often the power of each station is"),
    ):
        parser.add_argument(
            f"--{name}", type=float, default=0.0, help=f"{what}, per day"
        )
    parser.add_argument(
        "--wire",
        action="append",
        default=[],
        metavar="FAULT=RATE",
        help="a fault on the wire: the part of the frames, or times a day",
    )
    parser.add_argument(
        "--stay", type=float, default=45.0, help="minutes of a session"
    )
    parser.add_argument(
        "--even", action="store_true", help="day and night alike"
    )


def _pairs(texts: list[str], option: str) -> dict[str, str]:
    """
    @raise BadConfig: one is not NAME=VALUE.
    """
    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise BadConfig(f"{option} {text!r} is not NAME=VALUE")
        pairs[name] = value
    return pairs


def _keys(options: Namespace) -> dict[str, Given]:
    """
    @raise BadConfig: one is not NAME=VALUE.
    """
    pairs = _pairs(options.key, "--key")
    keys = {name: Given(value) for name, value in pairs.items()}
    if options.password:
        keys["AuthorizationKey"] = Given(options.password)
    if options.ocpp_version:
        keys["OcppVersion"] = Given(options.ocpp_version)
    return keys


def _connectors(options: Namespace) -> tuple[ConnectorConfig, ...]:
    if not 1 <= options.connectors <= MOST_CONNECTORS:
        raise BadConfig(f"--connectors is not from 1 to {MOST_CONNECTORS}")
    if options.power is not None and not options.power > 0:
        raise BadConfig("--power is not more than 0")
    return tuple(
        ConnectorConfig(n, options.voltage, power=options.power)
        for n in range(1, options.connectors + 1)
    )


def station_config(options: Namespace) -> StationConfig:
    """
    The station that the command line describes.

    @raise BadConfig: it makes no sense.
    """
    return StationConfig(
        name=options.identity,
        identity=options.identity,
        url=checked_url(options.url),
        connectors=_connectors(options),
        keys=_keys(options),
        ca=options.ca,
        certificate=options.certificate,
        private_key=options.private_key,
    ).check()


def _rates(options: Namespace) -> Rates | None:
    """
    What happens by itself; None if nothing.

    @raise BadConfig: it makes no sense.
    """
    try:
        wire = {
            name: float(value)
            for name, value in _pairs(options.wire, "--wire").items()
        }
    except ValueError as e:
        raise BadConfig(f"--wire: {e}") from None
    rates = Rates(
        options.sessions,
        options.stay,
        options.faults,
        options.drops,
        options.cuts,
        options.even,
        wire,
    )
    rates.check()
    often = options.sessions, options.faults, options.drops, options.cuts
    return rates if wire or any(often) else None


def fleet_plan(options: Namespace) -> FleetPlan:
    """
    The fleet that the command line describes.

    @raise BadConfig: it makes no sense.
    """
    plan = FleetPlan(
        url=checked_url(options.url),
        count=options.count,
        identities=options.pattern,
        rate=options.rate,
        connectors=_connectors(options),
        keys=_keys(options),
        seed=options.seed,
        rates=_rates(options),
        ca=options.ca,
        certificate=options.certificate,
        private_key=options.private_key,
    )
    plan.check()
    return plan


def _clock(options: Namespace, reactor: Any) -> Any:
    if options.speed <= 0:
        raise BadConfig("--speed is not more than 0")
    return reactor if options.speed == 1 else FastClock(reactor, options.speed)


# The commands


async def _run(options: Namespace, reactor: Any, stop: Deferred[None]) -> int:
    rates = _rates(options)
    if options.state is not None:
        options.state.mkdir(parents=True, exist_ok=True)
    station = ChargePoint(
        station_config(options),
        _clock(options, reactor),
        state=State(options.state),
        seed=options.seed,
    )
    service = EmulatedStation(station, _lines(options, reactor))
    service.startService()
    if rates is not None:
        RandomSessions(station, rates, options.seed).start()
    console = Console(service, _say, lambda: _enough(stop))
    typed = Typed(reactor, console.line_received)
    typed.start()
    await stop
    typed.stop()
    await service.stopService()
    return _tell_findings(station.findings.lines())


def _say(line: str) -> None:
    print(line, flush=True)


def _lines(options: Namespace, reactor: Any) -> Lines:
    lines = Lines(reactor, timeout=options.timeout)
    if not options.quiet:
        lines.witness = lambda station: Trace(station, _say)
    return lines


async def _fleet(
    options: Namespace, reactor: Any, stop: Deferred[None]
) -> int:
    fleet = Fleet(
        fleet_plan(options),
        reactor,
        _clock(options, reactor),
        Lines(reactor, timeout=options.timeout),
    )
    fleet.startService()
    began = reactor.seconds()
    telling = LoopingCall(Live(fleet, _screen(), began).show)
    telling.clock = reactor
    told: Deferred[Any] = telling.start(1.0, now=False)
    await stop
    await _bounded(Deferred.fromCoroutine(fleet.leave()), reactor)
    telling.stop()
    await told
    print("\n" + summary(fleet, reactor.seconds() - began))
    await _bounded(fleet.stopService(), reactor)
    # Faults on the wire bring errors; that something is not said is one still.
    faulty = bool(options.wire)
    wrong = fleet.waiting() if faulty else fleet.tally.errors
    return 1 if wrong else 0


def _screen() -> TextIO:
    """
    Where it is seen how a fleet goes: never in what is kept of stdout.
    """
    return sys.stdout if sys.stdout.isatty() else sys.stderr


async def _bounded(waiting: Deferred[Any], reactor: Any) -> None:
    await waiting.addTimeout(PATIENCE, reactor, lambda result, timeout: None)


async def _scenario(
    options: Namespace, reactor: Any, stop: Deferred[None]
) -> int:
    names = options.scenarios or sorted(shipped())
    scenarios = [read(shipped().get(name, Path(name))) for name in names]
    if options.check:
        print(f"{len(scenarios)} scenarios are well written")
        return 0
    operator: Operator = no_operator
    if options.api:
        operator = over_rest(options.api, options.api_token)
    running: Deferred[list[Result]] = Deferred.fromCoroutine(
        run_all(
            scenarios,
            station_config(options),
            reactor,
            operator,
            lambda: Lines(reactor, Backoff(0.2, 2.0), options.timeout),
            speed=options.speed,
            seed=options.seed,
            tell=_say,
        )
    )
    stop.addCallback(lambda _: running.cancel())
    results = await running
    if options.junit:
        options.junit.write_text(junit(results))
    return 0 if all(result.failure is None for result in results) else 1


def _tell_findings(lines: list[str]) -> int:
    if lines:
        print("What the central system did that the standard does not allow:")
        print(*lines, sep="\n")
    return 0


_COMMANDS = {"run": _run, "fleet": _fleet, "scenario": _scenario}


def main(arguments: Sequence[str] | None = None) -> None:
    """
    The console command C{ocpp-cp}.
    """
    options = command_line().parse_args(arguments)
    _begin_logging(options)
    from twisted.internet import reactor

    raise SystemExit(react(options, reactor))


def _begin_logging(options: Namespace) -> None:
    # Of many stations, one that cannot connect is in the table.
    usual = LogLevel.warn if options.command == "run" else LogLevel.error
    level = LogLevel.info if options.verbose else usual
    observer = FilteringLogObserver(
        textFileLogObserver(sys.stderr), [LogLevelFilterPredicate(level)]
    )
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)


def _enough(stop: Deferred[None]) -> None:
    if not stop.called:
        stop.callback(None)


def react(options: Namespace, reactor: Any) -> int:
    """
    Run a command until it is done, or a signal ends it.
    """
    stop: Deferred[None] = Deferred()
    status = [1]

    def enough() -> None:
        _enough(stop)

    def done(result: Any) -> None:
        if isinstance(result, Failure):
            _tell_failure(result)
        else:
            status[0] = result
        if reactor.running:
            reactor.stop()

    def begin() -> None:
        work: Deferred[int] = Deferred.fromCoroutine(
            _COMMANDS[options.command](options, reactor, stop)
        )
        work.addBoth(done)

    reactor.callWhenRunning(begin)
    if options.duration:
        reactor.callLater(options.duration, enough)
    _on_signals(enough, reactor)
    reactor.run(installSignalHandlers=False)
    return status[0]


def _on_signals(enough: Any, reactor: Any) -> None:
    import signal

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: reactor.callFromThread(enough))


def _tell_failure(failure: Failure) -> None:
    if failure.check(CancelledError):
        print("ocpp-cp: stopped before the end", file=sys.stderr)
    elif failure.check(OCPPError, OSError):
        print(f"ocpp-cp: {failure.getErrorMessage()}", file=sys.stderr)
    else:
        failure.printTraceback()
