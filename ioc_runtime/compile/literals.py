"""Values in a manifest: what a person writes has to fit exactly.

Stricter than `engine.values.coerce`, which also takes what other IOCs send: 2.7 is
no int here, true is no number, and "5" is a text.
"""

from __future__ import annotations

import math
from typing import Any, Final

from ioc_runtime.engine.values import BadValue, coerce, expectation
from ioc_runtime.plan import Range, Signal

UNQUOTED: Final = "kubectl reads it as a boolean; quote it"


def literal(signal: Signal, value: Any) -> Any:
    """`value` as the signal holds it.

    :raises BadValue: with what would fit
    """
    if signal.length is None:
        return _one(signal, value)
    if not isinstance(value, list):
        raise BadValue(expectation(signal))
    if len(value) > signal.length:
        raise BadValue(f"at most {signal.length} elements, got {len(value)}")
    return _coerced(signal, [_one(signal, item) for item in value])


def _one(signal: Signal, value: Any) -> Any:
    if not _right_type(signal, value):
        hint = ""
        if isinstance(value, bool) and signal.type in ("enum", "string"):
            hint = f" ({UNQUOTED})"
        raise BadValue(expectation(_scalar(signal)) + hint)
    return _coerced(_scalar(signal), value)


def _coerced(signal: Signal, value: Any) -> Any:
    """The value as a sample would become it; errors without their `expected`."""
    try:
        return coerce(signal, value)
    except BadValue as error:
        raise BadValue(str(error).removeprefix("expected ")) from None


def _scalar(signal: Signal) -> Signal:
    if signal.length is None:
        return signal
    return Signal(signal.name, signal.type, states=signal.states)


def _right_type(signal: Signal, value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    match signal.type:
        case "float":
            return number and math.isfinite(value)
        case "int":
            return number and float_is_whole(value)
        case "string":
            return isinstance(value, str)
        case "bool":
            return isinstance(value, bool) or value in (0, 1) or value in signal.states
        case _:
            named = isinstance(value, str) and value in signal.states
            return named or number and float_is_whole(value)


def float_is_whole(value: float) -> bool:
    """Whether a number has no fraction; an int of any size has none."""
    return isinstance(value, int) or value.is_integer()


def in_range(value: Any, limits: Range | None) -> bool:
    """Whether a value, or each element of it, is within limits."""
    if limits is None:
        return True
    values = value if isinstance(value, list) else [value]
    return all(limits.low <= item <= limits.high for item in values)


def looks_like_number(text: str) -> bool:
    """Whether a state's name could be taken for a number by some client."""
    try:
        float(text.replace("_", ""))
    except ValueError:
        try:
            int(text, 0)
        except ValueError:
            return False
    return True
