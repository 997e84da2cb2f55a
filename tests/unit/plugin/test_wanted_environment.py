"""What is asked for: the manifest, the plugin's files, and the key of both."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ioc_runtime.plugin.environments import EnvironmentFailed, Wanted
from ioc_runtime.plugin.environments.installed import identity
from ioc_runtime.plugin.environments.wanted import asked, key
from support.spawn import Spawn


def read(file: Path, **more: object) -> list[tuple[str, str]]:
    found = asked(Wanted((), (file,), **more))  # type: ignore[arg-type]
    return [(str(item.requirement), item.where) for item in found]


def refused(file: Path, **more: object) -> str:
    with pytest.raises(EnvironmentFailed) as failure:
        read(file, **more)
    assert failure.value.reason == "BadRequirement"
    return failure.value.sentence


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_requirements_file_is_read_with_its_comments_and_continued_lines(tmp_path: Path):
    file = written(
        tmp_path / "requirements.txt",
        "# what we need\nscipy >= 1.14 , <2  # fits\n\nlmfit[all] \\\n  ==1.3\n-r more/other.txt\n",
    )
    written(tmp_path / "more" / "other.txt", "h5py; python_version>'3.8'\n-r ../requirements.txt\n")
    assert read(file) == [
        ("scipy<2,>=1.14", "requirements.txt line 2"),
        ("lmfit[all]==1.3", "requirements.txt line 4"),
        ("h5py; python_version > '3.8'", "more/other.txt line 1"),
    ]


def test_the_dependencies_of_a_pyproject_are_read(tmp_path: Path):
    text = '[project]\nname = "x"\ndependencies = ["scipy", "h5py>=3"]\n'
    file = written(tmp_path / "pyproject.toml", text)
    assert read(file) == [
        ("scipy", "pyproject.toml project.dependencies[0]"),
        ("h5py>=3", "pyproject.toml project.dependencies[1]"),
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--index-url https://elsewhere/simple", "options are not taken here"),
        ("-e .", "options are not taken here"),
        ("./wheels/x.whl", "a path is not taken"),
        ("git+https://me:s3cret@h/x", "a name first"),
        ("x @ git+ssh://h/x", "the https address of a wheel"),
        ("x @ https://me:s3cret@h/x.whl", "they belong in a Secret"),
        ("x ~> 1", "versions as in"),
    ],
)
def test_a_line_that_is_not_taken_is_named(tmp_path: Path, line: str, expected: str):
    sentence = refused(written(tmp_path / "requirements.txt", f"scipy\n{line}\n"))
    assert sentence.startswith("requirements.txt line 2: ")
    assert expected in sentence
    assert "s3cret" not in sentence


@pytest.mark.parametrize("way", ["../outside.txt", "link.txt", "/etc/hostname", "d/outside.txt"])
def test_no_file_outside_of_the_plugin_is_read(tmp_path: Path, way: str):
    outside = written(tmp_path / "outside.txt", "secretpackage\n")
    file = written(tmp_path / "plugin" / "requirements.txt", f"-r {way}\n")
    (file.parent / "link.txt").symlink_to(outside)
    (file.parent / "d").symlink_to(tmp_path)
    assert "outside" in refused(file)


def test_the_plugins_directory_may_be_wider_than_the_files(tmp_path: Path):
    written(tmp_path / "common.txt", "scipy\n")
    file = written(tmp_path / "tasks" / "requirements.txt", "-r ../common.txt\n")
    assert "outside" in refused(file)
    assert read(file, root=tmp_path) == [("scipy", "common.txt line 1")]


def test_files_that_are_no_requirements_are_refused_in_a_sentence(tmp_path: Path):
    assert "No such file" in refused(tmp_path / "requirements.txt")
    os.mkfifo(tmp_path / "pipe.txt")
    assert "expected a file" in refused(tmp_path / "pipe.txt")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe")
    assert "no UTF-8" in refused(tmp_path / "binary.txt")
    assert "at most" in refused(written(tmp_path / "large.txt", "x\n" * 200_000))
    assert "no TOML" in refused(written(tmp_path / "bad.toml", "[project"))
    dynamic = '[project]\nname = "x"\ndynamic = ["dependencies"]\n'
    assert "dynamic" in refused(written(tmp_path / "dynamic.toml", dynamic))


def key_of(*requirements: str, **more: str) -> str:
    wanted = Wanted(requirements, **more)  # type: ignore[arg-type]
    return key(wanted, asked(wanted))


def test_the_key_is_of_what_is_meant_not_of_how_it_is_written():
    assert key_of("Sci_Py >=1,<2", "a") == key_of("a", "sci-py<2,>=1", "a")
    keys = [
        key_of("a"),
        key_of("a", "b"),
        key_of("a==1"),
        key_of("a[x]"),
        key_of("a", commit="1" * 40),
        key_of("a", image="runtime:2"),
    ]
    assert len(set(keys)) == len(keys)


def test_another_package_in_the_image_makes_another_base(tmp_path: Path):
    (tmp_path / "x-1.0.dist-info").mkdir()
    first = identity([str(tmp_path)])
    assert identity([str(tmp_path), str(tmp_path / "none")]) == first
    (tmp_path / "x-1.0.dist-info").rename(tmp_path / "x-1.1.dist-info")
    assert identity([str(tmp_path)]) != first


def test_setuptools_in_the_process_changes_neither_the_key_nor_the_tool(spawn: Spawn) -> None:
    script = (
        "import sys\n"
        "from ioc_runtime.plugin.environments import find_tool\n"
        "from ioc_runtime.plugin.environments.installed import identity, installed\n"
        "before = identity(), sorted(installed()), find_tool(only='pip').command\n"
        "import distutils, setuptools\n"
        "assert any('_vendor' in place for place in sys.path)\n"
        "assert before == (identity(), sorted(installed()), find_tool(only='pip').command)\n"
    )
    done = spawn("-W", "error", "-W", "ignore::DeprecationWarning", "-c", script)
    assert done.wait(20) == 0, done.report("something changed")
