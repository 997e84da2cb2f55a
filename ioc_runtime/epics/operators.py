"""Operators' PVs: what clients put reaches us in order; what is refused goes back.

Puts come from EPICS's event thread into a queue and are handled by one thread of our
own, because a handler may wait for the task's lock and the event thread must not.

Record and engine can disagree for a moment: while a refused put is being put back, or
while the task writes, a client may already have put the next value. Each put that
follows such a write is therefore written again if the record does not hold it any more,
so that both end with the newest accepted value.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any

from ioc_runtime.engine.values import ELEMENT_MAX
from ioc_runtime.epics.cabi.events import Events, Followed
from ioc_runtime.epics.cabi.memory import RecordMemory
from ioc_runtime.epics.declare import Record
from ioc_runtime.epics.trigger import Trigger
from ioc_runtime.epics.writer import Write

_log = logging.getLogger(__name__)
OnPut = Callable[[str, Any], None]
_NOTHING = object()


class OperatorRecord:
    """One PV that clients may write."""

    def __init__(self, record: Record, memory: RecordMemory, write: Write) -> None:
        self.record = record
        self.memory = memory
        self.read = reader(record, memory)
        self.followed: Followed | None = None
        self.disputed = False
        """We have written it; what clients put next is written again where it got lost."""
        self.settled = False
        """The task has settled the put that is being handled."""
        self._refused = False
        self._raw_write = write
        self._known: Any = _NOTHING
        self.before: Any = None
        """What it held before the put that is being handled; None if nothing yet."""

    def heard(self, value: Any) -> None:
        """A client put `value`; the record holds it unless a newer put came."""
        self.before = None if self._known is _NOTHING else self._known
        self._known = value
        self._refused = self.settled = False

    def write(self, value: Any, severity: int, status: int, ns: int) -> None:
        """Write from our side. What the record is known to hold is not written again.

        So a value that comes back from the engine never overwrites a newer put.
        """
        if not severity and _same(value, self._known):
            return
        self.disputed = True
        self._force(value, severity, status, ns)

    def put_back(self, value: Any) -> None:
        """A put is refused: the record gets `value` again; None leaves it INVALID."""
        self.disputed = self._refused = True
        self._force(value, 0, 0, 0)

    def agree(self, value: Any) -> None:
        """A put has led to this value; called with all writes of our side shut out."""
        self.settled = True
        if self.disputed and not self._refused:
            if _same(self.read(), value):
                self.disputed = False
            else:
                self._force(value, 0, 0, 0)

    @property
    def written(self) -> bool:
        """Whether it holds a value, of a client's or of ours."""
        return self._known is not _NOTHING

    def again(self) -> None:
        """Let the record judge its value anew: its limits have changed."""
        memory = self.memory
        memory.lock(memory.pointer)  # no put may come between
        try:
            self._force(self.read(), 0, 0, 0)
        finally:
            memory.unlock(memory.pointer)

    def settle(self) -> None:
        """After a put was handled: if it was accepted, the record holds it in the end."""
        if self.disputed and not self._refused and not self.settled:
            if _same(self.read(), self._known):
                self.disputed = False
            else:
                self._force(self._known, 0, 0, 0)

    def _force(self, value: Any, severity: int, status: int, ns: int) -> None:
        memory = self.memory
        memory.lock(memory.pointer)
        try:
            if self.followed is not None:
                self.followed.deaf()
            self._raw_write(value, severity, status, ns)
        finally:
            if self.followed is not None:
                self.followed.listen()
            memory.unlock(memory.pointer)
        self._known = _NOTHING if value is None else value


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


