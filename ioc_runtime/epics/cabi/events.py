"""Follows records of this process: every put counts, by a client, a link or `dbpf`.

EPICS calls us in a thread of its own, one after the other, without a lock held. So no
server thread and no writer ever waits for Python: while Python cannot run, EPICS
queues about a hundred changes of a record, and after that keeps its newest value.
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Callable
from ctypes import byref, c_char_p, c_int, c_long, c_short, c_uint, c_void_p
from typing import Any, Final

from ioc_runtime.epics.cabi import db
from ioc_runtime.epics.cabi.memory import RecordMemory
from ioc_runtime.epics.cabi.threads import keep_thread_state

_log = logging.getLogger(__name__)
_EVENT = ctypes.CFUNCTYPE(None, c_void_p, c_void_p, c_int, c_void_p)
_VALUE_ALARM: Final = 1 | 4
_PRIORITY: Final = 19  # one below the CA server's

_SCALARS: Final[dict[str, tuple[int, Any]]] = {
    "float": (db.DBR_DOUBLE, ctypes.c_double),
    "int": (db.DBR_LONG, ctypes.c_int32),
    "bool": (db.DBR_ENUM, ctypes.c_uint16),
    "enum": (db.DBR_ENUM, ctypes.c_uint16),
}

Read = Callable[[], Any]


class Followed:
    """One record that is followed."""

    def __init__(self, event: Any, channel: Any) -> None:
        self._core = db.libraries().core
        self._event = event
        self._channel = channel

    def deaf(self) -> None:
        """Post no event for what is written next; call it with the record locked."""
        self._core.db_event_disable(self._event)

    def listen(self) -> None:
        """Post events again; call it before the record is unlocked."""
        self._core.db_event_enable(self._event)

    def cancel(self) -> None:
        """Follow the record no more."""
        self._core.db_cancel_event(self._event)


class Events:
    """Follows records; `on_change(index, value)` is called in the event thread.

    `on_change` must return soon and must not raise.
    """

    def __init__(self, on_change: Callable[[int, Any], None]) -> None:
        core = self._core = db.libraries().core
        for name, result, arguments in (
            ("db_init_events", c_void_p, []),
            ("db_start_events", c_int, [c_void_p, c_char_p, c_void_p, c_void_p, c_uint]),
            ("db_close_events", None, [c_void_p]),
            ("db_add_event", c_void_p, [c_void_p, c_void_p, _EVENT, c_void_p, c_uint]),
            ("db_cancel_event", None, [c_void_p]),
            ("db_event_enable", None, [c_void_p]),
            ("db_event_disable", None, [c_void_p]),
            ("dbChannelCreate", c_void_p, [c_char_p]),
            ("dbChannelOpen", c_long, [c_void_p]),
            (
                "dbChannelGetField",
                c_long,
                [c_void_p, c_short, c_void_p, c_void_p, c_void_p, c_void_p],
            ),
        ):
            function = getattr(core, name)
            function.restype, function.argtypes = result, arguments
        self._on_change = on_change
        self._readers: list[Callable[[int], Any]] = []
        self._followed: list[Followed] = []
        self._callback = _EVENT(self._changed)
        self._context = core.db_init_events()
        if not self._context:
            raise db.DatabaseError("EPICS gives no event queue")

    def follow(self, record: RecordMemory, holds: str, read: Read) -> Followed:
        """Follow a record; its index counts from 0 in the order of calls.

        `holds` is the signal's type. Values of one element come as they were put, each
        of them; `read` gives the present value of every other record.
        """
        core = self._core
        channel = core.dbChannelCreate(f"{record.name}.VAL".encode())
        if not channel or core.dbChannelOpen(channel):
            raise db.DatabaseError(f"EPICS opens no channel to {record.name}")
        scalar = record.type != "waveform" and holds in _SCALARS
        self._readers.append(_copied(core, channel, holds) if scalar else lambda _: read())
        event = core.db_add_event(
            self._context, channel, self._callback, len(self._readers), _VALUE_ALARM
        )
        if not event:
            raise db.DatabaseError(f"EPICS does not follow {record.name}")
        followed = Followed(event, channel)
        followed.listen()
        self._followed.append(followed)
        return followed

    def start(self) -> None:
        """Start the event thread."""
        if self._core.db_start_events(self._context, b"operatorPuts", None, None, _PRIORITY):
            raise db.DatabaseError("EPICS starts no event thread")

    def close(self) -> None:
        """Stop following; no callback comes after."""
        for followed in self._followed:
            followed.cancel()
        self._followed.clear()
        self._core.db_close_events(self._context)

    def _changed(self, number: int, _channel: Any, _left: int, log: int | None) -> None:
        keep_thread_state()
        try:
            index = number - 1
            self._on_change(index, self._readers[index](log or 0))
        except Exception:
            _log.exception("a put could not be read")


def _copied(core: Any, channel: Any, holds: str) -> Callable[[int], Any]:
    """Reads the value that was put, which EPICS copied into its queue."""
    dbr, kind = _SCALARS[holds]

    def read(log: int) -> Any:
        value, count = kind(), c_long(1)
        if core.dbChannelGetField(channel, dbr, byref(value), None, byref(count), log):
            raise db.DatabaseError("EPICS does not give the value of a put")
        return value.value

    return read
