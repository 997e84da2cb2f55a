"""Values of signals: what each type accepts, and how a foreign value maps to it.

One function decides it for literals in a manifest, for set-points, for samples
of links and for what a plugin writes, so that they can never disagree.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ioc_runtime.plan import Signal

INT_MIN, INT_MAX = -(2**31), 2**31 - 1
STRING_MAX = 255
"""Bytes of UTF-8 in a string signal (a long string record of 256 with its end)."""
ELEMENT_MAX = 39
"""Bytes of UTF-8 in one element of a string array."""


class BadValue(ValueError):
    """A value does not fit its signal; the text says what would."""


def coerce(signal: Signal, value: Any, names: Sequence[str] = ()) -> Any:
    """`value` as the signal holds it: float, int, 0/1, index, str, or a list.

    `names` are the state names of an enumerated source: with them the value is an
    index into *their* names and maps to our state of the same name; without them
    an index stays an index. NaN is a float here; whoever asks decides that it is
    not a value.

    :raises BadValue: when nothing of this signal corresponds to the value.
    """
    if signal.length is None:
        if isinstance(value, list | tuple):
            if len(value) != 1:
                raise BadValue(f"expected one {signal.type}, got {len(value)} elements")
            value = value[0]
        return _SCALAR[signal.type](signal, value, names)
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        value = [value]
    if len(value) > signal.length:
        raise BadValue(f"expected at most {signal.length} elements, got {len(value)}")
    one = _SCALAR[signal.type]
    items: list[Any] = [one(signal, item, names) for item in value]
    if signal.type == "string":
        for item in items:
            _fits(item, ELEMENT_MAX)
    return items


def expectation(signal: Signal) -> str:
    """What `coerce` takes, for an error message."""
    if signal.type in ("bool", "enum") and signal.states:
        text = "one of " + ", ".join(signal.states) + f" (0 to {len(signal.states) - 1})"
    else:
        text = _EXPECTED[signal.type]
    return text if signal.length is None else f"a list of at most {signal.length}, each {text}"


def show(signal: Signal, value: Any) -> str:
    """A value as a person reads it: state names, the precision, cut when long."""
    if value is None:
        return "-"
    if isinstance(value, list | tuple):
        head = ", ".join(_show_one(signal, item) for item in value[:4])
        return f"[{head}{', …' if len(value) > 4 else ''}]"
    return _show_one(signal, value)


def _show_one(signal: Signal, value: Any) -> str:
    if signal.states and isinstance(value, int) and 0 <= value < len(signal.states):
        return signal.states[value]
    if isinstance(value, float):
        small = value != 0 and not 1e-3 <= abs(value) < 1e6
        return f"{value:.{signal.precision}{'e' if small else 'f'}}"
    return str(value)


def _float(signal: Signal, value: Any, names: Sequence[str]) -> float:
    if isinstance(value, float | int):
        try:
            return float(value)  # a plain one, of numpy's too
        except OverflowError:
            raise BadValue("expected a number that a double can hold") from None
    number: float = _parse(float, value)
    return number


def _int(signal: Signal, value: Any, names: Sequence[str]) -> int:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise BadValue(f"expected {_EXPECTED['int']}, got {value}")
        value = int(value)  # towards zero, as EPICS converts
    elif not isinstance(value, int):
        value = _parse(int, value)
    if not INT_MIN <= value <= INT_MAX:
        raise BadValue(f"expected {_EXPECTED['int']}")
    return int(value)


def _bool(signal: Signal, value: Any, names: Sequence[str]) -> int:
    named = _by_name(signal, value, names)
    if named is not None:
        return named
    if isinstance(value, bool | int | float) and value in (0, 1):
        return int(value)
    if isinstance(value, str) and value.lower() in ("true", "false", "0", "1"):
        return int(value.lower() in ("true", "1"))
    raise BadValue(f"expected {expectation(signal) if signal.states else _EXPECTED['bool']}")


def _enum(signal: Signal, value: Any, names: Sequence[str]) -> int:
    named = _by_name(signal, value, names)
    if named is not None:
        return named
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:6])
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        if 0 <= value < len(signal.states):
            return value
    raise BadValue(f"expected one of {', '.join(signal.states)}")


def _by_name(signal: Signal, value: Any, names: Sequence[str]) -> int | None:
    """Index of our state that has the value's name; None when names do not apply.

    A two-state source whose names are none of ours (No/Yes against OK/HIGH, or
    names left empty) maps by index; so does an enum whose names are all empty.
    """
    if names and isinstance(value, int) and any(names):
        if signal.type == "bool" and not any(name in signal.states for name in names):
            return None
        name = names[value] if 0 <= value < len(names) else None
        if name in signal.states:
            return signal.states.index(name)
        raise BadValue(f"expected one of {', '.join(signal.states)}, got {name or value!r}")
    if isinstance(value, str) and value in signal.states:
        return signal.states.index(value)
    return None


def _string(signal: Signal, value: Any, names: Sequence[str]) -> str:
    if names and isinstance(value, int) and 0 <= value < len(names):
        return names[value]
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str | int | float):
        raise BadValue(f"expected {_EXPECTED['string']}")
    try:
        text = str(value)
    except ValueError:  # an integer of thousands of digits
        raise BadValue(f"expected {_EXPECTED['string']}") from None
    _fits(text, STRING_MAX)
    return text


def _fits(text: str, limit: int) -> None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise BadValue("expected text that UTF-8 can carry") from None
    if size > limit:
        raise BadValue(f"expected at most {limit} bytes of UTF-8, got {size}")
    if "\0" in text:
        raise BadValue("expected text without NUL")


def _parse(kind: Any, value: Any) -> Any:
    if isinstance(value, str) and len(value) <= 64:
        try:
            return kind(value.strip())
        except ValueError:
            pass
    raise BadValue(f"expected {_EXPECTED['float' if kind is float else 'int']}")


_SCALAR = {"float": _float, "int": _int, "bool": _bool, "enum": _enum, "string": _string}

_EXPECTED = {
    "float": "a number",
    "int": "a whole number of 32 bits",
    "bool": "0, 1, true, false or a state's name",
    "enum": "the name or the index of a state",
    "string": f"text of at most {STRING_MAX} bytes",
}
