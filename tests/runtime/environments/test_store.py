"""The cache: what is taken for whole, what is removed, what is left alone."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ioc_runtime.plugin.environments import Limits, Store
from runtime.environments.conftest import MODULE, Builder, listing, surroundings
from support.package_index import PackageIndex

DAY = 86_400


@pytest.fixture
def store(cache: Path) -> Store:
    cache.mkdir()
    return Store(cache)


def put(store: Store, letter: str, age: float = 0.0, size: int = 1000) -> str:
    """An environment of one file, used `age` seconds ago."""
    key = letter * 64
    with store.new(key) as place:
        (place / "site").mkdir()
        (place / "site" / f"{letter}.py").write_bytes(b"#" * size)
        store.publish(place, key, {"packages": {letter: "1.0"}})
    then = time.time() - age
    os.utime(store.directory / key / "in-use", (then, then))
    return key


@contextmanager
def held(store: Store, key: str) -> Iterator[None]:
    """As a serving process does it."""
    handle = os.open(store.directory / key / "in-use", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_SH)
    yield
    os.close(handle)


def test_what_was_published_is_found_and_marked_as_used(store: Store):
    key = put(store, "a", age=DAY)
    assert store.find("b" * 64) is None
    found = store.find(key)
    assert found is not None
    assert found.lock["files"] == {"a.py": 1000}
    assert time.time() - (found.place / "in-use").stat().st_mtime < 60


@pytest.mark.parametrize("harm", ["missing", "shorter", "no lock", "half a lock", "no marker"])
def test_what_is_damaged_is_not_taken(store: Store, harm: str):
    key = put(store, "a")
    place = store.directory / key
    if harm == "missing":
        (place / "site" / "a.py").unlink()
    elif harm == "shorter":
        (place / "site" / "a.py").write_text("#")
    elif harm == "no lock":
        (place / "lock.json").unlink()
    elif harm == "half a lock":
        text = (place / "lock.json").read_text()
        (place / "lock.json").write_text(text[: len(text) // 2])
    else:
        (place / "in-use").unlink()
    assert store.find(key) is None
    put(store, "a")  # built anew in its place
    assert store.find(key) is not None
    assert listing(store.directory) == [key]


def test_files_that_came_later_do_no_harm(store: Store):
    key = put(store, "a")
    (store.directory / key / "site" / "a.log").write_text("written by a library")
    assert store.find(key) is not None


def test_what_was_not_used_for_longest_goes_first(store: Store):
    keys = [put(store, letter, age=DAY * n) for n, letter in enumerate("abcd", 1)]
    assert store.sweep(Limits(number=2)) == [keys[3], keys[2]]
    assert listing(store.directory) == keys[:2]


def test_a_cache_is_kept_to_its_bytes(store: Store):
    keys = [put(store, letter, age=DAY * n) for n, letter in enumerate("abc", 1)]
    assert store.sweep(Limits(size=2500)) == [keys[2]]


def test_what_is_in_use_or_was_used_just_now_stays(store: Store):
    used, fresh, old = put(store, "a", DAY * 9), put(store, "b", 60), put(store, "c", DAY)
    with held(store, used):
        assert store.in_use(used)
        assert store.sweep(Limits(number=0)) == [old]
        assert not store.discard(used)
    assert listing(store.directory) == [used, fresh]
    assert store.sweep(Limits(number=0)) == [used]


def test_what_is_damaged_and_in_use_is_put_aside_until_it_is_free(store: Store):
    key = put(store, "a")
    with held(store, key):
        (store.directory / key / "lock.json").unlink()
        put(store, "a")
        assert len(listing(store.directory)) == 2
    store.sweep(Limits())
    assert listing(store.directory) == [key]


def test_debris_goes_and_what_is_not_ours_stays(store: Store):
    (store.directory / f".{'d' * 64}.x1y2z3").mkdir()
    (store.directory / ".snapshot").mkdir()
    (store.directory / "notes.txt").write_text("mine")
    store.sweep(Limits())
    assert listing(store.directory) == [".snapshot", "notes.txt"]


def test_a_damaged_environment_is_built_anew(builder: Builder):
    first = builder("beta==1.0")
    (first.site / "beta.py").write_text("")
    second = builder("beta==1.0")
    assert not second.hit
    assert second.key == first.key
    assert (second.site / "beta.py").read_text() == "version = '1.0'\n"


def test_a_cache_that_is_too_full_loses_its_oldest_at_the_next_build(builder: Builder):
    first = builder("beta==1.0")
    long_ago = time.time() - DAY
    os.utime(first.site.parent / "in-use", (long_ago, long_ago))
    second = builder("beta==2.0", limits=Limits(number=1))
    assert listing(builder.cache) == [second.key]


def in_namespace(
    script: str, *arguments: object, env: dict[str, str]
) -> subprocess.CompletedProcess:
    """Run a shell script that may mount; skips where nobody may."""
    unshare = shutil.which("unshare")
    command = [unshare or "unshare", "--user", "--map-root-user", "--mount", "sh", "-ec"]
    if unshare is None or subprocess.run([*command, "true"], capture_output=True).returncode:
        pytest.skip("no mount namespaces here")
    root = str(Path(__file__).parents[3])
    return subprocess.run(
        [*command, script, "sh", *map(str, arguments)],
        env=env | {"PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_read_only_cache_gives_its_hits(builder: Builder, kind: str, variables: dict[str, str]):
    built = builder("beta==1.0")
    script = 'mount --bind "$1" "$1"; mount -o remount,ro,bind "$1"; shift; exec "$@"'
    command = [sys.executable, "-m", MODULE, "build", "--tool", kind, "--cache", builder.cache]
    done = in_namespace(script, builder.cache, *command, "beta==1.0", env=variables)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(built.site)
    missed = in_namespace(script, builder.cache, *command, "beta==2.0", env=variables)
    assert missed.returncode == 15
    assert "cannot be written: Read-only file system" in missed.stderr


def test_a_full_disk_is_said_and_leaves_nothing(
    index: PackageIndex, tmp_path: Path, kind: str, variables: dict[str, str]
):
    index.add("large", "1.0", files={"large.bin": os.urandom(1_500_000)})
    small = tmp_path / "small"
    small.mkdir()
    script = (
        'mount -t tmpfs -o size=2m tmpfs "$1"; "$2" -m '
        + MODULE
        + ' build --tool "$3" --cache "$1" '
        'large || echo "exit $?"; ls -A "$1"'
    )
    done = in_namespace(script, small, sys.executable, kind, env=variables)
    assert "DiskFull: " in done.stderr, done.stderr
    assert done.stdout.split()[:2] == ["exit", "15"]
    assert set(done.stdout.split()[2:]) <= {"locks", "downloads"}


def test_the_command_line_lists_and_clears(store: Store, tmp_path: Path):
    used, free = put(store, "a", DAY), put(store, "b", 2 * DAY)

    def command(*arguments: str) -> subprocess.CompletedProcess:
        words = [sys.executable, "-m", MODULE, *arguments, "--cache", str(store.directory)]
        env = surroundings(tmp_path) | {"PYTHONPATH": str(Path(__file__).parents[3])}
        return subprocess.run(words, env=env, capture_output=True, text=True, timeout=30)

    with held(store, used):
        lines = command("list").stdout.splitlines()
        assert [line.split()[0] for line in lines] == [used[:12], free[:12]]
        assert "in use" in lines[0]
        assert "b==1.0" in lines[1]
        cleared = command("clear")
    assert cleared.returncode == 1
    assert cleared.stdout.splitlines() == [
        f"{used[:12]}  kept: it is in use or being built",
        f"{free[:12]}  removed",
    ]
    assert listing(store.directory) == [used]
