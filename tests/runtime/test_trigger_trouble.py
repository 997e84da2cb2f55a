"""Mode triggered when something goes wrong: hangs, kills, pauses, failures."""

from __future__ import annotations

import json
import time
from typing import Any

from runtime.field import INVALID, Field, took
from runtime.source import wait_until
from runtime.triggered import (
    ANSWERS,
    DOUBLER,
    EXCEPTION,
    HOW,
    IO_FAILURE,
    LEVEL,
    LOGIC_FAILURE,
    SECONDS,
    SLOW,
    STALLED,
    SUCCESS,
    Waited,
)


def test_rows_12_18_and_20_a_cycle_that_hangs_is_shown_stalled_and_then_ends_the_process(
    field: Field,
):
    spec = """
        mode: triggered
        trigger: {stallLimit: 0.5, killAfter: 2}
        inputs: {seconds: {type: float, value: 60}, heat: {type: float, value: 0}}
        outputs: {done: {type: int}, warm: {type: bool}}
        ruleDefaults: {warm: 0}
        rules: [{id: warm, condition: "heat > 5", outputs: {warm: 1}}]
    """
    task = field.start(spec, "--no-search", code=SLOW)
    waited = Waited(field)
    field.shows("TASK_STATUS", STALLED, 2, timeout=2)
    assert 0.4 < time.monotonic() - waited.began < 1.5
    assert field.value("BUSY") == 1
    assert "guard.py:6" in field.pva().get("ERR:MSG")[0]
    beats = field.value("HEARTBEAT")
    field.ca.put("heat", 7)
    field.shows("warm", 1)  # rules go on
    wait_until(lambda: field.value("HEARTBEAT") > beats, 1.6)
    assert task.wait() == 13
    assert waited.ended is None or waited.seconds() > 2.4
    (error,) = task.said("error")
    assert (error["reason"], error["exit"]) == ("Stalled", 13)
    assert "guard.py:6" in error["text"]


def test_row_21_the_reason_of_a_kill_is_the_last_word_of_the_container(field: Field, tmp_path: Any):
    words = tmp_path / "words"
    words.touch()
    pod = {"KIND": "IocTask", "NAME": "guard", "NAMESPACE": "n", "POD_NAME": "p", "POD_UID": "u"}
    env = {f"IOC_{key}": value for key, value in pod.items()} | {
        "IOC_REPORT": "0",
        "IOC_PROBE_PORT": str(field.env.places[3].ca),
        "IOC_TERMINATION_LOG": str(words),
    }
    spec = SECONDS.replace("0.5", "60") + "trigger: {stallLimit: 0.2, killAfter: 0.2}\n"
    task = field.start(spec, "--no-search", "--pod", code=SLOW, env=env)
    field.ca.pv("TRIGGER").put(1)
    assert task.wait() == 13
    said = json.loads(words.read_text())
    assert (said["reason"], said["exit"]) == ("Stalled", 13)
    assert "did not end within" in said["text"]
    assert "guard.py:6" in said["text"]


def test_a_cycle_that_ends_after_it_was_stalled_shows_what_came_of_it(field: Field):
    field.start(SECONDS + "trigger: {stallLimit: 0.2}\n", "--no-search", code=SLOW)
    waited = Waited(field)
    field.shows("TASK_STATUS", STALLED, 2, timeout=2)
    waited.seconds()
    assert field.ca.get("TASK_STATUS")[:2] == (SUCCESS, 0)
    assert field.value("ERR:MSG") == ""


def test_row_14_after_a_kill_in_a_cycle_the_next_process_starts_clean(field: Field):
    task = field.start(SECONDS.replace("0.5", "60"), "--no-search", code=SLOW)
    field.ca.pv("TRIGGER").put(1)
    field.shows("BUSY", 1)
    task.kill()
    field.start(SECONDS, "--no-search", code=SLOW)
    field.client()
    assert (field.value("TRIGGER"), field.value("BUSY"), field.value("CYCLE")) == (0, 0, 0)
    assert field.ca.get("TASK_STATUS")[1] == INVALID


