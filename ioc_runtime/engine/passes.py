"""Passes: transforms, then rules, then the outputs that rules drive; until it is quiet.

What rules drive is seen by other expressions one pass later. An edge (rising,
falling, changed) is true for exactly one pass, so another one follows at once, within
the same event.
"""

from __future__ import annotations

from ioc_runtime.engine.build import Model
from ioc_runtime.engine.concern import NOTHING, Concern, Concerns
from ioc_runtime.engine.effects import LOG, Effect
from ioc_runtime.engine.outputs import OutputState
from ioc_runtime.engine.rules import RuleState
from ioc_runtime.engine.transforms import TransformState

ERROR = 40


class Passes:
    """Runs the passes of one engine."""

    def __init__(self, model: Model, concerns: Concerns) -> None:
        self._model, self._concerns, self._timers = model, concerns, model.timers
        self._pulsed_transforms: list[TransformState] = []
        self._pulsed_rules: list[RuleState] = []
        # A change travels one node per pass, an edge takes one more to fall back.
        self._most = 8 + 4 * (len(model.transforms) + len(model.rules))
        self.count = 0
        """Passes so far, since the start or RESET."""

    def run(self, concern: Concern, out: list[Effect], since: int = 0) -> None:
        """Passes, until nothing that one changed concerns another.

        :param since: least timestamp (ns) of what is published, see `OutputState.settle`
        """
        if concern.alone is not None:
            self._alone(concern.alone, out, since)
            return
        for _ in range(self._most):
            self.count += 1
            concern = self._one(concern, out, since)
            if concern is NOTHING:
                return
        out.append((LOG, ERROR, "evaluation did not settle"))

    def first(self, out: list[Effect], since: int = 0) -> None:
        """Passes over everything, publishing what nothing changed too (start, end of a pause)."""
        self.count += 1
        changed = self._evaluate(self._concerns.everything, out, since, {})
        for output in self._model.outputs:
            # not the short way: a value can be another one though no rule has changed
            if output.plan.owner == "rules" and output.settle(*output.resolve(), out, since):
                changed.add(output.name)
        self.run_on(changed, out, since)

    def run_on(self, changed: set[str], out: list[Effect], since: int) -> None:
        """Passes over what these changes concern, if anything."""
        concern = self._next(changed)
        if concern is not NOTHING:
            self.run(concern, out, since)

    def _alone(self, rule: RuleState, out: list[Effect], since: int) -> None:
        """The usual case, made short: one rule that remembers nothing."""
        self.count += 1
        if not rule.evaluate(out, since):
            return
        changed = None
        for output in rule.outputs:
            if output.resolve_and_settle(out, since) and output.read:
                changed = changed or set()
                changed.add(output.name)
        if rule.read:
            rule.publish()
            changed = changed or set()
            changed.add(rule.key)
        if changed:
            self.run_on(changed, out, since)

    def _one(self, concern: Concern, out: list[Effect], since: int) -> Concern:
        """One pass; returns what the next one has to look at."""
        touched: dict[int, OutputState] = {}
        changed = self._evaluate(concern, out, since, touched)
        for index in sorted(touched) if len(touched) > 1 else touched:
            output = touched[index]
            if output.resolve_and_settle(out, since) and output.read:
                changed.add(output.name)
        return self._next(changed)

    def _evaluate(
        self, concern: Concern, out: list[Effect], since: int, touched: dict[int, OutputState]
    ) -> set[str]:
        """Transforms and rules; collects outputs that rules may have changed, and names."""
        for transform in concern.transforms:
            transform.evaluate(out, since)
            if transform.output.writers:
                touched[transform.output.index] = transform.output
            node = transform.node
            if node.sites:
                if node.pulsed:
                    self._pulsed_transforms.append(transform)
                self._timers.follow(("transform", transform.index), node.due)
        changed: set[str] = set()
        seen: list[RuleState] = []
        for rule in concern.rules:
            if rule.evaluate(out, since):
                if rule.read:
                    seen.append(rule)
                for output in rule.outputs:
                    touched[output.index] = output
            if rule.remembers:
                if rule.node.pulsed:
                    self._pulsed_rules.append(rule)
                self._timers.follow(("node", rule.index), rule.node.due)
        for rule in seen:
            rule.publish()
            changed.add(rule.key)
        return changed

    def _next(self, changed: set[str]) -> Concern:
        transforms, rules = self._pulsed_transforms, self._pulsed_rules
        if not changed and not transforms and not rules:
            return NOTHING
        self._pulsed_transforms, self._pulsed_rules = [], []
        return self._concerns.of_all(changed, transforms, rules)
