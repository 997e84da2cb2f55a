"""Which keys have which prefix, and which prefixes lie in one another."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Set
from typing import Final

from ioc_operator.names import Key

_NONE: Final[Set[Key]] = frozenset()


class Prefixes:
    """A multimap from prefix to keys. A look-up takes microseconds, however many there are."""

    def __init__(self) -> None:
        self._keys: Final[dict[str, set[Key]]] = {}
        self._sorted: Final[list[str]] = []

    def __bool__(self) -> bool:
        return bool(self._sorted)

    def at(self, prefix: str) -> Set[Key]:
        """Keys that have exactly this prefix."""
        return self._keys.get(prefix, _NONE)

    def add(self, prefix: str, key: Key) -> None:
        """The key has this prefix (too)."""
        if prefix not in self._keys:
            self._keys[prefix] = set()
            insort(self._sorted, prefix)
        self._keys[prefix].add(key)

    def discard(self, prefix: str, key: Key) -> None:
        """The key has this prefix no longer; no matter if it had it."""
        keys = self._keys.get(prefix)
        if keys is None:
            return
        keys.discard(key)
        if not keys:
            del self._keys[prefix]
            del self._sorted[bisect_left(self._sorted, prefix)]

    def nested(self, prefix: str) -> Iterator[str]:
        """The other prefixes that this one lies in, then those that lie in it.

        Nothing may be added or discarded meanwhile.
        """
        for length in range(1, len(prefix)):
            if prefix[:length] in self._keys:
                yield prefix[:length]
        for index in range(bisect_left(self._sorted, prefix), len(self._sorted)):
            other = self._sorted[index]
            if not other.startswith(prefix):
                return
            if other != prefix:
                yield other
