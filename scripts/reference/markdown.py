"""Tables and links of a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a `|` in a cell is escaped."""
    lines = [_row(head), "|" + "---|" * len(head), *map(_row, rows)]
    return "\n".join(lines) + "\n"


def code(text: object) -> str:
    """As it is typed."""
    return f"`{text}`"


def link(heading: str) -> str:
    """A link to a heading of the same page."""
    return f"[{heading}](#{heading.lower().replace(' ', '-')})"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
