"""Inputs: is the value known, since when, and what expressions see of it."""

from __future__ import annotations

import math
from collections import deque
from typing import Any, Final

from ioc_runtime.engine.effects import INVALID, MINOR, POST, Effect, Status
from ioc_runtime.engine.node import Globals, Moment
from ioc_runtime.engine.timers import Timers
from ioc_runtime.plan import Input

MINUTE_NS: Final = 60 * 10**9


class InputState:
    """One input: its last sample, its validity, its buffer.

    Known means: connected, not INVALID, a number that is one, and not stale; or
    held (`invalidHold`) at its last good value.
    """

    __slots__ = (
        "_before", "_latest", "_simple", "_wants", "bad_status", "buffer", "connected", "good", "held",
        "index", "known", "life", "moment", "name", "ns", "plan", "severity", "stale", "status",
        "timers", "value", "values",
    )  # fmt: skip

    def __init__(
        self, index: int, plan: Input, values: Globals, timers: Timers, moment: Moment
    ) -> None:
        self.index, self.plan, self.name = index, plan, plan.name
        self.values, self.timers, self.moment = values, timers, moment
        self.value: Any = None
        """The last good value; None before the first."""
        self.ns = 0
        """The source's timestamp of the last sample."""
        self.severity: int = INVALID
        self.status: int = Status.UDF
        self.bad_status: int = Status.UDF
        self.connected = plan.link is None
        self.good = False
        """Whether the last sample had a usable value."""
        self.stale = False
        self.held = False
        self.known = False
        self.life = -math.inf
        """When the source last showed a sign of life, monotonic."""
        self.buffer: deque[Any] | None = deque(maxlen=plan.buffer) if plan.buffer else None
        self._wants: frozenset[str] = frozenset()
        self._simple = False
        self._latest: tuple[float, float, int] | None = None
        self._before: tuple[float, float, int] | None = None
        values[f"{self.name}.age()"] = lambda: self.moment.mono - self.life
        values[f"{self.name}.severity"] = INVALID
        values[f"{self.name}.connected"] = self.connected

    def attributes(self, used: set[str]) -> None:
        """Say which globals expressions read, so that only those are kept up."""
        wanted = ("severity", "timestamp", "previous", "raw", "rate")
        self._wants = frozenset(a for a in wanted if f"{self.name}.{a}" in used)
        self._simple = not self._wants and self.buffer is None and self.plan.length is None

    # --- events; each returns whether an expression could see a difference

    def sample(self, value: Any, severity: int, status: int, ns: int, out: list[Effect]) -> bool:
        """A sample came; `value` None: one that does not fit the input."""
        self.life = self.moment.mono
        if self._simple and self.good and self.known and severity < INVALID:
            if value is not None and value == value:  # the usual case, made short
                self.ns, self.severity, self.status = ns, severity, status
                out.append((POST, self.index, value, severity, status, ns))
                if value == self.value:
                    return False
                self.value = self.values[self.name] = value
                return True
        max_age = self.plan.max_age
        if max_age is not None and ("age", self.index) not in self.timers:
            self.timers.set(("age", self.index), self.life + max_age)
        new = not self.connected
        if new:
            self.connected = self.values[f"{self.name}.connected"] = True
        self.stale = False
        self.ns, self.severity, self.status = ns, severity, status
        usable = value is not None and severity < INVALID and _is_number(value)
        if self._wants:
            self._note(value, usable)
        if not usable:
            self.good = False
            shown = value if value is not None and _is_number(value) else None
            return self._lost(status or Status.READ, out, shown) or new or bool(self._wants)
        different = not self.known or value != self.value or bool(self._wants)
        self.good = self.known = True
        if self.held:
            self._drop_hold()
        self.value = self.values[self.name] = value
        if self.buffer is not None:
            self.buffer.append(value)
            self.values[f"{self.name}_buf"] = self.buffer
            different = True
        out.append((POST, self.index, value, severity, status, ns))
        return different

    def alive(self, out: list[Effect]) -> bool:
        """The source answered without a new sample."""
        self.life = self.moment.mono
        if not self.stale:
            return False
        self.stale = False
        if self.plan.max_age is not None:
            self.timers.set(("age", self.index), self.life + self.plan.max_age)
        return self._found(out)

    def disconnected(self, out: list[Effect]) -> bool:
        self.connected = self.good = False
        self.values[f"{self.name}.connected"] = False
        self.severity, self.ns = INVALID, self.moment.wall
        self.values[f"{self.name}.severity"] = INVALID
        self.timers.cancel(("age", self.index))
        self._lost(Status.LINK, out, None)
        return True

    def too_old(self, out: list[Effect]) -> bool:
        """The maxAge timer ran out; it may only have been overtaken by a sign of life."""
        if self.plan.max_age is None:
            return False
        deadline = self.life + self.plan.max_age
        if self.moment.mono < deadline:
            self.timers.set(("age", self.index), deadline)
            return False
        if not self.connected:
            return False
        self.stale, self.ns = True, self.moment.wall
        return self._lost(Status.TIMEOUT, out, None)

    def hold_over(self, out: list[Effect]) -> bool:
        """The invalidHold timer ran out."""
        if not self.held:
            return False
        self.held = False
        return self._unknown(out, None)

    # --- what follows

    def _lost(self, status: int, out: list[Effect], shown: Any) -> bool:
        self.bad_status = status
        if self.held:
            return False
        if self.known and self.plan.invalid_hold > 0:
            self.held = True
            self.timers.set(("hold", self.index), self.moment.mono + self.plan.invalid_hold)
            out.append((POST, self.index, self.value, MINOR, status, self.moment.wall))
            return False
        return self._unknown(out, shown)

    def _unknown(self, out: list[Effect], shown: Any) -> bool:
        was, self.known = self.known, False
        self.values.pop(self.name, None)
        if self.buffer is not None:
            self.values.pop(f"{self.name}_buf", None)
        ns = self.ns or self.moment.wall
        out.append((POST, self.index, shown, INVALID, self.bad_status, ns))
        return was

    def _found(self, out: list[Effect]) -> bool:
        """Fresh again without a new sample: the last one counts again if it was good."""
        if not (self.good and self.connected) or self.value is None:
            return False
        if self.held:
            self._drop_hold()
        was, self.known = self.known, True
        self.values[self.name] = self.value
        if self.buffer:
            self.values[f"{self.name}_buf"] = self.buffer
        out.append((POST, self.index, self.value, self.severity, self.status, self.moment.wall))
        return not was

    def _drop_hold(self) -> None:
        self.held = False
        self.timers.cancel(("hold", self.index))

    # --- set-points

    def put(self, value: Any, out: list[Effect], *, post: bool) -> bool:
        """An operator's value; `post` when the record does not hold it yet."""
        different = not self.known or value != self.value
        if self._wants:
            self.severity, self.ns = 0, self.moment.wall
            self._note(value, True)
        self.life = self.moment.mono
        self.good = self.known = True
        self.severity, self.status, self.ns = 0, 0, self.moment.wall
        self.value = self.values[self.name] = value
        if self.buffer is not None:
            self.buffer.append(value)
            self.values[f"{self.name}_buf"] = self.buffer
        if post:
            out.append((POST, self.index, value, 0, 0, self.ns))
        return different or bool(self._wants) or self.buffer is not None

    # --- attributes

    def _note(self, value: Any, usable: bool) -> None:
        values, name, wants = self.values, self.name, self._wants
        if "severity" in wants:
            values[f"{name}.severity"] = self.severity
        if "raw" in wants and value is not None:
            values[f"{name}.raw"] = value
        if not usable:
            return
        if "timestamp" in wants:
            values[f"{name}.timestamp"] = (self.ns or self.moment.wall) / 1e9
        if "previous" in wants and self.value is not None:
            values[f"{name}.previous"] = self.value
        if "rate" in wants:
            self._before, self._latest = self._latest, (value, self.moment.mono, self.ns)

    def rate(self, now: float) -> float:
        """Change per second between the two newest good samples, per time passed since.

        While nothing comes it falls towards zero as 1/t: a value that stands still
        has no rate. The time between two samples is the longer of what the source's
        timestamps and our arrival times say, as a burst arrives faster than it was
        measured; a source clock that is a minute off does not count.

        :raises NameError: with fewer than two samples, or while the input is unknown
        """
        if self._before is None or self._latest is None or not self.known:
            raise NameError(self.name)
        before, began, ns_before = self._before
        latest, arrived, ns = self._latest
        source = (ns - ns_before) / 1e9
        passed = arrived - began
        if not 0 < source < passed + 60:
            source = 0.0
        elapsed = max(source, passed) + (now - arrived)
        if elapsed <= 0:
            raise NameError(self.name)
        return (latest - before) / elapsed


def _is_number(value: Any) -> bool:
    """False for NaN, and for an array with a NaN in it."""
    if isinstance(value, list | tuple):
        if value and isinstance(value[0], float):
            total = math.fsum(v for v in value if not math.isinf(v))
            return total == total
        return True
    return bool(value == value)
