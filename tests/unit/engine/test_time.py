"""Time: for, edges, ages, holds and timestamps, on a clock that only the test moves."""

from __future__ import annotations

import pytest

from ioc_runtime.testing.clock import START_NS
from unit.engine.bench import (
    INVALID,
    LINK,
    MINOR,
    OK,
    Bench,
    computed,
    driven,
    linked,
    plugins,
    setpoint,
)

SECOND = 10**9
MINUTE = 60 * SECOND


def rule(condition: str, hold: float = 0.0, **more: object) -> Bench:
    return Bench(
        inputs={"x": linked(), "y": linked()},
        outputs={"o": driven("bool")},
        rules=[("r", condition, {"o": 1}, hold)],
        **more,
    )


def transform(expression: str, **inputs: object) -> Bench:
    return Bench(
        inputs=inputs or {"x": linked(), "y": linked()},
        outputs={"t": computed()},
        transforms={"t": expression},
    )


# --- for


def test_a_condition_has_to_hold_for_its_time() -> None:
    bench = rule("x > 5", 0.5)
    bench.feed(x=1.0)
    bench.feed(x=9.0)
    assert (bench.rule("r"), bench["o"]) == ("PENDING", (0, OK))
    bench.after(0.49)
    assert bench["o"] == (0, OK)
    bench.after(0.01)
    assert (bench.rule("r"), bench["o"]) == ("ACTIVE", (1, OK))


def test_other_samples_do_not_restart_the_time() -> None:
    bench = rule("x > 5", 1.0)
    for _ in range(5):
        bench.feed(x=9.0)
        bench.feed(x=8.0)
        bench.after(0.2)
    assert bench["o"] == (1, OK)


@pytest.mark.parametrize("how", ["false", "invalid", "disconnected", "pause"])
def test_false_invalid_and_a_pause_start_the_time_anew(how: str) -> None:
    bench = rule("x > 5", 1.0)
    bench.feed(x=9.0)
    bench.after(0.9)
    if how == "false":
        bench.feed(x=1.0)
        assert bench.rule("r") == "OK"
        bench.feed(x=9.0)
    elif how == "invalid":
        bench.feed(INVALID, x=9.0)
        assert bench.rule("r") == "INVALID"
        bench.feed(x=9.0)
    elif how == "disconnected":
        bench.drop("x")
        bench.feed(x=9.0)
    else:
        bench.enable(False)
        assert bench.rule("r") == "DISABLED"
        bench.enable(True)
    assert bench.rule("r") == "PENDING"
    bench.after(0.99)
    assert bench["o"] == (0, OK)
    bench.after(0.01)
    assert bench["o"] == (1, OK)


def test_the_end_of_the_condition_is_immediate() -> None:
    bench = rule("x > 5", 1.0)
    bench.feed(x=9.0)
    bench.after(1.0)
    bench.feed(x=1.0)
    assert (bench.rule("r"), bench["o"]) == ("OK", (0, OK))


def test_the_timestamp_of_an_expiry_is_now() -> None:
    bench = rule("x > 5", 30.0)
    bench.feed(x=9.0)
    bench.after(30.0)
    assert bench.records["o"].ns == bench.rule_times["r"] == START_NS + 30 * SECOND


def test_a_late_wake_does_not_miss_an_expiry() -> None:
    bench = rule("x > 5", 1.0)
    bench.feed(x=9.0)
    bench.jump(3.0)
    bench.after(0)
    assert bench["o"] == (1, OK)


# --- for_


def test_for_in_an_expression_holds_rules_and_transforms_back() -> None:
    bench = Bench(
        inputs={"x": linked(), "y": linked()},
        outputs={"o": driven("bool"), "t": computed(), "u": computed()},
        rules=[("r", "for_(x > 5, 2) and y > 0", {"o": 1})],
        transforms={"t": "for_(x > 5, 3)", "u": "t * 10"},
    )
    bench.feed(x=9.0, y=1.0)
    bench.after(1.9)
    assert [bench[n][0] for n in "otu"] == [0, 0.0, 0.0]
    bench.after(0.1)
    assert [bench[n][0] for n in "otu"] == [1, 0.0, 0.0]
    bench.after(1.0)
    assert [bench[n][0] for n in "otu"] == [1, 1.0, 10.0]
    bench.feed(x=1.0)
    assert [bench[n][0] for n in "otu"] == [0, 0.0, 0.0]


