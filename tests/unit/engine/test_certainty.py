"""Certainty: what is known while some inputs are not."""

from __future__ import annotations

import pytest

from unit.engine.bench import INVALID, OK, Bench, computed, driven, guard, linked


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
