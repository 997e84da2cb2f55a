"""`iocmng.base.job`."""

from __future__ import annotations

import datetime
import functools
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from ioc_runtime.plugin import api
from ioc_runtime.plugin.compat.base.common import Common
from ioc_runtime.plugin.compat.devices import ForgivingDevices


class JobResult(api.JobResult):
    """How a job ended."""

    def __init__(self, success: bool, data: Any = None, message: str = "") -> None:
        super().__init__(success, data, message)
        self.timestamp = datetime.datetime.now().isoformat()  # type: ignore[assignment]


class JobBase(Common, ForgivingDevices, api.JobBase):
    """A job as iocmng has it: what `execute` returns is data of a success, unless it is a
    `JobResult`.
    """

    _iocmng_type = "job"
    _control_pvs = ("STATUS", "MESSAGE")
    _last_result: api.JobResult | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        execute = cls.__dict__.get("execute")
        if callable(execute):
            cls.execute = _with_result(execute)  # type: ignore[method-assign]

    @abstractmethod
    def initialize(self) -> Any:
        """Once, before `execute`."""

    @abstractmethod
    def execute(self) -> Any:
        """The work."""

    @property
    def last_result(self) -> api.JobResult | None:
        """What `execute` gave."""
        return self._last_result

    def set_status(self, status: str) -> None:
        """Nothing: STATUS follows the run."""
        self.once("STATUS", "set_status does nothing in a job: STATUS follows the run")


def _with_result(execute: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(execute)
    def run(self: JobBase, *args: Any, **kwargs: Any) -> api.JobResult:
        result = execute(self, *args, **kwargs)
        if not isinstance(result, api.JobResult):
            result = JobResult(True, data=result, message="Completed")
        self._last_result = result
        return result

    return run
