"""Puts that a plugin waits for: one after the other to each PV, none sent too late."""

from __future__ import annotations

import time
from collections import deque
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from ioc_runtime.engine.values import BadValue, show
from ioc_runtime.epics.client_thread import ClientThread
from ioc_runtime.epics.link_writer import Target
from ioc_runtime.plan import Input, Output


class WaitedPut:
    """One put. The waiting thread makes it and reads the answer."""

    def __init__(self, signal: Input | Output, value: Any, timeout: float) -> None:
        self.value = value
        self._signal, self._timeout = signal, timeout
        self._deadline = time.monotonic() + timeout
        self._answer: SimpleQueue[str | BadValue | None] = SimpleQueue()
        self.sent = False

    @property
    def over(self) -> bool:
        """Whether nobody waits any more."""
        return time.monotonic() >= self._deadline

    def done(self, cause: str | BadValue | None) -> None:
        """The target has answered."""
        self._answer.put(cause)

    def wait(self) -> str | None:
        """None, or a sentence that names the link, the value and the cause."""
        try:
            cause = self._answer.get(timeout=self._timeout)
        except Empty:
            what = "no answer" if self.sent else "no connection"
            cause = f"{what} within {self._timeout:g} s"
        if cause is None:
            return None
        value = show(self._signal, self.value)
        return f"{self._signal.name}: {self._signal.link} did not take {value}: {cause}"


class WaitedPuts:
    """The puts to one PV; lives in the client thread."""

    target: Target

    def __init__(self, thread: ClientThread) -> None:
        self._thread = thread
        self._waiting: deque[WaitedPut] = deque()
        self._current: WaitedPut | None = None

    def put(self, put: WaitedPut) -> None:
        """Send it as soon as the target is there and has answered the one before."""
        self._waiting.append(put)
        self._next()

    def connected(self, up: bool) -> None:
        """The target came or went."""
        if not up and self._current is not None:
            self._current.done("the connection was lost before it was done")
            self._current = None
        self._next()

    def _next(self) -> None:
        while self._waiting and self._waiting[0].over:
            self._waiting.popleft()
        if self._waiting and self._current is None and self.target.connected:
            put = self._current = self._waiting.popleft()
            put.sent = True
            self.target.put(put.value, True, partial(self._thread.post, self._answered, put))

    def _answered(self, put: WaitedPut, cause: str | BadValue | None) -> None:
        if put is self._current:
            self._current = None
            put.done(cause)
            self._next()
