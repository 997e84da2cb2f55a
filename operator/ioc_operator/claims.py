"""Who owns which PV names, among all that one operator looks after.

A claim is a prefix; every task serves `<prefix>ENABLE`, so one prefix has one owner. Where
one prefix lies inside another, the full names are compared. The incumbent wins, even over
an older object that edits its way in; new claimants go by age, then uid. A claim is given
back when its object and its pod are gone, so suspending keeps it.

Nothing here asks anybody: the leader restores what is held once every list is complete,
then settles the rest in one step.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from ioc_operator.names import Key

Names = Callable[[], frozenset[str]]
"""Full names of all PVs: asked for only where one prefix lies inside another."""


@dataclass(frozen=True)
class Wish:
    """What an object wants to serve."""

    key: Key
    uid: str
    created: str
    """metadata.creationTimestamp: an older wish goes first."""
    prefix: str
    names: Names = field(compare=False)

    @property
    def age(self) -> tuple[str, str]:
        """Sorts the oldest first."""
        return self.created, self.uid


@dataclass(frozen=True)
class Denied:
    """Why a wish was not granted."""

    owner: Key
    name: str
    """The prefix or the PV name that the owner has."""


@dataclass(frozen=True)
class _Held:
    prefix: str
    names: Names = field(compare=False)


def _unknown() -> frozenset[str]:
    """Names of a pod whose manifest has changed since: nobody knows them any more."""
    return frozenset()


class Claims:
    """All claims; every call is one decision, and takes microseconds."""

    def __init__(self) -> None:
        self._held: Final[dict[Key, _Held]] = {}
        self._lingering: Final[dict[Key, frozenset[str]]] = {}
        self._owners: Final[dict[str, set[Key]]] = {}
        self._prefixes: Final[list[str]] = []
        self._waiting: Final[dict[Key, Wish]] = {}

    def restore(self, held: Mapping[Key, str]) -> None:
        """What stands on StatefulSets, pods and statuses, before anything is decided.

        Two keys may come with one prefix (somebody forged one): both are kept, so that
        neither is granted anything new until one of them is gone.
        """
        for key, prefix in held.items():
            self._take(key, _Held(prefix, _unknown))

    def want(self, wish: Wish, serving: Iterable[str] = ()) -> Denied | None:
        """Decide about a wish; None: granted, and held from now on.

        :param serving: prefixes that the object's live pods carry: after an edit they
            stay its own until those pods are gone
        """
        self._linger(wish.key, frozenset(serving) - {wish.prefix})
        held = self._held.get(wish.key)
        mine = held is not None and held.prefix == wish.prefix
        denied = self._opposed(wish, mine)
        if denied is not None:
            self._waiting[wish.key] = wish
            return denied
        self._waiting.pop(wish.key, None)
        self._drop(wish.key)
        self._take(wish.key, _Held(wish.prefix, wish.names))
        return None

    def settle(self, wishes: Iterable[Wish]) -> None:
        """Decide about many at once: incumbents first, then the oldest."""
        for wish in sorted(wishes, key=lambda w: (not self._holds(w), w.age)):
            self.want(wish)

    def release(self, key: Key) -> list[Key]:
        """The object and its pods are gone; the keys that get what they waited for."""
        self._waiting.pop(key, None)
        self._linger(key, frozenset())
        self._drop(key)
        return self.retry()

    def retry(self) -> list[Key]:
        """Look again at those who wait, the oldest first; the keys that were granted."""
        waiting = sorted(self._waiting.values(), key=lambda wish: wish.age)
        return [
            wish.key for wish in waiting if self.want(wish, self._own_lingering(wish.key)) is None
        ]

    def withdraw(self, key: Key) -> None:
        """The object wants nothing new any more (its edit was taken back, or is bad)."""
        self._waiting.pop(key, None)

    def held(self, key: Key) -> str | None:
        """The prefix that an object holds."""
        held = self._held.get(key)
        return held.prefix if held is not None else None

    @property
    def waiting(self) -> frozenset[Key]:
        """Objects whose wish was denied."""
        return frozenset(self._waiting)

    # How it is decided

    def _holds(self, wish: Wish) -> bool:
        return self.held(wish.key) == wish.prefix

    def _opposed(self, wish: Wish, mine: bool) -> Denied | None:
        for owner in self._owners.get(wish.prefix, ()):
            if owner != wish.key and not (mine and owner in self._only_lingering(wish.prefix)):
                return Denied(owner, wish.prefix)
        names: frozenset[str] | None = None
        for prefix in self._nested(wish.prefix):
            for owner in self._owners[prefix]:
                if owner == wish.key:
                    continue
                names = wish.names() if names is None else names
                shared = names & self._names(owner, prefix)
                if shared:
                    return Denied(owner, min(shared))
        if not mine:
            for other in self._waiting.values():
                if other.key != wish.key and other.prefix == wish.prefix and other.age < wish.age:
                    return Denied(other.key, wish.prefix)
        return None

    def _only_lingering(self, prefix: str) -> set[Key]:
        """Owners by a pod alone, of an earlier manifest."""
        return {
            key
            for key in self._owners.get(prefix, ())
            if (held := self._held.get(key)) is None or held.prefix != prefix
        }

    def _names(self, owner: Key, prefix: str) -> frozenset[str]:
        held = self._held.get(owner)
        known = held.names() if held is not None and held.prefix == prefix else frozenset()
        return known or frozenset({prefix + "ENABLE"})

    def _nested(self, prefix: str) -> Iterator[str]:
        """Prefixes in use that this one lies in, and those that lie in it."""
        for length in range(1, len(prefix)):
            if prefix[:length] in self._owners:
                yield prefix[:length]
        for index in range(bisect_left(self._prefixes, prefix), len(self._prefixes)):
            if not self._prefixes[index].startswith(prefix):
                return
            if self._prefixes[index] != prefix:
                yield self._prefixes[index]

    # The books

    def _take(self, key: Key, held: _Held) -> None:
        self._drop(key)
        self._held[key] = held
        self._own(held.prefix, key)

    def _drop(self, key: Key) -> None:
        held = self._held.pop(key, None)
        if held is not None and held.prefix not in self._own_lingering(key):
            self._disown(held.prefix, key)

    def _linger(self, key: Key, prefixes: frozenset[str]) -> None:
        before = self._lingering.pop(key, frozenset())
        if prefixes:
            self._lingering[key] = prefixes
        for prefix in prefixes - before:
            self._own(prefix, key)
        for prefix in before - prefixes:
            if self.held(key) != prefix:
                self._disown(prefix, key)

    def _own_lingering(self, key: Key) -> frozenset[str]:
        return self._lingering.get(key, frozenset())

    def _own(self, prefix: str, key: Key) -> None:
        if prefix not in self._owners:
            self._owners[prefix] = set()
            insort(self._prefixes, prefix)
        self._owners[prefix].add(key)

    def _disown(self, prefix: str, key: Key) -> None:
        owners = self._owners.get(prefix)
        if owners is None:
            return
        owners.discard(key)
        if not owners:
            del self._owners[prefix]
            del self._prefixes[bisect_left(self._prefixes, prefix)]
