"""The EPICS database of this process: load it, start it, find and read its records.

One database per process; it cannot be taken down and built again. Nothing here
decides anything.
"""

from __future__ import annotations

import ctypes
import os
from ctypes import byref, c_char_p, c_int, c_long, c_short, c_uint, c_void_p
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Final, NamedTuple

from ioc_runtime.epics.libraries import without_setuptools

DBF_STRING: Final = 0
DBF_UCHAR: Final = 2
DBF_LONG: Final = 5
DBF_ULONG: Final = 6
DBF_INT64: Final = 7
DBF_DOUBLE: Final = 10
DBF_ENUM: Final = 11
DBF_MENU: Final = 12
DBF_NOACCESS: Final = 17

_STRING: Final = 40
"""Bytes of a string between EPICS and its clients, its end included."""
DBR_STRING: Final = 0
DBR_CHAR: Final = 1
DBR_LONG: Final = 5
DBR_INT64: Final = 7
DBR_DOUBLE: Final = 10
DBR_ENUM: Final = 11

EPICS_EPOCH: Final = 631_152_000
"""Seconds from 1970 to 1990, where EPICS starts to count."""


class DatabaseError(Exception):
    """EPICS refused something; the text says what."""


class Field(NamedTuple):
    """Where a field stands in its record."""

    offset: int
    size: int
    type: int
    """DBF number."""


class _Address(ctypes.Structure):
    """`struct dbAddr`, as far as it is read here."""

    _fields_ = (
        ("precord", c_void_p),
        ("pfield", c_void_p),
        ("description", c_void_p),
        ("elements", c_long),
        ("type", c_short),
        ("size", c_short),
        ("rest", ctypes.c_byte * 128),
    )


class _Head(ctypes.Structure):
    """Start of a record; only its address is used."""

    _fields_ = (("name", ctypes.c_char * 61),)


class Libraries:
    """dbCore and libCom, loaded once, with the types of what is called."""

    def __init__(self) -> None:
        without_setuptools()
        from softioc import imports

        self.offsets = imports.get_field_offsets
        self.install_put_log = imports.install_pv_logging
        self.core: Any = imports.dbCore
        self.com: Any = imports.Com
        self.keeping: Any = ctypes.PyDLL(imports.dbCore._name)  # noqa: SLF001
        """dbCore again, by calls that keep the interpreter lock."""
        for name, result, arguments in (
            ("dbLoadRecords", c_int, [c_char_p, c_char_p]),
            ("dbNameToAddr", c_long, [c_char_p, c_void_p]),
            (
                "dbGetField",
                c_long,
                [c_void_p, c_short, c_void_p, c_void_p, c_void_p, c_void_p],
            ),
            ("iocBuild", c_int, []),
            ("iocRun", c_int, []),
        ):
            function = getattr(self.core, name)
            function.restype, function.argtypes = result, arguments
        self.core.asSetFilename.argtypes = [c_char_p]


@cache
def libraries() -> Libraries:
    """The libraries; the first call loads them (20 ms)."""
    return Libraries()


def prepare(*, pva: bool = True) -> None:
    """Load the record types, and those of the PVA server; call it once, first.

    Memory is not locked: as root, or with an unlimited memlock, iocInit would pin
    230 MiB where 56 are used.
    """
    lib = libraries()
    c_int.in_dll(lib.core, "dbThreadRealtimeLock").value = 0
    if not pva:
        return
    import pvxslibs.path
    from epicscorelibs.ioc import pdbbase
    from setuptools_dso.runtime import find_dso
    from softioc import imports

    imports.dbLoadDatabase("pvxsIoc.dbd", pvxslibs.path.dbd_path, None)
    ctypes.CDLL(find_dso("pvxslibs.lib.pvxsIoc"), ctypes.RTLD_GLOBAL)
    imports.registerRecordDeviceDriver(pdbbase)


