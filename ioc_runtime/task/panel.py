"""The task's own PVs: status, message, counters, connections, log rings.

Counters and connections are posted 10 times a second at most, and only when they
differ. Calls hold the task's lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ioc_runtime.standard import STATUS_STATES
from ioc_runtime.task.snapshot import snapshot
from ioc_runtime.version import __version__

PACE: Final = 0.1
"""Seconds between two posts of the same counter."""

if TYPE_CHECKING:
    from ioc_runtime.epics.served import Served
    from ioc_runtime.task.task import Task


class Panel:
    """Posts the standard PVs of a task."""

    def __init__(self, task: Task, served: Served) -> None:
        self._task, self._served = task, served
        self._posted: dict[str, Any] = {}
        self._last_refresh = self._last_snapshot = 0.0
        self._connected: tuple[list[bool], list[bool]] | None = None
        self.asked: dict[int, float] = {}
        """Input -> when its quiet source was last asked."""
        self.text = ""
        """MESSAGE as it stands."""

    def first(self, state_lost: bool) -> None:
        """What is known from the start."""
        with self._task.events.lock:
            self.post("VERSION", __version__)
            for level, ring in self._task.logs.rings.items():
                self._served.standard(f"LOG:{level}", list(ring))
            self._counters()
            if state_lost:
                self.message("the kept state could not be read; started without it", 2)
            else:
                self.message("started", 0)

    def message(self, text: str, severity: int) -> None:
        self.text = text
        self._served.standard("MESSAGE", text, severity)

    def status(self, index: int) -> None:
        if self._posted.get("STATUS") == index:
            return
        self.post("STATUS", index)
        self._task.sayings.say("state", state=STATUS_STATES[index], message=self.text)

    def refresh(self, now: float) -> None:
        """Post what has changed since the last time; more often than PACE it does nothing."""
        if now - self._last_refresh < PACE * 0.9:  # a turn may come a little early
            return
        self._last_refresh = now
        task = self._task
        with task.events.lock:
            self._counters()
            self._connections()
            self._logs()
            every = task.options.snapshot
            due = every is not None and now - self._last_snapshot >= every
            if due:
                self._last_snapshot = now
                said = snapshot(task, now)
        if due:
            task.sayings.say("snapshot", **said)

    def post(self, name: str, value: Any, severity: int = 0) -> None:
        """Write a standard PV if the value is new, and if this kind has the PV at all."""
        if self._posted.get(name) != value and name in self._served.standard_writers:
            self._posted[name] = value
            self._served.standard(name, value, severity)

    def show(self, name: str, value: Any, severity: int = 0) -> None:
        """Write a standard PV, new or not; None makes it INVALID with the value it has."""
        self._served.standard(name, value, severity)

    def _counters(self) -> None:
        counters, engine = self._task.counters, self._task.engine
        self.post("HEARTBEAT", counters.heartbeat)
        self.post("UPTIME", self._task.uptime)
        self.post("CYCLE_COUNT", counters.cycles)
        self.post("EVAL:COUNT", counters.evaluations)
        self.post("EVAL:TIME", counters.last_evaluation * 1e6)
        self.post("EVAL:ERRORS", engine.errors)
        self.post("OVERRUNS", counters.overruns)
        self.post("WRITE:ERRORS", counters.write_errors)

    def _connections(self) -> None:
        plan, links = self._task.plan, self._task.links
        now = links.inputs.copy(), links.outputs.copy()
        if now == self._connected:
            return
        self._connected = inputs, outputs = now
        self._served.inputs_connected(
            [up for signal, up in zip(plan.inputs, inputs, strict=True) if signal.link]
        )
        self._served.outputs_connected(
            [up for signal, up in zip(plan.outputs, outputs, strict=True) if signal.link]
        )

    def _logs(self) -> None:
        logs = self._task.logs
        while logs.fresh:
            level = logs.fresh.pop()
            self._served.standard(f"LOG:{level}", list(logs.rings[level]))
