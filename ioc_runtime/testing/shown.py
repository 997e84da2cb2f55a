"""What a client sees of a PV: `Shown`; and the alarms that a record adds to what it is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from ioc_runtime.plan import SEVERITIES, Alarms, Signal


@dataclass(frozen=True, slots=True)
class Shown:
    """A PV at one moment, as clients see it."""

    name: str
    """Without the prefix."""
    value: Any
    """Number, text, index of a state, or a list; None while there has been none."""
    severity: str
    """NO_ALARM, MINOR, MAJOR or INVALID."""
    timestamp: float
    """Seconds since 1970."""
    state: str = ""
    """Name of the state of a bool or an enum; "" where there is none."""

    @property
    def valid(self) -> bool:
        """Whether the value may be relied on."""
        return self.severity != "INVALID"


def shown(
    name: str, value: Any, severity: int, ns: int, states: tuple[str, ...] | list[str] = ()
) -> Shown:
    """A `Shown` from what a record holds."""
    known = isinstance(value, int) and 0 <= value < len(states)
    return Shown(name, value, SEVERITIES[severity], ns / 1e9, states[value] if known else "")


class SignalRecord:
    """Stands for the record of an input or output: keeps what is posted, judges alarms.

    As EPICS does it: severities of states, and limits with hysteresis; the worse of that and
    of what is posted counts.
    """

    def __init__(self, signal: Signal) -> None:
        self.signal = signal
        self.value: Any = None
        self.severity = INVALID
        self.ns = 0
        self._limit: float | None = None
        """The limit that the last alarm was about."""

    def write(self, value: Any, severity: int, status: int, ns: int) -> None:
        """Take what the engine posts; None keeps the value and is INVALID."""
        self.ns = ns
        if value is None:
            self.severity = INVALID
            return
        self.value = value
        self.severity = max(severity, self._own(value))

    def shown(self) -> Shown:
        """As a client sees it."""
        return shown(self.signal.name, self.value, self.severity, self.ns, self.signal.states)

    def _own(self, value: Any) -> int:
        severities = self.signal.severities
        if severities and isinstance(value, int) and 0 <= value < len(severities):
            return severities[value]
        alarms = self.signal.alarms
        if alarms is None or not isinstance(value, int | float):
            return 0
        for limit, severity, side in _limits(alarms):
            if limit is None or not severity:
                continue
            slack = alarms.hysteresis if self._limit == limit else 0.0
            if side * value >= side * limit - slack:
                self._limit = limit
                return severity
        self._limit = None
        return 0


INVALID: Final = 3


def _limits(alarms: Alarms) -> tuple[tuple[float | None, int, int], ...]:
    """In the order in which a record looks at them."""
    return (
        (alarms.hihi, alarms.hihi_severity, 1),
        (alarms.lolo, alarms.lolo_severity, -1),
        (alarms.high, alarms.high_severity, 1),
        (alarms.low, alarms.low_severity, -1),
    )
