"""A job from its start to its own end: what clients see, and what the process ends with."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from ioc_runtime.standard import JOB_STANDARD, JOB_STATES
from runtime.field import INVALID, Field
from runtime.procedure import GATE, HEAD, LINES, Watch, in_state, outcome, start, states
from runtime.source import wait_until
from support.spawn import Spawn

RAMP = """
class Ramp(JobBase):
    def initialize(self):
        self.logger.info("prepared")
    def execute(self, to, steps=4):
        gate(self)
        for n in range(1, steps + 1):
            self.set_output("own", to * n / steps)
            self.progress(n / steps, f"step {n} of {steps}")
            self.sleep(0.15)
        return JobResult(True, message=f"reached {to} A", data={"steps": steps})
    def cleanup(self):
        self.logger.info("cleaned")
"""


def test_a_run_is_followed_by_clients_of_both_protocols_to_its_last_value(field: Field):
    job = start(field, RAMP, GATE + "runArgs: {args: [8], kwargs: {steps: 5}}\nrunId: night 7")
    in_state(field, "Running")
    assert field.value("RUN:ID") == "night 7"
    with Watch(field, "STATE", "STATUS", "PROGRESS", "MSG", "own", "SEQ", "MESSAGE") as watch:
        field.ca.pv("go").put(1)
        result = outcome(job)
        for name, last in (
            ("PROGRESS", 100.0),
            ("own", 8.0),
            ("STATUS", 2),
            ("SEQ", 3),
            ("STATE", JOB_STATES.index("Succeeded")),
        ):
            watch.until(name, last)
        assert watch.pva["MSG"][-1] == watch.ca["MSG"][-1] == "step 5 of 5"
        assert watch.pva["MESSAGE"][-1] == "reached 8 A"
        for seen in (watch.ca["PROGRESS"], watch.pva["PROGRESS"]):
            assert seen == sorted(seen)
            assert {20.0, 40.0, 60.0, 80.0, 100.0} <= {*seen}
    assert (result["state"], result["reason"], result["exit"]) == ("Succeeded", "Completed", 0)
    assert (result["success"], result["data"]) == (True, {"steps": 5})
    assert result["message"] == "reached 8 A"
    assert 0.7 < result["seconds"] < 10
    assert states(job) == ["Preparing", "Running", "Succeeded"]
    logged = [said["text"] for said in job.said("log") if said["logger"] == "plugin.guard"]
    assert logged == ["prepared", "cleaned"]
    assert job.said("error") == []


def test_every_standard_pv_of_a_job_answers_over_both_protocols(field: Field):
    job = start(field, RAMP, GATE + "runArgs: {args: [8]}")
    in_state(field, "Running")
    names = [pv.name for pv in JOB_STANDARD]
    field.ca.search(names)
    pva = field.pva()
    for name in names:
        over_ca, over_pva = field.ca.get(name), pva.get(name)
        assert over_ca[1] == over_pva[1] == 0, name
    assert job.said("ready")[0]["records"] == len(names) + 2
    expected = {"STATUS": 1, "SEQ": 2, "PROGRESS": 0.0, "MSG": "", "RUN:ID": ""}
    assert {name: field.value(name) for name in expected} == expected
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", field.value("RUN:START_TIME"))
    beats = field.value("HEARTBEAT")
    wait_until(lambda: field.value("HEARTBEAT") > beats and field.value("RUN:DURATION") >= 1)
    wait_until(lambda: any("prepared" in line for line in field.value("LOG:INFO")))
    field.ca.put("go", 1)
    assert outcome(job)["exit"] == 0


@pytest.mark.parametrize(
    ("body", "exit_code", "reason", "message"),
    [
        ("return JobResult(False, message='no beam')", 10, "LogicFailure", "no beam"),
        ("return False", 10, "LogicFailure", "the job says that it failed, and not why"),
        (
            "return {'success': False, 'message': 'no beam', 'data': 1}",
            *(10, "LogicFailure", "no beam"),
        ),
        ("raise OSError('cable')", 11, "IOFailure", "execute failed: guard.py:@: OSError: cable"),
        (
            "open('/no/such/file')",
            *(11, "IOFailure"),
            "execute failed: guard.py:@: FileNotFoundError: [Errno 2] No such file or directory: "
            "'/no/such/file'",
        ),
        (
            "1 / 0",
            *(12, "Exception", "execute failed: guard.py:@: ZeroDivisionError: division by zero"),
        ),
        (
            "self.set_input('far', 1)",
            *(12, "Exception"),
            "execute failed: guard.py:@: NotYours: input 'far' follows ca://NOBODY:X and cannot be "
            "set: expected a set-point (an input without link) or an output",
        ),
        (
            "exit(0)",
            *(12, "Exception"),
            "execute failed: guard.py:@: the plugin called exit(0), which a plugin cannot do",
        ),
        ("self.progress(1.5)", 12, "Exception", "number from 0 to 1, got 1.5"),
    ],
    ids=[
        *("a-result", "false", "a-dict", "oserror", "file", "exception", "not-yours", "exit"),
        "progress",
    ],
)
def test_a_failed_run_ends_with_its_exit_code_and_says_where(
    field: Field, body: str, exit_code: int, reason: str, message: str
):
    spec = GATE
    if "'far'" in body:  # a run waits 5 s for it
        spec = spec.replace("inputs: {", 'inputs: {far: {type: float, link: "ca://NOBODY:X"}, ')
    code = f"""
