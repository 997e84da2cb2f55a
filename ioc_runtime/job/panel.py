"""The job's own PVs: state, status, progress, the run.

Calls hold the task's lock, unless they say that they take it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from ioc_runtime import plan
from ioc_runtime.job.control import Control
from ioc_runtime.job.outcome import Outcome
from ioc_runtime.standard import JOB_STATES

if TYPE_CHECKING:
    from ioc_runtime.task.task import Task

IDLE, RUNNING, SUCCESS, FAILED = range(4)
"""STATUS."""
WHOLE: Final = 1.0
"""Seconds between two posts of RUN:DURATION while the run goes on."""


class JobPanel:
    """Posts the standard PVs that jobs have and tasks have not."""

    def __init__(self, task: Task, job: plan.Job) -> None:
        self._task, self._job = task, job
        self._began: float | None = None
        self._ended: float | None = None
        self._sequence = 0

    @property
    def seconds(self) -> float:
        """Duration of the run up to now, or to its end."""
        if self._began is None:
            return 0.0
        return round((self._ended or time.monotonic()) - self._began, 3)

    def first(self, state: str) -> None:
        """What is known before the run begins."""
        post = self._task.panel.post
        post("STATE", JOB_STATES.index(state))
        post("STATUS", IDLE)
        post("SEQ", 0)
        post("PROGRESS", 0.0)
        post("MSG", "")
        post("RUN:ID", self._job.run_id or str(self._job.run or ""))
        post("RUN:START_TIME", "")
        post("RUN:DURATION", 0.0)

    def state(self, state: str) -> None:
        """The run goes over to a state that is not its last."""
        post = self._task.panel.post
        if self._began is None:
            self._begin()
        post("STATUS", RUNNING)
        self._next(state)

    def progress(self, control: Control) -> None:
        """Show how far the run is, if that is new. Takes the task's lock."""
        with self._task.events.lock:
            self._progress(control)
            self._task.panel.post("RUN:DURATION", self.seconds // WHOLE * WHOLE)

    def end(self, found: Outcome, control: Control) -> None:
        """The last values, STATE behind all others."""
        if self._began is None:
            self._begin()
        self._ended = time.monotonic()
        self._progress(control)
        severity = 0 if found.success else 1 if found.state in ("Stopped", "Aborted") else 2
        self._task.panel.message(found.text or "done", severity)
        self._task.panel.post("RUN:DURATION", self.seconds)
        self._task.panel.post("STATUS", SUCCESS if found.success else FAILED)
        self._next(found.state)

    def _begin(self) -> None:
        self._began = time.monotonic()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._task.panel.post("RUN:START_TIME", stamp)

    def _progress(self, control: Control) -> None:
        self._task.panel.post("MSG", control.message)
        self._task.panel.post("PROGRESS", control.fraction * 100)

    def _next(self, state: str) -> None:
        self._sequence += 1
        self._task.panel.post("SEQ", self._sequence)
        self._task.panel.post("STATE", JOB_STATES.index(state))
