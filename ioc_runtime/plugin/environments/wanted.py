"""What an environment shall hold, where each requirement stands, and the key of it all."""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ioc_runtime.plugin.environments.failure import EnvironmentFailed
from ioc_runtime.plugin.environments.installed import identity, interpreter
from ioc_runtime.requirement import BadRequirement, Requirement, parse

LAYOUT: Final = "1"
"""Of an environment's directory; another number makes all keys others."""
MOST_BYTES: Final = 256 * 1024
MOST_LINES: Final = 1000
MOST_FILES: Final = 20
PROVIDED: Final = frozenset({"iocmng"})
"""What a plugin finds here without it: the names of `import iocmng` are the runtime's own."""
_HASH: Final = re.compile(r"\s--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True)
class Wanted:
    """An environment, as it is asked for."""

    requirements: tuple[str, ...]
    """`spec.plugin.requirements` of the manifest."""
    files: tuple[Path, ...] = ()
    """requirements.txt or pyproject.toml of the plugin, if asked."""
    commit: str = ""
    """Of the plugin's source; nothing for local files."""
    image: str = ""
    """Identity of the base; the image's installed packages if not given."""
    root: Path | None = None
    """The plugin's directory, which `-r` may not leave; by default that of the file."""


@dataclass(frozen=True)
class Asked:
    """One requirement and where it stands."""

    requirement: Requirement
    where: str
    """`spec.plugin.requirements[0]`, or `requirements.txt line 3`."""
    hashes: tuple[str, ...] = ()
    """sha256 of the files that may be taken; none: any."""


def asked(wanted: Wanted) -> tuple[Asked, ...]:
    """Every requirement of the manifest and of the files.

    :raises EnvironmentFailed: BadRequirement, for one that is not taken
    """
    found = [
        Asked(_parsed(text, f"spec.plugin.requirements[{i}]"), f"spec.plugin.requirements[{i}]")
        for i, text in enumerate(wanted.requirements)
    ]
    for file in wanted.files:
        root = (wanted.root or file.parent).resolve()
        reader = _pyproject if file.suffix == ".toml" else _requirements
        found += reader(file, root, [])
    return tuple(found)


def key(wanted: Wanted, every: tuple[Asked, ...]) -> str:
    """Of the environment: equal keys mean that one environment serves both."""
    lines = sorted(f"{item.requirement} {' '.join(item.hashes)}".strip() for item in every)
    parts = (LAYOUT, wanted.commit, *sorted(set(lines)), interpreter(), wanted.image or identity())
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{len(part)}:{part}\n".encode())
    return digest.hexdigest()


def _parsed(text: str, where: str) -> Requirement:
    try:
        return parse(text)
    except BadRequirement as error:
        raise EnvironmentFailed(
            "BadRequirement", f"{where}: {_shown(text)}: expected {error}"
        ) from None


def _requirements(file: Path, root: Path, seen: list[Path]) -> Iterator[Asked]:
    """Of a requirements.txt and the files it includes."""
    text, name = _read(file, root)
    seen.append(file.resolve())
    if len(seen) > MOST_FILES:
        raise _bad(name, f"expected at most {MOST_FILES} files that include each other")
    for number, line in _lines(text, name):
        where = f"{name} line {number}"
        include = re.fullmatch(r"(?:-r|--requirement)[ =]*(\S.*)", line)
        if include:
            other = file.parent / include[1]
            if other.resolve() not in seen:
                yield from _requirements(other, root, seen)
            continue
        bare = _HASH.sub("", line)
        yield Asked(_parsed(bare, where), where, tuple(sorted(_HASH.findall(line))))


def _lines(text: str, name: str) -> Iterator[tuple[int, str]]:
    """Number and text of each line that says something; continued lines are one."""
    held, start = "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        if number > MOST_LINES:
            raise _bad(name, f"expected at most {MOST_LINES} lines")
        line = re.sub(r"(^|\s)#.*$", "", raw).rstrip()
        start = start or number
        if line.endswith("\\"):
            held += line[:-1] + " "
            continue
        whole, at = (held + line).strip(), start
        held, start = "", 0
        if whole:
            yield at, whole
    if held.strip():
        yield start, held.strip()


def _pyproject(file: Path, root: Path, _seen: list[Path]) -> Iterator[Asked]:
    """`project.dependencies` of a pyproject.toml."""
    text, name = _read(file, root)
    try:
        project = tomllib.loads(text).get("project", {})
    except tomllib.TOMLDecodeError as error:
        raise _bad(name, f"is no TOML: {error}") from None
    if not isinstance(project, dict) or "dependencies" in project.get("dynamic", ()):
        raise _bad(name, "expected a list project.dependencies, not a dynamic one")
    dependencies = project.get("dependencies", [])
    if not isinstance(dependencies, list) or len(dependencies) > MOST_LINES:
        raise _bad(name, "expected a list of requirements in project.dependencies")
    for i, line in enumerate(dependencies):
        where = f"{name} project.dependencies[{i}]"
        if not isinstance(line, str):
            raise _bad(where, "expected a text")
        yield Asked(_parsed(line, where), where)


def _read(file: Path, root: Path) -> tuple[str, str]:
    """Its text, and its name from the plugin's directory."""
    place = file.resolve()
    if not place.is_relative_to(root):
        raise _bad(
            os.path.relpath(file, root), "expected a file of the plugin, this one is outside"
        )
    name = str(place.relative_to(root))
    if place.exists() and not place.is_file():
        raise _bad(name, "expected a file")
    try:
        with place.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
        text = data.decode()
    except (OSError, UnicodeDecodeError) as error:
        why = "is no UTF-8 text" if isinstance(error, ValueError) else f"{error.strerror}"
        raise _bad(name, f"cannot be read: {why}") from None
    if len(data) > MOST_BYTES:
        raise _bad(name, f"expected at most {MOST_BYTES} bytes")
    return text, name


def _bad(name: str, what: str) -> EnvironmentFailed:
    return EnvironmentFailed("BadRequirement", f"{name}: {what}")


def _shown(text: str) -> str:
    """Without what may be a password."""
    return repr(re.sub(r"//[^/@\s]*@", "//***@", text.strip())[:200])
