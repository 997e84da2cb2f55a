"""Validity: which samples count, how an output starts, and that only news is posted."""

from __future__ import annotations

from typing import Any

import pytest

from ioc_runtime.engine.effects import POST, Status
from unit.engine.bench import (
    INVALID,
    LINK,
    MAJOR,
    MINOR,
    NAN,
    OK,
    Bench,
    driven,
    guard,
    linked,
    setpoint,
)

# --- samples


@pytest.mark.parametrize(
    ("value", "severity"),
    [(NAN, OK), (NAN, INVALID), (20.0, INVALID), (None, INVALID), (None, OK)],
    ids=["NaN", "NaN and INVALID", "INVALID", "does not fit", "does not fit, no severity"],
)
def test_a_sample_that_is_no_good_makes_input_rule_and_output_invalid(
    value: Any, severity: int
) -> None:
    bench = guard()
    bench.feed(g1=1.0, g2=1.0)
    assert bench["valve"] == (1, OK)
    bench.feed(severity, g1=value)
    assert bench["g1"][1] == INVALID
    assert bench.rule("one") == "INVALID"
    assert bench["valve"] == (1, INVALID)


def test_a_disconnected_input_is_invalid_with_status_link_and_keeps_its_value() -> None:
    bench = guard()
    bench.feed(g1=1.0)
    bench.drop("g1")
    record = bench.records["g1"]
    assert (record.value, record.severity, record.status) == (1.0, INVALID, Status.LINK)
    assert record.ns == bench.clock.wall


@pytest.mark.parametrize("severity", [MINOR, MAJOR])
def test_minor_and_major_of_an_input_do_not_spread(severity: int) -> None:
    bench = guard()
    bench.feed(severity, status=4, g1=9.0)
    assert bench["g1"] == (9.0, severity)
    assert bench.records["g1"].status == 4
    assert bench["valve"] == (0, OK)


def test_a_mirror_carries_value_severity_status_and_timestamp_of_the_source() -> None:
    bench = guard()
    bench.feed(MINOR, status=4, ns=123, g1=2.5)
    assert vars(bench.records["g1"]) | {"posts": 0} == {
        "value": 2.5,
        "severity": MINOR,
        "status": 4,
        "ns": 123,
        "posts": 0,
    }


def test_an_infinite_value_is_a_value() -> None:
    bench = guard()
    bench.feed(g1=float("inf"))
    assert bench["valve"] == (0, OK)


@pytest.mark.parametrize(
    ("array", "known"),
    [
        ([1.0, 2.0], True),
        ([], True),
        ([float("inf"), float("-inf")], True),
        ([1.7e308, 1.7e308], True),
        ([1.0, NAN], False),
        ([NAN, float("inf"), 1.0], False),
    ],
)
def test_an_array_with_a_nan_in_it_is_invalid(array: list[float], known: bool) -> None:
    bench = Bench(inputs={"a": linked(length=4)})
    bench.feed(a=array)
    assert (bench["a"][1] == OK) is known


# --- start


def test_a_condition_that_is_true_at_the_start_trips_at_once() -> None:
    """A4."""
    bench = Bench(
        inputs={"x": linked(), "limit": setpoint(value=50.0)},
        outputs={"alarm": driven("bool", link=LINK)},
        rules=[("r", "x > limit", {"alarm": 1})],
        start=False,
    )
    bench.feed(x=90.0)
    assert bench.effects == [(POST, 0, 90.0, 0, 0, bench.clock.wall)]
    bench.start()
    assert bench["alarm"] == (1, OK)
    assert bench.writes("alarm") == [1]


def test_nothing_is_written_before_the_output_is_certain_once() -> None:
    bench = guard()
    bench.link_up("valve")
    bench.feed(g1=1.0)
    bench.after(60)
    assert bench.writes("valve") == []
    assert bench["valve"] == (None, INVALID)
    bench.feed(g2=1.0)
    assert bench.writes("valve") == [1]


def test_without_default_and_without_a_true_rule_the_value_holds_and_is_valid() -> None:
    bench = Bench(
        inputs={"x": linked()},
        outputs={"o": driven("int", default=None)},
        rules=[("up", "x > 10", {"o": 2}), ("down", "x < 0", {"o": 1})],
    )
    bench.feed(x=5.0)
    assert bench["o"] == (None, INVALID), "there is no value to hold yet"
    bench.feed(x=20.0)
    bench.feed(x=5.0)
    assert bench["o"] == (2, OK)
    bench.feed(x=-1.0)
    bench.feed(x=5.0)
    assert bench["o"] == (1, OK)


def test_an_output_without_default_is_uncertain_while_a_rule_could_change_it() -> None:
    bench = Bench(
        inputs={"x": linked()},
        outputs={"o": driven("int", default=None)},
        rules=[("up", "x > 10", {"o": 2}), ("down", "x < 0", {"o": 1})],
    )
    bench.feed(x=20.0)
    bench.drop("x")
    assert bench["o"] == (2, INVALID)


# --- only what differs


def test_an_output_is_posted_and_written_only_if_it_differs() -> None:
    bench = guard()
    bench.feed(g1=1.0, g2=1.0)
    for i in range(20):
        bench.feed(g1=6.0 + i, g2=1.0)
        assert bench["valve"] == (0, OK)
    bench.full_pass()
    assert bench.effects == []
    assert bench.writes("valve") == [1, 0]
    assert bench.records["valve"].posts == 3  # not known, 1, 0


def test_there_is_no_default_then_value_glitch() -> None:
    """A3."""
    bench = Bench(
        inputs={"x": linked()},
        outputs={"alarm": driven("bool", link=LINK)},
        rules=[("low", "x > 10", {"alarm": 1}), ("high", "x > 20", {"alarm": 1})],
    )
    bench.feed(x=15.0)
    for x in (25.0, 15.0, 30.0, 12.0):
        bench.feed(x=x)
        bench.full_pass()
        assert bench.posts("alarm") == []
    assert bench.writes("alarm") == [1]


def test_a_change_of_severity_alone_is_posted_and_never_written() -> None:
    bench = guard()
    bench.feed(g1=1.0, g2=1.0)
    for _ in range(3):
        bench.drop("g1")
        assert bench.posts("valve") == [(1, INVALID)]
        bench.feed(g1=1.0)
        assert bench.posts("valve") == [(1, OK)]
    assert bench.writes("valve") == [1]
