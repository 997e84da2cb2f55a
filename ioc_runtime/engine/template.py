"""Messages with values in them: `pressure {pressure:.2e} mbar above {limit:.1e}`.

A small part of Python's format strings: names (or `x.severity` and the like) with a
format of bounded width, no conversion, no nesting. A value that is not known shows
as `?`, so that a message can always be made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any

from ioc_runtime.engine.grammar import (
    ANY,
    ExpressionError,
    Kind,
    Scope,
    parse,
)

LONGEST = 500
_FORMAT = re.compile(r"[<>^]?[-+ ]?#?0?\d{0,2},?(\.\d{1,2})?[eEfFgGdsx%]?")
_NUMERIC = tuple("eEfFgGdx%")
_NAME = re.compile(r"[A-Za-z_]\w*(\.\w+){0,2}")


@dataclass(frozen=True)
class Part:
    """Literal text, then a value (key None: no value)."""

    text: str
    key: str | None = None
    format: str = ""
    kind: Kind = ANY


@dataclass(frozen=True)
class Template:
    """A message that has been checked and taken apart."""

    parts: tuple[Part, ...]
    reads: frozenset[str]

    def render(self, values: Mapping[str, Any]) -> str:
        """The message; `values` are the engine's globals."""
        return "".join(part.text + _show(part, values) for part in self.parts)


def parse_template(text: str, scope: Scope) -> Template:
    """Check a message and take it apart.

    :raises ExpressionError: with the offending part and what was expected
    """
    if len(text) > LONGEST:
        raise ExpressionError(text[:40] + "...", f"at most {LONGEST} characters, got {len(text)}")
    try:
        fields = list(Formatter().parse(text))
    except ValueError as error:
        raise ExpressionError(text, f"a message with {{name}} in it ({error})") from None
    parts, reads = [], set[str]()
    for literal, name, spec, conversion in fields:
        if name is None:
            parts.append(Part(literal))
            continue
        if conversion or not _NAME.fullmatch(name):
            raise ExpressionError(f"{{{name}}}", "the name of an input, output or parameter")
        expression = parse(name, scope)
        reads |= expression.reads
        parts.append(Part(literal, name, _checked(spec or "", expression.kind), expression.kind))
    return Template(tuple(parts), frozenset(reads))


def _checked(spec: str, kind: Kind) -> str:
    found = _FORMAT.fullmatch(spec)
    if found is None:
        raise ExpressionError(f":{spec}"[:60], "a format such as .2f, .1e, 6.2f, d or s")
    if kind.base in ("text", "texts", "numbers") and spec and not spec.endswith("s"):
        raise ExpressionError(f":{spec}", "no number format on a text or a list")
    return spec


def _show(part: Part, values: Mapping[str, Any]) -> str:
    if part.key is None:
        return ""
    age = part.key.endswith(".age")
    value = values.get(f"{part.key}()" if age else part.key)
    if value is None:
        return "?"
    if age:
        value = value()
    if part.kind.states and part.format[-1:] not in _NUMERIC and isinstance(value, int):
        value = part.kind.states[value] if 0 <= value < len(part.kind.states) else value
    elif not isinstance(value, int | float | str):
        value = _list(value)
    return _format(value, part.format)


def _list(values: Any) -> str:
    shown = [f"{v:.6g}" if isinstance(v, float) else str(v) for v in list(values)[:5]]
    return f"[{', '.join(shown)}{', …' if len(values) > 5 else ''}]"


def _format(value: Any, spec: str) -> str:
    formatters: tuple[Callable[[], str], ...] = (
        lambda: format(value, spec or (".6g" if isinstance(value, float) else "")),
        lambda: format(int(value), spec),  # 3.0 with :d
        lambda: format(float(value), spec),
        lambda: str(value),
    )
    for attempt in formatters:
        try:
            return attempt()
        except (ValueError, TypeError, OverflowError):
            continue
    return "?"
