"""Status and Events: written when they differ from what stands in the object."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final

from ioc_operator import conditions as c
from ioc_operator.events import Recorder
from ioc_operator.kube.client import Client, Object
from ioc_operator.kube.errors import Forbidden, NotFound, Refused
from ioc_operator.kube.resources import OWNERS
from ioc_operator.status import Event, transitions
from ioc_operator.status.transitions import STATUS_REFUSED
from ioc_operator.store import Owner, Store

log = logging.getLogger(__name__)

PACE: Final = 0.25
"""Seconds between two writes of a status that tell of progress alone."""
REMEMBERED: Final = 20_000
LASTING: Final = (c.READY, c.STALLED, c.SUSPENDED, c.COMPLETE, c.FAILED)


class Teller:
    """Writes the operator's part of a status."""

    def __init__(
        self,
        client: Client,
        store: Store,
        recorder: Recorder,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._client, self._store, self._recorder = client, store, recorder
        self._clock = clock
        self._wrote: OrderedDict[str, float] = OrderedDict()  # by uid
        self._refused: OrderedDict[str, str] = OrderedDict()  # by uid, the server's words

    def too_soon(self, owner: Owner, status: Mapping[str, Any]) -> float | None:
        """Seconds to wait before a status that tells of nothing but progress is written.

        Children come up in a burst of events: one write tells them all. What changes
        Ready, or needs somebody, is written at once.
        """
        before = owner.read_status()
        if "conditions" not in before:
            since = self._wrote.setdefault(owner.uid, self._clock())
        else:
            since = self._wrote.get(owner.uid, float("-inf"))
        while len(self._wrote) > REMEMBERED:
            self._wrote.popitem(last=False)
        wait = since + PACE - self._clock()
        return wait if wait > 0 and lasting(before) == lasting(status) else None

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
        except (Forbidden, Refused) as error:
            self._not_taken(owner, str(error))
            raise
        self._refused.pop(owner.uid, None)
        written = Owner.read(owner.key.kind, answer)
        self._store.wrote_owner(written)
        self._wrote[owner.uid] = self._clock()
        self._wrote.move_to_end(owner.uid)
        self._recorder.record(owner, transitions(before, status))
        return written

    def _not_taken(self, owner: Owner, words: str) -> None:
        """The status cannot say it: the log and an Event do, once for each kind of trouble."""
        if self._refused.get(owner.uid) == words:
            return
        self._refused[owner.uid] = words
        while len(self._refused) > REMEMBERED:
            self._refused.popitem(last=False)
        log.warning("%s: its status is not taken, so it says nothing new: %s", owner.key, words)
        self._recorder.record(owner, [Event("Warning", STATUS_REFUSED, words)])


def lasting(status: Mapping[str, Any]) -> list[tuple[object, ...]]:
    """What of a status somebody may be waiting for."""
    found = {one["type"]: one for one in c.conditions_of(status)}
    told: list[tuple[object, ...]] = []
    for kind in LASTING:
        one = found.get(kind)
        stands = one is not None and (kind != c.READY or one.get("status") == "True")
        if one is not None and stands:
            reason = one.get("reason") if kind == c.STALLED else ""
            told.append((kind, one.get("status"), reason))
    return told
