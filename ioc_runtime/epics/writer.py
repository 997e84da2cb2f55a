"""Writes records: value, severity, status and time in one lock section, then process.

`writer(...)` makes one closure per record, with everything that it needs at hand.
Whatever does not fit the record (NaN, a number of more than 32 bits, an unknown
state, a text or an array that is too long) is never written: the record keeps its
value and turns INVALID.
"""

from __future__ import annotations

import logging
import math
import time
from array import array
from collections.abc import Callable, Sequence
from typing import Any, Final

from ioc_runtime.engine.effects import INVALID, Status
from ioc_runtime.engine.values import ELEMENT_MAX, INT_MAX, INT_MIN
from ioc_runtime.epics.cabi.db import EPICS_EPOCH
from ioc_runtime.epics.cabi.memory import RecordMemory
from ioc_runtime.epics.declare import Record

Write = Callable[[Any, int, int, int], None]
"""write(value, severity, status, nanoseconds since 1970).

Value None keeps the value and turns the record INVALID; time 0, or one that EPICS
cannot hold, is now.
"""

_log = logging.getLogger(__name__)
_SECOND: Final = 1_000_000_000
_FIRST_NS: Final = EPICS_EPOCH * _SECOND
_LAST_NS: Final = (EPICS_EPOCH + 2**32) * _SECOND
_ELEMENT: Final = ELEMENT_MAX + 1
_UNFIT: Final = int(Status.SOFT)

SCALARS: Final[dict[str, tuple[str, float, float]]] = {
    "float": ("d", -math.inf, math.inf),
    "int": ("i", INT_MIN, INT_MAX),
    "count": ("q", -(2**63), 2**63 - 1),
    "bool": ("H", 0, 1),
}
"""What a record holds: format of VAL, lowest, highest."""


def _done() -> None:
    """Nothing to do after a write."""


def writer(record: Record, memory: RecordMemory, written: Callable[[], None] = _done) -> Write:
    """The function that writes one record; `written` is called after a text or an array."""
    if record.length is not None:
        return _array(record, memory, record.length, written)
    if record.holds == "string":
        return _text(memory, record.size, written)
    if record.holds == "float":
        return _float(memory)
    if record.holds == "enum":
        return _whole(memory, "H", 0, record.states - 1)
    return _whole(memory, *SCALARS[record.holds])


def epics_time(ns: int) -> tuple[int, int]:
    """Seconds since 1990 and nanoseconds; now, where EPICS cannot hold the time."""
    if not _FIRST_NS <= ns < _LAST_NS:
        ns = time.time_ns()
    seconds, rest = divmod(ns, _SECOND)
    return seconds - EPICS_EPOCH, rest


# The three kinds below repeat the lock section instead of sharing it: a call would
# cost as much as what it does. The section stores nothing that can raise half-way.


def _float(memory: RecordMemory) -> Write:
    value_view = memory.scalar("VAL", "d")
    alarm, udf, stamp = _head(memory)
    lock, process, unlock, record = memory.lock, memory.process, memory.unlock, memory.pointer
    invalid = _invalid(memory)
    last, seconds, rest = -1, 0, 0
    unwritten = True

    def write(value: Any, severity: int, status: int, ns: int) -> None:
        nonlocal last, seconds, rest, unwritten
        if value is None or value != value:
            invalid(status if value is None else _UNFIT, ns, unwritten)
            return
        if ns != last or not ns:
            last = ns
            seconds, rest = epics_time(ns)
        lock(record)
        try:
            value_view[0] = value
            if severity:
                alarm[0] = status
                alarm[1] = severity
            if unwritten:
                udf[0] = 0
                unwritten = False
            stamp[0] = seconds
            stamp[1] = rest
            process(record)
        finally:
            unlock(record)

    return write


def _whole(memory: RecordMemory, form: str, low: float, high: float) -> Write:
    value_view = memory.scalar("VAL", form)
    alarm, udf, stamp = _head(memory)
    lock, process, unlock, record = memory.lock, memory.process, memory.unlock, memory.pointer
    invalid = _invalid(memory)
    last, seconds, rest = -1, 0, 0
    unwritten = True

    def write(value: Any, severity: int, status: int, ns: int) -> None:
        nonlocal last, seconds, rest, unwritten
        if value is None or not low <= value <= high:
            invalid(status if value is None else _UNFIT, ns, unwritten)
            return
        if ns != last or not ns:
            last = ns
            seconds, rest = epics_time(ns)
        lock(record)
        try:
            value_view[0] = value
            if severity:
                alarm[0] = status
                alarm[1] = severity
            if unwritten:
                udf[0] = 0
                unwritten = False
            stamp[0] = seconds
            stamp[1] = rest
            process(record)
        finally:
            unlock(record)

    return write