class Fails(JobBase):
    def execute(self):
        {body}
"""
    job = start(field, code, spec + "initArgs: {}")
    result = outcome(job)
    assert (result["exit"], result["reason"], result["state"]) == (exit_code, reason, "Failed")
    assert result["success"] is False
    assert message.replace("@", str(LINES + 3)) in result["message"]
    (error,) = job.said("error")
    assert (error["exit"], error["reason"]) == (exit_code, reason)
    assert error["text"] == result["message"]
    if exit_code != 10:
        assert any("in execute" in said["text"] for said in job.said("log"))


def test_the_pvs_of_a_failed_run_tell_clients_before_they_go(field: Field):
    job = start(
        field,
        """
class Fails(JobBase):
    def execute(self):
        gate(self)
        self.set_output("own", 4)
        self.progress(0.4, "ramping")
        raise RuntimeError("quench")
""",
    )
    in_state(field, "Running")
    with Watch(field, "STATE", "STATUS", "PROGRESS", "MESSAGE", "own") as watch:
        field.ca.put("go", 1)
        assert outcome(job)["exit"] == 12
        watch.until("STATE", JOB_STATES.index("Failed"))
        watch.until("STATUS", 3)
        watch.until("PROGRESS", 40.0)
        watch.until("own", 4.0)
        wait_until(lambda: watch.severities[-1] == INVALID)
        assert "RuntimeError: quench" in watch.pva["MESSAGE"][-1]


def test_when_initialize_fails_execute_does_not_run_and_cleanup_does(field: Field):
    job = start(
        field,
        """
class Fails(JobBase):
    def initialize(self):
        raise RuntimeError("no device")
    def execute(self):
        self.logger.info("executed")
    def cleanup(self):
        self.logger.info("cleaned")
""",
    )
    result = outcome(job)
    assert (result["exit"], states(job)) == (12, ["Preparing", "Failed"])
    assert result["message"].startswith(f"initialize failed: guard.py:{LINES + 3}: RuntimeError")
    texts = [said["text"] for said in job.said("log")]
    assert "cleaned" in texts and "executed" not in texts


def test_a_cleanup_that_fails_makes_no_success_of_the_run(field: Field):
    job = start(
        field,
        """
class Parks(JobBase):
    def execute(self):
        return JobResult(True, message="all done")
    def cleanup(self):
        raise OSError("the motor did not park")
