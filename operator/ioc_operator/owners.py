"""IocTasks and IocJobs as they come and change, through kopf.

Only `@kopf.on.event`: kopf lists, watches and reconnects, and each event goes into the
store at once. It keeps nothing in the objects, writes nothing, and decides nothing.

kopf has a thread and an event loop to itself. So a burst of events holds up neither the
Lease nor the probes, its end (a kind that was removed from the API) does not take our
tasks with it, and it can be started again in the same process.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final, cast

import aiohttp
import kopf

from .kube.client import Client
from .kube.credentials import Credentials
from .kube.errors import KubeError, NotFound
from .kube.resources import OWNERS
from .kube.watch import LONGEST_BACKOFF
from .names import GROUP, VERSION, Key
from .store import Owner

log = logging.getLogger(__name__)


class Listed:
    """Kopf reads a list: whatever was deleted before that, no event says so."""


Change = Owner | tuple[Key, str] | Listed
"""A custom resource as it is now; or one that is gone, with its uid; or neither."""
Deliver = Callable[[Change], None]

STOP_TIMEOUT: Final = 1.5


class Backoffs:
    """Seconds between tries, for ever: kopf ends itself when they run out."""

    def __iter__(self) -> Iterator[float]:
        wait = 0.5
        while True:
            yield wait * (0.5 + random.random())
            wait = min(LONGEST_BACKOFF, wait * 2)


class Owners:
    """Follows the two kinds and hands each change to `deliver`, on the caller's loop."""

    def __init__(
        self,
        credentials: Credentials,
        client: Client,
        deliver: Deliver,
        *,
        namespaces: tuple[str, ...] = (),
        selector: str = "",
    ):
        self.trouble = "not started"
        """Why nothing is followed at the moment; empty while it is."""
        self._credentials, self._client, self._deliver = credentials, client, deliver
        self._namespaces, self._selector = namespaces, selector
        self._changes: deque[Change] = deque()
        self._woken = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._follower: Follower | None = None

    async def run(self) -> None:
        """For ever: wait until the API has the kinds, follow them, begin again if that ends."""
        self._loop = asyncio.get_running_loop()
        wait = 1.0
        while True:
            await self._served()
            began = self._loop.time()
            self._follower = Follower(
                self._credentials, self._hand_over, self._namespaces, self._selector
            )
            self.trouble = ""
            try:
                self.trouble = await self._follower.run()
            finally:
                await self._follower.stop()
                self._follower = None
            log.error("following IocTasks and IocJobs ended: %s", self.trouble)
            wait = 1.0 if self._loop.time() - began > 60 else min(30.0, wait * 2)
            await asyncio.sleep(wait * (0.5 + random.random()))

    def stuck(self) -> float:
        """Seconds since kopf's event loop turned last; 0 while it does not run."""
        return time.monotonic() - self._follower.turned if self._follower else 0.0

    async def _served(self) -> None:
        """Wait until the API server has both kinds."""
        while True:
            try:
                missing = {each.plural for each in OWNERS.values()}
                missing -= await self._client.served(GROUP, VERSION)
                if not missing:
                    return
                trouble = f"the API server does not have {' and '.join(sorted(missing))}.{GROUP}"
            except NotFound:
                trouble = f"the API server does not have {GROUP}/{VERSION}: are the CRDs installed?"
            except KubeError as error:
                trouble = f"the API server cannot be asked for its resources: {error}"
            if trouble != self.trouble:
                log.warning("waiting: %s", trouble)
            self.trouble = trouble
            await asyncio.sleep(0.5 + random.random())

    def _hand_over(self, change: Change) -> None:
        """On kopf's thread: one wake-up serves all that came meanwhile."""
        self._changes.append(change)
        if not self._woken and self._loop is not None and not self._loop.is_closed():
            self._woken = True
            self._loop.call_soon_threadsafe(self._take)

    def _take(self) -> None:
        self._woken = False  # first: what is appended from now on wakes us again
        while self._changes:
            self._deliver(self._changes.popleft())


