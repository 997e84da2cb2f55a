"""The cheapest PV Access client that Python can be: p4p's raw layer.

Time is taken first thing in the callback. The queue of a monitor holds 1000
updates, because the default of 4 loses them at rates that this project measures.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from benchmarks.caclient import Handler

REQUEST = "field(value,alarm,timeStamp)record[queueSize=1000]"

_context: Any = None


def context() -> Any:
    """The one raw context; the environment is read at the first use."""
    global _context
    if _context is None:
        from p4p.client.raw import Context

        _context = Context("pva", useenv=True, nt=False)
    return _context


class Channel:
    """One PV."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._subscription: Any = None
        self._ready = threading.Event()

    def monitor(self, handler: Handler, timeout: float = 10.0) -> None:
        """Call `handler` for each update, in p4p's thread; returns after the first.

        :raises TimeoutError: when nobody answers.
        """
        clock, ready = time.perf_counter_ns, self._ready

        def arrived() -> None:
            now = clock()
            subscription = self._subscription
            while subscription is not None and (update := subscription.pop()) is not None:
                if isinstance(update, Exception):
                    continue
                stamp = update.timeStamp
                handler(
                    _number(update.value),
                    now,
                    update.alarm.severity,
                    update.alarm.status,
                    stamp.secondsPastEpoch * 1_000_000_000 + stamp.nanoseconds,
                )
                ready.set()

        self._subscription = context().monitor(self.name, arrived, request=REQUEST)
        arrived()  # an update that came before the assignment
        if not ready.wait(timeout):
            raise TimeoutError(f"{self.name} did not answer over PVA within {timeout:g} s")


def _number(value: Any) -> float:
    return value if isinstance(value, float) else float(getattr(value, "index", value))