""",
    )
    result = outcome(job)
    assert (result["exit"], result["success"]) == (11, False)
    assert "cleanup failed" in result["message"] and "did not park" in result["message"]


@pytest.mark.parametrize(
    ("code", "more", "message"),
    [
        ("def main():\n    return JobResult(True, message='main ran')", "", "main ran"),
        (
            "def scan(job, a, *, b):\n    job.progress(0.5, 'half')\n"
            "    return JobResult(True, message=f'{job.name} {a} {b}')",
            "function: scan\nrunArgs: {args: [[1, x]], kwargs: {b: {c: 2}}}",
            "guard [1, 'x'] {'c': 2}",
        ),
        (
            "async def scan(a, job):\n    await asyncio.sleep(0.01)\n"
            "    job.set_output('own', a)\n"
            "    return JobResult(True, message=str(job.get_output('own')))",
            "function: scan\nrunArgs: {kwargs: {a: 2}}",
            "2.0",
        ),
        (
            "class Scan(JobBase):\n    def initialize(self, a): self.a = a\n"
            "    async def execute(self):\n        await asyncio.sleep(0.01)\n"
            "        return JobResult(True, message=self.a)\n"
            "def main():\n    return False",
            "initArgs: {args: [from init]}",
            "from init",
        ),
    ],
    ids=["main", "named", "async", "class-before-main"],
)
def test_code_is_the_function_that_is_named_the_class_or_main(
    field: Field, code: str, more: str, message: str
):
    result = outcome(start(field, code, GATE + more))
    assert (result["exit"], result["message"]) == (0, message)


@pytest.mark.parametrize(
    ("code", "more", "words"),
    [
        ("x = 1", "", "no subclass of JobBase and no function main"),
        ("def scan(): pass", "function: scam", "no function 'scam'; nearest: 'scan'"),
        (
            "def main(a): pass",
            "",
            f"guard.py:{LINES + 1}: main(a) cannot be called with spec.runArgs: "
            "missing a required argument: 'a'",
        ),
        (
            "class Scan(JobBase):\n    def execute(self, a): pass",
            "runArgs: {args: [1, 2]}",
            f"guard.py:{LINES + 2}: execute(a) cannot be called with spec.runArgs: too many",
        ),
        (
            "class Scan(JobBase):\n    def execute(self): pass",
            "initArgs: {args: [1, 2]}",
            None,
        ),
        ("def main(): yield", "", "is a generator"),
        ("def main(): pass", "initArgs: {args: [1]}", "has no initialize"),
        ("class Scan(JobBase): pass", "", "leaves execute abstract"),
    ],
)
def test_code_that_cannot_be_run_as_it_is_told_ends_the_start_with_15(
    field: Field, code: str, more: str, words: str | None
):
    job = start(field, code, GATE + more, ready=words is None)
    if words is None:  # JobBase's own initialize takes whatever there is
        assert outcome(job)["exit"] == 0
        return
    assert job.wait(20) == 15
    (error,) = job.said("error")
    assert words in error["text"]
    assert job.said("result") == []


def test_data_that_cannot_be_kept_is_left_out_with_a_word_and_the_run_stays_done(field: Field):
    job = start(field, "def main():\n    return JobResult(True, data='x' * 3000, message='long')")
    result = outcome(job)
    assert (result["exit"], result["message"]) == (0, "long")
    assert "data" not in result
    (warning,) = [x["text"] for x in job.said("log") if x["level"] == "WARNING"]
    assert warning == "the result's data is left out: 3002 bytes of JSON, at most 2048"


def test_what_a_run_prints_and_logs_is_passed_on(field: Field):
    job = start(
        field,
        """
def main():
    print("printed")
    logging.getLogger("mine").warning("logged %d", 3)
""",
    )
    assert outcome(job)["exit"] == 0
    assert "printed" in job.errors
    assert [x["text"] for x in job.said("log") if x["logger"] == "mine"] == ["logged 3"]


def test_a_run_with_a_snapshot_tells_its_parent_how_far_it_is(field: Field):
    job = start(field, RAMP, GATE + "runArgs: {args: [8]}", "--snapshot", "0.1")
    field.ca.put("go", 1)
    assert outcome(job)["exit"] == 0
    seen = [said["job"] for said in job.said("snapshot")]
    assert {"state", "progress", "message", "seconds"} <= {*seen[0]}
    assert {25.0, 50.0} <= {one["progress"] for one in seen}
    assert "step 2 of 4" in {one["message"] for one in seen}
    assert {said["state"] for said in job.said("snapshot")} >= {"Running"}


def test_in_a_pod_the_result_is_left_for_the_kubelet(field: Field, spawn: Spawn, tmp_path: Path):
    log = tmp_path / "termination-log"
    log.touch()
    code = HEAD + (
        "def main(job):\n    gate(job)\n    return JobResult(False, data=[1], message='no beam')\n"
    )
    plan = field.plan(GATE, code, kind="IocJob")
    plan = replace(plan, job=replace(plan.job, run=3))
    pod = {"KIND": "IocJob", "NAME": "guard", "NAMESPACE": "b", "POD_NAME": "p", "POD_UID": "u"}
    environ = {f"IOC_{name}": value for name, value in pod.items()}
    environ |= {"IOC_PROBE_PORT": "0", "IOC_REPORT": "0", "IOC_TERMINATION_LOG": str(log)}
    job = spawn.runtime(plan, "--no-search", "--pod", env=environ)
    assert field.value("RUN:ID") == "3"
    field.ca.put("go", 1)
    assert outcome(job)["run"] == 3
    assert json.loads(log.read_text()) == {
        "reason": "LogicFailure",
        "text": "no beam",
        "exit": 10,
        "result": {"success": False, "message": "no beam", "data": [1]},
    }