def test_for_starts_anew_when_its_condition_was_not_known() -> None:
    bench = rule("for_(x > 5, 2)")
    bench.feed(x=9.0)
    bench.after(1.5)
    bench.drop("x")
    assert bench.rule("r") == "INVALID"
    bench.feed(x=9.0)
    bench.after(1.5)
    assert bench["o"] == (0, OK)
    bench.after(0.5)
    assert bench["o"] == (1, OK)


def test_for_takes_its_seconds_from_a_parameter() -> None:
    bench = rule("for_(x > 5, wait)", parameters={"wait": 4})
    bench.feed(x=9.0)
    bench.after(3.9)
    assert bench["o"] == (0, OK)
    bench.after(0.1)
    assert bench["o"] == (1, OK)


# --- edges


def test_rising_and_falling_are_true_for_one_pass() -> None:
    bench = Bench(
        inputs={"x": linked()},
        outputs={"up": driven("bool"), "down": driven("bool")},
        rules=[("r", "rising(x > 5)", {"up": 1}), ("f", "falling(x > 5)", {"down": 1})],
    )
    bench.feed(x=9.0)
    assert bench.posts("up") == [(0, OK)], "a first value is no edge"
    bench.feed(x=1.0)
    assert (bench.posts("up"), bench.posts("down")) == ([], [(1, OK), (0, OK)])
    bench.feed(x=2.0)
    assert bench.posts("down") == []
    bench.feed(x=9.0)
    assert (bench.posts("up"), bench.posts("down")) == ([(1, OK), (0, OK)], [])


def test_an_edge_engages_a_latch() -> None:
    bench = Bench(
        inputs={"x": linked()},
        outputs={"o": driven("bool", latch="rise")},
        rules=[("r", "rising(x > 5)", {"o": 1})],
    )
    bench.feed(x=1.0)
    bench.feed(x=9.0)
    assert bench["o"] == (1, OK)


def test_an_edge_over_a_time_in_which_nothing_was_known_is_seen() -> None:
    bench = Bench(
        inputs={"x": linked()},
        outputs={"o": driven("bool", latch="rise")},
        rules=[("r", "rising(x > 5)", {"o": 1})],
    )
    bench.feed(x=1.0)
    bench.drop("x")
    assert bench.rule("r") == "INVALID"
    bench.feed(x=9.0)
    assert bench["o"] == (1, OK)


def test_short_circuiting_never_makes_an_edge_be_missed_or_come_late() -> None:
    bench = Bench(
        inputs={"x": linked(), "y": linked()},
        outputs={"o": driven("bool", latch="rise")},
        rules=[("r", "y > 0 and rising(x > 5)", {"o": 1})],
    )
    bench.feed(y=0.0, x=1.0)
    bench.feed(x=9.0)
    bench.feed(y=1.0)
    assert bench["o"] == (0, OK), "the edge was while y was 0"
    bench.feed(x=1.0)
    bench.feed(x=9.0)
    assert bench["o"] == (1, OK)


def test_changed_sees_values_texts_arrays_and_buffers() -> None:
    bench = Bench(
        inputs={"s": linked("string"), "a": linked(length=3), "b": linked(buffer=2)},
        outputs={n: driven("bool") for n in ("cs", "ca", "cb")},
        rules=[
            ("s", "changed(s)", {"cs": 1}),
            ("a", "changed(a)", {"ca": 1}),
            ("b", "changed(b_buf)", {"cb": 1}),
        ],
    )
    for name, output, values in (
        ("s", "cs", ["one", "one", "two"]),
        ("a", "ca", [[1.0], [1.0], [1.0, 2.0]]),
    ):
        seen = []
        for value in values:
            bench.feed(**{name: value})
            seen.append((1, OK) in bench.posts(output))
        assert seen == [False, False, True], name
    seen = []
    for value in (1.0, 1.0, 1.0, 2.0):
        bench.feed(b=value)
        seen.append((1, OK) in bench.posts("cb"))
    assert seen == [False, True, False, True], "the buffer: [1], [1 1], [1 1], [1 2]"


