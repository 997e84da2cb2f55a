"""What a plugin's author derives from: TaskBase, DeclarativeTask, JobBase.

`ioc_runtime` exports them. An instance is bound to its task before `__init__`
runs, so everything below may be used there already.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from ioc_runtime.plugin.callbacks import Callbacks
from ioc_runtime.plugin.devices import Devices
from ioc_runtime.plugin.pv_access import PvAccess

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping

    from ioc_runtime.plugin.host import Run
    from ioc_runtime.plugin.inputs import Inputs

HOOKS: dict[str, tuple[str, ...]] = {
    "initialize": (),
    "execute": (),
    "triggered": (),
    "on_input_changed": ("key", "value", "old_value"),
    "cleanup": (),
}
"""Methods that the task calls, with their arguments; each may be `async def`."""

JOB_HOOKS: dict[str, tuple[str, ...]] = {
    "initialize": (),
    "execute": (),
    "abort": (),
    "cleanup": (),
}
"""The same for a job, where `initialize` gets `initArgs` and `execute` gets `runArgs`."""


class _Bound(PvAccess, Callbacks, Devices):
    """What tasks and jobs share: the PVs, the parameters, the messages."""

    _keywords: ClassVar[tuple[str, ...]] = ()
    """Keywords that `__init__` is called with."""

    def _construction(self) -> dict[str, Any]:
        """What `__init__` is called with, by keyword; asked before it runs."""
        return {}

    # the task

    @property
    def name(self) -> str:
        """Name of the IocTask or IocJob."""
        return self._task.host.name

    @property
    def pv_prefix(self) -> str:
        """Prefix of all PVs of the task, verbatim (`BL01:VAC:`)."""
        return self._task.host.prefix

    @property
    def parameters(self) -> Mapping[str, Any]:
        """`spec.parameters`. A missing one raises `UnknownName` and names the nearest."""
        return self._task.parameters

    @property
    def logger(self) -> logging.Logger:
        """Goes to the log of the task."""
        return self._task.logger

    @property
    def enabled(self) -> bool:
        """ENABLE: while it is 0 every write raises `Paused`."""
        return self._task.host.enabled

    @property
    def running(self) -> bool:
        """False once the task has begun to stop: a loop of your own ends then."""
        return self._task.host.running

    # inputs and outputs

    @property
    def inputs(self) -> Inputs:
        """`self.inputs.pressure` is an `InputReading`: value, severity, timestamp, connected."""
        return self._task.inputs

    def get_input(self, name: str) -> Any:
        """Last value of an input, valid or not; None before the first one.

        :raises UnknownName: no input has that name.
        """
        return self._task.value(name, "input")

    def get_output(self, name: str) -> Any:
        """Last value of an output, whoever owns it; None before the first one.

        :raises UnknownName: no output has that name.
        """
        return self._task.value(name, "output")

    def get_pv(self, name: str) -> Any:
        """Last value of an input or output; None before the first one.

        :raises UnknownName: nothing has that name.
        """
        return self._task.value(name)

    def set_output(self, name: str, value: Any) -> None:
        """Write an output that the plugin owns, and its link if it has one.

        :raises UnknownName: no output has that name.
        :raises NotYours: rules or a transform own it.
        :raises BadValue: the value does not fit its type.
        :raises Paused: ENABLE is 0.
        :raises Ended: the plugin has been stopped.
        """
        self._task.write(name, value, "output")

    def set_input(self, name: str, value: Any) -> None:
        """Write a set-point (an input without link), as an operator would.

        :raises UnknownName: no input has that name.
        :raises NotYours: the input follows a link.
        :raises BadValue: the value does not fit its type or its drive limits.
        :raises Paused: ENABLE is 0.
        :raises Ended: the plugin has been stopped.
        """
        self._task.write(name, value, "input")

    def set_pv(self, name: str, value: Any) -> None:
        """Write an output or a set-point; errors as in `set_output` and `set_input`."""
        self._task.write(name, value)

    # links

    @property
    def link_values(self) -> dict[str, Any]:
        """Last values of all inputs and outputs that have a link, by name."""
        return self._task.link_values()

    def link_put(self, key: str, value: Any, timeout: float = 5.0) -> None:
        """Put to the PV behind an input's or output's link, and wait for the answer.

        It waits up to `timeout` seconds; nothing but this plugin waits with it.

        :raises NotLinked: `key` has no link.
        :raises NotYours: rules or a transform own the output.
        :raises BadValue: the value does not fit the type of `key`.
        :raises PutFailed: refused, not connected, or no answer in time.
        :raises Paused: ENABLE is 0.
        """
        self._task.put_link(key, value, timeout)

    # messages

    def set_message(self, message: str) -> None:
        """Show a text in MESSAGE. Works while paused, too."""
        self._task.message(message)

    def get_datetime(self) -> str:
        """Local time as `2026-01-31 13:59:59.123`."""
        now = time.time()
        return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(now))}.{int(now % 1 * 1e3):03d}"

    def get_timems(self) -> int:
        """Milliseconds since 1970."""
        return time.time_ns() // 1_000_000


class TaskBase(_Bound, ABC):
    """A task's own code. Override what you need; each method may be `async def`.

    All of them run one after the other in the plugin's own thread. What they raise
    is shown in STATUS and MESSAGE, and the task goes on.
    """

    def initialize(self) -> Any:
        """Run before anything else; if it raises, it is tried again on a new instance."""

    def execute(self) -> Any:
        """Run every `period` seconds in periodic mode, never twice at a time."""

    def triggered(self) -> Any:
        """Run by a trigger in triggered mode; what comes of it is TASK_STATUS.

        Return nothing or True: SUCCESS; False, or a `JobResult` that is none:
        LOGIC_FAILURE. An `OSError` that it raises (`PutFailed`, `InvalidInput`, a file)
        is an IO_FAILURE, `Skip` is SKIPPED, anything else an EXCEPTION.
        """

    def on_input_changed(self, key: str, value: Any, old_value: Any) -> Any:
        """Run for each new value of an input, in the order of arrival.

        When the plugin is slow, older values of the same input are left out; the
        newest one always comes.
        """

    def cleanup(self) -> Any:
        """Run last, when the task stops."""

    @property
    def mode(self) -> str:
        """`reactive`, `periodic` or `triggered`."""
        return self._task.host.mode

    @property
    def cycle_count(self) -> int:
        """CYCLE_COUNT."""
        return self._task.host.cycle_count

    def step_cycle(self) -> None:
        """Count one more cycle in CYCLE_COUNT."""
        self._task.step_cycle()

    def set_status(self, status: str) -> None:
        """Set STATUS: INIT, RUN, PAUSED, END or ERROR."""
        self._task.status(status)


class DeclarativeTask(TaskBase):
    """A task without code of its own: rules and transforms do everything."""


@dataclass
class JobResult:
    """How a job ended."""

    success: bool
    """False: the work was done and came to nothing (exit code 10)."""
    data: Any = None
    """Of whatever JSON can hold, at most 2 KiB of it; kept in the status."""
    message: str = ""
    """One sentence for people: shown in MESSAGE and in the status."""
    timestamp: float = field(default_factory=time.time)
    """Seconds since 1970."""

    def to_dict(self) -> dict[str, Any]:
        """The result as plain data."""
        return {
            "success": self.success,
            "data": self.data,
            "message": self.message,
            "timestamp": self.timestamp,
        }


class JobBase(_Bound, ABC):
    """A job's own code: it runs once and returns what came of it.

    Its methods run one after the other in a thread of the plugin's own, and each may be
    `async def`. What one of them raises is the end of the run: exit code 11 for an
    `OSError` (a put that failed, a connection, a file), 12 for anything else.
    """

    _control: Run | None = None

    @property
    def _run(self) -> Run:
        if self._control is None:
            raise RuntimeError(f"{type(self).__name__} does not run in a job")
        return self._control

    def initialize(self, *args: Any, **kwargs: Any) -> Any:
        """Run before `execute`, with `spec.initArgs`. If it raises, `execute` does not run."""

    @abstractmethod
    def execute(self, *args: Any, **kwargs: Any) -> Any:
        """Do the work, with `spec.runArgs`. Return a `JobResult`, True or False, or data.

        None and data (a dict, say) are a success; so is a dict with `success: true`.
        """

    def abort(self) -> Any:
        """Bring things to rest: run after ABORT and after the time limit, before `cleanup`.

        If `execute` has not returned by then, it runs beside it, in another thread.
        """

    def cleanup(self) -> Any:
        """Run last, however the run ended, unless `execute` never returned."""

    # the run

    def progress(self, fraction: float, message: str | None = None) -> None:
        """Show how much is done (0 to 1) in PROGRESS, and what is going on in MSG.

        Clients see the newest of them ten times a second.

        :raises BadValue: the fraction is not a number from 0 to 1.
        """
        self._run.progress(fraction, message)

    @property
    def stop_requested(self) -> bool:
        """Whether the run is to end: return as soon as you can. It is no success any more."""
        return self._run.stop_reason != ""

    @property
    def stop_reason(self) -> str:
        """Who ends the run: `ABORT`, `STOP`, `SIGTERM` or `TIMEOUT`; "" while it goes on."""
        return self._run.stop_reason

    def sleep(self, seconds: float) -> None:
        """Wait; in async code await `asyncio.sleep`, which is cancelled.

        :raises Stopped: the run is to end. Let it pass: `finally` blocks and `cleanup` run.
        """
        self._run.sleep(seconds)
