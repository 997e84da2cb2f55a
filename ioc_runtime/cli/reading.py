"""What a PV said: one value with its alarm and time, for people and for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal

from ioc_runtime.cli.failure import Exit, Failure
from ioc_runtime.cli.terminal import printable
from ioc_runtime.plan import SEVERITIES

Protocol = Literal["ca", "pva"]

EPICS_EPOCH: Final = 631152000.0
"""1990-01-01 in seconds since 1970: what a record that was never processed says."""


@dataclass(frozen=True)
class Address:
    """A PV to talk to."""

    protocol: Protocol
    name: str
    given: str
    """As the user wrote it: how it is shown."""


@dataclass(frozen=True)
class Reading:
    """One value of a PV; `error` says why there is none."""

    address: Address
    value: Any = None
    choices: tuple[str, ...] = ()
    """State names of an enumerated value, by index."""
    severity: str = ""
    status: str = ""
    time: float | None = None
    """Seconds since 1970; None when the server gave no sensible time."""
    units: str = ""
    error: str | None = None

    def text(self, elements: int = 10) -> str:
        """The value for a person; `elements` of an array are shown, 0 shows all."""
        value = self.value
        if isinstance(value, list):
            shown = value if elements == 0 else value[:elements]
            inner = ", ".join(self._one(item) for item in shown)
            left = len(value) - len(shown)
            return f"[{inner}, … {left} more]" if left else f"[{inner}]"
        return self._one(value)

    def _one(self, value: Any) -> str:
        if self.choices and isinstance(value, int):
            name = self.choices[value] if 0 <= value < len(self.choices) else "?"
            return f"{printable(name)} ({value})"
        if isinstance(value, float):
            return f"{value:.7g}"
        if isinstance(value, dict):
            return printable(json.dumps(_jsonable(value)))
        return printable(str(value))

    def as_string(self) -> Reading:
        """An array of bytes as the text it holds; anything else as it is."""
        value = self.value
        if not isinstance(value, list) or not all(
            isinstance(item, int) and -128 <= item <= 255 for item in value
        ):
            return self
        data = bytes(item & 0xFF for item in value).split(b"\0")[0]
        return replace(self, value=data.decode("utf-8", "replace"))

    def when(self) -> str:
        """Local time of the value, or `no time`."""
        if self.time is None:
            return "no time"
        moment = datetime.fromtimestamp(self.time).astimezone()
        return moment.isoformat(sep=" ", timespec="milliseconds")[:23]

    def as_json(self) -> str:
        """One line of JSON, with the exact value and the time in UTC."""
        head = {"name": self.address.given, "protocol": self.address.protocol}
        if self.error is not None:
            return json.dumps(head | {"error": self.error})
        body: dict[str, Any] = {"value": _jsonable(self.value)}
        if self.choices and isinstance(self.value, int):
            inside = 0 <= self.value < len(self.choices)
            body["text"] = self.choices[self.value] if inside else None
        stamp = None if self.time is None else datetime.fromtimestamp(self.time, UTC)
        body |= {
            "severity": self.severity,
            "status": self.status,
            "time": stamp and stamp.isoformat().replace("+00:00", "Z"),
            "units": self.units,
        }
        return json.dumps(head | body, ensure_ascii=False)


def parse_address(text: str, protocol: Protocol) -> Address:
    """`ca://NAME`, `pva://NAME`, or NAME with the protocol that was asked for."""
    scheme, separator, name = text.partition("://")
    if not separator:
        scheme, name = protocol, text
    if scheme not in ("ca", "pva"):
        raise Failure(
            f"{text}: expected ca://NAME, pva://NAME or NAME, got '{scheme}://'", Exit.USAGE
        )
    if not name or any(c.isspace() for c in name):
        raise Failure(f"{text!r} names no PV: expected a name without spaces", Exit.USAGE)
    return Address("ca" if scheme == "ca" else "pva", name, text)


def number(kind: type[float] | type[int], word: str) -> Any:
    """`word` as a number; whole numbers may be written in hexadecimal (0x1f)."""
    try:
        return float(word) if kind is float else int(word, 0)
    except ValueError:
        wanted = "a number" if kind is float else "a whole number"
        raise ValueError(f"expected {wanted}, got {word!r}") from None


def state_index(word: str, choices: Sequence[str]) -> int:
    """Index of the state that `word` names, by name or by number."""
    if word in choices:
        return list(choices).index(word)
    if word.isascii() and word.isdigit() and int(word) < max(len(choices), 1):
        return int(word)
    last = len(choices) - 1
    raise ValueError(f"expected one of {', '.join(choices)} (0 to {last}), got {word!r}")


def severity_name(number: int) -> str:
    """The name EPICS gives an alarm severity."""
    return SEVERITIES[number] if 0 <= number < len(SEVERITIES) else str(number)


def sensible_time(seconds: float) -> float | None:
    """None for the zero of either epoch, which means that nobody set the time."""
    return seconds if seconds > EPICS_EPOCH + 1 else None


def _jsonable(value: Any) -> Any:
    """JSON has no NaN or Infinity: they become text."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    if isinstance(value, dict):
        return {key: _jsonable(item) for key, item in value.items()}
    return value
