"""Everything that `--pod` adds to the process of a task, in the order it is needed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ioc_runtime.pod.environment import BadEnvironment, read_environment
from ioc_runtime.pod.health import Health
from ioc_runtime.pod.probes import CannotListen, Probes
from ioc_runtime.pod.termination import last_words, leave

if TYPE_CHECKING:
    from ioc_runtime.pod.report import Reporter
    from ioc_runtime.task.task import Task

__all__ = ["BadEnvironment", "CannotListen", "Pod", "last_words", "leave"]


class Pod:
    """Probes from the first moment on, reports once the task serves."""

    def __init__(self) -> None:
        """Listen for probes.

        :raises BadEnvironment: the pod does not say who it is
        :raises CannotListen: the port of the probes is taken
        """
        self.environment = read_environment(os.environ)
        self._health = Health()
        self._probes = Probes(self.environment.probe_port, self._health.answer)
        self._reporter: Reporter | None = None

    def serving(self, task: Task, plan: Path) -> None:
        """Records are served and the first evaluation is done."""
        self._health.serving(task.last_turn)
        if self.environment.report:
            from ioc_runtime.pod.report import Reporter

            self._reporter = Reporter(task, self.environment, plan.with_name("manifest.json"))
            self._reporter.start()
            self._health.reporting(self._reporter.late)

    def stopping(self) -> None:
        """The end has begun."""
        self._health.stopping()

    def stopped(self, task: Task) -> None:
        """The task has stopped: tell how it ended, if anybody listens."""
        if self._reporter is not None:
            self._reporter.stop()
        if task.job is not None and task.job.outcome is not None:
            came_of_it = task.job.outcome
            reason, text, result = came_of_it.reason, came_of_it.text, came_of_it.as_dict()
            leave(last_words(reason, text, task.exit_code, result=result))
        elif task.exit_code and task.last_error is not None:
            reason, text, _ = task.last_error
            leave(last_words(reason, text, task.exit_code))
