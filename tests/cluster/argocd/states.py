"""The states that Argo CD has to tell apart: how each comes about, and what it is called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from cluster.invariants import Object
from cluster.tasks import API, current, of, task

PREFIX: Final = "BL01:"
TASK, JOB = "IocTask", "IocJob"
NOT_LOADED: Final = """\
import no_such_module
from ioc_runtime import JobBase, TaskBase


class Guard({base}): ...
"""
RUN: Final = """\
from ioc_runtime import JobBase, JobResult


class Scan(JobBase):
    def execute(self, seconds=0.0, good=True):
        self.sleep(seconds)
        return JobResult(good, message="no crystal" if not good else "", data={"points": 3})
"""

Is = Callable[[Object], object]


@dataclass(frozen=True)
class State:
    """One state of an object of its own, which has the state's name."""

    kind: str
    name: str
    health: str
    """What Argo CD calls it."""
    is_so: Is
    """The first moment at which this holds of the object is recorded."""
    spec: dict[str, Any] = field(default_factory=dict)
    then: str = ""
    """What is done to it once it is Ready (a job: running, or over where that is said)."""

    @property
    def manifest(self) -> Object:
        """What is applied first."""
        spec = {"prefix": f"{PREFIX}{self.kind[3:].upper()}:{self.name.upper()}:"} | self.spec
        return task(self.name, **spec) if self.kind == TASK else job(self.name, **spec)


def job(name: str, prefix: str, **spec: Any) -> Object:
    """A job that is over at once."""
    given = {
        "prefix": prefix,
        "plugin": {"inline": {"files": {"scan.py": RUN}}},
        "terminationGracePeriodSeconds": 3,
    } | spec
    return {"apiVersion": API, "kind": JOB, "metadata": {"name": name}, "spec": given}


def lasting(seconds: float) -> dict[str, Any]:
    """A run that takes so long."""
    return {"runArgs": {"kwargs": {"seconds": seconds}}}


def says(kind: str, status: str, reason: str = "") -> Is:
    """A condition of the present generation."""

    def is_so(found: Object) -> bool:
        condition = of(found, kind)
        fits = condition.get("status") == status and reason in ("", condition.get("reason"))
        return current(found) and fits and "deletionTimestamp" not in found["metadata"]

    return is_so


def unseen(found: Object) -> bool:
    """The operator has said nothing of this generation."""
    return not current(found)


def stale(found: Object) -> bool:
    """It said that an earlier generation was Ready, or over."""
    good = any(of(found, kind).get("status") == "True" for kind in ("Ready", "Complete"))
    return not current(found) and good


def deleting(found: Object) -> bool:
    return "deletionTimestamp" in found["metadata"]


def restarting(found: Object) -> bool:
    """The pod is being replaced, because somebody has asked for it."""
    asked = "ioc-operator.dev/restartedAt" in found["metadata"].get("annotations", {})
    return asked and bool(says("Reconciling", "True")(found))


BAD_RULE: Final = [{"id": "high", "condition": "pressure > nothing", "outputs": {"alarm": 1}}]
MISSING: Final = {"image": "localhost/no-such-image:1", "imagePullPolicy": "Never"}

