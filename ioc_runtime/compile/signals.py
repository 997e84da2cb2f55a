"""Inputs and outputs of a manifest, checked and made into those of the plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from ioc_runtime.address import BadLink, expand, parse_link, record_of, template_key
from ioc_runtime.compile.collector import Collector
from ioc_runtime.compile.literals import float_is_whole, in_range, literal, looks_like_number
from ioc_runtime.engine.values import INT_MAX, INT_MIN, BadValue
from ioc_runtime.plan import SEVERITIES, Alarms, Input, Link, Output, Range, Signal
from ioc_runtime.spec import signals as spec
from ioc_runtime.spec.problem import NOTHING, Path

MOST_ELEMENTS: Final = 1_000_000
"""Elements of all arrays of a task: 8 MB of doubles per copy."""
MOST_BUFFERED: Final = 1_000_000
"""Samples of all buffers of a task."""
UNIT_BYTES: Final = 15
DESCRIPTION_BYTES: Final = 40
STATE_BYTES: Final = 25

NUMERIC: Final = ("float", "int")
STATED: Final = ("bool", "enum")
Protocol = Literal["ca", "pva"]


class Signals:
    """Makes the plan's signals; knows the PVs of the task itself."""

    def __init__(
        self, collector: Collector, protocol: Protocol, prefixes: Mapping[str, str]
    ) -> None:
        self.collector, self.protocol, self.prefixes = collector, protocol, prefixes
        self._missing: dict[str, str] = {}
        """Key of a prefix that is not there -> where it is used first."""
        self.links: list[tuple[Path, Link]] = []

    def input(self, name: str, given: spec.Input) -> Input:
        """An input of the plan, with its first value checked."""
        path: Path = ("spec", "inputs", name)
        common = self._common(path, name, given)
        link = self._link((*path, "link"), given.link, given.poll)
        drive = self._range((*path, "drive"), given.drive, given.type)
        self._unlinked_only(path, given) if link else self._linked_only(path, given)
        if drive and not (given.type in NUMERIC and given.length is None):
            self.collector.wrong((*path, "drive"), f"type {given.type}", "a single float or int")
        value = None
        if "value" in given.model_fields_set:
            value = self._literal((*path, "value"), Signal(**common), given.value)
        if value is not None and drive and given.type in NUMERIC and not in_range(value, drive):
            expected = f"a value from {drive.low:g} to {drive.high:g}, as `drive` has it"
            self.collector.wrong((*path, "value"), given.value, expected)
        return Input(
            **common,
            link=link,
            value=value,
            drive=drive,
            max_age=given.max_age,
            invalid_hold=given.invalid_hold,
            persist=given.persist,
        )

    def output(
        self,
        name: str,
        given: spec.Output,
        owner: Literal["rules", "transform", "plugin"],
        defaults: dict[str, Any],
    ) -> Output:
        """An output of the plan; `defaults` is the manifest's `ruleDefaults`."""
        path: Path = ("spec", "outputs", name)
        common = self._common(path, name, given)
        signal = Signal(**common)
        link = self._link((*path, "link"), given.link)
        readback = self._link((*path, "readback"), given.readback)
        if link is None:
            for field in ("readback", "tolerance", "timeout", "retries", "repeat"):
                if field in given.model_fields_set:
                    self.collector.wrong((*path, field), getattr(given, field), "a `link` with it")
        if given.tolerance and given.type not in NUMERIC:
            where = (*path, "tolerance")
            self.collector.wrong(where, f"type {given.type}", "a float or int with `tolerance`")
        default = None
        if name in defaults:
            default = self._literal(("spec", "ruleDefaults", name), signal, defaults[name])
        self._latch(path, given, owner, name in defaults or given.otherwise is not None)
        first = self._of_rules(path, given, owner, signal, name in defaults)
        if given.max_age is not None and owner != "plugin":
            expected = f"no maxAge: the output is driven by {_OWNERS[owner]}, not by the plugin"
            self.collector.wrong((*path, "maxAge"), given.max_age, expected)
        return Output(
            **common,
            owner=owner,
            link=link,
            readback=readback,
            tolerance=given.tolerance,
            timeout=given.timeout,
            retries=given.retries,
            default=default,
            value=first,
            otherwise=given.otherwise,
            repeat=given.repeat,
            latch=given.latch,
            on_invalid=given.on_invalid,
            safe_value=self._safe_value(path, given, signal),
            max_age=given.max_age,
            persist=given.persist,
        )

    def _of_rules(
        self, path: Path, given: spec.Output, owner: str, signal: Signal, has_default: bool
    ) -> Any:
        """What an output has beside its rules; returns its first value."""
        if given.otherwise is not None and owner != "rules":
            expected = "a rule that drives the output, with `otherwise`"
            self.collector.wrong((*path, "otherwise"), given.otherwise, expected)
        elif given.otherwise == "transform" and has_default:
            expected = "no entry in ruleDefaults beside it: the transform gives the value"
            self.collector.wrong((*path, "otherwise"), given.otherwise, expected)
        if "value" not in given.model_fields_set:
            return None
        if owner != "rules" or has_default or given.otherwise == "transform":
            by = "ruleDefaults" if has_default else _OWNERS["transform"]
            by = by if owner == "rules" else _OWNERS[owner]
            expected = f"no value: {by} gives the first one"
            self.collector.wrong((*path, "value"), given.value, expected)
            return None
        return self._literal((*path, "value"), signal, given.value)

    def _common(self, path: Path, name: str, given: spec.Signal) -> dict[str, Any]:
        """Fields that inputs and outputs share, as arguments of the plan's classes."""
        numeric, single = given.type in NUMERIC, given.length is None
        self._text((*path, "unit"), given.unit, UNIT_BYTES)
        self._text((*path, "description"), given.description, DESCRIPTION_BYTES)
        self._states(path, given)
        for field, allowed, wanted in (
            ("unit", numeric, "a float or int"),
            ("precision", given.type == "float", "a float"),
            ("display", numeric, "a float or int"),
            ("alarms", numeric and single, "a single float or int"),
            ("severity", given.type in STATED and single, "a single bool or enum"),
            ("buffer", single, "a single value, not an array"),
        ):
            if not allowed and field in given.model_fields_set:
                kind = f"type {given.type}" + ("" if single else " with length")
                self.collector.wrong((*path, field), kind, f"{wanted} with `{field}`")
        severities: tuple[int, ...] = ()
        if given.severity:
            severities = tuple(
                SEVERITIES.index(given.severity.get(state, "NO_ALARM")) for state in given.states
            )
        return {
            "name": name,
            "type": given.type,
            "length": given.length,
            "states": tuple(given.states),
            "severities": severities,
            "unit": given.unit,
            "precision": given.precision,
            "description": given.description,
            "display": self._range((*path, "display"), given.display, given.type),
            "alarms": self._alarms((*path, "alarms"), given.alarms, given.type),
            "buffer": given.buffer,
            "tags": tuple(dict.fromkeys(given.tags)),
        }

    def _states(self, path: Path, given: spec.Signal) -> None:
        count, wrong = len(given.states), self.collector.wrong
        if given.type == "enum" and not given.states:
            wrong(path, "type enum", "`states` with it")
        elif given.type not in STATED and given.states:
            wrong((*path, "states"), f"type {given.type}", "a bool or enum with `states`")
        elif given.type == "bool" and given.states and count != 2:
            wrong((*path, "states"), given.states, f"two states for a bool, got {count}")
        seen: dict[str, int] = {}
        for i, state in enumerate(given.states):
            self._text((*path, "states", i), state, STATE_BYTES)
            if looks_like_number(state):
                wrong((*path, "states", i), state, "a name that does not look like a number")
            if state.strip() != state:
                wrong((*path, "states", i), state, "no blanks around the name of a state")
            if state.lower() in seen:
                expected = f"a name of its own: state {seen[state.lower()]} has it (case aside)"
                wrong((*path, "states", i), state, expected)
            seen.setdefault(state.lower(), i)
        for state in given.severity:
            if state not in given.states:
                wrong((*path, "severity", state), state, "the name of a state", given.states)

    def _text(self, path: Path, text: str, limit: int) -> None:
        """A text that goes into a record: bounded in bytes, nothing that macros expand."""
        size = len(text.encode("utf-8", "replace"))
        if size > limit:
            self.collector.wrong(path, text, f"at most {limit} bytes of UTF-8, got {size}")
        elif not text.isprintable() or "$(" in text or "${" in text:
            expected = "printable characters on one line, without $( and ${"
            self.collector.wrong(path, text, expected)

    def _range(self, path: Path, given: spec.Range | None, kind: str) -> Range | None:
        if given is None:
            return None
        if not given.low < given.high:
            self.collector.wrong((*path, "low"), given.low, f"a value below high, {given.high:g}")
        for field in ("low", "high"):
            self._limit((*path, field), getattr(given, field), kind)
        return Range(given.low, given.high)

    def _alarms(self, path: Path, given: spec.Alarms | None, kind: str) -> Alarms | None:
        if given is None:
            return None
        before: tuple[str, float] | None = None
        for field in ("lolo", "low", "high", "hihi"):
            limit = getattr(given, field)
            if limit is None:
                continue
            self._limit((*path, field), limit, kind)
            if before and limit < before[1]:
                expected = f"at least {before[0]}, {before[1]:g}"
                self.collector.wrong((*path, field), limit, expected)
            before = field, limit
        values = given.model_dump()
        for field in ("lolo", "low", "high", "hihi"):
            values[f"{field}_severity"] = SEVERITIES.index(values[f"{field}_severity"])
        return Alarms(**values)

    def _limit(self, path: Path, value: float, kind: str) -> None:
        if kind == "int" and not (float_is_whole(value) and INT_MIN <= value <= INT_MAX):
            self.collector.wrong(path, value, "a whole number of 32 bits, as the type is int")

    def _link(self, path: Path, text: str | None, poll: float | None = None) -> Link | None:
        if text is None:
            return None
        key = template_key(text)
        if key is not None and key not in self.prefixes:
            self._missing.setdefault(key, ".".join(str(part) for part in path[1:]))
            return None
        try:
            link = parse_link(expand(text, self.prefixes), self.protocol, poll)
        except BadLink as error:
            self.collector.wrong(path, text, str(error))
            return None
        self.links.append((path, link))
        return link

    def check_prefixes(self) -> None:
        """All keys of links that are not there are one problem."""
        if self._missing:
            keys = ", ".join(f"{key} ({where})" for key, where in self._missing.items())
            found = ", ".join(self.prefixes) or NOTHING
            self.collector.wrong(("spec", "prefixes"), found, f"these keys of links too: {keys}")

    def own_links(self, served: set[str]) -> None:
        """A link to a PV of this very task is an error."""
        for path, link in self.links:
            if record_of(link) in served:
                expected = "a PV of another IOC; expressions read this task's own by name"
                self.collector.wrong(path, str(link), expected)

    def _literal(self, path: Path, signal: Signal, value: Any) -> Any:
        """`value` as the signal holds it, or None and a problem."""
        try:
            return literal(signal, value)
        except BadValue as error:
            known = signal.states if isinstance(value, str) else ()
            self.collector.wrong(path, value, str(error), known)
            return None

    def _linked_only(self, path: Path, given: spec.Input) -> None:
        for field, name in _OF_LINKS:
            if field in given.model_fields_set:
                self.collector.wrong((*path, name), getattr(given, field), "a `link` with it")

    def _unlinked_only(self, path: Path, given: spec.Input) -> None:
        for field in ("value", "drive", "persist"):
            if field in given.model_fields_set:
                expected = f"no {field}: the input has a link, it is no set-point"
                self.collector.wrong((*path, field), getattr(given, field), expected)

    def _latch(self, path: Path, given: spec.Output, owner: str, has_default: bool) -> None:
        if given.latch is None:
            if "persist" in given.model_fields_set:
                self.collector.wrong((*path, "persist"), given.persist, "a `latch` with it")
            return
        where: Path = (*path, "latch")
        if given.length is not None or given.type == "string":
            self.collector.wrong(where, given.latch, "a single float, int, bool or enum to latch")
        if owner == "rules" and not has_default:
            expected = "an entry in ruleDefaults, so that CLEAR has a value to go back to"
            self.collector.wrong(where, given.latch, expected)

    def _safe_value(self, path: Path, given: spec.Output, signal: Signal) -> Any:
        there = "safe_value" in given.model_fields_set
        if given.on_invalid == "drive" and not there:
            self.collector.wrong((*path, "onInvalid"), "drive", "a `safeValue` with it")
        elif given.on_invalid == "hold" and there:
            expected = "onInvalid: drive with it"
            self.collector.wrong((*path, "safeValue"), given.safe_value, expected)
        return self._literal((*path, "safeValue"), signal, given.safe_value) if there else None


_OF_LINKS: Final = (("poll", "poll"), ("max_age", "maxAge"), ("invalid_hold", "invalidHold"))
_OWNERS: Final = {"rules": "rules", "transform": "a transform", "plugin": "the plugin"}


def check_totals(
    inputs: dict[str, spec.Input], outputs: dict[str, spec.Output], collector: Collector
) -> None:
    """What all signals together may take."""
    signals = (*inputs.values(), *outputs.values())
    elements = sum(signal.length or 1 for signal in signals)
    if elements > MOST_ELEMENTS:
        expected = f"arrays of at most {MOST_ELEMENTS} elements in all, got {elements}"
        collector.wrong(("spec",), f"{len(signals)} inputs and outputs", expected)
    buffered = sum(signal.buffer or 0 for signal in signals)
    if buffered > MOST_BUFFERED:
        expected = f"buffers of at most {MOST_BUFFERED} samples in all, got {buffered}"
        collector.wrong(("spec",), f"{len(signals)} inputs and outputs", expected)
