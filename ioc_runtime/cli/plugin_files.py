"""The files of a plugin's directory: which of them hold something else than what runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Final

SUFFIXES: Final = frozenset({".py", ".yaml", ".yml", ".toml", ".ini", ".cfg"})
"""Code and configuration. Not data: a plugin that writes some would start itself anew for ever."""
MOST: Final = 2000
"""Files that are looked at; more than these are no plugin."""
LARGEST: Final = 2**20
"""Bytes of a file that are compared."""

Look = dict[Path, tuple[int, ...]]


class PluginFiles:
    """What the files below a directory held when the process was started."""

    def __init__(
        self, root: Path | None, besides: Path | None = None, requirements: str | None = None
    ) -> None:
        """
        :param root: None: there is no directory, and so never a change
        :param besides: a file that somebody else looks after: the manifest
        :param requirements: the file of `requirementsFrom`; the `.txt` files beside it, which
            it may include, count too
        """
        self._root, self._besides = root, besides and besides.resolve()
        self._lists = root and requirements and (root / requirements).parent
        self._held = self._holds(self.look())

    def look(self) -> Look:
        """What the system says of each file: equal as long as nobody saves anything."""
        found: Look = {}
        for path in self._paths():
            try:
                stat = path.stat()
            except OSError:
                continue  # an editor is about to put another one in its place
            found[path] = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        return found

    def changed(self, look: Look) -> list[str]:
        """Files that hold something else than what runs, relative to the directory."""
        now = self._holds(look)
        names = {path for path in {*self._held, *now} if self._held.get(path) != now.get(path)}
        return sorted(str(path.relative_to(self._root or "/")) for path in names)

    def taken(self, look: Look) -> None:
        """What is there now is what runs."""
        self._held = self._holds(look)

    def _paths(self) -> Iterator[Path]:
        if self._root is None:
            return
        count = 0
        for directory, folders, names in os.walk(self._root):
            folders[:] = sorted(name for name in folders if _belongs(Path(directory, name)))
            for name in sorted(names):
                path = Path(directory, name)
                listed = path.parent == self._lists and path.suffix == ".txt"
                if not (_is_read(name) or (listed and not _is_another(name))):
                    continue
                if not (self._besides and path.resolve() == self._besides):
                    count += 1
                    if count > MOST:
                        return
                    yield path

    def _holds(self, look: Look) -> dict[Path, bytes]:
        found = {}
        for path in look:
            try:
                with path.open("rb") as opened:
                    found[path] = blake2b(opened.read(LARGEST), digest_size=16).digest()
            except OSError:
                continue
        return found


def _is_read(name: str) -> bool:
    """Whether the loader, or the plugin, reads a file of this name; no editor's temporary one."""
    return not _is_another(name) and os.path.splitext(name)[1] in SUFFIXES


def _is_another(name: str) -> bool:
    """A test, or what an editor leaves."""
    return name.startswith((".", "#", "test_")) or name.endswith("~") or name == "conftest.py"


def _belongs(folder: Path) -> bool:
    """Whether a folder is the plugin's own; an environment or a cache is not."""
    if folder.name.startswith(".") or folder.name in ("__pycache__", "tests"):
        return False
    return not (folder / "pyvenv.cfg").exists()
