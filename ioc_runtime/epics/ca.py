"""Links over Channel Access: the client, and how PVs are followed and polled."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ioc_runtime.epics import dbr
from ioc_runtime.epics.ca_endpoint import Endpoint
from ioc_runtime.epics.ca_target import CaTarget
from ioc_runtime.epics.cabi import ca
from ioc_runtime.epics.client_thread import ClientThread
from ioc_runtime.epics.feed import INVALID, READ, READ_ACCESS, Feed, Memory, fit
from ioc_runtime.plan import Link, Signal

_log = logging.getLogger(__name__)

_WINDOW = 200_000
"""Bytes of unanswered writes to one server, from which on libca may wait until it reads
them (it does above 256 KiB). A single larger write does not wait; whatever follows would."""


class CaClient:
    """All ca:// links of a task. Made, used and closed in the client thread."""

    def __init__(self, thread: ClientThread) -> None:
        """Start Channel Access in the present thread."""
        self.thread = thread
        self._context = ca.Context()
        self._unsent = False
        self._links: list[CaReader | CaTarget] = []  # libca holds their callbacks
        self._unanswered: dict[str, int] = {}
        thread.after_batch.append(self._flush)

    def sent(self, host: str, size: int) -> None:
        """A write is on its way to a server, or (size below 0) has been answered."""
        left = self._unanswered.get(host, 0) + size
        if left:
            self._unanswered[host] = left
        else:
            del self._unanswered[host]

    def clogged(self, host: str, size: int = 0) -> bool:
        """Whether a request to this server might wait for it to read earlier ones."""
        unanswered = self._unanswered.get(host, 0)
        return bool(unanswered) and unanswered + size > _WINDOW

    def reader(self, link: Link, feed: Feed) -> CaReader:
        """Follow a PV from now on."""
        reader = CaReader(self, link, feed)
        self._links.append(reader)
        return reader

    def target(self, link: Link, signal: Signal, connected: Callable[[bool], None]) -> CaTarget:
        """Keep a connection to a PV that will be written."""
        target = CaTarget(self, link, signal, connected)
        self._links.append(target)
        return target

    def flush_later(self) -> None:
        """Whatever this job asks of libca is sent at the end of the batch."""
        self._unsent = True

    def close(self) -> None:
        """End all circuits; nothing is called any more."""
        self.thread.after_batch.remove(self._flush)
        self._context.close()

    def _flush(self) -> None:
        if self._unsent:
            self._unsent = False
            self._context.flush()


