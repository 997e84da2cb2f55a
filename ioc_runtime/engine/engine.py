"""The engine: one task's logic, from events to effects.

An event (a sample, a command, a due timer) makes one *pass*: transforms in the order
of their dependencies, rules in file order, then the outputs that rules drive. Only
what depends on what changed is evaluated; the result is always what a full pass
would give. What rules drive is seen by other expressions one pass later, and a
change of it makes that pass follow at once, within the same event.

Not thread-safe: whoever calls holds the task's lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from ioc_runtime.engine import graph
from ioc_runtime.engine.build import Model, build
from ioc_runtime.engine.effects import CHANGED, KEEP, LATCH, LOG, MESSAGE, REFUSE, Effect
from ioc_runtime.engine.inputs import InputState
from ioc_runtime.engine.node import Node
from ioc_runtime.engine.outputs import OutputState
from ioc_runtime.engine.rules import RuleState
from ioc_runtime.engine.transforms import TransformState
from ioc_runtime.engine.values import BadValue, coerce, expectation
from ioc_runtime.plan import Plan

TICK: Final = 0.1
"""Seconds between evaluations of what changes by the passing of time (age, rate)."""

START_GRACE: Final = 5.0
"""Seconds after the start in which `onInvalid: drive` does not drive yet."""

MOST_PASSES: Final = 2000
"""More passes than a plan without cycles can need in one event."""

INFO, WARNING, ERROR = 20, 30, 40


class EnginePaused(RuntimeError):
    """A plugin's write while ENABLE is 0."""


class Clock(Protocol):
    """What the engine knows of time."""

    def monotonic(self) -> float: ...

    def time_ns(self) -> int: ...


@dataclass(frozen=True)
class Restored:
    """What the state file kept over a restart."""

    latches: Mapping[str, tuple[Any, str]] = field(default_factory=dict)
    """Output -> latched value and the rule that latched it."""
    setpoints: Mapping[str, Any] = field(default_factory=dict)
    lost: bool = False
    """The state was there but could not be read: latches start engaged."""


@dataclass(frozen=True)
class Concern:
    """What a change of one name makes a pass evaluate."""

    transforms: tuple[TransformState, ...]
    rules: tuple[RuleState, ...]


