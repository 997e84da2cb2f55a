"""What a schema alone cannot say, in CEL, by the name of the model it belongs to.

Only what the compiler refuses too: the server must not be stricter than `iocctl
validate`. Left to the compiler is what would cost the server more than it may spend (a
list without duplicates), and all that reads a value of any type, or a map of such values
(`rules[].outputs`, `ruleDefaults`, `parameters`): CEL cannot see those.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ioc_runtime.compile.names import LONGEST_OBJECT
from ioc_runtime.spec.plugin import INLINE_BYTES
from ioc_runtime.standard import (
    NAME_MAX,
    RULE_PREFIX,
    STATS_LONGEST,
    standard_of,
)

Rule = dict[str, Any]
Said = tuple[str, str]
"""What must hold, and the sentence for whoever wrote the manifest."""


def rule(cel: str, message: str) -> Rule:
    """One entry of x-kubernetes-validations."""
    return {"rule": cel, "message": message}


def _with(fields: Sequence[str], holds: str, message: str) -> Said:
    """What must hold where one of these fields is given."""
    given = " || ".join(f"has(self.{field})" for field in fields)
    return f"({holds}) || !({given})", f"{', '.join(fields)}: expected {message}"


def merged(rules: Sequence[Said]) -> Rule:
    """Several rules as one, which gives the sentence of the first that does not hold.

    A server works out each rule of each element of a map anew with every write, also of
    the status: what stands in a model of which there are a thousand has to be short.
    """
    *others, (_, last) = rules
    words = "".join(f"!({cel}) ? {json.dumps(message)} : " for cel, message in others)
    return {
        "rule": " && ".join(f"({cel})" for cel, _ in rules),
        "messageExpression": words + json.dumps(last),
    }


_NUMBER: Final = "self.type in ['float', 'int']"
_STATED: Final = "self.type in ['bool', 'enum']"
_SINGLE: Final = "!has(self.length)"

SIGNAL: Final[tuple[Said, ...]] = (
    (
        "has(self.states) || self.type != 'enum'",
        "states: expected the names of the states with type enum",
    ),
    (
        "!has(self.states) || self.states.size() == 0 && self.type != 'enum' || "
        "self.type == 'enum' && self.states.size() > 0 || "
        "self.type == 'bool' && self.states.size() == 2",
        "states: expected at least one for an enum, two for a bool, none for another type",
    ),
    _with(("unit", "display"), _NUMBER, "type float or int with them"),
    _with(("precision",), "self.type == 'float'", "type float with it"),
    _with(("alarms",), f"{_NUMBER} && {_SINGLE}", "a single float or int with it"),
    _with(("buffer",), _SINGLE, "a single value, not an array"),
    (
        f"!has(self.severity) || {_STATED} && {_SINGLE} && "
        "self.severity.all(n, has(self.states) && n in self.states)",
        "severity: expected a single bool or enum, and the names of its states",
    ),
)

_REPORTS: Final = (
    "!has(self.report) || !has(self.report.enabled) || self.report.enabled || has(self.storage)"
)
_KEPT: Final = "without reports nothing else keeps a latch"


def _longest_prefix(kind: str) -> int:
    return NAME_MAX - max(len(pv.name) for pv in standard_of(kind))


def _fits(names: str, more: int = 0) -> Said:
    """Names in a map, with the prefix and what the project adds, are names of records."""
    room = NAME_MAX - more
    return (
        f"!has(self.prefix) || !has(self.{names}) || "
        f"self.{names}.all(n, self.prefix.size() + n.size() <= {room})",
        f"{names}: expected names of at most {room} characters, the prefix included",
    )


def _common(kind: str) -> tuple[Said, ...]:
    longest = _longest_prefix(kind)
    return (
        (
            "!has(self.plugin) || !has(self.plugin.config) || "
            "!has(self.inputs) && !has(self.outputs)",
            "plugin.config: expected no inputs and no outputs here, they are in that file",
        ),
        (
            f"!has(self.prefix) || self.prefix.size() <= {longest}",
            f"prefix: expected at most {longest} characters, so that every standard PV has room",
        ),
        _fits("inputs"),
        _fits("outputs"),
        (
            "!has(self.inputs) || !has(self.outputs) || self.inputs.all(n, !(n in self.outputs))",
            "outputs: expected names that no input has",
        ),
        (
            f"{_REPORTS} || !has(self.outputs) || self.outputs.all(n, "
            "!has(self.outputs[n].latch) || "
            "has(self.outputs[n].persist) && !self.outputs[n].persist)",
            f"outputs: expected `storage`, or `persist: false` beside each `latch`: {_KEPT}",
        ),
        (
            "has(self.storage) == has(oldSelf.storage)",
            "storage: expected no change; to add it or take it away, delete the object and "
            "create it again",
        ),
    )


RULES: Final[Mapping[str, tuple[Said, ...]]] = {
    "Range": (("self.low < self.high", "expected `low` below `high`"),),
    "Alarms": (
        (
            "!has(self.lolo) || (!has(self.low) || self.lolo <= self.low) && "
            "(!has(self.high) || self.lolo <= self.high) && "
            "(!has(self.hihi) || self.lolo <= self.hihi)",
            "expected `lolo` not above low, high and hihi",
        ),
        (
            "!has(self.low) || (!has(self.high) || self.low <= self.high) && "
            "(!has(self.hihi) || self.low <= self.hihi)",
            "expected `low` not above high and hihi",
        ),
        (
            "!has(self.high) || !has(self.hihi) || self.high <= self.hihi",
            "expected `high` not above hihi",
        ),
    ),
    "Input": (
        *SIGNAL,
        _with(("poll", "maxAge", "invalidHold"), "has(self.link)", "a `link` with them"),
        _with(
            ("drive", "persist"),
            "!has(self.link)",
            "none of them: the input has a link, it is no set-point",
        ),
        _with(("drive",), f"{_NUMBER} && {_SINGLE}", "a single float or int with it"),
    ),
    "Output": (
        *SIGNAL,
        _with(
            ("readback", "tolerance", "timeout", "retries"), "has(self.link)", "a `link` with them"
        ),
        (
            "!has(self.repeat) || !self.repeat || has(self.link)",
            "repeat: expected a `link` with it",
        ),
        (
            f"!has(self.tolerance) || self.tolerance == 0.0 || {_NUMBER}",
            "tolerance: expected type float or int with it",
        ),
        _with(
            ("latch",),
            f"self.type != 'string' && {_SINGLE}",
            "a single float, int, bool or enum to latch",
        ),
        _with(("persist",), "has(self.latch)", "a `latch` with it"),
    ),
    "Requirement": (
        (
            "[has(self.condition), has(self.conditions), has(self.input)].filter(x, x).size() == 1",
            "expected exactly one of condition, conditions, input",
        ),
        ("has(self.vote) == has(self.conditions)", "expected `vote` and `conditions` together"),
        ("has(self.trip) == has(self.input)", "expected `trip` and `input` together"),
        _with(("reset",), "has(self.trip)", "a `trip` with it"),
    ),
    "Plugin": (
        (
            "[has(self.git), has(self.inline), has(self.configMap), has(self.image), "
            "has(self.builtin)].filter(x, x).size() == 1",
            "expected exactly one of git, inline, configMap, image, builtin",
        ),
        (
            "!has(self.config) || !has(self.inline) && !has(self.builtin)",
            "config: expected a plugin from git, configMap or image",
        ),
    ),
    "Inline": (
        (
            "self.files.exists(n, n.endsWith('.py'))",
            "files: expected at least one that ends in .py",
        ),
        (
            f"self.files.map(n, self.files[n].size()).sum() <= {INLINE_BYTES}",
            f"files: expected at most {INLINE_BYTES} bytes in all",
        ),
    ),
    "Trigger": (
        (
            "!has(self.killAfter) || has(self.stallLimit)",
            "killAfter: expected `stallLimit` with it: the time counts from there",
        ),
    ),
    "Storage": (
        (
            "self == oldSelf",
            "expected no change: a volume stays as it was made; delete the object and create "
            "it again",
        ),
    ),
    "TaskSpec": (
        *_common("IocTask"),
        (
            "!has(self.plugin) || !has(self.plugin.config) || "
            "!has(self.transforms) && !has(self.rules)",
            "plugin.config: expected no transforms and no rules here, they are in that file",
        ),
        (
            "!has(self.prefix) || !has(self.iocStats) || !self.iocStats || "
            f"self.prefix.size() <= {NAME_MAX - STATS_LONGEST}",
            f"prefix: expected at most {NAME_MAX - STATS_LONGEST} characters with iocStats",
        ),
        (
            "!has(self.prefix) || !has(self.rules) || self.rules.all(r, "
            f"self.prefix.size() + r.id.size() <= {NAME_MAX - len(RULE_PREFIX)})",
            f"rules: expected ids of at most {NAME_MAX - len(RULE_PREFIX)} characters, the "
            f"prefix included ({RULE_PREFIX} comes before them)",
        ),
        (
            "!has(self.mode) || self.mode != 'triggered' || has(self.plugin)",
            "plugin: expected one with triggered(): in mode triggered there is nothing else to run",
        ),
        (
            "!has(self.transforms) || self.transforms.all(t, "
            "has(self.outputs) && t.output in self.outputs)",
            "transforms: expected the name of an output in each `output`",
        ),
        (
            "!has(self.permits) || self.permits.all(p, "
            "!(has(self.inputs) && p.name in self.inputs) && "
            "!(has(self.outputs) && p.name in self.outputs))",
            "permits: expected names that no input and no output has",
        ),
        (
            f"{_REPORTS} || !has(self.permits) || self.permits.all(p, "
            "has(p.persist) && !p.persist || "
            "p.requires.all(r, has(r.latch) && !r.latch))",
            "permits: expected `storage`, or `persist: false` of each permit that latches: "
            + _KEPT,
        ),
    ),
    "JobSpec": (
        *_common("IocJob"),
        ("has(self.plugin)", "plugin: expected one: a job is the code it runs"),
        (
            # CEL has a keyword of that name, so the field is written with underscores.
            "!has(self.__function__) || !has(self.plugin) || !has(self.plugin.class)",
            "function: expected none beside plugin.class",
        ),
        (
            "has(self.schedule) == has(oldSelf.schedule)",
            "schedule: expected no change; to add it or take it away, delete the object and "
            "create it again",
        ),
    ),
}


def of_object(kind: str) -> Rule:
    """The rule of the object as a whole."""
    longest = LONGEST_OBJECT[kind]
    return rule(
        f"self.metadata.name.size() <= {longest}",
        f"metadata.name: expected at most {longest} characters",
    )
