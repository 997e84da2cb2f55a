"""Events in, effects out: the one place where the engine meets the world.

Every event of a task (samples, puts, timers, the plugin's writes) comes through
`Events`. It takes the task's lock, calls the engine once, and carries out what the
engine asks before it lets go: so passes and record writes have one order.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

from ioc_runtime.engine.effects import (
    CHANGED,
    INVALID,
    KEEP,
    LATCH,
    LOG,
    MESSAGE,
    POST,
    REFUSE,
    RULE,
    WRITE,
    Effect,
    Status,
)
from ioc_runtime.engine.engine import Engine
from ioc_runtime.engine.reload import Prepared
from ioc_runtime.task.counters import Counters

log = logging.getLogger("ioc_runtime")

Post = Callable[[Any, int, int, int], None]


MANY: Final = 100
"""Effects from which on one lock for all records is cheaper than one each."""


class Lock(Protocol):
    """Locks records together."""

    lock: Callable[[], None]
    unlock: Callable[[], None]


class World(Protocol):
    """What effects act on; nothing here waits."""

    writers: list[Post]
    """One per slot: value, severity, status, nanoseconds."""
    rule_writers: list[Post]
    """One per rule; the value is its state."""

    def write(self, output: int, value: Any) -> None: ...
    def message(self, text: str, severity: int) -> None: ...
    def keep(self) -> None: ...
    def refuse(self, index: int, value: Any) -> None: ...
    def changed(self, index: int, value: Any, before: Any) -> None: ...
    def agree(self, index: int, value: Any) -> None: ...


class Events:
    """The engine behind its lock."""

    def __init__(self, engine: Engine, world: World, counters: Counters) -> None:
        self.lock = threading.Lock()
        self.engine = engine
        self.counters = counters
        self._world = world
        self._writers, self._rule_writers = world.writers, world.rule_writers
        self._first_output = len(engine.inputs)
        self.joint: tuple[Lock, list[Post], list[Post]] | None = None
        """A lock of all records at once, and writers for use under it, for large passes."""
        self._said: str | None = None
        self.on_timer: Callable[[float], None] = lambda when: None
        """Told when the next timer is due, after each event."""

    # --- the sink of links; called from client threads, at any rate

    def sample(self, index: int, value: Any, severity: int, status: int, ns: int) -> None:
        """Input `index` got a sample."""
        began = time.perf_counter()
        with self.lock:
            self._carry_out(self.engine.sample(index, value, severity, status, ns))
            self.counters.took(time.perf_counter() - began)

    def alive(self, index: int) -> None:
        """The source of input `index` answered."""
        self.do(self.engine.alive, index)

    def disconnected(self, index: int) -> None:
        """Input `index` lost its source."""
        self.do(self.engine.disconnected, index)

    # --- everything else

    def do(self, event: Callable[..., list[Effect]], *args: Any) -> None:
        """Let the engine handle an event, and carry out what follows."""
        began = time.perf_counter()
        with self.lock:
            self._carry_out(event(*args))
            self.counters.took(time.perf_counter() - began)

    def put(self, index: int, value: Any) -> None:
        """A client wrote set-point `index`: engine and record end with the same value."""
        began = time.perf_counter()
        with self.lock:
            self._carry_out(self.engine.put(index, value))
            self._world.agree(index, self.engine.inputs[index].value)
            self.counters.took(time.perf_counter() - began)

    def reload(self, prepared: Prepared, swapped: Callable[[], None]) -> float:
        """Let the engine go on with another plan; returns for how long that held up others.

        `swapped` adapts what the effects act on, before they do: limits of records, say.

        :raises ValueError: the engine does not take the plan, and nothing has changed.
        """
        with self.lock:
            began = time.perf_counter()
            effects = self.engine.reload(prepared)
            try:
                swapped()
            finally:
                self._carry_out(effects)
            return time.perf_counter() - began

    def shut(self) -> None:
        """Carry out nothing more: what our own end does to the links is no news."""
        with self.lock:
            self._carry_out = _nothing  # type: ignore[method-assign]

    def _carry_out(self, effects: list[Effect]) -> None:
        if self.joint is None or len(effects) < MANY:
            rest = self._post(effects, self._writers, self._rule_writers)
        else:
            together, writers, rules = self.joint
            together.lock()
            try:
                rest = self._post(effects, writers, rules)
            finally:
                together.unlock()
        for effect in rest:
            try:
                self._seldom(effect[0], effect)
            except Exception as error:
                self._failed(effect, error)
        wake = self.engine.next_wake
        if wake is not None:
            self.on_timer(wake)

    def _post(self, effects: list[Effect], writers: list[Post], rules: list[Post]) -> list[Effect]:
        """Write what others wait for first (outputs), then what explains it; return the rest.

        What stands between costs 2 to 3 µs a record with cold caches (decision 10).
        """
        first = self._first_output
        later, rest = [], []
        for effect in effects:
            kind = effect[0]
            try:
                if kind == POST:
                    _, slot, value, severity, status, ns = effect
                    if slot >= first:
                        writers[slot](value, severity, status, ns)
                    else:
                        later.append(effect)
                elif kind == WRITE:
                    self._world.write(effect[1], effect[2])
                elif kind == RULE:
                    later.append(effect)
                else:
                    rest.append(effect)
            except Exception as error:  # one record must not keep the others from theirs
                self._failed(effect, error)
        for effect in later:
            try:
                if effect[0] == POST:
                    _, slot, value, severity, status, ns = effect
                    writers[slot](value, severity, status, ns)
                else:
                    rules[effect[1]](effect[2], 0, 0, effect[3])
            except Exception as error:
                self._failed(effect, error)
        return rest

    def _seldom(self, kind: int, effect: Effect) -> None:
        world = self._world
        if kind == MESSAGE:
            world.message(effect[1], effect[2])
        elif kind == LOG:
            log.log(effect[1], "%s", effect[2])
        elif kind in (LATCH, KEEP):
            world.keep()
        elif kind == REFUSE:
            world.refuse(effect[1], effect[2])
        elif kind == CHANGED:
            world.changed(effect[1], effect[2], effect[3])

    def _failed(self, effect: Effect, error: Exception) -> None:
        text = f"effect {effect!r:.200} failed: {error}"
        if text != self._said:
            self._said = text
            log.error(text)
        if effect[0] == POST:
            try:  # what is not shown must not look as if it were
                self._writers[effect[1]](None, INVALID, Status.SOFT, 0)
            except Exception as worse:
                log.error("the record could not be made INVALID either: %s", worse)


def _nothing(effects: list[Effect]) -> None:
    """What is done when the task has ended."""
