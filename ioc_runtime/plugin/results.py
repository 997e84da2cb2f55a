"""What came of reading or writing several PVs at once: one result for each, in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, overload

from ioc_runtime.plugin.errors import PutFailed, ReadFailed, UnknownName, nearest
from ioc_runtime.plugin.inputs import INVALID


@dataclass(frozen=True, slots=True)
class PvReading:
    """One PV, read once."""

    name: str
    """As it was asked for."""
    value: Any = None
    """Number, text, index of a state, a list, or a numpy array (an image); what `cast`
    made of it; None when `error` says why there is none."""
    severity: int = INVALID
    """0 NO_ALARM, 1 MINOR, 2 MAJOR, 3 INVALID."""
    timestamp: float = 0.0
    """EPICS timestamp in seconds since 1970; 0.0 when there is none."""
    connected: bool = False
    """Whether the PV answered."""
    states: tuple[str, ...] = ()
    """Names of the states of an enum."""
    error: str = ""
    """Why there is no value; "" when there is one."""

    @property
    def ok(self) -> bool:
        """Whether there is a value; it may be in alarm."""
        return not self.error

    @property
    def valid(self) -> bool:
        """Whether the value may be relied on: there is one, and it is not INVALID."""
        return not self.error and self.severity < INVALID

    @property
    def state(self) -> str:
        """Name of the state of an enum; "" where there is none."""
        index = self.value
        if isinstance(index, int) and 0 <= index < len(self.states):
            return self.states[index]
        return ""

    def raise_for_error(self) -> PvReading:
        """Itself, when there is a value.

        :raises ReadFailed: there is none; says why.
        """
        if self.error:
            raise ReadFailed(sentence(self))
        return self


@dataclass(frozen=True, slots=True)
class PvWrite:
    """One PV, written once."""

    name: str
    """As it was asked for."""
    value: Any
    """As it was given."""
    error: str = ""
    """Why it is not written, or why that is not known; "" when it is."""

    @property
    def ok(self) -> bool:
        """Whether the server has taken and processed the value."""
        return not self.error

    def raise_for_error(self) -> PvWrite:
        """Itself, when it is written.

        :raises PutFailed: it is not; says why.
        """
        if self.error:
            raise PutFailed(sentence(self))
        return self


Result = TypeVar("Result", bound=PvReading | PvWrite)


class Results(Generic[Result]):
    """Results in the order of the call; by position, or by the name that was asked for."""

    __slots__ = ("_all",)

    def __init__(self, results: list[Result]) -> None:
        self._all = tuple(results)

    @property
    def ok(self) -> bool:
        """Whether all of them are."""
        return not self.failed

    @property
    def failed(self) -> list[Result]:
        """Those that are not."""
        return [result for result in self._all if result.error]

    @property
    def values(self) -> dict[str, Any]:
        """Value by name; None for what could not be read."""
        return {result.name: result.value for result in self._all}

    def raise_for_error(self) -> Results[Result]:
        """Itself, when all of them are ok.

        :raises ReadFailed: or PutFailed: one sentence with each PV that is not, and why.
        """
        failed = self.failed
        if failed:
            error = ReadFailed if isinstance(failed[0], PvReading) else PutFailed
            more = f"; and {len(failed) - 5} more" if len(failed) > 5 else ""
            of = f"{len(failed)} of {len(self._all)} PVs: " if len(self._all) > 1 else ""
            raise error(of + "; ".join(map(sentence, failed[:5])) + more)
        return self

    @overload
    def __getitem__(self, key: int | str) -> Result: ...

    @overload
    def __getitem__(self, key: slice) -> tuple[Result, ...]: ...

    def __getitem__(self, key: int | str | slice) -> Result | tuple[Result, ...]:
        if not isinstance(key, str):
            return self._all[key]
        for result in self._all:
            if result.name == key:
                return result
        names = [result.name for result in self._all]
        raise UnknownName(f"no result of {key!r}{nearest(key, names)}")

    def __iter__(self) -> Iterator[Result]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def __repr__(self) -> str:
        return f"Results({list(self._all)!r})"


def sentence(result: PvReading | PvWrite) -> str:
    """The PV and what is wrong with it."""
    return result.error if result.name in result.error else f"{result.name}: {result.error}"
