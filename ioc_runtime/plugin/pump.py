"""What calls a job's callbacks while its code waits: `Pump`, the run as the job sees it.

A job's `execute` has its thread to itself. Timers and listeners run in the same thread
where that waits: inside `sleep`, or in the event loop of an `async` job.
"""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ioc_runtime.plugin.host import Run
from ioc_runtime.plugin.mailbox import Mailbox

if TYPE_CHECKING:
    import asyncio

    from ioc_runtime.plugin.callbacks import Table

TURN: Final = 0.02
"""Longest time until a new value of an input is heard of."""
DEPTH: Final = 1000
"""Changes that may wait, before older ones of the same input are left out."""


class Pump:
    """Stands between the job and its run (`plugin.host.Run`)."""

    table: Table

    def __init__(
        self,
        run: Run,
        failed: Callable[[BaseException], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`failed` is told what a callback of an `async` job raised."""
        self._run, self._failed, self._clock = run, failed, clock
        self.heard: set[str] = set()
        """Inputs that are listened to."""
        self._mailbox = Mailbox(DEPTH, lambda: None)
        self._thread: int | None = None
        self._inside = self._over = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    # the run

    @property
    def stop_reason(self) -> str:
        return self._run.stop_reason

    def progress(self, fraction: float, message: str | None) -> None:
        self._run.progress(fraction, message)

    def sleep(self, seconds: float) -> None:
        """Wait, and call meanwhile what is due; what a callback raises comes out here."""
        mine = threading.get_ident() == self._thread and self._loop is None
        if not (mine and self.table.used) or self._inside or self._over:
            self._run.sleep(seconds)
            return
        until = self._clock() + seconds
        self._inside = True
        try:
            while (left := until - self._clock()) > 0:
                busy = self._call_due()
                self._run.sleep(0 if busy else min(left, self._pause()))  # or is woken by a stop
        finally:
            self._inside = False

    # the code

    def changed(self, key: str, value: Any, old: Any) -> None:
        """An input has a new value. Never waits."""
        if key in self.heard:
            self._mailbox.change(key, value, old)

    def begin(self, *, asynchronous: bool) -> None:
        """The job's thread has begun; only from there."""
        self._thread = threading.get_ident()
        if asynchronous:
            import asyncio

            self._loop = asyncio.get_running_loop()
            self.wake()

    def wake(self) -> None:
        """There is something to call."""
        if self._loop is not None and self.table.used:
            self._loop.call_soon_threadsafe(self._start)

    def end(self) -> None:
        """`execute` is over: nothing is called any more."""
        self._over = True
        self._mailbox.stop()
        if self._task is not None:
            self._task.cancel()

    # callbacks

    def _pause(self) -> float:
        wait = self.table.timers.wait()
        longest = TURN if self.table.listens() or wait is None else wait
        return max(0.0, min(longest, wait if wait is not None else longest, 5 * TURN))

    def _due(self) -> list[tuple[Callable[..., Any], tuple[Any, ...]]]:
        found: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []
        timer = self.table.timers.take()
        if timer is not None:
            found.append((timer.function, ()))
        work = None if self._over else self._mailbox.take()
        if work is not None and work[0] == "on_input_changed":
            key, value, old = work[1]
            found += [(one.function, (value, old)) for one in self.table.listeners(key)]
        return found

    def _call_due(self) -> bool:
        due = self._due()
        for function, args in due:
            function(*args)
        return bool(due)

    def _start(self) -> None:
        if self._task is None and self._loop is not None and not self._over:
            self._task = self._loop.create_task(self._work())

    async def _work(self) -> None:
        import asyncio

        while not self._over:
            for function, args in self._due():
                try:
                    result = function(*args)
                    if inspect.isawaitable(result):
                        await result
                except asyncio.CancelledError:
                    raise
                except BaseException as error:
                    self._failed(error)
            await asyncio.sleep(self._pause())
