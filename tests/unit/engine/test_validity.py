"""What is not known is not OK: validity, certainty, what is written when."""

from __future__ import annotations

from typing import Any

import pytest

from ioc_runtime.engine.effects import POST, Status
from unit.engine.bench import (
    INVALID,
    LINK,
    MAJOR,
    MINOR,
    OK,
    Bench,
    computed,
    driven,
    linked,
    setpoint,
)

NAN = float("nan")


def guard(**more: Any) -> Bench:
    """Two gauges close one valve (1 open, 0 closed); its command goes out over a link."""
    return Bench(
        inputs={"g1": linked(), "g2": linked()},
        outputs={"valve": driven("bool", default=1, link=LINK, **more)},
        rules=[("one", "g1 > 5", {"valve": 0}), ("two", "g2 > 5", {"valve": 0})],
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


# --- certainty


def test_one_dead_gauge_never_keeps_another_from_closing_the_valve() -> None:
    bench = guard()
    bench.feed(g1=1.0, g2=1.0)
    bench.drop("g1")
    assert bench["valve"] == (1, INVALID)
    bench.feed(g2=9.0)
    assert bench["valve"] == (0, OK)
    assert bench.writes("valve") == [1, 0]


def test_a_dead_gauge_after_the_one_that_closes_the_valve_changes_nothing_either() -> None:
    bench = guard()
    bench.feed(g1=9.0, g2=1.0)
    bench.drop("g2")
    assert bench["valve"] == (0, OK)
    assert bench.writes("valve") == [0]


def test_the_gauge_that_held_the_valve_shut_dies_and_it_stays_shut() -> None:
    bench = guard()
    bench.feed(g1=9.0, g2=1.0)
    bench.drop("g1")
    assert bench["valve"] == (0, INVALID)
    assert bench.writes("valve") == [0], "the default must not be written"
    bench.feed(g1=1.0)
    assert bench["valve"] == (1, OK)
    assert bench.writes("valve") == [0, 1]


def test_an_invalid_rule_that_would_give_the_default_leaves_it_certain() -> None:
    bench = Bench(
        inputs={"x": linked()},
        outputs={"o": driven("int", default=3)},
        rules=[("r", "x > 5", {"o": 3})],
    )
    assert bench["o"] == (3, OK)


def test_an_invalid_rule_before_a_true_one_cannot_win() -> None:
    bench = Bench(
        inputs={"x": linked(), "y": linked()},
        outputs={"o": driven("int")},
        rules=[("dead", "x > 5", {"o": 1}), ("last", "y > 5", {"o": 2})],
    )
    bench.feed(y=9.0)
    assert bench["o"] == (2, OK)


def test_an_invalid_rule_after_a_true_one_with_another_value_makes_it_uncertain() -> None:
    bench = Bench(
        inputs={"x": linked(), "y": linked()},
        outputs={"o": driven("int")},
        rules=[("first", "y > 5", {"o": 2}), ("dead", "x > 5", {"o": 1})],
    )
    bench.feed(x=1.0, y=9.0)
    bench.drop("x")
    assert bench["o"] == (2, INVALID)


def test_two_invalid_rules_that_agree_with_the_last_true_one_are_certain() -> None:
    bench = Bench(
        inputs={"x": linked(), "y": linked()},
        outputs={"o": driven("int")},
        rules=[(n, f"{s} > 5", {"o": 2}) for n, s in (("a", "y"), ("b", "x"), ("c", "x"))],
    )
    bench.feed(y=9.0)
    assert bench["o"] == (2, OK)


def test_the_last_true_rule_wins() -> None:
    bench = Bench(
        inputs={"x": linked()},
        outputs={"o": driven("int")},
        rules=[("a", "x > 1", {"o": 1}), ("b", "x > 2", {"o": 2}), ("c", "x > 3", {"o": 3})],
    )
    seen = []
    for x in (0.0, 4.0, 2.5, 1.5, 0.0):
        bench.feed(x=x)
        seen.append(bench["o"])
    assert seen == [(0, OK), (3, OK), (2, OK), (1, OK), (0, OK)]


@pytest.mark.parametrize(
    ("condition", "known"),
    [
        ("y > 5 and x > 5", True),
        ("x > 5 and y > 5", False),
        ("y < 5 or x > 5", True),
        ("x > 5 or y < 5", False),
        ("1 if y < 5 else x", True),
        ("x if y < 5 else 1", False),
        ("y > 5 > x", True),
        ("all_of(y > 5, x > 5)", False),
        ("any_of(y < 5, x > 5)", False),
        ("x.connected and x > 5", True),
        ("not x.connected or x > 5", True),
    ],
)
def test_the_order_of_and_and_or_decides_what_is_read(condition: str, known: bool) -> None:
    """x is dead, y is 1."""
    bench = Bench(
        inputs={"x": linked(), "y": linked()},
        outputs={"o": driven()},
        rules=[("r", condition, {"o": 1})],
    )
    bench.feed(y=1.0)
    assert (bench.rule("r") != "INVALID") is known


def test_an_expression_error_is_invalid_counted_and_logged_once_until_it_changes() -> None:
    bench = Bench(
        inputs={"x": linked(), "y": linked()},
        outputs={"o": driven(default=0)},
        rules=[("r", "10 / x > 1 and log(y) > 0", {"o": 1})],
    )
    bench.feed(y=2.0)
    bench.feed(x=1.0)
    assert bench["o"] == (0, OK) or bench["o"] == (1, OK)
    for y in (2.0, 3.0, 4.0):
        bench.feed(x=0.0, y=y)
    assert bench.rule("r") == "INVALID"
    assert bench["o"] == (1, INVALID)
    assert bench.logs() == ["rule r: float division by zero"]
    errors = bench.engine.errors
    assert errors >= 3
    bench.feed(x=1.0, y=-1.0)  # another error
    assert len(bench.logs()) == 2 and "domain" in bench.logs()[1]
    bench.feed(y=2.0)
    bench.feed(y=-1.0)  # fine in between, so it is said again
    assert len(bench.logs()) == 3
    bench.reset()
    assert bench.engine.errors == 0


def test_an_error_stays_said_while_the_input_comes_and_goes() -> None:
    bench = Bench(inputs={"x": linked()}, outputs={"o": computed()}, transforms={"o": "1 / x"})
    for _ in range(3):
        bench.feed(x=0.0)
        bench.drop("x")
    assert bench.logs() == ["transform o: float division by zero"]


def test_an_error_in_what_an_edge_watches_is_counted_and_logged_once_too() -> None:
    bench = Bench(
        inputs={"x": linked(), "y": linked()},
        outputs={"o": driven(), "t": computed()},
        rules=[("r", "rising(1 / x > 2)", {"o": 1})],
        transforms={"t": "for_(1 / y > 1, 2)"},
    )
    bench.feed(x=0.0)
    bench.feed(x=1.0)
    bench.feed(x=0.0, y=0.0)
    assert bench.logs() == [
        "rule r: float division by zero",
        "transform t: float division by zero",
    ]
    assert bench.engine.errors == 3
    assert bench.rule("r") == "INVALID"


def test_a_rule_that_fails_shows_no_ok() -> None:
    """A8: a rule that raises was false there, and the default stood as OK."""
    bench = Bench(
        inputs={"x": linked()},
        outputs={"alarm": driven("bool")},
        rules=[("r", "sqrt(x) > 3", {"alarm": 1})],
    )
    bench.feed(x=-1.0)
    assert bench["alarm"][1] == INVALID


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


# --- onInvalid: drive


def test_drive_writes_safe_value_while_the_result_is_uncertain() -> None:
    bench = guard(on_invalid="drive", safe_value=0)
    bench.feed(g1=1.0, g2=1.0)
    bench.after(6)
    bench.drop("g1")
    assert bench["valve"] == (0, INVALID)
    bench.feed(g1=1.0)
    assert bench["valve"] == (1, OK)
    assert bench.writes("valve") == [1, 0, 1]


def test_drive_waits_for_five_seconds_after_the_start() -> None:
    bench = guard(on_invalid="drive", safe_value=0)
    bench.after(4.9)
    assert bench.writes("valve") == []
    assert bench["valve"] == (None, INVALID)
    bench.after(0.1)
    assert bench.writes("valve") == [0]
    assert bench["valve"] == (0, INVALID)


def test_drive_is_not_needed_when_the_result_is_certain_in_time() -> None:
    bench = guard(on_invalid="drive", safe_value=0)
    bench.feed(g1=1.0, g2=1.0)
    bench.after(10)
    assert bench.writes("valve") == [1]


def test_a_driven_safe_value_is_told_again_to_a_link_that_reconnects() -> None:
    bench = guard(on_invalid="drive", safe_value=0)
    bench.after(6)
    bench.link_up("valve")
    assert bench.writes("valve") == [0, 0]


def test_a_driven_safe_value_is_no_result_that_could_turn_valid() -> None:
    bench = Bench(
        inputs={"x": linked()},
        outputs={"o": driven("int", default=None, on_invalid="drive", safe_value=2)},
        rules=[("r", "x > 5", {"o": 2})],
    )
    bench.after(6)
    assert bench["o"] == (2, INVALID)
    bench.full_pass()
    assert bench["o"] == (2, INVALID)


def test_a_transform_can_drive_a_safe_value_too() -> None:
    bench = Bench(
        inputs={"x": linked()},
        outputs={"o": computed(on_invalid="drive", safe_value=-1.0, link=LINK)},
        transforms={"o": "2 * x"},
    )
    bench.feed(x=3.0)
    bench.after(6)
    bench.drop("x")
    assert bench["o"] == (-1.0, INVALID)
    assert bench.writes("o") == [6.0, -1.0]


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


# --- links


def test_a_link_that_reconnects_is_told_the_present_value() -> None:
    bench = guard()
    bench.feed(g1=1.0, g2=1.0)
    bench.link_up("valve")
    assert bench.writes("valve") == [1, 1]


def test_a_link_that_reconnects_while_the_output_is_invalid_is_told_nothing_yet() -> None:
    bench = guard()
    bench.feed(g1=1.0, g2=1.0)
    bench.drop("g1")
    bench.link_up("valve")
    assert bench.writes("valve") == [1]
    bench.feed(g1=1.0)
    assert bench.writes("valve") == [1, 1], "its target may have restarted meanwhile"


def test_a_link_that_reconnects_during_a_pause_is_told_when_it_ends() -> None:
    bench = guard()
    bench.feed(g1=1.0, g2=1.0)
    bench.enable(False)
    bench.link_up("valve")
    assert bench.writes("valve") == [1]
    bench.enable(True)
    assert bench.writes("valve") == [1, 1]


# --- transforms, and what reads what rules drive


def test_transforms_are_evaluated_in_the_order_of_their_dependencies() -> None:
    bench = Bench(
        inputs={"x": linked()},
        outputs={name: computed() for name in ("a", "b", "c")},
        transforms={"a": "b + 1", "b": "c * 2", "c": "x - 1"},
    )
    bench.feed(x=4.0)
    assert [bench[n][0] for n in "cba"] == [3.0, 6.0, 7.0]
    assert [bench.records[n].posts for n in "abc"] == [2, 2, 2], "one change, one post each"


def test_an_invalid_transform_makes_invalid_what_reads_it() -> None:
    bench = Bench(
        inputs={"x": linked()},
        outputs={"t": computed(), "u": computed(), "o": driven()},
        transforms={"t": "x * 2", "u": "t + 1"},
        rules=[("r", "u > 5", {"o": 1})],
    )
    bench.feed(x=4.0)
    assert [bench[n] for n in "tuo"] == [(8.0, OK), (9.0, OK), (1, OK)]
    bench.drop("x")
    assert [bench[n] for n in "tuo"] == [(8.0, INVALID), (9.0, INVALID), (1, INVALID)]


def test_a_condition_sees_a_rule_driven_output_as_it_was_before_the_pass() -> None:
    bench = Bench(
        inputs={"x": linked()},
        outputs={"alarm": driven("bool"), "lamp": driven("bool")},
        rules=[("r", "x > 5", {"alarm": 1}), ("s", "alarm and x > 5", {"lamp": 1})],
    )
    bench.feed(x=1.0)
    bench.feed(x=9.0)
    assert bench["lamp"] == (1, OK), "a change makes the next pass follow at once"
    slots = [e[1] for e in bench.effects if e[0] == POST]
    assert slots == [0, 1, 2], "input, alarm, and the lamp one pass later"


def test_readers_of_rule_driven_outputs_are_right_from_the_start_on() -> None:
    bench = Bench(
        outputs={"a": driven("bool"), "b": driven("bool"), "t": computed()},
        rules=[("r", "1 > 0", {"a": 1}), ("s", "a == 1", {"b": 1})],
        transforms={"t": "a + b"},
    )
    assert [bench[n] for n in "abt"] == [(1, OK), (1, OK), (2.0, OK)]


def test_a_rule_sees_whether_another_one_is_active() -> None:
    bench = Bench(
        inputs={"x": linked()},
        outputs={"o": driven("bool"), "p": driven("bool")},
        rules=[
            ("second", "rules.first.active", {"p": 1}),
            ("first", "x > 5", {"o": 1}, 1.0),
        ],
    )
    bench.feed(x=9.0)
    assert bench["p"] == (0, OK)
    bench.after(1.0)
    assert bench["p"] == (1, OK)
    bench.drop("x")
    assert bench["p"] == (1, INVALID)


def test_a_transform_sees_the_state_of_a_rule() -> None:
    bench = Bench(
        inputs={"x": linked()},
        outputs={"o": driven("bool"), "n": computed()},
        rules=[("r", "x > 5", {"o": 1})],
        transforms={"n": "10 * rules.r.active"},
    )
    bench.feed(x=9.0)
    assert bench["n"] == (10.0, OK)


def test_a_long_chain_of_rules_settles_within_one_event() -> None:
    n = 300
    rules = [("r0", "x > 5", {"o0": 1})]
    rules += [(f"r{i}", f"o{i - 1} and not changed(x)", {f"o{i}": 1}) for i in range(1, n)]
    bench = Bench(
        inputs={"x": linked()},
        outputs={f"o{i}": driven("bool") for i in range(n)},
        rules=reversed(rules),
    )
    bench.feed(x=1.0)
    bench.feed(x=9.0)
    assert bench[f"o{n - 1}"] == (1, OK)
    assert bench.logs() == []


def test_a_rule_that_gives_the_default_turns_without_a_post() -> None:
    bench = Bench(
        inputs={"x": linked()},
        outputs={"o": driven("int", default=3)},
        rules=[("r", "x > 5", {"o": 3})],
    )
    for x in (1.0, 9.0, 1.0):
        bench.feed(x=x)
    assert bench["o"] == (3, OK)
    assert bench.records["o"].posts == 1


def test_an_output_of_a_source_with_a_wrong_clock_carries_our_time_at_every_turn() -> None:
    bench = Bench(
        inputs={"x": linked()},
        outputs={"o": driven("bool")},
        rules=[("r", "x > 5", {"o": 1})],
    )
    for x in (1.0, 9.0, 1.0, 9.0):
        bench.after(1.0)
        bench.feed(ns=12345, x=x)
        assert bench.records["o"].ns == bench.clock.wall
    assert len(bench.logs()) == 1
