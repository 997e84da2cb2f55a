"""The runtime of IocTask and IocJob, and what a plugin's author imports from it.

```python
from ioc_runtime import TaskBase

class Guard(TaskBase):
    def on_input_changed(self, key, value, old_value):
        self.set_output("alarm", value > self.parameters["limit"])
```

Every name is loaded when it is first used: importing this package alone costs
nothing, and none of them brings in EPICS, pydantic or asyncio.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ioc_runtime.plugin.api import DeclarativeTask, JobBase, JobResult, TaskBase
    from ioc_runtime.plugin.callbacks import every, on
    from ioc_runtime.plugin.errors import (
        BadValue,
        Ended,
        InvalidInput,
        NotAvailable,
        NotLinked,
        NotYours,
        Paused,
        PutFailed,
        ReadFailed,
        Skip,
        Stopped,
        TaskError,
        UnknownName,
    )
    from ioc_runtime.plugin.functions import register_function
    from ioc_runtime.plugin.inputs import InputReading
    from ioc_runtime.plugin.results import PvReading, PvWrite, Results

__all__ = [
    "BadValue",
    "DeclarativeTask",
    "Ended",
    "InputReading",
    "InvalidInput",
    "JobBase",
    "JobResult",
    "NotAvailable",
    "NotLinked",
    "NotYours",
    "Paused",
    "PutFailed",
    "PvReading",
    "PvWrite",
    "ReadFailed",
    "Results",
    "Skip",
    "Stopped",
    "TaskBase",
    "TaskError",
    "UnknownName",
    "every",
    "on",
    "register_function",
]

_HOME = {
    "DeclarativeTask": "api",
    "InputReading": "inputs",
    "JobBase": "api",
    "JobResult": "api",
    "PvReading": "results",
    "PvWrite": "results",
    "Results": "results",
    "TaskBase": "api",
    "every": "callbacks",
    "on": "callbacks",
    "register_function": "functions",
}
"""Module below `plugin` that defines a name; the others are in `errors`."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"ioc_runtime.plugin.{_HOME.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