def load_records(text: str, what: str) -> None:
    """Load records from the text of a .db file. `what` names it in the error.

    :raises DatabaseError: EPICS says why on standard error.
    """
    with _TextFile(text) as path:
        if libraries().core.dbLoadRecords(path.encode(), None):
            raise DatabaseError(f"{what}: EPICS does not load it")


def load_stats(name: str) -> None:
    """Load the devIocStats records `<name>:HEARTBEAT` and so on.

    They cost 18 MiB, because softioc's loader of them imports numpy.
    """
    from softioc.softioc import devIocStats

    devIocStats(name)


def float_arrays() -> list[tuple[str, str]]:
    """Name and access group of each loaded record that holds, or may hold, floats in an array."""
    core = libraries().core
    core.dbAllocEntry.restype, core.dbAllocEntry.argtypes = c_void_p, [c_void_p]
    for name in ("dbGetRecordName", "dbGetString"):
        getattr(core, name).restype, getattr(core, name).argtypes = c_char_p, [c_void_p]
    for name in ("dbFindRecordType", "dbFindField"):
        getattr(core, name).argtypes = [c_void_p, c_char_p]
    for name in ("dbFirstRecord", "dbNextRecord", "dbFreeEntry"):
        getattr(core, name).argtypes = [c_void_p]
    entry = core.dbAllocEntry(c_void_p.in_dll(core, "pdbbase"))
    found = []

    def text(field: bytes) -> str:
        value = None if core.dbFindField(entry, field) else core.dbGetString(entry)
        return (value or b"").decode("utf-8", "replace")

    for kind in (b"waveform", b"aai", b"aao", b"subArray", b"compress", b"aSub"):
        status = core.dbFindRecordType(entry, kind) or core.dbFirstRecord(entry)
        while not status:
            if kind in (b"compress", b"aSub") or text(b"FTVL") in ("FLOAT", "DOUBLE"):
                found.append((core.dbGetRecordName(entry).decode(), text(b"ASG")))
            status = core.dbNextRecord(entry)
    core.dbFreeEntry(entry)
    return found


class AccessFile:
    """Access rules for `build`, which reads them; keep it until then."""

    def __init__(self, text: str, *, by_address: bool, log_puts: bool) -> None:
        """`by_address`: hosts are compared by IP address and not by the name a client claims.

        `log_puts` makes EPICS print each put that a rule traps (see `putlog`).
        """
        lib = libraries()
        self._file = _TextFile(text)
        c_int.in_dll(lib.com, "asCheckClientIP").value = int(by_address)
        path = self._file.__enter__()
        if log_puts:
            lib.install_put_log(path)
        else:
            lib.core.asSetFilename(path.encode())

    def close(self) -> None:
        """Give the file back; READACF of devIocStats can read it no more."""
        self._file.__exit__()


class _TextFile:
    """A file with a text, without a disk where the system can do that."""

    def __init__(self, text: str) -> None:
        self._text = text.encode()
        self._fd: int | None = None
        self._path = ""

    def __enter__(self) -> str:
        if hasattr(os, "memfd_create"):
            self._fd = os.memfd_create("ioc", os.MFD_CLOEXEC)
            with open(self._fd, "wb", closefd=False) as file:
                file.write(self._text)
            return f"/proc/self/fd/{self._fd}"
        with NamedTemporaryFile(delete=False) as file:
            file.write(self._text)
            self._path = file.name
        return self._path

    def __exit__(self, *_: object) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
        elif self._path:
            Path(self._path).unlink(missing_ok=True)


def build() -> None:
    """First half of iocInit: everything but the servers. Takes 0.5 s, which EPICS sleeps.

    :raises DatabaseError: EPICS says why on standard error.
    """
    if libraries().core.iocBuild():
        raise DatabaseError("EPICS does not start with these records or access rules")


def run() -> None:
    """Second half: the records are served from now on.

    :raises DatabaseError: EPICS says why on standard error.
    """
    if libraries().core.iocRun():
        raise DatabaseError("EPICS does not serve the records")


