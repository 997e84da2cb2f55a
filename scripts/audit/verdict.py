"""What an answer of pip-audit means: it calls what it could not ask about no vulnerability."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

FINE: Final = 0
FOUND: Final = 1
USAGE: Final = 2
UNKNOWN: Final = 3
"""Nobody could be asked, or not about all packages. Never the same as FINE."""


@dataclass(frozen=True)
class Verdict:
    """What is to be told, and the exit code that tells it to a script."""

    code: int
    """FINE, FOUND or UNKNOWN."""
    sentences: tuple[str, ...]


def verdict(answer: Mapping[str, Any], asked: Mapping[str, str], service: str) -> Verdict:
    """Judge pip-audit's JSON about packages (name -> version)."""
    entries = {each["name"]: each for each in answer["dependencies"]}
    answered = {name for name, each in entries.items() if "vulns" in each}
    bad = [
        _sentence(name, asked[name], advisory)
        for name in sorted(answered & {*asked})
        for advisory in entries[name]["vulns"]
    ]
    missing = sorted({*asked} - answered)
    if len(missing) == len(asked):
        return Verdict(UNKNOWN, (nothing_known(service, "it knows none of the packages"),))
    if missing:
        names = ", ".join(missing)
        bad.append(f"{service} says nothing about {len(missing)} of {len(asked)}: {names}")
    if len(bad) > bool(missing):
        return Verdict(FOUND, tuple(bad))
    if missing:
        return Verdict(UNKNOWN, tuple(bad))
    return Verdict(FINE, (f"{service} knows of nothing against {len(asked)} packages",))


def nothing_known(service: str, why: str) -> str:
    """What is said when a service cannot be asked."""
    return f"nothing was checked, {service} cannot be asked from here: {why}"


def _sentence(name: str, version: str, advisory: Mapping[str, Any]) -> str:
    fixed = ", ".join(advisory.get("fix_versions") or ()) or "no version"
    names = ", ".join([advisory["id"], *advisory.get("aliases", ())])
    return f"{name} {version}: {names}; mended in {fixed}"
