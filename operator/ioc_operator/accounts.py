"""The account of each namespace that its runtimes report with, as the cluster has it.

Without it no new pod can be made, and the pods that run cannot say how they are: it is
followed like any child, and whoever lives in the namespace is looked at when it changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .kube.client import Object
from .kube.resources import ROLE_BINDINGS, SERVICE_ACCOUNTS, Resource
from .names import APPLIED, LABEL_MANAGED_BY, MANAGED_BY, RUNTIME

FOLLOWED: Final = (SERVICE_ACCOUNTS, ROLE_BINDINGS)
ONE_NAME: Final = f"metadata.name={RUNTIME}"
"""Selects them in lists and watches, which the operator may have for this name alone."""
GRANTS: Final = ("roleRef", "subjects")


@dataclass(frozen=True)
class Part:
    """A ServiceAccount or RoleBinding of that name."""

    uid: str
    version: int
    deleting: bool
    ours: bool
    applied: str
    """The hash that we stamped it with."""
    grants: Mapping[str, Any]
    """What a RoleBinding says; empty for an account."""

    @classmethod
    def read(cls, raw: Mapping[str, Any], said: Mapping[str, Any]) -> Part:
        """From an object of the API server; `said` has its grants."""
        meta = raw["metadata"]
        return cls(
            uid=meta["uid"],
            version=int(meta["resourceVersion"]),
            deleting="deletionTimestamp" in meta,
            ours=(meta.get("labels") or {}).get(LABEL_MANAGED_BY) == MANAGED_BY,
            applied=str((meta.get("annotations") or {}).get(APPLIED, "")),
            grants=_grants(said),
        )

    def is_as(self, body: Object) -> bool:
        """Whether it is what we would write."""
        hash_of = body["metadata"]["annotations"][APPLIED]
        return not self.deleting and self.applied == hash_of and self.grants == _grants(body)

    def binds_another_role(self, body: Object) -> bool:
        """Whether it cannot be made what we want: a binding keeps its role for life."""
        return "roleRef" in self.grants and self.grants["roleRef"] != body.get("roleRef")


def _grants(body: Mapping[str, Any]) -> dict[str, Any]:
    return {field: body[field] for field in GRANTS if field in body}


class Accounts:
    """Those of all namespaces (a kube.watch.Sink)."""

    def __init__(
        self, wanted: Callable[[str], Sequence[Object]], changed: Callable[[str], None]
    ) -> None:
        """`wanted` makes both objects of a namespace; `changed` is told of a namespace."""
        self._wanted, self._changed = wanted, changed
        self._parts: dict[tuple[str, str], Part] = {}

    def put(self, resource: Resource, raw: Object) -> None:
        self._put(resource.kind, raw["metadata"]["namespace"], Part.read(raw, raw))

    def wrote(self, body: Object, answer: Object) -> None:
        """The answer to our own write, which has the metadata alone."""
        self._put(body["kind"], body["metadata"]["namespace"], Part.read(answer, body))

    def _put(self, kind: str, namespace: str, part: Part) -> None:
        old = self._parts.get((kind, namespace))
        if old is not None and old.version >= part.version:
            return
        self._parts[kind, namespace] = part
        if old is not None and (old.applied, old.grants) != (part.applied, part.grants):
            self._changed(namespace)

    def gone(self, resource: Resource, raw: Object) -> None:
        self.drop(resource.kind, raw["metadata"]["namespace"], raw["metadata"]["uid"])

    def drop(self, kind: str, namespace: str, uid: str) -> None:
        """It is not there any more."""
        old = self._parts.get((kind, namespace))
        if old is not None and old.uid == uid:
            del self._parts[kind, namespace]
            self._changed(namespace)

    def listed(
        self, resource: Resource, namespace: str | None, uids: set[str], version: int
    ) -> None:
        for (kind, place), part in list(self._parts.items()):
            here = kind == resource.kind and namespace in (None, place)
            if here and part.uid not in uids and part.version <= version:
                self.drop(kind, place, part.uid)

    def part(self, body: Object) -> Part | None:
        """What has the place of that object now."""
        return self._parts.get((body["kind"], body["metadata"]["namespace"]))

    def lacking(self, namespace: str) -> list[Object]:
        """What is to be written there: what is missing, or not as we want it."""
        bodies = self._wanted(namespace)
        return [body for body in bodies if not ((part := self.part(body)) and part.is_as(body))]
