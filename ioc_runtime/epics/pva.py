"""Links over PV Access: how PVs are followed, polled and written.

p4p's raw client calls in the one worker thread of its context, in order. A monitor
asks for a queue of 1000 updates: the server's own default of 4 loses bursts.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from ioc_runtime.engine.values import BadValue
from ioc_runtime.epics.cabi.threads import keep_thread_state
from ioc_runtime.epics.client_thread import ClientThread
from ioc_runtime.epics.feed import INVALID, READ, Feed, Memory
from ioc_runtime.epics.libraries import without_setuptools
from ioc_runtime.epics.link_writer import Done
from ioc_runtime.plan import Link, Signal

without_setuptools()
from p4p.client.raw import Cancelled, Context, Disconnected, RemoteError, Subscription  # noqa: E402

from ioc_runtime.epics.pva_values import NO_FIELD, extractor, fill, kind_of  # noqa: E402

_log = logging.getLogger(__name__)

_FOLLOW = "record[queueSize=1000]field(value,alarm,timeStamp)"
_GET = "field(value,alarm,timeStamp)"
_TRY_AGAIN = 5.0
"""Seconds until a PV that refused to be followed is asked again."""


class PvaClient:
    """All pva:// links of a task. Made, used and closed in the client thread."""

    def __init__(self, thread: ClientThread) -> None:
        self.thread = thread
        self.context = Context("pva", useenv=True, nt=False)
        self.patience = float(os.environ.get("EPICS_PVA_CONN_TMO") or 30)
        self._links: list[PvaReader | PvaTarget] = []

    def reader(self, link: Link, feed: Feed) -> PvaReader:
        """Follow a PV from now on."""
        reader = PvaReader(self, link, feed)
        self._links.append(reader)
        return reader

    def target(self, link: Link, signal: Signal, connected: Callable[[bool], None]) -> PvaTarget:
        """Keep a connection to a PV that will be written."""
        target = PvaTarget(self, link, signal, connected)
        self._links.append(target)
        return target

    def close(self) -> None:
        """End all connections; nothing is called any more."""
        for link in self._links:
            link.close()
        self.context.close()


class _Monitor:
    """A subscription that is made again when the server ends it.

    `value(v)`, `lost()` and `refused(text)` are called in p4p's worker, in order.
    """

    def __init__(
        self,
        client: PvaClient,
        name: str,
        request: str,
        value: Callable[[Any], None],
        lost: Callable[[], None],
        refused: Callable[[str], None],
    ) -> None:
        self._client, self._name, self._request = client, name, request
        self.value, self._lost, self._refused = value, lost, refused
        self._opening = threading.Lock()
        self._subscription: Subscription | None = None
        self._closed = False
        self._open()

    def close(self) -> None:
        self._closed = True
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None

    def _open(self) -> None:
        if self._closed:
            return
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None
        pops: list[Callable[[], Any]] = []
        with self._opening:  # the worker may be called before it knows what to ask
            self._subscription = self._client.context.monitor(
                self._name, partial(self._event, pops), request=self._request
            )
            # Subscription.pop adds an unwrapping that does nothing here, and two log calls.
            pops.append(super(Subscription, self._subscription).pop)  # type: ignore[misc]

    def _event(self, pops: list[Callable[[], Any]]) -> None:
        keep_thread_state()
        if not pops:
            with self._opening:
                pass
        pop = pops[0]
        while (value := pop()) is not None:
            try:
                if not isinstance(value, Exception):
                    self.value(value)
                elif isinstance(value, Disconnected):
                    self._lost()
                else:
                    self._ended(value)
            except Exception:  # the queue must be emptied, or p4p never calls again
                _log.exception("a sample was lost")

    def _ended(self, error: Exception) -> None:
        if isinstance(error, RemoteError):
            self._refused(str(error))
        else:
            self._lost()
        self._client.thread.post(self._later)

    def _later(self) -> None:
        self._client.thread.at(time.monotonic() + _TRY_AGAIN, self._open)


