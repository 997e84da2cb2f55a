"""Who owns which PV names, among all that one operator looks after.

A claim is a prefix; every task serves `<prefix>ENABLE`, so one prefix has one owner. Where
one prefix lies inside another, the full names are compared, and what an owner has already
is not looked at again: only what an edit adds. The incumbent wins, even over an older
object that edits its way in; new claimants go by age, then uid. A claim is given back when
its object and its pod are gone, so suspending keeps it.

Nothing here asks anybody: the leader restores what is held once every list is complete,
then settles the rest in one step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field
from typing import Final, TypeVar

from ioc_operator.names import Key
from ioc_operator.prefixes import Prefixes

Names = Callable[[], frozenset[str]]
"""Full names of all PVs: asked for only where one prefix lies inside another."""


_V = TypeVar("_V")


@dataclass(frozen=True)
class Wish:
    """What an object wants to serve."""

    key: Key
    uid: str
    created: str
    """metadata.creationTimestamp: an older wish goes first."""
    prefix: str
    names: Names = field(compare=False)
    config: str = ""
    """Hash of the spec that the names are those of; "" for one that is never the same."""

    @property
    def age(self) -> tuple[str, str]:
        """Sorts the oldest first."""
        return self.created, self.uid


@dataclass(frozen=True)
class Denied:
    """Why a wish was not granted."""

    owner: Key
    name: str
    """The prefix or the PV name that the owner has, or may have."""


@dataclass(frozen=True)
class Standing:
    """What the cluster shows of an object's claim, before anything is decided."""

    prefix: str
    config: str = ""
    """`config_hash` of the live ConfigMap: a wish of that spec is nothing new. "": unknown."""
    serving: frozenset[str] = frozenset()
    """Prefixes that its live pods carry."""


@dataclass(frozen=True)
class _Held:
    prefix: str
    config: str
    names: Names | None = field(compare=False)
    """None: nobody has asked for them since the start."""