class CaReader(Endpoint):
    """One PV that is followed by a monitor, or polled."""

    def __init__(self, client: CaClient, link: Link, feed: Feed) -> None:
        self._feed = feed
        self._live = [False]
        self._names: list[str] = []
        self._events: list[Any] = []
        self._request: tuple[int, int, ca.EventCallback] | None = None
        # libca may hold the callback of a get a little longer than a connection lasts.
        self._callbacks: deque[ca.EventCallback] = deque(maxlen=16)
        self._asked = False
        self._memory = Memory(feed)
        self._polls = False
        self._readable = True
        super().__init__(client, link)

    def poke(self) -> None:
        """Ask for the value; the answer is a sample or a sign of life. In the client thread."""
        if self._request is None or self._asked or self._client.clogged(self._channel.host):
            return
        self._asked = True
        if self._channel.get(*self._request) != ca.NORMAL:
            self._asked = False
        self._client.flush_later()

    def remember(self) -> None:
        """Tell answers that bring something from those that repeat the last sample.

        Nothing is missed: the source is followed anew before the old way ends.
        """
        if self._feed.remember:
            return
        self._feed = replace(self._feed, remember=True)
        if self._events and self._link.poll is None:
            before = self._events.pop()
            self._follow(self._live)
            self._channel.unsubscribe(before)
            self._client.flush_later()

    def _connection(self, up: bool) -> None:
        if up:
            self._feed.connected(True)
            self._client.thread.post(self._arrived)
        else:
            self._live[0] = False
            self._feed.connected(False)
            self._client.thread.post(self._lost, self._channel)

    def _access(self, read: bool, _: bool) -> None:
        if read and not self._readable:
            self._client.thread.post(self._arrived)
        self._readable = read

    def _lost(self, channel: ca.Channel) -> None:
        if channel is self._channel:
            self._drop()
            self._lost_it()

    def _drop(self) -> None:
        self._live[0] = False
        for event in self._events:
            self._channel.unsubscribe(event)
        self._events, self._request = [], None
        self._asked = False

    def _arrived(self) -> None:
        """Choose for what the source is now; it may have changed since the last time."""
        self._drop()
        native, count = self._channel.native, self._channel.count
        if native < 0:
            return
        self._up_since = time.monotonic()
        live = self._live = [True]
        self._names = []
        if native == dbr.ENUM and count == 1 and self._feed.signal.type not in ("float", "int"):
            self._ask_names(live)
        else:
            self._follow(live)
        self._client.flush_later()

    def _ask_names(self, live: list[bool]) -> None:
        """Nothing of an enumerated source counts before its state names are known."""

        def answer(status: int, _: int, data: bytes) -> None:
            if live[0]:
                self._client.thread.post(self._named, live, status, data)

        callback = ca.raw_event(answer, dbr.STATE_NAMES_SIZE)
        self._callbacks.append(callback)
        if self._channel.get(dbr.GR_ENUM, 1, callback) != ca.NORMAL:
            self._failed(ca.NO_READ_ACCESS)

    def _named(self, live: list[bool], status: int, data: bytes) -> None:
        if not live[0]:
            return
        if status != ca.NORMAL:
            self._failed(status)
            return
        self._names = dbr.state_names(data)

        def renamed(status: int, _: int, data: bytes) -> None:
            if live[0] and status == ca.NORMAL and dbr.state_names(data) != self._names:
                live[0] = False
                self._client.thread.post(self._arrived)

        callback = ca.raw_event(renamed, dbr.STATE_NAMES_SIZE)
        self._callbacks.append(callback)
        self._events.append(self._channel.subscribe(dbr.GR_ENUM, 1, ca.PROPERTY, callback))
        self._follow(live)
        self._client.flush_later()

    def _follow(self, live: list[bool]) -> None:
        native, count = self._channel.native, self._channel.count
        if native < 0:
            return
        remember = self._feed.remember or self._link.poll is not None
        sample = self._memory.sample if remember else self._feed.sample
        kind, wanted, make = self._decoder(native, count)
        timed = kind + dbr.TIME
        if remember:
            callback = make(live, self._answer)
            self._callbacks.append(callback)
            self._request = (timed, wanted, callback)
        if self._link.poll is None:
            callback = make(live, sample)
            self._callbacks.append(callback)
            mask = ca.VALUE | ca.ALARM
            self._events.append(self._channel.subscribe(timed, wanted, mask, callback))
        elif not self._polls:
            self._polls = True
            self._poll(time.monotonic(), self._link.poll)
        else:
            self.poke()

    def _decoder(
        self, native: int, count: int
    ) -> tuple[int, int, Callable[[list[bool], ca.Sample], ca.EventCallback]]:
        """How to ask for the source: type, number of elements, and what makes the callback."""
        signal, names, failed = self._feed.signal, self._names, self._failed
        number = native != dbr.STRING and (native != dbr.ENUM or signal.type in ("float", "int"))
        if count == 1 and number and signal.type == "float" and signal.length is None:
            return dbr.DOUBLE, 1, lambda live, sample: ca.scalar_double(live, sample, failed)
        if native == dbr.CHAR and count > 1 and signal.type == "string":
            decode: Callable[[bytes, int], Any] = dbr.text
            kind = dbr.CHAR
        elif native == dbr.STRING:
            kind, decode = native, dbr.strings
        else:
            kind = dbr.DOUBLE if native == dbr.FLOAT and count == 1 else native
            decode = dbr.numbers(kind)

        def make(live: list[bool], sample: ca.Sample) -> ca.EventCallback:
            def fitted(raw: Any, severity: int, status: int, ns: int) -> None:
                value, severity = fit(signal, raw, names, severity)
                sample(value, severity, status, ns)

            return ca.decoded(live, decode, fitted, failed, kind)

        return kind, 1 if count == 1 else 0, make

    def _answer(self, value: Any, severity: int, status: int, ns: int) -> None:
        self._asked = False
        self._memory.answer(value, severity, status, ns)

    def _failed(self, status: int) -> None:
        self._asked = False
        if status == ca.DISCONNECTED:
            return
        _log.warning("ca://%s gives no value: %s", self._link.name, ca.message(status))
        self._memory.forget()
        self._feed.sample(None, INVALID, READ_ACCESS if status == ca.NO_READ_ACCESS else READ, 0)

    def _poll(self, due: float, period: float) -> None:
        self.poke()
        now = time.monotonic()
        due += period * max(1, int((now - due) / period) + 1)
        self._client.thread.at(due, self._poll, due, period)
