"""Files of plugins that were fetched once, by address, commit and path.

    CACHE/sources/<entry>/files/    the plugin's files
    CACHE/sources/<entry>/source.json

An entry is made beside its place and renamed when it is whole, so whoever sees one may
use it. Each start copies what it needs into a place of its own: an entry may be removed at
any time. A cache that cannot be written to is used all the same, for what it has.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from ioc_runtime.fetch.failure import DISK_FULL, FETCH_FAILED, FetchFailed
from ioc_runtime.fetch.limits import bytes_below
from ioc_runtime.fetch.wanted import read_said, write_said

MOST_ENTRIES: Final = 200
MOST_BYTES: Final = 2 * 1024**3
DEBRIS_AGE: Final = 3600.0
"""Seconds after which a half-made entry is nobody's any more."""

FILES: Final = "files"
SAID: Final = "source.json"
HALF: Final = ".half-"

Make = Callable[[Path], dict[str, Any]]
"""Makes the files in a new directory, and says where they come from."""


class Sources:
    """The sources of a cache directory; None: nothing is kept."""

    def __init__(self, cache: Path | None) -> None:
        self._root = cache / "sources" if cache is not None else None

    def find(self, entry: str) -> Path | None:
        """The files of an entry, if it is there; it counts as used now."""
        if self._root is None:
            return None
        place = self._root / entry
        if not (place / FILES).is_dir() or read_said(place / SAID) is None:
            return None
        try:
            os.utime(place)
        except OSError:  # a cache that is read only
            pass
        return place / FILES

    def keep(self, entry: str, files: Path, said: dict[str, Any]) -> str:
        """Copy files into the cache; what stood in the way, or "". Never an error."""
        if self._root is None or self.find(entry) is not None:
            return ""
        half = None
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            half = Path(tempfile.mkdtemp(prefix=HALF, dir=self._root))
            half.chmod(0o755)
            shutil.copytree(files, half / FILES, symlinks=True)
            write_said(half / SAID, said)
            half.rename(self._root / entry)
        except OSError as error:
            if half is not None:
                shutil.rmtree(half, ignore_errors=True)
            if self.find(entry) is not None:  # somebody else was faster
                return ""
            return f"the cache cannot be written: {error.strerror}"
        self._tidy(entry)
        return ""

    def _tidy(self, newest: str) -> None:
        """Remove what was not used for longest, and what somebody has left half-made."""
        assert self._root is not None  # noqa: S101
        entries: list[tuple[float, Path]] = []
        for place in self._root.iterdir():
            try:
                used = place.stat().st_mtime
            except OSError:
                continue
            if not place.name.startswith(HALF):
                entries.append((used, place))
            elif time.time() - used > DEBRIS_AGE:
                shutil.rmtree(place, ignore_errors=True)
        room, number = MOST_BYTES, 0
        for _, place in sorted(entries, reverse=True):
            number += 1
            room -= bytes_below(place)
            if place.name != newest and (number > MOST_ENTRIES or room < 0):
                shutil.rmtree(place, ignore_errors=True)


def exchange(files: Path, place: Path) -> None:
    """Put a directory of files in the place of another; a start sees either of them.

    :raises FetchFailed: the disk does not take it
    """
    old = place.with_name(f".old-{os.getpid()}")
    try:
        if place.exists():
            place.rename(old)
        files.rename(place)
    except OSError as error:
        raise storage_failed(error) from None
    shutil.rmtree(old, ignore_errors=True)


def storage_failed(error: OSError) -> FetchFailed:
    """A disk that does not do what is asked of it."""
    reason = DISK_FULL if error.errno in (28, 122) else FETCH_FAILED
    place = f" ({error.filename})" if error.filename else ""
    return FetchFailed(reason, f"the files cannot be written: {error.strerror}{place}")
