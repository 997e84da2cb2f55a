"""`iocmng.declarative`."""

from __future__ import annotations

from ioc_runtime.plugin import api
from ioc_runtime.plugin.compat.base.task import TaskBase


class DeclarativeTask(TaskBase):
    """A task without code of its own."""

    # ours: what is not overridden is not called, and needs no thread
    initialize = api.TaskBase.initialize  # type: ignore[assignment]
    execute = api.TaskBase.execute  # type: ignore[assignment]
    cleanup = api.TaskBase.cleanup  # type: ignore[assignment]
