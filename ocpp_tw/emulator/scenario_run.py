"""
Running scenarios, and reporting how they went.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any
from xml.sax.saxutils import quoteattr

import orjson
from attrs import evolve, frozen
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from ..errors import OCPPError
from ..ocpp.messages import BadFrame, Call, CallError, CallResult, parse
from .chargepoint import ChargePoint
from .clock import FastClock, iso
from .config import ConnectorConfig, StationConfig
from .faults import Faults
from .findings import Ear
from .keys import Given
from .meter import Vehicle
from .scenario import Check, Operator, Scenario, Step, fill_in, no_operator
from .scenario_files import FileServer
from .station import Files, Habits, Line
from .websocket import Backoff, Lines


#: How often it is looked whether what is expected has come, in seconds.
_LOOK = 0.02


class Failed(Exception):
    """
    What was expected did not happen.
    """


@frozen
class Result:
    """
    How a scenario went.

    @ivar seconds: of ours.
    @ivar failure: the line, and what was wrong; None if nothing.
    @ivar findings: what the central system did that it should not.
    """

    scenario: Scenario
    seconds: float
    failure: str | None = None
    findings: Sequence[str] = ()


@frozen
class _Said:
    """
    A Call that was answered, or not.

    @ivar kind: outgoing or incoming.
    """

    kind: str
    call: Call
    reply: bytes | None

    def answer(self) -> CallResult | CallError | None:
        if self.reply is None:
            return None
        try:
            message = parse(self.reply)
        except BadFrame:
            return None
        return None if isinstance(message, Call) else message


class _Transcript(Ear):
    """
    What was said.

    @ivar read: how far each expectation has come, by kind and action.
    """

    def __init__(self, station: ChargePoint) -> None:
        super().__init__(station)
        self.said: list[_Said] = []
        self.read: dict[tuple[str, str], int] = {}

    def answered(self, call: Call, frame: bytes, reply: bytes) -> None:
        super().answered(call, frame, reply)
        self.said.append(_Said("incoming", call, reply))

    def was_answered(
        self, call: Call, frame: bytes, reply: bytes | None
    ) -> None:
        super().was_answered(call, frame, reply)
        self.said.append(_Said("outgoing", call, reply))

    def next(self, verb: str, kind: str, action: str) -> _Said | None:
        """
        The next of those that were not looked at yet.
        """
        place = verb, action
        for index in range(self.read.get(place, 0), len(self.said)):
            one = self.said[index]
            # What the line took away is said again, and answered then.
            is_meant = verb != "answered" or one.reply is not None
            if (one.kind, one.call.action) == (kind, action) and is_meant:
                self.read[place] = index + 1
                return one
        return None

    def transaction(self) -> int:
        """
        The id of the last transaction; 0 if there was none.
        """
        for one in reversed(self.said):
            answer = one.answer()
            if one.call.action == "StartTransaction" and isinstance(
                answer, CallResult
            ):
                return int(answer.payload.get("transactionId", 0))
        return 0


class Run:
    """
    One scenario, being run.
    """

    def __init__(
        self,
        scenario: Scenario,
        config: StationConfig,
        reactor: Any,
        operator: Operator = no_operator,
        lines: Lines | None = None,
        speed: float = 1.0,
        seed: int = 0,
        files: Files | None = None,
    ) -> None:
        self._seed = seed if scenario.seed is None else scenario.seed
        self._scenario = scenario
        self._reactor = reactor
        self._operator = operator
        self._random = Random(f"{self._seed} {scenario.name}")
        self._tag = f"T{self._random.getrandbits(40):010X}"
        self._files: FileServer | None = None
        self.station = ChargePoint(
            _configured(config, scenario),
            FastClock(reactor, scenario.speed or speed),
            seed=self._seed,
            habits=Habits(plugs=False),
            files=files,
        )
        self.transcript = _Transcript(self.station)
        lines = lines or Lines(reactor, Backoff(0.2, 2.0))
        self._lines = lines.watched_by(self.transcript)
        self._connection: Line | None = None
        self._faults: Faults | None = None

    async def run(self) -> Result:
        """
        Take each step; stop at the first that fails.
        """
        began, failure = self._reactor.seconds(), None
        if self._scenario.mentions("files") and self.station.files is None:
            self._files = FileServer(self._reactor)
        for step in self._scenario.steps:
            try:
                await self._take(step)
            except (Failed, OCPPError, ValueError) as e:
                failure = f"{step}: {e}"
                break
        findings = self.station.findings.lines()
        if failure is None and self._scenario.strict and findings:
            failure = "; ".join(findings)
        await self._leave()
        seconds = self._reactor.seconds() - began
        return Result(self._scenario, seconds, failure, findings)

    async def _leave(self) -> None:
        self.station.agenda.clear()
        if self._connection is not None:
            gone = self._connection.stop()
            await gone.addTimeout(5, self._reactor, lambda r, t: None)
        if self._files is not None:
            await self._files.stop()

    async def _take(self, step: Step) -> None:
        name = step.verb.replace("-", "_")
        args = () if step.main is None else (self._fill_in(step.main),)
        done = getattr(self, f"_step_{name}")(step, *args)
        if done is not None:
            await done

    def _fill_in(self, value: Any) -> Any:
        return fill_in(
            value,
            {
                "identity": self.station.identity,
                "tag": self._tag,
                "transaction": self.transcript.transaction(),
                "time": iso(self.station.now + 3600),
                "files": self._files.url if self._files else "http://files",
            },
        )

    def _body(self, step: Step) -> dict[str, Any]:
        body: dict[str, Any] = self._fill_in(step.options.get("payload", {}))
        return body

    async def _until(
        self, step: Step, is_so: Callable[[], bool], why: Callable[[], str]
    ) -> None:
        end = self._reactor.seconds() + step.within
        while not is_so():
            if self._reactor.seconds() >= end:
                raise Failed(f"{why()} in {step.within:g} seconds")
            await self._pause(_LOOK)

    def _pause(self, seconds: float) -> Deferred[None]:
        return deferLater(self._reactor, seconds, lambda: None)

    def _check(self, checks: Sequence[Check], payload: Any) -> None:
        for check in checks:
            check = evolve(check, text=str(self._fill_in(check.text)))
            failure = check.fails(payload)
            if failure is not None:
                raise Failed(f"{failure}: {orjson.dumps(payload).decode()}")

    # The line and the power

    def _step_connect(self, step: Step) -> None:
        if self._connection is None:
            self._connection = self._lines.connect(self.station)
        else:
            self._connection.again(0)

    def _step_disconnect(self, step: Step) -> None:
        if self._connection is None:
            raise Failed("it was never connected")
        self._connection.cut()

    def _step_power(self, step: Step, state: str) -> None:
        if state == "off":
            self.station.cut_power()
        else:
            self.station.restore_power()

    def _step_wire(self, step: Step, name: str) -> None:
        if self._connection is None:
            raise Failed("it was never connected")
        if self._faults is None:
            self._faults = Faults(self._connection, seed=self._seed)
        self._faults.happen(name, step.options.get("amount"))

    # What people and vehicles do

    def _step_plug(self, step: Step, number: int) -> None:
        given = {name: float(value) for name, value in step.options.items()}
        self.station.plug(number, Vehicle(**given) if given else None)

    def _step_unplug(self, step: Step, number: int) -> None:
        self.station.unplug(number)

    async def _step_tag(self, step: Step, tag: str) -> None:
        await self.station.present_tag(tag, step.options.get("connector"))

    def _step_suspend(self, step: Step, number: int) -> None:
        self.station.suspend(number)

    def _step_resume(self, step: Step, number: int) -> None:
        self.station.resume(number)

    def _step_fault(self, step: Step, number: int) -> None:
        self.station.fault(number, step.options.get("error", "OtherError"))

    def _step_recover(self, step: Step, number: int) -> None:
        self.station.recover(number)

    def _step_wait(self, step: Step, seconds: float) -> Deferred[None]:
        return deferLater(self.station.clock, seconds, lambda: None)

    # What is said

    async def _step_send(self, step: Step, action: str) -> None:
        answer = await self.station.ask(action, self._body(step), True)
        self._check(step.checks, answer)

    async def _step_command(self, step: Step, action: str) -> None:
        answer = await self._operator(
            self.station.identity, action, self._body(step)
        )
        self._check(step.checks, answer)

    async def _heard(self, step: Step, kind: str, action: str) -> _Said:
        found: list[_Said] = []

        def look() -> bool:
            one = self.transcript.next(step.verb, kind, action)
            if one is not None:
                found.append(one)
            return bool(found)

        await self._until(step, look, lambda: f"no {action}")
        return found[0]

    async def _step_sent(self, step: Step, action: str) -> None:
        said = await self._heard(step, "outgoing", action)
        self._check(step.checks, said.call.payload)

    async def _step_answered(self, step: Step, action: str) -> None:
        answer = (await self._heard(step, "outgoing", action)).answer()
        if not isinstance(answer, CallResult):
            raise Failed(f"it was answered with {answer}")
        self._check(step.checks, answer.payload)

    async def _step_refused(self, step: Step, action: str) -> None:
        answer = (await self._heard(step, "outgoing", action)).answer()
        if isinstance(answer, CallResult):
            raise Failed(f"it was answered with {answer.payload}")

    async def _step_called(self, step: Step, action: str) -> None:
        said = await self._heard(step, "incoming", action)
        self._check(step.checks, said.call.payload)

    def _step_not_sent(self, step: Step, action: str) -> None:
        place = "sent", action
        for index in range(
            self.transcript.read.get(place, 0), len(self.transcript.said)
        ):
            one = self.transcript.said[index]
            if one.kind == "outgoing" and one.call.action == action:
                raise Failed(f"it was sent: {one.call.payload}")

    # What is

    async def _step_status(self, step: Step, number: int) -> None:
        status = step.options["is"]
        connector = self.station.connectors.get(number)
        if connector is None:
            raise Failed(f"there is no connector {number}")
        await self._until(
            step,
            lambda: connector.status == status,
            lambda: f"connector {number} is {connector.status}",
        )

    def _step_energy(self, step: Step, number: int) -> None:
        meter = self.station.connector(number).meter
        meter.advance(self.station.now)
        if meter.energy < step.options["least"]:
            raise Failed(f"the meter shows {meter.energy:.1f} Wh")

    async def _step_queued(self, step: Step, count: int) -> None:
        outbox = self.station.outbox
        await self._until(
            step,
            lambda: len(outbox) == count,
            lambda: f"{len(outbox)} messages wait",
        )


def _configured(config: StationConfig, scenario: Scenario) -> StationConfig:
    """
    The station of a scenario.
    """
    keys = {name: Given(text) for name, text in scenario.keys.items()}
    config = evolve(config, keys={**config.keys, **keys})
    if scenario.connectors is None:
        return config
    connectors = tuple(
        ConnectorConfig(number, scenario.voltage, power=scenario.power)
        for number in range(1, scenario.connectors + 1)
    )
    return evolve(config, connectors=connectors)


async def run_all(
    scenarios: Sequence[Scenario],
    config: StationConfig,
    reactor: Any,
    operator: Operator = no_operator,
    lines: Callable[[], Lines] | None = None,
    speed: float = 1.0,
    seed: int = 0,
    tell: Callable[[str], object] = lambda line: None,
) -> list[Result]:
    """
    Run one after the other, and tell of each.
    """
    results = []
    for scenario in scenarios:
        run = Run(
            scenario,
            config,
            reactor,
            operator,
            lines() if lines else None,
            speed,
            seed,
        )
        result = await run.run()
        results.append(result)
        tell(in_words(result))
    return results


def in_words(result: Result) -> str:
    verdict = "ok" if result.failure is None else "FAILED"
    lines = [f"{verdict:7}{result.scenario.name} ({result.seconds:.1f} s)"]
    if result.failure is not None:
        lines.append(f"       {result.failure}")
    lines += [f"       finding: {line}" for line in result.findings]
    return "\n".join(lines)


def junit(results: Sequence[Result]) -> str:
    """
    A report as continuous integration reads it.
    """
    failures = sum(result.failure is not None for result in results)
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        f'<testsuite name="ocpp-cp" tests="{len(results)}" '
        f'failures="{failures}" errors="0">',
    ]
    for result in results:
        lines.append(
            f'<testcase classname="ocpp-cp" '
            f"name={quoteattr(result.scenario.name)} "
            f'time="{result.seconds:.3f}">'
        )
        if result.failure is not None:
            lines.append(f"<failure message={_safe(result.failure)}/>")
        lines.append("</testcase>")
    return "\n".join([*lines, "</testsuite>", ""])


def _safe(text: str) -> str:
    """
    An attribute's value, of characters that XML allows.
    """
    return quoteattr("".join(c if c.isprintable() else "?" for c in text))
