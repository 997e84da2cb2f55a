"""What a running task shows: its PVs, its exit codes."""

from __future__ import annotations

from typing import Final

from ioc_runtime.epics.declare import Record, declare
from ioc_runtime.job.outcome import (
    EXIT_ABORTED,
    EXIT_DONE,
    EXIT_LOGIC,
    EXIT_STALLED,
    EXIT_STOPPED,
)
from ioc_runtime.plan import Plan, Rule
from ioc_runtime.plugin.errors import TOO_MANY_FAILURES
from ioc_runtime.standard import (
    JOB_STANDARD,
    RULE_STATES,
    STANDARD,
    STATS_PREFIX,
    TRIGGERED,
    StandardPV,
    rule_pv,
)
from ioc_runtime.task.parts import EXIT_BAD_SPEC, EXIT_EXCEPTION, EXIT_IO
from scripts.reference.markdown import code, table

_KINDS: Final = {
    "bool": "0 or 1",
    "enum": "state",
    "text": "text",
    "count": "whole number, 64 bits",
    "float": "number",
    "flags": "array of 0 and 1",
    "lines": "array of texts, newest first",
}
_COLUMNS: Final = ("Record", "Holds", "Written by", "Meaning")
_EXITS: Final = (
    (EXIT_DONE, "a task was stopped: SIGTERM, SIGINT, or its parent has gone; a job is done"),
    (EXIT_LOGIC, "a job says that it failed"),
    (EXIT_IO, "a port that was asked for is taken"),
    (EXIT_IO, "a job failed by an `OSError`, or its last write to a link did not arrive"),
    (EXIT_EXCEPTION, "a fault of the runtime at its start"),
    (TOO_MANY_FAILURES, "a hook of a task's plugin failed `maxFailures` times in a row"),
    (EXIT_EXCEPTION, "a job raised anything else"),
    (EXIT_STALLED, "a cycle in triggered mode did not end (`trigger.killAfter`)"),
    (EXIT_STALLED, "a job was not done within `runTimeoutSeconds`"),
    (EXIT_ABORTED, "a job was aborted by CMD:ABORT"),
    (
        EXIT_BAD_SPEC,
        "bad plan, plugin, database or access rules; a PV that somebody serves already; "
        "a state directory that cannot be used",
    ),
    (EXIT_STOPPED, "a job was stopped before its end: CMD:STOP, SIGTERM, SIGINT"),
)


def standard() -> str:
    """The PVs of every task."""
    plan = Plan("t", "", "P:", rules=(Rule("ID", "True"),))
    _, (rule,), records = declare(plan)
    rows = [_row(pv, record) for pv, record in zip(STANDARD, records, strict=True)]
    states = " ".join(map(code, RULE_STATES))
    rows.append((code(rule_pv("ID")), rule.type, states, "", "state of a rule; one for each"))
    rows.append((code(f"{STATS_PREFIX}*"), "", "", "", "devIocStats, with `iocStats: true`"))
    return table(("PV", *_COLUMNS), rows)


def standard_triggered() -> str:
    """The PVs that tasks have in triggered mode only."""
    _, _, records = declare(Plan("t", "", "P:", mode="triggered"))
    own = records[len(STANDARD) :]
    rows = [_row(pv, record) for pv, record in zip(TRIGGERED, own, strict=True)]
    return table(("PV of mode triggered", *_COLUMNS), rows)


def standard_of_jobs() -> str:
    """The PVs that jobs have and tasks have not."""
    _, _, records = declare(Plan("t", "", "P:", kind="IocJob"))
    rows = [
        _row(pv, record)
        for pv, record in zip(JOB_STANDARD, records, strict=True)
        if pv not in STANDARD
    ]
    shared = [code(pv.name) for pv in JOB_STANDARD if pv in STANDARD]
    return f"{table(('PV of a job', *_COLUMNS), rows)}\nAs in a task: {', '.join(shared)}.\n"


def _row(pv: StandardPV, record: Record) -> tuple[str, ...]:
    who = "operators" if pv.operator else ""
    names = ", ".join(map(code, (pv.name, *pv.also)))
    return names, record.type, _holds(pv), who, pv.meaning


def exits() -> str:
    """Exit codes of the serving process."""
    meanings: dict[int, str] = {}
    for number, meaning in _EXITS:
        meanings[number] = f"{meanings[number]}; {meaning}" if number in meanings else meaning
    return table(("Code", "Meaning"), [(str(n), meaning) for n, meaning in meanings.items()])


def _holds(pv: StandardPV) -> str:
    if pv.states:
        return " ".join(map(code, pv.states))
    return _KINDS[pv.kind] + (f" ({pv.unit})" if pv.unit else "")
