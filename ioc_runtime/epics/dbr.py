"""Layout of Channel Access values (DBR types): out of a reply, into a put."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from struct import Struct
from typing import Any, Final

STRING, SHORT, FLOAT, ENUM, CHAR, LONG, DOUBLE = range(7)
"""Native types of a channel; as DBR types they carry the value alone."""
TIME: Final = 14
"""Added to a native type: value with status, severity and time."""
GR_ENUM: Final = 24
"""The state names of an enumerated channel."""

HEAD: Final = Struct("=hhII")
"""Status, severity, seconds since 1990 and nanoseconds: how every TIME type begins."""
OFFSET: Final = {STRING: 12, SHORT: 14, FLOAT: 12, ENUM: 14, CHAR: 15, LONG: 12, DOUBLE: 16}
"""Where the value begins in a TIME type."""
SIZE: Final = {STRING: 40, SHORT: 2, FLOAT: 4, ENUM: 2, CHAR: 1, LONG: 4, DOUBLE: 8}
_FORMAT = {SHORT: "h", FLOAT: "f", ENUM: "H", CHAR: "B", LONG: "i", DOUBLE: "d"}

_STATES, _STATE_SIZE = 16, 26
STATE_NAMES_SIZE: Final = 6 + _STATES * _STATE_SIZE
"""Bytes of a GR_ENUM reply that hold the names."""


def numbers(native: int) -> Callable[[bytes, int], list[Any]]:
    """Decoder of an array of a numeric native type."""
    code = _FORMAT[native]
    return lambda data, count: list(Struct(f"={count}{code}").unpack_from(data))


def strings(data: bytes, count: int) -> list[str]:
    """Decoder of an array of strings."""
    size = SIZE[STRING]
    return [text(data[start : start + size], size) for start in range(0, count * size, size)]


def text(data: bytes, count: int) -> str:
    """Decoder of characters up to the first NUL."""
    return data[:count].split(b"\0", 1)[0].decode("utf-8", "replace")


def state_names(data: bytes) -> list[str]:
    """Names in a GR_ENUM reply."""
    count = min(int.from_bytes(data[4:6], sys.byteorder), _STATES)
    starts = range(6, 6 + _STATE_SIZE * count, _STATE_SIZE)
    return [text(data[start : start + _STATE_SIZE], _STATE_SIZE) for start in starts]


def pack(native: int, values: Sequence[Any]) -> bytes:
    """Values as a server of that native type takes them; strings are bytes.

    :raises struct.error, OverflowError: for a number out of the type's range.
    """
    if native == STRING:
        return b"".join(value.ljust(SIZE[STRING], b"\0") for value in values)
    return Struct(f"={len(values)}{_FORMAT[native]}").pack(*values)
