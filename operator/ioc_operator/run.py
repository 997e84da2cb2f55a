"""What to do about the run of an IocJob.

A run is `status.run {number, specHash, job}`. It is recorded before its Job is made; the
Job is made suspended, its uid is recorded, and only then is it released. So wherever the
operator dies, a run happens at most once:

| died after | found | done |
|---|---|---|
| nothing | no run, or a run of another specHash that is over | `Begin` |
| the record | a run without a Job's uid, no Job | `Create`: it cannot have run |
| the creation | a run without a uid, a suspended Job | `Record` |
| the uid | a run with a uid, a suspended Job | `Release` |
| the release | a run with a uid, a Job | `Watch` |
| (the Job was deleted by somebody) | a run with a uid, no Job | `Lost`: never again |

A run that is suspended while it goes on loses its Job: one that is only suspended would
fail by the exit code (16) that its pod ends with. Its number stays, and a new Job goes on
with it later:

| died after | found | done |
|---|---|---|
| nothing | a run with a uid, a Job that was released | `Stop`: record that it is to go |
| that record | `stopped` is its uid, the Job is there | `Remove` the Job, with its pod |
| the deletion | `stopped` is its uid, no Job | `Forget` the uid: it may be made anew |

Only a change of specHash (which covers runId), or a new value of the annotation
`restartedAt`, begins a new run, and not before the present one is over. An annotation that
is taken away begins none: the last one stays recorded. While it is suspended nothing is
begun or created: an edit made meanwhile is what will run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ioc_operator.desired import digest
from ioc_operator.status import BatchJob

MEANT: Final = (
    "prefix",
    "inputs",
    "outputs",
    "parameters",
    "plugin",
    "function",
    "initArgs",
    "runArgs",
    "runId",
)
"""What a user means by a run; images, resources and the like are not part of it."""


def spec_hash(spec: Mapping[str, Any]) -> str:
    """Of what a run means: another one asks for another run."""
    return digest({name: spec[name] for name in MEANT if name in spec})


@dataclass(frozen=True)
class Recorded:
    """`status.run`, as far as it decides."""

    number: int
    spec_hash: str
    job: str = ""
    """uid of its Job; "" until that was recorded."""
    over: bool = False
    """It is Complete or Failed."""
    stopped: bool = False
    """Its Job is being taken away because of a suspension."""
    restarted: str = ""
    """The last `restartedAt` that was known when it was recorded."""

    @classmethod
    def read(cls, run: Any) -> Recorded | None:
        """The run in a status; None where there is none that makes sense."""
        if not isinstance(run, Mapping):
            return None
        number = run.get("number")
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            return None
        job = str(run.get("job") or "")
        return cls(
            number=number,
            spec_hash=str(run.get("specHash") or ""),
            job=job,
            over=bool(run.get("completionTime")),
            stopped=bool(job) and run.get("stopped") == job,
            restarted=str(run.get("restartedAt") or ""),
        )


@dataclass(frozen=True)
class Begin:
    """Record a run of this number."""

    number: int


@dataclass(frozen=True)
class Create:
    """Make its ConfigMap and its Job, suspended."""

    number: int


@dataclass(frozen=True)
class Record:
    """Put the Job's uid into the status."""

    number: int
    job: str


@dataclass(frozen=True)
class Release:
    """Let the Job begin."""

    number: int


@dataclass(frozen=True)
class Stop:
    """Record that its Job is to go, since it is suspended."""

    number: int


@dataclass(frozen=True)
class Remove:
    """Delete its Job, and wait until its pod is gone."""

    number: int


@dataclass(frozen=True)
class Forget:
    """Record that it has no Job: it has been removed."""

    number: int


@dataclass(frozen=True)
class Watch:
    """Nothing to do: it runs, waits or is over."""


@dataclass(frozen=True)
class Lost:
    """Its Job is gone before its end was seen: the run has failed, and is not repeated."""

    number: int


Step = Begin | Create | Record | Release | Stop | Remove | Forget | Watch | Lost


def next_step(
    recorded: Recorded | None,
    job: BatchJob | None,
    wanted: str,
    *,
    suspend: bool,
    restart: str = "",
) -> Step:
    """What to do next; call it again after that.

    :param job: the live Job of the recorded run
    :param wanted: `spec_hash` of the present spec
    :param restart: the annotation `restartedAt`; one that is gone asks for nothing
    """
    if recorded is None or (recorded.over and _asks_for_another(recorded, wanted, restart)):
        return Watch() if suspend else Begin(1 if recorded is None else recorded.number + 1)
    if recorded.over:
        return Watch()
    if job is None:
        if recorded.job:
            return Forget(recorded.number) if recorded.stopped else Lost(recorded.number)
        return Watch() if suspend else Create(recorded.number)
    if recorded.job != job.uid:
        # Of another uid: somebody has made a Job of that name after ours was deleted.
        return Lost(recorded.number) if recorded.job else Record(recorded.number, job.uid)
    if job.complete:
        return Watch()
    if recorded.stopped:
        return Watch() if job.deleting else Remove(recorded.number)
    if job.failure is not None or job.suspended == suspend:
        return Watch()
    if suspend:
        return Stop(recorded.number)
    return Release(recorded.number)


def _asks_for_another(recorded: Recorded, wanted: str, restart: str) -> bool:
    return recorded.spec_hash != wanted or bool(restart and restart != recorded.restarted)
