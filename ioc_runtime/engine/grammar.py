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
import difflib
import math
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ioc_runtime.engine.functions import FUNCTIONS, LISTS, TEXTS, arity
from ioc_runtime.plan import Signal

LONGEST = 1024
"""Characters of one expression."""
DEEPEST = 60
"""Levels of nesting."""
LARGEST_INT = 2**63

INPUT_ATTRIBUTES = ("severity", "age", "connected", "timestamp", "previous")
ALWAYS_VALID = frozenset({"severity", "age", "connected"})

FORMS = ("rate", "changed", "rising", "falling", "for_", "votes", "isnan")
"""Calls with a meaning of their own; they cannot be registered by a plugin."""


class ExpressionError(ValueError):
    """An expression does not fit the grammar or its scope.

    :ivar value: the offending part of the source
    :ivar expected: what would be right, as a phrase
    :ivar nearest: the nearest name that exists, or None
    """

    def __init__(self, value: str, expected: str, nearest: str | None = None) -> None:
        super().__init__(f"{value}: expected {expected}")
        self.value, self.expected, self.nearest = value, expected, nearest


@dataclass(frozen=True)
class Kind:
    """What a part of an expression is: number, text, list of either, or any."""

    base: str
    states: tuple[str, ...] = ()
    """State names, for the value of an enum or a bool."""


NUMBER, TEXT, ANY = Kind("number"), Kind("text"), Kind("any")
NUMBERS, TEXTS_LIST = Kind("numbers"), Kind("texts")


@dataclass(frozen=True)
class Scope:
    """The names an expression may use."""

    signals: Mapping[str, Signal] = field(default_factory=dict)
    inputs: Collection[str] | None = None
    """Names of the signals that are inputs; None: all of them."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    rules: Collection[str] = ()
    functions: Collection[str] = ()
    """Names of functions that a plugin registers."""

    def is_input(self, name: str) -> bool:
        return name in self.signals and (self.inputs is None or name in self.inputs)


@dataclass(frozen=True)
class Site:
    """A call that remembers: `key` is the global that holds its result."""

    key: str
    form: str
    reads: frozenset[str]
    tree: ast.expr | None
    """What is watched; None for rate, which reads the samples themselves."""
    name: str = ""
    """The input of rate."""
    seconds: ast.expr | None = None
    """The duration of for_."""


@dataclass(frozen=True)
class Expression:
    source: str
    tree: ast.expr
    kind: Kind
    reads: frozenset[str]
    """Signals, parameters and `rules.<id>` that its value can depend on."""
    sites: tuple[Site, ...]
    ticks: bool
    """Whether its value changes by the mere passing of time (age, rate)."""
    constants: tuple[Any, ...]
    """Literals that can be its result."""


def parse(source: str, scope: Scope, tag: str = "") -> Expression:
    """Check an expression and rewrite it for the engine.

    :param tag: makes the keys of its sites unique within an engine
    :raises ExpressionError: with the offending part and what was expected
    """
    tree = _syntax(source)
    rewriter = _Rewriter(source, scope, tag)
    try:
        new, kind = rewriter.visit(tree)
    except RecursionError:
        raise ExpressionError(_cut(source), f"at most {DEEPEST} levels of nesting") from None
    return Expression(
        source=source,
        tree=new,
        kind=kind,
        reads=frozenset(rewriter.reads),
        sites=tuple(rewriter.sites),
        ticks=rewriter.ticks,
        constants=tuple(_results(tree)),
    )


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The name most like this one, or None."""
    found = difflib.get_close_matches(name[:64], list(names)[:4000], n=1, cutoff=0.6)
    return found[0] if found else None


