"""docs/licences.md: one row for each pinned package."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from scripts import locks

from .allowed import SHIPPED, TOOLS, NotSpdx, met
from .statement import Statement

HEAD: Final = """\
# Licences of the packages we depend on

Made by `make licences` from what the pinned packages say of themselves; not to be edited.
A package whose licence is not known or not accepted fails the tests
(scripts/licences/allowed.py has the list and the reasons). The Debian packages in the
images are listed in the images' SBOMs; their licences are in the images, in
`/usr/share/doc/*/copyright`.

`runtime` is what `pip install ioc-operator` brings, `operator`, `plugins`, `devices` and
`test` are its extras. Packages of `dev`, `docs`, `uv` and `audit` alone are tools that build
and test: nobody gets them from us. numpy's wheels bring libgfortran and libquadmath along,
under the GPL with the exception for runtime libraries and the LGPL.

| package | version | licence | stated in | for |
|---|---|---|---|---|
"""
ROW: Final = r"^\| ([a-z0-9][a-z0-9._-]*) \| (\S+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$"


@dataclass(frozen=True)
class Row:
    """What the page says of one package."""

    version: str
    licence: str
    where: str
    """Where the package says so."""
    files: tuple[str, ...]
    """The requirements files that install it."""


def wanted() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Package -> version and files, of all requirements files but that of the benchmarks' peer.

    :raises ValueError: when two files pin different versions.
    """
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    for file in locks.names():
        for package, version in locks.pins(file).items():
            known, files = found.get(package, (version, ()))
            if known != version:
                raise ValueError(f"{package} is {known} in {files} and {version} in {file}")
            found[package] = version, (*files, file)
    return found


def page(stated: Mapping[str, Statement]) -> str:
    """The text of docs/licences.md; `stated` holds every package of `wanted()`."""
    lines = []
    for package, (version, files) in sorted(wanted().items()):
        licence, where = stated[package]
        row = (package, version, licence, where, ", ".join(files))
        lines.append(f"| {' | '.join(row)} |\n")
    return HEAD + "".join(lines)


def rows(text: str) -> dict[str, Row]:
    """Package -> row, of a docs/licences.md."""
    found = re.findall(ROW, text, re.MULTILINE)
    return {
        package: Row(version, licence, where, tuple(files.split(", ")))
        for package, version, licence, where, files in found
        if version != "version"
    }


def complaints(text: str) -> list[str]:
    """What is wrong with a docs/licences.md, each as a sentence; empty when nothing is."""
    found = []
    known = rows(text)
    for package, (version, files) in sorted(wanted().items()):
        row = known.pop(package, None)
        if row is None or (row.version, row.files) != (version, files):
            found.append(f"{package} {version} is not in docs/licences.md: run `make licences`")
        else:
            found += unsuitable(package, row.licence, shipped=bool({*files} & {*locks.SHIPPED}))
    return found + [f"{package} is no longer pinned: run `make licences`" for package in known]


def unsuitable(package: str, licence: str, *, shipped: bool) -> list[str]:
    """Why a licence will not do, as a sentence."""
    try:
        fine = met(licence, SHIPPED if shipped else TOOLS)
    except NotSpdx:
        return [f"the licence of {package}, {licence!r}, is no SPDX expression"]
    whom = "for what users get" if shipped else "even for tools"
    return [] if fine else [f"the licence of {package}, {licence}, is not accepted {whom}"]
