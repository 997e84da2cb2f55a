"""The functions of expressions.

Each takes numbers, arrays or buffers where that makes sense: a scalar counts as an
array of one. None of them can loop without bound or allocate more than its
arguments hold. What has no answer raises, and an expression that raises is invalid:
an empty buffer has no mean, rather than the mean 0.

Statistics are those of the whole population (divided by n).
"""

from __future__ import annotations

import inspect
import math
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

BITS = 1024
"""Largest integer that a power may make, in bits: beyond a double's range."""


class Uncertain(Exception):
    """A result depends on something that is not known."""


def _items(values: Any) -> Any:
    return values if isinstance(values, list | tuple | deque) else (values,)


def _some(values: Any) -> Any:
    items = _items(values)
    if not items:
        raise ValueError("there are no samples yet")
    return items


def power(base: Any, exponent: Any) -> Any:
    """`base ** exponent`, refused where it would be huge or complex."""
    if isinstance(base, int) and isinstance(exponent, int):
        if exponent > 0 and abs(base).bit_length() * exponent > BITS:
            raise OverflowError("the power is too large")
    elif not (isinstance(base, int | float) and isinstance(exponent, int | float)):
        raise TypeError("a power needs two numbers")
    result = base**exponent
    if isinstance(result, complex):
        raise ValueError("the power of a negative number is not a real number")
    return result


def rounded(value: float, ndigits: int | None = None) -> float:
    """Python's round; digits from -300 to 300."""
    if ndigits is not None and not -300 <= ndigits <= 300:
        raise ValueError("round takes -300 to 300 digits")
    return round(value, ndigits)


def clamp(value: float, low: float, high: float) -> float:
    """The value, held between low and high."""
    return max(low, min(high, value))


def mean(values: Any) -> float:
    """Arithmetic mean."""
    items = _some(values)
    return float(sum(items) / len(items))


def variance(values: Any) -> float:
    """Mean squared distance from the mean; of one value 0."""
    items = _some(values)
    centre = sum(items) / len(items)
    return float(sum((x - centre) ** 2 for x in items) / len(items))


def std(values: Any) -> float:
    """Standard deviation of the whole population."""
    return math.sqrt(variance(values))


def median(values: Any) -> float:
    """Middle value, or the mean of the two middle ones."""
    items: list[float] = sorted(_some(values))
    half = len(items) // 2
    return items[half] if len(items) % 2 else (items[half - 1] + items[half]) / 2.0


def rms(values: Any) -> float:
    """Root of the mean of the squares."""
    items = _some(values)
    return math.sqrt(sum(x * x for x in items) / len(items))


def smallest(*values: Any) -> Any:
    """Least of the arguments, or of one array."""
    return min(_some(values[0]) if len(values) == 1 else values)


def largest(*values: Any) -> Any:
    """Greatest of the arguments, or of one array."""
    return max(_some(values[0]) if len(values) == 1 else values)


def any_of(*values: Any) -> bool:
    """Whether any argument is true; all of them are read."""
    return any(values)


def all_of(*values: Any) -> bool:
    """Whether every argument is true; all of them are read."""
    return all(values)


def count_true(*values: Any) -> int:
    """How many arguments are true."""
    return sum(1 for value in values if value)


def length(values: Any) -> int:
    """Number of elements."""
    return len(_items(values))


def sum_of(values: Any) -> Any:
    """Sum of the elements."""
    return sum(_items(values))


def diff(values: Any) -> list[float]:
    """Differences of neighbours: one element less than the argument."""
    items = list(_items(values))
    return [b - a for a, b in zip(items, items[1:], strict=False)]


def last(values: Any, n: int | None = None) -> Any:
    """The newest element; with n, a list of the n newest."""
    items = _some(values)
    if n is None:
        return items[-1]
    return list(items)[-_whole(n) :]


def moving_avg(values: Any, window: int | None = None) -> float:
    """Mean of the newest `window` elements, or of all."""
    items = _some(values)
    return mean(items if window is None else list(items)[-_whole(window) :])


def _whole(n: float) -> int:
    if n < 1:
        raise ValueError("a number of elements is at least 1")
    return int(n)


def votes(needed: float, *questions: Callable[[], Any]) -> bool:
    """Whether at least `needed` of the arguments are true.

    An argument that is not known makes the vote uncertain only where it could
    change the result: two of three good gauges still decide when the third is dead.
    """
    yes = unknown = 0
    for question in questions:
        try:
            yes += bool(question())
        except (NameError, Uncertain):
            unknown += 1
    if yes >= needed:
        return True
    if yes + unknown < needed:
        return False
    raise Uncertain


def arithmetic(operator: str, left: Any, right: Any) -> Any:
    """`+ - * / // %` on operands whose type is only known now: numbers only."""
    if not (isinstance(left, int | float) and isinstance(right, int | float)):
        raise TypeError(f"{operator} needs two numbers")
    return _OPERATORS[operator](left, right)


_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
}

FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "abs": abs,
    "round": rounded,
    "sqrt": math.sqrt,
    "log": math.log,
    "exp": math.exp,
    "pow": power,
    "floor": math.floor,
    "ceil": math.ceil,
    "clamp": clamp,
    "min": smallest,
    "max": largest,
    "mean": mean,
    "std": std,
    "variance": variance,
    "median": median,
    "rms": rms,
    "any_of": any_of,
    "all_of": all_of,
    "count_true": count_true,
    "length": length,
    "sum_of": sum_of,
    "diff": diff,
    "last": last,
    "moving_avg": moving_avg,
    "derivative": diff,
}
"""What an expression may call, besides the special forms of `grammar`."""

LISTS = frozenset({"diff", "derivative"})
"""Functions that give a list."""

TEXTS = frozenset({"length", "last", "any_of", "all_of", "count_true"})
"""Functions that take texts, or arrays of them."""


def arity(function: Callable[..., Any], name: str) -> tuple[int, int | None, tuple[str, ...]]:
    """Fewest and most arguments (None: any number), and the names it takes."""
    if name == "log":  # the built-in shows no signature
        return 1, 2, ()
    try:
        parameters = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):
        return 0, None, ()
    kinds = [p.kind for p in parameters]
    names = tuple(p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD)
    least = sum(1 for p in parameters if p.default is p.empty and p.kind < p.VAR_POSITIONAL)
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        return max(least, 1), None, names
    return least, len(kinds), names
