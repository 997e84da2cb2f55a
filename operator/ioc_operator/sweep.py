"""Whether what we know of the custom resources is what there is.

A list of their metadata alone, compared with the store: what has gone unnoticed is
dropped, what is missing or old is waited for and in the end fetched. Done before anything
is decided, at the beginning of every term as leader, when kopf has had to read its list
anew (a watch that expired), and every few minutes after that.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from typing import Final

from .kube.client import Client
from .kube.errors import NotFound
from .kube.resources import OWNERS, Resource
from .metrics import Counter
from .names import Key
from .store import Owner, Store

log = logging.getLogger(__name__)

EVERY: Final = 300.0
LISTING: Final = 1.0
"""Seconds for a list that is being read to be delivered."""
PATIENCE: Final = 10.0
"""Seconds that the watch is given to bring what the list has."""

Behind = dict[Key, tuple[str, int]]
"""Uid and resourceVersion of custom resources."""


class Sweep:
    """Compares and mends."""

    def __init__(
        self,
        client: Client,
        store: Store,
        namespaces: tuple[str, ...] = (),
        selector: str = "",
        every: float = EVERY,
    ):
        self.mended = Counter(
            "ioc_operator_sweep_repairs_total",
            "Custom resources that a sweep found gone, or missing, though no event said so.",
            ("what",),
            known=[("gone",), ("missing",)],
        )
        self._client, self._store = client, store
        self._namespaces: tuple[str | None, ...] = namespaces or (None,)
        self._selector, self._every = selector, every
        self._soon = asyncio.Event()

    def soon(self) -> None:
        """A list is being read by somebody whose events leave out what has gone."""
        self._soon.set()

    async def run(self) -> None:
        """For ever, every few minutes. Errors are for whoever calls; the next try is theirs."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._every * (0.9 + 0.2 * random.random())):
                    await self._soon.wait()
                    await asyncio.sleep(LISTING)
            self._soon.clear()
            await self.agree()

    async def agree(self) -> None:
        """Return once the store has every custom resource as new as a list made now.

        KubeError when the list cannot be had.
        """
        behind: Behind = {}
        for resource in OWNERS.values():
            for namespace in self._namespaces:
                behind |= await self._compare(resource, namespace)
        until = asyncio.get_running_loop().time() + PATIENCE
        while behind and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(0.02)
            behind = {key: seen for key, seen in behind.items() if not self._has(key, *seen)}
        for key in behind:
            await self._fetch(key)

    async def _compare(
        self, resource: Resource, namespace: str | None
    ) -> dict[Key, tuple[str, int]]:
        """Drop what is gone; key, uid and version of what the store does not have yet."""
        listed: Behind = {}
        version = ""
        pages = self._client.pages(resource, namespace, selector=self._selector)
        async for page in pages:
            items, version = page
            for raw in items:
                meta = raw["metadata"]
                key = Key(resource.kind, meta["namespace"], meta["name"])
                listed[key] = meta["uid"], int(meta["resourceVersion"])
        for owner in list(self._store.owners.values()):
            here = owner.key.kind == resource.kind and namespace in (None, owner.key.namespace)
            uid = listed.get(owner.key, ("", 0))[0]
            if here and uid != owner.uid and owner.version <= int(version):
                log.warning("%s is gone, and no event said so", owner.key)
                self.mended.add("gone")
                self._store.drop_owner(owner.key, owner.uid)
        return {key: seen for key, seen in listed.items() if not self._has(key, *seen)}

    def _has(self, key: Key, uid: str, version: int) -> bool:
        """Whether the store is as new, or newer: it was deleted meanwhile."""
        owner = self._store.owners.get(key)
        known = owner is not None and owner.version >= version
        return known or self._store.deleted(uid)

    async def _fetch(self, key: Key) -> None:
        log.warning("%s is there, and no event said so", key)
        try:
            raw = await self._client.get(OWNERS[key.kind], key.namespace, key.name)
        except NotFound:
            return
        self.mended.add("missing")
        self._store.put_owner(Owner.read(key.kind, raw))
