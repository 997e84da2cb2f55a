"""Runs of IocJobs as the operator makes them: each once, whatever befalls the operator.

No node here: what a pod would do is written into its status by hand.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cluster.invariants import check
from cluster.operator_process import OperatorProcess, install, operator
from cluster.rig import Rig
from cluster.tasks import API, Tasks, of

pytestmark = pytest.mark.timeout(180)

CODE = "from ioc_runtime import JobBase\nclass Run(JobBase):\n    def execute(self): pass\n"
AT = "2026-11-21T06:55:00Z"


@pytest.fixture(scope="module")
def kubeconfig(control_plane: Rig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(control_plane, tmp_path_factory.mktemp("operator"))


@pytest.fixture
def jobs(control_plane: Rig, namespace: str) -> Iterator[Tasks]:
    yield Tasks(control_plane.kubectl, namespace)
    check(control_plane.kubectl, namespace)


@pytest.fixture
def start(kubeconfig: Path, namespace: str, tmp_path: Path) -> Any:
    """A context manager: an operator of this namespace, without a Lease."""
    return partial(operator, kubeconfig, tmp_path, "--namespace", namespace, "--no-leader-election")


def job(name: str, prefix: str, **spec: Any) -> dict[str, Any]:
    given = {"prefix": prefix, "plugin": {"inline": {"files": {"run.py": CODE}}}} | spec
    return {"apiVersion": API, "kind": "IocJob", "metadata": {"name": name}, "spec": given}


def run_of(found: dict[str, Any]) -> dict[str, Any]:
    return found.get("status", {}).get("run", {})


def released(jobs: Tasks, name: str) -> bool:
    found = jobs.list("job", "-l", f"app.kubernetes.io/instance={name}")
    return bool(found) and all(each["spec"].get("suspend") is False for each in found)


def finish(jobs: Tasks, name: str, code: int) -> None:
    """End the pod of a Job as its kubelet would."""
    until = time.monotonic() + 20.0
    selector = f"batch.kubernetes.io/job-name={name}"
    while not (pods := jobs.list("pod", "-l", selector)):
        assert time.monotonic() < until, f"Job {name} has no pod"
        time.sleep(0.1)
    ended = {"exitCode": code, "reason": "x", "startedAt": AT, "finishedAt": AT}
    container = {"name": "ioc", "image": "x", "imageID": "", "restartCount": 0, "ready": False}
    phase = "Failed" if code else "Succeeded"
    status = {"phase": phase, "containerStatuses": [container | {"state": {"terminated": ended}}]}
    pod = pods[0]["metadata"]["name"]
    patch = json.dumps({"status": status})
    jobs.run("patch", "pod", pod, "--subresource=status", "--type=merge", "-p", patch)


def test_a_job_runs_once_and_again_only_when_what_it_means_changes(
    jobs: Tasks, start: Callable[..., Any]
) -> None:
    with start() as process:
        process.ready()
        jobs.apply(job("ramp", jobs.prefix("ramp")))
        jobs.wait(lambda f: run_of(f).get("job"), "ramp", "iocjob")
        finish(jobs, "ramp-1", 0)
        jobs.run("wait", "iocjob/ramp", "--for=condition=Complete", "--timeout=20s")
        jobs.patch("ramp", {"image": "another:1"}, "iocjob")
        jobs.wait(
            lambda f: f["status"]["observedGeneration"] == f["metadata"]["generation"],
            "ramp",
            "iocjob",
        )
        jobs.delete("job", "ramp-1")  # somebody tidies up
        assert process.stop() == 0
    with start() as process:
        process.ready()
        time.sleep(1.5)
        assert jobs.list("job") == [], "neither an image nor a clean-up runs it again"

        jobs.patch("ramp", {"runId": "again"}, "iocjob")
        jobs.wait(lambda f: run_of(f).get("number") == 2, "ramp", "iocjob")
        finish(jobs, "ramp-2", 10)
        found = jobs.wait(lambda f: of(f, "Failed"), "ramp", "iocjob")
        assert run_of(found)["exitCode"] == 10
        assert process.stop() == 0


def test_a_job_that_is_over_runs_again_when_that_is_asked_for_and_only_then(
    jobs: Tasks, start: Callable[..., Any]
) -> None:
    note = "ioc-operator.dev/restartedAt"
    with start() as process:
        process.ready()
        jobs.apply(job("ramp", jobs.prefix("ramp")))
        jobs.wait(lambda f: run_of(f).get("job"), "ramp", "iocjob")
        jobs.annotate("ramp", f"{note}=one", "iocjob")  # while it runs: for later
        finish(jobs, "ramp-1", 0)
        jobs.wait(lambda f: run_of(f).get("number") == 2, "ramp", "iocjob")
        finish(jobs, "ramp-2", 10)
        jobs.wait(lambda f: of(f, "Failed"), "ramp", "iocjob")
        assert process.stop() == 0
    with start() as process:
        process.ready()
        jobs.annotate("ramp", f"{note}-", "iocjob")
        jobs.patch("ramp", {"image": "another:1"}, "iocjob")
        jobs.wait(
            lambda f: f["status"]["observedGeneration"] == f["metadata"]["generation"],
            "ramp",
            "iocjob",
        )
        jobs.annotate("ramp", f"{note}=one", "iocjob")
        time.sleep(1.0)
        run = run_of(jobs.get("iocjob", "ramp"))
        assert (run["number"], run["restartedAt"]) == (2, "one"), "it was carried out before"
        jobs.annotate("ramp", f"{note}=two", "iocjob")
        jobs.wait(lambda f: run_of(f).get("number") == 3, "ramp", "iocjob")
        finish(jobs, "ramp-3", 0)
        jobs.wait(lambda f: of(f, "Complete"), "ramp", "iocjob")
        assert process.stop() == 0


def test_a_run_that_ended_and_another_that_was_asked_for_while_nobody_looked(
    jobs: Tasks, start: Callable[..., Any]
) -> None:
    with start() as process:
        process.ready()
        jobs.apply(job("ramp", jobs.prefix("ramp")))
        jobs.wait(lambda f: run_of(f).get("job"), "ramp", "iocjob")
        assert process.stop() == 0
    finish(jobs, "ramp-1", 0)
    jobs.run("wait", "--for=condition=Complete", "job/ramp-1", "--timeout=40s")
    jobs.annotate("ramp", "ioc-operator.dev/restartedAt=one", "iocjob")
    with start() as process:  # it is told all of this at once, and nothing happens after it
        process.ready()
        jobs.wait(lambda f: run_of(f).get("number") == 2, "ramp", "iocjob")
        finish(jobs, "ramp-2", 0)
        jobs.wait(lambda f: of(f, "Complete"), "ramp", "iocjob")
        assert process.stop() == 0


def test_a_job_of_a_run_that_somebody_deletes_is_not_made_again(
    jobs: Tasks, start: Callable[..., Any]
) -> None:
    with start() as process:
        process.ready()
        jobs.apply(job("ramp", jobs.prefix("ramp")))
        jobs.wait(lambda f: run_of(f).get("job"), "ramp", "iocjob")
        jobs.delete("job", "ramp-1")
        jobs.wait(lambda f: of(f, "Failed"), "ramp", "iocjob")
        assert jobs.list("job") == []
        assert process.stop() == 0


def test_suspended_it_has_no_pod_and_goes_on_when_it_may(
    jobs: Tasks, start: Callable[..., Any]
) -> None:
    with start() as process:
        process.ready()
        jobs.apply(job("ramp", jobs.prefix("ramp"), suspend=True))
        jobs.wait(lambda f: of(f, "Suspended"), "ramp", "iocjob")
        assert jobs.list("job") == []
        jobs.patch("ramp", {"suspend": False}, "iocjob")
        jobs.wait(lambda f: run_of(f).get("job"), "ramp", "iocjob")
        jobs.patch("ramp", {"suspend": True}, "iocjob")
        until = time.monotonic() + 20.0
        while jobs.list("pod") or jobs.list("job"):
            assert time.monotonic() < until, "a pod would end with 16, and that be its failure"
            time.sleep(0.1)
        found = jobs.wait(lambda f: not run_of(f).get("job"), "ramp", "iocjob")
        assert run_of(found)["number"] == 1 and not run_of(found).get("completionTime")
        jobs.patch("ramp", {"suspend": False}, "iocjob")
        jobs.wait(lambda f: run_of(f).get("job"), "ramp", "iocjob")
        finish(jobs, "ramp-1", 0)
        found = jobs.wait(lambda f: of(f, "Complete"), "ramp", "iocjob")
        assert run_of(found)["number"] == 1
        assert process.stop() == 0


@pytest.mark.parametrize("when", ["exit-before", "exit-after"])
def test_killed_at_any_write_the_run_happens_exactly_once(
    jobs: Tasks, start: Callable[..., Any], when: str
) -> None:
    survived, number = False, 0
    while not survived:
        number += 1
        assert number < 14, "the writes of one run are counted out"
        name = f"j{number}"
        jobs.apply(job(name, jobs.prefix(name)))
        with start(environment={"IOC_OPERATOR_FAULT": f"{when}:{number}"}) as process:
            survived = dies_not(process, jobs, name)
        if survived:
            break
        with start() as process:
            process.ready()
            jobs.wait(lambda f: run_of(f).get("job"), name, "iocjob")
            until = time.monotonic() + 20.0
            while not released(jobs, name):
                assert time.monotonic() < until, process.log
                time.sleep(0.1)
            assert process.stop() == 0
        made = jobs.list("job", "-l", f"app.kubernetes.io/instance={name}")
        assert [each["metadata"]["name"] for each in made] == [f"{name}-1"]
        assert made[0]["metadata"]["uid"] == run_of(jobs.get("iocjob", name))["job"]
    assert number > 5, "record, ConfigMap, Job, uid, release at least"


def dies_not(process: OperatorProcess, jobs: Tasks, name: str) -> bool:
    """Whether it gets through; True once nothing is left for it to write."""
    until = time.monotonic() + 30.0
    while process.popen.poll() is None:
        assert time.monotonic() < until, process.log
        if of(jobs.get("iocjob", name), "Stalled") and released(jobs, name):
            return process.stop() == 0
        time.sleep(0.1)
    assert process.popen.returncode == 86, process.log
    return False
