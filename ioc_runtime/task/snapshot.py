"""A picture of a task at one moment, for whoever watches it on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ioc_runtime.engine.effects import RuleState
from ioc_runtime.engine.values import show

if TYPE_CHECKING:
    from ioc_runtime.task.task import Task


def snapshot(task: Task, now: float) -> dict[str, Any]:
    """Everything the live table shows. Called with the task's lock held."""
    engine, counters = task.engine, task.counters
    rules: dict[str, list[str]] = {"active": [], "pending": [], "invalid": []}
    for rule in engine.rules:
        name = RuleState(max(rule.shown, 0)).name.lower()
        if name in rules:
            rules[name].append(rule.id)
    reaction = counters.reaction()
    own = {} if task.job is None else {"job": task.job.shown()}
    if task.cycles is not None:
        own["cycle"] = task.cycles.shown()
    return own | {
        "state": task.status if task.job is None else task.job.state,
        "message": task.panel.text,
        "inputs": [_input(state) for state in engine.inputs],
        "outputs": _outputs(task),
        "rules": rules,
        "evaluations": counters.evaluations,
        "reaction": [round(x, 1) for x in reaction] if reaction else None,
        "heartbeat": counters.heartbeat,
        "errors": engine.errors,
        "uptime": task.uptime,
        "plugin": task.plugin.at_work,
    }


def _input(state: Any) -> dict[str, Any]:
    severity = state.severity if state.known else 3
    return {
        "name": state.name,
        "value": show(state.plan, state.value),
        "unit": state.plan.unit,
        "severity": max(severity, 1) if state.held else severity,
        "connected": state.connected,
        "link": str(state.plan.link) if state.plan.link else "",
    }


def _outputs(task: Task) -> list[dict[str, Any]]:
    return [
        {
            "name": output.name,
            "value": show(output.plan, output.value),
            "unit": output.plan.unit,
            "severity": output.posted_severity if output.posted_severity >= 0 else 3,
            "latched": output.latch is not None and output.latch.engaged,
            "link": str(output.plan.link) if output.plan.link else "",
            "connected": output.plan.link is None or task.links.outputs[output.index],
        }
        for output in task.engine.outputs
    ]
