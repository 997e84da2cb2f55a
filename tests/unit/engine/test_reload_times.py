"""Ages, holds and states of outputs over a reload."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ioc_runtime.plan import Rule, Transform
from unit.engine.bench import INVALID, LINK, MINOR, OK, computed, driven, linked, plugins, setpoint
from unit.engine.edited import HIGH, station, with_input, with_output

# --- times


@pytest.mark.parametrize(
    ("before", "after", "lasts"),
    [
        (60.0, 5.0, 5.0),  # it was asked so seldom: it gets the new time in full
        (5.0, 60.0, 57.0),
        (None, 5.0, 5.0),
        (60.0, 59.0, 57.0),  # but never longer than the old age allowed
        (5.0, None, None),
    ],
)
def test_another_max_age_counts_from_the_last_sign_of_life(
    before: float | None, after: float | None, lasts: float | None
):
    bench = station(
        inputs={"x": linked(max_age=before), "y": linked(), "level": setpoint(value=3.0)}
    )
    bench.after(3.0)
    bench.reload(inputs=with_input(bench, "x", max_age=after))
    assert bench.records["x"].severity == OK
    if lasts is None:
        bench.after(100.0)
        assert bench.records["x"].severity == OK
        return
    bench.after(lasts - 0.01)
    assert bench.records["x"].severity == OK
    bench.after(0.02)
    assert bench.records["x"].severity == INVALID


@pytest.mark.parametrize("after", [60.0, None])
def test_a_stale_input_that_a_longer_max_age_allows_counts_again(after: float | None):
    bench = station(inputs={"x": linked(max_age=5.0), "y": linked(), "level": setpoint(value=3.0)})
    bench.after(6.0)
    assert bench["alarm"] == (0, INVALID)
    bench.reload(inputs=with_input(bench, "x", max_age=after))
    assert bench["x"] == (5.0, OK)
    assert bench["alarm"] == (0, OK)


def test_another_invalid_hold_counts_from_when_the_input_was_lost():
    bench = station(
        inputs={"x": linked(invalid_hold=5.0), "y": linked(), "level": setpoint(value=3.0)}
    )
    bench.drop("x")
    bench.after(3.0)
    assert bench["x"] == (5.0, MINOR)
    bench.reload(inputs=with_input(bench, "x", invalid_hold=8.0))
    bench.after(4.9)
    assert bench["x"] == (5.0, MINOR)
    bench.after(0.2)
    assert bench["x"] == (5.0, INVALID)


def test_an_invalid_hold_that_is_over_ends_with_the_next_wake():
    bench = station(
        inputs={"x": linked(invalid_hold=5.0), "y": linked(), "level": setpoint(value=3.0)}
    )
    bench.drop("x")
    bench.after(3.0)
    bench.reload(inputs=with_input(bench, "x", invalid_hold=0.0))
    assert bench.engine.next_wake is not None
    assert bench.engine.next_wake <= bench.clock.mono
    bench.after(0.0)
    assert bench["x"] == (5.0, INVALID)


def test_the_age_of_a_plugins_output_counts_from_its_last_write():
    bench = station(outputs={"alarm": driven(), "mean": computed(), "own": plugins(max_age=5.0)})
    bench.write(own=1.0)
    bench.after(3.0)
    bench.reload(outputs=with_output(bench, "own", max_age=8.0))
    bench.after(4.9)
    assert bench["own"] == (1.0, OK)
    bench.after(0.2)
    assert bench["own"] == (1.0, INVALID)


def test_what_changes_by_the_passing_of_time_is_followed_from_the_reload_on():
    bench = station()
    assert bench.engine.next_wake is None
    bench.reload(transforms=(Transform("mean", "x.age"),))
    bench.after(2.0)
    assert bench["mean"][0] == pytest.approx(2.0, abs=0.11)
    bench.reload(transforms=(Transform("mean", "y"),))
    assert bench.engine.next_wake is None


def test_a_rate_and_a_previous_value_are_known_from_the_next_samples_on():
    bench = station()
    bench.reload(transforms=(Transform("mean", "x.previous + 0 * rate(x)"),))
    assert bench["mean"] == (6.0, INVALID)
    bench.after(1.0)
    bench.feed(x=6.0)
    assert bench["mean"] == (6.0, INVALID)
    bench.after(1.0)
    bench.feed(x=7.0)
    assert bench["mean"] == (6.0, OK)


def test_what_nobody_asked_for_meanwhile_is_not_remembered_from_before():
    asking = (Transform("mean", "x.previous + 0 * rate(x)"),)
    bench = station(transforms={"mean": "x.previous + 0 * rate(x)"})
    bench.after(1.0)
    bench.feed(x=6.0)
    assert bench["mean"] == (5.0, OK)
    bench.reload(transforms=(Transform("mean", "y"),))
    bench.feed(x=7.0)
    bench.after(1.0)
    bench.reload(transforms=asking)
    assert bench["mean"] == (1.0, INVALID)
    bench.feed(x=8.0)
    assert bench["mean"] == (1.0, INVALID)
    bench.after(1.0)
    bench.feed(x=9.0)
    assert bench["mean"] == (8.0, OK)


def test_a_timestamp_that_is_new_is_that_of_the_last_sample():
    bench = station()
    at = bench.clock.wall
    bench.after(3.0)
    bench.reload(transforms=(Transform("mean", "x.timestamp"),))
    assert bench["mean"] == (at / 1e9, OK)


def test_isnan_that_is_new_sees_the_last_sample():
    bench = station()
    bench.feed(x=6.0)  # by the short way
    bench.reload(transforms=(Transform("mean", "1 if isnan(x) else x"),))
    assert bench["mean"] == (6.0, OK)
    bench.feed(x=float("nan"), severity=3)
    bench.reload(transforms=(Transform("mean", "1 if isnan(x) else 2"),))
    assert bench["mean"] == (1.0, OK)


# --- states


def test_a_paused_task_stays_paused_with_the_new_plan():
    bench = station()
    bench.enable(False)
    bench.reload(parameters={"limit": 1.0})
    assert bench.effects == []
    assert bench.rule("high") == "DISABLED"
    bench.enable(True)
    assert bench["alarm"] == (1, OK)
    assert bench.rule("high") == "ACTIVE"


def test_an_input_that_is_lost_stays_lost():
    bench = station()
    bench.drop("x")
    bench.reload(parameters={"limit": 1.0})
    assert bench.effects == []
    bench.feed(x=2.0)
    assert bench["alarm"] == (1, OK)


@pytest.mark.parametrize("age", [6.0, 1.0])
def test_an_uncertain_output_is_driven_when_that_is_asked_for_but_not_within_the_grace(age: float):
    bench = station(outputs={"alarm": driven(link=LINK), "mean": computed()})
    bench.drop("x")
    bench.after(age)
    assert bench.writes("alarm") == [0]
    bench.reload(outputs=with_output(bench, "alarm", on_invalid="drive", safe_value=1))
    assert bench.writes("alarm") == ([0, 1] if age > 5 else [0])
    bench.after(5.0)
    assert bench["alarm"] == (1, INVALID)
    assert bench.writes("alarm") == [0, 1]


def test_a_safe_value_is_driven_though_the_output_looks_like_it_already():
    bench = station(outputs={"alarm": driven(link=LINK), "mean": computed()})
    bench.drop("x")
    bench.after(6.0)
    bench.link_up("alarm")
    assert bench["alarm"] == (0, INVALID)
    bench.reload(outputs=with_output(bench, "alarm", on_invalid="drive", safe_value=0))
    assert bench.writes("alarm") == [0, 0]


def test_a_safe_value_is_not_driven_by_what_is_unknown_for_one_pass_only():
    outputs = {
        "alarm": driven(),
        "late": driven(on_invalid="drive", safe_value=1, link=LINK),
        "mean": computed(),
    }
    bench = station(
        outputs=outputs,
        rules=(replace(HIGH, condition="z > limit"), Rule("follow", "y > 9", {"late": 1})),
        inputs={"x": linked(), "y": linked(), "z": linked(), "level": setpoint(value=3.0)},
    )
    bench.after(6.0)
    assert bench["alarm"] == (None, INVALID)
    assert bench.writes("late") == [0]
    bench.reload(rules=(HIGH, Rule("follow", "alarm > 0", {"late": 1})))
    assert bench["late"] == (0, OK)
    assert bench.writes("late") == [0]
