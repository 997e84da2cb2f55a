"""What a task hears of its plugin, and what it says of it: `PluginWatch`."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ioc_runtime.plugin.verdict import Verdict
    from ioc_runtime.task.task import Task

log = logging.getLogger("ioc_runtime")


class PluginWatch:
    """Takes what a runner tells; called from the plugin's thread, without the task's lock."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self.failing = ""
        """What failed last, as a sentence, until it works again."""
        self.over = False
        """Whether the plugin gave up."""

    def failed(self, sentence: str, traceback: str) -> None:
        task = self._task
        self.failing = sentence
        task.last_error = ("PluginFailed", sentence, time.time())
        log.error("%s\n%s", sentence, traceback)
        with task.events.lock:
            task.panel.message(sentence, 2)
        task.show_status()

    def recovered(self) -> None:
        task = self._task
        self.failing = ""
        with task.events.lock:
            task.panel.message("the plugin works again", 0)
        task.show_status()

    def ended(self, exit_code: int, sentence: str) -> None:
        task = self._task
        self.over = True
        task.events.do(task.engine.plugin_ended)
        self.failed(sentence, "")
        task.sayings.say("error", reason="PluginFailed", text=sentence, exit=exit_code)
        task.end(exit_code)

    def lost(self) -> None:
        """Its process has ended by itself: it vouches for nothing any more."""
        self._task.events.do(self._task.engine.plugin_ended)

    def back(self) -> None:
        """Another process has been loaded in its place."""
        self._task.events.do(self._task.engine.plugin_began)

    def cycled(self, verdict: Verdict) -> None:
        task = self._task
        with task.events.lock:
            if task.cycles is not None:
                task.counters.cycles += 1
                task.cycles.ended(verdict)

    @property
    def state(self) -> str:
        """loaded, failed or ended."""
        if self.over:
            return "ended"
        return "failed" if self.failing else "loaded"

    @property
    def at_work(self) -> dict[str, Any]:
        """For a snapshot: whether the plugin waits, and nothing of the task's is on its way to
        a link; how often the plugin failed, and how it did last.
        """
        task = self._task
        runner, writing = task.runner, task.links.busy
        if runner is None:
            return {"idle": not writing, "failures": 0, "error": ""}
        error = task.last_error[1] if task.last_error else ""
        idle = runner.idle and not writing
        return {"idle": idle, "failures": runner.failures, "error": error}
