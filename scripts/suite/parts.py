"""What runs beside what.

Tests with pods are one part: they share a cluster with a node, and take longest. The others
are dealt out to two, so that no more runs at a time than two cores can do: those of the unit,
which hold the coverage floor, and those that make do with a control plane, each with half of
those of the runtime, which wait for processes of their own most of the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
WITH_NODE = ("test_pods_*.py", "test_rig.py")


@dataclass(frozen=True)
class Part:
    """A part of the suite."""

    name: str
    arguments: Sequence[str]
    """Of pytest."""


def parts() -> list[Part]:
    """The whole suite; the first part is shown as it goes."""
    runtime = entries("runtime")
    cluster = entries("cluster")
    pods = [path for path in cluster if any(path.match(name) for name in WITH_NODE)]
    others = [path for path in cluster if path not in pods]
    return [
        Part("unit", ["--cov", "--cov-report=term", "tests/unit", *words(runtime[::2])]),
        part("control-plane", [*others, *runtime[1::2]]),
        part("pods", pods),
    ]


def part(name: str, paths: Sequence[Path]) -> Part:
    """A part with a cache of its own: two that end at once would write one."""
    return Part(name, ["-o", f"cache_dir=.pytest_cache/{name}", *words(paths)])


def entries(folder: str) -> list[Path]:
    """Test files in a directory of tests, and directories that have some."""
    found = sorted((TESTS / folder).iterdir())
    return [path for path in found if path.match("test_*.py") or any(path.rglob("test_*.py"))]


def words(paths: Sequence[Path]) -> list[str]:
    """As a person would type them."""
    return [str(path.relative_to(ROOT)) for path in paths]
