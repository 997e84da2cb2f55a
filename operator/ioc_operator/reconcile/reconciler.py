"""Which way a key goes."""

from __future__ import annotations

import logging

from ioc_operator.accounts import Accounts
from ioc_operator.events import Recorder
from ioc_operator.kube.client import Client
from ioc_operator.names import TASK, Key
from ioc_operator.queue import Queue
from ioc_operator.settings import Settings
from ioc_operator.store import Store

from .apply import Applier, OwnerGone, Waiting
from .job import JobReconciler
from .owning import Owning
from .task import TaskReconciler
from .telling import Teller
from .trying import Trying

log = logging.getLogger(__name__)

SOON = 1.0
"""Seconds until we look again at something that has to go before we can go on."""


class Reconciler:
    """Level-triggered: it looks at what the store holds, and never at what has happened."""

    def __init__(
        self,
        client: Client,
        store: Store,
        queue: Queue[Key],
        settings: Settings,
        recorder: Recorder,
        accounts: Accounts,
    ):
        self._store, self._queue = store, queue
        self._owning = Owning(store, lambda key: queue.add(key, urgent=True))
        self._applier = Applier(client, store, accounts)
        teller = Teller(client, store, recorder)
        trying = Trying(store, settings, self._applier)
        parts = store, settings, self._applier, self._owning, teller, trying
        self._tasks = TaskReconciler(*parts)
        self._jobs = JobReconciler(client, *parts)

    def begin(self) -> None:
        """A new term, with complete lists: decide claims from what stands in the cluster."""
        self._applier.begin()
        self._owning.begin()

    async def reconcile(self, key: Key) -> float | None:
        """Make one custom resource so. Seconds until it wants to be looked at again.

        Raises errors of `kube.errors` for what a repeat may mend.
        """
        owner = self._store.owners.get(key)
        if owner is None:
            self._owning.left(key)
            self._tasks.forget(key)
            self._queue.forget(key)
            return None
        if owner.deleting:
            return None
        try:
            if key.kind == TASK:
                return await self._tasks.reconcile(owner)
            return await self._jobs.reconcile(owner)
        except OwnerGone:
            log.info("%s is gone; its event will follow", key)
            return SOON
        except Waiting as reason:
            log.info("%s waits: %s", key, reason)
            return SOON
