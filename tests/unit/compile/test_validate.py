"""`iocctl validate`: what it prints and how it ends."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from ioc_runtime.cli.validate import validate
from unit.compile.support import task

GOOD = task("inputs: {a: {type: float, value: 1}}")
BAD = task("mode: reactiv\nperiod: x")


def run(*files: str | Path, output: str = "text") -> tuple[int, str]:
    stream = io.StringIO()
    code = validate([str(file) for file in files], output, stream)  # type: ignore[arg-type]
    return code, stream.getvalue()


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    return path


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    path = tmp_path / "bad.yaml"
    path.write_text(BAD)
    return path


def test_a_good_file_ends_with_zero_and_says_what_is_in_it(good: Path):
    code, text = run(good)
    assert code == 0
    assert text.startswith(f"{good}: good: IocTask t, prefix DEFAULT:T:, ")


def test_a_bad_file_ends_with_one_and_a_line_for_each_problem(good: Path, bad: Path):
    code, text = run(good, bad)
    assert code == 1
    assert text.splitlines()[1:] == [
        f"{bad}:5: spec.mode: reactiv: expected reactive, periodic or triggered "
        "(did you mean reactive?)",
        f"{bad}:6: spec.period: x: expected a number",
    ]


def test_warnings_are_printed_and_do_no_harm(tmp_path: Path):
    path = tmp_path / "warn.yaml"
    path.write_text(task("period: 2e0\nmode: periodic"))
    code, text = run(path)
    assert code == 0
    assert f"{path}:5: warning: spec.period: 2e0: expected another way to write it" in text


def test_a_file_that_cannot_be_read_ends_with_two(
    good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    code, text = run(tmp_path / "none.yaml", good, tmp_path)
    assert code == 2
    assert "good: IocTask" in text
    errors = capsys.readouterr().err
    assert "none.yaml: No such file or directory" in errors
    assert "Is a directory" in errors


def test_no_file_at_all_ends_with_two(capsys: pytest.CaptureFixture[str]):
    assert run()[0] == 2
    assert "no file given" in capsys.readouterr().err


def test_bytes_that_are_no_text_are_a_problem_with_a_line(tmp_path: Path):
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"a: 1\nb: \xb5\n")
    assert run(path) == (1, f"{path}:2: expected text in UTF-8\n")


def test_a_dash_reads_standard_input(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(BAD.encode())))
    code, text = run("-")
    assert code == 1
    assert text.startswith("-:5: spec.mode: reactiv")


def test_json_output_carries_every_part_of_a_problem(good: Path, bad: Path):
    code, text = run(good, bad, output="json")
    report = json.loads(text)
    assert code == 1
    assert report["good"] is False
    assert report["problems"][0] == {
        "file": str(bad),
        "line": 5,
        "path": "spec.mode",
        "value": "reactiv",
        "expected": "reactive, periodic or triggered",
        "nearest": "reactive",
    }
    (found,) = report["tasks"]
    assert (found["name"], found["prefix"]) == ("t", "DEFAULT:T:")
    assert len(found["configHash"]) == 64


def test_nothing_of_a_file_can_steer_a_terminal(tmp_path: Path):
    path = tmp_path / "esc.yaml"
    path.write_text(task('mode: "\\e[2J\\u202e"\ninputs: {a: {type: "\\n\\r"}}'))
    code, text = run(path)
    assert code == 1
    assert text.count("\n") == 2
    assert all(line.isprintable() for line in text.splitlines())
