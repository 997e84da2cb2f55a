"""What is wrong with a manifest, in words for the person who wrote it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

Path = tuple[str | int, ...]
"""Where something stands in a document: keys of maps and indices of lists."""

MOST_PROBLEMS: Final = 50
"""Problems of one document that are kept: more help nobody."""
_SHOWN: Final = 60
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


class _Nothing:
    """There is no value to show: a field is missing."""

    def __repr__(self) -> str:
        return ""


NOTHING: Final = _Nothing()


@dataclass(frozen=True)
class Problem:
    """One mistake (or one warning): where, what stands there, what should."""

    path: str
    """As in `spec.rules[2].condition`; empty for the document itself."""
    value: Any
    """What was found; `NOTHING` where something is missing."""
    expected: str
    """A phrase that fits after "expected"."""
    nearest: str | None = None
    """The valid name most like the one found."""
    line: int | None = None
    """Line of the file, from 1."""
    file: str | None = None

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line) if part is not None)
        parts = [part for part in (place, self.path, show_value(self.value)) if part]
        hint = f" (did you mean {self.nearest}?)" if self.nearest else ""
        return ": ".join([*parts, f"expected {self.expected}{hint}"])

    def as_dict(self) -> dict[str, Any]:
        """For JSON output; what is not known is left out."""
        fields = {
            "file": self.file,
            "line": self.line,
            "path": self.path,
            "value": None if self.value is NOTHING else show_value(self.value),
            "expected": self.expected,
            "nearest": self.nearest,
        }
        return {key: value for key, value in fields.items() if value is not None}


class ManifestError(Exception):
    """A manifest cannot be used. Holds every problem found, in file order."""

    def __init__(self, problems: Sequence[Problem], warnings: Sequence[Problem] = ()) -> None:
        self.problems = tuple(problems)
        self.warnings = tuple(warnings)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def in_file_order(problems: Iterable[Problem]) -> list[Problem]:
    """Sorted by line; those without a line keep their order."""
    return sorted(problems, key=lambda problem: problem.line or 0)


def in_file(problem: Problem, file: str | None) -> Problem:
    """The same problem, said to be in that file."""
    return replace(problem, file=file)


def show_path(path: Path) -> str:
    """`("spec", "rules", 2)` as `spec.rules[2]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f"[{_cut(part)!r}]"
    return text


def show_value(value: Any) -> str:
    """A value as it would stand in a manifest, cut when long."""
    if value is NOTHING:
        return ""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        if _odd(value):
            value = value[: _SHOWN + 1].encode("unicode_escape").decode()
        return _cut(value) or "''"
    if isinstance(value, int):
        return _cut(str(value)) if value.bit_length() < 512 else "a very large number"
    if isinstance(value, Mapping):
        return "a map" if value else "an empty map"
    if isinstance(value, Sequence):
        return f"a list of {len(value)}"
    return _cut(repr(value))


def nearest(name: object, names: Iterable[str]) -> str | None:
    """The name most like this one, or None. Looks at no more than 2,000."""
    if not isinstance(name, str):
        return None
    known = list(names)[:2000]
    by_case = {candidate.lower(): candidate for candidate in known}
    same = by_case.get(name.lower())
    if same is not None:
        return same if same != name else None
    found = difflib.get_close_matches(name[:64], known, n=1, cutoff=0.6)
    return found[0] if found else None


def _cut(text: str) -> str:
    text = text.replace("\n", " ")
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def _odd(text: str) -> bool:
    """Whether a terminal or an encoder could choke on the text."""
    head = text[: _SHOWN + 1]
    return not head.replace("\n", " ").isprintable()
