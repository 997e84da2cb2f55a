"""The thread in which links are made, written, polled and timed.

Clients' own threads bring samples. Everything else that a link needs happens here,
one job after the other, so that its state needs no lock; no job waits for a network.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

_log = logging.getLogger(__name__)

Job = tuple[Callable[..., None], tuple[Any, ...]]
_BATCH = 256


class ClientThread:
    """Runs jobs in order and timers when they are due; then `after_batch` once."""

    def __init__(self) -> None:
        self.after_batch: list[Callable[[], None]] = []
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._timers: list[tuple[float, int, Job]] = []
        self._numbers = itertools.count()
        self._thread = threading.Thread(target=self._run, name="links", daemon=True)

    def start(self) -> None:
        """Begin to run what has been posted."""
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """Finish the jobs that are waiting and end; False when that took too long."""
        self._jobs.put(None)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def post(self, function: Callable[..., None], *args: Any) -> None:
        """Run `function` soon. From any thread; never waits."""
        self._jobs.put((function, args))

    def at(self, when: float, function: Callable[..., None], *args: Any) -> None:
        """Run `function` at `when` (monotonic seconds). Only from a job."""
        heapq.heappush(self._timers, (when, next(self._numbers), (function, args)))

    def _run(self) -> None:
        jobs = self._jobs
        while True:
            first = self._next()
            waiting = [first, *(jobs.get() for _ in range(min(jobs.qsize(), _BATCH)))]
            for job in waiting:
                if job is None:
                    return
                self._do(job)
            now = time.monotonic()
            while self._timers and self._timers[0][0] <= now:
                self._do(heapq.heappop(self._timers)[2])
            for finish in list(self.after_batch):
                self._do((finish, ()))

    def _next(self) -> Job | None:
        """The next job; one that does nothing when a timer is due first."""
        wait = max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None
        try:
            return self._jobs.get(timeout=wait)
        except Empty:
            return _NOTHING

    def _do(self, job: Job) -> None:
        try:
            job[0](*job[1])
        except Exception:
            _log.exception("a job of the links failed")


_NOTHING: Job = (lambda: None, ())
