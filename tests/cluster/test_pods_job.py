"""Runs of jobs on real pods: each happens once, and its end is told."""

from __future__ import annotations

import time
from typing import Any

from cluster.invariants import Object
from cluster.running import Operator
from cluster.tasks import API, Tasks, of

SOURCE = """
import time
from ioc_runtime import JobBase, JobResult

class Scan(JobBase):
    def execute(self, seconds=0.0, how="good"):
        self.progress(0.5, "half way")
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.sleep(0.05)
        if how == "raise":
            raise ValueError("no such crystal")
        return JobResult(success=how == "good", message="seen", data={"points": 3})
"""


def job(name: str, prefix: str, **arguments: Any) -> Object:
    spec = {
        "prefix": prefix,
        "plugin": {"inline": {"files": {"scan.py": SOURCE}}, "class": "Scan"},
        "runArgs": {"kwargs": arguments},
        "terminationGracePeriodSeconds": 3,
    }
    return {"apiVersion": API, "kind": "IocJob", "metadata": {"name": name}, "spec": spec}


def run(found: Object) -> Object:
    return found.get("status", {}).get("run", {})


def over(number: int):
    """The run with this number is over."""
    return lambda found: run(found).get("number") == number and run(found).get("completionTime")


def started(found: Object) -> bool:
    return found.get("status", {}).get("runtime", {}).get("job", {}).get("state") == "Running"


def jobs(tasks: Tasks) -> list[str]:
    return sorted(each["metadata"]["name"] for each in tasks.list("job"))


def test_a_job_runs_once_and_gives_its_result(operator: Operator, tasks: Tasks):
    tasks.apply(job("scan", tasks.prefix("scan")))
    tasks.run("wait", "--for=condition=Complete", "iocjob/scan", "--timeout=40s", timeout=60)
    found = tasks.wait(over(1), "scan", "iocjob")
    assert run(found)["exitCode"] == 0
    assert run(found)["result"] == {"success": True, "message": "seen", "data": {"points": 3}}
    assert found["status"]["runtime"]["job"]["run"] == 1
    tasks.apply(job("scan", tasks.prefix("scan")))
    tasks.patch("scan", {"resources": {"requests": {"cpu": "30m"}}, "retries": 1}, "iocjob")
    time.sleep(1)
    assert jobs(tasks) == ["scan-1"]


def test_a_new_run_id_or_argument_asks_for_another_run(operator: Operator, tasks: Tasks):
    tasks.apply(job("scan", tasks.prefix("scan")))
    tasks.wait(over(1), "scan", "iocjob")
    tasks.delete("job", "scan-1")
    time.sleep(1)
    assert jobs(tasks) == [], "a run whose Job was cleaned up is not repeated"
    tasks.patch("scan", {"runId": "again"}, "iocjob")
    tasks.wait(over(2), "scan", "iocjob")
    assert jobs(tasks) == ["scan-2"]
    tasks.patch("scan", {"runArgs": {"kwargs": {"seconds": 0.1}}}, "iocjob")
    found = tasks.wait(over(3), "scan", "iocjob")
    assert found["status"]["runtime"]["job"]["run"] == 3


def test_failures_are_told_apart_by_exit_code(operator: Operator, tasks: Tasks):
    tasks.apply(job("bad", tasks.prefix("bad"), how="bad"))
    tasks.apply(job("raises", tasks.prefix("raises"), how="raise"))
    bad = tasks.wait(over(1), "bad", "iocjob")
    assert of(bad, "Failed")["status"] == "True"
    assert run(bad)["exitCode"] == 10
    tasks.run("wait", "--for=condition=Failed", "iocjob/bad", "--timeout=5s")
    raises = tasks.wait(over(1), "raises", "iocjob")
    assert run(raises)["exitCode"] == 12
    assert "no such crystal" in of(raises, "Failed")["message"]
    assert "scan.py" in of(raises, "Failed")["message"]


def test_a_job_that_is_deleted_while_it_runs_has_failed_and_is_not_repeated(
    operator: Operator, tasks: Tasks
):
    tasks.apply(job("scan", tasks.prefix("scan"), seconds=60))
    tasks.wait(started, "scan", "iocjob")
    tasks.delete("job", "scan-1")
    found = tasks.wait(over(1), "scan", "iocjob")
    assert of(found, "Failed")["status"] == "True"
    time.sleep(1)
    assert jobs(tasks) == []


def test_an_evicted_run_has_failed(operator: Operator, tasks: Tasks):
    tasks.apply(job("scan", tasks.prefix("scan"), seconds=60))
    tasks.wait(started, "scan", "iocjob")
    pod = tasks.pod("scan")
    assert pod is not None
    tasks.delete("pod", pod["metadata"]["name"], "--wait=false")
    found = tasks.wait(over(1), "scan", "iocjob")
    assert of(found, "Failed")["status"] == "True"
    assert of(found, "Complete") == {}
    assert run(found).get("exitCode") in (16, None)


def test_an_operator_that_dies_during_a_run_does_not_repeat_it(operator: Operator, tasks: Tasks):
    tasks.apply(job("scan", tasks.prefix("scan"), seconds=4))
    tasks.wait(started, "scan", "iocjob")
    operator.kill()
    operator.start()
    found = tasks.wait(over(1), "scan", "iocjob")
    assert of(found, "Complete")["status"] == "True"
    assert jobs(tasks) == ["scan-1"]


def test_a_suspended_job_waits_and_runs_when_it_may(operator: Operator, tasks: Tasks):
    manifest = job("scan", tasks.prefix("scan"))
    manifest["spec"]["suspend"] = True
    tasks.apply(manifest)
    tasks.wait(lambda t: of(t, "Suspended").get("status") == "True", "scan", "iocjob")
    assert tasks.pod("scan") is None
    tasks.patch("scan", {"suspend": False}, "iocjob")
    tasks.wait(over(1), "scan", "iocjob")


def test_a_job_that_is_suspended_while_it_runs_stops_and_its_run_goes_on_later(
    operator: Operator, tasks: Tasks
):
    tasks.apply(job("scan", tasks.prefix("scan"), seconds=3))
    tasks.wait(started, "scan", "iocjob")
    first = tasks.uid("scan")
    tasks.patch("scan", {"suspend": True}, "iocjob")
    tasks.wait(lambda t: of(t, "Suspended").get("status") == "True", "scan", "iocjob")
    until = time.monotonic() + 20
    while tasks.pod("scan") is not None:
        assert time.monotonic() < until, "its pod is still there"
        time.sleep(0.1)
    found = tasks.get("iocjob", "scan")
    assert not run(found).get("completionTime"), found["status"]
    tasks.patch("scan", {"suspend": False}, "iocjob")
    found = tasks.wait(over(1), "scan", "iocjob")
    assert of(found, "Complete")["status"] == "True"
    assert found["status"]["pod"]["uid"] != first
    assert jobs(tasks) == ["scan-1"]
