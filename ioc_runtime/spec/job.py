"""IocJob: a procedure that runs once, on demand or on a schedule."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ioc_runtime.spec.base import AnyMap, Model, Name, Word
from ioc_runtime.spec.plugin import Plugin
from ioc_runtime.spec.task import Common, Metadata

Outcome = Literal["Aborted", "Stopped", "Failed", "Deadline", "Stalled"]


class Arguments(Model):
    """Arguments of a call in Python."""

    by_position: list[Any] = Field(
        default_factory=list, alias="args", max_length=100, description="By position."
    )
    by_name: AnyMap = Field(
        default_factory=dict, alias="kwargs", max_length=100, description="By name."
    )


class Schedule(Model):
    """When runs start by themselves."""

    cron: Annotated[str, Field(min_length=1, max_length=100)] = Field(
        description="Five fields, as in a CronJob."
    )
    time_zone: Word | None = Field(None, description="Time zone of `cron`, as Europe/Rome.")
    concurrency_policy: Literal["Allow", "Forbid", "Replace"] = Field(
        "Forbid", description="What happens when a run is still going on."
    )
    starting_deadline_seconds: int | None = Field(
        None, ge=1, le=31_536_000, description="How late a run may start."
    )
    successful_jobs_history_limit: int = Field(
        3, ge=0, le=100, description="Successful runs that are kept."
    )
    failed_jobs_history_limit: int = Field(3, ge=0, le=100, description="Failed runs kept.")
    suspend: bool = Field(False, description="Whether no further run starts.")


class OnAbort(Model):
    """Code that runs after the main pod is gone."""

    plugin: Plugin | None = Field(None, description="Its code; by default the job's own.")
    function: Name = Field("abort", description="Function to call.")
    args: Arguments = Field(default_factory=Arguments, description="Its arguments.")
    inherit: list[Name] = Field(
        default_factory=list, max_length=100, description="Arguments taken over from the run."
    )
    timeout_seconds: float = Field(60.0, gt=0, le=86_400, description="How long it may take.")
    when: list[Outcome] = Field(default=["Aborted"], max_length=5, description="After which ends.")


class Exclusive(Model):
    """Jobs of one group run one at a time."""

    group: Word = Field(description="Name of the group.")
    policy: Literal["Queue", "Reject"] = Field(
        "Queue", description="What happens to the second one."
    )


class JobSpec(Common):
    """Everything about a job."""

    init_args: Arguments = Field(
        default_factory=Arguments, description="Arguments of the class's `initialize`."
    )
    run_args: Arguments = Field(
        default_factory=Arguments, description="Arguments of `execute`, or of the function."
    )
    function: Name | None = Field(
        None,
        description="Function to run; by default the plugin's class, else a function `main`.",
    )
    run: Literal["Running", "Prepared", "Stopped", "Aborted"] = Field(
        "Running", description="What is wanted of the run."
    )
    run_id: str = Field("", max_length=253, description="A new value asks for a new run.")
    retries: int = Field(0, ge=0, le=100, description="Further attempts of a failed run.")
    run_timeout_seconds: float | None = Field(
        None,
        gt=0,
        le=31_536_000,
        description="Seconds after which a run is ended; its preparation counts.",
    )
    schedule: Schedule | None = Field(None, description="Runs by the clock.")
    on_abort: OnAbort | None = Field(None, description="What runs after an abort.")
    exclusive: Exclusive | None = Field(None, description="One at a time of a group.")
    history_limit: int = Field(20, ge=0, le=100, description="Runs kept in the status.")
    ttl_seconds_after_finished: int | None = Field(
        None, ge=0, le=31_536_000, description="Seconds after which a finished job is deleted."
    )
    scan: AnyMap | None = Field(None, max_length=100, description="A scan that is run.")


class IocJob(Model):
    """A job as a whole."""

    api_version: Literal["ioc-operator.dev/v1alpha1"] = Field(description="Version of the API.")
    kind: Literal["IocJob"] = Field(description="IocJob.")
    metadata: Metadata = Field(description="Name, namespace, labels.")
    spec: JobSpec = Field(description="What is wanted.")
    status: Any = Field(None, description="What is; written by the operator and the runtime.")
