"""What the modules of an iocmng plugin say of it, by their text alone: nothing is run."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from ioc_runtime.migrate.notes import Findings

BASES: Final = {"TaskBase": "IocTask", "DeclarativeTask": "IocTask", "JobBase": "IocJob"}
HOOKS: Final = ("initialize", "execute", "triggered", "on_input_changed", "cleanup")
_SETTERS: Final = ("set_pv", "set_output", "set_input")


@dataclass(frozen=True)
class Code:
    """The class that runs, and what concerns the rest of the plugin."""

    class_name: str
    kind: str
    """IocTask or IocJob."""
    methods: frozenset[str]
    """Methods of the class and of the classes of the plugin that it is made from."""
    functions: tuple[str, ...] = ()
    """What it registers for expressions."""
    writes: frozenset[str] = frozenset()
    """Names that its text writes."""
    writes_more: bool = False
    """Whether it also writes names that its text does not show."""

    @property
    def bare(self) -> bool:
        """Whether there is no code at all: a class that only stands for its config."""
        return not self.methods and not self.functions and not self.writes

    def may_write(self, name: str) -> bool:
        """Whether an output can be written by the code."""
        return name in self.writes or self.writes_more


@dataclass(frozen=True)
class _Class:
    module: str
    name: str
    bases: tuple[str, ...]
    methods: frozenset[str]


def read_code(modules: Mapping[str, str], wanted: str | None, findings: Findings) -> Code | None:
    """The plugin in these modules (name -> text); None when there is none, or a problem."""
    trees = {name: _tree(name, text, findings) for name, text in sorted(modules.items())}
    found = {c.name: c for name, tree in trees.items() if tree for c in _classes(name, tree)}
    kinds = {name: kind for name in found if (kind := _kind(name, found, set()))}
    used = {base for name in kinds for base in found[name].bases}
    leaves = [name for name in kinds if name not in used]
    if wanted is not None:
        if wanted not in kinds:
            findings.wrong((), wanted, "the name of a class of the plugin", list(kinds))
            return None
        leaves = [wanted]
    if len(leaves) > 1:
        listed = ", ".join(f"{name} ({found[name].module}.py)" for name in leaves)
        findings.wrong((), listed, "one class that runs; say which one")
        return None
    if not leaves:
        return None
    name = leaves[0]
    writes, more = _writes(trees.values())
    methods = _methods(name, found, set())
    functions = tuple(dict.fromkeys(f for tree in trees.values() if tree for f in _registers(tree)))
    return Code(name, kinds[name], methods, functions, writes, more)


def _tree(name: str, text: str, findings: Findings) -> ast.Module | None:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = f":{error.lineno}" if isinstance(error, SyntaxError) else ""
        findings.wrong((), f"{name}.py{line}", f"Python ({getattr(error, 'msg', error)})")
        return None


def _classes(module: str, tree: ast.Module) -> Iterator[_Class]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            methods = frozenset(
                item.name
                for item in node.body
                if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)
            )
            bases = tuple(filter(None, (_last(base) for base in node.bases)))
            yield _Class(module, node.name, bases, methods)


def _last(node: ast.expr) -> str:
    """`TaskBase` of `TaskBase`, `iocmng.TaskBase` and the like."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _kind(name: str, found: Mapping[str, _Class], seen: set[str]) -> str | None:
    if name in seen:
        return None
    seen.add(name)
    for base in found[name].bases:
        if base in BASES and base not in found:
            return BASES[base]
        if base in found and (kind := _kind(base, found, seen)):
            return kind
    return None


def _methods(name: str, found: Mapping[str, _Class], seen: set[str]) -> frozenset[str]:
    if name not in found or name in seen:
        return frozenset()
    seen.add(name)
    return found[name].methods.union(*(_methods(b, found, seen) for b in found[name].bases))


def _registers(tree: ast.Module) -> Iterator[str]:
    """Names given to iocmng's `register`, or to ours."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _last(node.func) in ("register", "register_function"):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value


def _writes(trees: Iterable[ast.Module | None]) -> tuple[frozenset[str], bool]:
    names: set[str] = set()
    more = False
    for tree in trees:
        for node in ast.walk(tree) if tree else ():
            key: ast.expr | None = None
            if isinstance(node, ast.Call) and _last(node.func) in _SETTERS:
                key = node.args[0] if node.args else None
            elif isinstance(node, ast.Subscript) and _last(node.value) == "pvs":
                key = node.slice
            else:
                continue
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                names.add(key.value)
            else:
                more = True
    return frozenset(names), more