def test_row_24_sigterm_in_a_cycle_ends_it_idle_and_without_a_result(field: Field):
    task = field.start(SECONDS.replace("0.5", "0"), "--no-search", code=SLOW)
    field.ca.put("TRIGGER", 1)
    field.ca.put("seconds", 60)
    seen: dict[str, Any] = {}
    ends = [
        field.ca.watch(
            name, lambda value, severity=None, name=name, **_: seen.update({name: value})
        )
        for name in ("BUSY", "TRIGGER", "STATUS")
    ]
    status: list[int] = []
    ends.append(
        field.ca.watch("TASK_STATUS", lambda severity, **_: status.append(severity), use_time=True)
    )
    field.ca.pv("TRIGGER").put(1)
    field.shows("BUSY", 1)
    began = time.monotonic()
    assert task.stop() == 0
    assert time.monotonic() - began < 4
    assert seen == {"BUSY": 0, "TRIGGER": 0, "STATUS": 3}
    assert status[-1] == INVALID
    for end in ends:
        end()


def test_enable_0_rejects_triggers_and_answers_them(field: Field):
    field.start(LEVEL, "--no-search", code=DOUBLER)
    field.ca.put("ENABLE", 0)
    field.shows("STATUS", 2)
    assert took(lambda: field.ca.put("TRIGGER", 1)) < 2
    assert (field.value("REJECTED"), field.value("CYCLE"), field.value("TRIGGER")) == (1, 0, 0)
    assert field.value("MESSAGE").startswith("trigger rejected: the task is paused")
    field.ca.put("ENABLE", 1)
    field.shows("STATUS", 1)
    field.ca.put("TRIGGER", 1)
    assert (field.value("CYCLE"), field.value("twice")) == (1, 2)


def test_enable_0_in_a_cycle_lets_it_end_and_rejects_what_waits(field: Field):
    field.start(SECONDS, "--no-search", code=SLOW)
    first = Waited(field)
    field.shows("BUSY", 1)
    field.ca.pv("TRIGGER").put(1)
    field.ca.put("ENABLE", 0)
    field.shows("REJECTED", 1)
    first.seconds()
    assert field.ca.get("TASK_STATUS")[:2] == (LOGIC_FAILURE, 1)  # its write raised Paused
    assert (field.value("CYCLE"), field.value("TRIGGER"), field.value("BUSY")) == (1, 0, 0)


LATE = """
import os, time
from ioc_runtime import TaskBase
class Guard(TaskBase):
    def initialize(self):
        time.sleep(1)
        if not os.path.exists(os.environ["GO"]):
            raise OSError("no device")
    def triggered(self):
        pass
"""


def test_a_trigger_waits_for_initialize_and_is_rejected_where_that_has_failed(
    field: Field, tmp_path: Any
):
    go = tmp_path / "go"
    field.start(LEVEL, "--no-search", code=LATE, env={"GO": str(go)})
    first = Waited(field)
    field.shows("BUSY", 1)
    assert first.seconds() > 0.3
    assert field.ca.get("TASK_STATUS")[:2] == (EXCEPTION, 2)
    assert "initialize failed" in field.pva().get("ERR:MSG")[0]
    field.ca.put("TRIGGER", 1)
    assert field.value("REJECTED") == 1
    go.write_text("")
    wait_until(lambda: field.value("STATUS") == 1)
    field.ca.put("TRIGGER", 1)
    assert field.ca.get("TASK_STATUS")[:2] == (SUCCESS, 0)


def test_row_22_a_plugin_that_keeps_raising_ends_with_12_and_io_failures_do_not_count(
    field: Field,
):
    task = field.start(HOW, "--no-search", code=ANSWERS, plugin={"maxFailures": 3})
    field.ca.put("how", "io")
    for _ in range(5):
        field.ca.put("TRIGGER", 1)
    field.ca.put("how", "raise")
    for _ in range(3):
        field.ca.pv("TRIGGER").put(1, wait=True, timeout=2)
    assert task.wait() == 12


def test_row_23_a_source_that_dies_fails_the_cycles_that_need_it_until_it_is_back(field: Field):
    field.source.start()
    spec = HOW.replace("@NOWHERE", "@F").replace("value: none", "value: require")
    field.start(spec, "--no-search", code=ANSWERS)
    field.shows("far", field.value("far"))
    field.ca.put("TRIGGER", 1)
    assert field.value("TASK_STATUS") == SUCCESS
    field.source.kill()
    field.shows("far", field.value("far"), INVALID)
    field.ca.put("TRIGGER", 1)
    assert field.ca.get("TASK_STATUS")[:2] == (IO_FAILURE, 1)
    assert field.env.prefix + "F" in field.pva().get("ERR:MSG")[0]
    field.source.start()
    field.shows("far", field.value("far"), timeout=15)
    field.ca.put("TRIGGER", 1)
    assert field.value("TASK_STATUS") == SUCCESS
