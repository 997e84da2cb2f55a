"""Clients as users have them: pyepics `PV` and p4p's thread client.

They cost several times what benchmarks/caclient.py costs. Both views are measured:
the cheap client shows the device, these show what a Python user sees of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

from benchmarks.caclient import Handler

_context: Any = None


class Epics:
    """A pyepics PV."""

    def __init__(self, name: str) -> None:
        import_module("epicscorelibs.path.pyepics")  # first: one libca in the process
        import epics

        self.name = name
        self._pv = epics.PV(name, auto_monitor=True)
        if not self._pv.wait_for_connection(10):
            raise TimeoutError(f"{name} did not connect over CA")

    def put(self, value: float) -> None:
        """`PV.put` without waiting for its end."""
        self._pv.put(value, wait=False)

    def monitor(self, handler: Handler) -> None:
        """Call `handler` from a PV callback."""
        clock = time.perf_counter_ns

        def changed(value: float, severity: int, status: int, **_: Any) -> None:
            handler(value, clock(), severity, status, 0)

        self._pv.add_callback(changed)


class P4p:
    """A PV behind p4p's thread client."""

    def __init__(self, name: str) -> None:
        from p4p.client.thread import Context

        global _context
        _context = _context or Context("pva")
        self.name = name
        _context.get(name, timeout=10)

    def put(self, value: float) -> None:
        """`Context.put`, which returns when the server has said yes."""
        _context.put(self.name, value)

    def monitor(self, handler: Handler) -> None:
        """Call `handler` from a monitor callback."""
        clock = time.perf_counter_ns
        done: Callable[[Any], None] = lambda value: handler(  # noqa: E731
            float(value), clock(), value.severity, value.status, 0
        )
        self._subscription = _context.monitor(self.name, done)
