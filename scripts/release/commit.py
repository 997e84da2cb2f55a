"""The commit that is released: what it must say of itself, and its files alone."""

from __future__ import annotations

import io
import re
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.version import InvalidVersion, Version

from .failure import ReleaseError

VERSION_FILE: Final = "ioc_runtime/version.py"
CHANGELOG: Final = "CHANGELOG.md"
SHOWN: Final = 5
"""Changed files that a refusal names."""


@dataclass(frozen=True)
class Commit:
    """What is released."""

    id: str
    """40 hex digits."""
    time: int
    """When it was committed, in seconds since 1970: the time of every file of the release."""


def head(root: Path) -> Commit:
    """The commit that is checked out.

    :raises ReleaseError: when files differ from it, or there is no repository.
    """
    changed = git(root, "status", "--porcelain").decode().splitlines()
    if changed:
        names = ", ".join(line[3:] for line in changed[:SHOWN])
        more = ", ..." if len(changed) > SHOWN else ""
        raise ReleaseError(f"the checkout has changes that are not committed: {names}{more}")
    commit, time = git(root, "log", "-1", "--format=%H %ct").decode().split()
    return Commit(commit, int(time))


def export(root: Path, commit: Commit, target: Path) -> None:
    """Write the files of a commit to a directory: nothing that git ignores comes along.

    Directories can be read by anybody, whatever the umask: they get into images as they are.
    """
    content = git(root, "archive", "--format=tar", commit.id)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        archive.extractall(target, filter="data")
        for member in archive:
            mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            (target / member.name).chmod(mode)


def version_of(root: Path, wanted: str | None = None) -> str:
    """The version that a checkout says it has; `wanted` must be the same.

    :raises ReleaseError: when a file names another one, or the changelog has no section.
    """
    found = re.search(r'^__version__ = "(.+)"$', (root / VERSION_FILE).read_text(), re.MULTILINE)
    if not found:
        raise ReleaseError(f"{VERSION_FILE} has no line __version__ = ...")
    charts = {
        str(path.relative_to(root)): path.read_text() for path in root.glob("helm/*/Chart.yaml")
    }
    reasons = faults(found[1], wanted, charts, (root / CHANGELOG).read_text())
    if reasons:
        raise ReleaseError("; ".join(reasons))
    return found[1]


def faults(
    version: str, wanted: str | None, charts: Mapping[str, str], changelog: str
) -> list[str]:
    """Why a checkout is not ready to be released, each as a clause of a sentence."""
    try:
        parsed = Version(version)
    except InvalidVersion:
        return [f"{VERSION_FILE} says {version!r}, which is no version"]
    found = []
    if wanted is not None and wanted != version:
        found.append(f"VERSION={wanted} is asked for and {VERSION_FILE} says {version}")
    if str(parsed) != version:
        found.append(f"{VERSION_FILE} says {version}, which is written {parsed}")
    of_charts = {"version": semantic(parsed), "appVersion": version}
    for name, text in charts.items():
        for key, right in of_charts.items():
            line = re.search(rf'^{key}: "?([^"\n]*)"?$', text, re.MULTILINE)
            if (line and line[1]) != right:
                found.append(f"{key} in {name} is {line and line[1]}, not {right}")
    found += _faults_of_changelog(parsed, changelog)
    return found


def section(changelog: str, name: str) -> str | None:
    """What stands below a version's heading in a changelog, with the rest of the heading."""
    found = re.search(rf"^## \[{re.escape(name)}\](.*\n(?:(?!## ).*\n?)*)", changelog, re.M)
    return found and found[1]


def name_of_section(version: Version) -> str:
    """A development version is described by what is unreleased, any other by its own section."""
    return "Unreleased" if version.is_devrelease else str(version)


def semantic(version: Version) -> str:
    """The same version as Helm writes it: 0.2.0.dev0 is 0.2.0-dev, 0.2.0rc1 is 0.2.0-rc.1."""
    text = ".".join(str(part) for part in (*version.release, 0, 0)[:3])
    if version.pre:
        kind = {"a": "alpha", "b": "beta"}.get(version.pre[0], version.pre[0])
        text += f"-{kind}.{version.pre[1]}"
    if version.dev is not None:
        text += ("." if version.pre else "-") + "dev" + (f".{version.dev}" if version.dev else "")
    return text


def _faults_of_changelog(version: Version, changelog: str) -> list[str]:
    name = name_of_section(version)
    date = "" if version.is_devrelease else r" - \d{4}-\d\d-\d\d"
    found = section(changelog, name)
    if found is None:
        return [f"{CHANGELOG} has no section [{name}]"]
    head, _, body = found.partition("\n")
    if not re.fullmatch(date, head.rstrip()):
        return [f"the heading of [{name}] in {CHANGELOG} does not end with a date, ` - 2030-01-31`"]
    if not version.is_devrelease and not re.search(r"^- ", body, re.MULTILINE):
        return [f"the section [{name}] of {CHANGELOG} is empty"]
    return []


def git(root: Path, *arguments: str) -> bytes:
    """What git prints.

    :raises ReleaseError: with git's last line.
    """
    try:
        done = subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True)
    except FileNotFoundError:
        raise ReleaseError("there is no command git") from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines()
        raise ReleaseError(f"git {arguments[0]}: {said[-1] if said else 'failed'}") from None
    return done.stdout
