"""Log lines: said on standard output, kept in rings that PVs show, bounded in rate."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable
from typing import Any, Final

from ioc_runtime.standard import LINES, LOG_LEVELS
from ioc_runtime.task.saying import Sayings

BURST: Final = 200
"""Lines that are said at once; beyond them PER_SECOND."""
PER_SECOND: Final = 100


class LogKeeper(logging.Handler):
    """Receives every log line of the process; never waits, never takes the task's lock."""

    def __init__(self, sayings: Sayings) -> None:
        super().__init__()
        self._sayings = sayings
        self.rings = {level: deque[str](maxlen=LINES) for level in LOG_LEVELS}
        self.fresh: set[str] = set()
        """Levels whose ring has changed since it was last shown."""
        self._silenced: frozenset[str] = frozenset()
        self._allowance = float(BURST)
        self._filled = time.monotonic()
        self._suppressed = 0
        self._guard = threading.Lock()

    def handle(self, record: logging.LogRecord) -> bool | logging.LogRecord:
        """Without the handler's own lock: a text may be made by a plugin's code, which may
        wait for the task's lock, and whoever holds that one may have something to log.
        """
        found = self.filter(record)
        if found:
            self.emit(found if isinstance(found, logging.LogRecord) else record)
        return found

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno < logging.WARNING and self._is_silenced(record.name):
            return
        try:
            text = record.getMessage()
        except Exception as error:  # a plugin's wrong format string
            text = f"{record.msg!r} ({error})"
        level = _level(record.levelno)
        self.rings[level].appendleft(f"{time.strftime('%H:%M:%S')} {text}")
        self.fresh.add(level)
        suppressed = self._may_say()
        if suppressed is None:
            return
        trace = logging.Formatter().formatException(record.exc_info) if record.exc_info else None
        more: dict[str, Any] = {"traceback": trace} if trace else {}
        if suppressed:
            more["suppressed"] = suppressed
        self._sayings.say("log", level=level, logger=record.name, text=text, **more)

    def silence(self, names: Iterable[str]) -> None:
        """Loggers that are held to WARNING from now on; all others speak again."""
        self._silenced = frozenset(name.strip() for name in names if name.strip())

    def _is_silenced(self, name: str) -> bool:
        return any(name == s or name.startswith(f"{s}.") for s in self._silenced)

    def _may_say(self) -> int | None:
        """How many lines were suppressed before this one; None when this one is too."""
        with self._guard:
            now = time.monotonic()
            self._allowance += (now - self._filled) * PER_SECOND
            self._allowance = min(self._allowance, BURST)
            self._filled = now
            if self._allowance < 1:
                self._suppressed += 1
                return None
            self._allowance -= 1
            suppressed, self._suppressed = self._suppressed, 0
            return suppressed


def _level(number: int) -> str:
    if number >= logging.ERROR:
        return "ERROR"
    if number >= logging.WARNING:
        return "WARNING"
    return "INFO" if number >= logging.INFO else "DEBUG"
