from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ioc_runtime.state import (
    BAD_KEPT,
    Restored,
    StateError,
    StateFile,
    default_directory,
    entry_name,
)
from support.examples import THOROUGH

PREFIX = "BL01:VAC:"
LATCHES = {"alarm": (1, "high"), "beam": (0, "")}
SETPOINTS = {"limit": (1.5e-6, 1e-6), "profile": ([1.0, 2.0], None), "label": ("Ü", "")}
PATIENCE = 20.0


@pytest.fixture
def opened(tmp_path: Path):
    """`opened(prefix=…, problem=…)` opens a state in the test's directory."""
    files: list[StateFile] = []

    def _open(prefix: str = PREFIX, directory: Path = tmp_path, **options) -> StateFile:
        files.append(StateFile(directory, prefix, **options))
        return files[-1]

    yield _open
    for file in files:
        file.close()


def saved(opened, **options) -> Path:
    """The path of a good state file that nobody has open."""
    state = opened(**options)
    state.save(LATCHES, SETPOINTS)
    assert state.flush(PATIENCE)
    state.close()
    return state.path


class Problems:
    def __init__(self) -> None:
        self.news = threading.Condition()
        self.said: list[str | None] = []

    def __call__(self, text: str | None) -> None:
        with self.news:
            self.said.append(text)
            self.news.notify_all()

    def wait_for(self, count: int) -> None:
        with self.news:
            assert self.news.wait_for(lambda: len(self.said) >= count, PATIENCE), self.said


def python(code: str, *args: object) -> subprocess.CompletedProcess[str]:
    head = "import os, resource, signal, sys, time\nfrom ioc_runtime.state import *\n"
    return subprocess.run(
        [sys.executable, "-c", head + textwrap.dedent(code), *map(str, args)],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=Path(__file__).parents[2],
    )


# reading what was saved


def test_what_was_saved_is_restored(opened) -> None:
    saved(opened)
    assert opened().load() == Restored(LATCHES, SETPOINTS)


def test_a_first_start_restores_nothing_and_is_no_problem(opened) -> None:
    assert opened().load() == Restored()


def test_infinite_and_not_a_number_survive(opened) -> None:
    state = opened()
    state.save({}, {"a": (float("inf"), float("nan"))})
    assert state.flush(PATIENCE)
    value, old = state.load().setpoints["a"]
    assert value == float("inf")
    assert old != old


def test_an_empty_state_that_was_saved_is_no_problem(opened) -> None:
    state = opened()
    state.save(LATCHES, SETPOINTS)
    state.save({}, {})
    assert state.flush(PATIENCE)
    assert state.load() == Restored()


def changed(path: Path, **fields: object) -> bytes:
    return json.dumps({**json.loads(path.read_bytes()), **fields}).encode()


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda p: b"", "is empty"),
        (lambda p: b"\0" * 4096, "it is not JSON"),
        (lambda p: p.read_bytes()[:-20], "it is not JSON"),
        (lambda p: b"[" * 200_000, "it is not JSON"),
        (lambda p: b"\xff\xfe garbage", "it is not JSON"),
        (lambda p: b"[]", "it is no state"),
        (lambda p: p.read_bytes().replace(b'"high"', b'"low"'), "its check sum is wrong"),
        (lambda p: changed(p, format=2), "has format 2, this runtime reads 1"),
        (lambda p: b"{}", "has format None, this runtime reads 1"),
        (lambda p: changed(p, prefix="X:"), "belongs to the prefix 'X:', not to 'BL01:VAC:'"),
        (lambda p: changed(p, state=None, check=0), "its check sum is wrong"),
        (lambda p: b" " * (16 * 2**20 + 1), "is larger than 16777216 bytes"),
    ],
)
def test_a_file_that_cannot_be_used_is_said_and_moved_aside(opened, damage, why) -> None:
    path = saved(opened)
    bad = damage(path)
    path.write_bytes(bad)
    state = opened()
    restored = state.load()
    assert restored.latches == restored.setpoints == {}
    assert restored.problem is not None
    assert why in restored.problem
    assert restored.problem.startswith(f"the state file {path} ")
    assert restored.problem.endswith("; it was moved to BL01%3AVAC%3A.json.bad-1")
    assert path.with_name(f"{path.name}.bad-1").read_bytes() == bad
    assert state.load() == Restored()
    state.save(LATCHES, SETPOINTS)
    assert state.flush(PATIENCE)
    assert state.load() == Restored(LATCHES, SETPOINTS)


