"""`iocctl test`: what it prints and how it ends; what `iocctl run` makes of a test that fails."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from ioc_runtime.cli.failure import Exit, Failure
from ioc_runtime.cli.manifest import load
from ioc_runtime.cli.prove import run_tests
from unit.compile.support import task

SPEC = """
parameters: {limit: 1}
inputs: {pressure: {type: float, link: "ca://X:P"}}
outputs: {valve: {type: bool, states: [Closed, Open]}}
ruleDefaults: {valve: 1}
rules: [{id: high, condition: "pressure > limit", outputs: {valve: 0}}]
tests:
- name: closes
  steps:
  - {set: {pressure: 0}, expect: {valve: Open}}
  - {set: {pressure: 3}, expect: {valve: %s}}
- {name: opens, steps: [{set: {pressure: 0}, expect: {valve: Open}}]}
"""
WHY = "expected valve Open, got Closed (rules: high ACTIVE; pressure is 3)"


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.yaml"
    path.write_text(task(SPEC % "Closed"))
    return path


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    path = tmp_path / "bad.yaml"
    path.write_text(task(SPEC % "Open"))
    return path


def run(*files: Path, output: str = "text") -> tuple[int, str]:
    stream = io.StringIO()
    code = run_tests([str(file) for file in files], output, stream)  # type: ignore[arg-type]
    return code, stream.getvalue()


def test_tests_that_pass_are_named_and_end_with_zero(good: Path):
    code, text = run(good)
    assert code == 0
    assert text.splitlines() == [
        f"{good}: passed: test 'closes', 2 steps",
        f"{good}: passed: test 'opens', 1 step",
        f"{good}: t: 2 tests, 2 passed",
    ]


def test_a_failure_has_its_line_and_ends_with_one(bad: Path):
    code, text = run(bad)
    assert code == 1
    assert f"{bad}:14: test 'closes', step 2: {WHY}" in text.splitlines()
    assert text.splitlines()[-1] == f"{bad}: t: 2 tests, 1 passed"


def test_json_says_the_same(bad: Path):
    code, text = run(bad, output="json")
    assert code == 1
    report = json.loads(text)
    assert not report["good"]
    first, second = report["tests"]
    assert (first["test"], first["passed"], second["passed"]) == ("closes", False, True)
    (failure,) = first["failures"]
    assert (failure["step"], failure["path"]) == (2, "spec.tests[0].steps[1]")
    assert (failure["expected"], failure["found"]) == ("valve Open", "Closed")


def test_a_bad_manifest_ends_with_one_and_no_tests_at_all_with_zero(tmp_path: Path):
    path = tmp_path / "t.yaml"
    path.write_text(task("mode: reactiv"))
    code, text = run(path)
    assert (code, "spec.mode: reactiv" in text) == (1, True)
    path.write_text(task("inputs: {a: {type: int, value: 1}}"))
    assert run(path) == (0, f"{path}: t has no tests\n")


def test_a_file_that_is_not_there_ends_with_two(good: Path, tmp_path: Path):
    code, text = run(tmp_path / "none.yaml", good)
    assert (code, "2 passed" in text) == (2, True)
    assert run()[0] == 2


def test_run_refuses_a_manifest_whose_tests_fail(bad: Path):
    with pytest.raises(Failure) as failed:
        load(bad, None, [])
    assert failed.value.code == Exit.BAD_SPEC
    assert str(failed.value) == (
        f"{bad} cannot be run: its tests fail\n  {bad}:14: test 'closes', step 2: {WHY}"
    )


def test_a_manifest_changed_on_the_command_line_is_warned_about(good: Path):
    warnings: list[str] = []
    plan = load(good, None, ["parameters.limit=5"], warnings.append)
    assert plan.parameters == {"limit": 5}
    (warning,) = warnings
    assert warning.startswith(f"with --set a test fails: {good}:14: test 'closes', step 2: ")
