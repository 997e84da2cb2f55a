"""The pages: what stands around the tables."""

from __future__ import annotations

from typing import Final

from ioc_runtime.compile.unbuilt import JOB_PARTS, PARTS
from scripts.reference import command, expressions, limits, operator, runtime, status
from scripts.reference.fields import MARK, fields
from scripts.reference.markdown import code, table
from scripts.reference.signals import types, values
from scripts.reference.words import legend

MADE: Final = "Made from the code by `make reference`; do not edit it."

INDEX: Final = """\
# Reference

{made} What the parts do
together stands in [behaviour.md](behaviour.md).

| | |
|---|---|
| [Fields](reference/fields.md) | all that a manifest may hold, types, limits |
| [Expressions](reference/expressions.md) | operators, attributes, functions |
| [PVs](reference/pvs.md) | the PVs that every task and job has |
| [Status](reference/status.md) | conditions, reasons, Events |
| [Exit codes](reference/exit-codes.md) | how the serving process ends |
| [iocctl](reference/iocctl.md) | commands and options |
| [kubectl ioc](reference/kubectl-ioc.md) | commands and options |
| [Operator](reference/operator.md) | its flags and metrics |

The values of the chart are in [its page](chart.md), and editors read the
[JSON schema](schema/ioc.json) of manifests.

## Not built yet

{mark} A manifest that uses one of these is refused, with these words; nothing is ignored.

{unbuilt}"""

FIELDS: Final = """\
# Fields

{made}
{mark} stands behind what is [not built yet](../reference.md#not-built-yet).

A field that is not here is an error. Durations are seconds. `-` in the column of
defaults: without it there is none. What a field means for an input without `link` (a
set-point) and with one (a mirror) differs; `iocctl validate` says where one does not
belong.

{legend}
{fields}
## Types

`[]` stands for an array, a signal with `length`.

{types}
{values}
## Limits

Beyond those of single fields. What is over a limit is refused by `iocctl validate`.

{limits}"""

EXPRESSIONS: Final = """\
# Expressions

{made}

{syntax}
Enums and bools compare with the names of their states (`mode != 'Off'`) or with their
index, and are ordered by index. What is not listed here (a loop, another attribute, a
call of anything else) is refused.

{attributes}
{forms}
{functions}
A plugin adds functions of its own (`plugin.functions`). Messages of rules show values
as `{{name}}` or `{{name:.2e}}`; one that is not known shows as `?`.
"""

PVS: Final = """\
# PVs

{made}

## PVs of every task

Behind the task's prefix. `aliases` gives one a second name. CLEAR and RESET go back to 0
by themselves; each put of 1 counts.

{standard}
## PVs of a task in triggered mode

Beside those of every task. [plugins.md](../plugins.md#triggered) says how they work
together. What starts with TRIGGER: is the runtime's own and of no use to others.

{standard_triggered}
## PVs of every job

Behind the job's prefix, and with aliases as those of a task. What is not described here
is as in a task.

{standard_of_jobs}"""

EXITS: Final = """\
# Exit codes

{made}

Of the serving process, and so of `iocctl run`, which adds 2 and 128 + N
([cli.md](../cli.md)).

{exits}"""

STATUS: Final = """\
# Status

{made}

## Conditions

Of an IocTask or IocJob in a cluster: `status.conditions`, as `kubectl describe` shows
them. What is not known is `Unknown`, never `True`. Tools that wait (`kubectl wait`,
`helm --wait`, Flux) read Ready, Reconciling and Stalled; at most one of the last two is
there.

{conditions}
## Reasons

The first in the way, from the manifest outwards, is the reason of Ready, and of
Reconciling or Stalled beside it. [It is not Ready, what now](../howto/trouble.md) says where
to look and how to annotate.

{reasons}
## Events

Told once at each change; `kubectl events` shows them. The reasons of Stalled and those
of `status.history` (as `OOMKilled`, `Evicted`, or the last words of the runtime) are
told as well. Values, rules and alarms are PVs, not Events.

{events}"""

OPERATOR: Final = """\
# Operator

{made}

## Flags

Of `python -m ioc_operator`; each has a variable, and the flag wins. The chart sets them.

{flags}
## Metrics

On `/metrics`, port 8080, in Prometheus' text format; histograms are in seconds.

{metrics}"""


def pages() -> dict[str, str]:
    """Each page, by its path below docs/."""
    return {
        "reference.md": INDEX.format(made=MADE, mark=MARK, unbuilt=_unbuilt()),
        "reference/fields.md": FIELDS.format(
            made=MADE,
            mark=MARK,
            legend=legend(),
            fields=fields(),
            types=types(),
            values=values(),
            limits=limits.limits(),
        ),
        "reference/expressions.md": EXPRESSIONS.format(
            made=MADE,
            syntax=expressions.syntax(),
            attributes=expressions.attributes(),
            forms=expressions.forms(),
            functions=expressions.functions(),
        ),
        "reference/pvs.md": PVS.format(
            made=MADE,
            standard=runtime.standard(),
            standard_triggered=runtime.standard_triggered(),
            standard_of_jobs=runtime.standard_of_jobs(),
        ),
        "reference/exit-codes.md": EXITS.format(made=MADE, exits=runtime.exits()),
        "reference/status.md": STATUS.format(
            made=MADE,
            conditions=status.conditions(),
            reasons=status.reasons(),
            events=status.events(),
        ),
        "reference/iocctl.md": command.page(MADE, "iocctl", "ioc_runtime.cli.main"),
        "reference/kubectl-ioc.md": command.page(MADE, "kubectl ioc", "ioc_runtime.cli.kubectl"),
        "reference/operator.md": OPERATOR.format(
            made=MADE, flags=operator.flags(), metrics=operator.metrics()
        ),
    }


def _unbuilt() -> str:
    rows = []
    for words, path, _ in (*PARTS, *(part for part in JOB_PARTS if part not in PARTS)):
        rows.append((code(".".join(map(str, ("spec", *path)))), words.rpartition(" ")[0]))
    return table(("Field", "What"), rows)
