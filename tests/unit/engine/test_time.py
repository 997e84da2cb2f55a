"""Time in conditions: for, edges, rates and ages, on a clock that only the test moves."""

from __future__ import annotations

import pytest

from ioc_runtime.testing.clock import START_NS
from unit.engine.bench import INVALID, OK, SECOND, Bench, computed, driven, linked, rule, transform

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
