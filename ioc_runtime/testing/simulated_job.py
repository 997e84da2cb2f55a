"""A job under test, simulated: `SimulatedJob`. A run of minutes takes milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ioc_runtime.job import outcome
from ioc_runtime.job.code import Code
from ioc_runtime.job.control import Control
from ioc_runtime.job.job import ABORTING, INPUTS, Job
from ioc_runtime.job.job_task import RunsAJob
from ioc_runtime.job.outcome import Outcome
from ioc_runtime.job.panel import JobPanel
from ioc_runtime.plan import Plan
from ioc_runtime.plugin.errors import Ended, Stopped
from ioc_runtime.plugin.host import Host
from ioc_runtime.plugin.loader import Loaded
from ioc_runtime.task.task import Task
from ioc_runtime.testing.driven import DrivenTask
from ioc_runtime.testing.manifest import BadTest
from ioc_runtime.testing.simulated import Simulated
from ioc_runtime.testing.stepping import SteppedLoop
from ioc_runtime.testing.under_test import JobUnderTest

LOOK: Final = 0.1
"""Seconds between two looks for inputs that have no valid value yet."""


class SteppedControl(Control):
    """A run whose `sleep` lets the time of the test pass."""

    def __init__(self, task: DrivenTask) -> None:
        super().__init__()
        self._task = task
        self.stopped: Callable[[], None] = lambda: None
        """Called when the run is to end."""

    def stop(self, reason: str) -> bool:
        taken = super().stop(reason)
        if taken:
            self.stopped()
        return taken

    def sleep(self, seconds: float) -> None:
        self.skip(self._task.clock.mono + max(float(seconds), 0.0))
        if self.stop_reason:
            raise Stopped(f"the run is to end ({self.stop_reason})")

    def skip(self, when: float) -> None:
        """Let time pass until then, or until the run is to end."""
        self._task.advance(when, until=lambda: bool(self.stop_reason))


class SteppedCode(Code):
    """The job's code in the thread of the test: `start` returns when all of it is over."""

    def __init__(self, task: DrivenTask, control: SteppedControl, *args: Any, **more: Any) -> None:
        super().__init__(*args, clock=task.clock.monotonic, **more)
        self._loop: SteppedLoop | None = None
        if self._loaded.asynchronous:
            self._waiting = self._loop = SteppedLoop(task.clock.monotonic)
            self._loop.skip = lambda when: self._skip(task, control, when)
        control.stopped = self.interrupt

    def start(self) -> None:
        try:
            self._main()
        finally:
            if self._loop is not None:
                self._loop.close()

    @staticmethod
    def _skip(task: DrivenTask, control: SteppedControl, when: float) -> None:
        if control.stop_reason:  # `cleanup` may await, too
            task.advance(when)
        else:
            control.skip(when)


class SteppedPanel(JobPanel):
    """The job's own PVs, with durations by the test's clock."""

    def __init__(self, task: DrivenTask, job: Any) -> None:
        super().__init__(task, job)
        self._clock, self._from = task.clock, task.clock.mono

    def _begin(self) -> None:
        super()._begin()
        self._from = self._clock.mono

    @property
    def seconds(self) -> float:
        return 0.0 if self._began is None else round(self._clock.mono - self._from, 3)


class SteppedJob(Job):
    """The run, from its beginning to its outcome, in the thread of the test."""

    def prepare(self, task: Task, host: Host, loaded: Loaded) -> None:
        assert isinstance(task, DrivenTask)  # noqa: S101 - for the type checker
        self._driven, self._task, self._host = task, task, host
        self._panel = SteppedPanel(task, self.job)
        self.control = control = SteppedControl(task)
        self._code: Code = SteppedCode(
            task,
            control,
            self.plan,
            loaded,
            host,
            control,
            executing=self._executing,
            aborts=ABORTING,
        )
        with task.events.lock:
            self._panel.first(self.state)

    def run(self) -> tuple[Outcome, BaseException | None]:
        """The outcome, and what the code raised if that is why."""
        code, driven = self._code, self._driven
        if self.job.run_timeout is not None:
            limit = driven.clock.mono + self.job.run_timeout
            driven.at(limit, lambda: self.control.stop(outcome.TIMEOUT))
        found, error = None, None
        if not self.control.stop_reason:
            self._enter("Preparing")
            self._wait_for_inputs()
        if self.control.stop_reason:
            found = outcome.ended(self.control.settle(), "before it began")
        else:
            code.start()
            why = self.control.settle()
            found = self._ended(why) if why else self._came_of(code)
            failure = code.failure or code.abort_failure
            error = failure.error if failure is not None else None
        driven.settle()
        if found.success and self._unwritten:
            found = outcome.not_written("; ".join(self._unwritten.values()))
        self._show(found)
        by_stop = isinstance(error, Stopped | Ended) or type(error).__name__ == "CancelledError"
        return found, None if by_stop else error

    def _wait_for_inputs(self) -> None:
        driven = self._driven
        until = driven.clock.mono + INPUTS
        linked = [s.name for s in self.plan.inputs if s.link is not None]
        while linked and driven.clock.mono < until and not self.control.stop_reason:
            linked = [name for name in linked if not self._valid(name)]
            if linked:
                driven.advance(driven.clock.mono + LOOK)
        if linked and not self.control.stop_reason:
            self._say(f"begins without a valid value of {', '.join(linked[:8])}", 1)

    def _show(self, found: Outcome) -> None:
        """What `_conclude` shows, without its pause."""
        self._code.shut("the run is over")
        if not found.success:
            self._driven.events.do(self._driven.engine.plugin_ended)
        elif self.control.fraction < 1:
            self.control.progress(1.0, None)
        self.outcome, self.state = found, found.state
        with self._driven.events.lock:
            self._panel.end(found, self.control)


class DrivenJobTask(RunsAJob, DrivenTask):
    """The process of a job, with `SteppedJob` in it."""

    job: SteppedJob

    def __init__(self, plan: Plan, **more: Any) -> None:
        super().__init__(plan, **more)
        self.job = SteppedJob(plan)


class SimulatedJob(Simulated, JobUnderTest):
    """An IocJob: set its inputs, then `run` it."""

    def __init__(self, plan: Plan, cls: type | None = None) -> None:
        """`cls` is run in place of what the plan's plugin would load."""
        super().__init__(plan)
        loaded = None if cls is None else Loaded(cls)
        self._driven = DrivenJobTask(plan, raised=self._raised, loaded=loaded, clock=self.clock)
        self._task = self._driven

    def start(self) -> SimulatedJob:
        """Serve it; nothing of its code runs before `run`."""
        self._start()
        return self

    def run(self) -> Outcome:
        """Run it to its end: `.state .exit_code .success .text .data`.

        What its code raises raises here, unless the block says `failing`.
        """
        if self._driven.job.outcome is not None:
            raise BadTest("a job runs once: start another one")
        found, error = self._driven.job.run()
        if error is not None:
            self._raised("the run", error)
        self._settle()
        return found

    def at(self, seconds: float, call: Callable[[], Any]) -> None:
        """Call something so many seconds from now, while the run lets time pass."""
        self._driven.at(self.clock.mono + seconds, call)

    def stop(self) -> None:
        """End of the test."""
        if self._driven.running:
            self._driven.stop()
