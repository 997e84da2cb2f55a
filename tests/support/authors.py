"""Files of the examples in docs/authors.md, and pytest on a directory as its author runs it."""

from __future__ import annotations

import re
from pathlib import Path

from support.spawn import ROOT, Spawn, Spawned

PAGE = ROOT / "docs" / "authors.md"


def write_examples(directory: Path) -> list[str]:
    """The blocks whose first line is a file's name, as files; their names."""
    blocks = re.findall(r"^```\w+\n# ([\w.]+)\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    for name, text in blocks:
        (directory / name).write_text(text)
    return [name for name, _ in blocks]


def run_pytest(spawn: Spawn, directory: Path, *options: str, timeout: float = 60) -> Spawned:
    """pytest, with our fixtures, on a directory of an author's; it has ended."""
    process = start_pytest(spawn, directory, *options)
    process.wait(timeout)
    return process


def start_pytest(spawn: Spawn, directory: Path, *options: str) -> Spawned:
    """The same while it runs."""
    plugin = ("-p", "ioc_runtime.testing", "-c", "/dev/null", "-p", "no:cacheprovider", "-W")
    return spawn("-m", "pytest", *plugin, "error", "-q", directory, *options)