class Follower:
    """One life of kopf, on its thread."""

    def __init__(
        self,
        credentials: Credentials,
        hand_over: Deliver,
        namespaces: tuple[str, ...],
        selector: str,
    ):
        self.turned = time.monotonic()
        """When kopf's event loop turned last."""
        self._credentials, self._hand_over = credentials, hand_over
        self._namespaces, self._selector = namespaces, selector
        self._sessions: list[aiohttp.ClientSession] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread: threading.Thread | None = None

    async def run(self) -> str:
        """Until it ends, which it should not: the reason."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[str] = loop.create_future()

        def tell(reason: str) -> None:
            if not ended.done():
                ended.set_result(reason)

        def tell_from_there(reason: str) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(tell, reason)

        self._thread = threading.Thread(
            target=self._live, args=(tell_from_there,), name="kopf", daemon=True
        )
        self._thread.start()
        return await ended

    async def stop(self) -> None:
        """End it, and wait a moment for its end."""
        thread = self._thread
        if thread is None or not thread.is_alive():
            return
        if self._loop is not None and self._stop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop.set)
        until = asyncio.get_running_loop().time() + STOP_TIMEOUT
        while thread.is_alive() and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(0.02)

    def _live(self, tell: Callable[[str], None]) -> None:
        """The thread: kopf until it ends, then what is left of it, within bounds."""
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(_overhear)
        try:
            loop.run_until_complete(self._operate(tell))
        except Exception as error:  # whatever ended it, it is begun again
            tell(f"{type(error).__name__}: {error}")
        finally:
            loop.run_until_complete(self._clear())
            loop.close()

    async def _operate(self, tell: Callable[[str], None]) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        tasks = await kopf.spawn_tasks(
            registry=self._registry(),
            settings=self._settings(),
            standalone=True,
            # Else kopf asks who we are, and a container's user has no name.
            identity=cast(Any, "ioc-operator"),
            clusterwide=not self._namespaces,
            namespaces=self._namespaces,
        )
        stopped = asyncio.create_task(self._stop.wait())
        turns = asyncio.create_task(self._turn())
        done, _ = await asyncio.wait([*tasks, stopped, turns], return_when=asyncio.FIRST_COMPLETED)
        for task in done - {stopped}:
            error = None if task.cancelled() else task.exception()
            tell(f"{task.get_name()}: {error or 'ended'}")

    async def _turn(self) -> None:
        while True:
            self.turned = time.monotonic()
            await asyncio.sleep(1.0)

    async def _clear(self) -> None:
        """Cancel what runs, and do not wait for ever: kopf may wait for a login for ever."""
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_TIMEOUT / 2)
        await asyncio.get_running_loop().shutdown_asyncgens()
        for session in self._sessions:
            await session.close()
        await asyncio.sleep(0.05)  # a TLS connection takes a few turns to close

    def _registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        kopf.on.login(registry=registry)(self._log_in)
        see: Any = self._see  # kopf passes much more by name
        for kind, resource in OWNERS.items():
            kopf.on.event(
                GROUP, VERSION, resource.plural, registry=registry, id=f"see-{kind}", param=kind
            )(see)
        return registry

    async def _see(self, event: dict[str, Any], param: str, **_: object) -> None:
        raw = event["object"]
        if event["type"] is None:
            self._hand_over(Listed())
        if event["type"] == "DELETED":
            meta = raw["metadata"]
            self._hand_over((Key(param, meta["namespace"], meta["name"]), meta["uid"]))
        else:
            self._hand_over(Owner.read(param, raw))

    async def _log_in(self, **_: object) -> kopf.AiohttpSession:
        """A session that keeps its credentials fresh by itself; asked for again only when
        the server refuses them.
        """
        times = len(self._sessions)
        await asyncio.sleep(min(30.0, 2.0 ** (times - 1)) if times else 0)
        session = self._credentials.session(headers={"User-Agent": "ioc-operator-watch"})
        self._sessions.append(session)
        server = self._credentials.where.server
        return kopf.AiohttpSession(server=server, aiohttp_session=session)

    def _settings(self) -> kopf.OperatorSettings:
        settings = kopf.OperatorSettings()
        settings.posting.enabled = False
        settings.scanning.disabled = True  # we wait for the kinds ourselves, and need no CRDs
        settings.peering.standalone = True
        settings.process.ultimate_exiting_timeout = None
        settings.queueing.idle_timeout = 0.1
        settings.queueing.exit_timeout = 0.2
        settings.watching.chunk_size = 200
        settings.watching.server_timeout = 300
        settings.watching.reconnect_backoff = 1.0
        settings.networking.request_timeout = 30.0
        settings.networking.connect_timeout = 5.0
        settings.networking.error_backoffs = Backoffs()
        if self._selector:
            for resource in OWNERS.values():
                settings.watching.label_selectors[GROUP, VERSION, resource.plural] = self._selector
        return settings


def _overhear(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Kopf's own troubles as it ends; the reason of its end is told elsewhere."""
    log.debug("kopf: %s", context.get("message"))
