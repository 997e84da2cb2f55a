"""A station whose plan is edited while it runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ioc_runtime.plan import Rule
from unit.engine.bench import Bench, computed, driven, linked, setpoint

HIGH = Rule("high", "x > limit", {"alarm": 1})


def station(*, rules: Any = (HIGH,), **more: Any) -> Bench:
    fields: dict[str, Any] = {
        "inputs": {"x": linked(), "y": linked(), "level": setpoint(value=3.0)},
        "outputs": {"alarm": driven(), "mean": computed()},
        "transforms": {"mean": "x + y"},
        "parameters": {"limit": 10.0},
        "rules": rules,
    } | more
    bench = Bench(**fields)
    bench.feed(x=5.0, y=1.0)
    return bench


def with_rule(bench: Bench, index: int = 0, **change: Any) -> tuple[Rule, ...]:
    """The rules of its plan, one of them changed; likewise the two below."""
    rules = list(bench.plan.rules)
    rules[index] = replace(rules[index], **change)
    return tuple(rules)


def with_input(bench: Bench, name: str, **change: Any) -> tuple[Any, ...]:
    return tuple(replace(s, **change) if s.name == name else s for s in bench.plan.inputs)


def with_output(bench: Bench, name: str, **change: Any) -> tuple[Any, ...]:
    return tuple(replace(s, **change) if s.name == name else s for s in bench.plan.outputs)
