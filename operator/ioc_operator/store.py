"""What is known of the cluster: custom resources, children, pods. In memory, no I/O.

Whoever learns something puts it here: the watches, and the answers to our own writes.
Each object carries its resourceVersion, and an older one never undoes a newer one. Specs
and statuses are kept as compact JSON and parsed when they are wanted: thousands of them
are a few megabytes so.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from sys import intern
from typing import Any, Final
from zlib import crc32

from .kube.client import MANAGER, Object
from .kube.resources import OWNERS, Resource
from .names import GROUP, LABEL_INSTANCE, LABEL_KIND, LABEL_OWNER_UID, Key
from .status import BatchJob, Pod, read_job, read_pod

REMEMBERED_DELETIONS: Final = 20_000


def compact(value: object) -> bytes:
    """JSON without blanks."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass(frozen=True, slots=True)
class Owner:
    """An IocTask or IocJob."""

    key: Key
    uid: str
    version: int
    generation: int
    created: str
    deleting: bool
    notes: Mapping[str, str]
    """Its annotations of our group."""
    spec: bytes
    status: bytes
    phase: str = ""

    @classmethod
    def read(cls, kind: str, raw: Mapping[str, Any]) -> Owner:
        """The part of an object of the API server that matters."""
        meta = raw["metadata"]
        return cls(
            key=Key(intern(kind), intern(meta["namespace"]), meta["name"]),
            uid=meta["uid"],
            version=int(meta["resourceVersion"]),
            generation=int(meta.get("generation") or 0),
            created=str(meta.get("creationTimestamp") or ""),
            deleting="deletionTimestamp" in meta,
            notes=notes(meta),
            spec=compact(raw.get("spec") or {}),
            status=compact(raw.get("status") or {}),
            phase=intern(str((raw.get("status") or {}).get("phase") or "")),
        )

    def object(self) -> Object:
        """The object again, as far as it is kept."""
        return {
            "apiVersion": OWNERS[self.key.kind].api_version,
            "kind": self.key.kind,
            "metadata": {
                "name": self.key.name,
                "namespace": self.key.namespace,
                "uid": self.uid,
                "resourceVersion": str(self.version),
                "generation": self.generation,
                "creationTimestamp": self.created,
                "annotations": dict(self.notes),
            },
            "spec": json.loads(self.spec),
        }

    def read_status(self) -> Object:
        """Its status as it stands there."""
        status = json.loads(self.status)
        return status if isinstance(status, dict) else {}

    def same(self, other: Owner) -> bool:
        """Whether nothing that matters differs; the resourceVersion does not."""
        return (
            self.uid == other.uid
            and self.generation == other.generation
            and self.deleting == other.deleting
            and self.notes == other.notes
            and self.status == other.status
        )


@dataclass(frozen=True, slots=True)
class Child:
    """An object that was made for an owner, or a pod of one."""

    kind: str
    namespace: str
    name: str
    uid: str
    version: int
    owner: Key | None
    """By its labels; None for an object without them."""
    owner_uid: str
    created: str
    deleting: bool
    notes: Mapping[str, str]
    """Its annotations of our group."""
    hands: Hands
    detail: Pod | BatchJob | None = None

    @classmethod
    def read(cls, kind: str, raw: Mapping[str, Any]) -> Child:
        """The part of an object of the API server, or of its metadata, that matters."""
        meta = raw["metadata"]
        labels = meta.get("labels") or {}
        owner = None
        if LABEL_KIND in labels and LABEL_INSTANCE in labels:
            owner = Key(
                intern(str(labels[LABEL_KIND])),
                intern(meta["namespace"]),
                labels[LABEL_INSTANCE],
            )
        return cls(
            kind=intern(kind),
            namespace=intern(meta["namespace"]),
            name=meta["name"],
            uid=meta["uid"],
            version=int(meta["resourceVersion"]),
            owner=owner,
            owner_uid=str(labels.get(LABEL_OWNER_UID, "")),
            created=str(meta.get("creationTimestamp") or ""),
            deleting="deletionTimestamp" in meta,
            notes=notes(meta),
            hands=Hands() if kind in ("Pod", "Job") else hands(meta),
            detail=_detail(kind, raw),
        )

    @property
    def id(self) -> Id:
        return self.kind, self.namespace, self.name

    def same(self, other: Child) -> bool:
        """Whether nothing that matters differs; the resourceVersion does not."""
        return (
            self.uid == other.uid
            and self.deleting == other.deleting
            and self.notes == other.notes
            and self.detail == other.detail
            and self.hands == other.hands
            and self.owner_uid == other.owner_uid
        )


Id = tuple[str, str, str]
"""Kind, namespace, name."""


def _detail(kind: str, raw: Mapping[str, Any]) -> Pod | BatchJob | None:
    if kind == "Pod":
        return read_pod(raw)
    return read_job(raw) if kind == "Job" else None


def notes(meta: Mapping[str, Any]) -> dict[str, str]:
    """The annotations of our group, by their whole names."""
    found = meta.get("annotations") or {}
    return {intern(name): text for name, text in found.items() if name.startswith(GROUP + "/")}


