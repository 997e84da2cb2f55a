"""Calls on a fixed grid: `Timers`. Pure: the clock is given, and nothing here waits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class Timer:
    """One function that is called every so many seconds; what `self.every` returns."""

    def __init__(self, seconds: float, function: Callable[[], Any], start: float) -> None:
        self.seconds, self.function = seconds, function
        self.count = 0
        """Calls so far."""
        self.overruns = 0
        """Times that were left out because the plugin was busy."""
        self.cancelled = False
        self._start, self._turn = start, 1

    @property
    def due(self) -> float:
        """When it is to be called next. From the start, so that nothing adds up."""
        return self._start + self._turn * self.seconds

    def cancel(self) -> None:
        """Call it no more. From any thread; a call that runs is finished."""
        self.cancelled = True

    def __call__(self) -> Any:
        """Call the function now; the grid stays."""
        return self.function()

    def advance(self, now: float) -> int:
        """Go on to the first turn after `now`; how many of those before it were passed."""
        if self.due > now:
            return 0
        turn = max(self._turn, int((now - self._start) / self.seconds))  # or one next to it
        while self._start + turn * self.seconds <= now:
            turn += 1
        passed, self._turn = turn - self._turn, turn
        return passed


class Timers:
    """The timers of one plugin instance. Added from any thread, taken by the plugin's."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._guard = threading.Lock()
        self._all: list[Timer] = []

    def add(self, seconds: float, function: Callable[[], Any]) -> Timer:
        """Call a function every so many seconds, the first time after so many."""
        timer = Timer(seconds, function, self._clock())
        with self._guard:
            self._all = [one for one in self._all if not one.cancelled]
            self._all.append(timer)
        return timer

    def take(self) -> Timer | None:
        """The timer that is due and waits longest; what it missed counts as overruns."""
        now = self._clock()
        with self._guard:
            due = [one for one in self._all if one.due <= now and not one.cancelled]
            if not due:
                return None
            first = min(due, key=lambda one: one.due)
            first.overruns += first.advance(now) - 1
            first.count += 1
            return first

    def skip(self) -> None:
        """Leave out what was due meanwhile: nothing was to be called."""
        now = self._clock()
        with self._guard:
            for timer in self._all:
                timer.advance(now)

    def wait(self) -> float | None:
        """Seconds until one is due, 0 if one is; None when there is none."""
        with self._guard:
            dues = [one.due for one in self._all if not one.cancelled]
        return max(0.0, min(dues) - self._clock()) if dues else None
