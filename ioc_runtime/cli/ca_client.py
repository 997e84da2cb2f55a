"""Channel Access for the command line: get, put and monitor by name."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

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
from epics import ca, dbr  # noqa: E402  after the libraries are prepared

STATUSES: Final = (
    *("NO_ALARM", "READ", "WRITE", "HIHI", "HIGH", "LOLO", "LOW", "STATE", "COS", "COMM"),
    *("TIMEOUT", "HWLIMIT", "CALC", "SCAN", "LINK", "SOFT", "BAD_SUB", "UDF", "DISABLE"),
    *("SIMM", "READ_ACCESS", "WRITE_ACCESS"),
)
"""Names of the alarm statuses (menuAlarmStat), by number."""

PLAIN_STRING: Final = 39
"""Bytes that fit a DBR_STRING; a value this long may have been cut."""


class CaClient:
    """Talks Channel Access from one thread."""

    def __init__(self) -> None:
        ca.initialize_libca()
        ca.use_initial_context()
        self._keep: list[Any] = []

    def close(self) -> bool:
        """Nothing to drop: libca has one set of channels for the whole process."""
        return False

    def get(self, addresses: Sequence[Address], timeout: float) -> list[Reading]:
        """Read all of them at once; what has not answered in time carries an error."""
        deadline = time.monotonic() + timeout
        chids = [ca.create_channel(address.name) for address in addresses]
        self._connect(chids, deadline)
        up = [chid for chid in chids if ca.isConnected(chid)]
        for chid in up:
            _ask(chid, use_time=True)
            if _has_metadata(chid):
                _ask(chid, use_ctrl=True)
        ca.flush_io()
        readings = []
        for address, chid in zip(addresses, chids, strict=True):
            reading = self._complete(address, chid, deadline, timeout)
            readings.append(self._whole_string(reading, deadline))
        return readings

    def put(self, address: Address, words: Sequence[str], timeout: float) -> str | None:
        """Write and wait until the record has processed; None, or why it failed."""
        deadline = time.monotonic() + timeout
        before = self.get([address], timeout)[0]
        if before.error is not None:
            return before.error
        chid = ca.create_channel(address.name)
        if not ca.write_access(chid):
            return "the server does not let you write it"
        kind = ca.field_type(chid)
        if kind == dbr.STRING and len(words[0].encode()) > PLAIN_STRING:
            long = _long_name(address.name)
            chid = ca.create_channel(long)
            self._connect([chid], deadline)
            if not ca.isConnected(chid) or ca.field_type(chid) != dbr.CHAR:
                return f"the text is longer than {PLAIN_STRING} bytes, which is all it takes"
            kind = dbr.CHAR
        try:
            values = _values(kind, words, before, ca.element_count(chid))
        except ValueError as error:
            return str(error)
        return self._put_and_wait(chid, kind, values, deadline)

    def monitor(self, addresses: Sequence[Address], tell: Callable[[Reading], None]) -> None:
        """Follow PVs: `tell` is called from libca's threads, with an error when one is lost.

        Call `tend` often from the thread that made the client.
        """
        self._followed = {address: ca.create_channel(address.name) for address in addresses}
        self._tell = tell
        self._subscribed: dict[Address, Reading] = {}
        self._up: dict[Address, bool] = {}

    def tend(self) -> None:
        """Subscribe to what has connected since the last call, and report what was lost."""
        ca.poll()
        for address, chid in self._followed.items():
            up = bool(ca.isConnected(chid))
            was = self._up.get(address)
            self._up[address] = up
            if up and address not in self._subscribed:
                self._subscribe(address, chid)
            elif was and not up:
                self._tell(Reading(address, error="disconnected"))

    def _subscribe(self, address: Address, chid: Any) -> None:
        head = Reading(address)
        if _has_metadata(chid):
            _ask(chid, use_ctrl=True)
            head = _with_metadata(head, _answer(chid, time.monotonic() + 1.0, use_ctrl=True))
        elif ca.field_type(chid) == dbr.STRING:
            chid = self._long_channel(address.name, time.monotonic() + 0.3) or chid
        self._subscribed[address] = head
        array = _is_array(chid, address.name)

        def changed(**event: Any) -> None:
            self._tell(_reading(head, event, array))

        self._keep.append(ca.create_subscription(chid, use_time=True, callback=changed))

    def _connect(self, chids: Sequence[Any], deadline: float) -> None:
        ca.flush_io()
        while time.monotonic() < deadline:
            if all(ca.isConnected(chid) for chid in chids):
                return
            ca.poll(1e-3)

    def _complete(self, address: Address, chid: Any, deadline: float, timeout: float) -> Reading:
        late = Reading(address, error=f"no answer over Channel Access within {timeout:g} s")
        if not ca.isConnected(chid):
            return late
        if not ca.read_access(chid):
            return Reading(address, error="the server does not let you read it")
        head = Reading(address)
        if _has_metadata(chid):
            head = _with_metadata(head, _answer(chid, deadline, use_ctrl=True))
        answer = _answer(chid, deadline, use_time=True)
        if answer is None:
            return late
        return _reading(head, answer, _is_array(chid, address.name))

    def _whole_string(self, reading: Reading, deadline: float) -> Reading:
        """A string that may have been cut, read again as a long string."""
        value = reading.value
        if not isinstance(value, str) or len(value.encode()) < PLAIN_STRING:
            return reading
        if reading.address.name.endswith("$"):
            return reading
        chid = self._long_channel(reading.address.name, min(deadline, time.monotonic() + 0.5))
        if chid is None:
            return reading
        _ask(chid, use_time=True)
        answer = _answer(chid, deadline, use_time=True)
        return reading if answer is None else _reading(reading, answer, array=False)

    def _long_channel(self, name: str, deadline: float) -> Any | None:
        chid = ca.create_channel(_long_name(name))
        self._connect([chid], deadline)
        if ca.isConnected(chid) and ca.field_type(chid) == dbr.CHAR:
            return chid
        return None

    def _put_and_wait(self, chid: Any, kind: int, values: list[Any], deadline: float) -> str | None:
        done: list[int] = []
        # pyepics' own put forgets the completion's status: a refused put would look done.
        callback = dbr.make_callback(lambda args: done.append(args.status), dbr.event_handler_args)
        self._keep.append(callback)
        data = (len(values) * dbr.Map[kind])()
        for i, value in enumerate(values):
            if kind == dbr.STRING:
                data[i].value = value
            else:
                data[i] = value
        status = ca.libca.ca_array_put_callback(kind, len(values), chid, data, callback, 0)
        if status != dbr.ECA_NORMAL:
            return f"the put was refused: {ca.message(status)}"
        ca.flush_io()
        while not done and time.monotonic() < deadline:
            ca.poll(1e-3)
        if not done:
            return "the put was sent, but its completion did not come in time"
        if done[0] != dbr.ECA_NORMAL:
            return f"the server refused the put: {ca.message(done[0])}"
        return None


def _long_name(name: str) -> str:
    if name.endswith("$"):
        return name
    return f"{name}$" if "." in name else f"{name}.VAL$"


def _is_array(chid: Any, name: str) -> bool:
    long_string = name.endswith("$") and ca.field_type(chid) == dbr.CHAR
    return ca.element_count(chid) > 1 and not long_string


def _has_metadata(chid: Any) -> bool:
    return ca.field_type(chid) not in (dbr.STRING, -1)


def _ask(chid: Any, *, use_time: bool = False, use_ctrl: bool = False) -> None:
    kind = ca.promote_type(chid, use_time=use_time, use_ctrl=use_ctrl)
    ca.get_with_metadata(chid, ftype=kind, count=1 if use_ctrl else None, wait=False)


def _answer(
    chid: Any, deadline: float, *, use_time: bool = False, use_ctrl: bool = False
) -> dict[str, Any] | None:
    kind = ca.promote_type(chid, use_time=use_time, use_ctrl=use_ctrl)
    left = max(0.05, deadline - time.monotonic())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            answer = ca.get_complete_with_metadata(chid, ftype=kind, timeout=left)
        except ca.ChannelAccessGetFailure:
            return None
    return answer if isinstance(answer, dict) else None


def _with_metadata(reading: Reading, answer: dict[str, Any] | None) -> Reading:
    if answer is None:
        return reading
    return replace(
        reading,
        units=str(answer.get("units") or ""),
        choices=tuple(answer.get("enum_strs") or ()),
    )


def _reading(head: Reading, event: dict[str, Any], array: bool) -> Reading:
    value = event["value"]
    plain = value.tolist() if hasattr(value, "tolist") else value
    if array and not isinstance(plain, list):
        plain = [plain]
    if not array and isinstance(plain, list):
        plain = bytes(byte & 0xFF for byte in plain).split(b"\0")[0].decode("utf-8", "replace")
    status = int(event.get("status", 0))
    return replace(
        head,
        value=plain,
        severity=severity_name(int(event.get("severity", 0))),
        status=STATUSES[status] if 0 <= status < len(STATUSES) else str(status),
        time=sensible_time(float(event.get("timestamp", 0.0))),
    )


def _values(kind: int, words: Sequence[str], before: Reading, room: int) -> list[Any]:
    if kind == dbr.CHAR and room > 1 and (isinstance(before.value, str) or not _digits(words)):
        text = words[0].encode() + b"\0"
        if len(words) > 1 or len(text) > room:
            raise ValueError(f"expected one text of at most {room - 1} bytes")
        return list(text)
    if len(words) > room:
        raise ValueError(f"expected at most {room} value{'s' * (room > 1)}, got {len(words)}")
    if kind == dbr.STRING:
        return [_short(word) for word in words]
    if kind == dbr.ENUM:
        return [state_index(word, before.choices) for word in words]
    if kind in (dbr.FLOAT, dbr.DOUBLE):
        return [number(float, word) for word in words]
    return [_ranged(number(int, word), kind) for word in words]


def _digits(words: Sequence[str]) -> bool:
    return all(word.removeprefix("-").isdigit() for word in words)


def _short(word: str) -> bytes:
    data = word.encode()
    if len(data) > PLAIN_STRING:
        raise ValueError(f"expected at most {PLAIN_STRING} bytes, got {len(data)}")
    return data


def _ranged(value: int, kind: int) -> int:
    bits = {dbr.CHAR: 8, dbr.INT: 16}.get(kind, 32)
    low = 0 if kind == dbr.CHAR else -(2 ** (bits - 1))
    high = low + 2**bits - 1
    if not low <= value <= high:
        raise ValueError(f"expected a whole number from {low} to {high}, got {value}")
    return value
