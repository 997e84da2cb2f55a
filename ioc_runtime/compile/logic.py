"""Transforms and rules: who owns an output, what expressions may say, no cycles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, Literal

from ioc_runtime.compile.collector import Collector
from ioc_runtime.compile.cycles import cycles
from ioc_runtime.compile.literals import literal
from ioc_runtime.engine.grammar import Expression, ExpressionError, Scope, parse
from ioc_runtime.engine.template import parse_template
from ioc_runtime.engine.values import BadValue
from ioc_runtime.plan import Input, Output, Rule, Transform
from ioc_runtime.spec.problem import Path, Problem, show_path
from ioc_runtime.spec.task import TaskSpec

MOST_SOURCE: Final = 128 * 1024
"""Characters of all expressions and messages of a task."""

Owner = Literal["rules", "transform", "plugin"]


def owners(spec: TaskSpec, collector: Collector) -> dict[str, Owner]:
    """Owner of each output; two of them, or none, is an error."""
    by_rule: dict[str, str] = {}
    for rule in spec.rules:
        for name in rule.outputs:
            by_rule.setdefault(name, rule.id)
    by_transform: dict[str, int] = {}
    for i, transform in enumerate(spec.transforms):
        name = transform.output
        path: Path = ("spec", "transforms", i, "output")
        if name not in spec.outputs:
            expected = "the name of an output" + _instead(name, spec)
            collector.wrong(path, name, expected, spec.outputs.keys())
        elif name in by_transform:
            expected = f"an output of its own: transforms[{by_transform[name]}] drives it"
            collector.wrong(path, name, expected)
        elif name in by_rule and spec.outputs[name].otherwise != "transform":
            expected = (
                f"an output that no rule drives: {by_rule[name]} does (`otherwise: transform` "
                "there leaves the value to the transform while no rule is active)"
            )
            collector.wrong(path, name, expected)
        by_transform.setdefault(name, i)
    found: dict[str, Owner] = {}
    for name, output in spec.outputs.items():
        if output.otherwise == "transform" and name in by_rule and name not in by_transform:
            path = ("spec", "outputs", name, "otherwise")
            collector.wrong(path, "transform", "a transform whose output it is")
        elif output.otherwise == "plugin" and spec.plugin is None:
            path = ("spec", "outputs", name, "otherwise")
            collector.wrong(path, "plugin", "a plugin with it")
        found[name] = (
            "rules" if name in by_rule else "transform" if name in by_transform else "plugin"
        )
        if found[name] == "plugin" and spec.plugin is None:
            expected = "a rule, a transform or a plugin that drives it"
            collector.wrong(("spec", "outputs", name), name, expected)
    for name in spec.rule_defaults:
        path = ("spec", "ruleDefaults", name)
        if name not in spec.outputs:
            expected = "the name of an output" + _instead(name, spec)
            collector.wrong(path, name, expected, spec.outputs.keys())
        elif name not in by_rule:
            collector.wrong(path, name, "an output that a rule drives; no rule has it")
    return found


def _instead(name: str, spec: TaskSpec) -> str:
    return f"; {name} is an input" if name in spec.inputs else ""


class Logic:
    """Checks the expressions of one task and makes its transforms and rules."""

    def __init__(
        self,
        spec: TaskSpec,
        inputs: tuple[Input, ...],
        outputs: tuple[Output, ...],
        parameters: dict[str, Any],
        collector: Collector,
    ) -> None:
        self.spec, self.collector = spec, collector
        self.outputs = {output.name: output for output in outputs}
        signals = {signal.name: signal for signal in (*inputs, *outputs)}
        self.scope = Scope(
            signals=signals,
            inputs=frozenset(signal.name for signal in inputs),
            parameters=parameters,
            rules=frozenset(rule.id for rule in spec.rules),
            functions=frozenset(spec.plugin.functions if spec.plugin else ()),
        )
        self.reads: dict[Path, frozenset[str]] = {}
        """What each condition and each transform reads, by its path."""

    def check(self) -> None:
        """Every expression, message and value; then cycles."""
        total = sum(len(text) for _, text in self._sources())
        if total > MOST_SOURCE:
            expected = f"at most {MOST_SOURCE} characters of expressions and messages in all"
            self.collector.wrong(("spec",), f"{total} characters", expected)
            return
        for i, transform in enumerate(self.spec.transforms):
            path: Path = ("spec", "transforms", i, "expression")
            expression = self._expression(path, transform.expression)
            if expression and transform.output in self.outputs:
                self._result(path, expression, self.outputs[transform.output])
        for i, rule in enumerate(self.spec.rules):
            self._condition(("spec", "rules", i, "condition"), rule.condition)
            self._message(("spec", "rules", i, "message"), rule.message)
            self._values(("spec", "rules", i, "outputs"), rule.outputs)
        self._cycles()

    def transforms(self) -> tuple[Transform, ...]:
        """Those of the plan; after `check` has found nothing."""
        return tuple(Transform(t.output, t.expression) for t in self.spec.transforms)

    def rules(self) -> tuple[Rule, ...]:
        """Those of the plan; after `check` has found nothing."""
        return tuple(
            Rule(
                rule.id,
                rule.condition,
                {name: literal(self.outputs[name], value) for name, value in rule.outputs.items()},
                rule.hold,
                rule.message,
            )
            for rule in self.spec.rules
        )

    def _sources(self) -> Iterator[tuple[Path, str]]:
        for i, transform in enumerate(self.spec.transforms):
            yield ("spec", "transforms", i, "expression"), transform.expression
        for i, rule in enumerate(self.spec.rules):
            yield ("spec", "rules", i, "condition"), rule.condition
            yield ("spec", "rules", i, "message"), rule.message

    def _expression(self, path: Path, source: str) -> Expression | None:
        found = self._attempt(path, source, lambda: parse(source, self.scope))
        if isinstance(found, Expression):
            self.reads[path] = found.reads
            return found
        return None

    def _condition(self, path: Path, source: str) -> None:
        expression = self._expression(path, source)
        if expression and expression.kind.base not in ("number", "any"):
            self.collector.wrong(path, source, "something true or false")

    def _message(self, path: Path, text: str) -> None:
        if text:
            self._attempt(path, text, lambda: parse_template(text, self.scope))

    def _attempt(self, path: Path, source: str, parse_it: Callable[[], Any]) -> Any:
        """The result of a parser, or None and a problem."""
        try:
            return parse_it()
        except ExpressionError as error:
            document = self.collector.document
            self.collector.add(
                Problem(
                    show_path(path),
                    error.value,
                    error.expected,
                    error.nearest,
                    document.line(path),
                    document.file,
                )
            )
            self.collector.spend(len(self.scope.signals) + len(self.scope.parameters))
        return None

    def _result(self, path: Path, expression: Expression, output: Output) -> None:
        """Whether what a transform computes can be a value of its output."""
        base = expression.kind.base
        if base == "any":
            return
        if output.length is not None:
            wanted = "texts" if output.type == "string" else "numbers"
            fits = base == wanted
        elif output.type == "string":
            fits = base == "text"
        else:
            fits = base == "number" or base == "text" and bool(output.states)
        if not fits:
            of = f"{output.type}, length {output.length}" if output.length else output.type
            expected = f"a result that fits {output.name} ({of}), not {_RESULTS[base]}"
            self.collector.wrong(path, expression.source, expected)
            return
        for constant in expression.constants:
            if isinstance(constant, str) and output.states and constant not in output.states:
                expected = f"one of {', '.join(output.states)}"
                self.collector.wrong(path, constant, expected, output.states)

    def _values(self, path: Path, values: dict[str, Any]) -> None:
        for name, value in values.items():
            output = self.outputs.get(name)
            if output is None:
                expected = "the name of an output" + _instead(name, self.spec)
                self.collector.wrong((*path, name), name, expected, self.outputs.keys())
                continue
            try:
                literal(output, value)
            except BadValue as error:
                known = output.states if isinstance(value, str) else ()
                self.collector.wrong((*path, name), value, str(error), known)

    def _cycles(self) -> None:
        """An output that depends on itself, through whatever."""
        graph: dict[str, set[str]] = {}
        place: dict[str, Path] = {}
        for i, transform in enumerate(self.spec.transforms):
            path: Path = ("spec", "transforms", i, "expression")
            graph.setdefault(transform.output, set()).update(self.reads.get(path, ()))
            place.setdefault(transform.output, path)
        for i, rule in enumerate(self.spec.rules):
            path, node = ("spec", "rules", i, "condition"), f"rules.{rule.id}"
            graph.setdefault(node, set()).update(self.reads.get(path, ()))
            place.setdefault(node, path)
            for name in rule.outputs:
                graph.setdefault(name, set()).add(node)
        for cycle in cycles(graph):
            start = next(node for node in cycle if node in place)
            at = cycle.index(start)
            shown = [*cycle[at:], *cycle[:at], start]
            if len(shown) > 8:
                shown = [*shown[:6], "…", start]
            expected = f"no cycle: {' reads '.join(shown)}"
            self.collector.wrong(place[start], self._source(place[start]), expected)

    def _source(self, path: Path) -> str:
        return next(text for at, text in self._sources() if at == path)


_RESULTS: Final = {
    "number": "a number",
    "text": "a text",
    "numbers": "a list of numbers",
    "texts": "a list of texts",
    "list": "a list of numbers and texts",
}
