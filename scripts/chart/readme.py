"""The table of values in the chart's README."""

from __future__ import annotations

import json
from typing import Any, Final

from scripts.chart.schema import rule
from scripts.chart.values import Value, leaves
from scripts.reference.markdown import code, table

BEGIN: Final = "<!-- values: made from values.yaml by `make chart`; not to be edited -->\n"
END: Final = "<!-- end of values -->\n"


class NoPlace(Exception):
    """The README has no place for the table."""


def with_table(page: str, values: tuple[Value, ...]) -> str:
    """The page with the table of now."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise NoPlace(f"expected {BEGIN.strip()} and {END.strip()} in the chart's README.md")
    rows = [
        (code(each.path), code(_shown(each.default)), _meaning(each)) for each in leaves(values)
    ]
    return f"{before}{BEGIN}\n{table(('value', 'default', 'meaning'), rows)}\n{END}{after}"


def _meaning(value: Value) -> str:
    words = rule(value).get("enum", ())
    choice = ", ".join(code(word or '""') for word in words)
    return f"{value.text} One of {choice}." if words else value.text


def _shown(default: Any) -> str:
    return json.dumps(default, ensure_ascii=False)
