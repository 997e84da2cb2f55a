"""Whole tasks while their sources die, freeze, return, change or flood them."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from runtime.field import INVALID, Field
from runtime.source import wait_until

BOTH = """
inputs:
  a: {type: float, link: "ca://@F"}
  b: {type: float, link: "pva://@F"}
  quick: {type: float, link: "ca://@N0", maxAge: 1}
outputs:
  sum: {type: float, link: "pva://@LEVEL"}
  high: {type: bool}
  slow: {type: float}
transforms:
  - {output: sum, expression: a + b}
  - {output: slow, expression: quick}
ruleDefaults: {high: 0}
rules: [{id: high, condition: a > 10 or b > 10, outputs: {high: 1}}]
"""


@pytest.mark.parametrize("seconds", [3, 20])
def test_a_source_that_is_killed_and_returns_is_believed_again(field: Field, seconds: float):
    field.source.start(many=1)
    target = field.target()
    field.start(BOTH, "--no-search")
    field.source.set("F", 20.0)
    field.shows("sum", 40.0)
    field.shows("high", 1)
    field.source.kill()
    gone = time.monotonic()
    field.shows("a", 20.0, INVALID)
    field.shows("b", 20.0, INVALID)
    field.shows("sum", 40.0, INVALID)
    field.shows("high", 1, INVALID)
    field.shows("SYS_CONN", "DISCONNECTED: a, b, quick", 2)
    while time.monotonic() - gone < seconds:
        assert field.ca.get("high")[:2] == (1, INVALID)
        time.sleep(0.25)
    field.source.start(many=1)  # with F at 0.25
    field.shows("sum", 0.5, timeout=25)
    field.shows("high", 0)
    field.shows("slow", 0.0)
    field.shows("SYS_CONN", "OK")
    assert target.puts("LEVEL")[-2:] == [40.0, 0.5]
    assert field.value("EVAL:ERRORS") == 0


def test_a_source_that_freezes_is_stale_by_its_max_age_and_lost_by_the_timeout(field: Field):
    field.source.start(many=1)
    field.start(BOTH, "--no-search")
    field.shows("sum", 0.5)
    field.shows("slow", 0.0)
    beats = field.value("HEARTBEAT")
    wait_until(lambda: field.value("HEARTBEAT") > beats + 2)
    assert field.ca.get("slow")[1] == 0  # steady, but it answers
    field.source.process.freeze()
    field.shows("slow", 0.0, INVALID)
    assert field.ca.get("sum")[1] == 0  # nobody can know yet
    field.shows("sum", 0.5, INVALID, timeout=15)
    field.shows("high", 0, INVALID)
    field.source.process.thaw()
    field.shows("slow", 0.0, timeout=25)
    field.shows("sum", 0.5, timeout=25)
    field.source.set("F", 20.0)
    field.shows("sum", 40.0)
    field.shows("high", 1)


def test_a_source_that_returns_as_something_else_is_invalid_until_it_fits(field: Field):
    field.source.start("float")
    field.start(
        """
        inputs:
          a: {type: float, link: "ca://@X"}
          b: {type: float, link: "pva://@X"}
        outputs: {sum: {type: float}}
        transforms: [{output: sum, expression: a + b}]
        """,
        "--no-search",
    )
    field.shows("sum", 3.0)
    for variant, severity in (("string", INVALID), ("array", INVALID), ("enum", 0), ("float", 0)):
        field.source.kill()
        field.shows("sum", 3.0 if variant != "float" else 4.0, INVALID)
        field.source.start(variant)
        field.shows("SYS_CONN", "OK", timeout=25)
        field.shows("sum", {"enum": 4.0}.get(variant, 3.0), severity)
    assert field.value("EVAL:ERRORS") == 0


def test_an_array_that_changes_its_length_while_connected_is_invalid_while_it_does_not_fit(
    field: Field,
):
    field.source.start()
    field.start(
        """
        inputs:
          a: {type: float, length: 3, link: "ca://@AF"}
          b: {type: float, length: 3, link: "pva://@AF"}
        outputs: {total: {type: float}}
        transforms: [{output: total, expression: sum_of(a) + sum_of(b)}]
        """,
        "--no-search",
    )
    field.shows("total", 7.0)
    for values, total, severity in (
        ([1.0, 2.0, 3.0], 12.0, 0),
        ([1.0, 2.0, 3.0, 4.0], 12.0, INVALID),
        ([5.0], 10.0, 0),
        ([1.0, float("nan")], 10.0, INVALID),
        ([1.0, 1.0], 4.0, 0),
    ):
        field.source.set("AF", values)
        field.shows("total", total, severity)


def of_input(recording: Path, index: int) -> tuple[list[Any], list[Any]]:
    """Values of an input's samples, and what was posted of the next slot, in order."""
    samples, posts = [], []
    for line in recording.read_text().splitlines()[1:]:
        event = json.loads(line)
        if event["event"] == "sample" and event["args"][0] == index:
            samples.append(event["args"][1])
            posts += [effect[2] for effect in event["effects"] if effect[:2] == [0, index + 1]]
    return samples, posts


