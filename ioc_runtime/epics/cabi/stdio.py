"""What C code prints, as lines for Python.

EPICS and the put log of softioc print with C's stdio. The process's own standard
output carries JSON lines, so C gets an output of its own: a pipe, read by a thread.
File descriptor 1 and `sys.stdout` stay as they are.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from ctypes import c_char_p, c_int, c_size_t, c_void_p
from typing import Final

_BY_LINE: Final = 1
_NAMES: Final = ("stdout", "__stdoutp")


def redirect_stdout(on_line: Callable[[str], None]) -> bool:
    """Give each line that C prints to `on_line`, in a thread of its own.

    Printing never waits: what does not fit into the pipe (64 KiB, while Python cannot
    run) is lost. False where the C library does not let its output be replaced.
    """
    libc = ctypes.CDLL(None)
    for name in _NAMES:
        try:
            place = c_void_p.in_dll(libc, name)
            break
        except ValueError:
            continue
    else:
        return False
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    libc.fdopen.restype, libc.fdopen.argtypes = c_void_p, [c_int, c_char_p]
    libc.setvbuf.argtypes = [c_void_p, c_char_p, c_int, c_size_t]
    libc.fflush.argtypes = [c_void_p]
    libc.fflush(place.value)
    file = libc.fdopen(writing, b"w")
    libc.setvbuf(file, None, _BY_LINE, 4096)
    place.value = file
    threading.Thread(target=_read, args=(reading, on_line), name="C output", daemon=True).start()
    return True


def _read(descriptor: int, on_line: Callable[[str], None]) -> None:
    with open(descriptor, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            on_line(line.rstrip("\n"))
