"""TRIGGER: each put of 1 is counted, and answered when its cycle is over; all of it in C.

No server thread ever waits for Python. A put on TRIGGER goes on to the record COUNT,
which counts the puts of 1 one by one, and from there to one of a ring of holds: records
that stay active until we end them, so that EPICS answers the put's callback then. We are
told of each change of the count.

Put number n has hold n modulo the length of the ring, which is two more than there can
be triggers that wait. So a put that finds its hold active, and is answered at once,
comes while one cycle runs and as many triggers wait as may: it is one that is rejected.
For that, what has come is decided before a cycle's end makes room: `locked` keeps new
puts out meanwhile. TRIGGER, BUSY and the holds share one lock, so that whoever reads
one of them sees the end of a cycle as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ioc_runtime.epics.cabi.events import Followed
from ioc_runtime.epics.cabi.hold import ender
from ioc_runtime.epics.cabi.memory import RELIED_ON, RecordMemory, check_layout
from ioc_runtime.epics.declare import Record
from ioc_runtime.epics.writer import Write


class Trigger:
    """The records of one task's cycle. Every call with the task's lock."""

    def __init__(
        self,
        trigger: tuple[RecordMemory, Write],
        busy: Write,
        count: RecordMemory,
        holds: Sequence[RecordMemory],
    ) -> None:
        self._memory, self._write = trigger
        self._busy = busy
        self.count = count
        self._counted = count.scalar("B", "d")
        self._value = self._memory.scalar("VAL", "H")
        self.ring = len(holds)
        self._enders = [ender(hold) for hold in holds]
        self.followed: Followed | None = None
        """COUNT, as its changes are told."""

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep new puts and readers out for a moment."""
        memory = self._memory
        memory.lock(memory.pointer)
        try:
            yield
        finally:
            memory.unlock(memory.pointer)

    def puts(self) -> int:
        """How many puts of 1 there were. Call it in `locked`."""
        return int(self._counted[0])

    def busy(self) -> None:
        """BUSY reads 1."""
        self._busy(1, 0, 0, 0)

    def idle(self) -> None:
        """TRIGGER and BUSY read 0. In `locked`."""
        self._quietly(0)
        self._busy(0, 0, 0, 0)

    def insist(self) -> int:
        """TRIGGER reads 1 where a client put something else; the puts so far. In `locked`."""
        if self._value[0] != 1:
            self._quietly(1)
            self.answer(self.puts())  # it was counted like any other
        return self.puts()

    def reset(self) -> None:
        """TRIGGER reads 0 again: nothing was started by what it was put to. In `locked`."""
        self._quietly(0)

    def _quietly(self, value: int) -> None:
        """Write TRIGGER, unless it holds that, and hear nothing of it."""
        if self._value[0] == value:
            return
        if self.followed is not None:
            self.followed.deaf()
        try:
            self._write(value, 0, 0, 0)
        finally:
            if self.followed is not None:
                self.followed.listen()

    def answer(self, number: int) -> None:
        """End the hold of put `number`: its callback is answered. In `locked`."""
        self._enders[number % self.ring]()


def memories(
    prefix: str, records: Sequence[Record], *, keep: bool
) -> tuple[RecordMemory, list[RecordMemory]]:
    """Of COUNT and of the holds, among the records of `declare.holds`.

    `keep`: keep the interpreter lock, as for TRIGGER, with which they are locked.
    """
    found = [
        RecordMemory(
            prefix + record.name,
            record.type,
            check_layout(record.type, prefix + record.name),
            keep_interpreter=keep,
        )
        for record in records
        if record.type in RELIED_ON
    ]
    return found[0], found[1:]
