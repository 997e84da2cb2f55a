"""Names: what may be a name, how long it may be, and which names meet.

One list of all PVs a task serves is made here; two of them may not differ by case
alone. In expressions, parameters share the names of inputs and outputs.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from typing import Final

from ioc_runtime.compile.collector import Collector
from ioc_runtime.compile.trigger import waiting
from ioc_runtime.engine.functions import FUNCTIONS
from ioc_runtime.engine.grammar import FORMS
from ioc_runtime.spec.base import LABEL_PATTERN, OBJECT_PATTERN, PATTERNS
from ioc_runtime.spec.problem import Path
from ioc_runtime.spec.task import Common, Metadata, TaskSpec
from ioc_runtime.standard import (
    HOLD_PREFIX,
    NAME_MAX,
    RULE_PREFIX,
    STANDARD,
    STATS_LONGEST,
    STATS_PREFIX,
    hold_names,
    rule_pv,
    standard_of,
)

LONGEST_OBJECT: Final = {"IocTask": 52, "IocJob": 50}
"""Characters of metadata.name: in labels of 63, a StatefulSet adds eleven to it, and a run
its number, and its pod six more."""

WORDS: Final = frozenset(
    {*keyword.kwlist, *keyword.softkwlist, "rules", "true", "false", "null"} - {"_", "type"}
)
FAMILIES: Final = (
    RULE_PREFIX,
    STATS_PREFIX,
    HOLD_PREFIX,
    "LOG:",
    "EVAL:",
    "WRITE:",
    "ERR:",
    "CMD:",
    "CTX:",
)
"""Starts of names the project keeps for itself."""
LATER: Final = (
    "TRIGGER",
    "RUN",
    "BUSY",
    "CYCLE",
    "TASK_STATUS",
    "TASK_DURATION",
    "REJECTED",
    "ERR:MSG",
)
"""Standard PVs of other modes: a change of mode must not make a name invalid."""


def default_prefix(metadata: Metadata) -> str:
    """`<NAMESPACE>:<NAME>:` in upper case, with `-` for a dot."""
    namespace = metadata.namespace or "DEFAULT"
    return f"{namespace}:{metadata.name}:".upper().replace(".", "-")


def check_object(kind: str, metadata: Metadata, collector: Collector) -> None:
    """Name and namespace, as Kubernetes wants them."""
    name, namespace = metadata.name, metadata.namespace
    if not re.fullmatch(OBJECT_PATTERN, name):
        collector.wrong(("metadata", "name"), name, PATTERNS[OBJECT_PATTERN])
    elif len(name) > LONGEST_OBJECT[kind]:
        expected = f"at most {LONGEST_OBJECT[kind]} characters, got {len(name)}"
        collector.wrong(("metadata", "name"), name, expected)
    if namespace is not None and not re.fullmatch(LABEL_PATTERN, namespace):
        collector.wrong(("metadata", "namespace"), namespace, PATTERNS[LABEL_PATTERN])


class Names:
    """All names of one task or job, with what each of them is."""

    def __init__(self, kind: str, spec: Common, prefix: str, collector: Collector) -> None:
        self.prefix, self.collector = prefix, collector
        mode = spec.mode if isinstance(spec, TaskSpec) else ""
        self.standard = standard_of(kind, mode)
        self.variety = "kind" if kind == "IocJob" else "mode"
        self.taken: dict[str, str] = {}
        """PV without prefix, in lower case -> what it is."""
        self.full: list[str] = []
        self._length(isinstance(spec, TaskSpec) and spec.ioc_stats)
        # What one kind alone serves now, the other may serve one day: those names are
        # kept free in jobs. Tasks had theirs before there were jobs.
        for name in (*(pv.name for pv in (*self.standard, *STANDARD)), *LATER):
            self.taken[name.lower()] = "a standard PV"
        self.full += [prefix + name for pv in self.standard for name in (pv.name, *pv.also)]
        if isinstance(spec, TaskSpec) and mode == "triggered":
            self.full += [prefix + name for name in hold_names(waiting(spec))]
        self._signals(spec)
        self._words(spec)
        if isinstance(spec, TaskSpec):
            self._rules(spec)
        self._aliases(spec)

    def claim(self, path: Path, name: str, what: str) -> None:
        """Take a PV name; say so where it is taken or too long."""
        other = self.taken.get(name.lower())
        if other is not None:
            self.collector.wrong(path, name, f"a name of its own: it is {other} (case aside)")
        elif len(self.prefix) + len(name) > NAME_MAX:
            got = len(self.prefix) + len(name)
            expected = f"at most {NAME_MAX} characters with the prefix {self.prefix}, got {got}"
            self.collector.wrong(path, name, expected)
        else:
            self.full.append(self.prefix + name)
        self.taken.setdefault(name.lower(), what)

    def _length(self, stats: bool) -> None:
        longest = max(STATS_LONGEST * stats, *(len(pv.name) for pv in self.standard))
        if len(self.prefix) + longest > NAME_MAX:
            room = NAME_MAX - longest
            expected = f"a prefix of at most {room} characters, got {len(self.prefix)}"
            self.collector.wrong(("spec", "prefix"), self.prefix, expected)

    def _signals(self, spec: Common) -> None:
        for group, what in (("inputs", "an input"), ("outputs", "an output")):
            for name in getattr(spec, group):
                self.claim(("spec", group, name), name, f"{what} already")

    def _words(self, spec: Common) -> None:
        """Names of expressions. A function may share one: it is known by its call."""
        buffers = dict(_buffers(spec))
        seen: dict[str, str] = {}
        for group, what in (
            ("inputs", "input"),
            ("outputs", "output"),
            ("parameters", "parameter"),
        ):
            for name in getattr(spec, group):
                path: Path = ("spec", group, name)
                if name in WORDS:
                    self.collector.wrong(path, name, "a name that is no word of the grammar")
                elif name in buffers:
                    expected = f"another name: {name} is the buffer of {buffers[name]}"
                    self.collector.wrong(path, name, expected)
                elif group == "parameters" and name.lower() in seen:
                    expected = f"a name of its own: it is an {seen[name.lower()]} (case aside)"
                    self.collector.wrong(path, name, expected)
                seen.setdefault(name.lower(), what)
        for i, name in enumerate(spec.plugin.functions if spec.plugin else ()):
            if name in FUNCTIONS or name in FORMS or name in WORDS:
                path = ("spec", "plugin", "functions", i)
                self.collector.wrong(path, name, "a name the grammar does not have yet")

    def _rules(self, spec: TaskSpec) -> None:
        for i, rule in enumerate(spec.rules):
            path: Path = ("spec", "rules", i, "id")
            if rule.id in WORDS - {"rules"}:
                self.collector.wrong(path, rule.id, "a name that is no word of the grammar")
            self.claim(path, rule_pv(rule.id), "the PV of a rule before it")

    def _aliases(self, spec: Common) -> None:
        served = {pv.name: {pv.name, *pv.also} for pv in self.standard}
        for standard, alias in spec.aliases.items():
            path: Path = ("spec", "aliases", standard)
            if standard not in served:
                expected = f"the name of a standard PV of this {self.variety}"
                self.collector.wrong(path, standard, expected, served.keys())
            elif alias.startswith(FAMILIES):
                start = next(family for family in FAMILIES if alias.startswith(family))
                self.collector.wrong(path, alias, f"another name: {start} belongs to the runtime")
            elif alias not in served[standard] and alias.lower() in map(
                str.lower, served[standard]
            ):
                self.full.append(self.prefix + alias)  # the same PV in other letters is no clash
            else:
                self.claim(path, alias, "an alias already")


def _buffers(spec: Common) -> Iterator[tuple[str, str]]:
    for signals in (spec.inputs, spec.outputs):
        for name, signal in signals.items():
            if signal.buffer:
                yield f"{name}_buf", name
