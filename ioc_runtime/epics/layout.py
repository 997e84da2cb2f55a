"""Checks before anything is served that what is written is what clients read.

The places of fields are compared with the tables of EPICS (`cabi.memory`), then one
record of each type is written as it will be and read back through EPICS. The record
is put back as it was; no client can see it yet.
"""

from __future__ import annotations

from typing import Any, Final

from ioc_runtime.engine.effects import INVALID
from ioc_runtime.epics.cabi import db
from ioc_runtime.epics.cabi.memory import LayoutError, RecordMemory, check_layout, record_size
from ioc_runtime.epics.declare import Record
from ioc_runtime.epics.writer import writer

_PROBE_NS: Final = (db.EPICS_EPOCH + 1_000_000_007) * 1_000_000_000 + 123_456_789
_SEVERITY, _STATUS = INVALID, 15
"""No limit and no state of the record can raise a severity above INVALID."""

_PROBES: Final[dict[str, tuple[Any, int]]] = {
    # holds: value written, how it is read back
    "float": (1.25, db.DBR_DOUBLE),
    "int": (-70_001, db.DBR_LONG),
    "count": (-(2**40) - 3, db.DBR_INT64),
    "bool": (1, db.DBR_ENUM),
    "enum": (1, db.DBR_ENUM),
    "string": ("probe", db.DBR_STRING),
}


class Layouts:
    """Checked places of fields, by record type."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, db.Field]] = {}
        self._proven: set[tuple[str, str]] = set()

    def memory(self, prefix: str, record: Record, *, keep_interpreter: bool) -> RecordMemory:
        """The memory of a record, checked; the first of each kind is written for proof.

        :raises LayoutError: names the record type and the field that is not as expected.
        """
        name = prefix + record.name
        if record.type not in self._known:
            self._known[record.type] = check_layout(record.type, name)
        memory = RecordMemory(
            name, record.type, self._known[record.type], keep_interpreter=keep_interpreter
        )
        if (record.type, record.holds) not in self._proven:
            self._proven.add((record.type, record.holds))
            _prove(record, memory)
        return memory


def _prove(record: Record, memory: RecordMemory) -> None:
    if record.operator and record.holds in ("float", "int"):
        # a value within the drive limits, or the record would move it there
        low = record.fields.get("DRVL", "0")
        value, dbr = int(low) if record.holds == "int" else float(low), _PROBES[record.holds][1]
    else:
        value, dbr = _PROBES[record.holds]
    if record.holds == "enum" and record.states == 1:
        value = 0
    if record.length is not None:
        value = [1] if record.holds in ("bool", "enum") else [value]
        dbr = db.DBR_LONG if record.holds in ("bool", "enum") else dbr
    image = memory.snapshot(record_size(record.type))
    memory.lock(memory.pointer)
    try:
        writer(record, memory)(value, _SEVERITY, _STATUS, _PROBE_NS)
        found = db.read(f"{memory.name}.VAL", dbr, record.length or 1)
        _compare(record, memory, found, _plain(value, record))
    finally:
        _clear(record, memory)
        memory.put_back(image)
        memory.unlock(memory.pointer)


def _plain(value: Any, record: Record) -> Any:
    """The value as `db.read` gives it: texts as bytes, an array of one as its element."""
    value = value[0] if record.length == 1 else value
    if record.holds != "string":
        return value
    return [item.encode() for item in value] if isinstance(value, list) else value.encode()


def _compare(record: Record, memory: RecordMemory, found: db.Reading, value: Any) -> None:
    main = "BPTR" if record.length is not None else "VAL"
    expected: dict[str, tuple[Any, Any]] = {
        main: (found.value, value),
        "NSEV": (found.severity, _SEVERITY),
        "NSTA": (found.status, _STATUS),
        "UDF": (db.read(f"{memory.name}.UDF", db.DBR_LONG).value, 0),
    }
    if not record.operator:
        seconds, rest = divmod(_PROBE_NS, 1_000_000_000)
        expected["TIME"] = (
            (found.seconds, found.nanoseconds),
            (seconds - db.EPICS_EPOCH, rest),
        )
    for field, (got, wanted) in expected.items():
        if got != wanted:
            raise LayoutError(
                f"record type {record.type}, field {field}: wrote {wanted!r} to {memory.name}, "
                f"EPICS reads {got!r}"
            )


def _clear(record: Record, memory: RecordMemory) -> None:
    """Empty the blocks that a text or an array points to; the image has no copy of them."""
    if record.length is not None:
        memory.pointed("BPTR", 8, "B")[:] = bytes(8)
    elif record.holds == "string":
        memory.pointed("VAL", 8, "B")[:] = bytes(8)
