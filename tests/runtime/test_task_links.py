"""What goes out over links: nothing before it is certain, nothing twice, no default on a loss."""

from __future__ import annotations

import json
import time

import pytest

from runtime.field import INVALID, Field
from runtime.source import wait_until

GUARD = """
inputs:
  pressure: {type: float, link: "%s://@F"}
outputs:
  valve: {type: bool, link: "%s://@VALVE"}
  level: {type: float, link: "%s://@LEVEL"}
transforms: [{output: level, expression: 2 * pressure}]
ruleDefaults: {valve: 1}
rules:
  - {id: high, condition: "pressure > 10", outputs: {valve: 0}}
"""


@pytest.mark.parametrize("scheme", ["ca", "pva"])
def test_the_gauge_dies_while_a_rule_holds_the_valve_shut_and_it_stays_shut(
    field: Field, scheme: str
):
    field.source.start()
    target = field.target()
    field.start(GUARD % (scheme, scheme, scheme), "--no-search")
    target.gets("VALVE", [1])
    field.source.set("F", 20.0)
    target.gets("VALVE", [1, 0])
    field.source.kill()
    field.shows("pressure", 20.0, INVALID)
    field.shows("valve", 0, INVALID)
    field.shows("level", 40.0, INVALID)
    time.sleep(1)
    assert target.puts("VALVE") == [1, 0]
    assert target.puts("LEVEL") == [0.5, 40.0]
    field.source.start()  # at 0.25
    field.shows("valve", 1)
    target.gets("VALVE", [1, 0, 1])


@pytest.mark.parametrize("scheme", ["ca", "pva"])
def test_nothing_is_written_before_the_first_valid_input(field: Field, scheme: str):
    target = field.target()
    field.start(GUARD % (scheme, scheme, scheme), "--no-search")
    field.shows("CONN_OUT", [1, 1])
    time.sleep(1)
    assert field.ca.get("valve")[1] == field.ca.get("level")[1] == INVALID
    assert target.process.said("put") == []
    field.source.start()
    target.gets("LEVEL", [0.5], timeout=25)
    target.gets("VALVE", [1])


def test_a_source_that_is_invalid_from_the_start_writes_nothing_either(field: Field):
    field.source.start()
    field.source.do("sample", value=20.0, severity=INVALID, status=17, time=0)
    target = field.target()
    field.start(GUARD.replace("@F", "@T") % ("ca", "pva", "ca"), "--no-search")
    field.shows("CONN_OUT", [1, 1])
    field.shows("SYS_CONN", "OK")
    time.sleep(0.5)
    assert target.process.said("put") == []
    field.source.do("sample", value=20.0, severity=0, status=0, time=time.time())
    target.gets("VALVE", [0])
    field.source.do("sample", value=1.0, severity=INVALID, status=17, time=time.time())
    field.shows("valve", 0, INVALID)
    target.gets("VALVE", [0])


def test_a_safe_value_is_driven_5_s_after_the_start_and_on_every_loss(field: Field):
    target = field.target()
    field.start(
        """
        inputs: {pressure: {type: float, link: "ca://@F"}}
        outputs:
          valve: {type: bool, link: "ca://@VALVE", onInvalid: drive, safeValue: 0}
        ruleDefaults: {valve: 1}
        rules: [{id: high, condition: pressure > 10, outputs: {valve: 0}}]
        """,
        "--no-search",
    )
    # It is said to be driven 5 s after the start; UPTIME counts from a little before.
    wait_until(lambda: target.puts("VALVE") == [0], 20)
    assert 4 <= field.value("UPTIME") <= 8
    field.shows("valve", 0, INVALID)
    field.source.start()
    field.shows("valve", 1, timeout=25)
    target.gets("VALVE", [0, 1])
    field.source.kill()
    field.shows("valve", 0, INVALID)
    target.gets("VALVE", [0, 1, 0])


def test_a_rule_that_is_constantly_true_writes_once(field: Field):
    field.source.start()
    target = field.target()
    field.start(
        """
        mode: periodic
        period: 0.05
        inputs: {pressure: {type: float, link: "ca://@F"}}
        outputs:
          valve: {type: bool, link: "ca://@VALVE"}
          shutter: {type: bool, link: "pva://@SHUTTER"}
        ruleDefaults: {valve: 0, shutter: 0}
        rules: [{id: high, condition: pressure > 10, outputs: {valve: 1, shutter: 1}}]
        """,
        "--no-search",
    )
    target.gets("VALVE", [0])
    target.gets("SHUTTER", [0])
    for number in range(30):
        field.source.set("F", 20.0 + number)
    field.shows("pressure", 49.0)
    cycles = field.value("CYCLE_COUNT")
    wait_until(lambda: field.value("CYCLE_COUNT") > cycles + 10)
    target.gets("VALVE", [0, 1])
    target.gets("SHUTTER", [0, 1])


def test_a_target_that_returns_is_told_again_and_one_that_refuses_is_said(field: Field):
    field.source.start()
    target = field.target()
    field.start(
        """
        inputs: {a: {type: float, link: "pva://@F"}}
        outputs:
          level: {type: float, link: "ca://@LEVEL"}
          denied: {type: float, link: "ca://@RO", retries: 0}
        transforms:
          - {output: level, expression: a}
          - {output: denied, expression: a}
        """,
        "--no-search",
    )
    target.gets("LEVEL", [0.25])
    field.shows("level", 0.25)
    wait_until(lambda: field.value("WRITE:ERRORS") == 1)
    assert "denied" in field.value("MESSAGE")
    target.process.kill()
    field.shows("SYS_CONN", "DISCONNECTED: level", 2)
    target = field.target()
    target.gets("LEVEL", [0.25], timeout=25)
    assert field.value("WRITE:ERRORS") == 1


def test_the_end_of_a_task_changes_nothing_in_the_field_and_in_what_is_kept(field: Field):
    field.source.start()
    target = field.target()
    spec = """
        inputs: {a: {type: float, link: "ca://@F"}, b: {type: float, link: "pva://@F"}}
        outputs:
          valve: {type: bool, link: "pva://@VALVE", onInvalid: drive, safeValue: 0}
          lost: {type: bool, latch: rise}
        ruleDefaults: {valve: 1, lost: 0}
        rules:
          - {id: high, condition: "a > 10 or b > 10", outputs: {valve: 0}}
          - {id: lost, condition: "a.age < 60 and not (a.connected and b.connected)",
             outputs: {lost: 1}}
    """
    task = field.start(spec, "--no-search", "--state", field.state)
    target.gets("VALVE", [1])
    field.ca.put("CLEAR", 1)  # of what was lost before it was there
    field.shows("lost", 0)
    assert task.stop() == 0
    assert target.puts("VALVE") == [1]
    (kept,) = field.state.glob("*.json")
    assert json.loads(kept.read_text())["state"]["latches"] == {}
