"""What a job has beside its PVs: which code, with which arguments, for how long."""

from __future__ import annotations

import math
from typing import Any, Final

from ioc_runtime import plan
from ioc_runtime.compile.collector import Collector
from ioc_runtime.spec.job import Arguments, JobSpec
from ioc_runtime.spec.problem import NOTHING, Path

DEEPEST: Final = 20
"""Levels of lists and maps in an argument."""


def compile_job(spec: JobSpec, collector: Collector) -> plan.Job:
    """The plan's job; what is wrong with it goes to the collector."""
    if spec.plugin is None:
        collector.wrong(("spec", "plugin"), NOTHING, "a plugin: a job is the code it runs")
    elif spec.function is not None and spec.plugin.class_name is not None:
        expected = f"no function beside plugin.class ({spec.plugin.class_name})"
        collector.wrong(("spec", "function"), spec.function, expected)
    if spec.plugin is not None and spec.plugin.builtin is not None:
        expected = "code of your own: those that the runtime brings are for tasks"
        collector.wrong(("spec", "plugin", "builtin"), spec.plugin.builtin, expected)
    if spec.function is not None and (spec.init_args.by_position or spec.init_args.by_name):
        expected = "nothing here: a function has no initialize, a class has"
        collector.wrong(("spec", "initArgs"), NOTHING, expected)
    return plan.Job(
        function=spec.function,
        init_args=_arguments(spec.init_args, ("spec", "initArgs"), collector),
        run_args=_arguments(spec.run_args, ("spec", "runArgs"), collector),
        run_timeout=spec.run_timeout_seconds,
        run_id=spec.run_id,
    )


def _arguments(given: Arguments, path: Path, collector: Collector) -> plan.Arguments:
    for i, value in enumerate(given.by_position):
        _check(value, (*path, "args", i), collector)
    for name, value in given.by_name.items():
        _check(value, (*path, "kwargs", name), collector)
    return plan.Arguments(tuple(given.by_position), dict(given.by_name))


def _check(value: Any, path: Path, collector: Collector, depth: int = 0) -> None:
    """Whether a value can be handed over as it is."""
    if depth > DEEPEST:
        collector.wrong(path, NOTHING, f"at most {DEEPEST} levels of lists and maps")
    elif isinstance(value, float) and not math.isfinite(value):
        collector.wrong(path, value, "a finite number")
    elif isinstance(value, dict):
        for key, item in value.items():
            _check(item, (*path, key), collector, depth + 1)
    elif isinstance(value, list):
        for i, item in enumerate(value):
            _check(item, (*path, i), collector, depth + 1)
