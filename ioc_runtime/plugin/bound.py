"""What everything a plugin derives from has: the way to its task."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ioc_runtime.plugin.binding import Binding


class Bound:
    """Something that is bound to a task before its `__init__` runs."""

    _binding: Binding | None = None

    @property
    def _task(self) -> Binding:
        if self._binding is None:
            raise RuntimeError(
                f"{type(self).__name__} does not run in a task: it has no PVs to read or write"
            )
        return self._binding
