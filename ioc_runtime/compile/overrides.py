"""Values given beside a manifest: `--set parameters.limit=2`, `--prefix`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ioc_runtime.spec.document import Document
from ioc_runtime.spec.problem import ManifestError, Path, Problem, show_path
from ioc_runtime.spec.scalars import resolve

ORIGIN = "--set"
_PART = re.compile(r"(?P<key>[A-Za-z_][A-Za-z0-9_-]*)|\[(?P<index>[0-9]{1,6})\]")


def parse_setting(text: str) -> tuple[str, Any]:
    """Path and value of `parameters.limit=2`; values as in YAML, or JSON.

    :raises ManifestError: when it is no setting
    """
    path, equals, value = text.partition("=")
    if not equals or not path:
        raise _refuse(text, text, "PATH=VALUE, as in parameters.limit=2")
    parse_path(path)
    if value[:1] in ("[", "{", '"'):
        try:
            return path, json.loads(value)
        except (ValueError, RecursionError):
            raise _refuse(path, value, "JSON after a bracket or a quote") from None
    return path, resolve(value)


def parse_path(text: str) -> Path:
    """`rules[0].condition` as a path below `spec`, which may be written or not.

    :raises ManifestError: when it is no path
    """
    parts: list[str | int] = []
    at = 0
    while at < len(text):
        if parts and text[at] == ".":
            at += 1
        found = _PART.match(text, at)
        if found is None or found["index"] is not None and not parts:
            break
        parts.append(found["key"] if found["index"] is None else int(found["index"]))
        at = found.end()
    if at < len(text) or not parts or text.endswith("."):
        raise _refuse(text, text, "a path such as parameters.limit or rules[0].condition")
    return tuple(parts if parts[0] == "spec" and len(parts) > 1 else ["spec", *parts])


def apply(document: Document, overrides: Mapping[str, Any]) -> Document:
    """A copy of the document with the values put in.

    :raises ManifestError: when a path leads through something that is no map or list
    """
    data, origins = document.data, dict(document.origins)
    for text, value in overrides.items():
        path = parse_path(text)
        data = _put(data, path, 0, value)
        origins[path] = ORIGIN
    return replace(document, data=data, origins=origins)


def _put(data: Any, path: Path, depth: int, value: Any) -> Any:
    """`data` with the value at the rest of the path; what is not on it is shared."""
    if depth == len(path):
        return value
    part = path[depth]
    if isinstance(part, str) and isinstance(data, dict | None):
        inner = data.get(part) if data else None
        return {**(data or {}), part: _put(inner, path, depth + 1, value)}
    if isinstance(part, int) and isinstance(data, list) and part < len(data):
        return [*data[:part], _put(data[part], path, depth + 1, value), *data[part + 1 :]]
    what = f"a list with an entry {part}" if isinstance(part, int) else "a map"
    raise _refuse(show_path(path), data, f"{what} at {show_path(path[:depth]) or 'the top'}")


def _refuse(path: str, value: Any, expected: str) -> ManifestError:
    return ManifestError([Problem(path, value, expected, None, None, ORIGIN)])
