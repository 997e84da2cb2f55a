"""A PV that is written over Channel Access: `CaTarget`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ioc_runtime.engine.values import BadValue
from ioc_runtime.epics import dbr
from ioc_runtime.epics.ca_endpoint import Endpoint
from ioc_runtime.epics.ca_values import payload
from ioc_runtime.epics.cabi import ca
from ioc_runtime.epics.link_writer import Done
from ioc_runtime.plan import Link, Signal

if TYPE_CHECKING:
    from ioc_runtime.epics.ca import CaClient


class CaTarget(Endpoint):
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
