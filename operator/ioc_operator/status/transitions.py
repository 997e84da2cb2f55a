"""Events: what is worth telling when one status follows another.

Only changes are told, from statuses alone: an operator that starts anew and finds
nothing changed says nothing. Values of PVs, rules and alarms are no Events.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from ioc_operator import conditions as c

SERVED: Final = "Served"
NOT_SERVED: Final = "NotServed"
CONFIG_IN_FORCE: Final = "ConfigInForce"
RESUMED: Final = "Resumed"
INPUT_DISCONNECTED: Final = "InputDisconnected"
INPUTS_BACK: Final = "InputsConnected"
SUSPENDED: Final = "Suspended"
UNSUSPENDED: Final = "Unsuspended"
RUN_STARTED: Final = "RunStarted"
STATUS_REFUSED: Final = "StatusRefused"

EVENTS: Final[Mapping[str, str]] = {
    SERVED: "The PVs are served.",
    NOT_SERVED: "The PVs are not served any more, and nobody asked for that.",
    CONFIG_IN_FORCE: "An edit is in force.",
    c.PAUSED: "An operator has paused the task (ENABLE is 0).",
    RESUMED: "The task runs again after a pause.",
    c.TASK_ERROR: "The task has gone to state ERROR.",
    INPUT_DISCONNECTED: "Inputs were lost; all that are missing are named.",
    INPUTS_BACK: "All inputs are connected again.",
    c.RULES_INVALID: "Rules cannot be judged any more; they are named.",
    c.ALL_VALID: "All rules can be judged again.",
    SUSPENDED: "The task was suspended.",
    UNSUSPENDED: "The suspension is over.",
    RUN_STARTED: "A run of a job has started.",
    c.COMPLETED: "A run has ended well.",
    c.RUN_FAILED: "A run has failed for good.",
    STATUS_REFUSED: "The API server does not take the operator's status of the object, so the "
    "status says nothing new. Two releases that look after one namespace do that to each other.",
}
"""Reasons of Events. Those of Stalled and of `status.history` come as well."""


@dataclass(frozen=True)
class Event:
    """One Event on the custom resource."""

    type: Literal["Normal", "Warning"]
    reason: str
    note: str


def transitions(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> list[Event]:
    """The Events that the change from one status to the next is worth, in a fixed order.

    :param old: as the object had it; None or garbage counts as a first status
    """
    before = old if isinstance(old, Mapping) else {}
    told = [
        *_ends(before, new),
        *_stalled(before, new),
        *_suspended(before, new),
        *_serving(before, new),
        *_state(before, new),
        *_in_force(before, new),
        *_inputs(before, new),
        *_rules(before, new),
        *_run(before, new),
    ]
    return list(dict.fromkeys(told))


def _ends(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Event]:
    known = old.get("history")
    seen = [e for e in known if isinstance(e, dict)] if isinstance(known, list) else []
    times = {(e.get("time"), e.get("exitCode")) for e in seen}
    for end in new.get("history", ()):
        if (end["time"], end.get("exitCode")) not in times:
            kind: Literal["Normal", "Warning"] = "Warning" if end.get("exitCode") else "Normal"
            if "exitCode" not in end:
                kind = "Warning"
            yield Event(kind, end["reason"], end["message"] or end["reason"])


def _stalled(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Event]:
    now, then = _condition(new, c.STALLED), _condition(old, c.STALLED)
    over = _condition(new, c.FAILED) is not None
    if now and not over and (not then or then.get("reason") != now["reason"]):
        yield Event("Warning", now["reason"], now["message"])


def _suspended(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Event]:
    now, then = (_condition(status, c.SUSPENDED) is not None for status in (new, old))
    if now and not then:
        yield Event("Normal", SUSPENDED, "suspended by spec.suspend")
    if then and not now:
        yield Event("Normal", UNSUSPENDED, "spec.suspend is false again")


def _serving(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Event]:
    was, now = _truth(old, c.SERVING), _truth(new, c.SERVING)
    if now == "True" and was != "True":
        yield Event("Normal", SERVED, _where(new))
    reason = (_condition(new, c.SERVING) or {}).get("reason")
    asked = _condition(new, c.SUSPENDED) or _condition(new, c.RECONCILING)
    if was == "True" and now in ("False", "Unknown") and not asked:
        ready = _condition(new, c.READY) or {}
        yield Event("Warning", NOT_SERVED, str(ready.get("message") or reason))


def _where(status: Mapping[str, Any]) -> str:
    pod, claim = status.get("pod") or {}, status.get("claim") or {}
    names = f"{claim['prefix']}* is" if claim.get("prefix") else "the PVs are"
    node = f" on node {pod['node']}" if pod.get("node") else ""
    return f"{names} served by pod {pod.get('name', '?')}{node}"


def _state(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Event]:
    was, now = _summary(old, "state"), _summary(new, "state")
    if now == "PAUSED" and was != "PAUSED":
        yield Event("Normal", c.PAUSED, "paused by ENABLE")
    if now == "RUN" and was == "PAUSED":
        yield Event("Normal", RESUMED, "ENABLE is 1 again")
    if now == "ERROR" and was != "ERROR":
        ready = _condition(new, c.READY) or {}
        yield Event("Warning", c.TASK_ERROR, str(ready.get("message") or "state ERROR"))


def _in_force(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Event]:
    """An edit that was taken over without a new pod; a new pod is told as `Served`."""
    if _truth(new, c.READY) != "True" or _truth(old, c.SERVING) != "True":
        return
    if not _same_pod(old, new) or _condition(new, c.COMPLETE):
        return
    then = _condition(old, c.READY) or {}
    edited = old.get("observedGeneration") != new["observedGeneration"]
    reasons = (c.CONFIG_PENDING, c.PLAN_REFUSED, c.INVALID_SPEC, c.TESTS_FAILED)
    awaited = then.get("reason") in reasons
    if edited or awaited:
        number = new["observedGeneration"]
        yield Event("Normal", CONFIG_IN_FORCE, f"generation {number} is in force")


def _same_pod(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    then, now = old.get("pod"), new.get("pod")
    if not isinstance(then, Mapping) or not isinstance(now, Mapping):
        return False
    return then.get("uid") == now.get("uid")


def _inputs(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Event]:
    was, now = _condition(old, c.INPUTS_CONNECTED), _condition(new, c.INPUTS_CONNECTED)
    if now is None or now["status"] == "Unknown":
        return
    if now["status"] == "True":
        if was and was.get("status") == "False":
            yield Event("Normal", INPUTS_BACK, "all inputs are connected")
    elif not was or was.get("status") != "False" or _lost_more(old, new):
        yield Event("Warning", INPUT_DISCONNECTED, now["message"])


def _lost_more(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    then, now = (_connected(_summary(status, "inputs")) for status in (old, new))
    return then is not None and now is not None and now < then


def _connected(text: str) -> int | None:
    """The first number of `11/12`."""
    head, slash, _ = text.partition("/")
    return int(head) if slash and head.isascii() and head.isdigit() and len(head) < 10 else None


def _rules(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Event]:
    was, now = _truth(old, c.RULES_VALID), _condition(new, c.RULES_VALID)
    if now and now["status"] == "False" and was != "False":
        yield Event("Warning", c.RULES_INVALID, now["message"])
    if now and now["status"] == "True" and was == "False":
        yield Event("Normal", c.ALL_VALID, "all rules can be judged again")


def _run(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Event]:
    run = new.get("run")
    if run is None:
        return
    known = old.get("run")
    then = known.get("number") if isinstance(known, Mapping) else None
    name = f"run {run['number']}"
    if run["number"] != then:
        yield Event("Normal", RUN_STARTED, f"{name} has started")
    done, failed = _condition(new, c.COMPLETE), _condition(new, c.FAILED)
    fresh = run["number"] != then
    if done and (fresh or not _condition(old, c.COMPLETE)):
        yield Event("Normal", c.COMPLETED, f"{name} has ended well")
    if failed and (fresh or not _condition(old, c.FAILED)):
        yield Event("Warning", c.RUN_FAILED, f"{name}: {failed['message']}")


def _condition(status: Mapping[str, Any], kind: str) -> c.Condition | None:
    return c.find(c.conditions_of(status), kind)


def _truth(status: Mapping[str, Any], kind: str) -> str:
    found = _condition(status, kind)
    return str(found.get("status")) if found else ""


def _summary(status: Mapping[str, Any], key: str) -> str:
    found = status.get("summary")
    value = found.get(key) if isinstance(found, Mapping) else None
    return value if isinstance(value, str) else ""
