"""Which licences we accept, and whether an SPDX expression can be met with those."""

from __future__ import annotations

import re
from typing import Final

SHIPPED: Final = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "CC0-1.0",
        "EPICS",
        "ISC",
        "MIT",
        "MIT-0",
        "MPL-2.0",
        "PSF-2.0",
        "Unlicense",
        "Zlib",
    }
)
"""For what our users install or find in an image.

They ask for a notice at most. The MPL asks more, of changed files of its own alone, and we
change none. The GPL, LGPL and AGPL, and all that limits who may use it for what, are not here.
"""

TOOLS: Final = SHIPPED | {
    "LGPL-2.1-or-later",
    "LGPL-3.0-or-later",
    "LicenseRef-Public-Domain",
}
"""For what only builds and tests: nobody gets it from us."""


class NotSpdx(ValueError):
    """An expression that cannot be read."""


def met(expression: str, accepted: frozenset[str]) -> bool:
    """Whether the accepted licences are enough for an SPDX expression.

    `A OR B` is our choice, `A AND B` asks for both, `A WITH exception` is a licence by itself.

    :raises NotSpdx: with the expression.
    """
    words = re.findall(r"[()]|[^\s()]+", expression)
    fine, rest = _any(words, accepted, expression)
    if rest:
        raise NotSpdx(expression)
    return fine


def _any(words: list[str], accepted: frozenset[str], whole: str) -> tuple[bool, list[str]]:
    fine, rest = _all(words, accepted, whole)
    while rest[:1] == ["OR"]:
        other, rest = _all(rest[1:], accepted, whole)
        fine = fine or other
    return fine, rest


def _all(words: list[str], accepted: frozenset[str], whole: str) -> tuple[bool, list[str]]:
    fine, rest = _one(words, accepted, whole)
    while rest[:1] == ["AND"]:
        other, rest = _one(rest[1:], accepted, whole)
        fine = fine and other
    return fine, rest


def _one(words: list[str], accepted: frozenset[str], whole: str) -> tuple[bool, list[str]]:
    if words[:1] == ["("]:
        fine, rest = _any(words[1:], accepted, whole)
        if rest[:1] != [")"]:
            raise NotSpdx(whole)
        return fine, rest[1:]
    if not words or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+-]*", words[0]):
        raise NotSpdx(whole)
    if words[0] in ("AND", "OR", "WITH"):
        raise NotSpdx(whole)
    name, rest = words[0], words[1:]
    if rest[:1] == ["WITH"] and len(rest) > 1:
        name, rest = f"{name} WITH {rest[1]}", rest[2:]
    return name in accepted, rest
