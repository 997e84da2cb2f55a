"""Every test belongs to one part of the suite."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from scripts.suite.parts import ROOT, TESTS, WITH_NODE, parts


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


def test_what_needs_a_node_is_told_by_its_name() -> None:
    """Else it would bring up a second node beside that of the pods."""
    for path in (TESTS / "cluster").glob("test_*.py"):
        if any(path.match(name) for name in WITH_NODE):
            continue
        text = path.read_text()
        tests = re.findall(r"^def test_\w+\(([^)]*)\)", text, re.MULTILINE)
        assert not [words for words in tests if re.search(r"\brig: Rig", words)], path
        assert "a_node_can_run" not in text, path
