"""A run happens once, wherever the operator dies."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from ioc_operator.run import (
    Begin,
    Create,
    Lost,
    Record,
    Recorded,
    Release,
    Step,
    Suspend,
    Watch,
    next_step,
    spec_hash,
)
from ioc_operator.status import BatchJob

JOB = BatchJob(name="scan-1", uid="u1", suspended=True)
RUNNING = replace(JOB, suspended=False)
ENDED = replace(RUNNING, complete=True)

TABLE: list[tuple[str, Recorded | None, BatchJob | None, str, bool, Step]] = [
    ("nothing yet", None, None, "h", False, Begin(1)),
    ("nothing yet, and suspended", None, None, "h", True, Watch()),
    ("recorded only", Recorded(1, "h"), None, "h", False, Create(1)),
    ("created, not recorded", Recorded(1, "h"), JOB, "h", False, Record(1, "u1")),
    ("recorded, not released", Recorded(1, "h", "u1"), JOB, "h", False, Release(1)),
    ("recorded, suspended", Recorded(1, "h", "u1"), JOB, "h", True, Watch()),
    ("running", Recorded(1, "h", "u1"), RUNNING, "h", False, Watch()),
    ("running, to be suspended", Recorded(1, "h", "u1"), RUNNING, "h", True, Suspend(1)),
    ("running, edited", Recorded(1, "h", "u1"), RUNNING, "other", False, Watch()),
    ("ended", Recorded(1, "h", "u1"), ENDED, "h", False, Watch()),
    ("over", Recorded(1, "h", "u1", over=True), ENDED, "h", False, Watch()),
    ("over, cleaned up", Recorded(1, "h", "u1", over=True), None, "h", False, Watch()),
    ("over, edited", Recorded(1, "h", "u1", over=True), ENDED, "other", False, Begin(2)),
    ("over, edited, suspended", Recorded(1, "h", "u1", over=True), None, "o", True, Watch()),
    ("deleted while running", Recorded(1, "h", "u1"), None, "h", False, Lost(1)),
    ("replaced by a stranger", Recorded(1, "h", "u1"), replace(JOB, uid="x"), "h", False, Lost(1)),
]


@pytest.mark.parametrize(("case", "recorded", "job", "wanted", "suspend", "step"), TABLE)
def test_the_next_step_of_a_run(case, recorded, job, wanted, suspend, step):
    assert next_step(recorded, job, wanted, suspend=suspend) == step, case


def test_the_steps_lead_from_nothing_to_a_job_that_runs_and_make_it_once():
    recorded, job, made = None, None, 0
    for _ in range(10):
        match next_step(recorded, job, "h", suspend=False):
            case Begin(number):
                recorded = Recorded(number, "h")
            case Create(_):
                job, made = JOB, made + 1
            case Record(number, uid):
                recorded = replace(recorded, number=number, job=uid)
            case Release(_):
                job = replace(job, suspended=False)
            case Watch():
                break
    assert job == RUNNING
    assert made == 1


def test_no_state_of_the_world_lets_a_job_run_before_its_uid_is_recorded():
    jobs = [None, JOB, RUNNING, ENDED]
    runs = [None, Recorded(1, "h"), Recorded(1, "h", over=True)]
    for recorded, job in itertools.product(runs, jobs):
        assert not isinstance(next_step(recorded, job, "h", suspend=False), Release)


@pytest.mark.parametrize(
    "field", ["image", "resources", "env", "retries", "ttlSecondsAfterFinished"]
)
def test_how_it_is_run_is_no_part_of_what_is_meant(field: str):
    assert spec_hash({"runId": "1"}) == spec_hash({"runId": "1", field: "other"})


@pytest.mark.parametrize("field", ["prefix", "inputs", "plugin", "function", "runArgs", "runId"])
def test_what_is_meant_changes_the_hash(field: str):
    assert spec_hash({}) != spec_hash({field: "x"})


@pytest.mark.parametrize(
    "garbage", [None, 7, {}, {"number": "x"}, {"number": -1}, {"number": True}]
)
def test_a_run_that_makes_no_sense_is_none(garbage):
    assert Recorded.read(garbage) is None


def test_a_run_is_read_from_a_status():
    run = {"number": 3, "specHash": "h", "job": "u", "completionTime": "2026-01-01T00:00:00Z"}
    assert Recorded.read(run) == Recorded(3, "h", "u", over=True)
