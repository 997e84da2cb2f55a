"""What an engine does within an event; the events themselves are in `engine`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Protocol

from ioc_runtime.engine.concern import NOTHING
from ioc_runtime.engine.effects import CHANGED, KEEP, Effect
from ioc_runtime.engine.inputs import InputState
from ioc_runtime.engine.outputs import UNSURE, OutputState
from ioc_runtime.engine.reload import Prepared
from ioc_runtime.engine.restore import Restored
from ioc_runtime.engine.rules import RuleState
from ioc_runtime.engine.transforms import TransformState

TICK: Final = 0.1
"""Seconds between evaluations of what changes by the passing of time (age, rate)."""

START_GRACE: Final = 5.0
"""Seconds after the start in which `onInvalid: drive` does not drive yet."""
GRACE: Final = ("grace",)
"""The timer of its end."""


class EnginePaused(RuntimeError):
    """A plugin's write while ENABLE is 0, or after its end."""


class Clock(Protocol):
    """What the engine knows of time."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    def time_ns(self) -> int:
        """Nanoseconds since 1970, as far as this machine knows."""


class Evaluation:
    """The parts of an engine, and the steps that its events are made of."""

    def __init__(self, prepared: Prepared, clock: Clock, restored: Restored) -> None:
        self.clock = clock
        """Read once per event."""
        self.restored = restored
        self.enabled = True
        self.started = False
        self.sequence = 0
        """Events so far: the order in which everything happened."""
        self._tells_plugin = prepared.plan.plugin is not None
        self._plugin_ended = False
        self._grace_ends = 0.0
        self._use(prepared)

    def _use(self, prepared: Prepared) -> None:
        self.plan, self.model = prepared.plan, prepared.model
        model = self.model
        self.inputs, self.outputs = model.inputs, model.outputs
        self.transforms, self.rules = model.transforms, model.rules
        self._timers, self._moment = model.timers, model.moment
        self._concerns, self._passes = prepared.concerns, prepared.passes
        self._ticking = prepared.ticking

    def _event(self) -> list[Effect]:
        self.sequence += 1
        moment, clock = self._moment, self.clock
        moment.mono = clock.monotonic()
        moment.wall = clock.time_ns()
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

    def _set_point(self, state: InputState, value: Any, out: list[Effect], *, post: bool) -> None:
        if self._give(state, value, out, post=post):
            self._changed(state.name, out)

    def _give(self, state: InputState, value: Any, out: list[Effect], *, post: bool) -> bool:
        """Let a set-point hold a value; True when expressions could see a difference."""
        before = state.value
        if not state.put(value, out, post=post):
            return False
        if state.plan.persist:
            out.append((KEEP, state.index, value))
        if self._tells_plugin:
            out.append((CHANGED, state.index, value, before))
        return True

    def _set_timers(self) -> None:
        """Timers of the engine's own, where they are needed."""
        now = self._moment.mono
        if now < self._grace_ends and any(output.grace for output in self.outputs):
            self._timers.set(GRACE, self._grace_ends)
        if self._ticking is NOTHING:
            self._timers.cancel(("tick",))
        elif ("tick",) not in self._timers:
            self._timers.set(("tick",), now + TICK)

    def _writable(self) -> None:
        if self._plugin_ended:
            raise EnginePaused("the plugin has ended")
        if not self.enabled:
            raise EnginePaused("the task is paused (ENABLE is 0)")

    def _changed(self, name: str, out: list[Effect]) -> None:
        if self.enabled and self.started:
            concern = self._concerns.of(name)
            if concern is not NOTHING:
                self._passes.run(concern, out)

    def _changed_many(self, names: set[str], out: list[Effect]) -> None:
        if names and self.enabled and self.started:
            self._passes.run_on(names, out, 0)

    def _everything(self, out: list[Effect], since: int) -> None:
        """Publish and evaluate everything, the plugin's outputs first."""
        for output in self._plugins_outputs():
            output.take(output.result, out, since)
        self._passes.first(out, since)

    def _plugins_outputs(self) -> list[OutputState]:
        return [output for output in self.outputs if output.plan.owner == "plugin"]

    def _plugins_defaults(self) -> list[OutputState]:
        """Outputs of the rules for which the plugin gives the value otherwise."""
        return [output for output in self.outputs if output.plan.otherwise == "plugin"]

    def _expire(self, output: OutputState, out: list[Effect]) -> bool:
        """The plugin's value counts no more."""
        if self.enabled:
            return output.take(None, out, self._moment.wall)
        if output.plan.otherwise is None:
            output.result = None
        elif output.given is not None:
            output.given = UNSURE
        return False

    def _pause(self, out: list[Effect]) -> None:
        for rule in self.rules:
            rule.pause(out)
        for transform in self.transforms:
            transform.node.forget()
        for output in self.outputs:
            output.suspend(out)

    def _resume(self, out: list[Effect]) -> None:
        for rule in self.rules:
            rule.paused = False
        self._afresh(out)

    def _afresh(self, out: list[Effect]) -> None:
        """Evaluate everything; a safeValue is driven only by what comes out in the end."""
        driving = [o for o in self.outputs if o.plan.on_invalid == "drive" and not o.grace]
        for output in driving:
            output.grace = True
        self._everything(out, self._moment.wall)
        for rule in self.rules:
            rule.show(out)
        for output in driving:
            output.grace = False
        self._drive(driving, out)

    def _end_grace(self) -> list[OutputState]:
        """From now on these outputs are driven to their safeValue when they are not certain."""
        over = [output for output in self.outputs if output.grace]
        for output in over:
            output.grace = False
        return over

    def _drive(self, outputs: Iterable[OutputState], out: list[Effect]) -> None:
        """Those of them that are not certain after all that happened at this moment."""
        for output in outputs:
            if self.enabled and not output.certain:
                output.settle(False, None, out, self._moment.wall)

    def _due(
        self,
        key: Any,
        out: list[Effect],
        names: set[str],
        transforms: list[TransformState],
        rules: list[RuleState],
    ) -> None:
        match key:
            case ("age", index):
                if self.inputs[index].too_old(out):
                    names.add(self.inputs[index].name)
            case ("hold", index):
                if self.inputs[index].hold_over(out):
                    names.add(self.inputs[index].name)
            case ("rule" | "node", index):
                rules.append(self.rules[index])
            case ("transform", index):
                transforms.append(self.transforms[index])
            case ("output", index):
                if self._expire(self.outputs[index], out):
                    names.add(self.outputs[index].name)
            case ("tick",):
                self._timers.set(("tick",), self._moment.mono + TICK)
                transforms += self._ticking.transforms
                rules += self._ticking.rules
