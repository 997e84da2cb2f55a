"""Cycles of a graph, without recursion: a manifest may chain a thousand nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set


def cycles(graph: Mapping[str, Set[str]]) -> Iterator[list[str]]:
    """One cycle of each strongly connected part, as the nodes along it.

    `graph` says what each node reads; what is not a key reads nothing.
    """
    for part in _components(graph):
        start = part[0]
        if len(part) > 1 or start in graph[start]:
            yield _shortest_cycle(graph, start, set(part))


def _components(graph: Mapping[str, Set[str]]) -> Iterator[list[str]]:
    """Strongly connected parts (Tarjan), each in the order of the graph."""
    order = {node: i for i, node in enumerate(graph)}
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    position: dict[str, int] = {}
    on_stack: set[str] = set()
    for root in graph:
        if root in index:
            continue
        work = [(root, iter(sorted(graph[root] & order.keys())))]
        index[root] = low[root] = len(index)
        position[root] = len(stack)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, following = work[-1]
            for child in following:
                if child not in index:
                    index[child] = low[child] = len(index)
                    position[child] = len(stack)
                    stack.append(child)
                    on_stack.add(child)
                    work.append((child, iter(sorted(graph[child] & order.keys()))))
                    break
                if child in on_stack:
                    low[node] = min(low[node], index[child])
            else:
                work.pop()
                if work:
                    parent = work[-1][0]
                    low[parent] = min(low[parent], low[node])
                if low[node] == index[node]:
                    part = stack[position[node] :]
                    del stack[position[node] :]
                    on_stack.difference_update(part)
                    yield sorted(part, key=order.__getitem__)


def _shortest_cycle(graph: Mapping[str, Set[str]], start: str, part: set[str]) -> list[str]:
    """The nodes from `start` back to it by the fewest steps, inside one part."""
    came: dict[str, str] = {}
    level = [start]
    while level:
        following: list[str] = []
        for node in level:
            for child in sorted(graph[node] & part):
                if child == start:
                    return _trail(came, start, node)
                if child not in came:
                    came[child] = node
                    following.append(child)
        level = following
    raise AssertionError("a strongly connected part has a cycle")


def _trail(came: Mapping[str, str], start: str, end: str) -> list[str]:
    trail = [end]
    while trail[-1] != start:
        trail.append(came[trail[-1]])
    return trail[::-1]
