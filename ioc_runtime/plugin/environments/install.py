"""Exactly the packages of a lock, into a directory; then their bytecode."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from ioc_runtime.plugin.environments.failure import (
    EnvironmentFailed,
    Reason,
    index_said,
    last_useful_line,
    reason_of,
)
from ioc_runtime.plugin.environments.resolve import Package, RunTool
from ioc_runtime.plugin.environments.tool import Tool
from ioc_runtime.requirement import normal

_STEP: Final = re.compile(
    r"^\s*(?:Collecting|Downloading|Building|Building wheel for|\+)\s+([A-Za-z0-9][\w.-]*)"
)
_WORDS: Final[dict[Reason, str]] = {
    "RequirementNotFound": "a package of the lock cannot be had",
    "DiskFull": "no space is left",
}


def install(tool: Tool, run: RunTool, lock: Path, site: Path) -> None:
    """The packages of a lock file into `site`, and nothing else.

    :raises EnvironmentFailed: when the tool fails
    """
    site.mkdir(exist_ok=True)
    options = ("--no-deps", "--require-hashes", "--target", str(site), "--requirement", str(lock))
    first = ("install", "--no-compile") if tool.kind == "pip" else ("pip", "install")
    code, output = run(*first, *options)
    if code:
        reason = reason_of(output)
        if reason == "IndexUnreachable":
            raise EnvironmentFailed(reason, index_said(output))
        what = _WORDS.get(reason, "a package could not be installed")
        raise EnvironmentFailed(
            "BuildFailed" if reason == "RequirementConflict" else reason,
            f"{what}: {last_useful_line(output)}",
        )


def compile_command(site: Path) -> tuple[str, ...]:
    """A command that compiles all modules: nobody can write there later.

    Unchecked: the files never change, so no start has to compare their times.
    """
    options = ("-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash")
    return (sys.executable, "-I", *options, str(site))


class Progress:
    """Says which package a tool is at, once for each."""

    def __init__(self, packages: Sequence[Package], say: Callable[[str], None]) -> None:
        self._names = {package.name for package in packages}
        self._seen: set[str] = set()
        self._say = say

    def line(self, text: str) -> None:
        """One line of the tool's output."""
        found = _STEP.match(text)
        if found is None:
            return
        name = normal(found[1])
        file = re.match(r"(.+?)-\d", name)  # pip names files where uv names packages
        for candidate in (name, normal(name.split("==")[0]), normal(file[1]) if file else ""):
            if candidate in self._names and candidate not in self._seen:
                self._seen.add(candidate)
                self._say(f"installing {len(self._seen)} of {len(self._names)}: {candidate}")
                return
