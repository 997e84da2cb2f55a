"""The grammar of expressions: what may be written, and what it means.

An expression is Python's syntax, cut down to what can neither loop nor reach
anything that is not listed. `parse` checks it against the names in its scope and
rewrites it into a tree that Python compiles to fast code:

* A name is a global of the compiled code. The engine removes a global whose value
  is not known, so that reading it raises NameError at the moment of reading, and
  Python's own and/or order decides what is read. A known value costs nothing extra.
* `x.severity` becomes one global of that dotted name, a function `f()`; no
  attribute access is left.
* An enum or a bool compares with its states' names: `mode != 'Off'` becomes a
  comparison with the index.
* A call that remembers (rising, changed, for_, rate ...) becomes a *site*, a node
  of its own that is evaluated whenever what it reads changes; the expression reads
  the site's result. So short-circuiting never makes it miss an edge.

Kinds are inferred where they can be, so that a text is never multiplied and a typo
in a state's name is found before anything runs.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable
from typing import Any

from ioc_runtime.engine.calls import Calls
from ioc_runtime.engine.operators import Operators
from ioc_runtime.engine.terms import (
    ANY,
    DEEPEST,
    FORMS,
    LONGEST,
    Expression,
    ExpressionError,
    Kind,
    Scope,
    Site,
    nearest,
    shorten,
)

__all__ = [
    "ANY",
    "FORMS",
    "Expression",
    "ExpressionError",
    "Kind",
    "Scope",
    "Site",
    "nearest",
    "parse",
]


def parse(source: str, scope: Scope, tag: str = "") -> Expression:
    """Check an expression and rewrite it for the engine.

    :param tag: makes the keys of its sites unique within an engine
    :raises ExpressionError: with the offending part and what was expected
    """
    tree = _syntax(source)
    rewriter = Rewriter(source, scope, tag)
    try:
        new, kind = rewriter.visit(tree)
    except RecursionError:
        raise ExpressionError(shorten(source), f"at most {DEEPEST} levels of nesting") from None
    return Expression(
        source=source,
        tree=new,
        kind=kind,
        reads=frozenset(rewriter.reads),
        sites=tuple(rewriter.sites),
        ticks=rewriter.ticks,
        constants=tuple(_results(tree)),
    )


def _syntax(source: str) -> ast.expr:
    if len(source) > LONGEST:
        raise ExpressionError(shorten(source), f"at most {LONGEST} characters, got {len(source)}")
    if not source.strip():
        raise ExpressionError("''", "an expression")
    if "#" in source and "\n" in source:
        raise ExpressionError("#", "no comment inside an expression of several lines")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "\d" in a text is the author's business
            tree = ast.parse(f"(\n{source}\n)", mode="eval").body
    except SyntaxError as error:
        shown = (error.text or "").strip()
        if shown in ("", "(", ")"):  # nothing, or our own parenthesis
            shown = source.strip()
        raise ExpressionError(shorten(shown), f"an expression ({error.msg})") from None
    except (ValueError, MemoryError, RecursionError):
        raise ExpressionError(shorten(source), "an expression that can be read") from None
    if tree.lineno < 2:  # the source closed our parenthesis: `x) or (y`
        raise ExpressionError(shorten(source.strip()), "balanced parentheses")
    return tree


def _results(tree: ast.expr) -> Iterable[Any]:
    """Literals that an expression can give, through its conditionals."""
    if isinstance(tree, ast.IfExp):
        yield from _results(tree.body)
        yield from _results(tree.orelse)
    elif isinstance(tree, ast.Constant):
        yield tree.value


class Rewriter(Operators, Calls):
    """The whole walk."""


Rewriter.visitors = {
    ast.Constant: Rewriter.constant,
    ast.Name: Rewriter.name,
    ast.Attribute: Rewriter.attribute,
    ast.BoolOp: Rewriter.boolean,
    ast.UnaryOp: Rewriter.unary,
    ast.BinOp: Rewriter.binary,
    ast.Compare: Rewriter.compare,
    ast.IfExp: Rewriter.conditional,
    ast.List: Rewriter.sequence,
    ast.Tuple: Rewriter.sequence,
    ast.Subscript: Rewriter.subscript,
    ast.Call: Rewriter.call,
}
