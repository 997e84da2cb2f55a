"""From a plan to the objects of an engine: parsed, compiled, tied together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ioc_runtime.engine import graph
from ioc_runtime.engine.grammar import Scope, parse
from ioc_runtime.engine.inputs import InputState
from ioc_runtime.engine.node import Globals, Moment, Node, make_globals
from ioc_runtime.engine.outputs import OutputState
from ioc_runtime.engine.rules import RuleState
from ioc_runtime.engine.template import Template, parse_template
from ioc_runtime.engine.terms import value_kind
from ioc_runtime.engine.timers import Timers
from ioc_runtime.engine.transforms import TransformState
from ioc_runtime.plan import Plan, Rule


@dataclass
class Model:
    """The parts of an engine."""

    values: Globals
    timers: Timers
    moment: Moment
    inputs: list[InputState]
    outputs: list[OutputState]
    transforms: list[TransformState]
    """In the order of evaluation."""
    rules: list[RuleState]


def scope_of(plan: Plan) -> Scope:
    """The names that expressions of a plan may use."""
    return Scope(
        signals={signal.name: signal for signal in plan.signals},
        inputs={signal.name for signal in plan.inputs},
        parameters=plan.parameters,
        rules={rule.id for rule in plan.rules},
        functions=plan.plugin.functions if plan.plugin is not None else (),
    )


class Known:
    """Expressions and messages of another engine: what is the same is not parsed again."""

    def __init__(self, old: Plan, model: Model, new: Plan) -> None:
        """`old` has been built as `model`; `new` is of the same shape."""
        same = _words(old) == _words(new)  # a source then means the same in both
        self._nodes = {t.output.name: t.node for t in model.transforms} if same else {}
        self._rules = {rule.id: rule for rule in model.rules} if same else {}

    def transform(self, output: str, source: str) -> Node | None:
        """The node of a transform that has this source."""
        node = self._nodes.get(output)
        return node if node is not None and node.expression.source == source else None

    def condition(self, rule: Rule) -> Node | None:
        """The node of a rule that has the same condition."""
        old = self._rules.get(rule.id)
        return old.node if old is not None and old.plan.condition == rule.condition else None

    def message(self, rule: Rule) -> Template | None:
        """The message of a rule that has the same one."""
        old = self._rules.get(rule.id)
        return old.message if old is not None and old.plan.message == rule.message else None


def _words(plan: Plan) -> tuple[Any, ...]:
    """All that expressions can mean, beyond the plan's shape."""
    buffers = frozenset(signal.name for signal in plan.signals if signal.buffer)
    return buffers, {name: value_kind(value) for name, value in plan.parameters.items()}


def build(
    plan: Plan, functions: dict[str, Callable[..., Any]], known: Known | None = None
) -> Model:
    """Make the engine's parts from a plan that has been checked.

    :raises ExpressionError: when the plan was not checked after all
    """
    values = make_globals(functions)
    values.update(plan.parameters)
    timers, moment = Timers(), Moment()
    inputs = [InputState(i, p, values, timers, moment) for i, p in enumerate(plan.inputs)]
    first = len(inputs)
    outputs = [OutputState(i, first + i, p, values, moment) for i, p in enumerate(plan.outputs)]
    scope = scope_of(plan)
    by_input = {state.name: state for state in inputs}
    by_output = {state.name: state for state in outputs}

    def node(label: str, source: str, tag: str, like: Node | None) -> Node:
        expression = parse(source, scope, tag) if like is None else like.expression
        return Node(label, expression, values, by_input, moment, like)

    nodes = {}
    for transform in plan.transforms:
        name, source = transform.output, transform.expression
        like = known.transform(name, source) if known is not None else None
        nodes[name] = node(f"transform {name}", source, f"{name}:", like)
    order = graph.transform_order({name: n.expression.reads for name, n in nodes.items()})
    transforms = [TransformState(i, nodes[name], by_output[name]) for i, name in enumerate(order)]
    rules = []
    for index, rule in enumerate(plan.rules):
        like = known.condition(rule) if known is not None else None
        condition = node(f"rule {rule.id}", rule.condition, f"rules.{rule.id}:", like)
        template = known.message(rule) if known is not None else None
        if template is None and rule.message:
            template = parse_template(rule.message, scope)
        rules.append(RuleState(index, rule, condition, template, values, timers, moment))
    model = Model(values, timers, moment, inputs, outputs, transforms, rules)
    _tie(model, by_input, by_output)
    return model


def _tie(model: Model, by_input: dict[str, InputState], by_output: dict[str, OutputState]) -> None:
    """Say who drives what, who reads what, and where timestamps come from."""
    by_rule = {f"rules.{rule.id}": rule for rule in model.rules}
    everyone = {**by_input, **by_output, **by_rule}

    def sources(reads: Iterable[str]) -> tuple[Any, ...]:
        return tuple(everyone[name] for name in sorted(reads) if name in everyone)

    read: set[str] = set()
    for transform in model.transforms:
        transform.output.sources = sources(transform.node.expression.reads)
        read |= transform.node.expression.reads
    for rule in model.rules:
        read |= rule.node.expression.reads
        if rule.message is not None:
            read |= rule.message.reads
        rule.sources = sources(rule.node.expression.reads)
        driven = (by_output[name] for name in rule.plan.outputs)
        rule.outputs = tuple(sorted(driven, key=lambda output: output.index))
        for output in rule.outputs:
            output.writers.append((rule, rule.plan.outputs[output.name]))
        rule.plain = not rule.hold and all(output.latch is None for output in rule.outputs)
    for output in model.outputs:
        if output.plan.owner == "rules":
            reads = {n for r, _ in output.writers for n in r.node.expression.reads}
            output.sources = tuple(dict.fromkeys((*output.sources, *sources(reads))))
        output.read = output.name in read
        output.simplify()
    for rule in model.rules:
        rule.read = rule.key in read
    used = _used(model)
    for state in model.inputs:
        state.attributes(used)


def _used(model: Model) -> set[str]:
    """The globals that anything reads: attributes of inputs are kept up only for these."""
    used: set[str] = set()
    nodes = [t.node for t in model.transforms] + [r.node for r in model.rules]
    for node in nodes:
        calls = [node.call, *(call for site in node.sites for call in (site.call, site.seconds))]
        for call in calls:
            used |= _names(getattr(call, "__code__", None))
        used |= {f"{s.input.name}.rate" for s in node.sites if s.input is not None}
    for rule in model.rules:
        if rule.message is not None:
            used |= {part.key for part in rule.message.parts if part.key}
    return used


def _names(code: Any) -> set[str]:
    """Global names of a code object and of the functions inside it."""
    if code is None:
        return set()
    inner = [_names(c) for c in code.co_consts if hasattr(c, "co_names")]
    return set(code.co_names).union(*inner)
