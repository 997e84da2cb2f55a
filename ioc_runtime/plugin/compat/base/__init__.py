"""`iocmng.base`."""

from ioc_runtime.plugin.compat.base.job import JobBase
from ioc_runtime.plugin.compat.base.task import TaskBase

__all__ = ["JobBase", "TaskBase"]
