"""Transforms in their order, and what reads what rules drive."""

from __future__ import annotations

from ioc_runtime.engine.effects import POST
from unit.engine.bench import INVALID, OK, Bench, computed, driven, linked


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
