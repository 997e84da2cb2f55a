"""The file that a recording goes to (`ioc_runtime.engine.recording`).

The evaluation path only appends to a queue. A thread makes the lines and writes them;
when it cannot keep up, or the disk is full, the recording ends with one line in the log
and the task goes on.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final, TextIO

MOST_WAITING: Final = 20_000
"""Lines that may wait for the disk."""
PERIOD: Final = 0.1
"""Seconds between two writes."""

log = logging.getLogger("ioc_runtime")


class RecordFile:
    """Writes lines to a file, in a thread of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._queue: deque[Callable[[], str]] = deque()
        self._wanted = threading.Event()
        self._closing = False
        self.recording = True
        """Whether lines are still taken."""
        self._thread = threading.Thread(target=self._write, name="recorder", daemon=True)
        self._thread.start()

    def keep(self, line: Callable[[], str]) -> None:
        """Take a line, made when it is written; never waits, never raises."""
        if not self.recording:
            return
        if len(self._queue) >= MOST_WAITING:
            self._give_up("the disk does not keep up")
        else:
            self._queue.append(line)

    def close(self, timeout: float = 2.0) -> None:
        """Write what waits and close the file."""
        self._closing = True
        self._wanted.set()
        self._thread.join(timeout)

    def _give_up(self, why: object) -> None:
        if self.recording:
            self.recording = False
            log.error("recording %s ended: %s", self._path, why)

    def _write(self) -> None:
        try:
            with self._path.open("w", encoding="ascii") as file:
                while not self._closing and self.recording:
                    self._wanted.wait(PERIOD)
                    self._drain(file)
                self._drain(file)
        except (OSError, ValueError) as error:
            self._give_up(error)
            self._queue.clear()

    def _drain(self, file: TextIO) -> None:
        while self._queue:
            file.write(self._queue.popleft()() + "\n")
        file.flush()
