"""The PVs that every task and job serves beside its own: one list for all who need it.

The compiler checks names against it, the record layer serves it, the reference
prints it. Names stand here without the task's prefix.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from ioc_runtime.plan import Plan, Value

NAME_MAX: Final = 60
"""Characters of a record name that EPICS can hold, the prefix included."""

Kind = Literal["bool", "enum", "text", "count", "float", "flags", "lines"]
"""What a standard PV holds.

`count` is a whole number of 64 bits, `flags` an array of 0 and 1 with one element
per link, `lines` an array of at most `LINES` texts, newest first, `text` a long
string (39 bytes by plain CA, all of it by `.VAL$` and PVA).
"""

LINES: Final = 100
BUILTIN_PLUGINS: Final = ("simulation",)
"""Plugins that the runtime brings (`ioc_runtime/plugin/builtin`)."""

STATUS_STATES: Final = ("INIT", "RUN", "PAUSED", "END", "ERROR")
RULE_STATES: Final = ("OK", "PENDING", "ACTIVE", "LATCHED", "INVALID", "DISABLED")
LOG_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")


@dataclass(frozen=True)
class StandardPV:
    """One PV of the runtime itself."""

    name: str
    kind: Kind
    meaning: str
    """One line; it is the record's description too (at most 40 bytes)."""
    operator: bool = False
    """Clients in the group of operators may write it."""
    states: tuple[str, ...] = ()
    severities: tuple[int, ...] = ()
    unit: str = ""
    precision: int = 1
    value: Value | None = None
    """First value; None leaves it INVALID until it is written."""
    command: bool = False
    """Each put of 1 counts, and the PV goes back to 0 by itself."""
    also: tuple[str, ...] = ()
    """Second names that it always has."""
    held: bool = False
    """Each put of 1 starts a cycle, and a put-callback is answered at the end of it."""


STANDARD: Final[tuple[StandardPV, ...]] = (
    StandardPV(
        "ENABLE",
        "bool",
        "0 pauses the task, outputs go INVALID",
        operator=True,
        states=("Off", "On"),
        value=1,
    ),
    StandardPV(
        "STATUS", "enum", "state of the task", states=STATUS_STATES, severities=(0, 0, 0, 0, 2)
    ),
    StandardPV("MESSAGE", "text", "the last thing to know"),
    StandardPV("VERSION", "text", "version of the runtime"),
    StandardPV("HEARTBEAT", "count", "counts once a second, from the loop"),
    StandardPV("CYCLE_COUNT", "count", "cycles of the task"),
    StandardPV("UPTIME", "count", "time since the task was started", unit="s"),
    StandardPV(
        "CLEAR",
        "bool",
        "1 releases latches whose cause is gone",
        operator=True,
        states=("Idle", "Clear"),
        value=0,
        command=True,
    ),
    StandardPV(
        "RESET",
        "bool",
        "as CLEAR, and counters and connections",
        operator=True,
        states=("Idle", "Reset"),
        value=0,
        command=True,
    ),
    StandardPV("CONN_INP", "flags", "1 for each input link that is up"),
    StandardPV("CONN_OUT", "flags", "1 for each output link that is up"),
    StandardPV("CONN_INP_NAMES", "text", "names to CONN_INP, one a line"),
    StandardPV("CONN_OUT_NAMES", "text", "names to CONN_OUT, one a line"),
    StandardPV("SYS_CONN", "text", "OK, or the links that are down"),
    StandardPV("EVAL:COUNT", "count", "evaluations"),
    StandardPV("EVAL:TIME", "float", "time of an evaluation", unit="us"),
    StandardPV("EVAL:ERRORS", "count", "expressions that failed"),
    StandardPV("OVERRUNS", "count", "periods that were missed"),
    StandardPV("WRITE:ERRORS", "count", "link writes that failed"),
    *(StandardPV(f"LOG:{level}", "lines", f"last {LINES} of {level}") for level in LOG_LEVELS),
    StandardPV(
        "LOG_LEVEL",
        "enum",
        "lowest level that is logged",
        operator=True,
        states=LOG_LEVELS,
        value=1,
    ),
    StandardPV(
        "SILENCED_LOGGERS",
        "text",
        "loggers held to WARNING, with commas",
        operator=True,
        value="",
    ),
)

TASK_STATUS_STATES: Final = (
    "SUCCESS",
    "LOGIC_FAILURE",
    "IO_FAILURE",
    "EXCEPTION",
    "SKIPPED",
    "STALLED",
)
TASK_STATUS_SEVERITIES: Final = (0, 1, 1, 2, 0, 2)