def test_a_rule_downstream_of_an_edge_in_a_transform_falls_back_too() -> None:
    bench = Bench(
        inputs={"x": linked()},
        outputs={"t": computed(), "o": driven("bool")},
        transforms={"t": "rising(x > 5)"},
        rules=[("r", "t > 0", {"o": 1})],
    )
    bench.feed(x=1.0)
    bench.feed(x=9.0)
    assert bench.posts("o") == [(1, OK), (0, OK)]


def test_a_pause_is_no_edge() -> None:
    bench = rule("rising(x > 5)")
    bench.feed(x=1.0)
    bench.enable(False)
    bench.feed(x=9.0)
    bench.enable(True)
    assert (1, OK) not in bench.posts("o")


# --- rate, age and what else passes with time


def test_rate_is_per_second_between_the_newest_two_samples() -> None:
    bench = transform("rate(x)")
    bench.feed(x=10.0)
    assert bench["t"][1] == INVALID, "one sample has no rate"
    bench.after(2.0)
    bench.feed(x=13.0)
    assert bench["t"] == (1.5, OK)


def test_rate_trusts_the_sources_clock_for_a_burst() -> None:
    bench = transform("rate(x)")
    bench.feed(ns=START_NS, x=0.0)
    bench.jump(0.001)
    bench.feed(ns=START_NS + SECOND, x=5.0)
    assert bench["t"] == (5.0, OK)


def test_rate_does_not_trust_a_source_clock_that_jumps() -> None:
    bench = transform("rate(x)")
    bench.feed(x=0.0)
    bench.after(1.0)
    bench.feed(ns=START_NS + 3600 * SECOND, x=5.0)
    assert bench["t"] == (5.0, OK)


def test_rate_falls_while_nothing_comes_ten_times_a_second() -> None:
    bench = transform("rate(x)")
    bench.feed(x=0.0)
    bench.after(1.0)
    bench.feed(x=4.0)
    posts = bench.records["t"].posts
    bench.after(1.0)
    assert bench["t"][0] == pytest.approx(2.0, abs=0.15)
    assert 9 <= bench.records["t"].posts - posts <= 11
    bench.drop("x")
    assert bench["t"][1] == INVALID


def test_age_counts_from_the_last_sign_of_life_and_is_always_valid() -> None:
    bench = rule("x.age > 3")
    assert bench["o"] == (1, OK), "never seen: older than anything"
    bench.feed(x=1.0)
    assert bench["o"] == (0, OK)
    bench.after(2.9)
    bench.alive("x")
    bench.after(3.0)
    assert bench["o"] == (0, OK)
    bench.after(0.2)
    assert bench["o"] == (1, OK)
    bench.drop("x")
    assert bench["o"] == (1, OK)
    assert bench.rule("r") == "ACTIVE"


def test_what_depends_on_age_ticks_ten_times_a_second_and_all_else_does_not() -> None:
    bench = rule("x > 5")
    assert bench.engine.next_wake is None
    bench = rule("x.age > 3")
    assert bench.engine.next_wake == pytest.approx(bench.clock.mono + 0.1)


# --- maxAge


def stale() -> Bench:
    return Bench(
        inputs={"x": linked(max_age=5.0)},
        outputs={"o": driven("bool")},
        rules=[("r", "x > 5", {"o": 1})],
    )


def test_an_input_without_a_sign_of_life_for_max_age_is_invalid() -> None:
    bench = stale()
    bench.feed(x=9.0)
    bench.after(4.99)
    assert bench["x"] == (9.0, OK)
    bench.after(0.01)
    assert (bench["x"], bench["o"]) == ((9.0, INVALID), (1, INVALID))
    assert bench.records["x"].status == 10
    assert bench.records["x"].ns == bench.clock.wall


