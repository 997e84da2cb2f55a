"""What the manifest of a job becomes, and what of it is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ioc_runtime.compile import Compiled, compile_text
from ioc_runtime.plan import Arguments, Job, Link, from_json, to_json
from ioc_runtime.shape import plan_shape
from ioc_runtime.standard import JOB_STANDARD, STANDARD, standard_of
from unit.compile.support import job, problems, task


def compiled(spec: str, name: str = "j") -> Compiled:
    (one,) = compile_text(job(spec, name))
    return one


def wrong(spec: str) -> tuple[str, str]:
    """Path and expectation of the first problem."""
    found = problems(job(spec))[0]
    return found.path, found.expected


WHOLE = """
prefix: "B:"
protocol: pva
parameters: {gain: 2.5}
inputs:
  ring: {type: float, link: "RING:I", maxAge: 5}
  steps: {type: int, value: 3}
outputs:
  magnet: {type: float, link: "ca://MAG:SET"}
initArgs: {args: [1, a], kwargs: {deep: {x: [1.5, {z: true}]}}}
runArgs: {kwargs: {to: 2}}
runId: nightly
runTimeoutSeconds: 7.5
retries: 2
historyLimit: 5
ttlSecondsAfterFinished: 60
aliases: {HEARTBEAT: Alive}
"""


def test_a_job_becomes_a_plan_of_its_kind_that_survives_json():
    plan = compiled(WHOLE).plan
    assert (plan.kind, plan.name, plan.prefix, plan.mode) == ("IocJob", "j", "B:", "reactive")
    assert [signal.name for signal in plan.signals] == ["ring", "steps", "magnet"]
    assert plan.inputs[0].link == Link("pva", "RING:I")
    assert plan.outputs[0].owner == "plugin"
    assert plan.parameters == {"gain": 2.5}
    assert plan.job == Job(
        init_args=Arguments((1, "a"), {"deep": {"x": [1.5, {"z": True}]}}),
        run_args=Arguments((), {"to": 2}),
        run_id="nightly",
        run_timeout=7.5,
    )
    assert from_json(to_json(plan)) == plan


def test_what_concerns_the_operator_alone_is_in_the_manifest_and_not_in_the_plan():
    one = compiled(WHOLE)
    spec = one.manifest.spec
    assert (spec.retries, spec.history_limit, spec.ttl_seconds_after_finished) == (2, 5, 60)
    changed = compiled(WHOLE.replace("retries: 2", "retries: 3"))
    assert replace(changed.plan, config_hash="") == replace(one.plan, config_hash="")
    assert changed.plan.config_hash != one.plan.config_hash


def test_a_job_has_the_default_prefix_of_a_task():
    assert compiled("runId: a").plan.prefix == "DEFAULT:J:"


def test_a_tasks_plan_knows_of_no_job():
    (one,) = compile_text(task("inputs: {level: {type: float}}"))
    assert one.plan.job is None
    assert "job" not in to_json(one.plan)


def test_the_names_of_a_job_are_its_standard_pvs_its_signals_and_its_aliases():
    names = set(compiled(WHOLE).names)
    expected = {pv.name for pv in JOB_STANDARD} | {"ring", "steps", "magnet", "Alive"}
    assert names == {f"B:{name}" for name in expected}
    assert {"B:STATE", "B:CMD:ABORT", "B:RUN:ID", "B:MESSAGE", "B:HEARTBEAT"} <= names
    assert "B:ENABLE" not in names


def test_the_states_of_status_differ_between_tasks_and_jobs():
    assert standard_of("IocTask") == STANDARD
    (status,) = [pv for pv in standard_of("IocJob") if pv.name == "STATUS"]
    assert status.states == ("IDLE", "RUNNING", "SUCCESS", "FAILED")


@pytest.mark.parametrize("name", ["STATE", "PROGRESS", "seq", "ENABLE", "CYCLE_COUNT", "TRIGGER"])
def test_an_input_of_a_job_may_not_have_a_name_that_a_kind_serves(name: str):
    path, expected = wrong(f"inputs: {{{name}: {{type: float}}}}")
    assert path == f"spec.inputs.{name}"
    assert "it is a standard PV" in expected


@pytest.mark.parametrize("name", ["STATE", "PROGRESS", "MSG", "SEQ"])
def test_names_that_jobs_serve_stay_free_in_tasks(name: str):
    (one,) = compile_text(task(f"inputs: {{{name}: {{type: float}}}}"))
    assert f"DEFAULT:T:{name}" in one.names


def test_a_name_of_50_characters_is_the_longest_of_a_job():
    assert compiled('prefix: "B:"', "j" * 50).plan.name == "j" * 50
    (found,) = problems(job('prefix: "B:"', "j" * 51))
    assert (found.path, found.expected) == ("metadata.name", "at most 50 characters, got 51")


@pytest.mark.parametrize(
    ("spec", "path", "words"),
    [
        ("schedule: {cron: '0 * * * *'}", "spec.schedule", "schedules are not built yet"),
        ("onAbort: {function: park}", "spec.onAbort", "code after an abort is not built yet"),
        ("exclusive: {group: ring}", "spec.exclusive", "exclusive groups are not built yet"),
        ("scan: {}", "spec.scan", "scans are not built yet"),
        (
            "plugin: {isolation: process, inline: {files: {a.py: ''}}}",
            "spec.plugin.isolation",
            "jobs in a process of their own are not built yet",
        ),
        ("run: Prepared", "spec.run", "runs other than Running are not built yet"),
        ("run: Aborted", "spec.run", "runs other than Running are not built yet"),
    ],
)
def test_what_is_not_built_is_refused_with_that_word(spec: str, path: str, words: str):
    assert wrong(spec) == (path, f"nothing here: {words}")


@pytest.mark.parametrize(
    ("spec", "path", "expected"),
    [
        ("rules: []", "spec.rules", "a field of spec"),
        ("runTimeoutSeconds: 0", "spec.runTimeoutSeconds", "a number above 0"),
        ("runArgs: {args: [.inf]}", "spec.runArgs.args[0]", "a finite number"),
        ("runArgs: {args: [[1, [.nan]]]}", "spec.runArgs.args[0][1][0]", "a finite number"),
        (
            "function: scan\ninitArgs: {args: [1]}",
            "spec.initArgs",
            "nothing here: a function has no initialize, a class has",
        ),
        (
            "function: scan\nplugin: {class: Scan, inline: {files: {a.py: ''}}}",
            "spec.function",
            "no function beside plugin.class (Scan)",
        ),
        (
            "plugin: {builtin: simulation}",
            "spec.plugin.builtin",
            "code of your own: those that the runtime brings are for tasks",
        ),
        (
            "function: not a name",
            "spec.function",
            "a name of letters, digits and _, not starting with a digit",
        ),
    ],
)
def test_a_mistake_in_a_job_is_reported_with_its_path(spec: str, path: str, expected: str):
    assert wrong(spec) == (path, expected)


def test_a_latch_without_a_place_to_keep_it_is_an_error_as_in_a_task():
    path, expected = wrong("report: {enabled: false}\noutputs: {a: {type: bool, latch: rise}}")
    assert (path, "`storage`" in expected) == ("spec.outputs.a.latch", True)


def test_a_job_and_a_task_of_one_prefix_in_a_file_are_an_error():
    text = task('prefix: "B:"') + "---\n" + job('prefix: "B:"')
    (found,) = problems(text)
    assert (found.path, "t in this file serves" in found.expected) == ("spec.prefix", True)


def test_what_a_run_is_told_is_part_of_the_shape():
    plan = compiled(WHOLE).plan
    other = compiled(WHOLE.replace("to: 2", "to: 3")).plan
    assert plan_shape(plan) != plan_shape(other)
