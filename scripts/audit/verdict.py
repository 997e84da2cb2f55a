"""What an answer of pip-audit means: it calls what it could not ask about no vulnerability."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
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


def verdict(
    answer: Mapping[str, Any],
    asked: Mapping[str, str],
    service: str,
    accepted: Mapping[str, str] = MappingProxyType({}),
) -> Verdict:
    """Judge pip-audit's JSON about packages (name -> version).

    `accepted` has the advisories that do not concern us, with the reasons.
    """
    entries = {each["name"]: each for each in answer["dependencies"]}
    answered = {name for name, each in entries.items() if "vulns" in each}
    missing = sorted({*asked} - answered)
    if len(missing) == len(asked):
        return Verdict(UNKNOWN, (nothing_known(service, "it knows none of the packages"),))
    code, said = FINE, []
    for name in sorted(answered & {*asked}):
        for advisory in entries[name]["vulns"]:
            reasons = [accepted[each] for each in _names(advisory) if each in accepted]
            code = code if reasons else FOUND
            told = _sentence(name, asked[name], advisory)
            said.append(f"{told}; accepted: {reasons[0]}" if reasons else told)
    if missing:
        code = code or UNKNOWN
        names = ", ".join(missing)
        said.append(f"{service} says nothing about {len(missing)} of {len(asked)}: {names}")
    if code == FINE:
        but = "nothing" if not said else "nothing else"
        said.append(f"{service} knows of {but} against {len(asked)} packages")
    return Verdict(code, tuple(said))


def nothing_known(service: str, why: str) -> str:
    """What is said when a service cannot be asked."""
    return f"nothing was checked, {service} cannot be asked from here: {why}"


def _sentence(name: str, version: str, advisory: Mapping[str, Any]) -> str:
    fixed = ", ".join(advisory.get("fix_versions") or ()) or "no version"
    return f"{name} {version}: {', '.join(_names(advisory))}; mended in {fixed}"


def _names(advisory: Mapping[str, Any]) -> list[str]:
    return [advisory["id"], *advisory.get("aliases", ())]
