"""Figures of a run: percentiles, rows, the table, and chapters as processes.

A chapter is a module with ``run(quick)``, which gives rows one by one. It runs in a process of its
own, because a client library reads its environment once.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    case: str
    device: str
    figure: str
    """What was measured, with its unit."""
    ratio: str = ""
    """Against the peer that the case names; empty for the peer itself."""
    goal: str = ""
    reached: bool | None = None
    """None: this device has no goal here."""
    values: dict[str, float] = field(default_factory=dict)
    """The bare figures, for --json."""


def failed(case: str, device: str, error: Exception) -> Row:
    """The row of a device that could not be measured: for ours that is not reached."""
    return Row(case, device, f"not measured: {error}", reached=False if device == "ours" else None)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the values lie (0 to 1)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def median(values: Iterable[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def table(rows: Sequence[Row]) -> str:
    """The rows as a table that is Markdown too."""
    head = ("case", "device", "measured", "ratio", "asked", "")
    verdict = {True: "reached", False: "NOT REACHED", None: ""}
    lines = [
        head,
        *((r.case, r.device, r.figure, r.ratio, r.goal, verdict[r.reached]) for r in rows),
    ]
    widths = [max(len(line[k]) for line in lines) for k in range(len(head))]
    text = [
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([text[0], rule, *text[1:]])


def apart(function: Callable[..., Any], *arguments: Any) -> Any:
    """The function's result, computed in a fresh process.

    A client library reads its environment once; the next series has other ports.
    """
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def chapter(run: Callable[[bool], Iterable[Row]]) -> None:
    """The ``__main__`` of a chapter: run it, print its table, or keep FILE up to date."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows: list[Row] = []
    for row in run(options.quick):
        rows.append(row)
        if options.json:
            options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    if not options.json:
        print(table(rows))
