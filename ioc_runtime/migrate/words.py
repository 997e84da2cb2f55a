"""The names in an expression, and other names put in their place."""

from __future__ import annotations

import ast
from collections.abc import Mapping


def names_in(source: str) -> set[str]:
    """Names that an expression reads; none of one that is no expression."""
    tree = _tree(source)
    if tree is None:
        return set()
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    return {
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in called
    }


def renamed(source: str, names: Mapping[str, str]) -> str:
    """The same expression with other names; its own words and blanks stay."""
    tree = _tree(source)
    if tree is None or not names:
        return source
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    lines = source.encode().splitlines(keepends=True)
    found = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id in names and id(node) not in called
    ]
    for node in sorted(found, key=lambda n: (n.lineno, n.col_offset), reverse=True):
        line = lines[node.lineno - 1]
        end = node.col_offset + len(node.id.encode())
        lines[node.lineno - 1] = line[: node.col_offset] + names[node.id].encode() + line[end:]
    return b"".join(lines).decode()


def _tree(source: str) -> ast.Expression | None:
    try:
        return ast.parse(source, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
