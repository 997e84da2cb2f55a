"""Plain data as a document: what an API server or a program hands over.

Holds it to what JSON can carry and to the bounds of a file, so that the compiler
never meets anything that a manifest could not say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ioc_runtime.spec.document import DEEPEST, MOST_NODES, MOST_TEXT, Document
from ioc_runtime.spec.problem import ManifestError, Path, Problem, show_path


def plain_document(data: Mapping[str, Any]) -> Document:
    """`data` as a document without lines; whole floats become ints, as JSON has them.

    :raises ManifestError: when it holds what JSON cannot, or too much
    """
    return Document(_Copier().copy(data, ()))


class _Copier:
    def __init__(self) -> None:
        self.nodes = self.text = 0

    def copy(self, value: Any, path: Path) -> Any:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise _refuse(path, value, f"at most {MOST_NODES} values in a document")
        if len(path) > DEEPEST:
            raise _refuse(path, value, f"at most {DEEPEST} levels")
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self.checked_text(value, path)
        if isinstance(value, int | float):
            return _number(value, path)
        if isinstance(value, Mapping):
            return {
                self.key(key, path): self.copy(item, (*path, key)) for key, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.copy(item, (*path, i)) for i, item in enumerate(value)]
        raise _refuse(path, type(value).__name__, "a value that JSON can carry")

    def key(self, key: Any, path: Path) -> str:
        if not isinstance(key, str):
            raise _refuse(path, key, "texts as the keys of a map")
        return self.checked_text(key, path)

    def checked_text(self, text: str, path: Path) -> str:
        self.text += len(text)
        if self.text > MOST_TEXT:
            raise _refuse(path, text, f"at most {MOST_TEXT} characters in a document's values")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise _refuse(path, text, "text that UTF-8 can carry") from None
        return text


def _number(value: float, path: Path) -> float:
    whole = isinstance(value, int) or value.is_integer()
    if whole and -(2**63) <= value < 2**63:
        return int(value)
    try:
        number = float(value)
    except OverflowError:
        raise _refuse(path, value, "a number that a double can hold") from None
    if number - number != 0:
        raise _refuse(path, value, "a finite number")
    return number


def _refuse(path: Path, value: Any, expected: str) -> ManifestError:
    return ManifestError([Problem(show_path(path), value, expected)])
