"""A manifest as YAML, with the notes as comments where they belong.

Every reader of YAML sees the same: what one of them could take for something else is in
quotes.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ioc_runtime.migrate.notes import Note
from ioc_runtime.spec.problem import Path
from ioc_runtime.spec.scalars import disagreement, resolve

WIDTH: Final = 90
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")


def write_manifest(document: Mapping[str, Any], notes: Iterable[Note]) -> str:
    """The text of a manifest."""
    beside: dict[Path, list[str]] = {}
    for note in notes:
        place = note.path
        while place and not _there(document, place):
            place = place[:-1]
        beside.setdefault(place, []).append(note.text if note.path else str(note))
    lines = _comments(beside.pop((), []), "")
    _map(document, (), "", beside, lines)
    return "\n".join(lines) + "\n"


def _there(value: Any, path: Path) -> bool:
    for part in path:
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            return False
    return True


def _comments(texts: Iterable[str], indent: str) -> list[str]:
    lines: list[str] = []
    for text in texts:
        plain = "".join(c if c.isprintable() else " " for c in text)
        start, rest = f"{indent}# ", f"{indent}#   "
        lines += textwrap.wrap(
            plain, WIDTH, initial_indent=start, subsequent_indent=rest, break_on_hyphens=False
        )
    return lines


def _map(
    value: Mapping[str, Any], path: Path, indent: str, notes: dict[Path, list[str]], out: list[str]
) -> None:
    for key, item in value.items():
        here = (*path, key)
        out += _comments(notes.get(here, ()), indent)
        _entry(f"{indent}{scalar(key)}:", item, here, indent, notes, out)


def _entry(
    start: str, item: Any, path: Path, indent: str, notes: dict[Path, list[str]], out: list[str]
) -> None:
    inside = any(len(place) > len(path) and place[: len(path)] == path for place in notes)
    short = None if inside else _short(item)
    fits = short is not None and len(start) + len(short) < WIDTH
    if fits or not isinstance(item, Mapping | list):
        out.append(f"{start} {short}")
    elif isinstance(item, Mapping):
        out.append(start)
        _map(item, path, indent + "  ", notes, out)
    else:
        out.append(start)
        _list(item, path, indent + "  ", notes, out)


def _list(
    items: list[Any], path: Path, indent: str, notes: dict[Path, list[str]], out: list[str]
) -> None:
    for index, item in enumerate(items):
        here = (*path, index)
        out += _comments(notes.get(here, ()), indent)
        inside = any(len(place) > len(here) and place[: len(here)] == here for place in notes)
        short = None if inside else _short(item)
        if not isinstance(item, Mapping) or short is not None and len(short) + len(indent) < 60:
            out.append(f"{indent}- {short if short is not None else _flow(item)}")
            continue
        lines: list[str] = []
        _map(item, here, indent + "  ", notes, lines)
        first = next(i for i, line in enumerate(lines) if not line.lstrip().startswith("#"))
        out += lines[:first]
        out.append(f"{indent}- {lines[first][len(indent) + 2 :]}")
        out += lines[first + 1 :]


def _short(item: Any) -> str | None:
    """A value on one line; None where that is not nice to read."""
    if isinstance(item, Mapping) and any(
        isinstance(v, Mapping | list) and v for v in item.values()
    ):
        if len(item) > 2:
            return None
    if isinstance(item, list) and any(isinstance(v, Mapping | list) for v in item):
        return None
    text = _flow(item)
    return text if not isinstance(item, Mapping | list) or len(text) < 80 else None


def _flow(item: Any) -> str:
    if isinstance(item, Mapping):
        return "{" + ", ".join(f"{scalar(k)}: {_flow(v)}" for k, v in item.items()) + "}"
    if isinstance(item, list):
        return "[" + ", ".join(_flow(v) for v in item) + "]"
    return scalar(item)


def scalar(value: Any) -> str:
    """One value that no reader takes for another."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, int):
        return str(value)
    text = str(value)
    plain = _WORD.fullmatch(text) and resolve(text) == text
    if plain and disagreement(text, text) is None:
        return text
    return f'"{"".join(map(_quoted, text))}"'


def _quoted(letter: str) -> str:
    """A letter in double quotes; what does not show is written by its number."""
    if letter in '"\\':
        return f"\\{letter}"
    if letter.isprintable():
        return letter
    return f"\\U{ord(letter):08x}"


def _float(value: float) -> str:
    text = repr(value)
    mantissa, mark, exponent = text.partition("e")
    if not mark:
        return text
    mantissa = mantissa if "." in mantissa else f"{mantissa}.0"
    return f"{mantissa}e{exponent if exponent[0] in '+-' else '+' + exponent}"
