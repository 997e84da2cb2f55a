"""The status of an IocTask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ioc_operator import conditions as c
from ioc_operator.status import verdict as judging
from ioc_operator.status.history import history
from ioc_operator.status.pod import Pod
from ioc_operator.status.report import Links, Report, read_report
from ioc_operator.status.verdict import Verdict
from ioc_operator.status.view import Facts, View

Status = dict[str, Any]

UNKNOWN: Final = "Unknown"
UNREPORTED: Final = "Unreported"
LONGEST_REQUEST: Final = 256


def task_status(view: View, previous: Mapping[str, Any] | None = None) -> Status:
    """The whole status that the operator writes; `status.runtime` is not its to write.

    :param previous: the status as it stands in the object: times of transition, the
        history and the last handled request are taken over from it
    """
    before = previous if isinstance(previous, Mapping) else {}
    said = read_report(view.runtime)
    verdict = judging.judge(view, said)
    listed = [*of_verdict(view, verdict), *aspects(view, said, before)]
    conditions = with_times(listed, view, before)
    status: Status = {
        "observedGeneration": view.generation,
        "phase": phase(view, verdict, conditions),
        "conditions": conditions,
        "summary": summary(view, said, before),
    }
    pods = [view.pod] if view.pod else []
    return status | optional(view, pods, before)


def optional(view: View, pods: list[Pod], before: Mapping[str, Any]) -> Status:
    """The parts that are left out while there is nothing to say; the last pod is the one."""
    parts = {
        "claim": {"prefix": view.claim} if view.claim else None,
        "pod": pod_fields(pods[-1] if pods else None),
        "history": history(pods, before.get("history")),
        "lastHandledReconcileAt": handled(view, before),
    }
    return {key: value for key, value in parts.items() if value}


Listed = tuple[str, c.Truth, str, str]
"""A condition before it has its time: type, status, reason, message."""


def with_times(listed: list[Listed], view: View, before: Mapping[str, Any]) -> list[c.Condition]:
    """The conditions, each with the time of its last transition."""
    known = c.conditions_of(before)
    conditions: list[c.Condition] = []
    for kind, status, reason, message in listed:
        c.set_condition(
            *(conditions, kind, status, reason, message),
            generation=view.generation,
            now=view.now,
            previous=known,
        )
    return conditions


def of_verdict(view: View, verdict: Verdict) -> list[Listed]:
    """Ready, and what goes with it."""
    reason, message = verdict.reason, verdict.message
    listed: list[Listed] = [(c.READY, verdict.status, reason, message)]
    if verdict.kind == "coming":
        listed.append((c.RECONCILING, "True", reason, message))
    if verdict.kind == "stalled":
        listed.append((c.STALLED, "True", reason, message))
    if judging.suspended(view):
        listed.append((c.SUSPENDED, "True", c.SUSPENDED_BY_SPEC, "spec.suspend is true"))
    return listed


def aspects(view: View, said: Report, before: Mapping[str, Any]) -> list[Listed]:
    """Serving, and what the runtime says of its parts."""
    listed = [serving(view)]
    if not view.report:
        return listed
    live = said if judging.is_live(view, said) else None
    facts = view.facts
    shown = {str(one["type"]) for one in c.conditions_of(before)} if facts is None else set()
    if c.PLUGIN_LOADED in shown or (facts and facts.plugin):
        listed.append((c.PLUGIN_LOADED, *_plugin_loaded(live)))
    if c.RULES_VALID in shown or (facts and facts.rules):
        listed.append((c.RULES_VALID, *_rules_valid(live)))
    if c.INPUTS_CONNECTED in shown or (facts and facts.inputs):
        listed.append((c.INPUTS_CONNECTED, *_inputs_connected(live, facts)))
    return listed


def serving(view: View) -> Listed:
    """Whether the live pod serves the PVs, as its readiness probe has it."""
    pod = view.pod
    if judging.pod_is_up(pod):
        return (c.SERVING, "True", c.POD_READY, "")
    if pod is not None and pod.lost:
        return (c.SERVING, "Unknown", c.NODE_LOST, f"node {pod.node or '?'} does not answer")
    if pod is None:
        return (c.SERVING, "False", c.POD_MISSING, "")
    return (c.SERVING, "False", c.POD_TERMINATING if pod.deleting else c.NOT_READY, "")


Answer = tuple[c.Truth, str, str]
_NOT_KNOWN: Final[Answer] = ("Unknown", c.NO_LIVE_REPORT, "")


def _plugin_loaded(live: Report | None) -> Answer:
    match live.plugin if live else None:
        case "loaded":
            return ("True", c.LOADED, "")
        case "failed":
            return ("False", c.PLUGIN_FAILED, live.error if live else "")
        case "ended":
            return ("False", c.PLUGIN_ENDED, live.error if live else "")
        case "none":
            return ("False", c.STARTING, "")
    return _NOT_KNOWN


def _rules_valid(live: Report | None) -> Answer:
    if live is None or live.rules_invalid is None:
        return _NOT_KNOWN
    if live.rules_invalid:
        return ("False", c.RULES_INVALID, f"cannot be judged: {', '.join(live.rules_invalid)}")
    return ("True", c.ALL_VALID, "")


def _inputs(live: Report | None, facts: Facts | None) -> Links | None:
    """The input links as reported, if the numbers can be those of this configuration."""
    if live is None or live.inputs is None:
        return None
    if facts is not None and facts.inputs != live.inputs.total:
        return None
    return live.inputs


def _inputs_connected(live: Report | None, facts: Facts | None) -> Answer:
    links = _inputs(live, facts)
    if links is None:
        return _NOT_KNOWN
    if links.complete:
        return ("True", c.ALL_CONNECTED, "")
    missing = links.total - links.connected
    names = ", ".join(links.disconnected)
    more = ", …" if missing > len(links.disconnected) else ""
    text = f"{missing} of {links.total} not connected"
    return ("False", c.DISCONNECTED, f"{text}: {names}{more}" if names else text)


def summary(
    view: View, said: Report, before: Mapping[str, Any], outcome: str = ""
) -> dict[str, Any]:
    """The columns; `outcome` is the state of a job that is over: no report can change it."""
    live = said if judging.is_live(view, said) else None
    links = _inputs(live, view.facts)
    if not view.report:
        state = inputs = UNREPORTED
    else:
        state = ((live.job_state or live.state) if live else None) or UNKNOWN
        inputs = f"{links.connected}/{links.total}" if links else UNKNOWN
    none = links.total == 0 if links else view.facts is not None and not view.facts.inputs
    if outcome or none:
        inputs = ""
    state = outcome or state
    return {"state": state, "inputs": inputs, "permits": "", "since": since(state, view, before)}


def since(state: str, view: View, before: Mapping[str, Any]) -> str:
    """The time of the last change of `summary.state`."""
    old = before.get("summary")
    if isinstance(old, Mapping) and old.get("state") == state:
        known = c.moment(old.get("since"))
        if known is not None:
            return c.stamp(known)
    return c.stamp(view.now)


def phase(view: View, verdict: Verdict, conditions: list[c.Condition]) -> str:
    """One word for people; programs read the conditions."""
    if verdict.kind == "stalled":
        return "Stalled"
    if judging.suspended(view):
        return "Suspended"
    if verdict.kind == "coming":
        return "Pending"
    parts = (c.find(conditions, kind) for kind in (c.INPUTS_CONNECTED, c.RULES_VALID))
    whole = all(part is None or part["status"] == "True" for part in parts)
    return "Running" if verdict.status == "True" and whole else "Degraded"


def pod_fields(pod: Pod | None) -> dict[str, Any] | None:
    """`status.pod`; None where there is no pod."""
    if pod is None:
        return None
    container = pod.container
    started = c.moment(container.started_at) if container else None
    fields = {
        "name": pod.name,
        "uid": pod.uid,
        "node": pod.node,
        "ip": pod.ip,
        "startedAt": c.stamp(started) if started else "",
        "image": container.image if container else "",
    }
    shown: dict[str, Any] = {key: value for key, value in fields.items() if value}
    return shown | {"restarts": container.restarts if container else 0}


def handled(view: View, before: Mapping[str, Any]) -> str:
    """The last `requestedAt` that was acted on."""
    if view.requested_at and view.applied and not view.errors:
        return view.requested_at[:LONGEST_REQUEST]
    old = before.get("lastHandledReconcileAt")
    return old[:LONGEST_REQUEST] if isinstance(old, str) else ""
