"""The tests of a manifest, checked: every name is known, every value fits.

`proving` runs them. They are no part of the plan: no process that serves needs them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ioc_runtime.compile.collector import Collector
from ioc_runtime.compile.literals import literal
from ioc_runtime.engine.values import BadValue
from ioc_runtime.plan import SEVERITIES, Input, Output, Signal
from ioc_runtime.spec import logic
from ioc_runtime.spec.problem import NOTHING, Path
from ioc_runtime.spec.task import TaskSpec
from ioc_runtime.standard import RULE_STATES

MOST_STEPS: Final = 2000
"""Steps of all tests of a task."""
COMMANDS: Final[Mapping[str, tuple[int, ...]]] = {"CLEAR": (1,), "RESET": (1,), "ENABLE": (0, 1)}
"""Standard PVs that a step may set, and to what."""
INVALID: Final = SEVERITIES.index("INVALID")


@dataclass(frozen=True)
class Step:
    """One step; values are as their signals hold them."""

    put: dict[str, Any] = field(default_factory=dict)
    severity: dict[str, int] = field(default_factory=dict)
    disconnect: tuple[str, ...] = ()
    after: float = 0.0
    expect: dict[str, Any] = field(default_factory=dict)
    invalid: tuple[str, ...] = ()
    rules: dict[str, int] = field(default_factory=dict)

    @property
    def asks(self) -> bool:
        """Whether anything is compared."""
        return bool(self.expect or self.invalid or self.rules)


@dataclass(frozen=True)
class Proof:
    """One test of a manifest."""

    name: str
    steps: tuple[Step, ...]


def compile_proofs(
    spec: TaskSpec,
    inputs: tuple[Input, ...],
    outputs: tuple[Output, ...],
    collector: Collector,
) -> tuple[Proof, ...]:
    """The tests of a task; what is wrong with them goes to the collector."""
    count = sum(len(test.steps) for test in spec.tests)
    if count > MOST_STEPS:
        expected = f"at most {MOST_STEPS} steps in all tests"
        collector.wrong(("spec", "tests"), f"{count} steps", expected)
        return ()
    seen: dict[str, int] = {}
    made = []
    for i, test in enumerate(spec.tests):
        path: Path = ("spec", "tests", i)
        if test.name in seen:
            expected = f"a name of its own: tests[{seen[test.name]}] has it"
            collector.wrong((*path, "name"), test.name, expected)
        seen.setdefault(test.name, i)
        reader = _Reader(inputs, outputs, spec, collector)
        steps = tuple(reader.step((*path, "steps", n), step) for n, step in enumerate(test.steps))
        if not any(step.asks for step in steps):
            collector.wrong((*path, "steps"), NOTHING, "a step with expect, invalid or rules")
        made.append(Proof(test.name, steps))
    return tuple(made)


class _Reader:
    """Reads the steps of one test, in order: what was set before counts."""

    def __init__(
        self,
        inputs: tuple[Input, ...],
        outputs: tuple[Output, ...],
        spec: TaskSpec,
        collector: Collector,
    ) -> None:
        self.collector = collector
        self.inputs = {signal.name: signal for signal in inputs}
        self.outputs = {signal.name: signal for signal in outputs}
        self.linked = {name for name, signal in self.inputs.items() if signal.link is not None}
        self.plugins = {o.name for o in outputs if "plugin" in (o.owner, o.otherwise)}
        self.rules = {rule.id for rule in spec.rules}
        self.was_set: set[str] = set()

    def step(self, path: Path, given: logic.Step) -> Step:
        """One step."""
        put = {
            name: value
            for name, raw in given.put.items()
            if (value := self._put((*path, "set", name), name, raw)) is not None
        }
        self.was_set |= given.put.keys()
        severity = {
            name: SEVERITIES.index(word)
            for name, word in given.severity.items()
            if self._is_linked((*path, "severity", name), name)
        }
        for name, number in severity.items():
            if name not in self.was_set and number != INVALID:
                expected = "a value of it in `set`, here or in a step before"
                self.collector.wrong((*path, "severity", name), NOTHING, expected)
        for n, name in enumerate(given.disconnect):
            where = (*path, "disconnect", n)
            if self._is_linked(where, name) and (name in given.put or name in given.severity):
                self.collector.wrong(where, name, "it in one of set, severity and disconnect")
        return Step(
            put=put,
            severity=severity,
            disconnect=tuple(given.disconnect),
            after=given.after,
            expect=self._expect((*path, "expect"), given.expect),
            invalid=tuple(
                name
                for n, name in enumerate(given.invalid)
                if self._output((*path, "invalid", n), name) is not None
            ),
            rules={
                name: RULE_STATES.index(state)
                for name, state in given.rules.items()
                if self._known((*path, "rules", name), name, self.rules, "the id of a rule")
            },
        )

    def _put(self, path: Path, name: str, value: Any) -> Any:
        if name in COMMANDS:
            allowed = COMMANDS[name]
            if not isinstance(value, bool | int) or int(value) not in allowed:
                self.collector.wrong(path, value, " or ".join(map(str, allowed)))
                return None
            return int(value)
        signal: Signal | None = self.inputs.get(name)
        if signal is None and name in self.plugins:
            signal = self.outputs[name]
        if signal is None:
            expected = "the name of an input"
            if name in self.outputs:
                by = "rules drive" if self.outputs[name].owner == "rules" else "a transform drives"
                expected += f"; {name} is an output that {by}"
            known = [*self.inputs, *sorted(self.plugins), *COMMANDS]
            self.collector.wrong(path, name, expected, known)
            return None
        return self._literal(path, signal, value)

    def _expect(self, path: Path, given: Mapping[str, Any]) -> dict[str, Any]:
        values = {}
        for name, raw in given.items():
            output = self._output((*path, name), name)
            if output is None:
                continue
            if output.owner == "plugin" and name not in self.was_set:
                expected = "a value in `set` first: the plugin, which gives it, does not run here"
                self.collector.wrong((*path, name), NOTHING, expected)
                continue
            value = self._literal((*path, name), output, raw)
            if value is not None:
                values[name] = value
        return values

    def _literal(self, path: Path, signal: Signal, value: Any) -> Any:
        try:
            return literal(signal, value)
        except BadValue as error:
            known = signal.states if isinstance(value, str) else ()
            self.collector.wrong(path, value, str(error), known)
            return None

    def _output(self, path: Path, name: str) -> Output | None:
        more = f"; {name} is an input" if name in self.inputs else ""
        self._known(path, name, self.outputs, f"the name of an output{more}")
        return self.outputs.get(name)

    def _is_linked(self, path: Path, name: str) -> bool:
        if name in self.inputs and name not in self.linked:
            expected = f"an input with a link: {name} is a set-point, which has no source"
            self.collector.wrong(path, name, expected)
            return False
        return self._known(path, name, self.linked, "the name of an input with a link")

    def _known(self, path: Path, name: str, known: Collection[str], expected: str) -> bool:
        if name in known:
            return True
        self.collector.wrong(path, name, expected, known)
        return False