TRIGGERED: Final[tuple[StandardPV, ...]] = (
    StandardPV(
        "TRIGGER",
        "bool",
        "1 starts a cycle, back at 0 when done",
        operator=True,
        states=("Idle", "Trigger"),
        value=0,
        also=("RUN",),
        held=True,
    ),
    StandardPV("BUSY", "bool", "1 while a cycle runs", states=("Idle", "Busy"), value=0),
    StandardPV("CYCLE", "count", "cycles that have ended", value=0),
    StandardPV(
        "TASK_STATUS",
        "enum",
        "what came of the last cycle",
        states=TASK_STATUS_STATES,
        severities=TASK_STATUS_SEVERITIES,
    ),
    StandardPV("TASK_DURATION", "float", "time the last cycle took", unit="s", precision=4),
    StandardPV("REJECTED", "count", "triggers that started no cycle", value=0),
    StandardPV("ERR:MSG", "text", "why the last cycle is no success", value=""),
)
"""What a task in triggered mode has beside `STANDARD`."""

HOLD_PREFIX: Final = "TRIGGER:"
"""Of records that serve TRIGGER and are of no use to anybody else."""


def hold_names(waiting: int) -> tuple[str, ...]:
    """Names of these records, where so many triggers may wait."""
    holds = (f"{HOLD_PREFIX}HOLD{number}" for number in range(1, waiting + 3))
    return (f"{HOLD_PREFIX}COUNT", f"{HOLD_PREFIX}PICK", *holds)


JOB_STATES: Final = (
    "Pending",
    "Preparing",
    "Prepared",
    "Running",
    "Succeeded",
    "Failed",
    "Stopping",
    "Stopped",
    "Aborting",
    "Aborted",
    "AbortFailed",
    "Queued",
)
JOB_STATUS_STATES: Final = ("IDLE", "RUNNING", "SUCCESS", "FAILED")
_JOB_SEVERITIES: Final = {"Failed": 2, "Stopped": 1, "Aborted": 1, "AbortFailed": 2}


def _command(name: str, meaning: str, state: str) -> StandardPV:
    states = ("Idle", state)
    return StandardPV(name, "bool", meaning, operator=True, states=states, value=0, command=True)


_OF_TASKS: Final = frozenset(
    ("ENABLE", "STATUS", "CYCLE_COUNT", "OVERRUNS", "EVAL:COUNT", "EVAL:TIME", "EVAL:ERRORS")
)
"""What a job has not: it evaluates nothing and has no cycle."""

JOB_STANDARD: Final[tuple[StandardPV, ...]] = (
    StandardPV(
        "STATE",
        "enum",
        "where the run is in its life",
        states=JOB_STATES,
        severities=tuple(_JOB_SEVERITIES.get(state, 0) for state in JOB_STATES),
    ),
    StandardPV(
        "STATUS", "enum", "outcome of the run", states=JOB_STATUS_STATES, severities=(0, 0, 0, 2)
    ),
    StandardPV("PROGRESS", "float", "how much of the run is done", unit="%"),
    StandardPV("MSG", "text", "what the run says of its progress"),
    StandardPV("SEQ", "count", "changes of STATE"),
    _command("CMD:START", "1 starts a prepared run", "Start"),
    _command("CMD:STOP", "1 ends the run early", "Stop"),
    _command("CMD:ABORT", "1 ends the run and calls its abort", "Abort"),
    StandardPV("RUN:ID", "text", "what the run is called, or its number"),
    StandardPV("RUN:START_TIME", "text", "when the run began, UTC"),
    StandardPV("RUN:DURATION", "float", "time since the run began", unit="s"),
    *(pv for pv in STANDARD if pv.name not in _OF_TASKS),
)


def standard_of(kind: str, mode: str = "reactive") -> tuple[StandardPV, ...]:
    """The standard PVs of a kind, IocTask or IocJob, and of a task's mode."""
    if kind == "IocJob":
        return JOB_STANDARD
    return STANDARD + TRIGGERED if mode == "triggered" else STANDARD


RULE_PREFIX: Final = "RULE:"
STATS_PREFIX: Final = "IOC:"
"""Of the devIocStats records, which `iocStats: true` adds."""
STATS_LONGEST: Final = 24
"""Length of the longest name that devIocStats adds, `STATS_PREFIX` included."""


def rule_pv(rule_id: str) -> str:
    """Name of the PV that shows the state of a rule."""
    return RULE_PREFIX + rule_id


def standard_names(plan: Plan) -> Iterator[str]:
    """Names the runtime adds to a plan's own inputs and outputs, without prefix.

    The second names of `aliases` are included: they are names on the network too.
    """
    for pv in standard_of(plan.kind, plan.mode):
        yield pv.name
        yield from pv.also
    if plan.mode == "triggered":
        yield from hold_names(plan.trigger.waiting)
    for rule in plan.rules:
        yield rule_pv(rule.id)
    yield from plan.aliases.values()