class PvaReader:
    """One PV that is followed by a monitor, or polled."""

    def __init__(self, client: PvaClient, link: Link, feed: Feed) -> None:
        self._client, self._feed, self._link = client, feed, link
        self._memory = Memory(feed)
        self._up = False
        self._get: Any = None
        self._asked_at = 0.0
        self._monitor: _Monitor | None = None
        self._take_answer: Callable[[Any], None] | None = None
        if link.poll is None:
            self._monitor = _Monitor(
                client, link.name, _FOLLOW, self._first, self._lost, self._refused
            )
        else:
            self._poll(time.monotonic(), link.poll)

    def poke(self) -> None:
        """Ask for the value; the answer is a sample or a sign of life. In the client thread."""
        if self._get is None and (self._up or self._monitor is None):
            self._asked_at = time.monotonic()
            self._get = self._client.context.get(self._link.name, self._answered, request=_GET)

    def remember(self) -> None:
        """Tell answers that bring something from those that repeat the last sample."""
        if not self._feed.remember:
            self._feed = replace(self._feed, remember=True)
            if self._monitor is not None:
                self._monitor.value = self._first  # the next update takes the new way

    def close(self) -> None:
        """End what this link has under way."""
        if self._monitor is not None:
            self._monitor.close()
        if self._get is not None:
            self._get.close()

    def _first(self, value: Any) -> None:
        """The first update of a connection says what the source is now."""
        self._connected()
        sample = self._memory.sample if self._feed.remember else self._feed.sample
        take = extractor(self._feed.signal, value, sample)
        if self._monitor is not None:
            self._monitor.value = take
        take(value)

    def _connected(self) -> None:
        if not self._up:
            self._up = True
            self._feed.connected(True)

    def _lost(self) -> None:
        if self._monitor is not None:
            self._monitor.value = self._first
        self._take_answer = None
        self._up = False
        self._feed.connected(False)

    def _refused(self, text: str) -> None:
        self._connected()
        if self._monitor is not None:
            self._monitor.value = self._first
        self._memory.forget()
        _log.warning("%s gives no value: %s", self._link, text)
        self._feed.sample(None, INVALID, READ, 0)

    def _answered(self, value: Any) -> None:
        keep_thread_state()
        self._client.thread.post(self._done)
        if isinstance(value, RemoteError):
            self._refused(str(value))
        elif not isinstance(value, Exception):
            if self._monitor is None:
                self._connected()
            # A polled source may change its type between two gets.
            extractor(self._feed.signal, value, self._memory.answer)(value)

    def _done(self) -> None:
        self._get = None

    def _poll(self, due: float, period: float) -> None:
        now = time.monotonic()
        if self._get is None:
            self.poke()
            if period > self._client.patience:
                self._client.thread.at(now + self._client.patience, self._late, self._get)
        else:
            self._late(self._get)
        due += period * max(1, int((now - due) / period) + 1)
        self._client.thread.at(due, self._poll, due, period)

    def _late(self, get: Any) -> None:
        """A get that stays unanswered is the only sign that a polled PV is lost."""
        waited = time.monotonic() - self._asked_at
        if self._up and get is self._get and waited >= self._client.patience:
            self._lost()


class PvaTarget:
    """One PV that is written. Used in the client thread."""

    def __init__(
        self, client: PvaClient, link: Link, signal: Signal, connected: Callable[[bool], None]
    ) -> None:
        self._client, self._link, self._signal = client, link, signal
        self._report = connected
        self._ready = False
        self._choices: list[str] = []
        self._puts: dict[int, Any] = {}
        self._token = 0
        # An array is not sent back to us each time it is written: its alarm will do.
        request = "field(value)" if signal.length is None else "field(alarm)"
        self._monitor = _Monitor(
            client, link.name, request, self._seen, self._lost, lambda _: self._seen(None)
        )

    @property
    def connected(self) -> bool:
        """Whether a write can start now."""
        return self._ready

    def put(self, value: Any, wait: bool, done: Done) -> None:
        """Write; see `link_writer.Target`."""
        self._token += 1
        token = self._token

        def answered(result: Any) -> None:
            keep_thread_state()
            self._client.thread.post(self._forget, token)
            if isinstance(result, BadValue):
                done(result)
            elif isinstance(result, Cancelled | Disconnected):
                done("the connection was lost before it was done")
            elif isinstance(result, Exception):
                done(f"its server says: {result}")
            else:
                done(None)

        def build(target: Any) -> None:
            fill(target, self._signal, value, self._choices)

        self._puts[token] = self._client.context.put(
            self._link.name,
            answered,
            builder=build,
            request="field(value)record[block=true]" if wait else "field(value)",
            get=False,
        )

    def close(self) -> None:
        """End what this link has under way."""
        self._monitor.close()
        self._cancel()

    def _forget(self, token: int) -> None:
        self._puts.pop(token, None)

    def _cancel(self) -> None:
        for put in list(self._puts.values()):
            put.close()

    def _seen(self, value: Any) -> None:
        kind = NO_FIELD if value is None else kind_of(value)
        self._choices = list(value["value.choices"]) if kind == "enum" else []
        if not self._ready:
            self._ready = True
            self._client.thread.post(self._report, True)

    def _lost(self) -> None:
        # Not here: pvxs is going through its operations and crashes when one of them
        # is closed meanwhile. A put that has not begun would go out after a reconnection.
        self._client.thread.post(self._cancel)
        if self._ready:
            self._ready = False
            self._client.thread.post(self._report, False)
