"""Links over Channel Access: how PVs are followed, polled and written."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ioc_runtime.engine.values import BadValue
from ioc_runtime.epics import dbr
from ioc_runtime.epics.ca_values import payload
from ioc_runtime.epics.cabi import ca
from ioc_runtime.epics.client_thread import ClientThread
from ioc_runtime.epics.feed import INVALID, READ, READ_ACCESS, Feed, Memory, fit
from ioc_runtime.epics.link_writer import Done
from ioc_runtime.plan import Link, Signal

_log = logging.getLogger(__name__)

_WINDOW = 200_000
"""Bytes of unanswered writes to one server, from which on libca may wait until it reads
them (it does above 256 KiB). A single larger write does not wait; whatever follows would."""


_ASK_AGAIN = (5.0, 5.0, 10.0, 10.0, *[30.0] * 19)
"""Seconds between searches for a lost PV that start anew; ten minutes in all."""


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


class _Endpoint:
    """A channel that is made anew when it is lost.

    libca itself waits up to 10 s before it looks for a lost channel, and then asks at
    intervals that double: a server that was away for a minute is found a minute later.
    A new channel is asked for at once, and again after the times of `_ASK_AGAIN`.
    """

    def __init__(self, client: CaClient, link: Link) -> None:
        self._client, self._link = client, link
        self._up_since: float | None = None
        self._open()

    def _open(self) -> None:
        self._channel = ca.Channel(self._link.name, self._connection, self._access)
        self._channel.open()
        self._client.flush_later()

    def _lost_it(self) -> None:
        """The channel went down. One that a server refused never was up: libca asks again."""
        up, self._up_since = self._up_since, None
        now = time.monotonic()
        if up is not None and now - up > 1.0:
            self._look_again()
        elif up is not None:  # not faster than once a second, whatever the server does
            self._client.thread.at(now + 1.0, self._still_lost, self._channel, -1)

    def _look_again(self, turn: int = 0) -> None:
        self._channel.close()
        self._open()
        if turn < len(_ASK_AGAIN):
            due = time.monotonic() + _ASK_AGAIN[turn]
            self._client.thread.at(due, self._still_lost, self._channel, turn)

    def _still_lost(self, channel: ca.Channel, turn: int) -> None:
        if channel is self._channel and channel.native < 0:
            self._look_again(turn + 1)

    def _connection(self, up: bool) -> None:
        raise NotImplementedError

    def _access(self, read: bool, write: bool) -> None:
        raise NotImplementedError


class CaReader(_Endpoint):
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


class CaTarget(_Endpoint):
    """One PV that is written. Used in the client thread."""

    def __init__(
        self, client: CaClient, link: Link, signal: Signal, connected: Callable[[bool], None]
    ) -> None:
        self._signal = signal
        self._report = connected
        self._names: list[str] = []
        self._ready = self._writable = False
        self._waiting: dict[int, tuple[Done, str, int]] = {}
        self._token = 0
        self._put_done = ca.raw_event(self._answered)
        self._barrier_done = ca.raw_event(self._passed)
        self._names_done = ca.raw_event(self._named, dbr.STATE_NAMES_SIZE)
        super().__init__(client, link)

    @property
    def connected(self) -> bool:
        """Whether a write can start now."""
        return self._ready

    def put(self, value: Any, wait: bool, done: Done) -> None:
        """Write; see `link_writer.Target`."""
        try:
            self._put(value, wait, done)
        except BadValue as error:
            done(error)

    def _put(self, value: Any, wait: bool, done: Done) -> None:
        native = self._channel.native
        if native < 0:
            done("the target is not connected")
            return
        if not self._channel.writable:
            raise BadValue("its server does not let this host and user write")
        kind, count, data = payload(self._signal, value, native, self._channel.count, self._names)
        host = self._channel.host
        if self._client.clogged(host, len(data)):
            done("its server does not take what was written before")
            return
        self._client.sent(host, len(data))
        self._token += 1
        self._waiting[self._token] = done, host, len(data)
        if wait:
            status = self._channel.put_callback(kind, count, data, self._put_done, self._token)
        else:
            status = self._channel.put(kind, count, data)
            if status == ca.NORMAL:  # requests of a circuit are served in order
                status = self._channel.get(native, 1, self._barrier_done, self._token)
        self._client.flush_later()
        if status != ca.NORMAL:
            self._answered(status, self._token, b"")

    def _connection(self, up: bool) -> None:
        if up:
            self._client.thread.post(self._arrived)
        else:
            self._client.thread.post(self._lost, self._channel)

    def _arrived(self) -> None:
        self._names = []
        self._up_since = time.monotonic()
        if self._channel.native == dbr.ENUM:
            self._channel.get(dbr.GR_ENUM, 1, self._names_done)
            self._client.flush_later()
        elif self._channel.native >= 0:
            self._set_ready(True)

    def _lost(self, channel: ca.Channel) -> None:
        if channel is self._channel:
            self._set_ready(False)
            for token in list(self._waiting):
                self._answered(ca.DISCONNECTED, token, b"")
            self._lost_it()

    def _named(self, status: int, _: int, data: bytes) -> None:
        if status != ca.DISCONNECTED:
            self._client.thread.post(self._with_names, status, data)

    def _with_names(self, status: int, data: bytes) -> None:
        self._names = dbr.state_names(data) if status == ca.NORMAL else []
        self._set_ready(self._channel.native >= 0)

    def _set_ready(self, ready: bool) -> None:
        if ready != self._ready:
            self._ready = ready
            self._writable = self._channel.writable
            self._report(ready)

    def _access(self, read: bool, write: bool) -> None:
        self._client.thread.post(self._allowed, write)

    def _allowed(self, write: bool) -> None:
        """Rights that come back are a reconnection to the engine."""
        came_back = write and not self._writable and self._ready
        self._writable = write
        if came_back:
            self._report(True)

    def _answered(self, status: int, token: int, _: bytes) -> None:
        waiting = self._waiting.pop(token, None)
        if waiting is not None:
            done, host, size = waiting
            self._client.thread.post(self._client.sent, host, -size)
            done(None if status == ca.NORMAL else _cause(status))

    def _passed(self, status: int, token: int, _: bytes) -> None:
        self._answered(status if status == ca.DISCONNECTED else ca.NORMAL, token, b"")


def _cause(status: int) -> str:
    if status == ca.DISCONNECTED:
        return "the connection was lost meanwhile"
    return f"its server says: {ca.message(status)}"
