"""Conditions of a status: their types, the reasons they give, and how one is set.

The two tables are the documentation: the reference prints them. A reason is a word for
programs and for `kubectl get -o wide`; the message beside it is the sentence for people.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal, cast

Condition = dict[str, Any]
"""type, status, reason, message, observedGeneration, lastTransitionTime."""
Truth = Literal["True", "False", "Unknown"]

MESSAGE_BYTES: Final = 1024

READY: Final = "Ready"
RECONCILING: Final = "Reconciling"
STALLED: Final = "Stalled"
SUSPENDED: Final = "Suspended"
SERVING: Final = "Serving"
PLUGIN_LOADED: Final = "PluginLoaded"
RULES_VALID: Final = "RulesValid"
INPUTS_CONNECTED: Final = "InputsConnected"
PERMITS_OK: Final = "PermitsOk"
COMPLETE: Final = "Complete"
FAILED: Final = "Failed"

CONDITIONS: Final[Mapping[str, str]] = {
    READY: "The pod is Ready and, if it reports, says itself that it runs the configuration "
    "that ought to be in force. Of a job: it runs, or it is complete. Always there.",
    RECONCILING: "Something is on its way: objects being made, a pod starting or being "
    "replaced, an edit not yet acknowledged. Absent otherwise.",
    STALLED: "It will not get better by waiting: somebody has to do something. Absent otherwise.",
    SUSPENDED: "`spec.suspend` is set: there is no pod. Absent otherwise.",
    SERVING: "The live pod serves the PVs.",
    PLUGIN_LOADED: "The plugin is loaded and has not ended. Only with `spec.plugin`.",
    RULES_VALID: "Every rule can be judged. Only with `spec.rules`.",
    INPUTS_CONNECTED: "Every input link is connected. Only with linked inputs.",
    PERMITS_OK: "Every permit is given. Only with `spec.permits`.",
    COMPLETE: "The run has ended well. IocJob only, as a Job's.",
    FAILED: "The run has failed for good. IocJob only, as a Job's.",
}
"""Meaning of each type of condition."""

# Of Ready while all is well.
RUNNING: Final = "Running"
PAUSED: Final = "Paused"
PROBES_PASS: Final = "ProbesPass"
COMPLETED: Final = "Completed"
# On its way.
PROGRESSING: Final = "Progressing"
POD_MISSING: Final = "PodMissing"
POD_TERMINATING: Final = "PodTerminating"
POD_ENDED: Final = "PodEnded"
ROLLING: Final = "Rolling"
STARTING: Final = "Starting"
RESTARTING: Final = "Restarting"
NOT_REPORTED: Final = "NotReported"
CONFIG_PENDING: Final = "ConfigPending"
QUEUED: Final = "Queued"
RETRYING: Final = "Retrying"
ENDING: Final = "Ending"
SUSPENDING: Final = "Suspending"
FETCHING: Final = "Fetching"
# Not as it should be.
NOT_READY: Final = "NotReady"
NODE_LOST: Final = "NodeLost"
TASK_ERROR: Final = "TaskError"
TASK_ENDED: Final = "TaskEnded"
BAD_REPORT: Final = "BadReport"
RECONCILE_DISABLED: Final = "ReconcileDisabled"
# Somebody has to act.
INVALID_SPEC: Final = "InvalidSpec"
TESTS_FAILED: Final = "TestsFailed"
PV_CONFLICT: Final = "PvConflict"
NAME_TAKEN: Final = "NameTaken"
REFUSED: Final = "Refused"
FORBIDDEN: Final = "Forbidden"
IMAGE_PULL: Final = "ImagePull"
CONTAINER_ERROR: Final = "ContainerError"
CRASH_LOOP: Final = "CrashLoop"
UNSCHEDULABLE: Final = "Unschedulable"
RUNTIME_TOO_OLD: Final = "RuntimeTooOld"
PLAN_REFUSED: Final = "PlanRefused"
PLUGIN_FAILED: Final = "PluginFailed"
SOURCE_NOT_FOUND: Final = "SourceNotFound"
AUTH_FAILED: Final = "AuthFailed"
REF_NOT_FOUND: Final = "RefNotFound"
HOST_KEY_MISMATCH: Final = "HostKeyMismatch"
TLS_FAILED: Final = "TlsFailed"
TIMEOUT: Final = "Timeout"
TOO_LARGE: Final = "TooLarge"
BAD_SOURCE: Final = "BadSource"
DISK_FULL: Final = "DiskFull"
FETCH_FAILED: Final = "FetchFailed"
BAD_REQUIREMENT: Final = "BadRequirement"
REQUIREMENT_CONFLICT: Final = "RequirementConflict"
REQUIREMENT_NOT_FOUND: Final = "RequirementNotFound"
INDEX_UNREACHABLE: Final = "IndexUnreachable"
BUILD_FAILED: Final = "BuildFailed"
RUN_FAILED: Final = "RunFailed"
JOB_DELETED: Final = "JobDeleted"
# Of the other conditions.
SUSPENDED_BY_SPEC: Final = "SuspendedBySpec"
POD_READY: Final = "PodReady"
LOADED: Final = "Loaded"
PLUGIN_ENDED: Final = "PluginEnded"
ALL_VALID: Final = "AllValid"
RULES_INVALID: Final = "RulesInvalid"
ALL_CONNECTED: Final = "AllConnected"
DISCONNECTED: Final = "Disconnected"
NO_LIVE_REPORT: Final = "NoLiveReport"

REASONS: Final[Mapping[str, str]] = {
    RUNNING: "It runs, with the configuration that ought to be in force.",
    PAUSED: "It runs, and an operator has paused it (ENABLE is 0).",
    PROBES_PASS: "The pod's probes pass; that is all that is known with `report.enabled: false`.",
    COMPLETED: "The run has ended with exit code 0.",
    PROGRESSING: "Its objects are being made or brought up to date.",
    POD_MISSING: "There is no pod yet, or not any more. Its StatefulSet or Job makes one, if it "
    "can: the Events of that tell of a quota, a policy or an account that is in its way.",
    POD_TERMINATING: "The pod is being deleted; the next one waits until it is gone.",
    POD_ENDED: "The pod has ended as a whole (evicted, for example); another will replace it.",
    ROLLING: "The pod is of an older configuration and is about to be replaced.",
    STARTING: "The pod is starting: image, container, records, first evaluation.",
    RESTARTING: "Its container has ended and is being started again.",
    NOT_REPORTED: "The pod is Ready but has not said anything since its container started.",
    CONFIG_PENDING: "The pod has not yet acknowledged the configuration that it was given.",
    QUEUED: "The run has not started yet.",
    RETRYING: "An attempt has failed, and the next one is about to start.",
    ENDING: "The code of the run has ended, and its outcome is being recorded.",
    FETCHING: "The code and packages of an edited plugin are fetched and tried; what ran before "
    "runs on.",
    SUSPENDING: "It is suspended, and its pod is still ending.",
    NOT_READY: "The pod's readiness probe fails: the PVs may not answer, or what the pod "
    "reports is not taken, so that the rest of the status is old. Its log tells.",
    NODE_LOST: "The pod's node does not answer: the PVs may or may not be served.",
    TASK_ERROR: "The task says of itself that it is in state ERROR.",
    TASK_ENDED: "The task says of itself that it has ended.",
    BAD_REPORT: "What the pod has reported makes no sense, so it counts as unknown.",
    RECONCILE_DISABLED: "The annotation `ioc-operator.dev/reconcile: disabled` is set, and "
    "the objects differ from the spec.",
    INVALID_SPEC: "The manifest has mistakes; a good one from before runs on.",
    TESTS_FAILED: "One of the tests in the manifest fails; a good one from before runs on.",
    PV_CONFLICT: "Another task owns the prefix or one of the PV names.",
    NAME_TAKEN: "An object of a name that we need is somebody else's.",
    REFUSED: "The API server has refused one of the objects; the message has its words.",
    FORBIDDEN: "The operator lacks a permission.",
    IMAGE_PULL: "The image cannot be pulled.",
    CONTAINER_ERROR: "The container cannot be made; a Secret or ConfigMap may be missing.",
    CRASH_LOOP: "The container ends again and again; `status.history` has the last ends.",
    UNSCHEDULABLE: "No node can take the pod.",
    RUNTIME_TOO_OLD: "The pod's runtime is older than the configuration; the last good one "
    "runs on.",
    PLAN_REFUSED: "The runtime could not take over the configuration; the last good one runs on.",
    PLUGIN_FAILED: "The plugin could not be loaded, or has failed.",
    SOURCE_NOT_FOUND: "There is no repository, directory or ConfigMap there, or its server does "
    "not answer.",
    AUTH_FAILED: "The Git server wants credentials, or other ones.",
    REF_NOT_FOUND: "The repository has no such branch, tag or commit (any more).",
    HOST_KEY_MISMATCH: "The Git server's ssh key is not the one in `known_hosts`.",
    TLS_FAILED: "The Git server's certificate is not trusted.",
    TIMEOUT: "The plugin's code or packages did not come in time.",
    TOO_LARGE: "The plugin has more bytes or files than it may have.",
    BAD_SOURCE: "The source holds what a plugin may not have, as a link that leads out of it.",
    DISK_FULL: "There is no room for the plugin's code or packages.",
    FETCH_FAILED: "Git failed in another way; the message has its words.",
    BAD_REQUIREMENT: "A line of the plugin's requirements is none that is taken.",
    REQUIREMENT_CONFLICT: "The plugin asks for another version of a package of the image.",
    REQUIREMENT_NOT_FOUND: "There is no such package or version in the index.",
    INDEX_UNREACHABLE: "The package index does not answer.",
    BUILD_FAILED: "A package that the plugin asks for could not be built.",
    RUN_FAILED: "The run has failed for good; an edit or a new `runId` starts the next.",
    JOB_DELETED: "Somebody has deleted the run's Job before it was over; it is not run again.",
    SUSPENDED_BY_SPEC: "`spec.suspend` is true.",
    POD_READY: "The pod's readiness probe passes.",
    LOADED: "The plugin is loaded.",
    PLUGIN_ENDED: "The plugin has ended; its outputs are invalid.",
    ALL_VALID: "Every rule could be judged.",
    RULES_INVALID: "Some rules read something that is not known.",
    ALL_CONNECTED: "Every input link is connected.",
    DISCONNECTED: "Some input links are not connected.",
    NO_LIVE_REPORT: "Nothing that is known comes from the pod that lives now.",
}
"""Meaning of each reason, in the order of the groups above."""

OF_PLUGINS: Final = frozenset(
    {
        *(SOURCE_NOT_FOUND, AUTH_FAILED, REF_NOT_FOUND, HOST_KEY_MISMATCH, TLS_FAILED, TIMEOUT),
        *(TOO_LARGE, BAD_SOURCE, DISK_FULL, FETCH_FAILED, INVALID_SPEC),
        *(BAD_REQUIREMENT, REQUIREMENT_CONFLICT),
        *(REQUIREMENT_NOT_FOUND, INDEX_UNREACHABLE, BUILD_FAILED, PLUGIN_FAILED),
    }
)
"""Reasons that a container gives as its last words when its plugin is not to be had."""


def set_condition(
    conditions: list[Condition],
    kind: str,
    status: Truth,
    reason: str,
    message: str = "",
    *,
    generation: int,
    now: datetime,
    previous: Sequence[Condition] = (),
) -> None:
    """Put a condition into `conditions`, in the place of one of its type.

    `lastTransitionTime` is that of the same type in `conditions` or else in `previous`
    while the status stays the same, and `now` when it changes.
    """
    old = find(conditions, kind) or find(previous, kind)
    since = moment(old.get("lastTransitionTime")) if old and old.get("status") == status else None
    new: Condition = {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": cut(message),
        "observedGeneration": generation,
        "lastTransitionTime": stamp(since or now),
    }
    for index, condition in enumerate(conditions):
        if condition.get("type") == kind:
            conditions[index] = new
            return
    conditions.append(new)


def find(conditions: Iterable[Condition], kind: str) -> Condition | None:
    """The condition of that type; None when there is none."""
    return next((c for c in conditions if c.get("type") == kind), None)


def conditions_of(status: object) -> list[Condition]:
    """The conditions of a status as it was read: whatever is none is left out."""
    found = status.get("conditions") if isinstance(status, Mapping) else None
    if not isinstance(found, list):
        return []
    return [cast(Condition, c) for c in found if isinstance(c, dict) and is_text(c.get("type"))]


def cut(text: str, most: int = MESSAGE_BYTES) -> str:
    """`text` on one line, fit to be shown, in at most `most` bytes of UTF-8."""
    line = "".join(c if c.isprintable() else " " for c in text).strip()
    data = line.encode("utf-8", "replace")
    if len(data) <= most:
        return data.decode()
    return data[: most - len("…".encode())].decode("utf-8", "ignore").rstrip() + "…"


def stamp(moment: datetime) -> str:
    """A time as Kubernetes writes it: RFC 3339, UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: object) -> datetime | None:
    """The time that `text` says in RFC 3339; None where it says none."""
    if not isinstance(text, str) or not 20 <= len(text) <= 40 or "T" not in text:
        return None
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return None
    if read.tzinfo is None:
        return None
    try:
        return read.astimezone(UTC)
    except (OverflowError, ValueError):
        return None


def is_text(value: object) -> bool:
    """Whether it is a text that says something."""
    return isinstance(value, str) and bool(value)
