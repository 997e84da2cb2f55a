"""`self.inputs`: the task's inputs by name, each read as one whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ioc_runtime.plugin.errors import InvalidInput

INVALID = 3


@dataclass(frozen=True, slots=True)
class InputReading:
    """An input at one moment: its parts belong together and do not change later."""

    name: str
    value: Any
    """Number, text, index of a state, or a list; None before the first value."""
    severity: int
    """0 NO_ALARM, 1 MINOR, 2 MAJOR, 3 INVALID."""
    timestamp: float
    """EPICS timestamp in seconds since 1970; 0.0 when there is none."""
    connected: bool
    states: tuple[str, ...] = ()
    link: str = ""
    """The PV that it follows; "" for a set-point."""

    def require(self) -> Any:
        """The value, where it may be relied on.

        :raises InvalidInput: it is not `valid`; the text names the input and its PV. What
            `triggered()` lets pass of it is an IO_FAILURE.
        """
        if self.valid:
            return self.value
        follows = f" ({self.link})" if self.link else ""
        why = "is INVALID"
        if not self.connected:
            why = "is not connected"
        elif self.value is None:
            why = "has no value yet"
        raise InvalidInput(f"input {self.name!r}{follows} {why}")

    @property
    def valid(self) -> bool:
        """Whether the value may be relied on: there is one, connected, not INVALID."""
        return self.value is not None and self.connected and self.severity < INVALID

    @property
    def state(self) -> str:
        """Name of the state of a bool or an enum; "" where there is none."""
        if isinstance(self.value, int) and 0 <= self.value < len(self.states):
            return self.states[self.value]
        return ""


class Inputs:
    """Inputs as attributes (`inputs.pressure`) or items (`inputs["pressure"]`).

    Each access reads the input anew and returns an `InputReading`.
    """

    __slots__ = ("__names", "__read")

    def __init__(self, names: tuple[str, ...], read: Callable[[str], InputReading]) -> None:
        self.__names = names
        self.__read = read

    def __getattr__(self, name: str) -> InputReading:
        if name.startswith("__") and name.endswith("__"):
            # copy, pickle and inspect ask for these; an AttributeError is the answer
            raise AttributeError(name)
        return self.__read(name)

    def __getitem__(self, name: str) -> InputReading:
        return self.__read(name)

    def __contains__(self, name: object) -> bool:
        return name in self.__names

    def __iter__(self) -> Iterator[str]:
        return iter(self.__names)

    def __len__(self) -> int:
        return len(self.__names)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.__names]
