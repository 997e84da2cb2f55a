"""Values on their way into a put over Channel Access."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from ioc_runtime.engine.values import BadValue, coerce
from ioc_runtime.epics import dbr
from ioc_runtime.plan import Signal

_INTEGERS = {
    dbr.SHORT: (-(2**15), 2**15 - 1),
    dbr.ENUM: (0, 2**16 - 1),
    dbr.CHAR: (-(2**7), 2**8 - 1),
    dbr.LONG: (-(2**31), 2**31 - 1),
}


def payload(
    signal: Signal, value: Any, native: int, room: int, names: Sequence[str]
) -> tuple[int, int, bytes]:
    """Type, count and data of a put to a target of a native type with `room` elements.

    :raises BadValue: when the target has nothing that corresponds to the value.
    """
    if native == dbr.CHAR and room > 1 and signal.type == "string" and signal.length is None:
        data = value.encode() + b"\0"
        if len(data) > room:
            raise BadValue(f"the target holds {room - 1} bytes of text, this is {len(data) - 1}")
        return dbr.CHAR, len(data), data
    values = list(value) if signal.length is not None else [value]
    if len(values) > room:
        raise BadValue(f"the target has {room} elements, this is {len(values)}")
    if not values:
        raise BadValue("Channel Access cannot write an array without elements")
    if signal.type == "string" and native != dbr.STRING:
        if native == dbr.ENUM and any(names):
            return dbr.ENUM, len(values), dbr.pack(dbr.ENUM, [_index(names, v) for v in values])
        native = dbr.STRING
    if native == dbr.STRING:
        return dbr.STRING, len(values), dbr.pack(dbr.STRING, [_text(signal, v) for v in values])
    try:
        items = [_number(signal, v, native, names) for v in values]
        return native, len(values), dbr.pack(native, items)
    except (struct.error, OverflowError):
        raise BadValue("the number is out of the range of the target") from None


def _index(names: Sequence[str], value: str) -> int:
    if value not in names:
        raise BadValue(f"the target knows {', '.join(names)}")
    return names.index(value)


def _text(signal: Signal, value: Any) -> bytes:
    if signal.type in ("enum", "bool") and signal.states:
        value = signal.states[value]
    data = str(value).encode()
    if len(data) > 39:
        raise BadValue(f"the target holds 39 bytes of text, this is {len(data)}")
    return data


def _number(signal: Signal, value: Any, native: int, names: Sequence[str]) -> Any:
    if native == dbr.ENUM and signal.type in ("enum", "bool") and any(names):
        mirrored = Signal(name=signal.name, type=signal.type, states=tuple(names))
        return coerce(mirrored, int(value), signal.states)
    limits = _INTEGERS.get(native)
    if limits is None:
        return float(value)
    if not limits[0] <= value <= limits[1]:  # also refuses NaN
        raise BadValue(f"the target takes {limits[0]} to {limits[1]}")
    return int(value) & 0xFF if native == dbr.CHAR else int(value)
