"""Inputs and outputs: the PVs a task serves."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ioc_runtime.spec.base import TAG_PATTERN, Link, Model, Seconds

MOST_SIGNALS = 1000
LONGEST_ARRAY = 100_000
LONGEST_BUFFER = 100_000
MOST_STATES = 16
MOST_TAGS = 20

Severity = Literal["NO_ALARM", "MINOR", "MAJOR", "INVALID"]
Tag = Annotated[str, Field(max_length=60, pattern=TAG_PATTERN)]
State = Annotated[str, Field(min_length=1, max_length=25)]


class Range(Model):
    """Two limits, in the signal's unit."""

    low: float = Field(description="Lower limit.")
    high: float = Field(description="Upper limit; above `low`.")


class Alarms(Model):
    """Alarm limits of a number; a limit that is left out is off."""

    lolo: float | None = Field(None, description="At or below: `loloSeverity`.")
    low: float | None = Field(None, description="At or below: `lowSeverity`.")
    high: float | None = Field(None, description="At or above: `highSeverity`.")
    hihi: float | None = Field(None, description="At or above: `hihiSeverity`.")
    lolo_severity: Severity = Field("MAJOR", description="Severity at the limit `lolo`.")
    low_severity: Severity = Field("MINOR", description="Severity at the limit `low`.")
    high_severity: Severity = Field("MINOR", description="Severity at the limit `high`.")
    hihi_severity: Severity = Field("MAJOR", description="Severity at the limit `hihi`.")
    hysteresis: float = Field(
        0.0, ge=0, description="How far the value must come back before an alarm ends."
    )


class Signal(Model):
    """What inputs and outputs have in common."""

    type: Literal["float", "int", "bool", "enum", "string"] = Field(
        description="Type of the value; of each element when there is a `length`."
    )
    length: int | None = Field(
        None, ge=1, le=LONGEST_ARRAY, description="Makes an array of at most so many elements."
    )
    link: Link | None = Field(
        None,
        description="PV of another IOC: `ca://NAME` or `pva://NAME`; without a scheme "
        "`protocol` decides.",
    )
    unit: str = Field("", max_length=15, description="Engineering unit, at most 15 bytes.")
    precision: int = Field(3, ge=0, le=15, description="Decimals that displays show.")
    description: str = Field("", max_length=40, description="One line, at most 40 bytes.")
    display: Range | None = Field(None, description="Range of displays.")
    alarms: Alarms | None = Field(None, description="Alarm limits of a number.")
    states: list[State] = Field(
        default_factory=list,
        max_length=MOST_STATES,
        description="Names of the values of an enum (at most 16) or a bool (two), in order.",
    )
    severity: dict[State, Severity] = Field(
        default_factory=dict,
        max_length=MOST_STATES,
        description="Severity of a state, by its name; a state left out has none.",
    )
    buffer: int | None = Field(
        None,
        ge=1,
        le=LONGEST_BUFFER,
        description="Keeps so many valid samples as `<name>_buf` in expressions.",
    )
    tags: list[Tag] = Field(
        default_factory=list,
        max_length=MOST_TAGS,
        description="Words by which a plugin chooses inputs and outputs.",
    )
    max_age: float | None = Field(
        None,
        gt=0,
        le=31_536_000,
        description="Seconds without a sign of life (input) or a write of the plugin "
        "(output) after which the value is invalid.",
    )
    persist: bool = Field(
        True,
        description="Whether a set-point's value, or an output's latch, outlives a restart.",
    )


class Input(Signal):
    """A PV that mirrors another PV (`link`), or a set-point for operators."""

    poll: float | None = Field(
        None,
        ge=0.01,
        le=86_400,
        description="Seconds between reads of the link; left out, the link is monitored.",
    )
    value: Any = Field(
        None,
        description="First value of a set-point; without one it is invalid until it is written.",
    )
    drive: Range | None = Field(None, description="Range a set-point is held to.")
    invalid_hold: Seconds = Field(
        0.0,
        description="Seconds an invalid input keeps its last good value, shown as MINOR.",
    )


class Output(Signal):
    """A PV driven by rules, by one transform, or by the plugin."""

    readback: Link | None = Field(
        None, description="PV that tells whether a write to `link` has taken effect."
    )
    tolerance: float = Field(
        0.0, ge=0, description="Largest difference of value and read-back that still agrees."
    )
    timeout: float = Field(
        2.0,
        gt=0,
        le=3600,
        description="Seconds one attempt of a link write may take, read-back included.",
    )
    retries: int = Field(2, ge=0, le=100, description="Further attempts of a failed link write.")
    latch: Literal["rise", "fall", "any"] | None = Field(
        None, description="Transition after which the output keeps its value until CLEAR."
    )
    on_invalid: Literal["hold", "drive"] = Field(
        "hold",
        description="What happens when the value is not certain: hold the last one, or drive "
        "`safeValue`; INVALID either way.",
    )
    safe_value: Any = Field(None, description="Value of `onInvalid: drive`.")
    value: Any = Field(
        None,
        description="First value of an output that rules drive and ruleDefaults has not; its "
        "link is not told. Without one it is invalid until a rule has been active.",
    )
    otherwise: Literal["plugin", "transform"] | None = Field(
        None,
        description="Who else gives the value of an output that rules drive, while none of "
        "them is active: the plugin, or the transform of that output.",
    )
    repeat: bool = Field(
        False,
        description="Whether the link is told a value again that has not changed: when a rule "
        "becomes active, at each period, and at each write of the plugin. For a PV that others "
        "write, too.",
    )
