"""What waits for the plugin's thread: changes and a trigger in order, and one `execute`.

Whoever puts something in is a client thread that holds the task's lock, so nothing
here waits, and nothing grows without bound: beyond `depth` changes only the newest
of each input is kept, and what it replaces is counted.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final

Work = tuple[str, tuple[Any, ...]]
"""(hook, arguments)"""

EXECUTE: Final[Work] = ("execute", ())
STOP: Final[Work] = ("cleanup", ())
TRIGGERED: Final[Work] = ("triggered", ())


class Mailbox:
    """Many threads put, one takes."""

    def __init__(self, depth: int, wake: Callable[[], None]) -> None:
        self.coalesced = 0
        """Changes that were left out because a newer one of their input came."""
        self.overruns = 0
        """Executes that were left out because the last one was not done."""
        self.stopping = False
        self.paused = False
        self._depth = depth
        self._wake = wake
        self._lock = threading.Lock()
        self._changes: deque[list[Any]] = deque()
        self._trigger: list[Any] | None = None
        """Stands among the changes: those before it are heard before the cycle."""
        self._newest: dict[str, list[Any]] = {}
        self._execute = False
        self._executing = False
        self._idle = False

    @property
    def idle(self) -> bool:
        """Whether the plugin's thread has done all there was, and waits."""
        return self._idle

    def change(self, key: str, value: Any, old: Any) -> None:
        """An input has a new value."""
        with self._lock:
            if self.stopping:
                return
            waiting = self._newest.get(key)
            if waiting is not None and (self.paused or len(self._changes) >= self._depth):
                waiting[1] = value  # its `old` stays: the plugin saw that one last
                self.coalesced += 1
                return
            entry = [key, value, old]
            self._newest[key] = entry
            self._changes.append(entry)
            self._rouse()

    def execute(self) -> bool:
        """Ask for one execute; False when there is one already, or none may run."""
        with self._lock:
            if self.stopping or self.paused:
                return False
            if self._execute or self._executing:
                self.overruns += 1
                return False
            self._execute = True
            self._rouse()
            return True

    def trigger(self) -> bool:
        """Ask for a cycle; False when none may run, or one waits."""
        with self._lock:
            if self.stopping or self.paused or self._trigger is not None:
                return False
            self._trigger = []
            self._changes.append(self._trigger)
            self._rouse()
            return True

    def withdraw(self) -> bool:
        """Forget the trigger that waits; False if there is none."""
        with self._lock:
            return self._withdraw()

    def _withdraw(self) -> bool:
        found, self._trigger = self._trigger, None
        if found is None:
            return False
        self._changes = deque(entry for entry in self._changes if entry is not found)
        return True

    def pause(self) -> bool:
        """Give nothing out from now on. True: a trigger waited and is forgotten."""
        with self._lock:
            self.paused = True
            self._execute = False
            return self._withdraw()

    def resume(self) -> None:
        """Give out what waits."""
        with self._lock:
            self.paused = False
            self._rouse()

    def stop(self) -> None:
        """Give out nothing but `STOP` from now on."""
        with self._lock:
            self.stopping = True
            self._rouse()

    def take(self) -> Work | None:
        """The next piece of work; None: there is none, and `wake` will say when."""
        with self._lock:
            if self.stopping:
                return STOP
            if not self.paused:
                if self._execute:
                    self._execute, self._executing = False, True
                    return EXECUTE
                if self._changes:
                    entry = self._changes.popleft()
                    if entry is self._trigger:
                        self._trigger = None
                        return TRIGGERED
                    if self._newest[entry[0]] is entry:
                        del self._newest[entry[0]]
                    return ("on_input_changed", tuple(entry))
            self._idle = True
            return None

    def doze(self) -> bool:
        """Ask for `wake` at the next thing that comes, and take nothing. False: stopping."""
        with self._lock:
            self._idle = not self.stopping
            return self._idle

    def executed(self) -> None:
        """The execute that was taken is done."""
        with self._lock:
            self._executing = False

    def _rouse(self) -> None:
        if self._idle:
            self._idle = False
            self._wake()
