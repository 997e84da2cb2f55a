"""The shape of a plan: all that a running process cannot change.

Two plans of one shape can replace each other in a running task (`Engine.reload`):
no PV appears, goes or changes its type, no connection is made or cut, and the plugin
stays. A plan of another shape needs a new process.

Whatever `LIVE` does not name is part of the shape, so a new field of the plan is, too,
until somebody has made it change live. Part of the shape are:

- prefix, names, types, lengths, states, aliases, the ids of rules, database, ioc_stats:
  they are PVs, and EPICS cannot add one or change its type after the start;
- the order of inputs and of outputs: CONN_INP and CONN_OUT count in it;
- links (read-backs too), and whether there is one: another link is another connection,
  and an input without one is an operator's PV;
- owners of outputs: the plugin was told at its start what it may write;
- access: EPICS reads the rules once; mode: it decides which threads there are; how many
  triggers may wait: each has records of its own;
- the plugin: Python cannot unload a module;
- everything where `plugin.config` leaves it to a file what there is.

The order of rules and of transforms is not: it decides who wins, not what there is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final

from ioc_runtime.plan import Input, Output, Plan, Rule, Transform, Trigger

_SIGNAL: Final = frozenset(
    {"severities", "unit", "precision", "description", "display", "alarms", "buffer"} | {"tags"}
)

LIVE: Final[Mapping[type, frozenset[str]]] = {
    Plan: frozenset({"period", "parameters", "config_hash", "format"}),
    Input: _SIGNAL | {"value", "drive", "max_age", "invalid_hold", "persist"},
    Output: _SIGNAL
    | {"tolerance", "timeout", "retries", "default", "latch", "on_invalid", "safe_value"}
    | {"max_age", "persist", "value", "repeat"},
    Rule: frozenset({"condition", "outputs", "hold", "message"}),
    Transform: frozenset({"expression"}),
    Trigger: frozenset({"period", "stall_limit", "kill_after"}),
}
"""What a running process takes over, by class of the plan."""

_UNORDERED: Final = {"rules": "id", "transforms": "output"}
"""Lists whose order is no part of the shape, and what names their elements."""


def plan_shape(plan: Plan) -> str:
    """64 hexadecimal digits, equal for plans that can replace each other in a running task."""
    text = json.dumps(_fixed(plan), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def difference(old: Plan, new: Plan) -> str:
    """Where the shapes of two plans differ first, for a person; empty if they do not."""
    return _differs(_fixed(old), _fixed(new), "")


def _fixed(value: Any) -> Any:
    """What is part of the shape, as plain data; defaults are left out."""
    if is_dataclass(value):
        live = LIVE.get(type(value), frozenset())
        if isinstance(value, Plan) and value.plugin is not None and value.plugin.config:
            live = frozenset({"format"})  # what it changes is known once the file is there
        found = {}
        for field in fields(value):
            item = getattr(value, field.name)
            if field.name in live or item == field.default or item in ({}, ()):
                continue
            fixed = _named(item, field.name)
            if fixed != {} or type(item) not in LIVE:  # all that is set of it changes live
                found[field.name] = fixed
        return found
    if isinstance(value, tuple | list):
        return [_fixed(item) for item in value]
    if isinstance(value, dict):
        return {key: _fixed(item) for key, item in value.items()}
    return value


def _named(item: Any, field: str) -> Any:
    plain = _fixed(item)
    if field in _UNORDERED:
        return sorted(plain, key=lambda each: str(each[_UNORDERED[field]]))
    return plain


def _differs(old: Any, new: Any, path: str) -> str:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            inner = f"{path}.{key}" if path else str(key)
            if key not in old:
                return f"{inner} is {_short(new[key], 'new')}, it had its default"
            if key not in new:
                return f"{inner} has its default, it was {_short(old[key], 'another')}"
            if found := _differs(old[key], new[key], inner):
                return found
    elif isinstance(old, list) and isinstance(new, list):
        return _lists_differ(old, new, path)
    elif old != new:
        return f"{path} is {_short(new, 'new')}, it was {_short(old, 'another')}"
    return ""


def _short(value: Any, otherwise: str) -> str:
    return otherwise if isinstance(value, dict | list) else str(value)[:60]


def _lists_differ(old: list[Any], new: list[Any], path: str) -> str:
    names = [_name(item) for item in old], [_name(item) for item in new]
    if None not in names[0] and None not in names[1]:
        for one, other, what in ((*names, "gone"), (names[1], names[0], "new")):
            for name in one:
                if name not in other:
                    return f"{path}.{name} is {what}"
    if len(old) != len(new) or names[0] != names[1]:
        return f"{path} has another order or length"
    for index, (one, other) in enumerate(zip(old, new, strict=True)):
        if found := _differs(one, other, f"{path}.{names[0][index] or index}"):
            return found
    return ""


def _name(item: Any) -> str | None:
    """The name of an input, output or rule among its likes."""
    if not isinstance(item, dict):
        return None
    return item.get("name") or item.get("id") or item.get("output")
