"""What is done to each plugin, and what of it is looked at.

A step puts a value to a PV of the field or of the plugin, waits, or looks: then the
values of `looks` are noted under a label. Where iocmng answers otherwise because of a
defect, the answer stands in `defects` with the number that docs/migration.md has for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

FIELD = {
    "TEMP": 20.0,
    "PRESSURE": 1.0,
    "FLOW": 2.0,
    "VALVE": 1.0,
    "MOVING": 0.0,
    "SIGNAL": 1.0,
}
"""PVs of the field and their first values; names begin with FIELD: (the ports are our own)."""


@dataclass(frozen=True)
class Step:
    """One thing that is done."""

    kind: str
    """field, put, wait or look."""
    name: str = ""
    value: float = 0.0


def field_put(name: str, value: float) -> Step:
    """A PV of the field gets a value."""
    return Step("field", name, value)


def put(name: str, value: float) -> Step:
    """An operator puts to a PV of the plugin."""
    return Step("put", name, value)


def wait(seconds: float) -> Step:
    """Time passes."""
    return Step("wait", value=seconds)


def look(label: str) -> Step:
    """Note what the PVs say."""
    return Step("look", label)


@dataclass(frozen=True)
class Script:
    """One plugin and what happens to it."""

    plugin: str
    """Directory below tests/data/iocmng/."""
    module: str
    """The module that iocmng-run is told."""
    looks: tuple[str, ...]
    """PVs that are looked at: of the plugin, or FIELD:NAME."""
    steps: tuple[Step, ...]
    ready: str = "STATUS"
    """PV that tells that the system runs."""
    runs_at: float = 1.0
    """Its value then."""
    ends_at: float | None = None
    """Its value when a job is done: the PVs are followed, and what they said last counts."""
    defects: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """(label, PV) -> why iocmng says something else."""
    reaction: tuple[str, float, float, str] | None = None
    """PV of the field, two values, and the output that follows: what is timed."""
    period: float | None = None
    """Seconds between two cycles of iocmng's continuous mode."""
    counter: str = "CYCLE_COUNT"
    """PV that counts the cycles that were really made."""


SCRIPTS = (
    Script(
        "interlock",
        "interlock",
        ("temp", "pressure", "flow", "ALARM", "TRIPPED", "VALVE", "MSG", "FIELD:VALVE",
         "FIELD:PRESSURE"),
        (
            wait(1.0), look("calm"),
            field_put("TEMP", 90), wait(1.0), look("hot"),
            field_put("TEMP", 20), wait(1.0), look("cool again, latched"),
            put("CLEAR", 1), wait(1.0), look("cleared"),
            field_put("PRESSURE", 7), wait(1.0), look("over pressure"),
            field_put("PRESSURE", 1), wait(1.0), put("CLEAR", 1), wait(1.0), look("over"),
            field_put("TEMP", 50), field_put("FLOW", 0), wait(1.2), look("no flow: actuator"),
            field_put("PRESSURE", 3), wait(1.2), look("actuator again"),
            field_put("FLOW", 2), field_put("TEMP", 20), wait(0.8),
            field_put("PRESSURE", 1), wait(1.0),
            put("CLEAR", 1), wait(1.0), look("calm again"),
            put("ENABLE", 0), wait(1.0), field_put("TEMP", 95), wait(1.0), look("paused"),
            put("ENABLE", 1), wait(1.2), look("on again"),
        ),
        defects={
            ("hot", "MSG"): "M3",
            ("over pressure", "MSG"): "M3",
            ("no flow: actuator", "MSG"): "M3",
            ("actuator again", "MSG"): "M3",
            ("on again", "MSG"): "A6",
            ("on again", "temp"): "A6",
            ("on again", "ALARM"): "A6",
            ("on again", "TRIPPED"): "A6",
            ("paused", "temp"): "M5",
        },
        reaction=("TEMP", 20.0, 90.0, "ALARM"),
        period=0.2,
    ),
    Script(
        "reactive",
        "shutter",
        ("moving", "temp", "SHUTTER", "MOVES", "LAST", "TWICE"),
        (
            wait(0.5), look("at the start"),
            field_put("TEMP", 21), wait(0.7), look("warmer"),
            field_put("MOVING", 1), wait(0.7), look("moving"),
            field_put("MOVING", 0), wait(0.7), look("still"),
            field_put("MOVING", 1), wait(0.7), field_put("MOVING", 0), wait(0.7), look("again"),
        ),
        defects={("at the start", "TWICE"): "A4"},
        reaction=("MOVING", 0.0, 1.0, "SHUTTER"),
    ),
    Script(
        "triggered",
        "calibrate",
        ("TARGET", "RESULT"),
        (
            wait(0.5), look("ready"),
            put("RUN", 1), wait(1.5), look("after RUN"),
            put("TARGET", 8), put("RUN", 1), wait(1.5), look("after another"),
        ),
        ready="TARGET",
        runs_at=4.0,
        defects={
            ("after RUN", "RESULT"): "B1",
            ("after another", "RESULT"): "B1",
        },
    ),
    Script(
        "continuous",
        "monitor",
        ("INPUT", "temp", "OUTPUT", "ALARM", "FLOW_SEEN", "LIMITED", "FIELD:TEMP"),
        (
            wait(1.0), look("at first"),
            put("INPUT", 80), wait(1.0), look("a set-point above the limit"),
            field_put("FLOW", 5), wait(1.0), look("another flow"),
            field_put("TEMP", 95), wait(1.5), look("it puts the temperature back"),
            put("INPUT", 10), wait(1.0), look("low again"),
        ),
        period=0.2,
        counter="CYCLES",
    ),
    Script(
        "report",
        "report",
        ("STATUS", "MESSAGE", "OFFSET", "RESULT", "SUM"),
        (look("done"),),
        ends_at=2.0,
    ),
    Script(
        "noise",
        "noise",
        ("signal", "MEAN", "RMS", "SPAN", "SCALED", "NOISY"),
        (
            wait(3.0), look("steady"),
            field_put("SIGNAL", 3), wait(1.0), look("a step"), wait(3.0), look("steady again"),
        ),
        defects={("a step", name): "M6" for name in ("MEAN", "RMS", "SCALED")},
        period=0.1,
    ),
)  # fmt: skip
