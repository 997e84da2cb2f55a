"""Latches: an output that stays where a transition put it until it is cleared."""

from __future__ import annotations

from typing import Any, Literal

Direction = Literal["rise", "fall", "any"]


class Latch:
    """Holds the value of the transition that engaged it.

    It acts on the certain results of an output. `rise` engages when the result
    becomes true (not 0, not empty), `fall` when it becomes false, `any` when it
    changes; so does a first result that is already active: true for rise, false for
    fall, other than the default for any.

    A release is not the end of a cause: it forgets the past, so that a result that is
    active by that measure, with another value than the latched one, engages anew.
    """

    __slots__ = ("_before", "default", "direction", "engaged", "rule", "value")

    def __init__(self, direction: Direction, default: Any) -> None:
        self.direction = direction
        self.default = default
        self.engaged = False
        self.value: Any = None
        self.rule = ""
        """Id of the rule that engaged it, or ""."""
        self._before: Any = None

    def restore(self, value: Any, rule: str) -> None:
        """Engage as it was before a restart."""
        self.engaged, self.value, self.rule = True, value, rule

    def see(self, result: Any, rule: str) -> bool:
        """Take a certain result; True when the latch engages on it."""
        if self.engaged:
            return False
        before, self._before = self._before, result
        if not self._active(before, result):
            return False
        self.engaged, self.value, self.rule = True, result, rule
        return True

    def _active(self, before: Any, result: Any) -> bool:
        if self.direction == "rise":
            return bool(result) and not before
        if self.direction == "fall":
            return not result and (before is None or bool(before))
        if before is None:
            return self.default is not None and bool(result != self.default)
        return bool(result != before)

    def adopt(self, old: Latch) -> None:
        """Go on where `old`, the latch of the same output under another plan, has got to."""
        self.engaged, self.value, self.rule = old.engaged, old.value, old.rule
        if self.direction == old.direction:
            self._before = old._before

    def release(self) -> None:
        """Let go; what is settled next counts as a first result."""
        self.engaged, self.value, self.rule = False, None, ""
        self._before = None