def environment(name: str) -> str | None:
    """An environment variable as C sees it; EPICS sets some that Python never learns of."""
    getenv = ctypes.CDLL(None).getenv
    getenv.restype, getenv.argtypes = c_char_p, [c_char_p]
    value = getenv(name.encode())
    return None if value is None else value.decode()


def field_table(record_type: str) -> dict[str, Field]:
    """Every field of a record type."""
    table = libraries().offsets(record_type)
    return {name: Field(*place) for name, place in table.items()}


def address(name: str) -> int:
    """Address of a record.

    :raises DatabaseError: there is none of that name.
    """
    return _find(name).precord


def field_offset(name: str, field: str) -> int:
    """Where EPICS itself finds a field of a record."""
    found = _find(f"{name}.{field}")
    return int(found.pfield) - int(found.precord)


def set_text(field: str, text: str) -> None:
    """Put a text into a field before the records are served, as it is.

    :raises DatabaseError: it is too long for the field.
    """
    found, data = _find(field), text.encode() + b"\0"
    if found.type != DBF_STRING or len(data) > found.size:
        raise DatabaseError(f"{field} cannot hold {text!r}")
    ctypes.memmove(found.pfield, data, len(data))


def change(field: str, text: str, *, keep_interpreter: bool) -> None:
    """Change a field while it is served; its record is locked.

    Who follows the field, or the record's properties, is told. `keep_interpreter` as in
    `RecordMemory`.

    :raises DatabaseError: there is no such field, or EPICS does not take the text.
    """
    lib = libraries()
    put = (lib.keeping if keep_interpreter else lib.core)["dbPut"]
    put.restype, put.argtypes = c_long, [c_void_p, c_short, c_char_p, c_long]
    data = text.encode()
    if len(data) < _STRING:
        failed = put(byref(_find(field)), DBR_STRING, data.ljust(_STRING, b"\0"), 1)
    else:  # as characters: a string is read to its 40th byte at most
        failed = put(byref(_find(f"{field}$")), DBR_CHAR, data + b"\0", len(data) + 1)
    if failed:
        raise DatabaseError(f"EPICS does not take {text!r} for {field}")


def _find(name: str) -> Any:
    found = _Address()
    if libraries().core.dbNameToAddr(name.encode(), byref(found)):
        raise DatabaseError(f"there is no record field {name}")
    return found


class Reading(NamedTuple):
    """What EPICS gives to a client that asks."""

    value: Any
    status: int
    severity: int
    seconds: int
    nanoseconds: int


_READ_AS: Final[dict[int, Any]] = {
    DBR_DOUBLE: ctypes.c_double,
    DBR_LONG: ctypes.c_int32,
    DBR_INT64: ctypes.c_int64,
    DBR_ENUM: ctypes.c_uint16,
    DBR_STRING: ctypes.c_char * 40,
}


def read(field: str, dbr: int, count: int = 1) -> Reading:
    """Value, alarm and time of a field, by EPICS's own way.

    :raises DatabaseError: EPICS cannot give it.
    """
    stated = c_long(0x1 | 0x10)  # DBR_STATUS, DBR_TIME; laid out in this order
    wanted = c_long(count)

    class Buffer(ctypes.Structure):
        _fields_ = (
            ("status", ctypes.c_uint16),
            ("severity", ctypes.c_uint16),
            ("acks", ctypes.c_uint16),
            ("ackt", ctypes.c_uint16),
            ("seconds", c_uint),
            ("nanoseconds", c_uint),
            ("value", _READ_AS[dbr] * count),
        )

    buffer = Buffer()
    found = _find(field)
    failed = libraries().core.dbGetField(
        byref(found), dbr, byref(buffer), byref(stated), byref(wanted), None
    )
    if failed:
        raise DatabaseError(f"EPICS cannot read {field}")
    values = [getattr(item, "value", item) for item in buffer.value[: wanted.value]]
    return Reading(
        values[0] if count == 1 else values,
        buffer.status,
        buffer.severity,
        buffer.seconds,
        buffer.nanoseconds,
    )
