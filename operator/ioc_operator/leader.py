"""The Lease: of all the operator's pods one leads, and it knows until when it may write.

Nobody's wall clock is trusted. A lease is taken from another only after it was seen
unchanged for its whole duration on our own clock, one that goes on while the process is
frozen and the machine asleep. A renewal counts from the moment before it was sent. So
what is written before `remaining()` runs out is written before anybody else can lead.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from typing import Final, Protocol

from .kube.client import Client, Object
from .kube.errors import Conflict, KubeError, NotFound
from .kube.resources import LEASES
from .names import LABEL_MANAGED_BY, MANAGED_BY, NAMESPACES

log = logging.getLogger(__name__)

MARGIN: Final = 0.5
"""Seconds before the end of the lease in which no write of ours may still be on its way."""


def clock() -> float:
    """Seconds on a clock that only goes forward, also while the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@dataclass(frozen=True)
class Terms:
    """Seconds: of the lease, of trying to renew it, and between two tries."""

    duration: float = 6.0
    deadline: float = 4.0
    retry: float = 1.0


class Lead(Protocol):
    """What a leader does: it must return soon after `lost` is set, or may return before."""

    def __call__(self, lost: asyncio.Event) -> Awaitable[None]: ...


class Fence:
    """How long we may write. Closed until the lease is ours."""

    def __init__(self, terms: Terms, now: Callable[[], float] = clock):
        self._terms, self._now = terms, now
        self._renewed = float("-inf")

    def renewed(self, sent: float) -> None:
        """A renewal that was sent at that time has been accepted."""
        self._renewed = sent

    def close(self) -> None:
        """No more writes."""
        self._renewed = float("-inf")

    def remaining(self) -> float:
        """Seconds that a write may take which begins now; 0 or less: none may begin."""
        now = self._now()
        if now >= self._renewed + self._terms.deadline:
            return 0.0
        return self._renewed + self._terms.duration - MARGIN - now


class Rival:
    """What we know of a lease that is somebody else's: since when it has not changed."""

    def __init__(self, now: Callable[[], float] = clock):
        self._now = now
        self._version = ""
        self._since = 0.0

    def expired(self, lease: Object) -> bool:
        """Whether it may be taken: free, or unchanged for all of its duration."""
        version, spec = lease["metadata"]["resourceVersion"], lease.get("spec") or {}
        if version != self._version:
            self._version, self._since = version, self._now()
        if not spec.get("holderIdentity"):
            return True
        return self._now() - self._since > float(spec.get("leaseDurationSeconds") or 1)


class Leader:
    """Stands by, leads, and stands by again. `client` is used outside of the fence only.

    `identity` is another one at every start.
    """

    def __init__(
        self,
        client: Client,
        fence: Fence,
        *,
        namespace: str,
        name: str,
        identity: str,
        terms: Terms | None = None,
        namespaces: Sequence[str] = (),
    ):
        """:param namespaces: what the leader looks after; none means all, and the Lease says so"""
        self.identity = identity
        self.leading = False
        self._client, self._fence = client, fence
        self._namespace, self._name = namespace, name
        self._marks: Object = {"labels": {LABEL_MANAGED_BY: MANAGED_BY}}
        if namespaces:
            self._marks["annotations"] = {NAMESPACES: ",".join(namespaces)}
        self._terms = terms or Terms()
        self._lease: Object = {}

    async def run(self, lead: Lead) -> None:
        """For ever: wait for the lease, then lead until it is lost."""
        while True:
            await self._acquire()
            lost = asyncio.Event()
            self.leading = True
            log.info("leading as %s", self.identity)
            try:
                async with asyncio.TaskGroup() as group:
                    keep = group.create_task(self._keep(lost))
                    await lead(lost)
                    keep.cancel()
            finally:
                self.leading = False
                if lost.is_set():
                    self._fence.close()
            log.warning("not leading any more: the lease could not be renewed in time")

    async def release(self) -> None:
        """Give the lease up, if it is ours, so that another need not wait. Best effort."""
        ours = self._fence.remaining() > 0
        self._fence.close()
        if ours and self._lease:
            with suppress(KubeError):
                await self._write(self._lease, holder="", duration=1, deadline=1.0)

    async def _acquire(self) -> None:
        rival = Rival()
        said = ""
        while True:
            try:
                if await self._try(rival):
                    return
                said = ""
            except KubeError as error:
                if str(error) != said:
                    said = str(error)
                    log.warning("no lease: %s", said)
            await asyncio.sleep(self._terms.retry)

    async def _try(self, rival: Rival) -> bool:
        sent = clock()
        try:
            lease = await self._client.get(LEASES, self._namespace, self._name)
        except NotFound:
            body = self._body({}, self.identity, ceil(self._terms.duration), transitions=0)
            with suppress(Conflict):
                self._lease = await self._client.create(LEASES, body, fenced=False)
                self._fence.renewed(sent)
                return True
            return False
        if not rival.expired(lease):
            return False
        with suppress(Conflict):
            await self._renew(lease)
            return True
        return False

    async def _keep(self, lost: asyncio.Event) -> None:
        """Renew until it cannot be done in time; then set `lost`."""
        while True:
            await asyncio.sleep(self._terms.retry)
            try:
                await self._renew(self._lease)
                continue
            except Conflict:
                if await self._taken():
                    break
            except NotFound:
                break
            except KubeError as error:
                log.warning("lease not renewed: %s", error)
            if self._fence.remaining() <= 0:
                break
        self._fence.close()
        lost.set()

    async def _taken(self) -> bool:
        """Whether somebody else holds it: read after a conflict."""
        with suppress(KubeError):
            self._lease = await self._client.get(LEASES, self._namespace, self._name)
            return bool(self._lease["spec"].get("holderIdentity") != self.identity)
        return False

    async def _renew(self, lease: Object) -> None:
        sent = clock()
        self._lease = await self._write(
            lease, holder=self.identity, duration=ceil(self._terms.duration), deadline=2.0
        )
        self._fence.renewed(sent)

    async def _write(self, lease: Object, *, holder: str, duration: int, deadline: float) -> Object:
        spec = lease.get("spec") or {}
        changes = holder and spec.get("holderIdentity") != holder
        transitions = int(spec.get("leaseTransitions") or 0) + bool(changes)
        body = self._body(lease, holder, duration, transitions)
        return await self._client.replace(LEASES, body, deadline)

    def _body(self, lease: Object, holder: str, duration: int, transitions: int) -> Object:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        old = lease.get("spec") or {}
        same = old.get("holderIdentity") == holder
        version = lease.get("metadata", {}).get("resourceVersion")
        metadata = {"name": self._name, "namespace": self._namespace, **self._marks}
        return {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": metadata | ({"resourceVersion": version} if version else {}),
            "spec": {
                "holderIdentity": holder,
                "leaseDurationSeconds": duration,
                "acquireTime": old.get("acquireTime") if same else now,
                "renewTime": now,
                "leaseTransitions": transitions,
            },
        }
