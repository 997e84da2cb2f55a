"""IocTask: a soft IOC that follows PVs and evaluates rules."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ioc_runtime.spec.base import PV_PATTERN, AnyMap, Model, Name, Word
from ioc_runtime.spec.deploy import Deploy
from ioc_runtime.spec.logic import (
    MOST_PERMITS,
    MOST_RULES,
    MOST_TESTS,
    Permit,
    Rule,
    Test,
    Transform,
)
from ioc_runtime.spec.plugin import Plugin
from ioc_runtime.spec.signals import MOST_SIGNALS, Input, Output

API_VERSION = "ioc-operator.dev/v1alpha1"
MOST_DATABASES = 16
LARGEST_DATABASE = 64 * 1024
MOST_WAITING = 10

DatabaseText = Annotated[str, Field(max_length=LARGEST_DATABASE)]
Prefix = Annotated[str, Field(min_length=1, max_length=100, pattern=PV_PATTERN)]
PvName = Annotated[str, Field(max_length=60, pattern=PV_PATTERN)]


class Common(Deploy):
    """What tasks and jobs share: names, PVs, links, code."""

    prefix: str | None = Field(
        None,
        min_length=1,
        max_length=58,
        pattern=PV_PATTERN,
        description="Start of every PV name, verbatim; default `<NAMESPACE>:<NAME>:`.",
    )
    protocol: Literal["ca", "pva"] = Field("ca", description="Protocol of links without a scheme.")
    inputs: dict[Name, Input] = Field(
        default_factory=dict,
        max_length=MOST_SIGNALS,
        description="What comes in, by name: mirrors of other PVs, and operators' set-points.",
    )
    outputs: dict[Name, Output] = Field(
        default_factory=dict,
        max_length=MOST_SIGNALS,
        description="What goes out, by name: driven by rules, by a transform or by the plugin.",
    )
    parameters: dict[Name, Any] = Field(
        default_factory=dict,
        max_length=1000,
        description="Constants of expressions, given to the plugin too.",
    )
    prefixes: dict[Name, Prefix] = Field(
        default_factory=dict,
        max_length=100,
        description="Starts of other IOCs' PV names, by the key that stands for them: "
        "`{key}NAME` in links, and in what the plugin reads and writes.",
    )
    aliases: dict[Word, PvName] = Field(
        default_factory=dict,
        max_length=100,
        description="Second name of a standard PV, both without prefix.",
    )
    plugin: Plugin | None = Field(
        None, description="Python code that runs beside the rules; of a job, the code of its run."
    )


class Trigger(Model):
    """The cycle of mode triggered: what starts it, and what happens when it takes too long."""

    while_busy: Literal["queue", "reject"] = Field(
        "queue",
        description="What becomes of a TRIGGER while a cycle runs: it waits for a cycle of its "
        "own, or it is rejected and counted in REJECTED.",
    )
    queue_length: int = Field(
        1,
        ge=1,
        le=MOST_WAITING,
        description="Triggers that may wait (`whileBusy: queue`); further ones are rejected.",
    )
    period: float | None = Field(
        None, ge=0.01, le=86_400, description="Seconds between cycles that a timer starts."
    )
    stall_limit: float | None = Field(
        None,
        ge=0.1,
        le=86_400,
        description="Seconds after which a cycle that still runs is shown as STALLED.",
    )
    kill_after: float | None = Field(
        None,
        ge=0,
        le=86_400,
        description="Seconds after `stallLimit` at which the process ends with exit code 13, to "
        "be started again.",
    )


class TaskSpec(Common):
    """Everything about a task."""

    mode: Literal["reactive", "periodic", "triggered"] = Field(
        "reactive",
        description="When the plugin's code runs: on changes, on a grid of `period`, or on "
        "TRIGGER. Rules run on every change in each mode.",
    )
    period: float = Field(
        1.0, ge=0.001, le=86_400, description="Seconds between passes in periodic mode."
    )
    trigger: Trigger = Field(default_factory=Trigger, description="The cycle in triggered mode.")
    transforms: list[Transform] = Field(
        default_factory=list,
        max_length=MOST_RULES,
        description="Outputs that follow an expression, whatever the rules say.",
    )
    rule_defaults: AnyMap = Field(
        default_factory=dict,
        max_length=MOST_SIGNALS,
        description="Value of an output while no rule that drives it is active.",
    )
    rules: list[Rule] = Field(
        default_factory=list,
        max_length=MOST_RULES,
        description="Conditions, and the values that outputs take while one holds; where several "
        "hold, the last one wins.",
    )
    permits: list[Permit] = Field(
        default_factory=list,
        max_length=MOST_PERMITS,
        description="Interlock permits: 1 only while every condition is known good.",
    )
    tests: list[Test] = Field(
        default_factory=list,
        max_length=MOST_TESTS,
        description="Tests of the logic: `iocctl test` runs them, and an edit that fails one never "
        "comes into force.",
    )
    ioc_stats: bool = Field(False, description="Whether devIocStats records are served.")
    database: list[DatabaseText] = Field(
        default_factory=list,
        max_length=MOST_DATABASES,
        description="Texts of EPICS databases that are served too; names start with $(P). "
        "Clients may write what has `field(ASG, OPERATOR)`, and nothing else.",
    )


class Metadata(Model):
    """Name and namespace; the rest belongs to Kubernetes."""

    model_config = {"extra": "ignore"}

    name: str = Field(
        min_length=1, max_length=253, description="Name of the object, unique in its namespace."
    )
    namespace: str | None = Field(None, max_length=63, description="Namespace of the object.")


class IocTask(Model):
    """A task as a whole."""

    api_version: Literal["ioc-operator.dev/v1alpha1"] = Field(description="Version of the API.")
    kind: Literal["IocTask"] = Field(description="IocTask.")
    metadata: Metadata = Field(description="Name, namespace, labels.")
    spec: TaskSpec = Field(description="What is wanted.")
    status: Any = Field(None, description="What is; written by the operator and the runtime.")
