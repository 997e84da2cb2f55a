"""What an expression in Prometheus' language asks for, as a parser of that language reads it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

import promql_parser

PLACES: Final = {"namespace", "job"}
"""Labels that Prometheus puts on, by where it has read."""
ADDED: Final = re.compile(r"_(bucket|sum|count)$")
"""What a histogram adds to its name."""


def asked(text: str) -> dict[str, set[str]]:
    """Names of labels by metric; ValueError where the expression is none."""
    found: dict[str, set[str]] = {}
    grouped: set[str] = set()

    def look(node: Any) -> None:
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier:
            grouped.update(node.modifier.labels)
        # The walk stops at a range, which has its selector inside.
        selector = getattr(node, "vector_selector", node)
        if isinstance(selector, promql_parser.VectorSelector):
            labels = {each.name for each in selector.matchers.matchers}
            found.setdefault(selector.name, set()).update(labels)

    promql_parser.walk(promql_parser.parse(text.replace("$__rate_interval", "5m")), look)
    return {name: (labels | grouped) - PLACES for name, labels in found.items()}


@dataclass
class Page:
    """What an operator serves at /metrics."""

    kinds: dict[str, str] = field(default_factory=dict)
    """counter, gauge or histogram, by metric."""
    labels: dict[str, set[str]] = field(default_factory=dict)
    """Names of labels of those samples that there are."""

    @classmethod
    def read(cls, text: str) -> Page:
        page = cls()
        for line in text.splitlines():
            if kind := re.match(r"# TYPE (\w+) (\w+)$", line):
                page.kinds[kind[1]] = kind[2]
            elif sample := re.match(r"(\w+)(?:\{(.*)\})? \S+$", line):
                names = re.findall(r'(\w+)="(?:[^"\\]|\\.)*"', sample[2] or "")
                page.labels.setdefault(sample[1], set()).update(names)
        return page

    def lacks(self, text: str) -> list[str]:
        """What an expression asks for and the page does not have."""
        missing = []
        for name, labels in asked(text).items():
            family = name if name in self.kinds else ADDED.sub("", name)
            if family not in self.kinds or (family != name) != (self.kinds[family] == "histogram"):
                missing.append(name)
            elif more := labels - self.labels.get(name, labels):
                missing.append(f"{name}: {', '.join(sorted(more))}")
        return missing
