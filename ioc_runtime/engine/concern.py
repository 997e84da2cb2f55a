"""What a change concerns: the transforms and rules that a pass has to evaluate."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from ioc_runtime.engine import graph
from ioc_runtime.engine.node import Node
from ioc_runtime.engine.rules import RuleState
from ioc_runtime.engine.transforms import TransformState


@dataclass(frozen=True)
class Concern:
    """What a pass evaluates, in the order in which it does."""

    transforms: tuple[TransformState, ...]
    rules: tuple[RuleState, ...]
    alone: RuleState | None = None
    """The only rule, when there is nothing else and it remembers nothing."""


NOTHING = Concern((), ())
"""The only empty one, so that `is` tells it."""


class Concerns:
    """Finds, and remembers, what each name concerns.

    Transforms bring what reads their outputs, and so on: a pass has to be complete
    before it starts.
    """

    def __init__(self, transforms: Sequence[TransformState], rules: Sequence[RuleState]) -> None:
        self._transforms, self._rules = transforms, rules
        self._known: dict[str, Concern] = {}
        self.everything = self._make(range(len(transforms)), range(len(rules)))
        nodes = [t.node for t in transforms] + [r.node for r in rules]
        self._names = len({name for node in nodes for name in node.expression.reads})

    def of(self, name: str) -> Concern:
        """What a change of one name concerns."""
        concern = self._known.get(name)
        if concern is None:
            hit = graph.concerned(
                name,
                [(t.output.name, t.node.expression.reads) for t in self._transforms],
                [r.node.expression.reads for r in self._rules],
            )
            concern = self._known[name] = self._those(*hit)
        return concern

    def of_all(
        self,
        names: Collection[str],
        transforms: Iterable[TransformState] = (),
        rules: Iterable[RuleState] = (),
    ) -> Concern:
        """What changes of these names concern, with these transforms and rules."""
        if len(names) == 1 and not transforms and not rules:
            return self.of(next(iter(names)))
        if 2 * len(names) > self._names:
            return self.everything  # costs less than to find out what to leave out
        concerns = [self.of(name) for name in names]
        first, last = {t.index for t in transforms}, {r.index for r in rules}
        concerns += [self.of(self._transforms[i].output.name) for i in first]
        for concern in concerns:
            first.update(t.index for t in concern.transforms)
            last.update(r.index for r in concern.rules)
        return self._those(first, last)

    def of_nodes(self, wanted: Callable[[Node], bool]) -> Concern:
        """What a predicate picks, with all that depends on it."""
        return self.of_all(
            (),
            [t for t in self._transforms if wanted(t.node)],
            [r for r in self._rules if wanted(r.node)],
        )

    def _those(self, transforms: Collection[int], rules: Collection[int]) -> Concern:
        if not transforms and not rules:
            return NOTHING
        if len(transforms) == len(self._transforms) and len(rules) == len(self._rules):
            return self.everything
        return self._make(transforms, rules)

    def _make(self, transforms: Collection[int], rules: Collection[int]) -> Concern:
        picked = tuple(self._rules[i] for i in sorted(rules))
        only = len(picked) == 1 and not transforms and not picked[0].remembers
        return Concern(
            tuple(self._transforms[i] for i in sorted(transforms)),
            picked,
            picked[0] if only else None,
        )