class Claims:
    """All claims; every call is one decision, and takes microseconds."""

    def __init__(self) -> None:
        self._held: Final[dict[Key, _Held]] = {}
        self._serving: Final[dict[Key, frozenset[str]]] = {}
        self._owners: Final = Prefixes()
        self._wishes: Final[dict[Key, Wish]] = {}
        self._waiting: Final = Prefixes()
        self._freed: set[str] = set()

    def restore(self, standing: Mapping[Key, Standing]) -> None:
        """What stands on StatefulSets, pods and statuses, before anything is decided.

        Two keys may come with one prefix (somebody forged one): both are kept, so that
        neither is granted anything new until one of them is gone.
        """
        for key, found in standing.items():
            self._hold(key, _Held(found.prefix, found.config, None), found.serving)

    def want(self, wish: Wish, serving: Iterable[str] = ()) -> Denied | None:
        """Decide about a wish; None: granted, and held from now on.

        :param serving: prefixes that the object's live pods carry: after an edit they
            stay its own until those pods are gone
        """
        key, held = wish.key, self._held.get(wish.key)
        self._hold(key, held, frozenset(serving))
        denied = self._opposed(wish)
        if denied is not None:
            self._wait(wish)
            return denied
        self.withdraw(key)
        if held is not None and not (held.names and _same(held, wish)):
            self._free({held.prefix})  # of names that an edit drops, or that are known only now
        self._hold(key, _Held(wish.prefix, wish.config, wish.names), self._serves(key))
        return None

    def settle(self, wishes: Iterable[Wish]) -> None:
        """Decide about many at once: what is in force already, other wishes of incumbents,
        then the oldest.
        """
        for wish in sorted(wishes, key=lambda w: (*self._rank(w), w.age)):
            self.want(wish, self._serves(wish.key))
        self.retry()

    def release(self, key: Key) -> list[Key]:
        """The object and its pods are gone; the keys that get what they waited for."""
        self.withdraw(key)
        self._hold(key, None, frozenset())
        return self.retry()

    def retry(self) -> list[Key]:
        """Look again at those who wait for what has become free; the keys that were granted.

        Costs nothing where nothing has.
        """
        granted: list[Key] = []
        while self._freed:
            freed, self._freed = self._freed, set()
            keys = {key for prefix in freed for key in self._waiting_near(prefix)}
            for wish in sorted((self._wishes[key] for key in keys), key=lambda w: w.age):
                if self.want(wish, self._serves(wish.key)) is None:
                    granted.append(wish.key)
        return granted

    def withdraw(self, key: Key) -> None:
        """The object wants nothing new any more (its edit was taken back, or is bad)."""
        wish = self._wishes.pop(key, None)
        if wish is not None:
            self._waiting.discard(wish.prefix, key)
            self._free({wish.prefix})

    def held(self, key: Key) -> str | None:
        """The prefix that an object holds."""
        held = self._held.get(key)
        return held.prefix if held is not None else None

    @property
    def waiting(self) -> frozenset[Key]:
        """Objects whose wish was denied."""
        return frozenset(self._wishes)

    # How it is decided

    def _rank(self, wish: Wish) -> tuple[bool, bool]:
        held = self._held.get(wish.key)
        return self.held(wish.key) != wish.prefix, held is None or not _same(held, wish)

    def _opposed(self, wish: Wish) -> Denied | None:
        owners = self._owners.at(wish.prefix)
        others = owners - {wish.key}
        if others:
            return Denied(min(others), wish.prefix)
        if wish.key not in owners:
            for other in self._waiting.at(wish.prefix) - {wish.key}:
                if self._wishes[other].age < wish.age:
                    return Denied(other, wish.prefix)
        held = self._held.get(wish.key)
        return None if held is not None and _same(held, wish) else self._opposed_inside(wish)

    def _opposed_inside(self, wish: Wish) -> Denied | None:
        """By owners of prefixes that this one lies in, or that lie in it."""
        new: frozenset[str] | None = None
        for prefix in self._owners.nested(wish.prefix):
            for owner in sorted(self._owners.at(prefix) - {wish.key}):
                if new is None:
                    new = wish.names() - (self._names(wish.key, wish.prefix) or frozenset())
                theirs = self._names(owner, prefix)
                if theirs is None:  # anything below its prefix may be its own
                    shared = frozenset(name for name in new if name.startswith(prefix))
                else:
                    shared = new & theirs
                if shared:
                    return Denied(owner, min(shared))
        return None

    def _names(self, owner: Key, prefix: str) -> frozenset[str] | None:
        """Names that somebody has below a prefix of his; None where that is not known."""
        held = self._held.get(owner)
        if held is None or held.prefix != prefix or held.names is None:
            return None
        return held.names() or None

    def _waiting_near(self, prefix: str) -> set[Key]:
        keys = set(self._waiting.at(prefix))
        for other in self._waiting.nested(prefix):
            keys |= self._waiting.at(other)
        return keys

    # The books

    def _serves(self, key: Key) -> frozenset[str]:
        return self._serving.get(key, frozenset())

    def _owned(self, key: Key) -> frozenset[str]:
        held = self._held.get(key)
        return self._serves(key) | ({held.prefix} if held is not None else frozenset())

    def _hold(self, key: Key, held: _Held | None, serving: frozenset[str]) -> None:
        before = self._owned(key)
        _put(self._held, key, held)
        _put(self._serving, key, serving or None)
        after = self._owned(key)
        for prefix in after - before:
            self._owners.add(prefix, key)
        for prefix in before - after:
            self._owners.discard(prefix, key)
        self._free(before - after)

    def _free(self, prefixes: Set[str]) -> None:
        if self._waiting:
            self._freed |= prefixes

    def _wait(self, wish: Wish) -> None:
        before = self._wishes.get(wish.key)
        if before is not None and before.prefix != wish.prefix:
            self.withdraw(wish.key)
        self._wishes[wish.key] = wish
        self._waiting.add(wish.prefix, wish.key)


def _same(held: _Held, wish: Wish) -> bool:
    """Whether a wish is what is held already, name by name."""
    return bool(wish.config) and (held.prefix, held.config) == (wish.prefix, wish.config)


def _put(book: dict[Key, _V], key: Key, value: _V | None) -> None:
    if value is None:
        book.pop(key, None)
    else:
        book[key] = value