@dataclass(frozen=True, slots=True)
class Hands:
    """Who has a hand in an object, its status apart: as the API server keeps the books."""

    print: int = 0
    """Changes when a field of ours gets another value, or another manager gets a field."""
    others: bool = False
    """Somebody else has written fields of it."""


def hands(meta: Mapping[str, Any]) -> Hands:
    """From `managedFields`."""
    entries = [
        (entry.get("manager"), entry.get("operation"), entry.get("fieldsV1"))
        for entry in meta.get("managedFields") or ()
        if entry.get("subresource") != "status"
    ]
    text = json.dumps(entries, sort_keys=True, separators=(",", ":"))
    ours = (MANAGER, "Apply")
    return Hands(crc32(text.encode()), any(entry[:2] != ours for entry in entries))


class Store:
    """Everything, by key; calls `changed(key, urgent)` when a reconcile may come out
    differently.
    """

    def __init__(self, changed: Callable[[Key, bool], None]):
        self._changed = changed
        self.owners: dict[Key, Owner] = {}
        self.children: dict[Id, Child] = {}
        self._by_owner: dict[Key, set[Id]] = {}
        self._gone: set[str] = set()  # uids
        self._gone_order: deque[str] = deque()

    # Custom resources

    def put_owner(self, owner: Owner) -> None:
        """A custom resource as it is at its resourceVersion."""
        old = self.owners.get(owner.key)
        if owner.uid in self._gone or (old is not None and old.version >= owner.version):
            return
        self.owners[owner.key] = owner
        if old is None or not owner.same(old):
            edited = old is None or old.uid != owner.uid or old.generation != owner.generation
            self._changed(owner.key, edited or old is None or old.notes != owner.notes)

    def wrote_owner(self, owner: Owner) -> None:
        """The answer to our own write of a status: no news to whoever wrote it."""
        old = self.owners.get(owner.key)
        if owner.uid in self._gone or (old is not None and old.version >= owner.version):
            return
        self.owners[owner.key] = owner
        if old is not None and old.generation != owner.generation:
            self._changed(owner.key, True)

    def drop_owner(self, key: Key, uid: str) -> None:
        """It was deleted, and is not in the API server any more."""
        self._remember(uid)
        old = self.owners.get(key)
        if old is not None and old.uid == uid:
            del self.owners[key]
            self._changed(key, True)

    # Children (kube.watch.Sink)

    def put(self, resource: Resource, raw: Object) -> None:
        self.put_child(Child.read(resource.kind, raw))

    def put_child(self, child: Child, *, own: bool = False) -> None:
        """A child as it is at its resourceVersion; `own`: the answer to our own write."""
        old = self.children.get(child.id)
        if child.uid in self._gone or (old is not None and old.version >= child.version):
            return
        if old is not None and old.owner != child.owner and old.owner is not None:
            self._by_owner.get(old.owner, set()).discard(old.id)
            self._changed(old.owner, False)
        self.children[child.id] = child
        if child.owner is not None:
            self._by_owner.setdefault(child.owner, set()).add(child.id)
            if not own and (old is None or not child.same(old)):
                self._changed(child.owner, child.kind == "Pod")

    def gone(self, resource: Resource, raw: Object) -> None:
        meta = raw["metadata"]
        self.drop_child((resource.kind, meta["namespace"], meta["name"]), meta["uid"])

    def drop_child(self, id: Id, uid: str) -> None:
        """It was deleted, and is not in the API server any more."""
        self._remember(uid)
        old = self.children.get(id)
        if old is None or old.uid != uid:
            return
        del self.children[id]
        if old.owner is not None:
            ids = self._by_owner.get(old.owner, set())
            ids.discard(id)
            if not ids:
                self._by_owner.pop(old.owner, None)
            self._changed(old.owner, True)

    def listed(
        self, resource: Resource, namespace: str | None, uids: set[str], version: int
    ) -> None:
        for child in list(self.children.values()):
            here = child.kind == resource.kind and namespace in (None, child.namespace)
            if here and child.uid not in uids and child.version <= version:
                self.drop_child(child.id, child.uid)

    # Questions

    def child(self, kind: str, namespace: str, name: str) -> Child | None:
        """One object."""
        return self.children.get((kind, namespace, name))

    def of(self, key: Key, kind: str | None = None) -> list[Child]:
        """The children of an owner, by name; those of an earlier object of that name too."""
        found = (self.children[id] for id in self._by_owner.get(key, ()))
        wanted = [each for each in found if kind in (None, each.kind)]
        return sorted(wanted, key=lambda each: (each.kind, each.created, each.name))

    def orphaned(self) -> Iterator[Key]:
        """Keys that have children and no custom resource."""
        return (key for key in self._by_owner if key not in self.owners)

    def phases(self) -> dict[tuple[str, ...], float]:
        """How many custom resources there are, by kind and phase."""
        return dict(Counter((o.key.kind, o.phase or "Pending") for o in self.owners.values()))

    def deleted(self, uid: str) -> bool:
        """Whether an object of that uid is known to be gone."""
        return uid in self._gone

    def _remember(self, uid: str) -> None:
        if uid in self._gone:
            return
        self._gone.add(uid)
        self._gone_order.append(uid)
        if len(self._gone_order) > REMEMBERED_DELETIONS:
            self._gone.discard(self._gone_order.popleft())
