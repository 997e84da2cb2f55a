"""A clock that only the test moves."""

from __future__ import annotations

from typing import Final

START_NS: Final = 1_800_000_000 * 10**9


class FakeClock:
    """Monotonic seconds and wall-clock nanoseconds that move together, when told."""

    def __init__(self) -> None:
        self.mono = 1000.0
        self.wall = START_NS

    def monotonic(self) -> float:
        return self.mono

    def time_ns(self) -> int:
        return self.wall

    def to(self, mono: float) -> None:
        """Go on to a monotonic time; a time that is over changes nothing."""
        if mono > self.mono:
            self.wall += round((mono - self.mono) * 1e9)
            self.mono = mono
