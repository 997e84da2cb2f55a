"""Events on custom resources: when something changes, aggregated, never a flood.

A repeated one counts up the Event that is there, at most once a minute. What does not go
out soon is dropped and counted: an Event is news, and conditions hold the truth.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from .kube.client import Client, Object
from .kube.errors import KubeError, NotFound
from .kube.resources import EVENTS, OWNERS
from .metrics import Counter
from .store import Owner

log = logging.getLogger(__name__)

CONTROLLER: Final = "ioc-operator.dev/operator"
WAITING: Final = 1000
KNOWN: Final = 10_000
SERIES: Final = 600.0
"""Seconds without another one after which a series is over."""
PACE: Final = 60.0
"""Seconds between two updates of one series."""
RATE: Final = 10.0
"""Events per second at most; a burst may have `BURST` at once."""
BURST: Final = 100
NOTE: Final = 1024


class Event(Protocol):
    """What `status.transitions` gives."""

    @property
    def type(self) -> str:
        """Normal or Warning."""
        ...

    @property
    def reason(self) -> str: ...
    @property
    def note(self) -> str: ...


@dataclass(slots=True)
class Series:
    """One Event in the cluster, and how often it has come up."""

    body: Object
    count: int = 1
    posted: float = 0.0
    seen: float = 0.0
    queued: bool = False
    """It is about to be posted, with whatever count it has then."""


Bucket = tuple[str, str, str]
"""Owner's uid, type, reason and note."""


class Recorder:
    """Takes Events at once and posts them in its own time."""

    def __init__(self, client: Client, instance: str, clock: Callable[[], float] = time.monotonic):
        self._client, self._instance, self._clock = client, instance[:128], clock
        self._known: OrderedDict[Bucket, Series] = OrderedDict()
        self._queue: asyncio.Queue[Series] = asyncio.Queue(WAITING)
        self._tokens, self._filled = float(BURST), clock()
        self.outcomes = Counter(
            "ioc_operator_events_total",
            "Events by what became of them.",
            ("outcome",),
            known=[("posted",), ("aggregated",), ("dropped",), ("failed",)],
        )

    def record(self, owner: Owner, events: Iterable[Event]) -> None:
        """Post these about an object. Never waits, never fails."""
        for event in events:
            self._one(owner, event)

    def _one(self, owner: Owner, event: Event) -> None:
        now = self._clock()
        bucket = (owner.uid, event.type, f"{event.reason} {event.note}")
        series = self._known.get(bucket)
        if series is not None and now - series.seen < SERIES:
            series.count, series.seen = series.count + 1, now
            if series.queued or now - series.posted < PACE:
                self.outcomes.add("aggregated")
                return
        else:
            series = Series(self._body(owner, event), seen=now)
            self._known[bucket] = series
            while len(self._known) > KNOWN:
                self._known.popitem(last=False)
        try:
            self._queue.put_nowait(series)
            series.queued = True
        except asyncio.QueueFull:
            self.outcomes.add("dropped")

    async def run(self) -> None:
        """For ever: post what waits, no faster than the rate."""
        while True:
            series = await self._queue.get()
            await self._pace()
            try:
                await self._post(series)
                self.outcomes.add("posted")
            except KubeError as error:
                self.outcomes.add("failed")
                log.debug("event not posted: %s", error)

    async def _pace(self) -> None:
        now = self._clock()
        self._tokens = min(float(BURST), self._tokens + (now - self._filled) * RATE)
        self._filled = now
        self._tokens -= 1
        if self._tokens < 0:
            await asyncio.sleep(-self._tokens / RATE)

    async def _post(self, series: Series) -> None:
        series.posted, series.queued = self._clock(), False
        metadata = series.body["metadata"]
        if series.count > 1:
            change = {"series": {"count": series.count, "lastObservedTime": stamp()}}
            try:
                await self._client.patch(EVENTS, metadata["namespace"], metadata["name"], change)
                return
            except NotFound:
                pass  # it has expired
        await self._client.create(EVENTS, series.body)

    def _body(self, owner: Owner, event: Event) -> Object:
        return {
            "apiVersion": EVENTS.api_version,
            "kind": EVENTS.kind,
            "metadata": {
                "name": f"{owner.key.name}.{secrets.token_hex(8)}",
                "namespace": owner.key.namespace,
            },
            "eventTime": stamp(),
            "reportingController": CONTROLLER,
            "reportingInstance": self._instance,
            "action": "Reconcile",
            "type": event.type,
            "reason": event.reason[:128],
            "note": event.note.encode()[:NOTE].decode(errors="ignore"),
            "regarding": {
                "apiVersion": OWNERS[owner.key.kind].api_version,
                "kind": owner.key.kind,
                "namespace": owner.key.namespace,
                "name": owner.key.name,
                "uid": owner.uid,
            },
        }


def stamp() -> str:
    """Now, as a MicroTime."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
