"""ENABLE, CLEAR, RESET, and what outlives the process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ioc_runtime.state import entry_name
from runtime.field import INVALID, Field
from runtime.source import wait_until
from support.spawn import Spawned

LATCHING = """
inputs:
  level: {type: float, value: 1}
  note: {type: string, value: none}
outputs:
  alarm: {type: bool, latch: rise}
ruleDefaults: {alarm: 0}
rules:
  - {id: high, condition: "level > 10", outputs: {alarm: 1}}
"""
LATCHED = 3
"""State of RULE:<id>."""


def test_enable_0_keeps_values_and_writes_nothing_and_1_runs_a_full_pass(field: Field):
    field.source.start()
    target = field.target()
    field.start(
        """
        inputs: {far: {type: float, link: "ca://@F"}}
        outputs:
          level: {type: float, link: "pva://@LEVEL"}
          valve: {type: bool, link: "ca://@VALVE"}
        transforms: [{output: level, expression: 10 * far}]
        ruleDefaults: {valve: 0}
        rules: [{id: high, condition: far > 5, outputs: {valve: 1}}]
        """,
        "--no-search",
    )
    target.gets("LEVEL", [2.5])
    target.gets("VALVE", [0])
    field.ca.put("ENABLE", 0)
    field.shows("STATUS", 2)
    field.shows("level", 2.5, INVALID)
    field.shows("valve", 0, INVALID)
    field.source.set("F", 7.0)
    field.shows("far", 7.0)  # what is followed goes on
    assert field.value("SYS_CONN") == "OK"
    assert (target.puts("LEVEL"), target.puts("VALVE")) == ([2.5], [0])
    assert field.ca.get("level")[:2] == (2.5, INVALID)
    field.ca.put("ENABLE", 1)
    field.shows("level", 70.0)
    field.shows("valve", 1)
    field.shows("STATUS", 1)
    target.gets("LEVEL", [2.5, 70.0])
    target.gets("VALVE", [0, 1])


def events(recording: Path, kind: str) -> int:
    """How many events of a kind a recording has."""
    lines = recording.read_text().splitlines()
    return sum(json.loads(line).get("event") == kind for line in lines)


def test_every_pulse_counts_however_fast_they_come(field: Field):
    task = field.start(LATCHING, "--no-search", "--record", field.recording)
    clear, reset, pva = field.ca.pv("CLEAR"), field.ca.pv("RESET"), field.pva()
    for _ in range(20):
        clear.put(1)
        clear.put(0)
    for _ in range(20):
        reset.put(1)
    pva.put("CLEAR", 1)
    wait_until(lambda: field.value("CLEAR") == 0)
    clear.put(1, wait=True)
    wait_until(lambda: field.value("CLEAR") == 0)
    field.ca.put("CLEAR", 0)  # counts for nothing
    assert task.stop() == 0
    assert events(field.recording, "clear") == 22
    # A put of 1 on top of another one that has not been acted on yet is one with it.
    assert 1 <= events(field.recording, "reset") <= 20


def test_clear_releases_what_may_go_and_says_what_may_not(field: Field):
    field.start(LATCHING, "--no-search")
    field.ca.put("level", 11)
    field.shows("alarm", 1)
    field.ca.put("CLEAR", 1)
    wait_until(lambda: "stays latched" in field.value("MESSAGE"))
    field.ca.put("level", 1)
    field.shows("RULE:high", LATCHED)
    assert field.ca.get("alarm")[:2] == (1, 0)
    pulse = field.ca.pv("CLEAR")
    pulse.put(1)
    pulse.put(0)
    field.shows("alarm", 0)
    assert field.value("CLEAR") == 0


def test_reset_starts_the_counters_anew(field: Field):
    field.start(LATCHING, "--no-search")
    for level in range(20):
        field.ca.put("level", level)
    wait_until(lambda: field.value("EVAL:COUNT") > 15)
    field.ca.put("RESET", 1)
    wait_until(lambda: field.value("EVAL:COUNT") < 5)
    field.shows("alarm", 1)  # 19 is above the limit


@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL"])
def test_latches_and_set_points_outlive_the_process(field: Field, how: str):
    task = field.start(LATCHING, "--no-search", "--state", field.state)
    field.ca.put("level", 11)
    field.ca.put("level", 2)
    field.ca.put("note", "kept")
    field.shows("alarm", 1)
    if how == "SIGTERM":
        assert task.stop() == 0
    else:
        wait_until(lambda: "kept" in state_file(field).read_text())
        task.kill()
    again(field, LATCHING)
    field.shows("alarm", 1)
    field.shows("level", 2.0)
    field.shows("note", "kept")
    field.shows("RULE:high", LATCHED)
    field.ca.put("CLEAR", 1)
    field.shows("alarm", 0)


def state_file(field: Field) -> Path:
    return field.state / f"{entry_name(field.prefix)}.json"


def again(field: Field, spec: str) -> Spawned:
    """The same task, after a restart, with the same state."""
    task = field.start(spec, "--no-search", "--state", field.state)
    field.client()
    return task


def test_a_value_that_was_edited_in_the_manifest_wins_over_the_kept_one(field: Field):
    task = field.start(LATCHING, "--no-search", "--state", field.state)
    field.ca.put("level", 2)
    field.ca.put("note", "kept")
    field.shows("note", "kept")
    assert task.stop() == 0
    again(field, LATCHING.replace("value: 1}", "value: 5}"))
    field.shows("level", 5.0)
    field.shows("note", "kept")


def test_a_state_that_cannot_be_read_leaves_the_latches_engaged(field: Field):
    field.state.mkdir()
    state_file(field).write_text('{"format": 1, "prefix"')
    task = again(field, LATCHING)
    field.shows("alarm", 1)
    field.shows("level", 1.0)
    assert "the kept state could not be read" in field.value("MESSAGE")
    assert any("is damaged" in said["text"] for said in task.said("log"))
    assert [path.name for path in field.state.glob("*.bad-*")] != []
    field.ca.put("CLEAR", 1)
    field.shows("alarm", 0)


def test_a_disk_that_fails_is_said_and_so_is_its_return(field: Field):
    task = field.start(LATCHING, "--no-search", "--state", field.state)
    blocked = state_file(field).with_suffix(".tmp")
    blocked.mkdir()
    field.ca.put("level", 11)
    wait_until(lambda: "cannot be saved" in field.value("MESSAGE"))
    field.shows("alarm", 1)
    blocked.rmdir()
    wait_until(lambda: "can be written again" in field.value("MESSAGE"))
    task.kill()
    again(field, LATCHING)
    field.shows("alarm", 1)


def test_a_put_that_crosses_one_of_the_plugin_wins_in_the_record_and_in_the_task(field: Field):
    field.start(
        """
        inputs: {level: {type: float, value: 1}, go: {type: int, value: 0}}
        outputs: {copy: {type: float}}
        transforms: [{output: copy, expression: level}]
        """,
        "--no-search",
        code="""