class Engine:
    """Evaluates one plan. Each event method returns its effects, in order."""

    def __init__(
        self,
        plan: Plan,
        clock: Clock,
        functions: Mapping[str, Callable[..., Any]] | None = None,
        restored: Restored | None = None,
    ) -> None:
        self.plan = plan
        self._clock = clock
        self._restored = restored or Restored()
        self.model: Model = build(plan, dict(functions or {}))
        model = self.model
        self.inputs, self.outputs = model.inputs, model.outputs
        self.transforms, self.rules = model.transforms, model.rules
        self._values, self._timers, self._moment = model.values, model.timers, model.moment
        self.enabled = True
        self.started = False
        self.sequence = 0
        """Events so far: the order in which everything happened."""
        self.passes = 0
        self._pulsed: list[TransformState | RuleState] = []
        self._everything = Concern(tuple(self.transforms), tuple(self.rules))
        self._concerns: dict[str, Concern] = {}
        self._ticking = self._concern_of(lambda node: node.expression.ticks)
        self._tells_plugin = plan.plugin is not None
        self._plugin_running = plan.plugin is not None

    # --- events

    def start(self) -> list[Effect]:
        """First evaluation: restores latches and set-points, then one full pass."""
        out = self._event()
        self.started = True
        self._restore(out)
        for output in self.outputs:
            if output.grace:
                self._timers.set(("grace",), self._moment.mono + START_GRACE)
        if self._ticking.transforms or self._ticking.rules:
            self._timers.set(("tick",), self._moment.mono + TICK)
        self._pass(self._everything, out, first=True)
        return out

    def sample(
        self, index: int, value: Any, severity: int, status: int, ns: int
    ) -> list[Effect]:
        """Input `index` got a sample; `value` has been coerced, or is None if it did not fit."""
        out = self._event()
        if self._take(self.inputs[index], value, severity, status, ns, out):
            self._changed(self.inputs[index].name, out)
        return out

    def samples(self, batch: Iterable[tuple[int, Any, int, int, int]]) -> list[Effect]:
        """Many samples at once, in one pass."""
        out = self._event()
        names = {
            self.inputs[index].name
            for index, *sample in batch
            if self._take(self.inputs[index], *sample, out)
        }
        self._changed_many(names, out)
        return out

    def disconnected(self, index: int) -> list[Effect]:
        """Input `index` lost its source."""
        out = self._event()
        if self.inputs[index].disconnected(out):
            self._changed(self.inputs[index].name, out)
        return out

    def alive(self, index: int) -> list[Effect]:
        """The source of input `index` answered, without anything new."""
        out = self._event()
        if self.inputs[index].alive(out):
            self._changed(self.inputs[index].name, out)
        return out

    def put(self, index: int, value: Any) -> list[Effect]:
        """A client wrote set-point `index`."""
        out = self._event()
        state = self.inputs[index]
        try:
            value = coerce(state.plan, value)
            if not value == value:
                raise BadValue("expected a number")
        except BadValue:
            out.append((REFUSE, index, state.value))
            text = f"{state.name}: refused {str(value)[:60]}, expected {expectation(state.plan)}"
            out.append((MESSAGE, text, 1))
            return out
        self._set_point(state, value, out, post=False)
        return out

    def write_setpoint(self, index: int, value: Any) -> list[Effect]:
        """The plugin wrote set-point `index`, as an operator would.

        :raises BadValue: when the value does not fit
        :raises EnginePaused: while the task is paused
        """
        out = self._event()
        self._writable()
        state = self.inputs[index]
        self._set_point(state, coerce(state.plan, value), out, post=True)
        return out

    def _writable(self) -> None:
        if not self.enabled:
            raise EnginePaused("the task is paused (ENABLE is 0)")

    def _set_point(self, state: InputState, value: Any, out: list[Effect], *, post: bool) -> None:
        before = state.value
        if not state.put(value, out, post=post):
            return
        if state.plan.persist:
            out.append((KEEP, state.index, value))
        if self._tells_plugin:
            out.append((CHANGED, state.index, value, before))
        self._changed(state.name, out)

    def write(self, index: int, value: Any, ns: int = 0) -> list[Effect]:
        """The plugin wrote output `index`, which it owns.

        :param ns: its timestamp; 0 for now
        :raises BadValue: when the value does not fit
        :raises EnginePaused: while the task is paused
        """
        out = self._event()
        self._writable()
        output = self.outputs[index]
        value = coerce(output.plan, value)
        if output.plan.max_age is not None:
            self._timers.set(("output", index), self._moment.mono + output.plan.max_age)
        if self._settle(output, bool(value == value), value, out, ns or self._moment.wall):
            self._changed(output.name, out)
        return out

    def link_up(self, index: int) -> list[Effect]:
        """The link of output `index` connected."""
        out = self._event()
        if self.enabled and self.started:
            self.outputs[index].link_up(out)
        return out

    def clear(self) -> list[Effect]:
        """Release the latches whose cause is gone; say which stay, and why."""
        out = self._event()
        released, kept = set[str](), []
        for output in self.outputs:
            if output.latch is None or not output.latch.engaged:
                continue
            why = self._release(output, out)
            if why:
                kept.append(f"{output.name} stays latched: {why}")
            else:
                released.add(output.name)
        if kept:
            out.append((MESSAGE, "; ".join(kept), 1))
        elif released:
            out.append((MESSAGE, f"cleared {', '.join(sorted(released))}", 0))
        self._changed_many(released, out)
        return out

    def reset(self) -> list[Effect]:
        """CLEAR, and the counters back to zero."""
        out = self.clear()
        self._moment.errors = self.passes = 0
        return out

    def enable(self, on: bool) -> list[Effect]:
        """ENABLE: 0 stops evaluation, 1 goes on with a full pass."""
        out = self._event()
        if on == self.enabled:
            return out
        self.enabled = on
        if on:
            for rule in self.rules:
                rule.paused = False
            self._pass(self._everything, out, first=True)
            return out
        for rule in self.rules:
            rule.pause(out)
        for transform in self.transforms:
            transform.node.forget()
        for output in self.outputs:
            output.suspend(out)
        return out

    def wake(self) -> list[Effect]:
        """Timers are due (`next_wake`)."""
        out = self._event()
        names = set[str]()
        transforms, rules = set[int](), set[int]()
        for key in self._timers.due(self._moment.mono):
            self._due(key, out, names, transforms, rules)
        concern = self._union(names)
        transforms |= {t.index for t in concern.transforms}
        rules |= {r.index for r in concern.rules}
        if self.enabled and self.started and (transforms or rules):
            self._pass(self._those(transforms, rules), out, since=self._moment.wall)
        return out

    def full_pass(self) -> list[Effect]:
        """Evaluate everything (the periodic grid)."""
        out = self._event()
        if self.enabled:
            self._pass(self._everything, out)
        return out

    def plugin_ended(self) -> list[Effect]:
        """The plugin will write no more: what it owns is not known from now on."""
        out = self._event()
        self._plugin_running = False
        self._changed_many({o.name for o in self._plugins_outputs() if o.suspend(out)}, out)
        return out

    # --- what the task asks

    @property
    def next_wake(self) -> float | None:
        """Monotonic time of the next timer; None when there is none."""
        return self._timers.next

    @property
    def errors(self) -> int:
        """Expressions that raised, since the start or RESET."""
        return self._moment.errors

    # --- inside

    def _event(self) -> list[Effect]:
        self.sequence += 1
        moment = self._moment
        moment.mono = self._clock.monotonic()
        moment.wall = self._clock.time_ns()
        return []

    def _take(
        self, state: InputState, value: Any, severity: int, status: int, ns: int, out: list[Effect]
    ) -> bool:
        if not self._tells_plugin:
            return state.sample(value, severity, status, ns, out)
        known, before = state.known, state.value
        different = state.sample(value, severity, status, ns, out)
        if state.known and (not known or state.value != before):
            out.append((CHANGED, state.index, state.value, before))
        return different

    def _changed(self, name: str, out: list[Effect]) -> None:
        if self.enabled and self.started:
            self._pass(self._concern(name), out)

    def _changed_many(self, names: set[str], out: list[Effect]) -> None:
        if names and self.enabled and self.started:
            self._pass(self._union(names), out)

    def _pass(
        self, concern: Concern, out: list[Effect], *, since: int = 0, first: bool = False
    ) -> None:
        """Passes until nothing that a pass changed concerns another one."""
        for _ in range(MOST_PASSES):
            self.passes += 1
            changed = self._one_pass(concern, out, since, first)
            pulsed, self._pulsed = self._pulsed, []
            if not changed and not pulsed:
                return
            concern = self._union(changed)
            if pulsed:
                concern = self._those(
                    {t.index for t in (*concern.transforms, *pulsed) if isinstance(t, TransformState)},
                    {r.index for r in (*concern.rules, *pulsed) if isinstance(r, RuleState)},
                )
            if not concern.transforms and not concern.rules:
                return
            first = False
        out.append((LOG, ERROR, "evaluation did not settle"))

    def _one_pass(
        self, concern: Concern, out: list[Effect], since: int, first: bool
    ) -> set[str]:
        """One pass; returns the names that the next one has to look at."""
        for transform in concern.transforms:
            transform.evaluate(out, since)
            node = transform.node
            if node.sites:
                self._after(transform, node, ("transform", transform.index))
        touched: dict[int, OutputState] = {}
        changed: set[str] = set()
        for rule in concern.rules:
            if rule.evaluate(out, since):
                if rule.read:
                    changed.add(rule.key)
                for output in rule.outputs:
                    touched[output.index] = output
            if rule.remembers:
                self._after(rule, rule.node, ("node", rule.index))
        if first:
            self._settle_all(out, since)
        for index in sorted(touched) if len(touched) > 1 else touched:
            output = touched[index]
            certain, result = output.resolve()
            if output.latch is None:
                different = output.settle(certain, result, out, since)
            else:
                different = self._settle(output, certain, result, out, since)
            if different and output.read:
                changed.add(output.name)
        return changed

    def _settle_all(self, out: list[Effect], since: int) -> None:
        """Publish every output of rules and plugin, changed or not (start, end of a pause)."""
        for output in self.outputs:
            if output.plan.owner == "rules":
                certain, result = output.resolve()
                self._settle(output, certain, result, out, since)
        for output in self._plugins_outputs():
            self._settle(output, self._is_valid(output), output.result, out, since)

    def _plugins_outputs(self) -> list[OutputState]:
        return [output for output in self.outputs if output.plan.owner == "plugin"]

    def _is_valid(self, output: OutputState) -> bool:
        aged = output.plan.max_age is not None and ("output", output.index) not in self._timers
        return self._plugin_running and output.result is not None and not aged

    def _settle(
        self, output: OutputState, certain: bool, result: Any, out: list[Effect], since: int
    ) -> bool:
        before = len(out)
        different = output.settle(certain, result, out, since)
        if output.latch is not None and len(out) > before and out[before][0] == LATCH:
            self._show_rules(output, out)
        return different

    def _show_rules(self, output: OutputState, out: list[Effect]) -> None:
        for rule, _ in output.writers:
            rule.show(out)

    def _after(self, owner: TransformState | RuleState, node: Node, key: tuple[str, int]) -> None:
        """Follow up a node that remembers: another pass after an edge, timers of for_."""
        if node.pulsed:
            self._pulsed.append(owner)
        due = [when for site in node.sites if (when := site.due) is not None]
        if due:
            self._timers.set(key, min(due))
        else:
            self._timers.cancel(key)

    def _release(self, output: OutputState, out: list[Effect]) -> str:
        """Release a latch, or say why it has to stay."""
        latch = output.latch
        assert latch is not None  # noqa: S101 - the caller has looked
        if not self.enabled:
            return "the task is paused"
        if not output.certain:
            return "its result is not known"
        if output.result == latch.value:
            rule = output.active_rule
            return f"rule {rule} is active" if rule else "its cause persists"
        latch.release(output.result)
        out.append((LATCH, output.index, None, ""))
        output.settle(True, output.result, out, self._moment.wall)
        self._show_rules(output, out)
        return ""

    def _due(
        self,
        key: Any,
        out: list[Effect],
        names: set[str],
        transforms: set[int],
        rules: set[int],
    ) -> None:
        match key:
            case ("age", index):
                if self.inputs[index].too_old(out):
                    names.add(self.inputs[index].name)
            case ("hold", index):
                if self.inputs[index].hold_over(out):
                    names.add(self.inputs[index].name)
            case ("rule" | "node", index):
                rules.add(index)
            case ("transform", index):
                transforms.add(index)
            case ("output", index):
                if self.outputs[index].suspend(out):
                    names.add(self.outputs[index].name)
            case ("grace",):
                self._end_grace(out, names)
            case ("tick",):
                self._timers.set(("tick",), self._moment.mono + TICK)
                transforms |= {t.index for t in self._ticking.transforms}
                rules |= {r.index for r in self._ticking.rules}

    def _end_grace(self, out: list[Effect], names: set[str]) -> None:
        for output in self.outputs:
            if output.grace:
                output.grace = False
                if self.enabled and not output.certain:
                    output.settle(False, None, out, self._moment.wall)

    def _restore(self, out: list[Effect]) -> None:
        for state in self.inputs:
            if state.plan.link is None:
                value = self._restored.setpoints.get(state.name, state.plan.value)
                if value is not None:
                    self._restore_setpoint(state, value, out)
        for output in self.outputs:
            if output.latch is not None and output.plan.persist:
                self._restore_latch(output, out)

    def _restore_setpoint(self, state: InputState, value: Any, out: list[Effect]) -> None:
        try:
            state.put(coerce(state.plan, value), out, post=True)
        except BadValue as error:
            out.append((LOG, WARNING, f"{state.name}: kept value {value!r} not used: {error}"))

    def _restore_latch(self, output: OutputState, out: list[Effect]) -> None:
        latch = output.latch
        kept = self._restored.latches.get(output.name)
        if kept is not None and latch is not None:
            try:
                latch.restore(coerce(output.plan, kept[0]), kept[1])
            except BadValue as error:
                out.append((LOG, WARNING, f"{output.name}: kept latch not used: {error}"))
        elif self._restored.lost and latch is not None and output.plan.type == "bool":
            if latch.direction != "any":
                latch.restore(int(latch.direction == "rise"), "")
                text = f"{output.name} starts latched: the kept state could not be read"
                out.append((LOG, ERROR, text))

    # --- what a change concerns

    def _concern(self, name: str) -> Concern:
        concern = self._concerns.get(name)
        if concern is None:
            hit = graph.concerned(
                name,
                [(t.output.name, t.node.expression.reads) for t in self.transforms],
                [r.node.expression.reads for r in self.rules],
            )
            concern = Concern(
                tuple(self.transforms[i] for i in hit[0]), tuple(self.rules[i] for i in hit[1])
            )
            self._concerns[name] = concern
        return concern

    def _union(self, names: set[str]) -> Concern:
        if len(names) == 1:
            return self._concern(next(iter(names)))
        concerns = [self._concern(name) for name in names]
        return self._those(
            {t.index for c in concerns for t in c.transforms},
            {r.index for c in concerns for r in c.rules},
        )

    def _those(self, transforms: set[int], rules: set[int]) -> Concern:
        """These, and the transforms downstream; in order."""
        if len(transforms) == len(self.transforms) and len(rules) == len(self.rules):
            return self._everything
        return Concern(
            tuple(self.transforms[i] for i in sorted(transforms)),
            tuple(self.rules[i] for i in sorted(rules)),
        )

    def _concern_of(self, wanted: Callable[[Node], bool]) -> Concern:
        """The nodes that a predicate picks, with all that depends on them."""
        names = {t.output.name for t in self.transforms if wanted(t.node)}
        downstream = self._union(names) if names else Concern((), ())
        return self._those(
            {t.index for t in self.transforms if wanted(t.node)}
            | {t.index for t in downstream.transforms},
            {r.index for r in self.rules if wanted(r.node)} | {r.index for r in downstream.rules},
        )

    def latched(self) -> dict[str, tuple[Any, str]]:
        """Latches that are engaged: what the state file has to hold."""
        return {
            output.name: (output.latch.value, output.latch.rule)
            for output in self.outputs
            if output.latch is not None and output.latch.engaged and output.plan.persist
        }

