"""Shows texts and arrays again after a burst of writes.

EPICS queues a change of a number with its alarm and time, but of a text or an array
it queues a reference: a client that is a little behind gets the newest value with the
severity and the time of an older change, and while one change waits in its queue the
next ones are dropped. After two quick writes a client could show the last value
without the INVALID that came with it, for as long as nothing changes. So what was
written twice in quick succession is posted again when it has come to rest, and once
more later for clients that are far behind.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from ioc_runtime.epics.cabi.memory import RecordMemory

QUICK: Final = 1.0
"""Seconds between two writes below which a client may still have the first one waiting."""
_REST: Final = 0.1
_LATER: Final = 2.0


class Settler:
    """Posts again what was written in quick succession. Costs nothing while all is quiet."""

    def __init__(self) -> None:
        self._due: dict[RecordMemory, list[float]] = {}
        self._wake = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="settle", daemon=True)

    def start(self) -> None:
        """Start to post."""
        self._thread.start()

    def close(self, timeout: float = 1.0) -> None:
        """Post no more."""
        self._ended = True
        self._wake.set()
        self._thread.join(timeout)

    def watch(self, memory: RecordMemory) -> Callable[[], None]:
        """A function to call after each write of this record."""
        last = 0.0

        def written() -> None:
            nonlocal last
            now = time.monotonic()
            if now - last < QUICK:
                self._due[memory] = [now + _REST, now + _LATER]
                self._wake.set()
            last = now

        return written

    def _run(self) -> None:
        while self._wake.wait() and not self._ended:
            time.sleep(_REST / 2)
            now = time.monotonic()
            for memory, times in list(self._due.items()):
                if times[0] <= now:
                    times.pop(0)
                    memory.post_again()
                    # A write since then has put times of its own here.
                    if not times and self._due.get(memory) is times:
                        del self._due[memory]
            if not self._due:
                self._wake.clear()
                if self._due:  # written between the two lines
                    self._wake.set()