from ioc_runtime import TaskBase
class Guard(TaskBase):
    def on_input_changed(self, key, value, old_value):
        if key == "go":
            self.set_input("level", -value)
""",
    )
    level, go = field.ca.pv("level"), field.ca.pv("go")
    for round in range(1, 40):
        for number in range(5):
            go.put(10 * round + number)
            level.put(10 * round + number + 0.5)
        level.put(0.5, wait=True)
        wait_until(lambda: field.value("level") == field.value("copy"), 2)


def test_log_level_and_silenced_loggers_act_at_once(field: Field):
    task = field.start(LATCHING, "--no-search")
    field.ca.put("ENABLE", 0)
    task.wait_for('"text": "paused"')
    field.ca.put("LOG_LEVEL", 2)
    field.ca.put("ENABLE", 1)
    field.shows("STATUS", 1)
    field.ca.put("LOG_LEVEL", 1)
    field.ca.put("ENABLE", 0)
    wait_until(lambda: len([x for x in task.said("log") if x["text"] == "paused"]) == 2)
    assert not [x for x in task.said("log") if x["text"] == "enabled"]
    wait_until(lambda: "paused" in str(field.value("LOG:INFO")))
    field.ca.put("SILENCED_LOGGERS", "ioc_runtime")
    field.ca.put("ENABLE", 1)
    field.shows("STATUS", 1)
    assert not [x for x in task.said("log") if x["text"] == "enabled"]
