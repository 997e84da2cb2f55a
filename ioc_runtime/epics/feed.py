"""What a client reports of a PV that is followed: the same for CA and PVA."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any

from ioc_runtime.engine.values import BadValue, coerce
from ioc_runtime.plan import Signal

INVALID = 3
STATUSES = (
    "NO_ALARM READ WRITE HIHI HIGH LOLO LOW STATE COS COMM TIMEOUT HWLIMIT CALC SCAN LINK "
    "SOFT BAD_SUB UDF DISABLE SIMM READ_ACCESS WRITE_ACCESS"
).split()
"""EPICS alarm statuses (menuAlarmStat), by number."""
STATUS_BY_NAME = {name: number for number, name in enumerate(STATUSES)}
READ, COMM, LINK, SOFT, UDF, READ_ACCESS = (
    STATUS_BY_NAME[name] for name in ("READ", "COMM", "LINK", "SOFT", "UDF", "READ_ACCESS")
)


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
    every: bool = False
    """Whether each answer is a sample, also one that repeats the last: a buffer that is
    filled by polls has one value for each of them.
    """


class Memory:
    """Tells an answer that brings something from one that repeats the last sample."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._last: tuple[Any, int, int, int] | None = None

    def sample(self, value: Any, severity: int, status: int, ns: int) -> None:
        """A monitor came."""
        self._last = (value, severity, status, ns)
        self._feed.sample(value, severity, status, ns)

    def answer(self, value: Any, severity: int, status: int, ns: int) -> None:
        """A get was answered."""
        if (value, severity, status, ns) == self._last and not self._feed.every:
            self._feed.alive()
        else:
            self.sample(value, severity, status, ns)

    def forget(self) -> None:
        """Whatever comes next is new."""
        self._last = None


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
