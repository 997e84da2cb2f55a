"""The engine: one task's logic, from events to effects.

An event (a sample, a command, a due timer) makes one *pass* (`passes`): transforms in
the order of their dependencies, rules in file order, then the outputs that rules
drive. Only what depends on what changed is evaluated; the result is always what a
full pass would give. What rules drive is seen by other expressions one pass later, and
a change of it makes that pass follow at once, within the same event.

What changes by the mere passing of time (`.age`, `rate`) is evaluated 10 times a second.

Not thread-safe: whoever calls holds the task's lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ioc_runtime.engine.build import Known
from ioc_runtime.engine.concern import NOTHING
from ioc_runtime.engine.effects import MESSAGE, REFUSE, Effect
from ioc_runtime.engine.evaluation import (
    GRACE,
    START_GRACE,
    Clock,
    EnginePaused,
    Evaluation,
)
from ioc_runtime.engine.reload import Prepared, adopt, dismantle, edited_set_points
from ioc_runtime.engine.restore import Restored, engaged, restore
from ioc_runtime.engine.rules import RuleState
from ioc_runtime.engine.setpoint import admit
from ioc_runtime.engine.transforms import TransformState
from ioc_runtime.engine.values import BadValue, coerce, expectation
from ioc_runtime.plan import Plan

__all__ = ["Clock", "Engine", "EnginePaused", "Restored"]


class Engine(Evaluation):
    """Evaluates one plan. Each event method returns its effects, in order."""

    def __init__(
        self,
        plan: Plan,
        clock: Clock,
        functions: Mapping[str, Callable[..., Any]] | None = None,
        restored: Restored | None = None,
    ) -> None:
        super().__init__(Prepared(plan, functions), clock, restored or Restored())

    # --- events

    def start(self) -> list[Effect]:
        """First evaluation: restores latches and set-points, then evaluates everything."""
        out = self._event()
        self.started = True
        restore(self.restored, self.inputs, self.outputs, out)
        self._grace_ends = self._moment.mono + START_GRACE
        self._set_timers()
        if self.enabled:
            self._everything(out, since=0)
        return out

    def sample(self, index: int, value: Any, severity: int, status: int, ns: int) -> list[Effect]:
        """Input `index` got a sample; `value` has been coerced, or is None if it did not fit."""
        # `_event`, `_take` and `_changed`, written out: steps are what a reaction costs
        self.sequence += 1
        moment, clock, state = self._moment, self.clock, self.inputs[index]
        moment.mono, moment.wall = clock.monotonic(), clock.time_ns()
        out: list[Effect] = []
        if self._tells_plugin:
            different = self._take(state, value, severity, status, ns, out)
        else:
            different = state.sample(value, severity, status, ns, out)
        if different and self.enabled and self.started:
            concern = self._concerns.of(state.name)
            if concern is not NOTHING:
                self._passes.run(concern, out)
        return out

    def samples(self, batch: Iterable[tuple[int, Any, int, int, int]]) -> list[Effect]:
        """Many samples at once, in one pass."""
        out = self._event()
        names = {
            self.inputs[index].name
            for index, value, severity, status, ns in batch
            if self._take(self.inputs[index], value, severity, status, ns, out)
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
        """A client wrote set-point `index`: its record holds `value` already."""
        out = self._event()
        state = self.inputs[index]
        try:
            held = coerce(state.plan, value)
            admitted = admit(state.plan, value)
        except BadValue:
            out.append((REFUSE, index, state.value))
            text = f"{state.name}: refused {str(value)[:60]}, expected {expectation(state.plan)}"
            out.append((MESSAGE, text, 1))
            return out
        self._set_point(state, admitted, out, post=bool(held != admitted))
        return out

    def write_setpoint(self, index: int, value: Any) -> list[Effect]:
        """The plugin wrote set-point `index`, as an operator would.

        :raises BadValue: when the value does not fit
        :raises EnginePaused: while the task is paused
        """
        out = self._event()
        self._writable()
        state = self.inputs[index]
        self._set_point(state, admit(state.plan, value), out, post=True)
        return out

    def write(self, index: int, value: Any, ns: int = 0) -> list[Effect]:
        """The plugin wrote output `index`, which it owns.

        :param ns: its timestamp; 0 for now
        :raises BadValue: when the value does not fit
        :raises EnginePaused: while the task is paused, or after the plugin's end
        """
        out = self._event()
        self._writable()
        output = self.outputs[index]
        value = coerce(output.plan, value)
        if output.plan.max_age is not None:
            self._timers.set(("output", index), self._moment.mono + output.plan.max_age)
        if output.take(value, out, ns or self._moment.wall):
            self._changed(output.name, out)
        if output.plan.repeat:
            output.tell_again(out)
        return out

    def link_up(self, index: int) -> list[Effect]:
        """The link of output `index` connected."""
        out = self._event()
        self.outputs[index].link_up(out, may_write=self.enabled and self.started)
        return out

    def clear(self) -> list[Effect]:
        """Release the latches whose cause is gone; say which stay, and why."""
        out = self._event()
        names, released, kept = set[str](), [], []
        for output in self.outputs:
            if output.latch is None or not output.latch.engaged:
                continue
            why = output.release(out) if self.enabled else "the task is paused"
            names.add(output.name)
            if why:
                kept.append(f"{output.name} stays latched: {why}")
            else:
                released.append(output.name)
        if kept:
            out.append((MESSAGE, "; ".join(kept), 1))
        elif released:
            out.append((MESSAGE, f"cleared {', '.join(released)}", 0))
        self._changed_many(names, out)
        return out

    def reset(self) -> list[Effect]:
        """CLEAR, and the counters back to zero."""
        out = self.clear()
        self._moment.errors = self._passes.count = 0
        return out

    def enable(self, on: bool) -> list[Effect]:
        """ENABLE: 0 stops evaluation, 1 goes on with a full pass."""
        out = self._event()
        if on == self.enabled:
            return out
        self.enabled = on
        if on and self.started:
            self._resume(out)
        elif on:
            for rule in self.rules:
                rule.paused = False
        else:
            self._pause(out)
        return out

    def wake(self) -> list[Effect]:
        """Timers are due (`next_wake`)."""
        out = self._event()
        names = set[str]()
        transforms: list[TransformState] = []
        rules: list[RuleState] = []
        due = self._timers.due(self._moment.mono)
        over = self._end_grace() if GRACE in due else ()
        for key in due:
            self._due(key, out, names, transforms, rules)
        if self.enabled and self.started and (names or transforms or rules):
            concern = self._concerns.of_all(names, transforms, rules)
            self._passes.run(concern, out, self._moment.wall)
        self._drive(over, out)  # last: by what comes out in the end
        return out

    def full_pass(self) -> list[Effect]:
        """Evaluate everything (the periodic grid)."""
        out = self._event()
        if self.enabled and self.started:
            self._passes.run(self._concerns.everything, out)
            for output in self.outputs:
                if output.plan.repeat and output.plan.owner != "plugin":
                    output.tell_again(out)
        return out

    def prepare(self, plan: Plan) -> Prepared:
        """Build what `reload` takes over. Costs time, touches nothing: from any thread.

        :raises ValueError: an expression or a set-point's value is not right
        """
        return Prepared(plan, known=Known(self.plan, self.model, plan))

    def reload(self, new: Prepared | Plan) -> list[Effect]:
        """Go on with another plan of the same shape (`ioc_runtime.shape`).

        What is unchanged keeps what it remembers. If this raises, nothing has changed.

        :raises ValueError: a plan that has not been prepared cannot be
        """
        out = self._event()
        prepared = new if isinstance(new, Prepared) else self.prepare(new)
        before = self.model
        adopt(prepared, before, self._passes.count, out)
        changes = edited_set_points(prepared, self.plan)
        self._use(prepared)
        if self.started:
            grace = self._moment.mono < self._grace_ends
            for output in self.outputs:
                output.grace = output.plan.on_invalid == "drive" and grace
            self._set_timers()
            for state, value in changes:
                self._give(state, value, out, post=True)
            if self.enabled:
                self._afresh(out)
                for output, old in zip(self.outputs, before.outputs, strict=True):
                    if output.plan.on_invalid != old.plan.on_invalid:
                        output.insist(out)
        dismantle(before)
        return out

    def plugin_ended(self) -> list[Effect]:
        """The plugin will write no more: what it owns is not known from now on."""
        out = self._event()
        self._plugin_ended = True
        ended = [*self._plugins_outputs(), *self._plugins_defaults()]
        self._changed_many({o.name for o in ended if self._expire(o, out)}, out)
        return out

    def plugin_began(self) -> list[Effect]:
        """Another one has taken the place of a plugin that ended: it may write."""
        out = self._event()
        self._plugin_ended = False
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

    @property
    def passes(self) -> int:
        """Passes, since the start or RESET."""
        return self._passes.count

    def latched(self) -> dict[str, tuple[Any, str]]:
        """Latches that are engaged: what the state file has to hold."""
        return engaged(self.outputs)
