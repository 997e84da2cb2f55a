"""Problems as they are found, with a budget: a hopeless manifest stays cheap."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from ioc_runtime.spec.document import Document
from ioc_runtime.spec.problem import MOST_PROBLEMS, Path, Problem, nearest

_MOST_COMPARISONS: Final = 3_000
"""Names compared in search of the nearest one, for the whole document."""


class TooMany(Exception):
    """There are more problems than anybody reads; checking ends here."""


class Collector:
    """Takes the problems of one document."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = list(document.warnings)
        self._comparisons = 0

    def wrong(self, path: Path, value: Any, expected: str, known: Collection[str] = ()) -> None:
        """Note a problem; `known` are the names among which the nearest is sought.

        :raises TooMany: when there are enough of them
        """
        near = None
        if known and self._afford(len(known)):
            near = nearest(value, known)
        self.add(self.document.problem(path, value, expected, near))

    def add(self, problem: Problem) -> None:
        """Note a problem that is worded already.

        :raises TooMany: when there are enough of them
        """
        self.problems.append(problem)
        if len(self.problems) >= MOST_PROBLEMS:
            raise TooMany

    def warn(self, path: Path, value: Any, expected: str) -> None:
        """Note something that works, but hardly as meant."""
        if len(self.warnings) < MOST_PROBLEMS:
            self.warnings.append(self.document.problem(path, value, expected))

    def spend(self, comparisons: int) -> None:
        """Others have looked for a nearest name on our behalf.

        :raises TooMany: when the budget is gone
        """
        if not self._afford(comparisons):
            raise TooMany

    def _afford(self, comparisons: int) -> bool:
        self._comparisons += comparisons
        return self._comparisons <= _MOST_COMPARISONS
