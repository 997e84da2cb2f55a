"""Timers, latches' order, dependencies: the small parts, by themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ioc_runtime.engine.graph import concerned, find_cycle, transform_order
from ioc_runtime.engine.timers import Timers


def test_timers_fall_due_in_order_of_time_then_of_setting() -> None:
    timers = Timers()
    for key, when in (("b", 2.0), ("a", 1.0), ("c", 2.0), ("d", 3.0)):
        timers.set(key, when)
    assert timers.next == 1.0
    assert timers.due(2.0) == ["a", "b", "c"]
    assert timers.next == 3.0 and "d" in timers and "a" not in timers


def test_a_timer_can_be_moved_both_ways_and_cancelled() -> None:
    timers = Timers()
    timers.set("a", 5.0)
    timers.set("a", 9.0)
    assert timers.due(8.0) == []
    timers.set("a", 2.0)
    assert timers.next == 2.0
    timers.cancel("a")
    timers.cancel("never set")
    assert timers.next is None and timers.due(100.0) == []
    timers.follow("a", 4.0)
    timers.follow("b", None)
    assert timers.due(100.0) == ["a"]


def test_moving_a_timer_at_every_sample_costs_no_memory() -> None:
    timers = Timers()
    for i in range(10_000):
        timers.set("output", 3600.0 + i)
        timers.cancel("rule")
        timers.set("rule", 60.0 + i)
    assert len(timers._heap) < 10
    assert timers.due(60.0 + 9999) == ["output", "rule"] or timers.next is not None


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.sampled_from("abc"), st.integers(0, 20)),
        st.tuples(st.just("cancel"), st.sampled_from("abc")),
        st.tuples(st.just("due"), st.integers(0, 20)),
    ),
    max_size=40,
)


@given(OPERATIONS)
def test_timers_behave_like_a_sorted_dictionary(operations: list[tuple]) -> None:
    timers, plain, sequence = Timers(), {}, 0
    for kind, *args in operations:
        if kind == "set":
            key, when = args
            timers.set(key, float(when))
            if key not in plain or plain[key][0] != when:
                sequence += 1
                plain[key] = (when, sequence)
        elif kind == "cancel":
            timers.cancel(args[0])
            plain.pop(args[0], None)
        else:
            late = sorted((v, k) for k, v in plain.items() if v[0] <= args[0])
            assert timers.due(float(args[0])) == [k for _, k in late]
            for _, key in late:
                del plain[key]
        assert timers.next == (min(plain.values())[0] if plain else None)


@pytest.mark.parametrize(
    ("transforms", "rules", "drives", "cycle"),
    [
        ({"a": ["b"], "b": ["x"]}, {}, {}, []),
        ({"a": ["b"], "b": ["a"]}, {}, {}, ["a", "b", "a"]),
        ({"a": ["a"]}, {}, {}, ["a", "a"]),
        ({}, {"rules.r": ["o"]}, {"o": ["rules.r"]}, ["o", "rules.r", "o"]),
        ({}, {"rules.r": ["rules.r"]}, {}, ["rules.r", "rules.r"]),
        ({"t": ["o"]}, {"rules.r": ["t"]}, {"o": ["rules.r"]}, ["t", "o", "rules.r", "t"]),
        ({"t": ["o"]}, {"rules.r": ["x"]}, {"o": ["rules.r"]}, []),
    ],
)
def test_a_cycle_is_found_through_whatever(transforms, rules, drives, cycle) -> None:
    found = find_cycle(transforms, rules, drives)
    if not cycle:
        assert found == []
        return
    assert found[0] == found[-1] and set(found) == set(cycle)
    reads = {**transforms, **rules, **drives}
    for name, following in zip(found, found[1:], strict=False):
        assert following in reads[name]


def test_transforms_keep_the_order_of_the_file_where_nothing_speaks_against_it() -> None:
    assert transform_order({"c": ["x"], "a": [], "b": ["y"]}) == ["c", "a", "b"]
    assert transform_order({"c": ["b"], "a": [], "b": ["a"]}) == ["a", "b", "c"]


def test_a_cycle_of_transforms_has_no_order() -> None:
    with pytest.raises(ValueError, match="depend on each other"):
        transform_order({"a": ["b"], "b": ["a"]})


def test_a_chain_of_a_thousand_transforms_has_an_order() -> None:
    chain = {f"t{i}": [f"t{i + 1}"] for i in range(1000)}
    assert transform_order(chain) == [f"t{i}" for i in reversed(range(1000))]


def test_a_change_concerns_what_reads_it_and_what_reads_that() -> None:
    transforms = [("t", frozenset("x")), ("u", frozenset("t")), ("v", frozenset("y"))]
    rules = [frozenset("u"), frozenset("x"), frozenset("y")]
    assert concerned("x", transforms, rules) == ([0, 1], [0, 1])
