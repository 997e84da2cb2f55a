"""Operators' PVs that are not set-points: ENABLE, CLEAR, RESET, TRIGGER and those of logs."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from ioc_runtime.standard import LOG_LEVELS

if TYPE_CHECKING:
    from ioc_runtime.plugin.runner import PluginRunner
    from ioc_runtime.task.apart.runner import ApartRunner
    from ioc_runtime.task.task import Task

log = logging.getLogger("ioc_runtime")


class Commands:
    """Carries out what operators ask of a task; one call after the other."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._switching = threading.Lock()
        """Around a change of ENABLE, so that engine and plugin agree on it."""

    def do(self, name: str, value: Any) -> None:
        """A PV (name without prefix) was written; one that is no command is left alone."""
        task = self._task
        if name == "TRIGGER" and task.cycles is not None:
            with task.events.lock:
                task.cycles.heard()
        elif name == "ENABLE":
            self._enable(bool(value))
        elif name == "CLEAR":
            task.events.do(task.engine.clear)
        elif name == "RESET":
            self._reset()
        elif name == "LOG_LEVEL":
            logging.getLogger().setLevel(LOG_LEVELS[value])
        elif name == "SILENCED_LOGGERS":
            task.logs.silence(str(value).split(","))

    def admit(self, runner: PluginRunner | ApartRunner) -> None:
        """Let a runner that is about to start hear of every change of ENABLE."""
        with self._switching:
            if not self._task.engine.enabled:
                runner.pause()
            self._task.runner = runner

    def _enable(self, on: bool) -> None:
        """ENABLE: pause or go on."""
        task = self._task
        with self._switching:
            if on == task.engine.enabled:
                return
            dropped = task.runner is not None and not on and task.runner.pause()
            task.events.do(task.engine.enable, on)
            if task.cycles is not None and not on:
                with task.events.lock:
                    task.cycles.paused(dropped)
            if task.runner is not None and on:
                task.runner.resume()
        log.info("enabled" if on else "paused")
        task.show_status()

    def _reset(self) -> None:
        task = self._task
        with task.events.lock:
            task.counters.reset()
            if task.cycles is not None:
                task.cycles.reset()
        task.events.do(task.engine.reset)
        for index, signal in enumerate(task.plan.inputs):
            if signal.link is not None:
                task.links.poke(index)
