"""Cycles of a graph: found when there are any, each a real one."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter

from hypothesis import given
from hypothesis import strategies as st

from ioc_runtime.compile.cycles import cycles

NODES = st.sampled_from("abcdefgh")
GRAPHS = st.dictionaries(NODES, st.frozensets(NODES, max_size=4), max_size=8)


@given(GRAPHS)
def test_cycles_are_found_exactly_where_no_order_exists(graph: dict[str, frozenset[str]]):
    try:
        TopologicalSorter(graph).prepare()
        ordered = True
    except CycleError:
        ordered = False
    found = list(cycles(graph))
    assert bool(found) is not ordered
    for cycle in found:
        assert len(set(cycle)) == len(cycle)
        for node, read in zip(cycle, [*cycle[1:], cycle[0]], strict=True):
            assert read in graph[node]


def test_each_separate_cycle_is_told_once():
    graph = {"a": {"b"}, "b": {"a"}, "c": {"c"}, "d": {"a", "c"}, "e": set()}
    assert list(cycles(graph)) == [["a", "b"], ["c"]]


def test_a_chain_of_thousands_needs_no_deep_recursion():
    chain = {f"n{i}": {f"n{i + 1}"} for i in range(20_000)}
    assert list(cycles(chain)) == []
    (ring,) = cycles({**chain, "n20000": {"n0"}})
    assert len(ring) == 20_001
