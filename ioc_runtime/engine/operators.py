"""Operators, comparisons, conditionals, lists and indices."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from ioc_runtime.engine.terms import (
    ANY,
    KIND_NAMES,
    NUMBER,
    NUMBERS,
    TEXT,
    TEXTS_LIST,
    Kind,
    nearest,
)
from ioc_runtime.engine.walk import Walk, call_global

_BINARY: Mapping[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
}
_EQUALITY = (ast.Eq, ast.NotEq)
_ORDER = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_MEMBER = (ast.In, ast.NotIn)


class Operators(Walk):
    """The part of the walk that meets operators."""

    # --- operators

    def boolean(self, node: ast.BoolOp) -> tuple[ast.expr, Kind]:
        """`and`, `or`."""
        parts = [self.truth(value) for value in node.values]
        return ast.BoolOp(op=node.op, values=parts), NUMBER

    def unary(self, node: ast.UnaryOp) -> tuple[ast.expr, Kind]:
        """`not`, signs."""
        if isinstance(node.op, ast.Not):
            return ast.UnaryOp(op=node.op, operand=self.truth(node.operand)), NUMBER
        if isinstance(node.op, ast.Invert):
            raise self.error(node, "not, instead of ~")
        new, _ = self.number(node.operand, "a sign")
        return ast.UnaryOp(op=node.op, operand=new), NUMBER

    def binary(self, node: ast.BinOp) -> tuple[ast.expr, Kind]:
        """Arithmetic."""
        symbol = _BINARY.get(type(node.op))
        if symbol is None:
            raise self.error(node, "one of + - * / // % **")
        left, left_kind = self.visit(node.left)
        right, right_kind = self.visit(node.right)
        bases = (left_kind.base, right_kind.base)
        if symbol == "+" and bases == ("text", "text"):
            return ast.BinOp(left=left, op=node.op, right=right), TEXT
        for part, base in ((node.left, bases[0]), (node.right, bases[1])):
            if base not in ("number", "any"):
                raise self.error(part, f"a number for {symbol}, not a {KIND_NAMES[base]}")
        if symbol == "**":
            return call_global("pow()", left, right), NUMBER
        if "any" in bases:
            return call_global("arithmetic()", ast.Constant(value=symbol), left, right), NUMBER
        return ast.BinOp(left=left, op=node.op, right=right), NUMBER

    def compare(self, node: ast.Compare) -> tuple[ast.expr, Kind]:
        """Comparisons, chained ones too, and `in`."""
        operands = [node.left, *node.comparators]
        visited = [self.visit(operand) for operand in operands]
        news = [new for new, _ in visited]
        for i, operator in enumerate(node.ops):
            if isinstance(operator, ast.Is | ast.IsNot):
                raise self.error(node, "== or !=, instead of is")
            kinds, before = (visited[i][1], visited[i + 1][1]), news[i]
            if isinstance(operator, _MEMBER):
                news[i + 1] = self.member(operands, news, kinds, i)
            else:
                news[i], news[i + 1] = self.pair(operands, news, kinds, i, operator)
            if i and not (visited[i][0] is before is news[i]):
                # rewritten for one of its neighbours, so wrong for the other
                raise self.error(node, "comparisons with a state's name joined by `and`")
        return ast.Compare(left=news[0], ops=node.ops, comparators=news[1:]), NUMBER

    def pair(
        self,
        operands: list[ast.expr],
        news: list[ast.expr],
        kinds: tuple[Kind, Kind],
        i: int,
        operator: ast.cmpop,
    ) -> tuple[ast.expr, ast.expr]:
        """Two sides of a comparison, made comparable."""
        left, right = news[i], news[i + 1]
        a, b = kinds
        if a.states and b.base == "text":
            return self.against_state(a, left, operands[i + 1], right, operator)
        if b.states and a.base == "text":
            right, left = self.against_state(b, right, operands[i], left, operator)
            return left, right
        lists = {"numbers", "texts", "list"}
        if (a.base in lists) or (b.base in lists):
            part = operands[i] if a.base in lists else operands[i + 1]
            raise self.error(part, "a single value to compare, not a list")
        elif a.base != b.base and "any" not in (a.base, b.base):
            raise self.error(
                operands[i + 1],
                f"a {KIND_NAMES[a.base]} to compare with, not a {KIND_NAMES[b.base]}",
            )
        return left, right

    def against_state(
        self, kind: Kind, state: ast.expr, operand: ast.expr, text: ast.expr, op: ast.cmpop
    ) -> tuple[ast.expr, ast.expr]:
        """A state value against a text: a literal becomes its index."""
        if isinstance(operand, ast.Constant):
            return state, ast.Constant(value=self.index(kind, operand))
        if not isinstance(op, _EQUALITY):
            raise self.error(operand, "the name of a state, to compare the order with")
        names = ast.Constant(value=kind.states)  # type: ignore[arg-type]
        return ast.Subscript(value=names, slice=state, ctx=ast.Load()), text

    def index(self, kind: Kind, constant: ast.Constant) -> int:
        """Index of the state that a literal names."""
        if constant.value not in kind.states:
            raise self.error(
                constant,
                f"one of {', '.join(kind.states)}",
                nearest(str(constant.value), kind.states),
            )
        return kind.states.index(constant.value)

    def member(
        self, operands: list[ast.expr], news: list[ast.expr], kinds: tuple[Kind, Kind], i: int
    ) -> ast.expr:
        """The right side of `in`: a list of literals, an array, or a text in a text."""
        a, b = kinds
        right = operands[i + 1]
        if b.base == "text" and a.base in ("text", "any") and not a.states:
            return news[i + 1]
        if b.base not in ("numbers", "texts", "list", "any"):
            raise self.error(right, "a list, an array or a buffer after in")
        if a.states and isinstance(right, ast.List | ast.Tuple):
            return ast.Tuple(elts=[self.state(a, item) for item in right.elts], ctx=ast.Load())
        if a.base in ("number", "text") and b.base == ("texts", "numbers")[a.base == "text"]:
            raise self.error(right, f"a list that can hold a {KIND_NAMES[a.base]}")
        return news[i + 1]

    def state(self, kind: Kind, item: ast.expr) -> ast.expr:
        """An element of a list that a state is looked for in."""
        if isinstance(item, ast.Constant) and isinstance(item.value, str):
            return ast.Constant(value=self.index(kind, item))
        if isinstance(item, ast.Constant) and isinstance(item.value, int):
            return item
        raise self.error(item, "the name or the index of a state")

    def conditional(self, node: ast.IfExp) -> tuple[ast.expr, Kind]:
        """`a if b else c`."""
        test = self.truth(node.test)
        body, a = self.visit(node.body)
        orelse, b = self.visit(node.orelse)
        kind = a if a == b else Kind(a.base) if a.base == b.base else ANY
        return ast.IfExp(test=test, body=body, orelse=orelse), kind

    def sequence(self, node: ast.List | ast.Tuple) -> tuple[ast.expr, Kind]:
        """A list of literals and values."""
        visited = [self.visit(item) for item in node.elts]
        bases = {kind.base for _, kind in visited}
        if bases & {"numbers", "texts", "list"}:
            raise self.error(node, "a list of single values")
        new = ast.Tuple(elts=[item for item, _ in visited], ctx=ast.Load())
        if bases <= {"number"}:
            return new, NUMBERS
        return new, TEXTS_LIST if bases == {"text"} else Kind("list")

    def subscript(self, node: ast.Subscript) -> tuple[ast.expr, Kind]:
        """One element of an array or a buffer."""
        if isinstance(node.slice, ast.Slice | ast.Tuple):
            raise self.error(node, "one index, not a range; last(v, n) gives the newest n")
        value, kind = self.visit(node.value)
        if kind.base not in ("numbers", "texts", "list", "any"):
            raise self.error(node.value, f"an array or a buffer, not a {KIND_NAMES[kind.base]}")
        index, _ = self.number(node.slice, "an index")
        element = {"numbers": NUMBER, "texts": TEXT}.get(kind.base, ANY)
        return ast.Subscript(value=value, slice=index, ctx=ast.Load()), element
