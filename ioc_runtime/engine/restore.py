"""What outlives the process: latches and operators' set-points."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ioc_runtime.engine.effects import LOG, Effect
from ioc_runtime.engine.inputs import InputState
from ioc_runtime.engine.outputs import OutputState
from ioc_runtime.engine.setpoint import admit
from ioc_runtime.engine.values import BadValue, coerce

WARNING, ERROR = 30, 40


@dataclass(frozen=True)
class Restored:
    """What the state file kept over a restart."""

    latches: Mapping[str, tuple[Any, str]] = field(default_factory=dict)
    """Output -> latched value and the rule that latched it."""
    setpoints: Mapping[str, Any] = field(default_factory=dict)
    lost: bool = False
    """The state was there but could not be read: latches start engaged."""


def restore(
    kept: Restored,
    inputs: Iterable[InputState],
    outputs: Iterable[OutputState],
    out: list[Effect],
) -> None:
    """Set-points and latches as they were; a set-point that is written already stays."""
    for state in inputs:
        if state.plan.link is None and not state.known:
            value = kept.setpoints.get(state.name)
            if value is None or not _set_point(state, value, out):
                _set_point(state, state.plan.value, out)
    for output in outputs:
        if output.latch is not None and output.plan.persist:
            if output.name in kept.latches:
                _latch(output, *kept.latches[output.name], out)
            elif kept.lost:
                _lost_latch(output, out)


def engaged(outputs: Iterable[OutputState]) -> dict[str, tuple[Any, str]]:
    """Latches that are engaged: what the state file has to hold."""
    return {
        output.name: (output.latch.value, output.latch.rule)
        for output in outputs
        if output.latch is not None and output.latch.engaged and output.plan.persist
    }


def _set_point(state: InputState, value: Any, out: list[Effect]) -> bool:
    if value is None:
        return False
    try:
        state.put(admit(state.plan, value), out, post=True)
    except BadValue as error:
        out.append((LOG, WARNING, f"{state.name}: kept value {value!r:.60} not used: {error}"))
        return False
    return True


def _latch(output: OutputState, value: Any, rule: str, out: list[Effect]) -> None:
    try:
        value = coerce(output.plan, value)
    except BadValue as error:
        out.append((LOG, WARNING, f"{output.name}: kept latch not used: {error}"))
        return
    if output.latch is not None:
        output.latch.restore(value, rule)


def _lost_latch(output: OutputState, out: list[Effect]) -> None:
    """Engage where the latched value can only be one; say it where it cannot be told."""
    latch = output.latch
    if latch is None:
        return
    text = f"{output.name} may have been latched: the kept state could not be read"
    if output.plan.type == "bool" and latch.direction != "any":
        latch.restore(int(latch.direction == "rise"), "")
        text = f"{output.name} starts latched: the kept state could not be read"
    out.append((LOG, ERROR, text))