BURST = """
inputs: {{f: {{type: float, link: "{scheme}://@F"}}}}
outputs: {{double: {{type: float}}, odd: {{type: bool}}}}
transforms: [{{output: double, expression: 2 * f}}]
ruleDefaults: {{odd: 0}}
rules: [{{id: odd, condition: f % 2 == 1, outputs: {{odd: 1}}}}]
"""


@pytest.mark.parametrize(("scheme", "count"), [("ca", 10_000), ("pva", 5_000)])
def test_a_burst_goes_through_a_rule_in_order_to_its_last_value(
    field: Field, scheme: str, count: int
):
    field.source.start()
    task = field.start(BURST.format(scheme=scheme), "--no-search", "--record", field.recording)
    field.shows("double", 0.5)
    field.source.do("burst", name="F", count=count, rate=count)
    field.shows("double", 2.0 * count)
    field.shows("odd", 0)
    assert task.stop() == 0
    samples, posts = of_input(field.recording, 0)
    # A server merges what a machine with other things to do takes too slowly; what is lost on a
    # quiet one is measured by benchmarks/throughput.py.
    assert samples == sorted({0.25, *map(float, range(1, count + 1))} & {*samples})
    assert len(samples) > count // 10 and samples[-1] == count
    assert posts == [2.0 * sample for sample in samples]


@pytest.mark.parametrize("scheme", ["ca", "pva"])
def test_of_bursts_that_no_server_merges_every_value_goes_through_a_rule(field: Field, scheme: str):
    field.source.start()
    task = field.start(BURST.format(scheme=scheme), "--no-search", "--record", field.recording)
    field.shows("double", 0.5)
    few, bursts = 8, 50  # after ten messages in a row a client of CA asks for merged ones
    for done in range(0, few * bursts, few):
        field.source.do("burst", name="F", after=done, count=few, rate=100_000)
        field.shows("double", 2.0 * (done + few))
    assert task.stop() == 0
    samples, posts = of_input(field.recording, 0)
    assert samples == [0.25, *map(float, range(1, few * bursts + 1))]
    assert posts == [0.5] + [2.0 * n for n in range(1, few * bursts + 1)]


def test_fifty_dead_inputs_of_a_hundred_leave_the_grid_as_it_is(field: Field):
    field.source.start(many=50)
    inputs = "".join(
        f"  n{n}: {{type: float, link: '{('ca', 'pva')[n % 2]}://@N{n}', maxAge: 30}}\n"
        for n in range(100)
    )
    field.start(
        f"mode: periodic\nperiod: 0.1\ninputs:\n{inputs}"
        "outputs: {live: {type: int}, late: {type: int}, sum: {type: float}, bad: {type: float}}\n"
        "transforms:\n"
        f"- {{output: live, expression: {connected(0, 50)}}}\n"
        f"- {{output: late, expression: {connected(50, 100)}}}\n"
        "- {output: sum, expression: n10 + n11}\n"
        "- {output: bad, expression: n10 + n70}\n",
        "--no-search",
    )
    field.shows("live", 50, timeout=20)
    field.shows("sum", 21.0)
    # One reading of both counters at a time, right after a beat: a beat is ten cycles.
    field.ca.put("RESET", 1)
    beats = field.value("HEARTBEAT")
    wait_until(lambda: field.value("HEARTBEAT") > beats)
    before = field.value("CYCLE_COUNT")
    wait_until(lambda: field.value("HEARTBEAT") >= beats + 4)
    assert 29 <= field.value("CYCLE_COUNT") - before <= 31
    assert field.value("OVERRUNS") == 0
    assert field.ca.get("bad")[1] == INVALID
    assert field.value("late") == 0


def connected(first: int, end: int) -> str:
    """How many are connected, as an expression."""
    return " + ".join(f"n{n}.connected" for n in range(first, end))
