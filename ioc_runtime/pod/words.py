"""What a task says of itself in `status.runtime` (docs/operator.md): never PV values.

Read without the task's lock: each field is one look at one attribute, a picture that is
a moment old is as good, and evaluation never waits for a report.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from ioc_runtime.engine.effects import RuleState

if TYPE_CHECKING:
    from ioc_runtime.task.task import Task

MOST_NAMES: Final = 20
LONGEST_TEXT: Final = 256

Words = dict[str, Any]


def words(task: Task, pod_uid: str, generation: int | None) -> Words:
    """Everything but the time."""
    said: Words = {
        "podUID": pod_uid,
        "configHash": task.config_hash,
        "state": task.status,
        "plugin": {"state": task.plugin_state},
        "source": task.options.fetched.source if task.options.fetched is not None else {},
    }
    if generation is not None:
        said["observedGeneration"] = generation
    said["inputs"] = _links(
        (state.name, task.links.inputs[state.index])
        for state in task.engine.inputs
        if state.plan.link is not None
    )
    said["outputs"] = _links(
        (state.name, task.links.outputs[state.index])
        for state in task.engine.outputs
        if state.plan.link is not None
    )
    if task.plan.rules:
        said["rules"] = _rules(task)
    latched = {
        output.name: 1
        for output in task.engine.outputs
        if output.latch is not None and output.latch.engaged
    }
    if latched:
        said["latches"] = dict(list(latched.items())[:MOST_NAMES])
    if task.last_error is not None:
        reason, text, when = task.last_error
        said["lastError"] = {"reason": reason, "text": cut(text), "time": moment(when)}
    if task.refused is not None:
        refused = task.refused
        said["refused"] = {
            "configHash": refused.config_hash,
            "reason": refused.reason,
            "text": cut(str(refused)),
        }
    if task.reset_seen:
        said["resetAt"] = task.reset_seen
    if task.job is not None:
        said["job"] = task.job.snapshot()
    return said


def cut(text: str) -> str:
    """At most `LONGEST_TEXT` characters."""
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"


def moment(when: float) -> str:
    """A time of `time.time()` as the API server has it."""
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _links(found: Iterable[tuple[str, bool]]) -> Words:
    connections = list(found)
    missing = [name for name, up in connections if not up]
    return {
        "connected": len(connections) - len(missing),
        "total": len(connections),
        "disconnected": missing[:MOST_NAMES],
    }


def _rules(task: Task) -> Words:
    said: dict[str, list[str]] = {"active": [], "invalid": []}
    for rule in task.engine.rules:
        if rule.shown == RuleState.ACTIVE:
            said["active"].append(rule.id)
        elif rule.shown == RuleState.INVALID:
            said["invalid"].append(rule.id)
    return {name: ids[:MOST_NAMES] for name, ids in said.items()}
