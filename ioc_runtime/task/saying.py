"""What the serving process says: JSON lines on standard output.

Whoever says something never waits. When the reader is slow, log lines and snapshots
are dropped (and counted); what must arrive waits in memory.
"""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
from typing import Any, Final

DROPPABLE: Final = frozenset({"log", "snapshot"})
LONGEST_QUEUE: Final = 1000


class Sayings:
    """Writes JSON lines from a thread of its own."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.dropped = 0
        self._thread = threading.Thread(target=self._write, name="sayings", daemon=True)
        self._thread.start()

    def say(self, what: str, **fields: Any) -> None:
        """Say one thing; the line carries `say`, the fields and the time."""
        if what in DROPPABLE and self._queue.qsize() > LONGEST_QUEUE:
            self.dropped += 1
            return
        line = {"say": what, "time": round(time.time(), 6), **fields}
        self._queue.put(json.dumps(line, ensure_ascii=False, default=str))

    def close(self, timeout: float = 0.5) -> None:
        """Write what is queued, for at most `timeout` seconds."""
        self._queue.put(None)
        self._thread.join(timeout)

    def _write(self) -> None:
        try:
            with open(self._fd, "w", encoding="utf-8", errors="replace", closefd=False) as stream:
                while (line := self._queue.get()) is not None:
                    stream.write(line + "\n")
                    if self._queue.empty():
                        stream.flush()
        except OSError:  # the reader went away; the work goes on without it
            while self._queue.get() is not None:
                pass


def to_stderr(text: str) -> None:
    """One line for whoever looks at the process without its parent."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
