"""Calls: functions, and the forms that have a meaning of their own."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Mapping
from typing import Any

from ioc_runtime.engine.functions import FUNCTIONS, LISTS, TEXTS, arity
from ioc_runtime.engine.terms import (
    ANY,
    FORMS,
    KIND_NAMES,
    NUMBER,
    NUMBERS,
    TEXT,
    TEXTS_LIST,
    Kind,
    Site,
    nearest,
)
from ioc_runtime.engine.walk import Walk, call_global, read_global, thunk

SCALAR_ONLY = frozenset(
    {"abs", "round", "sqrt", "log", "exp", "pow", "floor", "ceil", "clamp"}
    | {"any_of", "all_of", "count_true"}
)


class Calls(Walk):
    """The part of the walk that meets calls."""

    # --- calls

    def call(self, node: ast.Call) -> tuple[ast.expr, Kind]:
        """Any call."""
        if not isinstance(node.func, ast.Name):
            raise self.error(node.func, "the name of a function")
        name = node.func.id
        if any(isinstance(a, ast.Starred) for a in node.args) or any(
            k.arg is None for k in node.keywords
        ):
            raise self.error(node, "arguments without *")
        if len({k.arg for k in node.keywords}) < len(node.keywords):
            raise self.error(node, "each argument once")
        if name in FORMS:
            return _FORMS[name](self, node)
        if name in FUNCTIONS:
            return self.function(node, name, FUNCTIONS[name])
        if name in self.scope.functions:
            args = [self.visit(arg)[0] for arg in node.args]
            keywords = [ast.keyword(arg=k.arg, value=self.visit(k.value)[0]) for k in node.keywords]
            return ast.Call(func=read_global(f"{name}()"), args=args, keywords=keywords), ANY
        known = [*FUNCTIONS, *FORMS, *self.scope.functions]
        raise self.error(node.func, "the name of a function", nearest(name, known))

    def function(
        self, node: ast.Call, name: str, function: Callable[..., Any]
    ) -> tuple[ast.expr, Kind]:
        """A call of a function of the grammar."""
        least, most, names = arity(function, name)
        given = len(node.args) + len(node.keywords)
        if given < least or (most is not None and given > most):
            wanted = f"{least}" if least == most else f"{least} to {most or 'any number of'}"
            raise self.error(node, f"{wanted} arguments for {name}, got {given}")
        for keyword in node.keywords:
            if keyword.arg not in names[len(node.args) :]:
                raise self.error(
                    f"{keyword.arg}=", f"an argument of {name}", nearest(str(keyword.arg), names)
                )
        if least > len(node.args) + sum(1 for k in node.keywords if k.arg in names[:least]):
            raise self.error(node, f"the argument {names[len(node.args)]} of {name}")
        args = [self.argument(arg, name) for arg in node.args]
        keywords = [
            ast.keyword(arg=k.arg, value=self.argument(k.value, name)[0]) for k in node.keywords
        ]
        kind = NUMBERS if name in LISTS else NUMBER
        if name == "last":
            element = TEXT if args[0][1].base in ("text", "texts") else NUMBER
            kind = element if given == 1 else NUMBERS if element is NUMBER else TEXTS_LIST
        new = ast.Call(
            func=read_global(f"{name}()"), args=[arg for arg, _ in args], keywords=keywords
        )
        return new, kind

    def argument(self, node: ast.expr, name: str) -> tuple[ast.expr, Kind]:
        """An argument of a function."""
        new, kind = self.visit(node)
        if kind.base in ("text", "texts", "list") and name not in TEXTS:
            raise self.error(node, f"numbers for {name}, not a {KIND_NAMES[kind.base]}")
        if kind.base in ("numbers", "texts", "list") and name in SCALAR_ONLY:
            raise self.error(node, f"one number for {name}, not a list")
        return new, kind

    def arguments(self, node: ast.Call, names: str) -> list[ast.expr]:
        """The positional arguments of a special form, by the form's own list."""
        wanted = names.split()
        if node.keywords or len(node.args) != len(wanted):
            name = node.func.id  # type: ignore[attr-defined]
            raise self.error(node, f"{name}({', '.join(wanted)})")
        return node.args

    def site(
        self, form: str, reads: Collection[str], tree: ast.expr | None, **more: Any
    ) -> ast.expr:
        """Code that reads the result of a new site."""
        key = f"{self.tag}#{len(self.sites)}"
        self.sites.append(Site(key, form, frozenset(reads), tree, **more))
        return read_global(key)

    def watched(self, node: ast.expr, *, truth: bool) -> tuple[ast.expr, set[str]]:
        """An argument that a site watches, with what it reads itself."""
        outer, self.reads = self.reads, set()
        new = self.truth(node) if truth else self.visit(node)[0]
        inner, self.reads = self.reads, outer
        self.reads |= inner
        return new, inner

    def edge(self, node: ast.Call) -> tuple[ast.expr, Kind]:
        """rising, falling, changed."""
        form = node.func.id  # type: ignore[attr-defined]
        (arg,) = self.arguments(node, "x")
        tree, reads = self.watched(arg, truth=form != "changed")
        return self.site(form, reads, tree), NUMBER

    def hold(self, node: ast.Call) -> tuple[ast.expr, Kind]:
        """for_."""
        condition, seconds = self.arguments(node, "condition seconds")
        constant = isinstance(seconds, ast.Constant) and type(seconds.value) in (int, float)
        if not constant and not (
            isinstance(seconds, ast.Name) and seconds.id in self.scope.parameters
        ):
            raise self.error(seconds, "a number of seconds or a parameter")
        duration, _ = self.number(seconds, "seconds")
        tree, reads = self.watched(condition, truth=True)
        return self.site("for_", reads, tree, seconds=duration), NUMBER

    def input_name(self, node: ast.Call) -> str:
        """The only argument of a form that takes an input."""
        (arg,) = self.arguments(node, "input")
        if not isinstance(arg, ast.Name) or not self.scope.is_input(arg.id):
            inputs = [n for n in self.scope.signals if self.scope.is_input(n)]
            near = nearest(arg.id, inputs) if isinstance(arg, ast.Name) else None
            raise self.error(arg, "the name of an input", near)
        signal = self.scope.signals[arg.id]
        if signal.type not in ("float", "int") or signal.length is not None:
            raise self.error(arg, "the name of a float or int input")
        self.reads.add(arg.id)
        return arg.id

    def rate(self, node: ast.Call) -> tuple[ast.expr, Kind]:
        """Rate."""
        name = self.input_name(node)
        self.ticks = True
        return self.site("rate", {name}, None, name=name), NUMBER

    def isnan(self, node: ast.Call) -> tuple[ast.expr, Kind]:
        """Isnan."""
        raw = f"{self.input_name(node)}.raw"
        return ast.Compare(
            left=read_global(raw), ops=[ast.NotEq()], comparators=[read_global(raw)]
        ), NUMBER

    def votes(self, node: ast.Call) -> tuple[ast.expr, Kind]:
        """Votes."""
        if node.keywords or len(node.args) < 2:
            raise self.error(node, "votes(n, condition, …)")
        needed, _ = self.number(node.args[0], "votes")
        questions = [thunk(self.truth(arg)) for arg in node.args[1:]]
        return call_global("votes()", needed, *questions), NUMBER


_FORMS: Mapping[str, Callable[[Calls, ast.Call], tuple[ast.expr, Kind]]] = {
    "rate": Calls.rate,
    "changed": Calls.edge,
    "rising": Calls.edge,
    "falling": Calls.edge,
    "for_": Calls.hold,
    "votes": Calls.votes,
    "isnan": Calls.isnan,
}
