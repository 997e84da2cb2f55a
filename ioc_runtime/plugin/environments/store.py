"""The cache on disk: environments that are whole or not there, and who uses them.

```
CACHE/KEY/site/            the packages: what goes to the end of sys.path
CACHE/KEY/lock.json        what is in it, with the size of every file
CACHE/KEY/requirements.txt the same for people and for pip, with hashes
CACHE/KEY/in-use           held with a shared flock by whoever uses the environment
CACHE/.KEY.xxxxxxxx/       being built, or on its way out: nobody takes it for whole
CACHE/locks/KEY            held by who builds or removes it
CACHE/downloads/           what the tools keep for the next build
```

An environment appears by one rename of a directory that is complete and on the disk.
It goes only while nobody holds `in-use` and nobody has taken it for an hour. Several hosts
may share a cache whose file system has flock between them (local disks, NFS 4, CephFS).
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

from ioc_runtime.plugin.environments.turns import try_lock

GRACE: Final = 3600.0
"""Seconds after the last use in which an environment stays, whoever may hold it: the time
between an init container that has ended and the process that serves."""
_KEY_LETTERS: Final = 64


@dataclass(frozen=True)
class Limits:
    """How much a cache holds, and one environment of it."""

    number: int = 30
    size: int = 10 * 2**30
    """Bytes of all environments, and of the downloads beside them."""
    largest: int = 4 * 2**30
    """Bytes of one environment; a larger one is refused."""


@dataclass(frozen=True)
class Stored:
    """An environment in the cache."""

    key: str
    place: Path
    lock: dict[str, Any]
    used: float
    """Unix time of the last use."""

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return sum(self.lock["files"].values())


class Store:
    """A cache directory; it need not exist, and may be read-only for those who only find."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self.locks = self.directory / "locks"
        self.downloads = self.directory / "downloads"

    def find(self, key: str) -> Stored | None:
        """The environment if it is there and whole; it is marked as used now."""
        place = self.directory / key
        with suppress(OSError), _opened(place / "in-use", os.O_RDONLY) as used:
            fcntl.flock(used, fcntl.LOCK_SH)  # waits, if at all, for a rename
            if not _same(used, place / "in-use"):
                return None
            found = read(place)
            if found is not None and whole(found):
                with suppress(OSError):  # a read-only cache
                    os.utime(used)
                return found
        return None

    def every(self) -> list[Stored]:
        """All environments, the one that was used last first."""
        try:
            names = [name for name in os.listdir(self.directory) if _is_key(name)]
        except OSError:
            return []
        found = [stored for name in names if (stored := read(self.directory / name))]
        return sorted(found, key=lambda stored: stored.used, reverse=True)

    def in_use(self, key: str) -> bool:
        """Whether somebody holds it now."""
        with suppress(OSError), _opened(self.directory / key / "in-use", os.O_RDONLY) as used:
            return not _locked(used, fcntl.LOCK_EX)
        return False

    @contextmanager
    def new(self, key: str) -> Iterator[Path]:
        """A directory to build in, beside the place; gone at the end unless it was published."""
        place = Path(mkdtemp(prefix=f".{key}.", dir=self.directory))
        os.chmod(place, 0o755)  # other users read what comes of it
        try:
            yield place
        finally:
            remove(place)

    def publish(self, building: Path, key: str, lock: dict[str, Any]) -> Stored:
        """Make what was built the environment of the key; the key's lock is held."""
        site = building / "site"
        lock = lock | {"files": sizes(site)}
        (building / "in-use").touch()
        text = json.dumps(lock, indent=1, sort_keys=True)
        (building / "lock.json").write_text(text)
        flush(building)
        place = self.directory / key
        if place.exists():  # damaged, or find() would have had it
            aside = self._take_away(key)
            if not _held(aside):
                remove(aside)
        os.rename(building, place)
        _flush_one(self.directory)
        return Stored(key, place, lock, time.time())

    def remove_debris(self, key: str) -> None:
        """What builders of this key have left that did not live to the end; its lock is held."""
        with suppress(OSError):
            for name in os.listdir(self.directory):
                if name.startswith(f".{key}.") and not _held(self.directory / name):
                    remove(self.directory / name)

    def sweep(self, limits: Limits, keep: str = "") -> list[str]:
        """Remove what was not used for longest until the limits hold; the keys that went.

        Never what is in use, was used within the last hour, or is `keep`.
        """
        self._remove_old_debris()
        every, gone = self.every(), []
        size = sum(stored.size for stored in every)
        number = len(every)
        for stored in reversed(every):
            if number <= limits.number and size <= limits.size:
                break
            if stored.key != keep and self.discard(stored.key, GRACE):
                gone.append(stored.key)
                number, size = number - 1, size - stored.size
        self.forget_downloads(limits.size)
        return gone

    def discard(self, key: str, grace: float = 0.0) -> bool:
        """Remove an environment, unless it is in use, being built, or was used just now."""
        with try_lock(self.locks / key) as mine:
            place = self.directory / key
            if not mine or not place.exists():
                return False
            with suppress(OSError), _opened(place / "in-use", os.O_RDWR) as used:
                if not _locked(used, fcntl.LOCK_EX):
                    return False
                if time.time() - os.fstat(used).st_mtime < grace:
                    return False
                remove(self._take_away(key))
                return True
            remove(self._take_away(key))  # without the file it is none: find() never takes it
            return True

    def _take_away(self, key: str) -> Path:
        """Out of its place, by one rename; where it is now."""
        aside = Path(mkdtemp(prefix=f".{key}.", dir=self.directory))
        os.rename(self.directory / key, aside / "gone")
        return aside

    def _remove_old_debris(self) -> None:
        with suppress(OSError):
            names = {n[1 : 1 + _KEY_LETTERS] for n in os.listdir(self.directory) if n[0] == "."}
            for key in names:
                if _is_key(key):
                    with try_lock(self.locks / key) as mine:
                        if mine:
                            self.remove_debris(key)

    def forget_downloads(self, most: int = -1) -> None:
        """Remove all downloads when they are more than so many bytes, unless one goes on."""
        with suppress(OSError), self.downloading(fcntl.LOCK_EX) as mine:
            if mine and sum(sizes(self.downloads).values()) > most:
                remove(self.downloads)

    @contextmanager
    def downloading(self, kind: int = fcntl.LOCK_SH) -> Iterator[bool]:
        """While the tools' own caches are in use; they know how to share them."""
        with _opened(self.locks / "downloads", os.O_RDWR | os.O_CREAT) as handle:
            if kind == fcntl.LOCK_SH:
                fcntl.flock(handle, kind)
                yield True
            else:
                yield _locked(handle, kind)


