"""A running engine goes on with another plan of the same shape.

`Prepared` is a whole new set of parts, built beside the running ones. `adopt` lets it
go on where those have got to: values, ages, buffers, latches, timers, and what
expressions that have not changed remember. Until then nothing of the running parts is
touched, so a plan that cannot be built leaves them as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any

from ioc_runtime.engine.build import Known, Model, build
from ioc_runtime.engine.concern import Concerns
from ioc_runtime.engine.effects import Effect
from ioc_runtime.engine.inputs import InputState
from ioc_runtime.engine.passes import Passes
from ioc_runtime.engine.setpoint import admit
from ioc_runtime.plan import Plan


class Prepared:
    """The parts of an engine for one plan, ready to be used."""

    def __init__(
        self,
        plan: Plan,
        functions: Mapping[str, Callable[..., Any]] | None = None,
        known: Known | None = None,
    ) -> None:
        """`functions` are a plugin's; a reload takes those that are there.

        :raises ValueError: the plan was not checked after all.
        """
        self.plan = plan
        self.model: Model = build(plan, dict(functions or {}), known)
        self.concerns = Concerns(self.model.transforms, self.model.rules)
        self.ticking = self.concerns.of_nodes(lambda node: node.expression.ticks)
        """What changes by the mere passing of time."""
        self.passes = Passes(self.model, self.concerns)


def adopt(new: Prepared, old: Model, count: int, out: list[Effect]) -> None:
    """Let new parts go on where the old ones are; `count` passes were made so far."""
    model = new.model
    moment, before = model.moment, old.moment
    moment.mono, moment.wall, moment.errors = before.mono, before.wall, before.errors
    new.passes.count = count
    for key, value in old.values.items():
        if key.endswith("()"):  # functions of the plugin
            model.values.setdefault(key, value)
    model.timers.adopt(old.timers, dict(_timers(model, old)))
    for state, other in zip(model.inputs, old.inputs, strict=True):
        state.adopt(other, out)
    for output, was in zip(model.outputs, old.outputs, strict=True):
        output.adopt(was, out)
        _output_age(model, output.index, was.plan.max_age, output.plan.max_age, output.known)
    rules = {rule.id: rule for rule in old.rules}
    for rule in model.rules:
        rule.adopt(rules[rule.id])
    transforms = {transform.output.name: transform for transform in old.transforms}
    for transform in model.transforms:
        known = transforms[transform.output.name].node
        if known.expression.source == transform.node.expression.source:
            transform.node.adopt(known)


def _timers(new: Model, old: Model) -> Iterator[tuple[Hashable, Hashable]]:
    """Keys of the old timers that go on, and what they are now."""
    for state in new.inputs:
        yield ("age", state.index), ("age", state.index)
        yield ("hold", state.index), ("hold", state.index)
    for output in new.outputs:
        yield ("output", output.index), ("output", output.index)
    rules = {rule.id: rule for rule in old.rules}
    for rule in new.rules:
        before = rules[rule.id]
        if rule.same_time(before):
            yield ("rule", before.index), ("rule", rule.index)
        if rule.plan.condition == before.plan.condition:
            yield ("node", before.index), ("node", rule.index)
    places = {transform.output.name: transform for transform in old.transforms}
    for transform in new.transforms:
        was = places[transform.output.name]
        if was.node.expression.source == transform.node.expression.source:
            yield ("transform", was.index), ("transform", transform.index)
    yield ("grace",), ("grace",)
    yield ("tick",), ("tick",)


def _output_age(
    model: Model, index: int, before: float | None, after: float | None, known: bool
) -> None:
    """A plugin's output ages from its last write; from now, where nobody has counted."""
    key = ("output", index)
    ends = model.timers.when(key)
    if before == after:
        return
    if after is None:
        model.timers.cancel(key)
    elif ends is not None and before is not None:
        model.timers.set(key, ends - before + after)
    elif before is None and known:
        model.timers.set(key, model.moment.mono + after)


def edited_set_points(new: Prepared, before: Plan) -> list[tuple[InputState, Any]]:
    """Set-points that take another value: it was edited, or a limit now excludes theirs.

    :raises BadValue: the plan was not checked after all.
    """
    found = []
    for state, old in zip(new.model.inputs, before.inputs, strict=True):
        plan = state.plan
        if plan.link is not None:
            continue
        edited = plan.value is not None and plan.value != old.value
        value = plan.value if edited else state.value
        if value is not None and (admitted := admit(plan, value)) != state.value:
            found.append((state, admitted))
    return found


def dismantle(old: Model) -> None:
    """Undo the circles in which parts hold each other, so that memory is free at once.

    The garbage collector would not do it: what was there at the start is frozen.
    """
    old.values.clear()
    for output in old.outputs:
        output.writers.clear()
        output.sources = ()
    for rule in old.rules:
        rule.outputs = rule.sources = ()
