"""Claims of PV names, fed from the store: restored when a term begins, decided by key."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Final

from ioc_operator.claims import Claims, Standing, Wish
from ioc_operator.desired import Wanted, judge, read
from ioc_operator.names import CLAIM, CONFIG, Key
from ioc_operator.status import Conflict, Pod
from ioc_operator.store import Owner, Store

HOLDING: Final = ("StatefulSet", "Pod", "Job")
"""Kinds of children that keep a claim alive after their owner has gone."""


class Owning:
    """Who may serve which names. `granted` is called with keys for which that may have
    changed.
    """

    def __init__(self, store: Store, granted: Callable[[Key], None]):
        self._store, self._granted = store, granted
        self._claims = Claims()

    def begin(self) -> None:
        """What stands in the cluster, then everybody's wish: incumbents, then by age."""
        self._claims = Claims()
        self._claims.restore(self._standing())
        self._claims.settle(self._wishes())

    def _standing(self) -> dict[Key, Standing]:
        """What StatefulSets, Jobs and pods carry, and the status where they carry nothing."""
        held: dict[Key, str] = {}
        serving: dict[Key, set[str]] = defaultdict(set)
        for key, owner in self._store.owners.items():
            claim = owner.read_status().get("claim")
            if isinstance(claim, dict) and isinstance(claim.get("prefix"), str):
                held[key] = claim["prefix"]
        for child in self._store.children.values():
            prefix = child.notes.get(CLAIM)
            if child.owner is None or not prefix or child.kind not in HOLDING:
                continue
            if child.kind == "Pod":
                serving[child.owner].add(prefix)
                held.setdefault(child.owner, prefix)
            else:
                held[child.owner] = prefix
        return {
            key: Standing(prefix, self._config(key), frozenset(serving[key]))
            for key, prefix in held.items()
        }

    def _config(self, key: Key) -> str:
        """`config_hash` of its spec, if a ConfigMap was made from just that; else ""."""
        owner = self._store.owners.get(key)
        if owner is None:
            return ""
        wanted = read(owner.object()).config_hash
        children = self._store.of(key, "ConfigMap")
        mine = (each.notes.get(CONFIG) for each in children if each.owner_uid == owner.uid)
        return wanted if wanted in mine else ""

    def _serving(self, key: Key) -> frozenset[str]:
        """Prefixes that its live pods carry."""
        pods = (child.detail for child in self._store.of(key, "Pod"))
        return frozenset(pod.claim for pod in pods if isinstance(pod, Pod) and pod.claim)

    def _wishes(self) -> Iterator[Wish]:
        for key, owner in self._store.owners.items():
            if owner.deleting:
                continue
            wanted = read(owner.object())
            if self._config(key) == wanted.config_hash or not judge(wanted).problems:
                yield self._wish(owner, wanted)

    def _wish(self, owner: Owner, wanted: Wanted) -> Wish:
        names = partial(names_of, owner.key, owner.uid, owner.spec)
        return Wish(owner.key, owner.uid, owner.created, wanted.prefix, names, wanted.config_hash)

    def ask(self, owner: Owner, wanted: Wanted) -> Conflict | None:
        """Whether it may serve the names that it wants; the answer stands until it changes."""
        denied = self._claims.want(self._wish(owner, wanted), self._serving(owner.key))
        self._pass_on()
        if denied is None:
            return None
        return Conflict(f"{denied.owner.namespace}/{denied.owner.name}", denied.name)

    def withdraw(self, key: Key) -> None:
        """It wants nothing new: its manifest is not good."""
        self._claims.withdraw(key)
        self._pass_on()

    def left(self, key: Key) -> None:
        """Its custom resource is gone; the claim goes with the last pod."""
        self._claims.withdraw(key)
        if not any(child.kind in HOLDING for child in self._store.of(key)):
            self._tell(self._claims.release(key))

    def _pass_on(self) -> None:
        self._tell(self._claims.retry())

    def _tell(self, granted: list[Key]) -> None:
        """Those who got what they waited for, and those who now wait for somebody else."""
        for key in granted:
            self._granted(key)
        for key in self._claims.waiting if granted else ():
            self._granted(key)

    def held(self, key: Key) -> str | None:
        """The prefix that it holds."""
        return self._claims.held(key)


@lru_cache(maxsize=256)
def names_of(key: Key, uid: str, spec: bytes) -> frozenset[str]:
    """All PVs of a manifest. Compiles it: asked for where prefixes lie in one another."""
    return judge(Wanted(key, uid, 0, "", json.loads(spec), {})).names
