"""What there is to say about a conversion: notes, and what cannot be converted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ioc_runtime.spec.problem import NOTHING, Path, Problem, nearest, show_path

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Note:
    """Something that means something else now, in one sentence for the owner of the file."""

    where: str
    """Place in the file that was converted, as in `rules[2].message_pv`; "" for all of it."""
    text: str
    path: Path = ()
    """Place in the manifest that it stands beside."""

    def __str__(self) -> str:
        return f"{self.where}: {self.text}" if self.where else self.text


@dataclass
class Findings:
    """Collects notes and problems while one file is converted."""

    file: str | None = None
    notes: list[Note] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    places: dict[Path, Place] = field(default_factory=dict)
    """Path in the manifest -> where it came from."""
    _grouped: dict[str, tuple[str, list[str]]] = field(default_factory=dict)

    def note(self, where: Place, text: str, path: Path = ()) -> None:
        """Say that a meaning changed, beside `path` of the manifest."""
        self.notes.append(Note(show_path(where), text, path))

    def together(self, key: str, name: str, text: str) -> None:
        """Say the same of several names once: `{names}` in the text stands for them."""
        self._grouped.setdefault(key, (text, []))[1].append(name)

    def wrong(
        self,
        where: Place,
        value: Any,
        expected: str,
        known: Any = (),
        *,
        name: str | None = None,
        missing: bool = False,
    ) -> None:
        """Say what cannot be converted, and what could be.

        :param known: names among which the one most like `name` (or the value) is sought
        """
        near = nearest(value if name is None else name, known) if known else None
        shown = NOTHING if missing else value
        self.problems.append(Problem(show_path(where), shown, expected, near, None, self.file))

    def came_from(self, path: Path, where: Place) -> None:
        """Remember where a part of the manifest came from, for problems found later."""
        self.places[path] = where

    def origin(self, path: Path) -> Place | None:
        """Where the part at a path of the manifest came from, or the nearest around it."""
        for length in range(len(path), 0, -1):
            found = self.places.get(path[:length])
            if found is not None:
                return (*found, *path[length:])
        return None

    def close(self) -> tuple[Note, ...]:
        """All notes; those that say the same of several names first."""
        shared = [
            Note("", text.format(names=", ".join(dict.fromkeys(names))))
            for text, names in self._grouped.values()
        ]
        return (*shared, *self.notes)
