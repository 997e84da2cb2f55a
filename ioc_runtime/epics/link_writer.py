"""Writes of one output's link: newest value, time-out, retries, read-back.

Runs in the client thread; targets answer from theirs and the answers are posted
there. Nothing here waits: whatever takes time is a state with a deadline.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from ioc_runtime.engine.values import BadValue, show
from ioc_runtime.epics.client_thread import ClientThread
from ioc_runtime.epics.feed import INVALID
from ioc_runtime.plan import Output

GRACE = 0.2
"""Seconds that a newer value waits for the answer to the one under way."""
RETRY_PAUSE = 0.1
"""Seconds before a write that was refused is tried again."""
_SINGLE_PRECISION = 1.2e-7

IDLE, ABSENT, PUTTING, AGREEING, PAUSING = range(5)
_NOTHING: Any = object()


Done = Callable[[str | BadValue | None], None]
"""Gets None, the cause of a failure that may pass, or a BadValue that will not; once,
from any thread."""


class Target(Protocol):
    """What a client offers for a PV that is written."""

    @property
    def connected(self) -> bool:
        """Whether a write can start now."""

    def put(self, value: Any, wait: bool, done: Done) -> None:
        """Write.

        :param wait: done when the target has processed the value, else when its server
            has taken it.
        """


class LinkWriter:
    """The newest value of one output on its way to the link.

    A value that comes while another is under way replaces whatever waits. It goes out
    when the answer is there, or after GRACE without waiting for it: a valve that
    takes its time to open must not delay the order to close it.
    """

    target: Target

    def __init__(
        self, output: Output, thread: ClientThread, written: Callable[[str | None], None]
    ) -> None:
        """`written` gets None, or a sentence that names the link, the value and the cause."""
        self._output, self._thread, self._written = output, thread, written
        self._state = IDLE
        # The target knows a little earlier than we are told. What is written in between
        # would be written twice: the engine writes on every connection.
        self._told = False
        self._value: Any = _NOTHING
        self._newer: Any = _NOTHING
        self._failures = 0
        self._attempt = 0
        self._unanswered = 0
        self._deadline = self._wake_at = math.inf
        self._started = 0.0
        self._readback: Any = None

    @property
    def busy(self) -> bool:
        """Whether a value is under way. Only in the client thread."""
        return self._state != IDLE or self._newer is not _NOTHING

    def write(self, value: Any) -> None:
        """Take over a value; it replaces the one that is under way."""
        if not (self._told and self.target.connected):
            self._value = value
            if self._state != ABSENT:
                self._go(ABSENT, self._output.timeout)
        elif self._state in (IDLE, ABSENT, AGREEING, PAUSING):
            self._begin(value)
        else:
            self._newer = value
            self._wake(min(self._deadline, self._started + GRACE))

    def reload(self, output: Output) -> None:
        """Go on with another time-out, tolerance and number of retries, from the next value on."""
        self._output = output
        self._compare()

    def connected(self, up: bool) -> None:
        """The target came or went. What was under way is the engine's to write again."""
        self._told = up
        self._newer = _NOTHING
        self._failures = self._unanswered = 0
        self._attempt += 1
        if not up and self._state in (PUTTING, AGREEING, PAUSING):
            self._report("the connection was lost before it was done")
        self._go(IDLE)

    def readback(self, value: Any, severity: int, status: int, ns: int) -> None:
        """The read-back link has a value (None or INVALID: none that counts)."""
        self._readback = None if severity >= INVALID else value
        self._compare()

    def readback_connected(self, up: bool) -> None:
        """The read-back link came or went."""
        if not up:
            self._readback = None

    def _begin(self, value: Any) -> None:
        self._value, self._newer = value, _NOTHING
        self._put()

    def _put(self) -> None:
        self._attempt += 1
        attempt = self._attempt
        self._started = time.monotonic()
        self._go(PUTTING, self._output.timeout)
        # A server keeps every other request of a client waiting while a second
        # acknowledged write to a busy channel waits for the first one.
        wait = self._unanswered == 0
        if wait:
            self._unanswered = attempt

        self.target.put(self._value, wait, partial(self._thread.post, self._answered, attempt))

    def _answered(self, attempt: int, cause: str | BadValue | None) -> None:
        if attempt == self._unanswered:
            self._unanswered = 0
        if attempt != self._attempt or self._state != PUTTING:
            return
        if isinstance(cause, BadValue):
            self._failures = 0
            self._end(str(cause))
        elif cause is not None:
            self._failed(cause, RETRY_PAUSE)
        elif self._newer is not _NOTHING:
            self._begin(self._newer)
        elif self._output.readback is None:
            self._succeeded()
        else:
            self._state = AGREEING
            self._wake(self._deadline)
            self._compare()

    def _compare(self) -> None:
        if self._state == AGREEING and agrees(self._output, self._value, self._readback):
            self._succeeded()

    def _succeeded(self) -> None:
        self._failures = 0
        self._end(None)

    def _failed(self, cause: str, pause: float) -> None:
        self._failures += 1
        if self._failures > self._output.retries:
            self._failures = 0
            self._end(cause)
        elif self._newer is not _NOTHING:
            self._begin(self._newer)
        elif pause:
            self._go(PAUSING, pause)
        else:
            self._put()

    def _end(self, cause: str | None) -> None:
        """The value is written or given up; a newer one starts from the beginning."""
        self._go(IDLE)
        self._report(cause)
        if self._newer is not _NOTHING:
            self._begin(self._newer)

    def _report(self, cause: str | None) -> None:
        if cause is not None:
            value = show(self._output, self._value)
            cause = f"{self._output.name}: {self._output.link} did not take {value}: {cause}"
        self._written(cause)

    def _go(self, state: int, seconds: float = math.inf) -> None:
        self._state = state
        self._deadline = time.monotonic() + seconds
        self._wake(self._deadline)

    def _wake(self, when: float) -> None:
        """At most one timer waits for a writer, never later than it is needed."""
        if when < self._wake_at:
            self._wake_at = when
            self._thread.at(when, self._due, when)

    def _due(self, when: float) -> None:
        if when != self._wake_at:
            return
        self._wake_at = math.inf
        if time.monotonic() >= self._deadline:
            self._expired()
        elif self._state == PUTTING and self._newer is not _NOTHING:
            self._overtake()
        elif self._deadline < math.inf:
            self._wake(self._deadline)

    def _overtake(self) -> None:
        """Send the newer value while the one before is not answered, after GRACE."""
        deadline = self._deadline  # a stream of values must not put off its end
        if time.monotonic() >= self._started + GRACE:
            self._begin(self._newer)
            self._deadline = min(self._deadline, deadline)
            self._wake(self._deadline)
        else:
            self._wake(min(deadline, self._started + GRACE))

    def _expired(self) -> None:
        if self._state == PUTTING:
            self._failed(f"no answer within {self._output.timeout:g} s", 0.0)
        elif self._state == AGREEING:
            read = "nothing valid" if self._readback is None else show(self._output, self._readback)
            self._failed(f"the read-back {self._output.readback} says {read}", 0.0)
        elif self._state == PAUSING:
            self._put()
        elif self._state == ABSENT:
            self._go(IDLE)
            self._report("it is not connected")


def agrees(output: Output, value: Any, read: Any) -> bool:
    """Whether a read-back says what was written, within the output's tolerance."""
    if read is None:
        return False
    if isinstance(value, list | tuple):
        return len(value) == len(read) and all(map(lambda a, b: _near(output, a, b), value, read))
    return _near(output, value, read)


def _near(output: Output, value: Any, read: Any) -> bool:
    if isinstance(value, str) or output.type in ("bool", "enum"):
        return bool(value == read)
    # A target in single precision gives back its nearest number.
    return bool(abs(value - read) <= max(output.tolerance, abs(value) * _SINGLE_PRECISION))
