"""The files of a plugin: taken out of what was fetched, and none of them leads out of it."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path, PurePosixPath
from typing import Final

from ioc_runtime.fetch.failure import BAD_SOURCE, SOURCE_NOT_FOUND, TOO_LARGE, FetchFailed
from ioc_runtime.fetch.limits import MIB, Limits

LEFT_OUT: Final = frozenset({".git"})


def inside(root: Path, path: str) -> Path:
    """The directory `path` below `root`.

    :raises FetchFailed: there is none, or it is not below `root`
    """
    pure = PurePosixPath(path or ".")
    if pure.is_absolute() or ".." in pure.parts or "\0" in path:
        raise FetchFailed(BAD_SOURCE, f"plugin.git.path {path!r}: expected a path inside it")
    found = root.joinpath(*pure.parts)
    if not found.is_dir():
        what = "is a file" if found.exists() else "is not there"
        raise FetchFailed(SOURCE_NOT_FOUND, f"{path!r} {what}: expected a directory in it")
    if not found.resolve().is_relative_to(root.resolve()):
        raise FetchFailed(BAD_SOURCE, f"{path!r} is a link that leaves the repository")
    return found


def take(source: Path, target: Path, limits: Limits) -> None:
    """Copy the files below `source` into the new directory `target`.

    Links are kept where they stay inside `source`. Everything is readable by all and
    writable by the owner, whatever it was; nothing but files, directories and links is
    taken, no `.git`, and no file is executable.

    :raises FetchFailed: a link leads out of it, there is too much, or it is something else
    """
    _Taking(source, target, limits).run()


class _Taking:
    def __init__(self, source: Path, target: Path, limits: Limits) -> None:
        self._source, self._target, self._limits = source, target, limits
        self._root = source.resolve()
        self._bytes = self._files = 0

    def run(self) -> None:
        self._directory(self._source, self._target)

    def _directory(self, source: Path, target: Path) -> None:
        target.mkdir(mode=0o755)
        with os.scandir(source) as entries:
            for entry in sorted(entries, key=lambda each: each.name):
                if entry.name in LEFT_OUT:
                    continue
                self._count(entry)
                new = target / entry.name
                if entry.is_symlink():
                    self._link(Path(entry.path), new)
                elif entry.is_dir(follow_symlinks=False):
                    self._directory(Path(entry.path), new)
                elif entry.is_file(follow_symlinks=False):
                    shutil.copyfile(entry.path, new, follow_symlinks=False)
                    new.chmod(0o644)
                else:
                    raise FetchFailed(
                        BAD_SOURCE, f"{self._named(entry.path)} is no file, directory or link"
                    )

    def _count(self, entry: os.DirEntry[str]) -> None:
        found = entry.stat(follow_symlinks=False)
        self._files += 1
        if stat.S_ISREG(found.st_mode):
            self._bytes += found.st_size
        if self._files > self._limits.plugin_files:
            raise FetchFailed(
                TOO_LARGE,
                f"the plugin has more than {self._limits.plugin_files} files: "
                "name its directory in plugin.git.path",
            )
        if self._bytes > self._limits.plugin_bytes:
            raise FetchFailed(
                TOO_LARGE,
                f"the plugin has more than {self._limits.plugin_bytes // MIB} MiB: "
                "name its directory in plugin.git.path",
            )

    def _link(self, link: Path, new: Path) -> None:
        leads = os.readlink(link)
        try:
            end = link.resolve()
        except (OSError, RuntimeError):  # a ring of links
            raise FetchFailed(BAD_SOURCE, f"{self._named(link)} is a link to itself") from None
        if os.path.isabs(leads) or not end.is_relative_to(self._root) or ".git" in end.parts:
            raise FetchFailed(
                BAD_SOURCE,
                f"{self._named(link)} is a link to {leads[:80]!r}: expected one that stays "
                "inside the plugin's directory",
            )
        new.symlink_to(leads)

    def _named(self, path: str | Path) -> str:
        return str(Path(path).relative_to(self._source))
