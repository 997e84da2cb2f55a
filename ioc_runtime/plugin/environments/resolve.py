"""Which packages are missing: resolved with those of the image held as they are.

Both tools get the installed versions as constraints. pip sees all packages that its
interpreter sees, and takes them as they are. uv sees the interpreter's own site-packages
at most, so it gets a stand-in for each installed package (decision 17).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from ioc_runtime.plugin.environments.conflict import conflict
from ioc_runtime.plugin.environments.failure import (
    EnvironmentFailed,
    index_said,
    last_useful_line,
    reason_of,
)
from ioc_runtime.plugin.environments.installed import (
    Installed,
    write_constraints,
    write_stand_ins,
)
from ioc_runtime.plugin.environments.tool import Tool
from ioc_runtime.plugin.environments.wanted import Asked
from ioc_runtime.requirement import normal

_PIN: Final = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?(==(\S+)| @ (\S+))")
_SHA: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True)
class Package:
    """One package to install."""

    name: str
    version: str
    hashes: tuple[str, ...]
    """sha256 of each file of which one is taken."""
    url: str = ""
    """Of a requirement that has one."""

    @property
    def line(self) -> str:
        """As in a requirements file."""
        what = f"{self.name} @ {self.url}" if self.url else f"{self.name}=={self.version}"
        return " \\\n    ".join([what, *(f"--hash=sha256:{value}" for value in self.hashes)])


class RunTool(Protocol):
    """Runs the tool with these arguments in the scratch directory: exit code and output."""

    def __call__(self, *arguments: str) -> tuple[int, str]: ...


def resolve(
    tool: Tool,
    run: RunTool,
    scratch: Path,
    every: Sequence[Asked],
    packages: Mapping[str, Installed],
) -> list[Package]:
    """The missing packages, with hashes.

    :raises EnvironmentFailed: with what cannot be had, or not together
    """
    wanted, constraints = scratch / "wanted.txt", scratch / "installed.txt"
    wanted.write_text("".join(f"{item.requirement}\n" for item in every))
    write_constraints(packages, constraints)
    common = ("--constraint", str(constraints))
    if tool.kind == "pip":
        found = _by_pip(run, scratch, ("--requirement", str(wanted), *common), every, packages)
    else:
        write_stand_ins(packages, scratch / "stand-ins")
        arguments = (str(wanted), *common, "--find-links", str(scratch / "stand-ins"))
        found = _by_uv(run, scratch, arguments, every, packages)
    missing = [package for package in found if package.name not in packages]
    return [_narrowed(package, every) for package in sorted(missing, key=lambda p: p.name)]


def _by_pip(
    run: RunTool,
    scratch: Path,
    arguments: Sequence[str],
    every: Sequence[Asked],
    packages: Mapping[str, Installed],
) -> list[Package]:
    report = scratch / "report.json"
    code, output = run("install", "--dry-run", "--report", str(report), *arguments)
    if code and reason_of(output) == "RequirementNotFound":
        # Only then, and only if asked, does pip say that an index refused or did not answer.
        _, more = run("install", "-vv", "--dry-run", *arguments)
        lines = [x for x in more.splitlines() if "Could not fetch URL" in x and " 404 " not in x]
        output += "\n".join(lines)
    if code:
        raise _failed(output, every, packages)
    return [_reported(entry) for entry in json.loads(report.read_text())["install"]]


def _reported(entry: Mapping[str, Any]) -> Package:
    source = entry["download_info"]
    archive = source.get("archive_info") or {}
    value = (archive.get("hashes") or {}).get("sha256", "")
    value = value or archive.get("hash", "").removeprefix("sha256=")
    name = normal(entry["metadata"]["name"])
    url = source["url"] if entry.get("is_direct") else ""
    return Package(name, entry["metadata"]["version"], (value,) if value else (), url)


def _by_uv(
    run: RunTool,
    scratch: Path,
    arguments: Sequence[str],
    every: Sequence[Asked],
    packages: Mapping[str, Installed],
) -> list[Package]:
    lock = scratch / "resolved.txt"
    options = ("--generate-hashes", "--no-header", "--no-annotate", "--output-file", str(lock))
    code, output = run("pip", "compile", *options, *arguments)
    if code:
        raise _failed(output, every, packages)
    found = []
    for block in re.split(r"\n(?=\S)", lock.read_text()):
        if pin := _PIN.match(block):
            hashes = tuple(_SHA.findall(block))
            found.append(Package(normal(pin[1]), pin[3] or "", hashes, pin[4] or ""))
    return found


def _narrowed(package: Package, every: Sequence[Asked]) -> Package:
    """Only the files that a requirement with hashes allows."""
    for item in every:
        if item.hashes and item.requirement.name == package.name:
            allowed = tuple(value for value in package.hashes if value in item.hashes)
            if not allowed:
                raise EnvironmentFailed(
                    "RequirementNotFound",
                    f"{item.where}: no file of {package.name} {package.version} has one of the "
                    "hashes that stand there",
                )
            return Package(package.name, package.version, allowed, package.url)
    return package


def _failed(
    output: str, every: Sequence[Asked], packages: Mapping[str, Installed]
) -> EnvironmentFailed:
    reason = reason_of(output)
    line = last_useful_line(output)
    if reason in ("RequirementConflict", "RequirementNotFound"):
        if found := conflict(output, line, every, packages):
            return EnvironmentFailed("RequirementConflict", found)
        where = _where(line, output, every)
        return EnvironmentFailed(reason, f"{where}{line}")
    if reason == "IndexUnreachable":
        return EnvironmentFailed(reason, index_said(output))
    words = "no space is left" if reason == "DiskFull" else "a package could not be prepared"
    return EnvironmentFailed(reason, f"{_where(line, output, every)}{words}: {line}")


def _where(line: str, output: str, every: Sequence[Asked]) -> str:
    """The requirement that the tool speaks of, if it is one of ours."""
    for text in (line, output):
        spoken = {normal(w.rstrip(".")) for w in re.findall(r"[A-Za-z0-9][A-Za-z0-9._-]*", text)}
        named = [item for item in every if item.requirement.name in spoken]
        if len(named) == 1:
            return f"{named[0].requirement} is asked for by {named[0].where}: "
    return ""
