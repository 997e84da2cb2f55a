"""What is in a cluster, followed: a list of each kind, then every change."""

from __future__ import annotations

import queue
import threading
import time
from typing import Final

from ioc_runtime.cli.cluster import KINDS, Cluster, Gone, Object, owners_path
from ioc_runtime.cli.failure import Failure

RELIST: Final = 3.0
"""Seconds before the next list after a watch or a list has failed."""

Key = tuple[str, str, str]
"""Kind, namespace, name."""


class Following:
    """IocTasks and IocJobs as they are now; `changed` says which one is not as it was.

    Threads of its own, which end with the process.
    """

    def __init__(self, cluster: Cluster, namespace: str | None, name: str | None) -> None:
        self.items: dict[Key, Object] = {}
        self.trouble: str = ""
        """Why what is shown may be old; "" while all is heard."""
        self._cluster, self._namespace, self._name = cluster, namespace, name
        self._news: queue.SimpleQueue[tuple[str, dict[Key, Object] | None, str]] = (
            queue.SimpleQueue()
        )

    def start(self) -> None:
        """List both kinds, then follow them.

        :raises Failure: the first list cannot be had
        """
        for kind in KINDS:
            items, version = self._list(kind)
            self.items |= items
            threading.Thread(target=self._follow, args=(kind, items, version), daemon=True).start()

    def changed(self, timeout: float) -> list[Key]:
        """Wait for news; what came, went or is different."""
        try:
            kind, items, trouble = self._news.get(timeout=timeout)
        except queue.Empty:
            return []
        self.trouble = trouble
        if items is None:
            return []
        before = {key: item for key, item in self.items.items() if key[0] == kind}
        self.items = {k: i for k, i in self.items.items() if k[0] != kind} | items
        return sorted(key for key in before | items if before.get(key) != items.get(key))

    def _list(self, kind: str) -> tuple[dict[Key, Object], str]:
        items, version = self._cluster.owners(kind, self._namespace)
        return {_key(item): item for item in items if self._wanted(item)}, version

    def _wanted(self, item: Object) -> bool:
        return self._name in (None, item["metadata"]["name"])

    def _follow(self, kind: str, items: dict[Key, Object], version: str) -> None:
        while True:
            try:
                version = self._watch(kind, items, version)
                continue
            except Gone:
                pass
            except Failure as failure:
                self._news.put((kind, None, str(failure)))
                time.sleep(RELIST)
            try:
                listed, version = self._list(kind)
                items.clear()
                items |= listed
                self._news.put((kind, dict(items), ""))
            except Failure as failure:
                version = ""
                self._news.put((kind, None, str(failure)))
                time.sleep(RELIST)

    def _watch(self, kind: str, items: dict[Key, Object], version: str) -> str:
        """Follow until the server ends the watch; the version to go on from."""
        if not version:
            raise Gone
        path = owners_path(kind, self._namespace)
        for change, item in self._cluster.watch(path, version):
            version = str(item["metadata"]["resourceVersion"])
            if change == "BOOKMARK" or not self._wanted(item):
                continue
            if change == "DELETED":
                items.pop(_key(item), None)
            else:
                items[_key(item)] = item
            self._news.put((kind, dict(items), ""))
        return version


def _key(item: Object) -> Key:
    meta = item["metadata"]
    return str(item["kind"]), str(meta.get("namespace", "")), str(meta["name"])
