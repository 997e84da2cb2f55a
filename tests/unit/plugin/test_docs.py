"""Every example of docs/plugins.md is run as it stands there."""

from __future__ import annotations

import queue
import re
from dataclasses import replace
from pathlib import Path

import pytest

from ioc_runtime.compile import compile_text
from ioc_runtime.job.code import Code
from ioc_runtime.job.control import Control
from ioc_runtime.plan import Arguments, Job, Plan, Plugin
from ioc_runtime.plugin.api import TaskBase
from ioc_runtime.plugin.binding import Binding
from ioc_runtime.plugin.host import Reading
from ioc_runtime.plugin.loader import Loaded, load
from ioc_runtime.plugin.runner import PluginRunner
from ioc_runtime.plugin.verdict import IO_FAILURE, SKIPPED, SUCCESS, Verdict

from .conftest import PATIENCE, FakeFound, FakeHost, Told

TEXT = (Path(__file__).parents[3] / "docs" / "plugins.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def first_plan(**changes: object) -> Plan:
    return replace(manifest("vacuum-guard"), **changes)


def manifest(name: str) -> Plan:
    """The plan of the manifest on the page that has this name."""
    (text,) = [text for text in blocks("yaml") if f"name: {name}," in text]
    return compile_text(text)[0].plan


def play(loaded: Loaded, plan: Plan, host: FakeHost, told: Told) -> None:
    """One change, one execute, one change, stop."""
    host.readings["pressure"] = Reading(5e-7, 0, 1_700_000_000_000_000_000, True)
    host.readings["mode"] = Reading(1, 0, 0, True)
    host.remote |= {"SR:C01:CURRENT": FakeFound(200.0), "SR:C01:ORDER": FakeFound(0)}
    host.remote |= {"VAC:LAMP": FakeFound(0)}
    host.remote |= {"VAC:PUMP1:I.EGU": FakeFound(None, 3, error="no such field")}
    runner = PluginRunner(
        plan, loaded, host, failed=told.failed, recovered=told.recovered, ended=told.ended
    )
    runner.start()
    runner.changed("pressure", 5e-7, None)
    wanted = {
        "peak": (5e-7,),
        "valve": (1,),
        "label": ("saw 5.0e-07", "1 of 3 are missing", "0 motors"),
    }
    runner.execute()
    if loaded.overrides("execute") or loaded.overrides("on_input_changed"):
        host.wait_for(lambda writes: bool(writes))
    assert runner.stop(PATIENCE)
    assert told.failures == []
    assert all(value in wanted[name] for name, value in host.writes)


def test_the_page_has_the_examples_that_are_tested_here() -> None:
    assert [len(blocks(kind)) for kind in ("yaml", "python", "pycon")] == [4, 7, 1]


def test_the_manifest_validates_and_its_plugin_runs(told: Told) -> None:
    plan = first_plan()
    loaded = load(plan)
    host = FakeHost(plan)
    try:
        assert loaded.cls.__name__ == "Guard"
        play(loaded, plan, host, told)
    finally:
        loaded.close()
    assert host.writes == [("peak", 5e-7)]


def test_the_triggered_task_of_the_page_runs_its_cycles(told: Told) -> None:
    plan = manifest("measure")
    loaded, host = load(plan), FakeHost(plan)
    verdicts: queue.SimpleQueue[Verdict] = queue.SimpleQueue()
    runner = PluginRunner(plan, loaded, host, failed=told.failed, cycled=verdicts.put)
    host.readings["shutter"] = Reading(1, 0, 0, True)
    runner.start()
    said = []
    try:
        for level, shutter in ((2.5, 1), (2.5, 0), (None, 1)):
            host.readings["level"] = Reading(level, 0, 0, True)
            host.readings["shutter"] = Reading(shutter, 0, 0, True)
            assert runner.trigger()
            said.append(verdicts.get(timeout=PATIENCE))
        assert runner.stop(PATIENCE)
    finally:
        loaded.close()
    assert [verdict.status for verdict in said] == [SUCCESS, SKIPPED, IO_FAILURE]
    assert said[1].text == "the shutter is closed"
    assert "ca://BL01:LEVEL" in said[2].text
    assert host.writes == [("result", 5.0)]


def run_once(plan: Plan) -> tuple[Code, FakeHost]:
    """A job's code, run to its end."""
    loaded, host, run = load(plan), FakeHost(plan), Control()
    host.readings["steps"] = Reading(2, 0, 0, True)
    code = Code(plan, loaded, host, run, executing=lambda: None, aborts=frozenset())
    try:
        code.start()
        assert code.done.wait(PATIENCE)
        assert code.failure is None, code.failure.traceback
        assert run.fraction in (0, 1)
    finally:
        loaded.close()
    return code, host


def test_the_job_of_the_page_runs_to_its_end() -> None:
    arguments = Arguments((5.0,), {"pause": 0.01})
    ramp = manifest("ramp")
    plan = replace(ramp, job=replace(ramp.job, run_args=arguments))
    code, host = run_once(plan)
    result = code.value
    assert (result.success, result.message, result.data) == (True, "at 5.0 A", {"steps": 2})
    assert host.writes == [("current", 2.5), ("current", 5.0)]


def test_the_function_of_the_page_is_a_job() -> None:
    (text,) = [text for text in blocks("python") if "def main(job" in text]
    job = Job(run_args=Arguments((), {"target": 3.0}))
    code, host = run_once(
        replace(manifest("ramp"), plugin=Plugin(files={"ramp.py": text}), job=job)
    )
    assert (code.value, host.writes) == ({"target": 3.0}, [("current", 3.0)])


@pytest.mark.parametrize("text", [text for text in blocks("python") if "def main(job" not in text])
def test_a_python_example_loads_and_runs_without_a_failure(text: str, told: Told) -> None:
    functions = ("torr",) if "torr" in text else ()
    plugin = Plugin(files={"guard.py": text}, functions=functions)
    plan = first_plan(plugin=plugin, prefixes={"ring": "SR:C01:"})
    loaded = load(plan)
    try:
        play(loaded, plan, FakeHost(plan), told)
        assert loaded.warnings == ()
        if functions:
            assert loaded.functions["torr"](1000) == pytest.approx(750.062)
    finally:
        loaded.close()


def test_the_manifest_with_tags_and_prefixes_reads_what_they_name(told: Told) -> None:
    plan = manifest("watch")
    assert [str(signal.link) for signal in plan.inputs] == [
        "ca://BL01:VAC:GAUGE1:P",
        "ca://BL01:VAC:GAUGE2:P",
    ]
    loaded, host = load(plan), FakeHost(plan)
    host.readings |= {"p1": Reading(1e-7, 0, 1, True), "p2": Reading(3e-7, 0, 1, True)}
    try:
        runner = PluginRunner(plan, loaded, host, failed=told.failed)
        runner.start()
        runner.execute()
        host.wait_for(bool)
        assert runner.stop(PATIENCE)
    finally:
        loaded.close()
    assert (host.writes, told.failures) == ([("worst", 3e-7)], [])


def errors() -> list[tuple[str, str]]:
    return re.findall(r"^>>> (.*)\n(.*)$", blocks("pycon")[0], re.MULTILINE)


@pytest.mark.parametrize(("call", "expected"), errors())
def test_a_wrong_call_says_what_the_page_says(call: str, expected: str) -> None:
    plan = first_plan()
    task = TaskBase()
    task._binding = Binding(plan, FakeHost(plan))
    with pytest.raises(Exception) as error:
        eval(call, {"self": task})
    assert f"{type(error.value).__name__}: {error.value}" == expected


def test_every_public_member_is_on_the_page() -> None:
    members = [name for name in dir(TaskBase) if not name.startswith("_")]
    assert [name for name in members if not re.search(rf"\b{name}\b", TEXT)] == []
