"""What costs minutes to make is made once, outside the checkout.

An entry is a directory `KIND-KEY`. It is made under another name and renamed when it
is whole, so that an interrupted build leaves nothing that counts as done, and under a
lock, so that two runs do not make it twice.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

KEEP: Final = 6
"""Entries of one kind that stay: a few branches take turns without building anew."""


def cache_dir() -> Path:
    """`$IOC_RIG_CACHE`, else a directory in the user's cache directory."""
    if own := os.environ.get("IOC_RIG_CACHE"):
        path = Path(own).absolute()
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        path = Path(base) / "ioc-operator-rig"
    path.mkdir(parents=True, exist_ok=True)
    return path


def key_of(root: Path, files: Iterable[Path], *texts: str) -> str:
    """A short hash of files (their places below `root`, and contents) and of texts."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(f"{len(text)}:{text}".encode())
    for path in files:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root)}:{len(content)}:".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold a file lock; waits for another process to let go of it."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def entry(kind: str, key: str, make: Callable[[Path], None]) -> Path:
    """The directory of a cache entry; `make(directory)` fills it if it is not there."""
    cache = cache_dir()
    done = cache / f"{kind}-{key}"
    if not done.exists():
        with lock(cache / f"{kind}.lock"):
            if not done.exists():
                _remove_unfinished(cache, kind)
                half = Path(tempfile.mkdtemp(prefix=f".half-{kind}-", dir=cache))
                make(half)
                half.chmod(0o755)
                half.rename(done)
                _remove_old(cache, kind)
    os.utime(done)
    return done


def _remove_unfinished(cache: Path, kind: str) -> None:
    """What a crashed build has left: whoever holds the lock is the only one to build."""
    for half in cache.glob(f".half-{kind}-*"):
        shutil.rmtree(half)


def newest(kind: str) -> Path | None:
    """The entry of a kind that was used last."""
    entries = _entries(cache_dir(), kind)
    return entries[-1] if entries else None


def _entries(cache: Path, kind: str) -> list[Path]:
    return sorted(cache.glob(f"{kind}-*"), key=lambda path: path.stat().st_mtime)


def _remove_old(cache: Path, kind: str) -> None:
    for path in _entries(cache, kind)[:-KEEP]:
        shutil.rmtree(path, ignore_errors=True)
