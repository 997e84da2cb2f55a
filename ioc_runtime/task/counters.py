"""Counters of a task, and how long its reactions take."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field


@dataclass
class Counters:
    """Everything a task counts. Written under the task's lock."""

    heartbeat: int = 0
    cycles: int = 0
    evaluations: int = 0
    overruns: int = 0
    write_errors: int = 0
    last_evaluation: float = 0.0
    """Seconds that the last evaluation took, records included."""
    reactions: deque[float] = field(default_factory=lambda: deque(maxlen=10_000))
    """Seconds of the evaluations since the last snapshot."""

    def reset(self) -> None:
        """RESET: all but the heartbeat."""
        self.cycles = self.evaluations = self.overruns = self.write_errors = 0

    def took(self, seconds: float) -> None:
        self.evaluations += 1
        self.last_evaluation = seconds
        self.reactions.append(seconds)

    def reaction(self) -> tuple[float, float] | None:
        """Median and 99th percentile in µs since the last call; None without any."""
        seconds = sorted(self.reactions)
        self.reactions.clear()
        if not seconds:
            return None
        n = len(seconds)
        return seconds[n // 2] * 1e6, seconds[min(n - 1, n * 99 // 100)] * 1e6
