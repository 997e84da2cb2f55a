"""How a task is, in one word and one sentence: the first thing that stands in its way.

Each function below looks at one layer, from the manifest outwards to what the runtime
says of itself, and answers None when nothing is wrong there. "False" stands where we
know that it is not ready, "Unknown" where we lack the evidence that it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from ioc_operator import conditions as c
from ioc_operator.status.history import last_words, termination
from ioc_operator.status.pod import Container, Pod
from ioc_operator.status.report import Report
from ioc_operator.status.view import ApplyError, Check, View

Kind = Literal["well", "coming", "stalled", "bad"]
"""`coming` gets better by itself, `stalled` needs somebody, `bad` may be either."""

PULL_TROUBLES: Final = frozenset(
    {
        *("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"),
        *("ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed"),
    }
)
CONTAINER_TROUBLES: Final = frozenset(
    {
        *("CreateContainerConfigError", "CreateContainerError", "RunContainerError"),
        *("PreCreateHookError", "PreStartHookError", "PostStartHookError", "CreatePodSandboxError"),
    }
)
CRASH_LOOP_RESTARTS: Final = 2
"""Restarts without a single readiness that count as a crash loop, backing off or not.

Between two back-offs the container runs for a moment; the verdict must not flicker.
"""
OWN_REASONS: Final = frozenset({c.PV_CONFLICT, c.RUNTIME_TOO_OLD}) | c.OF_PLUGINS
"""What a runtime leaves as its last words that says more than `CrashLoop`."""
_BEING_MADE: Final = "its objects are being made"


@dataclass(frozen=True)
class Verdict:
    """The state of Ready, and what follows for Reconciling and Stalled."""

    status: c.Truth
    reason: str
    message: str
    kind: Kind


def judge(view: View, said: Report) -> Verdict:
    """The verdict on a task."""
    looks = (of_manifest, of_children, of_pod, of_containers, of_report)
    return first(view, said, *looks) or _well(view, said)


def first(
    view: View, said: Report, *looks: Callable[[View, Report], Verdict | None]
) -> Verdict | None:
    """The first verdict that one of `looks` gives."""
    return next((found for look in looks if (found := look(view, said))), None)


def is_live(view: View, said: Report) -> bool:
    """Whether the report speaks for what runs now, with what ought to be in force.

    The pod's uid alone would not do: a container that was restarted in its pod finds
    the report of the one before it.
    """
    known = said.state is not None and view.report
    return pod_is_up(view.pod) and known and _is_of(view, said)


def pod_is_up(pod: Pod | None) -> bool:
    """Whether the pod is Ready, and nobody has asked for its end."""
    return pod is not None and pod.ready and not (pod.deleting or pod.over or pod.lost)


def _is_of(view: View, said: Report) -> bool:
    return (
        is_from(view.pod, said)
        and view.config_hash is not None
        and said.config_hash == view.config_hash
    )


def is_from(pod: Pod | None, said: Report) -> bool:
    """Whether this container of this pod has written it."""
    if pod is None or not pod.uid or said.pod_uid != pod.uid or said.time is None:
        return False
    started = c.moment(pod.container.started_at) if pod.container else None
    return started is not None and said.time >= started


def _stalled(reason: str, message: str) -> Verdict:
    return Verdict("False", reason, message, "stalled")


def _coming(reason: str, message: str, status: c.Truth = "False") -> Verdict:
    return Verdict(status, reason, message, "coming")


def of_manifest(view: View, _report: Report) -> Verdict | None:
    """What is wrong with what was asked for."""
    rest = " What ran before runs on." if pod_is_up(view.pod) else ""
    if wrong := view.problems or view.failed_tests:
        text = c.cut(wrong, c.MESSAGE_BYTES - len(f".{rest}"))
        stop = "." if rest and not text.endswith((".", "…")) else ""
        reason = c.INVALID_SPEC if view.problems else c.TESTS_FAILED
        return _stalled(reason, text + stop + rest)
    if view.conflict:
        owner, name = view.conflict.owner, view.conflict.name
        return _stalled(c.PV_CONFLICT, f"{name} belongs to {owner}.{rest}")
    return None


def of_children(view: View, _report: Report) -> Verdict | None:
    """What became of the objects that it is made of."""
    if taken := view.name_taken:
        return _stalled(c.NAME_TAKEN, f"{taken.child}: {taken.message}")
    if view.errors:
        return _apply_error(view.errors[0])
    if view.check is not None:
        return _of_check(view, view.check)
    if not view.applied and view.disabled:
        text = "the spec differs from what runs, and reconciling is disabled by annotation"
        return Verdict("Unknown", c.RECONCILE_DISABLED, text, "bad")
    if not view.applied:
        return _coming(c.PROGRESSING, _BEING_MADE, "Unknown")
    return None


def _of_check(view: View, check: Check) -> Verdict:
    """How the try of an edited plugin goes, while what ran before runs on."""
    rest = " What ran before runs on." if pod_is_up(view.pod) else ""
    trouble = _of_pods_containers(check.pod) if check.pod is not None else None
    if trouble is not None and trouble.kind == "stalled":
        return _stalled(trouble.reason, f"{trouble.message}.{rest}")
    return _coming(c.FETCHING, f"the plugin is fetched and tried.{rest}")


def _apply_error(error: ApplyError) -> Verdict:
    reason = c.FORBIDDEN if error.code in (401, 403) else c.REFUSED
    return _stalled(reason, f"{error.child}: {error.message} (HTTP {error.code})")


def suspended(view: View) -> bool:
    """Whether the suspension is in force: an edit that is not taken over suspends nothing."""
    taken_over = not view.problems and not view.failed_tests and view.conflict is None
    return view.suspend and taken_over


def of_pod(view: View, _report: Report) -> Verdict | None:
    """Whether there is a pod that can be expected to run."""
    one = view.pod
    if suspended(view):
        if one is not None:
            return _coming(c.SUSPENDING, f"suspended; pod {one.name} is still ending")
        return Verdict("False", c.SUSPENDED_BY_SPEC, "suspended by spec.suspend", "bad")
    if view.config_hash is None:
        return _coming(c.PROGRESSING, _BEING_MADE, "Unknown")
    if one is None:
        return _coming(c.POD_MISSING, "there is no pod yet")
    if one.lost:
        text = f"node {one.node or '?'} does not answer; whether the PVs are served is not known"
        return Verdict("Unknown", c.NODE_LOST, text, "bad")
    if one.deleting:
        return _coming(c.POD_TERMINATING, f"pod {one.name} is being deleted")
    if one.over:
        why = " ".join(part for part in (one.reason or one.phase, one.message) if part)
        return _coming(c.POD_ENDED, f"pod {one.name} has ended and will be replaced: {why}")
    if view.pod_outdated:
        return _coming(c.ROLLING, f"pod {one.name} is about to be replaced")
    if one.scheduling and not one.node:
        return _stalled(c.UNSCHEDULABLE, f"no node can take the pod: {one.scheduling}")
    return None


def of_containers(view: View, _report: Report) -> Verdict | None:
    """Whether the pod's containers run and answer their probes."""
    one = view.pod
    if one is None:
        return None
    if trouble := _of_pods_containers(one):
        return trouble
    if one.ready:
        return None
    main = one.container
    if main is not None and main.ready:
        return Verdict("False", c.NOT_READY, "another container of the pod is not ready", "bad")
    if main is not None and _was_ready(one, main):
        text = "the readiness probe fails: it may not serve, or its reports are not taken"
        return Verdict("False", c.NOT_READY, text, "bad")
    if main is not None and (main.ended or main.restarts):
        return _coming(c.RESTARTING, f"the container starts again; {last_words(main)}")
    return _coming(c.STARTING, f"pod {one.name} is starting")


