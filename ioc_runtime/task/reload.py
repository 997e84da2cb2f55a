"""A running task goes on with another plan of the same shape.

Everything that takes time is done first, beside the running task: the new engine's
parts are built, the changes of records found. Then one pass under the task's lock
exchanges the parts, changes the records and evaluates everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ioc_runtime.engine.effects import INVALID, Status
from ioc_runtime.plan import Plan
from ioc_runtime.shape import difference, plan_shape

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ioc_runtime.epics.served import Served
    from ioc_runtime.task.task import Task


class Refusal(Exception):
    """A plan that is not taken over; the text is for a person.

    :ivar config_hash: of that plan, "" where it cannot be read
    :ivar reason: ShapeDiffers, BadPlan or RuntimeTooOld
    """

    def __init__(self, config_hash: str, reason: str, text: str) -> None:
        super().__init__(text)
        self.config_hash, self.reason, self.text = config_hash, reason, text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Refusal) and self._all == other._all

    __hash__ = None  # type: ignore[assignment]

    @property
    def _all(self) -> tuple[str, str, str]:
        return (self.config_hash, self.reason, self.text)


def reload(task: Task, plan: Plan, served: Served) -> float:
    """Take over another plan; what has not changed keeps what it remembers.

    Returns the seconds in which nothing else was evaluated.

    :raises Refusal: it cannot be taken over, and nothing has changed.
    """
    if plan_shape(plan) != task.shape:
        what = f"a new process is needed: {difference(task.plan, plan)}"
        raise Refusal(plan.config_hash, "ShapeDiffers", what)
    try:
        prepared = task.engine.prepare(plan)
        edits = served.edits(plan)
        places = {rule.id: index for index, rule in enumerate(task.plan.rules)}
        order = [places[rule.id] for rule in plan.rules]

        def swapped() -> None:
            task.plan = plan
            _reorder(task, order)
            _judge_again(task, served.edit(edits))
            task.keep()  # the manifest's values of set-points stand in the state, too

        held = task.events.reload(prepared, swapped)
    except ValueError as error:
        raise Refusal(plan.config_hash, "BadPlan", str(error)) from None
    task.links.reload(plan)
    return held


def _reorder(task: Task, order: list[int]) -> None:
    """Let each rule write the record that is its own, wherever the rule now stands."""
    if order == sorted(order):
        return
    task.rule_writers[:] = [task.rule_writers[index] for index in order]
    if task.events.joint is not None:
        together, writers, rules = task.events.joint
        task.events.joint = (together, writers, [rules[index] for index in order])


def _judge_again(task: Task, slots: Iterable[int]) -> None:
    """Post values once more whose records have other limits or severities now."""
    engine = task.engine
    first = len(engine.inputs)
    for slot in slots:
        if slot < first:
            state = engine.inputs[slot]
            shown = (state.value if state.known else None, state.severity, state.status, state.ns)
        else:
            output = engine.outputs[slot - first]
            if output.posted_severity < 0:
                continue  # to be published by this reload
            status = Status.CALC if output.posted_severity == INVALID else Status.NO_ALARM
            shown = (output.value, output.posted_severity, status, output.ns)
        task.writers[slot](*shown)
