"""`iocmng.base.task`."""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from ioc_runtime.plugin import api
from ioc_runtime.plugin.compat.base.common import Common
from ioc_runtime.plugin.compat.devices import ForgivingDevices

_MODES = {"periodic": "continuous"}
_STATUS = ("INIT", "RUN", "PAUSED", "END", "ERROR")


class TaskBase(Common, ForgivingDevices, api.TaskBase):
    """A task as iocmng has it: `initialize`, `execute` and `cleanup` have to be there."""

    _iocmng_type = "task"
    _control_pvs = (
        "ENABLE",
        "STATUS",
        "MESSAGE",
        "VERSION",
        "CYCLE_COUNT",
        "CLEAR",
        "RESET",
        "RUN",
    )

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        hook = cls.__dict__.get("on_input_changed")
        if callable(hook):
            cls.on_input_changed = _where_wanted(hook)  # type: ignore[method-assign]

    @abstractmethod
    def initialize(self) -> Any:
        """Once, first."""

    @abstractmethod
    def execute(self) -> Any:
        """In each cycle of continuous mode."""

    @abstractmethod
    def cleanup(self) -> Any:
        """Once, last."""

    @property
    def mode(self) -> str:
        """`continuous`, `reactive` or `triggered`."""
        mode = super().mode
        return _MODES.get(mode, mode)

    def set_status(self, status: str) -> None:
        """Set STATUS; a state that does not exist is left out, and that is said once."""
        if str(status).upper() in _STATUS:
            super().set_status(status)
        else:
            self.once("STATUS", f"set_status does nothing: {status!r} is none of {_STATUS}")

    def start(self) -> None:
        """Nothing: the task is started by the runtime."""

    def stop(self) -> None:
        """Nothing: the task is stopped by the runtime."""

    def _control_value(self, name: str) -> Any:
        host = self._task.host
        known: dict[str, Callable[[], Any]] = {
            "ENABLE": lambda: int(host.enabled),
            "CYCLE_COUNT": lambda: host.cycle_count,
            "CLEAR": lambda: 0,
            "RESET": lambda: 0,
            "RUN": lambda: 0,
        }
        return known[name]() if name in known else None

    def _set_control(self, name: str, value: Any) -> None:
        if name != "STATUS":
            super()._set_control(name, value)
        elif isinstance(value, int) and 0 <= value < len(_STATUS):
            self.set_status(_STATUS[value])
        else:
            self.set_status(str(value))


def _where_wanted(hook: Callable[..., Any]) -> Callable[..., Any]:
    """The hook, called as iocmng does: for linked inputs with `trigger: true`, after the
    first value, when the value is another one.
    """

    @functools.wraps(hook)
    def on_input_changed(self: Any, key: str, value: Any, old_value: Any) -> Any:
        spec = self.plugin_spec.inputs.get(key)
        if spec is None or not (spec.wired and spec.trigger) or old_value is None:
            return None
        return None if value == old_value else hook(self, key, value, old_value)

    return on_input_changed
