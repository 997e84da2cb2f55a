"""A job and other IOCs: inputs are there before it begins, its last writes before it ends."""

from __future__ import annotations

import pytest

from runtime.field import Field
from runtime.procedure import outcome, start, states
from runtime.source import wait_until

READS = """
class Reads(JobBase):
    def initialize(self):
        self.seen = [(one.value, one.valid) for one in map(self.inputs.__getitem__, self.inputs)]
    def execute(self):
        return JobResult(True, data=self.seen)
"""
FOLLOWS = """
inputs:
  f: {type: float, link: "ca://@F"}
  i: {type: int, link: "pva://@I"}
"""
WRITES = """
outputs:
  level: {type: float, link: "@SCHEME://@LEVEL"}
"""


def test_linked_inputs_are_valid_before_initialize(field: Field):
    field.source.start()
    result = outcome(start(field, READS, FOLLOWS))
    assert (result["exit"], result["data"]) == (0, [[0.25, True], [7, True]])


def test_an_input_that_does_not_come_delays_the_run_and_no_more(field: Field):
    field.source.start()
    job = start(field, READS, FOLLOWS.replace("@I", "@NOBODY"))
    result = outcome(job)
    assert result["data"] == [[0.25, True], [None, False]]
    assert "begins without a valid value of i" in [said["text"] for said in job.said("log")]
    assert 4.5 < result["seconds"] < 8


def test_stop_ends_the_wait_for_inputs(field: Field):
    job = start(field, READS, FOLLOWS)
    field.shows("STATE", 1)
    field.ca.pv("CMD:STOP").put(1)
    assert outcome(job, 3)["message"] == "stopped by CMD:STOP; before it began"
    assert states(job) == ["Preparing", "Stopped"]


@pytest.mark.parametrize("scheme", ["ca", "pva"])
def test_what_a_run_writes_last_reaches_its_target_before_the_end(field: Field, scheme: str):
    target = field.target()
    job = start(
        field,
        """
def main(job):
    for n in range(5):
        job.set_output("level", n)
""",
        WRITES.replace("@SCHEME", scheme),
    )
    result = outcome(job)
    assert (result["exit"], target.puts("LEVEL")[-1]) == (0, 4.0)


@pytest.mark.parametrize("scheme", ["ca", "pva"])
def test_a_last_write_that_does_not_arrive_makes_the_run_an_io_failure(field: Field, scheme: str):
    job = start(
        field,
        "def main(job):\n    job.set_output('level', 4)\n    return JobResult(True, data=1)",
        WRITES.replace("@SCHEME", scheme)
        .replace("@LEVEL", "@NOBODY")
        .replace('"}', '", timeout: 0.3, retries: 0}'),
    )
    result = outcome(job)
    assert (result["exit"], result["state"], result["reason"]) == (11, "Failed", "IOFailure")
    assert result["message"] == (
        f"level: {scheme}://{field.env.prefix}NOBODY did not take 4.000: it is not connected"
    )


def test_a_put_that_is_not_answered_is_an_io_failure_with_its_line(field: Field):
    job = start(
        field,
        "def main(job):\n    job.link_put('level', 4, timeout=0.3)",
        WRITES.replace("@SCHEME", "ca").replace("@LEVEL", "@NOBODY"),
    )
    result = outcome(job)
    assert (result["exit"], result["reason"]) == (11, "IOFailure")
    assert "PutFailed: level: ca://" in result["message"]
    assert "no connection within 0.3 s" in result["message"]


def test_a_write_that_failed_before_and_arrived_in_the_end_is_no_failure(field: Field):
    job = start(
        field,
        """
def main(job):
    job.set_output("level", 4)
    while not job.inputs.go.value:
        job.sleep(0.01)
    job.set_output("level", 5)
""",
        "inputs: {go: {type: int, value: 0}}\n"
        + WRITES.replace("@SCHEME", "ca").replace('"}', '", timeout: 0.2, retries: 0}'),
    )
    pva = field.pva()
    wait_until(lambda: "it is not connected" in pva.get("MESSAGE")[0])
    target = field.target()
    wait_until(lambda: target.puts("LEVEL") == [4.0], 30)
    field.ca.put("go", 1)
    assert outcome(job)["exit"] == 0
    assert target.puts("LEVEL") == [4.0, 5.0]


def test_a_set_point_of_a_job_outlives_its_run(field: Field):
    code = """
def main(job):
    while job.inputs.go.value != 1:
        job.sleep(0.01)
    return JobResult(True, data=job.inputs.steps.value)
"""
    spec = "inputs: {go: {type: int, value: 0, persist: false}, steps: {type: int, value: 3}}"
    for steps in (3, 9):
        job = start(field, code, spec, "--state", str(field.state))
        field.client()
        assert field.value("steps") == steps
        field.ca.put("steps", 9)
        field.ca.put("go", 1)
        assert outcome(job)["data"] == 9
