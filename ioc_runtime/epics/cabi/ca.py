"""Channel Access client calls: libca by ctypes, and nothing that decides anything.

Every callback runs in a thread of libca. What it is given must return soon, must not
raise and must not wait for a reply.
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Callable
from functools import cache
from struct import Struct
from typing import Any, Final

from ioc_runtime.epics.cabi.libca import (
    ON_ACCESS,
    ON_CONNECTION,
    ON_EVENT,
    ON_EXCEPTION,
    ON_PRINT,
    ConnectionArgs,
    EventArgs,
    ExceptionArgs,
    have_repeater,
    library,
)
from ioc_runtime.epics.cabi.threads import keep_thread_state
from ioc_runtime.epics.dbr import HEAD, OFFSET, SIZE, TIME

_log = logging.getLogger(__name__)

NORMAL: Final = 1
DISCONNECTED: Final = 192
NO_READ_ACCESS: Final = 368
NO_WRITE_ACCESS: Final = 376

VALUE, ALARM, PROPERTY = 1, 4, 8
"""Event masks of a subscription (DBE_VALUE, DBE_ALARM, DBE_PROPERTY)."""

_CONNECTED = 6
_PRIORITY = 20
EPOCH: Final = 631_152_000 * 1_000_000_000
"""Nanoseconds from 1970 to 1990, where EPICS begins to count."""
_SCALAR_DOUBLE = Struct("=hhII4xd")


EventCallback = Any
"""What `scalar_double` and its neighbours return; keep it while libca may call it."""
Sample = Callable[[Any, int, int, int], None]
"""Called with value, severity, status, nanoseconds since 1970 (0: the source has none)."""


def message(status: int) -> str:
    """What libca says to a status, as a clause."""
    text: bytes = library().ca_message(status)
    return text.decode("utf-8", "replace")


class Context:
    """libca with callbacks from its own threads; belongs to the thread that makes it.

    Channels, subscriptions and requests are made by that thread or in callbacks.
    """

    def __init__(self) -> None:
        """Start libca in this thread.

        :raises OSError: when libca does not start.
        """
        self._ca = library()
        have_repeater(self._ca)
        status = self._ca.ca_context_create(1)
        if status != NORMAL:
            raise OSError(f"Channel Access does not start: {message(status)}")
        self._on_exception = ON_EXCEPTION(self._exception)
        self._on_print = ON_PRINT(_print)
        self._ca.ca_add_exception_event(self._on_exception, None)
        self._ca.ca_replace_printf_handler(self._on_print)

    def flush(self) -> None:
        """Send what has been asked for. Does not wait."""
        self._ca.ca_flush_io()

    def close(self) -> None:
        """End every channel, circuit and thread of the context; no callback comes after."""
        self._ca.ca_context_destroy()

    def _exception(self, args: ExceptionArgs) -> None:
        context = (args.context or b"").decode("utf-8", "replace")
        if args.status == DISCONNECTED:
            _log.info("CA circuit lost: %s", context)
        else:
            _log.warning("CA: %s (%s)", message(args.status), context)


class Channel:
    """One PV of a server. `on_connection(up)`, `on_access(read, write)`: in libca's threads."""

    def __init__(
        self,
        name: str,
        on_connection: Callable[[bool], None],
        on_access: Callable[[bool, bool], None] | None = None,
    ) -> None:
        self._ca = library()
        self._name = name
        self._id = ctypes.c_void_p()
        exit_hook = self._ca.epicsAtThreadExit

        def connection(args: ConnectionArgs) -> None:
            keep_thread_state(exit_hook)
            self._id.value = args.channel  # it may come before `open` has it
            _guarded(on_connection, args.op == _CONNECTED)

        self._on_connection = ON_CONNECTION(connection)
        self._on_access: Any = None
        if on_access is not None:
            self._on_access = ON_ACCESS(
                lambda args: _guarded(on_access, bool(args.rights & 1), bool(args.rights & 2))
            )

    def open(self) -> None:
        """Start to look for the name; connections come and go from now on.

        :raises OSError: when libca refuses the name.
        """
        status = self._ca.ca_create_channel(
            self._name.encode(), self._on_connection, None, _PRIORITY, ctypes.byref(self._id)
        )
        if status != NORMAL:
            raise OSError(f"ca://{self._name}: {message(status)}")
        if self._on_access is not None:
            self._ca.ca_replace_access_rights_event(self._id, self._on_access)

    @property
    def native(self) -> int:
        """Native type; -1 while not connected."""
        return int(self._ca.ca_field_type(self._id))

    @property
    def count(self) -> int:
        """Largest number of elements; 0 while not connected."""
        return int(self._ca.ca_element_count(self._id))

    @property
    def host(self) -> str:
        """host:port of the server."""
        text: bytes = self._ca.ca_host_name(self._id)
        return text.decode("utf-8", "replace")

    @property
    def readable(self) -> bool:
        """Whether the server lets this host and user read."""
        return bool(self._ca.ca_read_access(self._id))

    @property
    def writable(self) -> bool:
        """Whether the server lets this host and user write."""
        return bool(self._ca.ca_write_access(self._id))

    def subscribe(self, dbr: int, count: int, mask: int, callback: EventCallback) -> Any:
        """Follow the channel; `count` 0 sends what there is. Returns what `unsubscribe` takes.

        :raises OSError: when libca refuses.
        """
        event = ctypes.c_void_p()
        status = self._ca.ca_create_subscription(
            dbr, count, self._id, mask, callback, None, ctypes.byref(event)
        )
        if status != NORMAL:
            raise OSError(message(status))
        return event

    def unsubscribe(self, event: Any) -> None:
        """End a subscription; waits for its running callback."""
        self._ca.ca_clear_subscription(event)

    def get(self, dbr: int, count: int, callback: EventCallback, token: int = 0) -> int:
        """Ask for the value once; the answer is a callback. Returns libca's status."""
        return int(self._ca.ca_array_get_callback(dbr, count, self._id, callback, token or None))

    def put(self, dbr: int, count: int, data: bytes) -> int:
        """Write without an answer. Returns libca's status."""
        return int(self._ca.ca_array_put(dbr, count, self._id, data))

    def put_callback(
        self, dbr: int, count: int, data: bytes, callback: EventCallback, token: int
    ) -> int:
        """Write; the callback comes when the server has processed it. Returns libca's status."""
        return int(
            self._ca.ca_array_put_callback(dbr, count, self._id, data, callback, token or None)
        )

    def close(self) -> None:
        """Forget the channel; waits for its running callback."""
        self._ca.ca_clear_channel(self._id)


