"""What is known of one task or job when its status is worked out.

Plain facts, gathered by the reconciler from its store: nothing here asks anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ioc_operator.status.pod import Pod


@dataclass(frozen=True)
class Facts:
    """What of a manifest a status depends on."""

    inputs: int = 0
    """Inputs with a link."""
    rules: bool = False
    plugin: bool = False

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> Facts:
        """The facts of a spec as the API server has it; it need not be a good one."""
        inputs = spec.get("inputs")
        values = inputs.values() if isinstance(inputs, Mapping) else ()
        return cls(
            inputs=sum(1 for one in values if isinstance(one, Mapping) and one.get("link")),
            rules=bool(spec.get("rules")),
            plugin=bool(spec.get("plugin")),
        )


@dataclass(frozen=True)
class Conflict:
    """Somebody else owns a name that this task wants."""

    owner: str
    """`namespace/name` of the owner."""
    name: str
    """The PV name or prefix that both want."""


@dataclass(frozen=True)
class ApplyError:
    """A write of a child that the API server did not take, and that a repeat will not mend."""

    code: int
    """Of HTTP; 0 for a name that is somebody else's: nothing was sent."""
    child: str
    """As `StatefulSet bl01/guard`."""
    message: str
    """The server's own words."""


@dataclass(frozen=True)
class Check:
    """The try of an edited plugin, before it replaces what runs."""

    pod: Pod | None = None
    """The pod that tries it; None before there is one."""


@dataclass(frozen=True)
class View:
    """All that is known of an IocTask."""

    generation: int
    """metadata.generation of the object that was judged."""
    now: datetime
    """Used for times of transition alone: nothing changes because time passes."""
    runtime: Any = None
    """status.runtime as it stands there."""
    suspend: bool = False
    disabled: bool = False
    """`ioc-operator.dev/reconcile: disabled`."""
    report: bool = True
    """spec.report.enabled."""
    requested_at: str = ""
    """The annotation `ioc-operator.dev/requestedAt`; "" without one."""
    facts: Facts | None = None
    """Of the configuration that ought to be in force; None when that is not the spec's
    (a bad edit) and so not known."""
    problems: str = ""
    """What is wrong with the manifest, in words; "" when it is good."""
    failed_tests: str = ""
    """What fails of the manifest's tests, in words; "" when all pass."""
    claim: str | None = None
    """The prefix that the task holds, perhaps from before a losing edit."""
    conflict: Conflict | None = None
    """Why the names that it wants now are not its own."""
    errors: tuple[ApplyError, ...] = ()
    applied: bool = False
    """The children exist as this spec wants them (or as the last good one did)."""
    check: Check | None = None
    """An edited plugin is being tried; None when there is nothing to try."""
    config_hash: str | None = None
    """Of the config in the live ConfigMap: what ought to be in force."""
    pod: Pod | None = None
    pod_outdated: bool = False
    """The StatefulSet's template has moved on since the pod was made."""

    @property
    def name_taken(self) -> ApplyError | None:
        """The child whose name is somebody else's."""
        return next((error for error in self.errors if error.code == 0), None)


@dataclass(frozen=True)
class Run:
    """A run of a job as it is recorded before its Job is made."""

    number: int
    spec_hash: str
    job: str = ""
    """uid of its Job; "" before that is recorded."""
    stopped: bool = False
    """Its Job is being taken away because of a suspension: how that ends is no outcome."""
    restarted: str = ""
    """The last request for a restart that was known when it was recorded."""


@dataclass(frozen=True, slots=True)
class BatchJob:
    """The Kubernetes Job of a run, slimmed."""

    name: str
    uid: str
    suspended: bool = False
    active: int = 0
    failed: int = 0
    started_at: str = ""
    completed_at: str = ""
    complete: bool = False
    failure: str | None = None
    """Reason of the condition Failed; None while it has not failed."""
    failure_message: str = ""
    failed_at: str = ""
    deleting: bool = False


@dataclass(frozen=True)
class JobView:
    """All that is known of an IocJob."""

    base: View
    """As for a task, with the config of the run; its `pod` is not looked at."""
    run: Run | None = None
    """The run that is recorded; None before the first."""
    job: BatchJob | None = None
    """Its Job; None before it was created, and when it was deleted."""
    deleted: bool = False
    """The Job was there, is gone, and was not seen to end: nothing will run."""
    pods: tuple[Pod, ...] = ()
    """All pods of the run that are still there, oldest first."""


def read_job(raw: Mapping[str, Any]) -> BatchJob:
    """The Job in an object of the API server."""
    meta, spec, status = (_map(raw.get(key)) for key in ("metadata", "spec", "status"))
    listed = status.get("conditions")
    conditions = {
        str(c.get("type")): c
        for c in (listed if isinstance(listed, list) else [])
        if isinstance(c, Mapping) and c.get("status") == "True"
    }
    failed = conditions.get("Failed")
    return BatchJob(
        name=_text(meta.get("name")),
        uid=_text(meta.get("uid")),
        suspended=spec.get("suspend") is True,
        active=_count(status.get("active")),
        failed=_count(status.get("failed")),
        started_at=_text(status.get("startTime")),
        completed_at=_text(status.get("completionTime")),
        complete="Complete" in conditions,
        failure=None if failed is None else _text(failed.get("reason")) or "Failed",
        failure_message="" if failed is None else _text(failed.get("message")),
        failed_at="" if failed is None else _text(failed.get("lastTransitionTime")),
        deleting=bool(meta.get("deletionTimestamp")),
    )


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
