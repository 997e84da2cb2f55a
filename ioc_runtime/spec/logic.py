"""Transforms, rules, permits and the tests of a manifest."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ioc_runtime.spec.base import VOTE_PATTERN, AnyMap, Link, Model, Name, Seconds, Source

MOST_RULES = 1000
MOST_PERMITS = 100
MOST_CONDITIONS = 200
MOST_TESTS = 200
MOST_STEPS = 200


class Transform(Model):
    """An output that follows an expression."""

    output: Name = Field(description="Output that takes the result.")
    expression: Source = Field(description="What it is computed from.")


class Rule(Model):
    """A condition, and the values outputs take while it holds."""

    id: Name = Field(description="Name of the rule; its state is the PV `RULE:<id>`.")
    condition: Source = Field(description="When the rule is active.")
    hold: Seconds = Field(0.0, alias="for", description="Seconds the condition must hold first.")
    outputs: AnyMap = Field(
        default_factory=dict,
        max_length=1000,
        description="Value of each output while the rule is active; the last rule wins.",
    )
    message: str = Field(
        "",
        max_length=500,
        description="Text for MESSAGE when the rule becomes active; `{name}` shows a value.",
    )


class Bypass(Model):
    """Whether operators may bypass a condition, and for how long."""

    max_duration: float = Field(3600.0, gt=0, le=604_800, description="Longest bypass, in seconds.")


class Requirement(Model):
    """One condition of a permit; whatever is not known good trips."""

    name: Name = Field(description="Name of the condition in PVs and first-fault reports.")
    condition: Source | None = Field(None, description="True while the permit may stand.")
    conditions: list[Source] = Field(
        default_factory=list, max_length=20, description="Conditions that `vote` counts."
    )
    vote: str | None = Field(
        None,
        max_length=5,
        pattern=VOTE_PATTERN,
        description="How many of `conditions` must be known good: 2oo3.",
    )
    input: Name | None = Field(None, description="Number that `trip` and `reset` compare.")
    trip: float | None = Field(None, description="Limit of `input` at which the permit trips.")
    reset: float | None = Field(
        None, description="Limit of `input` at which it is good again (hysteresis)."
    )
    trip_delay: Seconds = Field(0.0, description="Seconds a fault must last before it trips.")
    restore_delay: Seconds = Field(
        0.0, description="Seconds a condition must be good before it counts as good."
    )
    latch: bool = Field(True, description="Whether a trip stays until it is reset.")
    bypass: Bypass | None = Field(None, description="Allows operators to bypass the condition.")


class Permit(Model):
    """1 only while every condition is known good; de-energise to trip."""

    name: Name = Field(description="Name of the permit's PV.")
    description: str = Field("", max_length=40, description="One line, at most 40 bytes.")
    target: Link | None = Field(None, description="PV of another IOC that takes the permit.")
    readback: Link | None = Field(None, description="PV that shows whether the target agrees.")
    watchdog: float = Field(
        0.5, ge=0.2, le=60, description="Seconds without an evaluation after which it trips."
    )
    persist: bool = Field(True, description="Whether a latched trip outlives a restart.")
    requires: list[Requirement] = Field(
        min_length=1, max_length=MOST_CONDITIONS, description="The conditions."
    )


RuleStateName = Literal["OK", "PENDING", "ACTIVE", "LATCHED", "INVALID", "DISABLED"]
SeverityName = Literal["NO_ALARM", "MINOR", "MAJOR", "INVALID"]


class Step(Model):
    """One step of a test: set inputs, wait, compare outputs."""

    put: AnyMap = Field(
        default_factory=dict,
        max_length=1000,
        alias="set",
        description="Values from now on: of inputs, of outputs that the plugin writes (it does "
        "not run in a test), of CLEAR, RESET and ENABLE.",
    )
    severity: dict[str, SeverityName] = Field(
        default_factory=dict,
        max_length=1000,
        description="Severity that the sources of linked inputs give with their values in this "
        "step; NO_ALARM of those that are only in `set`.",
    )
    disconnect: list[Name] = Field(
        default_factory=list,
        max_length=1000,
        description="Linked inputs that lose their source, until they are set again.",
    )
    after: Seconds = Field(0.0, description="Seconds to wait after that.")
    expect: AnyMap = Field(
        default_factory=dict,
        max_length=1000,
        description="Values that outputs and permits must have then, and not be INVALID unless "
        "`invalid` names them.",
    )
    invalid: list[Name] = Field(
        default_factory=list, max_length=1000, description="Outputs that must be INVALID then."
    )
    rules: dict[str, RuleStateName] = Field(
        default_factory=dict,
        max_length=1000,
        description="States that rules must have then, as `RULE:<id>` shows them.",
    )


class Test(Model):
    """Proof that the logic does what is meant; run before a change goes live."""

    __test__ = False

    name: str = Field(min_length=1, max_length=200, description="What the test shows.")
    steps: list[Step] = Field(min_length=1, max_length=MOST_STEPS, description="In order.")
