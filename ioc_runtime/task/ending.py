"""When a serving process has to end: asked for by a signal, its parent or its task.

The kernel may hand a signal to any thread, and Python runs handlers in the main thread
only, which nobody wakes from a wait when another thread got the signal. So the end
comes over a pipe that Python's C handler writes to, and a thread of its own reads it.
That thread also cuts short an end, or a start, that hangs.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Final

from ioc_runtime.task.saying import to_stderr

LONGEST: Final = 1.7
"""Seconds from the first request to the end of the process, whatever hangs."""


class Ending:
    """Collects requests to end; `exit_code` is what the process then ends with."""

    def __init__(self, longest: float = LONGEST) -> None:
        self.exit_code = 0
        self._longest = longest
        self._asked = threading.Event()
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        threading.Thread(target=self._watch, name="ending", daemon=True).start()

    def on_signals(self) -> None:
        """End on SIGTERM and SIGINT. Only from the main thread."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)

    def with_parent(self) -> None:
        """End when standard input does: the parent that held its other end is gone."""
        threading.Thread(target=self._watch_parent, name="parent", daemon=True).start()

    @property
    def asked(self) -> bool:
        """Whether somebody has asked already."""
        return self._asked.is_set()

    def ask(self, exit_code: int = 0) -> None:
        """End. From any thread."""
        self.exit_code = exit_code
        os.write(self._writing, b"\0")

    def wait(self) -> None:
        """Wait until somebody asks."""
        self._asked.wait()

    def _watch(self) -> None:
        os.read(self._reading, 1)
        self._asked.set()
        time.sleep(self._longest)
        to_stderr("the stop took too long and was cut short")
        os._exit(self.exit_code)

    def _watch_parent(self) -> None:
        try:
            while os.read(0, 4096):
                pass
        except OSError:
            pass
        self.ask(self.exit_code)