def _blocks(
    memory: RecordMemory,
    store: Callable[[Any], None],
    pack: Callable[[Any], Any],
    written: Callable[[], None],
) -> Write:
    """A record whose value is a block of memory: `pack` makes it, or None where it cannot."""
    alarm, udf, stamp = _head(memory)
    invalid = _invalid(memory)
    unwritten = True

    def write(value: Any, severity: int, status: int, ns: int) -> None:
        nonlocal unwritten
        packed = None if value is None else pack(value)
        if packed is None:
            invalid(status if value is None else _UNFIT, ns, unwritten)
            written()
            return
        seconds, rest = epics_time(ns)
        memory.lock(memory.pointer)
        try:
            store(packed)
            if severity:
                alarm[0] = status
                alarm[1] = severity
            if unwritten:
                udf[0] = 0
                unwritten = False
            stamp[0] = seconds
            stamp[1] = rest
            memory.process(memory.pointer)
        finally:
            memory.unlock(memory.pointer)
        written()

    return write


def _text(memory: RecordMemory, size: int, written: Callable[[], None]) -> Write:
    characters = memory.pointed("VAL", size, "B")
    length = memory.scalar("LEN", "I")

    def pack(value: Any) -> bytes | None:
        try:
            data = str(value).encode()
        except UnicodeEncodeError:
            return None
        return None if len(data) >= size or b"\0" in data else data + b"\0"

    def store(data: bytes) -> None:
        characters[: len(data)] = data
        length[0] = len(data)

    return _blocks(memory, store, pack, written)


_ARRAYS: Final = {"float": ("d", 8), "int": ("i", 4), "bool": ("i", 4), "enum": ("i", 4)}


def _array(record: Record, memory: RecordMemory, length: int, written: Callable[[], None]) -> Write:
    count = memory.scalar("NORD", "I")
    if record.holds == "string":
        pack, form, width = _pack_texts, "B", _ELEMENT
    else:
        code, width = _ARRAYS[record.holds]
        pack, form = _pack_numbers(code), code
    elements = memory.pointed("BPTR", length * width, form)

    def packed(value: Any) -> Any:
        if len(value) > length:
            return None
        return pack(value)

    scale = width if form == "B" else 1

    def store(data: Any) -> None:
        elements[: len(data)] = data
        count[0] = len(data) // scale

    return _blocks(memory, store, packed, written)


def _pack_numbers(code: str) -> Callable[[Sequence[Any]], Any]:
    def pack(values: Sequence[Any]) -> Any:
        try:
            return array(code, values)
        except (OverflowError, TypeError):
            return None

    return pack


def _pack_texts(values: Sequence[str]) -> bytes | None:
    try:
        items = [value.encode() for value in values]
    except UnicodeEncodeError:
        return None
    if any(len(item) > ELEMENT_MAX or b"\0" in item for item in items):
        return None
    return b"".join(item.ljust(_ELEMENT, b"\0") for item in items)


def _head(memory: RecordMemory) -> tuple[memoryview, memoryview, memoryview]:
    """New status and severity side by side, UDF, and the two halves of the time."""
    return alarm_pair(memory), memory.scalar("UDF", "B"), memory.scalar("TIME", "I")


def alarm_pair(memory: RecordMemory) -> memoryview:
    """NSTA and NSEV as two elements; `Layout` has checked that they are neighbours."""
    return memory.pair("NSTA", "NSEV", "H")


def _invalid(memory: RecordMemory) -> Callable[[int, int, bool], None]:
    """Keep the value, turn INVALID; UDF stays while no real value was ever written."""
    alarm, udf, stamp = _head(memory)

    def write(status: int, ns: int, unwritten: bool) -> None:
        seconds, rest = epics_time(ns)
        memory.lock(memory.pointer)
        try:
            alarm[0] = status or int(Status.UDF)
            alarm[1] = INVALID
            stamp[0] = seconds
            stamp[1] = rest
            memory.process(memory.pointer)
            if unwritten:
                # Processing takes it away; without it the first value would look read.
                udf[0] = 1
        finally:
            memory.unlock(memory.pointer)

    return write


def stamp_now(memory: RecordMemory) -> None:
    """The present time, so that nothing says 1990; for records nobody has written yet."""
    stamp = memory.scalar("TIME", "I")
    stamp[0], stamp[1] = epics_time(0)