@pytest.mark.parametrize(
    "content", [{}, {"latches": 3}, {"latches": {}, "setpoints": {"a": [1]}}, [], "x"]
)
def test_a_state_of_another_form_is_damaged_even_with_a_good_check_sum(opened, content) -> None:
    from ioc_runtime.state import _check

    path = saved(opened)
    path.write_bytes(changed(path, state=content, check=_check(content)))
    assert "it is no state" in str(opened().load().problem)


def test_a_directory_in_the_place_of_the_file_is_said(opened) -> None:
    state = opened()
    state.path.mkdir()
    assert "cannot be read: Is a directory; it was moved to" in str(state.load().problem)


def test_only_the_newest_bad_files_are_kept(opened) -> None:
    state = opened()
    for n in range(BAD_KEPT + 4):
        state.path.write_text(f"bad {n}")
        assert state.load().problem
    kept = sorted(state.directory.glob("*.bad-*"), key=lambda p: int(p.name.split("-")[-1]))
    assert [p.read_text() for p in kept] == [f"bad {n}" for n in range(4, BAD_KEPT + 4)]


@given(st.binary(max_size=200))
def test_no_content_whatever_breaks_loading(data: bytes) -> None:
    from ioc_runtime.state import _Damaged, _decode

    with pytest.raises(_Damaged):
        _decode(data, PREFIX)


# saving


def test_the_newest_snapshot_wins_and_saving_never_waits(opened, monkeypatch) -> None:
    entered, gate = threading.Event(), threading.Event()
    writes: list[bytes] = []
    real = os.replace

    def slow(source, target) -> None:
        writes.append(Path(source).read_bytes())
        entered.set()
        assert gate.wait(PATIENCE)
        real(source, target)

    monkeypatch.setattr("os.replace", slow)
    state = opened()
    state.save({}, {"n": (0, None)})
    assert entered.wait(PATIENCE)
    for n in range(1, 1000):
        state.save({}, {"n": (n, None)})
    assert not state.flush(0.01)
    gate.set()
    assert state.flush(PATIENCE)
    assert len(writes) == 2
    assert state.load().setpoints == {"n": (999, None)}


def test_a_snapshot_is_what_it_was_when_it_was_handed_over(opened) -> None:
    state = opened()
    latches = {"alarm": (1, "high")}
    state.save(latches, {})
    latches.clear()
    assert state.flush(PATIENCE)
    assert state.load().latches == {"alarm": (1, "high")}


def test_the_same_state_is_not_written_again(opened) -> None:
    state = opened()
    state.save(LATCHES, SETPOINTS)
    assert state.flush(PATIENCE)
    before = state.path.stat().st_ino
    state.save(LATCHES, SETPOINTS)
    assert state.flush(PATIENCE)
    assert state.path.stat().st_ino == before
    state.save({}, SETPOINTS)
    assert state.flush(PATIENCE)
    assert state.path.stat().st_ino != before


def test_file_and_directory_are_synced_before_and_after_the_rename(opened, monkeypatch) -> None:
    order: list[str] = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(fd: int) -> None:
        order.append(Path(os.readlink(f"/proc/self/fd/{fd}")).name)
        fsync(fd)

    def note_replace(source, target) -> None:
        order.append("rename")
        replace(source, target)

    monkeypatch.setattr("os.fsync", note_fsync)
    monkeypatch.setattr("os.replace", note_replace)
    state = opened()
    state.save(LATCHES, {})
    assert state.flush(PATIENCE)
    assert order == ["BL01%3AVAC%3A.tmp", "rename", state.directory.name]


