"""The loop: heartbeat, timers, the periodic grid, counters.

It proves that the task is alive: HEARTBEAT is counted here and nowhere else, and
`last_turn` is what a liveness probe looks at.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

TURN: Final = 0.1
"""Longest sleep in seconds, unless a shorter one is asked for."""
BEAT: Final = 1.0

log = logging.getLogger(__name__)


class Work(Protocol):
    """What the loop does, in the task's words."""

    def wake(self) -> None:
        """Timers of the engine are due."""

    def cycle(self, missed: int) -> None:
        """A period has begun; `missed` periods before it were lost."""

    def beat(self) -> None:
        """A second has passed."""

    def turn(self, now: float) -> None:
        """Whatever else is regular: post counters, ask quiet sources."""

    @property
    def next_wake(self) -> float | None: ...


class Loop:
    """Runs the regular work of a task in a thread of its own."""

    def __init__(
        self,
        work: Work,
        period: float | None,
        clock: Callable[[], float] = time.monotonic,
        turn: float = TURN,
    ) -> None:
        """`period` is that of the periodic grid, `turn` the longest sleep, in seconds."""
        self._work, self._period, self._clock = work, period, clock
        self._longest = turn
        self._stopping = False
        self._wanted: tuple[float | None, float] | None = None
        self._kicked = threading.Event()
        self._until = -math.inf
        self.last_turn = clock()
        self._thread = threading.Thread(target=self._run, name="loop", daemon=True)

    def start(self) -> None:
        now = self._clock()
        self._begin = self._grid = now
        self._cycles = 0
        self._beats = 0
        self._thread.start()

    def stop(self, timeout: float) -> None:
        self._stopping = True
        self._kicked.set()
        self._thread.join(timeout)

    def change(self, period: float | None, turn: float) -> None:
        """Another period, whose grid begins now, and another longest sleep; from any thread."""
        self._wanted = (period, turn)
        self._kicked.set()

    def kick(self, when: float) -> None:
        """A timer was set for `when`: wake up in time for it."""
        if when < self._until:
            self._until = when
            self._kicked.set()

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._turn()
            except Exception:
                log.exception("the loop failed in one of its turns")
            self._sleep()

    def _turn(self) -> None:
        now = self.last_turn = self._clock()
        self._take_over(now)
        wake = self._work.next_wake
        if wake is not None and wake <= now:
            self._work.wake()
        if self._period is not None:
            self._cycle(now, self._period)
        beats = int((now - self._begin) / BEAT)
        if beats > self._beats:
            self._beats = beats
            self._work.beat()
        self._work.turn(now)

    def _take_over(self, now: float) -> None:
        """Go on with the period and the sleep that were asked for last."""
        wanted, self._wanted = self._wanted, None
        if wanted is not None:
            period, self._longest = wanted
            if period != self._period:
                self._period, self._grid, self._cycles = period, now, 0

    def _cycle(self, now: float, period: float) -> None:
        reached = int((now - self._grid) / period) + 1
        if reached > self._cycles:
            missed = reached - self._cycles - 1
            self._cycles = reached
            self._work.cycle(missed)

    def _sleep(self) -> None:
        now = self._clock()
        until = min(now + self._longest, self._begin + (self._beats + 1) * BEAT)
        if self._period is not None:
            until = min(until, self._grid + self._cycles * self._period)
        self._until = until
        wake = self._work.next_wake
        if wake is not None:
            until = min(until, wake)
            self._until = until
        if until > now:
            self._kicked.wait(until - now)
        self._kicked.clear()
