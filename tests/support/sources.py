"""Copies of the checkout as a release sees it: the files under version control, and no others."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from unit.test_house import ROOT, files


def copy_sources(target: Path) -> Path:
    """Copy every file that is, or is about to be, under version control."""
    for path in files():
        copy = target / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)
    return target


def commit_all(repository: Path, message: str = "All of it") -> None:
    """Commit everything below a directory; the first time makes the repository."""
    who = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")
    if not (repository / ".git").exists():
        git(repository, "init", "--quiet")
    git(repository, "add", "--all")
    git(repository, *who, "commit", "--quiet", "--no-verify", "--message", message)


def git(repository: Path, *words: str) -> str:
    """Run git with nobody's settings."""
    env = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(
        ["git", *words], cwd=repository, env=env, check=True, capture_output=True, text=True
    )
    return done.stdout
