"""What is to be fetched, as a plan says it, and what came of it, as plain data."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

COMMIT: Final = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
"""An object name, of SHA-1 or SHA-256."""


@dataclass(frozen=True)
class GitSource:
    """A directory in a Git repository."""

    url: str
    ref: str = "HEAD"
    path: str = ""
    submodules: bool = False
    pinned: bool = True
    """Whether a commit that was found once is kept, whatever becomes of the ref."""

    def entry(self, commit: str) -> str:
        """32 hexadecimal digits: what the files at this commit are kept under."""
        parts = [self.url, commit, self.path, self.submodules]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]

    def says(self, commit: str, note: str = "") -> dict[str, Any]:
        """For the status: where the files come from. Never a secret."""
        said: dict[str, Any] = {"url": self.url, "ref": self.ref, "commit": commit}
        if self.path:
            said["path"] = self.path
        if note:
            said["note"] = note
        return said

    def kept(self, said: object) -> str | None:
        """The commit in what was said earlier, if it was said of this address and ref."""
        if not isinstance(said, Mapping):
            return None
        commit = said.get("commit")
        same = said.get("url") == self.url and said.get("ref") == self.ref
        return commit if same and is_commit(commit) else None


def git_source(source: Mapping[str, Any], pinned: bool) -> GitSource:
    """The Git source in `Plugin.source` of a plan."""
    git = source["git"]
    return GitSource(
        url=git["url"],
        ref=git.get("ref") or "HEAD",
        path=str(git.get("path") or "").strip("/"),
        submodules=bool(git.get("submodules")),
        pinned=pinned,
    )


def is_commit(text: object) -> bool:
    """Whether it is the full name of a commit."""
    return isinstance(text, str) and COMMIT.fullmatch(text) is not None


def read_said(path: Path | None) -> Any:
    """JSON of a file; None where there is none, or none that can be read."""
    if path is None:
        return None
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def write_said(path: Path, said: Mapping[str, Any]) -> None:
    """Write JSON as a whole: nobody reads half of it, not even after a loss of power."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    with open(new, "w", encoding="utf-8") as stream:
        json.dump(said, stream, indent=1, sort_keys=True)
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(path)
