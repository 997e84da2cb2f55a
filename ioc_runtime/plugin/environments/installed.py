"""What the running interpreter has: the packages that an environment comes on top of."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import machinery, metadata
from pathlib import Path

from ioc_runtime.requirement import normal


@dataclass(frozen=True)
class Installed:
    """One package of the image."""

    name: str
    """As it is compared."""
    version: str
    requires: tuple[str, ...] = ()
    """Names, of those that are needed without an extra."""
    metadata: str = ""


def places() -> list[str]:
    """Directories that packages are installed in: those of sys.path.

    setuptools adds one of its own once it is imported, with packages that are nobody else's.
    """
    own = os.path.join("setuptools", "_vendor")
    return [place for place in sys.path if not place.endswith(own)]


def identity(path: Iterable[str] | None = None) -> str:
    """Of all installed packages: sha256 over the names of their metadata directories.

    Reads no metadata, so that a hit stays cheap.
    """
    found = set()
    for place in places() if path is None else path:
        try:
            with os.scandir(place or ".") as entries:
                found |= {e.name for e in entries if e.name.endswith((".dist-info", ".egg-info"))}
        except OSError:  # no directory: a zip archive, or not there
            continue
    return hashlib.sha256("\n".join(sorted(found)).encode()).hexdigest()


def interpreter() -> str:
    """What compiled code depends on: Python, its ABI, the platform, the C library."""
    try:
        library = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError):  # musl does not say
        library = "?"
    version = ".".join(map(str, sys.version_info[:2]))
    machine = os.uname()
    suffix = machinery.EXTENSION_SUFFIXES[0]
    return " ".join((sys.implementation.name, version, suffix, machine.machine, library))


def installed() -> dict[str, Installed]:
    """By normalized name; of two with one name the one that is imported."""
    found: dict[str, Installed] = {}
    for distribution in metadata.distributions(path=places()):
        name = distribution.metadata["Name"]
        if name and normal(name) not in found:
            text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
            needs = tuple(
                normal(match[0])
                for line in distribution.requires or ()
                if "extra" not in line.partition(";")[2]
                and (match := re.match(r"[A-Za-z0-9._-]+", line))
            )
            found[normal(name)] = Installed(normal(name), distribution.version, needs, text)
    return found


def who_needs(name: str, packages: Mapping[str, Installed]) -> str:
    """`, which p4p and softioc need`, or nothing."""
    users = sorted(other.name for other in packages.values() if name in other.requires)[:4]
    if not users:
        return ""
    if len(users) == 1:
        return f", which {users[0]} needs"
    return f", which {', '.join(users[:-1])} and {users[-1]} need"


def write_constraints(packages: Mapping[str, Installed], file: Path) -> None:
    """Every installed package at its version, as a constraints file."""
    lines = [f"{p.name}=={p.version}\n" for p in packages.values()]
    file.write_text("".join(sorted(lines)))


def write_stand_ins(packages: Mapping[str, Installed], directory: Path) -> None:
    """A wheel without content for each installed package: its metadata, nothing else.

    For a resolver that does not see all that the interpreter sees. None of them is ever
    installed: what is installed already is never asked for.
    """
    directory.mkdir()
    for package in packages.values():
        stem = f"{package.name.replace('-', '_')}-{package.version}"
        text = package.metadata or f"Name: {package.name}\nVersion: {package.version}\n"
        if not text.startswith("Metadata-Version"):
            text = f"Metadata-Version: 2.1\n{text}"
        wheel = (
            "Wheel-Version: 1.0\nGenerator: ioc-runtime\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        with zipfile.ZipFile(directory / f"{stem}-py3-none-any.whl", "w") as archive:
            archive.writestr(f"{stem}.dist-info/METADATA", text)
            archive.writestr(f"{stem}.dist-info/WHEEL", wheel)
            archive.writestr(f"{stem}.dist-info/RECORD", "")
