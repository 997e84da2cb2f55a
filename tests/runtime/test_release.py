"""A release is the same whenever and wherever it is built, and works where nothing else is."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ioc_runtime.version import __version__
from scripts.release.commit import export, head
from scripts.release.python import build
from support.epics_env import EpicsEnv
from support.sources import ROOT, commit_all, copy_sources, git
from support.uv import new_environment, uv

MOMENT = 1_900_000_000
"""Time of the commit that the tests build, in seconds since 1970."""
PUBLIC = {"pypi.org", "files.pythonhosted.org"}
TIMEOUT = 120.0


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Suffix -> the wheel and the source archive of this checkout."""
    source = copy_sources(tmp_path_factory.mktemp("source"))
    made = build(source, tmp_path_factory.mktemp("built"), MOMENT)
    return {path.suffix: path for path in made}


def contents(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every file of a wheel or a source archive."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            yield from ((name, wheel.read(name)) for name in wheel.namelist())
    else:
        with tarfile.open(path) as archive:
            for member in archive:
                if file := archive.extractfile(member):
                    yield member.name, file.read()


def test_two_builds_of_one_commit_are_the_same_bytes(built: dict[str, Path], tmp_path: Path):
    source = copy_sources(tmp_path / "in" / "another" / "place")
    for number, path in enumerate(sorted(source.rglob("*"))):
        os.utime(path, (number, number))
        if path.is_file():
            path.chmod(0o700 if os.access(path, os.X_OK) else 0o600)
    before = os.umask(0o077)
    try:
        again = build(source, tmp_path, MOMENT)
    finally:
        os.umask(before)
    assert len(again) == 2
    for path in again:
        assert path.name == built[path.suffix].name
        assert path.read_bytes() == built[path.suffix].read_bytes(), path.name


def test_the_wheel_can_be_built_anew_from_the_source_archive(
    built: dict[str, Path], tmp_path: Path
):
    with tarfile.open(built[".gz"]) as archive:
        archive.extractall(tmp_path, filter="data")
    [source] = tmp_path.iterdir()
    again = {path.suffix: path for path in build(source, tmp_path, MOMENT)}
    assert again[".whl"].read_bytes() == built[".whl"].read_bytes()


def test_another_commit_is_another_time_in_the_files(built: dict[str, Path], tmp_path: Path):
    source = copy_sources(tmp_path / "source")
    again = {path.suffix: path for path in build(source, tmp_path, MOMENT + 60)}
    assert again[".whl"].read_bytes() != built[".whl"].read_bytes()


def hosts_of_indexes() -> set[str]:
    """Where this machine gets its packages from, unless that is public."""
    said = [value for name, value in os.environ.items() if re.match("(PIP|UV)_.*(URL|INDEX)", name)]
    for place in (Path("/etc/pip.conf"), Path.home() / ".config/pip/pip.conf"):
        settings = configparser.RawConfigParser()
        settings.read(place)
        said += [v for section in settings.sections() for _, v in settings.items(section)]
    hosts = {urlsplit(word).hostname for text in said for word in text.split() if "://" in word}
    return {host for host in hosts if host} - PUBLIC


@pytest.mark.parametrize("suffix", [".whl", ".gz"])
def test_a_release_tells_nothing_of_the_machine_it_was_built_on(
    built: dict[str, Path], suffix: str
):
    path = built[suffix]
    private = [str(ROOT), str(path.parent), sys.prefix, str(Path.home()) + "/", *hosts_of_indexes()]
    words = [word.encode() for word in private if len(word) > 4]
    found = [
        f"{name}: {word.decode()}"
        for name, text in contents(path)
        for word in words
        if word in text
    ]
    assert found == []


def test_the_wheel_names_no_host_but_those_that_its_users_know(built: dict[str, Path]):
    hosts = set()
    for _, text in contents(built[".whl"]):
        hosts |= set(re.findall(rb"https?://([\w.-]+\.[a-z]{2,})", text))
    assert hosts <= {
        b"git.example",
        b"git.example.org",
        b"json-schema.org",
        b"kubernetes.default.svc",
        b"www.apache.org",
    }


def test_the_wheel_has_what_is_no_python_too(built: dict[str, Path]):
    names = {name for name, _ in contents(built[".whl"])}
    for package, folder in (("ioc_runtime", ROOT), ("ioc_operator", ROOT / "operator")):
        for path in (folder / package).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                assert str(path.relative_to(folder)) in names
    assert f"ioc_operator-{__version__}.dist-info/licenses/LICENSE" in names


@pytest.fixture(scope="module")
def installed(built: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`iocctl` in an environment that has the wheel and the pinned packages, and no more."""
    place = new_environment(tmp_path_factory.mktemp("environment") / "venv", "runtime")
    python = ("--python", str(place / "bin" / "python"))
    uv("pip", "install", *python, "--no-deps", "--no-index", str(built[".whl"]))
    uv("pip", "check", *python)
    return place / "bin" / "iocctl"


def iocctl(
    command: Path, *words: str | Path, env: dict[str, str] | None = None, cwd: Path
) -> subprocess.CompletedProcess[str]:
    """Run it in a place and an environment without this checkout."""
    plain = {"PATH": "/usr/bin:/bin", "HOME": str(cwd)} | (env or {})
    return subprocess.run(
        [command, *words], env=plain, cwd=cwd, capture_output=True, text=True, timeout=TIMEOUT
    )


def test_the_wheel_says_its_version_where_nothing_else_is_installed(
    installed: Path, tmp_path: Path
):
    done = iocctl(installed, "version", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].split() == ["ioc-operator", __version__]
    assert "not installed" not in done.stdout


def test_the_wheel_makes_a_task_that_validates_and_runs(
    installed: Path, tmp_path: Path, epics_env: EpicsEnv
):
    done = iocctl(installed, "new", "task", "guard", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    manifest = tmp_path / "guard" / "task.yaml"
    done = iocctl(installed, "validate", manifest, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    run = ("run", tmp_path / "guard", "--prefix", epics_env.prefix, "--for", "2")
    done = iocctl(installed, *run, env=epics_env.environ, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ready after" in done.stdout


def release(repository: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`make release` without what takes a Kubernetes or a Debian to build."""
    command = [sys.executable, "-m", "scripts.release", "--without-images", "--without-charts"]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [*command, *words],
        cwd=repository,
        env=env | {"PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = copy_sources(tmp_path_factory.mktemp("repository"))
    commit_all(place)
    return place


def test_a_release_is_whole_and_a_second_one_changes_nothing(repository: Path):
    first = release(repository)
    assert first.returncode == 0, first.stderr
    place = repository / "dist" / __version__
    assert f"ioc-operator {__version__}, commit {git(repository, 'rev-parse', 'HEAD')[:12]}" in (
        first.stdout
    )
    assert "WITHOUT images: not asked for" in first.stdout
    check = ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"]
    subprocess.run(check, cwd=place, check=True, timeout=30)
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    listed = {line.split("  ")[1] for line in before["SHA256SUMS"].decode().splitlines()}
    assert listed == before.keys() - {"SHA256SUMS"}
    assert {Path(name).suffix for name in listed} == {".whl", ".gz", ".json"}
    (place / "left from somewhere").write_text("x")
    time.sleep(1.1)  # zip and gzip know seconds
    assert release(repository).returncode == 0
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before
    assert [path.name for path in (repository / "dist").iterdir()] == [__version__]


def test_what_gets_into_images_can_be_read_by_anybody(repository: Path, tmp_path: Path):
    before = os.umask(0o077)
    try:
        export(repository, head(repository), tmp_path)
    finally:
        os.umask(before)
    modes = {path: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o755}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o644, 0o755}
    assert modes[tmp_path / ".ci" / "run"] == 0o755
    assert modes[tmp_path / "README.md"] == 0o644


def test_a_machine_that_cannot_build_images_says_so_and_builds_the_rest(
    repository: Path, tmp_path: Path
):
    git_alone = tmp_path / "bin"
    git_alone.mkdir()
    (git_alone / "git").symlink_to(str(shutil.which("git")))
    words = ("-m", "scripts.release", "--without-charts", "--output", str(tmp_path / "out"))
    done = subprocess.run(
        [sys.executable, *words],
        cwd=repository,
        env={"PATH": str(git_alone), "HOME": str(tmp_path), "PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.returncode == 3, done.stderr
    [said] = re.findall(r"WITHOUT images: (.*)", done.stdout)
    assert "no buildah" in said or "takes root" in said
    assert len([*(tmp_path / "out" / __version__).glob("*.whl")]) == 1


def test_what_is_not_committed_is_not_released(repository: Path):
    extra = repository / "ioc_runtime" / "extra.py"
    extra.write_text("")
    try:
        done = release(repository)
    finally:
        extra.unlink()
    assert done.returncode == 1
    assert done.stderr == (
        "release: the checkout has changes that are not committed: ioc_runtime/extra.py\n"
    )


def test_another_version_than_that_of_the_files_is_not_released(repository: Path):
    done = release(repository, "--version", "9.9.9")
    assert done.returncode == 1
    assert done.stderr == (
        f"release: VERSION=9.9.9 is asked for and ioc_runtime/version.py says {__version__}\n"
    )
