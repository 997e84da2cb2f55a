"""The fixtures under test, also where this project is not installed."""

from __future__ import annotations

from ioc_runtime.testing import ioc_job, ioc_task

__all__ = ["ioc_job", "ioc_task"]
