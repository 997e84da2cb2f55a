"""The type of a value that is written to a PV of which nothing is declared."""

from __future__ import annotations

from typing import Any, Final

from ioc_runtime.engine.values import BadValue
from ioc_runtime.plan import Signal, SignalType

NAME: Final = "value"


def signal_of(value: Any) -> Signal:
    """A signal that holds the value as it is: a number, a text, or a list of one kind.

    :raises BadValue: it is none of these.
    """
    if isinstance(value, list | tuple):
        kinds = {_kind(item) for item in value}
        if None in kinds or "string" in kinds and len(kinds) > 1:
            raise BadValue("expected a list of numbers only, or of texts only")
        kind: SignalType = "string" if "string" in kinds else "float"
        return Signal(name=NAME, type=kind, length=max(1, len(value)))
    found = _kind(value)
    if found is None:
        raise BadValue(f"expected a number, a text or a list of them, got {value!r:.60}")
    return Signal(name=NAME, type=found)


def _kind(value: Any) -> SignalType | None:
    if isinstance(value, str):
        return "string"
    if isinstance(value, int):  # a bool is 0 or 1
        return "int"
    return "float" if isinstance(value, float) else None
