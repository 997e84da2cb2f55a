"""One walk over an expression: checks, infers kinds, collects reads, rewrites."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from ioc_runtime.engine.functions import FUNCTIONS
from ioc_runtime.engine.terms import (
    DEEPEST,
    FORMS,
    INPUT_ATTRIBUTES,
    KIND_NAMES,
    LARGEST_INT,
    NUMBER,
    NUMBERS,
    TEXT,
    TEXTS_LIST,
    ExpressionError,
    Kind,
    Scope,
    Site,
    is_constant,
    kind_of,
    nearest,
    shorten,
    value_kind,
)

Visitor = Callable[[Any, Any], tuple[ast.expr, Kind]]


def read_global(key: str) -> ast.expr:
    """Code that reads a global of the engine."""
    return ast.Name(id=key, ctx=ast.Load())


def call_global(key: str, *args: ast.expr) -> ast.expr:
    """Code that calls one."""
    return ast.Call(func=read_global(key), args=list(args), keywords=[])


def thunk(body: ast.expr) -> ast.expr:
    """Code that can be evaluated later."""
    nothing = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
    return ast.Lambda(args=nothing, body=body)


class Walk:
    """The part of the walk that all others use, and the leaves of the tree."""

    visitors: ClassVar[Mapping[type[ast.expr], Visitor]] = {}
    """What each kind of node is met by."""

    def __init__(self, source: str, scope: Scope, tag: str) -> None:
        self.source, self.scope, self.tag = source, scope, tag
        self.reads: set[str] = set()
        self.sites: list[Site] = []
        self.ticks = False
        self.depth = 0

    def visit(self, node: ast.expr) -> tuple[ast.expr, Kind]:
        """The rewritten node and its kind."""
        method = self.visitors.get(type(node))
        if method is None:
            raise self.error(node, "only operators, comparisons, names and calls of functions")
        self.depth += 1
        if self.depth > DEEPEST:
            raise ExpressionError(shorten(self.source), f"at most {DEEPEST} levels of nesting")
        try:
            new, kind = method(self, node)
            return new, kind
        finally:
            self.depth -= 1

    def error(self, node: ast.AST | str, expected: str, near: str | None = None) -> ExpressionError:
        """The error of a part of the expression."""
        if isinstance(node, str):
            return ExpressionError(shorten(node), expected, near)
        try:
            return ExpressionError(shorten(ast.unparse(node)), expected, near)
        except (RecursionError, ValueError):
            return ExpressionError(shorten(self.source), expected, near)

    def number(self, node: ast.expr, what: str) -> tuple[ast.expr, Kind]:
        """Visit what has to be a number."""
        new, kind = self.visit(node)
        if kind.base not in ("number", "any"):
            raise self.error(node, f"a number for {what}, not a {KIND_NAMES[kind.base]}")
        return new, kind

    def truth(self, node: ast.expr) -> ast.expr:
        """Visit what has to be true or false."""
        new, kind = self.visit(node)
        if kind.base not in ("number", "any"):
            raise self.error(node, f"something true or false, not a {KIND_NAMES[kind.base]}")
        return new

    # --- leaves

    def constant(self, node: ast.Constant) -> tuple[ast.expr, Kind]:
        """A literal."""
        value = node.value
        if isinstance(value, bool) or isinstance(value, float) and math.isfinite(value):
            return node, NUMBER
        if isinstance(value, int) and abs(value) < LARGEST_INT:
            return node, NUMBER
        if isinstance(value, str):
            return node, TEXT
        raise self.error(node, "a finite number of at most 63 bits, a text, True or False")

    def name(self, node: ast.Name) -> tuple[ast.expr, Kind]:
        """A signal, a parameter or a buffer."""
        name, scope = node.id, self.scope
        signal = scope.signals.get(name)
        if signal is not None:
            self.reads.add(name)
            return read_global(name), kind_of(signal)
        if name in scope.parameters:
            if not is_constant(scope.parameters[name]):
                raise self.error(node, "a number, a text or a list of one of them")
            self.reads.add(name)
            return read_global(name), value_kind(scope.parameters[name])
        base = name.removesuffix("_buf")
        buffered = scope.signals.get(base) if base != name else None
        if buffered is not None:
            if not buffered.buffer:
                raise self.error(node, f"`buffer:` on {base}, to have {name}")
            self.reads.add(base)
            return read_global(name), TEXTS_LIST if buffered.type == "string" else NUMBERS
        if name in FUNCTIONS or name in FORMS or name in scope.functions:
            raise self.error(node, f"a call, {name}(…)")
        known = [*scope.signals, *scope.parameters]
        known += [f"{n}_buf" for n, s in scope.signals.items() if s.buffer]
        raise self.error(node, "the name of an input, output or parameter", nearest(name, known))

    def attribute(self, node: ast.Attribute) -> tuple[ast.expr, Kind]:
        """`x.severity` and the like."""
        owner = node.value
        if isinstance(owner, ast.Attribute):
            return self.rule_state(node, owner)
        if not isinstance(owner, ast.Name):
            raise self.error(node, f"an attribute of an input: {', '.join(INPUT_ATTRIBUTES)}")
        if owner.id not in self.scope.signals:
            inputs = [n for n in self.scope.signals if self.scope.is_input(n)]
            raise self.error(node, "an attribute of an input", nearest(owner.id, inputs))
        if not self.scope.is_input(owner.id):
            raise self.error(node, f"an attribute of an input; {owner.id} is an output")
        if node.attr not in INPUT_ATTRIBUTES:
            raise self.error(
                node, f"one of {', '.join(INPUT_ATTRIBUTES)}", nearest(node.attr, INPUT_ATTRIBUTES)
            )
        self.reads.add(owner.id)
        key = f"{owner.id}.{node.attr}"
        if node.attr == "age":
            self.ticks = True
            return call_global(f"{key}()"), NUMBER
        if node.attr == "previous":
            return read_global(key), kind_of(self.scope.signals[owner.id])
        return read_global(key), NUMBER

    def rule_state(self, node: ast.Attribute, owner: ast.Attribute) -> tuple[ast.expr, Kind]:
        """`rules.<id>.active`."""
        if not (isinstance(owner.value, ast.Name) and owner.value.id == "rules"):
            raise self.error(node, "a name with one attribute, or rules.<id>.active")
        if node.attr != "active":
            raise self.error(node, "rules.<id>.active", "active")
        if owner.attr not in self.scope.rules:
            raise self.error(node, "the id of a rule", nearest(owner.attr, self.scope.rules))
        self.reads.add(f"rules.{owner.attr}")
        return read_global(f"rules.{owner.attr}.active"), NUMBER