class Operators:
    """All operators' PVs of a task, followed from `follow` to `close`."""

    def __init__(self, on_put: OnPut) -> None:
        """`on_put(name, value)`: in a thread of our own, one put after the other.

        A value that its record can hold may still be none of its states; the one who
        is called decides and may call `put_back`. Puts on standard PVs that name no
        state are put back here and not reported.
        """
        self._on_put = on_put
        self._handlers: list[tuple[str, Callable[[Any], None]]] = []
        self._queue: SimpleQueue[tuple[int, Any] | None] = SimpleQueue()
        self._events = Events(lambda index, value: self._queue.put((index, value)))
        self._standard: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="operators' puts", daemon=True)

    def follow(self, one: OperatorRecord, *, standard: bool) -> None:
        """Report puts on this record."""
        self._handlers.append((one.memory.name, partial(self._handle, one)))
        if standard:
            self._standard.add(one.record.name)
        one.followed = self._events.follow(one.memory, one.record.holds, one.read)

    def follow_count(self, trigger: Trigger, told: Callable[[], None]) -> None:
        """Say when there were puts on TRIGGER; who is told looks how many."""
        self._handlers.append((trigger.count.name, lambda _: told()))
        trigger.followed = self._events.follow(trigger.count, "float", lambda: None)

    def start(self) -> None:
        """Start both threads."""
        self._thread.start()
        self._events.start()

    def close(self, timeout: float = 1.0) -> None:
        """Report nothing more."""
        self._events.close()
        self._queue.put(None)
        self._thread.join(timeout)

    def _run(self) -> None:
        while (put := self._queue.get()) is not None:
            index, value = put
            name, handle = self._handlers[index]
            try:
                handle(value)
            except Exception:
                _log.exception("a put on %s failed", name)

    def _handle(self, one: OperatorRecord, value: Any) -> None:
        record = one.record
        one.heard(value)
        if record.command:
            self._command(one, value)
        elif record.name in self._standard and not _is_state(record, value):
            one.put_back(one.before if one.before is not None else 0)
        else:
            self._on_put(record.name, value)
            one.settle()

    def _command(self, one: OperatorRecord, value: Any) -> None:
        """Back to 0 first, then act: a put that comes meanwhile is acted on as well."""
        if value != 0:
            one.write(0, 0, 0, 0)
        if value == 1:
            self._on_put(one.record.name, 1)


def _is_state(record: Record, value: Any) -> bool:
    return not record.states or 0 <= value < record.states


def reader(record: Record, memory: RecordMemory) -> Callable[[], Any]:
    """The function that reads the present value of one record, under its lock."""
    decode = decoder(record, memory)

    def read() -> Any:
        memory.lock(memory.pointer)
        try:
            return decode()
        finally:
            memory.unlock(memory.pointer)

    return read


_FORMS = {"float": "d", "int": "i", "count": "q", "bool": "H", "enum": "H"}
_ARRAY_FORMS = {"float": ("d", 8), "int": ("i", 4), "bool": ("i", 4), "enum": ("i", 4)}


def decoder(record: Record, memory: RecordMemory) -> Callable[[], Any]:
    """Reads a record's memory as it is now."""
    if record.length is not None:
        return _array_decoder(record, memory, record.length)
    if record.holds == "string":
        characters = memory.pointed("VAL", record.size, "B")
        return lambda: characters.tobytes().partition(b"\0")[0].decode("utf-8", "replace")
    view = memory.scalar("VAL", _FORMS[record.holds])
    return lambda: view[0]


def _array_decoder(record: Record, memory: RecordMemory, length: int) -> Callable[[], Any]:
    count = memory.scalar("NORD", "I")
    if record.holds == "string":
        width = ELEMENT_MAX + 1
        texts = memory.pointed("BPTR", length * width, "B")

        def strings() -> list[str]:
            data = texts[: min(count[0], length) * width].tobytes()
            items = (data[i : i + width] for i in range(0, len(data), width))
            return [item.partition(b"\0")[0].decode("utf-8", "replace") for item in items]

        return strings
    form, width = _ARRAY_FORMS[record.holds]
    elements = memory.pointed("BPTR", length * width, form)
    return lambda: elements[: min(count[0], length)].tolist()
