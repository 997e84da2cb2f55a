"""One builder per key: the others wait, use what it built, or fail with what it failed with.

The lock is a flock on CACHE/locks/KEY, so it goes with the process that holds it, however
that ends. In the file the builder says which build it is, and how it failed if it did. Who
waited for that build takes the failure as its own; who comes later builds anew.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from ioc_runtime.plugin.environments.failure import REASONS, EnvironmentFailed

LOOK: Final = 0.05
"""Seconds between two looks of one that waits: flock has no time limit of its own."""
_MOST: Final = 16_384


@contextmanager
def turn(lock: Path, deadline: float, say: Callable[[str], None]) -> Iterator[None]:
    """While nobody else builds what this lock is for. A failure inside is told to those who wait.

    :raises EnvironmentFailed: that of the builder this one waited for, or Timeout
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    handle = _acquire(lock, deadline, say)
    build = {"build": uuid.uuid4().hex, "pid": os.getpid(), "host": os.uname().nodename}
    try:
        _write(handle, build)
        try:
            yield
        except EnvironmentFailed as failure:
            told = {"reason": failure.reason, "sentence": failure.sentence}
            try:
                _write(handle, build | told)
            except OSError:  # the disk is full: those who wait will see for themselves
                _clear(handle)
            raise
        _clear(handle)
    finally:
        os.close(handle)


@contextmanager
def try_lock(lock: Path) -> Iterator[bool]:
    """Whether the key's lock could be had at once; it is held inside."""
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError:
        yield False
        return
    try:
        yield _try(handle)
    finally:
        os.close(handle)


def _acquire(lock: Path, deadline: float, say: Callable[[str], None]) -> int:
    handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    waited_for: set[str] = set()
    try:
        while not _try(handle):
            other = _read(handle)
            # With a reason it is the last build's word: the present one has not said its own.
            if "build" in other and "reason" not in other and other["build"] not in waited_for:
                waited_for.add(other["build"])
                say(f"waiting for a build of the same environment ({_who(other)})")
            if time.monotonic() > deadline:
                raise EnvironmentFailed(
                    "Timeout", f"another build of the same environment was not done: {_who(other)}"
                )
            time.sleep(LOOK)
        ended = _read(handle)
        if ended.get("build") in waited_for and ended.get("reason") in REASONS:
            raise EnvironmentFailed(ended["reason"], str(ended.get("sentence", "")))
    except BaseException:
        os.close(handle)
        raise
    return handle


def _try(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(handle: int) -> dict[str, Any]:
    """What the builder says; nothing while it writes."""
    try:
        found = json.loads(os.pread(handle, _MOST, 0))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(handle: int, what: dict[str, Any]) -> None:
    data = json.dumps(what).encode()
    os.ftruncate(handle, 0)
    os.pwrite(handle, data, 0)


def _clear(handle: int) -> None:
    os.ftruncate(handle, 0)


def _who(build: dict[str, Any]) -> str:
    return f"process {build['pid']} on {build['host']}" if "pid" in build else "a process"
