"""The status of a job: its run, and how that ended."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ioc_operator.status import BatchJob, Facts, JobView, Run, job_status, read_job
from support.examples import examples
from unit.operator.test_status_properties import JSON, PODS, REPORTS, VIEWS
from unit.operator.views import (
    at,
    condition,
    container,
    ended,
    pod,
    reasons,
    report,
    starting,
    view,
)

RUN = Run(2, "hash2", "sweep-2")
JOB = BatchJob("sweep-2", "j2", active=1, started_at=at(1))
DONE = replace(JOB, active=0, complete=True, completed_at=at(61))
FAILED = replace(JOB, active=0, failed=1, failure="PodFailurePolicy", failed_at=at(62))


def running(**changes: Any) -> JobView:
    fields: dict[str, Any] = {
        "base": view(facts=Facts(inputs=12), runtime=report(job={"run": 2, "state": "Running"})),
        **{"run": RUN, "job": JOB, "pods": (pod(name="sweep-2-abcde"),)},
    }
    return JobView(**{**fields, **changes})


def over(code: int, message: str = "", phase: str = "Failed"):
    return starting(
        name="sweep-2-abcde",
        phase=phase,
        container=container(ready=False, started=False, ended=ended(code, message=message)),
    )


COMPLETE = running(job=DONE, pods=(over(0, phase="Succeeded"),))
BROKEN = running(job=FAILED, pods=(over(12, '{"reason": "Exception", "text": "boom"}'),))


def test_a_job_that_runs_is_ready_and_shows_its_run():
    status = job_status(running())
    assert reasons(status) == {
        "Ready": "True Running",
        "Serving": "True PodReady",
        "InputsConnected": "True AllConnected",
    }
    assert status["phase"] == "Running"
    assert status["summary"]["state"] == "Running"
    assert status["run"] == {
        **{"number": 2, "specHash": "hash2", "job": "sweep-2", "startTime": at(1)}
    }


def test_a_run_that_ended_well_is_complete_and_current():
    status = job_status(COMPLETE)
    assert reasons(status) == {"Ready": "True Completed", "Complete": "True Completed"}
    assert (status["phase"], status["summary"]["state"]) == ("Complete", "Complete")
    assert status["run"]["completionTime"] == at(61)
    assert status["run"]["exitCode"] == 0
    assert "history" not in status


def test_a_run_that_failed_needs_somebody():
    status = job_status(BROKEN)
    assert reasons(status) == {
        "Ready": "False RunFailed",
        "Stalled": "True RunFailed",
        "Failed": "True RunFailed",
    }
    assert (status["phase"], status["summary"]["state"]) == ("Failed", "Failed")
    assert status["run"]["exitCode"] == 12
    assert status["run"]["message"] == "exit code 12: boom; PodFailurePolicy"
    assert [entry["reason"] for entry in status["history"]] == ["Exception"]


@pytest.mark.parametrize("finished", [COMPLETE, BROKEN], ids=["complete", "failed"])
def test_what_has_ended_stays_ended_when_its_job_and_pods_are_gone(finished: JobView):
    first = job_status(finished)
    gone = replace(finished, job=None, pods=(), base=replace(finished.base, config_hash=None))
    later = job_status(gone, first)
    for part in ("run", "conditions", "phase", "summary"):
        assert later[part] == first[part]
    assert job_status(replace(finished, pods=()), first)["run"] == first["run"]
    swept = job_status(replace(gone, deleted=True), first)
    assert (swept["run"], swept["conditions"]) == (first["run"], first["conditions"])
    without_job = job_status(replace(finished, job=None), first)
    assert without_job["run"] == first["run"]


def test_the_next_run_starts_without_the_outcome_of_the_last():
    first = job_status(BROKEN)
    fresh = running(run=Run(3, "hash3"), job=None, pods=())
    status = job_status(fresh, first)
    assert reasons(status)["Ready"] == "Unknown Progressing"
    assert not {"Complete", "Failed"} & set(reasons(status))
    assert status["run"] == {"number": 3, "specHash": "hash3"}
    assert status["history"] == first["history"]


def test_a_run_whose_job_was_deleted_has_an_end_and_keeps_it():
    lost = running(job=None, pods=(), deleted=True)
    first = job_status(lost)
    assert first["run"]["completionTime"] == at(100)
    base = replace(lost.base, now=lost.base.now + timedelta(seconds=50))
    assert job_status(replace(lost, base=base), first) == first


def test_a_record_of_another_spec_is_not_that_of_this_run():
    first = job_status(COMPLETE)
    recreated = running(run=replace(RUN, spec_hash="other"), job=None, pods=())
    assert not {"Complete", "Failed"} & set(reasons(job_status(recreated, first)))


STORIES: dict[str, tuple[JobView, str, str]] = {
    "before the first run": (
        running(run=None, job=None, pods=()),
        "Unknown Progressing",
        "Pending",
    ),
    "the Job is not there yet": (running(job=None, pods=()), "Unknown Progressing", "Pending"),
    "queued": (
        running(job=replace(JOB, suspended=True), pods=()),
        *("False Queued", "Pending"),
    ),
    "suspended": (
        running(base=view(suspend=True), job=replace(JOB, suspended=True), pods=()),
        *("False SuspendedBySpec", "Suspended"),
    ),
    "no pod yet": (running(pods=()), "False PodMissing", "Pending"),
    "between two attempts": (running(pods=(over(12),)), "False Retrying", "Pending"),
    "second attempt": (
        running(pods=(over(12), pod(name="sweep-2-fghij"))),
        "True Running",
        "Running",
    ),
    "the pod has ended, the Job does not know yet": (
        running(pods=(over(0, phase="Succeeded"),)),
        *("False Ending", "Pending"),
    ),
    "says that it has ended": (
        running(base=view(facts=Facts(), runtime=report(state="END"))),
        *("False Ending", "Pending"),
    ),
    "deleted by hand": (running(job=None, pods=(), deleted=True), "False JobDeleted", "Failed"),
    "image that is not there": (
        running(pods=(starting(container=container(ready=False, waiting="ErrImagePull")),)),
        *("False ImagePull", "Stalled"),
    ),
    "bad edit after a good run": (
        replace(COMPLETE, base=view(problems="spec.function: expected a name", facts=None)),
        *("False InvalidSpec", "Stalled"),
    ),
}


@pytest.mark.parametrize("story", STORIES)
def test_ready_names_the_first_thing_in_the_way(story: str):
    known, ready, phase = STORIES[story]
    status = job_status(known)
    assert (reasons(status)["Ready"], status["phase"]) == (ready, phase)


def test_a_run_that_was_complete_stays_so_beside_a_bad_edit():
    status = job_status(STORIES["bad edit after a good run"][0], job_status(COMPLETE))
    assert reasons(status)["Complete"] == "True Completed"


def test_the_result_is_what_the_runtime_reported_or_left_as_its_last_words():
    data = {"success": True, "data": {"peak": 1.5}}
    said = replace(
        running(), base=view(runtime=report(job={"run": 2, "state": "Succeeded", "result": data}))
    )
    first = job_status(said)
    assert first["run"]["result"] == data
    assert job_status(replace(said, job=None, pods=(), base=view(runtime=None)), first)["run"][
        "result"
    ] == (data)
    words = json.dumps({"reason": "Done", "exit": 0, "result": [1, 2]})
    left = running(job=DONE, pods=(over(0, words, "Succeeded"),))
    assert job_status(left)["run"]["result"] == [1, 2]


@pytest.mark.parametrize(
    "job",
    [
        {"run": 1, "result": "of another run"},
        {"run": 2, "result": "x" * 3000},
        {"run": 2, "result": "\ud800"},
        {"run": 2, "result": None},
    ],
)
def test_a_result_of_another_run_or_one_that_is_too_large_is_left_out(job: dict[str, Any]):
    known = replace(COMPLETE, base=view(runtime=report(job=job)))
    assert "result" not in job_status(known)["run"]


def test_a_result_of_a_pod_that_is_not_of_this_run_is_left_out():
    known = replace(COMPLETE, base=view(runtime=report(podUID="u9", job={"run": 2, "result": 1})))
    assert "result" not in job_status(known)["run"]


def test_a_job_is_read_from_what_the_api_server_holds():
    raw = {
        "metadata": {"name": "sweep-2", "uid": "j2"},
        "spec": {"suspend": False},
        "status": {
            "startTime": at(1),
            "failed": 1,
            "conditions": [
                {"type": "FailureTarget", "status": "True", "reason": "PodFailurePolicy"},
                {
                    **{"type": "Failed", "status": "True", "reason": "PodFailurePolicy"},
                    **{"message": "exit code 12", "lastTransitionTime": at(62)},
                },
            ],
        },
    }
    read = read_job(raw)
    assert read == replace(FAILED, failure_message="exit code 12")
    assert not read_job(
        {"status": {"conditions": [{"type": "Complete", "status": "False"}]}}
    ).complete


RUNS = st.none() | st.builds(Run, st.sampled_from([1, 2]), st.sampled_from(["h", "hash2"]))
JOBS = st.none() | st.sampled_from([JOB, DONE, FAILED, replace(JOB, suspended=True)])
JOB_VIEWS = st.builds(
    JobView,
    base=VIEWS,
    run=RUNS,
    job=JOBS,
    deleted=st.booleans(),
    pods=st.lists(PODS, max_size=2).map(tuple),
)
BEFORE = st.none() | JSON | JOB_VIEWS.map(job_status)


@settings(max_examples=examples(200), deadline=None)
@given(JOB_VIEWS, BEFORE, st.integers(0, 10**6))
def test_the_status_of_a_job_worked_out_again_is_the_same(known: JobView, before: Any, wait: int):
    first = job_status(known, before)
    base = replace(known.base, now=known.base.now + timedelta(seconds=wait))
    again = job_status(replace(known, base=base), first)
    assert json.dumps(again) == json.dumps(first)
    json.dumps(first, allow_nan=False, ensure_ascii=False).encode()
    kinds = set(reasons(first))
    assert not {"Complete", "Failed"} <= kinds
    assert not {"Reconciling", "Stalled"} <= kinds
    assert bool({"Complete", "Failed"} & kinds) == ("completionTime" in first.get("run", {}))


@settings(max_examples=examples(200), deadline=None)
@given(REPORTS, JOBS, st.lists(PODS, max_size=2))
def test_no_report_makes_a_job_complete(runtime: Any, job: BatchJob | None, pods: list):
    status = job_status(JobView(base=view(runtime=runtime), run=RUN, job=job, pods=tuple(pods)))
    done = condition(status, "Complete")
    assert (done is not None) == (job is not None and job.complete)