def test_a_steady_healthy_pv_is_never_stale() -> None:
    bench = stale()
    bench.feed(x=9.0)
    for _ in range(10):
        bench.after(2.5)
        bench.alive("x")
    assert bench["x"] == (9.0, OK)
    assert bench.records["x"].posts == 1


def test_a_stale_input_is_good_again_with_the_next_sign_of_life() -> None:
    bench = stale()
    bench.feed(MINOR, status=4, x=9.0)
    bench.after(6.0)
    bench.alive("x")
    assert (bench["x"], bench["o"]) == ((9.0, MINOR), (1, OK))
    assert bench.records["x"].status == 4
    bench.after(5.0)
    assert bench["x"][1] == INVALID
    bench.feed(x=9.0)
    assert bench["x"] == (9.0, OK)
    bench.after(5.0)
    assert bench["x"][1] == INVALID


def test_a_sign_of_life_does_not_make_a_bad_sample_good() -> None:
    bench = stale()
    bench.feed(INVALID, x=9.0)
    bench.after(6.0)
    bench.alive("x")
    assert bench["x"][1] == INVALID


def test_a_disconnected_input_gets_no_older() -> None:
    bench = stale()
    bench.feed(x=9.0)
    bench.drop("x")
    bench.after(10.0)
    assert bench.records["x"].status == 14
    bench.feed(x=9.0)
    assert bench["x"] == (9.0, OK)


# --- invalidHold


def holding(**more: object) -> Bench:
    return Bench(
        inputs={"x": linked(invalid_hold=2.0, **more)},
        outputs={"o": driven("bool"), "c": driven("bool")},
        rules=[("r", "x > 5", {"o": 1}), ("s", "x.connected", {"c": 1})],
    )


@pytest.mark.parametrize("how", ["INVALID", "disconnected", "NaN"])
def test_an_invalid_input_keeps_its_last_good_value_for_invalid_hold(how: str) -> None:
    bench = holding()
    bench.feed(x=9.0)
    if how == "disconnected":
        bench.drop("x")
    else:
        bench.feed(INVALID if how == "INVALID" else OK, x=1.0 if how == "INVALID" else float("nan"))
    assert bench["x"] == (9.0, MINOR)
    assert bench["o"] == (1, OK)
    bench.after(1.99)
    assert bench["o"] == (1, OK)
    bench.after(0.01)
    assert (bench["x"][1], bench["o"]) == (INVALID, (1, INVALID))
    assert bench.records["x"].ns == bench.clock.wall


def test_a_good_sample_ends_the_hold() -> None:
    bench = holding()
    bench.feed(x=9.0)
    bench.drop("x")
    bench.feed(x=8.0)
    bench.after(10.0)
    assert (bench["x"], bench["o"]) == ((8.0, OK), (1, OK))


def test_a_held_input_that_reconnects_with_the_same_value_is_connected_again() -> None:
    bench = holding()
    bench.feed(x=9.0)
    bench.drop("x")
    assert bench["c"] == (0, OK)
    bench.feed(x=9.0)
    assert bench["c"] == (1, OK)


def test_a_stale_input_is_held_and_a_sample_ends_that() -> None:
    bench = holding(max_age=5.0)
    bench.feed(x=9.0)
    bench.after(5.0)
    assert bench["x"] == (9.0, MINOR)
    bench.feed(x=9.0)
    bench.after(4.0)
    assert bench["x"] == (9.0, OK)
    bench.after(1.0)
    bench.after(2.0)
    assert bench["x"][1] == INVALID


def test_further_bad_samples_do_not_prolong_the_hold() -> None:
    bench = holding()
    bench.feed(x=9.0)
    for _ in range(4):
        bench.feed(INVALID, x=1.0)
        bench.after(0.5)
    assert bench["x"][1] == INVALID


def test_an_input_that_was_never_good_has_nothing_to_hold() -> None:
    bench = holding()
    bench.feed(INVALID, x=9.0)
    assert bench["x"][1] == INVALID


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


# --- attributes


def attribute(expression: str) -> Bench:
    return transform(expression)


