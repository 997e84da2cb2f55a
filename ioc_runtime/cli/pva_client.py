"""PV Access for the command line: get, put and monitor by name."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from ioc_runtime.cli import libraries
from ioc_runtime.cli.reading import (
    Address,
    Reading,
    number,
    sensible_time,
    severity_name,
    state_index,
)

libraries.prepare()
from p4p.client.thread import Context, Disconnected, RemoteError  # noqa: E402
from p4p.wrapper import Value  # noqa: E402

STATUSES = ("", "DEVICE", "DRIVER", "RECORD", "DB", "CONF", "UNDEFINED", "CLIENT")
"""Alarm status of a normative type, by number."""


class PvaClient:
    """Talks PV Access; may be used from any thread."""

    def __init__(self) -> None:
        self._context = Context("pva", nt=False)
        self._subscriptions: list[Any] = []

    def close(self) -> bool:
        """Drop all connections; True: it cannot be used again."""
        self._context.close()
        return True

    def get(self, addresses: Sequence[Address], timeout: float) -> list[Reading]:
        """Read all of them at once; what has not answered in time carries an error."""
        names = [address.name for address in addresses]
        answers = self._context.get(names, timeout=timeout, throw=False)
        return [
            Reading(address, error=_why(answer, timeout))
            if isinstance(answer, BaseException)
            else read(address, answer)
            for address, answer in zip(addresses, answers, strict=True)
        ]

    def put(self, address: Address, words: Sequence[str], timeout: float) -> str | None:
        """Write and wait until the record has processed; None, or why it failed."""
        answer = self._context.get(address.name, timeout=timeout, throw=False)
        if isinstance(answer, BaseException):
            return _why(answer, timeout)
        try:
            field = _field(answer, words)
        except ValueError as error:
            return str(error)
        done = self._context.put(
            address.name, {"value": field}, timeout=timeout, throw=False, wait=True, get=False
        )
        return _why(done, timeout) if isinstance(done, BaseException) else None

    def monitor(self, addresses: Sequence[Address], tell: Callable[[Reading], None]) -> None:
        """Follow PVs: `tell` is called from other threads, with an error when one is lost."""
        for address in addresses:
            follower = _Follower(address, tell)
            self._subscriptions.append(
                self._context.monitor(
                    address.name,
                    follower,
                    request="record[queueSize=100]",
                    notify_disconnect=True,
                )
            )

    def tend(self) -> None:
        """Nothing to do: pvxs connects by itself."""


class _Follower:
    """Keeps the whole structure of one PV: an update brings only what has changed."""

    def __init__(self, address: Address, tell: Callable[[Reading], None]) -> None:
        self._address = address
        self._tell = tell
        self._seen = False
        self._lock = threading.Lock()

    def __call__(self, update: Any) -> None:
        with self._lock:
            if isinstance(update, Disconnected):
                if self._seen:  # not yet connected is no news
                    self._tell(Reading(self._address, error="disconnected"))
            elif isinstance(update, BaseException):
                self._tell(Reading(self._address, error=str(update)))
            else:
                self._seen = True
                self._tell(read(self._address, update))


def read(address: Address, value: Value) -> Reading:
    """A normative type, or any other structure as it is."""
    raw = value.get("value") if "value" in value else None
    choices: tuple[str, ...] = ()
    if isinstance(raw, Value) and "index" in raw and "choices" in raw:
        choices, raw = tuple(raw["choices"]), int(raw["index"])
    elif raw is None or isinstance(raw, Value) or value.getID().startswith("epics:nt/NTTable"):
        raw = _plain(value if raw is None else raw)
    else:
        raw = _plain(raw)
    alarm = value.get("alarm") if "alarm" in value else None
    stamp = value.get("timeStamp") if "timeStamp" in value else None
    display = value.get("display") if "display" in value else None
    severity = int(alarm["severity"]) if alarm is not None else 0
    return Reading(
        address,
        raw,
        choices,
        severity_name(severity),
        _status(alarm, severity),
        None
        if stamp is None
        else sensible_time(int(stamp["secondsPastEpoch"]) + int(stamp["nanoseconds"]) * 1e-9),
        str(display["units"]) if display is not None and "units" in display else "",
    )


def _status(alarm: Any, severity: int) -> str:
    if alarm is None or severity == 0:
        return "NO_ALARM"
    if alarm.get("message"):
        return str(alarm["message"])
    number_ = int(alarm.get("status", 0))
    return STATUSES[number_] if 0 <= number_ < len(STATUSES) else str(number_)


def _plain(value: Any) -> Any:
    if isinstance(value, Value):
        return {key: _plain(value[key]) for key in value}
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _field(answer: Value, words: Sequence[str]) -> Any:
    """What to put into `value`, by the type that the server has there."""
    if "value" not in answer:
        raise ValueError(f"expected a PV with a value, this is a {answer.getID() or 'structure'}")
    kind = answer.type()["value"]
    raw = answer["value"]
    if isinstance(raw, Value):
        if "index" not in raw or "choices" not in raw:
            raise ValueError("expected a number, a text or a state; this value is a structure")
        if len(words) != 1:
            raise ValueError(f"expected one state, got {len(words)} values")
        return {"index": state_index(words[0], raw["choices"])}
    if not isinstance(kind, str):
        raise ValueError("expected a number, a text or a state; this value is a structure")
    array, code = kind.startswith("a"), kind[-1]
    values = [_one(code, word) for word in words]
    if array:
        return values
    if len(values) != 1:
        raise ValueError(f"expected one value, got {len(values)}")
    return values[0]


def _one(code: str, word: str) -> Any:
    if code == "s":
        return word
    if code == "?":
        if word.lower() not in ("0", "1", "true", "false"):
            raise ValueError(f"expected 0, 1, true or false, got {word!r}")
        return word.lower() in ("1", "true")
    if code in "fd":
        return number(float, word)
    bits = {"b": 8, "h": 16, "i": 32, "l": 64}.get(code.lower(), 64)
    low = 0 if code.isupper() else -(2 ** (bits - 1))
    value = int(number(int, word))
    if not low <= value < low + 2**bits:
        raise ValueError(f"expected a whole number from {low} to {low + 2**bits - 1}, got {value}")
    return value


def _why(error: BaseException, timeout: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer over PV Access within {timeout:g} s"
    if isinstance(error, RemoteError):
        return f"the server refused: {error}"
    return str(error) or type(error).__name__
