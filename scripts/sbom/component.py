"""One thing that something else consists of."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True)
class Component:
    """A package, or the file of a release that consists of packages."""

    name: str
    version: str
    purl: str
    """Package URL: the name by which advisories know it."""
    licence: str | None = None
    """SPDX expression; None where it does not say so in such words."""
    requires: tuple[str, ...] = ()
    """purls of other components of the same document."""


def pypi(name: str, version: str) -> str:
    """The purl of a Python package."""
    return f"pkg:pypi/{name}@{quote(version, safe='')}"


def deb(name: str, version: str, architecture: str, distribution: str) -> str:
    """The purl of a Debian package."""
    where = f"arch={architecture}&distro={quote(distribution, safe='')}"
    return f"pkg:deb/debian/{quote(name, safe='')}@{quote(version, safe='')}?{where}"
