"""A run that is ended before its own end: by a client, by a signal, by its time limit."""

from __future__ import annotations

import pytest

from ioc_runtime.standard import JOB_STATES
from runtime.field import Field, took
from runtime.procedure import GATE, LINES, Watch, in_state, outcome, start, states
from runtime.source import wait_until
from support.spawn import Spawned

EXIT_TIME = 2.0
"""Seconds from SIGTERM to the end, which is part of what is promised."""
WAITS = """
class Waits(JobBase):
    def execute(self):
        self.progress(0.3, "waiting")
        try:
            gate(self)
        finally:
            self.logger.info("finally")
    def abort(self):
        self.logger.info("abort after %s", self.stop_reason)
        self.set_output("own", -1)
    def cleanup(self):
        self.logger.info("cleanup")
"""
POLLS = WAITS.replace("gate(self)", "while not self.stop_requested: time.sleep(0.01)")
AWAITS = WAITS.replace("def execute", "async def execute").replace(
    "gate(self)", "await asyncio.sleep(60)"
)
IGNORES = WAITS.replace("gate(self)", "while True: time.sleep(60)")
BURNS = WAITS.replace("gate(self)", "while True: pass")
SWALLOWS = WAITS.replace(
    "gate(self)",
    "for _ in iter(int, 1):\n                try: gate(self)\n"
    "                except Exception: time.sleep(0.01)",
)
AWAITS_ALL = WAITS.replace("def ", "async def ").replace("gate(self)", "await asyncio.sleep(60)")
WILLING = pytest.mark.parametrize(
    "code", [WAITS, POLLS, AWAITS, AWAITS_ALL], ids=["sleeps", "polls", "awaits", "awaits-all"]
)
UNWILLING = pytest.mark.parametrize(
    "code", [IGNORES, BURNS, SWALLOWS], ids=["blocks", "burns", "swallows"]
)


def logged(job: Spawned) -> list[str]:
    """What the job's own code has logged."""
    return [said["text"] for said in job.said("log") if said["logger"] == "plugin.guard"]


def running(field: Field, code: str, more: str = "", *options: str) -> Spawned:
    """A job whose `execute` has begun."""
    job = start(field, code, GATE + more, *options)
    in_state(field, "Running")
    wait_until(lambda: field.value("MSG") == "waiting")
    return job


@WILLING
def test_stop_lets_the_code_end_in_order_and_is_no_success(field: Field, code: str):
    job = running(field, code)
    field.ca.pv("CMD:STOP").put(1)
    result = outcome(job, 5)
    assert (result["exit"], result["state"], result["reason"]) == (16, "Stopped", "Stopped")
    assert (result["success"], result["message"]) == (False, "stopped by CMD:STOP")
    assert states(job) == ["Preparing", "Running", "Stopping", "Stopped"]
    assert logged(job) == ["finally", "cleanup"]
    assert [said["exit"] for said in job.said("error")] == [16]


@WILLING
def test_abort_calls_abort_before_cleanup(field: Field, code: str):
    job = running(field, code)
    with Watch(field, "STATE", "STATUS", "own") as watch:
        field.pva().put("CMD:ABORT", 1)
        result = outcome(job, 5)
        watch.until("STATE", JOB_STATES.index("Aborted"))
        watch.until("STATUS", 3)
        watch.until("own", -1.0)
    assert (result["exit"], result["message"]) == (14, "aborted by CMD:ABORT")
    assert states(job) == ["Preparing", "Running", "Aborting", "Aborted"]
    assert logged(job) == ["finally", "abort after ABORT", "cleanup"]


@WILLING
def test_sigterm_ends_a_run_with_16_within_2_s(field: Field, code: str):
    job = running(field, code)
    codes: list[int] = []
    assert took(lambda: codes.append(job.stop())) < EXIT_TIME
    assert codes == [16]
    result = outcome(job)
    assert (result["state"], result["message"]) == ("Stopped", "stopped with its process")
    assert logged(job) == ["finally", "cleanup"]


@UNWILLING
def test_sigterm_leaves_code_that_does_not_return_behind_within_2_s(field: Field, code: str):
    job = running(field, code)
    codes: list[int] = []
    assert took(lambda: codes.append(job.stop())) < EXIT_TIME
    assert codes == [16]
    text = outcome(job)["message"]
    assert text.startswith("stopped with its process; execute did not return at guard.py:")
    assert "cleanup" not in logged(job)


