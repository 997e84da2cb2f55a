"""libca itself: which one is loaded, and the C types of what is called and calls back.

It is the libca of epicscorelibs, under its own symbols (RTLD_DEEPBIND): in a process
that serves records the other copy answers for local names without the network, and
past access security. pyepics is not imported; it costs 4.6 MiB and adds nothing here.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import socket
import threading
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final


class ConnectionArgs(ctypes.Structure):
    """What a connection callback is given: the channel, and whether it is up (`op`)."""

    _fields_ = (("channel", ctypes.c_void_p), ("op", ctypes.c_long))


class AccessArgs(ctypes.Structure):
    """What a callback of access rights is given: bit 0 read, bit 1 write."""

    _fields_ = (("channel", ctypes.c_void_p), ("rights", ctypes.c_uint))


class EventArgs(ctypes.Structure):
    """What the callback of a monitor, a get or a put is given."""

    _fields_ = (
        ("token", ctypes.c_void_p),
        ("channel", ctypes.c_void_p),
        ("type", ctypes.c_long),
        ("count", ctypes.c_long),
        ("data", ctypes.c_void_p),
        ("status", ctypes.c_int),
    )


class ExceptionArgs(ctypes.Structure):
    """What is given for an error that no other callback tells."""

    _fields_ = (
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
    )


ON_CONNECTION = ctypes.CFUNCTYPE(None, ConnectionArgs)
ON_ACCESS = ctypes.CFUNCTYPE(None, AccessArgs)
ON_EVENT = ctypes.CFUNCTYPE(None, EventArgs)
ON_EXCEPTION = ctypes.CFUNCTYPE(None, ExceptionArgs)
ON_PRINT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)

_PROTOTYPES: Final[dict[str, tuple[Any, Sequence[Any]]]] = {
    "ca_context_create": (ctypes.c_int, [ctypes.c_int]),
    "ca_context_destroy": (None, []),
    "ca_flush_io": (ctypes.c_int, []),
    "ca_message": (ctypes.c_char_p, [ctypes.c_long]),
    "ca_name": (ctypes.c_char_p, [ctypes.c_void_p]),
    "ca_host_name": (ctypes.c_char_p, [ctypes.c_void_p]),
    "ca_field_type": (ctypes.c_short, [ctypes.c_void_p]),
    "ca_element_count": (ctypes.c_ulong, [ctypes.c_void_p]),
    "ca_read_access": (ctypes.c_uint, [ctypes.c_void_p]),
    "ca_write_access": (ctypes.c_uint, [ctypes.c_void_p]),
    "ca_create_channel": (
        ctypes.c_int,
        [ctypes.c_char_p, ON_CONNECTION, ctypes.c_void_p, ctypes.c_uint, ctypes.c_void_p],
    ),
    "ca_replace_access_rights_event": (ctypes.c_int, [ctypes.c_void_p, ON_ACCESS]),
    "ca_clear_channel": (ctypes.c_int, [ctypes.c_void_p]),
    "ca_create_subscription": (
        ctypes.c_int,
        [ctypes.c_long, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_long, ON_EVENT]
        + [ctypes.c_void_p, ctypes.c_void_p],
    ),
    "ca_clear_subscription": (ctypes.c_int, [ctypes.c_void_p]),
    "ca_array_get_callback": (
        ctypes.c_int,
        [ctypes.c_long, ctypes.c_ulong, ctypes.c_void_p, ON_EVENT, ctypes.c_void_p],
    ),
    "ca_array_put": (
        ctypes.c_int,
        [ctypes.c_long, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_void_p],
    ),
    "ca_array_put_callback": (
        ctypes.c_int,
        [ctypes.c_long, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_void_p, ON_EVENT]
        + [ctypes.c_void_p],
    ),
    "caRepeaterThread": (None, [ctypes.c_void_p]),
    "ca_add_exception_event": (ctypes.c_int, [ON_EXCEPTION, ctypes.c_void_p]),
    "ca_replace_printf_handler": (ctypes.c_int, [ON_PRINT]),
}


@cache
def library() -> Any:
    """The one libca of this process.

    :raises ImportError: there is none.
    """
    spec = importlib.util.find_spec("epicscorelibs")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("epicscorelibs is not installed; ca:// links need its libca")
    directory = Path(spec.submodule_search_locations[0]) / "lib"
    deep = getattr(os, "RTLD_DEEPBIND", 0)
    found = [path for name in ("libca.so", "libca.dylib") if (path := directory / name).exists()]
    if not found:
        raise ImportError(f"no libca in {directory}")
    libca = ctypes.CDLL(str(found[0]), mode=deep | os.RTLD_NOW | os.RTLD_LOCAL)
    for name, (result, arguments) in _PROTOTYPES.items():
        function = getattr(libca, name)
        function.restype, function.argtypes = result, arguments
    libca.epicsAtThreadExit.restype = ctypes.c_int
    libca.epicsAtThreadExit.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    return libca


def have_repeater(libca: Any) -> None:
    """Serve beacons from a thread where nobody on this host does.

    libca would fork this process to start a `caRepeater` that is not installed, which
    leaves a zombie; and without beacons a server that returns is found much later.
    """
    if _repeater_runs():
        return
    repeater = threading.Thread(
        target=libca.caRepeaterThread, args=(None,), name="CA repeater", daemon=True
    )
    repeater.start()
    deadline = time.monotonic() + 0.2
    while not _repeater_runs() and repeater.is_alive() and time.monotonic() < deadline:
        time.sleep(0.001)


def _repeater_runs() -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("", int(os.environ.get("EPICS_CA_REPEATER_PORT") or 5065)))
        except (OSError, ValueError):
            return True
    return False
