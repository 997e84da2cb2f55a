"""Bring an owner's children to what is wanted: written only where they differ.

Stateless but for two memories of a term as leader: what we wrote, and who had a hand in each
child when we left it. What somebody else changes is put right.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ioc_operator.accounts import Accounts
from ioc_operator.kube.client import Client, Object
from ioc_operator.kube.errors import Forbidden, NotFound, Refused
from ioc_operator.kube.resources import CHILDREN, OWNERS, PODS, ROLE_BINDINGS, Resource
from ioc_operator.names import APPLIED, LABEL_MANAGED_BY, MANAGED_BY
from ioc_operator.status import ApplyError
from ioc_operator.store import Child, Owner, Store

log = logging.getLogger(__name__)

PRUNED: Final = ("StatefulSet", "Service", "ConfigMap", "Job")
"""Kinds of which a child of a task that is not wanted any more is deleted."""
PEACE: Final = 300.0
"""Seconds between two times that a namespace's binding is made anew: two operators that both
want it are not to fight."""
STORAGE: Final = (
    "an existing StatefulSet cannot take this change (spec.storage, most likely): undo it, "
    "or delete and create the task again"
)


class OwnerGone(Exception):
    """The custom resource is not there any more, or is being deleted: leave it be."""


class Applier:
    """Writes children, and before them the account of their namespace."""

    def __init__(self, client: Client, store: Store, accounts: Accounts):
        self._client, self._store, self._accounts = client, store, accounts
        self._one_prepares = asyncio.Lock()
        self._rebound: dict[str, float] = {}  # by namespace, when its binding was made anew
        self._prints: dict[str, int] = {}  # by uid, as we left it
        self._written: set[str] = set()  # uids

    def begin(self) -> None:
        """A new term: nothing is remembered."""
        self._prints.clear()
        self._written.clear()

    def live(self, owner: Owner, wanted: Object) -> bool:
        """Whether that child is as we would write it, as far as the store knows."""
        child = self._child(wanted)
        return (
            child is not None
            and not child.deleting
            and child.owner_uid == owner.uid
            and child.notes.get(APPLIED) == applied(wanted)
            and not self._meddled(child)
        )

    def intact(self, owner: Owner, child: Child | None) -> bool:
        """Whether a child is there, this owner's, and as it was when we wrote it last."""
        return (
            child is not None
            and not child.deleting
            and child.owner_uid == owner.uid
            and not self._meddled(child)
        )

    def written(self, child: Child) -> bool:
        """Whether we have written it in this term: then it is what it should be."""
        return child.uid in self._written

    def _meddled(self, child: Child) -> bool:
        """Whether somebody has changed it since we wrote it, or first saw it in this term."""
        known = self._prints.get(child.uid)
        if known is None and not child.hands.others:
            self._prints[child.uid] = child.hands.print
            return False
        return known != child.hands.print

    async def children(
        self, owner: Owner, wanted: Sequence[Object], *, force: bool = False
    ) -> list[ApplyError]:
        """Write those that differ, in order, up to the first that is refused.

        Errors that a repeat may mend are raised; those for people are returned.
        """
        differ = [body for body in wanted if force or not self.live(owner, body)]
        return await self._write(owner, differ) if differ else await self.account(owner)

    async def account(self, owner: Owner) -> list[ApplyError]:
        """See that its namespace has what pods report with; as `children`."""
        try:
            await self._prepare(owner.key.namespace)
        except (Refused, Forbidden) as error:
            title = f"the account of namespace {owner.key.namespace}"
            return [ApplyError(error.code, title, str(error))]
        return []

    async def _write(self, owner: Owner, differ: Sequence[Object]) -> list[ApplyError]:
        body: Object = differ[0]
        try:
            missing = [body for body in differ if not self._mine(owner, body)]
            if missing:
                await self._still_there(owner)
                found = await asyncio.gather(*(self._peek(body) for body in missing))
                for body, raw in zip(missing, found, strict=True):
                    if raw is not None and (taken := await self._make_room(owner, body, raw)):
                        return [taken]
            await self._rehearse(owner, differ)
            await self._prepare(owner.key.namespace)
            for body in differ:
                await self._apply(body)
        except (Refused, Forbidden) as error:
            return [ApplyError(error.code, title(body), refusal(body, error))]
        return []

    def _child(self, body: Object) -> Child | None:
        meta = body["metadata"]
        return self._store.child(body["kind"], meta["namespace"], meta["name"])

    def _mine(self, owner: Owner, body: Object) -> bool:
        child = self._child(body)
        return child is not None and child.owner_uid == owner.uid and not child.deleting

    async def _still_there(self, owner: Owner) -> None:
        """Before something new is made for it: a ghost must not get children."""
        if "conditions" not in owner.read_status():
            return  # it was seen for the first time a moment ago
        key = owner.key
        try:
            meta = (await self._client.get_meta(OWNERS[key.kind], key.namespace, key.name))[
                "metadata"
            ]
        except NotFound as error:
            raise OwnerGone from error
        if meta["uid"] != owner.uid or "deletionTimestamp" in meta:
            raise OwnerGone

    async def _peek(self, body: Object) -> Object | None:
        """What has that name now."""
        meta = body["metadata"]
        try:
            return await self._client.get_meta(
                CHILDREN[body["kind"]], meta["namespace"], meta["name"]
            )
        except NotFound:
            return None

    async def _make_room(self, owner: Owner, body: Object, raw: Object) -> ApplyError | None:
        """See that what has the name of a child is ours.

        What an earlier object of the same name has left is deleted, and waited for.
        """
        resource = CHILDREN[body["kind"]]
        child = Child.read(resource.kind, raw)
        labels = raw["metadata"].get("labels") or {}
        ours = labels.get(LABEL_MANAGED_BY) == MANAGED_BY and child.owner == owner.key
        if not ours:
            return ApplyError(
                0, title(body), "it is there already and does not belong to this object"
            )
        self._store.put_child(child, own=True)
        if child.owner_uid == owner.uid and not child.deleting:
            return None
        await self.delete(resource, child)
        raise Waiting(f"{title(body)} of an earlier object of that name is being deleted")

    async def _rehearse(self, owner: Owner, differ: Sequence[Object]) -> None:
        """Ask whether a StatefulSet can be changed before the rest is: an edit comes into
        force as a whole, or not at all.
        """
        for body in differ:
            if body["kind"] == "StatefulSet" and self._mine(owner, body):
                await self._client.apply(CHILDREN["StatefulSet"], body, dry_run=True)

    async def _prepare(self, namespace: str) -> None:
        if not self._accounts.lacking(namespace):
            return
        async with self._one_prepares:
            for body in self._accounts.lacking(namespace):
                await self._unbind(body)
                log.info("%s is written", title(body))
                answer = await self._client.apply(CHILDREN[body["kind"]], body)
                self._accounts.wrote(body, answer)

    async def _unbind(self, body: Object) -> None:
        """Take away a binding of ours to another role: an earlier release has left it."""
        part, namespace = self._accounts.part(body), body["metadata"]["namespace"]
        if part is None or part.deleting or not part.binds_another_role(body):
            return
        role = part.grants["roleRef"].get("name")
        now = time.monotonic()
        if not part.ours or now < self._rebound.get(namespace, -PEACE) + PEACE:
            raise Refused(
                f"{title(body)} is bound to {role} by somebody else; expected "
                f"{body['roleRef']['name']}. Does another release look after this namespace?",
                code=409,
            )
        self._rebound[namespace] = now
        log.warning("%s was bound to %s: it is made anew", title(body), role)
        try:
            await self._client.delete(ROLE_BINDINGS, namespace, body["metadata"]["name"], part.uid)
        except NotFound:
            pass
        self._accounts.drop(body["kind"], namespace, part.uid)

    async def _apply(self, body: Object) -> None:
        resource = CHILDREN[body["kind"]]
        child = Child.read(resource.kind, await self._client.apply(resource, body))
        self._prints[child.uid] = child.hands.print
        self._written.add(child.uid)
        self._store.put_child(child, own=True)

    async def annotate(self, pod: Child, notes: Mapping[str, str]) -> None:
        """Make the kubelet look at the ConfigMap now. A pod that has gone is no error."""
        body: Mapping[str, Any] = {"metadata": {"uid": pod.uid, "annotations": dict(notes)}}
        try:
            await self._client.patch(PODS, pod.namespace, pod.name, dict(body))
        except NotFound:
            return

    async def prune(self, owner: Owner, wanted: Sequence[Object]) -> None:
        """Delete children of a task that are not wanted any more."""
        names = {(body["kind"], body["metadata"]["name"]) for body in wanted}
        for child in self._store.of(owner.key):
            ours = child.owner_uid == owner.uid and child.kind in PRUNED and not child.deleting
            if ours and (child.kind, child.name) not in names:
                await self.delete(CHILDREN[child.kind], child)

    async def delete(self, resource: Resource, child: Child, *, foreground: bool = False) -> None:
        """Delete a child; one that is gone already is no error.

        :param foreground: it stays until what it owns is gone
        """
        if child.deleting:
            return
        try:
            await self._client.delete(
                resource, child.namespace, child.name, child.uid, foreground=foreground
            )
        except NotFound:
            self._store.drop_child(child.id, child.uid)


class Waiting(Exception):
    """Something has to go before we can go on: look again soon."""


def applied(body: Object) -> str:
    """The hash that a child was stamped with."""
    return str(body["metadata"].get("annotations", {}).get(APPLIED, ""))


def title(body: Object) -> str:
    """As `StatefulSet bl01/guard`."""
    meta = body["metadata"]
    return f"{body['kind']} {meta['namespace']}/{meta['name']}"


def refusal(body: Object, error: Refused | Forbidden) -> str:
    """The server's words, and what they mean where they do not say it."""
    immutable = body["kind"] == "StatefulSet" and "updates to statefulset spec" in str(error)
    return f"{STORAGE}. {error}" if immutable else str(error)
