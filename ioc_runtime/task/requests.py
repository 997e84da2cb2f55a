"""What the operator asks of a running task, in a file beside the plan's.

    {"resetAt": "2026-03-01T03:00:00Z"}

A new value is one put of 1 to RESET. What stands there when the process starts was asked of
an earlier one: a restart must not release a latch that has engaged since. So a request may
be lost with its process, and is never carried out twice; `seen` says which one was the last.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ioc_runtime.task.task import Task

FILE: Final = "requests.json"
LARGEST: Final = 4096
"""Bytes of the file that are read."""

log = logging.getLogger("ioc_runtime")


class Requests:
    """Looks at the file, and has the task do what is new in it."""

    def __init__(self, path: Path, task: Task) -> None:
        """What is in `path` now is done already."""
        self._path, self._task = path, task
        self._seen = self._mark()
        task.reset_seen = self._reset_at() or ""

    def turn(self) -> None:
        """Look once."""
        mark = self._mark()
        if mark == self._seen:
            return
        self._seen = mark
        asked = self._reset_at()
        if not asked or asked == self._task.reset_seen:
            return
        task = self._task
        before, task.reset_seen = task.reset_seen, asked
        log.info("reset, as the annotation resetAt (%s) asks", asked)
        task.sayings.say(
            "audit",
            pv=f"{task.plan.prefix}RESET",
            user="annotation resetAt",
            host="",
            old=before,
            new=asked,
        )
        task.reset()

    def _mark(self) -> tuple[int, ...] | None:
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size

    def _reset_at(self) -> str | None:
        """None where the file is not there, or makes no sense."""
        try:
            with self._path.open("rb") as file:
                read = json.loads(file.read(LARGEST))
        except (OSError, ValueError, RecursionError):
            return None
        asked = read.get("resetAt") if isinstance(read, dict) else None
        return asked[:64] if isinstance(asked, str) else None
