"""What the grammar speaks of: names in scope, kinds, parsed expressions, errors."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ioc_runtime.plan import Signal

LONGEST = 1024
"""Characters of one expression."""
DEEPEST = 60
"""Levels of nesting."""
LARGEST_INT = 2**63

INPUT_ATTRIBUTES = ("severity", "age", "connected", "timestamp", "previous")
ALWAYS_VALID = frozenset({"severity", "age", "connected"})

FORMS = ("rate", "changed", "rising", "falling", "for_", "votes", "isnan")
"""Calls with a meaning of their own; they cannot be registered by a plugin."""


class ExpressionError(ValueError):
    """An expression does not fit the grammar or its scope.

    :ivar value: the offending part of the source
    :ivar expected: what would be right, as a phrase
    :ivar nearest: the nearest name that exists, or None
    """

    def __init__(self, value: str, expected: str, nearest: str | None = None) -> None:
        super().__init__(f"{value}: expected {expected}")
        self.value, self.expected, self.nearest = value, expected, nearest


@dataclass(frozen=True)
class Kind:
    """What a part of an expression is: number, text, list of either or of both, any."""

    base: str
    states: tuple[str, ...] = ()
    """State names, for the value of an enum or a bool."""


NUMBER, TEXT, ANY = Kind("number"), Kind("text"), Kind("any")
NUMBERS, TEXTS_LIST = Kind("numbers"), Kind("texts")


@dataclass(frozen=True)
class Scope:
    """The names an expression may use."""

    signals: Mapping[str, Signal] = field(default_factory=dict)
    inputs: Collection[str] | None = None
    """Names of the signals that are inputs; None: all of them."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    rules: Collection[str] = ()
    functions: Collection[str] = ()
    """Names of functions that a plugin registers."""

    def is_input(self, name: str) -> bool:
        """Whether the name is that of an input."""
        return name in self.signals and (self.inputs is None or name in self.inputs)


@dataclass(frozen=True)
class Site:
    """A call that remembers: `key` is the global that holds its result."""

    key: str
    form: str
    reads: frozenset[str]
    tree: ast.expr | None
    """What is watched; None for rate, which reads the samples themselves."""
    name: str = ""
    """The input of rate."""
    seconds: ast.expr | None = None
    """The duration of for_."""


@dataclass(frozen=True)
class Expression:
    """An expression that has been checked, rewritten for the engine."""

    source: str
    tree: ast.expr
    kind: Kind
    reads: frozenset[str]
    """Signals, parameters and `rules.<id>` that its value can depend on."""
    sites: tuple[Site, ...]
    ticks: bool
    """Whether its value changes by the mere passing of time (age, rate)."""
    constants: tuple[Any, ...]
    """Literals that can be its result."""


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The name most like this one, or None."""
    found = difflib.get_close_matches(name[:64], list(names)[:4000], n=1, cutoff=0.6)
    return found[0] if found else None


def shorten(text: str) -> str:
    """A part of the source, cut to what fits into an error message."""
    return text if len(text) <= 60 else text[:57] + "..."


KIND_NAMES = {
    "number": "number",
    "text": "text",
    "numbers": "list",
    "texts": "list of texts",
    "list": "list of both numbers and texts",
    "any": "value",
}


def kind_of(signal: Signal) -> Kind:
    """The kind of a signal's value."""
    if signal.length is not None:
        return TEXTS_LIST if signal.type == "string" else NUMBERS
    if signal.type == "string":
        return TEXT
    return Kind("number", signal.states) if signal.states else NUMBER


def is_constant(value: Any) -> bool:
    """Whether expressions can read a parameter; the plugin alone gets maps and mixed lists."""
    kinds = {isinstance(item, str) for item in value} if isinstance(value, list | tuple) else {0}
    items = value if isinstance(value, list | tuple) else (value,)
    return len(kinds) < 2 and all(isinstance(item, str | int | float) for item in items)


def value_kind(value: Any) -> Kind:
    """The kind of a parameter."""
    if isinstance(value, list | tuple):
        return TEXTS_LIST if value and isinstance(value[0], str) else NUMBERS
    return TEXT if isinstance(value, str) else NUMBER
