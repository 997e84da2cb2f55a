"""The run as the job's code may use it (`plugin.host.Run`), and as clients put to it."""

from __future__ import annotations

import threading
from typing import Final

from ioc_runtime.plugin.errors import BadValue, Stopped

LONGEST_MESSAGE: Final = 255
"""Characters of MSG."""


class Control:
    """One run: how far it is, and whether it is to end. From any thread."""

    def __init__(self) -> None:
        self.fraction = 0.0
        """From 0 to 1."""
        self.message = ""
        """MSG."""
        self.stop_reason = ""
        """Why it is to end; "" while it goes on."""
        self._settled = False
        self._guard = threading.Lock()
        self._stopping = threading.Event()

    def stop(self, reason: str) -> bool:
        """The run is to end; the first reason counts. False: it is over, or ends already."""
        with self._guard:
            if self._settled or self.stop_reason:
                return False
            self.stop_reason = reason
        self._stopping.set()
        return True

    def settle(self) -> str:
        """The run is over, and `stop` comes too late now; why it had to end, or ""."""
        with self._guard:
            self._settled = True
            return self.stop_reason

    def progress(self, fraction: float, message: str | None) -> None:
        """Show how far it is; None leaves the message.

        :raises BadValue: the fraction is not a number from 0 to 1.
        """
        try:
            number = float(fraction)
        except (TypeError, ValueError):
            number = -1.0
        if not 0 <= number <= 1:
            raise BadValue(f"progress: expected a number from 0 to 1, got {fraction!r:.60}")
        if message is not None:
            self.message = " ".join(str(message).split())[:LONGEST_MESSAGE]
        self.fraction = number

    def sleep(self, seconds: float) -> None:
        """Wait so long.

        :raises Stopped: the run is to end.
        """
        if self._stopping.wait(seconds):
            raise Stopped(f"the run is to end ({self.stop_reason})")
