"""The operator as a process: what there is, in which order it starts, and how it ends.

Reading and leading are apart. Every replica follows the cluster and is ready; the one
with the Lease gives out keys to its workers, and only while the two kinds are followed.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Sequence
from contextlib import AsyncExitStack, suppress
from functools import lru_cache
from itertools import product
from typing import Any, Final

from . import __version__, accounts
from .children import namespace_children
from .events import Recorder
from .http import Port
from .kube.client import Client, Fence, Open
from .kube.credentials import Credentials
from .kube.errors import KubeError, NotLeader, Transient
from .kube.resources import (
    CONFIG_MAPS,
    JOBS,
    OWNERS,
    PODS,
    ROLE_BINDINGS,
    SERVICES,
    STATEFUL_SETS,
)
from .kube.watch import ListWatch
from .leader import Fence as LeaseFence
from .leader import Leader, Terms
from .metrics import Counter, Family, Gauge, Histogram
from .names import LABEL_MANAGED_BY, MANAGED_BY, Key
from .owners import Change, Listed, Owners
from .queue import Queue
from .reconcile import Reconciler
from .settings import Settings
from .store import Owner, Store
from .sweep import Sweep

log = logging.getLogger(__name__)

FOLLOWED: Final = (STATEFUL_SETS, SERVICES, CONFIG_MAPS, JOBS, PODS)
"""Children and pods, by our label."""
WHOLE: Final = (JOBS, PODS, ROLE_BINDINGS)
"""Of the others the metadata are enough."""
OURS: Final = f"{LABEL_MANAGED_BY}={MANAGED_BY}"
LOOK: Final = 0.05
"""Seconds between two looks at whether something has come about."""
STUCK: Final = 60.0
GRACE: Final = 1.5
"""Seconds that reconciles which are under way may take at the end."""
OUTCOMES: Final = ("done", "retry", "error", "not_leader", "cancelled")
"""Of a reconcile."""


class Operator:
    """Everything of one process."""

    def __init__(self, settings: Settings, credentials: Credentials):
        self._settings = settings
        self._terms = Terms(settings.lease_duration, settings.renew_deadline, settings.retry_period)
        self._fence: Fence = LeaseFence(self._terms) if settings.leader_election else Open()
        agent = f"ioc-operator/{__version__} ({settings.identity})"
        self._client = Client(credentials, self._fence, agent)
        self._queue: Queue[Key] = Queue()
        self._store = Store(lambda key, urgent: self._queue.add(key, urgent=urgent))
        scope = settings.namespaces, settings.label_selector
        self._sweep = Sweep(self._client, self._store, *scope, every=settings.sweep_period)
        self._owners = Owners(
            credentials, self._client, self._deliver, namespaces=scope[0], selector=scope[1]
        )
        self._watches = [
            ListWatch(
                self._client,
                resource,
                self._store,
                namespace=namespace,
                selector=OURS,
                meta=resource not in WHOLE,
            )
            for resource in FOLLOWED
            for namespace in (settings.namespaces or (None,))
        ]
        # Asked at every reconcile, and always the same of one namespace.
        wanted = lru_cache(1024)(lambda namespace: namespace_children(namespace, settings))
        self._accounts = accounts.Accounts(wanted, self._look_at_all_of)
        self._account_watches = [
            ListWatch(
                self._client,
                resource,
                self._accounts,
                namespace=namespace,
                field=accounts.ONE_NAME,
                meta=resource not in WHOLE,
            )
            for resource in accounts.FOLLOWED
            for namespace in (settings.namespaces or (None,))
        ]
        self._recorder = Recorder(self._client, settings.identity)
        self._reconciler = Reconciler(
            self._client, self._store, self._queue, settings, self._recorder, self._accounts
        )
        self._leader = self._make_leader()
        self._warm = False
        self._reconciles = Counter(
            "ioc_operator_reconciles_total",
            "Reconciles, by kind and outcome.",
            ("kind", "outcome"),
            known=product(OWNERS, OUTCOMES),
        )
        self._seconds = Histogram(
            "ioc_operator_reconcile_seconds", "Time of a reconcile.", ("kind",)
        )
        self._port = Port(self._ill, self._unready, self.families())

    def _look_at_all_of(self, namespace: str) -> None:
        for key in self._store.owners:
            if key.namespace == namespace:
                self._queue.add(key)

    def _make_leader(self) -> Leader | None:
        if not isinstance(self._fence, LeaseFence):
            return None
        return Leader(
            self._client,
            self._fence,
            namespace=self._settings.lease_namespace,
            name=self._settings.lease_name,
            identity=self._settings.identity,
            terms=self._terms,
            namespaces=self._settings.namespaces,
        )

    # From start to end

    async def run(self) -> int:
        """Until SIGTERM or SIGINT; the exit code."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.close)
            await self._port.start(self._settings.http_host or None, self._settings.http_port)
            stack.push_async_callback(self._port.stop)
            log.info("probes and metrics on %s port %d", *self._port.address)
            tasks = self._begin()
            stopped = asyncio.create_task(stop.wait(), name="stop")
            done, _ = await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
            await self._end([*tasks, stopped])
            for task in done - {stopped}:
                task.result()  # what never ends has ended: its error is ours
        log.info("ended")
        return 0

    async def close(self) -> None:
        """Close its connections; `run` does it at its end."""
        await self._client.close()

    def _begin(self) -> list[asyncio.Task[None]]:
        forever: list[Awaitable[None]] = [
            self._owners.run(),
            self._recorder.run(),
            self._stand_by(),
            *(watch.run() for watch in self._watches + self._account_watches),
            *(self._work() for _ in range(self._settings.workers)),
        ]
        return [asyncio.ensure_future(each) for each in forever]

    async def _end(self, tasks: Sequence[asyncio.Task[Any]]) -> None:
        """Finish what is under way, then give the lease up, then the rest."""
        self._queue.hold()
        try:
            async with asyncio.timeout(GRACE):
                await self._queue.idle()
        except TimeoutError:
            log.warning("%d reconciles are cut off", self._queue.running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._leader:
            await self._leader.release()

    # Leading

    async def _stand_by(self) -> None:
        await self._until_warm()
        if self._leader:
            await self._leader.run(self._lead)
        else:
            log.info("leading without a lease")
            await self._lead(asyncio.Event())

    async def _until_warm(self) -> None:
        while not self._followed() or not await self._agrees():
            await asyncio.sleep(LOOK)
        self._warm = True
        log.info("the store is complete: %d tasks and jobs", len(self._store.owners))

    def _followed(self) -> bool:
        """Whether all is known that decisions are made of.

        A role of somebody else's making may not let us look at accounts: they are then written
        once, and not followed.
        """
        looked = all(watch.complete or watch.trouble for watch in self._account_watches)
        followed = all(watch.complete for watch in self._watches)
        return looked and followed and not self._owners.trouble

    async def _agrees(self) -> bool:
        try:
            await self._sweep.agree()
        except KubeError as error:
            log.warning("not compared with the cluster yet: %s", error)
            await asyncio.sleep(1.0)
            return False
        return True

    async def _lead(self, lost: asyncio.Event) -> None:
        """A term: compare, decide claims, give out keys until the lease is lost."""
        while not lost.is_set():
            if await self._prepare(lost):
                self._queue.go()
                await self._give_out(lost)
                self._queue.hold()
                await self._queue.idle()

    async def _prepare(self, lost: asyncio.Event) -> bool:
        """What must be true before the first decision; False when the lease went first."""
        while not lost.is_set():
            if self._followed() and await self._agrees() and await self._refreshed():
                self._reconciler.begin()
                for key in [*self._store.owners, *self._store.orphaned()]:
                    self._queue.add(key)
                return True
            await asyncio.sleep(LOOK)
        return False

    async def _refreshed(self) -> bool:
        """Claims stand on StatefulSets: read them as they are now."""
        try:
            for watch in self._watches:
                if watch.resource is STATEFUL_SETS:
                    await watch.refresh()
        except KubeError as error:
            log.warning("StatefulSets are not read: %s", error)
            await asyncio.sleep(1.0)
            return False
        return True

    async def _give_out(self, lost: asyncio.Event) -> None:
        """Until the lease is lost or the two kinds are not followed any more; a sweep now
        and then.
        """
        sweep = asyncio.create_task(self._sweep.run(), name="sweep")
        try:
            while not lost.is_set() and self._followed():
                if sweep.done():
                    log.warning("a sweep failed: %s", sweep.exception())
                    sweep = asyncio.create_task(self._sweep.run(), name="sweep")
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.2):
                        await lost.wait()
        finally:
            sweep.cancel()
            await asyncio.gather(sweep, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            outcome = "cancelled"
            began = asyncio.get_running_loop().time()
            try:
                again = await self._reconciler.reconcile(key)
                self._queue.done(key, again)
                outcome = "done"
            except NotLeader:
                self._queue.failed(key)
                outcome = "not_leader"
            except KubeError as error:
                outcome = "retry"
                wait = self._queue.failed(key, error.retry_after)
                level = logging.INFO if isinstance(error, Transient) else logging.DEBUG
                log.log(level, "%s: again in %.1f s: %s", key, wait, error)
            except Exception:
                outcome = "error"
                wait = self._queue.failed(key)
                log.exception("%s: a fault of the operator's own; again in %.1f s", key, wait)
            finally:
                self._reconciles.add(key.kind, outcome)
                self._seconds.observe(asyncio.get_running_loop().time() - began, key.kind)

    def _deliver(self, change: Change) -> None:
        if isinstance(change, Owner):
            self._store.put_owner(change)
        elif isinstance(change, Listed):
            self._sweep.soon()
        else:
            self._store.drop_owner(*change)

    # What it says of itself

    def _ill(self) -> str:
        seconds = self._owners.stuck()
        return f"kopf's loop has not turned for {seconds:.0f} s" if seconds > STUCK else ""

    def _unready(self) -> str:
        if self._owners.trouble:
            return f"tasks and jobs are not followed: {self._owners.trouble}"
        for watch in self._watches:
            if not watch.complete:
                return f"the list of {watch.resource.plural} is not complete: {watch.trouble}"
        return "" if self._warm else "not compared with the cluster yet"

    def families(self) -> list[Family]:
        """What /metrics shows."""
        return [
            self._reconciles,
            self._seconds,
            Gauge("ioc_operator_queue_depth", "Keys that wait.", lambda: self._queue.depth),
            Gauge(
                "ioc_operator_queue_retrying",
                "Keys whose last reconcile went wrong.",
                lambda: self._queue.retrying,
            ),
            self._queue.latency,
            self._queue.retries,
            Gauge(
                "ioc_operator_leader",
                "1 while this process leads.",
                lambda: float(self._fence.remaining() > 0),
            ),
            Gauge(
                "ioc_operator_objects",
                "IocTasks and IocJobs, by kind and phase.",
                self._store.phases,
                ("kind", "phase"),
            ),
            self._client.traffic.calls,
            self._client.traffic.seconds,
            self._recorder.outcomes,
            self._sweep.mended,
        ]