def _of_pods_containers(one: Pod) -> Verdict | None:
    """The first container that cannot get on."""
    for container in one.inits:
        # What fetches may take long to fail: its reason is told while it is tried again.
        if trouble := _waiting(container) or _crashing(container, 1 if _own(container) else None):
            return trouble
    main = one.container
    if main is None:
        return None
    return _waiting(main) or (None if one.ready else _crashing(main))


def _was_ready(pod: Pod, container: Container) -> bool:
    """Whether the pod has been Ready since this container started.

    Between the startup probe and the first readiness probe it is merely not ready yet.
    """
    started, changed = c.moment(container.started_at), c.moment(pod.ready_since)
    if started is None or changed is None:
        return False
    return container.started and changed > started


def _waiting(container: Container) -> Verdict | None:
    if container.waiting in PULL_TROUBLES:
        text = container.waiting_message
        # The message of a back-off ends with what it backs off from: one text for both.
        _, _, cause = text.partition(": ErrImagePull: ")
        return _stalled(
            c.IMAGE_PULL, f"image {container.image}: {cause or text or container.waiting}"
        )
    if container.waiting in CONTAINER_TROUBLES:
        return _stalled(c.CONTAINER_ERROR, container.waiting_message or container.waiting)
    if container.waiting == "CrashLoopBackOff":
        return _crash_loop(container)
    return None