STATES: Final = (
    State(TASK, "new", "Progressing", unseen, then="without the operator"),
    State(TASK, "starting", "Progressing", says("Reconciling", "True", "Starting")),
    State(TASK, "running", "Healthy", says("Ready", "True", "Running")),
    State(TASK, "paused", "Suspended", says("Ready", "True", "Paused"), then="pause"),
    State(
        TASK,
        "input-disconnected",
        "Degraded",
        lambda t: says("Ready", "True")(t) and says("InputsConnected", "False")(t),
        {
            "inputs": {"gauge": {"type": "float", "link": "ca://NOBODY:HAS:THIS"}},
            **{"outputs": {}, "ruleDefaults": {}, "rules": []},
        },
    ),
    State(
        TASK,
        "rule-invalid",
        "Degraded",
        lambda t: says("Ready", "True")(t) and says("RulesValid", "False")(t),
        {"inputs": {"pressure": {"type": "float"}}},
    ),
    State(
        TASK,
        "pv-conflict",
        "Degraded",
        says("Stalled", "True", "PvConflict"),
        {"prefix": f"{PREFIX}TASK:RUNNING:"},
    ),
    State(
        TASK,
        "invalid-spec",
        "Degraded",
        says("Stalled", "True", "InvalidSpec"),
        {"rules": BAD_RULE},
    ),
    State(
        TASK, "invalid-edit", "Degraded", says("Stalled", "True", "InvalidSpec"), then="edit badly"
    ),
    State(
        TASK,
        "plugin-failed",
        "Degraded",
        says("Stalled", "True"),
        {"plugin": {"inline": {"files": {"guard.py": NOT_LOADED.format(base="TaskBase")}}}},
    ),
    State(TASK, "image-pull", "Degraded", says("Stalled", "True", "ImagePull"), MISSING),
    State(
        TASK,
        "unschedulable",
        "Degraded",
        says("Stalled", "True", "Unschedulable"),
        {"nodeSelector": {"zone": "nowhere"}},
    ),
    State(
        TASK, "suspending", "Progressing", says("Reconciling", "True", "Suspending"), then="suspend"
    ),
    State(
        TASK,
        "suspended",
        "Suspended",
        lambda t: says("Suspended", "True")(t) and not of(t, "Reconciling"),
        {"suspend": True},
    ),
    State(TASK, "restarting", "Progressing", restarting, then="restart"),
    State(
        TASK,
        "node-lost",
        "Degraded",
        says("Ready", "Unknown", "NodeLost"),
        then="silence the node",
    ),
    State(TASK, "stale", "Progressing", stale, then="edit without the operator"),
    State(TASK, "deleting", "Progressing", deleting, then="delete"),
    State(JOB, "new", "Progressing", unseen, then="without the operator"),
    State(JOB, "queued", "Progressing", says("Reconciling", "True", "Queued")),
    State(JOB, "starting", "Progressing", says("Reconciling", "True", "Starting")),
    State(JOB, "running", "Progressing", says("Ready", "True", "Running"), lasting(600)),
    State(JOB, "complete", "Healthy", says("Complete", "True")),
    State(
        JOB, "failed", "Degraded", says("Failed", "True"), {"runArgs": {"kwargs": {"good": False}}}
    ),
    State(
        JOB,
        "plugin-failed",
        "Degraded",
        says("Stalled", "True"),
        {"plugin": {"inline": {"files": {"scan.py": NOT_LOADED.format(base="JobBase")}}}},
    ),
    State(
        JOB,
        "invalid-spec",
        "Degraded",
        says("Stalled", "True", "InvalidSpec"),
        {"outputs": {"STATE": {"type": "float"}}},
    ),
    State(JOB, "image-pull", "Degraded", says("Stalled", "True", "ImagePull"), MISSING),
    State(
        JOB,
        "suspended",
        "Suspended",
        lambda t: says("Suspended", "True")(t) and not of(t, "Reconciling"),
        {"suspend": True},
    ),
    State(
        JOB,
        "suspending",
        "Progressing",
        says("Reconciling", "True", "Suspending"),
        lasting(600),
        "suspend",
    ),
    State(
        JOB,
        "run-again",
        "Progressing",
        lambda j: again(j) and of(j, "Reconciling"),
        then="run again",
    ),
    State(JOB, "stale", "Progressing", stale, then="edit without the operator"),
    State(JOB, "deleting", "Progressing", deleting, lasting(600), "delete"),
)


def again(found: Object) -> bool:
    """A second run has been asked for, and the operator knows."""
    run: Object = found.get("status", {}).get("run", {})
    return current(found) and run.get("number") == 2
