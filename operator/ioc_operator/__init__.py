"""The operator: turns IocTask and IocJob objects of a cluster into pods."""

from __future__ import annotations

from ioc_runtime.version import __version__

__all__ = ["__version__"]
