"""Timestamps of outputs, and buffers of samples."""

from __future__ import annotations

import pytest

from ioc_runtime.testing.clock import START_NS
from unit.engine.bench import (
    INVALID,
    LINK,
    MINUTE,
    OK,
    SECOND,
    Bench,
    computed,
    driven,
    linked,
    plugins,
    setpoint,
    transform,
)

# --- timestamps


def test_an_output_carries_the_newest_timestamp_of_what_it_was_computed_from() -> None:
    bench = Bench(
        inputs={"x": linked(), "y": linked()},
        outputs={"t": computed(), "o": driven("bool")},
        transforms={"t": "x + y"},
        rules=[("r", "t > 5", {"o": 1})],
    )
    bench.feed(ns=START_NS - 3 * SECOND, x=4.0)
    bench.feed(ns=START_NS - 5 * SECOND, y=4.0)
    assert bench.records["t"].ns == START_NS - 3 * SECOND
    assert bench.records["o"].ns == START_NS - 3 * SECOND
    assert bench.rule_times["r"] == START_NS - 3 * SECOND


@pytest.mark.parametrize(
    ("ns", "said"),
    [
        (0, "is missing"),
        (START_NS - MINUTE, "is -60 s from our clock"),
        (START_NS + 3600 * SECOND, "is +3600 s from our clock"),
    ],
)
def test_a_timestamp_that_is_zero_or_a_minute_off_is_replaced_and_said_once(
    ns: int, said: str
) -> None:
    bench = transform("2 * x")
    for x in (1.0, 2.0, 3.0):
        bench.feed(ns=ns, x=x)
        assert bench.records["t"].ns == START_NS
    assert bench.logs() == [f"t: its sources' newest timestamp {said}; it carries our time"]


def test_a_timestamp_just_below_a_minute_off_is_kept() -> None:
    bench = transform("2 * x")
    bench.feed(ns=START_NS - MINUTE + 1, x=1.0)
    assert bench.records["t"].ns == START_NS - MINUTE + 1
    assert bench.logs() == []


def test_nothing_is_said_of_clocks_while_nothing_is_known() -> None:
    bench = transform("2 * x")
    bench.feed(INVALID, ns=631_152_000 * SECOND, x=0.0)  # a record that never processed
    assert bench.logs() == []


def test_an_output_that_turns_invalid_carries_the_time_of_the_loss() -> None:
    bench = transform("2 * x")
    bench.feed(x=1.0)
    bench.after(5.0)
    bench.drop("x")
    assert bench.records["t"].ns == START_NS + 5 * SECOND


def test_what_a_set_point_changes_carries_our_time() -> None:
    bench = transform("2 * s", s=setpoint())
    bench.after(7.0)
    bench.put(s=1.0)
    assert bench.records["t"].ns == START_NS + 7 * SECOND


def test_the_end_of_a_latch_carries_the_time_of_the_command() -> None:
    bench = Bench(
        inputs={"x": linked()},
        outputs={"o": driven("bool", latch="rise")},
        rules=[("r", "x > 5", {"o": 1})],
    )
    bench.feed(x=9.0)
    bench.feed(x=1.0)
    bench.after(9.0)
    bench.clear()
    assert bench.records["o"].ns == START_NS + 9 * SECOND


def test_the_plugin_may_give_a_timestamp_of_its_own() -> None:
    bench = Bench(outputs={"p": plugins(link=LINK)})
    bench.write(ns=START_NS - 10, p=1.0)
    assert bench.records["p"].ns == START_NS - 10
    bench.write(p=2.0)
    assert bench.records["p"].ns == START_NS


# --- buffers


def test_only_valid_samples_enter_a_buffer_equal_ones_too() -> None:
    bench = transform("sum_of(x_buf) + 100 * length(x_buf)", x=linked(buffer=3))
    assert bench["t"][1] == INVALID
    bench.feed(x=1.0)
    bench.feed(x=1.0)
    assert bench["t"] == (202.0, OK)
    bench.feed(INVALID, x=50.0)
    assert bench["t"] == (202.0, INVALID), "a buffer is not known while its input is not"
    bench.feed(x=2.0)
    assert bench["t"] == (304.0, OK)
    bench.feed(x=3.0)
    assert bench["t"] == (306.0, OK), "the oldest went"


def test_a_buffer_of_a_set_point_and_of_an_output_fill_too() -> None:
    """B7."""
    bench = Bench(
        inputs={"s": setpoint(buffer=4), "x": linked()},
        outputs={"o": driven("int", buffer=4), "t": computed()},
        rules=[("r", "x > 5", {"o": 1})],
        transforms={"t": "10 * sum_of(s_buf) + sum_of(o_buf)"},
    )
    bench.put(s=1.0)
    bench.put(s=1.0)
    bench.feed(x=9.0)
    assert bench["t"] == (21.0, OK)
