"""Who depends on whom: order of transforms, cycles, and what a change concerns.

Within a pass a transform sees the new values of the transforms it reads. What rules
drive (outputs, and `rules.<id>.active`) is seen as it was before the pass, and a
change of it makes another pass. Neither may go round in a circle.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

Reads = Mapping[str, Iterable[str]]
"""Name of a transform's output or `rules.<id>` -> the names it reads."""


def find_cycle(transforms: Reads, rules: Reads, drives: Mapping[str, Iterable[str]]) -> list[str]:
    """Names along a cycle, the first one repeated at the end; empty if there is none.

    :param drives: rule-driven output -> the rules (`rules.<id>`) that drive it
    """
    nodes: dict[str, Iterable[str]] = {**transforms, **rules, **drives}
    graph = {name: [n for n in reads if n in nodes] for name, reads in nodes.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))
    return []


def transform_order(transforms: Reads) -> list[str]:
    """Transforms in an order in which each comes after those that it reads.

    The order of the file is kept where nothing speaks against it.
    """
    done: dict[str, None] = {}

    for start in transforms:
        stack = [start]
        while stack:
            name = stack[-1]
            waiting = [r for r in sorted(transforms[name]) if r in transforms and r not in done]
            if name in done or not waiting:
                done.setdefault(name)
                stack.pop()
            elif len(stack) > len(transforms):
                raise ValueError(f"transforms depend on each other: {name}")
            else:
                stack.append(waiting[0])
    return list(done)


def concerned(
    name: str, transforms: Sequence[tuple[str, frozenset[str]]], rules: Sequence[frozenset[str]]
) -> tuple[list[int], list[int]]:
    """Indices of the transforms (in evaluation order) and rules a change of `name` concerns."""
    changed = {name}
    hit = []
    for index, (output, reads) in enumerate(transforms):
        if not changed.isdisjoint(reads):
            changed.add(output)
            hit.append(index)
    return hit, [i for i, reads in enumerate(rules) if not changed.isdisjoint(reads)]
