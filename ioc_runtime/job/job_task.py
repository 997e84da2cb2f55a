"""The serving process of a job: a task's, in which a run takes the plugin's place."""

from __future__ import annotations

from typing import Any

from ioc_runtime.job.job import Job
from ioc_runtime.plan import Plan
from ioc_runtime.task.host import TaskHost
from ioc_runtime.task.logs import LogKeeper
from ioc_runtime.task.parts import CannotStart, Options
from ioc_runtime.task.saying import Sayings
from ioc_runtime.task.task import Task


class RunsAJob(Task):
    """A task of whatever kind, in which a run takes the plugin's place."""

    job: Job

    def changed(self, index: int, value: Any, before: Any) -> None:
        self.job.changed(self.plan.inputs[index].name, value, before)

    def written(self, index: int, error: str | None) -> None:
        self.job.written(index, error)
        super().written(index, error)

    def show_status(self) -> None:
        """Nothing: STATUS of a job is what came of its run."""

    def _start_plugin(self) -> None:
        if self._loaded is None:
            raise CannotStart("BadPlan", "the plan of a job has no plugin: expected one")
        self.job.prepare(self, TaskHost(self), self._loaded)

    def _put(self, name: str, value: Any) -> None:
        if name.startswith("CMD:"):
            self._whole.wait()
            self.job.command(name)
        else:
            super()._put(name, value)


class JobTask(RunsAJob):
    """Serves a job's PVs; `job.begin()` starts the run, whose end ends the process."""

    def __init__(self, plan: Plan, options: Options, sayings: Sayings, logs: LogKeeper) -> None:
        super().__init__(plan, options, sayings, logs)
        self.job = Job(plan)

    @property
    def plugin_state(self) -> str:
        found = self.job.outcome
        if found is None:
            return super().plugin_state
        return "ended" if found.success else "failed"

    def stop(self) -> None:
        """End the run if it still goes on, then everything else."""
        self.running = False
        self.job.stop()
        super().stop()
