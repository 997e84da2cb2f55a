"""What the definitions of the last release took has to be taken on, or the changelog says so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import yaml
from packaging.version import Version

from scripts.crds.compatible import lost

from .commit import CHANGELOG, git, name_of_section, section
from .failure import ReleaseError

SHOWN: Final = 5
"""Losses that a refusal names."""


def broken(root: Path, version: str) -> str | None:
    """Why a version may not follow the last one that has a tag, as a sentence; None if it may."""
    last = _last_tag(root, version)
    if last is None:
        return None
    gone = [
        f"{name}: {sentence}"
        for name, old in _definitions(root, last).items()
        for sentence in _lost(root / "crds" / name, old)
    ]
    if not gone:
        return None
    more = f", and {len(gone) - SHOWN} more" if len(gone) > SHOWN else ""
    said = f"since {last} users lose {'; '.join(gone[:SHOWN])}{more}"
    new, old = Version(version), Version(last.removeprefix("v"))
    if new.release[:2] == old.release[:2]:
        return f"{said}: not in a patch release (docs/versions.md)"
    text = section((root / CHANGELOG).read_text(), name_of_section(new)) or ""
    if not re.search(r"^### (Changed|Removed)$", text, re.MULTILINE):
        return f"{said}: {CHANGELOG} says nothing about it under Changed or Removed"
    return None


def _last_tag(root: Path, version: str) -> str | None:
    words = ("describe", "--tags", "--abbrev=0", "--match", "v[0-9]*", "--exclude", f"v{version}")
    try:
        return git(root, *words).decode().strip()
    except ReleaseError:  # there is none
        return None


def _definitions(root: Path, tag: str) -> dict[str, dict[str, Any]]:
    """File name -> definition, as they were."""
    names = git(root, "ls-tree", "--name-only", tag, "crds/").decode().split()
    texts = {Path(name).name: git(root, "show", f"{tag}:{name}") for name in names}
    return {name: yaml.safe_load(text) for name, text in texts.items()}


def _lost(path: Path, old: dict[str, Any]) -> list[str]:
    if not path.exists():
        return ["the kind is gone"]
    return lost(old, yaml.safe_load(path.read_text()))
