"""An engine on a bench: a clock that only the test moves, and records made of effects.

What a test looks at is what clients would see: the bench keeps, per PV, what the
engine's effects have posted, and per link what went out. It never looks inside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ioc_runtime.engine.effects import (
    CHANGED,
    KEEP,
    LATCH,
    LOG,
    MESSAGE,
    POST,
    REFUSE,
    RULE,
    WRITE,
    Effect,
    RuleState,
)
from ioc_runtime.engine.engine import Engine, Restored
from ioc_runtime.plan import Input, Link, Output, Plan, Plugin, Rule, Transform
from ioc_runtime.testing.clock import FakeClock

LINK = Link("ca", "ELSE:WHERE")
OK, MINOR, MAJOR, INVALID = 0, 1, 2, 3
NAN = float("nan")
SECOND = 10**9
MINUTE = 60 * SECOND


@dataclass
class Record:
    """A PV as the effects left it."""

    value: Any = None
    severity: int = 3
    status: int = 17
    ns: int = 0
    posts: int = 0


def linked(type: str = "float", **more: Any) -> Input:
    """An input that follows a PV; its name comes from the bench."""
    return Input("", type, link=LINK, **more)


def setpoint(type: str = "float", **more: Any) -> Input:
    """An input that operators write."""
    return Input("", type, **more)


def driven(type: str = "bool", default: Any = 0, **more: Any) -> Output:
    """An output of rules, with the default 0."""
    return Output("", type, owner="rules", default=default, **more)


def computed(type: str = "float", **more: Any) -> Output:
    """An output of a transform."""
    return Output("", type, owner="transform", **more)


def plugins(type: str = "float", **more: Any) -> Output:
    """An output of the plugin."""
    return Output("", type, owner="plugin", **more)


def _named(signal: Any, name: str) -> Any:
    return type(signal)(**{**vars(signal), "name": name})


def plan_of(
    inputs: Mapping[str, Input] | None = None,
    outputs: Mapping[str, Output] | None = None,
    rules: Iterable[Rule | tuple[Any, ...]] = (),
    transforms: Mapping[str, str] | None = None,
    parameters: Mapping[str, Any] | None = None,
    functions: Iterable[str] = (),
) -> Plan:
    """A plan from short forms: a rule may be (id, condition, outputs, for, message)."""
    outputs = outputs or {}
    with_plugin = functions or any(o.owner == "plugin" for o in outputs.values())
    return Plan(
        "bench",
        "test",
        "T:",
        inputs=tuple(_named(s, n) for n, s in (inputs or {}).items()),
        outputs=tuple(_named(s, n) for n, s in outputs.items()),
        rules=tuple(r if isinstance(r, Rule) else Rule(*r) for r in rules),
        transforms=tuple(Transform(n, e) for n, e in (transforms or {}).items()),
        parameters=dict(parameters or {}),
        plugin=Plugin(functions=tuple(functions)) if with_plugin else None,
    )


class Bench:
    """One engine, its clock, and what its effects have done."""

    def __init__(
        self,
        *,
        restored: Restored | None = None,
        calls: Mapping[str, Callable[..., Any]] | None = None,
        start: bool = True,
        **plan: Any,
    ) -> None:
        calls = calls or {}
        self.plan = plan_of(**plan, functions=tuple(calls))
        self.clock = FakeClock()
        self.engine = Engine(self.plan, self.clock, calls, restored)
        self.effects: list[Effect] = []
        """Of the last event."""
        self.all: list[Effect] = []
        self._inputs = {s.name: i for i, s in enumerate(self.plan.inputs)}
        self._outputs = {s.name: i for i, s in enumerate(self.plan.outputs)}
        self._rules = {r.id: i for i, r in enumerate(self.plan.rules)}
        self.records = {s.name: Record() for s in self.plan.signals}
        self.rule_states: dict[str, RuleState] = {}
        self.rule_times: dict[str, int] = {}
        if start:
            self.start()

    # --- events

    def start(self) -> None:
        self._do(self.engine.start)

    def feed(
        self, severity: int = 0, status: int = 0, ns: int | None = None, **values: Any
    ) -> None:
        """A sample of each named input, one event each."""
        for name, value in values.items():
            at = self.clock.wall if ns is None else ns
            self._do(self.engine.sample, self._inputs[name], value, severity, status, at)

    def drop(self, *names: str) -> None:
        for name in names:
            self._do(self.engine.disconnected, self._inputs[name])

    def alive(self, name: str) -> None:
        self._do(self.engine.alive, self._inputs[name])

    def put(self, **values: Any) -> None:
        for name, value in values.items():
            self._do(self.engine.put, self._inputs[name], value)

    def write_setpoint(self, **values: Any) -> None:
        for name, value in values.items():
            self._do(self.engine.write_setpoint, self._inputs[name], value)

    def write(self, ns: int = 0, **values: Any) -> None:
        for name, value in values.items():
            self._do(self.engine.write, self._outputs[name], value, ns)

    def link_up(self, name: str) -> None:
        self._do(self.engine.link_up, self._outputs[name])

    def clear(self) -> None:
        self._do(self.engine.clear)

    def reset(self) -> None:
        self._do(self.engine.reset)

    def enable(self, on: bool) -> None:
        self._do(self.engine.enable, on)

    def full_pass(self) -> None:
        self._do(self.engine.full_pass)

    def plugin_ended(self) -> None:
        self._do(self.engine.plugin_ended)

    def plugin_began(self) -> None:
        self._do(self.engine.plugin_began)

    def reload(self, plan: Plan | None = None, **changes: Any) -> None:
        """Another plan of the same shape: a whole one, or this one with fields changed."""
        plan = replace(self.plan, **changes) if plan is None else plan
        self._do(self.engine.reload, plan)
        self.plan = plan
        self._rules = {r.id: i for i, r in enumerate(plan.rules)}

    def after(self, seconds: float) -> None:
        """Let time pass, waking the engine whenever it asked to be woken."""
        end = self.clock.mono + seconds
        effects: list[Effect] = []
        for _ in range(100_000):
            wake = self.engine.next_wake
            if wake is None or wake > end:
                break
            self.clock.to(max(wake, self.clock.mono))
            self._do(self.engine.wake)
            effects += self.effects
        else:
            raise AssertionError("the engine asks to be woken without end")
        self.clock.to(end)
        self.effects = effects

    def jump(self, seconds: float) -> None:
        """Let time pass without waking the engine: its caller is late."""
        self.clock.to(self.clock.mono + seconds)

    def _do(self, event: Callable[..., list[Effect]], *args: Any) -> None:
        self.effects = event(*args)
        self.all += self.effects
        for effect in self.effects:
            self._show(effect)

    def _show(self, effect: Effect) -> None:
        if effect[0] == POST:
            _, slot, value, severity, status, ns = effect
            record = self.records[self.plan.signals[slot].name]
            if value is not None:
                record.value = value
            record.severity, record.status, record.ns = severity, int(status), ns
            record.posts += 1
        elif effect[0] == RULE:
            name = self.plan.rules[effect[1]].id
            self.rule_states[name] = RuleState(effect[2])
            self.rule_times[name] = effect[3]

    # --- what clients see

    def __getitem__(self, name: str) -> tuple[Any, int]:
        """(value, severity) of a PV."""
        record = self.records[name]
        return record.value, record.severity

    def rule(self, name: str) -> str:
        """RULE:<id>, by name."""
        return self.rule_states[name].name

    def posts(self, name: str) -> list[tuple[Any, int]]:
        """(value, severity) of each post of a PV in the last event."""
        slot = [s.name for s in self.plan.signals].index(name)
        return [(e[2], e[3]) for e in self.effects if e[0] == POST and e[1] == slot]

    def writes(self, name: str) -> list[Any]:
        """Values that went out over a link since the start."""
        index = self._outputs[name]
        return [e[2] for e in self.all if e[0] == WRITE and e[1] == index]

    def messages(self) -> list[str]:
        """MESSAGE texts of the last event."""
        return [e[1] for e in self.effects if e[0] == MESSAGE]

    def logs(self) -> list[str]:
        """Log lines since the start."""
        return [e[2] for e in self.all if e[0] == LOG]

    def kept(self) -> list[tuple[str, Any]]:
        """Set-points handed to the state file since the start."""
        return [(self.plan.inputs[e[1]].name, e[2]) for e in self.all if e[0] == KEEP]

    def refused(self) -> list[tuple[str, Any]]:
        """Set-points put back since the start."""
        return [(self.plan.inputs[e[1]].name, e[2]) for e in self.all if e[0] == REFUSE]

    def latched(self) -> list[tuple[str, Any, str]]:
        """LATCH effects since the start: output, value or None, rule."""
        return [(self.plan.outputs[e[1]].name, e[2], e[3]) for e in self.all if e[0] == LATCH]

    def told(self) -> list[tuple[str, Any, Any]]:
        """CHANGED effects of the last event: what the plugin is told."""
        return [(self.plan.inputs[e[1]].name, e[2], e[3]) for e in self.effects if e[0] == CHANGED]

    def settled(self, names: Iterable[str]) -> dict[str, tuple[Any, int]]:
        return {name: self[name] for name in names}


def rule(condition: str, hold: float = 0.0, **more: object) -> Bench:
    """One rule over x and y that drives o."""
    return Bench(
        inputs={"x": linked(), "y": linked()},
        outputs={"o": driven("bool")},
        rules=[("r", condition, {"o": 1}, hold)],
        **more,
    )


def transform(expression: str, **inputs: object) -> Bench:
    """One transform, t, over x and y unless other inputs are given."""
    return Bench(
        inputs=inputs or {"x": linked(), "y": linked()},
        outputs={"t": computed()},
        transforms={"t": expression},
    )


def guard(**more: Any) -> Bench:
    """Two gauges close one valve (1 open, 0 closed); its command goes out over a link."""
    return Bench(
        inputs={"g1": linked(), "g2": linked()},
        outputs={"valve": driven("bool", default=1, link=LINK, **more)},
        rules=[("one", "g1 > 5", {"valve": 0}), ("two", "g2 > 5", {"valve": 0})],
    )
