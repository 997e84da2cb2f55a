"""The memory of records: where fields stand, and views of them.

A record is written by its fields' places in memory, under its lock, and processed;
one such write costs 0.6 µs where a put through EPICS costs 4. So the places must be
right: `check_layout` compares the table that gives them with what the writer relies
on and with what EPICS itself finds, before anything is served.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from ctypes import byref
from functools import partial
from typing import Any, Final

from ioc_runtime.epics.cabi import db
from ioc_runtime.epics.cabi.db import (
    DBF_DOUBLE,
    DBF_ENUM,
    DBF_INT64,
    DBF_LONG,
    DBF_MENU,
    DBF_NOACCESS,
    DBF_UCHAR,
    DBF_ULONG,
    Field,
)

_COMMON: Final = {
    "NSTA": (2, DBF_MENU),
    "NSEV": (2, DBF_MENU),
    "UDF": (1, DBF_UCHAR),
    "TIME": (8, DBF_NOACCESS),
}
_POINTER = (ctypes.sizeof(ctypes.c_void_p), DBF_NOACCESS)
_TEXT: Final = {"VAL": _POINTER, "LEN": (4, DBF_ULONG)}

RELIED_ON: Final[Mapping[str, Mapping[str, tuple[int, int]]]] = {
    record_type: _COMMON | own
    for record_type, own in {
        "ai": {"VAL": (8, DBF_DOUBLE)},
        "ao": {"VAL": (8, DBF_DOUBLE)},
        "longin": {"VAL": (4, DBF_LONG)},
        "longout": {"VAL": (4, DBF_LONG)},
        "int64in": {"VAL": (8, DBF_INT64)},
        "bi": {"VAL": (2, DBF_ENUM)},
        "bo": {"VAL": (2, DBF_ENUM)},
        "mbbi": {"VAL": (2, DBF_ENUM)},
        "mbbo": {"VAL": (2, DBF_ENUM)},
        "lsi": _TEXT,
        "lso": _TEXT,
        "waveform": {"BPTR": _POINTER, "NORD": (4, DBF_ULONG)},
        "calc": {"VAL": (8, DBF_DOUBLE), "B": (8, DBF_DOUBLE)},
        "calcout": {"RSET": _POINTER, "PACT": (1, DBF_UCHAR), "RPRO": (1, DBF_UCHAR)},
    }.items()
}
"""Record type -> field -> size in bytes and DBF number that the writer relies on."""


_EVERYTHING: Final = 1 | 2 | 4
"""Event masks of value, archive and alarm."""


class LayoutError(Exception):
    """A record is not laid out as the writer expects; nothing is served."""


def check_layout(record_type: str, record: str) -> dict[str, Field]:
    """Places of the fields that are written, compared with EPICS at `record`.

    :raises LayoutError: names record type and field, what was found and expected.
    """
    table = db.field_table(record_type)
    for field, (size, kind) in RELIED_ON[record_type].items():
        if field not in table:
            raise LayoutError(f"record type {record_type}: there is no field {field}")
        found = table[field]
        if (found.size, found.type) != (size, kind):
            raise LayoutError(
                f"record type {record_type}, field {field}: expected {size} bytes of DBF type "
                f"{kind}, got {found.size} bytes of DBF type {found.type}"
            )
        # A text's VAL is a pointer, and EPICS gives the address that it points to.
        if record_type not in ("lsi", "lso") or field != "VAL":
            place = db.field_offset(record, field)
            if place != found.offset:
                raise LayoutError(
                    f"record type {record_type}, field {field}: EPICS finds it at byte {place} "
                    f"of {record}, the table says {found.offset}"
                )
    if table["NSEV"].offset != table["NSTA"].offset + table["NSTA"].size:
        raise LayoutError(f"record type {record_type}, field NSEV: it does not follow NSTA")
    return {field: table[field] for field in RELIED_ON[record_type]}


class RecordMemory:
    """One record: its lock, its processing, and its fields as memory.

    `lock(pointer)`, `process(pointer)` and `unlock(pointer)` are C functions; the lock
    is recursive. Views may be read without the lock, but may be torn then.
    """

    __slots__ = (
        "address", "fields", "keeps", "lock", "name", "pointer", "process", "type", "unlock"
    )  # fmt: skip

    def __init__(
        self, name: str, record_type: str, fields: Mapping[str, Field], *, keep_interpreter: bool
    ) -> None:
        """`keep_interpreter`: the calls keep the interpreter lock, which saves 0.1 µs and,
        beside a thread that burns CPU, a switch of threads at each call.

        Only for records whose lock no thread holds while it waits for Python: records
        that are linked to nothing but each other.
        """
        lib = db.libraries()
        library = lib.keeping if keep_interpreter else lib.core
        self.name = name
        self.keeps = keep_interpreter
        self.type = record_type
        self.fields = fields
        self.address = db.address(name)
        self.lock: Any = library["dbScanLock"]
        self.process: Any = library["dbProcess"]
        self.unlock: Any = library["dbScanUnlock"]
        for function in (self.lock, self.unlock):
            function.restype = None
        # By reference is the cheapest argument that ctypes has.
        self.pointer = byref(_Record.from_address(self.address))

    def scalar(self, field: str, form: str) -> memoryview:
        """A field, as one element or more of a format."""
        place = self.fields[field]
        return _view(self.address + place.offset, place.size, form)

    def pair(self, first: str, second: str, form: str) -> memoryview:
        """Two fields that stand side by side, as two elements (see `check_layout`)."""
        place, size = self.fields[first], self.fields[second].size
        return _view(self.address + place.offset, place.size + size, form)

    def pointed(self, field: str, size: int, form: str) -> memoryview:
        """`size` bytes at the address that a pointer field holds."""
        place = self.address + self.fields[field].offset
        target = ctypes.c_void_p.from_address(place).value
        if not target:
            raise LayoutError(f"{self.name}: field {field} points nowhere")
        return _view(target, size, form)

    def post_again(self) -> None:
        """Send the record as it is to every client that follows it."""
        self.lock(self.pointer)
        try:
            db.libraries().core.db_post_events(self.pointer, None, _EVERYTHING)
        finally:
            self.unlock(self.pointer)

    def change(self, fields: Mapping[str, str]) -> None:
        """Change fields while the record is served, all at once.

        :raises DatabaseError: EPICS does not take one; those before it are changed.
        """
        self.lock(self.pointer)
        try:
            for field, text in fields.items():
                db.change(f"{self.name}.{field}", text, keep_interpreter=self.keeps)
        finally:
            self.unlock(self.pointer)

    def snapshot(self, size: int) -> bytes:
        """The first `size` bytes of the record."""
        return ctypes.string_at(self.address, size)

    def put_back(self, image: bytes) -> None:
        """Undo everything since `snapshot`; only before the records are served."""
        ctypes.memmove(self.address, image, len(image))


class RecordGroup:
    """Records that are locked together.

    The interpreter lock is kept meanwhile: for records that are linked to nothing but
    each other (see `RecordMemory`).
    """

    def __init__(self, records: Sequence[RecordMemory]) -> None:
        keeping = db.libraries().keeping
        allocate, lock, unlock = (
            keeping[name] for name in ("dbLockerAlloc", "dbScanLockMany", "dbScanUnlockMany")
        )
        allocate.restype = ctypes.c_void_p
        allocate.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint]
        lock.restype = unlock.restype = None
        lock.argtypes = unlock.argtypes = [ctypes.c_void_p]
        addresses = (ctypes.c_void_p * len(records))(*(record.address for record in records))
        locker = ctypes.c_void_p(allocate(addresses, len(records), 0))
        if not locker:
            raise MemoryError("EPICS has no memory to lock the records together")
        self.lock: Callable[[], None] = partial(lock, locker)
        self.unlock: Callable[[], None] = partial(unlock, locker)


class _Record(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char * 61),)


def record_size(record_type: str) -> int:
    """Bytes of a record up to the end of its last field."""
    return max(field.offset + field.size for field in db.field_table(record_type).values())


def _view(address: int, size: int, form: str) -> memoryview:
    return memoryview((ctypes.c_char * size).from_address(address)).cast("B").cast(form)  # type: ignore[call-overload,no-any-return]


def unlocked_copy(view: memoryview, tries: int = 3) -> bytes:
    """Bytes of a view as they are now, without the record's lock.

    Two reads that agree are taken; a record that changes faster gives the last one.
    """
    last = view.tobytes()
    for _ in range(tries):
        again = view.tobytes()
        if again == last:
            break
        last = again
    return last
