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


_KEPT: Final = (
    "_before", "_fresh", "_latest", "_previous", "_raw", "_time", "bad_status", "connected",
    "good", "held", "known", "life", "ns", "severity", "stale", "status", "value",
)  # fmt: skip
"""What an input goes on with under another plan."""


class InputState:
    """One input: its last sample, its validity, its buffer.

    Known means: connected, not INVALID, a number that is one, and not stale; or
    held (`invalidHold`) at its last good value.
    """

    __slots__ = (
        "_before", "_fresh", "_latest", "_previous", "_raw", "_simple", "_time", "_wants",
        "bad_status", "buffer", "connected", "good", "held", "index", "known", "life", "moment",
        "name", "ns", "plan", "severity", "stale", "status", "timers", "value", "values",
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
        """As its PV shows it: INVALID while it is not known, MINOR while it is held."""
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
        self._raw: Any = None
        """The last sample as it came, NaN too; None when there is none to speak of."""
        self._previous: Any = None
        self._time: float | None = None
        self._fresh: tuple[int, int] = (0, 0)
        """Severity and status of the last sample, while it is stale."""
        self._latest: tuple[float, float, int] | None = None
        self._before: tuple[float, float, int] | None = None
        values[f"{self.name}.age()"] = lambda: self.moment.mono - self.life
        values[f"{self.name}.severity"] = INVALID
        values[f"{self.name}.connected"] = self.connected

    def attributes(self, used: set[str]) -> None:
        """Say which globals expressions read, so that only those are kept up."""
        wanted = ("severity", "timestamp", "previous", "raw", "rate")
        self._wants = frozenset(a for a in wanted if f"{self.name}.{a}" in used)
        plain = self.buffer is None and self.plan.length is None and not self.plan.invalid_hold
        self._simple = plain and not self._wants

    # --- events; each returns whether an expression could see a difference

    def sample(self, value: Any, severity: int, status: int, ns: int, out: list[Effect]) -> bool:
        """A sample came; `value` None: one that does not fit the input."""
        self.life = self.moment.mono
        if self.known and self._simple and severity < INVALID:
            if value is not None and value == value:  # the usual case, made short
                self.ns, self.severity, self.status = ns, severity, status
                out.append((POST, self.index, value, severity, status, ns))
                if value == self.value:
                    return False
                self.value = self.values[self.name] = value
                return True
        new = not self.connected
        if new:
            self.connected = self.values[f"{self.name}.connected"] = True
        self.stale = False
        self._watch_age()
        if value is not None and severity < INVALID and is_number(value):
            self._set_raw(value)
            return self._accept(value, severity, status, ns, out) or new
        self.good = False
        self.ns = ns
        self._set_raw(value)
        shown = value if value is not None and is_number(value) else None
        return self._lost(status or Status.READ, out, shown) or new or bool(self._wants)

    def put(self, value: Any, out: list[Effect], *, post: bool) -> bool:
        """An operator's value of a set-point; `post` when the record does not hold it yet."""
        self.life = self.moment.mono
        self._set_raw(value)
        return self._accept(value, 0, 0, self.moment.wall, out if post else [])

    def alive(self, out: list[Effect]) -> bool:
        """The source answered without a new sample."""
        self.life = self.moment.mono
        return self._fresh_again(out) if self.stale else False

    def _fresh_again(self, out: list[Effect]) -> bool:
        self.stale = False
        self._watch_age()
        self._set_raw(self._raw)
        return self._found(out) or bool(self._wants)

    def disconnected(self, out: list[Effect]) -> bool:
        """The source is gone."""
        self.connected = self.good = self.stale = False
        self.values[f"{self.name}.connected"] = False
        self.ns = self.moment.wall
        self.timers.cancel(("age", self.index))
        self._set_raw(None)
        self._lost(Status.LINK, out, None)
        return True

    def too_old(self, out: list[Effect]) -> bool:
        """The maxAge timer ran out; it may only have been overtaken by a sign of life."""
        if self.plan.max_age is None or not self.connected:
            return False
        deadline = self.life + self.plan.max_age
        if self.moment.mono < deadline:
            self.timers.set(("age", self.index), deadline)
            return False
        self.stale, self.ns = True, self.moment.wall
        self._fresh = self.severity, self.status
        self.values.pop(f"{self.name}.raw", None)
        return self._lost(Status.TIMEOUT, out, None) or bool(self._wants)

    def hold_over(self, out: list[Effect]) -> bool:
        """The invalidHold timer ran out."""
        if not self.held:
            return False
        self.held, self.ns = False, self.moment.wall
        return self._unknown(out, None)

    # --- what follows

    def _watch_age(self) -> None:
        max_age = self.plan.max_age
        if max_age is not None and ("age", self.index) not in self.timers:
            self.timers.set(("age", self.index), self.life + max_age)

    def _accept(self, value: Any, severity: int, status: int, ns: int, out: list[Effect]) -> bool:
        """A good sample: it is the value from now on."""
        different = not self.known or bool(value != self.value)
        self.ns = ns
        if self._wants:
            self._note(value)
            different = True
        self.good = self.known = True
        if self.held:
            self._drop_hold()
        self.value = self.values[self.name] = value
        if self.buffer is not None:
            self.buffer.append(value)
            self.values[f"{self.name}_buf"] = self.buffer
            different = True
        self._post(value, severity, status, ns, out)
        return different

    def _lost(self, status: int, out: list[Effect], shown: Any) -> bool:
        self.bad_status = status
        if self.held:
            return False
        if self.known and self.plan.invalid_hold > 0:
            self.held = True
            self.timers.set(("hold", self.index), self.moment.mono + self.plan.invalid_hold)
            self._post(self.value, MINOR, status, self.moment.wall, out)
            return False
        return self._unknown(out, shown)

    def _unknown(self, out: list[Effect], shown: Any) -> bool:
        was, self.known = self.known, False
        for key in ("", "_buf", ".previous", ".timestamp"):
            self.values.pop(self.name + key, None)
        self._post(shown, INVALID, self.bad_status, self.ns or self.moment.wall, out)
        return was

    def _found(self, out: list[Effect]) -> bool:
        """Fresh again without a new sample: the last one counts again if it was good."""
        if not (self.good and self.connected):
            return False
        if self.held:
            self._drop_hold()
        was, self.known = self.known, True
        self.values[self.name] = self.value
        if self.buffer:
            self.values[f"{self.name}_buf"] = self.buffer
        self._tell("previous", self._previous)
        self._tell("timestamp", self._time)
        self.ns = self.moment.wall
        self._post(self.value, *self._fresh, self.ns, out)
        return not was

    def _drop_hold(self) -> None:
        self.held = False
        self.timers.cancel(("hold", self.index))

    def _post(self, value: Any, severity: int, status: int, ns: int, out: list[Effect]) -> None:
        self.severity, self.status = severity, status
        if "severity" in self._wants:
            self.values[f"{self.name}.severity"] = severity
        out.append((POST, self.index, value, severity, status, ns))

    # --- reload

    def adopt(self, old: InputState, out: list[Effect]) -> None:
        """Go on where `old`, the same input under another plan, has got to.

        What an expression newly asks of the past begins to be known with the next samples.
        """
        for slot in _KEPT:
            setattr(self, slot, getattr(old, slot))
        if not old._wants:
            self._previous = None
            self._time = (old.ns or self.moment.wall) / 1e9 if old.good else None
        if "rate" not in old._wants:
            self._before = self._latest = None
        if self.buffer is not None and old.buffer:
            self.buffer.extend(old.buffer)
        self._tell_all()
        self._adopt_times(old, out)

    def _tell_all(self) -> None:
        """Let expressions see what is known."""
        self.values[f"{self.name}.connected"] = self.connected
        self._tell("severity", self.severity)
        if not self.stale:
            self._tell("raw", self._raw)
        if self.known:
            self.values[self.name] = self.value
            if self.buffer:
                self.values[f"{self.name}_buf"] = self.buffer
            self._tell("previous", self._previous)
            self._tell("timestamp", self._time)

    def _adopt_times(self, old: InputState, out: list[Effect]) -> None:
        """Other times run from where the old ones began."""
        key = ("hold", self.index)
        ends = self.timers.when(key)
        if ends is not None and self.plan.invalid_hold != old.plan.invalid_hold:
            self.timers.set(key, ends - old.plan.invalid_hold + self.plan.invalid_hold)
        before, after = old.plan.max_age, self.plan.max_age
        if before == after or self.plan.link is None:
            return
        self.timers.cancel(("age", self.index))
        now = self.moment.mono
        if self.stale and (after is None or now < self.life + after):
            self._fresh_again(out)
        elif after is not None and self.connected and not self.stale:
            # It was asked for a sign of life as often as the old age wanted: it gets the
            # new one in full, if the old one allows that.
            ends = now + after if before is None else min(now + after, self.life + before)
            self.timers.set(("age", self.index), max(ends, self.life + after))

    # --- attributes

    def _tell(self, attribute: str, value: Any) -> None:
        if attribute in self._wants and value is not None:
            self.values[f"{self.name}.{attribute}"] = value

    def _set_raw(self, value: Any) -> None:
        self._raw = value
        self.values.pop(f"{self.name}.raw", None)
        self._tell("raw", value)

    def _note(self, value: Any) -> None:
        """Keep up what expressions read of this input, besides its value."""
        self._previous = self.value
        self._time = (self.ns or self.moment.wall) / 1e9
        self._tell("previous", self._previous)
        self._tell("timestamp", self._time)
        if "rate" in self._wants:
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


def is_number(value: Any) -> bool:
    """False for NaN, and for an array with a NaN in it."""
    if not isinstance(value, list | tuple):
        return bool(value == value)
    if not value or not isinstance(value[0], float):
        return True
    total = sum(value)  # a NaN makes the sum NaN; so do inf and -inf together
    return total == total or all(item == item for item in value)
