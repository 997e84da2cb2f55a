"""The task and its plugin, as its cycles see them (`cycles.Crew`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ioc_runtime.task.cycles import PAUSED

if TYPE_CHECKING:
    from ioc_runtime.plugin.runner import PluginRunner
    from ioc_runtime.task.apart.runner import ApartRunner
    from ioc_runtime.task.task import Task

EXIT_STALLED: Final = 13


class TaskCrew:
    """Runs cycles in the plugin's thread; every call with the task's lock."""

    def __init__(self, task: Task, runner: PluginRunner | ApartRunner) -> None:
        self._task, self._runner = task, runner

    def refusal(self) -> str:
        """Why no cycle can start now; "" if one can."""
        if not self._task.engine.enabled:
            return PAUSED
        return self._runner.unready

    def trigger(self) -> bool:
        """Let the plugin run a cycle; False: it does not."""
        return self._runner.trigger()

    def where(self) -> str:
        """The line that the plugin is at."""
        return self._runner.where()

    def stalled(self, sentence: str) -> None:
        """End the process, with these last words."""
        self._task.give_up("Stalled", sentence, EXIT_STALLED)
