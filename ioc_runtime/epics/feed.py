"""What a client reports of a PV that is followed: the same for CA and PVA."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any

from ioc_runtime.engine.values import BadValue, coerce
from ioc_runtime.plan import Signal

INVALID = 3
READ, COMM, LINK, UDF, READ_ACCESS = 1, 9, 14, 17, 20
"""EPICS alarm statuses (menuAlarmStat)."""


@dataclass(frozen=True)
class Feed:
    """Where a followed PV goes. The callables are cheap and may come from any thread."""

    signal: Signal
    """The type that values are fitted to."""
    sample: Callable[[Any, int, int, int], None]
    """value (None: nothing that fits), severity, status, nanoseconds since 1970 or 0."""
    alive: Callable[[], None]
    """The source answered and nothing is new."""
    connected: Callable[[bool], None]
    remember: bool = False
    """Whether answers of gets are compared with the last sample."""


def fit(signal: Signal, raw: Any, names: Sequence[str], severity: int) -> tuple[Any, int]:
    """(value as the signal holds it, severity).

    What does not fit is None, INVALID. NaN stays, for `isnan`, and is INVALID.
    """
    try:
        value = coerce(signal, raw, names)
    except BadValue:
        return None, INVALID
    if signal.type == "float" and severity < INVALID:
        items = value if signal.length is not None else (value,)
        if any(map(isnan, items)):
            return value, INVALID
    return value, severity
