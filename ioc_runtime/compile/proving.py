"""Runs the tests of a manifest: the engine alone, with a clock that moves when it is told to.

No EPICS, no plugin, no thread. What a test finds depends on the manifest only, never on how
fast the machine is: the work that tests may make is counted, not timed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ioc_runtime.compile.proofs import INVALID, Proof, Step
from ioc_runtime.engine.build import Known
from ioc_runtime.engine.effects import RuleState as Shown
from ioc_runtime.engine.effects import Status
from ioc_runtime.engine.engine import Engine, Restored
from ioc_runtime.engine.evaluation import Evaluation
from ioc_runtime.engine.inputs import InputState
from ioc_runtime.engine.outputs import OutputState
from ioc_runtime.engine.reload import Prepared
from ioc_runtime.engine.rules import RuleState
from ioc_runtime.engine.values import show
from ioc_runtime.plan import Plan, Signal

MOST_WORK: Final = 4_000_000
"""Of all tests of a task; each event of the engine counts `EVENT`, and 1 for each rule and
transform. Two to eight seconds of a processor."""
EVENT: Final = 10
BUILDING: Final = 5
"""Events that making an engine counts for."""
START: Final = 1000.0
START_NS: Final = 1_800_000_000 * 10**9
TINY: Final = 1e-6
"""Seconds by which sums of floating-point times may differ."""
NEAR: Final = 1e-6
"""Numbers that differ by no more than this part of their size are equal."""
MOST_NAMED: Final = 6


@dataclass(frozen=True)
class Failed:
    """Something that a step expects and that is not so."""

    proof: int
    """Index of the test."""
    test: str
    """Its name."""
    step: int
    """Index of the step."""
    expected: str
    found: str
    why: str = ""
    """What it came from: rules, latch, inputs; "" where there is nothing to say."""

    @property
    def path(self) -> str:
        """Where the step stands in the manifest."""
        return f"spec.tests[{self.proof}].steps[{self.step}]"

    def __str__(self) -> str:
        more = f" ({self.why})" if self.why else ""
        head = f"test {self.test!r}, step {self.step + 1}"
        return f"{head}: expected {self.expected}, got {self.found}{more}"


class TooMuch(Exception):
    """The tests take more work than they may."""


def prove(
    plan: Plan, proofs: Sequence[Proof], stop: Callable[[], bool] = lambda: False
) -> list[Failed]:
    """Run tests; what failed, in their order. A test ends with its first step that fails.

    :param stop: asked between events; True ends it as if it were too much work
    """
    parts = EVENT + len(plan.rules) + len(plan.transforms)
    budget = _Budget(parts, stop)
    engines = _engines(plan)
    failed: list[Failed] = []
    for index, proof in enumerate(proofs):
        reached = 0
        try:
            budget.spend(BUILDING)
            bench = _Bench(plan, next(engines), budget)
            for reached, step in enumerate(proof.steps):
                bench.act(step)
                wrong = [Failed(index, proof.name, reached, *each) for each in bench.look(step)]
                if wrong:
                    failed += wrong
                    break
        except TooMuch:
            expected = "tests that cost less work: let less time pass, or ask less often"
            return [*failed, Failed(index, proof.name, reached, expected, "no end of it")]
    return failed


class _Engine(Engine):
    """An engine of parts that are there already."""

    def __init__(self, prepared: Prepared, clock: _Clock) -> None:
        Evaluation.__init__(self, prepared, clock, Restored())
        self.time = clock


def _engines(plan: Plan) -> Iterator[_Engine]:
    """New engines of a plan, one after the other; its expressions are parsed once."""
    functions = dict.fromkeys(_functions(plan), _not_here)
    first = prepared = Prepared(plan, functions)
    while True:
        yield _Engine(prepared, _Clock())
        prepared = Prepared(plan, functions, Known(plan, first.model, plan))


class _Budget:
    """What is left of the work that tests may make."""

    def __init__(self, cost: int, stop: Callable[[], bool]) -> None:
        self._left, self._cost, self._stop = MOST_WORK, cost, stop

    def spend(self, events: int = 1) -> None:
        self._left -= self._cost * events
        if self._left < 0 or self._stop():
            raise TooMuch


class _Clock:
    """Seconds and nanoseconds since the start of a test."""

    def __init__(self) -> None:
        self.now = START

    def monotonic(self) -> float:
        return self.now

    def time_ns(self) -> int:
        return START_NS + round((self.now - START) * 1e9)


class _Bench:
    """One engine, and what surrounds it: sources of links, operators, time."""

    def __init__(self, plan: Plan, engine: _Engine, budget: _Budget) -> None:
        self.plan, self._engine, self._budget = plan, engine, budget
        self._clock = engine.time
        self._inputs = {signal.name: i for i, signal in enumerate(plan.inputs)}
        self._outputs = {signal.name: i for i, signal in enumerate(plan.outputs)}
        self._values: dict[int, Any] = {}
        """What the source of each linked input has sent last."""
        self._passed = 0
        """Microseconds since the start: sums of these are exact."""
        ages = [i.max_age for i in plan.inputs if i.max_age is not None and i.link is not None]
        self._pulse = min(ages) / 2 if ages else None
        """Seconds between signs of life of sources that are not disconnected."""
        self._pulses = self._cycles = 1
        self._do(self._engine.start)

    # --- a step

    def act(self, step: Step) -> None:
        """Set what it sets, then let its time pass.

        Maps have no order: operators' values and the plugin's come first, by name, then all
        samples in one pass, then what is disconnected, then commands.
        """
        for name in sorted(step.put):
            self._put(name, step.put[name])
        self._sample(step)
        for name in sorted(step.disconnect):
            self._do(self._engine.disconnected, self._inputs[name])
        self._command(step)
        self._advance(step.after)

    def _put(self, name: str, value: Any) -> None:
        if name in self._outputs:
            if self._engine.enabled:
                self._do(self._engine.write, self._outputs[name], value)
        elif name in self._inputs and self.plan.inputs[self._inputs[name]].link is None:
            self._do(self._engine.put, self._inputs[name], value)

    def _sample(self, step: Step) -> None:
        batch = []
        for name in sorted(step.put.keys() | step.severity.keys()):
            index = self._inputs.get(name)
            if index is None or self.plan.inputs[index].link is None:
                continue
            if name in step.put:
                self._values[index] = step.put[name]
            severity = step.severity.get(name, 0)
            status = Status.READ if severity == INVALID else Status.SOFT if severity else 0
            value = self._values.get(index)
            batch.append((index, value, severity, int(status), self._clock.time_ns()))
        if batch:
            self._do(self._engine.samples, batch)

    def _command(self, step: Step) -> None:
        if "ENABLE" in step.put:
            self._do(self._engine.enable, bool(step.put["ENABLE"]))
        if "CLEAR" in step.put:
            self._do(self._engine.clear)
        if "RESET" in step.put:
            self._do(self._engine.reset)

    def _do(self, event: Callable[..., Any], *arguments: Any) -> None:
        self._budget.spend()
        event(*arguments)

    # --- time

    def _advance(self, seconds: float) -> None:
        self._passed += round(seconds * 1e6)
        end = START + self._passed / 1e6
        while (when := self._next()) <= end + TINY:
            self._clock.now = max(when, self._clock.now)
            self._turn()
        self._clock.now = max(end, self._clock.now)

    def _next(self) -> float:
        """When something happens by itself; infinity for never."""
        found = [self._pulse_at(), self._cycle_at()]
        wake = self._engine.next_wake
        return min([*found, math.inf if wake is None else wake])

    def _pulse_at(self) -> float:
        return math.inf if self._pulse is None else START + self._pulses * self._pulse

    def _cycle_at(self) -> float:
        periodic = self.plan.mode == "periodic"
        return START + self._cycles * self.plan.period if periodic else math.inf

    def _turn(self) -> None:
        now = self._clock.now
        if self._pulse_at() <= now:
            self._pulses += 1
            for state in self._engine.inputs:
                if state.plan.max_age is not None and state.plan.link and state.connected:
                    self._do(self._engine.alive, state.index)
        wake = self._engine.next_wake
        if wake is not None and wake <= now:
            self._do(self._engine.wake)
        if self._cycle_at() <= now:
            self._cycles += 1
            self._do(self._engine.full_pass)

    # --- what came of it

    def look(self, step: Step) -> Iterator[tuple[str, str, str]]:
        """What is not as the step expects: expected, found, why."""
        for name in sorted(step.expect.keys() | set(step.invalid)):
            output = self._engine.outputs[self._outputs[name]]
            if wanted := _amiss(output, name in step.expect, step):
                yield f"{name} {wanted}", _found(output), self._why(output)
        by_id = {rule.id: rule for rule in self._engine.rules}
        for name, state in sorted(step.rules.items()):
            rule = by_id[name]
            if rule.shown != state:
                yield f"rule {name} {Shown(state).name}", _state(rule), self._why_rule(rule)

    def _why(self, output: OutputState) -> str:
        parts = []
        if output.latch is not None and output.latch.engaged:
            parts.append(f"latched by {output.latch.rule or output.name}")
        if output.plan.owner == "rules":
            told = [f"{rule.id} {_state(rule)}" for rule, _ in output.writers if rule.shown > 0]
            parts.append(f"rules: {_listed(told)}" if told else "none of its rules is active")
            errors = [rule.node.error for rule, _ in output.writers if rule.node.error]
        else:
            mine = (t.node for t in self._engine.transforms if t.output is output)
            errors = [node.error for node in mine if node.error]
        if self._engine.enabled is False:
            parts.append("ENABLE is 0")
        parts += errors[:1]
        return "; ".join([*parts, *self._reads(output.sources)])

    def _why_rule(self, rule: RuleState) -> str:
        condition = f"its condition: {rule.plan.condition}"
        errors = [rule.node.error] if rule.node.error else []
        return "; ".join([condition, *errors, *self._reads(rule.sources)])

    def _reads(self, sources: Sequence[object]) -> Iterator[str]:
        told = [
            f"{one.name} is {_text(one.plan, one.value) if one.known else 'INVALID'}"
            for one in sources
            if isinstance(one, InputState | OutputState)
        ]
        if told:
            yield _listed(told)


def _amiss(output: OutputState, compared: bool, step: Step) -> str:
    """What an output ought to be; "" when it is."""
    invalid = output.posted_severity not in (0, 1, 2)
    wants_invalid = output.name in step.invalid
    value = step.expect.get(output.name)
    if invalid == wants_invalid and (not compared or _same(value, output.value)):
        return ""
    words = [_text(output.plan, value)] if compared else []
    return " ".join([*words, *(["INVALID"] if wants_invalid else [])])


def _same(wanted: Any, found: Any) -> bool:
    if isinstance(wanted, list):
        if not isinstance(found, list) or len(found) != len(wanted):
            return False
        return all(map(_same, wanted, found))
    if isinstance(wanted, float) and isinstance(found, int | float):
        return math.isclose(wanted, found, rel_tol=NEAR, abs_tol=0.0)
    return bool(wanted == found)


def _found(output: OutputState) -> str:
    if output.posted_severity in (0, 1, 2):
        return _text(output.plan, output.value)
    return "INVALID" if output.value is None else f"{_text(output.plan, output.value)} INVALID"


def _state(rule: RuleState) -> str:
    return Shown(rule.shown).name if rule.shown >= 0 else "nothing"


def _text(signal: Signal, value: Any) -> str:
    """As a person reads it, with as many digits as are compared."""
    if isinstance(value, float):
        return f"{value:.7g}"
    if isinstance(value, str):
        return repr(value[:60])
    return show(signal, value)


def _listed(words: Sequence[str]) -> str:
    more = len(words) - MOST_NAMED
    return ", ".join(words[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _functions(plan: Plan) -> tuple[str, ...]:
    return plan.plugin.functions if plan.plugin is not None else ()


def _not_here(*_: Any, **__: Any) -> Any:
    raise LookupError("a function of the plugin, which does not run in a test")
