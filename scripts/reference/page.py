"""The whole page."""

from __future__ import annotations

from typing import Final

from ioc_runtime.compile import logic, manifest, names, signals
from ioc_runtime.compile.unbuilt import JOB_PARTS, PARTS
from ioc_runtime.engine.values import ELEMENT_MAX, STRING_MAX
from ioc_runtime.spec.document import LARGEST_FILE
from ioc_runtime.spec.plugin import INLINE_BYTES
from ioc_runtime.standard import NAME_MAX
from scripts.reference import expressions, runtime, status
from scripts.reference.fields import MARK, fields
from scripts.reference.markdown import code, table
from scripts.reference.signals import types, values
from scripts.reference.words import legend

_TEXT: Final = """\
# Reference

Made from the code by `make reference`; do not edit it. What the parts do together
stands in [behaviour.md](behaviour.md).

[Not built yet](#not-built-yet) · [Fields](#fields) · [Types](#types) · [Limits](#limits) ·
[Expressions](#expressions) · [PVs of every task](#pvs-of-every-task) ·
[PVs of every job](#pvs-of-every-job) · [Exit codes](#exit-codes) ·
[Conditions](#conditions) · [Reasons](#reasons) · [Events](#events)

## Not built yet

{mark} A manifest that uses one of these is refused, with these words; nothing is ignored.

{unbuilt}
## Fields

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

{limits}
## Expressions

{syntax}
Enums and bools compare with the names of their states (`mode != 'Off'`) or with their
index, and are ordered by index. What is not listed here (a loop, another attribute, a
call of anything else) is refused.

{attributes}
{forms}
{functions}
A plugin adds functions of its own (`plugin.functions`). Messages of rules show values
as `{{name}}` or `{{name:.2e}}`; one that is not known shows as `?`.

## PVs of every task

Behind the task's prefix. `aliases` gives one a second name. CLEAR and RESET go back to 0
by themselves; each put of 1 counts.

{standard}
## PVs of a task in triggered mode

Beside those of every task. [plugins.md](plugins.md#triggered) says how they work
together. What starts with TRIGGER: is the runtime's own and of no use to others.

{standard_triggered}
## PVs of every job

Behind the job's prefix, and with aliases as those of a task. What is not described here
is as in a task.

{standard_of_jobs}
## Exit codes

Of the serving process, and so of `iocctl run`, which adds 2 and 128 + N
([cli.md](cli.md)).

{exits}
## Conditions

Of an IocTask or IocJob in a cluster: `status.conditions`, as `kubectl describe` shows
them. What is not known is `Unknown`, never `True`. Tools that wait (`kubectl wait`,
`helm --wait`, Flux) read Ready, Reconciling and Stalled; at most one of the last two is
there.

{conditions}
## Reasons

The first in the way, from the manifest outwards, is the reason of Ready, and of
Reconciling or Stalled beside it.

{reasons}
## Events

Told once at each change; `kubectl events` shows them. The reasons of Stalled and those
of `status.history` (as `OOMKilled`, `Evicted`, or the last words of the runtime) are
told as well. Values, rules and alarms are PVs, not Events.

{events}"""


def page() -> str:
    """docs/reference.md as the code has it."""
    return _TEXT.format(
        mark=MARK,
        unbuilt=_unbuilt(),
        legend=legend(),
        fields=fields(),
        types=types(),
        values=values(),
        limits=_limits(),
        syntax=expressions.syntax(),
        attributes=expressions.attributes(),
        forms=expressions.forms(),
        functions=expressions.functions(),
        standard=runtime.standard(),
        standard_triggered=runtime.standard_triggered(),
        standard_of_jobs=runtime.standard_of_jobs(),
        exits=runtime.exits(),
        conditions=status.conditions(),
        reasons=status.reasons(),
        events=status.events(),
    )


def _unbuilt() -> str:
    rows = []
    for words, path, _ in (*PARTS, *(part for part in JOB_PARTS if part not in PARTS)):
        rows.append((code(".".join(map(str, ("spec", *path)))), words.rpartition(" ")[0]))
    return table(("Field", "What"), rows)


def _limits() -> str:
    rows = [
        ("a PV name, prefix and suffix included", f"{NAME_MAX} characters"),
        *(
            (f"`metadata.name` of an {kind}", f"{longest} characters")
            for kind, longest in names.LONGEST_OBJECT.items()
        ),
        ("`unit`, `description`, a state", _bytes()),
        ("a text; an element of an array of texts", f"{STRING_MAX}; {ELEMENT_MAX} bytes of UTF-8"),
        ("elements of all arrays", str(signals.MOST_ELEMENTS)),
        ("samples of all buffers", str(signals.MOST_BUFFERED)),
        ("characters of all expressions and messages", str(logic.MOST_SOURCE)),
        ("entries of a parameter that is a list", str(manifest.MOST_PARAMETER_ITEMS)),
        ("inline files of a plugin", f"{INLINE_BYTES} bytes"),
        ("the file", f"{LARGEST_FILE} characters"),
        ("the plan that is made from it", f"{manifest.LARGEST_PLAN} bytes"),
        *expressions.bounds(),
    ]
    return table(("What", "At most"), rows)


def _bytes() -> str:
    limits = (signals.UNIT_BYTES, signals.DESCRIPTION_BYTES, signals.STATE_BYTES)
    return ", ".join(map(str, limits)) + " bytes of UTF-8"
