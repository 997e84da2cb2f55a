"""Values of PV Access structures: out of an update, into a put."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ioc_runtime.engine.values import BadValue, coerce
from ioc_runtime.epics.feed import COMM, INVALID, LINK, READ, SOFT, STATUS_BY_NAME, UDF, fit
from ioc_runtime.plan import Signal

Sample = Callable[[Any, int, int, int], None]

NO_FIELD = ""
_FLOATS = "df"
_INTEGERS = {
    "b": (-(2**7), 2**7 - 1),
    "B": (0, 2**8 - 1),
    "h": (-(2**15), 2**15 - 1),
    "H": (0, 2**16 - 1),
    "i": (-(2**31), 2**31 - 1),
    "I": (0, 2**32 - 1),
    "l": (-(2**63), 2**63 - 1),
    "L": (0, 2**64 - 1),
}
CHARACTERS = ("ab", "aB")
_EPOCH_OF_EPICS = 631_152_000
"""What a record that was never processed has as its time: 1990."""

# Alarm statuses of PV Access (device, driver, record, database, configuration,
# undefined, client) where the message does not name one of EPICS' own.
_STATUS = {1: READ, 2: COMM, 3: SOFT, 4: SOFT, 5: SOFT, 6: UDF, 7: LINK}


def kind_of(value: Any) -> str:
    """What the field `value` is: p4p's code of a scalar or array, "enum", or NO_FIELD."""
    for name, spec in value.type().aspy()[2]:
        if name == "value":
            if isinstance(spec, str):
                return NO_FIELD if "v" in spec else spec
            members = {member for member, _ in spec[2] or ()} if spec[0] == "S" else set()
            return "enum" if {"index", "choices"} <= members else NO_FIELD
    return NO_FIELD


def extractor(signal: Signal, first: Any, sample: Sample) -> Callable[[Any], None]:
    """A function that takes an update like `first` apart and hands it to `sample`."""
    kind = kind_of(first)
    has_alarm, has_time = "alarm.severity" in first, "timeStamp.secondsPastEpoch" in first
    alarm = _alarm if has_alarm else _no_alarm
    stamp = _time if has_time else _no_time
    if len(kind) == 1 and kind in "dfbBhHiIlL" and signal.type == "float" and has_alarm:
        if has_time and signal.length is None:
            return _float(sample)

    if kind == NO_FIELD:

        def unfit(update: Any) -> None:
            sample(None, INVALID, READ, stamp(update))

        return unfit

    characters = kind in CHARACTERS and signal.type == "string"

    def take(update: Any) -> None:
        severity, status = alarm(update)
        names: Sequence[str] = ()
        if kind == "enum":
            raw, names = update["value.index"], update["value.choices"]
        else:
            raw = update["value"]
            if characters:
                raw = raw.tobytes().split(b"\0", 1)[0].decode("utf-8", "replace")
            elif kind[0] == "a":
                raw = raw.tolist() if hasattr(raw, "tolist") else list(raw)
        value, severity = fit(signal, raw, names, severity)
        sample(value, severity, status, stamp(update))

    return take


def _float(sample: Sample) -> Callable[[Any], None]:
    """The hot path: a number for a float, in four look-ups."""

    def take(update: Any) -> None:
        value = float(update["value"])
        severity, status = 0, 0
        if update["alarm.severity"]:
            severity, status = _alarm(update)
        seconds, ns = update["timeStamp.secondsPastEpoch"], update["timeStamp.nanoseconds"]
        ns += seconds * 1000000000
        if seconds <= _EPOCH_OF_EPICS:
            ns = 0
        sample(value, severity if value == value else INVALID, status, ns)

    return take


def _alarm(update: Any) -> tuple[int, int]:
    severity = update["alarm.severity"]
    if not severity:
        return 0, 0
    status = STATUS_BY_NAME.get(update["alarm.message"])
    if status is None:
        status = _STATUS.get(update["alarm.status"], SOFT)
    return min(max(severity, 0), INVALID) if severity > 0 else INVALID, status


def _no_alarm(_: Any) -> tuple[int, int]:
    return 0, 0


def _time(update: Any) -> int:
    seconds = int(update["timeStamp.secondsPastEpoch"])
    if seconds <= _EPOCH_OF_EPICS:
        return 0
    return seconds * 1_000_000_000 + int(update["timeStamp.nanoseconds"])


def _no_time(_: Any) -> int:
    return 0


def fill(target: Any, signal: Signal, value: Any, choices: Sequence[str]) -> None:
    """Set the value of a put.

    :raises BadValue: when the target has nothing that corresponds to the value.
    """
    kind = kind_of(target)
    if kind == NO_FIELD:
        raise BadValue("the target is a structure that holds no value of this kind")
    if kind == "enum":
        target["value.index"] = _choice(signal, value, choices)
        return
    if kind in CHARACTERS and isinstance(value, str):
        value = [c - 256 if kind == "ab" and c > 127 else c for c in value.encode() + b"\0"]
        target["value"] = value
        return
    code = kind[-1]
    values = list(value) if isinstance(value, list | tuple) else [value]
    if kind[0] == "a":
        target["value"] = [_item(signal, item, code) for item in values]
    elif len(values) == 1:
        target["value"] = _item(signal, values[0], code)
    else:
        raise BadValue(f"the target holds one value, this is {len(values)}")


def _choice(signal: Signal, value: Any, choices: Sequence[str]) -> int:
    if isinstance(value, list | tuple):
        raise BadValue("the target holds one state, this is an array")
    if isinstance(value, str):
        if value in choices:
            return choices.index(value)
        raise BadValue(f"the target knows {', '.join(choices)}")
    if signal.type in ("enum", "bool") and any(choices):
        mirrored = Signal(name=signal.name, type=signal.type, states=tuple(choices))
        return int(coerce(mirrored, int(value), signal.states))
    if not 0 <= value <= max(15, len(choices) - 1):  # also refuses NaN
        raise BadValue(f"the target has the states 0 to {max(15, len(choices) - 1)}")
    return int(value)


def _item(signal: Signal, value: Any, code: str) -> Any:
    if code == "s":
        if signal.type in ("enum", "bool") and signal.states:
            return signal.states[value]
        return str(value)
    if isinstance(value, str):
        value = coerce(Signal(name=signal.name, type="float"), value)
    if code == "?":
        if value not in (0, 1):
            raise BadValue("the target takes true or false")
        return bool(value)
    if code in _FLOATS:
        return float(value)
    low, high = _INTEGERS[code]
    if not low <= value <= high:  # also refuses NaN
        raise BadValue(f"the target takes {low} to {high}")
    return int(value)