def test_a_kill_between_write_and_rename_leaves_the_last_state(opened, tmp_path) -> None:
    saved(opened)
    done = python(
        """
        os.replace = lambda source, target: os.kill(os.getpid(), signal.SIGKILL)
        state = StateFile(sys.argv[1], "BL01:VAC:")
        state.save({}, {})
        state.flush(20)
        """,
        tmp_path,
    )
    assert done.returncode == -9, done.stderr
    assert (tmp_path / "BL01%3AVAC%3A.tmp").exists()
    state = opened()
    assert state.load() == Restored(LATCHES, SETPOINTS)
    state.save({}, SETPOINTS)
    assert state.flush(PATIENCE)
    assert state.load() == Restored({}, SETPOINTS)


def test_kills_at_any_moment_leave_a_whole_state(opened, tmp_path) -> None:
    code = """
        state = StateFile(sys.argv[1], "BL01:VAC:")
        print("ready", flush=True)
        n = 0
        while True:
            n += 1
            state.save({}, {"n": (n, None), "pad": ("x" * (n % 5000), None)})
    """
    head = "import sys\nfrom ioc_runtime.state import *\n"
    whole = 0
    for n in range(5 if THOROUGH else 3):
        child = subprocess.Popen(
            [sys.executable, "-c", head + textwrap.dedent(code), str(tmp_path)],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        with child:
            assert child.stdout is not None
            child.stdout.readline()
            threading.Event().wait(0.05 + 0.01 * n)
            child.kill()
        state = opened()
        restored = state.load()
        state.close()
        assert restored.problem is None
        whole += bool(restored.setpoints)
    assert whole


def test_a_full_disk_is_said_once_and_saved_when_there_is_room_again(opened, tmp_path) -> None:
    path = saved(opened)
    done = python(
        """
        said = []
        state = StateFile(sys.argv[1], "BL01:VAC:", said.append, retry=0.01)
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
        for n in range(5):
            state.save({}, {"n": (n, None)})
            assert not state.flush(0.01)
        while not said:  # a slow machine: this program is given 30 s
            time.sleep(0.001)
        print(len(said), said[0])
        assert state.load().latches, "the last good one is kept"
        while [name for name in os.listdir(sys.argv[1]) if name.endswith(".tmp")]:
            time.sleep(0.001)  # one of a try that is under way; what is left behind stays
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        assert state.flush(20)
        print(said[1:], state.load().setpoints)
        """,
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == (
        f"1 the state cannot be saved in {path}: File too large; "
        "a restart now would lose latches and set-points"
    )
    assert second == "[None] {'n': (4, None)}"


def test_no_space_left_is_said_on_a_real_full_file_system(tmp_path) -> None:
    script = 'mount -t tmpfs -o size=64k tmpfs "$1" && shift && exec "$@"'  # own mount namespace
    code = """
from ioc_runtime.state import *
import os, sys, threading
said, news = [], threading.Event()
state = StateFile(sys.argv[1], "X:", lambda text: (said.append(text), news.set()), retry=0.01)
with open(sys.argv[1] + "/ballast", "wb", buffering=0) as ballast:
    try:
        while True: ballast.write(b"x" * 4096)
    except OSError: pass
state.save({"a": (1, "r")}, {})
assert news.wait(20)
print(said)
os.unlink(sys.argv[1] + "/ballast")
assert state.flush(20)
print(state.load().latches)
"""
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", tmp_path, sys.executable, "-c", code]
        + [str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=Path(__file__).parents[2],
    )
    if "Operation not permitted" in done.stderr or "permission denied" in done.stderr:
        pytest.skip("mounting a file system is not allowed here")
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert "No space left on device" in first
    assert second == "{'a': (1, 'r')}"


def test_a_failure_that_changes_is_said_again(opened, tmp_path, monkeypatch) -> None:
    problems = Problems()
    state = opened(problem=problems, retry=0.001)
    failures = iter([OSError(28, "No space left on device")] * 3 + [OSError(30, "Read-only")] * 3)
    real = os.replace

    def failing(source, target) -> None:
        error = next(failures, None)
        if error:
            raise error
        real(source, target)

    monkeypatch.setattr("os.replace", failing)
    state.save(LATCHES, {})
    problems.wait_for(3)
    assert [("No space" in str(t), "Read-only" in str(t)) for t in problems.said] == [
        (True, False),
        (False, True),
        (False, False),
    ]
    assert problems.said[2] is None
    assert state.load().latches == LATCHES


def test_a_directory_that_vanishes_is_said_and_waited_for(opened, tmp_path) -> None:
    problems = Problems()
    state = opened(directory=tmp_path / "state", problem=problems, retry=0.01)
    (tmp_path / "state").rename(tmp_path / "away")
    state.save(LATCHES, {})
    problems.wait_for(1)
    assert "No such file or directory" in str(problems.said[0])
    (tmp_path / "away").rename(tmp_path / "state")
    assert state.flush(PATIENCE)
    problems.wait_for(2)
    assert problems.said[1] is None
    assert state.load().latches == LATCHES


def test_a_value_that_cannot_be_saved_is_said_and_a_later_one_is_saved(opened) -> None:
    problems = Problems()
    state = opened(problem=problems, retry=0.01)
    state.save({}, {"a": (object(), None)})
    problems.wait_for(1)
    assert "is not JSON serializable" in str(problems.said[0])
    state.save({}, {"a": (1, None)})
    assert state.flush(PATIENCE)
    assert state.load().setpoints == {"a": (1, None)}


def test_a_callback_that_fails_does_not_end_the_saving(opened, caplog) -> None:
    called = threading.Event()

    def broken(text: str | None) -> None:
        called.set()
        raise ZeroDivisionError

    state = opened(problem=broken, retry=0.01)
    state.save({}, {"a": (object(), None)})
    assert called.wait(PATIENCE)
    state.save({}, {"a": (1, None)})
    assert state.flush(PATIENCE)
    assert "a callback of the state file failed" in caplog.text
    assert state.load().setpoints == {"a": (1, None)}


def test_after_close_nothing_is_saved_and_no_thread_is_left(opened) -> None:
    state = opened()
    state.save(LATCHES, {})
    assert state.flush(PATIENCE)
    state.close()
    state.save({}, {})
    state.close()
    assert state.load().latches == LATCHES
    assert not [t for t in threading.enumerate() if t.name == "state"]


# the lock and the names


def test_a_second_process_is_refused_and_told_who_has_the_state(opened, tmp_path) -> None:
    opened()
    done = python(
        """
        try:
            StateFile(sys.argv[1], "BL01:VAC:")
        except StateError as error:
            print(error)
        StateFile(sys.argv[1], "BL01:OTHER:")
        """,
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == (
        f"the state of BL01:VAC: in {tmp_path} is in use by process {os.getpid()}: "
        "a task runs once at a time"
    )


def test_the_lock_is_free_again_after_close_and_after_a_kill(opened, tmp_path) -> None:
    opened().close()
    opened().close()
    done = python(
        """
        state = StateFile(sys.argv[1], "BL01:VAC:")
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        tmp_path,
    )
    assert done.returncode == -9
    opened()


def test_a_directory_that_cannot_be_made_is_an_error_that_names_it(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="file/state cannot be used: Not a directory"):
        StateFile(tmp_path / "file" / "state", PREFIX)


def test_the_directory_and_the_file_are_the_users_alone(opened, tmp_path) -> None:
    path = saved(opened, directory=tmp_path / "a" / "b")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_the_users_state_directory_is_the_default() -> None:
    assert default_directory({"XDG_STATE_HOME": "/s"}) == Path("/s/ioc-operator")
    assert default_directory({"HOME": "/home/me"}) == Path("/home/me/.local/state/ioc-operator")
    relative = {"XDG_STATE_HOME": "s", "HOME": "/home/me"}
    assert default_directory(relative) == Path("/home/me/.local/state/ioc-operator")


@given(st.text(max_size=60), st.text(max_size=60))
def test_two_prefixes_never_share_a_file_and_names_are_safe(one: str, two: str) -> None:
    names = entry_name(one), entry_name(two)
    assert (names[0] == names[1]) == (one == two)
    for name in names:
        assert 0 < len(f"{name}.json.bad-999") < 255
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_%")


def test_the_module_needs_nothing_heavy() -> None:
    done = python(
        "print(sorted({'hashlib', 'pydantic', 'asyncio', 'tempfile', 'random'} & set(sys.modules)))"
    )
    assert done.stdout.strip() == "[]", done.stderr
