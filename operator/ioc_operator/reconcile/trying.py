"""Plugins are tried before they run: fetched, installed and imported by a Job of their own.

A task's plugin is tried where it is to take the place of one that runs well, that of a job
before the first run with it. So what cannot be had costs no run, replaces nothing, and is
tried again by the kubelet, ever more slowly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ioc_operator import source
from ioc_operator.children import check_children
from ioc_operator.desired import Judged, Wanted
from ioc_operator.kube.resources import CHILDREN
from ioc_operator.names import check_name, check_names
from ioc_operator.settings import Settings
from ioc_operator.status import ApplyError, BatchJob, Check, Pod
from ioc_operator.status.history import termination
from ioc_operator.store import Child, Owner, Store

from .apply import Applier


class Trying:
    """Tries plugins, and remembers what came of it for as long as the Job is there."""

    def __init__(self, store: Store, settings: Settings, applier: Applier):
        self._store, self._settings, self._applier = store, settings, applier

    def known(self, owner: Owner, wanted: Wanted, note: str | None = None) -> Wanted:
        """`wanted` with the commit that its plugin stays at, as far as that is known.

        :param note: what the live ConfigMap says of it
        """
        said = owner.read_status().get("runtime")
        said = said.get("source") if isinstance(said, dict) else None
        words = _last_words(self._pod(owner, wanted))
        return replace(wanted, kept=source.kept(wanted, words.get("source"), said, note))

    async def attempt(
        self, owner: Owner, wanted: Wanted, judged: Judged, image: str
    ) -> tuple[Check | None, Sequence[ApplyError]]:
        """Have it tried; how that goes, or None once it has worked."""
        children = check_children(wanted, judged, self._settings, image)
        name = children[-1]["metadata"]["name"]
        live = self._store.child("Job", owner.key.namespace, name)
        mine = live is not None and live.owner_uid == owner.uid and not live.deleting
        if live is not None and mine and isinstance(live.detail, BatchJob) and live.detail.complete:
            return None, ()
        await self.clear(owner, keep=name)
        if not mine:  # a Job cannot be changed; another plugin has another name
            errors = await self._applier.children(owner, children)
            if errors:
                return None, errors
        return Check(self._pod(owner, wanted)), ()

    async def clear(self, owner: Owner, keep: str = "") -> None:
        """Delete what was made to try plugins, but for the try of this name."""
        for child in self.left(owner):
            if child.name != keep:
                await self._applier.delete(CHILDREN[child.kind], child)

    def left(self, owner: Owner) -> list[Child]:
        """Jobs and ConfigMaps of tries that are there."""
        start = check_names(owner.key.name)
        return [
            child
            for kind in ("Job", "ConfigMap")
            for child in self._store.of(owner.key, kind)
            if child.name.startswith(start) and child.owner_uid == owner.uid
        ]

    def _pod(self, owner: Owner, wanted: Wanted) -> Pod | None:
        """The pod that tries the plugin that is wanted."""
        made_of = source.made_of(wanted)
        if not made_of:
            return None
        start = check_name(owner.key.name, made_of) + "-"
        found = [
            child.detail
            for child in self._store.of(owner.key, "Pod")
            if child.name.startswith(start) and child.owner_uid == owner.uid
        ]
        return next((pod for pod in reversed(found) if isinstance(pod, Pod)), None)


def _last_words(pod: Pod | None) -> Mapping[str, Any]:
    """What the container that has ended left behind."""
    ended = pod.container.ended if pod is not None and pod.container is not None else None
    return termination(ended.message) if ended is not None else {}
