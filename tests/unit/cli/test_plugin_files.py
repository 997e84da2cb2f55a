"""Which saves below a plugin's directory count."""

from __future__ import annotations

from pathlib import Path

import pytest

from ioc_runtime.cli.plugin_files import PluginFiles


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "lib").mkdir()
    (tmp_path / "guard.py").write_text("a = 1\n")
    (tmp_path / "lib" / "tools.py").write_text("b = 1\n")
    (tmp_path / "task.yaml").write_text("kind: IocTask\n")
    return tmp_path


def changed(files: PluginFiles) -> list[str]:
    return files.changed(files.look())


def test_a_file_that_holds_something_else_is_named_until_it_is_taken(place: Path):
    files = PluginFiles(place, place / "task.yaml")
    assert changed(files) == []
    (place / "lib" / "tools.py").write_text("b = 2\n")
    (place / "new.py").write_text("")
    (place / "guard.py").unlink()
    assert changed(files) == ["guard.py", "lib/tools.py", "new.py"]
    assert changed(files) == ["guard.py", "lib/tools.py", "new.py"]
    files.taken(files.look())
    assert changed(files) == []


def test_an_edit_that_is_undone_is_none(place: Path):
    files = PluginFiles(place)
    (place / "guard.py").write_text("a = (\n")
    assert changed(files) == ["guard.py"]
    (place / "guard.py").write_text("a = 1\n")
    assert changed(files) == []


@pytest.mark.parametrize(
    "name",
    [
        ".guard.py.swp",
        ".#guard.py",
        "#guard.py#",
        "guard.py~",
        "4913",
        "guard.pyc",
        "test_guard.py",
        "conftest.py",
        "tests/helper.py",
        "__pycache__/guard.py",
        ".git/hook.py",
        "venv/pyvenv.cfg",
        "venv/lib/numpy.py",
        "data.csv",
        "task.yaml",
    ],
)
def test_what_is_no_code_of_the_plugin_does_not_count(place: Path, name: str):
    (place / "venv").mkdir()
    (place / "venv" / "pyvenv.cfg").touch()
    files = PluginFiles(place, place / "task.yaml")
    (place / name).parent.mkdir(parents=True, exist_ok=True)
    (place / name).write_text("something else")
    assert changed(files) == []


def test_lists_of_requirements_count_where_the_plugin_takes_them_from_one(place: Path):
    files = PluginFiles(place, place / "task.yaml", "requirements.txt")
    others = PluginFiles(place, place / "task.yaml")
    (place / "requirements.txt").write_text("-r more.txt\n")
    (place / "more.txt").write_text("lmfit\n")
    (place / "lib" / "notes.txt").write_text("not one of them\n")
    (place / ".requirements.txt").write_text("an editor's\n")
    assert changed(files) == ["more.txt", "requirements.txt"]
    assert changed(others) == []


def test_a_directory_that_is_not_there_or_went_is_no_fault(place: Path):
    assert changed(PluginFiles(None)) == []
    assert changed(PluginFiles(place / "nowhere")) == []
