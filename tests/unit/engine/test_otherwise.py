"""Outputs that others give a value to while no rule drives them, and links told again."""

from __future__ import annotations

from typing import Any

import pytest

from ioc_runtime.engine.effects import WRITE
from unit.engine.bench import INVALID, LINK, OK, Bench, driven, linked, plugins


def shared(otherwise: str, default: Any = None, **more: Any) -> Bench:
    return Bench(
        inputs={"x": linked(), "y": linked()},
        outputs={"o": driven("float", default=default, otherwise=otherwise, **more)},
        rules=[("trip", "x > 5", {"o": 9.0})],
        transforms={"o": "y * 2"} if otherwise == "transform" else {},
    )


def test_a_transform_gives_the_value_while_no_rule_is_active() -> None:
    bench = shared("transform")
    bench.feed(y=1.0, x=0.0)
    assert bench["o"] == (2.0, OK)
    bench.feed(x=9.0)
    assert bench["o"] == (9.0, OK)
    bench.feed(y=3.0)
    assert bench["o"] == (9.0, OK)
    bench.feed(x=0.0)
    assert bench["o"] == (6.0, OK)


def test_a_transform_and_a_rule_of_one_sample_make_one_post() -> None:
    bench = Bench(
        inputs={"x": linked()},
        outputs={"o": driven("float", default=None, otherwise="transform", link=LINK)},
        rules=[("trip", "x > 5", {"o": 9.0})],
        transforms={"o": "x * 2"},
    )
    bench.feed(x=1.0)
    bench.feed(x=6.0)
    assert bench.posts("o") == [(9.0, OK)]
    assert bench.writes("o") == [2.0, 9.0]


def test_a_transform_that_is_not_known_leaves_the_output_invalid_but_for_its_rules() -> None:
    bench = shared("transform")
    bench.feed(y=1.0, x=0.0)
    bench.drop("y")
    assert bench["o"] == (2.0, INVALID)
    bench.feed(x=9.0)
    assert bench["o"] == (9.0, OK)


def test_the_plugin_gives_the_value_while_no_rule_is_active() -> None:
    bench = shared("plugin", default=1.0)
    bench.feed(x=0.0, y=0.0)
    assert bench["o"] == (1.0, OK)
    bench.write(o=4.0)
    assert bench["o"] == (4.0, OK)
    bench.feed(x=9.0)
    bench.write(o=5.0)
    assert bench["o"] == (9.0, OK)
    bench.feed(x=0.0)
    assert bench["o"] == (5.0, OK)


def test_what_an_ended_plugin_gave_is_not_known_any_more() -> None:
    bench = shared("plugin", default=1.0)
    bench.feed(x=0.0, y=0.0)
    bench.write(o=4.0)
    bench.plugin_ended()
    assert bench["o"] == (4.0, INVALID)
    bench.feed(x=9.0)
    assert bench["o"] == (9.0, OK)


def test_a_plugin_that_ended_without_a_write_leaves_the_default() -> None:
    bench = shared("plugin", default=1.0)
    bench.feed(x=0.0, y=0.0)
    bench.plugin_ended()
    assert bench["o"] == (1.0, OK)


def test_with_repeat_what_a_rule_left_is_not_told_again() -> None:
    bench = Bench(
        inputs={"x": linked()},
        outputs={"o": driven("int", default=None, link=LINK, repeat=True)},
        rules=[("trip", "x > 5", {"o": 1})],
    )
    bench.feed(x=9.0)
    bench.feed(x=1.0)
    bench.full_pass()
    bench.link_up("o")
    assert bench["o"] == (1, OK)
    assert bench.writes("o") == [1]


def first(value: Any = 0, **more: Any) -> Bench:
    """A rule-driven output with a link, a first value and no default."""
    return Bench(
        inputs={"x": linked()},
        outputs={"o": driven("int", default=None, value=value, link=LINK, **more)},
        rules=[("trip", "x > 5", {"o": 1}), ("low", "x < -5", {"o": 0})],
    )


def test_a_first_value_is_shown_once_the_rules_are_known_and_its_link_is_not_told() -> None:
    bench = first()
    assert bench["o"] == (None, INVALID)
    bench.link_up("o")
    bench.feed(x=1.0)
    assert bench["o"] == (0, OK)
    bench.link_up("o")
    assert bench.writes("o") == []


def test_a_rule_tells_the_link_even_the_first_value() -> None:
    bench = first()
    bench.feed(x=1.0)
    bench.feed(x=-9.0)
    assert bench.writes("o") == [0]


def test_what_a_rule_left_is_held_and_not_told_to_a_link_that_comes_back() -> None:
    bench = first()
    bench.feed(x=9.0)
    bench.feed(x=1.0)
    assert bench["o"] == (1, OK)
    bench.link_up("o")
    assert bench.writes("o") == [1]
    bench.feed(x=9.0)  # the link was lost meanwhile: it may have forgotten
    assert bench.writes("o") == [1, 1]


def test_with_repeat_each_time_a_rule_becomes_active_the_link_is_told() -> None:
    bench = first(repeat=True)
    for x in (9.0, 1.0, 9.0, 9.5, 1.0, 9.0):
        bench.feed(x=x)
    assert bench.writes("o") == [1, 1, 1]


@pytest.mark.parametrize(("repeat", "told"), [(True, 3), (False, 1)])
def test_with_repeat_the_link_is_told_at_each_period_while_a_rule_is_active(
    repeat: bool, told: int
) -> None:
    bench = first(repeat=repeat)
    bench.feed(x=9.0)
    bench.full_pass()
    bench.full_pass()
    assert bench.writes("o") == [1] * told
    bench.feed(x=1.0)
    bench.full_pass()
    assert bench.writes("o") == [1] * told


def test_with_repeat_nothing_uncertain_is_told() -> None:
    bench = first(repeat=True)
    bench.feed(x=9.0)
    bench.drop("x")
    bench.full_pass()
    assert bench["o"] == (1, INVALID)
    assert bench.writes("o") == [1]


def test_with_repeat_each_write_of_the_plugin_is_told_once() -> None:
    bench = Bench(outputs={"o": plugins("int", repeat=True, link=LINK)})
    for value in (1, 1, 2):
        bench.write(o=value)
        assert len([e for e in bench.effects if e[0] == WRITE]) == 1
    assert bench.writes("o") == [1, 1, 2]


def test_a_reload_keeps_what_otherwise_gave() -> None:
    bench = shared("plugin", default=1.0)
    bench.feed(x=0.0, y=0.0)
    bench.write(o=4.0)
    bench.reload(parameters={"k": 1})
    bench.feed(x=9.0, y=0.0)
    bench.feed(x=0.0)
    assert bench["o"] == (4.0, OK)
