"""Values of PV Access structures as a plugin gets and gives them, images included."""

from __future__ import annotations

from typing import Any, Final

from ioc_runtime.engine.values import BadValue
from ioc_runtime.epics.feed import INVALID
from ioc_runtime.epics.pva_values import CHARACTERS, NO_FIELD, fill, kind_of
from ioc_runtime.epics.remote import Found, beyond
from ioc_runtime.epics.written import signal_of

NDARRAY: Final = "epics:nt/NTNDArray"
_EPOCH_OF_EPICS = 631_152_000


def decode(value: Any, *, text: bool = False) -> Found:
    """What the answer to a get holds; `text`: characters are a text."""
    severity, ns = _severity(value), _time(value)
    if value.getID().startswith(NDARRAY):
        return _image(value, severity, ns)
    kind = kind_of(value)
    if kind == NO_FIELD:
        what = value.getID() or "a structure without a type"
        error = f"expected a number, a text, an array, an enum or an image, got {what}"
        return Found(None, INVALID, ns, (), error)
    if kind == "enum":
        return _enum(value["value.index"], tuple(value["value.choices"]), severity, ns)
    found = value["value"]
    if text and kind in CHARACTERS:
        found = found.tobytes().split(b"\0", 1)[0].decode("utf-8", "replace")
    elif kind[0] == "a":
        found = found.tolist() if hasattr(found, "tolist") else list(found)
    return Found(found, severity, ns)


def _enum(index: int, names: tuple[str, ...], severity: int, ns: int) -> Found:
    if names and not 0 <= index < len(names):
        return Found(None, severity, ns, names, beyond(index, names))
    return Found(int(index), severity, ns, names)


def _image(value: Any, severity: int, ns: int) -> Found:
    pixels = value["value"]
    codec = value["codec.name"] if "codec.name" in value else ""
    shape = [part["size"] for part in value["dimension"]][::-1] if "dimension" in value else []
    if codec:
        return Found(
            None, severity, ns, (), f"the image is compressed ({codec}): expected a plain one"
        )
    if pixels is None:
        return Found(None, severity, ns, (), "the image is empty")
    if shape:
        try:
            pixels = pixels.reshape(shape)
        except ValueError:
            size = " x ".join(map(str, shape))
            return Found(None, severity, ns, (), f"expected {size} pixels, got {pixels.size}")
    return Found(pixels.copy(), severity, ns)


def _severity(value: Any) -> int:
    if "alarm.severity" not in value:
        return 0
    severity = int(value["alarm.severity"])
    return severity if 0 <= severity <= INVALID else INVALID


def _time(value: Any) -> int:
    if "timeStamp.secondsPastEpoch" not in value:
        return 0
    seconds = int(value["timeStamp.secondsPastEpoch"])
    if seconds <= _EPOCH_OF_EPICS:
        return 0
    return seconds * 1_000_000_000 + int(value["timeStamp.nanoseconds"])


def fill_any(target: Any, value: Any) -> None:
    """Set the value of a put.

    :raises BadValue: when the target has nothing that corresponds to the value.
    """
    if target.getID().startswith(NDARRAY):
        _fill_image(target, value)
        return
    choices = list(target["value.choices"]) if kind_of(target) == "enum" else []
    if hasattr(value, "ndim"):
        value = value.tolist()
    fill(target, signal_of(value), value, choices)


def _fill_image(target: Any, value: Any) -> None:
    from p4p.nt import NTNDArray

    try:
        image = NTNDArray().wrap(value)
        pixels = image["value"]
    except (KeyError, TypeError, ValueError) as error:
        raise BadValue(f"expected an array of numbers as the image: {error}") from None
    # A union that is given an array alone takes its first member, which is boolean.
    target["value"] = (_MEMBERS[pixels.dtype.char], pixels)
    for field in ("dimension", "attribute", "compressedSize", "uncompressedSize"):
        if field in target:
            target[field] = image[field]


_MEMBERS: Final = {
    "?": "booleanValue",
    **{"b": "byteValue", "h": "shortValue", "i": "intValue", "l": "longValue"},
    **{"B": "ubyteValue", "H": "ushortValue", "I": "uintValue", "L": "ulongValue"},
    **{"f": "floatValue", "d": "doubleValue"},
}
"""Member of an image's union for numpy's type codes; others `wrap` refuses."""
