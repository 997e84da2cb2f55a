"""Keys that want to be looked at: each once, one at a time, failed ones later and later.

`Schedule` is the order and has no clock of its own; `Queue` puts it on an event loop.
"""

from __future__ import annotations

import asyncio
import heapq
import random
import time
from collections import deque
from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

from .metrics import Counter, Histogram

K = TypeVar("K", bound=Hashable)

FIRST_BACKOFF: Final = 0.1
LONGEST_BACKOFF: Final = 60.0


class Schedule(Generic[K]):
    """Which key is next. Times are in seconds on whatever clock the caller has.

    A key that is added while it is being worked on comes up again afterwards. `urgent`
    keys (somebody waits for them) go before the others.
    """

    def __init__(self, chance: Callable[[], float] = random.random):
        self._chance = chance
        self._urgent: deque[K] = deque()
        self._calm: deque[K] = deque()
        self._since: dict[K, float] = {}  # waiting: since when
        self._running: set[K] = set()
        self._again: dict[K, tuple[float, bool]] = {}  # added while running
        self._due: dict[K, float] = {}
        self._later: list[tuple[float, int, K]] = []
        self._count = 0
        self._failures: dict[K, int] = {}
        self._not_before: dict[K, float] = {}

    def add(self, key: K, now: float, *, urgent: bool = False) -> None:
        """The key wants to be looked at now; one that was told to wait comes when it may."""
        if self._not_before.get(key, now) > now:
            return
        self._due.pop(key, None)
        if key in self._running:
            since, was_urgent = self._again.get(key, (now, False))
            self._again[key] = since, urgent or was_urgent
        elif key not in self._since:
            self._since[key] = now
            (self._urgent if urgent else self._calm).append(key)
        elif urgent:
            # It may then stand in both lines; the first to come up counts.
            self._urgent.append(key)

    def add_at(self, key: K, when: float) -> None:
        """Not before that time; an earlier one that is known already stays."""
        when = max(when, self._not_before.get(key, when))
        if key in self._since or self._due.get(key, float("inf")) <= when:
            return
        self._due[key] = when
        self._count += 1
        heapq.heappush(self._later, (when, self._count, key))

    def take(self, now: float) -> tuple[K, float] | None:
        """The next key and how long it has waited; it is being worked on until `done`."""
        while self._later and self._later[0][0] <= now:
            when, _, key = heapq.heappop(self._later)
            if self._due.get(key) == when:
                self.add(key, now)
        for line in (self._urgent, self._calm):
            while line:
                key = line.popleft()
                if key in self._since:
                    self._running.add(key)
                    return key, now - self._since.pop(key)
        return None

    def done(self, key: K, now: float) -> None:
        """It went well."""
        self._failures.pop(key, None)
        self._not_before.pop(key, None)
        self._end(key, now)

    def failed(self, key: K, now: float, at_least: float = 0.0) -> float:
        """It did not: it comes again after a time that doubles. The seconds are returned.

        An event that adds it meanwhile is not held up, unless the server has asked for
        `at_least` so many seconds of peace.
        """
        times = self._failures.get(key, 0)
        self._failures[key] = times + 1
        wait = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2.0 ** min(times, 30))
        chance = self._chance()
        wait = max(at_least * (1.0 + 0.25 * chance), wait * (0.75 + 0.5 * chance))
        if at_least:
            self._not_before[key] = now + wait
            self._due.pop(key, None)  # an earlier time that somebody else had set
        self._end(key, now)
        self.add_at(key, now + wait)
        return wait

    def _end(self, key: K, now: float) -> None:
        self._running.discard(key)
        if (again := self._again.pop(key, None)) is not None:
            self.add(key, again[0], urgent=again[1])

    def forget(self, key: K) -> None:
        """Of a key that is gone for good: no memory of its failures."""
        self._failures.pop(key, None)
        self._due.pop(key, None)
        self._not_before.pop(key, None)

    def begin(self, now: float) -> None:
        """What waits has waited from now: until now there was nobody to work on it."""
        self._since = dict.fromkeys(self._since, now)

    def next_due(self) -> float | None:
        """When the earliest of those that wait for their time comes up."""
        while self._later and self._due.get(self._later[0][2]) != self._later[0][0]:
            heapq.heappop(self._later)
        return self._later[0][0] if self._later else None

    @property
    def depth(self) -> int:
        """Keys that could be worked on now and are not."""
        return len(self._since)

    @property
    def retrying(self) -> int:
        """Keys whose last time went wrong."""
        return len(self._failures)

    @property
    def running(self) -> int:
        """Keys that are being worked on."""
        return len(self._running)


class Queue(Generic[K]):
    """A schedule on the event loop: workers wait in `get`; nobody gets a key while it is held."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._keys: Schedule[K] = Schedule()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._held = True
        self.latency = Histogram(
            "ioc_operator_queue_seconds", "Time that a key waited before it was looked at."
        )
        self.retries = Counter(
            "ioc_operator_retries_total", "Keys that are looked at again because it went wrong."
        )

    def add(self, key: K, *, urgent: bool = False) -> None:
        """The key wants to be looked at."""
        self._keys.add(key, self._clock(), urgent=urgent)
        self._wake.set()

    def add_after(self, key: K, seconds: float) -> None:
        """The same, in a while."""
        self._keys.add_at(key, self._clock() + seconds)
        self._wake.set()

    async def get(self) -> K:
        """The next key; `done` or `failed` must follow."""
        while True:
            taken = None if self._held else self._keys.take(self._clock())
            if taken is not None:
                self._idle.clear()
                self.latency.observe(taken[1])
                return taken[0]
            self._wake.clear()
            await self._wait()

    async def _wait(self) -> None:
        due = None if self._held else self._keys.next_due()
        seconds = None if due is None else max(0.0, due - self._clock())
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass

    def done(self, key: K, again_after: float | None = None) -> None:
        """It went well; it may want to be looked at again after some seconds."""
        self._keys.done(key, self._clock())
        if again_after is not None:
            self.add_after(key, again_after)
        self._ended()

    def failed(self, key: K, at_least: float = 0.0) -> float:
        """It did not; seconds until it comes again."""
        self.retries.add()
        wait = self._keys.failed(key, self._clock(), at_least)
        self._ended()
        return wait

    def _ended(self) -> None:
        self._wake.set()
        if not self._keys.running:
            self._idle.set()

    def forget(self, key: K) -> None:
        """Of a key that is gone for good."""
        self._keys.forget(key)

    def hold(self) -> None:
        """Give out no more keys."""
        self._held = True

    def go(self) -> None:
        """Give them out."""
        if self._held:
            self._keys.begin(self._clock())
        self._held = False
        self._wake.set()

    async def idle(self) -> None:
        """Wait until nobody works on a key."""
        await self._idle.wait()

    @property
    def depth(self) -> int:
        """Keys that could be worked on now and are not; none while it is held: somebody else
        works on them.
        """
        return 0 if self._held else self._keys.depth

    @property
    def retrying(self) -> int:
        """Keys whose last time went wrong; none while it is held."""
        return 0 if self._held else self._keys.retrying

    @property
    def running(self) -> int:
        return self._keys.running
