"""Several answers that are waited for together, for one bounded time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

SLICE = 0.1
"""Seconds between two looks whether the task stops."""
LAST = 0.2
"""Seconds that a wait may still take once the task has begun to stop."""


class Batch:
    """Answers by position. They come from any thread; what comes too late is dropped."""

    def __init__(self, count: int) -> None:
        self.answers: list[Any] = [None] * count
        self._left = count
        self._guard = threading.Lock()
        self._over = False
        self._all_there = threading.Event()
        self._tell: Callable[[], object] | None = None
        if not count:
            self._all_there.set()

    def place(self, index: int) -> Callable[[Any], None]:
        """What takes the answer of this position."""
        return partial(self._answer, index)

    def wait(self, until: float, running: Callable[[], bool]) -> list[Any]:
        """The answers, once all are there or at `until` (monotonic); None for the others.

        A wait that was begun before the task began to stop ends soon after it did.
        """
        started = running()
        while not self._all_there.is_set():
            left = until - time.monotonic()
            if left <= 0 or self._all_there.wait(min(left, SLICE)):
                break
            if started and not running():
                started, until = False, min(until, time.monotonic() + LAST)
        return self._close()

    async def arrive(self, until: float) -> list[Any]:
        """The same for async code."""
        import asyncio  # this module runs without it, unless it runs already

        loop = asyncio.get_running_loop()
        there = asyncio.Event()
        with self._guard:
            self._tell = partial(loop.call_soon_threadsafe, there.set)
            waits = self._left > 0
        try:
            if waits:
                async with asyncio.timeout(until - time.monotonic()):
                    await there.wait()
        except TimeoutError:
            pass
        finally:
            answers = self._close()
        return answers

    def _answer(self, index: int, answer: Any) -> None:
        with self._guard:
            if self._over or self.answers[index] is not None:
                return
            self.answers[index] = answer
            self._left -= 1
            if self._left:
                return
            tell = self._tell
        self._all_there.set()
        if tell is not None:
            try:
                tell()
            except RuntimeError:
                pass  # the loop is closed: nobody waits

    def _close(self) -> list[Any]:
        with self._guard:
            self._over = True
            return self.answers
