"""Timers: keys that fall due, in a fixed order."""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Mapping


class Timers:
    """A set of keys with a monotonic time each; setting a key again moves it.

    A key that is moved to a later time keeps its place in the heap and is put back
    when that place is reached, so that moving it at every sample costs no memory.
    """

    def __init__(self) -> None:
        self._due: dict[Hashable, tuple[float, int]] = {}
        self._placed: dict[Hashable, float] = {}
        """The earliest place of each key in the heap."""
        self._heap: list[tuple[float, int, Hashable]] = []
        self._sequence = 0

    def set(self, key: Hashable, when: float) -> None:
        """Make `key` fall due at `when`."""
        due = self._due.get(key)
        if due is not None and due[0] == when:
            return
        self._sequence += 1
        self._due[key] = (when, self._sequence)
        placed = self._placed.get(key)
        if placed is None or when < placed:
            self._place(key)

    def _place(self, key: Hashable) -> None:
        when, sequence = self._due[key]
        self._placed[key] = when
        heapq.heappush(self._heap, (when, sequence, key))

    def follow(self, key: Hashable, when: float | None) -> None:
        """Set `key`, or cancel it when there is no time for it."""
        if when is None:
            self.cancel(key)
        else:
            self.set(key, when)

    def cancel(self, key: Hashable) -> None:
        """Let `key` not fall due."""
        self._due.pop(key, None)

    def when(self, key: Hashable) -> float | None:
        """When `key` falls due; None when it does not."""
        due = self._due.get(key)
        return None if due is None else due[0]

    def adopt(self, old: Timers, names: Mapping[Hashable, Hashable]) -> None:
        """Go on with timers of `old`: those that `names` has a new key for."""
        self._sequence = old._sequence
        for key, due in old._due.items():
            if key in names:
                self._due[names[key]] = due
                self._place(names[key])

    def __contains__(self, key: Hashable) -> bool:
        return key in self._due

    @property
    def next(self) -> float | None:
        """When the next key falls due; None when none will."""
        heap = self._heap
        while heap:
            when, sequence, key = heap[0]
            due = self._due.get(key)
            if due == (when, sequence):
                return when
            heapq.heappop(heap)  # cancelled or moved
            if self._placed.get(key) == when:
                del self._placed[key]
                if due is not None:
                    self._place(key)
        return None

    def due(self, now: float) -> list[Hashable]:
        """Take out the keys whose time has come, the earliest first."""
        keys = []
        while (when := self.next) is not None and when <= now:
            key = heapq.heappop(self._heap)[2]
            del self._due[key]
            if self._placed.get(key) == when:
                del self._placed[key]
            keys.append(key)
        return keys
