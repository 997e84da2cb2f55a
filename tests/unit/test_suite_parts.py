"""Every test belongs to one part of the suite."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from scripts.suite.parts import ROOT, TESTS, parts


def test_every_test_file_is_in_one_part() -> None:
    named = [word for part in parts() for word in part.arguments if word.startswith("tests/")]
    count: Counter[Path] = Counter()
    for word in named:
        path = ROOT / word
        count.update([path] if path.is_file() else path.rglob("test_*.py"))
    assert set(TESTS.rglob("test_*.py")) == count.keys()
    assert set(count.values()) == {1}


def test_tests_with_pods_share_one_part() -> None:
    (pods,) = [part for part in parts() if part.name == "pods"]
    assert sum("/test_pods_" in word for word in pods.arguments) > 5
    assert not any("test_policy" in word for word in pods.arguments)
