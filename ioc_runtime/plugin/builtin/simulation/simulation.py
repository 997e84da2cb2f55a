"""Outputs that move by themselves: a stand-in for a machine, to try screens and rules on.

`parameters: {simulation: {current: {shape: sine, low: 0, high: 10, period: 60}}}` says how an
output moves; each field may be left out. Shapes: `sine`, `ramp` (up, then anew), `square`
and `noise`. `parameters: {interval: 0.5}` is the time between two values, in seconds.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Mapping
from typing import Any

from ioc_runtime import BadValue, TaskBase

SHAPES = ("sine", "ramp", "square", "noise")


class Simulation(TaskBase):
    """Gives every output that is the plugin's a value now and then."""

    def initialize(self) -> None:
        """Read how outputs shall move, and begin."""
        plan = self._task.plan
        mine = [each for each in plan.outputs if "plugin" in (each.owner, each.otherwise)]
        wanted = self.parameters.get("simulation", {})
        if not isinstance(wanted, Mapping):
            raise BadValue(f"parameters.simulation: expected a map of outputs, got {wanted!r:.60}")
        for name in wanted:
            self.get_output(name)  # raises for one that is not there, and names the nearest
        self._motions = [_Motion(signal, wanted.get(signal.name) or {}) for signal in mine]
        self._began = time.monotonic()
        self.step()
        self.every(float(self.parameters.get("interval", 0.5)))(self.step)

    def step(self) -> None:
        """One value of each."""
        elapsed = time.monotonic() - self._began
        for motion in self._motions:
            self.set_output(motion.name, motion.at(elapsed))


class _Motion:
    """How one output moves."""

    def __init__(self, signal: Any, wanted: Mapping[str, Any]) -> None:
        self.name = signal.name
        self._type, self._length = signal.type, signal.length
        self._states = len(signal.states) or 2  # a bool may do without names
        self._shape = wanted.get("shape", "sine")
        if self._shape not in SHAPES:
            expected = ", ".join(SHAPES)
            raise BadValue(
                f"parameters.simulation.{self.name}.shape: expected one of {expected}, "
                f"got {self._shape!r:.60}"
            )
        display = signal.display
        self._low = float(wanted.get("low", display.low if display else 0.0))
        self._high = float(wanted.get("high", display.high if display else 1.0))
        self._period = max(1e-3, float(wanted.get("period", 60.0)))

    def at(self, elapsed: float) -> Any:
        """The value after so many seconds."""
        if self._length is None:
            return self._one(elapsed / self._period)
        turns = (elapsed / self._period + n / self._length for n in range(self._length))
        return [self._one(turn) for turn in turns]

    def _one(self, turn: float) -> Any:
        part = self._part(turn % 1.0)
        if self._type == "float":
            return self._low + (self._high - self._low) * part
        if self._type == "int":
            return round(self._low + (self._high - self._low) * part)
        if self._type == "string":
            return f"{part:.3f}"
        return min(int(part * self._states), self._states - 1)

    def _part(self, turn: float) -> float:
        """0 to 1, of a turn from 0 to 1."""
        if self._shape == "sine":
            return 0.5 - 0.5 * math.cos(2 * math.pi * turn)
        if self._shape == "square":
            return float(turn >= 0.5)
        return random.random() if self._shape == "noise" else turn
