"""What an expression may say: operators, attributes, functions, forms, bounds."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final

from ioc_runtime.engine import template, terms
from ioc_runtime.engine.functions import BITS, FUNCTIONS
from scripts.reference.markdown import code, table

EXAMPLES: Final = (
    ("and, or, not", "x > limit and not b", "what the left side decides leaves the right unread"),
    ("< <= == != >= >", "1 < x <= 5", "chained too"),
    ("+ - * / // % **", "(x - 32) / 1.8", "on numbers; + joins texts too"),
    ("a if c else b", "x if mode == 'Auto' else 0", "only the part that counts is read"),
    ("in, not in", "mode in ['Auto', 'Manual']", "a list, an array, a buffer; a text in a text"),
    ("[ ]", "x_buf[-1] - x_buf[0]", "one element; `last(x_buf, n)` gives the newest n"),
    ("literals", "x * 2.5e-6 if True else -1", "numbers, texts in quotes, True, False, lists"),
    ("names", "x + limit", "inputs, outputs, parameters"),
    ("buffers", "mean(x_buf)", "the last `buffer` valid samples, oldest first"),
    ("rules", "rules.high.active", "whether another rule is active"),
)
"""The grammar: what, an expression that has it, and what it means."""

_ATTRIBUTES: Final = {
    "severity": "0 NO_ALARM, 1 MINOR, 2 MAJOR, 3 INVALID, as its PV shows it",
    "age": "seconds since the source's last sign of life",
    "connected": "whether the link is up; true of a set-point",
    "timestamp": "the source's time, seconds since 1970",
    "previous": "the value before the last good sample",
}

_FORMS: Final = {
    "rate": (
        "rate(input)",
        "change per second between the newest two samples; falls while none comes",
    ),
    "changed": ("changed(x)", "true for the one evaluation in which x differs from before"),
    "rising": ("rising(x)", "true for the one evaluation in which x has become true"),
    "falling": ("falling(x)", "true for the one evaluation in which x has become false"),
    "for_": ("for_(condition, seconds)", "whether the condition has held for so long"),
    "votes": ("votes(n, a, b, …)", "whether at least n are true; certain where it can be"),
    "isnan": ("isnan(input)", "whether the last sample was NaN, of an invalid input too"),
}

_OF_PYTHON: Final = {
    "abs": ("abs(x)", "Absolute value."),
    "sqrt": ("sqrt(x)", "Square root."),
    "log": ("log(x[, base])", "Natural logarithm, or that to a base."),
    "exp": ("exp(x)", "e to the power of x."),
    "floor": ("floor(x)", "Largest whole number that is not above x."),
    "ceil": ("ceil(x)", "Smallest whole number that is not below x."),
}
"""Functions whose words and names of arguments Python may change."""


def syntax() -> str:
    """Operators and names."""
    rows = [(code(what), code(example), meaning) for what, example, meaning in EXAMPLES]
    return table(("Part", "Example", "Meaning"), rows)


def attributes() -> str:
    """What may be asked of an input."""
    _same(_ATTRIBUTES, terms.INPUT_ATTRIBUTES)
    rows = [
        (
            code(f"x.{name}"),
            _ATTRIBUTES[name],
            "always" if name in terms.ALWAYS_VALID else "while x is",
        )
        for name in terms.INPUT_ATTRIBUTES
    ]
    return table(("Of an input", "Meaning", "Valid"), rows)


def functions() -> str:
    """Functions of the grammar."""
    return table(("Function", "Gives"), [_function(name) for name in FUNCTIONS])


def forms() -> str:
    """Calls that remember, or do not read their arguments like others."""
    _same(_FORMS, terms.FORMS)
    return table(("Form", "Gives"), [(code(_FORMS[name][0]), _FORMS[name][1]) for name in _FORMS])


def bounds() -> list[tuple[str, str]]:
    """Limits of expressions and messages."""
    return [
        ("an expression", f"{terms.LONGEST} characters, {terms.DEEPEST} levels of nesting"),
        ("a power of whole numbers", f"{BITS} bits"),
        ("a rule's message", f"{template.LONGEST} characters"),
    ]


def _function(name: str) -> tuple[str, str]:
    function = FUNCTIONS[name]
    first = next(other for other, same in FUNCTIONS.items() if same is function)
    if first != name:
        return code(f"{name}({_arguments(function)})"), f"The same as {code(first)}."
    if name in _OF_PYTHON:
        return code(_OF_PYTHON[name][0]), _OF_PYTHON[name][1]
    words = " ".join((function.__doc__ or "").split("\n\n")[0].split())
    return code(f"{name}({_arguments(function)})"), words


def _arguments(function: Callable[..., Any]) -> str:
    words = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            words.append(", …")
        elif parameter.default is not parameter.empty:
            words.append(f"[, {parameter.name}]")
        else:
            words.append(f", {parameter.name}")
    return "".join(words).removeprefix(", ")


def _same(described: Mapping[str, object], there: tuple[str, ...]) -> None:
    if set(described) != set(there):
        raise LookupError(f"described but not there, or the reverse: {set(described) ^ set(there)}")
