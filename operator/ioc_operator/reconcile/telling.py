"""Status and Events: written when they differ from what stands in the object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ioc_operator.events import Recorder
from ioc_operator.kube.client import Client, Object
from ioc_operator.kube.errors import NotFound
from ioc_operator.kube.resources import OWNERS
from ioc_operator.status import transitions
from ioc_operator.store import Owner, Store


class Teller:
    """Writes the operator's part of a status."""

    def __init__(self, client: Client, store: Store, recorder: Recorder):
        self._client, self._store, self._recorder = client, store, recorder

    async def tell(self, owner: Owner, status: Mapping[str, Any]) -> Owner:
        """Make this the status; the owner as it then is. Nothing is written where nothing
        differs.

        The write supposes the object as it was read: a change in between is a Conflict,
        so that a status never lands on a newer object, or on another one of that name.
        """
        before = owner.read_status()
        before.pop("runtime", None)
        if status == before:
            return owner
        resource = OWNERS[owner.key.kind]
        body: Object = {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {
                "name": owner.key.name,
                "namespace": owner.key.namespace,
                "uid": owner.uid,
                "resourceVersion": str(owner.version),
            },
            "status": dict(status),
        }
        try:
            answer = await self._client.apply_status(resource, body)
        except NotFound:
            return owner  # deleted meanwhile: its event is on the way
        written = Owner.read(owner.key.kind, answer)
        self._store.wrote_owner(written)
        self._recorder.record(owner, transitions(before, status))
        return written