@UNWILLING
def test_abort_is_called_beside_code_that_does_not_return(field: Field, code: str):
    job = running(field, code)
    with Watch(field, "STATE", "own") as watch:
        field.ca.pv("CMD:ABORT").put(1)
        result = outcome(job, 6)
        watch.until("STATE", JOB_STATES.index("Aborted"))
        watch.until("own", -1.0)
    assert result["exit"] == 14
    assert "execute did not return at guard.py:" in result["message"]
    assert logged(job)[-1] == "abort after ABORT"


def test_the_time_limit_ends_a_run_with_13_and_calls_abort(field: Field):
    job = start(field, WAITS, GATE + "runTimeoutSeconds: 0.7")
    result = outcome(job, 10)
    assert (result["exit"], result["state"], result["reason"]) == (13, "Failed", "DeadlineExceeded")
    assert result["message"] == "not done in time (runTimeoutSeconds)"
    assert 0.6 < result["seconds"] < 2
    assert logged(job) == ["finally", "abort after TIMEOUT", "cleanup"]


def test_the_time_limit_ends_an_initialize_that_hangs(field: Field):
    code = WAITS.replace("def execute", "def initialize(self): time.sleep(60)\n    def execute")
    job = start(field, code, GATE + "runTimeoutSeconds: 0.3")
    result = outcome(job, 10)
    assert result["exit"] == 13
    assert f"initialize did not return at guard.py:{LINES + 2}" in result["message"]
    assert logged(job) == ["abort after TIMEOUT"]


def test_a_result_that_is_returned_after_stop_is_no_success(field: Field):
    job = running(
        field,
        POLLS.replace("        finally:", "            return JobResult(True)\n        finally:"),
    )
    field.ca.pv("CMD:STOP").put(1)
    result = outcome(job, 5)
    assert (result["exit"], result["success"]) == (16, False)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise RuntimeError('no brake')", "abort failed: guard.py:@: RuntimeError: no brake"),
        ("time.sleep(60)", "abort did not return at guard.py:@"),
    ],
    ids=["raises", "hangs"],
)
def test_an_abort_that_fails_says_so_in_the_state(
    field: Field, body: str, message: str, request: pytest.FixtureRequest
):
    code = WAITS.replace('self.set_output("own", -1)', body)
    line = LINES + code.strip("\n").split("\n").index(f"        {body}") + 1
    job = running(field, code)
    field.ca.pv("CMD:ABORT").put(1)
    if request.node.callspec.id == "hangs":
        in_state(field, "Aborting")
        assert took(job.stop) < EXIT_TIME  # nobody has to wait for it
    result = outcome(job, 6)
    assert (result["exit"], result["state"]) == (14, "AbortFailed")
    assert message.replace("@", str(line)) in result["message"]


def test_start_is_refused_because_the_run_was_not_prepared_for_it(field: Field):
    job = running(field, WAITS)
    field.ca.put("CMD:START", 1)
    wait_until(lambda: "CMD:START is refused" in field.pva().get("MESSAGE")[0])
    assert (
        field.pva().get("MESSAGE")[0].endswith("it starts a Prepared run, and this one is Running")
    )
    assert field.value("CMD:START") == 0
    assert JOB_STATES[field.value("STATE")] == "Running"
    assert job.stop() == 16


def test_only_the_first_order_to_end_counts(field: Field):
    code = WAITS.replace('self.logger.info("finally")', "time.sleep(0.5)")
    job = running(field, code)
    field.ca.put("CMD:STOP", 1)
    in_state(field, "Stopping")
    field.ca.put("CMD:ABORT", 1)
    wait_until(lambda: "CMD:ABORT is refused" in field.value("MESSAGE"))
    assert outcome(job, 5)["state"] == "Stopped"
    assert logged(job) == ["cleanup"]


def test_a_signal_that_comes_during_the_start_lets_nothing_of_the_run_happen(field: Field):
    code = "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n" + WAITS
    job = start(field, code, ready=False)
    result = outcome(job)
    assert (result["exit"], result["message"]) == (16, "stopped with its process; before it began")
    assert logged(job) == []


def test_a_parent_that_goes_leaves_a_run_stopped_not_done(field: Field):
    job = start(field, WAITS, GATE, "--with-parent", ready=False)
    assert outcome(job)["exit"] == 16  # the test gives it an empty standard input


def test_code_that_was_left_behind_cannot_write_any_more(field: Field):
    code = WAITS.replace(
        "gate(self)",
        "\n".join(
            (
                "for n in iter(int, 1):",
                "                time.sleep(0.01)",
                "                try: self.set_output('own', time.time() % 1)",
                "                except Exception as error: print(type(error).__name__)",
            )
        ),
    )
    job = running(field, code)
    field.ca.pv("CMD:STOP").put(1)
    assert outcome(job, 6)["exit"] == 16
    assert {*job.errors.splitlines()} >= {"Ended"}
