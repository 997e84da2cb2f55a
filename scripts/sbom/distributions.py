"""Python packages as components, from their metadata."""

from __future__ import annotations

from collections.abc import Iterable
from email.message import Message

from packaging.requirements import Requirement

from scripts.licences.statement import Unknown, normal, statement
from scripts.locks import OLDEST

from .component import Component, pypi


def components(metadata: Iterable[Message]) -> list[Component]:
    """One component for each package, with what it requires of the others.

    A package may be there twice, once inside another; the last one is what others require.
    """
    every = list(metadata)
    purls = {normal(each["Name"]): _purl(each) for each in every}
    found = {
        _purl(each): Component(
            normal(each["Name"]),
            each["Version"],
            _purl(each),
            _licence(each),
            _requires(each, purls),
        )
        for each in every
    }
    return list(found.values())


def required(lines: Iterable[str], extra: str = "") -> set[str]:
    """The packages that lines of Requires-Dist ask for, with one extra."""
    found = set()
    for line in lines:
        wanted = Requirement(line)
        if wanted.marker is None or wanted.marker.evaluate(OLDEST | {"extra": extra}):
            found.add(normal(wanted.name))
    return found


def _purl(metadata: Message) -> str:
    return pypi(normal(metadata["Name"]), metadata["Version"])


def _requires(metadata: Message, purls: dict[str, str]) -> tuple[str, ...]:
    lines = metadata.get_all("Requires-Dist") or []
    return tuple(sorted(purls[name] for name in required(lines) if name in purls))


def _licence(metadata: Message) -> str | None:
    try:
        return statement(metadata)[0]
    except Unknown:
        return None
