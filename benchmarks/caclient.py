"""The cheapest Channel Access client that Python can be: libca and one C callback.

What a client costs is part of every latency a client sees, for every device
alike. The less it is, the less it hides the difference between two devices.
Time is taken first thing in the callback, before the value is looked at.
"""

from __future__ import annotations

import ctypes
import struct
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what setuptools says about its own parts
    import epicscorelibs.path

TIME_DOUBLE = 20
DOUBLE = 6
STRING = 0
VALUE_ALARM = 1 | 4

Handler = Callable[[float, int, int, int, int], None]
"""value, perf_counter_ns at arrival, severity, status, EPICS time in ns since 1970"""

_EPOCH = 631152000
_SAMPLE = struct.Struct("<hhIIid")


class _Event(ctypes.Structure):
    _fields_ = [
        ("user", ctypes.c_void_p),
        ("channel", ctypes.c_void_p),
        ("type", ctypes.c_long),
        ("count", ctypes.c_long),
        ("dbr", ctypes.c_void_p),
        ("status", ctypes.c_int),
    ]


class _Exception(ctypes.Structure):
    """Passed by value: what libca says of a lost circuit. We see that ourselves."""

    _fields_ = [
        ("user", ctypes.c_void_p),
        ("channel", ctypes.c_void_p),
        ("type", ctypes.c_long),
        ("count", ctypes.c_long),
        ("address", ctypes.c_void_p),
        ("status", ctypes.c_long),
        ("op", ctypes.c_long),
        ("context", ctypes.c_char_p),
        ("file", ctypes.c_char_p),
        ("line", ctypes.c_uint),
    ]


class _Connection(ctypes.Structure):
    _fields_ = [("channel", ctypes.c_void_p), ("op", ctypes.c_long)]


_OnEvent = ctypes.CFUNCTYPE(None, _Event)
_OnConnection = ctypes.CFUNCTYPE(None, _Connection)
_lib: Any = None
_kept: list[Any] = []


def _library() -> Any:
    """libca with its own threads; the environment is read at the first use."""
    global _lib
    if _lib is None:
        _lib = ctypes.CDLL(epicscorelibs.path.get_lib("ca"))
        pointer, number, unsigned = ctypes.c_void_p, ctypes.c_int, ctypes.c_ulong
        _lib.ca_create_channel.argtypes = [
            ctypes.c_char_p, _OnConnection, pointer, ctypes.c_uint, ctypes.POINTER(pointer),
        ]  # fmt: skip
        _lib.ca_array_put.argtypes = [number, unsigned, pointer, pointer]
        _lib.ca_create_subscription.argtypes = [
            number, unsigned, pointer, ctypes.c_long, _OnEvent, pointer, pointer,
        ]  # fmt: skip
        _lib.ca_array_put_callback.argtypes = [
            number, unsigned, pointer, pointer, _OnEvent, pointer,
        ]  # fmt: skip
        _lib.ca_array_get_callback.argtypes = [number, unsigned, pointer, _OnEvent, pointer]
        if _lib.ca_context_create(1) != 1:
            raise RuntimeError("libca gave no context")
        quiet = ctypes.CFUNCTYPE(None, _Exception)(lambda _: None)
        _kept.append(quiet)
        _lib.ca_add_exception_event(quiet, None)
    return _lib


class Channel:
    """One channel, connected when the constructor returns.

    :raises TimeoutError: when nobody answers.
    """

    def __init__(self, name: str, timeout: float = 10.0) -> None:
        self.name = name
        self.connected = threading.Event()
        self._lib = _library()
        self._id = ctypes.c_void_p()
        self._value = ctypes.c_double()
        self._pointer = ctypes.byref(self._value)
        on_change = _OnConnection(self._on_connection)
        _kept.append(on_change)
        self._lib.ca_create_channel(name.encode(), on_change, None, 50, ctypes.byref(self._id))
        self._lib.ca_flush_io()
        if not self.connected.wait(timeout):
            raise TimeoutError(f"{name} did not connect over CA within {timeout:g} s")

    def _on_connection(self, change: Any) -> None:
        self.connected.set() if change.op == 6 else self.connected.clear()

    def put(self, value: float) -> None:
        """Put without waiting for an answer."""
        self._value.value = value
        self._lib.ca_array_put(DOUBLE, 1, self._id, self._pointer)
        self._lib.ca_flush_io()

    def put_and_wait(self, value: float, timeout: float = 5.0) -> int:
        """Put with a callback; perf_counter_ns at the arrival of the answer.

        :raises TimeoutError: when no answer comes.
        """
        arrived: list[int] = []
        done = threading.Event()

        def answered(_: Any) -> None:
            arrived.append(time.perf_counter_ns())
            done.set()

        callback = _OnEvent(answered)
        self._value.value = value
        self._lib.ca_array_put_callback(DOUBLE, 1, self._id, self._pointer, callback, None)
        self._lib.ca_flush_io()
        if not done.wait(timeout):
            _kept.append(callback)  # the answer may still come
            raise TimeoutError(f"{self.name} did not answer a put within {timeout:g} s")
        return arrived[0]

    def put_text(self, value: str) -> None:
        """Put a string (a state's name, a field's text)."""
        text = ctypes.create_string_buffer(value.encode(), 40)
        self._lib.ca_array_put(STRING, 1, self._id, ctypes.byref(text))
        self._lib.ca_flush_io()

    def monitor(self, handler: Handler) -> None:
        """Call `handler` for each event, in a thread of libca."""
        clock, at, unpack = time.perf_counter_ns, ctypes.string_at, _SAMPLE.unpack

        def arrived(event: Any) -> None:
            now = clock()
            if event.status == 1:
                status, severity, seconds, ns, _, value = unpack(at(event.dbr, 24))
                handler(value, now, severity, status, (seconds + _EPOCH) * 1_000_000_000 + ns)

        callback = _OnEvent(arrived)
        _kept.append(callback)
        self._lib.ca_create_subscription(
            TIME_DOUBLE, 1, self._id, VALUE_ALARM, callback, None, None
        )
        self._lib.ca_flush_io()

    def get(self, timeout: float = 5.0) -> float:
        """The value now, as a double.

        :raises TimeoutError: when no answer comes.
        """
        answer: list[float] = []
        done = threading.Event()

        def arrived(event: Any) -> None:
            if event.status == 1:
                answer.append(_SAMPLE.unpack(ctypes.string_at(event.dbr, 24))[5])
            done.set()

        callback = _OnEvent(arrived)
        _kept.append(callback)
        self._lib.ca_array_get_callback(TIME_DOUBLE, 1, self._id, callback, None)
        self._lib.ca_flush_io()
        if not done.wait(timeout) or not answer:
            raise TimeoutError(f"{self.name} did not answer a CA get within {timeout:g} s")
        return answer[0]
