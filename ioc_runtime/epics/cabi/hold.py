"""Ends the asynchronous processing of a record, as its own device support would.

A `calcout` with an output delay stays active (PACT) after it was processed, and who put
with a callback waits for it. EPICS ends such a delay by calling the record's `process`
again under its lock; this does the same, early.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import c_long, c_void_p

from ioc_runtime.epics.cabi.memory import LayoutError, RecordMemory

_LETTING_GO, _KEEPING = ctypes.CFUNCTYPE(c_long, c_void_p), ctypes.PYFUNCTYPE(c_long, c_void_p)
"""Whether the interpreter lock is let go meanwhile, as `RecordMemory` has it."""
_ENTRIES = range(8, 65)
"""How many entries a record support may say that it has."""


def ender(memory: RecordMemory) -> Callable[[], None]:
    """A function that ends a hold if it is active. Call it with the record locked.

    :raises LayoutError: the record's support is not laid out as expected.
    """
    support = memory.scalar("RSET", "N")[0]
    if not support or c_long.from_address(support).value not in _ENTRIES:
        raise LayoutError(f"{memory.name}: field RSET does not lead to its record support")
    # Its length, then pointers: report, init, init_record, process.
    place = support + ctypes.sizeof(c_long) + 3 * ctypes.sizeof(c_void_p)
    process = c_void_p.from_address(place).value
    if not process:
        raise LayoutError(f"{memory.name}: its record support has no process")
    end = (_KEEPING if memory.keeps else _LETTING_GO)(process)
    active, again = memory.scalar("PACT", "B"), memory.scalar("RPRO", "B")
    address = memory.address

    def release() -> None:
        if active[0]:
            # A put that came meanwhile has asked for another round of this record; its
            # own answer has been given, and nobody would end that round.
            again[0] = 0
            end(address)

    return release
