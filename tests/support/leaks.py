"""Fail a test that leaves a process, a thread or an asyncio task behind.

Each check is an autouse fixture, so it is set up before and torn down after
everything the test asked for itself. What session fixtures started was there
before the test and is not counted.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

GRACE = 2.0
"""Seconds that a thread or process which is about to end gets to do so."""

ENDED = "ended, but nobody waited for it"
_PR_SET_CHILD_SUBREAPER = 36


def children() -> dict[int, str]:
    """Process id and command of every child of this process, zombies included."""
    found = {}
    for task in Path("/proc/self/task").iterdir():
        try:
            pids = (task / "children").read_text().split()
        except OSError:  # the thread has ended meanwhile
            continue
        for pid in map(int, pids):
            found[pid] = _command(pid)
    return found


def _command(pid: int) -> str:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        return command.strip() or ENDED
    except OSError:
        return "gone"


@pytest.fixture(scope="session", autouse=True)
def adopt_orphans() -> None:
    """Make grandchildren ours when their parent ends, so that they are found too."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


@pytest.fixture(autouse=True)
def no_process_left(adopt_orphans: None) -> Iterator[None]:
    """Fail the test when a child process is left; end it, so that the next can run."""
    before = children().keys()
    yield
    left = _after_grace(lambda: {p: c for p, c in children().items() if p not in before})
    for pid in left:
        _end(pid)
    if left:
        pytest.fail(
            "the test left processes behind: "
            + "; ".join(f"{pid} ({command})" for pid, command in left.items())
        )


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    """Fail the test when a Python thread is left, daemon or not.

    Threads that EPICS libraries made and that merely passed through Python do not
    count: they live as long as their library's context, and `threading` shows them
    as dummies.
    """
    before = set(threading.enumerate())
    yield
    left = _after_grace(lambda: [t for t in threading.enumerate() if _ours(t) and t not in before])
    if left:
        pytest.fail(f"the test left threads behind: {', '.join(map(repr, left))}")


def _ours(thread: threading.Thread) -> bool:
    return not isinstance(thread, threading._DummyThread)


@pytest.fixture(scope="session", autouse=True)
def event_loops() -> Iterator[weakref.WeakSet[asyncio.BaseEventLoop]]:
    """Every event loop of the session that is still referenced."""
    loops: weakref.WeakSet[asyncio.BaseEventLoop] = weakref.WeakSet()
    init = asyncio.BaseEventLoop.__init__

    def noting(self: asyncio.BaseEventLoop) -> None:
        init(self)
        loops.add(self)

    asyncio.BaseEventLoop.__init__ = noting  # type: ignore[method-assign]
    yield loops
    asyncio.BaseEventLoop.__init__ = init  # type: ignore[method-assign]


@pytest.fixture(autouse=True)
def no_task_left(event_loops: weakref.WeakSet[asyncio.BaseEventLoop]) -> Iterator[None]:
    """Fail the test when an asyncio task is left that has not ended."""
    before = {task for loop in list(event_loops) for task in asyncio.all_tasks(loop)}
    yield
    left = [t for loop in list(event_loops) for t in asyncio.all_tasks(loop) if t not in before]
    if left:
        pytest.fail(f"the test left asyncio tasks behind: {', '.join(map(repr, left))}")


@contextmanager
def orphans_reaped(patience: float = 5.0) -> Iterator[None]:
    """Do what an init does: wait for what programs of the block have left as they ended.

    For programs that end before their own children, as git and sshd do. Nothing that still
    runs is touched; it gets `patience` seconds to end.
    """
    before = children().keys()
    yield
    until = time.monotonic() + patience
    while time.monotonic() < until:
        left = {pid: command for pid, command in children().items() if pid not in before}
        if not left:
            return
        for pid in [pid for pid, command in left.items() if command == ENDED]:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)  # one that is just ending is waited for again
        time.sleep(0.02)


def _after_grace(find):  # type: ignore[no-untyped-def]
    """What `find` still finds when the grace is over; returns at once when nothing."""
    deadline = time.monotonic() + GRACE
    while (left := find()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return left


def _end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        pass
