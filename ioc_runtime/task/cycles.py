"""The cycle of mode triggered: which trigger starts one, what comes of it, in which order.

A trigger is a put of 1 on TRIGGER, or the timer's. One cycle runs at a time; further
puts wait, up to the plan's bound, or are rejected and counted. At the end of a cycle its
results are posted first, then CYCLE, then TRIGGER and BUSY as 0, and only then is the
put's callback answered: who sees one of them can read nothing older.

Pure: clients, plugin and clock are behind `Line`, `Show`, `Crew` and `clock`. Every call
with the task's lock.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

from ioc_runtime.plan import Trigger
from ioc_runtime.plugin.verdict import SKIPPED, STALLED, Verdict
from ioc_runtime.standard import TASK_STATUS_SEVERITIES, TASK_STATUS_STATES

PAUSED: Final = "the task is paused (ENABLE is 0)"
INTERRUPTED: Final = "the task was stopped before the cycle ended"

log = logging.getLogger("ioc_runtime")


class Line(Protocol):
    """TRIGGER and BUSY, as clients see them (`epics.trigger.Trigger`)."""

    ring: int
    """Number of the holds; put n has hold n modulo that."""

    def locked(self) -> AbstractContextManager[None]: ...
    def puts(self) -> int: ...
    def busy(self) -> None: ...
    def idle(self) -> None: ...
    def insist(self) -> int: ...
    def reset(self) -> None: ...
    def answer(self, number: int) -> None: ...


class Show(Protocol):
    """Where the results go (`task.panel.Panel`)."""

    def show(self, name: str, value: Any, severity: int = 0) -> None: ...
    def message(self, text: str, severity: int) -> None: ...


class Crew(Protocol):
    """The plugin, and the task around it."""

    def refusal(self) -> str:
        """Why no cycle can start now; "" if one can."""

    def trigger(self) -> bool:
        """Let the plugin run a cycle; False: it does not."""

    def where(self) -> str:
        """` at guard.py:12`, or ""."""

    def stalled(self, sentence: str) -> None:
        """The cycle has been given up; the process is to end."""


@dataclass
class _Run:
    number: int | None
    """Of its put; None for one of the timer."""
    began: float
    stalled: bool = False
    given_up: bool = False


class Cycles:
    """Decides on triggers and tells what comes of them."""

    def __init__(
        self, trigger: Trigger, line: Line, show: Show, crew: Crew, clock: Callable[[], float]
    ) -> None:
        self._trigger, self._line, self._show, self._crew = trigger, line, show, crew
        self._clock = clock
        self._run: _Run | None = None
        self._waiting: deque[int] = deque()
        self._heard = 0
        """Number of the last put that was decided on."""
        self._stopped = False
        self._said: Verdict | None = None
        """What ERR:MSG says; the same again is not news."""
        self.count = 0
        """CYCLE."""
        self.rejected = 0
        self.duration = 0.0

    # what happens

    def heard(self) -> None:
        """There were puts on TRIGGER."""
        with self._decided():
            self._settle()
        self._next()

    def timer(self, missed: int) -> int:
        """The timer is due, and was `missed` times before; returns the cycles left out."""
        if self._stopped or self._run is not None or self._crew.refusal():
            return missed + 1
        if self._begin(None):
            return missed
        self._next()
        return missed + 1

    def ended(self, verdict: Verdict) -> None:
        """The plugin is done with the cycle."""
        run = self._run
        if run is None:
            return  # it was given up before
        self.count += 1
        if verdict.status != SKIPPED:
            self.duration = self._clock() - run.began
            self._show.show("TASK_DURATION", self.duration)
        self._result(verdict)
        self._show.show("CYCLE", self.count)
        self._over(run)
        self._next()

    def tick(self) -> None:
        """Time has passed."""
        run, limit = self._run, self._trigger.stall_limit
        if run is None or limit is None:
            return
        passed = self._clock() - run.began
        if passed >= limit and not run.stalled:
            run.stalled = True
            text = f"the cycle still runs after {limit:g} s (stallLimit){self._crew.where()}"
            self._result(Verdict(STALLED, text))
        kill = self._trigger.kill_after
        if kill is not None and passed >= limit + kill and not run.given_up:
            run.given_up = True
            self._crew.stalled(f"the cycle did not end within {passed:.1f} s{self._crew.where()}")

    def paused(self, dropped: bool) -> None:
        """ENABLE is 0: what has not begun is rejected. `dropped`: so is the present cycle."""
        with self._decided():  # while it shows which holds are taken
            refused = list(self._waiting)
            self._waiting.clear()
        run = self._run
        if run is not None and dropped:
            refused += [] if run.number is None else [run.number]
            self._run = None
        self._refuse(refused, PAUSED)
        with self._decided():
            self._settle()

    def stop(self) -> None:
        """Nothing begins any more; puts whose cycle has not ended are never answered."""
        self._stopped = True
        run, self._run = self._run, None
        if run is not None and not run.stalled:
            self._show.show("TASK_STATUS", None)
            self._show.show("ERR:MSG", INTERRUPTED, 2)
        self._waiting.clear()
        with self._line.locked():
            self._line.idle()

    def change(self, trigger: Trigger) -> None:
        """Another plan of the same shape: limits may differ."""
        self._trigger = trigger

    def reset(self) -> None:
        """RESET: what was counted. CYCLE goes on: clients tell cycles apart by it."""
        self.rejected = 0
        self._show.show("REJECTED", 0)

    def shown(self) -> dict[str, Any]:
        """For whoever watches on a terminal."""
        said = self._said
        return {
            "busy": self._run is not None,
            "waiting": len(self._waiting),
            "count": self.count,
            "status": "" if said is None else TASK_STATUS_STATES[said.status],
            "text": "" if said is None else said.text,
            "duration": round(self.duration, 6),
            "rejected": self.rejected,
        }

    # how

    @property
    def _asked(self) -> bool:
        """Whether a put is to be answered later: then TRIGGER is 1."""
        run = self._run
        return bool(self._waiting) or (run is not None and run.number is not None)

    @contextmanager
    def _decided(self) -> Iterator[None]:
        """Inside, all puts up to now are decided on, and no other one can come.

        Those that are refused are answered before, with REJECTED posted before that.
        """
        while True:
            with self._line.locked():
                refused, why = self._decide()
                if not refused:
                    yield
                    return
            self._refuse(refused, why)

    def _decide(self) -> tuple[list[int], str]:
        """Decide on all puts up to now; returns those that are refused, and why. Locked."""
        refused, reason, puts = [], "", self._line.puts()
        for number in range(self._heard + 1, puts + 1):
            why = self._refusal() or self._taken(number)
            if why:
                refused.append(number)
                reason = why
            else:
                self._waiting.append(number)
        self._heard = puts
        return refused, reason

    def _settle(self) -> None:
        """Let TRIGGER and BUSY say what is the case. Locked."""
        if self._asked:
            self._heard = self._line.insist()  # nobody may take it for the end of the cycle
        elif self._run is not None:
            self._line.reset()
        else:
            self._line.idle()

    def _refusal(self) -> str:
        if self._stopped:
            return "the task stops"
        room = self._trigger.waiting
        if self._run is None:
            room += 1
            if why := self._crew.refusal():
                return why
        if len(self._waiting) < room:
            return ""
        waiting = len(self._waiting)
        return f"a cycle runs and {waiting} more wait" if waiting else "a cycle runs"

    def _taken(self, number: int) -> str:
        """Why a put whose hold was another's starts no cycle: its callback was answered."""
        held = list(self._waiting)
        if self._run is not None and self._run.number is not None:
            held.append(self._run.number)
        ring = self._line.ring
        return "too many puts at a time" if number % ring in {n % ring for n in held} else ""

    def _refuse(self, numbers: list[int], why: str) -> None:
        """Count puts that start no cycle, say so, and answer them."""
        if not numbers:
            return
        self.rejected += len(numbers)
        self._show.show("REJECTED", self.rejected)
        self._show.message(f"trigger rejected: {why}", 1)
        ring, run = self._line.ring, self._run
        kept = {number % ring for number in self._waiting}
        if run is not None and run.number is not None:
            kept.add(run.number % ring)
        with self._line.locked():
            for number in numbers:
                if number % ring not in kept:  # else the hold is another's, who waits
                    self._line.answer(number)

    def _next(self) -> None:
        """Begin the cycle that waits, if none runs."""
        while self._run is None and self._waiting and not self._begin(self._waiting.popleft()):
            pass

    def _begin(self, number: int | None) -> bool:
        self._run = _Run(number, self._clock())
        self._line.busy()
        if self._crew.trigger():
            return True
        self._run = None
        if number is not None:
            self._refuse([number], self._crew.refusal() or "the plugin does not run it")
        with self._decided():
            self._settle()
        return False

    def _over(self, run: _Run) -> None:
        """The end of a cycle, for clients: all of it at once.

        What came up to here came while the cycle ran.
        """
        with self._decided():
            self._run = None
            self._settle()
            if run.number is not None:
                self._line.answer(run.number)

    def _result(self, verdict: Verdict) -> None:
        """TASK_STATUS and why; the state's record adds its severity by itself."""
        severity = TASK_STATUS_SEVERITIES[verdict.status]
        self._show.show("TASK_STATUS", verdict.status)
        if self._said != verdict:
            self._said = verdict
            self._show.show("ERR:MSG", verdict.text, severity)
            if severity:
                what = f"{TASK_STATUS_STATES[verdict.status]}: {verdict.text}"
                self._show.message(what, severity)
                log.warning("%s", what)
