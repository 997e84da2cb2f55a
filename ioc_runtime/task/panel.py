"""The task's own PVs: status, message, counters, connections, log rings.

Counters and connections are posted at the pace of the loop's turns (10 a second at
most), and only when they differ. Calls hold the task's lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ioc_runtime.standard import STATUS_STATES
from ioc_runtime.task.snapshot import snapshot
from ioc_runtime.version import __version__

if TYPE_CHECKING:
    from ioc_runtime.epics.served import Served
    from ioc_runtime.task.task import Task


class Panel:
    """Posts the standard PVs of a task."""

    def __init__(self, task: Task, served: Served) -> None:
        self._task, self._served = task, served
        self._posted: dict[str, Any] = {}
        self._last_snapshot = 0.0
        self.connections_changed = True
        self.asked: dict[int, float] = {}
        """Input -> when its quiet source was last asked."""
        self.text = ""
        """MESSAGE as it stands."""

    def first(self) -> None:
        """What is known from the start."""
        with self._task.events.lock:
            self._post("VERSION", __version__)
            self._post("OVERRUNS", 0)
            self.message("started", 0)

    def message(self, text: str, severity: int) -> None:
        self.text = text
        self._served.standard("MESSAGE", text, severity)

    def status(self, index: int) -> None:
        if self._posted.get("STATUS") == index:
            return
        self._post("STATUS", index)
        self._task.sayings.say("state", state=STATUS_STATES[index], message=self.text)

    def refresh(self, now: float) -> None:
        """A turn of the loop: post what has changed since the last one."""
        task = self._task
        with task.events.lock:
            self._counters()
            if self.connections_changed:
                self.connections_changed = False
                self._connections()
            self._logs()
            every = task.options.snapshot
            due = every is not None and now - self._last_snapshot >= every
            if due:
                self._last_snapshot = now
                said = snapshot(task, now)
        if due:
            task.sayings.say("snapshot", **said)

    def _post(self, name: str, value: Any, severity: int = 0) -> None:
        if self._posted.get(name) != value:
            self._posted[name] = value
            self._served.standard(name, value, severity)

    def _counters(self) -> None:
        counters, engine = self._task.counters, self._task.engine
        self._post("HEARTBEAT", counters.heartbeat)
        self._post("UPTIME", self._task.uptime)
        self._post("CYCLE_COUNT", counters.cycles)
        self._post("EVAL:COUNT", counters.evaluations)
        self._post("EVAL:TIME", counters.last_evaluation * 1e6)
        self._post("EVAL:ERRORS", engine.errors)
        self._post("OVERRUNS", counters.overruns)
        self._post("WRITE:ERRORS", counters.write_errors)

    def _connections(self) -> None:
        plan, links = self._task.plan, self._task.links
        self._served.inputs_connected(
            [up for signal, up in zip(plan.inputs, links.inputs, strict=True) if signal.link]
        )
        self._served.outputs_connected(
            [up for signal, up in zip(plan.outputs, links.outputs, strict=True) if signal.link]
        )

    def _logs(self) -> None:
        logs = self._task.logs
        while logs.fresh:
            level = logs.fresh.pop()
            self._served.standard(f"LOG:{level}", list(logs.rings[level]))
