"""docs/authors.md: what it shows passes, and what `iocctl new` makes does."""

from __future__ import annotations

from pathlib import Path

import pytest

from ioc_runtime.cli import new
from ioc_runtime.cli.failure import Failure
from ioc_runtime.compile import check_text
from support.authors import run_pytest, start_pytest, write_examples
from support.spawn import Spawn


def test_the_examples_of_the_page_pass_simulated(spawn: Spawn, tmp_path: Path):
    place = tmp_path / "place"
    place.mkdir()
    names = write_examples(place)
    assert names == ["task.yaml", "guard.py", "test_guard.py", "test_ramp.py"]
    done = run_pytest(spawn, place)
    assert "6 passed" in done.output, done.report("did not pass")


@pytest.mark.parametrize("kind", ["task", "job"])
def test_what_new_makes_passes_its_own_test_and_validates(spawn: Spawn, tmp_path: Path, kind: str):
    directory = new.make(kind, "vacuum-guard", tmp_path)
    checked = check_text((directory / f"{kind}.yaml").read_text(), file=str(directory / "x"))
    assert (checked.problems, checked.warnings) == ([], [])
    done = run_pytest(spawn, directory)
    assert "2 passed" in done.output, done.report("did not pass")


def test_a_name_that_python_uses_is_none_of_the_module(spawn: Spawn, tmp_path: Path):
    """Each in a process of its own, all at a time."""
    names = ["json", "class", "task", "test-me", "job-base", "x2", "pytest"]
    runs = [start_pytest(spawn, new.make("task", name, tmp_path)) for name in names]
    for name, run in zip(names, runs, strict=True):
        run.wait(50)
        assert "2 passed" in run.output, run.report(f"did not pass: {name}")


@pytest.mark.parametrize("name", ["Guard", "1d", "a b", "../x", "a-", "", "ä", "a" * 31])
def test_a_name_that_cannot_be_is_one_sentence(tmp_path: Path, name: str):
    with pytest.raises(Failure, match="cannot be a name: expected") as failure:
        new.make("task", name, tmp_path)
    assert "\n" not in str(failure.value)
    assert list(tmp_path.iterdir()) == []


def test_nothing_that_is_there_is_touched(tmp_path: Path):
    (tmp_path / "guard").mkdir()
    (tmp_path / "guard" / "notes").write_text("mine")
    with pytest.raises(Failure, match="is there already, and not empty"):
        new.make("task", "guard", tmp_path)
    assert [one.name for one in (tmp_path / "guard").iterdir()] == ["notes"]
    (tmp_path / "file").write_text("mine")
    with pytest.raises(Failure, match="and no directory"):
        new.make("job", "file", tmp_path)
    (tmp_path / "empty").mkdir()
    assert (new.make("job", "empty", tmp_path) / "job.yaml").exists()
