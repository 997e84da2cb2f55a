"""The cheapest PV Access client that Python can be: p4p's raw layer.

Time is taken first thing in the callback. The queue of a monitor holds 1000
updates, because the default of 4 loses them at rates that this project measures.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from benchmarks.caclient import Handler

WAITING = "record[process=true,block=true]"
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

    def put_and_wait(self, value: float, timeout: float = 5.0) -> int:
        """Put and wait for what it starts; perf_counter_ns at the arrival of the answer.

        :raises TimeoutError: when no answer comes.
        """
        arrived: list[int] = []
        done = threading.Event()

        def answered(_: Any) -> None:
            arrived.append(time.perf_counter_ns())
            done.set()

        operation = context().put(
            self.name, answered, builder=_fill(value), request=WAITING, get=False
        )
        if not done.wait(timeout):
            operation.cancel()
            raise TimeoutError(f"{self.name} did not answer a put within {timeout:g} s")
        return arrived[0]

    def get(self, timeout: float = 5.0) -> float:
        """The value now.

        :raises TimeoutError: when no answer comes.
        """
        answer: list[Any] = []
        done = threading.Event()

        def arrived(value: Any) -> None:
            answer.append(value)
            done.set()

        operation = context().get(self.name, arrived)
        if not done.wait(timeout) or isinstance(answer[0], Exception):
            operation.cancel()
            raise TimeoutError(f"{self.name} did not answer a PVA get within {timeout:g} s")
        return _number(answer[0].value)


def _fill(value: float) -> Callable[[Any], None]:
    """What p4p calls with the structure to put: a state's index or a number."""

    def fill(structure: Any) -> None:
        # p4p gives an empty structure of the PV's type; what is set is what is sent
        structure["value.index" if hasattr(structure["value"], "getID") else "value"] = value

    return fill


def _number(value: Any) -> float:
    return value if isinstance(value, float) else float(getattr(value, "index", value))
