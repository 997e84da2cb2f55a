"""The cycle of mode triggered: what goes together, and the plan of it."""

from __future__ import annotations

from ioc_runtime.compile.collector import Collector
from ioc_runtime.plan import Trigger
from ioc_runtime.spec.problem import NOTHING, Path
from ioc_runtime.spec.task import TaskSpec


def waiting(spec: TaskSpec) -> int:
    """How many triggers may wait while a cycle runs."""
    return spec.trigger.queue_length if spec.trigger.while_busy == "queue" else 0


def compile_trigger(spec: TaskSpec, collector: Collector) -> Trigger:
    """The plan of a task's cycle; a default one in the other modes."""
    path: Path = ("spec", "trigger")
    given = spec.trigger
    if spec.mode != "triggered":
        if "trigger" in spec.model_fields_set:
            collector.warn(path, NOTHING, f"mode triggered with it, not {spec.mode}")
        return Trigger()
    if spec.plugin is None:
        expected = "a plugin with triggered(): in mode triggered there is nothing else to run"
        collector.wrong(("spec", "plugin"), NOTHING, expected)
    if given.kill_after is not None and given.stall_limit is None:
        expected = "`stallLimit` with it: the time counts from there"
        collector.wrong((*path, "killAfter"), given.kill_after, expected)
    return Trigger(
        waiting=waiting(spec),
        period=given.period,
        stall_limit=given.stall_limit,
        kill_after=given.kill_after,
    )
