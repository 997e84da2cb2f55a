"""One list-watch: a complete list, then what changes, and the list again when it must be.

After a 410 the list is read anew and compared: what vanished in between is noticed.
Outages of any length are waited out; what is known stays known meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import Final, Protocol

from .client import Client, Object
from .errors import Gone, KubeError
from .resources import Resource

log = logging.getLogger(__name__)

LONGEST_BACKOFF: Final = 4.0
"""Seconds between two tries, give or take a half: an edit made right after an outage waits
as long, and few as our watches are, they do not keep a server from coming up."""
SECONDS: Final = 300
"""Of one watch, before it is begun anew from where it was; spread, so that not all do so
at once."""


class Sink(Protocol):
    """Where a list-watch puts what it learns. It calls, and never waits."""

    def put(self, resource: Resource, raw: Object) -> None:
        """An object as it is at its resourceVersion."""
        ...

    def gone(self, resource: Resource, raw: Object) -> None:
        """An object was deleted; `raw` is how it was last."""
        ...

    def listed(
        self, resource: Resource, namespace: str | None, uids: set[str], version: int
    ) -> None:
        """These are all there are, as of a resourceVersion."""
        ...


class ListWatch:
    """Follows the objects of one kind, in one namespace or in all (None)."""

    def __init__(
        self,
        client: Client,
        resource: Resource,
        sink: Sink,
        *,
        namespace: str | None = None,
        selector: str = "",
        field: str = "",
        meta: bool = True,
    ):
        self.resource = resource
        self.complete = False
        """Whether a complete list has been read; it stays true through outages."""
        self.trouble = ""
        """What went wrong last, while it does."""
        self._client, self._sink = client, sink
        self._namespace, self._selector, self._field = namespace, selector, field
        self._meta = meta
        self._version = ""

    async def run(self) -> None:
        """For ever."""
        failures = 0
        while True:
            asked = 0.0
            try:
                if not self._version:
                    await self.list()
                await self._follow()
                failures, self.trouble = 0, ""
                continue
            except Gone:
                log.info("list of %s is read again: the watch was too old", self.resource.plural)
                self._version = ""
                failures = 0  # the server answers: no reason to wait for it
            except KubeError as error:
                if not self.trouble:
                    failures = 0
                    log.warning("list of %s is not followed: %s", self.resource.plural, error)
                self.trouble = str(error)
                failures, asked = failures + 1, error.retry_after
            wait = min(LONGEST_BACKOFF, 0.5 * 2.0 ** min(failures, 10))
            await asyncio.sleep(max(asked, wait * (0.5 + random.random())))

    async def list(self) -> None:
        """Read all there is, compare, and follow from there."""
        self._version = await self.refresh()
        if self.trouble:
            log.info("list of %s is followed again", self.resource.plural)
        self.complete, self.trouble = True, ""

    async def refresh(self) -> str:
        """Read all there is now, and compare; the resourceVersion of the list."""
        uids: set[str] = set()
        version = ""
        pages = self._client.pages(
            self.resource,
            self._namespace,
            selector=self._selector,
            field=self._field,
            meta=self._meta,
        )
        async for page in pages:
            items, version = page
            for raw in items:
                uids.add(raw["metadata"]["uid"])
                self._sink.put(self.resource, raw)
        self._sink.listed(self.resource, self._namespace, uids, int(version))
        return version

    async def _follow(self) -> None:
        events = self._client.watch(
            self.resource,
            self._namespace,
            since=self._version,
            selector=self._selector,
            field=self._field,
            meta=self._meta,
            seconds=int(SECONDS * (0.8 + 0.4 * random.random())),
        )
        async for kind, raw in events:
            self.trouble = ""
            if kind in ("ADDED", "MODIFIED"):
                self._sink.put(self.resource, raw)
            elif kind == "DELETED":
                self._sink.gone(self.resource, raw)
            self._version = raw["metadata"]["resourceVersion"]