def read(place: Path) -> Stored | None:
    """An environment as its lock file tells, whole or not."""
    try:
        lock = json.loads((place / "lock.json").read_text())
        used = (place / "in-use").stat().st_mtime
    except (OSError, ValueError):
        return None
    if not isinstance(lock, dict) or not isinstance(lock.get("files"), dict):
        return None
    return Stored(place.name, place, lock, used)


def whole(stored: Stored) -> bool:
    """Whether every file is there with its size. Other files do no harm."""
    there = sizes(stored.place / "site")
    return (stored.place / "site").is_dir() and stored.lock["files"].items() <= there.items()


def sizes(directory: Path) -> dict[str, int]:
    """Size of every file below, by its path."""
    found: dict[str, int] = {}
    todo = [""]
    while todo:
        folder = todo.pop()
        try:
            with os.scandir(os.path.join(directory, folder)) as entries:
                for entry in entries:
                    path = f"{folder}{entry.name}"
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(f"{path}/")
                    else:
                        found[path] = entry.stat(follow_symlinks=False).st_size
        except FileNotFoundError:  # removed meanwhile
            continue
    return found


def flush(directory: Path) -> None:
    """Everything below on the disk, so that no loss of power makes a half of it."""
    for folder, _, names in os.walk(directory, topdown=False):
        for name in names:
            if not os.path.islink(os.path.join(folder, name)):
                _flush_one(os.path.join(folder, name))
        _flush_one(folder)


def remove(directory: Path) -> None:
    """The directory and all in it, also while somebody still writes there for a moment."""
    for _ in range(20):
        shutil.rmtree(directory, ignore_errors=True)
        if not directory.exists():
            return
        time.sleep(0.05)


def _flush_one(path: Path | str) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _held(place: Path) -> bool:
    """Whether somebody uses an environment that was taken away."""
    for marker in (place / "in-use", place / "gone" / "in-use"):
        with suppress(OSError), _opened(marker, os.O_RDWR) as used:
            return not _locked(used, fcntl.LOCK_EX)
    return False


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    handle = os.open(path, flags, 0o666)
    try:
        yield handle
    finally:
        os.close(handle)


def _locked(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _same(handle: int, path: Path) -> bool:
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    mine = os.fstat(handle)
    return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)


def _is_key(name: str) -> bool:
    return len(name) == _KEY_LETTERS and all(letter in "0123456789abcdef" for letter in name)
