"""A plain function as the code of a job.

A parameter called `job` gets the job itself (`job.progress(0.5)`, `job.inputs`); all
others come from `spec.runArgs`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from ioc_runtime.plugin.api import JobBase

JOB = "job"
"""Name of the parameter that gets the job."""


def function_job(function: Callable[..., Any]) -> type[JobBase]:
    """A job whose `execute` is the function."""

    def execute(self: JobBase, *args: Any, **kwargs: Any) -> Any:
        return _with(function, self)(*args, **kwargs)

    async def execute_async(self: JobBase, *args: Any, **kwargs: Any) -> Any:
        return await _with(function, self)(*args, **kwargs)

    method = execute_async if inspect.iscoroutinefunction(function) else execute
    fields = {"execute": method, "__module__": function.__module__}
    return type(function.__name__, (JobBase,), fields)


def without_job(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with `job` taken care of: what it still takes comes from the manifest."""
    return _with(function, None)


def _with(function: Callable[..., Any], job: Any) -> Callable[..., Any]:
    parameters = list(inspect.signature(function).parameters.values())
    if parameters and parameters[0].name == JOB and parameters[0].kind in _BY_POSITION:
        return partial(function, job)
    if any(p.name == JOB and p.kind not in _MANY for p in parameters):
        return partial(function, **{JOB: job})
    return function


_BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_MANY = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