def _cut(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def _syntax(source: str) -> ast.expr:
    if len(source) > LONGEST:
        raise ExpressionError(_cut(source), f"at most {LONGEST} characters, got {len(source)}")
    if not source.strip():
        raise ExpressionError("''", "an expression")
    if "#" in source and "\n" in source:
        raise ExpressionError("#", "no comment inside an expression of several lines")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "\d" in a text is the author's business
            tree = ast.parse(f"(\n{source}\n)", mode="eval").body
    except SyntaxError as error:
        shown = (error.text or "").strip() or source.strip()
        raise ExpressionError(_cut(shown), f"an expression ({error.msg})") from None
    except (ValueError, MemoryError, RecursionError):
        raise ExpressionError(_cut(source), "an expression that can be read") from None
    if tree.lineno < 2:  # the source closed our parenthesis: `x) or (y`
        raise ExpressionError(_cut(source.strip()), "balanced parentheses")
    return tree


def _results(tree: ast.expr) -> Iterable[Any]:
    """Literals that an expression can give, through its conditionals."""
    if isinstance(tree, ast.IfExp):
        yield from _results(tree.body)
        yield from _results(tree.orelse)
    elif isinstance(tree, ast.Constant):
        yield tree.value


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


def _global(key: str) -> ast.expr:
    return ast.Name(id=key, ctx=ast.Load())


def _call(key: str, *args: ast.expr) -> ast.expr:
    return ast.Call(func=_global(key), args=list(args), keywords=[])


def _thunk(body: ast.expr) -> ast.expr:
    nothing = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
    return ast.Lambda(args=nothing, body=body)


class _Rewriter:
    """One walk over the tree: checks, infers kinds, collects reads, rewrites."""

    def __init__(self, source: str, scope: Scope, tag: str) -> None:
        self.source, self.scope, self.tag = source, scope, tag
        self.reads: set[str] = set()
        self.sites: list[Site] = []
        self.ticks = False
        self.depth = 0

    def visit(self, node: ast.expr) -> tuple[ast.expr, Kind]:
        method = _VISITORS.get(type(node))
        if method is None:
            raise self.error(node, "only operators, comparisons, names and calls of functions")
        self.depth += 1
        if self.depth > DEEPEST:
            raise ExpressionError(_cut(self.source), f"at most {DEEPEST} levels of nesting")
        try:
            return method(self, node)
        finally:
            self.depth -= 1

    def error(self, node: ast.AST | str, expected: str, near: str | None = None) -> ExpressionError:
        if isinstance(node, str):
            return ExpressionError(_cut(node), expected, near)
        try:
            return ExpressionError(_cut(ast.unparse(node)), expected, near)
        except (RecursionError, ValueError):
            return ExpressionError(_cut(self.source), expected, near)

    def number(self, node: ast.expr, what: str) -> tuple[ast.expr, Kind]:
        new, kind = self.visit(node)
        if kind.base not in ("number", "any"):
            raise self.error(node, f"a number for {what}, not a {_NAMES[kind.base]}")
        return new, kind

    # --- leaves

    def constant(self, node: ast.Constant) -> tuple[ast.expr, Kind]:
        value = node.value
        if isinstance(value, bool) or isinstance(value, float) and math.isfinite(value):
            return node, NUMBER
        if isinstance(value, int) and abs(value) < LARGEST_INT:
            return node, NUMBER
        if isinstance(value, str):
            return node, TEXT
        raise self.error(node, "a finite number of at most 63 bits, a text, True or False")

    def name(self, node: ast.Name) -> tuple[ast.expr, Kind]:
        name, scope = node.id, self.scope
        signal = scope.signals.get(name)
        if signal is not None:
            self.reads.add(name)
            return _global(name), _kind(signal)
        if name in scope.parameters:
            self.reads.add(name)
            return _global(name), _value_kind(scope.parameters[name])
        base = name.removesuffix("_buf")
        buffered = scope.signals.get(base) if base != name else None
        if buffered is not None:
            if not buffered.buffer:
                raise self.error(node, f"`buffer:` on {base}, to have {name}")
            self.reads.add(base)
            return _global(name), TEXTS_LIST if buffered.type == "string" else NUMBERS
        if name in FUNCTIONS or name in FORMS or name in scope.functions:
            raise self.error(node, f"a call, {name}(…)")
        known = [*scope.signals, *scope.parameters]
        known += [f"{n}_buf" for n, s in scope.signals.items() if s.buffer]
        raise self.error(node, "the name of an input, output or parameter", nearest(name, known))

    def attribute(self, node: ast.Attribute) -> tuple[ast.expr, Kind]:
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
            return _call(key), NUMBER
        if node.attr == "previous":
            return _global(key), _kind(self.scope.signals[owner.id])
        return _global(key), NUMBER

    def rule_state(self, node: ast.Attribute, owner: ast.Attribute) -> tuple[ast.expr, Kind]:
        if not (isinstance(owner.value, ast.Name) and owner.value.id == "rules"):
            raise self.error(node, "a name with one attribute, or rules.<id>.active")
        if node.attr != "active":
            raise self.error(node, "rules.<id>.active", "active")
        if owner.attr not in self.scope.rules:
            raise self.error(node, "the id of a rule", nearest(owner.attr, self.scope.rules))
        self.reads.add(f"rules.{owner.attr}")
        return _global(f"rules.{owner.attr}.active"), NUMBER

    # --- operators

    def boolean(self, node: ast.BoolOp) -> tuple[ast.expr, Kind]:
        parts = [self.truth(value) for value in node.values]
        return ast.BoolOp(op=node.op, values=parts), NUMBER

    def truth(self, node: ast.expr) -> ast.expr:
        new, kind = self.visit(node)
        if kind.base not in ("number", "any"):
            raise self.error(node, f"something true or false, not a {_NAMES[kind.base]}")
        return new

    def unary(self, node: ast.UnaryOp) -> tuple[ast.expr, Kind]:
        if isinstance(node.op, ast.Not):
            return ast.UnaryOp(op=node.op, operand=self.truth(node.operand)), NUMBER
        if isinstance(node.op, ast.Invert):
            raise self.error(node, "not, instead of ~")
        new, _ = self.number(node.operand, "a sign")
        return ast.UnaryOp(op=node.op, operand=new), NUMBER

    def binary(self, node: ast.BinOp) -> tuple[ast.expr, Kind]:
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
                raise self.error(part, f"a number for {symbol}, not a {_NAMES[base]}")
        if symbol == "**":
            return _call("pow()", left, right), NUMBER
        if "any" in bases:
            return _call("arithmetic()", ast.Constant(value=symbol), left, right), NUMBER
        return ast.BinOp(left=left, op=node.op, right=right), NUMBER

    def compare(self, node: ast.Compare) -> tuple[ast.expr, Kind]:
        operands = [node.left, *node.comparators]
        visited = [self.visit(operand) for operand in operands]
        news = [new for new, _ in visited]
        for i, operator in enumerate(node.ops):
            if isinstance(operator, ast.Is | ast.IsNot):
                raise self.error(node, "== or !=, instead of is")
            kinds = visited[i][1], visited[i + 1][1]
            if isinstance(operator, _MEMBER):
                news[i + 1] = self.member(operands, news, kinds, i)
            else:
                news[i], news[i + 1] = self.pair(operands, news, kinds, i, operator)
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
        lists = {"numbers", "texts"}
        if (a.base in lists) or (b.base in lists):
            if not isinstance(operator, _EQUALITY) or a.base != b.base:
                part = operands[i] if a.base in lists else operands[i + 1]
                raise self.error(part, "a single value to compare, not a list")
        elif a.base != b.base and "any" not in (a.base, b.base):
            raise self.error(
                operands[i + 1], f"a {_NAMES[a.base]} to compare with, not a {_NAMES[b.base]}"
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
        names = ast.Constant(value=kind.states)
        return ast.Subscript(value=names, slice=state, ctx=ast.Load()), text

    def index(self, kind: Kind, constant: ast.Constant) -> int:
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
        if b.base not in ("numbers", "texts", "any"):
            raise self.error(right, "a list, an array or a buffer after in")
        if a.states and isinstance(right, ast.List | ast.Tuple):
            items: list[ast.expr] = []
            for item, new in zip(right.elts, news[i + 1].elts, strict=True):  # type: ignore[attr-defined]
                named = isinstance(item, ast.Constant) and isinstance(item.value, str)
                items.append(
                    ast.Constant(value=self.index(a, item)) if named else new  # type: ignore[arg-type]
                )
            return ast.Tuple(elts=items, ctx=ast.Load())
        if a.base in ("number", "text") and b.base == ("texts", "numbers")[a.base == "text"]:
            raise self.error(right, f"a list that can hold a {_NAMES[a.base]}")
        return news[i + 1]

    def conditional(self, node: ast.IfExp) -> tuple[ast.expr, Kind]:
        test = self.truth(node.test)
        body, a = self.visit(node.body)
        orelse, b = self.visit(node.orelse)
        kind = a if a == b else Kind(a.base) if a.base == b.base else ANY
        return ast.IfExp(test=test, body=body, orelse=orelse), kind

    def sequence(self, node: ast.List | ast.Tuple) -> tuple[ast.expr, Kind]:
        visited = [self.visit(item) for item in node.elts]
        bases = {kind.base for _, kind in visited}
        if bases & {"numbers", "texts"}:
            raise self.error(node, "a list of single values")
        new = ast.Tuple(elts=[item for item, _ in visited], ctx=ast.Load())
        if bases <= {"number"}:
            return new, NUMBERS
        return new, TEXTS_LIST if bases == {"text"} else Kind("numbers" if not bases else "any")

    def subscript(self, node: ast.Subscript) -> tuple[ast.expr, Kind]:
        if isinstance(node.slice, ast.Slice | ast.Tuple):
            raise self.error(node, "one index, not a range; last(v, n) gives the newest n")
        value, kind = self.visit(node.value)
        if kind.base not in ("numbers", "texts", "any"):
            raise self.error(node.value, f"an array or a buffer, not a {_NAMES[kind.base]}")
        index, _ = self.number(node.slice, "an index")
        element = {"numbers": NUMBER, "texts": TEXT}.get(kind.base, ANY)
        return ast.Subscript(value=value, slice=index, ctx=ast.Load()), element

    # --- calls

    def call(self, node: ast.Call) -> tuple[ast.expr, Kind]:
        if not isinstance(node.func, ast.Name):
            raise self.error(node.func, "the name of a function")
        name = node.func.id
        if any(isinstance(a, ast.Starred) for a in node.args) or any(
            k.arg is None for k in node.keywords
        ):
            raise self.error(node, "arguments without *")
        if name in FORMS:
            return _FORMS[name](self, node)
        if name in FUNCTIONS:
            return self.function(node, name, FUNCTIONS[name])
        if name in self.scope.functions:
            args = [self.visit(arg)[0] for arg in node.args]
            keywords = [ast.keyword(arg=k.arg, value=self.visit(k.value)[0]) for k in node.keywords]
            return ast.Call(func=_global(f"{name}()"), args=args, keywords=keywords), ANY
        known = [*FUNCTIONS, *FORMS, *self.scope.functions]
        raise self.error(node.func, "the name of a function", nearest(name, known))

    def function(
        self, node: ast.Call, name: str, function: Callable[..., Any]
    ) -> tuple[ast.expr, Kind]:
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
        new = ast.Call(func=_global(f"{name}()"), args=[arg for arg, _ in args], keywords=keywords)
        return new, kind

    def argument(self, node: ast.expr, name: str) -> tuple[ast.expr, Kind]:
        new, kind = self.visit(node)
        if kind.base in ("text", "texts") and name not in TEXTS:
            raise self.error(node, f"numbers for {name}, not a {_NAMES[kind.base]}")
        if kind.base == "numbers" and name in SCALAR_ONLY:
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
        key = f"{self.tag}#{len(self.sites)}"
        self.sites.append(Site(key, form, frozenset(reads), tree, **more))
        return _global(key)

    def watched(self, node: ast.expr, *, truth: bool) -> tuple[ast.expr, set[str]]:
        """An argument that a site watches, with what it reads itself."""
        outer, self.reads = self.reads, set()
        new = self.truth(node) if truth else self.visit(node)[0]
        inner, self.reads = self.reads, outer
        self.reads |= inner
        return new, inner

    def edge(self, node: ast.Call) -> tuple[ast.expr, Kind]:
        form = node.func.id  # type: ignore[attr-defined]
        (arg,) = self.arguments(node, "x")
        tree, reads = self.watched(arg, truth=form != "changed")
        return self.site(form, reads, tree), NUMBER

    def hold(self, node: ast.Call) -> tuple[ast.expr, Kind]:
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
        name = self.input_name(node)
        self.ticks = True
        return self.site("rate", {name}, None, name=name), NUMBER

    def isnan(self, node: ast.Call) -> tuple[ast.expr, Kind]:
        raw = f"{self.input_name(node)}.raw"
        return ast.Compare(left=_global(raw), ops=[ast.NotEq()], comparators=[_global(raw)]), NUMBER

    def votes(self, node: ast.Call) -> tuple[ast.expr, Kind]:
        if node.keywords or len(node.args) < 2:
            raise self.error(node, "votes(n, condition, …)")
        needed, _ = self.number(node.args[0], "votes")
        questions = [_thunk(self.truth(arg)) for arg in node.args[1:]]
        return _call("votes()", needed, *questions), NUMBER


SCALAR_ONLY = frozenset(
    {"abs", "round", "sqrt", "log", "exp", "pow", "floor", "ceil", "clamp"}
    | {"any_of", "all_of", "count_true"}
)

_NAMES = {
    "number": "number",
    "text": "text",
    "numbers": "list",
    "texts": "list of texts",
    "any": "value",
}

_VISITORS: Mapping[type[ast.expr], Callable[[_Rewriter, Any], tuple[ast.expr, Kind]]] = {
    ast.Constant: _Rewriter.constant,
    ast.Name: _Rewriter.name,
    ast.Attribute: _Rewriter.attribute,
    ast.BoolOp: _Rewriter.boolean,
    ast.UnaryOp: _Rewriter.unary,
    ast.BinOp: _Rewriter.binary,
    ast.Compare: _Rewriter.compare,
    ast.IfExp: _Rewriter.conditional,
    ast.List: _Rewriter.sequence,
    ast.Tuple: _Rewriter.sequence,
    ast.Subscript: _Rewriter.subscript,
    ast.Call: _Rewriter.call,
}

_FORMS: Mapping[str, Callable[[_Rewriter, ast.Call], tuple[ast.expr, Kind]]] = {
    "rate": _Rewriter.rate,
    "changed": _Rewriter.edge,
    "rising": _Rewriter.edge,
    "falling": _Rewriter.edge,
    "for_": _Rewriter.hold,
    "votes": _Rewriter.votes,
    "isnan": _Rewriter.isnan,
}


def _kind(signal: Signal) -> Kind:
    if signal.length is not None:
        return TEXTS_LIST if signal.type == "string" else NUMBERS
    if signal.type == "string":
        return TEXT
    return Kind("number", signal.states) if signal.states else NUMBER


def _value_kind(value: Any) -> Kind:
    if isinstance(value, list | tuple):
        return TEXTS_LIST if value and isinstance(value[0], str) else NUMBERS
    return TEXT if isinstance(value, str) else NUMBER
