"""What `import iocmng` finds inside a plugin: the same names, over this runtime.

The loader puts this package in the place of iocmng for the plugin's own modules, and
only there (`plugin.package`). It is not loaded unless a plugin imports it.
docs/migration.md lists what differs.
"""

from __future__ import annotations

from ioc_runtime.plugin.compat.base.job import JobBase
from ioc_runtime.plugin.compat.base.task import TaskBase
from ioc_runtime.plugin.compat.core import pv_client
from ioc_runtime.plugin.compat.declarative import DeclarativeTask
from ioc_runtime.plugin.compat.runner import run_ioc

__version__ = "2.7.9"
"""The version of iocmng whose plugins are understood."""

__all__ = ["DeclarativeTask", "JobBase", "TaskBase", "__version__", "pv_client", "run_ioc"]
