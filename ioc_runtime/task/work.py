"""The regular work of a task, as its loop asks for it (`loop.Work`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ioc_runtime.plan import Plan
from ioc_runtime.task.loop import TURN

if TYPE_CHECKING:
    from ioc_runtime.task.task import Task

FASTEST_TURN: Final = 0.01
"""Seconds between two turns of the loop where an input's maxAge asks for haste."""


def period(plan: Plan) -> float | None:
    """Of the loop's grid, if it has one."""
    if plan.mode == "triggered":
        return plan.trigger.period
    return plan.period if plan.mode == "periodic" else None


def pace(plan: Plan) -> float:
    """Seconds between two looks for sources that are quiet."""
    ages = [s.max_age for s in plan.inputs if s.max_age is not None and s.link]
    return max(FASTEST_TURN, min([TURN, *(age / 8 for age in ages)]))


class TaskWork:
    """Timers, the grid, the heartbeat and what else comes round."""

    def __init__(self, task: Task) -> None:
        """Make it when the task has its engine, its events and its panel."""
        self._task = task
        self._engine, self._events, self._panel = task.engine, task.events, task.panel
        self._counters = task.counters

    @property
    def next_wake(self) -> float | None:
        with self._events.lock:
            return self._engine.next_wake

    def wake(self) -> None:
        self._events.do(self._engine.wake)

    def cycle(self, missed: int) -> None:
        if not self._engine.enabled:
            return
        cycles, runner = self._task.cycles, self._task.runner
        if cycles is not None:
            with self._events.lock:
                self._counters.overruns += cycles.timer(missed)
            return
        self._events.do(self._engine.full_pass)
        overruns = missed
        if runner is not None:
            before = runner.overruns
            runner.execute()
            overruns += runner.overruns - before
        with self._events.lock:
            self._counters.overruns += overruns
            self._counters.cycles += 1

    def beat(self) -> None:
        with self._events.lock:
            self._counters.heartbeat += 1
            if self._task.plan.mode == "reactive":
                self._counters.cycles += 1

    def turn(self, now: float) -> None:
        self.ask_quiet_sources(now)
        cycles = self._task.cycles
        if cycles is not None:
            with self._events.lock:
                cycles.tick()
        self._panel.refresh(now)

    def ask_quiet_sources(self, now: float) -> None:
        """An answer to a get is a sign of life of a source that has nothing new."""
        asked = self._panel.asked
        for state in self._engine.inputs:
            max_age = state.plan.max_age
            if max_age is None or not state.connected or state.plan.link is None:
                continue
            last = max(state.life, asked.get(state.index, state.life))
            if now - last >= max_age / 2:
                asked[state.index] = now
                self._task.links.poke(state.index)
