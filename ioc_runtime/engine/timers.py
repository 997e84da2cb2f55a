"""Timers: keys that fall due, in a fixed order."""

from __future__ import annotations

import heapq
from collections.abc import Hashable


class Timers:
    """A set of keys with a monotonic time each; setting a key again moves it."""

    def __init__(self) -> None:
        self._due: dict[Hashable, tuple[float, int]] = {}
        self._heap: list[tuple[float, int, Hashable]] = []
        self._sequence = 0

    def set(self, key: Hashable, when: float) -> None:
        self._sequence += 1
        self._due[key] = (when, self._sequence)
        heapq.heappush(self._heap, (when, self._sequence, key))

    def cancel(self, key: Hashable) -> None:
        self._due.pop(key, None)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._due

    @property
    def next(self) -> float | None:
        """When the next key falls due; None when none will."""
        heap = self._heap
        while heap and self._due.get(heap[0][2]) != heap[0][:2]:
            heapq.heappop(heap)  # cancelled or moved
        return heap[0][0] if heap else None

    def due(self, now: float) -> list[Hashable]:
        """Take out the keys whose time has come, the earliest first."""
        keys = []
        while (when := self.next) is not None and when <= now:
            key = heapq.heappop(self._heap)[2]
            del self._due[key]
            keys.append(key)
        return keys