def test_severity_is_what_the_inputs_pv_shows_and_always_valid() -> None:
    bench = Bench(
        inputs={"x": linked(max_age=5.0, invalid_hold=1.0)},
        outputs={"t": computed()},
        transforms={"t": "x.severity"},
    )
    seen = [bench["t"]]
    for step in ("MINOR", "bad", "held out", "good", "stale", "held out", "alive", "gone"):
        if step == "MINOR":
            bench.feed(MINOR, x=1.0)
        elif step == "bad":
            bench.feed(INVALID, x=1.0)
        elif step == "held out":
            bench.after(1.0)
        elif step == "good":
            bench.feed(x=1.0)
        elif step == "stale":
            bench.after(5.0)
        elif step == "alive":
            bench.alive("x")
        else:
            bench.drop("x")
            bench.after(1.0)
        assert bench["t"] == (float(bench["x"][1]), OK), step
        seen.append(bench["t"])
    assert [int(value) for value, _ in seen] == [3, 1, 1, 3, 0, 1, 3, 0, 3]


def test_connected_is_always_valid() -> None:
    bench = transform("x.connected")
    seen = [bench["t"]]
    bench.feed(INVALID, x=0.0)
    seen.append(bench["t"])
    bench.drop("x")
    seen.append(bench["t"])
    assert seen == [(0.0, OK), (1.0, OK), (0.0, OK)]


@pytest.mark.parametrize("name", ["previous", "timestamp"])
def test_previous_and_timestamp_are_invalid_with_their_input(name: str) -> None:
    bench = transform(f"x.{name}", x=linked(max_age=5.0))
    bench.feed(x=1.0)
    bench.feed(x=2.0)
    assert bench["t"] == ({"previous": 1.0, "timestamp": START_NS / 1e9}[name], OK)
    bench.after(5.0)
    assert bench["t"][1] == INVALID
    bench.alive("x")
    assert bench["t"] == ({"previous": 1.0, "timestamp": START_NS / 1e9}[name], OK)
    bench.drop("x")
    assert bench["t"][1] == INVALID
    bench.feed(INVALID, x=7.0)
    assert bench["t"][1] == INVALID
    bench.feed(x=3.0)
    assert bench["t"][1] == OK


def test_isnan_reads_the_raw_sample() -> None:
    bench = transform("isnan(x)", x=linked(max_age=5.0))
    assert bench["t"][1] == INVALID
    bench.feed(x=1.0)
    assert bench["t"] == (0.0, OK)
    bench.feed(INVALID, x=float("nan"))
    assert bench["t"] == (1.0, OK)
    bench.after(5.0)
    assert bench["t"][1] == INVALID, "a stale sample tells nothing"
    bench.alive("x")
    assert bench["t"] == (1.0, OK)
    bench.feed(INVALID, x=None)
    assert bench["t"][1] == INVALID
    bench.feed(x=1.0)
    bench.drop("x")
    assert bench["t"][1] == INVALID


@pytest.mark.parametrize(
    ("good", "expected"),
    [
        ({}, None),
        ({"a": 9.0}, None),
        ({"a": 9.0, "b": 9.0}, 1.0),
        ({"a": 1.0, "b": 1.0}, 0.0),
        ({"a": 9.0, "b": 1.0}, None),
        ({"a": 9.0, "b": 1.0, "c": 9.0}, 1.0),
        ({"a": 1.0, "b": 9.0, "c": 1.0}, 0.0),
    ],
)
def test_votes_are_certain_where_what_is_not_known_cannot_change_them(
    good: dict[str, float], expected: float | None
) -> None:
    bench = transform(
        "votes(2, a > 5, b > 5, c > 5)", **{name: linked() for name in ("a", "b", "c")}
    )
    bench.feed(**good)
    assert bench["t"] == ((None, INVALID) if expected is None else (expected, OK))


def test_a_vote_within_a_vote_may_be_open() -> None:
    bench = transform("votes(1, votes(2, a, a), b)", a=linked(), b=linked())
    bench.feed(b=1.0)
    assert bench["t"] == (1.0, OK)
