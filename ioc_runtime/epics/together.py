"""Many records at once: one lock for all that a pass writes.

A record's own lock and unlock are a quarter of its write. EPICS can take the locks of
many records in one call, in an order that cannot deadlock (`dbScanLockMany`): 1,500
of them in 40 µs. Clients then see a large pass whole or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ioc_runtime.epics.cabi.memory import RecordGroup, RecordMemory
from ioc_runtime.epics.declare import Record
from ioc_runtime.epics.writer import SCALARS, Write, alarm_pair, epics_time

ENOUGH: Final = 100
"""Writes from which on it pays."""


class Together:
    """The writers of the same records, for use between `lock` and `unlock`.

    Numbers and states that fit are written without a lock of their own; everything
    else goes to the record's own writer, whose lock is recursive.
    """

    def __init__(self, records: Sequence[tuple[Record, RecordMemory, Write]]) -> None:
        self._group = RecordGroup([memory for _, memory, _ in records])
        self.lock, self.unlock = self._group.lock, self._group.unlock
        self.writers = [_inside(record, memory, write) for record, memory, write in records]


def _inside(record: Record, memory: RecordMemory, alone: Write) -> Write:
    if record.length is not None or record.operator or record.holds == "string":
        return alone
    if record.holds == "enum":
        form, low, high = "H", 0, record.states - 1
    else:
        form, low, high = SCALARS[record.holds]
    value_view = memory.scalar("VAL", form)
    alarm, udf, stamp = alarm_pair(memory), memory.scalar("UDF", "B"), memory.scalar("TIME", "I")
    process, pointer = memory.process, memory.pointer
    last, seconds, rest = -1, 0, 0

    def write(value: Any, severity: int, status: int, ns: int) -> None:
        nonlocal last, seconds, rest
        # What is unfit, unknown (NaN fails every comparison) or new is not for here.
        if udf[0] or value is None or not low <= value <= high:
            alone(value, severity, status, ns)
            return
        if ns != last or not ns:
            last = ns
            seconds, rest = epics_time(ns)
        value_view[0] = value
        if severity:
            alarm[0] = status
            alarm[1] = severity
        stamp[0] = seconds
        stamp[1] = rest
        process(pointer)

    return write