def _crashing(container: Container, restarts: int | None = None) -> Verdict | None:
    last = container.ended or container.last
    enough = CRASH_LOOP_RESTARTS if restarts is None else restarts
    again = container.restarts >= enough and not container.ready
    return _crash_loop(container) if again and last is not None and last.exit_code != 0 else None


def _own(container: Container) -> str | None:
    """The reason that its last end gave, if it is one of ours."""
    last = container.ended or container.last
    own = termination(last.message).get("reason") if last else None
    return own if isinstance(own, str) and own in OWN_REASONS else None


def _crash_loop(container: Container) -> Verdict:
    reason = _own(container) or c.CRASH_LOOP
    again = f"restarted {container.restarts} time{'s' * (container.restarts != 1)}"
    words = last_words(container)
    return _stalled(reason, f"{again}; last end: {words}" if words else again)


def of_report(view: View, said: Report) -> Verdict | None:
    """What the runtime says of itself."""
    one = view.pod
    if one is None:
        return None
    if not view.report:
        if one.config and one.config != view.config_hash:
            return _coming(c.CONFIG_PENDING, "the pod has not been told of the edit", "Unknown")
        return None
    if said.pod_uid == one.uid and said.time is None:
        return _nonsense("it has no time")
    if not is_from(one, said):
        return _coming(c.NOT_REPORTED, f"pod {one.name} has not reported yet", "Unknown")
    if said.config_hash != view.config_hash:
        return _other_config(view, said)
    return _state(said) or _plugin(view, said)


def _other_config(view: View, said: Report) -> Verdict:
    refused = said.refused
    if refused is None or refused.config_hash != view.config_hash:
        text = "the pod has not yet acknowledged its configuration"
        return _coming(c.CONFIG_PENDING, text, "Unknown")
    too_old = refused.reason == c.RUNTIME_TOO_OLD
    text = f"{refused.reason or 'refused'}: {refused.text}"
    return _stalled(c.RUNTIME_TOO_OLD if too_old else c.PLAN_REFUSED, text)


def _nonsense(what: str) -> Verdict:
    return Verdict("Unknown", c.BAD_REPORT, f"the pod's report makes no sense: {what}", "bad")


def _state(said: Report) -> Verdict | None:
    match said.state:
        case "RUN" | "PAUSED":
            return None
        case "INIT":
            return _coming(c.STARTING, "the task is in state INIT")
        case "ERROR":
            return Verdict("False", c.TASK_ERROR, said.error or said.message or "ERROR", "bad")
        case "END":
            return Verdict("False", c.TASK_ENDED, said.message or "the task has ended", "bad")
    return _nonsense("it names no state that we know")


def _plugin(view: View, said: Report) -> Verdict | None:
    if said.plugin == "failed":
        return _stalled(c.PLUGIN_FAILED, said.error or said.message or "the plugin has failed")
    if said.plugin == "ended":
        text = said.error or "the plugin has ended; its outputs are invalid"
        return Verdict("False", c.PLUGIN_ENDED, text, "bad")
    if view.facts is not None and view.facts.plugin and said.plugin != "loaded":
        if said.plugin == "none":
            return _coming(c.STARTING, "the plugin is not loaded yet")
        return _nonsense("it does not say how the plugin is")
    return None


def _well(view: View, said: Report) -> Verdict:
    where = f"pod {view.pod.name} on node {view.pod.node}" if view.pod else ""
    if not view.report:
        return Verdict("True", c.PROBES_PASS, f"{where}; reports are switched off", "well")
    if said.state == "PAUSED":
        return Verdict("True", c.PAUSED, f"{where}; paused by ENABLE", "well")
    return Verdict("True", c.RUNNING, where, "well")