def scalar_double(live: list[bool], sample: Sample, failed: Callable[[int], None]) -> EventCallback:
    """Callback for TIME + DOUBLE, one element, straight to `sample`: the hot path.

    NaN is handed on with severity INVALID.

    :param live: its first element, set False, silences the callback.
    :param failed: called with libca's status when there is no value.
    """
    unpack, view = _SCALAR_DOUBLE.unpack, (ctypes.c_char * _SCALAR_DOUBLE.size).from_address

    def callback(args: EventArgs) -> None:
        if args.status == 1:
            status, severity, seconds, nanoseconds, value = unpack(view(args.data))
            if live[0]:
                ns = seconds * 1000000000 + nanoseconds
                if ns:
                    ns += EPOCH
                try:
                    if value == value:
                        sample(value, severity, status, ns)
                    else:
                        sample(value, 3, status, ns)
                except Exception:
                    _log.exception("a sample was lost")
        elif live[0]:
            _guarded(failed, args.status)

    return ON_EVENT(callback)


def decoded(
    live: list[bool],
    decode: Callable[[bytes, int], Any],
    sample: Sample,
    failed: Callable[[int], None],
    native: int,
) -> EventCallback:
    """Callback for any TIME type: `decode` makes the value from the data and the count."""
    offset, size, string_at, head = OFFSET[native], SIZE[native], ctypes.string_at, HEAD

    def callback(args: EventArgs) -> None:
        if not live[0]:
            return
        if args.status != NORMAL:
            _guarded(failed, args.status)
            return
        count = args.count
        try:
            data = string_at(args.data, offset + size * count)
            status, severity, seconds, nanoseconds = head.unpack_from(data)
            ns = seconds * 1000000000 + nanoseconds
            sample(decode(data[offset:], count), severity, status, ns and ns + EPOCH)
        except Exception:
            _log.exception("a sample was lost")

    return ON_EVENT(callback)


def raw_event(done: Callable[[int, int, bytes], None], size: int = 0) -> EventCallback:
    """Callback with (libca's status, token, the first `size` bytes of the data)."""

    def callback(args: EventArgs) -> None:
        data = b""
        if size and args.status == NORMAL and args.data:
            data = ctypes.string_at(args.data, size)
        _guarded(done, args.status, args.token or 0, data)

    return ON_EVENT(callback)


def timed_reply(done: Callable[[int, int, int, int, bytes], None]) -> EventCallback:
    """Callback for a get of any TIME type: libca's status, token, native type, count, data."""

    def callback(args: EventArgs) -> None:
        native, data = args.type - TIME, b""
        if args.status == NORMAL and args.data and native in SIZE:
            data = ctypes.string_at(args.data, OFFSET[native] + SIZE[native] * args.count)
        _guarded(done, args.status, args.token or 0, native, args.count, data)

    return ON_EVENT(callback)


def _guarded(function: Callable[..., None], *args: Any) -> None:
    """A Python error in a callback is ours: log it, libca cannot carry it."""
    try:
        function(*args)
    except Exception:
        _log.exception("a Channel Access callback failed")


@cache
def _format() -> Any:
    function = ctypes.CDLL(None).vsnprintf
    function.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_void_p]
    return function


def _print(pattern: bytes, arguments: int | None) -> int:
    """Whatever libca would print goes to the log."""
    buffer = ctypes.create_string_buffer(1024)
    _format()(buffer, len(buffer), pattern, arguments)
    for line in buffer.value.decode("utf-8", "replace").splitlines():
        if line.strip():
            _log.warning("libca: %s", line.strip())
    return len(buffer.value)
