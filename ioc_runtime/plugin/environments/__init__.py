"""Environments: the libraries of a plugin, on top of the image's packages.

Runs in an init container, or as a child of `iocctl`; never in a process that serves. That
one only appends `Environment.site` to sys.path, and holds `site/../in-use` with a shared
flock for as long as it lives, so that nobody removes what it may still import:

    handle = os.open(os.path.join(site, os.pardir, "in-use"), os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_SH)

`store` is the cache on disk, `turns` lets one builder work per key, `wanted` reads what is
asked for, `tool` and `settings` find an installer and the index, `resolve` and `install`
use them, `failure` and `conflict` put what went wrong into words.
"""

from __future__ import annotations

from ioc_runtime.plugin.environments.build import Environment, build
from ioc_runtime.plugin.environments.failure import REASONS, EnvironmentFailed, Reason
from ioc_runtime.plugin.environments.store import Limits, Store
from ioc_runtime.plugin.environments.tool import Tool, find_tool
from ioc_runtime.plugin.environments.wanted import Wanted

__all__ = [
    "REASONS",
    "Environment",
    "EnvironmentFailed",
    "Limits",
    "Reason",
    "Store",
    "Tool",
    "Wanted",
    "build",
    "find_tool",
]
